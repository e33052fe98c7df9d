"""Open findings: the most severe ones in full, the number of all others, nothing cut silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.catalogue import describe_check
from ddreport.presentation import formats
from ddreport.presentation.blocks import Section, nothing, rows_of, section
from ddreport.presentation.charts.timeline import source_label
from ddreport.presentation.explorer import explorer_data
from ddreport.terms import Severity

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Open findings"

SHOWN = 30
"""Rows of the table unless asked otherwise."""

_PROBLEM = ["account", "region", "check_name", "resource_type", "resource_id", "reason_code"]


def findings_section(
    current_findings: pd.DataFrame,
    findings: pd.DataFrame,
    *,
    limit: int = SHOWN,
    explorer: pd.DataFrame | None = None,
) -> Section:
    """List the open findings by severity, then by how long they have been there.

    Parameters
    ----------
    current_findings
        Table of `metrics.current_findings`; suppressed ones are counted and not listed.
    findings
        Table `schemas.FINDINGS` of the whole window; tells since when a problem is known.
    limit
        Rows at most; the section says how many more there are.
    explorer
        Table of `explorer.explorer_rows`: all of it can be searched and filtered where scripts run. Where none do, in
        print and in mail, the first rows stand there.
    """
    suppressed = current_findings["is_suppressed"].fillna(value=False).astype("bool")
    still_open = current_findings[~suppressed]
    if still_open.empty:
        accepted = int(suppressed.sum())
        also = f" {formats.plural(accepted, 'finding')} suppressed." if accepted else ""
        return nothing(HEADING, f"The newest verdict of every check left nothing open.{also}")
    since = findings.groupby(_PROBLEM, as_index=False).agg(since=("task_start_time", "min"))
    table = still_open.merge(since, on=_PROBLEM, how="left")
    table["rank"] = table["severity"].cat.codes if hasattr(table["severity"], "cat") else 0
    table = table.sort_values(["rank", "since", "check_name", "resource_id"], kind="stable")
    shown = table.head(limit)
    several = len(table[["account", "region"]].drop_duplicates()) > 1
    begin = findings.groupby(["account", "region"])["task_start_time"].min()
    columns = [*_PROBLEM, "severity", "task_start_time", "expiration_time", "since"]
    rows = [
        {
            **row,
            "title": formats.check_title(row["check_name"]),
            "meaning": describe_check(str(row["check_name"])).explain(str(row["reason_code"])),
            "since": _since(row["since"], begin[(row["account"], row["region"])]),
            "expiry": _expiry(row["expiration_time"], row["task_start_time"]),
            "source": source_label(row["account"], row["region"]) if several else None,
        }
        for row in rows_of(shown, columns)
    ]
    return section(
        "findings.html.j2",
        HEADING,
        finding=_finding(table),
        rows=rows,
        more=_more(table.iloc[len(shown) :]),
        suppressed=int(suppressed.sum()),
        several=several,
        explorer=None if explorer is None or explorer.empty else explorer_data(explorer),
    )


def _since(first: pd.Timestamp, begin: pd.Timestamp) -> str:
    """Say since when a problem is known; one that the window's first findings hold may be older than these."""
    return f"{formats.date(first)} or earlier" if first == begin else formats.date(first)


def _expiry(expiration: pd.Timestamp | None, audit: pd.Timestamp) -> str:
    if expiration is None:
        return ""
    return f"{'expired' if expiration <= audit else 'expires'} {formats.date(expiration)}"


def _finding(table: pd.DataFrame) -> str:
    counts = table["severity"].astype("str").value_counts()
    parts = [
        f"{formats.count(counts[s.value])} {formats.severity_label(s, symbol=False).lower()}"
        for s in Severity
        if s.value in counts
    ]
    return f"{formats.plural(len(table), 'open finding')}: {formats.joined(parts)}"


def _more(rest: pd.DataFrame) -> str:
    if rest.empty:
        return ""
    counts = rest["severity"].astype("str").value_counts()
    parts = [
        f"{formats.count(counts[s.value])} {formats.severity_label(s, symbol=False).lower()}"
        for s in Severity
        if s.value in counts
    ]
    are = "are" if len(rest) > 1 else "is"
    return f"{formats.plural(len(rest), 'more open finding')} {are} not in this table: {formats.joined(parts)}."
