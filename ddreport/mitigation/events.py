"""The events of a campaign: one plan being carried out, as its journal tells it.

Everything that is done is written down first (`TaskAsked` before AWS is asked) and its answer after, so that whoever
reads the journal later, such as the next run after a crash, knows what may have been done. `journal.fold` turns the
events into a state.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations when it decodes
from enum import StrEnum

import msgspec

from ddreport.mitigation.approval import Approval  # noqa: TC001 - as above
from ddreport.mitigation.effects import ProblemEffect, ResourceReadBack  # noqa: TC001 - as above
from ddreport.mitigation.prestate import Captured  # noqa: TC001 - as above
from ddreport.mitigation.reversal_plan import RollbackPlan  # noqa: TC001 - as above
from ddreport.mitigation.reverse_calls import UndoResult  # noqa: TC001 - as above


class StopReason(StrEnum):
    """Why a run of a campaign ended before the campaign did."""

    FAILED_SHARE = "FAILED_SHARE"
    """Too large a share of a wave failed."""

    ALARM = "ALARM"
    """A CloudWatch alarm of the plan was not OK."""

    INTERRUPTED = "INTERRUPTED"
    """Somebody pressed Ctrl-C."""

    ERROR = "ERROR"
    """AWS or the archive refused; the note says what."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Something that happened; `time` is by AWS's clock, UTC."""

    time: datetime


class Begun(Event, frozen=True, tag="begun"):
    """A run began; the first one begins the campaign, further ones go on with it.

    Attributes
    ----------
    by
        ARN of the AWS identity that carries the plan out.
    version
        Of ddreport.
    approval
        Whole, as it was found right; None where the plan needs none.
    go_on
        Whether it was told to go on in spite of what had failed until then.
    cut_off_bytes
        Bytes of an unfinished last line that a killed run had left and that were removed.
    """

    by: str
    version: str
    approval: Approval | None = None
    go_on: bool = False
    cut_off_bytes: int = 0


class WaveBegun(Event, frozen=True, tag="wave_begun"):
    """A wave began."""

    wave: int


class BatchCaptured(Event, frozen=True, tag="captured"):
    """The state before was read, of a batch's findings and actions. The last time before a finding is sent counts."""

    batch: int
    captured: tuple[Captured, ...]


class TaskAsked(Event, frozen=True, tag="task_asked"):
    """AWS is about to be asked for a task. A batch has several parts where some of its actions must not be sent."""

    batch: int
    part: int
    task_id: str
    token: str
    finding_ids: tuple[str, ...]
    actions: dict[str, list[str]]


class TaskStarted(Event, frozen=True, tag="task_started"):
    """AWS took the task."""

    batch: int
    part: int


class TaskRefused(Event, frozen=True, tag="task_refused"):
    """AWS refused the task, and none of that id exists: nothing of it was done."""

    batch: int
    part: int
    code: str
    message: str = ""


class TaskEnded(Event, frozen=True, tag="task_ended"):
    """The task is no longer in progress; `status` is AWS's, `UNKNOWN` where AWS has forgotten it."""

    batch: int
    part: int
    status: str


class Execution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What AWS reports of one action on one finding."""

    finding_id: str
    action_name: str
    status: str
    error_code: str | None = None
    message: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None


class Executed(Event, frozen=True, tag="executed"):
    """The executions of an ended task were read and are in the archive."""

    batch: int
    part: int
    executions: tuple[Execution, ...]


class Skipped(Event, frozen=True, tag="skipped"):
    """Findings of a batch will not be sent (any more)."""

    batch: int
    finding_ids: tuple[str, ...]
    why: str
    note: str = ""


class Stopped(Event, frozen=True, tag="stopped"):
    """The run ended before the campaign did."""

    why: StopReason
    note: str = ""
    wave: int | None = None


class Canceled(Event, frozen=True, tag="canceled"):
    """Somebody cancelled the campaign: nothing more is sent, and running tasks are cancelled at AWS."""

    by: str


class Finished(Event, frozen=True, tag="finished"):
    """Nothing is left to do."""


class Verified(Event, frozen=True, tag="verified"):
    """Somebody looked whether the campaign has helped.

    Attributes
    ----------
    audit_task_ids
        The audits that tell, by check, newest last.
    """

    by: str
    audit_task_ids: tuple[str, ...]
    problems: tuple[ProblemEffect, ...]
    read_backs: tuple[ResourceReadBack, ...]
    notes: tuple[str, ...] = ()


class RollbackBegun(Event, frozen=True, tag="rollback_begun"):
    """A run of a roll-back of this campaign began; further ones go on with it."""

    by: str
    version: str
    rollback: RollbackPlan
    approval: Approval | None = None
    cut_off_bytes: int = 0


class UndoAsked(Event, frozen=True, tag="undo_asked"):
    """AWS is about to be asked for one call of a roll-back plan (its digest, and the number of the call)."""

    rollback: str
    number: int


class UndoEnded(Event, frozen=True, tag="undo_ended"):
    """How one call of a roll-back plan ended."""

    rollback: str
    number: int
    result: UndoResult
    note: str = ""


class RollbackStopped(Event, frozen=True, tag="rollback_stopped"):
    """The run of a roll-back ended before the roll-back did."""

    rollback: str
    why: StopReason
    note: str = ""


class RollbackFinished(Event, frozen=True, tag="rollback_finished"):
    """Nothing of a roll-back is left to do."""

    rollback: str


Undoing = RollbackBegun | UndoAsked | UndoEnded | RollbackStopped | RollbackFinished
"""Events of a roll-back (`rollback_state`)."""

AnyEvent = (
    Begun
    | WaveBegun
    | BatchCaptured
    | TaskAsked
    | TaskStarted
    | TaskRefused
    | TaskEnded
    | Executed
    | Skipped
    | Stopped
    | Canceled
    | Finished
    | Verified
    | RollbackBegun
    | UndoAsked
    | UndoEnded
    | RollbackStopped
    | RollbackFinished
)
"""One event of a journal."""


def encode_event(event: AnyEvent) -> bytes:
    """Return an event as JSON, always the same for the same event."""
    return msgspec.json.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """Read an event (`msgspec.ValidationError`)."""
    found: AnyEvent = _DECODER.decode(data)
    return found


_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
