"""What is wanted and what is there, of one account and Region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ddreport.connect import configuration_file, configuration_name
from ddreport.errors import AwsCallError, SettingsError
from ddreport.mitigation.roles import Place
from ddreport.setup.alarms import NAME_START
from ddreport.setup.definitions import resolve, role_names, topic_arn
from ddreport.setup.desired import Desired
from ddreport.setup.present import LoggingState, Present, RoleState, Unknown
from ddreport.setup.reading import parse_setup
from ddreport.setup.roles import role_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddreport.aws.session import AwsSession
    from ddreport.progress import Progress
    from ddreport.settings import Settings
    from ddreport.setup.present import ActionState, AuditState
    from ddreport.setup.roles import RoleDefinition
    from ddreport.targets import Target


def read_desired(target: Target, *, settings: Settings, targets: Iterable[str] = ()) -> Desired:
    """Return what `ddreport.toml` wants of a target; AWS's tutorial where it says nothing or there is no such file.

    Raises
    ------
    SettingsError
        The file cannot be read or is wrong.
    """
    path = configuration_file(settings)
    if path is None:
        return Desired(source=f"the defaults ({configuration_name(settings)})")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} cannot be read: {exc}.") from exc
    return parse_setup(text, source=str(path), target=target.name, targets=targets)


@dataclass(frozen=True)
class Where:
    """Who asks where: account, Region and partition; and whether the emulator answers."""

    place: Place
    caller: str
    emulated: bool


def where_is(session: AwsSession) -> Where:
    """Ask AWS who we are (`CredentialsError`, `EndpointError`)."""
    identity = session.identity()
    return Where(Place(identity.account, identity.region, session.iot.meta.partition), identity.arn, identity.emulated)


def read_present(
    session: AwsSession, desired: Desired, place: Place, *, progress: Progress, everything: bool = False
) -> Present:
    """Read what is there of all that is wanted. Nothing is changed; a refused read makes its part unknown.

    Parameters
    ----------
    everything
        Also read the tags of mitigation actions, and roles, that are not declared: to take them away.

    Raises
    ------
    CredentialsError, EndpointError
        Nothing can be read at all.
    """
    from ddreport.aws.setup import reading

    known = reading.known_or_unknown
    progress.stage("reading the audit configuration, schedules, logging and mitigation actions")
    audit = known(lambda: reading.fetch_audit_state(session.iot))
    schedules = known(lambda: reading.fetch_schedule_states(session.iot))
    logging = known(lambda: reading.fetch_logging_state(session.iot))
    names = {action.name for action in desired.actions or ()}
    actions = known(lambda: reading.fetch_action_states(session.iot, None if everything else names))
    groups = {group for action in desired.actions or () for group in action.thing_groups or ()}
    missing = reading.fetch_missing_groups(session.iot, sorted(groups))
    progress.stage("reading the roles")
    definitions = resolve(desired, place, audit=audit)
    roles: dict[str, RoleState | Unknown | None] = {}
    wanted = set(role_names(desired))
    if everything:
        wanted |= _roles_in_use(audit, logging, actions)
    for name in sorted(wanted):
        roles[name] = _role(session, name, definitions.roles.get(name), place)
    progress.stage("reading the topic and the alarms")
    topic = None if desired.topic is None else topic_arn(desired.topic, place)
    return Present(
        place=place,
        roles=roles,
        audit=audit,
        schedules=schedules,
        logging=logging,
        actions=actions,
        topic=None if topic is None else known(lambda: reading.fetch_topic_state(session.sns, topic)),
        subscriptions=() if topic is None else known(lambda: reading.fetch_subscription_states(session.sns, topic)),
        alarms=known(lambda: reading.fetch_alarm_states(session.cloudwatch, NAME_START)),
        missing_groups=missing,
    )


def _roles_in_use(
    audit: AuditState | Unknown, logging: LoggingState | Unknown | None, actions: Mapping[str, ActionState] | Unknown
) -> set[str]:
    """Return the names of the roles that are in use: an earlier set-up may have made them under other names."""
    found: list[str | None] = []
    if not isinstance(audit, Unknown):
        found += [audit.role_arn, audit.notification.get("roleArn")]
    if isinstance(logging, LoggingState):
        found.append(logging.role_arn)
    if not isinstance(actions, Unknown):
        found += [state.action.role_arn for state in actions.values()]
    return {role_name(arn) for arn in found if arn}


def _role(session: AwsSession, name: str, wanted: RoleDefinition | None, place: Place) -> RoleState | Unknown | None:
    from ddreport.aws.iam_roles import fetch_role
    from ddreport.aws.setup.reading import role_state
    from ddreport.setup.planning_roles import is_own
    from ddreport.workflows.action_roles import lacking, trusts

    try:
        facts = fetch_role(session.iam, name)
    except AwsCallError as exc:
        return Unknown(f"{exc.operation} was refused: {exc.code}")
    if facts is None:
        return None
    state = role_state(facts)
    if wanted is None or isinstance(state, Unknown) or (is_own(state) and not wanted.given):
        return state
    sources = [_real(source, place) for source in wanted.sources]
    faults = [
        f"its trust policy does not let AWS IoT take it on for {source}"
        for source in sources
        if not trusts(facts, source, place)
    ]
    return replace(state, faults=tuple(faults), notes=tuple(lacking(facts, wanted.grants)))


def _real(source: str, place: Place) -> str:
    """Return an ARN that AWS IoT comes with, of a pattern for all Regions."""
    resource = source.split(":", 5)[5]
    return place.arn("iot", "" if resource == "*" else resource)
