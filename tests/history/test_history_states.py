"""States at any moment, overdue checks and suppressions: the rows of docs/lifecycle.md."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest

LITERAL = sys.modules["history_literal"]
LOGGING = LITERAL.LOGGING
POLICY = LITERAL.POLICY
Told = LITERAL.Told
day = LITERAL.day
report = LITERAL.report
SUPPRESSED = {"is_suppressed": True}


def test_each_state_in_one_life() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(3, {LOGGING: "failed"})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: ["r1"]})
    told.configuration(5.5, {LOGGING: False})
    assert told.states_of([0, 1, 2, 3, 4, 5, 5.5]) == [
        "NEW",
        "OPEN",
        "SUPPRESSED",
        "UNKNOWN",
        "RESOLVED",
        "REOPENED",
        "OUT_OF_SCOPE",
    ]
    assert [told.problem(at)["known_state"] for at in (3, 5.5)] == ["SUPPRESSED", "REOPENED"]


def test_only_audits_that_began_by_then_count() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    assert told.problems(-0.001).empty
    assert told.states_of([0, 0.999, 1]) == ["NEW", "NEW", "RESOLVED"]


def test_a_check_switched_off_is_out_of_scope_until_it_runs_again() -> None:
    told = Told()
    told.configuration(-1, {LOGGING: True})
    told.audit(0, {LOGGING: ["r1"]})
    told.configuration(1, {LOGGING: False})
    told.configuration(100, {LOGGING: True})
    told.audit(101, {LOGGING: ["r1"]})
    assert told.states_of([0.9, 1, 50, 101]) == ["NEW", "OUT_OF_SCOPE", "OUT_OF_SCOPE", "OPEN"]
    assert "2026-03-03 09:15 UTC" in told.problem(50)["state_note"]
    assert told.states_of([100.5]) == ["UNKNOWN"]  # on again, but nobody has looked for a hundred days


def test_a_run_after_the_last_look_shows_that_the_check_was_on_again() -> None:
    told = Told()
    told.configuration(-1, {LOGGING: False})
    told.audit(0, {LOGGING: ["r1"]})
    assert told.states_of([0]) == ["NEW"]


def test_a_check_that_failed_because_it_was_switched_off_is_out_of_scope() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"check_run_status": "FAILED", "error_code": "AUDIT_CHECK_DISABLED"}})
    assert told.states_of([1]) == ["OUT_OF_SCOPE"]


def test_audit_switched_off_altogether_puts_everything_out_of_scope() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.configuration(1, {LOGGING: False, POLICY: False})
    assert list(told.problems(1)["state"]) == ["OUT_OF_SCOPE"] * 2


def test_resolved_comes_before_everything_else() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: "failed"})
    told.configuration(3, {LOGGING: False})
    assert told.states_of([2, 3, 400]) == ["RESOLVED"] * 3


def test_out_of_scope_comes_before_unknown_and_suppressed() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(1, {LOGGING: "failed"})
    told.configuration(2, {LOGGING: False})
    assert told.states_of([0, 1, 2, 300]) == ["SUPPRESSED", "UNKNOWN", "OUT_OF_SCOPE", "OUT_OF_SCOPE"]


def test_suppressed_comes_before_new_and_reopened() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    assert told.states_of([0, 1, 2]) == ["SUPPRESSED", "RESOLVED", "SUPPRESSED"]


# Overdue

MICROSECOND = timedelta(microseconds=1) / timedelta(days=1)


@pytest.mark.parametrize(
    ("runs", "step"),
    [
        ([0], 31),
        ([0, 0.2, 0.4], 31),  # one day counts once
        ([0, 1, 2, 3], 1),
        ([0, 7, 14, 21], 7),
        ([0, 30, 61, 91], 30),
        ([0, 1, 2, 9], 1),  # the median of 1, 1, 7
        ([0, 1], 1),
        ([*range(0, 140, 7), *range(134, 142)], 1),  # only the last eight steps count
    ],
)
def test_a_run_is_overdue_when_more_than_twice_the_usual_step_has_passed(runs: list[float], step: float) -> None:
    told = Told()
    for number, at in enumerate(runs):
        told.audit(at, {LOGGING: ["r1"]}, audit_id=f"a{number:03}")
    boundary = max(runs) + 2 * step
    assert told.states_of([boundary])[0] in ("NEW", "OPEN")
    assert told.states_of([boundary + 2 * MICROSECOND]) == ["UNKNOWN"]
    assert told.problem(boundary + 1)["state_note"].startswith("no audit since")


def test_the_usual_step_is_that_of_the_check_not_of_the_account() -> None:
    told = Told()
    for at in range(15):
        told.audit(at, {LOGGING: ["r1"]} if at % 7 else {LOGGING: ["r1"], POLICY: ["r2"]})
    assert (told.states_of([18], "r1"), told.states_of([18], "r2")) == (["UNKNOWN"], ["OPEN"])


def test_failed_runs_neither_shorten_the_usual_step_nor_hide_that_nobody_knows() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(7, {LOGGING: ["r1"]})
    told.audit(8, {LOGGING: "failed"})
    told.audit(14, {LOGGING: ["r1"]})
    assert told.states_of([8, 14, 28]) == ["UNKNOWN", "OPEN", "OPEN"]


# Suppressions


def test_a_suppression_is_no_resolution_and_its_end_is_no_reopening() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(3, {LOGGING: ["r1"]})
    assert told.states_of(range(4)) == ["NEW", "SUPPRESSED", "SUPPRESSED", "OPEN"]
    assert [bool(told.problem(at)["is_suppressed"]) for at in range(4)] == [False, True, True, False]
    (episode,) = told.episodes().itertuples()
    assert (episode.first_seen_time, episode.last_seen_time) == (day(0), day(3))


def policy(version: str, **changes: Any) -> dict[str, Any]:
    return report("fleet", policy_version_id=version, resource_type="IOT_POLICY", **changes)


def test_a_new_version_ends_the_suppression_of_a_policy_while_the_problem_goes_on() -> None:
    told = Told()
    told.audit(0, {POLICY: [policy("1", **SUPPRESSED)]})
    told.audit(1, {POLICY: [policy("2")]})
    assert told.states_of([0, 1], "fleet") == ["SUPPRESSED", "OPEN"]
    assert list(told.problems(1)["reopened_count"]) == [0]


def test_of_two_findings_of_one_problem_the_one_that_is_not_suppressed_counts() -> None:
    told = Told()
    told.audit(0, {POLICY: [policy("1", **SUPPRESSED), policy("2")]})
    assert told.states_of([0], "fleet") == ["NEW"]
