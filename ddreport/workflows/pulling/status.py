"""How a pull went: per target in one word, with counts and problems, as kept in the archive's diary."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ddreport.aws.errors import DENIED_CODES, THROTTLED_CODES
from ddreport.errors import AuditNotConfiguredError, AwsCallError, CredentialsError, EndpointError
from ddreport.terms import PullStatus

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.errors import DDReportError

log = logging.getLogger(__name__)


@dataclass
class TargetStatus:
    """How the pull of one target went.

    Attributes
    ----------
    pull_id
        The same for all targets of one pull, and for no other pull.
    time
        When the pull asked, by AWS's clock; None when AWS never answered.
    account, region
        As AWS answered; while it has not, the account is None and the Region what the target names, if anything.
    status
        A word of `terms.PullStatus`.
    audits_listed
        Whether AWS told which audits there are from `window_start` to `window_end`. Without that, no audit is known
        to be missing, and none to be there.
    new_audits_count, known_audits_count, running_audits_count, missing_audits_count
        Audits archived now, archived before, still running (archived by a later pull), and listed but not had.
    inventory_seen, inventory_changed, inventory_missing_tables
        Whether an inventory was read, whether it differs from the one before, and which of its tables were refused.
    same_place_as
        Another target of this pull that is the same account and Region and was asked first.
    problems
        What went wrong, in plain words with the next step.
    """

    target: str
    pull_id: str = ""
    time: datetime | None = None
    account: str | None = None
    region: str | None = None
    emulated: bool | None = None
    status: str = PullStatus.OK.value
    audits_listed: bool = False
    new_audits_count: int = 0
    known_audits_count: int = 0
    running_audits_count: int = 0
    missing_audits_count: int = 0
    new_findings_count: int = 0
    new_mitigation_tasks_count: int = 0
    state_seen: bool = False
    state_changed: bool = False
    inventory_seen: bool = False
    inventory_changed: bool = False
    inventory_missing_tables: list[str] = field(default_factory=list)
    window_start: str | None = None
    window_end: str | None = None
    same_place_as: str | None = None
    demo_seed: int | None = None
    demo_story_end: str | None = None
    problems: list[str] = field(default_factory=list)
    error: DDReportError | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts for JSON and for the archive's record of the pull."""
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "error"}
        facts["time"] = self.time.isoformat() if self.time else None
        return facts

    def note(self, exc: DDReportError) -> None:
        """Keep a problem; the first one decides about `status`."""
        log.info("%s: %s", self.target, exc)
        if str(exc) not in self.problems:
            self.problems.append(str(exc))
        if self.error is None:
            self.error = exc

    def settle(self) -> None:
        """Judge at the end, so that it does not matter which audit came first: anything had is a partial success."""
        self.status = _verdict(self).value


@dataclass(frozen=True)
class PullResult:
    """How a whole pull went, one status per target, in the order in which they were given."""

    statuses: tuple[TargetStatus, ...]

    @property
    def exit_code(self) -> int:
        """0 when everything was had, 4 when only part was, else the code of the error that stopped the only target."""
        bad = [s for s in self.statuses if s.status != PullStatus.OK]
        if not bad:
            return 0
        if any(s.status in (PullStatus.OK, PullStatus.PARTIAL) for s in self.statuses):
            return 4
        return max(s.error.exit_code if s.error else 1 for s in bad)


def _verdict(status: TargetStatus) -> PullStatus:
    exc = status.error
    if exc is None:
        return PullStatus.OK
    if isinstance(exc, AuditNotConfiguredError):
        return PullStatus.NOT_ENABLED
    if status.new_audits_count + status.known_audits_count + status.new_mitigation_tasks_count or status.state_seen:
        return PullStatus.PARTIAL
    if isinstance(exc, AwsCallError):
        refused = PullStatus.NO_PERMISSION if exc.code in DENIED_CODES else PullStatus.FAILED
        return PullStatus.THROTTLED if exc.code in THROTTLED_CODES else refused
    if isinstance(exc, CredentialsError):
        return PullStatus.NO_CREDENTIALS
    return PullStatus.UNREACHABLE if isinstance(exc, EndpointError) else PullStatus.FAILED
