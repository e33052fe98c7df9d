"""The doctor's round: look at targets side by side, change nothing, and say of each how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.doctor.facts import Allowed, ArchiveFound, Facts, RoleFound, TopicFound
from ddreport.doctor.permissions import NEEDS, PASS_ROLE, PASSED_TO, Way, actions
from ddreport.doctor.verdicts import MOST_VERSIONS, Status, Verdict, judge, unreachable
from ddreport.errors import ArchiveError, AwsCallError, DDReportError, NoDataError
from ddreport.progress import SideBySide
from ddreport.setup.alarms import NAME_START
from ddreport.setup.present import LoggingState, Unknown
from ddreport.setup.roles import audit_role, logging_role, notification_role, role_name
from ddreport.workflows.pulling.threads import Stop, side_by_side
from ddreport.workflows.sessions import open_target
from ddreport.workflows.setting_up.read import where_is

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ddreport.aws.session import AwsSession, Identity
    from ddreport.mitigation.roles import Grant, Place
    from ddreport.progress import Progress
    from ddreport.settings import Settings
    from ddreport.setup.present import ActionState, AuditState
    from ddreport.setup.roles import RoleDefinition
    from ddreport.targets import Target


@dataclass
class Examined:
    """One target of a round.

    Attributes
    ----------
    facts
        None where it could not be looked at.
    verdicts
        What is to be said of it.
    """

    target: Target
    facts: Facts | None = None
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        """Whether it could be looked at."""
        return self.facts is not None


def examine_all(
    targets: Sequence[Target],
    *,
    way: Way,
    settings: Settings,
    archive: str | Path = "",
    parallel: int,
    progress: Progress,
) -> list[Examined]:
    """Look at targets side by side. Only read calls are made; one that cannot be asked spoils no other.

    Parameters
    ----------
    way
        Whose permissions are looked for.
    archive
        Where the age of what was pulled is read; empty means the settings' own.
    """
    found = [Examined(target) for target in targets]
    shared = SideBySide(progress, f"Looking at {len(found)} targets", len(found))

    def one(examined: Examined) -> None:
        with shared.branch() as own:
            _examine(examined, way=way, settings=settings, archive=archive, progress=own)

    side_by_side(one, found, workers=max(1, min(parallel, len(found))), stop=Stop(), name="doctor")
    return found


def _examine(examined: Examined, *, way: Way, settings: Settings, archive: str | Path, progress: Progress) -> None:
    try:
        with open_target(examined.target, archive=archive, settings=settings, progress=progress) as session:
            examined.facts = gather(
                session, examined.target, way=way, settings=settings, archive=archive, progress=progress
            )
    except DDReportError as exc:
        examined.verdicts = [unreachable(exc.message, exc.hint)]
    else:
        examined.verdicts = judge(examined.facts)


def gather(
    session: AwsSession,
    target: Target,
    *,
    way: Way = Way.AUDITOR,
    settings: Settings,
    archive: str | Path = "",
    progress: Progress,
) -> Facts:
    """Find out all that the verdicts need. Only read calls are made; what may not be read is unknown.

    Raises
    ------
    CredentialsError, EndpointError
        AWS cannot be asked at all.
    """
    from ddreport.aws.permissions import probe, watched
    from ddreport.aws.setup import reading
    from ddreport.workflows.audits import read_schedules
    from ddreport.workflows.targets import plain_rows

    known = reading.known_or_unknown
    where, identity = where_is(session), session.identity()
    place = where.place
    progress.stage(f"{target.name}: reading the account")
    with watched(session) as seen:
        audit = known(lambda: reading.fetch_audit_state(session.iot))
        schedules = known(lambda: read_schedules(session, identity, progress=_Named(progress, target.name)))
        logging = known(lambda: reading.fetch_logging_state(session.iot))
        defined = known(lambda: reading.fetch_action_states(session.iot, ()))
        alarms = known(lambda: reading.fetch_alarm_states(session.cloudwatch, NAME_START))
        progress.stage(f"{target.name}: reading the roles and the topic")
        roles = tuple(_role(session, wanted, place) for wanted in _roles_in_use(audit, logging, defined, place))
        topic = _topic(session, audit)
        progress.stage(f"{target.name}: trying what may be called")
        probe(session, actions(way) - set(seen), account=place.account, as_of=identity.as_of)
        simulated, note = _simulated(session, identity, place, way, seen)
    allowed = {name: Allowed.YES if is_allowed else Allowed.NO for name, is_allowed in (simulated | seen).items()}
    return Facts(
        target=target.name,
        place=place,
        caller=where.caller,
        emulated=where.emulated,
        as_of=identity.as_of,
        way=way,
        allowed=allowed,
        audit=audit,
        schedules=schedules if isinstance(schedules, Unknown) else plain_rows(schedules.runs),
        coverage=schedules if isinstance(schedules, Unknown) else plain_rows(schedules.coverage),
        logging=logging,
        actions=defined,
        alarms=alarms,
        roles=roles,
        topic=topic,
        archive=read_archive(target, identity, settings=settings, archive=archive),
        simulation=note,
    )


class _Named:
    """Progress whose stages begin with a target's name."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name

    def stage(self, text: str, total: int | None = None) -> None:
        self._progress.stage(f"{self._name}: {text}", total)

    def advance(self, steps: int = 1) -> None:
        self._progress.advance(steps)


@dataclass(frozen=True)
class _InUse:
    purpose: str
    arn: str
    sources: tuple[str, ...]
    grants: tuple[Grant, ...]


def _roles_in_use(
    audit: AuditState | Unknown,
    logging: LoggingState | Unknown | None,
    defined: Mapping[str, ActionState] | Unknown,
    place: Place,
) -> list[_InUse]:
    """Return the roles that AWS IoT is told to use here, each once for all that it has to do."""
    from ddreport.mitigation.roles import needed_grants

    # AWS IoT comes with the account alone, without a resource, except for mitigation actions.
    anything = place.arn("iot", "")
    found: list[_InUse] = []

    def add(arn: str, definition: RoleDefinition) -> None:
        found.append(_InUse(definition.purposes[0], arn, (anything,), definition.grants))

    if not isinstance(audit, Unknown) and audit.role_arn:
        add(audit.role_arn, audit_role(audit.role_arn, place))
        topic, teller = audit.notification.get("targetArn"), audit.notification.get("roleArn")
        if topic and teller and audit.notification.get("enabled"):
            add(teller, notification_role(teller, topic, place))
    if isinstance(logging, LoggingState) and logging.role_arn:
        add(logging.role_arn, logging_role(logging.role_arn, place))
    if not isinstance(defined, Unknown):
        for name, state in defined.items():
            source = place.arn("iot", f"mitigationaction/{name}")
            purpose = f"applies the mitigation action {name}"
            found.append(_InUse(purpose, state.action.role_arn, (source,), needed_grants(state.action, place)))
    return _joined(found)


def _joined(found: Sequence[_InUse]) -> list[_InUse]:
    roles: dict[str, _InUse] = {}
    for role in found:
        first = roles.get(role.arn)
        if first is not None:
            role = _InUse(  # noqa: PLW2901 - one role for both purposes
                f"{first.purpose}, {role.purpose}",
                role.arn,
                tuple(dict.fromkeys((*first.sources, *role.sources))),
                tuple(dict.fromkeys((*first.grants, *role.grants))),
            )
        roles[role.arn] = role
    return list(roles.values())


def _role(session: AwsSession, wanted: _InUse, place: Place) -> RoleFound:
    from ddreport.aws.iam_roles import fetch_role
    from ddreport.workflows.action_roles import lacking, trusts

    try:
        facts = fetch_role(session.iam, role_name(wanted.arn))
    except AwsCallError as exc:
        return RoleFound(wanted.purpose, wanted.arn, unread=(f"{exc.operation} was refused: {exc.code}",))
    if facts is None or facts.arn != wanted.arn:
        return RoleFound(wanted.purpose, wanted.arn, exists=False)
    lacks = lacking(facts, wanted.grants)
    return RoleFound(
        wanted.purpose,
        wanted.arn,
        distrusts=tuple(source for source in wanted.sources if not trusts(facts, source, place)),
        lacks=() if facts.unread else tuple(lacks),
        unread=facts.unread if lacks else (),
    )


def _topic(session: AwsSession, audit: AuditState | Unknown) -> TopicFound | None:
    from ddreport.aws.setup import reading

    arn = None if isinstance(audit, Unknown) else audit.notification.get("targetArn")
    if not arn:
        return None
    return TopicFound(
        arn,
        reading.known_or_unknown(lambda: reading.fetch_topic_state(session.sns, arn)),
        reading.known_or_unknown(lambda: reading.fetch_subscription_states(session.sns, arn)),
    )


def _simulated(
    session: AwsSession, identity: Identity, place: Place, way: Way, seen: Mapping[str, bool]
) -> tuple[dict[str, bool], str]:
    """Ask IAM about what was not tried; returns what it said, and why not where it could not be asked."""
    from ddreport.aws.permissions import simulate

    asking = "iam:SimulatePrincipalPolicy"
    if identity.emulated and session.target.is_demo:
        return dict.fromkeys(actions(way), True), ""  # the demo account lets everybody do everything
    needs = [need for need in NEEDS[way] if set(need.actions) - set(seen) - {asking}]
    principal = _principal(session, identity)
    if principal is None:
        return dict.fromkeys(actions(way), True), ""  # the root user
    found: dict[str, bool] = {}
    try:
        for need in needs or (NEEDS[way][:1] if asking in actions(way) else ()):
            wanted = sorted(set(need.actions) - {asking})
            context = {"iam:PassedToService": PASSED_TO} if wanted == [PASS_ROLE] else {}
            found |= simulate(session, principal, wanted, need.arns(place), context) if wanted else {}
    except AwsCallError as exc:
        return found, f"{exc.operation}: {exc.code}"
    return found, ""


def _principal(session: AwsSession, identity: Identity) -> str | None:
    """Return the ARN that IAM knows the caller by; None for the root user."""
    parts = identity.arn.split(":", 5)
    resource = parts[5] if len(parts) > 5 else ""
    if resource == "root":
        return None
    if not resource.startswith("assumed-role/"):
        return f"arn:{parts[1]}:iam::{identity.account}:{resource}" if resource else identity.arn
    name = resource.split("/")[1]
    from ddreport.aws.iam_roles import fetch_role

    try:
        facts = fetch_role(session.iam, name)  # it may have a path, which the caller's ARN leaves out
    except AwsCallError:
        facts = None
    return facts.arn if facts else f"arn:{parts[1]}:iam::{identity.account}:role/{name}"


def read_archive(
    target: Target, identity: Identity, *, settings: Settings, archive: str | Path = ""
) -> ArchiveFound | Unknown | None:
    """Return what the archive has of an account and Region; None where there is no archive yet."""
    from ddreport.archive import Archive
    from ddreport.metrics.coverage_of_targets import target_coverage
    from ddreport.tables.pulls import pulls_table
    from ddreport.workflows.load import open_archive

    here = (identity.account, identity.region)
    try:
        if target.is_demo:
            opened = open_archive([target.name], archive)
        else:
            opened = Archive.open(archive or settings.archive_dir)
        records = [r for r in opened.pulls() if (r.get("account"), r.get("region")) == here]
        pulls = pulls_table(records)
        as_of = identity.as_of
        if not pulls.empty:
            as_of = max(as_of, pulls["pulled_time"].max().to_pydatetime())
        coverage = target_coverage(pulls, as_of=as_of)
        audits = opened.load("audit_tasks", places=[here])["task_start_time"].max()
        pulled = coverage["last_success_time"].max() if len(coverage) else None
        return ArchiveFound(
            place=opened.location,
            last_pull_time=_moment(pulled),
            last_audit_time=_moment(audits),
            lost_days=float(coverage["lost_days"].min()) if len(coverage) else 0.0,
            full_policies=_full_policies(opened, here),
        )
    except NoDataError:
        return None
    except ArchiveError as exc:
        return Unknown(exc.message)


def _moment(time: Any) -> datetime | None:
    import pandas as pd

    if time is None or pd.isna(time):
        return None
    moment: datetime = time.to_pydatetime()
    return moment


def _full_policies(archive: Any, here: tuple[str, str]) -> tuple[str, ...] | None:
    """Return the policies that held as many versions as AWS allows when the inventory was read last."""
    versions = archive.load("policy_versions", places=[here])
    if versions.empty:
        return None
    newest = versions[versions["observed_time"] == versions["observed_time"].max()]
    counts = newest.groupby("policy_name").size()
    return tuple(sorted(str(name) for name in counts[counts >= MOST_VERSIONS].index))


def worst(verdicts: Sequence[Verdict]) -> Status:
    """Return the worst of some verdicts."""
    order = [Status.OK, Status.UNKNOWN, Status.WARN, Status.FAIL]
    return max((v.status for v in verdicts), key=order.index, default=Status.UNKNOWN)
