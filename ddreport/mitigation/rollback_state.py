"""How far the roll-backs of a campaign have come, from the campaign's journal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddreport.mitigation.events import (
    RollbackBegun,
    RollbackFinished,
    RollbackStopped,
    UndoAsked,
    UndoEnded,
)
from ddreport.mitigation.reverse_calls import UndoResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddreport.mitigation.events import AnyEvent
    from ddreport.mitigation.reversal_plan import RollbackPlan
    from ddreport.mitigation.reverse_calls import Call, ReverseOperation


@dataclass
class RollbackState:
    """One roll-back, as far as it got.

    Attributes
    ----------
    runs
        Every beginning and going on.
    asked
        Numbers of the calls that AWS was, or was about to be, asked for.
    ended
        How calls ended; the last time counts.
    stopped
        Why the last run ended early; None while one is under way or when all is done.
    """

    plan: RollbackPlan
    runs: list[RollbackBegun] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    ended: dict[int, UndoEnded] = field(default_factory=dict)
    stopped: RollbackStopped | None = None
    finished: RollbackFinished | None = None

    def left_to_do(self) -> list[ReverseOperation]:
        """Return the calls that have not ended, or were refused."""
        return [
            op
            for op in self.plan.operations
            if op.number not in self.ended or self.ended[op.number].result is UndoResult.FAILED
        ]

    @property
    def counts(self) -> dict[UndoResult, int]:
        """Calls by how they ended."""
        counted = Counter(event.result for event in self.ended.values())
        return {result: counted[result] for result in UndoResult if counted[result]}


def taken_back(states: Iterable[RollbackState]) -> set[Call]:
    """Return the calls after which a resource had back what it had; what it is like later is somebody else's doing."""
    fine = (UndoResult.DONE, UndoResult.ALREADY)
    return {
        op.call
        for state in states
        for op in state.plan.operations
        if op.number in state.ended and state.ended[op.number].result in fine
    }


def rollback_states(events: Iterable[AnyEvent]) -> dict[str, RollbackState]:
    """Return the roll-backs of a campaign by the digests of their plans, the oldest first."""
    found: dict[str, RollbackState] = {}
    for event in events:
        apply_undoing(found, event)
    return found


def apply_undoing(states: dict[str, RollbackState], event: AnyEvent) -> None:
    """Change `states` by one event; others than those of roll-backs change nothing."""
    match event:
        case RollbackBegun():
            state = states.setdefault(event.rollback.digest, RollbackState(event.rollback))
            state.runs.append(event)
            state.stopped = None
        case UndoAsked():
            states[event.rollback].asked.add(event.number)
        case UndoEnded():
            states[event.rollback].ended[event.number] = event
        case RollbackStopped():
            states[event.rollback].stopped = event
        case RollbackFinished():
            states[event.rollback].finished = event
