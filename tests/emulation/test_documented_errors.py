"""Every error that AWS documents for an operation of the audit or its logging options can be had from the emulator.

`BY_REQUEST` has, for each pair of operation and error code, a request that really leads there. What only happens
inside AWS is had through faults on demand, and so are the pairs in `BY_FAULT_ALONE`, each with its reason.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from ddreport.emulation.service_model import operation_model, service_model

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
ME = {"account": "123456789012"}
ROLE = "arn:aws:iam::123456789012:role/some-role"
LOG_ACTION = {"enableIoTLoggingParams": {"roleArnForLogging": ROLE, "logLevel": "ERROR"}}
ADD_ACTION = {"addThingsToThingGroupParams": {"thingGroupNames": ["g"]}}

INVALID, NOT_FOUND = "InvalidRequestException", "ResourceNotFoundException"
EXISTS, LIMIT, NOT_CONFIGURED = "ResourceAlreadyExistsException", "LimitExceededException", "NotConfiguredException"

INSIDE_AWS = {
    "InternalException",
    "InternalFailureException",
    "ServiceUnavailableException",
    "ThrottlingException",
}

BY_FAULT_ALONE = {
    ("CreateAuditSuppression", LIMIT): "AWS has a limit but publishes no number; any number would be made up",
    ("SetV2LoggingLevel", LIMIT): "the number of log targets is not published either",
    ("GetLoggingOptions", INVALID): "the request has no member that could be wrong",
}


def pairs():
    """Return the pairs of operation and error code of AWS's model."""
    beginnings = ("/audit/", "/mitigationactions/", "/v2Logging", "/loggingOptions")
    model = service_model()
    names = [n for n in model.operation_names if operation_model(n).http["requestUri"].startswith(beginnings)]
    return {(name, error.name) for name in names for error in operation_model(name).error_shapes}


# How to get there


def schedule(account, name="S"):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName=name, frequency="DAILY", targetCheckNames=[LOGGING])


def define(account, name="A", params=LOG_ACTION):
    return account.iot.create_mitigation_action(actionName=name, roleArn=ROLE, actionParams=params)


def suppress(account, **members):
    account.iot.create_audit_suppression(
        **{"checkName": LOGGING, "resourceIdentifier": ME, "suppressIndefinitely": True} | members
    )


def mitigate(account, task_id="t", **members):
    audit = members.pop("audit", None) or account.audit(LOGGING)
    request = {"target": {"auditTaskId": audit}, "auditCheckToActionsMapping": {LOGGING: ["A"]}}
    account.iot.start_audit_mitigation_actions_task(taskId=task_id, **request | members)


def ready_to_mitigate(account):
    account.enable(LOGGING)
    define(account)
    return account.audit(LOGGING)


def six_schedules(account):
    schedule(account, "S0")
    for number in range(1, 6):
        account.iot.create_scheduled_audit(
            scheduledAuditName=f"S{number}", frequency="DAILY", targetCheckNames=[LOGGING]
        )


def many_actions(account):
    for number in range(101):
        account.emulator.call("CreateMitigationAction", actionName=f"A{number}", roleArn=ROLE, actionParams=LOG_ACTION)
        if number == 99:
            define(account, "one-too-many")


def too_many_audits(account):
    account.enable(LOGGING)
    for _ in range(11):
        account.start_audit(LOGGING)


def too_many_mitigations(account):
    audit = ready_to_mitigate(account)
    for number in range(11):
        mitigate(account, f"t{number}", audit=audit)


def the_same_mitigation_twice(account):
    audit = ready_to_mitigate(account)
    for token in ("one", "two"):
        mitigate(account, audit=audit, clientRequestToken=token)


def ended_mitigation(account):
    mitigate(account, audit=ready_to_mitigate(account))
    account.advance(minutes=1)
    account.iot.cancel_audit_mitigation_actions_task(taskId="t")


def ended_audit(account):
    account.enable(LOGGING)
    account.iot.cancel_audit_task(taskId=account.audit(LOGGING))


def set_v2(account):
    account.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="ERROR")


def times(account, **before):
    return {"startTime": account.now() - timedelta(**before), "endTime": account.now()}


def delete_configuration_in_use(account):
    schedule(account)
    account.iot.delete_account_audit_configuration()


def schedule_twice(account):
    schedule(account)
    account.iot.create_scheduled_audit(scheduledAuditName="S", frequency="DAILY", targetCheckNames=[LOGGING])


def suppress_twice(account):
    for _ in range(2):
        suppress(account)


def define_otherwise(account):
    define(account)
    define(account, params=ADD_ACTION)


def update_without_a_day(account):
    schedule(account)
    account.iot.update_scheduled_audit(scheduledAuditName="S", frequency="WEEKLY")


def logging_level_without_a_name(account):
    set_v2(account)
    account.iot.set_v2_logging_level(logTarget={"targetType": "THING_GROUP"}, logLevel="ERROR")


BY_REQUEST = {
    ("CancelAuditMitigationActionsTask", INVALID): ended_mitigation,
    ("CancelAuditMitigationActionsTask", NOT_FOUND): lambda a: a.iot.cancel_audit_mitigation_actions_task(taskId="t"),
    ("CancelAuditTask", INVALID): ended_audit,
    ("CancelAuditTask", NOT_FOUND): lambda a: a.iot.cancel_audit_task(taskId="t"),
    ("CreateAuditSuppression", EXISTS): suppress_twice,
    ("CreateAuditSuppression", INVALID): lambda a: suppress(a, suppressIndefinitely=False),
    ("CreateMitigationAction", EXISTS): define_otherwise,
    ("CreateMitigationAction", INVALID): lambda a: define(a, params=LOG_ACTION | ADD_ACTION),
    ("CreateMitigationAction", LIMIT): many_actions,
    ("CreateScheduledAudit", EXISTS): schedule_twice,
    ("CreateScheduledAudit", INVALID): lambda a: a.iot.create_scheduled_audit(
        scheduledAuditName="S", frequency="DAILY", targetCheckNames=[LOGGING]
    ),
    ("CreateScheduledAudit", LIMIT): six_schedules,
    ("DeleteAccountAuditConfiguration", INVALID): delete_configuration_in_use,
    ("DeleteAccountAuditConfiguration", NOT_FOUND): lambda a: a.iot.delete_account_audit_configuration(),
    ("DeleteAuditSuppression", INVALID): lambda a: a.iot.delete_audit_suppression(
        checkName=LOGGING, resourceIdentifier={"clientId": "c"}
    ),
    ("DeleteMitigationAction", INVALID): lambda a: a.iot.delete_mitigation_action(actionName="a b"),
    ("DeleteScheduledAudit", INVALID): lambda a: a.iot.delete_scheduled_audit(scheduledAuditName="a b"),
    ("DeleteScheduledAudit", NOT_FOUND): lambda a: a.iot.delete_scheduled_audit(scheduledAuditName="S"),
    ("DeleteV2LoggingLevel", INVALID): lambda a: a.iot.delete_v2_logging_level(targetType="DEFAULT", targetName="x"),
    ("DescribeAuditFinding", INVALID): lambda a: a.iot.describe_audit_finding(findingId="a b"),
    ("DescribeAuditFinding", NOT_FOUND): lambda a: a.iot.describe_audit_finding(findingId="f"),
    ("DescribeAuditMitigationActionsTask", INVALID): lambda a: a.iot.describe_audit_mitigation_actions_task(
        taskId="a b"
    ),
    ("DescribeAuditMitigationActionsTask", NOT_FOUND): lambda a: a.iot.describe_audit_mitigation_actions_task(
        taskId="t"
    ),
    ("DescribeAuditSuppression", INVALID): lambda a: a.iot.describe_audit_suppression(
        checkName="NO_SUCH_CHECK", resourceIdentifier=ME
    ),
    ("DescribeAuditSuppression", NOT_FOUND): lambda a: a.iot.describe_audit_suppression(
        checkName=LOGGING, resourceIdentifier=ME
    ),
    ("DescribeAuditTask", INVALID): lambda a: a.iot.describe_audit_task(taskId="a_b"),
    ("DescribeAuditTask", NOT_FOUND): lambda a: a.iot.describe_audit_task(taskId="t"),
    ("DescribeMitigationAction", INVALID): lambda a: a.iot.describe_mitigation_action(actionName="a b"),
    ("DescribeMitigationAction", NOT_FOUND): lambda a: a.iot.describe_mitigation_action(actionName="A"),
    ("DescribeScheduledAudit", INVALID): lambda a: a.iot.describe_scheduled_audit(scheduledAuditName="a b"),
    ("DescribeScheduledAudit", NOT_FOUND): lambda a: a.iot.describe_scheduled_audit(scheduledAuditName="S"),
    ("GetV2LoggingOptions", NOT_CONFIGURED): lambda a: a.iot.get_v2_logging_options(),
    ("ListAuditFindings", INVALID): lambda a: a.iot.list_audit_findings(),
    ("ListAuditMitigationActionsExecutions", INVALID): lambda a: a.iot.list_audit_mitigation_actions_executions(
        taskId="t", findingId="f", maxResults=251
    ),
    ("ListAuditMitigationActionsTasks", INVALID): lambda a: a.iot.list_audit_mitigation_actions_tasks(
        **times(a, days=91)
    ),
    ("ListAuditSuppressions", INVALID): lambda a: a.iot.list_audit_suppressions(nextToken="nonsense"),
    ("ListAuditTasks", INVALID): lambda a: a.iot.list_audit_tasks(**times(a, days=91)),
    ("ListMitigationActions", INVALID): lambda a: a.iot.list_mitigation_actions(actionType="DANCE"),
    ("ListRelatedResourcesForAuditFinding", INVALID): lambda a: a.iot.list_related_resources_for_audit_finding(
        findingId="f", maxResults=251
    ),
    ("ListRelatedResourcesForAuditFinding", NOT_FOUND): lambda a: a.iot.list_related_resources_for_audit_finding(
        findingId="f"
    ),
    ("ListScheduledAudits", INVALID): lambda a: a.iot.list_scheduled_audits(maxResults=251),
    ("ListV2LoggingLevels", INVALID): lambda a: a.iot.list_v2_logging_levels(targetType="PLANET"),
    ("ListV2LoggingLevels", NOT_CONFIGURED): lambda a: a.iot.list_v2_logging_levels(),
    ("SetLoggingOptions", INVALID): lambda a: a.iot.set_logging_options(
        loggingOptionsPayload={"roleArn": ROLE, "logLevel": "LOUD"}
    ),
    ("SetV2LoggingLevel", INVALID): logging_level_without_a_name,
    ("SetV2LoggingLevel", NOT_CONFIGURED): lambda a: a.iot.set_v2_logging_level(
        logTarget={"targetType": "DEFAULT"}, logLevel="ERROR"
    ),
    ("SetV2LoggingOptions", INVALID): lambda a: a.iot.set_v2_logging_options(disableAllLogs=True),
    ("StartAuditMitigationActionsTask", "TaskAlreadyExistsException"): the_same_mitigation_twice,
    ("StartAuditMitigationActionsTask", INVALID): lambda a: mitigate(a, audit="unknown"),
    ("StartAuditMitigationActionsTask", LIMIT): too_many_mitigations,
    ("StartOnDemandAuditTask", INVALID): lambda a: a.start_audit("NO_SUCH_CHECK"),
    ("StartOnDemandAuditTask", LIMIT): too_many_audits,
    ("UpdateAccountAuditConfiguration", INVALID): lambda a: a.iot.update_account_audit_configuration(roleArn=ROLE),
    ("UpdateAuditSuppression", INVALID): lambda a: a.iot.update_audit_suppression(
        checkName=LOGGING, resourceIdentifier={"clientId": "c"}
    ),
    ("UpdateAuditSuppression", NOT_FOUND): lambda a: a.iot.update_audit_suppression(
        checkName=LOGGING, resourceIdentifier=ME
    ),
    ("UpdateMitigationAction", INVALID): lambda a: a.iot.update_mitigation_action(actionName="a b"),
    ("UpdateMitigationAction", NOT_FOUND): lambda a: a.iot.update_mitigation_action(actionName="A", roleArn=ROLE),
    ("UpdateScheduledAudit", INVALID): update_without_a_day,
    ("UpdateScheduledAudit", NOT_FOUND): lambda a: a.iot.update_scheduled_audit(scheduledAuditName="S"),
}


def status_of(code):
    (status,) = {e.metadata["error"]["httpStatusCode"] for e in service_model().error_shapes if e.name == code}
    return status


def test_every_documented_error_is_in_the_table_once():
    inside = {pair for pair in pairs() if pair[1] in INSIDE_AWS}
    assert len(pairs()) == 136
    assert set(BY_REQUEST) | set(BY_FAULT_ALONE) | inside == pairs()
    assert not set(BY_REQUEST) & set(BY_FAULT_ALONE)
    assert all(BY_FAULT_ALONE.values())


@pytest.mark.parametrize(("operation", "code"), sorted(BY_REQUEST), ids=lambda value: value)
def test_a_request_leads_to_the_documented_error(account, refused, operation, code):
    account.emulator.execution_duration = timedelta(seconds=1)
    seen = []
    account.iot.meta.events.register("after-call.iot", lambda model, **_: seen.append(model.name), unique_id="seen")
    got, status, message = refused(lambda: BY_REQUEST[operation, code](account))
    account.iot.meta.events.unregister("after-call.iot", unique_id="seen")
    assert (seen[-1], got, status) == (operation, code, status_of(code))
    assert message


@pytest.mark.parametrize("operation", sorted({operation for operation, _ in pairs()}))
def test_what_happens_inside_aws_happens_on_demand(account, wire, operation):
    model = operation_model(operation)
    path = re.sub(r"\{[^}]+\}", "x", model.http["requestUri"])
    codes = [c for name, c in pairs() if name == operation and (c in INSIDE_AWS or (name, c) in BY_FAULT_ALONE)]
    assert len(codes) >= 2
    for code in codes:
        account.emulator.faults.refuse(operation, code=code, times=1)
        status, headers, answer = wire(model.http["method"], path)
        assert (headers["x-amzn-ErrorType"], status) == (code, status_of(code))
        assert answer["message"]
