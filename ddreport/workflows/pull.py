"""Pull: bring into the archive what it has not got, from one target or several, and say what could not be had."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ddreport.connect import DemoMoment, connect
from ddreport.errors import (
    ArchiveError,
    AuditNotConfiguredError,
    AwsCallError,
    CredentialsError,
    DDReportError,
    EndpointError,
    InputError,
    MissingExtraError,
    PartialDataError,
    TableSchemaError,
)
from ddreport.settings import Settings
from ddreport.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress
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
    state_changed: bool = False
    demo_seed: int | None = None
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
            demo = _demo_moment(archive, settings.demo_seed, as_of) if target.is_demo else None
            status.demo_seed = settings.demo_seed if target.is_demo else None
            with connect(target, demo=demo, settings=settings, progress=progress) as session:
                _pull_target(session, archive, status, start=start, end=end, progress=progress)
        except (ArchiveError, InputError, MissingExtraError):
            raise
        except DDReportError as exc:
            _note(status, exc)
        archive.record_pull(status.time or datetime.now(UTC), status.as_dict())
    return PullResult(tuple(statuses))


def _demo_moment(archive: Archive, seed: int, as_of: datetime | None) -> DemoMoment:
    """Let the demo account of this archive go on living from where its story ended."""
    before = [record for record in archive.pulls() if record.get("demo_seed") is not None and record.get("time")]
    if before and before[0]["demo_seed"] != seed:
        raise InputError(
            f"the archive {archive.path} holds the demo account of seed {before[0]['demo_seed']}, not of seed {seed}.",
            hint="use another folder for another seed.",
        )
    story_end = datetime.fromisoformat(before[0]["time"]) if before else None
    return DemoMoment(as_of or datetime.now(UTC), story_end)


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
    # AWS's clock moves on while we ask; what begins after this moment is for the next pull.
    window = Window(start or oldest_start(identity.as_of), end or identity.as_of + timedelta(minutes=1))
    status.time = identity.as_of
    _step(status, lambda: _pull_audits(session, identity, archive, window, status, progress))
    _step(status, lambda: _pull_mitigations(session, identity, archive, window, status, progress))
    progress.stage(f"{status.target}: configuration, schedules, suppressions, actions")
    _step(status, lambda: _pull_state(session, identity, archive, status))


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
    if status.new_audits_count + status.known_audits_count > 0:
        status.status = PARTIAL
    elif isinstance(exc, AwsCallError):
        status.status = _STATUS_OF_CODE.get(exc.code, FAILED)
    elif isinstance(exc, CredentialsError):
        status.status = NO_CREDENTIALS
    elif isinstance(exc, EndpointError):
        status.status = UNREACHABLE
    else:
        status.status = FAILED


_STATUS_OF_CODE = {
    "AccessDeniedException": NO_PERMISSION,
    "AccessDenied": NO_PERMISSION,
    "ForbiddenException": NO_PERMISSION,
    "UnauthorizedException": NO_PERMISSION,
    "UnauthorizedOperation": NO_PERMISSION,
    "ThrottlingException": THROTTLED,
    "Throttling": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "RequestLimitExceeded": THROTTLED,
}


def _pull_audits(
    session: AwsSession,
    identity: Identity,
    archive: Archive,
    window: Window,
    status: TargetStatus,
    progress: Progress,
) -> None:
    from ddreport.aws.audits import fetch_audit, fetch_audit_tasks

    progress.stage(f"{status.target}: listing audits")
    listed = fetch_audit_tasks(session.iot, start=window.start, end=window.end, as_of=identity.as_of)
    known = archive.identities("audit", identity.account, identity.region)
    new = [task["taskId"] for task in listed if task["taskId"] not in known]
    status.known_audits_count = len(listed) - len(new)
    progress.stage(f"{status.target}: audits with their findings", len(new))

    def keep(task: str) -> None:
        audit = fetch_audit(
            session.iot, task, account=identity.account, region=identity.region, emulated=identity.emulated
        )
        if audit is None:
            status.running_audits_count += 1
        elif archive.append(audit, pulled_time=identity.as_of):
            status.new_audits_count += 1
            status.new_findings_count += audit.tables["findings"].num_rows

    _each(new, keep, status, progress)


def _pull_mitigations(
    session: AwsSession,
    identity: Identity,
    archive: Archive,
    window: Window,
    status: TargetStatus,
    progress: Progress,
) -> None:
    from ddreport.aws.mitigations import fetch_mitigation, fetch_mitigation_tasks

    progress.stage(f"{status.target}: listing mitigation tasks")
    listed = fetch_mitigation_tasks(session.iot, start=window.start, end=window.end, as_of=identity.as_of)
    known = archive.identities("mitigation", identity.account, identity.region)
    new = [task["taskId"] for task in listed if task["taskId"] not in known]
    progress.stage(f"{status.target}: mitigation tasks with their executions", len(new))

    def keep(task: str) -> None:
        mitigation = fetch_mitigation(
            session.iot, task, account=identity.account, region=identity.region, emulated=identity.emulated
        )
        if mitigation is not None and archive.append(mitigation, pulled_time=identity.as_of):
            status.new_mitigation_tasks_count += 1

    _each(new, keep, status, progress)


def _each(tasks: Sequence[str], keep: Callable[[str], None], status: TargetStatus, progress: Progress) -> None:
    """Bring in tasks one by one, oldest first: what AWS forgets first is saved first. One bad task spoils no other."""
    failures = 0
    for task in reversed(tasks):
        worked = _step(status, lambda task=task: keep(task))  # type: ignore[misc]  # mypy sees no default here
        failures = 0 if worked else failures + 1
        if failures == FAILURES_IN_A_ROW:
            status.problems.append(f"stopped after {failures} failures in a row; the rest was not asked for.")
            return
        progress.advance()


FAILURES_IN_A_ROW = 3
"""So many refusals in a row mean that the call as such is refused, and not one task odd."""


def _pull_state(session: AwsSession, identity: Identity, archive: Archive, status: TargetStatus) -> None:
    from ddreport.aws.configuration import fetch_state

    state = fetch_state(session.iot, account=identity.account, region=identity.region, emulated=identity.emulated)
    status.state_changed = archive.append_state(state, pulled_time=identity.as_of)
    configured = state.tables["account_configurations"].column("configured")[0].as_py()
    if not configured and status.new_audits_count + status.known_audits_count == 0:
        error = AuditNotConfiguredError(
            f"Device Defender Audit was never enabled in account {state.account}, Region {state.region}.",
            hint="enable checks and a schedule in the console (IoT Core, Security, Audit), or choose another Region.",
        )
        _note(status, error)
        status.status = NOT_ENABLED
