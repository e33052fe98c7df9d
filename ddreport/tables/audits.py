"""Tables `audit_tasks` and `checks`, from the records of `DescribeAuditTask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import normalise_check_name
from ddreport.schemas import AUDIT_TASKS, CHECKS
from ddreport.tables.building import Columns, build_frame, columns_of
from ddreport.tables.values import text, to_microseconds
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_COUNTERS = {
    "compliant_checks_count": ("compliantChecks", CheckRunStatus.COMPLETED_COMPLIANT),
    "non_compliant_checks_count": ("nonCompliantChecks", CheckRunStatus.COMPLETED_NON_COMPLIANT),
    "failed_checks_count": ("failedChecks", CheckRunStatus.FAILED),
    "canceled_checks_count": ("canceledChecks", CheckRunStatus.CANCELED),
    "in_progress_checks_count": ("inProgressChecks", CheckRunStatus.IN_PROGRESS),
    "waiting_for_data_collection_checks_count": (
        "waitingForDataCollectionChecks",
        CheckRunStatus.WAITING_FOR_DATA_COLLECTION,
    ),
}


def audit_tasks_table(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, emulated: bool
) -> pd.DataFrame:
    """Make the table `schemas.AUDIT_TASKS` of `DescribeAuditTask` records.

    Counters that AWS leaves out of `taskStatistics` are counted in `auditDetails`.

    Parameters
    ----------
    records
        One per audit task, with `taskId` added (AWS's answer does not repeat it); see `aws.fetch_audit_task`.
    emulated
        Whether the emulator answered.

    Raises
    ------
    TableSchemaError
        A record without id, status, type or start.
    """
    columns = audit_tasks_columns(records, account=account, region=region, emulated=emulated)
    return build_frame(AUDIT_TASKS, columns)


def checks_table(records: Sequence[Mapping[str, Any]], *, account: str, region: str) -> pd.DataFrame:
    """Make the table `schemas.CHECKS` of the same records: one row per entry of `auditDetails`, by check name.

    Counts that AWS leaves out stay missing (it sent no suppressed count before suppressions existed).

    Raises
    ------
    TableSchemaError
        A record without id or start, a check without status.
    """
    return build_frame(CHECKS, checks_columns(records, account=account, region=region))


def audit_tasks_columns(records: Sequence[Mapping[str, Any]], *, account: str, region: str, emulated: bool) -> Columns:
    """Return the columns of `audit_tasks_table`."""
    return columns_of(AUDIT_TASKS, [_task_row(r, account, region, emulated=emulated) for r in records])


def _task_row(record: Mapping[str, Any], account: str, region: str, *, emulated: bool) -> dict[str, Any]:
    statistics = record.get("taskStatistics") or {}
    details = record.get("auditDetails") or {}
    statuses = [check.get("checkRunStatus") for check in details.values()]
    return {
        "account": account,
        "region": region,
        "audit_task_id": text(record.get("taskId")),
        "task_start_time": to_microseconds(record.get("taskStartTime")),
        "task_status": text(record.get("taskStatus")),
        "task_type": text(record.get("taskType")),
        "scheduled_audit_name": text(record.get("scheduledAuditName")),
        "total_checks_count": statistics.get("totalChecks", len(details)),
        "emulated": emulated,
        **{column: statistics.get(member, statuses.count(status)) for column, (member, status) in _COUNTERS.items()},
    }


def checks_columns(records: Sequence[Mapping[str, Any]], *, account: str, region: str) -> Columns:
    """Return the columns of `checks_table`."""
    rows = [
        {
            "account": account,
            "region": region,
            "audit_task_id": text(record.get("taskId")),
            "task_start_time": to_microseconds(record.get("taskStartTime")),
            "check_name": text(normalise_check_name(name)),
            "check_run_status": text(details.get("checkRunStatus")),
            "check_compliant": details.get("checkCompliant"),
            "total_resources_count": details.get("totalResourcesCount"),
            "non_compliant_resources_count": details.get("nonCompliantResourcesCount"),
            "suppressed_non_compliant_resources_count": details.get("suppressedNonCompliantResourcesCount"),
            "error_code": text(details.get("errorCode")),
            "message": text(details.get("message")),
        }
        for record in records
        for name, details in sorted((record.get("auditDetails") or {}).items())
    ]
    return columns_of(CHECKS, rows)
