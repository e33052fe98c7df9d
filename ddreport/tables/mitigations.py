"""Tables `mitigation_actions`, `mitigation_tasks` and `mitigation_executions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.schemas import MITIGATION_ACTIONS, MITIGATION_EXECUTIONS, MITIGATION_TASKS
from ddreport.tables.building import Columns, build_frame, columns_of
from ddreport.tables.values import canonical_json, text, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

_COUNTERS = {
    "total_findings_count": "totalFindingsCount",
    "succeeded_findings_count": "succeededFindingsCount",
    "failed_findings_count": "failedFindingsCount",
    "skipped_findings_count": "skippedFindingsCount",
    "canceled_findings_count": "canceledFindingsCount",
}


def mitigation_actions_table(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make the table `schemas.MITIGATION_ACTIONS` of `DescribeMitigationAction` records."""
    columns = mitigation_actions_columns(records, account=account, region=region, observed_time=observed_time)
    return build_frame(MITIGATION_ACTIONS, columns)


def mitigation_tasks_table(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, emulated: bool
) -> pd.DataFrame:
    """Make the table `schemas.MITIGATION_TASKS` of `DescribeAuditMitigationActionsTask` records.

    The counts are the sums over the checks of `taskStatistics`.

    Parameters
    ----------
    records
        One per task, with `taskId` added (AWS's answer does not repeat it); see `aws.fetch_mitigation_task`.
    emulated
        Whether the emulator answered.
    """
    columns = mitigation_tasks_columns(records, account=account, region=region, emulated=emulated)
    return build_frame(MITIGATION_TASKS, columns)


def mitigation_executions_table(records: Sequence[Mapping[str, Any]], *, account: str, region: str) -> pd.DataFrame:
    """Make the table `schemas.MITIGATION_EXECUTIONS` of `ListAuditMitigationActionsExecutions` records."""
    return build_frame(MITIGATION_EXECUTIONS, mitigation_executions_columns(records, account=account, region=region))


def mitigation_actions_columns(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `mitigation_actions_table`."""
    rows = [
        {
            "account": account,
            "region": region,
            "observed_time": to_microseconds(observed_time),
            "action_name": text(record.get("actionName")),
            "action_id": text(record.get("actionId")),
            "action_arn": text(record.get("actionArn")),
            "action_type": text(record.get("actionType")),
            "role_arn": text(record.get("roleArn")),
            "creation_time": to_microseconds(record.get("creationDate")),
            "last_modified_time": to_microseconds(record.get("lastModifiedDate")),
            "action_params": canonical_json(record.get("actionParams") or {}),
        }
        for record in records
    ]
    return columns_of(MITIGATION_ACTIONS, rows)


def mitigation_tasks_columns(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, emulated: bool
) -> Columns:
    """Return the columns of `mitigation_tasks_table`."""
    rows = []
    for record in records:
        target = record.get("target") or {}
        statistics = (record.get("taskStatistics") or {}).values()
        rows.append(
            {
                "account": account,
                "region": region,
                "mitigation_task_id": text(record.get("taskId")),
                "task_status": text(record.get("taskStatus")),
                "start_time": to_microseconds(record.get("startTime")),
                "end_time": to_microseconds(record.get("endTime")),
                "audit_task_id": text(target.get("auditTaskId")),
                "target": canonical_json(target),
                "check_to_actions": canonical_json(record.get("auditCheckToActionsMapping") or {}),
                "emulated": emulated,
                **{column: sum(check.get(member) or 0 for check in statistics) for column, member in _COUNTERS.items()},
            }
        )
    return columns_of(MITIGATION_TASKS, rows)


def mitigation_executions_columns(records: Sequence[Mapping[str, Any]], *, account: str, region: str) -> Columns:
    """Return the columns of `mitigation_executions_table`."""
    rows = [
        {
            "account": account,
            "region": region,
            "mitigation_task_id": text(record.get("taskId")),
            "finding_id": text(record.get("findingId")),
            "action_name": text(record.get("actionName")),
            "action_id": text(record.get("actionId")),
            "status": text(record.get("status")),
            "start_time": to_microseconds(record.get("startTime")),
            "end_time": to_microseconds(record.get("endTime")),
            "error_code": text(record.get("errorCode")),
            "message": text(record.get("message")),
        }
        for record in records
    ]
    return columns_of(MITIGATION_EXECUTIONS, rows)
