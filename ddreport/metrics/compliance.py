"""Compliance and coverage of each audit, and of each check in each audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from ddreport.engines import AUDIT, Table, collect, scan
from ddreport.metrics.audits import ORDER, known_audits
from ddreport.metrics.results import COMPLIANCE, COMPLIANCE_BY_CHECK, CheckState
from ddreport.schemas import CHECKS
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    import pandas as pd

FINISHED = [s.value for s in CheckRunStatus if s.finished]
"""Statuses with a verdict."""

_STATES = {
    CheckRunStatus.COMPLETED_COMPLIANT.value: CheckState.COMPLIANT.value,
    CheckRunStatus.COMPLETED_NON_COMPLIANT.value: CheckState.NON_COMPLIANT.value,
    CheckRunStatus.FAILED.value: CheckState.FAILED.value,
    CheckRunStatus.CANCELED.value: CheckState.CANCELED.value,
    CheckRunStatus.WAITING_FOR_DATA_COLLECTION.value: CheckState.WAITING.value,
    CheckRunStatus.IN_PROGRESS.value: CheckState.RUNNING.value,
}


def compliance(audit_tasks: Table, checks: Table) -> pd.DataFrame:
    """Share of compliant checks and resources in each audit, and how much of the audit finished.

    compliance_rate = compliant / finished checks; coverage = finished / all checks of the audit. Failed, cancelled,
    waiting and running checks count in neither way for the rate and lower the coverage, so that a good rate cannot
    hide a gap.

    resource_compliance_rate = 1 - non-compliant / evaluated resources, summed over the finished checks whose counts
    AWS gives; suppressed ones count as accepted. strict_resource_compliance_rate = 1 - (non-compliant + suppressed)
    / evaluated. A resource that two checks evaluate counts twice.

    The rows of `checks` decide what counts: of a filtered table, the rates are those of its checks.

    Parameters
    ----------
    audit_tasks, checks
        Tables `schemas.AUDIT_TASKS` and `schemas.CHECKS`; pandas, DuckDB or Spark.

    Returns
    -------
    DataFrame
        `results.COMPLIANCE`: one row per audit, sorted by account, region, task_start_time and audit_task_id. Rates
        are NaN where nothing finished (or nothing was evaluated), coverage where the audit has no checks.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    rows = scan(
        checks,
        CHECKS,
        [
            *AUDIT,
            "task_start_time",
            "check_run_status",
            "total_resources_count",
            "non_compliant_resources_count",
            "suppressed_non_compliant_resources_count",
        ],
    )
    audits = known_audits(audit_tasks, rows)
    finished = nw.col("check_run_status").is_in(FINISHED)
    counted = (
        nw.col("check_run_status").is_in(FINISHED)
        & ~nw.col("total_resources_count").is_null()
        & ~nw.col("non_compliant_resources_count").is_null()
    )
    compliant = nw.col("check_run_status") == CheckRunStatus.COMPLETED_COMPLIANT.value
    counts = {
        "total_checks_count": nw.lit(1),
        "finished_checks_count": nw.when(finished).then(1).otherwise(0),
        "compliant_checks_count": nw.when(compliant).then(1).otherwise(0),
        **{
            name: nw.when(counted).then(nw.col(name).fill_null(0)).otherwise(0)
            for name in (
                "total_resources_count",
                "non_compliant_resources_count",
                "suppressed_non_compliant_resources_count",
            )
        },
    }
    sums = collect(
        rows.select(*AUDIT, **{name: value.cast(nw.Int64()) for name, value in counts.items()})
        .group_by(*AUDIT)
        .agg(*(nw.col(name).sum() for name in counts))
    )
    table = audits.merge(sums, on=AUDIT, how="left")
    for name in counts:
        table[name] = table[name].astype("Int64").fillna(0)
    table["unfinished_checks_count"] = table["total_checks_count"] - table["finished_checks_count"]
    table["compliance_rate"] = share(table["compliant_checks_count"], table["finished_checks_count"])
    table["coverage"] = share(table["finished_checks_count"], table["total_checks_count"])
    resources, bad = table["total_resources_count"], table["non_compliant_resources_count"]
    accepted = table["suppressed_non_compliant_resources_count"]
    table["resource_compliance_rate"] = share(resources - bad, resources)
    table["strict_resource_compliance_rate"] = share(resources - bad - accepted, resources)
    return COMPLIANCE.conform(table)


def compliance_by_check(checks: Table, *, audit_tasks: Table | None = None) -> pd.DataFrame:
    """State of each check in each audit: the check x time matrix in rows.

    A check that another audit of the same account and Region has, and this one has not, is NOT_RUN: never compliant.

    Parameters
    ----------
    checks
        Table `schemas.CHECKS`.
    audit_tasks
        Table `schemas.AUDIT_TASKS`; adds `task_type`, and audits that have no checks at all. On-demand audits of the
        two checks that look back in time cover another span than scheduled ones: do not compare their counts.

    Returns
    -------
    DataFrame
        `results.COMPLIANCE_BY_CHECK`, sorted by account, region, task_start_time, audit_task_id and check_name.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    rows = scan(checks, CHECKS, [c for c in CHECKS.column_names if c != "check_compliant"])
    audits = known_audits(audit_tasks, rows)
    found = collect(rows.drop("task_start_time"))
    names = found[["account", "region", "check_name"]].drop_duplicates()
    table = audits.merge(names, on=["account", "region"]).merge(found, on=[*AUDIT, "check_name"], how="left")
    table["state"] = states(table["check_run_status"])
    return COMPLIANCE_BY_CHECK.conform(table.sort_values([*ORDER, "check_name"]))


def states(check_run_status: pd.Series[str]) -> pd.Series[str]:
    """Return the `CheckState` of each status; a missing status is NOT_RUN, an unheard-of one UNKNOWN."""
    known = check_run_status.map(_STATES)
    return known.where(known.notna(), CheckState.UNKNOWN.value).where(
        check_run_status.notna(), CheckState.NOT_RUN.value
    )


def share(part: pd.Series[int], whole: pd.Series[int]) -> pd.Series[float]:
    """Divide; NaN where there is no whole."""
    numbers = whole.astype("float64")
    return part.astype("float64") / numbers.where(numbers > 0)
