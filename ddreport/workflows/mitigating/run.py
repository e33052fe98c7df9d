"""What all parts of one run of a campaign share: the journal and the state, and whether to go on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ddreport.errors import DDReportError
from ddreport.mitigation.events import StopReason
from ddreport.mitigation.journal import CampaignState, Step, apply_event, next_step
from ddreport.workflows.pulling.threads import Stopped as ToldToStop

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ddreport.archive.campaigns import CampaignJournal
    from ddreport.mitigation.events import AnyEvent
    from ddreport.mitigation.journal import BatchState, Part
    from ddreport.progress import Progress
    from ddreport.workflows.mitigating.account import Account, Pace
    from ddreport.workflows.pulling.threads import Stop


class Mode(Enum):
    """How far a run still goes."""

    GO = auto()

    SETTLE = auto()
    """Ask for no further task, but follow to their end those that AWS works on."""

    LEAVE = auto()
    """Write down what is under way, and end."""


@dataclass
class Run:
    """One run of a campaign; used by one thread.

    Attributes
    ----------
    clock
        Now by AWS's clock.
    stop
        Set from outside to end the run soon (Ctrl-C).
    reason
        Why it does not go on, with a note.
    error
        What went wrong, if that is the reason.
    """

    account: Account
    journal: CampaignJournal
    state: CampaignState
    progress: Progress
    stop: Stop
    clock: Callable[[], datetime]
    pace: Pace
    mode: Mode = Mode.GO
    reason: tuple[StopReason, str] | None = None
    error: BaseException | None = None

    def note(self, event: AnyEvent) -> None:
        """Write an event down, and let the state follow (`ArchiveWriteError`)."""
        self.journal.append(event)
        apply_event(self.state, event)

    @property
    def is_canceled(self) -> bool:
        """Whether the campaign was cancelled."""
        return self.state.canceled is not None

    def step(self, batch: BatchState) -> tuple[Step, Part | None]:
        """Return what is to be done next for a batch."""
        return next_step(batch, canceled=self.is_canceled)

    def part(self, number: int) -> Part:
        """Return the AWS task that the next step of a batch is about, where there must be one."""
        found = self.step(self.state.batches[number])[1]
        if found is None:
            raise LookupError(f"batch {number} has no AWS task under way")
        return found

    @property
    def is_all_done(self) -> bool:
        """Whether nothing is left to do."""
        return all(self.step(b)[0] is Step.DONE for b in self.state.batches.values())

    def stop_for(self, reason: StopReason, note: str) -> None:
        """Send nothing more, but see to the end of what AWS works on."""
        if self.mode is Mode.GO:
            self.mode, self.reason = Mode.SETTLE, (reason, note)

    def give_up(self, error: BaseException) -> None:
        """End with an error; the first one counts."""
        self.mode = Mode.LEAVE
        if isinstance(error, ToldToStop):
            self.reason = self.reason or (StopReason.INTERRUPTED, "interrupted")
        elif self.error is None:
            said = error.message if isinstance(error, DDReportError) else f"{type(error).__name__}: {error}"
            self.error, self.reason = error, (StopReason.ERROR, said)

    def look_for_stop(self) -> None:
        """See whether somebody wants the run to end."""
        if self.stop.is_set() and self.mode is not Mode.LEAVE:
            self.mode, self.reason = Mode.LEAVE, (StopReason.INTERRUPTED, "interrupted")
