"""Two years as the archive tells them, against what the script says: reports, lives, states and counts."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport import history as hs

SCRIPT = sys.modules["story_script"]
LOGGING, EXPIRING, POLICY, SHARED = SCRIPT.LOGGING, SCRIPT.EXPIRING, SCRIPT.POLICY, SCRIPT.SHARED
SOON, PAST = "CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_EXPIRATION"
OFF = "LOGGING_DISABLED"
BROAD = "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"
TWICE = "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES"
at = SCRIPT.at

QUARTERS = [91 * n + 0.5 for n in range(1, 9)]
OTHER_DAYS = [
    0.3,
    14.5,
    23.5,
    62,
    92,
    124,
    176,
    191,
    197,
    201,
    255,
    270,
    282,
    313,
    425,
    430,
    470,
    520,
    533,
    562,
    565,
    600,
]
OTHER_DAYS += [645, 648, 652, 661, 666, 700.5]

pytestmark = pytest.mark.slow


def test_every_pull_had_everything(played: Any) -> None:
    places = len(SCRIPT.STORY.places)
    left_out = sum(p > SCRIPT.WEST.until for p in SCRIPT.STORY.pulls)
    assert len(played.statuses) == places * len(SCRIPT.STORY.pulls) - left_out
    assert {(status.status, tuple(status.problems)) for status in played.statuses} == {("ok", ())}


def test_the_archive_has_every_audit_of_the_script_and_no_other(told: Any, books: Any) -> None:
    places = {p.name: (p.account, p.region) for p in SCRIPT.STORY.places}
    expected = Counter((*places[p.name], at(day), name) for p, day, name, _, _ in books.audits)
    columns = ["account", "region", "task_start_time", "scheduled_audit_name"]
    rows = told.audit_tasks[columns].itertuples(index=False)
    assert Counter(tuple(None if pd.isna(v) else v for v in row) for row in rows) == expected


def test_every_audit_reported_what_was_wrong_then(told: Any, books: Any, named: Any) -> None:
    columns = ["task_start_time", "is_suppressed", "policy_version_id"]
    rows = told.findings[columns].itertuples(index=False)
    found = Counter(
        (*problem, start, suppressed, None if pd.isna(version) else version)
        for problem, (start, suppressed, version) in zip(named(told.findings), rows, strict=True)
    )
    assert found == Counter(
        (*line, *what, at(run.day), suppressed, version)
        for line, runs in books.lines.items()
        for run in runs
        for what, (suppressed, version) in (run.reports or {}).items()
    )


def test_every_run_proves_what_the_script_says(told: Any, books: Any) -> None:
    names = {(p.account, p.region): p.name for p in SCRIPT.STORY.places}
    columns = ["account", "region", "check_name", "task_start_time", "proof"]
    found = {
        (names[account, region], check, start): proof == "FULL"
        for account, region, check, start, proof in told.runs[columns].itertuples(index=False)
    }
    assert found == {
        (*line, at(run.day)): run.reports is not None for line, runs in books.lines.items() for run in runs
    }


def test_every_problem_has_the_life_that_the_script_gave_it(told: Any, books: Any, named: Any) -> None:
    episodes = hs.episodes(told.spans, told.runs)
    columns = ["episode", "first_seen_time", "last_seen_time", "resolved_time"]
    rows = episodes[columns].itertuples(index=False)
    found = {
        (*problem, number): (first, last, None if pd.isna(resolved) else resolved)
        for problem, (number, first, last, resolved) in zip(named(episodes), rows, strict=True)
    }
    assert found == {
        (*problem, number): (at(e.first.day), at(e.last.day), e.resolved_by and at(e.resolved_by.day))
        for problem, own in books.lives().items()
        for number, e in enumerate(own, start=1)
    }


@pytest.mark.parametrize("day", sorted({*QUARTERS, *OTHER_DAYS}))
def test_on_any_day_every_problem_has_the_state_that_an_auditor_would_say(
    told: Any, books: Any, named: Any, day: float
) -> None:
    problems = hs.problems(told.spans, told.runs, as_of=at(day), check_configurations=told.check_configurations)
    assert dict(zip(named(problems), problems["state"], strict=True)) == books.states(day)


def test_the_history_extended_pull_by_pull_is_that_of_the_whole_archive(played: Any, told: Any) -> None:
    assert 0 < played.followed.added_audits_count < 10  # the last pull's alone
    key = ["problem_id", "first_slot"]
    extended, whole = (spans.sort_values(key, ignore_index=True) for spans in (played.followed.spans, told.spans))
    assert_frame_equal(played.followed.runs, told.runs)
    assert_frame_equal(extended, whole)


# The same by hand: a few lives and the balance of each quarter, worked out with pencil and calendar.

NEVER = None
LIVES = {
    # First report, last report, proven gone; one line per episode.
    ("home", LOGGING, SCRIPT.HOME.account, OFF): [
        (42.25, 56.25, 63.25),
        (301.25, 308.25, 312.5),  # proven gone by an audit on demand, before the weekly one
        (504.25, 539.25, 546.25),  # three failed audits in between
    ],
    ("home", EXPIRING, "pump1", SOON): [(70.25, 98.25, 105.25)],
    ("home", EXPIRING, "pump1", PAST): [(105.25, 119.25, 126.25)],
    ("home", EXPIRING, "pump2", SOON): [(371.25, 385.25, 392.25)],
    ("home", EXPIRING, "pump4", SOON): [(252.25, 308.25, 315.25)],  # silent under the laxer threshold in between
    ("home", EXPIRING, "pump4", PAST): [(315.25, 329.25, 336.25)],
    ("home", EXPIRING, "pump5", SOON): [(259.25, 259.25, 651.25)],  # only a threshold as strict as then can tell
    ("home", POLICY, "fleet", BROAD): [(21.25, 77.25, 84.25), (154.25, 224.25, 231.25)],
    ("home", POLICY, "legacy", BROAD): [(0.25, 413.25, 476.25)],  # deleted while nobody looked for nine weeks
    ("home", POLICY, "contractor", BROAD): [(546.25, 693.25, 700.25)],  # through a hundred days without the check
    ("home", SHARED, "pump3", TWICE): [(175.25, 175.25, 182.25), (190.5, 190.5, 250.5)],
    ("west", POLICY, "west-all", BROAD): [(66.25, 388.25, NEVER)],
    ("west", POLICY, "west-temp", BROAD): [(101.25, 129.25, 136.25)],
    ("other", LOGGING, SCRIPT.OTHER.account, OFF): [(0.25, 10.25, 11.25)],
    ("other", EXPIRING, "valve1", SOON): [(0.25, 14.25, 15.25)],
    ("other", EXPIRING, "valve1", PAST): [(15.25, 22.25, 23.25)],
    ("other", EXPIRING, "valve2", SOON): [(709.25, 723.25, NEVER)],
    ("other", EXPIRING, "valve3", SOON): [(191.25, 219.25, 226.25)],
    ("other", EXPIRING, "valve3", PAST): [(226.25, 240.25, 247.25)],
}


def test_the_lives_are_those_worked_out_by_hand(told: Any, named: Any) -> None:
    episodes = hs.episodes(told.spans, told.runs)
    found: dict[Any, list[Any]] = {}
    rows = episodes[["first_seen_time", "last_seen_time", "resolved_time"]].itertuples(index=False)
    for problem, times in zip(named(episodes), rows, strict=True):
        found.setdefault(problem, []).append(tuple(None if pd.isna(t) else t for t in times))
    assert found == {
        problem: [tuple(None if day is None else at(day) for day in days) for days in own]
        for problem, own in LIVES.items()
    }


@pytest.mark.parametrize(
    ("day", "balance"),
    [
        # OPEN holds every state in which the latest look found it, suppressed or not.
        (91.5, {"OPEN": 3, "RESOLVED": 5}),
        (182.5, {"OPEN": 3, "RESOLVED": 8}),
        (273.5, {"OPEN": 2, "OUT_OF_SCOPE": 2, "RESOLVED": 11}),
        (364.5, {"OPEN": 2, "OUT_OF_SCOPE": 1, "RESOLVED": 13}),
        (455.5, {"UNKNOWN": 2, "OUT_OF_SCOPE": 1, "RESOLVED": 14}),
        (546.5, {"OPEN": 1, "UNKNOWN": 1, "OUT_OF_SCOPE": 1, "RESOLVED": 15}),
        (637.5, {"UNKNOWN": 1, "OUT_OF_SCOPE": 2, "RESOLVED": 15}),
        (728.5, {"OPEN": 1, "UNKNOWN": 1, "RESOLVED": 17}),
    ],
)
def test_the_balance_of_each_quarter_is_that_worked_out_by_hand(told: Any, day: float, balance: Any) -> None:
    problems = hs.problems(told.spans, told.runs, as_of=at(day), check_configurations=told.check_configurations)
    found = Counter("OPEN" if hs.ProblemState(s).is_open else s for s in problems["state"])
    assert found == balance
