"""What happens to the audit itself: its set-up, schedule, role, suppressions, mitigation, and AWS IoT logging."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.sns.models import sns_backends

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.checks import evaluated_checks
from ddreport.emulation.fleet import events
from ddreport.emulation.fleet.policies import iam_document
from ddreport.emulation.fleet.stage import Stage, handles
from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

DAILY_AUDIT = "AWSIoTDeviceDefenderDailyAudit"
AUDIT_ROLE = "AWSIoTDeviceDefenderAudit"
LOGGING_ROLE = "AWSIoTLoggingRole"
TOPIC = "IoTDDNotifications"

_AUDIT_POLICY = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
_NARROW_POLICY = "certificates-and-logging-only"
_NARROW_ACTIONS = (
    "iot:ListCertificates",
    "iot:DescribeCertificate",
    "iot:GetLoggingOptions",
    "iot:GetV2LoggingOptions",
)


@handles(events.Configure)
def configure(stage: Stage, event: events.Configure) -> None:
    """Set the account's audit up as its console does: a role, all checks, results sent to a topic."""
    role = stage.emulator.create_service_role(
        AUDIT_ROLE, "AWSIoTDeviceDefenderAudit", "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction"
    )
    # Only checks that can be evaluated: one that never ends well would be noise in every audit.
    stage.enabled = [name for name in catalogue() if name in evaluated_checks() and name not in event.all_checks_except]
    members: dict[str, Any] = {}
    if event.notify:
        topic = sns_backends[stage.emulator.account][stage.emulator.region].create_topic(TOPIC)
        members["auditNotificationTargetConfigurations"] = {
            "SNS": {"targetArn": topic.arn, "roleArn": role, "enabled": True}
        }
    stage.call(
        "UpdateAccountAuditConfiguration",
        roleArn=role,
        auditCheckConfigurations={name: _enabled(name, event.thresholds.get(name)) for name in stage.enabled},
        **members,
    )


def _enabled(check: str, days: int | None) -> dict[str, Any]:
    if days is None:
        return {"enabled": True}
    threshold = catalogue()[check].threshold
    if threshold is None:
        raise EmulatorError(f"the check {check} has no threshold, so it cannot be set to {days} days.")
    return {"enabled": True, "configuration": {threshold.configuration_key: str(days)}}


@handles(events.EnableCheck)
def enable_check(stage: Stage, event: events.EnableCheck) -> None:
    """Enable a check and add it to the daily audit."""
    configuration = {event.check: _enabled(event.check, event.threshold_days)}
    stage.call("UpdateAccountAuditConfiguration", auditCheckConfigurations=configuration)
    stage.enabled = [name for name in catalogue() if name in stage.enabled or name == event.check]
    stage.call("UpdateScheduledAudit", scheduledAuditName=DAILY_AUDIT, targetCheckNames=stage.enabled)


@handles(events.SetThreshold)
def set_threshold(stage: Stage, event: events.SetThreshold) -> None:
    """Change a check's threshold."""
    configuration = {event.check: _enabled(event.check, event.days)}
    stage.call("UpdateAccountAuditConfiguration", auditCheckConfigurations=configuration)


@handles(events.CreateSchedule)
def create_schedule(stage: Stage, event: events.CreateSchedule) -> None:
    """Schedule the daily audit."""
    stage.call(
        "CreateScheduledAudit",
        scheduledAuditName=DAILY_AUDIT,
        frequency="DAILY",
        targetCheckNames=stage.enabled,
        tags=[{"Key": "owner", "Value": "fleet-security"}],
    )


@handles(events.DeleteSchedule)
def delete_schedule(stage: Stage, event: events.DeleteSchedule) -> None:
    """Delete the schedule of the daily audit."""
    stage.call("DeleteScheduledAudit", scheduledAuditName=DAILY_AUDIT)


@handles(events.Audit)
def audit(stage: Stage, event: events.Audit) -> None:
    """Start an audit by hand, and cancel it if the event says so."""
    checks = list(event.checks) or stage.enabled
    task_id = stage.call("StartOnDemandAuditTask", targetCheckNames=checks)["taskId"]
    if event.cancel_after_seconds is not None:
        soon = stage.emulator.now() + timedelta(seconds=event.cancel_after_seconds)
        stage.at(soon, partial(stage.call, "CancelAuditTask", taskId=task_id))


@handles(events.NarrowAuditRole)
def narrow_audit_role(stage: Stage, event: events.NarrowAuditRole) -> None:
    """Replace the audit role's managed policy by one that cannot read policies and CAs."""
    stage.iam.detach_role_policy(_AUDIT_POLICY, AUDIT_ROLE)
    stage.iam.put_role_policy(AUDIT_ROLE, _NARROW_POLICY, iam_document(_NARROW_ACTIONS))


@handles(events.RestoreAuditRole)
def restore_audit_role(stage: Stage, event: events.RestoreAuditRole) -> None:
    """Attach the managed policy again."""
    stage.iam.delete_role_policy(AUDIT_ROLE, _NARROW_POLICY)
    stage.iam.attach_role_policy(_AUDIT_POLICY, AUDIT_ROLE)


@handles(events.SetLogging)
def set_logging(stage: Stage, event: events.SetLogging) -> None:
    """Set the default level of AWS IoT logging."""
    role = _service_role(stage, LOGGING_ROLE, "AWSIoTLogging")
    stage.call("SetV2LoggingOptions", roleArn=role, defaultLogLevel=event.level)


def _service_role(stage: Stage, name: str, managed_policy: str) -> str:
    for role in stage.iam.roles.values():
        if role.name == name:
            return str(role.arn)
    return stage.emulator.create_service_role(name, managed_policy)


@handles(events.Suppress)
def suppress(stage: Stage, event: events.Suppress) -> None:
    """Accept the finding of a policy's present default version."""
    version = stage.emulator.iot().get_policy(event.policy).default_version_id
    identifier = {"policyVersionIdentifier": {"policyName": event.policy, "policyVersionId": version}}
    _suppress(stage, event.check, identifier, event.until_day, event.description)


@handles(events.SuppressCertificates)
def suppress_certificates(stage: Stage, event: events.SuppressCertificates) -> None:
    """Accept the next certificates of a line to expire."""
    limit = stage.emulator.now() + timedelta(days=event.expiring_within_days)
    devices = [d for d in stage.inventory.devices[event.line] if stage.inventory.is_active(d) and d.expires <= limit]
    for device in sorted(devices, key=lambda d: d.expires)[: event.count]:
        device.accepted = True
        identifier = {"deviceCertificateId": device.certificate_id}
        _suppress(stage, "DEVICE_CERTIFICATE_EXPIRING_CHECK", identifier, event.until_day, event.description)


def _suppress(stage: Stage, check: str, identifier: dict[str, Any], until_day: int | None, description: str) -> None:
    ends = {"suppressIndefinitely": True} if until_day is None else {"expirationDate": stage.calendar.at(until_day)}
    stage.call(
        "CreateAuditSuppression",
        checkName=check,
        resourceIdentifier=identifier,
        description=description,
        clientRequestToken=stage.token("suppress", check, str(identifier)),
        **ends,
    )


@handles(events.DefineActions)
def define_actions(stage: Stage, event: events.DefineActions) -> None:
    """Define the company's mitigation actions, each with a role of its own."""
    logging = {"roleArnForLogging": _service_role(stage, LOGGING_ROLE, "AWSIoTLogging"), "logLevel": "ERROR"}
    topic = sns_backends[stage.emulator.account][stage.emulator.region].create_topic(TOPIC).arn
    quarantine = {"thingGroupNames": ["quarantine"], "overrideDynamicGroups": False}
    all_parameters: tuple[tuple[dict[str, Any], str], ...] = (
        ({"enableIoTLoggingParams": logging}, "EnableIoTLogging"),
        ({"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}, "UpdateDeviceCert"),
        ({"addThingsToThingGroupParams": quarantine}, "AddThingsToThingGroup"),
        ({"publishFindingToSnsParams": {"topicArn": topic}}, "PublishFindingsToSNS"),
    )
    for name, (parameters, managed) in zip(events.ACTIONS, all_parameters, strict=True):
        role = stage.emulator.create_service_role(f"IoT{name}Role", f"AWSIoTDeviceDefender{managed}MitigationAction")
        stage.call("CreateMitigationAction", actionName=name, actionParams=parameters, roleArn=role)


@handles(events.Mitigate)
def mitigate(stage: Stage, event: events.Mitigate) -> None:
    """Apply an action to findings of the last daily audit."""
    chosen = [finding for finding in _findings(stage, event.check) if _is_meant(stage, finding, event)]
    chosen = chosen[: event.findings]
    if not chosen:
        raise EmulatorError(f"there is no finding of {event.check} that {event.action} could be applied to.")
    for finding in chosen[len(chosen) - event.revoked_meanwhile :]:
        identifier = finding["nonCompliantResource"]["resourceIdentifier"]["deviceCertificateId"]
        stage.emulator.iot().update_certificate(identifier, "REVOKED")
    stage.call(
        "StartAuditMitigationActionsTask",
        taskId=event.task,
        target={"findingIds": [finding["findingId"] for finding in chosen]},
        auditCheckToActionsMapping={event.check: [event.action]},
        clientRequestToken=stage.token("mitigate", event.task),
    )


def _is_meant(stage: Stage, finding: dict[str, Any], event: events.Mitigate) -> bool:
    if event.reason is not None and finding["reasonForNonComplianceCode"] != event.reason:
        return False
    if event.line is None:
        return True
    identifier = finding["nonCompliantResource"]["resourceIdentifier"].get("deviceCertificateId")
    return any(device.certificate_id == identifier for device in stage.inventory.devices[event.line])


def _findings(stage: Stage, check: str) -> Iterator[dict[str, Any]]:
    """Yield the unsuppressed findings of a check in the newest daily audit."""
    now = stage.emulator.now()
    tasks = stage.call(
        "ListAuditTasks", startTime=now - timedelta(days=1), endTime=now, taskType="SCHEDULED_AUDIT_TASK"
    )["tasks"]
    if not tasks:
        raise EmulatorError("there was no scheduled audit in the last 24 hours, whose findings could be mitigated.")
    newest = max((task["taskId"] for task in tasks), key=lambda task: _start_time(stage, task))
    members = {"taskId": newest, "checkName": check, "listSuppressedFindings": False, "maxResults": 250}
    while True:
        page = stage.call("ListAuditFindings", **members)
        yield from page["findings"]
        if "nextToken" not in page:
            return
        members["nextToken"] = page["nextToken"]


def _start_time(stage: Stage, task_id: str) -> float:
    return float(stage.call("DescribeAuditTask", taskId=task_id)["taskStartTime"])
