"""Mitigations: what was done, how it ended, and whether audits see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.presentation import formats
from ddreport.presentation.blocks import DataTable, Section, nothing, rows_of, section
from ddreport.presentation.charts.timeline import source_label

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Mitigations and their effect"
SHOWN = 12
"""Launches shown at once; the others stand behind them, one click away."""


def mitigations_section(effect: pd.DataFrame) -> Section:
    """Tell of every launch of mitigation actions what became of the problems it treated.

    Parameters
    ----------
    effect
        Table of `metrics.mitigation_effect`.
    """
    if effect.empty:
        return nothing(HEADING, "No mitigation action was applied in this window, as far as the archive knows.")
    several = len(effect[["account", "region"]].drop_duplicates()) > 1
    rows = [
        [
            formats.time(row["start_time"]),
            *([source_label(row["account"], row["region"])] if several else []),
            formats.joined([name for name in str(row["action_names"]).split(", ") if name]) or "no action",
            formats.joined([formats.check_title(n) for n in str(row["check_names"]).split(", ") if n]) or "not known",
            formats.count(row["findings_count"]),
            _executions(row),
            _problems(row),
        ]
        for row in rows_of(effect, list(effect.columns))
    ]
    columns = ["Begun", *(["Where"] if several else []), "Actions", "Checks", "Findings", "Executions", "Problems now"]
    numeric = frozenset({len(columns) - 3})
    total = {name: int(effect[name].sum()) for name in ("problems_count", "resolved_count", "failed_count")}
    finding = f"{formats.plural(len(effect), 'launch', 'launches')} treated "
    finding += f"{formats.plural(total['problems_count'], 'problem')}; audits since then see "
    finding += f"{formats.count(total['resolved_count'])} of them gone"
    if total["failed_count"]:
        finding += f"; {formats.plural(total['failed_count'], 'execution')} failed"
    return section(
        "mitigations.html.j2",
        HEADING,
        finding=finding,
        head=DataTable("Launches of mitigation actions, the newest first", columns, rows[:SHOWN], numeric),
        rest=DataTable("Earlier launches", columns, rows[SHOWN:], numeric) if len(rows) > SHOWN else None,
    )


def _executions(row: dict[str, object]) -> str:
    parts = [
        f"{formats.count(row[name])} {word}"
        for name, word in (
            ("completed_count", "completed"),
            ("failed_count", "failed"),
            ("not_applied_count", "not applied"),
        )
        if row[name]
    ]
    return formats.joined(parts) or "none"


def _problems(row: dict[str, object]) -> str:
    parts = [
        f"{formats.count(row[name])} {word}"
        for name, word in (("resolved_count", "gone"), ("open_count", "still there"), ("unknown_count", "not known"))
        if row[name]
    ]
    return formats.joined(parts) or "none"
