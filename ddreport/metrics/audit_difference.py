"""Two single audits side by side: what is told apart, and what cannot be."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from ddreport.engines import Table, collect, scan
from ddreport.errors import ParameterError
from ddreport.history import LINE, PROBLEM, Proof, problem_ids
from ddreport.history.comparable import LOOKS_BACK
from ddreport.history.thresholds import DAYS_COLUMNS, THRESHOLD_REASONS
from ddreport.metrics.differences import in_order, started
from ddreport.metrics.results_controls import AUDIT_DIFFERENCE, COMPARED_CHECKS, Change
from ddreport.schemas import FINDINGS, SEVERITY, pandas_dtype

_OTHER_THRESHOLDS = "the two audits had, or may have had, different thresholds"
_SERIES = "the check looks back in time, and the two audits are of different kinds or schedules"


def compared_checks(runs: pd.DataFrame, first_audit: str, second_audit: str) -> pd.DataFrame:
    """Tell for every check of two audits whether the two can be compared.

    They can where both runs prove all (`Proof.FULL`) and, for the two checks that look back in time, both audits are
    on demand or of the same schedule. Where the thresholds differ (or may: they were changed at about that time), the
    reasons that depend on them cannot be compared; the others can.

    Parameters
    ----------
    runs
        `history.CHECK_RUNS`.
    first_audit, second_audit
        Ids of two audit tasks of one account and Region; the first began first.

    Returns
    -------
    DataFrame
        `results_controls.COMPARED_CHECKS`, sorted by check_name: every check of either audit.

    Raises
    ------
    ParameterError
        An id is not known, the audits are of different accounts or Regions, or in the wrong order.
    """
    if started(runs, first_audit) > started(runs, second_audit):
        raise ParameterError(
            f"audit {first_audit!r} began after {second_audit!r}.", hint="give the audit that began first as the first."
        )
    own = [runs[runs["audit_task_id"] == audit] for audit in (first_audit, second_audit)]
    places = pd.concat(own)[["account", "region"]].drop_duplicates()
    if len(places) > 1:
        told = " and ".join(f"account {a}, Region {r}" for a, r in places.itertuples(index=False))
        raise ParameterError(
            f"the audits {first_audit!r} and {second_audit!r} are of different places: {told}.",
            hint="compare audits of one account and Region; `difference` compares all accounts at two moments.",
        )
    columns = [*LINE, "proof", "proof_note", "check_run_status", "scheduled_audit_name", *DAYS_COLUMNS]
    first, second = (part[columns] for part in own)
    table = first.merge(second, on=LINE, how="outer", suffixes=("_first", "_second"))
    # pandas compares missing names as unequal, and two on-demand audits have none.
    series = [table[f"scheduled_audit_name_{side}"].fillna("") for side in ("first", "second")]
    note = pd.Series(np.full(len(table), None, dtype=object), index=table.index)
    note = note.mask(table["check_name"].isin(LOOKS_BACK) & (series[0] != series[1]), _SERIES)
    for side in ("second", "first"):
        said = f"{side} audit: " + table[f"proof_note_{side}"].astype("str")
        note = note.mask(table[f"proof_{side}"] == Proof.PRESENCE.value, said)
        note = note.mask(table[f"proof_{side}"].isna(), f"the {side} audit did not have the check")
    days = table[[f"{name}_{side}" for name in DAYS_COLUMNS for side in ("first", "second")]]
    table["same_thresholds"] = days.nunique(axis=1) <= 1
    table["is_comparable"] = note.isna()
    table["note"] = note.mask(note.isna() & ~table["same_thresholds"], _OTHER_THRESHOLDS).astype("str")
    table = table.rename(columns={f"check_run_status_{s}": f"{s}_check_run_status" for s in ("first", "second")})
    return COMPARED_CHECKS.conform(table.sort_values(LINE))


def audit_difference(findings: Table, runs: pd.DataFrame, first_audit: str, second_audit: str) -> pd.DataFrame:
    """Compare what two audits reported, problem by problem, and nothing else.

    - reported by both: STILL_OPEN, SUPPRESSED, UNSUPPRESSED or STILL_SUPPRESSED
    - by the first alone: RESOLVED; by the second alone: APPEARED (also if an earlier audit knew it)
    - NOT_COMPARABLE: of checks that the two audits did not both finish comparably (`compared_checks`), and of reasons
      that depend on a threshold where that was not the same and only one reported it. A problem that the second audit
      did not look for is never resolved.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; pandas, DuckDB or Spark.
    runs, first_audit, second_audit
        As for `compared_checks`.

    Returns
    -------
    DataFrame
        `results_controls.AUDIT_DIFFERENCE`, sorted by severity, account, region, check_name, resource_type,
        resource_id and reason_code. Two findings of one problem in one audit are one report, suppressed if both are.

    Raises
    ------
    TableSchemaError, ParameterError
        A column is missing; as for `compared_checks`.
    """
    checks = compared_checks(runs, first_audit, second_audit)
    columns = [*PROBLEM, "audit_task_id", "severity", "is_suppressed"]
    rows = scan(findings, FINDINGS, columns).filter(nw.col("audit_task_id").is_in([first_audit, second_audit]))
    found = collect(rows).merge(checks[LINE], on=LINE)
    if found.empty:
        return AUDIT_DIFFERENCE.empty()
    found["severity"] = found["severity"].astype(pandas_dtype(SEVERITY))
    found["is_suppressed"] = found["is_suppressed"].astype("bool")
    own = (found[found["audit_task_id"] == audit].groupby(PROBLEM) for audit in (first_audit, second_audit))
    first, second = (
        o.agg(severity=("severity", "min"), suppressed=("is_suppressed", "min")).reset_index() for o in own
    )
    table = first.merge(second, on=PROBLEM, how="outer", suffixes=("_first", "_second"))
    table = table.merge(checks, on=LINE, how="left")
    before, after = (table[f"suppressed_{side}"].astype("boolean") for side in ("first", "second"))
    alone = before.isna() | after.isna()
    depends = table["reason_code"].isin(THRESHOLD_REASONS) & ~table["same_thresholds"] & alone
    cases = [
        (~table["is_comparable"] | depends, Change.NOT_COMPARABLE),
        (after.isna(), Change.RESOLVED),
        (before.isna(), Change.APPEARED),
        (before & after, Change.STILL_SUPPRESSED),
        (after, Change.SUPPRESSED),
        (before, Change.UNSUPPRESSED),
    ]
    conditions = [c.fillna(value=False).to_numpy(dtype=bool) for c, _ in cases]
    table["change"] = np.select(conditions, [change.value for _, change in cases], Change.STILL_OPEN.value)
    table["note"] = table["note"].where(table["change"] == Change.NOT_COMPARABLE.value)
    table["severity"] = table["severity_second"].fillna(table["severity_first"])
    table["first_is_suppressed"], table["second_is_suppressed"] = before, after
    table["problem_id"] = problem_ids(table)
    return in_order(table)
