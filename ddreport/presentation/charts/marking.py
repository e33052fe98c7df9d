"""Words inside a chart at the few places where something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ddreport.presentation import theme
from ddreport.presentation.charts.timeline import iso
from ddreport.presentation.palette import PAPER, WARNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

FEW: Final = 6
"""Places that are labelled; many labels would hide the data, and the text beside the chart counts them anyway."""


def label_gaps(drawing: theme.Drawing, gaps: Sequence[tuple[pd.Timestamp, pd.Timestamp]]) -> None:
    """Write "no audit" into each gap, where there are few."""
    if len(gaps) > FEW:
        return
    for start, end in gaps:
        label_upright(drawing, start + (end - start) / 2, "no audit")


def label_upright(
    drawing: theme.Drawing, moment: pd.Timestamp, text: str, *, above: float = 0, top: float | None = None
) -> None:
    """Write `text` upwards at a moment of the time axis, over the value `above`; under it where `top` is near."""
    under = top is not None and above > top * 0.6
    drawing.add_annotation(
        x=iso(moment),
        y=float(above),
        yref="y",
        yanchor="top" if under else "bottom",
        yshift=-8 if under else 10 if above else 2,
        textangle=-90,
        text=text,
        # A gap of a day is narrower than the letters.
        bgcolor=PAPER["light"],
        borderpad=1,
        font={"size": theme.SIZE - 2, "color": WARNING["light"]},
    )
