"""What the data does not show, said plainly: an honest report names its holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.presentation import formats
from ddreport.presentation.blocks import DataTable, Section, nothing, rows_of, section
from ddreport.presentation.charts.timeline import source_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

HEADING = "What is not known"

SHOWN = 8
"""Gaps that are shown at once; the others stand behind them, one click away."""


def gaps_section(data_gaps: pd.DataFrame, notes: Sequence[str]) -> Section:
    """List the holes in the data and what else a reader must know about it.

    Parameters
    ----------
    data_gaps
        Table of `metrics.data_gaps`.
    notes
        Remarks on the data, such as a pull that had only part of it.
    """
    if data_gaps.empty and not notes:
        return nothing(
            HEADING, "No gap shows: the audits of this window came in their rhythm, and each gave all its verdicts."
        )
    several = len(data_gaps[["account", "region"]].drop_duplicates()) > 1
    newest_first = data_gaps.sort_values("time", ascending=False, kind="stable")
    rows = []
    for row in rows_of(newest_first, ["account", "region", "time", "message"]):
        values = [formats.time(row["time"]), str(row["message"])]
        rows.append([values[0], source_label(row["account"], row["region"]), values[1]] if several else values)
    columns = ["When", "Where", "What is missing"] if several else ["When", "What is missing"]
    head = DataTable("Gaps, the newest first", columns, rows[:SHOWN]) if rows else None
    rest = DataTable("Earlier gaps", columns, rows[SHOWN:]) if len(rows) > SHOWN else None
    finding = formats.plural(len(rows), "gap") if rows else "No gap in the audits themselves"
    return section(
        "gaps.html.j2",
        HEADING,
        finding=f"{finding} in what the audits of this window show" if rows else finding,
        notes=list(notes),
        head=head,
        rest=rest,
    )
