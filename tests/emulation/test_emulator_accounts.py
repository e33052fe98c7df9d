"""Several accounts and Regions in one emulator: each with its own devices, audits and settings."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from ddreport.emulation import Emulator, EmulatorServer, ManualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OURS, THEIRS = "111122223333", "444455556666"
CHECK = "LOGGING_DISABLED_CHECK"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
)


class World:
    def __init__(self, emulator, endpoint):
        self.emulator = emulator
        self.endpoint = endpoint

    def client(self, service, region="eu-west-1", credentials=("AKIAIOSFODNN7EXAMPLE", "x", None)):
        return boto3.client(service, region, None, True, None, self.endpoint, *credentials)

    def credentials_of(self, account):
        """Assume a role in another account, as anybody would."""
        arn = f"arn:aws:iam::{account}:role/Auditor"
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


@contextmanager
def world(account=OURS):
    with Emulator(ManualClock(START), account=account) as emulator, EmulatorServer(emulator) as server:
        yield World(emulator, server.endpoint)


@pytest.fixture
def both():
    with world() as served:
        yield served


def enable(iot, account):
    iot.update_account_audit_configuration(
        roleArn=f"arn:aws:iam::{account}:role/Auditor", auditCheckConfigurations={CHECK: {"enabled": True}}
    )


def enabled(iot):
    states = iot.describe_account_audit_configuration()["auditCheckConfigurations"]
    return [name for name, state in states.items() if state["enabled"]]


def test_any_credentials_reach_the_account_that_was_asked_for(both):
    iot = both.client("iot")
    assert f":{OURS}:" in iot.create_thing(thingName="t")["thingArn"]
    assert both.client("sts").get_caller_identity()["Account"] == OURS
    assert list(both.emulator.iot().things)


def test_an_assumed_role_leads_to_its_own_account(both):
    keys = both.credentials_of(THEIRS)
    assert both.client("sts", credentials=keys).get_caller_identity()["Account"] == THEIRS
    assert f":{THEIRS}:" in both.client("iot", credentials=keys).create_thing(thingName="t")["thingArn"]
    assert both.client("iot").list_things()["things"] == []


def test_a_role_of_the_usual_account_is_not_mistaken_for_no_account(both):
    """moto leads unknown keys to 123456789012, which is not the emulator's own account here."""
    keys = both.credentials_of("123456789012")
    assert both.client("sts", credentials=keys).get_caller_identity()["Account"] == "123456789012"
    both.client("iot", credentials=keys).create_thing(thingName="t")
    assert both.client("iot").list_things()["things"] == []


def test_accounts_have_their_own_audits(both):
    ours, theirs = both.client("iot"), both.client("iot", credentials=both.credentials_of(THEIRS))
    for account in (OURS, THEIRS):
        both.emulator.create_service_role("Auditor", "AWSIoTDeviceDefenderAudit", account=account)
    enable(ours, OURS)
    assert (enabled(ours), enabled(theirs)) == ([CHECK], [])
    enable(theirs, THEIRS)
    task = theirs.start_on_demand_audit_task(targetCheckNames=[CHECK])["taskId"]
    both.emulator.advance(timedelta(minutes=1))
    assert theirs.describe_audit_task(taskId=task)["taskStatus"] == "COMPLETED"
    assert len(theirs.list_audit_findings(taskId=task)["findings"]) == 1
    with pytest.raises(ours.exceptions.ResourceNotFoundException):
        ours.describe_audit_task(taskId=task)
    window = {"startTime": START - timedelta(days=1), "endTime": both.emulator.now()}
    assert ours.list_audit_tasks(**window)["tasks"] == []


def test_a_role_of_another_account_cannot_be_the_audit_role(both):
    both.emulator.create_service_role("Auditor", "AWSIoTDeviceDefenderAudit", account=THEIRS)
    iot = both.client("iot")
    with pytest.raises(iot.exceptions.InvalidRequestException):
        enable(iot, THEIRS)


def test_regions_have_their_own_devices_audits_and_schedules(both):
    here, there = both.client("iot"), both.client("iot", "us-east-1")
    both.emulator.create_service_role("Auditor", "AWSIoTDeviceDefenderAudit")
    here.create_thing(thingName="t")
    enable(here, OURS)
    here.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=[CHECK])
    assert there.list_things()["things"] == []
    assert enabled(there) == []
    assert there.list_scheduled_audits()["scheduledAudits"] == []
    enable(there, OURS)
    there.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=[CHECK])
    both.emulator.advance(timedelta(days=1, minutes=1))
    window = {"startTime": START, "endTime": both.emulator.now()}
    (mine,), (other,) = (iot.list_audit_tasks(**window)["tasks"] for iot in (here, there))
    assert mine["taskId"] != other["taskId"]


def test_roles_are_of_the_account_and_not_of_the_region(both):
    both.client("iam", "us-east-1").create_role(RoleName="Auditor", AssumeRolePolicyDocument=TRUST)
    roles = both.client("iam", "eu-west-1").list_roles()["Roles"]
    assert [role["RoleName"] for role in roles] == ["Auditor"]


def test_the_python_interface_names_account_and_region():
    with world() as served:
        emulator = served.emulator
        emulator.iot(THEIRS, "us-west-2").create_thing("t", None, None)
        assert len(emulator.iot(THEIRS, "us-west-2").things) == 1
        assert not emulator.iot().things
        assert not emulator.iot(THEIRS).things
        assert served.client("iot", "us-west-2", served.credentials_of(THEIRS)).list_things()["things"]
