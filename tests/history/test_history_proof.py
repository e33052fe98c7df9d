"""What one run proves, who may resolve whom, where the time lies: the rows of docs/lifecycle.md."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ddreport import history as hs

LITERAL = sys.modules["history_literal"]
LOGGING = LITERAL.LOGGING
SHARED = LITERAL.SHARED
CONFLICT = LITERAL.CONFLICT
EXPIRING = LITERAL.EXPIRING
AGE = LITERAL.AGE
POLICY = LITERAL.POLICY
Told = LITERAL.Told
day = LITERAL.day
report = LITERAL.report
SOON = "CERTIFICATE_APPROACHING_EXPIRATION"
PAST = "CERTIFICATE_PAST_EXPIRATION"
OLD = "CERTIFICATE_PAST_AGE_THRESHOLD"
SUPPRESSED = {"is_suppressed": True}


def proof(told: Any, check: str = LOGGING) -> str:
    runs = told.runs()
    return str(runs.loc[runs["check_name"] == check, "proof"].iloc[-1])


@pytest.mark.parametrize("status", ["COMPLETED_COMPLIANT", "COMPLETED_NON_COMPLIANT"])
def test_a_completed_run_proves_what_is_there_and_what_is_not(status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"check_run_status": status}})
    assert proof(told) == "FULL"
    assert told.states_of([1]) == ["RESOLVED"]


def test_a_run_with_fewer_findings_than_aws_counted_proves_only_what_it_reports() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1", "r2"]})
    told.audit(1, {LOGGING: {"reports": ["r1"], "non_compliant_resources_count": 2}})
    assert proof(told) == "PRESENCE"
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["OPEN"], ["UNKNOWN"])
    assert "1 findings for 2 non-compliant resources" in told.problem(1, "r2")["state_note"]


def test_suppressed_findings_count_among_those_that_are_there() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"reports": [report("r2", **SUPPRESSED)], "non_compliant_resources_count": 0}})
    assert proof(told) == "FULL"
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize("check", [LITERAL.GUESTS, LITERAL.USERS])
@pytest.mark.parametrize(("total", "state"), [(0, "UNKNOWN"), (1, "RESOLVED")])
def test_a_cognito_check_that_looked_at_no_pool_proves_nothing(check: str, total: int, state: str) -> None:
    told = Told()
    told.audit(0, {check: {"reports": ["pool"], "total_resources_count": 1}})
    told.audit(1, {check: {"total_resources_count": total}})
    assert told.states_of([1], "pool") == [state]


def test_any_other_check_that_looked_at_nothing_proves_that_nothing_is_there() -> None:
    told = Told()
    told.audit(0, {EXPIRING: ["r1"]})
    told.audit(1, {EXPIRING: {"total_resources_count": 0}})
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize("status", [*LITERAL.STATUS.values(), "SOMETHING_NEW"])
def test_a_check_that_did_not_complete_resolves_nothing_but_what_it_reports_is_there(status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"reports": ["r2"], "check_run_status": status}})
    assert proof(told) == "PRESENCE"
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["UNKNOWN"], ["NEW"])
    assert told.problem(1, "r1")["known_state"] == "NEW"


def test_a_check_that_is_not_in_an_audit_has_no_run_there() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {POLICY: []})
    runs = told.runs()
    assert list(runs.loc[runs["check_name"] == LOGGING, "audit_task_id"]) == ["a0"]
    assert told.states_of([1]) == ["NEW"]


@pytest.mark.parametrize("task_status", ["CANCELED", "FAILED", "IN_PROGRESS"])
def test_a_check_that_completed_in_an_audit_that_did_not_has_completed(task_status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {LOGGING: [], POLICY: "canceled"}, task_status=task_status)
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["RESOLVED"], ["UNKNOWN"])


# Who may resolve whom


def test_a_problem_is_resolved_between_the_last_report_and_the_first_full_silence() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: "failed"})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: []})
    (episode,) = told.episodes().itertuples()
    assert (episode.first_seen_audit_task_id, episode.last_seen_audit_task_id) == ("a0", "a1")
    assert (episode.resolved_audit_task_id, episode.resolved_time) == ("a4", day(4))


@pytest.mark.parametrize(
    "other",
    [
        ({POLICY: []}, {}),
        ({LOGGING: []}, {"account": "999999999999"}),
        ({LOGGING: []}, {"region": "us-east-1"}),
        ({LOGGING: "failed"}, {}),
        ({LOGGING: "canceled"}, {}),
    ],
)
def test_nothing_else_resolves(other: tuple[dict[str, Any], dict[str, str]]) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, other[0], **other[1])
    assert "RESOLVED" not in told.states_of([0, 1, 90])


def test_days_without_audits_resolve_nothing() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(200, {LOGGING: ["r1"]})
    assert told.states_of([0, 61, 100, 199, 200]) == ["NEW", "NEW", "UNKNOWN", "UNKNOWN", "OPEN"]
    assert told.problem(200)["reopened_count"] == 0


def test_a_problem_that_was_resolved_and_is_reported_again_is_reopened_as_its_next_episode() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: ["r1"]})
    told.audit(3, {LOGGING: ["r1"]})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: ["r1"]})
    states = ["NEW", "RESOLVED", "REOPENED", "OPEN", "RESOLVED", "REOPENED"]
    assert told.states_of(range(6)) == states
    assert [told.problem(at)["reopened_count"] for at in range(6)] == [0, 0, 1, 1, 1, 2]
    assert list(told.episodes()["episode"]) == [1, 2, 3]
    assert told.problem(5)["problem_id"] == told.problem(0)["problem_id"]
    assert told.problem(5)["first_seen_time"] == day(0)
    assert told.problem(5)["opened_time"] == day(5)


@pytest.mark.parametrize("check", [SHARED, CONFLICT])
@pytest.mark.parametrize(
    ("seen_by", "silent", "state"),
    [
        (None, None, "RESOLVED"),
        (None, "daily", "UNKNOWN"),
        ("daily", "daily", "RESOLVED"),
        ("daily", "weekly", "UNKNOWN"),
        ("weekly", "daily", "UNKNOWN"),
        ("daily", None, "RESOLVED"),
    ],
)
def test_a_check_that_looks_back_is_resolved_by_the_same_series_or_on_demand(
    check: str, seen_by: str | None, silent: str | None, state: str
) -> None:
    told = Told()
    told.audit(0, {check: ["r1"]}, schedule=seen_by)
    told.audit(1, {check: []}, schedule=silent)
    assert told.states_of([1]) == [state]


def test_what_a_second_series_saw_last_is_resolved_by_that_series() -> None:
    told = Told()
    told.audit(0, {SHARED: ["r1"]}, schedule="weekly")
    told.audit(1, {SHARED: ["r1"]}, schedule="daily")
    told.audit(2, {SHARED: []}, schedule="weekly")
    told.audit(3, {SHARED: []}, schedule="daily")
    assert told.states_of([0, 1, 2, 3]) == ["NEW", "OPEN", "UNKNOWN", "RESOLVED"]
    assert told.problem(3)["resolved_audit_task_id"] == "a3"


def test_what_only_an_on_demand_audit_saw_is_unknown_with_the_next_scheduled_one_until_the_next_on_demand_one() -> None:
    told = Told()
    told.audit(0, {SHARED: []})
    told.audit(0.5, {SHARED: ["r1"]}, schedule=None)
    told.audit(1, {SHARED: []})
    told.audit(2, {SHARED: []})
    told.audit(2.5, {SHARED: []}, schedule=None)
    assert told.states_of([0.5, 1, 2, 2.5]) == ["NEW", "UNKNOWN", "UNKNOWN", "RESOLVED"]
    assert "shorter" in told.problem(2)["state_note"]


def test_a_check_that_does_not_look_back_is_resolved_by_any_series() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]}, schedule=None)
    told.audit(1, {LOGGING: []}, schedule="weekly")
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize(
    ("check", "reason", "reporting", "silent", "state"),
    [
        (EXPIRING, SOON, 30, 30, "RESOLVED"),
        (EXPIRING, SOON, 30, 60, "RESOLVED"),
        (EXPIRING, SOON, 60, 30, "OUT_OF_SCOPE"),
        (EXPIRING, PAST, 60, 30, "RESOLVED"),
        (AGE, OLD, 365, 365, "RESOLVED"),
        (AGE, OLD, 365, 300, "RESOLVED"),
        (AGE, OLD, 365, 400, "OUT_OF_SCOPE"),
    ],
)
def test_a_run_may_resolve_only_under_a_threshold_at_least_as_strict(
    check: str, reason: str, reporting: int, silent: int, state: str
) -> None:
    told = Told()
    told.configuration(-1, {check: reporting})
    told.audit(0, {check: [report("c", reason)]})
    told.look(0.4)
    if silent != reporting:
        told.configuration(0.5, {check: silent})
    told.audit(1, {check: []})
    assert told.states_of([1], "c") == [state]
    if state == "OUT_OF_SCOPE":
        assert "laxer threshold" in told.problem(1, "c")["state_note"]


def test_the_threshold_raised_again_lets_the_next_run_resolve() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 30})
    told.audit(1, {EXPIRING: []})
    told.configuration(1.5, {EXPIRING: 60})
    told.audit(2, {EXPIRING: []})
    assert told.states_of([0, 1, 2], "c") == ["NEW", "OUT_OF_SCOPE", "RESOLVED"]


def test_a_problem_that_shows_again_under_the_old_threshold_was_never_resolved() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 30})
    told.audit(1, {EXPIRING: []})
    told.configuration(1.5, {EXPIRING: 60})
    told.audit(2, {EXPIRING: [report("c", SOON)]})
    assert told.states_of([0, 1, 2], "c") == ["NEW", "OUT_OF_SCOPE", "OPEN"]
    assert told.problem(2, "c")["reopened_count"] == 0


@pytest.mark.parametrize(
    ("looked", "state"),
    [
        # The look after the run still saw 60 days, so the run was made under 60.
        (1.2, "RESOLVED"),
        # The look before it saw 60, the one after it 30: the run counts as the laxer of the two.
        (0.8, "OUT_OF_SCOPE"),
    ],
)
def test_a_silent_run_near_a_change_of_threshold_counts_as_lax(looked: float, state: str) -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.look(0.1)
    told.audit(1, {EXPIRING: []})
    told.look(looked)
    told.configuration(1.5, {EXPIRING: 30})
    assert told.states_of([1.1], "c") == [state]


def test_a_reporting_run_near_a_change_of_threshold_counts_as_strict() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 30})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 60})
    told.look(0.6)
    told.configuration(0.7, {EXPIRING: 30})
    told.look(0.8)
    told.audit(1, {EXPIRING: []})
    # The run of day 0 may have been made under 60 days already, and that of day 1 was made under 30.
    assert told.states_of([1], "c") == ["OUT_OF_SCOPE"]


def test_where_no_configuration_was_ever_seen_the_default_counts() -> None:
    told = Told()
    told.audit(0, {EXPIRING: [report("c", SOON)], AGE: [report("d", OLD)]})
    told.audit(1, {EXPIRING: [], AGE: []})
    runs = told.runs().set_index("check_name")
    assert set(runs.loc[EXPIRING, "resolving_threshold_days"]) == {30}
    assert set(runs.loc[AGE, "resolving_threshold_days"]) == {365}
    assert (told.states_of([1], "c"), told.states_of([1], "d")) == (["RESOLVED"], ["RESOLVED"])


# Where the time lies


def test_a_problem_came_to_exist_after_the_last_full_run_that_did_not_report_it() -> None:
    told = Told()
    told.audit(0, {LOGGING: []})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: "failed"})
    told.audit(3, {LOGGING: ["r1"]})
    told.audit(5, {LOGGING: []})
    told.audit(6, {LOGGING: ["r1"]})
    found = told.episodes()
    assert list(found["absent_time"]) == [day(1), day(5)]
    assert list(found["first_seen_time"]) == [day(3), day(6)]


def test_a_problem_of_the_first_audit_may_have_been_there_for_ever() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    assert told.episodes()["absent_time"].isna().all()


def test_ages_are_measured_from_the_first_report_of_the_episode_until_it_was_proven_gone() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: []})
    told.audit(10, {LOGGING: ["r1"]})
    assert [float(told.problem(at)["age_days"]) for at in (0, 1.5, 2, 9, 10, 12)] == [0.0, 1.5, 2.0, 2.0, 0.0, 2.0]


def test_one_run_and_one_problem_are_all_it_takes() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]}, schedule=None)
    (span,) = hs.spans(told.tables()["findings"], told.runs()).itertuples()
    assert (span.first_slot, span.last_slot) == (0, 0)
