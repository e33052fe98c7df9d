"""The published quotas, all of them: what is allowed up to the last one, and refused beyond it."""

from __future__ import annotations

from datetime import timedelta

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
ROLE = "arn:aws:iam::123456789012:role/some-role"
LIMIT, INVALID = ("LimitExceededException", 410), ("InvalidRequestException", 400)
LISTS = {
    "list_audit_tasks": {"startTime": 1772442000, "endTime": 1772442000},
    "list_audit_findings": {"taskId": "t"},
    "list_related_resources_for_audit_finding": {"findingId": "f"},
    "list_scheduled_audits": {},
    "list_audit_suppressions": {},
    "list_mitigation_actions": {},
    "list_audit_mitigation_actions_tasks": {"startTime": 1772442000, "endTime": 1772442000},
    "list_audit_mitigation_actions_executions": {"taskId": "t", "findingId": "f"},
    "list_v2_logging_levels": {},
}


def log_action(account, name):
    return account.iot.create_mitigation_action(
        actionName=name,
        roleArn=ROLE,
        actionParams={"enableIoTLoggingParams": {"roleArnForLogging": ROLE, "logLevel": "ERROR"}},
    )


def mitigate(account, task_id, target, *actions):
    account.iot.start_audit_mitigation_actions_task(
        taskId=task_id, target=target, auditCheckToActionsMapping={LOGGING: list(actions)}
    )


@pytest.fixture
def beyond(refused):
    """Return a function that gives code and status with which a call is refused."""
    return lambda action: refused(action)[:2]


def test_five_scheduled_audits(account, beyond):
    account.enable(LOGGING)

    def create(number):
        account.iot.create_scheduled_audit(
            scheduledAuditName=f"S{number}", frequency="DAILY", targetCheckNames=[LOGGING]
        )

    for number in range(5):
        create(number)
    assert beyond(lambda: create(5)) == LIMIT
    account.iot.delete_scheduled_audit(scheduledAuditName="S2")
    create(5)


def test_ten_on_demand_audits_at_the_same_time(account, beyond):
    account.enable(LOGGING)
    for _ in range(10):
        account.start_audit(LOGGING)
    assert beyond(lambda: account.start_audit(LOGGING)) == LIMIT
    account.advance(seconds=1)
    account.start_audit(LOGGING)


def test_scheduled_audits_do_not_count_as_on_demand_ones(account):
    account.enable(LOGGING)
    account.emulator.audit_duration = timedelta(days=2)
    for number in range(5):
        account.iot.create_scheduled_audit(
            scheduledAuditName=f"S{number}", frequency="DAILY", targetCheckNames=[LOGGING]
        )
    account.advance(days=1)
    for _ in range(10):
        account.start_audit(LOGGING)


def test_a_hundred_mitigation_actions(account, beyond):
    for number in range(100):
        log_action(account, f"A{number}")
    assert beyond(lambda: log_action(account, "A100")) == LIMIT
    log_action(account, "A99")
    account.iot.delete_mitigation_action(actionName="A7")
    log_action(account, "A100")


def test_ten_mitigation_tasks_at_the_same_time(account, beyond):
    account.enable(LOGGING)
    log_action(account, "A")
    target = {"auditTaskId": account.audit(LOGGING)}
    for number in range(10):
        mitigate(account, f"t{number}", target, "A")
    assert beyond(lambda: mitigate(account, "t10", target, "A")) == LIMIT
    account.advance(seconds=1)
    mitigate(account, "t10", target, "A")


def test_five_actions_per_check(account, beyond):
    account.enable(LOGGING)
    names = [f"A{number}" for number in range(6)]
    for name in names:
        log_action(account, name)
    target = {"auditTaskId": account.audit(LOGGING)}
    mitigate(account, "t1", target, *names[:5])
    assert beyond(lambda: mitigate(account, "t2", target, *names)) == INVALID


def test_twenty_five_findings_in_a_target(account, beyond):
    account.enable(LOGGING)
    log_action(account, "A")
    ids = [account.findings(account.audit(LOGGING))[0]["findingId"] for _ in range(26)]
    mitigate(account, "t1", {"findingIds": ids[:25]}, "A")
    assert beyond(lambda: mitigate(account, "t2", {"findingIds": ids}, "A")) == INVALID


def test_twenty_five_reason_codes_per_check(account, beyond):
    account.enable(LOGGING)
    log_action(account, "A")
    audit = account.audit(LOGGING)

    def target(count):
        codes = [f"REASON_{number}" for number in range(count)]
        return {"auditTaskId": audit, "auditCheckToReasonCodeFilter": {LOGGING: codes}}

    mitigate(account, "t1", target(25), "A")
    assert beyond(lambda: mitigate(account, "t2", target(26), "A")) == INVALID


def test_ten_thing_groups_in_an_action(account, beyond):
    def create(count):
        groups = [f"g{number}" for number in range(count)]
        account.iot.create_mitigation_action(
            actionName=f"A{count}",
            roleArn=ROLE,
            actionParams={"addThingsToThingGroupParams": {"thingGroupNames": groups}},
        )

    create(10)
    assert beyond(lambda: create(11)) == INVALID


@pytest.mark.parametrize("call", sorted(LISTS))
def test_pages_of_at_most_250(account, beyond, call):
    account.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="ERROR")
    assert beyond(lambda: getattr(account.iot, call)(**LISTS[call], maxResults=251)) == INVALID
    if call == "list_related_resources_for_audit_finding":
        assert beyond(lambda: getattr(account.iot, call)(**LISTS[call], maxResults=250))[0].startswith("ResourceNot")
    else:
        getattr(account.iot, call)(**LISTS[call], maxResults=250)


def test_pages_of_25_unless_told_otherwise(account):
    for number in range(26):
        log_action(account, f"A{number}")
    page = account.iot.list_mitigation_actions()
    assert len(page["actionIdentifiers"]) == 25
    assert len(account.iot.list_mitigation_actions(nextToken=page["nextToken"])["actionIdentifiers"]) == 1


def test_ten_related_resources_inside_a_finding(account, start):
    account.enable(SHARED)
    certificate_id = account.certificate()
    for number in range(12):
        account.emulator.connect_device(certificate_id, f"c{number}", start - timedelta(hours=5))
    (finding,) = account.findings(account.audit(SHARED))
    assert len(finding["relatedResources"]) == 10
    described = account.iot.describe_audit_finding(findingId=finding["findingId"])["finding"]
    assert len(described["relatedResources"]) == 10
    listed = account.iot.list_related_resources_for_audit_finding(findingId=finding["findingId"])
    assert len(listed["relatedResources"]) == 12


def tags(count):
    return [{"Key": f"key{number}", "Value": "v"} for number in range(count)]


def test_fifty_tags_on_a_resource(account, beyond):
    arn = log_action(account, "A")["actionArn"]
    account.iot.tag_resource(resourceArn=arn, tags=tags(50))
    assert beyond(lambda: account.iot.tag_resource(resourceArn=arn, tags=[{"Key": "more"}])) == LIMIT
    account.iot.tag_resource(resourceArn=arn, tags=[{"Key": "key1", "Value": "changed"}])
    assert len(account.iot.list_tags_for_resource(resourceArn=arn)["tags"]) == 50


@pytest.mark.parametrize("what", ["action", "schedule"])
def test_fifty_tags_at_creation(account, beyond, what):
    account.enable(LOGGING)

    def create(count):
        if what == "action":
            account.iot.create_mitigation_action(
                actionName=f"A{count}",
                roleArn=ROLE,
                actionParams={"updateDeviceCertificateParams": {"action": "DEACTIVATE"}},
                tags=tags(count),
            )
        else:
            account.iot.create_scheduled_audit(
                scheduledAuditName=f"S{count}", frequency="DAILY", targetCheckNames=[LOGGING], tags=tags(count)
            )

    create(50)
    assert beyond(lambda: create(51)) == LIMIT


def test_ninety_days_of_audits_findings_and_mitigations(account, beyond):
    account.enable(LOGGING)
    log_action(account, "A")
    audit = account.audit(LOGGING)
    finding_id = account.findings(audit)[0]["findingId"]
    mitigate(account, "t", {"auditTaskId": audit}, "A")
    account.advance(days=89)
    account.iot.describe_audit_task(taskId=audit)
    account.iot.describe_audit_finding(findingId=finding_id)
    account.iot.describe_audit_mitigation_actions_task(taskId="t")
    account.advance(days=2)
    gone = ("ResourceNotFoundException", 404)
    assert beyond(lambda: account.iot.describe_audit_task(taskId=audit)) == gone
    assert beyond(lambda: account.iot.describe_audit_finding(findingId=finding_id)) == gone
    assert beyond(lambda: account.iot.describe_audit_mitigation_actions_task(taskId="t")) == gone
    assert account.findings(audit) == []
