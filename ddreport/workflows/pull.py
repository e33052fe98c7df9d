"""Pull: bring into the archive what it has not got, from one target or several, and say what could not be had."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from ddreport.aws.errors import DENIED_CODES, THROTTLED_CODES
from ddreport.connect import DemoMoment, connect
from ddreport.errors import (
    ArchiveCorruptError,
    ArchiveError,
    ArchiveVersionError,
    ArchiveWriteError,
    AuditNotConfiguredError,
    AwsCallError,
    CredentialsError,
    DDReportError,
    EndpointError,
    InputError,
    MissingExtraError,
    PartialDataError,
    TableSchemaError,
    WindowError,
)
from ddreport.settings import Settings
from ddreport.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress
    from ddreport.records import RecordKind
    from ddreport.targets import Target

log = logging.getLogger(__name__)

OK = "ok"
PARTIAL = "partial"
NOT_ENABLED = "not enabled"
NO_PERMISSION = "no permission"
THROTTLED = "throttled"
UNREACHABLE = "unreachable"
NO_CREDENTIALS = "no credentials"
FAILED = "failed"


@dataclass
class TargetStatus:
    """How the pull of one target went.

    Attributes
    ----------
    time
        When the pull asked, by AWS's clock; None when AWS never answered.
    status
        `ok`, `partial` (some calls refused, the rest archived), `not enabled`, `no permission`, `throttled`,
        `unreachable`, `no credentials` or `failed`.
    new_audits_count, known_audits_count, running_audits_count
        Audits archived now, archived before, and still running (archived by a later pull).
    problems
        What went wrong, in plain words with the next step.
    """

    target: str
    time: datetime | None = None
    account: str | None = None
    region: str | None = None
    emulated: bool | None = None
    status: str = OK
    new_audits_count: int = 0
    known_audits_count: int = 0
    running_audits_count: int = 0
    new_findings_count: int = 0
    new_mitigation_tasks_count: int = 0
    state_seen: bool = False
    state_changed: bool = False
    window_start: str | None = None
    window_end: str | None = None
    demo_seed: int | None = None
    demo_story_end: str | None = None
    problems: list[str] = field(default_factory=list)
    error: DDReportError | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts for JSON and for the archive's record of the pull."""
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "error"}
        facts["time"] = self.time.isoformat() if self.time else None
        return facts


@dataclass(frozen=True)
class PullResult:
    """How a whole pull went, one status per target."""

    statuses: tuple[TargetStatus, ...]

    @property
    def exit_code(self) -> int:
        """0 when everything was had, 4 when only part was, else the code of the error that stopped the only target."""
        bad = [s for s in self.statuses if s.status != OK]
        if not bad:
            return 0
        if any(s.status in (OK, PARTIAL) for s in self.statuses):
            return 4
        return max(s.error.exit_code if s.error else 1 for s in bad)


def pull(
    targets: Sequence[Target],
    archive: Archive,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
    settings: Settings | None = None,
    progress: Progress,
) -> PullResult:
    """Bring into `archive` every ended audit and mitigation task of the window that it has not got, and the state.

    Killed at any moment and started again it loses and doubles nothing: each audit is archived whole or not at all.
    A target that fails does not spoil the others; what happened is kept in the archive's record of the pull.

    Parameters
    ----------
    start, end
        Window in aware UTC; default: all that AWS keeps (90 days) up to now, by AWS's clock.
    as_of
        Only for the target `demo`: the moment at which to see the emulated account.

    Raises
    ------
    RetentionError, WindowError
        The window begins before what AWS keeps, or is reversed.
    ArchiveError
        The archive cannot be written; nothing half-written is left.
    """
    statuses = []
    settings = settings or Settings.from_env()
    for target in targets:
        status = TargetStatus(target.name)
        statuses.append(status)
        try:
            demo = None
            if target.is_demo:
                demo = _demo_moment(archive, settings.demo_seed, as_of)
                status.demo_seed = settings.demo_seed
                status.demo_story_end = (demo.story_end or demo.as_of).isoformat()
            with connect(target, demo=demo, settings=settings, progress=progress) as session:
                _pull_target(session, archive, status, start=start, end=end, progress=progress)
        except DDReportError as exc:
            # What the user gave for the whole pull, and an archive that cannot be written, concern every target.
            if len(targets) == 1 and isinstance(exc, ArchiveError | InputError | MissingExtraError):
                raise
            if isinstance(exc, WindowError | ArchiveWriteError | ArchiveVersionError | ArchiveCorruptError):
                raise
            _note(status, exc)
        status.status = _verdict(status)
        archive.record_pull(status.time or datetime.now(UTC), status.as_dict())
    return PullResult(tuple(statuses))


def _demo_moment(archive: Archive, seed: int, as_of: datetime | None) -> DemoMoment:
    """Let the demo account of this archive go on living from where its story ended."""
    before = [record for record in archive.pulls() if record.get("demo_story_end")]
    if before and before[0]["demo_seed"] != seed:
        raise InputError(
            f"the archive {archive.path} holds the demo account of seed {before[0]['demo_seed']}, not of seed {seed}.",
            hint="use another folder for another seed.",
        )
    story_end = datetime.fromisoformat(before[0]["demo_story_end"]) if before else None
    return DemoMoment(as_of or datetime.now(UTC), story_end)


@dataclass(frozen=True)
class _Pulling:
    """What the steps of one target's pull share."""

    session: AwsSession
    identity: Identity
    archive: Archive
    status: TargetStatus
    progress: Progress
    window: _Asked

    @property
    def place(self) -> _Place:
        return {
            "account": self.identity.account,
            "region": self.identity.region,
            "emulated": self.identity.emulated,
        }

    def not_archived(self, kind: RecordKind, listed: Sequence[Mapping[str, Any]]) -> list[str]:
        known = self.archive.identities(kind, self.identity.account, self.identity.region)
        return [task["taskId"] for task in listed if task["taskId"] not in known]


class _Asked(TypedDict):
    start: datetime
    end: datetime
    as_of: datetime


class _Place(TypedDict):
    account: str
    region: str
    emulated: bool


def _pull_target(
    session: AwsSession,
    archive: Archive,
    status: TargetStatus,
    *,
    start: datetime | None,
    end: datetime | None,
    progress: Progress,
) -> None:
    from ddreport.aws.windows import oldest_start

    progress.stage(f"{status.target}: asking AWS who we are")
    identity = session.identity()
    status.account, status.region, status.emulated = identity.account, identity.region, identity.emulated
    status.time = identity.as_of
    # AWS's clock moves on while we ask; what begins after this moment is for the next pull.
    window = Window(start or oldest_start(identity.as_of), end or identity.as_of + timedelta(minutes=1))
    status.window_start, status.window_end = window.start.isoformat(), window.end.isoformat()
    asked: _Asked = {"start": window.start, "end": window.end, "as_of": identity.as_of}
    pulling = _Pulling(session, identity, archive, status, progress, asked)
    for step in (_pull_audits, _pull_mitigations, _pull_state):
        _step(status, partial(step, pulling))


def _step(status: TargetStatus, step: Callable[[], None]) -> bool:
    """Run one step and tell whether it worked; what was refused is noted, and the next step still runs.

    Credentials that expire or a line that breaks would spoil every further step alike: they end the target.
    """
    try:
        step()
    except (AwsCallError, PartialDataError, TableSchemaError) as exc:
        _note(status, exc)
        return False
    return True


def _note(status: TargetStatus, exc: DDReportError) -> None:
    log.info("%s: %s", status.target, exc)
    if str(exc) not in status.problems:
        status.problems.append(str(exc))
    if status.error is None:
        status.error = exc


def _verdict(status: TargetStatus) -> str:
    """Judge at the end, so that it does not matter which audit came first: anything had makes it a partial success."""
    exc = status.error
    if exc is None:
        return OK
    if isinstance(exc, AuditNotConfiguredError):
        return NOT_ENABLED
    if status.new_audits_count + status.known_audits_count + status.new_mitigation_tasks_count or status.state_seen:
        return PARTIAL
    if isinstance(exc, AwsCallError):
        refused = NO_PERMISSION if exc.code in DENIED_CODES else FAILED
        return THROTTLED if exc.code in THROTTLED_CODES else refused
    if isinstance(exc, CredentialsError):
        return NO_CREDENTIALS
    return UNREACHABLE if isinstance(exc, EndpointError) else FAILED


def _pull_audits(pulling: _Pulling) -> None:
    from ddreport.aws.audits import fetch_audit, fetch_audit_tasks

    def fetch(task: str) -> None:
        audit = fetch_audit(pulling.session.iot, task, **pulling.place)
        if audit is None:
            pulling.status.running_audits_count += 1
        elif pulling.archive.append(audit, pulled_time=pulling.identity.as_of):
            pulling.status.new_audits_count += 1
            pulling.status.new_findings_count += audit.tables["findings"].num_rows

    pulling.progress.stage(f"{pulling.status.target}: listing audits")
    listed = fetch_audit_tasks(pulling.session.iot, **pulling.window)
    new = pulling.not_archived("audit", listed)
    pulling.status.known_audits_count = len(listed) - len(new)
    pulling.progress.stage(f"{pulling.status.target}: audits with their findings", len(new))
    _each(new, fetch, pulling)


def _pull_mitigations(pulling: _Pulling) -> None:
    from ddreport.aws.mitigations import fetch_mitigation, fetch_mitigation_tasks

    def fetch(task: str) -> None:
        mitigation = fetch_mitigation(pulling.session.iot, task, **pulling.place)
        if mitigation is not None and pulling.archive.append(mitigation, pulled_time=pulling.identity.as_of):
            pulling.status.new_mitigation_tasks_count += 1

    pulling.progress.stage(f"{pulling.status.target}: listing mitigation tasks")
    new = pulling.not_archived("mitigation", fetch_mitigation_tasks(pulling.session.iot, **pulling.window))
    pulling.progress.stage(f"{pulling.status.target}: mitigation tasks with their executions", len(new))
    _each(new, fetch, pulling)


def _each(tasks: Sequence[str], fetch: Callable[[str], None], pulling: _Pulling) -> None:
    """Bring in tasks one by one, oldest first: what AWS forgets first is saved first. One bad task spoils no other."""
    failures = 0
    for task in reversed(tasks):
        failures = 0 if _step(pulling.status, partial(fetch, task)) else failures + 1
        if failures == FAILURES_IN_A_ROW:
            pulling.status.problems.append(f"stopped after {failures} failures in a row; the rest was not asked for.")
            return
        pulling.progress.advance()


FAILURES_IN_A_ROW = 3
"""So many refusals in a row mean that the call as such is refused, and not one task odd."""


def _pull_state(pulling: _Pulling) -> None:
    from ddreport.aws.configuration import fetch_state

    status = pulling.status
    pulling.progress.stage(f"{status.target}: configuration, schedules, suppressions, actions")
    state = fetch_state(pulling.session.iot, **pulling.place)
    status.state_seen = True
    status.state_changed = pulling.archive.append_state(state, pulled_time=pulling.identity.as_of)
    configured = state.tables["account_configurations"].column("configured")[0].as_py()
    if not configured and status.new_audits_count + status.known_audits_count == 0:
        error = AuditNotConfiguredError(
            f"Device Defender Audit was never enabled in account {state.account}, Region {state.region}.",
            hint="enable checks and a schedule in the console (IoT Core, Security, Audit), or choose another Region.",
        )
        _note(status, error)
