"""Roles of mitigation actions: whom they trust and what they may do, as narrow as AWS's rules allow.

Source: the developer guide of AWS IoT Device Defender ("Mitigation actions", "Cross-service confused deputy
prevention") and the service authorization reference of AWS IoT: `iot:ListPrincipalThings` and `iot:SetV2LoggingOptions`
know no resources, so they are granted on `*`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.mitigation.actions import MitigationAction

_Type = MitigationActionType

SERVICE = "iot.amazonaws.com"
"""Who has to be trusted."""

LOGGING_ACTIONS = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "logs:PutMetricFilter",
    "logs:PutRetentionPolicy",
)
"""What the role that AWS IoT writes its logs as may do, on the log group `AWSIotLogsV2`."""


@dataclass(frozen=True)
class Place:
    """Account, Region and partition (`aws`, `aws-cn`, `aws-us-gov`) of a definition."""

    account: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        """Return the ARN of the account's role of that name."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"


@dataclass(frozen=True)
class Grant:
    """One call that a role must be allowed: IAM's action, the resource, and for `iam:PassRole` to whom."""

    action: str
    resource: str
    passed_to: str | None = None


MANAGED_POLICIES: Mapping[MitigationActionType, str] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: "AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction",
    _Type.UPDATE_CA_CERTIFICATE: "AWSIoTDeviceDefenderUpdateCACertMitigationAction",
    _Type.ADD_THINGS_TO_THING_GROUP: "AWSIoTDeviceDefenderAddThingsToThingGroupMitigationAction",
    _Type.REPLACE_DEFAULT_POLICY_VERSION: "AWSIoTDeviceDefenderReplaceDefaultPolicyMitigationAction",
    _Type.ENABLE_IOT_LOGGING: "AWSIoTDeviceDefenderEnableIoTLoggingMitigationAction",
    _Type.PUBLISH_FINDING_TO_SNS: "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction",
}
"""AWS's own policy for each type, which allows the same on every resource of the account."""


def managed_policy_arn(action_type: MitigationActionType, partition: str = "aws") -> str:
    """Return the ARN of AWS's own policy for a type."""
    return f"arn:{partition}:iam::aws:policy/service-role/{MANAGED_POLICIES[action_type]}"


def needed_grants(action: MitigationAction, place: Place) -> tuple[Grant, ...]:
    """Return what the role of a definition has to be allowed."""
    parameters = action.parameters
    match action.action_type:
        case _Type.UPDATE_DEVICE_CERTIFICATE:
            return (Grant("iot:UpdateCertificate", place.arn("iot", "cert/*")),)
        case _Type.UPDATE_CA_CERTIFICATE:
            return (Grant("iot:UpdateCACertificate", place.arn("iot", "cacert/*")),)
        case _Type.ADD_THINGS_TO_THING_GROUP:
            groups = [place.arn("iot", f"thinggroup/{name}") for name in parameters["thingGroupNames"]]
            resources = [place.arn("iot", "thing/*"), *groups]
            return (Grant("iot:ListPrincipalThings", "*"), *(Grant("iot:AddThingToThingGroup", r) for r in resources))
        case _Type.REPLACE_DEFAULT_POLICY_VERSION:
            return (Grant("iot:CreatePolicyVersion", place.arn("iot", "policy/*")),)
        case _Type.ENABLE_IOT_LOGGING:
            passed = Grant("iam:PassRole", parameters["roleArnForLogging"], SERVICE)
            return (Grant("iot:SetV2LoggingOptions", "*"), passed)
        case _Type.PUBLISH_FINDING_TO_SNS:
            return (Grant("sns:Publish", parameters["topicArn"]),)


def trust_policy(place: Place, *, action_name: str | None = None) -> dict[str, Any]:
    """Return the trust policy of a role that AWS IoT takes on, closed to everybody else's AWS IoT.

    Parameters
    ----------
    action_name
        The one mitigation action that may use it; None lets all of AWS IoT in this account and Region, as the role
        for logging needs it.
    """
    source = place.arn("iot", f"mitigationaction/{action_name}" if action_name else "*")
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": place.account},
                "ArnLike": {"aws:SourceArn": source},
            },
        }
    )


def permission_policy(action: MitigationAction, place: Place) -> dict[str, Any]:
    """Return the narrowest permission policy that a definition works with."""
    statements: dict[tuple[str, str | None], dict[str, Any]] = {}
    for grant in needed_grants(action, place):
        statement = statements.setdefault(
            (grant.action, grant.passed_to), {"Effect": "Allow", "Action": grant.action, "Resource": []}
        )
        statement["Resource"].append(grant.resource)
        if grant.passed_to:
            statement["Condition"] = {"StringEquals": {"iam:PassedToService": grant.passed_to}}
    return _document(*statements.values())


def logging_permission_policy(place: Place) -> dict[str, Any]:
    """Return the permission policy of the role that AWS IoT writes its logs as."""
    group = place.arn("logs", "log-group:AWSIotLogsV2:*")
    return _document({"Effect": "Allow", "Action": list(LOGGING_ACTIONS), "Resource": [group]})


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
