"""A plan in words: short where many say the same, honest where something is not known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ddreport.mitigation.plan import ApprovalRule, Expected, LeftAlone, Posture, Rollout, WhyNot
from ddreport.mitigation.words import describe_plan, in_time


def steps(plan: Any) -> list[str]:
    return [row["impact"] for row in describe_plan(plan).steps]


def test_the_same_sentence_is_said_once(make: Any) -> None:
    same = [make.planned(n, "Deactivate", impact=("stops 1 thing",), things_count=1) for n in range(5)]
    assert steps(make.plan(*same)) == ["each stops 1 thing"]
    assert steps(make.plan(same[0])) == ["stops 1 thing"]


def test_many_different_ones_are_added_up_and_the_unknown_is_counted(make: Any) -> None:
    planned = [
        make.planned(n, "Deactivate", impact=(f"stops {n} things",), things_count=n, last_connection_time=make.day0)
        for n in range(1, 5)
    ]
    planned.append(make.planned(9, "Deactivate", impact=("things not known",)))
    assert steps(make.plan(*planned)) == [
        "10 things behind 4 findings, last connection 2026-03-02 09:15 UTC, of 1 it is not known"
    ]
    few = make.plan(planned[0], make.planned(9, "Deactivate"))
    assert steps(few) == ["resource-0001: stops 1 things; resource-0009: not read"]


def test_a_message_changes_nothing_and_what_was_not_read_is_said(make: Any) -> None:
    plan = make.plan(make.planned(1, "Tell"), make.planned(2, "Deactivate", wave=2))
    assert steps(plan) == ["a message for each; changes nothing", "not read"]


def test_what_is_left_alone_is_grouped_with_an_example(make: Any) -> None:
    left = [
        LeftAlone("p", make.expiring, "DEVICE_CERTIFICATE", f"r{n}", "REASON", WhyNot.SUPPRESSED, note="why")
        for n in range(3)
    ]
    (row,) = describe_plan(make.plan(make.planned(1, "Deactivate"), left_alone=tuple(left))).left_alone
    assert (row["why"], row["findings"], row["example"], row["note"]) == ("SUPPRESSED", 3, "r0", "why")


def test_the_closing_lines_tell_effect_cost_stops_and_approval(make: Any) -> None:
    before = Posture({"CRITICAL": 2, "HIGH": 0, "MEDIUM": 1, "LOW": 0}, 3, 17, 60.5)
    after = Posture({"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 0}, 1, 17, None)
    plan = make.plan(
        make.planned(1, "Deactivate"),
        expected=Expected(before, after, ("a message changes nothing",)),
        rollout=Rollout(alarms=("Fleet",), stop_at_failed_share=0.5),
        approval=ApprovalRule(required=True, second_person=True),
    )
    effect, note, cost, waves, approval = describe_plan(plan).closing
    assert "3 (2 critical, 1 medium) → 0" in effect
    assert "60.5 → unknown" in effect
    assert note == "Not mended by this plan: a message changes nothing."
    assert "1 AWS tasks" in cost
    assert "50% of a wave fail or one of the alarms Fleet goes off" in waves
    assert "a second person" in approval


def test_spans_of_time_are_told_in_the_unit_that_fits() -> None:
    seconds = [0.2, 45, timedelta(minutes=20).total_seconds(), timedelta(hours=3).total_seconds()]
    assert [in_time(s) for s in seconds] == ["1 s", "45 s", "20 min", "3.0 h"]
