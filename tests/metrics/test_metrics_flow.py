"""What came and went per period, by hand-counted episodes and by whole histories of audits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError, WindowError
from ddreport.history import CHECK_RUNS, EPISODES, check_runs, problems, spans
from ddreport.history import episodes as history_episodes
from ddreport.metrics import problem_flow
from ddreport.metrics.results_problems import PROBLEM_FLOW

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
COUNTS = [c.name for c in PROBLEM_FLOW.columns if c.name.endswith("_count") and c.name != "full_runs_count"]


def day(number: float) -> datetime:
    return MONDAY + timedelta(days=number)


def total(table: pd.DataFrame, column: str) -> list[int]:
    """Return a column summed over accounts and severities, period by period."""
    return table.groupby("period_start_time")[column].sum().tolist()


def test_each_event_counts_in_the_period_of_the_audit_that_proves_it(make: SimpleNamespace) -> None:
    table = problem_flow(
        make.episodes(
            make.an_episode("p", first=day(1), resolved=day(8)),
            make.an_episode("p", 2, first=day(9)),
            make.an_episode("q", first=day(6.999), resolved=day(15), resolution="REASON_CHANGED"),
        ),
        start=day(0),
        end=day(21),
    )
    assert table["severity"].tolist() == ["CRITICAL", "HIGH", "MEDIUM", "LOW"] * 3
    assert (table.loc[table["severity"] != "HIGH", COUNTS] == 0).all(axis=None)
    high = table[table["severity"] == "HIGH"]
    assert high["period_start_time"].tolist() == [day(0), day(7), day(14)]
    assert high["new_count"].tolist() == [2, 0, 0]
    assert high["reopened_count"].tolist() == [0, 1, 0]
    assert high["resolved_count"].tolist() == [0, 1, 0]
    assert high["reason_changed_count"].tolist() == [0, 0, 1]
    assert high["net_count"].tolist() == [2, 0, -1]
    assert high["open_count"].tolist() == [2, 2, 1]
    assert high["is_complete"].all()


def test_a_window_that_cuts_periods_counts_only_what_lies_in_it_and_says_so(make: SimpleNamespace) -> None:
    made = make.episodes(*(make.an_episode(f"p{n}", first=day(n)) for n in range(14)))
    table = problem_flow(made, start=day(3), end=day(10))
    assert total(table, "new_count") == [4, 3]
    assert total(table, "open_count") == [7, 10]
    assert table["period_start_time"].drop_duplicates().tolist() == [day(0), day(7)]
    assert table["period_end_time"].drop_duplicates().tolist() == [day(7), day(14)]
    assert table["counted_until_time"].drop_duplicates().tolist() == [day(7), day(10)]
    assert not table["is_complete"].any()


def test_days_and_months_follow_the_calendar_of_utc_whatever_the_zone_of_the_window(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=datetime(2026, 2, 28, 23, 59, tzinfo=UTC)),
        make.an_episode("q", first=datetime(2026, 3, 1, tzinfo=UTC)),
    )
    zone = timezone(timedelta(hours=5))
    start, end = datetime(2026, 2, 1, 5, tzinfo=zone), datetime(2026, 4, 1, 5, tzinfo=zone)
    months = problem_flow(made, start=start, end=end, period="month")
    assert months["period_start_time"].drop_duplicates().tolist() == [
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    ]
    assert total(months, "new_count") == [1, 1]
    assert months["is_complete"].all()
    days = problem_flow(made, start=start, end=end, period="day")
    assert days["period_start_time"].nunique() == 59
    assert total(days, "new_count") == [0] * 27 + [1, 1] + [0] * 30


def test_what_stood_open_before_the_window_is_open_in_it_and_not_new(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=day(-30)),
        make.an_episode("q", first=day(-30), resolved=day(-1)),
        make.an_episode("r", first=day(-30), resolved=day(0)),
    )
    table = problem_flow(made, start=day(0), end=day(7))
    assert total(table, "new_count") == [0]
    assert total(table, "resolved_count") == [1]
    assert total(table, "open_count") == [1]


def test_suppression_is_no_resolution_and_is_counted_beside(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=day(1), is_suppressed=True),
        make.an_episode("q", first=day(1), resolved=day(2), is_suppressed=True),
        make.an_episode("r", first=day(1)),
    )
    table = problem_flow(made, start=day(0), end=day(7))
    assert total(table, "new_count") == [3]
    assert total(table, "open_count") == [2]
    assert total(table, "suppressed_new_count") == [2]
    assert total(table, "suppressed_resolved_count") == [1]
    assert total(table, "suppressed_net_count") == [1]
    assert total(table, "suppressed_open_count") == [1]


def test_what_the_first_look_found_is_marked_since_it_may_be_older(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=day(1), absent=None),
        make.an_episode("q", first=day(1), absent=day(0)),
    )
    table = problem_flow(made, start=day(0), end=day(7))
    assert total(table, "new_count") == [2]
    assert total(table, "found_at_first_look_count") == [1]


def test_accounts_and_regions_are_counted_apart_and_in_order(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=day(1), account="2"),
        make.an_episode("q", first=day(1), account="1", region="us-east-1"),
        make.an_episode("r", first=day(1), account="1", region="eu-west-1"),
    )
    table = problem_flow(made, start=day(0), end=day(14))
    places = table[["account", "region"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(places) == [("1", "eu-west-1"), ("1", "us-east-1"), ("2", "eu-west-1")]
    assert len(table) == 3 * 2 * 4


def test_nothing_gives_the_typed_empty_table(make: SimpleNamespace) -> None:
    for runs in (None, CHECK_RUNS.empty()):
        assert_frame_equal(problem_flow(make.episodes(), start=day(0), end=day(7), runs=runs), PROBLEM_FLOW.empty())


def test_wrong_questions_are_refused_with_what_is_allowed(make: SimpleNamespace) -> None:
    made = make.episodes(make.an_episode("p", first=day(1)))
    with pytest.raises(ParameterError, match=r"period is 'weeks'; allowed: day, week, month\. Did you mean 'week'\?"):
        problem_flow(made, start=day(0), end=day(7), period="weeks")
    with pytest.raises(WindowError, match="must end later"):
        problem_flow(made, start=day(7), end=day(7))
    with pytest.raises(WindowError, match=r"start .* has no time zone"):
        problem_flow(made, start=datetime(2026, 3, 2), end=day(7))
    with pytest.raises(WindowError, match="more than 10000 periods of a day"):
        problem_flow(made, start=datetime(1900, 1, 1, tzinfo=UTC), end=day(7), period="day")
    with pytest.raises(TableSchemaError, match="episodes: missing columns: first_seen_time"):
        problem_flow(made.drop(columns="first_seen_time"), start=day(0), end=day(7))


EVENTS = st.tuples(
    st.sampled_from(["1", "2"]),
    st.sampled_from(["CRITICAL", "HIGH", "MEDIUM", "LOW"]),
    st.integers(1, 3),
    st.integers(-40, 80),
    st.none() | st.integers(0, 60),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    rows=st.lists(EVENTS, max_size=25),
    start=st.integers(-20, 20),
    length=st.integers(1, 70),
    period=st.sampled_from(["day", "week", "month"]),
)
def test_every_count_is_the_one_of_an_obvious_loop(
    make: SimpleNamespace, rows: list[Any], start: int, length: int, period: Any
) -> None:
    made = make.episodes(
        *(
            make.an_episode(
                f"{number:04}",
                episode,
                account=account,
                severity=severity,
                first=day(first / 2),
                resolved=None if lasted is None else day((first + lasted) / 2),
                resolution=None if lasted is None else "REASON_CHANGED" if changed else "NOT_REPORTED",
                is_suppressed=suppressed,
                absent=None if unseen else day(first / 2 - 1),
            )
            for number, (account, severity, episode, first, lasted, suppressed, changed, unseen) in enumerate(rows)
        )
    )
    begin, end = day(start / 2), day((start + length) / 2)
    table = problem_flow(made, start=begin, end=end, period=period)
    if rows:
        assert len(table) == made["account"].nunique() * table["period_start_time"].nunique() * 4
    seen = dict.fromkeys(COUNTS, 0)
    for row in table.to_dict("records"):
        own = made[(made["account"] == row["account"]) & (made["severity"] == row["severity"])]
        low, high = max(row["period_start_time"], begin), min(row["period_end_time"], end)
        for prefix, chosen in (("", own), ("suppressed_", own[own["is_suppressed"]])):
            came = [e for e in chosen.itertuples() if low <= e.first_seen_time < high]
            went = [e for e in chosen.itertuples() if low <= e.resolved_time < high]
            left = [
                e
                for e in chosen.itertuples()
                if e.first_seen_time < high and (pd.isna(e.resolved_time) or e.resolved_time >= high)
            ]
            expected = {
                "new_count": sum(e.episode == 1 for e in came),
                "reopened_count": sum(e.episode > 1 for e in came),
                "resolved_count": sum(e.resolution == "NOT_REPORTED" for e in went),
                "reason_changed_count": sum(e.resolution == "REASON_CHANGED" for e in went),
                "net_count": len(came) - len(went),
                "open_count": len(left),
            }
            if not prefix:
                expected["found_at_first_look_count"] = sum(e.episode == 1 and pd.isna(e.absent_time) for e in came)
            assert {prefix + k: v for k, v in expected.items()} == {prefix + k: row[prefix + k] for k in expected}
        for name in COUNTS:
            seen[name] += row[name]
    inside = made[(made["first_seen_time"] >= begin) & (made["first_seen_time"] < end)]
    assert seen["new_count"] + seen["reopened_count"] == len(inside)


def history_of(make: SimpleNamespace, audits: dict[float, dict[str, str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs and spans of audits, by day: for each check, in letters, what it reports; `ok` for nothing."""
    checks, findings = [], []
    for number, own in audits.items():
        for name, resources in own.items():
            bad = "" if resources == "ok" else resources
            checks.append(make.a_check(number, name, "bad" if bad else "ok", non_compliant_resources_count=len(bad)))
            findings += [make.a_finding(number, name, resource) for resource in bad]
    found = make.findings(*findings)
    runs = check_runs(make.audits(*map(make.an_audit, audits)), make.checks(*checks), found)
    return runs, spans(found, runs)


def flow_of(make: SimpleNamespace, audits: dict[float, dict[str, str]], **options: Any) -> pd.DataFrame:
    runs, seen = history_of(make, audits)
    return problem_flow(history_episodes(seen, runs), start=MONDAY, end=day(28), runs=runs, **options)


def test_regression_partial_runs_on_one_day_counted_as_a_drop(make: SimpleNamespace) -> None:
    whole = {make.expiring: "pqr", make.logging: "x"}
    # On the third day one audit has only the first check, a second one only the other.
    audits = {0: whole, 1: whole, 2: {make.expiring: "pqr"}, 2.25: {make.logging: "x"}, 3: whole}
    table = flow_of(make, audits, period="day")
    assert total(table, "open_count")[:4] == [4, 4, 4, 4]
    assert total(table, "resolved_count") == [0] * 28
    assert total(table, "reopened_count") == [0] * 28


def test_regression_a_fully_clean_audit_that_closes_nothing(make: SimpleNamespace) -> None:
    table = flow_of(make, {0: {make.expiring: "pqr"}, 7: {make.expiring: "ok"}})
    assert total(table, "resolved_count") == [0, 3, 0, 0]
    assert total(table, "open_count") == [3, 0, 0, 0]


def test_weeks_without_audits_are_told_from_weeks_without_events(make: SimpleNamespace) -> None:
    table = flow_of(make, {0: {make.expiring: "pq"}, 7: {make.expiring: "pq", make.logging: "ok"}, 21: {}})
    assert total(table, "net_count") == [2, 0, 0, 0]
    assert table.groupby("period_start_time")["full_runs_count"].first().tolist() == [1, 2, 0, 0]


def test_a_place_where_audits_found_nothing_has_rows_of_zeros(make: SimpleNamespace) -> None:
    table = flow_of(make, {0: {make.logging: "ok"}})
    assert len(table) == 4 * 4
    assert (table[COUNTS] == 0).all(axis=None)
    assert table["full_runs_count"].tolist() == [1] * 4 + [0] * 12


def test_text_severities_are_read_like_typed_ones(make: SimpleNamespace) -> None:
    made = make.episodes(make.an_episode("p", first=day(1), severity="LOW"))
    plain = made.assign(severity=made["severity"].astype("str"))
    assert_frame_equal(problem_flow(plain, start=day(0), end=day(7)), problem_flow(made, start=day(0), end=day(7)))
    assert plain["severity"].dtype == "str", "the caller's table stays as it was"
    assert np.array_equal(made.columns, EPISODES.column_names)


def test_what_is_left_at_the_end_is_what_the_problems_say_is_not_resolved(make: SimpleNamespace) -> None:
    audits = {
        0: {make.expiring: "pqr", make.logging: "x"},
        7: {make.expiring: "qrs", make.logging: "ok"},
        14: {make.expiring: "p"},
        21: {make.expiring: "pq", make.logging: "x"},
    }
    table = flow_of(make, audits)
    assert total(table, "new_count") == [4, 1, 0, 0]
    assert total(table, "found_at_first_look_count") == [4, 0, 0, 0]
    assert total(table, "reopened_count") == [0, 0, 1, 2]
    assert total(table, "resolved_count") == [0, 2, 3, 0]
    assert total(table, "open_count") == [4, 3, 1, 3]
    runs, seen = history_of(make, audits)
    for number, left in enumerate([4, 3, 1, 3]):
        states = problems(seen, runs, as_of=day(7 * number + 6.999))
        assert (states["state"] != "RESOLVED").sum() == left
