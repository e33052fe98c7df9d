"""Unresolved problems by severity and age, by hand-counted problems."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError
from ddreport.metrics import open_by_age
from ddreport.metrics.results_problems import OPEN_BY_AGE


def test_each_problem_counts_once_by_severity_age_and_state(make: SimpleNamespace) -> None:
    table = open_by_age(
        make.problems(
            make.a_problem("a", "NEW", age_days=0.0),
            make.a_problem("b", "OPEN", age_days=6.999),
            make.a_problem("c", "REOPENED", age_days=7.0),
            make.a_problem("d", "SUPPRESSED", age_days=29.0),
            make.a_problem("e", "UNKNOWN", age_days=180.0),
            make.a_problem("f", "OUT_OF_SCOPE", age_days=1000.0),
            make.a_problem("g", "RESOLVED", age_days=3.0),
            make.a_problem("h", "OPEN", age_days=100.0, severity="CRITICAL"),
        )
    )
    assert table["severity"].tolist() == [s for s in ("CRITICAL", "HIGH", "MEDIUM", "LOW") for _ in range(5)]
    high = table[table["severity"] == "HIGH"]
    assert high["age_range"].tolist() == [
        "under 7 days",
        "7 to 30 days",
        "30 to 90 days",
        "90 to 180 days",
        "180 days and more",
    ]
    assert high["age_from_days"].tolist() == [0, 7, 30, 90, 180]
    assert high["age_to_days"].tolist()[:4] == [7, 30, 90, 180]
    assert high["age_to_days"].isna().tolist() == [False] * 4 + [True]
    assert high["open_count"].tolist() == [2, 1, 0, 0, 0]
    assert high["suppressed_count"].tolist() == [0, 1, 0, 0, 0]
    assert high["unknown_count"].tolist() == [0, 0, 0, 0, 1]
    assert high["out_of_scope_count"].tolist() == [0, 0, 0, 0, 1]
    assert high["unresolved_count"].tolist() == [2, 2, 0, 0, 2]
    assert table.loc[table["severity"] == "CRITICAL", "open_count"].tolist() == [0, 0, 0, 1, 0]
    assert table["unresolved_count"].sum() == 7


def test_the_edges_can_be_chosen(make: SimpleNamespace) -> None:
    made = make.problems(make.a_problem("a", "OPEN", age_days=0.5), make.a_problem("b", "OPEN", age_days=1.5))
    table = open_by_age(made, edges_days=[1.5])
    assert table["age_range"].drop_duplicates().tolist() == ["under 1.5 days", "1.5 days and more"]
    assert table.loc[table["severity"] == "HIGH", "open_count"].tolist() == [1, 1]


@pytest.mark.parametrize("edges", [[], [0, 7], [-1], [7, 7], [30, 7], [7, float("nan")], [float("inf")]])
def test_edges_that_make_no_ranges_are_refused(make: SimpleNamespace, edges: list[float]) -> None:
    with pytest.raises(ParameterError, match=r"edges_days is .*; allowed: positive numbers"):
        open_by_age(make.problems(), edges_days=edges)


def test_only_resolved_problems_give_zeros_and_none_at_all_the_typed_empty_table(make: SimpleNamespace) -> None:
    gone = open_by_age(make.problems(make.a_problem("g", "RESOLVED", age_days=3.0)))
    assert len(gone) == 20
    assert (gone["unresolved_count"] == 0).all()
    assert_frame_equal(open_by_age(make.problems()), OPEN_BY_AGE.empty())


def test_a_missing_column_is_named(make: SimpleNamespace) -> None:
    with pytest.raises(TableSchemaError, match="problems: missing columns: state"):
        open_by_age(make.problems().drop(columns="state"))
