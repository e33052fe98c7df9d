"""Due times: the policy, the list of what is due, and what was met, by hand-counted problems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError, WindowError
from ddreport.metrics import SlaPolicy, sla, sla_summary
from ddreport.metrics.results_problems import SLA, SLA_SUMMARY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_the_policy_has_defaults_and_takes_parts() -> None:
    assert dict(SlaPolicy().days) == {"CRITICAL": 7, "HIGH": 30, "MEDIUM": 90, "LOW": 180}
    assert dict(SlaPolicy({"HIGH": 14}).days) == {"CRITICAL": 7, "HIGH": 14, "MEDIUM": 90, "LOW": 180}
    assert SlaPolicy.parse(" critical=3, High = 0.5") == SlaPolicy({"CRITICAL": 3, "HIGH": 0.5})
    assert hash(SlaPolicy.parse("critical=7")) == hash(SlaPolicy())
    assert SlaPolicy.parse(str(SlaPolicy({"LOW": 12.5}))) == SlaPolicy({"LOW": 12.5})
    assert SlaPolicy({"LOW": 1}) != SlaPolicy()


def test_a_policy_cannot_be_changed() -> None:
    given = {"CRITICAL": 3}
    policy = SlaPolicy(given)
    given["CRITICAL"] = 300
    assert policy.days["CRITICAL"] == 3
    with pytest.raises(TypeError):
        policy.days["CRITICAL"] = 300  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' in '' is no severity with its days. Hint: write it as critical=3,high=14."),
        ("critical", "'critical' in 'critical' is no severity with its days."),
        ("critical=", "'critical=' in 'critical=' is no severity with its days."),
        ("critical=3,,high=4", "'' in 'critical=3,,high=4' is no severity"),
        ("critical=soon", "'critical=soon' in"),
        ("critical=nan", "'critical=nan' in"),
        ("critcal=3", "'critcal' is no severity; allowed: CRITICAL, HIGH, MEDIUM, LOW. Did you mean 'CRITICAL'?"),
        ("low=3,LOW=4", "LOW stands twice in 'low=3,LOW=4'."),
        ("low=0", "the time to resolve LOW is 0 days; allowed: more than 0, at most 36500."),
        ("low=-1", "the time to resolve LOW is -1 days"),
        ("low=inf", "the time to resolve LOW is inf days"),
        ("low=1e9", "the time to resolve LOW is 1000000000 days"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_what_can(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        SlaPolicy.parse(text)
    assert message in str(refusal.value)


@pytest.mark.parametrize("days", [{"HIGH": True}, {"HIGH": "3"}, {"HIGH": None}, {"high": 3}])
def test_days_of_a_wrong_kind_are_refused(days: Any) -> None:
    with pytest.raises(ParameterError, match="allowed:"):
        SlaPolicy(days)


def test_due_soon_is_the_last_fifth_but_three_days_and_no_more_than_half() -> None:
    policy = SlaPolicy({"CRITICAL": 2, "HIGH": 7, "MEDIUM": 30, "LOW": 180})
    assert [policy.warning_days(s) for s in policy.days] == [1, 3, 6, 36]


def test_the_status_follows_from_due_time_moment_and_suppression(make: SimpleNamespace) -> None:
    table = sla(
        make.problems(
            make.a_problem("in the last moment", "OPEN", opened=ago(30)),
            make.a_problem("too late", "OPEN", opened=ago(30) - INSTANT),
            make.a_problem("soon", "NEW", opened=ago(24)),
            make.a_problem("not so soon", "REOPENED", opened=ago(24) + INSTANT),
            make.a_problem("accepted", "SUPPRESSED", opened=ago(300)),
            make.a_problem("gone", "RESOLVED", opened=ago(300)),
            make.a_problem("critical", "OPEN", opened=ago(8), severity="CRITICAL"),
        ),
        as_of=NOW,
    ).set_index("problem_id")
    assert table["status"].to_dict() == {
        "accepted": "ACCEPTED",
        "critical": "BREACHED",
        "too late": "BREACHED",
        "in the last moment": "DUE_SOON",
        "soon": "DUE_SOON",
        "not so soon": "WITHIN",
    }
    assert table.index.tolist() == list(table.sort_values("due_time").index)
    assert table.loc["soon", "due_time"] == NOW + timedelta(days=6)
    assert table["days_left"].round(6).to_dict()["critical"] == -1
    assert table.loc["in the last moment", "days_left"] == 0


def test_what_nobody_can_see_goes_on_being_due_and_says_so(make: SimpleNamespace) -> None:
    table = sla(
        make.problems(
            make.a_problem("a", "UNKNOWN", opened=ago(31)),
            make.a_problem("b", "OUT_OF_SCOPE", opened=ago(31)),
            make.a_problem("c", "UNKNOWN", opened=ago(31), known_state="SUPPRESSED", is_suppressed=True),
            make.a_problem("d", "OPEN", opened=ago(31)),
        ),
        as_of=NOW,
    )
    assert table["status"].tolist() == ["BREACHED", "BREACHED", "ACCEPTED", "BREACHED"]
    assert table["certainty"].tolist() == ["UNKNOWN", "UNKNOWN", "UNKNOWN", "KNOWN"]


def test_a_table_of_a_later_moment_is_refused(make: SimpleNamespace) -> None:
    made = make.problems(make.a_problem("a", opened=NOW + INSTANT), make.a_problem("b", opened=NOW))
    with pytest.raises(WindowError, match="1 of 2 problems were opened after 2026-06-01"):
        sla(made, as_of=NOW)
    with pytest.raises(WindowError, match="no time zone"):
        sla(made, as_of=datetime(2026, 6, 1))
    with pytest.raises(TableSchemaError, match="problems: missing columns: opened_time"):
        sla(made.drop(columns="opened_time"), as_of=NOW)


def high(table: pd.DataFrame) -> dict[str, Any]:
    (row,) = table[table["severity"] == "HIGH"].to_dict("records")
    return row


def test_every_episode_due_in_the_window_is_met_breached_accepted_changed_or_pending(make: SimpleNamespace) -> None:
    # Window: due from 40 to 0 days ago; HIGH has 30 days, so first seen from 70 to 30 days ago.
    first = ago(60)  # due 30 days ago
    made = make.episodes(
        make.an_episode("on the day", first=first, resolved=ago(30)),
        make.an_episode("late", first=first, resolved=ago(30) + INSTANT),
        make.an_episode("open", first=first),
        make.an_episode("nobody looks", first=first),
        make.an_episode("changed in time", first=first, resolved=ago(40), resolution="REASON_CHANGED"),
        make.an_episode("changed late", first=first, resolved=ago(20), resolution="REASON_CHANGED"),
        make.an_episode("accepted", first=first, is_suppressed=True),
        make.an_episode("accepted and gone", first=first, resolved=ago(50), is_suppressed=True),
        make.an_episode("first in", first=ago(70), resolved=ago(69)),
        make.an_episode("before", first=ago(70) - INSTANT),
        make.an_episode("after", first=ago(30)),
    )
    states = make.problems(
        make.a_problem("open", "OPEN", opened=first),
        make.a_problem("nobody looks", "OUT_OF_SCOPE", opened=first),
        make.a_problem("accepted", "SUPPRESSED", opened=first),
        make.a_problem("before", "UNKNOWN", opened=ago(70) - INSTANT),
        make.a_problem("after", "OPEN", opened=ago(30)),
    )
    table = sla_summary(made, states, start=ago(40), end=NOW)
    assert table["severity"].tolist() == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    assert table["allowed_days"].tolist() == [7, 30, 90, 180]
    row = high(table)
    assert (row["met_count"], row["breached_count"], row["due_count"]) == (2, 4, 6)
    assert row["met_rate"] == pytest.approx(2 / 6)
    assert row["breached_unknown_count"] == 1
    assert (row["accepted_count"], row["accepted_met_count"]) == (2, 1)
    assert row["strict_met_rate"] == pytest.approx(3 / 8)
    assert row["reason_changed_count"] == 1
    assert row["pending_count"] == 0
    assert (row["open_breached_count"], row["open_breached_unknown_count"]) == (3, 2)
    assert row["oldest_breach_time"] == ago(40) - INSTANT
    assert row["oldest_breach_days"] == pytest.approx(40)
    empty = table[table["severity"] != "HIGH"]
    assert (empty[["due_count", "met_count", "open_breached_count"]] == 0).all(axis=None)
    assert empty[["met_rate", "strict_met_rate", "oldest_breach_days"]].isna().all(axis=None)


def test_what_falls_due_after_the_moment_is_pending_and_no_breach(make: SimpleNamespace) -> None:
    made = make.episodes(
        make.an_episode("p", first=ago(20)),
        make.an_episode("gone", first=ago(20), resolved=ago(10)),
        make.an_episode("not gone yet", first=ago(20), resolved=NOW + timedelta(days=1)),
        make.an_episode("not there yet", first=NOW + timedelta(days=1)),
    )
    states = make.problems(make.a_problem("p", opened=ago(20)), make.a_problem("not gone yet", opened=ago(20)))
    row = high(sla_summary(made, states, start=ago(1), end=NOW + timedelta(days=60), as_of=NOW))
    assert (row["pending_count"], row["met_count"], row["breached_count"]) == (2, 1, 0)
    assert row["met_rate"] == 1.0


def test_a_stricter_policy_moves_due_times(make: SimpleNamespace) -> None:
    made = make.episodes(make.an_episode("p", first=ago(60), resolved=ago(50)))
    for text, met in (("high=10", 1), ("high=9", 0)):
        policy = SlaPolicy.parse(text)
        row = high(sla_summary(made, make.problems(), start=ago(100), end=NOW, policy=policy))
        assert (row["due_count"], row["met_count"]) == (1, met)


def test_nothing_gives_the_typed_empty_tables(make: SimpleNamespace) -> None:
    assert_frame_equal(sla(make.problems(), as_of=NOW), SLA.empty())
    assert_frame_equal(sla(make.problems(make.a_problem("p", "RESOLVED")), as_of=NOW), SLA.empty())
    assert_frame_equal(sla_summary(make.episodes(), make.problems(), start=ago(7), end=NOW), SLA_SUMMARY.empty())


def test_a_reversed_window_is_refused(make: SimpleNamespace) -> None:
    with pytest.raises(WindowError, match="must end later"):
        sla_summary(make.episodes(), make.problems(), start=NOW, end=ago(7))
