"""The forecast of the backlog, worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError
from ddreport.history import CHECK_RUNS
from ddreport.metrics import backlog_forecast, problem_flow
from ddreport.metrics.results_problems import BACKLOG_FORECAST, PROBLEM_FLOW

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def day(number: float) -> datetime:
    return MONDAY + timedelta(days=number)


def weeks(
    make: SimpleNamespace, *changes: tuple[int, int], stock: int = 0, first_look: int = 0, **options: Any
) -> pd.DataFrame:
    """Make a flow of weeks with so many problems come and gone in each; `stock` was open long before."""
    rows = [make.an_episode(f"old{n}", first=day(-100)) for n in range(stock)]
    rows += [make.an_episode(f"look{n}", first=day(1), absent=None) for n in range(first_look)]
    for week, (came, went) in enumerate(changes):
        rows += [make.an_episode(f"n{week}-{n}", first=day(7 * week + 1)) for n in range(came)]
        for row in [r for r in rows if r["resolved_time"] is None][:went]:
            row |= {"resolved_time": day(7 * week + 2), "resolution": "NOT_REPORTED"}
    return problem_flow(make.episodes(*rows), start=day(0), end=options.pop("end", day(7 * len(changes))), **options)


def looks(*days: float) -> pd.DataFrame:
    rows = [
        dict.fromkeys(CHECK_RUNS.column_names)
        | {"account": "012345678901", "region": "eu-west-1", "check_name": "C", "audit_task_id": f"a{number}"}
        | {"task_start_time": day(number), "proof": "FULL", "findings_count": 0, "slot": place}
        for place, number in enumerate(days)
    ]
    return CHECK_RUNS.conform(pd.DataFrame(rows))


def test_the_projection_is_the_formula(make: SimpleNamespace) -> None:
    table = backlog_forecast(weeks(make, (1, 3), (3, 5), (2, 2), (2, 6), stock=30), periods=3)
    # Came 2 and went 4 per week; the weekly change is -2, -2, 0, -4: mean -2, variance 8/3, less than Poisson's 2 + 4.
    assert table["periods_ahead"].tolist() == [1, 2, 3]
    assert table["forecast_time"].tolist() == [day(35), day(42), day(49)]
    assert set(table["open_now_count"]) == {22}
    assert set(table["entered_mean"]) == {2.0}
    assert set(table["left_mean"]) == {4.0}
    assert table["entered_sd"].iloc[0] == pytest.approx(math.sqrt(2 / 3))
    assert table["left_sd"].iloc[0] == pytest.approx(math.sqrt(10 / 3))
    assert set(table["past_periods_count"]) == {4}
    assert table["expected_open"].tolist() == [20, 18, 16]
    reach = [1.2815515655 * math.sqrt(6 * h + 6 * h * h / 4) for h in (1, 2, 3)]
    assert table["low_open"].tolist() == pytest.approx([20 - reach[0], 18 - reach[1], 16 - reach[2]])
    assert table["high_open"].tolist() == pytest.approx([20 + reach[0], 18 + reach[1], 16 + reach[2]])
    assert set(table["periods_until_empty"]) == {11}
    assert table["note"].isna().all()


def test_a_spread_wider_than_poissons_widens_the_interval(make: SimpleNamespace) -> None:
    table = backlog_forecast(weeks(make, (12, 0), (0, 12), (12, 0), (0, 12), stock=30), periods=1)
    variance = 4 * 12**2 / 3
    assert table["high_open"].iloc[0] == pytest.approx(30 + 1.2815515655 * math.sqrt(variance * 1.25))


def test_nothing_falls_below_zero(make: SimpleNamespace) -> None:
    table = backlog_forecast(weeks(make, (0, 2), (0, 2), (0, 2), (0, 2), stock=11), periods=4)
    assert table["expected_open"].tolist() == [1, 0, 0, 0]
    assert (table["low_open"] == 0).all()
    assert (table["high_open"] >= 0).all()
    assert set(table["periods_until_empty"]) == {2}


def test_a_backlog_that_does_not_shrink_has_no_end(make: SimpleNamespace) -> None:
    table = backlog_forecast(weeks(make, *[(2, 2)] * 5, stock=3))
    assert len(table) == 12
    assert table["periods_until_empty"].isna().all()
    assert set(table["note"]) == {"no end in sight: at least as many problems come as go"}
    assert set(table["expected_open"]) == {3.0}


def test_under_four_periods_it_refuses_to_guess_and_says_so(make: SimpleNamespace) -> None:
    table = backlog_forecast(weeks(make, *[(1, 2)] * 3, stock=9), periods=2)
    assert (
        table[["expected_open", "low_open", "high_open", "entered_mean", "periods_until_empty"]].isna().all(axis=None)
    )
    assert set(table["note"]) == {"no forecast: it would rest on 3 past periods; 4 are needed"}
    assert set(table["open_now_count"]) == {6}


def test_only_the_last_complete_periods_count(make: SimpleNamespace) -> None:
    flow = weeks(make, (50, 0), *[(1, 2)] * 5, (40, 0), stock=9, end=day(45))
    table = backlog_forecast(flow, 7, history=5, periods=1)
    assert (table["entered_mean"].item(), table["left_mean"].item()) == (1, 2)
    assert table["past_periods_count"].item() == 5
    assert table["expected_open"].item() == 6
    assert table["forecast_time"].item() == day(52), "a whole week after the last moment counted"


def test_what_the_first_look_found_is_no_growth(make: SimpleNamespace) -> None:
    flow = weeks(make, (0, 0), *[(1, 2)] * 4, first_look=100)
    table = backlog_forecast(flow, periods=1)
    assert table["past_periods_count"].item() == 4
    assert table["entered_mean"].item() == 1
    assert table["expected_open"].item() == 95


def test_periods_in_which_nobody_looked_at_the_end_are_not_taken_for_calm_ones(make: SimpleNamespace) -> None:
    changes = [*[(2, 1)] * 4, (0, 0), (0, 0)]
    blind = backlog_forecast(weeks(make, *changes, stock=9), periods=1)
    assert blind["past_periods_count"].item() == 6
    knowing = backlog_forecast(weeks(make, *changes, stock=9, runs=looks(1, 8, 15, 22)), periods=1)
    assert knowing["past_periods_count"].item() == 4
    assert knowing["entered_mean"].item() == 2
    # In the midst such a week counts: the audit after it told of both.
    gap = [(2, 1), (2, 1), (0, 0), (4, 2), (2, 1)]
    inside = backlog_forecast(weeks(make, *gap, stock=9, runs=looks(1, 8, 22, 29)), periods=1)
    assert (inside["past_periods_count"].item(), inside["entered_mean"].item()) == (5, 2)


def test_months_are_counted_by_the_calendar(make: SimpleNamespace) -> None:
    made = make.episodes(make.an_episode("p", first=day(-100)))
    flow = problem_flow(
        made, start=datetime(2025, 9, 1, tzinfo=UTC), end=datetime(2026, 1, 31, tzinfo=UTC), period="month"
    )
    times = backlog_forecast(flow, periods=2)["forecast_time"].tolist()
    assert times == [datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)]


def test_no_flow_gives_the_typed_empty_table() -> None:
    assert_frame_equal(backlog_forecast(PROBLEM_FLOW.empty(), 5), BACKLOG_FORECAST.empty())


def test_an_empty_backlog_is_empty_now(make: SimpleNamespace) -> None:
    assert set(backlog_forecast(weeks(make, *[(1, 1)] * 5), 0)["periods_until_empty"]) == {0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"periods": 0}, "periods is 0; allowed: 1 to 1000"),
        ({"history": 3}, "history is 3; allowed: 4 or more"),
        ({"open_now": -1}, "open_now is -1; allowed: 0 or more"),
    ],
)
def test_numbers_out_of_bounds_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        backlog_forecast(PROBLEM_FLOW.empty(), **options)
    with pytest.raises(TableSchemaError, match="problem_flow: missing columns: new_count"):
        backlog_forecast(PROBLEM_FLOW.empty().drop(columns="new_count"))
