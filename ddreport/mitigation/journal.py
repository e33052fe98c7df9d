"""Where a campaign stands: the state that follows from a plan and the events of its journal.

`fold` reads the events, `next_request` says what AWS is to be asked next for a batch, `too_many_failed` when to stop.
The same journal always gives the same state, and going on from any beginning of a journal ends in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ddreport.mitigation.events import (
    AnyEvent,
    BatchCaptured,
    Begun,
    Canceled,
    Executed,
    Execution,
    Finished,
    RollbackBegun,
    RollbackFinished,
    RollbackStopped,
    Skipped,
    Stopped,
    TaskAsked,
    TaskEnded,
    TaskRefused,
    TaskStarted,
    UndoAsked,
    UndoEnded,
    Verified,
    WaveBegun,
)
from ddreport.mitigation.prestate import Captured, Verdict
from ddreport.mitigation.rollback_state import RollbackState, apply_undoing
from ddreport.mitigation.waves import Batch, batches, client_token, task_id
from ddreport.terms import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from ddreport.mitigation.plan import Plan, PlannedFinding


class OutcomeStatus(StrEnum):
    """How one action on one finding stands."""

    PENDING = "PENDING"
    """Not sent yet."""

    NOT_SENT = "NOT_SENT"
    """It will not be sent: `why` says for what reason."""

    SENT = "SENT"
    """AWS was asked, and how that ended is not known yet."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    SKIPPED = "SKIPPED"
    """AWS left it out: an earlier action on the finding failed, or the finding is suppressed."""

    CANCELED = "CANCELED"
    """The task was cancelled before it came to this."""

    UNKNOWN = "UNKNOWN"
    """AWS was asked and has forgotten the task since, or ended it without saying how this ended."""


EARLIER_NOT_SENT = "EARLIER_NOT_SENT"
"""`why` of an action after one that could not be sent: as AWS does, the finding's later actions are left out."""

NO_RECORD = "NO_RECORD"
"""`why` of a finding that AWS took into a task and has no execution of."""

CANCELED_BEFORE = "CANCELED_BEFORE"
"""`why` of what was not sent when the campaign was cancelled."""

TOO_OLD = "TOO_OLD"
"""`why` of a finding whose audit AWS does not know any more."""

_BLOCKING = {Verdict.GONE, Verdict.CHANGED, Verdict.BLOCKED}


@dataclass(frozen=True)
class Outcome:
    """How one action on one finding stands, with AWS's own words about it.

    Attributes
    ----------
    why
        AWS's error code, or why it was not sent (`prestate.Verdict`, or one of the words of this module).
    note
        The reason as AWS or the capture of the state before put it.
    task_id
        The AWS task that it was sent with.
    """

    status: OutcomeStatus
    why: str | None = None
    note: str | None = None
    task_id: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None


@dataclass
class Part:
    """One AWS task of a batch, as far as it got."""

    asked: TaskAsked
    started: bool = False
    refused: TaskRefused | None = None
    ended: TaskEnded | None = None
    executed: dict[tuple[str, str], Execution] | None = None

    @property
    def is_running(self) -> bool:
        """Whether AWS may be working on it."""
        return self.refused is None and self.ended is None


@dataclass
class BatchState:
    """One batch of the plan, as far as it got.

    Attributes
    ----------
    captured
        By finding and action; None until the state before was read.
    parts
        AWS tasks by their number in the batch, from 1.
    skipped
        Findings that will not be sent (any more), with why and a note.
    stale
        Findings whose state before was read by an earlier run and that were not sent: it is read again, since others
        may have changed them meanwhile.
    last_time
        When something last happened to it.
    """

    batch: Batch
    captured: dict[tuple[str, str], Captured] | None = None
    parts: dict[int, Part] = field(default_factory=dict)
    skipped: dict[str, tuple[str, str]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    last_time: datetime | None = None

    def uncaptured(self) -> list[PlannedFinding]:
        """Return the findings whose state before is (again) to be read."""
        known = self.captured or {}
        return [
            f
            for f in self.batch.findings
            if f.finding_id not in self.skipped
            and self.part_of(f.finding_id) is None
            and (f.finding_id in self.stale or (f.finding_id, f.actions[0]) not in known)
        ]

    def outdate(self) -> None:
        """Have the state before read again of what was not sent."""
        self.stale |= {finding.finding_id for finding, _ in self.waiting()}

    def capture(self, found: Iterable[Captured]) -> None:
        """Take what was read; of what was sent it comes too late, since that may have been changed by us already."""
        fresh = [c for c in found if self.part_of(c.finding_id) is None]
        again = {c.finding_id for c in fresh}
        kept = {key: c for key, c in (self.captured or {}).items() if key[0] not in again}
        self.captured = kept | {(c.finding_id, c.action_name): c for c in fresh}
        self.stale -= again

    def part_of(self, finding_id: str) -> Part | None:
        """Return the task that a finding was sent with; refused ones do not count."""
        for part in self.parts.values():
            if part.refused is None and finding_id in part.asked.finding_ids:
                return part
        return None

    def sendable(self, finding: PlannedFinding) -> list[str]:
        """Return the actions that can be sent for a finding, once the state before was read."""
        names = []
        for name in finding.actions:
            found = (self.captured or {}).get((finding.finding_id, name))
            if found is not None and found.verdict in _BLOCKING:
                break
            if found is None or found.verdict is None:
                names.append(name)
        return names

    def waiting(self) -> list[tuple[PlannedFinding, list[str]]]:
        """Return the findings that are still to be sent, with their actions."""
        if self.captured is None:
            return []
        found = []
        for finding in self.batch.findings:
            if finding.finding_id in self.skipped or self.part_of(finding.finding_id) is not None:
                continue
            if finding.finding_id in self.stale or (finding.finding_id, finding.actions[0]) not in self.captured:
                continue
            if names := self.sendable(finding):
                found.append((finding, names))
        return found

    def outcome(self, finding: PlannedFinding, action_name: str, *, canceled: bool = False) -> Outcome:
        """Return how one action on one finding stands; `canceled` says that the campaign was cancelled."""
        part = self.part_of(finding.finding_id)
        if part is not None and action_name in part.asked.actions.get(finding.check_name, ()):
            return _sent(part, finding.finding_id, action_name)
        if finding.finding_id in self.skipped:
            why, note = self.skipped[finding.finding_id]
            return Outcome(OutcomeStatus.NOT_SENT, why, note)
        if self.captured is not None and action_name not in self.sendable(finding):
            own = self.captured.get((finding.finding_id, action_name))
            if own is not None and own.verdict is not None:
                return Outcome(OutcomeStatus.NOT_SENT, own.verdict.value, own.note)
            return Outcome(OutcomeStatus.NOT_SENT, EARLIER_NOT_SENT, "an earlier action on the finding was not sent")
        if canceled:
            return Outcome(OutcomeStatus.NOT_SENT, CANCELED_BEFORE, "the campaign was cancelled before")
        return Outcome(OutcomeStatus.PENDING)


def _sent(part: Part, finding_id: str, action_name: str) -> Outcome:
    """Return how an action stands that was sent with a task."""
    task = part.asked.task_id
    if part.executed is None:
        if part.ended is not None and part.ended.status == OutcomeStatus.UNKNOWN:
            return Outcome(OutcomeStatus.UNKNOWN, note="AWS does not know the task any more", task_id=task)
        return Outcome(OutcomeStatus.SENT, task_id=task)
    told = part.executed.get((finding_id, action_name))
    if told is None:
        note = "AWS has no record of an execution, as of findings that a suppression covers by now"
        return Outcome(OutcomeStatus.SKIPPED, NO_RECORD, note, task)
    status = _ENDED.get(told.status)
    if status is None:  # nobody looks again, so it must not pass for something under way
        note = f"AWS still said {told.status} of it after the task had ended"
        return Outcome(OutcomeStatus.UNKNOWN, told.error_code, note, task, told.start_time)
    return Outcome(status, told.error_code, told.message, task, told.start_time, told.end_time)


_ENDED = {
    status.value: OutcomeStatus(status.value)
    for status in (
        ExecutionStatus.COMPLETED,
        ExecutionStatus.FAILED,
        ExecutionStatus.SKIPPED,
        ExecutionStatus.CANCELED,
    )
}


@dataclass
class CampaignState:
    """Everything that a plan and its journal say; changed by `apply_event` alone.

    Attributes
    ----------
    runs
        Every beginning and going on.
    waves_begun
        When, by number.
    accepted_waves
        Waves whose failures somebody has decided to live with.
    stopped
        Why the last run ended early; None while one is under way or when all is done.
    verified
        The newest look whether it has helped.
    rollbacks
        What was taken back of it, by the digests of the roll-back plans, the oldest first.
    """

    plan: Plan
    batches: dict[int, BatchState]
    runs: list[Begun] = field(default_factory=list)
    waves_begun: dict[int, datetime] = field(default_factory=dict)
    accepted_waves: set[int] = field(default_factory=set)
    stopped: Stopped | None = None
    canceled: Canceled | None = None
    finished: Finished | None = None
    last_time: datetime | None = None
    verified: Verified | None = None
    rollbacks: dict[str, RollbackState] = field(default_factory=dict)

    @property
    def waves(self) -> list[int]:
        """Numbers of the plan's waves."""
        return sorted({b.batch.wave for b in self.batches.values()})

    def of_wave(self, wave: int) -> list[BatchState]:
        """Return the batches of a wave, in order."""
        return [b for b in self.batches.values() if b.batch.wave == wave]

    @property
    def captured(self) -> dict[tuple[str, str], Captured]:
        """What was read before anything was done, by finding and action; `rollback` and `verify` start from it."""
        return {key: found for b in self.batches.values() for key, found in (b.captured or {}).items()}

    def outcomes(self) -> Iterator[tuple[PlannedFinding, str, Outcome]]:
        """Yield how each action on each finding stands, in the order of the batches."""
        for state in self.batches.values():
            for finding in state.batch.findings:
                for name in finding.actions:
                    yield finding, name, state.outcome(finding, name, canceled=self.canceled is not None)

    def running(self) -> list[Part]:
        """Return the tasks that AWS may be working on."""
        return [p for b in self.batches.values() for p in b.parts.values() if p.is_running]


def begin_state(plan: Plan) -> CampaignState:
    """Return the state of a campaign in which nothing has happened."""
    return CampaignState(plan, {b.number: BatchState(b) for b in batches(plan)})


def fold(plan: Plan, events: Iterable[AnyEvent]) -> CampaignState:
    """Return the state of a campaign after `events`."""
    state = begin_state(plan)
    for event in events:
        apply_event(state, event)
    return state


def apply_event(state: CampaignState, event: AnyEvent) -> None:
    """Change `state` by one event."""
    state.last_time = event.time
    match event:
        case Begun():
            state.runs.append(event)
            state.stopped = None
            for batch in state.batches.values():
                batch.outdate()
            if event.go_on:
                state.accepted_waves |= set(state.waves_begun)
        case WaveBegun(wave=wave):
            state.waves_begun[wave] = event.time
        case Stopped():
            state.stopped = event
        case Canceled():
            state.canceled = state.canceled or event
        case Finished():
            state.finished = event
        case Verified():
            state.verified = event
        case RollbackBegun() | UndoAsked() | UndoEnded() | RollbackStopped() | RollbackFinished():
            apply_undoing(state.rollbacks, event)
        case _:
            _apply_to_batch(state.batches[event.batch], event)


def _apply_to_batch(
    batch: BatchState, event: BatchCaptured | TaskAsked | TaskStarted | TaskRefused | TaskEnded | Executed | Skipped
) -> None:
    batch.last_time = event.time
    match event:
        case BatchCaptured():
            batch.capture(event.captured)
        case TaskAsked():
            batch.parts[event.part] = Part(event)
            batch.stale.difference_update(event.finding_ids)
        case TaskStarted():
            batch.parts[event.part].started = True
        case TaskRefused():
            batch.parts[event.part].refused = event
        case TaskEnded():
            batch.parts[event.part].ended = event
        case Executed():
            found = {(e.finding_id, e.action_name): e for e in event.executions}
            batch.parts[event.part].executed = found
        case Skipped():
            for finding_id in event.finding_ids:
                batch.skipped.setdefault(finding_id, (event.why, event.note))


class Step(StrEnum):
    """What is to be done next for a batch."""

    CAPTURE = "CAPTURE"
    """Read the state before."""

    ASK = "ASK"
    """Ask AWS for a task: again for one whose answer was lost (`open_request`), else for the next (`next_request`)."""

    AWAIT = "AWAIT"
    """Wait until AWS has ended the task."""

    READ = "READ"
    """Read what the task did."""

    DONE = "DONE"


def next_step(state: BatchState, *, canceled: bool = False) -> tuple[Step, Part | None]:
    """Return what is to be done next for a batch, and the AWS task that it is about.

    What AWS may be working on comes first, and is followed to its end also where the campaign was cancelled.
    """
    for part in state.parts.values():
        if part.refused is not None:
            continue
        if part.ended is None:
            return (Step.AWAIT if part.started else Step.ASK), part
        if part.executed is None and part.ended.status != OutcomeStatus.UNKNOWN:
            return Step.READ, part
    if canceled:
        return Step.DONE, None
    if state.uncaptured():
        return Step.CAPTURE, None
    return (Step.ASK if state.waiting() else Step.DONE), None


def next_request(plan: Plan, state: BatchState, *, time: datetime) -> TaskAsked | None:
    """Return the next task to ask for, None when none of the batch's findings is left to be sent.

    AWS maps a check to actions for a whole task. So findings whose actions differ, as where one has nothing left to do
    for the first action, go into different tasks.
    """
    taken: list[str] = []
    mapping: dict[str, list[str]] = {}
    for finding, names in state.waiting():
        if mapping.setdefault(finding.check_name, names) == names:
            taken.append(finding.finding_id)
    if not taken:
        return None
    part = max(state.parts, default=0) + 1
    suffix = "" if part == 1 else f"-{part}"
    return TaskAsked(
        time=time,
        batch=state.batch.number,
        part=part,
        task_id=task_id(plan, state.batch) + suffix,
        token=client_token(plan, state.batch) + suffix,
        finding_ids=tuple(taken),
        actions=mapping,
    )


def failed_findings(states: Sequence[BatchState]) -> tuple[int, int]:
    """Return how many findings failed (at least one action), and how many there are."""
    failed = 0
    for state in states:
        for part in state.parts.values():
            codes = {f for (f, _), e in (part.executed or {}).items() if e.status == ExecutionStatus.FAILED}
            failed += len(codes)
    return failed, sum(len(s.batch.findings) for s in states)


def too_many_failed(state: CampaignState, wave: int) -> str | None:
    """Tell in words why no further finding may be sent after what failed in a wave; None: go on.

    It is certain as soon as the failures so far are the plan's share of the whole wave, so a wave may end before its
    last finding.
    """
    if wave in state.accepted_waves:
        return None
    failed, count = failed_findings(state.of_wave(wave))
    limit = state.plan.rollout.stop_at_failed_share
    if not failed or failed < limit * count:
        return None
    return f"{failed} of the {count} findings of wave {wave} failed; the plan stops at {limit:.0%}"
