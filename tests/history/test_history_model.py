"""The fast way equals the slow and obvious one, over random histories."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ddreport import history as hs

HISTORIES = sys.modules["history_histories"]
MODEL = sys.modules["history_reference_model"]

# A history is large, so that few of them meet many cases, and too large to be made smaller in bearable time.
MANY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEWER = settings(MANY, max_examples=10)


def runs_of(t: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return hs.check_runs(
        t["audit_tasks"],
        t["checks"],
        t["findings"],
        check_configurations=t["check_configurations"],
        observations=t["observations"],
    )


def expected_episodes(history: dict[str, Any], as_of: Any = None) -> set[tuple[Any, ...]]:
    return {
        (
            MODEL.problem_id(*problem),
            number,
            episode.absent,
            episode.first.start,
            episode.first.audit,
            episode.last.start,
            episode.last.audit,
            episode.resolved_by and episode.resolved_by.audit,
            episode.resolution,
            episode.attributes["is_suppressed"],
            episode.attributes["policy_version_id"],
        )
        for problem, own in MODEL.lives(history, as_of=as_of).items()
        for number, episode in enumerate(own, start=1)
    }


def found_episodes(table: pd.DataFrame) -> set[tuple[Any, ...]]:
    columns = ["problem_id", "episode", "absent_time", "first_seen_time", "first_seen_audit_task_id"]
    columns += ["last_seen_time", "last_seen_audit_task_id", "resolved_audit_task_id", "resolution"]
    rows = table[[*columns, "is_suppressed", "policy_version_id"]]
    return {tuple(None if pd.isna(v) else v for v in row) for row in rows.itertuples(index=False, name=None)}


@MANY
@given(history=HISTORIES.histories())
def test_episodes_equal_those_of_the_model(history: dict[str, Any]) -> None:
    t = HISTORIES.tables(history)
    runs = runs_of(t)
    found = hs.episodes(hs.spans(t["findings"], runs), runs)
    assert found_episodes(found) == expected_episodes(history)


@MANY
@given(history=HISTORIES.histories(), hour=st.integers(-1, 24 * 40))
def test_problems_at_any_moment_equal_those_of_the_model(history: dict[str, Any], hour: int) -> None:
    as_of = HISTORIES.START + timedelta(hours=hour)
    t = HISTORIES.tables(history)
    runs = runs_of(t)
    spans = hs.spans(t["findings"], runs)
    found = hs.problems(spans, runs, as_of=as_of, check_configurations=t["check_configurations"])
    lives = MODEL.lives(history, as_of=as_of)
    assert {(r.problem_id, r.state, r.known_state, r.reopened_count) for r in found.itertuples()} == {
        (
            MODEL.problem_id(*problem),
            MODEL.state(history, problem, own, as_of),
            MODEL.known_state(own),
            len(own) - 1,
        )
        for problem, own in lives.items()
    }
    assert found_episodes(hs.episodes(spans, runs, as_of=as_of)) == expected_episodes(history, as_of)
    assert (found["state_note"].notna() == found["state"].isin(["UNKNOWN", "OUT_OF_SCOPE"])).all()


@FEWER
@given(history=HISTORIES.histories(), share=st.floats(0, 1))
def test_adding_later_audits_gives_the_same_as_all_at_once(history: dict[str, Any], share: float) -> None:
    t = HISTORIES.tables(history)
    runs = runs_of(t)
    times = sorted(t["findings"]["task_start_time"].unique())
    cut = times[int(share * (len(times) - 1))] if times else None
    early = t["findings"]["task_start_time"] <= cut if times else slice(0)
    late = ~early if times else slice(0)
    known = hs.spans(t["findings"][early], runs)
    extended = hs.extend_spans(known, t["findings"][late], runs)
    order = ["problem_id", "first_slot"]
    assert_frame_equal(
        extended.sort_values(order, ignore_index=True),
        hs.spans(t["findings"], runs).sort_values(order, ignore_index=True),
    )


@FEWER
@given(history=HISTORIES.histories(), seed=st.integers(0, 9))
def test_neither_the_order_of_arrival_nor_a_second_arrival_changes_anything(history: dict[str, Any], seed: int) -> None:
    t = HISTORIES.tables(history)
    mixed = {name: table.sample(frac=1, random_state=seed) for name, table in t.items()}
    doubled = {name: pd.concat([mixed[name], t[name]]) for name in ("audit_tasks", "checks", "findings")}
    runs = runs_of(t)
    assert_frame_equal(runs_of({**mixed, "audit_tasks": doubled["audit_tasks"], "checks": doubled["checks"]}), runs)
    spans = hs.spans(t["findings"], runs)
    assert_frame_equal(hs.spans(mixed["findings"], runs), spans)
    assert_frame_equal(hs.spans(doubled["findings"], runs), spans)


@FEWER
@given(history=HISTORIES.histories(), hours=st.lists(st.integers(-1, 24 * 40), min_size=1, max_size=3, unique=True))
def test_counts_over_time_are_those_of_the_problems_at_each_moment(history: dict[str, Any], hours: list[int]) -> None:
    t = HISTORIES.tables(history)
    runs = runs_of(t)
    spans = hs.spans(t["findings"], runs)
    states = t["check_configurations"]
    moments = [HISTORIES.START + timedelta(hours=h) for h in hours]
    counts = hs.state_counts(spans, runs, moments, check_configurations=states)
    key = ["as_of_time", "account", "region", "check_name", "severity", "state"]
    tables = [hs.problems(spans, runs, as_of=m, check_configurations=states).assign(as_of_time=m) for m in moments]
    expected = pd.concat(tables).groupby(key, observed=True).size()
    assert {tuple(row[:-1]): row[-1] for row in counts.itertuples(index=False, name=None)} == expected.to_dict()
