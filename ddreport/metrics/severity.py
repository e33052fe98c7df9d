"""Non-compliant resources by severity, audit by audit."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.engines import AUDIT, Table, scan
from ddreport.history.arrays import as_ints, ranks
from ddreport.history.bits import BLOCK, count_bits_by
from ddreport.history.reports import FAULT, RUN, Reports, audit_bits, numbered
from ddreport.metrics.audits import known_audits
from ddreport.metrics.compliance import compliance_by_check
from ddreport.metrics.results import NON_COMPLIANT_BY_SEVERITY, CheckState
from ddreport.schemas import CHECKS, FINDINGS
from ddreport.terms import Severity

SEVERITIES = [s.value for s in Severity]
PAIR = ["check_name", "resource_type", "resource_id"]
"""A check and a resource; several reasons for it are one pair."""


def non_compliant_by_severity(
    findings: Table | Reports, checks: Table, *, audit_tasks: Table | None = None
) -> pd.DataFrame:
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
        Tables `schemas.FINDINGS` and `schemas.CHECKS` of the same audits. Instead of the findings `history.reports` of
        them, where other functions ask for these too.
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
    tables = [scan(checks, CHECKS, [*AUDIT, "task_start_time"])]
    if isinstance(findings, Reports):
        told = findings.counts[[*AUDIT, "task_start_time"]].drop_duplicates(AUDIT)
        audits = known_audits(audit_tasks, *tables, nw.from_native(told).lazy())
        counts, severity_of = _pairs_by_audit(findings.bits, findings.audits)
    else:
        rows = scan(findings, FINDINGS, [*RUN, "task_start_time", *FAULT, "severity", "is_suppressed"])
        audits = known_audits(audit_tasks, *tables, rows)
        places = numbered(audits)
        counts, severity_of = _pairs_by_audit(audit_bits(rows, places, ["severity", "is_suppressed"])[0], places)
    table = audits.merge(pd.DataFrame({"severity": SEVERITIES}), how="cross")
    unfinished = _unfinished(checks, audit_tasks, severity_of)
    table = table.merge(counts, on=[*AUDIT, "severity"], how="left").merge(
        unfinished, on=[*AUDIT, "severity"], how="left"
    )
    for name in ("non_compliant_count", "suppressed_count", "unfinished_checks_count"):
        table[name] = table[name].astype("Int64").fillna(0)
    table["incomplete"] = table["unfinished_checks_count"] > 0
    # `audits` is in order already, and the cross join kept it, severities in theirs.
    return NON_COMPLIANT_BY_SEVERITY.conform(table)


def _pairs_by_audit(bits: pd.DataFrame, audits: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Count the pairs of check and resource by audit and severity; also return the severity of each check."""
    pair = ranks(bits, ["place", "block", "severity", *PAIR])
    first = np.unique(pair, return_index=True)[1]
    suppressed = bits["is_suppressed"].to_numpy(dtype=bool)
    values = as_ints(bits["bits"])
    # A pair is suppressed in an audit when all its findings there are.
    open_bits, silenced = np.zeros(len(first), dtype="int64"), np.zeros(len(first), dtype="int64")
    np.bitwise_or.at(open_bits, pair[~suppressed], values[~suppressed])
    np.bitwise_or.at(silenced, pair[suppressed], values[suppressed])
    silenced &= ~open_bits
    groups = bits[["place", "block", "severity"]].take(first).reset_index(drop=True)
    group = ranks(groups, ["place", "block", "severity"])
    names = groups.take(np.unique(group, return_index=True)[1]).reset_index(drop=True)
    table = names.take(np.repeat(np.arange(len(names)), BLOCK)).reset_index(drop=True)
    table["slot"] = as_ints(table["block"]) * BLOCK + np.tile(np.arange(BLOCK), len(names))
    for name, own in (("non_compliant_count", open_bits), ("suppressed_count", silenced)):
        table[name] = count_bits_by(own, group)[:, :BLOCK].ravel()
    table = table.merge(audits[[*AUDIT, "place", "slot"]], on=["place", "slot"])
    of_checks = bits.drop_duplicates("check_name")
    severity_of = dict(zip(of_checks["check_name"], of_checks["severity"], strict=True))
    return table[[*AUDIT, "severity", "non_compliant_count", "suppressed_count"]], severity_of


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
