"""Finding out what may be called: by what other calls were answered, by cheap calls that read, and by asking IAM."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.aws.calls import fetch_one
from ddreport.aws.errors import DENIED_CODES
from ddreport.errors import AwsCallError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ddreport.aws.session import AwsSession

NOBODY = "ddreport-doctor"
"""Name of things that do not exist: AWS looks at the permission first, so `not found` means that it is there."""

_NOBODYS_ID = "0" * 64
_SERVICES = ("iot", "iam", "sns", "cloudwatch")

# Answers that come only after the permission was looked at.
_ANSWERED = frozenset(
    {
        "IndexNotReadyException",
        "InvalidParameter",
        "InvalidRequestException",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotConfiguredException",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
        "ValidationError",
    }
)


@contextmanager
def watched(session: AwsSession) -> Iterator[dict[str, bool]]:
    """Yield, by IAM's name (`iot:ListThings`), whether the calls made in the block are allowed.

    What was neither answered nor refused for want of permission (throttled, failed) is left out. Refused anywhere
    counts as refused.
    """
    found: dict[str, bool] = {}

    def after(service: str) -> Any:
        def told(*, model: Any, parsed: Mapping[str, Any], **_: Any) -> None:
            code = (parsed.get("Error") or {}).get("Code")
            name = f"{service}:{model.name}"
            if code in DENIED_CODES:
                found[name] = False
            elif code is None or code in _ANSWERED:
                found.setdefault(name, True)

        return told

    clients = [(getattr(session, service), after(service)) for service in _SERVICES]
    for client, told in clients:
        client.meta.events.register("after-call", told)
    try:
        yield found
    finally:
        for client, told in clients:
            client.meta.events.unregister("after-call", told)


def probe(session: AwsSession, actions: Iterable[str], *, account: str, as_of: datetime) -> None:
    """Try calls that read, as cheaply as can be, inside of `watched`; other actions are left alone. Nothing is changed.

    Raises
    ------
    CredentialsError, EndpointError
        AWS cannot be asked at all.
    """
    asked = _questions(session, account, as_of)
    for action in sorted(set(actions) & set(asked)):
        service = action.partition(":")[0]
        method, arguments = asked[action]
        try:
            fetch_one(getattr(session, service), method, **arguments)
        except (AwsCallError, InputError):
            continue  # whoever watches has seen it


def _questions(session: AwsSession, account: str, as_of: datetime) -> dict[str, tuple[str, dict[str, Any]]]:
    partition, region = session.iot.meta.partition, session.region

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    window = {"startTime": as_of - timedelta(minutes=5), "endTime": as_of, "maxResults": 1}
    page, size = {"pageSize": 1}, {"maxResults": 1}
    certificate, policy = {"certificateId": _NOBODYS_ID}, {"policyName": NOBODY}
    role = {"RoleName": NOBODY}
    managed = {"PolicyArn": f"arn:{partition}:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"}
    topic = {"TopicArn": arn("sns", NOBODY)}
    found: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
        "iot": {
            "DescribeAccountAuditConfiguration": ("describe_account_audit_configuration", {}),
            "DescribeAuditFinding": ("describe_audit_finding", {"findingId": NOBODY}),
            "DescribeAuditMitigationActionsTask": ("describe_audit_mitigation_actions_task", {"taskId": NOBODY}),
            "DescribeAuditTask": ("describe_audit_task", {"taskId": NOBODY}),
            "DescribeCACertificate": ("describe_ca_certificate", certificate),
            "DescribeCertificate": ("describe_certificate", certificate),
            "DescribeMitigationAction": ("describe_mitigation_action", {"actionName": NOBODY}),
            "DescribeRoleAlias": ("describe_role_alias", {"roleAlias": NOBODY}),
            "DescribeScheduledAudit": ("describe_scheduled_audit", {"scheduledAuditName": NOBODY}),
            "DescribeThingGroup": ("describe_thing_group", {"thingGroupName": NOBODY}),
            "GetIndexingConfiguration": ("get_indexing_configuration", {}),
            "GetPolicy": ("get_policy", policy),
            "GetPolicyVersion": ("get_policy_version", policy | {"policyVersionId": "1"}),
            "GetV2LoggingOptions": ("get_v2_logging_options", {}),
            "ListAttachedPolicies": (
                "list_attached_policies",
                {"target": arn("iot", f"cert/{_NOBODYS_ID}"), "pageSize": 1},
            ),
            "ListAuditFindings": ("list_audit_findings", {"taskId": NOBODY, "maxResults": 1}),
            "ListAuditMitigationActionsExecutions": (
                "list_audit_mitigation_actions_executions",
                {"taskId": NOBODY, "findingId": NOBODY, "maxResults": 1},
            ),
            "ListAuditMitigationActionsTasks": ("list_audit_mitigation_actions_tasks", window),
            "ListAuditSuppressions": ("list_audit_suppressions", size),
            "ListAuditTasks": ("list_audit_tasks", window),
            "ListCACertificates": ("list_ca_certificates", page),
            "ListCertificates": ("list_certificates", page),
            "ListCertificatesByCA": ("list_certificates_by_ca", {"caCertificateId": _NOBODYS_ID, "pageSize": 1}),
            "ListMitigationActions": ("list_mitigation_actions", size),
            "ListPolicies": ("list_policies", page),
            "ListPolicyVersions": ("list_policy_versions", policy),
            "ListPrincipalThings": (
                "list_principal_things",
                {"principal": arn("iot", f"cert/{_NOBODYS_ID}"), "maxResults": 1},
            ),
            "ListRelatedResourcesForAuditFinding": (
                "list_related_resources_for_audit_finding",
                {"findingId": NOBODY, "maxResults": 1},
            ),
            "ListRoleAliases": ("list_role_aliases", page),
            "ListScheduledAudits": ("list_scheduled_audits", size),
            "ListTagsForResource": (
                "list_tags_for_resource",
                {"resourceArn": arn("iot", f"scheduledaudit/{NOBODY}")},
            ),
            "ListTargetsForPolicy": ("list_targets_for_policy", policy | page),
            "ListThingGroups": ("list_thing_groups", size),
            "ListThingGroupsForThing": ("list_thing_groups_for_thing", {"thingName": NOBODY, "maxResults": 1}),
            "ListThingPrincipals": ("list_thing_principals", {"thingName": NOBODY}),
            "ListThings": ("list_things", size),
            "ListThingsInThingGroup": ("list_things_in_thing_group", {"thingGroupName": NOBODY, "maxResults": 1}),
            "SearchIndex": ("search_index", {"queryString": f"thingName:{NOBODY}", "maxResults": 1}),
        },
        "iam": {
            "GetPolicy": ("get_policy", managed),
            "GetPolicyVersion": ("get_policy_version", managed | {"VersionId": "v1"}),
            "GetRole": ("get_role", role),
            "GetRolePolicy": ("get_role_policy", role | {"PolicyName": NOBODY}),
            "ListAttachedRolePolicies": ("list_attached_role_policies", role),
            "ListRolePolicies": ("list_role_policies", role),
        },
        "sns": {
            "GetTopicAttributes": ("get_topic_attributes", topic),
            "ListSubscriptionsByTopic": ("list_subscriptions_by_topic", topic),
            "ListTagsForResource": ("list_tags_for_resource", {"ResourceArn": arn("sns", NOBODY)}),
        },
        "cloudwatch": {
            "DescribeAlarms": ("describe_alarms", {"AlarmNamePrefix": NOBODY, "MaxRecords": 1}),
            "ListTagsForResource": ("list_tags_for_resource", {"ResourceARN": arn("cloudwatch", f"alarm:{NOBODY}")}),
        },
    }
    return {f"{service}:{name}": question for service, calls in found.items() for name, question in calls.items()}


def simulate(
    session: AwsSession,
    principal_arn: str,
    actions: Sequence[str],
    resources: Sequence[str],
    context: Mapping[str, str],
) -> dict[str, bool]:
    """Ask IAM which actions a principal's policies allow on any of these resources.

    Source and permission: `iam:SimulatePrincipalPolicy`. It knows boundaries, not session policies.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in context.items()
    ]
    answer = fetch_one(
        session.iam,
        "simulate_principal_policy",
        PolicySourceArn=principal_arn,
        ActionNames=list(actions),
        ResourceArns=list(resources),
        ContextEntries=entries,
        MaxItems=1000,
    )
    found: dict[str, bool] = {}
    for result in answer.get("EvaluationResults") or []:
        name = str(result.get("EvalActionName"))
        found[name] = found.get(name, False) or result.get("EvalDecision") == "allowed"
    return found
