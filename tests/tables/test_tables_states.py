from datetime import UTC, datetime

import pandas as pd
import pytest

from ddreport.errors import TableSchemaError
from ddreport.schemas import CHECK_CONFIGURATIONS, SUPPRESSIONS
from ddreport.tables import (
    account_configurations_table,
    check_configurations_table,
    mitigation_actions_table,
    mitigation_executions_table,
    mitigation_tasks_table,
    scheduled_audits_table,
    suppressions_table,
)

OBSERVED = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
AGE = "DEVICE_CERTIFICATE_AGE_CHECK"


@pytest.fixture
def state(place):
    return {**place, "observed_time": OBSERVED}


def thresholds(state, **settings):
    table = check_configurations_table({"auditCheckConfigurations": settings}, **state)
    return dict(zip(table["check_name"], table["threshold_days"], strict=True))


def test_checks_are_configured_or_not(state):
    record = {"auditCheckConfigurations": {"B_CHECK": {"enabled": True}, "A_CHECK": {"enabled": False}, "C_CHECK": {}}}
    table = check_configurations_table(record, **state)
    assert table["check_name"].tolist() == ["A_CHECK", "B_CHECK", "C_CHECK"]
    assert table["enabled"].tolist() == [False, True, False]
    assert (table["observed_time"] == pd.Timestamp(OBSERVED)).all()


def test_a_threshold_is_a_number_of_days(state):
    assert thresholds(state, **{AGE: {"configuration": {"CERT_AGE_THRESHOLD_IN_DAYS": "500"}}}) == {AGE: 500}


def test_a_threshold_of_a_newer_check_is_found(state):
    assert thresholds(state, NEW_CHECK={"configuration": {"KEY_AGE_IN_DAYS": "7"}}) == {"NEW_CHECK": 7}


@pytest.mark.parametrize("configuration", [None, {}, {"CERT_AGE_THRESHOLD_IN_DAYS": "many"}, {"OTHER": "5"}])
def test_no_number_is_no_threshold(state, configuration):
    assert thresholds(state, **{AGE: {"configuration": configuration}})[AGE] is pd.NA


def test_a_configuration_is_kept_as_json(state):
    record = {"auditCheckConfigurations": {AGE: {"configuration": {"Z": "1", "A": "2"}}}}
    assert check_configurations_table(record, **state)["configuration"].tolist() == ['{"A":"2","Z":"1"}']


def test_no_checks_are_an_empty_table(state):
    pd.testing.assert_frame_equal(check_configurations_table({}, **state), CHECK_CONFIGURATIONS.empty())


def test_an_account_with_a_role_is_configured(state):
    record = {
        "roleArn": "arn:aws:iam::1:role/A",
        "auditNotificationTargetConfigurations": {"SNS": {"enabled": True, "targetArn": "arn:t", "roleArn": "arn:r"}},
    }
    [row] = account_configurations_table(record, **state).to_dict("records")
    assert (row["configured"], row["role_arn"]) == (True, "arn:aws:iam::1:role/A")
    assert (row["sns_enabled"], row["sns_target_arn"], row["sns_role_arn"]) == (True, "arn:t", "arn:r")


def test_an_account_without_role_was_never_configured(state):
    record = {"auditCheckConfigurations": {AGE: {"enabled": False}}}
    table = account_configurations_table(record, **state)
    assert table["configured"].tolist() == [False]
    assert table[["role_arn", "sns_enabled", "sns_target_arn"]].isna().all(axis=None)


def test_a_schedule_lists_its_checks_by_their_present_names(state):
    record = {
        "scheduledAuditName": "nightly",
        "scheduledAuditArn": "arn:s",
        "frequency": "MONTHLY",
        "dayOfMonth": "LAST",
        "targetCheckNames": ["LOGGING_DISABLED_CHECK", "REVOKED_CA_CERT_CHECK"],
    }
    [row] = scheduled_audits_table([record], **state).to_dict("records")
    assert row["target_check_names"] == '["LOGGING_DISABLED_CHECK","REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"]'
    assert (row["frequency"], row["day_of_month"]) == ("MONTHLY", "LAST")


def suppression(**members):
    return {"checkName": AGE, "resourceIdentifier": {"deviceCertificateId": "AB" * 32}, **members}


def test_a_suppression_knows_its_resource_and_end(state):
    record = suppression(expirationDate=1597881600.0, suppressIndefinitely=False, description="being replaced")
    [row] = suppressions_table([record], **state).to_dict("records")
    assert (row["resource_type"], row["resource_id"]) == ("DEVICE_CERTIFICATE", "ab" * 32)
    assert (row["suppress_indefinitely"], row["expiration_time"]) == (False, pd.Timestamp("2020-08-20T00:00Z"))
    assert row["description"] == "being replaced"


@pytest.mark.parametrize(
    ("members", "endless"),
    [({"suppressIndefinitely": True}, True), ({}, True), ({"expirationDate": 1597881600}, False)],
)
def test_a_suppression_without_end_is_endless(state, members, endless):
    assert suppressions_table([suppression(**members)], **state)["suppress_indefinitely"].tolist() == [endless]


def test_a_suppression_of_an_unknown_kind_of_resource_is_typed_by_its_check(state):
    table = suppressions_table([suppression(resourceIdentifier={"newer": "x"})], **state)
    assert table["resource_type"].tolist() == ["DEVICE_CERTIFICATE"]
    assert table["resource_id"].tolist() == ['{"newer":"x"}']


def test_a_suppression_unknown_in_every_way_is_kept(state):
    table = suppressions_table([{"checkName": "NEW_CHECK"}], **state)
    assert table[["resource_type", "resource_id"]].to_numpy().tolist() == [["(no resource type)", "(no identifier)"]]


def test_a_suppression_of_a_policy_is_bound_to_its_version(state):
    identifiers = [{"policyVersionIdentifier": {"policyName": "P", "policyVersionId": v}} for v in "12"]
    table = suppressions_table([suppression(resourceIdentifier=i) for i in identifiers], **state)
    assert table[["resource_id", "policy_version_id"]].to_numpy().tolist() == [["P", "1"], ["P", "2"]]


def test_no_suppressions_are_an_empty_table(state):
    pd.testing.assert_frame_equal(suppressions_table([], **state), SUPPRESSIONS.empty())


def test_a_suppression_without_check_is_refused(state):
    with pytest.raises(TableSchemaError, match="have no check_name"):
        suppressions_table([{"resourceIdentifier": {"clientId": "c"}}], **state)


def test_an_action_keeps_its_parameters_as_json(state):
    record = {
        "actionName": "q",
        "actionId": "i",
        "actionArn": "arn:a",
        "actionType": "ADD_THINGS_TO_THING_GROUP",
        "roleArn": "arn:r",
        "creationDate": 1772000000.5,
        "lastModifiedDate": 1772000001,
        "actionParams": {"addThingsToThingGroupParams": {"thingGroupNames": ["q"], "overrideDynamicGroups": True}},
    }
    [row] = mitigation_actions_table([record], **state).to_dict("records")
    wanted = '{"addThingsToThingGroupParams":{"overrideDynamicGroups":true,"thingGroupNames":["q"]}}'
    assert (row["action_params"], row["creation_time"]) == (wanted, pd.Timestamp("2026-02-25T06:13:20.500Z"))


def repair(**members):
    return {
        "taskId": "m1",
        "taskStatus": "COMPLETED",
        "startTime": 1772442100.5,
        "target": {"auditTaskId": "a1"},
        "auditCheckToActionsMapping": {"B": ["x"], "A": ["y"]},
        "taskStatistics": {
            "A": {"totalFindingsCount": 3, "succeededFindingsCount": 2, "failedFindingsCount": 1},
            "B": {"totalFindingsCount": 4, "skippedFindingsCount": 4},
        },
        **members,
    }


def test_a_mitigation_task_sums_up_its_checks(place):
    [row] = mitigation_tasks_table([repair()], **place, emulated=False).to_dict("records")
    counts = {name: value for name, value in row.items() if name.endswith("_findings_count")}
    assert counts == {
        "total_findings_count": 7,
        "succeeded_findings_count": 2,
        "failed_findings_count": 1,
        "skipped_findings_count": 4,
        "canceled_findings_count": 0,
    }
    assert (row["audit_task_id"], row["check_to_actions"]) == ("a1", '{"A":["y"],"B":["x"]}')


def test_a_mitigation_task_of_single_findings_names_no_audit(place):
    table = mitigation_tasks_table([repair(target={"findingIds": ["f"]})], **place, emulated=False)
    assert table["audit_task_id"].isna().all()
    assert table["target"].tolist() == ['{"findingIds":["f"]}']


def test_an_execution_says_why_it_failed(place):
    record = {
        "taskId": "m1",
        "findingId": "f1",
        "actionName": "q",
        "status": "FAILED",
        "errorCode": "INVALID_STATE_OF_RESOURCE",
        "message": "already revoked",
    }
    [row] = mitigation_executions_table([record], **place).to_dict("records")
    assert (row["status"], row["error_code"]) == ("FAILED", "INVALID_STATE_OF_RESOURCE")
    assert row["start_time"] is pd.NaT
