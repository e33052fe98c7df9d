"""What is wanted, spelled out for one account and Region: ARNs, roles, actions, alarms; and what cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ddreport.errors import DDReportError, InputError
from ddreport.mitigation.actions import MitigationAction, parse_action
from ddreport.mitigation.defaults import make_parameters
from ddreport.setup import roles as role_rules
from ddreport.setup.alarms import AlarmDefinition, wanted_alarms
from ddreport.setup.forms import TOPIC_ARN
from ddreport.setup.present import AuditState, RoleState
from ddreport.setup.roles import RoleDefinition, account_of_role, role_name
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.mitigation.roles import Place
    from ddreport.setup.desired import Desired, WantedAction
    from ddreport.setup.present import Unknown


@dataclass(frozen=True)
class Problem:
    """Why a plan cannot be applied: what is wrong, and the next step."""

    message: str
    hint: str | None = None

    @classmethod
    def of(cls, exc: DDReportError, about: str = "") -> Problem:
        """Make one of an error."""
        return cls(f"{about}{exc.message}", exc.hint)

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True)
class Definitions:
    """What is wanted in one account and Region.

    Attributes
    ----------
    roles
        By name.
    topic_arn
        None where nobody is to be told.
    alarms
        By name.
    problems
        What is wanted and cannot be here.
    notes
        What should be known about it.
    """

    roles: Mapping[str, RoleDefinition]
    audit_role_arn: str
    notification_role_arn: str | None
    logging_role_arn: str
    topic_arn: str | None
    topic_given: bool
    actions: tuple[MitigationAction, ...] = ()
    action_roles: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, AlarmDefinition] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def role_names(desired: Desired) -> dict[str, str]:
    """Return the roles that are wanted, as they were given, by name."""
    given = [desired.roles.audit]
    if desired.topic is not None:
        given.append(desired.roles.notifications or desired.roles.audit)
    if desired.log_level is not None or any(
        a.action_type is MitigationActionType.ENABLE_IOT_LOGGING for a in desired.actions or ()
    ):
        given.append(desired.roles.logging)
    given += [action.role for action in desired.actions or ()]
    return {role_name(role): role for role in given}


def topic_arn(topic: str, place: Place) -> str:
    """Return the ARN of a topic that was given as a name or an ARN."""
    return topic if topic.startswith("arn:") else place.arn("sns", topic)


def resolve(
    desired: Desired,
    place: Place,
    *,
    roles: Mapping[str, RoleState | Unknown | None] | None = None,
    audit: AuditState | Unknown | None = None,
) -> Definitions:
    """Spell out what is wanted in one account and Region.

    Parameters
    ----------
    roles, audit
        What is known of them: a role that exists keeps its ARN, which may have a path.
    """
    made = _Resolving(desired, place, roles or {}, audit)
    return made.definitions()


class _Resolving:
    def __init__(
        self,
        desired: Desired,
        place: Place,
        roles: Mapping[str, RoleState | Unknown | None],
        audit: AuditState | Unknown | None,
    ) -> None:
        self.desired = desired
        self.place = place
        self.known = roles
        self.audit = audit
        self.problems: list[Problem] = []

    def definitions(self) -> Definitions:
        desired, place = self.desired, self.place
        topic = None if desired.topic is None else topic_arn(desired.topic, place)
        if topic is not None:
            self._check_topic(topic, "notifications.topic")
        found = [role_rules.audit_role(desired.roles.audit, place)]
        teller = None
        if topic is not None:
            teller = desired.roles.notifications or desired.roles.audit
            found.append(role_rules.notification_role(teller, topic, place))
        wanted = role_names(desired)
        if role_name(desired.roles.logging) in wanted:
            found.append(role_rules.logging_role(desired.roles.logging, place))
        actions: list[MitigationAction] = []
        action_roles: dict[str, str] = {}
        for action in desired.actions or ():
            made = self._action(action, topic)
            if made is not None:
                actions.append(made)
                action_roles[made.name] = role_name(action.role)
                found.append(role_rules.action_role(made, action.role, place))
        own = {role_name(action.role) for action in desired.actions or ()}
        for name, role in wanted.items():
            if name not in own:  # those of actions are checked with their actions
                self._check_account(role)
        alarms, notes = wanted_alarms(desired, topic) if topic is not None else ([], [])
        roles = {
            name: replace(role, arn=self._arn(role.arn if role.given else name))
            for name, role in role_rules.merged(found).items()
        }
        return Definitions(
            roles=roles,
            audit_role_arn=self._arn(desired.roles.audit),
            notification_role_arn=self._arn(teller) if teller is not None else None,
            logging_role_arn=self._arn(desired.roles.logging),
            topic_arn=topic,
            topic_given=bool(desired.topic and desired.topic.startswith("arn:")),
            actions=tuple(actions),
            action_roles=action_roles,
            alarms={alarm.name: alarm for alarm in alarms},
            problems=tuple(dict.fromkeys(self.problems)),
            notes=tuple(notes),
        )

    def _arn(self, role: str) -> str:
        if account_of_role(role) is not None:
            return role
        state = self.known.get(role)
        if isinstance(state, RoleState):
            return state.arn
        used = self.audit.role_arn if isinstance(self.audit, AuditState) else None
        # IAM may not be read: then the role that is in use tells its path.
        return used if used is not None and role_name(used) == role else self.place.role_arn(role)

    def _check_account(self, role: str) -> None:
        account = account_of_role(role)
        if account is not None and account != self.place.account:
            self.problems.append(
                Problem(
                    f"the role {role} is of account {account}; AWS IoT takes on only roles of its own account, here "
                    f"{self.place.account}.",
                    "name a role of this account, or give this target roles of its own in [setup.TARGET.roles].",
                )
            )

    def _check_topic(self, topic: str, what: str) -> None:
        found = TOPIC_ARN.fullmatch(topic)
        if found and found[2] != self.place.region:
            self.problems.append(
                Problem(
                    f"{what} is {topic}, in {found[2]}; AWS IoT in {self.place.region} publishes to topics of its own "
                    "Region.",
                    f"name a topic in {self.place.region}, or give only its name.",
                )
            )

    def _action(self, wanted: WantedAction, topic: str | None) -> MitigationAction | None:
        kind = wanted.action_type
        publishes = kind is MitigationActionType.PUBLISH_FINDING_TO_SNS
        enables = kind is MitigationActionType.ENABLE_IOT_LOGGING
        try:
            params = make_parameters(
                kind,
                log_level=wanted.log_level,
                logging_role_arn=self._arn(self.desired.roles.logging) if enables else None,
                thing_group_names=wanted.thing_groups,
                override_dynamic_groups=wanted.override_dynamic_groups,
                topic_arn=(topic_arn(wanted.topic, self.place) if wanted.topic else topic) if publishes else None,
            )
            return parse_action(
                wanted.name,
                params,
                role_arn=self._arn(wanted.role),
                account=self.place.account,
                region=self.place.region,
            )
        except InputError as exc:
            self.problems.append(Problem.of(exc, f"mitigation action {wanted.name}: "))
            return None
