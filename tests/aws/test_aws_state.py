from datetime import UTC, datetime

import pytest

from ddreport.aws import fetch_configuration, fetch_scheduled_audits, fetch_state, fetch_suppressions
from ddreport.aws.answers import time_of
from ddreport.errors import AwsCallError, EndpointError
from ddreport.schemas import SCHEMAS

ROLE = "arn:aws:iam::111122223333:role/Audit"


@pytest.fixture
def configured(server):
    """An account with something of everything."""
    data = server.data
    data.configuration = {
        "roleArn": ROLE,
        "auditCheckConfigurations": {
            "LOGGING_DISABLED_CHECK": {"enabled": True},
            "DEVICE_CERTIFICATE_AGE_CHECK": {
                "enabled": True,
                "configuration": {"CERT_AGE_THRESHOLD_IN_DAYS": "500"},
            },
        },
        "auditNotificationTargetConfigurations": {
            "SNS": {"enabled": True, "targetArn": "arn:aws:sns:eu-west-1:111122223333:t", "roleArn": ROLE}
        },
    }
    data.schedules = [
        {
            "scheduledAuditName": f"nightly-{n}",
            "scheduledAuditArn": f"arn:aws:iot:eu-west-1:111122223333:scheduledaudit/nightly-{n}",
            "frequency": "DAILY",
            "targetCheckNames": ["LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"],
        }
        for n in range(2)
    ]
    data.suppressions = [
        {
            "checkName": "DEVICE_CERTIFICATE_AGE_CHECK",
            "resourceIdentifier": {"deviceCertificateId": f"{n:064x}"},
            "expirationDate": 1783000000.0,
            "suppressIndefinitely": False,
        }
        for n in range(260)
    ]
    data.actions = [
        {
            "actionName": "quarantine",
            "actionId": "1c9a6d5e-0000-4000-8000-000000000000",
            "actionArn": "arn:aws:iot:eu-west-1:111122223333:mitigationaction/quarantine",
            "actionType": "ADD_THINGS_TO_THING_GROUP",
            "roleArn": ROLE,
            "creationDate": 1772000000.5,
            "lastModifiedDate": 1772000001,
            "actionParams": {"addThingsToThingGroupParams": {"thingGroupNames": ["q"]}},
        }
    ]
    return server


def test_a_state_has_its_tables_with_their_schemas(client, configured, here):
    got = fetch_state(client, **here)
    assert {n: t.num_rows for n, t in got.tables.items()} == {
        "check_configurations": 2,
        "account_configurations": 1,
        "scheduled_audits": 2,
        "suppressions": 260,
        "mitigation_actions": 1,
    }
    assert all(table.schema == SCHEMAS[name].arrow() for name, table in got.tables.items())


def test_a_state_is_of_the_time_of_aws(client, configured, here):
    configured.data.now = datetime(2026, 3, 2, 9, 15, 30, tzinfo=UTC)
    got = fetch_state(client, **here)
    assert (got.kind, got.identity, got.time) == ("state", "20260302T091530Z", configured.data.now)
    observed = {t for table in got.tables.values() for t in table["observed_time"].to_pylist()}
    assert observed == {configured.data.now}


def test_a_state_keeps_every_answer(client, configured, here):
    operations = [r.operation for r in fetch_state(client, **here).raw]
    assert operations == configured.operations()


def test_an_account_never_set_up_is_a_state_that_says_so(client, here):
    got = fetch_state(client, **here)
    assert got.tables["account_configurations"]["configured"].to_pylist() == [False]


@pytest.mark.parametrize("emulator", [True, False])
def test_a_state_says_whether_the_emulator_answered(client, configured, here, emulator):
    configured.data.emulator = emulator
    assert fetch_state(client, **here).emulated is emulator


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeAccountAuditConfiguration",
        "ListScheduledAudits",
        "DescribeScheduledAudit",
        "ListAuditSuppressions",
        "ListMitigationActions",
        "DescribeMitigationAction",
    ],
)
def test_one_refused_call_refuses_the_whole_state(client, configured, here, operation):
    configured.fail(operation, "AccessDeniedException", status=403)
    with pytest.raises(AwsCallError) as refusal:
        fetch_state(client, **here)
    assert refusal.value.operation == f"iot:{operation}"


def test_an_answer_without_time_is_refused(client, configured, here, monkeypatch):
    monkeypatch.setattr("ddreport.aws.raw.time_of", lambda headers: time_of({}))
    with pytest.raises(EndpointError, match="does not say its time"):
        fetch_state(client, **here)


def test_suppressions_of_a_resource_that_boto3_does_not_know_are_kept_apart(client, configured, here):
    configured.data.suppressions = [
        {"checkName": "NEW_CHECK", "resourceIdentifier": {"thingGroupArn": f"arn:{n}"}, "suppressIndefinitely": True}
        for n in range(2)
    ]
    table = fetch_state(client, **here).tables["suppressions"]
    assert table["resource_id"].to_pylist() == ['{"thingGroupArn":"arn:0"}', '{"thingGroupArn":"arn:1"}']


def test_the_configuration_is_as_aws_sent_it(client, configured):
    assert fetch_configuration(client)["roleArn"] == ROLE


def test_schedules_come_with_their_checks(client, configured):
    assert [len(s["targetCheckNames"]) for s in fetch_scheduled_audits(client)] == [2, 2]


def test_suppressions_come_by_pages_of_250(client, configured):
    assert len(fetch_suppressions(client)) == 260
    assert [asked["maxResults"] for _, asked in configured.calls] == [250, 250]
