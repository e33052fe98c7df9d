"""What became of problems between two moments, and between two audits."""

from __future__ import annotations

import itertools
from typing import Any

import duckdb
import pandas as pd
import pytest

from ddreport import history
from ddreport.errors import ParameterError
from ddreport.history import PROBLEMS, ProblemState
from ddreport.metrics import (
    Change,
    audit_difference,
    compared_checks,
    difference,
    difference_summary,
    moments_of_audits,
)
from ddreport.metrics.differences import TRANSITIONS
from ddreport.metrics.results_controls import AUDIT_DIFFERENCE, COMPARED_CHECKS, DIFFERENCE, DIFFERENCE_SUMMARY

STATES = ["-", "NEW", "OPEN", "REOPENED", "SUPPRESSED", "UNKNOWN", "OUT_OF_SCOPE", "RESOLVED"]
# One row per state before, one word per state after, in the order of STATES.
TABLE = """
-            -    APPEARED APPEARED APPEARED APPEARED APPEARED APPEARED CAME_AND_WENT
NEW          NOT_IN_SECOND STILL_OPEN STILL_OPEN STILL_OPEN SUPPRESSED BECAME_UNKNOWN WENT_OUT_OF_SCOPE RESOLVED
OPEN         NOT_IN_SECOND STILL_OPEN STILL_OPEN STILL_OPEN SUPPRESSED BECAME_UNKNOWN WENT_OUT_OF_SCOPE RESOLVED
REOPENED     NOT_IN_SECOND STILL_OPEN STILL_OPEN STILL_OPEN SUPPRESSED BECAME_UNKNOWN WENT_OUT_OF_SCOPE RESOLVED
SUPPRESSED   NOT_IN_SECOND UNSUPPRESSED UNSUPPRESSED UNSUPPRESSED STILL_SUPPRESSED BECAME_UNKNOWN WENT_OUT_OF_SCOPE RESOLVED
UNKNOWN      NOT_IN_SECOND KNOWN_AGAIN KNOWN_AGAIN KNOWN_AGAIN KNOWN_AGAIN STILL_UNKNOWN WENT_OUT_OF_SCOPE RESOLVED
OUT_OF_SCOPE NOT_IN_SECOND BACK_IN_SCOPE BACK_IN_SCOPE BACK_IN_SCOPE BACK_IN_SCOPE BECAME_UNKNOWN STILL_OUT_OF_SCOPE RESOLVED
RESOLVED     NOT_IN_SECOND REOPENED REOPENED REOPENED REOPENED REOPENED REOPENED STILL_RESOLVED
"""  # noqa: E501 - a table is read across
EXPECTED = {
    (before, after): word
    for before, *words in (line.split() for line in TABLE.strip().splitlines())
    for after, word in zip(STATES, words, strict=True)
    if word != "-"
}


def problems(make: Any, *rows: tuple[str, str, int], severity: str = "HIGH") -> pd.DataFrame:
    """Make a table of problems of (resource, state, reopened)."""
    made = [
        {
            "problem_id": f"p-{name}",
            "account": "1",
            "region": "eu-west-1",
            "check_name": make.expiring,
            "resource_type": "DEVICE_CERTIFICATE",
            "resource_id": name,
            "reason_code": "X",
            "severity": severity,
            "state": state,
            "known_state": state,
            "is_suppressed": state == "SUPPRESSED",
            "first_seen_time": make.day(0),
            "first_seen_audit_task_id": "a0",
            "opened_time": make.day(0),
            "last_seen_time": make.day(0),
            "last_seen_audit_task_id": "a0",
            "reopened_count": reopened,
            "age_days": 1.0,
        }
        for name, state, reopened in rows
        if state != "-"
    ]
    if not made:
        return PROBLEMS.empty()
    return PROBLEMS.conform(pd.DataFrame([{n: row.get(n) for n in PROBLEMS.column_names} for row in made]))


def test_every_pair_of_states_has_its_change(make: Any) -> None:
    assert len(EXPECTED) == len(STATES) ** 2 - 1
    rows = [(f"{before}/{after}", before, after) for before, after in EXPECTED]
    first = problems(make, *((name, before, 0) for name, before, _ in rows))
    second = problems(make, *((name, after, 0) for name, _, after in rows))
    found = difference(first, second).set_index("resource_id")["change"].to_dict()
    assert found == {f"{before}/{after}": word for (before, after), word in EXPECTED.items()}


def test_the_table_of_transitions_is_complete() -> None:
    states = [None, *ProblemState]
    assert set(TRANSITIONS) == set(itertools.product(states, states)) - {(None, None)}


@pytest.mark.parametrize("before", STATES[1:])
@pytest.mark.parametrize("after", STATES[1:])
def test_a_problem_that_was_reopened_in_between_says_so(make: Any, before: str, after: str) -> None:
    change = difference(problems(make, ("r", before, 1)), problems(make, ("r", after, 2)))["change"].item()
    gone = {"RESOLVED": "CAME_AND_WENT"}.get(before, "RESOLVED")
    assert change == (gone if after == "RESOLVED" else "REOPENED")


def test_a_difference_is_of_both_tables_and_sums_up_by_severity(make: Any) -> None:
    first = problems(make, ("a", "OPEN", 0), ("b", "OPEN", 0), severity="LOW")
    second = pd.concat([problems(make, ("a", "RESOLVED", 0), severity="LOW"), problems(make, ("c", "NEW", 0))])
    second = PROBLEMS.conform(second)
    found = difference(first, second)
    assert found["change"].tolist() == ["APPEARED", "RESOLVED", "NOT_IN_SECOND"]
    summary = difference_summary(found).set_index("severity")
    assert summary["total_count"].to_dict() == {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 0, "LOW": 2}
    assert summary.loc["LOW", ["resolved_count", "not_in_second_count", "appeared_count"]].tolist() == [1, 1, 0]
    assert summary.loc["HIGH", "appeared_count"] == 1
    assert summary.drop(columns="total_count").to_numpy().sum() == len(found)


def story(make: Any, *audits: tuple[float, dict[str, tuple[str, list[Any]]]], **changes: Any) -> dict[str, Any]:
    """Return runs and findings of audits: day -> check -> (status, findings as resource or (resource, changes))."""
    tasks, checks, findings = [], [], []
    for day, ran in audits:
        tasks.append(make.an_audit(day, **changes.get(f"a{day:g}", {})))
        for name, (status, reported) in ran.items():
            own = [(r, {}) if isinstance(r, str) else r for r in reported]
            open_count = sum(not more.get("is_suppressed") for _, more in own)
            checks.append(make.a_check(day, name, status, non_compliant_resources_count=open_count))
            findings += [make.a_finding(day, name, resource, **more) for resource, more in own]
    found = make.findings(*findings)
    runs = history.check_runs(
        make.audits(*tasks), make.checks(*checks), found, check_configurations=changes.get("configurations")
    )
    return {"runs": runs, "findings": found, "audit_tasks": make.audits(*tasks)}


SEVENTEEN = [f"CHECK_{n:02}" for n in range(17)]


def test_an_audit_of_3_checks_does_not_close_the_findings_of_the_other_14(make: Any) -> None:
    """An audit of 3 checks closing the other 14's findings."""
    whole = {name: ("bad", ["r1", "r2"]) for name in SEVENTEEN}
    part: dict[str, Any] = {name: ("ok", []) for name in SEVENTEEN[:3]}
    told = story(make, (0, whole), (1, part))
    single = audit_difference(told["findings"], told["runs"], "a0", "a1")
    assert set(single.loc[single["change"] == "RESOLVED", "check_name"]) == set(SEVENTEEN[:3])
    assert set(single.loc[single["change"] == "NOT_COMPARABLE", "check_name"]) == set(SEVENTEEN[3:])
    assert single["note"].dropna().unique().tolist() == ["the second audit did not have the check"]
    assert compared_checks(told["runs"], "a0", "a1")["is_comparable"].sum() == 3
    first, second = moments_of_audits(told["audit_tasks"], "a1", "a0")
    spans = history.spans(told["findings"], told["runs"])
    states = [history.problems(spans, told["runs"], as_of=moment) for moment in (first, second)]
    whole_picture = difference(*states)
    assert whole_picture["change"].value_counts().to_dict() == {"STILL_OPEN": 28, "RESOLVED": 6}


def test_two_audits_are_compared_problem_by_problem(make: Any) -> None:
    silent = {"is_suppressed": True}
    told = story(
        make,
        (0, {make.logging: ("bad", ["gone", "stays", "hush", ("loud", silent), ("quiet", silent)])}),
        (1, {make.logging: ("bad", ["stays", "fresh", ("hush", silent), "loud", ("quiet", silent)])}),
    )
    found = audit_difference(told["findings"], told["runs"], "a0", "a1").set_index("resource_id")
    assert found["change"].to_dict() == {
        "fresh": "APPEARED",
        "gone": "RESOLVED",
        "hush": "SUPPRESSED",
        "loud": "UNSUPPRESSED",
        "quiet": "STILL_SUPPRESSED",
        "stays": "STILL_OPEN",
    }
    assert pd.isna(found.loc["fresh", "first_is_suppressed"])
    assert found.loc["hush", ["first_is_suppressed", "second_is_suppressed"]].tolist() == [False, True]
    assert difference_summary(found.reset_index())["total_count"].tolist() == [0, 0, 0, 6]


@pytest.mark.parametrize("status", ["failed", "canceled", "waiting"])
@pytest.mark.parametrize("side", ["first", "second"])
def test_a_check_without_verdict_on_either_side_is_not_comparable(make: Any, status: str, side: str) -> None:
    audits = [{make.logging: (status, [])}, {make.logging: ("bad", ["r"])}]
    if side == "second":
        audits.reverse()
    told = story(make, (0, audits[0]), (1, audits[1]))
    found = audit_difference(told["findings"], told["runs"], "a0", "a1")
    assert found["change"].tolist() == ["NOT_COMPARABLE"]
    assert found["note"].item().startswith(f"{side} audit: ")


def test_audits_that_look_back_differently_are_not_comparable_for_such_checks(make: Any) -> None:
    on_demand = {"task_type": "ON_DEMAND_AUDIT_TASK", "scheduled_audit_name": None}
    audits = [(day, {make.shared: ("bad", [f"r{day}"]), make.logging: ("bad", [f"r{day}"])}) for day in range(3)]
    told = story(make, *audits, a0=on_demand, a1=on_demand)
    pairs = {second: compared_checks(told["runs"], "a1", second) for second in ("a2",)}
    assert pairs["a2"].set_index("check_name")["is_comparable"].to_dict() == {make.shared: False, make.logging: True}
    assert compared_checks(told["runs"], "a0", "a1")["is_comparable"].all()


def test_another_threshold_makes_only_its_own_reasons_incomparable(make: Any) -> None:
    from ddreport.schemas import CHECK_CONFIGURATIONS

    row = {"account": "012345678901", "region": "eu-west-1", "check_name": make.expiring, "enabled": True}
    states = [{**row, "observed_time": make.day(d), "threshold_days": n} for d, n in ((-1, 60), (0.5, 10))]
    seen = CHECK_CONFIGURATIONS.conform(pd.DataFrame(states).assign(configuration=None))
    soon = {"reason_code": "CERTIFICATE_APPROACHING_EXPIRATION"}
    told = story(
        make,
        (0, {make.expiring: ("bad", [("far", soon), ("near", soon), ("past", {"reason_code": "PAST"})])}),
        (1, {make.expiring: ("bad", [("near", soon)])}),
        configurations=seen,
    )
    found = audit_difference(told["findings"], told["runs"], "a0", "a1").set_index("resource_id")["change"]
    assert found.to_dict() == {"far": "NOT_COMPARABLE", "near": "STILL_OPEN", "past": "RESOLVED"}


def test_doubled_findings_count_once_and_are_suppressed_only_together(make: Any) -> None:
    twice = [("r", {"finding_id": "x"}), ("r", {"finding_id": "y", "is_suppressed": True})]
    told = story(make, (0, {make.logging: ("bad", twice)}), (1, {make.logging: ("bad", twice)}))
    assert audit_difference(told["findings"], told["runs"], "a0", "a1")["change"].tolist() == ["STILL_OPEN"]


def test_findings_may_stay_in_duckdb(make: Any) -> None:
    told = story(make, (0, {make.logging: ("bad", ["a", "b"])}), (1, {make.logging: ("bad", ["b", "c"])}))
    relation = duckdb.connect().from_df(told["findings"])
    found = audit_difference(relation, told["runs"], "a0", "a1")
    pd.testing.assert_frame_equal(found, audit_difference(told["findings"], told["runs"], "a0", "a1"))


def test_wrong_audits_are_refused_with_the_next_step(make: Any) -> None:
    told = story(make, (0, {make.logging: ("ok", [])}), (1, {make.logging: ("ok", [])}))
    with pytest.raises(ParameterError, match="no audit given has the id 'a7'"):
        compared_checks(told["runs"], "a0", "a7")
    with pytest.raises(ParameterError, match="'a1' began after 'a0'"):
        audit_difference(told["findings"], told["runs"], "a1", "a0")
    with pytest.raises(ParameterError, match="has the id"):
        moments_of_audits(told["audit_tasks"], "a0", "nothing like it")
    checks = make.checks(make.a_check(0, make.logging, account="1"), make.a_check(1, make.logging, account="2"))
    with pytest.raises(ParameterError, match="account 1, Region eu-west-1 and account 2"):
        compared_checks(history.check_runs(make.audits(), checks, make.findings()), "a0", "a1")


def test_nothing_gives_the_empty_tables(make: Any) -> None:
    found = difference(PROBLEMS.empty(), PROBLEMS.empty())
    assert (len(found), list(found.columns)) == (0, DIFFERENCE.column_names)
    summary = difference_summary(found)
    assert list(summary.columns) == DIFFERENCE_SUMMARY.column_names
    assert summary["total_count"].tolist() == [0, 0, 0, 0]
    told = story(make, (0, {make.logging: ("ok", [])}), (1, {make.logging: ("ok", [])}))
    single = audit_difference(told["findings"], told["runs"], "a0", "a1")
    assert (len(single), list(single.columns)) == (0, AUDIT_DIFFERENCE.column_names)
    assert list(compared_checks(told["runs"], "a0", "a1").columns) == COMPARED_CHECKS.column_names
    assert {f"{c.value.lower()}_count" for c in Change} < set(DIFFERENCE_SUMMARY.column_names)
