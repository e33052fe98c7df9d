"""What somebody sees of a table: search, filters with counts, order, selection."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddreport.errors import InputError
from ddreport.presentation.formats import check_title
from ddreport.widgets.rows import Column, Rows, guess_columns


@pytest.fixture
def rows(frame: pd.DataFrame) -> Rows:
    return Rows(frame, key="problem_id")


def keys(rows: Rows) -> list[str]:
    return [str(rows.key_at(i)) for i in range(rows.match_count)]


def test_columns_are_shown_as_their_dtypes_suggest(frame: pd.DataFrame) -> None:
    kinds = {c.name: c.kind for c in guess_columns(frame)}
    assert kinds == {
        "problem_id": "id",
        "severity": "severity",
        "check_name": "word",
        "resource_id": "id",
        "finding_time": "time",
        "is_suppressed": "flag",
        "things_count": "number",
    }


def test_nothing_in_a_name_hides_or_steers(frame: pd.DataFrame) -> None:
    shown = [row[1] for row in Rows(frame, [Column("resource_id", "Resource", "id")]).window(0, 9)]
    assert shown[1] == "<img src=x onerror=alert(1)>"
    assert shown[3] == "pump\\u202e01\\x1b[2J"
    assert shown[5] == "–"


def test_values_are_shown_for_people(frame: pd.DataFrame) -> None:
    columns = [c for c in guess_columns(frame) if c.kind in ("time", "number", "flag")]
    assert Rows(frame, columns).window(0, 3) == [
        [0, "2026-03-02 09:15", "no", "3"],
        [0, "–", "yes", "–"],
        [0, "2026-03-01 00:00", "–", "1,200"],
    ]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["p0", "p1", "p2", "p3", "p4", "p5"]),
        ("GATEWAY", ["p2"]),
        ("overly  critical", ["p1", "p2"]),
        ("<img", ["p1"]),
        ("\u202e", ["p3"]),
        (".*", []),
    ],
)
def test_a_search_finds_rows_that_have_all_words_somewhere(rows: Rows, search: str, found: list[str]) -> None:
    rows.look(search=search)
    assert keys(rows) == found


def test_a_search_finds_what_is_shown_as_well_as_what_is_kept(frame: pd.DataFrame) -> None:
    rows = Rows(frame, [Column("check_name", "Check", "word", say=check_title)], key="problem_id")
    rows.look(search=check_title("LOGGING_DISABLED_CHECK"))
    assert keys(rows) == ["p0", "p3"]
    rows.look(search="logging_disabled")
    assert keys(rows) == ["p0", "p3"]


def test_filters_narrow_one_another_and_values_of_one_are_alternatives(rows: Rows) -> None:
    rows.look(filters={"severity": ["CRITICAL", "MEDIUM"], "is_suppressed": ["True"]})
    assert keys(rows) == ["p1", "p5"]


def test_the_counts_of_a_filter_are_what_the_others_leave(rows: Rows) -> None:
    rows.look(filters={"severity": ["LOW"]})
    found = rows.facets()
    assert [(key, count) for key, _, count in found["severity"]] == [("CRITICAL", 2), ("MEDIUM", 2), ("LOW", 2)]
    assert [(key, count) for key, _, count in found["check_name"]] == [("LOGGING_DISABLED_CHECK", 2)]
    assert [(key, shown, count) for key, shown, count in found["is_suppressed"]] == [("False", "no", 2)]


def test_a_missing_value_can_be_filtered_for(rows: Rows) -> None:
    rows.look(filters={"is_suppressed": [""]})
    assert keys(rows) == ["p2"]


@pytest.mark.parametrize(
    ("column", "descending", "order"),
    [
        ("severity", False, ["p1", "p2", "p4", "p5", "p0", "p3"]),
        ("severity", True, ["p0", "p3", "p4", "p5", "p1", "p2"]),
        ("resource_id", False, ["p0", "p1", "p4", "p2", "p3", "p5"]),
        ("things_count", False, ["p3", "p0", "p4", "p5", "p2", "p1"]),
        ("finding_time", False, ["p4", "p2", "p0", "p3", "p1", "p5"]),
    ],
)
def test_the_order_is_by_meaning_and_equal_rows_keep_theirs(
    rows: Rows, column: str, descending: bool, order: list[str]
) -> None:
    rows.look(sort=(column, descending))
    assert keys(rows) == order


def test_a_selection_outlives_search_and_filters(rows: Rows) -> None:
    rows.look(search="logging")
    rows.select_matching()
    rows.look(search="gateway")
    assert (rows.selected_keys, rows.all_matching_selected) == (["p0", "p3"], False)
    rows.select_range(0, 0)
    rows.look()
    assert rows.selected_keys == ["p0", "p2", "p3"]
    assert rows.selected["problem_id"].tolist() == ["p0", "p2", "p3"]
    rows.look(filters={"severity": ["LOW"]})
    rows.select_matching(on=False)
    assert rows.selected_keys == ["p2"]


def test_a_range_is_one_of_the_screen_not_of_the_frame(rows: Rows) -> None:
    rows.look(sort=("severity", False))
    rows.select_range(3, 1)
    assert rows.selected_keys == ["p2", "p4", "p5"]


def test_keys_that_are_gone_are_not_selected(rows: Rows) -> None:
    rows.select_keys(["p4", "gone"])
    assert rows.selected_keys == ["p4"]


def test_the_callers_frame_is_not_changed(frame: pd.DataFrame, rows: Rows) -> None:
    before = frame.copy(deep=True)
    rows.look(search="a", sort=("resource_id", True))
    rows.select_matching()
    pd.testing.assert_frame_equal(frame, before)


def test_an_empty_table_has_no_rows_and_no_counts() -> None:
    rows = Rows(pd.DataFrame({"severity": pd.Series([], dtype="str")}))
    rows.look(search="x", filters={"severity": ["LOW"]}, sort=("severity", True))
    assert (len(rows), rows.window(0, 9), rows.facets(), rows.all_matching_selected) == (0, [], {"severity": []}, False)


def test_what_cannot_be_is_refused(frame: pd.DataFrame, rows: Rows) -> None:
    with pytest.raises(InputError, match=r"no column 'severty'.*Did you mean 'severity'"):
        Rows(frame, [Column("severty", "Severity")])
    with pytest.raises(InputError, match="'severity' names 3 rows more than once"):
        Rows(frame, key="severity")
    with pytest.raises(InputError, match="cannot be filtered or sorted by 'things_count'"):
        rows.look(filters={"things_count": ["3"]})
    with pytest.raises(InputError, match="by 'nonsense'"):
        rows.look(sort=("nonsense", False))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(st.text(max_size=4), min_size=1, max_size=30),
    word=st.text(alphabet="aAbB.\\%<", min_size=1, max_size=2),
    descending=st.booleans(),
)
def test_search_and_order_are_what_a_simple_loop_gives(names: list[str], word: str, descending: bool) -> None:
    rows = Rows(pd.DataFrame({"name": pd.Series(names, dtype="object")}), [Column("name", "Name", "text")])
    rows.look(search=word, sort=("name", descending))
    shown = rows.matching["name"].tolist()
    hits = [n for n in names if all(w in n.lower() for w in word.lower().split())]
    assert sorted(shown) == sorted(hits)
    small = [n.lower().encode("utf-8", "surrogatepass") for n in shown]
    assert small == sorted(small, reverse=descending)
