"""How an account stands before it is set up: the doctor's verdicts, the checks, the schedules, the plan."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ddreport.presentation import formats
from ddreport.presentation.blocks import DataTable, Section, section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WORDS = {"fail": "failing", "warn": "to look at", "unknown": "unknown", "ok": "fine"}


def verdicts_section(verdicts: Iterable[Any], *, target: str, account: str, region: str, emulated: bool) -> Section:
    """Show verdicts (with `area`, `name`, `status`, `found`, `advice`), those that need somebody first."""
    order = list(_WORDS)
    rows = sorted(verdicts, key=lambda v: order.index(str(v.status)))
    counts = Counter(str(v.status) for v in rows)
    finding = ", ".join(f"{counts[word]} {said}" for word, said in _WORDS.items() if counts[word])
    return section(
        "preflight.html.j2",
        "How the account stands",
        finding=finding,
        notes=[
            f"Target {target}: account {account}, {region}." + (" It is emulated, not AWS." if emulated else ""),
            "Nothing was changed to find this out.",
        ],
        table=DataTable(
            "Verdicts, what needs somebody first",
            ["Status", "Area", "What", "Found", "Advice"],
            [[str(v.status), v.area, v.name, v.found, v.advice] for v in rows],
        ),
    )


def check_choice_section(checks: Sequence[Any]) -> Section:
    """Show each check with its severity, why it matters, and whether it is on and wanted."""
    words = {True: "on", False: "off", None: "unknown"}
    rows = [
        [
            check.severity,
            check.title,
            words[check.enabled],
            "yes" if check.wanted else "no",
            "" if check.wanted_threshold is None else f"{check.wanted_threshold} days",
            check.why,
        ]
        for check in checks
    ]
    wanted = sum(check.wanted for check in checks)
    return section(
        "preflight.html.j2",
        "Checks",
        finding=f"{wanted} of {formats.plural(len(checks), 'check')} wanted, "
        f"{sum(check.enabled is True for check in checks)} switched on now",
        notes=[],
        table=DataTable("Checks", ["Severity", "Check", "Now", "Wanted", "Threshold", "Why it matters"], rows),
    )


def schedule_section(schedules: Sequence[Mapping[str, Any]] | None) -> Section:
    """Show the scheduled audits with their next runs (rows of `metrics.scheduled_runs.NEXT_RUNS`)."""
    if schedules is None:
        return section("preflight.html.j2", "Schedules", finding="The schedules may not be read", notes=[], table=None)
    rows = [
        [
            row["scheduled_audit_name"],
            " ".join(part for part in (row["frequency"], row["day"]) if part),
            str(row["checks_count"]),
            row["next_run_date"],
        ]
        for row in schedules
    ]
    columns = ["Schedule", "Runs", "Checks", "Next run (day, UTC)"]
    return section(
        "preflight.html.j2",
        "Schedules",
        finding=f"{formats.plural(len(rows), 'audit')} scheduled" if rows else "No audit is scheduled",
        notes=["AWS chooses the hour of a scheduled audit."],
        table=DataTable("Scheduled audits", columns, rows, numeric=frozenset({2})) if rows else None,
    )


def setup_plan_section(plan: Any, *, source: str) -> Section:
    """Show what a set-up would do (`setup.changes.SetupPlan`)."""
    rows = [[str(c.kind), str(c.part), c.name, "; ".join(c.details)] for c in plan.changes if str(c.kind) != "leave"]
    notes = [f"cannot be applied: {problem}" for problem in plan.problems] + list(plan.warnings)
    return section(
        "preflight.html.j2",
        "What a set-up would do",
        finding=plan.summary() if rows else "Everything is as it is wanted",
        notes=[f"What is wanted comes from {source}.", *notes],
        table=DataTable("Changes", ["Change", "What", "Name", "Details"], rows) if rows else None,
    )
