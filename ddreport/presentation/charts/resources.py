"""The resources with the most problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ddreport.presentation import formats, theme
from ddreport.presentation.blocks import DataTable
from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.charts.empty import empty_chart
from ddreport.presentation.charts.timeline import source_label
from ddreport.presentation.palette import INK, PAPER, SEVERITIES, severity_look
from ddreport.presentation.text import plot_text, visible

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Resources with the most problems"

_ROW_PX: Final = 30
_ID_WIDTH: Final = 34


def top_resources_chart(top_resources: pd.DataFrame) -> Chart:
    """Resources with the most problems, one bar each, stacked by severity.

    Axes: problems (pairs of check and reason), from 0; resources by kind and id, the most problems at the top. Long
    ids are shortened in the middle; the hover and the table have them whole. An empty table gives a titled, empty
    figure.

    Parameters
    ----------
    top_resources
        Table of `metrics.top_resources`, in its order.
    """
    if top_resources.empty:
        return empty_chart(HEADING, "No resource has an open problem.")
    rows = top_resources.to_dict("records")
    several = len(top_resources[["account", "region"]].drop_duplicates()) > 1
    finding = _finding(rows)
    height = len(rows) * _ROW_PX + 150
    drawing = theme.Drawing(
        height=height,
        title=theme.title(finding),
        margin={"l": 8, "r": 40, "t": theme.TITLE_PX + 36, "b": 8},
        barmode="stack",
        bargap=0.34,
        xaxis={
            "title": {"text": "Problems (pairs of check and reason)"},
            "rangemode": "tozero",
            "tickformat": ",d",
            "dtick": _step(max(int(r["problems_count"]) for r in rows)),
            "showgrid": True,
        },
        yaxis={
            "autorange": "reversed",
            "tickvals": list(range(len(rows))),
            "ticktext": [_label(row) for row in rows],
            "tickfont": {"color": INK["light"]},
            "ticklabelstandoff": 8,
            "showgrid": False,
        },
        legend=theme.legend_on_top(height),
    )
    for severity, look in SEVERITIES.items():
        counts = [int(row[f"{severity.lower()}_count"]) for row in rows]
        if not any(counts):
            continue
        drawing.add_bar(
            orientation="h",
            x=counts,
            y=list(range(len(rows))),
            name=f"{look.symbol} {look.label}",
            marker={
                "color": look.light,
                "line": {"width": 1, "color": PAPER["light"]},
                "pattern": {
                    "shape": look.pattern,
                    "size": 6,
                    "solidity": 0.15,
                    "fgcolor": PAPER["light"],
                    "fgopacity": 0.4,
                },
            },
            customdata=[_hover(row) for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    for position, row in enumerate(rows):
        drawing.add_annotation(
            x=int(row["problems_count"]),
            y=position,
            xanchor="left",
            xshift=6,
            text=f"<b>{formats.count(row['problems_count'])}</b>",
        )
    return Chart(
        spec=drawing.spec,
        heading=HEADING,
        finding=finding,
        reading=_reading(rows),
        table=_table(rows, several=several),
        untitled={"layout.margin.t": 36, "layout.legend.y": 1, "layout.height": height - theme.TITLE_PX},
        narrow={
            "layout.yaxis.ticktext": [plot_text(_short(row, 16)) for row in rows],
            "layout.margin.t": 20 + 19 * len(drawing.traces),
            "layout.height": len(rows) * _ROW_PX + 60 + 19 * len(drawing.traces),
        },
    )


def _step(most: int) -> int:
    return max(1, -(-most // 8))


def _short(row: dict[Any, Any], width: int) -> str:
    return formats.shorten(row["resource_id"], width)


def _label(row: dict[Any, Any]) -> str:
    kind = plot_text(formats.in_sentence(formats.resource_type_label(row["resource_type"])))
    return f"{plot_text(_short(row, _ID_WIDTH))}  <i>{kind}</i>"


def _hover(row: dict[Any, Any]) -> str:
    worst = plot_text(formats.severity_label(row["worst_severity"], symbol=False).lower())
    lines = [
        f"<b>{plot_text(formats.resource_type_label(row['resource_type']))}</b>",
        # A line of a hover does not wrap; an ARN of 300 characters would leave the screen.
        *_chunks(visible(row["resource_id"]), 60),
        plot_text(source_label(row["account"], row["region"])),
        f"{formats.plural(row['problems_count'], 'problem')}, worst: {worst}",
    ]
    lines += [plot_text(formats.check_title(name), 70) for name in str(row["check_names"]).split(", ")]
    return "<br>".join(lines)


def _chunks(text: str, size: int) -> list[str]:
    return [plot_text(text[i : i + size]) for i in range(0, len(text), size)]


def _finding(rows: list[dict[Any, Any]]) -> str:
    first = rows[0]
    most = int(first["problems_count"])
    kind = formats.resource_type_label(first["resource_type"])
    if len(rows) == 1:
        return f"One resource has open problems: {kind} {_short(first, 28)}"
    if most == 1:
        worst = severity_look(str(first["worst_severity"])).label.lower()
        return f"No resource has more than one open problem; the worst of them are {worst}"
    leaders = sum(1 for row in rows if int(row["problems_count"]) == most)
    if leaders > 1:
        return f"{leaders} resources have {most} open problems each"
    return f"{kind} {_short(first, 28)} has {most} open problems, more than any other resource"


def _reading(rows: list[dict[Any, Any]]) -> str:
    kinds = sorted({formats.in_sentence(formats.resource_type_label(row["resource_type"])) for row in rows})
    return (
        f"The {formats.plural(len(rows), 'resource')} with the most open problems; suppressed ones are left out. "
        f"Kinds: {formats.joined(kinds)}."
    )


def _table(rows: list[dict[Any, Any]], *, several: bool) -> DataTable:
    out = []
    for row in rows:
        values = [
            visible(row["resource_id"]),
            formats.resource_type_label(row["resource_type"]),
            formats.severity_label(row["worst_severity"], symbol=False),
            formats.count(row["problems_count"]),
            ", ".join(formats.check_title(name) for name in str(row["check_names"]).split(", ")),
        ]
        out.append([str(row["account"]), str(row["region"]), *values] if several else values)
    columns = ["Resource", "Kind", "Worst severity", "Problems", "Checks"]
    return DataTable(
        caption="Resources with the most open problems",
        columns=["Account", "Region", *columns] if several else columns,
        rows=out,
        numeric=frozenset({5 if several else 3}),
    )
