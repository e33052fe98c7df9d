"""Reading audits: tasks, findings, related resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport import schemas
from ddreport.aws.calls import Record, fetch_items, fetch_one, fetch_pages
from ddreport.aws.raw import capture
from ddreport.aws.windows import check_window
from ddreport.records import RecordSet
from ddreport.tables.audits import audit_tasks_columns, checks_columns
from ddreport.tables.building import build_arrow
from ddreport.tables.pages import FindingTables, decode_findings_page, decode_resources_page
from ddreport.tables.values import from_microseconds
from ddreport.terms import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_iot import IoTClient


def fetch_audit_tasks(
    client: IoTClient,
    *,
    start: datetime,
    end: datetime,
    as_of: datetime,
    task_type: str | None = None,
    task_status: str | None = None,
) -> list[Record]:
    """Fetch the audits that began from `start` to `end`: id, status and type of each, in AWS's order.

    Source and permission: `iot:ListAuditTasks`, all pages. AWS tells times and counts only per task, see
    `fetch_audit_task`.

    Parameters
    ----------
    start, end
        Aware datetimes; `windows.oldest_start` is the earliest that is safe to ask for.
    as_of
        Now by AWS's clock (`AwsSession.identity`).
    task_type, task_status
        AWS's words, such as `SCHEDULED_AUDIT_TASK` and `COMPLETED`; None for all.

    Raises
    ------
    WindowError, RetentionError
        The window is reversed, or begins before what AWS keeps; nothing was asked.
    AwsCallError
        AWS refused or failed.
    """
    check_window(start, end, as_of=as_of)
    wanted = {"taskType": task_type, "taskStatus": task_status}
    asked = {name: value for name, value in wanted.items() if value is not None}
    return fetch_items(client, "list_audit_tasks", "tasks", startTime=start, endTime=end, **asked)


def fetch_audit_task(client: IoTClient, audit_task_id: str) -> Record:
    """Fetch one audit with its checks, with `taskId` added, which AWS's answer does not repeat.

    Source and permission: `iot:DescribeAuditTask`. Input for `tables.audit_tasks_table` and `tables.checks_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed; code `ResourceNotFoundException` when there is no such audit (any more).
    """
    return {"taskId": audit_task_id, **fetch_one(client, "describe_audit_task", taskId=audit_task_id)}


def fetch_findings(client: IoTClient, audit_task_id: str, *, check_name: str | None = None) -> list[Record]:
    """Fetch the findings of one audit, suppressed ones included; with `check_name` of one check only.

    Source and permission: `iot:ListAuditFindings`, all pages. Input for `tables.findings_table`. At most 10 related
    resources are embedded in each (`fetch_related_resources` gives all).

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    asked = {"checkName": check_name} if check_name else {}
    return fetch_items(client, "list_audit_findings", "findings", taskId=audit_task_id, **asked)


def fetch_related_resources(client: IoTClient, finding_id: str) -> list[Record]:
    """Fetch all related resources of one finding.

    Source and permission: `iot:ListRelatedResourcesForAuditFinding`, all pages.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    operation = "list_related_resources_for_audit_finding"
    return fetch_items(client, operation, "relatedResources", findingId=finding_id)


def fetch_audit(
    client: IoTClient,
    audit_task_id: str,
    *,
    account: str,
    region: str,
    emulated: bool,
    progress: Callable[[int], None] | None = None,
) -> RecordSet | None:
    """Fetch everything about one finished audit, or nothing: tables and AWS's answers as they came.

    Source and permissions: `iot:DescribeAuditTask`, `iot:ListAuditFindings` and, for findings with ten or more
    related resources or of the intermediate-CA check, `iot:ListRelatedResourcesForAuditFinding`.

    Parameters
    ----------
    account, region
        Where the audit ran (`AwsSession.identity`).
    emulated
        Whether the emulator is known to answer; an answer that says so counts as well.
    progress
        Called after each page with the number of findings that it had.

    Returns
    -------
    RecordSet or None
        Tables `audit_tasks`, `checks`, `findings`, `related_resources`; None while the audit is in progress.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        A call was refused or failed; nothing is returned of what came before.
    TableSchemaError
        AWS's records contradict the schema, for example a severity that does not exist.
    """
    decoders = {"ListAuditFindings": _findings, "ListRelatedResourcesForAuditFinding": _resources}
    with capture(client, decoders=decoders) as seen:
        task = fetch_audit_task(client, audit_task_id)
        if task.get("taskStatus") == TaskStatus.IN_PROGRESS:
            return None
        tables = FindingTables(
            account=account, region=region, audit_task_id=audit_task_id, task_start_time=task.get("taskStartTime")
        )
        for page in fetch_pages(client, "list_audit_findings", taskId=audit_task_id):
            tables.add(page.get("findings", []))
            if progress is not None:
                progress(len(page.get("findings", [])))
        for finding_id in tables.to_list:
            listed = fetch_pages(client, "list_related_resources_for_audit_finding", findingId=finding_id)
            tables.add_related(finding_id, [r for page in listed for r in page.get("relatedResources", [])])
    emulated = emulated or seen.emulated
    findings, related = tables.finish()
    audits = audit_tasks_columns([task], account=account, region=region, emulated=emulated)
    made = {
        "audit_tasks": build_arrow(schemas.AUDIT_TASKS, audits),
        "checks": build_arrow(schemas.CHECKS, checks_columns([task], account=account, region=region)),
        "findings": findings,
        "related_resources": related,
    }
    return RecordSet(
        kind="audit",
        account=account,
        region=region,
        identity=audit_task_id,
        time=from_microseconds(audits["task_start_time"][0]),
        emulated=emulated,
        tables=made,
        raw=seen.responses,
    )


def _findings(body: bytes) -> dict[str, Any]:
    page = decode_findings_page(body)
    return _members(body, findings=page.findings, nextToken=page.next_token)


def _resources(body: bytes) -> dict[str, Any]:
    page = decode_resources_page(body)
    return _members(body, relatedResources=page.related_resources, nextToken=page.next_token)


def _members(body: bytes, **members: Any) -> dict[str, Any]:
    """Return the members that are there; an answer without any of them must be an empty one, not another's."""
    found = {name: value for name, value in members.items() if value is not None and value != ""}
    if not found and body.strip() != b"{}":
        raise ValueError("none of the operation's members")
    return found
