"""Compliance rate over time, with the coverage it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.presentation import formats, theme
from ddreport.presentation.blocks import DataTable
from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.charts.empty import empty_chart
from ddreport.presentation.charts.marking import label_gaps
from ddreport.presentation.charts.timeline import (
    comparable,
    gaps,
    iso,
    source_label,
    time_range,
    usual_interval_ms,
    widths_ms,
)
from ddreport.presentation.palette import ACCENT, ACCENT_WASH, COVERAGE, INK, PAPER, SERIES, WARNING
from ddreport.presentation.text import plot_text

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Compliance over time"


def compliance_chart(compliance: pd.DataFrame) -> Chart:
    """Share of finished checks that are compliant, per audit, over the share of checks that finished at all.

    Axes: day the audit started (UTC); compliance rate, 0 to 100%; below it coverage, 0 to 100%. One stepped line per
    account and Region. Hollow circles mark audits that did not finish every check, hollow diamonds on-demand audits
    beside scheduled ones (their checks were chosen by somebody, so they join no line); the line breaks where audits
    are missing. An empty table gives a titled, empty figure.

    Parameters
    ----------
    compliance
        Table of `metrics.compliance`, one row per audit.
    """
    if compliance.empty:
        return empty_chart(HEADING, "There is no audit in this window, so there is no rate to show.")
    audits = compliance.sort_values(["account", "region", "task_start_time"], kind="stable").reset_index(drop=True)
    audits["comparable"] = comparable(audits)
    audits["incomplete"] = audits["unfinished_checks_count"].fillna(0) > 0
    sources = list(audits.groupby(["account", "region"], sort=True))
    finding = _finding(sources)
    drawing = theme.Drawing(
        height=440,
        title=theme.title(finding),
        showlegend=len(sources) > 1,
        margin={"l": 8, "r": 96, "t": theme.TITLE_PX + 8, "b": 8},
        xaxis=theme.time_axis(
            anchor="y2", range=time_range(audits["task_start_time"], usual_interval_ms(audits["task_start_time"]))
        ),
        yaxis={
            "domain": [0.24, 1],
            "range": [0, 1.03],
            "tickformat": ".0%",
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "title": {"text": "Compliant checks"},
        },
        yaxis2={
            "domain": [0, 0.13],
            "range": [0, 1],
            "tickformat": ".0%",
            "tickvals": [0, 1],
            "title": {"text": "Coverage"},
            "showgrid": False,
        },
        bargap=0,
        barmode="overlay",
    )
    for position, ((account, region), rows) in enumerate(sources):
        _draw_source(drawing, rows, position, source_label(account, region), alone=len(sources) == 1)
    return Chart(
        spec=drawing.spec,
        heading=HEADING,
        finding=finding,
        reading=_reading(audits),
        table=_table(audits, several=len(sources) > 1),
        untitled={"layout.margin.t": 14 if len(sources) == 1 else 44, "layout.height": 400},
        narrow={
            "layout.margin.r": 62,
            "layout.height": 380,
            "layout.xaxis.nticks": 4,
            "layout.yaxis.title.text": "",
            "layout.yaxis2.title.text": "",
        },
    )


def _draw_source(drawing: theme.Drawing, rows: pd.DataFrame, position: int, name: str, *, alone: bool) -> None:
    colour = ACCENT["light"] if alone else SERIES[position % len(SERIES)][0]
    line = rows[rows["comparable"]]
    usual = usual_interval_ms(line["task_start_time"])
    for number, (x, y) in enumerate(_stretches(line, usual)):
        # One trace per stretch: within one trace, plotly would fill the ground across a gap.
        drawing.add_scatter(
            x=x,
            y=y,
            name=plot_text(name),
            legendgroup=plot_text(name),
            showlegend=number == 0 and not alone,
            mode="lines",
            line={"color": colour, "width": 2.5, "shape": "hv"},
            fill="tozeroy" if alone else "none",
            fillcolor=ACCENT_WASH["light"],
            hoverinfo="skip",
        )
    judged = line[line["compliance_rate"].notna()]
    whole = judged[~judged["incomplete"]]
    # Many small dots would hide the line; they stay where the pointer finds them.
    _add_marks(drawing, whole, "circle", colour, size=6, opacity=1.0 if len(judged) <= 31 else 0.0)
    _add_marks(drawing, judged[judged["incomplete"]], "circle", colour, size=9)
    apart = rows[~rows["comparable"] & rows["compliance_rate"].notna()]
    _add_marks(drawing, apart, "diamond", colour, size=9)
    if alone:
        _draw_coverage(drawing, line, usual)
        label_gaps(drawing, gaps(list(line["task_start_time"]), usual))
    if not judged.empty:
        last = judged.iloc[-1]
        drawing.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=last["compliance_rate"],
            yanchor="middle",
            align="left",
            text=f"<b>{formats.percent(last['compliance_rate'])}</b><br>{last['compliant_checks_count']} of "
            f"{last['finished_checks_count']}",
            font={"color": colour if not alone else INK["light"]},
        )


def _stretches(line: pd.DataFrame, usual: int) -> list[tuple[list[str], list[float]]]:
    """Return the pieces of the line, each without a gap: a rate lasts as long as its audit's result counts."""
    import pandas as pd

    starts = list(line["task_start_time"])
    pieces: list[tuple[list[str], list[float]]] = []
    expected = None
    for start, rate, width in zip(starts, line["compliance_rate"], widths_ms(starts, usual), strict=True):
        if pd.isna(rate):
            continue
        # A piece goes on only if its last result counted until this very audit.
        if start != expected:
            pieces.append(([], []))
        expected = start + pd.Timedelta(milliseconds=width)
        pieces[-1][0].extend([iso(start), iso(expected)])
        pieces[-1][1].extend([float(rate)] * 2)
    return pieces


def _add_marks(
    drawing: theme.Drawing, rows: pd.DataFrame, symbol: str, colour: str, *, size: int, opacity: float | None = None
) -> None:
    """Add marks: solid ones with an opacity, hollow ones without."""
    if rows.empty:
        return
    hollow = opacity is None
    drawing.add_scatter(
        x=[iso(t) for t in rows["task_start_time"]],
        y=[float(rate) for rate in rows["compliance_rate"]],
        mode="markers",
        marker={
            "symbol": symbol,
            "size": size,
            "opacity": 1.0 if opacity is None else opacity,
            "color": PAPER["light"] if hollow else colour,
            "line": {"color": colour, "width": 2 if hollow else 0},
        },
        customdata=[_hover(row) for row in rows.to_dict("records")],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )


def _hover(row: dict[Any, Any]) -> str:
    finished = formats.plural(row["finished_checks_count"], "finished check")
    rate = f"{formats.percent(row['compliance_rate'])}</b> compliant: {formats.count(row['compliant_checks_count'])}"
    coverage = f"{formats.percent(row['coverage'])} of {formats.plural(row['total_checks_count'], 'check')}"
    kind = plot_text(formats.task_type_label(row["task_type"]))
    status = plot_text(formats.task_status_label(row["task_status"]))
    when = formats.time(row["task_start_time"])
    return f"<b>{rate} of {finished}<br>Coverage {coverage}<br>{when}, {kind}, {status}"


def _draw_coverage(drawing: theme.Drawing, line: pd.DataFrame, usual: int) -> None:
    starts = list(line["task_start_time"])
    audits = line.assign(width=widths_ms(starts, usual))
    whole = ~audits["incomplete"]
    for rows, colour, pattern in ((audits[whole], COVERAGE["light"], ""), (audits[~whole], WARNING["light"], "/")):
        if rows.empty:
            continue
        drawing.add_bar(
            x=[iso(t) for t in rows["task_start_time"]],
            # An audit without any check has no coverage at all.
            y=[float(c) for c in rows["coverage"].fillna(0.0)],
            width=[int(w) for w in rows["width"]],
            offset=0,
            yaxis="y2",
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, "size": 4, "solidity": 0.5}},
            customdata=[_hover(row) for row in rows.to_dict("records")],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )


def _finding(sources: list[Any]) -> str:
    if len(sources) > 1:
        return _finding_of_several(sources)
    rows = sources[0][1]
    judged = rows[rows["comparable"] & rows["compliance_rate"].notna()]
    if judged.empty:
        return "No audit in this window finished a single check"
    first, last = judged.iloc[0], judged.iloc[-1]
    now = f"{last['compliant_checks_count']} of {last['finished_checks_count']}"
    text = f"{now} checks compliant in the latest audit"
    if last["incomplete"]:
        text = f"{now} finished checks compliant in the latest audit, which left {last['unfinished_checks_count']} open"
    if len(judged) == 1:
        return text
    before = f"{first['compliant_checks_count']} of {first['finished_checks_count']}"
    if last["compliance_rate"] == first["compliance_rate"]:
        if judged["compliance_rate"].nunique() == 1:
            return f"{text}, the same share throughout"
        return f"{text}, the same share as on {formats.date(first['task_start_time'])}"
    way = "up" if last["compliance_rate"] > first["compliance_rate"] else "down"
    return f"{text}, {way} from {before} on {formats.date(first['task_start_time'])}"


def _finding_of_several(sources: list[Any]) -> str:
    latest = []
    for (account, region), rows in sources:
        judged = rows[rows["comparable"] & rows["compliance_rate"].notna()]
        if not judged.empty:
            latest.append((float(judged["compliance_rate"].iloc[-1]), source_label(account, region)))
    if not latest:
        return "No audit in this window finished a single check"
    worst, best = min(latest), max(latest)
    return (
        f"Between {formats.percent(worst[0])} ({worst[1]}) and {formats.percent(best[0])} ({best[1]}) of checks are "
        f"compliant across {len(sources)} accounts and Regions"
    )


def _reading(audits: pd.DataFrame) -> str:
    start, end = audits["task_start_time"].min(), audits["task_start_time"].max()
    said = [
        f"{formats.plural(len(audits), 'audit')}, {formats.span(start, end)}.",
        "The rate counts finished checks only; coverage is the share of checks that finished.",
    ]
    incomplete = int((audits["incomplete"] & audits["comparable"]).sum())
    if incomplete:
        said.append(f"Hollow circles: {formats.plural(incomplete, 'audit')} that did not finish every check.")
    apart = int((~audits["comparable"]).sum())
    if apart:
        said.append(f"Diamonds: {formats.plural(apart, 'on-demand audit')}, not comparable with the scheduled ones.")
    missing = sum(
        len(gaps(list(rows["task_start_time"]), usual_interval_ms(rows["task_start_time"])))
        for _, rows in audits[audits["comparable"]].groupby(["account", "region"])
    )
    if missing:
        said.append(f"The line breaks in {formats.plural(missing, 'place')} where audits are missing.")
    return " ".join(said)


def _table(audits: pd.DataFrame, *, several: bool) -> DataTable:
    columns = ["Started", "Kind", "Ended as", "Compliant", "Finished", "Checks", "Rate", "Coverage"]
    rows = []
    for row in audits.to_dict("records"):
        values = [
            formats.time(row["task_start_time"]),
            formats.task_type_label(row["task_type"]),
            formats.task_status_label(row["task_status"]),
            formats.count(row["compliant_checks_count"]),
            formats.count(row["finished_checks_count"]),
            formats.count(row["total_checks_count"]),
            formats.percent(row["compliance_rate"]),
            formats.percent(row["coverage"]),
        ]
        rows.append([str(row["account"]), str(row["region"]), *values] if several else values)
    shift = 2 if several else 0
    return DataTable(
        caption="Compliance rate and coverage of each audit",
        columns=["Account", "Region", *columns] if several else columns,
        rows=rows,
        numeric=frozenset(range(3 + shift, 8 + shift)),
    )
