"""Non-compliant resources by severity over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.presentation import formats, theme
from ddreport.presentation.blocks import DataTable
from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.charts.empty import empty_chart
from ddreport.presentation.charts.marking import FEW, label_gaps, label_upright
from ddreport.presentation.charts.timeline import comparable, gaps, iso, time_range, usual_interval_ms, widths_ms
from ddreport.presentation.palette import INK, PAPER, SEVERITIES, WARNING, severity_look
from ddreport.presentation.text import plot_text

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Non-compliant resources by severity"

COUNT = "non_compliant_count"


def severity_chart(by_severity: pd.DataFrame, *, mitigations: pd.DataFrame | None = None) -> Chart:
    """Non-compliant resources per audit, stacked by severity, the most severe at the bottom.

    Axes: day the audit started (UTC); number of non-compliant resources (pairs of check and resource, suppressed ones
    left out), from 0. With several accounts and Regions each bar adds up the newest audit of each at that time. A
    triangle above a bar marks an audit that could not judge every check: there were at least that many. On-demand
    audits beside scheduled ones are left out: they count other checks. An empty table gives a titled, empty figure.

    Parameters
    ----------
    by_severity
        Table of `metrics.non_compliant_by_severity`, one row per audit and severity.
    mitigations
        Table of `metrics.mitigation_effect`: an upright line marks when each launch began.
    """
    if by_severity.empty:
        return empty_chart(HEADING, "No audit in this window finished a check, so there is nothing to count.")
    audits = _per_moment(by_severity[comparable(by_severity)])
    starts = list(audits.index)
    usual = usual_interval_ms(audits.index.to_series())
    severities = [s for s in SEVERITIES if s in audits.columns]
    finding = _finding(audits, severities)
    top = float(audits[severities].sum(axis=1).max())
    drawing = theme.Drawing(
        height=430,
        title=theme.title(finding),
        margin={"l": 8, "r": 120, "t": theme.TITLE_PX + 8, "b": 8},
        barmode="stack",
        bargap=0,
        showlegend=False,
        xaxis=theme.time_axis(range=time_range(starts, usual)),
        yaxis={
            "range": [0, max(top * 1.08, 1)],
            "rangemode": "tozero",
            "tickformat": ",d",
            "title": {"text": "Non-compliant resources"},
        },
    )
    widths = widths_ms(starts, usual)
    hover = _hovers(audits, severities)
    for severity in severities:
        look = severity_look(severity)
        drawing.add_bar(
            x=[iso(t) for t in starts],
            y=[int(n) for n in audits[severity]],
            width=widths,
            offset=0,
            name=plot_text(look.label),
            marker={
                "color": look.light,
                "line": {"width": 0},
                "pattern": {
                    "shape": look.pattern,
                    "size": 6,
                    "solidity": 0.15,
                    "fgcolor": PAPER["light"],
                    "fgopacity": 0.28,
                },
            },
            customdata=list(hover.values()),
            hovertemplate="%{customdata}<extra></extra>",
        )
    _label_ends(drawing, audits, severities, top)
    _mark_incomplete(drawing, audits, severities, widths, hover)
    label_gaps(drawing, gaps(starts, usual))
    launches = 0 if mitigations is None else _mark_mitigations(drawing, mitigations, starts, max(top * 1.08, 1))
    return Chart(
        spec=drawing.spec,
        heading=HEADING,
        finding=finding,
        reading=_reading(audits, launches),
        table=_table(audits, severities),
        untitled={"layout.margin.t": 14, "layout.height": 385},
        narrow={"layout.margin.r": 108, "layout.height": 360, "layout.xaxis.nticks": 4, "layout.yaxis.title.text": ""},
    )


def _per_moment(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per start time: counts by severity and `incomplete`, all accounts and Regions added up."""
    import pandas as pd

    table = table.assign(severity=table["severity"].astype("str"), **{COUNT: table[COUNT].fillna(0).astype("int64")})
    parts = []
    for _, rows in table.groupby(["account", "region"], sort=True):
        counts = rows.pivot_table(index="task_start_time", columns="severity", values=COUNT, aggfunc="sum")
        counts["incomplete"] = rows.groupby("task_start_time")["incomplete"].any().astype("int64")
        parts.append(counts)
    moments = pd.DatetimeIndex(sorted({t for part in parts for t in part.index}))
    # Each account counts with its newest audit; before its first one nothing is known of it.
    total = pd.concat([part.reindex(moments).ffill() for part in parts]).groupby(level=0).sum()
    total.index.name = "task_start_time"
    return total.astype("int64")


def _hovers(audits: pd.DataFrame, severities: list[str]) -> dict[pd.Timestamp, str]:
    """Return the text of each bar's hover by the start of its audit."""
    texts = {}
    for start, row in zip(audits.index, audits.to_dict("records"), strict=True):
        total = sum(row[s] for s in severities)
        lines = [f"<b>{formats.count(total)}</b> non-compliant, {formats.time(start)}"]
        lines += [f"{formats.count(row[s])} {severity_look(s).label.lower()}" for s in severities if row[s]]
        if row["incomplete"]:
            lines.append("At least: not every check was judged")
        texts[start] = "<br>".join(lines)
    return texts


def _label_ends(drawing: theme.Drawing, audits: pd.DataFrame, severities: list[str], top: float) -> None:
    """Name each severity at the end of its layer, where the eye needs it; labels keep a line's height apart."""
    last = audits.iloc[-1]
    apart = max(top, 1) * 1.08 * 0.078
    floor = 0.0
    below = -apart
    for severity in severities:
        count = int(last[severity])
        middle = floor + count / 2
        floor += count
        at = max(middle, below + apart)
        below = at
        look = severity_look(severity)
        drawing.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=at,
            yanchor="middle",
            text=f"{look.symbol} <b>{count:,}</b> {plot_text(look.label.lower())}",
            font={"color": INK["light"], "size": theme.SIZE},
        )


def _mark_incomplete(
    drawing: theme.Drawing,
    audits: pd.DataFrame,
    severities: list[str],
    widths: list[int],
    hover: dict[pd.Timestamp, str],
) -> None:
    import pandas as pd

    marked = [(start, width) for start, width in zip(audits.index, widths, strict=True) if audits["incomplete"][start]]
    if not marked:
        return
    drawing.add_scatter(
        x=[iso(start + pd.Timedelta(milliseconds=width / 2)) for start, width in marked],
        y=[int(audits.loc[start, severities].sum()) for start, _ in marked],
        mode="markers",
        marker={"symbol": "triangle-up-open", "size": 9, "color": WARNING["light"], "line": {"width": 2}},
        customdata=[hover[start] for start, _ in marked],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )
    if len(marked) <= FEW:
        for start, width in marked:
            label_upright(
                drawing,
                start + pd.Timedelta(milliseconds=width / 2),
                "incomplete",
                above=audits.loc[start, severities].sum(),
                top=float(audits[severities].sum(axis=1).max()),
            )


def _mark_mitigations(
    drawing: theme.Drawing, mitigations: pd.DataFrame, starts: list[pd.Timestamp], height: float
) -> int:
    """Draw an upright line where each launch began that the time axis holds; return how many these are."""
    within = mitigations[mitigations["start_time"] >= starts[0]].sort_values("start_time")
    for row in within.to_dict("records"):
        text = f"<b>Mitigation</b>, {formats.time(row['start_time'])}<br>{plot_text(row['action_names'], 60)}"
        text += (
            f"<br>{formats.plural(row['findings_count'], 'finding')}, {formats.count(row['resolved_count'])} gone since"
        )
        drawing.add_scatter(
            x=[iso(row["start_time"])] * 3,
            y=[0, height / 2, height],
            mode="lines",
            line={"color": INK["light"], "width": 1.5, "dash": "dot"},
            customdata=[text] * 3,
            hovertemplate="%{customdata}<extra></extra>",
        )
    if len(within) <= FEW:
        for moment in within["start_time"]:
            label_upright(drawing, moment, "mitigation", above=height, top=height)
    return len(within)


def _finding(audits: pd.DataFrame, severities: list[str]) -> str:
    totals = audits[severities].sum(axis=1)
    now = int(totals.iloc[-1])
    critical = int(audits["CRITICAL"].iloc[-1]) if "CRITICAL" in severities else 0
    if not now:
        text = "No non-compliant resource in the latest audit"
    else:
        least = "At least " if audits["incomplete"].iloc[-1] else ""
        text = f"{least}{formats.plural(now, 'non-compliant resource')} in the latest audit"
        text += f", {formats.count(critical)} of them critical" if critical else ", none of them critical"
    if len(audits) > 1:
        change = formats.change(now, int(totals.iloc[0]))
        text += f"; {change} since {formats.date(audits.index[0])}"
    return text


def _reading(audits: pd.DataFrame, launches: int) -> str:
    said = [
        f"{formats.plural(len(audits), 'audit')}, {formats.span(audits.index[0], audits.index[-1])}.",
        "Each layer is a severity, the most severe at the bottom.",
    ]
    incomplete = int((audits["incomplete"] > 0).sum())
    if incomplete:
        said.append(
            f"Triangles: {formats.plural(incomplete, 'audit')} that did not judge every check, so there were at least "
            "as many."
        )
    if launches:
        said.append(f"Dotted upright lines: {formats.plural(launches, 'launch', 'launches')} of mitigation actions.")
    return " ".join(said)


def _table(audits: pd.DataFrame, severities: list[str]) -> DataTable:
    rows = [
        [
            formats.time(start),
            *(formats.count(row[s]) for s in severities),
            formats.count(sum(row[s] for s in severities)),
            "not every check judged" if row["incomplete"] else "",
        ]
        for start, row in zip(audits.index, audits.to_dict("records"), strict=True)
    ]
    names = [severity_look(s).label for s in severities]
    return DataTable(
        caption="Non-compliant resources of each audit by severity",
        columns=["Started", *names, "Together", "Note"],
        rows=rows,
        numeric=frozenset(range(1, len(names) + 2)),
    )
