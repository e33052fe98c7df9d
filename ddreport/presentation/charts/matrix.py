"""Checks against time: the state of every check in every audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ddreport.catalogue import describe_check
from ddreport.presentation import formats, theme
from ddreport.presentation.blocks import DataTable
from ddreport.presentation.charts.chart import Chart
from ddreport.presentation.charts.empty import empty_chart
from ddreport.presentation.charts.timeline import (
    comparable,
    iso,
    source_label,
    time_range,
    usual_interval_ms,
    widths_ms,
)
from ddreport.presentation.formats import check_rank
from ddreport.presentation.palette import INK, STATES, severity_look, state_look
from ddreport.presentation.text import is_missing, plot_text, visible

if TYPE_CHECKING:
    import pandas as pd

HEADING = "Checks over time"

_ROW_PX: Final = 34
_HEIGHTS: Final = {"COMPLIANT": 0.3, "NOT_RUN": 0.1, "WAITING": 0.5, "RUNNING": 0.5, "CANCELED": 0.5}
"""Share of a row's height that a cell fills: what asks for attention is tall, so that the picture reads without any
colour. All other states: `_TALL`."""
_TALL: Final = 0.74

_BAD: Final = "NON_COMPLIANT"
_GOOD: Final = "COMPLIANT"


@dataclass(frozen=True)
class _Row:
    """One row of the matrix: one check of one account and Region, its audits in time's order."""

    check_name: str
    source: str
    label: str
    audits: pd.DataFrame

    @property
    def verdicts(self) -> pd.DataFrame:
        """The audits that gave one."""
        return self.audits[self.audits["state"].isin([_BAD, _GOOD])]

    @property
    def state(self) -> str:
        """The newest verdict; where there is none, how the newest run ended."""
        known = self.audits if self.verdicts.empty else self.verdicts
        return str(known["state"].iloc[-1])

    @property
    def spells(self) -> int:
        """How many times the check became non-compliant; audits without a verdict end nothing."""
        bad = self.verdicts["state"] == _BAD
        return int((bad & ~bad.shift(1, fill_value=False)).sum())


def check_matrix_chart(compliance_by_check: pd.DataFrame) -> Chart:
    """State of each check in each audit: one row per check, most severe first, one cell per audit.

    Axes: day the audit started (UTC); checks by their title. A cell lasts until the check's next audit, at most as
    long as audits are usually apart, so a missing audit leaves a hole. Colour, height and pattern tell the state; at
    the right end stands the newest verdict, as the number of non-compliant resources. An empty table gives a titled,
    empty figure.

    Parameters
    ----------
    compliance_by_check
        Table of `metrics.compliance_by_check`, one row per audit and check.
    """
    if compliance_by_check.empty:
        return empty_chart(HEADING, "No audit in this window ran any check.")
    # An on-demand audit runs the checks that somebody wanted; that it left out the others says nothing of them.
    ran = compliance_by_check["state"] != "NOT_RUN"
    rows = _rows(compliance_by_check[ran | comparable(compliance_by_check)])
    usual = usual_interval_ms(compliance_by_check["task_start_time"])
    finding = _finding(rows)
    height = len(rows) * _ROW_PX + 160
    drawing = theme.Drawing(
        height=height,
        title=theme.title(finding),
        margin={"l": 8, "r": 64, "t": theme.TITLE_PX + 44, "b": 8},
        barmode="overlay",
        bargap=0,
        xaxis=theme.time_axis(range=time_range(compliance_by_check["task_start_time"], usual)),
        yaxis={
            "range": [len(rows) - 0.5, -0.5],
            "tickvals": list(range(len(rows))),
            "ticktext": [plot_text(row.label, 58) for row in rows],
            "tickfont": {"color": INK["light"], "size": theme.SIZE},
            "ticklabelstandoff": 8,
            "showgrid": False,
        },
        legend=theme.legend_on_top(height),
    )
    present = {state for row in rows for state in row.audits["state"]}
    for state in [*STATES, *sorted(present - set(STATES))]:
        if state in present:
            _draw_state(drawing, rows, state, usual)
    _label_rows(drawing, rows)
    _label_ends(drawing, rows)
    return Chart(
        spec=drawing.spec,
        heading=HEADING,
        finding=finding,
        reading=_reading(compliance_by_check, rows),
        table=_table(rows),
        untitled={"layout.margin.t": 44, "layout.legend.y": 1, "layout.height": height - theme.TITLE_PX},
        narrow=_narrow(len(rows), len(drawing.traces)),
    )


def _rows(table: pd.DataFrame) -> list[_Row]:
    sources = table[["account", "region"]].drop_duplicates()
    made = []
    for (account, region, name), audits in table.groupby(["account", "region", "check_name"], sort=True):
        source = source_label(account, region)
        symbol = severity_look(str(describe_check(str(name)).severity or "")).symbol
        label = f"{formats.check_title(name)}  {symbol}"
        made.append(
            _Row(
                check_name=str(name),
                source=source,
                label=label if len(sources) == 1 else f"{label}  {source}",
                audits=audits.sort_values("task_start_time", kind="stable").reset_index(drop=True),
            )
        )
    return sorted(made, key=lambda row: (check_rank(row.check_name), row.source))


def _draw_state(drawing: theme.Drawing, rows: list[_Row], state: str, usual: int) -> None:
    look = state_look(state)
    height = _HEIGHTS.get(state, _TALL)
    x: list[str] = []
    base: list[float] = []
    width: list[int] = []
    hover: list[str] = []
    for position, row in enumerate(rows):
        starts = list(row.audits["task_start_time"])
        widths = widths_ms(starts, usual)
        for record, lasting in zip(row.audits.to_dict("records"), widths, strict=True):
            if record["state"] != state:
                continue
            x.append(iso(record["task_start_time"]))
            base.append(position - height / 2)
            width.append(lasting)
            hover.append(_hover(record, row))
    drawing.add_bar(
        x=x,
        y=[height] * len(x),
        base=base,
        width=width,
        offset=0,
        name=f"{look.symbol} {plot_text(look.label)}",
        marker={
            "color": look.light,
            "line": {"width": 0},
            "pattern": {"shape": look.pattern, "size": 5, "solidity": 0.35},
        },
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _hover(record: dict[Any, Any], row: _Row) -> str:
    lines = [
        f"<b>{plot_text(formats.state_label(record['state']))}</b>",
        plot_text(row.label, 60),
        formats.time(record["task_start_time"]),
    ]
    if record["state"] == _BAD:
        bad = formats.plural(record["non_compliant_resources_count"], "non-compliant resource")
        lines.insert(1, f"{bad} of {formats.count(record['total_resources_count'])}")
    if not is_missing(record.get("error_code")):
        lines.insert(1, plot_text(formats.error_text(record["error_code"])))
    return "<br>".join(lines)


def _label_rows(drawing: theme.Drawing, rows: list[_Row]) -> None:
    """Write the names of the checks into the space between the rows, for narrow pages; wide ones hide them."""
    for position, row in enumerate(rows):
        drawing.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=position - 0.5,
            yanchor="middle",
            text=plot_text(row.label, 38),
            font={"size": theme.SIZE - 2},
            visible=False,
        )


def _narrow(rows: int, states: int) -> dict[str, Any]:
    """Return what a narrow page changes: names above the rows instead of beside them, the legend in lines."""
    return {
        **{f"layout.annotations.{position}.visible": True for position in range(rows)},
        "layout.yaxis.showticklabels": False,
        "layout.margin.r": 44,
        "layout.margin.t": 30 + 19 * states,
        "layout.height": rows * 52 + 90 + 19 * states,
        "layout.xaxis.nticks": 4,
    }


def _label_ends(drawing: theme.Drawing, rows: list[_Row]) -> None:
    """Write at the end of each row how it stands now."""
    for position, row in enumerate(rows):
        bad = row.state == _BAD
        text = state_look(row.state).symbol
        if bad:
            text = formats.count(row.verdicts["non_compliant_resources_count"].iloc[-1])
        drawing.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=position,
            text=f"<b>{plot_text(text)}</b>" if bad else plot_text(text),
            font={"color": state_look(_BAD).light if bad else INK["light"]},
        )
    drawing.add_annotation(
        x=1,
        xref="paper",
        xanchor="left",
        xshift=8,
        y=-0.5,
        yanchor="bottom",
        yshift=4,
        text="now",
        font={"size": theme.SIZE - 2},
    )


def _finding(rows: list[_Row]) -> str:
    bad = [row for row in rows if row.state == _BAD]
    unknown = [row for row in rows if row.state not in (_BAD, _GOOD)]
    total = formats.plural(len(rows), "check")
    text = f"{len(bad)} of {total} non-compliant now" if bad else f"None of {total} is known to be non-compliant now"
    if not bad and not unknown:
        text = f"All {total} compliant now" if len(rows) > 1 else "The one check is compliant now"
    again = max(rows, key=lambda row: row.spells)
    if again.spells > 1:
        title = formats.check_title(again.check_name)
        times = "once" if again.spells == 2 else f"{again.spells - 1} times"
        text = f"{text}; “{title}” was solved and came back {times}"
    return text


def _reading(table: pd.DataFrame, rows: list[_Row]) -> str:
    start, end = table["task_start_time"].min(), table["task_start_time"].max()
    audits = table[["account", "region", "audit_task_id"]].drop_duplicates()
    return (
        f"{formats.plural(len(rows), 'check')} in {formats.plural(len(audits), 'audit')}, {formats.span(start, end)}, "
        "most severe first (◆ critical ▲ high ● medium ○ low). A hole is an audit that is missing; the end of a row "
        "shows its newest verdict, as the number of non-compliant resources."
    )


def _table(rows: list[_Row]) -> DataTable:
    """Return the matrix as stretches of the same state: all of it, without a cell per audit."""
    out = []
    for row in rows:
        state = row.audits["state"]
        for _, stretch in row.audits.groupby((state != state.shift(1)).cumsum(), sort=True):
            out.append(
                [
                    visible(row.label.rstrip(" ◆▲●○?")),
                    formats.state_label(stretch["state"].iloc[0], symbol=False),
                    formats.time(stretch["task_start_time"].iloc[0]),
                    formats.time(stretch["task_start_time"].iloc[-1]),
                    formats.count(len(stretch)),
                ]
            )
    return DataTable(
        caption="State of each check over time",
        columns=["Check", "State", "First audit", "Last audit", "Audits"],
        rows=out,
        numeric=frozenset({4}),
    )
