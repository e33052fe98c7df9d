"""The plan: what is wanted against what is there. Nothing that is not wanted by name is touched.

The order is that of AWS's rules: roles before what uses them, checks enabled before the schedules that run them, and
checks disabled only after the schedules that ran them were changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.setup.changes import Part, SetupPlan
from ddreport.setup.definitions import resolve
from ddreport.setup.marks import Mark, Memory, region_key
from ddreport.setup.planning_actions import plan_actions
from ddreport.setup.planning_alarms import plan_alarms
from ddreport.setup.planning_audit import plan_audit, plan_checks_off, plan_logging
from ddreport.setup.planning_roles import is_own, plan_roles
from ddreport.setup.planning_schedules import plan_schedules
from ddreport.setup.planning_topic import plan_subscriptions, plan_topic
from ddreport.setup.present import RoleState, TopicState, Unknown
from ddreport.setup.roles import role_name

if TYPE_CHECKING:
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.planning_base import Planned
    from ddreport.setup.present import Present


def make_plan(desired: Desired, present: Present) -> SetupPlan:
    """Return what has to happen so that an account and Region become as they are wanted.

    Problems are found before anything is written: a plan that has any is not to be applied.
    """
    definitions = resolve(desired, present.place, roles=present.roles, audit=present.audit)
    remembered, holder = memory_of(definitions, present)
    audit = plan_audit(desired, definitions, present, remembered.audit)
    logging = plan_logging(desired, definitions, present, remembered.logging)
    memory = Memory(audit.mark, logging.mark)
    parts: list[Planned] = [
        plan_roles(desired, definitions, present, memory=memory if holder is Part.ROLE else None),
        plan_topic(desired, definitions, present, memory=memory if holder is Part.TOPIC else None),
        plan_subscriptions(desired, definitions, present),
        audit,
        plan_schedules(desired, present),
        plan_checks_off(desired, definitions, present, remembered.audit),
        logging,
        plan_actions(desired, definitions, present),
        plan_alarms(desired, definitions, present),
    ]
    warnings = [note for part in parts for note in part.warnings]
    if holder is None and not isinstance(present.roles.get(role_name(definitions.audit_role_arn)), Unknown):
        warnings.append(
            "neither the audit role nor the topic is set-up's own, so there is no place to remember that it made the "
            "audit configuration and the logging options: `setup remove` will leave them."
        )
    return SetupPlan(
        place=present.place,
        changes=tuple(change for part in parts for change in part.changes),
        problems=(*definitions.problems, *(problem for part in parts for problem in part.problems)),
        warnings=tuple(dict.fromkeys([*definitions.notes, *warnings])),
    )


def memory_of(definitions: Definitions, present: Present) -> tuple[Memory, Part | None]:
    """Return what is remembered about what can carry no tags, and where it stands or will stand."""
    key = region_key(present.place.region)
    name = role_name(definitions.audit_role_arn)
    role = present.roles.get(name)
    if isinstance(role, RoleState) and key in role.tags:
        return Memory.parse(role.tags[key]), Part.ROLE
    topic = present.topic
    if isinstance(topic, TopicState) and key in (topic.tags or {}):
        return Memory.parse((topic.tags or {})[key]), Part.TOPIC
    if isinstance(role, Unknown):
        return Memory(), None
    if not definitions.roles[name].given and (role is None or is_own(role)):
        return Memory(), Part.ROLE
    own_topic = topic is None or (isinstance(topic, TopicState) and Mark.of(topic.tags) is not None)
    if own_topic and definitions.topic_arn is not None and not definitions.topic_given:
        return Memory(), Part.TOPIC
    return Memory(), None
