from datetime import UTC, datetime

import pandas as pd
import pytest

from ddreport.errors import TableSchemaError
from ddreport.schemas import FINDINGS, RELATED_RESOURCES
from ddreport.tables import findings_table, related_resources_table


def connection(client_id, **info):
    return {"resourceType": "CLIENT_ID", "resourceIdentifier": {"clientId": client_id}, "additionalInfo": info}


def test_a_finding_is_one_typed_row(a_finding, place):
    table = findings_table([a_finding()], **place)
    assert {c: str(t) for c, t in table.dtypes.items() if c.endswith("_time")} == {
        "task_start_time": "datetime64[us, UTC]",
        "finding_time": "datetime64[us, UTC]",
        "expiration_time": "datetime64[us, UTC]",
    }
    assert table.to_dict("records") == [
        {
            "account": "111122223333",
            "region": "eu-west-1",
            "audit_task_id": "a1",
            "finding_id": "f1",
            "check_name": "DEVICE_CERTIFICATE_EXPIRING_CHECK",
            "task_start_time": pd.Timestamp("2026-03-02T09:00:00.123Z"),
            "finding_time": pd.Timestamp("2026-03-02T09:00:01.500Z"),
            "severity": "MEDIUM",
            "resource_type": "DEVICE_CERTIFICATE",
            "resource_id": "ab" * 32,
            "policy_version_id": pytest.approx(float("nan"), nan_ok=True),
            "reason_code": "CERTIFICATE_PAST_EXPIRATION",
            "reason": "Certificate is past its expiration.",
            "is_suppressed": False,
            "expiration_time": pd.Timestamp("2026-03-03T01:06:40Z"),
            "related_resources_count": 0,
            "resource_identifier": '{"deviceCertificateId":"' + "AB" * 32 + '"}',
            "additional_info": '{"EXPIRATION_TIME":"1772500000000"}',
        }
    ]


def test_no_findings_are_a_table_with_all_columns(place):
    pd.testing.assert_frame_equal(findings_table([], **place), FINDINGS.empty())


def test_no_related_resources_are_a_table_with_all_columns(a_finding, place):
    pd.testing.assert_frame_equal(related_resources_table([a_finding()], **place), RELATED_RESOURCES.empty())


def test_records_are_not_changed(a_finding, place):
    record = a_finding(relatedResources=[connection("c")])
    findings_table([record], **place)
    assert record == a_finding(relatedResources=[connection("c")])


@pytest.mark.parametrize(
    ("members", "column", "value"),
    [
        ({"taskId": ...}, "audit_task_id", "task"),
        ({"taskStartTime": ...}, "task_start_time", pd.Timestamp("2026-03-01T00:00Z")),
        ({"findingTime": ...}, "finding_time", pd.Timestamp("2026-03-02T09:00:00.123Z")),
        ({"findingTime": ..., "taskStartTime": ...}, "finding_time", pd.Timestamp("2026-03-01T00:00Z")),
        ({"severity": ...}, "severity", "MEDIUM"),
        ({"isSuppressed": ...}, "is_suppressed", False),
        ({"reasonForNonComplianceCode": ...}, "reason_code", "(no reason code)"),
        ({"relatedResources": ...}, "related_resources_count", 0),
        ({"nonCompliantResource": ...}, "resource_type", "DEVICE_CERTIFICATE"),
        ({"nonCompliantResource": ...}, "resource_id", "(no identifier)"),
        ({"nonCompliantResource": ...}, "resource_identifier", "{}"),
        ({"nonCompliantResource": {"resourceIdentifier": {"clientId": "c"}}}, "resource_type", "CLIENT_ID"),
        ({"nonCompliantResource": {}, "checkName": "NEW_CHECK"}, "resource_type", "(no resource type)"),
    ],
)
def test_a_member_that_is_missing_has_a_stand_in(a_finding, place, members, column, value):
    table = findings_table(
        [a_finding(**members)], **place, audit_task_id="task", task_start_time=datetime(2026, 3, 1, tzinfo=UTC)
    )
    assert table[column].tolist() == [value]


@pytest.mark.parametrize("column", ["reason", "additional_info", "expiration_time", "policy_version_id"])
def test_what_aws_does_not_say_is_missing(a_finding, place, column):
    record = a_finding(reasonForNonCompliance=..., nonCompliantResource=...)
    assert findings_table([record], **place)[column].isna().all()


def test_members_of_a_newer_service_do_not_disturb(a_finding, place):
    record = a_finding(newer={"a": 1}, nonCompliantResource={"newer": 1, "resourceIdentifier": {"clientId": "c"}})
    assert findings_table([record], **place)["resource_id"].tolist() == ["c"]


def test_a_check_of_a_newer_service_keeps_its_name(a_finding, place):
    table = findings_table([a_finding(checkName="NEW_CHECK", severity="LOW")], **place)
    assert table["check_name"].tolist() == ["NEW_CHECK"]


def test_an_outdated_check_name_is_replaced(a_finding, place):
    table = findings_table([a_finding(checkName="CA_CERT_APPROACHING_EXPIRATION_CHECK")], **place)
    assert table["check_name"].tolist() == ["CA_CERTIFICATE_EXPIRING_CHECK"]


def test_a_policy_finding_has_the_version_apart(a_finding, place):
    identifier = {"policyVersionIdentifier": {"policyName": "P", "policyVersionId": "3"}}
    table = findings_table([a_finding(nonCompliantResource={"resourceIdentifier": identifier})], **place)
    assert table[["resource_id", "policy_version_id"]].to_numpy().tolist() == [["P", "3"]]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"findingId": ...}, "have no finding_id"),
        ({"checkName": ...}, "have no check_name"),
        ({"severity": "INFO"}, "'INFO'; allowed: CRITICAL, HIGH, MEDIUM, LOW"),
        ({"severity": ..., "checkName": "NEW_CHECK"}, "have no severity"),
        ({"findingTime": "soon"}, "'soon' is no time"),
        ({"taskId": ...}, "have no audit_task_id"),
    ],
)
def test_a_finding_that_cannot_be_kept_is_refused(a_finding, place, members, message):
    with pytest.raises(TableSchemaError, match=message):
        findings_table([a_finding(**members)], **place)


def test_an_equal_finding_counts_once(a_finding, place):
    assert len(findings_table([a_finding(), a_finding()], **place)) == 1


def test_different_findings_with_one_id_are_refused(a_finding, place):
    with pytest.raises(TableSchemaError, match="share a key"):
        findings_table([a_finding(), a_finding(severity="LOW")], **place)


def test_related_resources_are_rows_in_the_order_of_aws(a_finding, place):
    shared = [
        connection("b", CONNECTION_TIME="1772442000000", DISCONNECTION_TIME="1772442001000"),
        connection("a", CONNECTION_TIME="1772442000000"),
    ]
    table = related_resources_table([a_finding(relatedResources=shared)], **place)
    assert table[["finding_id", "position", "resource_id"]].to_numpy().tolist() == [["f1", 0, "b"], ["f1", 1, "a"]]
    assert table["connection_time"].tolist() == [pd.Timestamp("2026-03-02T09:00:00Z")] * 2
    assert table["disconnection_time"].isna().tolist() == [False, True]


def test_listed_related_resources_replace_the_embedded_ones(a_finding, place):
    record = a_finding(relatedResources=[connection("cut")])
    related = {"f1": [connection(f"c{n}") for n in range(12)]}
    assert findings_table([record], **place, related=related)["related_resources_count"].tolist() == [12]
    assert related_resources_table([record], **place, related=related)["resource_id"].tolist() == [
        f"c{n}" for n in range(12)
    ]


def test_a_related_resource_without_type_and_identifier_is_kept(a_finding, place):
    table = related_resources_table([a_finding(relatedResources=[{}])], **place)
    assert table[["resource_type", "resource_id"]].to_numpy().tolist() == [["(no resource type)", "(no identifier)"]]
