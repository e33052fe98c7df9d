"""The six kinds of mitigation action, really carried out on the emulated account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from moto.iot.exceptions import IoTClientError

from ddreport.emulation import roles
from ddreport.emulation.notifications import PublishError, finding_message, publish
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.roles import AssumedRole
    from ddreport.emulation.service.findings import Finding

INSUFFICIENT_PERMISSIONS = "INSUFFICIENT_PERMISSIONS"
INVALID_STATE = "INVALID_STATE_OF_RESOURCE"

BLANK_POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})

_MOST_GROUPS = 10


class ExecutionError(Exception):
    """An action could not be applied; `code` is the execution's `errorCode`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Task:
    """What an executor works with."""

    def __init__(self, backend: AuditBackend, finding: Finding, settings: dict[str, Any], role: AssumedRole) -> None:
        self.backend = backend
        self.iot = backend.iot
        self.finding = finding
        self.identifier = finding.candidate.identifier
        self.settings = settings
        self._role = role

    def require(self, action: str, resource: str, **context: str) -> None:
        """Fail unless the action's role may do this."""
        if not self._role.allows(action, resource, **context):
            raise ExecutionError(INSUFFICIENT_PERMISSIONS, f"The role is not allowed to perform {action}.")


def execute(backend: AuditBackend, finding: Finding, definition: dict[str, Any], action_type: str) -> None:
    """Apply one defined action to the resource of one finding.

    Raises
    ------
    ExecutionError
        The action's role cannot be assumed or may not do it, or the resource is in no state for it.
    """
    source = backend.arn_of("mitigationaction", definition["name"])
    role = roles.assume(definition["roleArn"], backend.account_id, source_arn=source)
    if role is None:
        raise ExecutionError(INSUFFICIENT_PERMISSIONS, "The role of the action does not exist or cannot be assumed.")
    settings: dict[str, Any] = next(iter(definition["actionParams"].values()))
    try:
        _EXECUTORS[action_type](_Task(backend, finding, settings, role))
    except (IoTClientError, ServiceException) as exc:
        raise ExecutionError(INVALID_STATE, str(getattr(exc, "message", exc))) from exc


def _device_certificate_ids(task: _Task) -> list[str]:
    """Return the finding's certificate; for a revoked intermediate CA those of the devices it issued."""
    own = task.identifier.get("deviceCertificateId")
    if own is not None:
        return [own]
    related = (r["resourceIdentifier"].get("deviceCertificateId") for r in task.finding.candidate.related)
    return [certificate_id for certificate_id in related if certificate_id]


def _update_device_certificate(task: _Task) -> None:
    for certificate_id in _device_certificate_ids(task):
        certificate = task.iot.describe_certificate(certificate_id)
        task.require("iot:UpdateCertificate", certificate.arn)
        if certificate.status == "REVOKED":
            raise ExecutionError(INVALID_STATE, "The certificate is revoked.")
        if certificate.status != "INACTIVE":
            task.iot.update_certificate(certificate_id, "INACTIVE")


def _update_ca_certificate(task: _Task) -> None:
    certificate = task.iot.describe_ca_certificate(task.identifier["caCertificateId"])
    task.require("iot:UpdateCACertificate", certificate.arn)
    task.iot.update_ca_certificate(certificate.certificate_id, "INACTIVE", None)


def _add_things_to_thing_group(task: _Task) -> None:
    for certificate_id in _device_certificate_ids(task):
        principal = task.iot.describe_certificate(certificate_id).arn
        task.require("iot:ListPrincipalThings", principal)
        for thing_name in task.iot.list_principal_things(principal):
            for group_name in task.settings["thingGroupNames"]:
                _add_to_group(task, thing_name, group_name)


def _add_to_group(task: _Task, thing_name: str, group_name: str) -> None:
    group = task.iot.describe_thing_group(group_name)
    task.require("iot:AddThingToThingGroup", group.arn)
    thing = task.iot.describe_thing(thing_name)
    if thing.arn in group.things:
        return
    members_of = [g for g in task.iot.thing_groups.values() if thing.arn in g.things]
    if len(members_of) >= _MOST_GROUPS:
        raise ExecutionError(
            INVALID_STATE, f"Thing {thing_name} is in {_MOST_GROUPS} thing groups, which is the limit."
        )
    if any(_root_of(task, g.thing_group_name) == _root_of(task, group_name) for g in members_of):
        raise ExecutionError(INVALID_STATE, f"Thing {thing_name} is in another group of the same hierarchy.")
    task.iot.add_thing_to_thing_group(group_name, None, thing_name, None)


def _root_of(task: _Task, group_name: str) -> str:
    while True:
        parent = task.iot.describe_thing_group(group_name).parent_group_name
        if not parent:
            return group_name
        group_name = parent


def _replace_default_policy_version(task: _Task) -> None:
    policy = task.iot.get_policy(task.identifier["policyVersionIdentifier"]["policyName"])
    task.require("iot:CreatePolicyVersion", policy.arn)
    task.iot.create_policy_version(policy.name, BLANK_POLICY, set_as_default=True)


def _enable_iot_logging(task: _Task) -> None:
    role_arn = task.settings["roleArnForLogging"]
    task.require("iot:SetV2LoggingOptions", "*")
    task.require("iam:PassRole", role_arn, iam__PassedToService=roles.SERVICE)
    task.backend.logging.set_v2(
        {"roleArn": role_arn, "defaultLogLevel": task.settings["logLevel"], "disableAllLogs": False}
    )


def _publish_finding_to_sns(task: _Task) -> None:
    topic_arn = task.settings["topicArn"]
    task.require("sns:Publish", topic_arn)
    try:
        publish(task.backend, topic_arn, finding_message(task.finding), about=task.finding.finding_id)
    except PublishError as exc:
        raise ExecutionError(INVALID_STATE, f"The finding could not be published: {exc}.") from exc


_EXECUTORS: dict[str, Callable[[_Task], None]] = {
    MitigationActionType.UPDATE_DEVICE_CERTIFICATE: _update_device_certificate,
    MitigationActionType.UPDATE_CA_CERTIFICATE: _update_ca_certificate,
    MitigationActionType.ADD_THINGS_TO_THING_GROUP: _add_things_to_thing_group,
    MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION: _replace_default_policy_version,
    MitigationActionType.ENABLE_IOT_LOGGING: _enable_iot_logging,
    MitigationActionType.PUBLISH_FINDING_TO_SNS: _publish_finding_to_sns,
}
