"""Every check by itself: how it stands, how it went, what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ddreport.catalogue import Check, describe_check
from ddreport.presentation import formats
from ddreport.presentation.blocks import Section, anchor, nothing, rows_of, section
from ddreport.presentation.charts.sparkline import sparkline
from ddreport.presentation.charts.timeline import comparable, source_label, usual_interval_ms
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    import markupsafe
    import pandas as pd

HEADING = "Check by check"

_STATES: Final = {
    CheckRunStatus.COMPLETED_COMPLIANT: "COMPLIANT",
    CheckRunStatus.COMPLETED_NON_COMPLIANT: "NON_COMPLIANT",
    CheckRunStatus.FAILED: "FAILED",
    CheckRunStatus.CANCELED: "CANCELED",
    CheckRunStatus.WAITING_FOR_DATA_COLLECTION: "WAITING",
    CheckRunStatus.IN_PROGRESS: "RUNNING",
}


@dataclass(frozen=True)
class _Place:
    """How one check stands in one account and Region."""

    source: str | None
    state: str
    counts: str
    stale: str
    spark: markupsafe.Markup | None
    history: str


@dataclass
class _Entry:
    """One check with all that is said about it."""

    check: Check
    places: list[_Place] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Id of its heading; empty for a check that the catalogue does not know, whose name could be anybody's id."""
        return anchor(f"check {self.check.name}") if self.check.in_catalogue else ""

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """Non-compliant ones first, then those without a verdict; within each as severe as the catalogue has them."""
        states = {place.state for place in self.places}
        group = 0 if "NON_COMPLIANT" in states else 2 if states == {"COMPLIANT"} else 1
        return group, *formats.check_rank(self.check.name)


def checks_section(
    current_checks: pd.DataFrame, compliance_by_check: pd.DataFrame, current_findings: pd.DataFrame
) -> Section:
    """Show each check's newest verdict, its trend, its meaning, and in plain words what was found.

    Parameters
    ----------
    current_checks, compliance_by_check, current_findings
        Tables of `metrics` by these names.
    """
    if current_checks.empty:
        return nothing(HEADING, "No audit of this window ran any check.")
    several = len(current_checks[["account", "region"]].drop_duplicates()) > 1
    reasons = _reasons(current_findings)
    entries: dict[str, _Entry] = {}
    histories = dict(list(compliance_by_check.groupby(["account", "region", "check_name"], sort=True)))
    usual = usual_interval_ms(compliance_by_check["task_start_time"])
    span = (compliance_by_check["task_start_time"].min(), compliance_by_check["task_start_time"].max())
    for row in rows_of(current_checks, current_checks.columns):
        name = str(row["check_name"])
        entry = entries.setdefault(name, _Entry(describe_check(name), reasons=reasons.get(name, [])))
        history = histories.get((row["account"], row["region"], name))
        entry.places.append(_place(row, history, usual=usual, span=span, several=several))
    ordered = sorted(entries.values(), key=lambda entry: entry.rank)
    return section("checks.html.j2", HEADING, finding=_finding(ordered), entries=ordered)


def _place(
    row: Mapping[str, Any], history: pd.DataFrame | None, *, usual: int, span: tuple[Any, Any], several: bool
) -> _Place:
    latest = _STATES.get(row["latest_check_run_status"], "UNKNOWN")
    state = _STATES.get(row["check_run_status"], "UNKNOWN") if row["check_run_status"] is not None else latest
    counts = ""
    if row["total_resources_count"] is not None:
        bad = row["non_compliant_resources_count"]
        counts = f"{formats.count(bad)} of {formats.plural(row['total_resources_count'], 'resource')}"
        if row["suppressed_non_compliant_resources_count"]:
            counts += f", {formats.count(row['suppressed_non_compliant_resources_count'])} suppressed"
    spark, past = None, ""
    if history is not None:
        trend = history[comparable(history)]
        spark = sparkline(trend, usual_ms=usual, span=span)
        past = _history(trend)
    return _Place(
        source=source_label(row["account"], row["region"]) if several else None,
        state=state,
        counts=counts,
        stale=_stale(row, latest) if row["latest_differs"] else "",
        spark=spark,
        history=past,
    )


def _stale(row: Mapping[str, Any], latest: str) -> str:
    """Say that the newest run gave no verdict, and why."""
    reason = f", because {formats.error_text(row['latest_error_code'])}" if row["latest_error_code"] else ""
    ended = f"newest run: {formats.state_label(latest, symbol=False).lower()}{reason}"
    if row["check_run_status"] is None:
        return ended
    return f"verdict of {formats.date(row['task_start_time'])}; {ended}"


def _history(trend: pd.DataFrame) -> str:
    verdicts = trend[trend["state"].isin(["COMPLIANT", "NON_COMPLIANT"])]
    bad = int((verdicts["state"] == "NON_COMPLIANT").sum())
    if verdicts.empty:
        return "no verdict in this window"
    if not bad:
        return f"nothing found in {formats.plural(len(verdicts), 'audit')}"
    return f"found in {formats.count(bad)} of {formats.plural(len(verdicts), 'audit')}"


def _reasons(current_findings: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Return for each check its open reasons as (number of findings, meaning), the most frequent first."""
    suppressed = current_findings["is_suppressed"].fillna(value=False).astype("bool")
    still_open = current_findings[~suppressed]
    counts = still_open.groupby(["check_name", "reason_code"], as_index=False).agg(findings=("finding_id", "size"))
    counts = counts.sort_values(["check_name", "findings", "reason_code"], ascending=[True, False, True])
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows_of(counts, ["check_name", "reason_code", "findings"]):
        meaning = describe_check(str(row["check_name"])).explain(str(row["reason_code"]))
        found.setdefault(str(row["check_name"]), []).append((formats.plural(row["findings"], "finding"), meaning))
    return found


def _finding(entries: list[_Entry]) -> str:
    bad = [entry for entry in entries if entry.rank[0] == 0]
    unknown = [entry for entry in entries if entry.rank[0] == 1]
    if not bad:
        rest = f"; {formats.plural(len(unknown), 'check')} without a verdict" if unknown else ""
        return f"No check found anything non-compliant{rest}"
    worst = bad[0].check
    text = f"{formats.plural(len(bad), 'check')} of {formats.count(len(entries))} found something"
    if len(entries) == len(bad):
        text = (
            f"All {formats.plural(len(bad), 'check')} found something" if len(bad) > 1 else "The check found something"
        )
    return f"{text}; the most severe is “{formats.check_title(worst.name)}”"
