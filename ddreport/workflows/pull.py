"""Pull: bring into the archive what it has not got, from one target or several at once, and say what was not had."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ddreport.connect import connect
from ddreport.errors import (
    ArchiveCorruptError,
    ArchiveError,
    ArchiveVersionError,
    ArchiveWriteError,
    DDReportError,
    InputError,
    MissingExtraError,
    WindowError,
)
from ddreport.progress import SideBySide
from ddreport.settings import PARALLEL_TARGETS, Settings
from ddreport.window import Window
from ddreport.workflows.pulling.places import Places
from ddreport.workflows.pulling.status import PullResult, TargetStatus
from ddreport.workflows.pulling.steps import STEPS
from ddreport.workflows.pulling.target import Asked, TargetPull
from ddreport.workflows.pulling.threads import Stop, side_by_side
from ddreport.workflows.sessions import demo_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.connect import DemoMoment
    from ddreport.progress import Progress
    from ddreport.targets import Target
    from ddreport.workflows.pulling.target import Step

__all__ = ["PullResult", "TargetStatus", "pull"]


def pull(
    targets: Sequence[Target],
    archive: Archive,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
    settings: Settings | None = None,
    progress: Progress,
    parallel: int = PARALLEL_TARGETS,
    extra_steps: Sequence[Step] = (),
) -> PullResult:
    """Bring into `archive` every ended audit and mitigation task of the window that it has not got, and the state.

    Killed at any moment and started again it loses and doubles nothing: each audit is archived whole or not at all.
    Targets are asked side by side, each within the request rates of its account and Region. A target that fails does
    not spoil the others; what happened is kept in the archive's record of the pull.

    Parameters
    ----------
    start, end
        Window in aware UTC; default: all that AWS keeps (90 days) up to now, by AWS's clock.
    as_of
        Only for the target `demo`: the moment at which to see the emulated account.
    parallel
        How many targets are asked at once.
    extra_steps
        What to do for each target after the usual steps.

    Raises
    ------
    RetentionError, WindowError
        The window begins before what AWS keeps, or is reversed.
    ArchiveError
        The archive cannot be written; nothing half-written is left.
    InputError
        `parallel` is less than 1.
    """
    if parallel < 1:
        raise InputError(f"parallel is {parallel}; allowed: 1 or more.")
    chosen = list({target.name: target for target in targets}.values())
    stop = Stop()
    run = _Run(
        archive=archive,
        start=start,
        end=end,
        as_of=as_of,
        settings=settings or Settings.from_env(),
        steps=(*STEPS, *extra_steps),
        stop=stop,
        places=Places(stop),
        alone=len(chosen) == 1,
        diary=threading.Lock(),
    )
    pull_id = uuid.uuid4().hex
    statuses = {t.name: TargetStatus(t.name, pull_id=pull_id, region=t.region) for t in chosen}
    if run.alone:
        for target in chosen:
            run.pull(target, statuses[target.name], progress)
        return PullResult(tuple(statuses.values()))
    shared = SideBySide(progress, f"Pulling {len(chosen)} targets", len(chosen))

    def one(target: Target) -> None:
        with shared.branch() as own:
            run.pull(target, statuses[target.name], own)

    side_by_side(one, chosen, workers=min(parallel, len(chosen)), stop=stop, name="target")
    return PullResult(tuple(statuses.values()))


@dataclass(frozen=True)
class _Run:
    """What all targets of one pull share."""

    archive: Archive
    start: datetime | None
    end: datetime | None
    as_of: datetime | None
    settings: Settings
    steps: tuple[Step, ...]
    stop: Stop
    places: Places
    alone: bool
    diary: threading.Lock

    def pull(self, target: Target, status: TargetStatus, progress: Progress) -> None:
        """Pull one target and record how that went; raises only what concerns the whole pull."""
        try:
            demo = self._demo(status) if target.is_demo else None
            with connect(target, demo=demo, settings=self.settings, progress=progress) as session:
                self._ask(session, status, progress)
        except DDReportError as exc:
            # What the user gave for the whole pull, and an archive that cannot be written, concern every target.
            if self.alone and isinstance(exc, ArchiveError | InputError | MissingExtraError):
                raise
            if isinstance(exc, WindowError | ArchiveWriteError | ArchiveVersionError | ArchiveCorruptError):
                raise
            status.note(exc)
        status.settle()
        with self.diary:
            self.archive.record_pull(status.time or datetime.now(UTC), status.as_dict())

    def _demo(self, status: TargetStatus) -> DemoMoment:
        """Let the demo account of this archive go on living from where its story ended."""
        status.demo_seed = self.settings.demo_seed
        demo = demo_moment(self.archive, self.settings, as_of=self.as_of)
        status.demo_story_end = (demo.story_end or demo.as_of).isoformat()
        return demo

    def _ask(self, session: AwsSession, status: TargetStatus, progress: Progress) -> None:
        from ddreport.aws.windows import oldest_start

        stop = Stop(self.stop)
        session.before_request = stop.check
        progress.stage(f"{status.target}: asking AWS who we are")
        identity = session.identity()
        status.account, status.region, status.emulated = identity.account, identity.region, identity.emulated
        status.time = identity.as_of
        # AWS's clock moves on while we ask; what begins after this moment is for the next pull.
        window = Window(self.start or oldest_start(identity.as_of), self.end or identity.as_of + timedelta(minutes=1))
        status.window_start, status.window_end = window.start.isoformat(), window.end.isoformat()

        def waiting(first: str) -> None:
            progress.stage(f"{status.target}: waiting for {first}, which is the same account and Region")

        with self.places.turn(identity.account, identity.region, target=status.target, waiting=waiting) as turn:
            session.limiter, status.same_place_as = turn
            asked: Asked = {"start": window.start, "end": window.end, "as_of": identity.as_of}
            pulling = TargetPull(session, identity, self.archive, status, progress, asked, stop)
            for step in self.steps:
                pulling.attempt(partial(step, pulling))
