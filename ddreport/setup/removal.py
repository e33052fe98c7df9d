"""The plan for taking away what set-up made in one account and Region, and nothing else.

It goes by the marks (`ddreport.setup.marks`), in the opposite order: what uses something goes before what it uses, and
the role that remembers goes last, so that a removal that was interrupted is gone on with by the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.setup.changes import Call, Change, ChangeKind, Part, SetupPlan
from ddreport.setup.definitions import resolve
from ddreport.setup.marks import Mark, other_regions, region_key
from ddreport.setup.planning import memory_of
from ddreport.setup.planning_audit import CONFIGURATION, OPTIONS
from ddreport.setup.planning_base import unknown
from ddreport.setup.present import ActionState, AuditState, LoggingState, RoleState, TopicState, Unknown, known
from ddreport.setup.roles import role_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.setup.desired import Desired
    from ddreport.setup.present import Present

_REMOVE, _KEEP = ChangeKind.REMOVE, ChangeKind.KEEP


def plan_removal(desired: Desired, present: Present) -> SetupPlan:
    """Return what has to happen so that nothing is left of what set-up made in this account and Region.

    Parameters
    ----------
    desired
        What is wanted: names the topic and the roles to look at.
    present
        What is there, with all tags (`read_present(..., everything=True)`).
    """
    return SetupPlan(present.place, tuple(_Removal(desired, present).changes()))


def _made(tags: Mapping[str, str] | None) -> bool:
    mark = Mark.of(tags)
    return mark is not None and mark.made


class _Removal:
    def __init__(self, desired: Desired, present: Present) -> None:
        self.present = present
        self.definitions = resolve(desired, present.place, roles=present.roles, audit=present.audit)
        self.memory, _ = memory_of(self.definitions, present)
        self.key = region_key(present.place.region)
        self.kept_roles: dict[str, str] = {}
        self.kept_topics: dict[str, str] = {}

    def changes(self) -> list[Change]:
        first = [*self._alarms(), *self._actions(), *self._schedules(), *self._audit(), *self._logging()]
        return [*first, *self._topic(), *self._roles()]

    def _alarms(self) -> list[Change]:
        states = self.present.alarms
        if isinstance(states, Unknown):
            return [unknown(Part.ALARM, "all", states)]
        return [
            Change(Part.ALARM, name, _REMOVE, (), (Call("cloudwatch", "delete_alarms", {"AlarmNames": [name]}),))
            for name, state in states.items()
            if _made(state.tags)
        ]

    def _actions(self) -> list[Change]:
        states = self.present.actions
        if isinstance(states, Unknown):
            return [unknown(Part.ACTION, "all", states)]
        for name, state in states.items():
            if not _made(state.tags):
                self._keep_for_action(name, state)
        return [
            Change(Part.ACTION, name, _REMOVE, (), (Call("iot", "delete_mitigation_action", {"actionName": name}),))
            for name, state in states.items()
            if _made(state.tags)
        ]

    def _keep_for_action(self, name: str, state: ActionState) -> None:
        why = f"the mitigation action {name}, which stays, uses it"
        self.kept_roles[role_name(state.action.role_arn)] = why
        parameters = state.action.parameters
        if parameters.get("roleArnForLogging"):
            self.kept_roles[role_name(parameters["roleArnForLogging"])] = why
        if parameters.get("topicArn"):
            self.kept_topics[parameters["topicArn"]] = why

    def _schedules(self) -> list[Change]:
        states = self.present.schedules
        if isinstance(states, Unknown):
            return [unknown(Part.SCHEDULE, "all", states)]
        return [
            Change(
                Part.SCHEDULE, name, _REMOVE, (), (Call("iot", "delete_scheduled_audit", {"scheduledAuditName": name}),)
            )
            for name, state in states.items()
            if _made(state.tags)
        ]

    def _audit(self) -> list[Change]:
        state, mark = self.present.audit, self.memory.audit
        if isinstance(state, Unknown):
            self._keep_all("the audit configuration could not be read")
            return [unknown(Part.AUDIT, CONFIGURATION, state)]
        if state.role_arn is None:
            return []
        others = [name for name, s in (known(self.present.schedules) or {}).items() if not _made(s.tags)]
        if mark is None or not mark.made:
            return [self._keep_audit(state, "it was there before set-up came, or that is not known")]
        if others or isinstance(self.present.schedules, Unknown):
            name = ", ".join(others) or "some that could not be read"
            return [self._keep_audit(state, f"scheduled audits that set-up did not make need it: {name}")]
        call = Call("iot", "delete_account_audit_configuration", {})
        details = (f"disables all checks ({len(state.enabled)} are enabled); AWS deletes the data collected for them",)
        return [Change(Part.AUDIT, CONFIGURATION, _REMOVE, details, (call,))]

    def _keep_audit(self, state: AuditState, why: str) -> Change:
        used = "the audit configuration, which stays, uses it"
        for role in (state.role_arn, state.notification.get("roleArn")):
            if role:
                self.kept_roles[role_name(role)] = used
        if state.notification.get("targetArn"):
            self.kept_topics[state.notification["targetArn"]] = used
        return Change(Part.AUDIT, CONFIGURATION, _KEEP, (why,))

    def _keep_all(self, why: str) -> None:
        for name in self.present.roles:
            self.kept_roles.setdefault(name, why)
        if self.definitions.topic_arn:
            self.kept_topics.setdefault(self.definitions.topic_arn, why)

    def _logging(self) -> list[Change]:
        state, mark = self.present.logging, self.memory.logging
        if isinstance(state, Unknown):
            return [unknown(Part.LOGGING, OPTIONS, state)]
        if state is None or state.disabled:
            return []
        if mark is None or not mark.made:
            return [self._keep_logging(state)]
        call = Call("iot", "set_v2_logging_options", {"disableAllLogs": True})
        return [
            Change(Part.LOGGING, OPTIONS, _REMOVE, ("disables all logs; AWS keeps the options themselves",), (call,))
        ]

    def _keep_logging(self, state: LoggingState) -> Change:
        if state.role_arn:
            self.kept_roles[role_name(state.role_arn)] = "the logging options, which stay, use it"
        return Change(Part.LOGGING, OPTIONS, _KEEP, ("they were there before set-up came, or that is not known",))

    def _topic(self) -> list[Change]:
        state, arn = self.present.topic, self.definitions.topic_arn
        if arn is None or state is None:
            return []
        name = arn.rpartition(":")[2]
        if isinstance(state, Unknown):
            return [unknown(Part.TOPIC, name, state)]
        if not _made(state.tags):
            return [
                Change(Part.TOPIC, name, _KEEP, ("set-up did not make it; subscriptions that it added stay as well",))
            ]
        if arn in self.kept_topics:
            return [self._forget_topic(state, name, self.kept_topics[arn])]
        subscribed = known(self.present.subscriptions) or ()
        details = (f"with its {len(subscribed)} subscriptions",) if subscribed else ()
        return [Change(Part.TOPIC, name, _REMOVE, details, (Call("sns", "delete_topic", {"TopicArn": arn}),))]

    def _forget_topic(self, state: TopicState, name: str, why: str) -> Change:
        remembers = self.key in (state.tags or {})
        forget = Call("sns", "untag_resource", {"ResourceArn": state.arn, "TagKeys": [self.key]})
        return Change(Part.TOPIC, name, _KEEP, (why,), (forget,) if remembers else ())

    def _roles(self) -> list[Change]:
        last = role_name(self.definitions.audit_role_arn)
        found = []
        for name in sorted(self.present.roles, key=lambda name: (name == last, name)):
            state = self.present.roles[name]
            if isinstance(state, Unknown):
                found.append(unknown(Part.ROLE, name, state))
            elif state is not None and _made(state.tags):
                found.append(self._role(state))
        return found

    def _role(self, state: RoleState) -> Change:
        elsewhere = other_regions(state.tags, self.present.place.region)
        used = self.kept_roles.get(state.name)
        if elsewhere or used:
            why = used or f"set-up uses it in {', '.join(elsewhere)} as well"
            forget = Call("iam", "untag_role", {"RoleName": state.name, "TagKeys": [self.key]})
            return Change(Part.ROLE, state.name, _KEEP, (why,), (forget,) if self.key in state.tags else ())
        calls = [
            *(Call("iam", "detach_role_policy", {"RoleName": state.name, "PolicyArn": arn}) for arn in state.attached),
            *(
                Call("iam", "delete_role_policy", {"RoleName": state.name, "PolicyName": policy})
                for policy in state.inline
            ),
            Call("iam", "delete_role", {"RoleName": state.name}),
        ]
        return Change(Part.ROLE, state.name, _REMOVE, (), tuple(calls))
