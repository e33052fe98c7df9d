"""Which audits there are, whatever table tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.engines import AUDIT, Table, collect, distinct, scan
from ddreport.schemas import AUDIT_TASKS

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd

ORDER = ["account", "region", "task_start_time", "audit_task_id"]
"""Order of rows in results: a time series per account and Region."""

_COLUMNS = [*AUDIT, "task_start_time", "task_type", "task_status", "scheduled_audit_name"]


def known_audits(audit_tasks: Table | None, *others: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Return one row per audit of `audit_tasks` and of the other tables (each with the start time), in `ORDER`.

    Type, status and schedule are missing for an audit that `audit_tasks` does not have.
    """
    found = AUDIT_TASKS.empty()[_COLUMNS]
    if audit_tasks is not None:
        found = collect(scan(audit_tasks, AUDIT_TASKS, _COLUMNS))
    for other in others:
        further = collect(distinct(other, [*AUDIT, "task_start_time"]))
        found = found.merge(further, on=[*AUDIT, "task_start_time"], how="outer")
    return found.drop_duplicates(AUDIT).sort_values(ORDER, ignore_index=True)
