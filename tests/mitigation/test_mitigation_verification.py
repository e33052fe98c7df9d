"""What became of each problem: the rules, on tables made by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport.history import CHECK_RUNS, PROBLEMS
from ddreport.mitigation.effects import Effect, ReadBack, effect_counts
from ddreport.mitigation.prestate import Captured, ResourceState
from ddreport.mitigation.verification import (
    Treated,
    problem_effects,
    read_backs,
    read_backs_table,
    verifications_table,
)

SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"


@pytest.fixture
def case(make):
    """Build one planned finding, treated an hour after day 0, and the tables that the archive has of it."""

    class Case:
        def __init__(self, check=make.expiring, **changes):
            self.finding = make.planned(1, "Deactivate", check_name=check, **changes)
            self.plan = make.plan(self.finding)
            self.treated_at = make.day0 + timedelta(hours=1)
            self.runs: list[dict[str, Any]] = []
            self.problems: list[dict[str, Any]] = []
            self.audit("audit-1", hours=0)

        def at(self, hours):
            return make.day0 + timedelta(hours=hours)

        def audit(self, name, *, hours, proof="FULL", note=None, schedule=None, check=None):
            self.runs.append(
                dict.fromkeys(CHECK_RUNS.column_names)
                | {
                    "account": self.plan.account,
                    "region": self.plan.region,
                    "check_name": check or self.finding.check_name,
                    "audit_task_id": name,
                    "task_start_time": self.at(hours),
                    "scheduled_audit_name": schedule,
                    "proof": proof,
                    "proof_note": note,
                    "findings_count": 0,
                    "slot": len(self.runs),
                }
            )
            return self

        def problem(self, state, *, seen="audit-1", hours=0.0, opened=0.0, resolved=None, note=None, **changes):
            row = dict.fromkeys(PROBLEMS.column_names) | {
                "problem_id": self.finding.problem_id,
                "account": self.plan.account,
                "region": self.plan.region,
                "check_name": self.finding.check_name,
                "resource_type": self.finding.resource_type,
                "resource_id": self.finding.resource_id,
                "reason_code": self.finding.reason_code,
                "severity": "MEDIUM",
                "state": state,
                "known_state": state,
                "state_note": note,
                "is_suppressed": state == "SUPPRESSED",
                "first_seen_time": self.at(opened),
                "first_seen_audit_task_id": "audit-1",
                "opened_time": self.at(opened),
                "last_seen_time": self.at(hours),
                "last_seen_audit_task_id": seen,
                "reopened_count": 0,
                "age_days": 0.0,
            }
            if resolved:
                row |= {"resolved_audit_task_id": resolved[0], "resolved_time": self.at(resolved[1])}
            self.problems.append(row | changes)
            return self

        def effects(self, *, treated=True, outcome="COMPLETED"):
            key = self.finding.finding_id, "Deactivate"
            times = {self.finding.finding_id: self.treated_at} if treated else {}
            problems = PROBLEMS.conform(pd.DataFrame(self.problems, columns=PROBLEMS.column_names))
            runs = CHECK_RUNS.conform(pd.DataFrame(self.runs))
            how = Treated({key: outcome}, times, self.at(0.5))
            return problem_effects(self.plan, how, [], problems, runs)

        def told(self, **options):
            (one, *_) = self.effects(**options)
            return one.effect, one.why, one.audit_task_id

    return Case


def test_a_later_audit_that_does_not_report_it_has_it_fixed(case):
    made = case().audit("audit-2", hours=2).problem("RESOLVED", resolved=("audit-2", 2))
    assert made.told() == (Effect.FIXED, None, "audit-2")


@pytest.mark.parametrize(("treated", "resolved"), [(True, 0.9), (False, 2)])
def test_what_went_away_by_itself_is_no_success_of_the_plan(case, treated, resolved):
    made = case().audit("audit-2", hours=resolved).problem("RESOLVED", resolved=("audit-2", resolved))
    assert made.told(treated=treated) == (Effect.FIXED, "it was gone without the plan's doing", "audit-2")


@pytest.mark.parametrize(
    ("state", "why"),
    [("OPEN", None), ("SUPPRESSED", "a suppression covers it"), ("REOPENED", "it came back after it was gone")],
)
def test_a_later_audit_that_reports_it_has_it_still_there(case, state, why):
    made = case().audit("audit-2", hours=2).problem(state, seen="audit-2", hours=2)
    assert made.told() == (Effect.STILL_THERE, why, "audit-2")


def test_without_a_later_audit_nobody_knows(case):
    assert case().problem("OPEN").told() == (
        Effect.UNKNOWN,
        "no audit of its check has begun since it was treated",
        None,
    )
    assert "it was not treated" in case().problem("OPEN").told(treated=False)[1]
    # An audit that began before the treatment had ended proves nothing about it.
    made = case().audit("audit-2", hours=0.9).problem("OPEN", seen="audit-2", hours=0.9)
    assert made.told()[0] is Effect.UNKNOWN


def test_a_later_audit_that_proves_nothing_says_why(case):
    made = case().audit("audit-2", hours=2, proof="PRESENCE", note="the check failed").problem("UNKNOWN")
    assert made.told() == (Effect.UNKNOWN, "the check failed", "audit-2")
    made = case().audit("audit-2", hours=2).problem("OUT_OF_SCOPE", note="later audits had a laxer threshold")
    assert made.told() == (Effect.UNKNOWN, "later audits had a laxer threshold", "audit-2")


def test_a_problem_that_the_archive_does_not_know_is_unknown(case):
    assert case().told()[:2] == (
        Effect.UNKNOWN,
        "the archive knows no such problem; it may be of another archive",
    )


@pytest.mark.parametrize(("days", "effect"), [(1, Effect.UNKNOWN), (40, Effect.STILL_THERE)])
def test_an_audit_that_looks_back_to_before_the_treatment_proves_nothing(case, days, effect):
    made = case(SHARED).audit("audit-2", hours=24 * days).problem("OPEN", seen="audit-2", hours=24 * days)
    found, why, _ = made.told()
    assert found is effect
    assert (why is None) == (effect is Effect.STILL_THERE)


@pytest.mark.parametrize(("previous", "effect"), [(0.5, Effect.UNKNOWN), (2, Effect.STILL_THERE)])
def test_a_scheduled_audit_looks_back_to_its_previous_one(case, previous, effect):
    made = case(SHARED).audit("daily-1", hours=previous, schedule="daily").audit("daily-2", hours=26, schedule="daily")
    assert made.problem("OPEN", seen="daily-2", hours=26).told()[0] is effect


def test_new_problems_of_the_same_checks_are_listed_and_others_are_not(case):
    made = case().audit("audit-2", hours=2).problem("RESOLVED", resolved=("audit-2", 2))
    made.problem("NEW", seen="audit-2", hours=2, opened=2, problem_id="b" * 32, reason_code="OTHER")
    made.problem("NEW", seen="audit-2", hours=2, opened=2, problem_id="c" * 32, resource_id="z")
    made.problem("OPEN", seen="audit-2", hours=2, opened=0, problem_id="d" * 32, resource_id="old")
    made.problem("NEW", seen="audit-2", hours=2, opened=2, problem_id="e" * 32, check_name="OTHER_CHECK")
    made.problem("NEW", seen="audit-2", hours=2, opened=2, problem_id="f" * 32, region="us-east-1")
    made.problem("RESOLVED", opened=2, resolved=("audit-2", 2), problem_id="0" * 32, resource_id="gone")
    fixed, *new = made.effects()
    assert fixed.effect is Effect.FIXED
    assert [(one.problem_id[0], one.effect, one.why) for one in new] == [
        ("b", Effect.NEW, "the treated resource is reported for another reason"),
        ("c", Effect.NEW, None),
    ]
    assert effect_counts([fixed, *new]) == {"FIXED": 1, "STILL_THERE": 0, "NEW": 2, "UNKNOWN": 0}


def test_what_was_not_carried_out_says_so(case):
    made = case().audit("audit-2", hours=2).problem("OPEN", seen="audit-2", hours=2)
    (one,) = made.effects(treated=False, outcome="FAILED")
    assert (one.effect, one.treatment, one.read_back) == (Effect.STILL_THERE, "FAILED", ReadBack.NOTHING_TO_READ)


def test_resources_are_compared_with_what_the_action_leaves(make):
    plan = make.plan(*(make.planned(n, "Deactivate") for n in range(4)))
    captured, now = {}, {}
    for finding, here in zip(
        plan.findings, ({"status": "INACTIVE"}, {"status": "ACTIVE"}, {"gone": True}, None), strict=True
    ):
        state = ResourceState("DEVICE_CERTIFICATE", finding.resource_id, {"status": "ACTIVE"})
        captured[finding.finding_id, "Deactivate"] = Captured(finding.finding_id, "Deactivate", (state,))
        now[state.key] = "AWS refused" if here is None else ResourceState(*state.key, here)
    found = read_backs(plan, captured, dict.fromkeys(captured, "COMPLETED"), now)
    assert [(one.read_back, one.note) for one in found] == [
        ("AS_EXPECTED", None),
        ("OTHERWISE", "resource-0001: status is 'ACTIVE' instead of 'INACTIVE'"),
        ("GONE", "it does not exist any more"),
        ("NOT_READ", "AWS refused"),
    ]
    table = read_backs_table(plan, found, time=make.day0)
    assert table["now"].isna().tolist() == [False, False, True, True]
    assert table["before"].tolist() == ['{"status":"ACTIVE"}'] * 4


def test_the_tables_have_all_columns_also_without_rows(case, make):
    made = case().audit("audit-2", hours=2).problem("RESOLVED", resolved=("audit-2", 2))
    table = verifications_table(made.plan, made.effects(), time=make.day0)
    assert table.loc[0, ["plan", "effect", "actions"]].tolist() == [made.plan.digest, "FIXED", "Deactivate"]
    assert verifications_table(made.plan, [], time=make.day0).dtypes.equals(table.dtypes)
    assert read_backs_table(made.plan, [], time=make.day0).empty
