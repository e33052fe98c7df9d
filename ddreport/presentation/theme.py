"""One look for all charts: a small plotly template, made from the palette, in a light and a dark variant.

Figures are made with the light one. A report redraws them on a dark page by swapping each light colour for its dark
counterpart (`palette.dark_of`), so a figure carries one set of colours and one template.
"""

from __future__ import annotations

from textwrap import wrap
from typing import Any, Final, Literal

from ddreport.presentation.palette import ACCENT, COVERAGE, INK, MUTED, PAPER, RULE
from ddreport.presentation.text import plot_text, visible

Mode = Literal["light", "dark"]

FONT: Final = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif'
)
"""Fonts that are on the reader's machine; nothing is loaded."""

SIZE: Final = 13
"""Size of the text in charts, CSS pixels."""


TITLE_PX: Final = 56
"""Height of a title of two lines."""

_TITLE_WIDTH: Final = 76


def title(text: str) -> dict[str, Any]:
    """Return a title in one or two lines, as a notebook's width asks for; plotly does not wrap by itself."""
    lines = wrap(visible(text), _TITLE_WIDTH)[:2]
    # Plotly places the last line, and lets those before it grow upwards.
    return {"text": "<br>".join(plot_text(line) for line in lines), "pad": {"l": 8, "t": 10 + 20 * (len(lines) - 1)}}


def legend_on_top(height: int) -> dict[str, Any]:
    """Return the place of a legend at the left edge, under the title of a chart `height` pixels high."""
    return {
        "x": 0,
        "xref": "container",
        "xanchor": "left",
        "y": 1 - TITLE_PX / height,
        "yref": "container",
        "yanchor": "top",
        "traceorder": "normal",
    }


def template(mode: Mode = "light") -> dict[str, Any]:
    """Return the template as a plain structure, for `layout.template`."""
    ink, muted, rule, paper = INK[mode], MUTED[mode], RULE[mode], PAPER[mode]
    axis = {
        "automargin": True,
        "gridcolor": rule,
        "linecolor": muted,
        "showline": False,
        "tickcolor": rule,
        "tickfont": {"color": muted, "size": SIZE - 1},
        "ticks": "",
        "title": {"font": {"color": muted, "size": SIZE - 1}, "standoff": 10},
        "zeroline": False,
    }
    return {
        # Colour is the ground of a pattern, not its lines.
        "data": {"bar": [{"marker": {"pattern": {"fillmode": "overlay"}}}]},
        "layout": {
            "font": {"family": FONT, "size": SIZE, "color": ink},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": [ACCENT[mode], COVERAGE[mode], muted],
            "title": {
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "font": {"size": SIZE + 3, "color": ink},
            },
            "hoverlabel": {
                "align": "left",
                "bgcolor": paper,
                "bordercolor": muted,
                "font": {"family": FONT, "size": SIZE - 1, "color": ink},
            },
            "hovermode": "closest",
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"color": ink, "size": SIZE - 1},
                "itemclick": False,
                "itemdoubleclick": False,
            },
            "margin": {"l": 8, "r": 8, "t": 40, "b": 8},
            "separators": ".,",
            "dragmode": False,
            "xaxis": {**axis, "showgrid": False, "ticks": "outside", "ticklen": 5},
            "yaxis": axis,
        },
    }


class Drawing:
    """A figure in the making: traces and layout as plotly takes them, in the theme.

    Plain structures instead of plotly's objects, because a report needs no more than these: making and checking the
    objects takes longer than everything else about a chart. `Chart.figure` makes them for who wants to go on with it.
    """

    def __init__(self, *, height: int, **layout: Any) -> None:
        self.traces: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self._layout = {"template": template(), "height": height, **layout}

    def add_bar(self, **trace: Any) -> None:
        """Add a trace of bars."""
        self.traces.append({"type": "bar", **trace})

    def add_scatter(self, **trace: Any) -> None:
        """Add a trace of lines or marks."""
        self.traces.append({"type": "scatter", **trace})

    def add_annotation(self, **annotation: Any) -> None:
        """Add a text in its place."""
        self.annotations.append({"showarrow": False, **annotation})

    @property
    def spec(self) -> dict[str, Any]:
        """The figure as a plain structure: `data` and `layout`."""
        return {"data": self.traces, "layout": self._layout | {"annotations": self.annotations}}


def time_axis(**more: Any) -> dict[str, Any]:
    """Return the settings of an axis of UTC days."""
    return {
        "type": "date",
        "title": {"text": "Day the audit started (UTC)"},
        # The year only where it changes: less ink, and never a locale's own names.
        "tickformat": "%-d %b\n%Y",
        "hoverformat": "%-d %b %Y %H:%M UTC",
        **more,
    }
