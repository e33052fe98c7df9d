"""The chart of an empty table: titled, and saying why there is nothing to see."""

from __future__ import annotations

from ddreport.presentation import theme
from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.palette import MUTED
from ddreport.presentation.text import plot_text


def empty_chart(heading: str, reason: str) -> Chart:
    """Return a chart without data that says `reason` in the place of the data."""
    drawing = theme.Drawing(
        height=160,
        title=theme.title(heading),
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    drawing.add_annotation(
        x=0,
        y=0.5,
        xref="paper",
        yref="paper",
        xanchor="left",
        align="left",
        text=plot_text(reason),
        font={"color": MUTED["light"]},
    )
    return Chart(spec=drawing.spec, heading=heading, finding="Nothing to show", reading=reason, empty=True)
