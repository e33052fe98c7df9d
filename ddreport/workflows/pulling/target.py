"""The pull of one target: what its steps share, and how they are run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from ddreport.errors import AwsCallError, PartialDataError, TableSchemaError
from ddreport.workflows.pulling.threads import Stop, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress
    from ddreport.records import RecordKind, RecordSet
    from ddreport.workflows.pulling.status import TargetStatus

FAILURES_IN_A_ROW = 3
"""So many refusals in a row mean that the call as such is refused, and not one task odd."""

WORKERS = 8
"""Tasks of one target that are fetched at once.

One at a time, a call that takes 100 ms is made ten times a second at best, and less since every audit takes two calls
and is written to the disk. Eight reach AWS's rate up to about 300 ms a call, and are few enough to hold in memory.
"""


class Asked(TypedDict):
    """The window of a pull, and now by AWS's clock."""

    start: datetime
    end: datetime
    as_of: datetime


class Place(TypedDict):
    """Where records come from."""

    account: str
    region: str
    emulated: bool


@dataclass(frozen=True)
class TargetPull:
    """What the steps of one target's pull share; methods may be called from several threads."""

    session: AwsSession
    identity: Identity
    archive: Archive
    status: TargetStatus
    progress: Progress
    window: Asked
    stop: Stop
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def place(self) -> Place:
        """Account, Region and kind, as the `fetch_*` functions take them."""
        return {
            "account": self.identity.account,
            "region": self.identity.region,
            "emulated": self.identity.emulated,
        }

    def stage(self, text: str, total: int | None = None) -> None:
        """Begin a new stage of progress; the target's name is put before the text."""
        self.progress.stage(f"{self.status.target}: {text}", total)

    def count(self, **more: int) -> None:
        """Add to counters of the status."""
        with self._lock:
            for name, number in more.items():
                setattr(self.status, name, getattr(self.status, name) + number)

    def append(self, records: RecordSet) -> bool:
        """Archive one set; False when it is there already. Nothing is begun any more once the pull is to stop."""
        self.stop.check()
        return self.archive.append(records, pulled_time=self.identity.as_of)

    def not_archived(self, kind: RecordKind, listed: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the ids of the listed tasks that the archive has not got, in AWS's order: newest first."""
        known = self.archive.identities(kind, self.identity.account, self.identity.region)
        return [i for i in dict.fromkeys(task["taskId"] for task in listed) if i not in known]

    def attempt(self, step: Callable[[], None]) -> bool:
        """Run one step and tell whether it worked; what was refused is noted, and the next step still runs.

        Credentials that expire or a line that breaks would spoil every further step alike: they end the target.
        """
        try:
            step()
        except (AwsCallError, PartialDataError, TableSchemaError) as exc:
            with self._lock:
                self.status.note(exc)
            return False
        return True

    def each(self, tasks: Sequence[str], fetch: Callable[[str], None]) -> None:
        """Bring in tasks, several at once and begun oldest first: what AWS forgets first is saved first.

        One bad task spoils no other; after three refusals in a row the rest is not asked for.
        """
        failures = 0

        def one(task: str) -> None:
            nonlocal failures
            if failures >= FAILURES_IN_A_ROW:
                return
            worked = self.attempt(lambda: fetch(task))
            with self._lock:
                failures = 0 if worked else failures + 1
                if failures == FAILURES_IN_A_ROW:
                    self.status.problems.append(
                        f"stopped after {failures} failures in a row; the rest was not asked for."
                    )
                self.progress.advance()

        # AWS lists the newest first.
        side_by_side(one, reversed(tasks), workers=min(WORKERS, len(tasks)), stop=self.stop, name=self.status.target)


Step: TypeAlias = "Callable[[TargetPull], None]"
"""One part of a target's pull: asks `session`, archives, counts in `status`, tells `progress`.

A step raises what `fetch_*` raises: refusals are noted and the next step runs; what ends a session ends the target;
what concerns the archive ends the pull.
"""
