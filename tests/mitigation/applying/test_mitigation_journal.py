"""The state that follows from a journal: whatever its beginning, going on from there ends in the same state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.mitigation.events import (
    BatchCaptured,
    Begun,
    Canceled,
    Executed,
    Execution,
    Finished,
    Skipped,
    TaskEnded,
    TaskRefused,
    TaskStarted,
    WaveBegun,
    decode_event,
    encode_event,
)
from ddreport.mitigation.journal import OutcomeStatus, Step, apply_event, fold, next_request, next_step
from ddreport.mitigation.prestate import Captured, Verdict

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


class Killed(Exception):  # noqa: N818 - no error: the story ends here
    pass


class Aws:
    """What AWS does, decided beforehand for each finding and action; a task that is there is not made twice."""

    def __init__(self, verdicts: dict[Any, Verdict | None], fails: set[Any], gone: set[str]) -> None:
        self.verdicts, self.fails, self.gone = verdicts, fails, gone
        self.tasks: dict[str, Any] = {}
        self.done: list[tuple[str, str]] = []
        self.captures = 0

    def capture(self, finding: Any) -> list[Captured]:
        found = []
        for name in finding.actions:
            was_done = (finding.finding_id, name) in self.done
            verdict = Verdict.ALREADY_DONE if was_done else self.verdicts.get((finding.finding_id, name))
            found.append(Captured(finding.finding_id, name, (), verdict, ""))
            if verdict not in (None, Verdict.ALREADY_DONE):
                break
        return found

    def start(self, asked: Any, checks: dict[str, str]) -> bool:
        if asked.task_id in self.tasks:
            assert self.tasks[asked.task_id] == asked.finding_ids, "the same id for another request"
            return True
        if set(asked.finding_ids) & self.gone:
            return False
        self.tasks[asked.task_id] = asked.finding_ids
        for finding_id in asked.finding_ids:
            for name in asked.actions[checks[finding_id]]:
                if (finding_id, name) in self.fails:
                    break
                self.done.append((finding_id, name))
        return True

    def executions(self, asked: Any, checks: dict[str, str]) -> tuple[Execution, ...]:
        found = []
        for finding_id in asked.finding_ids:
            failed = False
            for name in asked.actions[checks[finding_id]]:
                status = "SKIPPED" if failed else "FAILED" if (finding_id, name) in self.fails else "COMPLETED"
                failed = failed or status == "FAILED"
                found.append(Execution(finding_id, name, status))
        return tuple(found)


def carry_out(plan: Any, aws: Aws, events: list[Any], *, stop_after: int | None = None, lost: bool = False) -> None:
    """Go on from `events` to the end, or until so many are there; `lost`: AWS has done what comes next all the same."""
    state = fold(plan, events)
    checks = {f.finding_id: f.check_name for f in plan.findings}

    def note(event: Any) -> None:
        if stop_after is not None and len(events) >= stop_after:
            raise Killed
        events.append(decode_event(encode_event(event)))
        apply_event(state, event)

    def one(batch: Any) -> bool:
        number = batch.batch.number
        step, part = next_step(batch)
        if step is Step.CAPTURE:
            captured = tuple(c for f in batch.batch.findings for c in aws.capture(f))
            note(BatchCaptured(time=NOW, batch=number, captured=captured))
        elif step is Step.ASK:
            asked = part.asked if part else next_request(plan, batch, time=NOW)
            if part is None:
                note(asked)
            if aws.start(asked, checks):
                note(TaskStarted(time=NOW, batch=number, part=asked.part))
            else:
                note(TaskRefused(time=NOW, batch=number, part=asked.part, code="InvalidRequestException"))
                missing = tuple(i for i in asked.finding_ids if i in aws.gone)
                note(Skipped(time=NOW, batch=number, finding_ids=missing, why="GONE"))
        elif step is Step.AWAIT:
            note(TaskEnded(time=NOW, batch=number, part=part.asked.part, status="COMPLETED"))
        elif step is Step.READ:
            note(Executed(time=NOW, batch=number, part=part.asked.part, executions=aws.executions(part.asked, checks)))
        return step is not Step.DONE

    try:
        note(Begun(time=NOW, by="arn:someone", version="0"))
        for wave in state.waves:
            if wave not in state.waves_begun:
                note(WaveBegun(time=NOW, wave=wave))
            for batch in state.of_wave(wave):
                while one(batch):
                    pass
        note(Finished(time=NOW))
    except Killed:
        return


@st.composite
def stories(draw: Any) -> dict[str, Any]:
    count = draw(st.integers(1, 32))
    key = st.tuples(st.integers(0, count - 1), st.sampled_from(["Deactivate", "Tell"]))
    return {
        "actions": [draw(st.sampled_from([("Deactivate",), ("Deactivate", "Tell")])) for _ in range(count)],
        "waves": sorted(draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))),
        "verdicts": draw(st.dictionaries(key, st.sampled_from(list(Verdict)), max_size=6)),
        "fails": draw(st.sets(key, max_size=4)),
        "gone": draw(st.sets(st.integers(0, count - 1), max_size=2)),
        "cuts": draw(st.lists(st.integers(0, 40), min_size=1, max_size=3)),
    }


def final(plan: Any, events: list[Any]) -> list[tuple[Any, ...]]:
    return [(f.finding_id, name, o.status, o.why) for f, name, o in fold(plan, events).outcomes()]


@settings(max_examples=60, deadline=None)
@given(story=stories())
def test_going_on_from_any_beginning_of_a_journal_ends_in_the_same_state(make, story):
    findings = [
        make.planned(n, *names, wave=w)
        for n, (names, w) in enumerate(zip(story["actions"], story["waves"], strict=True))
    ]
    plan = make.plan(*findings)
    ids = [f.finding_id for f in findings]
    verdicts = {(ids[n], name): verdict for (n, name), verdict in story["verdicts"].items()}
    fails, gone = {(ids[n], name) for n, name in story["fails"]}, {ids[n] for n in story["gone"]}
    at_once = Aws(verdicts, fails, gone)
    whole: list[Any] = []
    carry_out(plan, at_once, whole)

    interrupted, events = Aws(verdicts, fails, gone), []
    for cut in story["cuts"]:
        carry_out(plan, interrupted, events, stop_after=len(events) + cut)
    carry_out(plan, interrupted, events)
    assert final(plan, events) == final(plan, whole)
    assert sorted(interrupted.done) == sorted(set(interrupted.done)) == sorted(at_once.done)
    assert fold(plan, events).finished is not None


def test_every_kind_of_event_reads_back_as_it_was_written(make):
    from ddreport.mitigation.approval import approve
    from ddreport.mitigation.prestate import ResourceState

    plan = make.plan(make.planned(1, "Deactivate"))
    approval = approve(plan, by="arn:aws:iam::111122223333:user/bob", time=NOW)
    captured = Captured(
        "f", "a", (ResourceState("POLICY", "p\x1b[31m", {"version_ids": ["1", "2"]}),), Verdict.GONE, "n"
    )
    for event in (
        Begun(time=NOW, by="me", version="1", approval=approval, go_on=True, cut_off_bytes=3),
        BatchCaptured(time=NOW, batch=1, captured=(captured,)),
        Executed(time=NOW, batch=1, part=1, executions=(Execution("f", "a", "FAILED", "CODE", "text", NOW, None),)),
        Canceled(time=NOW, by="me"),
    ):
        assert decode_event(encode_event(event)) == event
        assert b"\n" not in encode_event(event)


@pytest.mark.parametrize(
    ("status", "expected"), [("COMPLETED", "COMPLETED"), ("IN_PROGRESS", "UNKNOWN"), ("SOMETHING_NEW", "UNKNOWN")]
)
def test_what_aws_says_of_an_execution_is_taken_only_when_it_is_final(make, status, expected):
    plan = make.plan(make.planned(1, "Deactivate"))
    events: list[Any] = []
    carry_out(plan, Aws({}, set(), set()), events)
    events[-2] = Executed(
        time=NOW, batch=1, part=1, executions=(Execution(plan.findings[0].finding_id, "Deactivate", status),)
    )
    assert [o.status for *_, o in fold(plan, events).outcomes()] == [OutcomeStatus(expected)]


def test_what_aws_calls_open_after_its_task_has_ended_is_unknown_and_nothing_waits_for_it(make):
    plan = make.plan(make.planned(1, "Deactivate"))
    (finding,) = plan.findings
    captured = (Captured(finding.finding_id, "Deactivate"),)
    state = fold(plan, [BatchCaptured(time=NOW, batch=1, captured=captured)])
    asked = next_request(plan, state.batches[1], time=NOW)
    for event in (
        asked,
        TaskStarted(time=NOW, batch=1, part=1),
        TaskEnded(time=NOW, batch=1, part=1, status="CANCELED"),
        Executed(time=NOW, batch=1, part=1, executions=(Execution(finding.finding_id, "Deactivate", "IN_PROGRESS"),)),
    ):
        apply_event(state, event)
    ((_, _, outcome),) = state.outcomes()
    assert (outcome.status, outcome.note) == (
        OutcomeStatus.UNKNOWN,
        "AWS still said IN_PROGRESS of it after the task had ended",
    )
    assert next_step(state.batches[1], canceled=True)[0] is Step.DONE
