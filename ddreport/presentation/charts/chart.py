"""What a chart is: a plotly figure with the words and numbers that say the same without seeing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ddreport.presentation.blocks import DataTable, anchor, render
from ddreport.presentation.palette import dark_of
from ddreport.presentation.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    import plotly.graph_objects as go

_PLOTLY = "application/vnd.plotly.v1+json"


@dataclass(frozen=True)
class Chart:
    """A figure with its finding in words, a text alternative and its data as a table.

    As the last line of a notebook cell it shows itself: Jupyter draws the figure; a report shows all of it.

    Attributes
    ----------
    spec
        The figure as a plain structure (`data`, `layout`), titled, in the project's theme.
    heading
        The topic, such as `Compliance over time`.
    finding
        What the chart shows, computed from the table: its title.
    reading
        One or two sentences: the range shown and how to read the marks. With `finding` the text alternative.
    table
        The data of the chart; None when there is none.
    narrow
        Values by path (`layout.margin.r`) that replace those of the figure on a narrow page.
    untitled
        Values by path that replace those of the figure where the page shows the title, and the figure does not.
    min_width
        Pixels below which the chart scrolls sideways inside its frame instead of shrinking; 0 for none.
    empty
        Whether there is no data; `reading` says why, and stands in the place of a figure.
    """

    spec: Mapping[str, Any]
    heading: str
    finding: str
    reading: str
    table: DataTable | None = None
    narrow: Mapping[str, Any] = field(default_factory=dict)
    untitled: Mapping[str, Any] = field(default_factory=dict)
    min_width: int = 0
    empty: bool = False

    @cached_property
    def figure(self) -> go.Figure:
        """The figure as a `plotly.graph_objects.Figure`, for who wants to change it or go on with it."""
        import plotly.graph_objects as go

        return go.Figure(self.spec)

    @property
    def text_alternative(self) -> str:
        """What the chart says, for people who cannot see it."""
        return f"{self.finding}. {self.reading}".replace("..", ".")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        plain = visible(self.text_alternative)
        if self.empty:
            html = render("nothing.html.j2", heading=self.heading, anchor=anchor(self.heading), reason=self.reading)
            return {"text/html": html, "text/plain": plain}, {}
        # Going around plotly's own renderers spares the kernel the import of plotly and nbformat, which takes longer
        # than the chart itself; in some front ends they would also add a script from a CDN.
        data = {
            _PLOTLY: {**self.spec, "config": {"displayModeBar": False}},
            "text/html": render(
                "chart.html.j2",
                heading=self.heading,
                anchor=anchor(self.heading),
                finding=self.finding,
                reading=self.reading,
                table=self.table,
            ),
            "text/plain": plain,
        }
        metadata = {
            "ddreport": {
                "label": plain,
                "dark": dark_of(),
                "narrow": dict(self.narrow),
                "untitled": dict(self.untitled),
                "min_width": self.min_width,
            }
        }
        return data, metadata

    def __repr__(self) -> str:
        return f"<Chart {self.heading}: {self.finding}>"
