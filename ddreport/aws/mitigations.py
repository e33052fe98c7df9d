"""Reading mitigation actions, mitigation tasks and their executions. Nothing here changes an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport import schemas
from ddreport.aws.audits import fetch_findings
from ddreport.aws.calls import Record, fetch_items, fetch_one
from ddreport.aws.raw import capture
from ddreport.aws.windows import check_window
from ddreport.errors import PartialDataError
from ddreport.records import RecordSet
from ddreport.tables.building import build_arrow
from ddreport.tables.mitigations import mitigation_executions_columns, mitigation_tasks_columns
from ddreport.tables.values import from_microseconds
from ddreport.terms import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_iot import IoTClient

    from ddreport.records import RawResponse


def fetch_mitigation_actions(client: IoTClient) -> list[Record]:
    """Fetch all defined mitigation actions with type, role and parameters.

    Source and permissions: `iot:ListMitigationActions`, `iot:DescribeMitigationAction`. Input for
    `tables.mitigation_actions_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    listed = fetch_items(client, "list_mitigation_actions", "actionIdentifiers")
    return [fetch_one(client, "describe_mitigation_action", actionName=item["actionName"]) for item in listed]


def fetch_mitigation_tasks(
    client: IoTClient,
    *,
    start: datetime,
    end: datetime,
    as_of: datetime,
    audit_task_id: str | None = None,
    finding_id: str | None = None,
) -> list[Record]:
    """Fetch the mitigation tasks that began at `start` or later and ended by `end`: id, status, start of each.

    Source and permission: `iot:ListAuditMitigationActionsTasks`, all pages. AWS compares `end` with a task's end, so
    a task that is still running presumably does not show: a later call finds it.

    Parameters
    ----------
    start, end
        Aware datetimes.
    as_of
        Now by AWS's clock (`AwsSession.identity`).
    audit_task_id, finding_id
        Only tasks that treat findings of this audit, or this finding.

    Raises
    ------
    WindowError, RetentionError
        The window is reversed, or begins before what AWS keeps; nothing was asked.
    AwsCallError
        AWS refused or failed.
    """
    check_window(start, end, as_of=as_of)
    wanted = {"auditTaskId": audit_task_id, "findingId": finding_id}
    asked = {name: value for name, value in wanted.items() if value is not None}
    return fetch_items(client, "list_audit_mitigation_actions_tasks", "tasks", startTime=start, endTime=end, **asked)


def fetch_mitigation_task(client: IoTClient, mitigation_task_id: str) -> Record:
    """Fetch one mitigation task, with `taskId` added, which AWS's answer does not repeat.

    Source and permission: `iot:DescribeAuditMitigationActionsTask`. Input for `tables.mitigation_tasks_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    answer = fetch_one(client, "describe_audit_mitigation_actions_task", taskId=mitigation_task_id)
    return {"taskId": mitigation_task_id, **answer}


def fetch_target_findings(client: IoTClient, task: Record) -> list[str]:
    """Fetch the ids of the findings that a mitigation task can have treated.

    A task that lists findings says so itself. One that names an audit treats its findings of the checks in
    `auditCheckToActionsMapping`, narrowed by `auditCheckToReasonCodeFilter`: these are asked for with
    `iot:ListAuditFindings`, check by check. Suppressed ones are among them; AWS leaves them untreated.

    Parameters
    ----------
    task
        From `fetch_mitigation_task`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    PartialDataError
        Findings were treated, but AWS does not say which: the audit is gone, or the target names none.
    """
    target = task.get("target") or {}
    named = target.get("findingIds") or []
    if named:
        return list(dict.fromkeys(named))
    reasons = target.get("auditCheckToReasonCodeFilter") or {}
    checks = [c for c in task.get("auditCheckToActionsMapping") or {} if not reasons or c in reasons]
    found: dict[str, None] = {}
    if target.get("auditTaskId"):
        for check in checks:
            for finding in fetch_findings(client, target["auditTaskId"], check_name=check):
                if not reasons or finding.get("reasonForNonComplianceCode") in reasons[check]:
                    found[str(finding.get("findingId"))] = None
    treated = sum(check.get("totalFindingsCount") or 0 for check in (task.get("taskStatistics") or {}).values())
    if treated and not found:
        audit = target.get("auditTaskId") or "none"
        raise PartialDataError(
            f"mitigation task {task['taskId']} had {treated} findings in its target, but AWS does not name them "
            f"(audit: {audit}), so what was done to each cannot be read.",
            hint="AWS keeps the findings of an audit for 90 days; give the finding ids if you have them.",
        )
    return list(found)


def fetch_executions(client: IoTClient, mitigation_task_id: str, finding_id: str) -> list[Record]:
    """Fetch what one mitigation task did to one finding; AWS has no list over all findings of a task.

    Source and permission: `iot:ListAuditMitigationActionsExecutions`, all pages. Input for
    `tables.mitigation_executions_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    operation = "list_audit_mitigation_actions_executions"
    found = fetch_items(client, operation, "actionsExecutions", taskId=mitigation_task_id, findingId=finding_id)
    return [{"taskId": mitigation_task_id, "findingId": finding_id, **record} for record in found]


def fetch_mitigation(
    client: IoTClient,
    mitigation_task_id: str,
    *,
    account: str,
    region: str,
    emulated: bool,
    finding_ids: Sequence[str] | None = None,
) -> RecordSet | None:
    """Fetch everything about one finished mitigation task, or nothing.

    Source and permissions: those of `fetch_mitigation_task`, `fetch_target_findings` and `fetch_executions`; one
    call per finding in the target, ten a second.

    Parameters
    ----------
    account, region
        Where it ran (`AwsSession.identity`).
    emulated
        Whether the emulator is known to answer; an answer that says so counts as well.
    finding_ids
        Findings to read the executions of; None asks AWS which were in the target.

    Returns
    -------
    RecordSet or None
        Tables `mitigation_tasks`, `mitigation_executions`; None while the task is in progress.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        A call was refused or failed; nothing is returned of what came before.
    PartialDataError
        See `fetch_target_findings`.
    """
    with capture(client) as seen:
        task = fetch_mitigation_task(client, mitigation_task_id)
        if task.get("taskStatus") == TaskStatus.IN_PROGRESS:
            return None
        asked = fetch_target_findings(client, task) if finding_ids is None else finding_ids
        done = [record for finding_id in asked for record in fetch_executions(client, mitigation_task_id, finding_id)]
    emulated = emulated or seen.emulated
    return mitigation_records(task, done, seen.responses, account=account, region=region, emulated=emulated)


def mitigation_records(
    task: Record,
    executions: Sequence[Record],
    raw: Sequence[RawResponse],
    *,
    account: str,
    region: str,
    emulated: bool,
) -> RecordSet:
    """Put together what was read of one finished mitigation task.

    Parameters
    ----------
    task, executions
        From `fetch_mitigation_task` and `fetch_executions`, read inside of `raw.capture`.
    raw
        The answers that they come from.
    """
    tasks = mitigation_tasks_columns([task], account=account, region=region, emulated=emulated)
    columns = mitigation_executions_columns(executions, account=account, region=region)
    made = {
        "mitigation_tasks": build_arrow(schemas.MITIGATION_TASKS, tasks),
        "mitigation_executions": build_arrow(schemas.MITIGATION_EXECUTIONS, columns),
    }
    return RecordSet(
        kind="mitigation",
        account=account,
        region=region,
        identity=task["taskId"],
        time=from_microseconds(tasks["start_time"][0]),
        emulated=emulated,
        tables=made,
        raw=raw,
    )
