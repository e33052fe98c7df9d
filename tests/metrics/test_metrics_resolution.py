"""Time to resolve: a curve worked out by hand, and a slow one in whole fractions over random episodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError, WindowError
from ddreport.metrics import resolution_curve, time_to_resolve
from ddreport.metrics.results_problems import RESOLUTION_CURVE, TIME_TO_RESOLVE, grouped

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def high(table: pd.DataFrame) -> dict[str, Any]:
    (row,) = table[table["severity"] == "HIGH"].to_dict("records")
    return row


def by_hand(make: SimpleNamespace) -> pd.DataFrame:
    """Seven episodes: resolved after 2, 5, 5 and 10 days; another reason after 3; open for 5 and for 12 days."""
    return make.episodes(
        *(make.an_episode(f"r{n}", first=ago(20), resolved=ago(20 - d)) for n, d in enumerate([2, 5, 5, 10])),
        make.an_episode("c", first=ago(20), resolved=ago(17), resolution="REASON_CHANGED"),
        make.an_episode("o1", first=ago(5)),
        make.an_episode("o2", first=ago(12)),
    )


def test_the_curve_is_the_one_worked_out_by_hand(make: SimpleNamespace) -> None:
    curve = resolution_curve(by_hand(make), as_of=NOW)
    assert set(curve["severity"]) == {"HIGH"}
    assert curve["days"].tolist() == [2, 3, 5, 10, 12]
    # All seven; without the one of 2; without the one of 3, of which the two go; the one of 10 beside that of 12.
    assert curve["at_risk_count"].tolist() == [7, 6, 5, 2, 1]
    assert curve["resolved_count"].tolist() == [1, 0, 2, 1, 0]
    assert curve["unresolved_share"].tolist() == pytest.approx([6 / 7, 6 / 7, 6 / 7 * 3 / 5, 18 / 35 / 2, 9 / 35])
    found = high(time_to_resolve(by_hand(make), as_of=NOW))
    assert found["episodes_count"] == 7
    assert found["resolved_count"] == 4
    assert found["reason_changed_count"] == 1
    assert found["still_open_count"] == 2
    assert found["unwatched_count"] == 0
    assert found["median_days"] == 10  # after 5 days 18/35 are left: more than half
    assert pd.isna(found["p90_days"])
    assert found["naive_median_days"] == 5
    assert found["followed_days"] == 12


def test_open_problems_make_the_median_longer_than_the_resolved_ones_alone_tell(make: SimpleNamespace) -> None:
    quick = [make.an_episode(f"q{n}", first=ago(100), resolved=ago(99)) for n in range(4)]
    slow = [make.an_episode(f"s{n}", first=ago(100)) for n in range(5)]
    found = high(time_to_resolve(make.episodes(*quick, *slow), as_of=NOW))
    assert found["naive_median_days"] == 1
    assert pd.isna(found["median_days"])


def test_half_of_them_is_half_also_where_the_product_is_not_exact(make: SimpleNamespace) -> None:
    for count in (10, 14, 22, 30, 46, 98):
        rows = [make.an_episode(f"p{n:03}", first=ago(200), resolved=ago(199 - n)) for n in range(count)]
        found = high(time_to_resolve(make.episodes(*rows), as_of=NOW))
        assert found["median_days"] == count / 2
        assert found["naive_median_days"] == count / 2


def test_who_is_not_watched_any_more_is_followed_until_last_seen(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("gone", first=ago(50), resolved=ago(20)),  # after 30 days
        make.an_episode("off", first=ago(50), last=ago(40)),
        make.an_episode("lost", first=ago(50), last=ago(45)),
        make.an_episode("back", 1, first=ago(50), resolved=ago(49)),
        make.an_episode("back", 2, first=ago(10), last=ago(9)),
        make.an_episode("seen", first=ago(50), last=ago(1)),
    )
    states = make.problems(
        make.a_problem("gone", "RESOLVED"),
        make.a_problem("off", "OUT_OF_SCOPE"),
        make.a_problem("lost", "UNKNOWN"),
        make.a_problem("back", "UNKNOWN"),
        make.a_problem("seen", "OPEN"),
    )
    curve = resolution_curve(made, as_of=NOW, problems=states)
    assert curve["days"].tolist() == [1, 5, 10, 30, 50]
    assert curve["at_risk_count"].tolist() == [6, 4, 3, 2, 1]
    found = high(time_to_resolve(made, as_of=NOW, problems=states))
    assert found["unwatched_count"] == 3
    assert found["still_open_count"] == 4
    assert found["median_days"] == 30
    assert pd.isna(high(time_to_resolve(made, as_of=NOW))["median_days"])


def test_at_an_earlier_moment_later_ends_are_not_known(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=ago(30), resolved=ago(10)),
        make.an_episode("q", first=ago(30), resolved=ago(10), resolution="REASON_CHANGED"),
        make.an_episode("later", first=ago(5)),
    )
    found = high(time_to_resolve(made, as_of=ago(20)))
    assert (found["episodes_count"], found["resolved_count"], found["still_open_count"]) == (2, 0, 2)
    assert found["followed_days"] == 10
    assert high(time_to_resolve(made, as_of=ago(10)))["resolved_count"] == 1


def test_groups_are_as_asked_for_and_every_severity_has_a_row(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=ago(9), resolved=ago(8), account="2"),
        make.an_episode("q", first=ago(9), resolved=ago(2), account="1", is_suppressed=True),
    )
    table = time_to_resolve(made, as_of=NOW)
    assert table["severity"].tolist() == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    assert table["episodes_count"].tolist() == [0, 2, 0, 0]
    assert table["median_days"].isna().tolist() == [True, False, True, True]
    both = time_to_resolve(made, as_of=NOW, by=["severity", "account"])
    assert both[["severity", "account"]].head(4).to_numpy().tolist() == [
        ["CRITICAL", "1"],
        ["CRITICAL", "2"],
        ["HIGH", "1"],
        ["HIGH", "2"],
    ]
    assert both["median_days"].iloc[2:4].tolist() == [7, 1]
    flags = time_to_resolve(made, as_of=NOW, by=["is_suppressed"])
    assert flags["is_suppressed"].tolist() == [False, True]
    assert flags["median_days"].tolist() == [1, 7]
    assert time_to_resolve(made, as_of=NOW, by=[])["episodes_count"].tolist() == [2]


def test_nothing_gives_the_typed_empty_table(make: SimpleNamespace) -> None:
    for made in (make.episodes(), make.episodes(make.an_episode("p", first=NOW + timedelta(days=1)))):
        for by in ([], ["severity"], ["account", "severity"]):
            assert_frame_equal(time_to_resolve(made, as_of=NOW, by=by), grouped(TIME_TO_RESOLVE, by).empty())
            assert_frame_equal(resolution_curve(made, as_of=NOW, by=by), grouped(RESOLUTION_CURVE, by).empty())


def test_wrong_questions_are_refused(make: SimpleNamespace) -> None:
    made = by_hand(make)
    with pytest.raises(ParameterError, match=r"by has 'severty'; allowed: .* Did you mean 'severity'\?"):
        time_to_resolve(made, as_of=NOW, by=["severty"])
    with pytest.raises(ParameterError, match="names a column twice: account, account"):
        time_to_resolve(made, as_of=NOW, by=["account", "account"])
    with pytest.raises(WindowError, match="no time zone"):
        time_to_resolve(made, as_of=datetime(2026, 6, 1))
    with pytest.raises(TableSchemaError, match="episodes: missing columns: resolution"):
        time_to_resolve(made.drop(columns="resolution"), as_of=NOW)


def slow_curve(rows: list[tuple[int, bool]]) -> list[tuple[int, int, int, Fraction]]:
    """Return days, at risk, resolved and share left, by the words of the formula and in whole fractions."""
    share, found = Fraction(1), []
    for time in sorted({days for days, _ in rows}):
        risk = sum(days >= time for days, _ in rows)
        gone = sum(days == time and resolved for days, resolved in rows)
        share *= 1 - Fraction(gone, risk)
        found.append((time, risk, gone, share))
    return found


def slow_quantile(curve: list[tuple[int, int, int, Fraction]], share: Fraction) -> int | None:
    return next((time for time, _, _, left in curve if left <= share), None)


LIVES = st.tuples(st.sampled_from(["CRITICAL", "LOW"]), st.integers(0, 25), st.sampled_from(["gone", "other", "open"]))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(rows=st.lists(LIVES, max_size=40))
def test_the_fast_curve_is_the_slow_one(make: SimpleNamespace, rows: list[tuple[str, int, str]]) -> None:
    made = make.episodes(
        *(
            make.an_episode(f"{n:03}", severity=severity, first=ago(days))
            if end == "open"
            else make.an_episode(
                f"{n:03}",
                severity=severity,
                first=ago(30),
                resolved=ago(30 - days),
                resolution="NOT_REPORTED" if end == "gone" else "REASON_CHANGED",
            )
            for n, (severity, days, end) in enumerate(rows)
        )
    )
    curve = resolution_curve(made, as_of=NOW)
    table = time_to_resolve(made, as_of=NOW)
    for severity in ["CRITICAL", "LOW"] if rows else []:
        own = [(days, end == "gone") for s, days, end in rows if s == severity]
        expected = slow_curve(own)
        fast = curve[curve["severity"] == severity]
        assert list(zip(fast["days"], fast["at_risk_count"], fast["resolved_count"], strict=True)) == [
            e[:3] for e in expected
        ]
        assert fast["unresolved_share"].tolist() == pytest.approx([float(e[3]) for e in expected])
        (row,) = table[table["severity"] == severity].to_dict("records")
        alone = slow_curve([(days, True) for days, gone in own if gone])
        for name, of, share in (
            ("median_days", expected, Fraction(1, 2)),
            ("p90_days", expected, Fraction(1, 10)),
            ("naive_median_days", alone, Fraction(1, 2)),
        ):
            assert (None if pd.isna(row[name]) else row[name]) == slow_quantile(of, share)
        if not pd.isna(row["median_days"]):
            assert row["naive_median_days"] <= row["median_days"]
