"""The roles that set-up makes: whom they trust, and no more rights than they need.

A role is one for all Regions of an account, so its conditions and resources name the account and leave the Region open:
`arn:aws:iot:*:ACCOUNT:*` for the audit role is the form that AWS's documentation means (what it prints has one colon
too many and an account id that ends in a colon, and matches nobody). Where AWS prescribes a managed policy, it is
attached: the audit role needs whatever AWS's checks read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ddreport.mitigation.roles import (
    LOGGING_ACTIONS,
    SERVICE,
    Grant,
    Place,
    logging_permission_policy,
    needed_grants,
    permission_policy,
)
from ddreport.setup.forms import ROLE_ARN
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddreport.mitigation.actions import MitigationAction

POLICY_NAME = "ddreport-setup"
"""Name of the inline policy of a role that set-up makes."""

AUDIT_POLICY = "service-role/AWSIoTDeviceDefenderAudit"
"""AWS's managed policy for the audit role."""

AUDIT_ACTIONS = (
    "iot:GetLoggingOptions",
    "iot:GetV2LoggingOptions",
    "iot:ListCACertificates",
    "iot:ListCertificates",
    "iot:DescribeCACertificate",
    "iot:DescribeCertificate",
    "iot:ListPolicies",
    "iot:GetPolicy",
    "iot:GetEffectivePolicies",
    "iot:ListRoleAliases",
    "iot:DescribeRoleAlias",
    "cognito-identity:GetIdentityPoolRoles",
    "iam:ListRolePolicies",
    "iam:ListAttachedRolePolicies",
    "iam:GetRole",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRolePolicy",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetServiceLastAccessedDetails",
)
"""What that policy allows; a role that somebody else made has to allow it as well."""


@dataclass(frozen=True)
class RoleDefinition:
    """A role as it is wanted.

    Attributes
    ----------
    given
        Whether its ARN was given: then it must exist, and is not changed.
    purposes
        What it is for, in words.
    sources
        `aws:SourceArn` values for which AWS IoT has to be able to take it on.
    managed
        ARNs of managed policies to attach.
    grants
        What it has to be allowed, to check a role that somebody else made.
    statements
        Statements of its inline policy; none means that it has none.
    """

    name: str
    arn: str
    given: bool
    account: str
    purposes: tuple[str, ...]
    sources: tuple[str, ...]
    managed: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    statements: tuple[Mapping[str, Any], ...] = ()

    @property
    def trust(self) -> dict[str, Any]:
        """Its trust policy."""
        source: str | list[str] = self.sources[0] if len(self.sources) == 1 else list(self.sources)
        condition = {"StringEquals": {"aws:SourceAccount": self.account}, "ArnLike": {"aws:SourceArn": source}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": SERVICE},
                    "Action": "sts:AssumeRole",
                    "Condition": condition,
                }
            ],
        }

    @property
    def inline(self) -> dict[str, Any] | None:
        """Its inline policy."""
        return {"Version": "2012-10-17", "Statement": list(self.statements)} if self.statements else None

    @property
    def description(self) -> str:
        """Its description in IAM."""
        return f"Made by ddreport setup: {', '.join(self.purposes)}."[:1000]

    def joined(self, other: RoleDefinition) -> RoleDefinition:
        """Return one role for the purposes of both."""
        return replace(
            self,
            purposes=_both(self.purposes, other.purposes),
            sources=_both(self.sources, other.sources),
            managed=_both(self.managed, other.managed),
            grants=_both(self.grants, other.grants),
            statements=(*self.statements, *(s for s in other.statements if s not in self.statements)),
        )


def _both(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def role_name(role: str) -> str:
    """Return the name of a role that was given as a name or an ARN."""
    return role.rpartition("/")[2]


def account_of_role(role: str) -> str | None:
    """Return the account of a role given as an ARN, None for a name."""
    found = ROLE_ARN.fullmatch(role)
    return found[2] if found else None


def everywhere(place: Place) -> Place:
    """Return a place that stands for all Regions of the account."""
    return Place(place.account, "*", place.partition)


def audit_role(role: str, place: Place) -> RoleDefinition:
    """Return the role that audits read the account as."""
    return replace(
        _begun(role, place, "reads the account for audits", everywhere(place).arn("iot", "*")),
        managed=(f"arn:{place.partition}:iam::aws:policy/{AUDIT_POLICY}",),
        grants=tuple(Grant(action, "*") for action in AUDIT_ACTIONS),
    )


def notification_role(role: str, topic_arn: str, place: Place) -> RoleDefinition:
    """Return the role that tells the topic about audits."""
    resource = _any_region(topic_arn)
    return replace(
        _begun(role, place, "tells the SNS topic about audits", everywhere(place).arn("iot", "*")),
        grants=(Grant("sns:Publish", topic_arn),),
        statements=({"Effect": "Allow", "Action": "sns:Publish", "Resource": [resource]},),
    )


def logging_role(role: str, place: Place) -> RoleDefinition:
    """Return the role that AWS IoT writes its logs as."""
    group = place.arn("logs", "log-group:AWSIotLogsV2:*")
    return replace(
        _begun(role, place, "writes the logs of AWS IoT", everywhere(place).arn("iot", "*")),
        grants=tuple(Grant(action, group) for action in LOGGING_ACTIONS),
        statements=tuple(logging_permission_policy(everywhere(place))["Statement"]),
    )


def action_role(action: MitigationAction, role: str, place: Place) -> RoleDefinition:
    """Return the role that a mitigation action runs as."""
    anywhere = everywhere(place)
    wide = action
    if action.action_type is MitigationActionType.PUBLISH_FINDING_TO_SNS:
        wide = replace(action, parameters={"topicArn": _any_region(action.parameters["topicArn"])})
    return replace(
        _begun(
            role,
            place,
            f"applies the mitigation action {action.name}",
            anywhere.arn("iot", f"mitigationaction/{action.name}"),
        ),
        grants=needed_grants(action, place),
        statements=tuple(permission_policy(wide, anywhere)["Statement"]),
    )


def merged(roles: Sequence[RoleDefinition]) -> dict[str, RoleDefinition]:
    """Return the roles by name; one that serves several purposes is one role."""
    found: dict[str, RoleDefinition] = {}
    for role in roles:
        found[role.name] = found[role.name].joined(role) if role.name in found else role
    return found


def _begun(role: str, place: Place, purpose: str, source: str) -> RoleDefinition:
    given = account_of_role(role) is not None
    arn = role if given else place.role_arn(role)
    return RoleDefinition(role_name(role), arn, given, place.account, (purpose,), (source,))


def _any_region(topic_arn: str) -> str:
    parts = topic_arn.split(":")
    return ":".join([*parts[:3], "*", *parts[4:]])
