"""The table as a widget in the kernel: what it tells the page, and what the page may ask of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ddreport.widgets import FindingsTable


@pytest.fixture
def table(frame: pd.DataFrame) -> FindingsTable:
    return FindingsTable(frame, key="problem_id")


@pytest.fixture
def sent(table: FindingsTable, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(table, "send", lambda content, buffers=None: found.append(content))
    return found


def ask(table: FindingsTable, **content: Any) -> None:
    """Send what a page sends."""
    table._handle_custom_msg({"version": table.version, **content}, [])


def test_the_first_rows_come_with_the_table(table: FindingsTable) -> None:
    assert [c["name"] for c in table.columns] == [
        "severity",
        "check_name",
        "resource_id",
        "finding_time",
        "is_suppressed",
    ]
    assert table.first_rows[1][:4] == [0, "◆ Critical", "AWS IoT policies overly permissive", table.first_rows[1][3]]
    assert (table.row_count, table.match_count, table.selected_count) == (6, 6, 0)
    assert table.columns[0]["levels"]["◆ Critical"] == "critical"


def test_other_rows_are_sent_when_they_are_asked_for(table: FindingsTable, sent: list[dict[str, Any]]) -> None:
    ask(table, type="rows", first=2, last=4)
    assert sent == [{"type": "rows", "first": 2, "version": 0, "rows": table.rows.window(2, 4)}]


def test_the_page_searches_filters_and_sorts(table: FindingsTable) -> None:
    table.set_state({"search": "logging"})
    assert (table.match_count, table.version) == (2, 1)
    table.set_state({"search": "", "filters": {"severity": ["CRITICAL"]}, "sort": ["resource_id", True]})
    assert [row[3] for row in table.first_rows] == ["Gateway", "<img src=x onerror=alert(1)>"]
    assert table.facets["severity"] == [["CRITICAL", "◆ Critical", 2], ["MEDIUM", "● Medium", 2], ["LOW", "○ Low", 2]]


def test_the_page_selects_and_the_caller_is_told(table: FindingsTable) -> None:
    told: list[list[str]] = []
    table.on_select(lambda: told.append(table.selected_keys))
    ask(table, type="select", first=1, last=2, on=True)
    ask(table, type="select", first=2, last=2, on=False)
    ask(table, type="select_all", on=True)
    ask(table, type="clear")
    assert told == [["p1", "p2"], ["p1"], ["p0", "p1", "p2", "p3", "p4", "p5"], []]
    assert (table.selected_count, table.all_selected, table.selection_version) == (0, False, 4)


def test_the_row_under_the_cursor_is_known(table: FindingsTable) -> None:
    table.sort = ["severity", False]
    ask(table, type="active", row=2)
    assert table.active_key == "p4"
    ask(table, type="active", row=600)
    assert table.active_key == ""


@pytest.mark.parametrize(
    "content",
    [
        {"type": "select", "first": 0, "last": 5, "on": True, "version": -1},
        {"type": "rows", "first": 0, "last": 5, "version": -1},
        {"type": "nonsense"},
        {"type": "active", "row": "many"},
    ],
)
def test_a_question_about_an_earlier_view_or_nonsense_changes_nothing(
    table: FindingsTable, sent: list[dict[str, Any]], content: dict[str, Any]
) -> None:
    ask(table, **content)
    assert (table.selected_keys, sent) == ([], [])


def test_a_page_cannot_ask_for_everything_at_once(sent: list[dict[str, Any]], table: FindingsTable) -> None:
    table.show(pd.DataFrame({"problem_id": [str(i) for i in range(2000)], "severity": "LOW"}))
    ask(table, type="rows", first=0, last=10**9)
    assert len(sent[0]["rows"]) == 500


def test_a_table_to_read_takes_no_selection(frame: pd.DataFrame) -> None:
    table = FindingsTable(frame, key="problem_id", selectable=False)
    ask(table, type="select_all", on=True)
    assert table.selected_count == 0


def test_new_rows_keep_the_view_and_what_is_still_selected(table: FindingsTable, frame: pd.DataFrame) -> None:
    told: list[list[str]] = []
    table.search = "critical"
    table.select(["p1", "p2", "p4"])
    table.on_select(lambda: told.append(table.selected_keys))
    table.show(frame[frame["problem_id"] != "p1"])
    assert (table.search, table.match_count, table.row_count) == ("critical", 1, 5)
    assert (table.selected_keys, told) == (["p2", "p4"], [["p2", "p4"]])


def test_a_filter_of_a_column_that_is_gone_is_given_up(table: FindingsTable, frame: pd.DataFrame) -> None:
    table.filters = {"is_suppressed": ["True"], "severity": ["CRITICAL"]}
    table.sort = ["finding_time", True]
    table.show(frame[["problem_id", "severity"]])
    assert (table.filters, table.sort, table.match_count) == ({"severity": ["CRITICAL"]}, [], 2)


def test_code_selects_too(table: FindingsTable) -> None:
    table.filters = {"severity": ["LOW"]}
    table.select_all()
    assert table.selected["problem_id"].tolist() == ["p0", "p3"]
    assert [row[0] for row in table.first_rows] == [1, 1]
    table.clear_selection()
    assert table.selected.empty


def test_the_module_of_the_page_never_makes_markup_of_text() -> None:
    source = str(FindingsTable._esm)
    assert not [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "http") if word in source]
