"""One wave: its batches flow through reading the state before, AWS's task, and reading what the task did.

All three go on at once, so that the operation with the most calls for its rate sets the pace. A batch waits for earlier
ones that treat the same resource: the state before must be that before anything of the plan.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ddreport.aws.errors import THROTTLED_CODES
from ddreport.aws.mitigation_run import INVALID, LIMIT, Answered
from ddreport.errors import AwsCallError, MitigationError
from ddreport.mitigation.events import (
    BatchCaptured,
    Canceled,
    Executed,
    Skipped,
    StopReason,
    TaskEnded,
    TaskRefused,
    TaskStarted,
)
from ddreport.mitigation.journal import OutcomeStatus, Step, next_request, too_many_failed
from ddreport.mitigation.plan import MOST_TASKS
from ddreport.mitigation.prestate import Verdict
from ddreport.terms import TaskStatus
from ddreport.workflows.mitigating.run import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.mitigation.events import Execution
    from ddreport.mitigation.journal import BatchState, Part
    from ddreport.mitigation.prestate import Captured
    from ddreport.workflows.mitigating.account import Diagnosis
    from ddreport.workflows.mitigating.run import Run
    from ddreport.workflows.mitigating.workers import Answer, Workers

CANCELED_CODE = "CANCELED"
"""`TaskRefused.code` of a task that AWS was about to be asked for when the campaign was cancelled."""

_AHEAD = 4  # batches whose state before is read ahead of their task: enough to be ready, few enough to be fresh
_LONGEST_WAIT = 0.2  # seconds until a wish to stop is seen
_ANSWERS = ("started", "looked", "kept", "diagnosed", "exists")  # what is written down even when all is to stop


@dataclass
class _Batch:
    """What is known of a batch under way and does not belong into the journal."""

    captured: dict[str, list[Captured]] = field(default_factory=dict)
    task: Answered | None = None
    executions: dict[str, Answered] = field(default_factory=dict)
    missing: int = 0
    next_look: float = 0.0
    since: float = 0.0


class WaveFlow:
    """The batches of one wave under way; `run` carries them out as far as the run goes."""

    def __init__(self, run: Run, workers: Workers, wave: int) -> None:
        self._run, self._workers, self._wave = run, workers, wave
        self._states = {b.batch.number: b for b in run.state.of_wave(wave)}
        self._needs = _earlier_of_same_resource(list(self._states.values()))
        self._under_way: dict[int, _Batch] = {n: _Batch() for n in self._states}
        self._to_capture: deque[int] = deque()
        self._to_ask: deque[int] = deque()
        self._ahead: set[int] = set()  # the state before is read or being read, the task not asked for
        self._running: set[int] = set()
        self._watched: set[int] = set()
        self._done: set[int] = set()
        self._refused: set[int] = set()  # for want of a place or too early; not there, so to be asked for again
        self._ask_from = 0.0
        self._full_since: float | None = None
        self._alarms_from = time.monotonic() + run.pace.alarms

    def carry_out(self) -> None:
        """Do all that may be done (`ArchiveWriteError`: the journal cannot be written)."""
        for number in self._states:
            self._advance(number)
        self._go_on()
        for number in self._refused:  # AWS had no place for it, so it is not there
            part = self._run.part(number).asked.part
            self._run.note(TaskRefused(time=self._run.clock(), batch=number, part=part, code=LIMIT))

    def _go_on(self) -> None:
        while True:
            self._run.look_for_stop()
            self._look_for_cancel()
            if self._run.mode is Mode.LEAVE:
                self._drain()
                return
            self._pump()
            if not (self._workers.pending or self._watched or self._askable() or self._capturable()):
                return
            answer = self._workers.take(self._until_next())
            if answer is not None:
                self._take(answer)

    # What comes next for a batch

    def _advance(self, number: int) -> None:
        state, batch = self._states[number], self._under_way[number]
        match self._run.step(state)[0]:
            case Step.CAPTURE:
                self._to_capture.append(number)
            case Step.ASK:
                self._to_ask.append(number)
            case Step.AWAIT:
                self._running.add(number)
                self._watched.add(number)
                batch.since = time.monotonic()
                batch.next_look = batch.since + self._run.pace.poll / 4
                if self._run.is_canceled:
                    self._cancel_task(number)
            case Step.READ:
                self._read(number, self._run.part(number))
            case Step.DONE:
                self._ahead.discard(number)
                if number not in self._done:
                    self._done.add(number)
                    self._run.progress.advance(len(state.batch.findings))

    def _askable(self) -> list[int]:
        """Return the batches whose task may be asked for; where nothing new is to be sent, those that AWS may know."""
        if self._run.mode is Mode.GO:
            return list(self._to_ask)
        return [n for n in self._to_ask if n not in self._refused and self._run.step(self._states[n])[1] is not None]

    def _capturable(self) -> bool:
        return bool(self._to_capture) and self._run.mode is Mode.GO

    def _until_next(self) -> float:
        now = time.monotonic()
        moments = [self._under_way[n].next_look for n in self._watched]
        if self._to_ask and self._ask_from > now:
            moments.append(self._ask_from)
        return max(0.001, min([_LONGEST_WAIT, *(moment - now for moment in moments)]))

    def _pump(self) -> None:
        """Give the workers what may be done now."""
        now = time.monotonic()
        while self._capturable() and len(self._ahead) < _AHEAD and self._needs[self._to_capture[0]] <= self._done:
            self._capture(self._to_capture.popleft())
        for number in self._askable() if now >= self._ask_from else ():
            part = self._run.step(self._states[number])[1]
            if part is None and len(self._running) >= MOST_TASKS:
                break
            self._to_ask.remove(number)
            self._ask(number, part)
        for number in [n for n in self._watched if self._under_way[n].next_look <= now]:
            self._watched.discard(number)
            name = self._run.part(number).asked.task_id
            self._workers.submit("task", "looked", number, partial(self._run.account.look, name))
        if self._run.state.plan.rollout.alarms and now >= self._alarms_from and self._run.mode is Mode.GO:
            self._alarms_from = now + self._run.pace.alarms
            self._workers.submit("task", "alarms", 0, self._run.account.alarms)

    def _capture(self, number: int) -> None:
        findings = self._states[number].uncaptured()
        self._under_way[number].missing = len(findings)
        self._ahead.add(number)
        for finding in findings:
            self._workers.submit("capture", "captured", number, partial(self._run.account.capture, finding))

    def _ask(self, number: int, part: Part | None) -> None:
        """Ask for a task; again, and for the very same, where the answer was lost."""
        account = self._run.account
        asked = part.asked if part else next_request(self._run.state.plan, self._states[number], time=self._run.clock())
        if asked is None:
            self._advance(number)
            return
        if self._run.is_canceled:
            self._workers.submit("task", "exists", number, partial(account.look, asked.task_id))
            return
        if part is None:
            self._run.note(asked)
        self._running.add(number)
        self._refused.discard(number)
        self._workers.submit("task", "started", number, partial(account.start, asked))

    def _read(self, number: int, part: Part) -> None:
        batch, account = self._under_way[number], self._run.account
        batch.executions.clear()
        batch.missing = len(part.asked.finding_ids)
        if batch.task is None:  # an earlier run saw it end
            batch.missing += 1
            self._workers.submit("read", "task", number, partial(account.look, part.asked.task_id))
        for finding_id in part.asked.finding_ids:
            self._workers.submit("read", "read", number, partial(account.executions, part, finding_id))

    # What comes back

    def _take(self, answer: Answer) -> None:
        kind, number = answer.kind, answer.number
        if answer.error is None:
            self._HANDLERS[kind](self, number, answer.value)
        elif kind == "started" and isinstance(answer.error, AwsCallError):
            self._on_refused(number, answer.error)
        else:
            self._run.give_up(answer.error)

    def _on_captured(self, number: int, found: list[Captured]) -> None:
        batch = self._under_way[number]
        batch.captured[found[0].finding_id] = found
        batch.missing -= 1
        if not batch.missing and not self._run.is_canceled:
            order = [f.finding_id for f in self._states[number].batch.findings]
            captured = tuple(c for i in order for c in batch.captured.pop(i, ()))
            self._run.note(BatchCaptured(time=self._run.clock(), batch=number, captured=captured))
            self._advance(number)

    def _on_started(self, number: int, _: None) -> None:
        self._full_since = None
        self._ahead.discard(number)
        self._run.note(TaskStarted(time=self._run.clock(), batch=number, part=self._run.part(number).asked.part))
        self._advance(number)

    def _on_refused(self, number: int, error: AwsCallError) -> None:
        """Find out what a refusal means: wait for a place, leave out what is gone, or give up."""
        if error.code == LIMIT or error.code in THROTTLED_CODES:
            now = time.monotonic()
            self._full_since = self._full_since or now
            if now - self._full_since > self._run.pace.patience:
                self._run.give_up(error)
                return
            self._running.discard(number)
            self._refused.add(number)
            self._to_ask.appendleft(number)
            self._ask_from = now + self._run.pace.limit
            return
        asked = self._run.part(number).asked
        self._workers.submit("task", "diagnosed", number, partial(self._run.account.diagnose, asked, error))

    def _on_diagnosed(self, number: int, found: Diagnosis) -> None:
        error, part = found.error, self._run.part(number).asked.part
        if found.exists and error.code == INVALID:
            self._on_started(number, None)
            return
        if not found.exists:
            self._running.discard(number)
            self._run.note(
                TaskRefused(time=self._run.clock(), batch=number, part=part, code=error.code, message=error.message)
            )
        if not found.missing:
            self._run.give_up(error)
            return
        self._run.note(
            Skipped(
                time=self._run.clock(),
                batch=number,
                finding_ids=found.missing,
                why=Verdict.GONE.value,
                note="AWS does not know the finding any more",
            )
        )
        self._advance(number)

    def _on_exists(self, number: int, found: Answered) -> None:
        """Settle a task whose answer was lost, now that the campaign is cancelled: start nothing for that."""
        if found.records:
            self._on_started(number, None)
            return
        part = self._run.part(number).asked.part
        self._run.note(TaskRefused(time=self._run.clock(), batch=number, part=part, code=CANCELED_CODE))
        self._advance(number)

    def _on_looked(self, number: int, found: Answered) -> None:
        batch, now = self._under_way[number], time.monotonic()
        batch.next_look = now + self._run.pace.poll
        is_lost = not found.records and now - batch.since > self._run.pace.appear
        status = found.records[0].get("taskStatus") if found.records else None
        if status == TaskStatus.IN_PROGRESS and now - batch.since > self._run.pace.patience:
            name = self._run.part(number).asked.task_id
            waited = f"{self._run.pace.patience:,.0f} seconds"
            self._run.give_up(
                MitigationError(
                    f"AWS has not ended the task {name} within {waited}.",
                    hint="`ddreport mitigate cancel` has AWS cancel it; it goes on otherwise.",
                )
            )
            return
        if status == TaskStatus.IN_PROGRESS or (not found.records and not is_lost):
            self._watched.add(number)
            return
        batch.task = found if found.records else None
        self._running.discard(number)
        ended = OutcomeStatus.UNKNOWN.value if is_lost else str(status)
        part = self._run.part(number).asked.part
        self._run.note(TaskEnded(time=self._run.clock(), batch=number, part=part, status=ended))
        self._advance(number)

    def _on_task(self, number: int, found: Answered) -> None:
        self._under_way[number].task = found
        self._one_read(number)

    def _on_read(self, number: int, found: tuple[str, Answered]) -> None:
        finding_id, executions = found
        self._under_way[number].executions[finding_id] = executions
        self._one_read(number)

    def _one_read(self, number: int) -> None:
        """Archive what a task did once all of it was read; only then does the journal say so."""
        batch, account, when = self._under_way[number], self._run.account, self._run.clock()
        batch.missing -= 1
        if batch.missing or batch.task is None:
            return
        task, reads = batch.task, [batch.executions[i] for i in self._run.part(number).asked.finding_ids]
        self._workers.submit("archive", "kept", number, partial(account.keep, task, reads, time=when))

    def _on_kept(self, number: int, found: Sequence[Execution]) -> None:
        part = self._run.part(number).asked.part
        self._run.note(Executed(time=self._run.clock(), batch=number, part=part, executions=tuple(found)))
        self._under_way[number].task = None
        said = too_many_failed(self._run.state, self._wave)
        if said and not self._run.is_canceled:
            self._run.stop_for(StopReason.FAILED_SHARE, said)
        self._advance(number)

    def _on_alarms(self, _: int, states: dict[str, str]) -> None:
        stop_for_alarm(self._run, states)

    def _on_cancel(self, number: int, _: bool) -> None:  # noqa: FBT001 - what the call gives
        self._under_way[number].next_look = 0.0

    _HANDLERS: ClassVar[dict[str, Any]] = {
        "captured": _on_captured,
        "started": _on_started,
        "diagnosed": _on_diagnosed,
        "exists": _on_exists,
        "looked": _on_looked,
        "task": _on_task,
        "read": _on_read,
        "kept": _on_kept,
        "alarms": _on_alarms,
        "cancel": _on_cancel,
    }

    # The end

    def _look_for_cancel(self) -> None:
        """Cancel when somebody has left word: send nothing more, and have AWS cancel what is running."""
        if self._run.is_canceled or not self._run.journal.is_cancel_wanted:
            return
        self._run.note(Canceled(time=self._run.clock(), by=self._run.journal.cancel_wanted_by()))
        for number in list(self._watched):
            self._cancel_task(number)
        self._to_capture.clear()
        waiting = list(self._to_ask)
        self._to_ask.clear()
        for number in waiting:
            self._advance(number)

    def _cancel_task(self, number: int) -> None:
        name = self._run.part(number).asked.task_id
        self._workers.submit("task", "cancel", number, partial(self._run.account.cancel, name))

    def _drain(self) -> None:
        """Write down the answers to what is under way; what no thread has begun is dropped."""
        until = time.monotonic() + self._run.pace.grace
        while True:
            self._workers.drop_waiting()
            answer = self._workers.take(_LONGEST_WAIT)
            if answer is not None and answer.kind in _ANSWERS:
                self._take(answer)
            if not self._workers.pending or time.monotonic() > until:
                return


def stop_for_alarm(run: Run, states: dict[str, str]) -> None:
    """Send nothing more while an alarm of the plan is in ALARM."""
    ringing = [name for name, state in states.items() if state == "ALARM"]
    if ringing:
        run.stop_for(StopReason.ALARM, f"in ALARM: {', '.join(ringing)}")


def _earlier_of_same_resource(batches: Sequence[BatchState]) -> dict[int, set[int]]:
    """Return for each batch those before it that treat one of its resources."""
    last: dict[tuple[str, str], int] = {}
    found: dict[int, set[int]] = {}
    for state in batches:
        resources = {(f.resource_type, f.resource_id) for f in state.batch.findings}
        found[state.batch.number] = {last[r] for r in resources if r in last}
        last |= dict.fromkeys(resources, state.batch.number)
    return found
