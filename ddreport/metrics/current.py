"""What holds now: the latest verdict of each check, and the findings that belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandas as pd

from ddreport.engines import AUDIT, Table, check_as_of, collect, scan
from ddreport.metrics.audits import known_audits
from ddreport.metrics.compliance import FINISHED
from ddreport.metrics.results import CURRENT_CHECKS
from ddreport.schemas import CHECKS, FINDINGS

if TYPE_CHECKING:
    from datetime import datetime

CHECK = ["account", "region", "check_name"]


def current_checks(checks: Table, *, as_of: datetime, audit_tasks: Table | None = None) -> pd.DataFrame:
    """Latest finished run of each check until `as_of`, beside its latest run of any kind.

    Per account, Region and check: verdict = the run with the greatest task_start_time <= as_of among those that
    finished; latest = the same among all runs (of two that began at once, the greater audit_task_id).
    age_days = (as_of - task_start_time of the verdict) / 1 day. So neither an audit that was cancelled nor one of a
    few checks hides the others, and accounts audited on different days stand side by side.

    Parameters
    ----------
    checks
        Table `schemas.CHECKS`.
    as_of
        The moment asked about, with a time zone; later audits are left out.
    audit_tasks
        Table `schemas.AUDIT_TASKS`; adds the audits' types, without which they are missing. A verdict of an on-demand
        audit covers 31 days in the two checks that look back, one of a scheduled audit the time since the one before.

    Returns
    -------
    DataFrame
        `results.CURRENT_CHECKS`, sorted by account, region and check_name. Where no run finished, the verdict's
        columns are missing and `latest_differs` is true.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; `as_of` has no time zone.
    """
    columns = [c for c in CHECKS.column_names if c != "check_compliant"]
    runs = scan(checks, CHECKS, columns).filter(nw.col("task_start_time") <= check_as_of(as_of))
    latest = _newest(runs)
    verdicts = _newest(runs.filter(nw.col("check_run_status").is_in(FINISHED)))
    types = known_audits(audit_tasks)[[*AUDIT, "task_type"]]
    verdicts = verdicts.drop(columns=["error_code", "message"]).merge(types, on=AUDIT, how="left")
    latest = latest.merge(types, on=AUDIT, how="left")
    renamed = ["audit_task_id", "task_start_time", "task_type", "check_run_status", "error_code", "message"]
    latest = latest[[*CHECK, *renamed]].rename(columns={name: f"latest_{name}" for name in renamed})
    table = latest.merge(verdicts, on=CHECK, how="left")
    table["age_days"] = (pd.Timestamp(as_of) - table["task_start_time"]).dt.total_seconds() / 86400
    table["latest_differs"] = table["latest_audit_task_id"] != table["audit_task_id"]
    return CURRENT_CHECKS.conform(table.sort_values(CHECK))


def current_findings(findings: Table, checks: Table, *, as_of: datetime) -> pd.DataFrame:
    """Open findings: those of each check's latest finished run until `as_of`, suppressed ones included.

    Parameters
    ----------
    findings, checks
        Tables `schemas.FINDINGS` and `schemas.CHECKS`.
    as_of
        The moment asked about, with a time zone.

    Returns
    -------
    DataFrame
        Table `schemas.FINDINGS`, sorted by account, region, severity (most severe first), check_name, resource_type,
        resource_id, reason_code and finding_id.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; `as_of` has no time zone.
    """
    rows = scan(findings, FINDINGS, FINDINGS.column_names)
    current = current_checks(checks, as_of=as_of)[[*AUDIT, "check_name"]].dropna()
    audits = current["audit_task_id"].unique().tolist()
    if not audits:
        return FINDINGS.empty()
    # A few audits hold all that is open, so the engine hands out these; the exact pairs are matched here.
    candidates = collect(rows.filter(nw.col("audit_task_id").is_in(audits)))
    table = FINDINGS.conform(candidates.merge(current, on=[*AUDIT, "check_name"]))
    order = ["account", "region", "severity", "check_name", "resource_type", "resource_id", "reason_code", "finding_id"]
    return table.sort_values(order, ignore_index=True)


def _newest(runs: nw.LazyFrame[Any]) -> pd.DataFrame:
    newest = runs.with_columns(newest_time=nw.col("task_start_time").max().over(*CHECK))
    rows = collect(newest.filter(nw.col("task_start_time") == nw.col("newest_time")).drop("newest_time"))
    return rows.sort_values("audit_task_id").drop_duplicates(CHECK, keep="last")
