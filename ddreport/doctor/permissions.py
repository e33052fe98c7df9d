"""What each way of using `ddreport` must be allowed in AWS: the calls that it makes, on no more than it needs.

One list for three purposes: the IAM policies that `ddreport doctor --print-policy` prints, the permissions that the
doctor looks for, and the test that holds both to the calls that the code really makes. Which actions know resources,
and which, is from AWS's Service Authorization Reference; actions that know none are granted on `*`.
`sts:GetCallerIdentity` needs no permission.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddreport.mitigation.roles import Place

PASSED_TO = "iot.amazonaws.com"
"""The only service that roles are passed to."""


class Way(StrEnum):
    """Ways of using the tool, from the least to the most."""

    READER = "reader"
    """`pull`, reports, `audit list`, `audit schedules`."""

    AUDITOR = "auditor"
    """Also the inventory, `doctor`, and `setup plan --check`; changes nothing."""

    OPERATOR = "operator"
    """An auditor who also starts audits, mitigates, rolls back and suppresses."""

    SETUP = "setup"
    """An auditor who also sets accounts up: roles, checks, schedules, topics, logging, mitigation actions, alarms."""


@dataclass(frozen=True)
class Need:
    """Calls that belong together: one statement of a policy.

    Attributes
    ----------
    name
        Its `Sid`.
    purpose
        What it is for, in words.
    actions
        IAM's names, which are those of the calls.
    resources
        `*`, or service and resource of this account, such as `iot:scheduledaudit/*`.
    """

    name: str
    purpose: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)

    def arns(self, place: Place) -> list[str]:
        """Return its resources in an account and Region."""
        return [_arn(resource, place) for resource in self.resources]

    def statement(self, place: Place) -> dict[str, Any]:
        """Return it as a statement of a policy."""
        found: dict[str, Any] = {
            "Sid": self.name,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": self.arns(place),
        }
        if self.actions == (PASS_ROLE,):
            found["Condition"] = {"StringEquals": {"iam:PassedToService": PASSED_TO}}
        return found


def _arn(resource: str, place: Place) -> str:
    if resource == "*":
        return "*"
    service, name = resource.split(":", 1)
    if service != "iam":
        return place.arn(service, name)
    # AWS's own policies belong to nobody's account.
    account = "*" if name.startswith("policy/") else place.account
    return f"arn:{place.partition}:iam::{account}:{name}"


PASS_ROLE = "iam:PassRole"  # noqa: S105 - the name of a permission


def _of(service: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)


_PULL = (
    Need(
        "ReadAudits",
        "read audits, findings, suppressions and mitigation tasks",
        _of(
            "iot",
            "DescribeAccountAuditConfiguration",
            "DescribeAuditMitigationActionsTask",
            "DescribeAuditTask",
            "ListAuditFindings",
            "ListAuditMitigationActionsExecutions",
            "ListAuditMitigationActionsTasks",
            "ListAuditSuppressions",
            "ListAuditTasks",
            "ListMitigationActions",
            "ListRelatedResourcesForAuditFinding",
            "ListScheduledAudits",
        ),
    ),
    Need(
        "ReadSchedulesAndActions",
        "read what schedules run and what mitigation actions do",
        _of("iot", "DescribeMitigationAction", "DescribeScheduledAudit"),
        ("iot:mitigationaction/*", "iot:scheduledaudit/*"),
    ),
)

_LOOK = (
    Need(
        "ListInventory",
        "list certificates, CAs, policies, things, groups and role aliases",
        _of(
            "iot",
            "ListCACertificates",
            "ListCertificates",
            "ListPolicies",
            "ListRoleAliases",
            "ListThingGroups",
            "ListThings",
        ),
    ),
    Need(
        "ReadInventory",
        "read the details of the inventory",
        _of(
            "iot",
            "DescribeCACertificate",
            "DescribeCertificate",
            "DescribeRoleAlias",
            "DescribeThingGroup",
            "GetPolicyVersion",
            "ListPolicyVersions",
            "ListTargetsForPolicy",
            "ListThingPrincipals",
            "ListThingsInThingGroup",
        ),
        ("iot:cacert/*", "iot:cert/*", "iot:policy/*", "iot:rolealias/*", "iot:thing/*", "iot:thinggroup/*"),
    ),
    Need(
        "ReadLoggingAndAlarms",
        "see whether AWS IoT logs, and which alarms there are",
        ("iot:GetV2LoggingOptions", "cloudwatch:DescribeAlarms"),
    ),
    Need(
        "ReadTags",
        "see what set-up has made",
        _of("iot", "ListTagsForResource")
        + _of("cloudwatch", "ListTagsForResource")
        + _of("sns", "ListTagsForResource"),
        ("iot:mitigationaction/*", "iot:scheduledaudit/*", "cloudwatch:alarm:*", "sns:*"),
    ),
    Need(
        "ReadRoles",
        "see whether the roles exist, whom they trust and what they may do",
        _of("iam", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies"),
        ("iam:role/*",),
    ),
    Need(
        "ReadManagedPolicies",
        "see what managed policies of the roles allow",
        _of("iam", "GetPolicy", "GetPolicyVersion"),
        ("iam:policy/*",),
    ),
    Need(
        "ReadTopic",
        "see whether the topic exists and who has subscribed",
        _of("sns", "GetTopicAttributes", "ListSubscriptionsByTopic"),
        ("sns:*",),
    ),
    Need(
        "AskAboutPermissions",
        "ask IAM what the caller may do",
        _of("iam", "SimulatePrincipalPolicy"),
        ("iam:role/*", "iam:user/*"),
    ),
)

_START = (Need("StartAudits", "start and cancel audits", _of("iot", "CancelAuditTask", "StartOnDemandAuditTask")),)

_OPERATE = (
    Need(
        "Suppress",
        "make, change and lift suppressions",
        _of("iot", "CreateAuditSuppression", "DeleteAuditSuppression", "UpdateAuditSuppression"),
    ),
    Need(
        "Mitigate",
        "start and cancel mitigation tasks",
        _of(
            "iot",
            "CancelAuditMitigationActionsTask",
            "DescribeAuditFinding",
            "StartAuditMitigationActionsTask",
        ),
    ),
    Need(
        "ReadImpact",
        "see what depends on a resource",
        _of("iot", "GetIndexingConfiguration", "ListCertificatesByCA", "ListPrincipalThings"),
    ),
    Need(
        "ReadImpactOfResources",
        "see what depends on a resource, and how it stood before",
        _of("iot", "GetPolicy", "ListAttachedPolicies", "ListThingGroupsForThing", "SearchIndex"),
        ("iot:cert/*", "iot:index/*", "iot:policy/*", "iot:thing/*", "iot:thinggroup/*"),
    ),
    Need(
        "RollBack",
        "give resources back what a mitigation took from them",
        _of(
            "iot",
            "DeletePolicyVersion",
            "RemoveThingFromThingGroup",
            "SetDefaultPolicyVersion",
            "UpdateCACertificate",
            "UpdateCertificate",
        ),
        ("iot:cacert/*", "iot:cert/*", "iot:policy/*", "iot:thing/*", "iot:thinggroup/*"),
    ),
    Need("RollBackLogging", "give back the logging options", _of("iot", "SetV2LoggingOptions")),
    Need("PassRoles", "hand AWS IoT the role that it logs as", (PASS_ROLE,), ("iam:role/*",)),
)

_SET_UP = (
    Need(
        "SetUpAudit",
        "set checks, thresholds, notifications and logging",
        _of("iot", "DeleteAccountAuditConfiguration", "SetV2LoggingOptions", "UpdateAccountAuditConfiguration"),
    ),
    Need(
        "SetUpSchedulesAndActions",
        "make, change and remove schedules and mitigation actions",
        _of(
            "iot",
            "CreateMitigationAction",
            "CreateScheduledAudit",
            "DeleteMitigationAction",
            "DeleteScheduledAudit",
            "TagResource",
            "UpdateMitigationAction",
            "UpdateScheduledAudit",
        ),
        ("iot:mitigationaction/*", "iot:scheduledaudit/*"),
    ),
    Need(
        "SetUpTopic",
        "make the topic and its subscriptions",
        _of("sns", "CreateTopic", "DeleteTopic", "Subscribe", "TagResource", "UntagResource"),
        ("sns:*",),
    ),
    Need(
        "SetUpAlarms",
        "make and remove alarms of set-up's names",
        _of("cloudwatch", "DeleteAlarms", "PutMetricAlarm", "TagResource"),
        ("cloudwatch:alarm:ddreport-*",),
    ),
    Need(
        "SetUpRoles",
        "make, correct and remove roles",
        _of(
            "iam",
            "AttachRolePolicy",
            "CreateRole",
            "DeleteRole",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "PutRolePolicy",
            "TagRole",
            "UntagRole",
            "UpdateAssumeRolePolicy",
        ),
        ("iam:role/*",),
    ),
    Need("PassRoles", "hand AWS IoT its roles", (PASS_ROLE,), ("iam:role/*",)),
)

NEEDS: dict[Way, tuple[Need, ...]] = {
    Way.READER: _PULL,
    Way.AUDITOR: (*_PULL, *_LOOK),
    Way.OPERATOR: (*_PULL, *_LOOK, *_START, *_OPERATE),
    Way.SETUP: (*_PULL, *_LOOK, *_START, *_SET_UP),
}
"""What each way needs."""


def policy(way: Way, place: Place) -> dict[str, Any]:
    """Return the IAM policy with which a way of using the tool works, and nothing else.

    Parameters
    ----------
    place
        Where; `*` as account or Region stands for any.
    """
    return {"Version": "2012-10-17", "Statement": [need.statement(place) for need in NEEDS[way]]}


def actions(way: Way) -> set[str]:
    """Return all actions that a way needs."""
    return {action for need in NEEDS[way] for action in need.actions}
