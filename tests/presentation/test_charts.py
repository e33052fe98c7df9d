"""Charts: what is drawn, what the titles say, which words and numbers stand for the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from ddreport.presentation import report
from ddreport.presentation.charts import (
    Chart,
    check_matrix_chart,
    compliance_chart,
    severity_chart,
    top_resources_chart,
)
from ddreport.presentation.palette import SEVERITIES, STATES

Maker = Callable[..., pd.DataFrame]
LOGGING, SHARED, AGE = "LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_SHARED_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"


def trace(chart: Chart, kind: str, **wanted: Any) -> Any:
    """Find the one trace of a kind whose properties are as wanted."""
    found = [
        t
        for t in chart.figure.data
        if t.type == kind and all(getattr(t, key) == value for key, value in wanted.items())
    ]
    assert len(found) == 1
    return found[0]


def test_compliance_is_a_step_line_of_the_rate(compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table((0, 4, 8, 8), (1, 5, 8, 8), (2, 6, 8, 8)))
    line = trace(chart, "scatter", mode="lines")
    assert line.line.shape == "hv"
    assert list(dict.fromkeys(line.y)) == [0.5, 0.625, 0.75]


def test_compliance_axes_are_honest_and_named(compliance_table: Maker) -> None:
    layout = compliance_chart(compliance_table((0, 4, 8, 8), (1, 5, 8, 8))).figure.layout
    assert layout.yaxis.range[0] == 0
    assert layout.yaxis.range[1] >= 1
    assert layout.yaxis.title.text == "Compliant checks"
    assert layout.yaxis2.title.text == "Coverage"
    assert layout.xaxis.title.text == "Day the audit started (UTC)"
    assert layout.xaxis.type == "date"


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([(0, 4, 8, 8), (1, 6, 8, 8)], "6 of 8 checks compliant in the latest audit, up from 4 of 8 on 1 Jan 2026"),
        ([(0, 6, 8, 8), (1, 4, 8, 8)], "4 of 8 checks compliant in the latest audit, down from 6 of 8 on 1 Jan 2026"),
        ([(0, 6, 8, 8), (1, 6, 8, 8)], "6 of 8 checks compliant in the latest audit, the same share throughout"),
        (
            [(0, 6, 8, 8), (1, 4, 8, 8), (2, 6, 8, 8)],
            "6 of 8 checks compliant in the latest audit, the same share as on 1 Jan 2026",
        ),
        ([(0, 6, 8, 8)], "6 of 8 checks compliant in the latest audit"),
        ([(0, 3, 5, 8)], "3 of 5 finished checks compliant in the latest audit, which left 3 open"),
        ([(0, 0, 0, 8)], "No audit in this window finished a single check"),
    ],
)
def test_the_compliance_title_states_the_finding(rows: Any, title: str, compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table(*rows))
    assert chart.finding == title
    assert chart.figure.layout.title.text.replace("<br>", " ") == title


def test_an_incomplete_audit_is_a_hollow_circle_over_a_short_coverage_bar(compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table((0, 4, 8, 8), (1, 3, 5, 8), (2, 4, 8, 8)))
    hollow = next(t for t in chart.figure.data if t.mode == "markers" and t.marker.line.width == 2)
    assert list(hollow.y) == [0.6]
    low = next(t for t in chart.figure.data if t.type == "bar" and t.marker.pattern.shape == "/")
    assert list(low.y) == [0.625]
    assert "Hollow circles: 1 audit that did not finish every check." in chart.reading


def test_an_on_demand_audit_stays_outside_of_the_line(compliance_table: Maker) -> None:
    daily = compliance_table((0, 4, 8, 8), (1, 4, 8, 8), (2, 4, 8, 8))
    asked = compliance_table((0.5, 1, 1, 1), task_type="ON_DEMAND_AUDIT_TASK", audit_task_id="d1")
    chart = compliance_chart(pd.concat([daily, asked]))
    assert 1.0 not in trace(chart, "scatter", mode="lines").y
    diamond = next(t for t in chart.figure.data if t.mode == "markers" and t.marker.symbol == "diamond")
    assert list(diamond.y) == [1.0]
    assert "Diamonds: 1 on-demand audit" in chart.reading


def test_without_scheduled_audits_those_on_demand_make_the_line(compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table((0, 4, 8, 8), (9, 5, 8, 8), task_type="ON_DEMAND_AUDIT_TASK"))
    assert set(trace(chart, "scatter", mode="lines").y) >= {0.5, 0.625}


def test_the_compliance_line_breaks_where_audits_are_missing(compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table((0, 4, 8, 8), (1, 4, 8, 8), (2, 4, 8, 8), (5, 4, 8, 8), (6, 4, 8, 8)))
    pieces = [t for t in chart.figure.data if t.type == "scatter" and t.mode == "lines"]
    assert [(t.x[0][:10], t.x[-1][:10]) for t in pieces] == [("2026-01-01", "2026-01-04"), ("2026-01-06", "2026-01-08")]
    assert any(a.text == "no audit" for a in chart.figure.layout.annotations)
    assert "The line breaks in 1 place" in chart.reading


def test_the_compliance_line_breaks_where_no_check_finished(compliance_table: Maker) -> None:
    chart = compliance_chart(compliance_table((0, 4, 8, 8), (1, 0, 0, 8), (2, 4, 8, 8)))
    assert len([t for t in chart.figure.data if t.type == "scatter" and t.mode == "lines"]) == 2


def test_several_accounts_have_a_named_line_each(compliance_table: Maker) -> None:
    one = compliance_table((0, 4, 8, 8), (1, 4, 8, 8))
    two = compliance_table((0, 8, 8, 8), (1, 7, 8, 8), account="999999999999")
    chart = compliance_chart(pd.concat([one, two]))
    lines = [t for t in chart.figure.data if t.type == "scatter" and t.mode == "lines"]
    assert [t.name for t in lines] == ["111122223333 eu-west-1", "999999999999 eu-west-1"]
    assert chart.figure.layout.showlegend
    assert chart.finding.startswith("Between 50% (111122223333 eu-west-1) and 88% (999999999999 eu-west-1)")
    assert chart.table is not None
    assert chart.table.columns[:2] == ["Account", "Region"]


def test_the_compliance_table_has_every_audit(compliance_table: Maker) -> None:
    table = compliance_chart(compliance_table((0, 4, 8, 8), (1, 3, 5, 8))).table
    assert table is not None
    assert table.rows[1] == ["2 Jan 2026 09:00 UTC", "scheduled", "completed", "3", "5", "8", "60%", "63%"]


def test_severities_are_stacked_from_the_most_severe(by_severity_table: Maker) -> None:
    chart = severity_chart(by_severity_table((0, 1, 2, 3, 4), (1, 2, 2, 3, 5)))
    bars = [t for t in chart.figure.data if t.type == "bar"]
    assert chart.figure.layout.barmode == "stack"
    assert [b.name for b in bars] == ["Critical", "High", "Medium", "Low"]
    assert [list(b.y) for b in bars] == [[1, 2], [2, 2], [3, 3], [4, 5]]
    assert [b.marker.color for b in bars] == [look.light for look in SEVERITIES.values()]
    assert len({b.marker.pattern.shape for b in bars}) == 4


def test_the_severity_axis_begins_at_zero_and_is_named(by_severity_table: Maker) -> None:
    layout = severity_chart(by_severity_table((0, 1, 2, 3, 4))).figure.layout
    assert layout.yaxis.range[0] == 0
    assert layout.yaxis.title.text == "Non-compliant resources"


def test_each_severity_is_named_at_the_end_of_its_layer(by_severity_table: Maker) -> None:
    labels = [a.text for a in severity_chart(by_severity_table((0, 1, 2, 3, 4))).figure.layout.annotations]
    assert labels == ["◆ <b>1</b> critical", "▲ <b>2</b> high", "● <b>3</b> medium", "○ <b>4</b> low"]


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        (
            [(0, 1, 0, 3, 4), (1, 2, 0, 3, 5)],
            "10 non-compliant resources in the latest audit, 2 of them critical; up 2 since 1 Jan 2026",
        ),
        (
            [(0, 0, 0, 3, 4), (1, 0, 0, 0, 1)],
            "1 non-compliant resource in the latest audit, none of them critical; down 6 since 1 Jan 2026",
        ),
        ([(0, 0, 0, 0, 0)], "No non-compliant resource in the latest audit"),
    ],
)
def test_the_severity_title_states_the_finding(rows: Any, title: str, by_severity_table: Maker) -> None:
    assert severity_chart(by_severity_table(*rows)).finding == title


def test_an_incomplete_count_is_marked_and_said(by_severity_table: Maker) -> None:
    chart = severity_chart(by_severity_table((0, 1, 1, 1, 1), (1, 1, 0, 0, 0), incomplete=(1,)))
    marks = trace(chart, "scatter", mode="markers")
    assert list(marks.y) == [1]
    assert "Triangles: 1 audit" in chart.reading
    assert chart.finding.startswith("At least 1 non-compliant resource")


def test_accounts_are_added_up_with_the_newest_audit_of_each(by_severity_table: Maker) -> None:
    one = by_severity_table((0, 1, 0, 0, 0), (2, 3, 0, 0, 0))
    two = by_severity_table((1, 10, 0, 0, 0), account="999999999999")
    bars = severity_chart(pd.concat([one, two])).figure.data
    assert list(bars[0].y) == [1, 11, 13]


def test_the_matrix_has_one_trace_per_state_and_one_cell_per_audit(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({LOGGING: "CCNF", SHARED: "NNCX"}))
    cells = {t.name: len(t.x) for t in chart.figure.data}
    assert cells == {"✓ Compliant": 3, "✕ Non-compliant": 3, "! Check failed": 1, "– Cancelled": 1}


def test_states_differ_in_colour_and_in_height_or_pattern(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({LOGGING: "CNFXW"}))
    looks = {(t.y[0], t.marker.pattern.shape) for t in chart.figure.data}
    assert len(looks) == 5
    assert len({t.marker.color for t in chart.figure.data}) == 5


def test_the_matrix_begins_with_the_most_severe_check_and_ends_with_the_unknown(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({LOGGING: "C", "NEW_CHECK": "C", SHARED: "C"}))
    assert list(chart.figure.layout.yaxis.ticktext) == [
        "Device certificate shared  ◆",
        "Logging disabled  ○",
        "NEW_CHECK (not in the catalogue)  ?",
    ]
    assert list(chart.figure.layout.yaxis.range) == [2.5, -0.5]


def test_a_missing_day_leaves_a_hole(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({LOGGING: "CCCC"}, days=[0, 1, 2, 6]))
    day = 86_400_000
    assert list(chart.figure.data[0].width) == [day, day, day, day]


def test_an_on_demand_audit_says_nothing_of_the_checks_it_left_out(by_check_table: Maker) -> None:
    daily = by_check_table({LOGGING: "CC", SHARED: "CC"})
    asked = by_check_table({LOGGING: ".", SHARED: "N"}, days=[1.5], task_type="ON_DEMAND_AUDIT_TASK", audit_task_id="d")
    chart = check_matrix_chart(pd.concat([daily, asked]))
    assert {t.name for t in chart.figure.data} == {"✓ Compliant", "✕ Non-compliant"}
    assert chart.finding.startswith("1 of 2 checks non-compliant now")


@pytest.mark.parametrize(
    ("states", "title"),
    [
        ({LOGGING: "CNC", SHARED: "CCC"}, "All 2 checks compliant now"),
        (
            {LOGGING: "NCFN", SHARED: "CCCC"},
            "1 of 2 checks non-compliant now; “Logging disabled” was solved and came back once",
        ),
        ({LOGGING: "NCNCN"}, "1 of 1 check non-compliant now; “Logging disabled” was solved and came back 2 times"),
        ({LOGGING: "NFN"}, "1 of 1 check non-compliant now"),
        ({LOGGING: "FF", SHARED: "CC"}, "None of 2 checks is known to be non-compliant now"),
    ],
)
def test_the_matrix_title_states_the_finding(states: dict[str, str], title: str, by_check_table: Maker) -> None:
    assert check_matrix_chart(by_check_table(states)).finding == title


def test_the_end_of_a_row_tells_its_newest_verdict(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({SHARED: "CNF", LOGGING: "NNC"}))
    texts = [a.text for a in chart.figure.layout.annotations if a.xref == "paper" and a.x == 1]
    assert texts == ["<b>3</b>", "✓", "now"]


def test_the_matrix_table_is_made_of_stretches(by_check_table: Maker) -> None:
    table = check_matrix_chart(by_check_table({LOGGING: "CCNNNC"})).table
    assert table is not None
    assert [row[1:] for row in table.rows] == [
        ["Compliant", "1 Jan 2026 09:00 UTC", "2 Jan 2026 09:00 UTC", "2"],
        ["Non-compliant", "3 Jan 2026 09:00 UTC", "5 Jan 2026 09:00 UTC", "3"],
        ["Compliant", "6 Jan 2026 09:00 UTC", "6 Jan 2026 09:00 UTC", "1"],
    ]


def test_a_state_of_a_newer_service_is_drawn_under_its_name(by_check_table: Maker) -> None:
    chart = check_matrix_chart(by_check_table({LOGGING: ["UNKNOWN", "POSTPONED"]}))
    assert [t.name for t in chart.figure.data] == [f"? {STATES['UNKNOWN'].label}", "? POSTPONED"]


def test_seventeen_checks_in_ninety_audits_keep_their_rows_apart(by_check_table: Maker) -> None:
    from ddreport.catalogue import checks

    chart = check_matrix_chart(by_check_table(dict.fromkeys(checks(), "CN" * 45)))
    assert sum(len(t.x) for t in chart.figure.data) == 17 * 90
    assert chart.figure.layout.height >= 17 * 30


def test_resources_are_bars_from_the_top_stacked_by_severity(resources_table: Maker) -> None:
    chart = top_resources_chart(resources_table(("cert-1", 1, 0, 2, 0), ("cert-2", 0, 0, 1, 0)))
    assert [(t.name, list(t.x)) for t in chart.figure.data] == [("◆ Critical", [1, 0]), ("● Medium", [2, 1])]
    assert chart.figure.data[0].orientation == "h"
    assert chart.figure.layout.yaxis.autorange == "reversed"
    assert chart.figure.layout.xaxis.title.text == "Problems (pairs of check and reason)"


def test_a_long_id_is_short_on_the_axis_and_whole_in_the_hover_and_table(resources_table: Maker) -> None:
    name = "".join(f"{i:04d}" for i in range(70))
    chart = top_resources_chart(resources_table((name, 1, 0, 1, 0)))
    label = chart.figure.layout.yaxis.ticktext[0]
    assert label.startswith("00000001000200030…")
    assert len(label) < 70
    assert name in chart.figure.data[0].customdata[0].replace("<br>", "")
    assert chart.table is not None
    assert chart.table.rows[0][0] == name


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        (
            [("a", 1, 0, 1, 0), ("b", 0, 0, 1, 0)],
            "Device certificate a has 2 open problems, more than any other resource",
        ),
        ([("a", 1, 0, 1, 0), ("b", 0, 0, 1, 1)], "2 resources have 2 open problems each"),
        (
            [("a", 1, 0, 0, 0), ("b", 0, 0, 1, 0)],
            "No resource has more than one open problem; the worst of them are critical",
        ),
        ([("a", 1, 0, 0, 0)], "One resource has open problems: Device certificate a"),
    ],
)
def test_the_resources_title_states_the_finding(rows: Any, title: str, resources_table: Maker) -> None:
    assert top_resources_chart(resources_table(*rows)).finding == title


@pytest.fixture
def all_charts(
    compliance_table: Maker, by_severity_table: Maker, by_check_table: Maker, resources_table: Maker
) -> dict[str, tuple[Callable[[pd.DataFrame], Chart], pd.DataFrame]]:
    """Each chart with a table that has rows."""
    return {
        "compliance": (compliance_chart, compliance_table((0, 4, 8, 8), (1, 3, 5, 8), (4, 4, 8, 8))),
        "severity": (severity_chart, by_severity_table((0, 1, 2, 3, 4), (1, 1, 0, 0, 0), incomplete=(1,))),
        "matrix": (check_matrix_chart, by_check_table({LOGGING: "CNFX", SHARED: "NWC."})),
        "resources": (top_resources_chart, resources_table(("cert-1", 1, 1, 1, 1))),
    }


NAMES = pytest.mark.parametrize("name", ["compliance", "severity", "matrix", "resources"])


@NAMES
def test_an_empty_table_gives_a_titled_empty_figure_that_says_why(name: str, all_charts: Any) -> None:
    draw, table = all_charts[name]
    chart = draw(table.iloc[:0])
    assert chart.figure.data == ()
    assert chart.figure.layout.title.text == chart.heading
    assert chart.figure.layout.annotations[0].text == chart.reading
    assert chart.table is None


@NAMES
def test_plotly_takes_the_figure_as_it_is(name: str, all_charts: Any) -> None:
    draw, table = all_charts[name]
    assert isinstance(draw(table).figure, go.Figure)


@NAMES
def test_a_chart_never_changes_its_table(name: str, all_charts: Any) -> None:
    draw, table = all_charts[name]
    before = table.copy(deep=True)
    draw(table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", ["compliance", "severity", "matrix"])
def test_the_order_of_rows_does_not_matter_for_the_picture(name: str, all_charts: Any) -> None:
    draw, table = all_charts[name]
    assert draw(table.iloc[::-1]).spec == draw(table).spec


@NAMES
def test_a_chart_shows_itself_with_figure_words_and_table(name: str, all_charts: Any, read_html: Any) -> None:
    draw, table = all_charts[name]
    chart = draw(table)
    data, metadata = chart._repr_mimebundle_()
    assert set(data) == {"application/vnd.plotly.v1+json", "text/html", "text/plain"}
    page = read_html(data["text/html"])
    assert page.texts["h2"] == [chart.heading]
    assert chart.finding in page.texts["figcaption"][0]
    assert '<div class="dd-plot"></div>' in data["text/html"]
    assert len(page.texts["tr"]) == len(chart.table.rows) + 1
    assert metadata["ddreport"]["label"] == chart.text_alternative
    assert metadata["ddreport"]["dark"]["#ffffff"] == "#171a20"


@NAMES
def test_every_colour_of_a_chart_has_a_dark_counterpart(name: str, all_charts: Any) -> None:
    import json
    import re

    draw, table = all_charts[name]
    chart = draw(table)
    used = set(re.findall(r"#[0-9a-f]{6}\b|rgba?\([^)]*\)", json.dumps(chart.spec)))
    assert used <= set(chart._repr_mimebundle_()[1]["ddreport"]["dark"])


def test_the_severity_chart_marks_when_a_mitigation_began(data: Any) -> None:
    chart = report.severity(data)
    lines = [t for t in chart.spec["data"] if t.get("mode") == "lines"]
    (start,) = {t["x"][0] for t in lines}
    assert start == data.mitigation_tasks["start_time"].min().strftime("%Y-%m-%dT%H:%M:%S")
    assert "Dotted upright lines: 1 launch of mitigation actions." in chart.reading
    assert "Blank &lt;b&gt;policy&lt;/b&gt;" in lines[0]["customdata"][0]
