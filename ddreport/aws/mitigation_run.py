"""Carrying out mitigation tasks: what starts and cancels them, and what must be known before and in between.

Only `start_mitigation_task` and `cancel_mitigation_task` change an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.aws.calls import Record, fetch_one
from ddreport.aws.errors import aws_errors
from ddreport.aws.mitigations import fetch_executions, fetch_mitigation_task
from ddreport.aws.raw import capture
from ddreport.errors import AwsCallError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from botocore.client import BaseClient
    from mypy_boto3_iot import IoTClient

    from ddreport.records import RawResponse

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidRequestException"
LIMIT = "LimitExceededException"

_MOST_ALARMS = 100  # names in one DescribeAlarms


@dataclass(frozen=True)
class Answered:
    """What was read, with AWS's answers as they came.

    Attributes
    ----------
    records
        With AWS's own names, times as epoch seconds.
    emulated
        Whether the emulator answered.
    """

    records: list[Record]
    raw: list[RawResponse]
    emulated: bool


def start_mitigation_task(
    client: IoTClient,
    *,
    mitigation_task_id: str,
    token: str,
    finding_ids: Sequence[str],
    actions: Mapping[str, Sequence[str]],
) -> None:
    """Start a mitigation task; this changes the account.

    Idempotent by `token`: AWS takes the same id and token again for the same request, so one whose answer was lost is
    simply sent again. Source and permission: `iot:StartAuditMitigationActionsTask`.

    Parameters
    ----------
    finding_ids
        1 to 25.
    actions
        For each check the names of 1 to 5 actions, in order.

    Raises
    ------
    AwsCallError
        AWS refused: `InvalidRequestException` for a finding or action that does not exist or does not fit,
        `LimitExceededException` while 10 tasks are running, `TaskAlreadyExistsException` for a known id with another
        token.
    EndpointError, CredentialsError
        Whether AWS took it is not known.
    """
    mapping: dict[str, Any] = {check: list(names) for check, names in actions.items()}
    with aws_errors(client):
        client.start_audit_mitigation_actions_task(
            taskId=mitigation_task_id,
            target={"findingIds": list(finding_ids)},
            auditCheckToActionsMapping=mapping,
            clientRequestToken=token,
        )


def cancel_mitigation_task(client: IoTClient, mitigation_task_id: str) -> bool:
    """Cancel a mitigation task, which changes the account; what it has done already stays done.

    Source and permission: `iot:CancelAuditMitigationActionsTask`.

    Returns
    -------
    bool
        False when it is no longer in progress, or not there.

    Raises
    ------
    AwsCallError
        AWS refused for another reason.
    """
    try:
        with aws_errors(client):
            client.cancel_audit_mitigation_actions_task(taskId=mitigation_task_id)
    except AwsCallError as exc:
        if exc.code not in (INVALID, NOT_FOUND):
            raise
        return False
    return True


def read_task(client: IoTClient, mitigation_task_id: str) -> Answered:
    """Read one mitigation task; no record when AWS does not know it (`iot:DescribeAuditMitigationActionsTask`).

    Raises
    ------
    AwsCallError, EndpointError, CredentialsError
        AWS refused or failed to tell.
    """
    with capture(client) as seen:
        try:
            records = [fetch_mitigation_task(client, mitigation_task_id)]
        except AwsCallError as exc:
            if exc.code != NOT_FOUND:
                raise
            records = []
    return Answered(records, seen.responses, seen.emulated)


def read_executions(client: IoTClient, mitigation_task_id: str, finding_id: str) -> Answered:
    """Read what a task did to one finding (`iot:ListAuditMitigationActionsExecutions`; errors as `read_task`)."""
    with capture(client) as seen:
        records = fetch_executions(client, mitigation_task_id, finding_id)
    return Answered(records, seen.responses, seen.emulated)


def missing_findings(client: IoTClient, finding_ids: Iterable[str]) -> list[str]:
    """Return those findings that AWS does not know any more (`iot:DescribeAuditFinding`; errors as `read_task`)."""
    return [i for i in finding_ids if _described(client, "describe_audit_finding", findingId=i) is None]


def unknown_audits(client: IoTClient, audit_task_ids: Iterable[str]) -> list[str]:
    """Return those audits that AWS does not know any more (`iot:DescribeAuditTask`; errors as `read_task`)."""
    return [i for i in audit_task_ids if _described(client, "describe_audit_task", taskId=i) is None]


def read_action(client: IoTClient, name: str) -> Record | None:
    """Return the definition of a mitigation action, None when there is none (`iot:DescribeMitigationAction`)."""
    return _described(client, "describe_mitigation_action", actionName=name)


def alarm_states(client: BaseClient, names: Sequence[str]) -> dict[str, str]:
    """Return the state of CloudWatch alarms by name: `OK`, `ALARM`, `INSUFFICIENT_DATA`.

    Source and permission: `cloudwatch:DescribeAlarms`.

    Raises
    ------
    InputError
        One is not there.
    AwsCallError, EndpointError, CredentialsError
        AWS refused or failed to tell.
    """
    found: dict[str, str] = {}
    for start in range(0, len(names), _MOST_ALARMS):
        some = list(names[start : start + _MOST_ALARMS])
        answer = fetch_one(client, "describe_alarms", AlarmNames=some, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms = [*(answer.get("MetricAlarms") or ()), *(answer.get("CompositeAlarms") or ())]
        found |= {str(alarm["AlarmName"]): str(alarm["StateValue"]) for alarm in alarms}
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"there is no CloudWatch alarm {', '.join(missing)} in {client.meta.region_name}.",
            hint="a plan that is to stop at an alarm must be able to see it: make the alarm, or a plan without it.",
        )
    return found


def _described(client: IoTClient, operation: str, **asked: str) -> Record | None:
    try:
        return fetch_one(client, operation, **asked)
    except AwsCallError as exc:
        if exc.code != NOT_FOUND:
            raise
        return None
