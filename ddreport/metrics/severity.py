"""Non-compliant resources by severity, audit by audit."""

from __future__ import annotations

import narwhals as nw
import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.engines import AUDIT, Table, collect, distinct, scan, upload
from ddreport.metrics.audits import known_audits
from ddreport.metrics.compliance import compliance_by_check
from ddreport.metrics.results import NON_COMPLIANT_BY_SEVERITY, CheckState
from ddreport.schemas import CHECKS, FINDINGS
from ddreport.terms import Severity

SEVERITIES = [s.value for s in Severity]
PAIR = ["check_name", "resource_type", "resource_id"]
"""A check and a resource; several reasons for it are one pair."""


def non_compliant_by_severity(findings: Table, checks: Table, *, audit_tasks: Table | None = None) -> pd.DataFrame:
    """Count non-compliant resources by severity in each audit, and mark the counts that are not whole.

    non_compliant_count = distinct pairs of check and resource with a finding that is not suppressed;
    suppressed_count = distinct pairs of which every finding is suppressed.

    A count is `incomplete` when a check of that severity gave no verdict in that audit: it failed, was cancelled or
    did not end, or it was left out though an earlier audit given here had it. A check whose severity neither a
    finding nor the catalogue tells makes the counts of every severity incomplete. (An audit before a check's first
    run is not incomplete for its sake.)

    Parameters
    ----------
    findings, checks
        Tables `schemas.FINDINGS` and `schemas.CHECKS` of the same audits.
    audit_tasks
        Table `schemas.AUDIT_TASKS`; adds `task_type`, and audits that have no checks at all.

    Returns
    -------
    DataFrame
        `results.NON_COMPLIANT_BY_SEVERITY`: four rows per audit, zeros included, sorted by account, region,
        task_start_time, audit_task_id and severity.

    Raises
    ------
    TableSchemaError
        A column is missing, or a severity is none of the four.
    """
    rows = scan(findings, FINDINGS, [*AUDIT, "task_start_time", *PAIR, "severity", "is_suppressed"])
    audits = known_audits(audit_tasks, scan(checks, CHECKS, [*AUDIT, "task_start_time"]), rows)
    table = audits.merge(pd.DataFrame({"severity": SEVERITIES}), how="cross")
    # Numbers in place of long texts: as many groups as findings then fit into a third of the memory.
    numbered = audits[AUDIT].assign(audit_number=range(len(audits)))
    pairs = collect(distinct(rows, [*PAIR, "severity"])).assign(pair_number=lambda t: range(len(t)))
    of_pairs = (
        rows.join(upload(numbered, like=rows), on=AUDIT, how="inner")
        .join(upload(pairs, like=rows), on=[*PAIR, "severity"], how="inner")
        .select("audit_number", "pair_number", suppressed=nw.col("is_suppressed").cast(nw.Int64()))
        .group_by("audit_number", "pair_number")
        .agg(nw.col("suppressed").min())
        .join(upload(pairs[["pair_number", "severity"]], like=rows), on="pair_number", how="inner")
        .group_by("audit_number", "severity")
        .agg(suppressed_count=nw.col("suppressed").sum(), pairs_count=nw.len())
    )
    counts = collect(of_pairs).merge(numbered, on="audit_number").drop(columns="audit_number")
    counts["non_compliant_count"] = counts["pairs_count"] - counts["suppressed_count"]
    severity_of = dict(zip(pairs["check_name"], pairs["severity"], strict=True))
    unfinished = _unfinished(checks, audit_tasks, severity_of)
    table = table.merge(counts, on=[*AUDIT, "severity"], how="left").merge(
        unfinished, on=[*AUDIT, "severity"], how="left"
    )
    for name in ("non_compliant_count", "suppressed_count", "unfinished_checks_count"):
        table[name] = table[name].astype("Int64").fillna(0)
    table["incomplete"] = table["unfinished_checks_count"] > 0
    # `audits` is in order already, and the cross join kept it, severities in theirs.
    return NON_COMPLIANT_BY_SEVERITY.conform(table)


def _unfinished(checks: Table, audit_tasks: Table | None, severity_of: dict[str, str]) -> pd.DataFrame:
    """Count the expected checks without a verdict by audit and severity."""
    matrix = compliance_by_check(checks, audit_tasks=audit_tasks)
    ran = matrix["state"] != CheckState.NOT_RUN
    check = ["account", "region", "check_name"]
    first = matrix[ran].groupby(check, as_index=False).agg(first_time=("task_start_time", "min"))
    matrix = matrix.merge(first, on=check, how="left")
    finished = matrix["state"].isin([CheckState.COMPLIANT.value, CheckState.NON_COMPLIANT.value])
    open_ends = matrix[~finished & (matrix["task_start_time"] >= matrix["first_time"])].copy()
    open_ends["severity"] = [_severities(name, severity_of) for name in open_ends["check_name"]]
    open_ends = open_ends.explode("severity")
    open_ends["severity"] = open_ends["severity"].astype("str")
    return open_ends.groupby([*AUDIT, "severity"], as_index=False).agg(unfinished_checks_count=("check_name", "size"))


def _severities(check_name: str, severity_of: dict[str, str]) -> list[str]:
    known = severity_of.get(check_name) or describe_check(check_name).severity
    return SEVERITIES if known is None else [str(known)]
