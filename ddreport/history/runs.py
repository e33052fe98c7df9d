"""What each run of a check proves, and which later run may resolve what it reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from ddreport.engines import AUDIT, Table, collect, scan
from ddreport.history.comparable import place_in_lines
from ddreport.history.identity import LINE
from ddreport.history.reports import RUN, Reports
from ddreport.history.results import CHECK_RUNS, Proof
from ddreport.history.thresholds import add_thresholds
from ddreport.schemas import AUDIT_TASKS, CHECKS, FINDINGS
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    import pandas as pd

ORDER = [*LINE, "task_start_time", "audit_task_id"]
"""Order of runs: line by line, in the order of time."""

SEES_ONLY_WHAT_WAS_USED = frozenset(
    {
        "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
        "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
    }
)
"""Checks that look at identity pools through which something connected in the 31 days before."""

OWN_COLUMNS = [c for c in CHECK_RUNS.column_names if not c.endswith(("_slot", "slot", "_threshold_days"))]
"""Columns of a run that do not depend on other runs."""

_FINISHED = [s.value for s in CheckRunStatus if s.finished]
_NOTES = {
    CheckRunStatus.FAILED.value: "the check failed",
    CheckRunStatus.CANCELED.value: "the check was cancelled",
    CheckRunStatus.WAITING_FOR_DATA_COLLECTION.value: "the check was still waiting for its data",
    CheckRunStatus.IN_PROGRESS.value: "the check was still running",
}


def check_runs(
    audit_tasks: Table,
    checks: Table,
    findings: Table | Reports,
    *,
    check_configurations: pd.DataFrame | None = None,
    observations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return every run of every check with what it proves, by the rules of docs/lifecycle.md.

    Parameters
    ----------
    audit_tasks, checks, findings
        Tables `schemas.AUDIT_TASKS`, `schemas.CHECKS` and `schemas.FINDINGS`; pandas, DuckDB or Spark. Of the findings
        only their numbers are asked for here: give no finding twice (the archive never does), or the `reports` of
        them. Audits and checks that come twice count once.
    check_configurations
        Every stored state of `schemas.CHECK_CONFIGURATIONS`, for the thresholds; None: AWS's defaults all along.
    observations
        Every look at the configuration, also those that found nothing new and stored no state: `account`, `region`,
        `observed_time`. They tell how long before a stored state the change can have been; None: not at all before.

    Returns
    -------
    DataFrame
        `results.CHECK_RUNS`, sorted by account, region, check_name, task_start_time and audit_task_id.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    listed = list_runs(audit_tasks, checks, findings)
    return place_runs(listed, check_configurations=check_configurations, observations=observations)


def list_runs(audit_tasks: Table, checks: Table, findings: Table | Reports) -> pd.DataFrame:
    """Return every run with what it proves: the part of `check_runs` that asks the engine, and no other audits.

    The findings may be `reports` of them, reduced already.

    Returns
    -------
    DataFrame
        The columns of `results.CHECK_RUNS` as far as they depend on the run alone (`OWN_COLUMNS`), sorted as there.
    """
    table = _all_runs(audit_tasks, checks, findings)
    table["proof_note"] = _notes(table)
    table["proof"] = table["proof_note"].isna().map({True: Proof.FULL.value, False: Proof.PRESENCE.value})
    return table[OWN_COLUMNS]


def place_runs(
    listed: pd.DataFrame,
    *,
    check_configurations: pd.DataFrame | None = None,
    observations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `results.CHECK_RUNS` of listed runs in any order: the part of `check_runs` that sees all of them."""
    table = listed.sort_values(ORDER, ignore_index=True)
    add_thresholds(table, check_configurations, observations)
    place_in_lines(table)
    return CHECK_RUNS.conform(table)


def _all_runs(audit_tasks: Table, checks: Table, findings: Table | Reports) -> pd.DataFrame:
    """Join what checks, findings and audits tell of each run, in `ORDER`."""
    columns = [c for c in CHECKS.column_names if c not in ("check_compliant", "message")]
    runs = collect(scan(checks, CHECKS, columns)).drop_duplicates(RUN)
    if isinstance(findings, Reports):
        counts = findings.counts.rename(columns={"task_start_time": "found_time"})
    else:
        counts = collect(
            scan(findings, FINDINGS, [*RUN, "task_start_time"])
            .group_by(*RUN)
            .agg(findings_count=nw.len(), found_time=nw.col("task_start_time").min())
        )
    table = runs.merge(counts, on=RUN, how="outer")
    # A finding of a check that its audit does not list: still a fact.
    table["task_start_time"] = table["task_start_time"].where(table["task_start_time"].notna(), table["found_time"])
    table["findings_count"] = table["findings_count"].astype("Int64").fillna(0)
    tasks = collect(scan(audit_tasks, AUDIT_TASKS, [*AUDIT, "task_type", "scheduled_audit_name"]))
    table = table.merge(tasks.drop_duplicates(AUDIT), on=AUDIT, how="left")
    return table.sort_values(ORDER, ignore_index=True)


def _notes(runs: pd.DataFrame) -> pd.Series[str]:
    """Say in plain words why a run proves no more than presence; missing where it proves all."""
    status = runs["check_run_status"]
    finished = status.isin(_FINISHED)
    note = status.map(_NOTES)
    note = note.where(note.notna(), "the check ended with the unknown status " + status.astype("str"))
    note = note.where(status.notna(), "the audit does not list the check").mask(finished)
    short = finished & (runs["findings_count"] < runs["non_compliant_resources_count"].astype("Int64").fillna(0))
    told = runs["findings_count"].astype("str") + " findings for " + runs["non_compliant_resources_count"].astype("str")
    note = note.mask(short, "the archive holds only " + told + " non-compliant resources")
    unused = finished & runs["check_name"].isin(SEES_ONLY_WHAT_WAS_USED) & (runs["total_resources_count"] == 0)
    return note.mask(unused.fillna(value=False), "no identity pool was in use, so none was looked at").astype("str")
