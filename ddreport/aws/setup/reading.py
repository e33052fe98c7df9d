"""Reading what set-up looks at. Nothing here changes an account; a refused read makes its part unknown, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ddreport.aws.calls import fetch_one
from ddreport.aws.configuration import fetch_configuration, fetch_scheduled_audits
from ddreport.aws.mitigations import fetch_mitigation_actions
from ddreport.errors import AwsCallError
from ddreport.mitigation.actions import MitigationAction
from ddreport.setup.present import (
    ActionState,
    AlarmState,
    AuditState,
    LoggingState,
    RoleState,
    ScheduleState,
    SubscriptionState,
    TopicState,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from botocore.client import BaseClient
    from mypy_boto3_iot import IoTClient

    from ddreport.aws.iam_roles import RoleFacts

T = TypeVar("T")

_NOT_THERE = frozenset({"NotFound", "NotFoundException", "ResourceNotFoundException", "NoSuchEntity"})
_PENDING = "arn:"  # a subscription that is confirmed has an ARN; others have a word in its place


def known_or_unknown(read: Callable[[], T]) -> T | Unknown:
    """Return what was read, or why it is unknown. Credentials and lines that fail end everything, not a part."""
    try:
        return read()
    except AwsCallError as exc:
        return Unknown(f"{exc.operation} was refused: {exc.code}")


def fetch_audit_state(client: IoTClient) -> AuditState:
    """Fetch the audit configuration (`iot:DescribeAccountAuditConfiguration`; `AwsCallError`)."""
    found = fetch_configuration(client)
    checks = found.get("auditCheckConfigurations") or {}
    return AuditState(
        role_arn=found.get("roleArn"),
        checks={name: bool(check.get("enabled")) for name, check in checks.items()},
        thresholds={name: check["configuration"] for name, check in checks.items() if check.get("configuration")},
        notification=(found.get("auditNotificationTargetConfigurations") or {}).get("SNS") or {},
    )


def fetch_schedule_states(client: IoTClient) -> dict[str, ScheduleState]:
    """Fetch all scheduled audits with their tags.

    Source and permissions: `iot:ListScheduledAudits`, `iot:DescribeScheduledAudit`, `iot:ListTagsForResource`; without
    the last the tags are None.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    return {
        record["scheduledAuditName"]: ScheduleState(
            name=record["scheduledAuditName"],
            arn=record["scheduledAuditArn"],
            frequency=record["frequency"],
            day_of_week=record.get("dayOfWeek"),
            day_of_month=record.get("dayOfMonth"),
            checks=tuple(record.get("targetCheckNames") or ()),
            tags=_iot_tags(client, record["scheduledAuditArn"]),
        )
        for record in fetch_scheduled_audits(client)
    }


def fetch_logging_state(client: IoTClient) -> LoggingState | None:
    """Fetch the V2 logging options; None where they were never set (`iot:GetV2LoggingOptions`; `AwsCallError`)."""
    try:
        found = fetch_one(client, "get_v2_logging_options")
    except AwsCallError as exc:
        if exc.code != "NotConfiguredException":
            raise
        return None
    return LoggingState(found.get("roleArn"), found.get("defaultLogLevel"), bool(found.get("disableAllLogs")))


def fetch_action_states(client: IoTClient, tagged: Collection[str] | None) -> dict[str, ActionState]:
    """Fetch all mitigation actions, with the tags of those named in `tagged` (None: of all).

    Source and permissions: `iot:ListMitigationActions`, `iot:DescribeMitigationAction`, `iot:ListTagsForResource`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    found = {}
    for record in fetch_mitigation_actions(client):
        name, arn = record["actionName"], record["actionArn"]
        wanted = tagged is None or name in tagged
        found[name] = ActionState(MitigationAction.from_record(record), arn, _iot_tags(client, arn) if wanted else None)
    return found


def fetch_missing_groups(client: IoTClient, names: Collection[str]) -> tuple[str, ...]:
    """Return those of the thing groups that do not exist (`iot:DescribeThingGroup`); one not to be read counts not."""
    missing = []
    for name in names:
        try:
            fetch_one(client, "describe_thing_group", thingGroupName=name)
        except AwsCallError as exc:
            if exc.code in _NOT_THERE:
                missing.append(name)
    return tuple(missing)


def role_state(facts: RoleFacts) -> RoleState | Unknown:
    """Return a role as set-up looks at it; unknown where its policies could not be listed."""
    refused = [note for note in facts.unread if not note.startswith(("iam:GetPolicy:", "iam:GetPolicyVersion:"))]
    if refused:
        return Unknown(f"the role {facts.name}: {'; '.join(refused)}")
    return RoleState(
        name=facts.name,
        arn=facts.arn,
        trust=facts.trust,
        inline=facts.inline,
        attached=facts.attached,
        tags=facts.tags,
    )


def fetch_topic_state(sns: BaseClient, arn: str) -> TopicState | None:
    """Fetch the topic; None where there is none.

    Source and permissions: `sns:GetTopicAttributes`, `sns:ListTagsForResource`; without the last the tags are None.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    try:
        fetch_one(sns, "get_topic_attributes", TopicArn=arn)
    except AwsCallError as exc:
        if exc.code not in _NOT_THERE:
            raise
        return None
    return TopicState(arn, _tags(sns, "Tags", ResourceArn=arn))


def fetch_subscription_states(sns: BaseClient, topic_arn: str) -> tuple[SubscriptionState, ...]:
    """Fetch the subscriptions of a topic; none where there is no topic (`sns:ListSubscriptionsByTopic`).

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    try:
        found = _listed(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic_arn)
    except AwsCallError as exc:
        if exc.code not in _NOT_THERE:
            raise
        return ()
    return tuple(
        SubscriptionState(item["Protocol"], item["Endpoint"], _confirmed(item.get("SubscriptionArn"))) for item in found
    )


def _confirmed(arn: str | None) -> str | None:
    return arn if arn and arn.startswith(_PENDING) else None


def fetch_alarm_states(cloudwatch: BaseClient, prefix: str) -> dict[str, AlarmState]:
    """Fetch the metric alarms whose names begin with `prefix`, with their tags.

    Source and permissions: `cloudwatch:DescribeAlarms`, `cloudwatch:ListTagsForResource`; without the last the tags
    are None.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    found = _listed(cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"])
    return {
        alarm["AlarmName"]: AlarmState(
            name=alarm["AlarmName"],
            arn=alarm["AlarmArn"],
            settings=alarm,
            state=str(alarm.get("StateValue")),
            tags=_tags(cloudwatch, "Tags", ResourceARN=alarm["AlarmArn"]),
        )
        for alarm in found
    }


def _listed(client: BaseClient, method: str, key: str, *, next_page: str = "NextToken", **asked: Any) -> list[Any]:
    """Return all items of a list whose pages cannot be told a size."""
    found: list[Any] = []
    while True:
        answer = fetch_one(client, method, **asked)
        found += answer.get(key) or []
        if not answer.get(next_page):
            return found
        asked[next_page] = answer[next_page]


def _tags(client: BaseClient, key: str, **asked: Any) -> dict[str, str] | None:
    try:
        return _as_dict(fetch_one(client, "list_tags_for_resource", **asked).get(key))
    except AwsCallError:
        return None  # said where it matters: without tags nothing counts as made here


def _iot_tags(client: IoTClient, arn: str) -> dict[str, str] | None:
    try:
        return _as_dict(_listed(client, "list_tags_for_resource", "tags", next_page="nextToken", resourceArn=arn))
    except AwsCallError:
        return None


def _as_dict(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or []}
