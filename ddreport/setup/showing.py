"""What is there, in rows for people: each thing that set-up looks at, how it stands, and who made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.setup.changes import Part
from ddreport.setup.marks import Mark, Memory, region_key
from ddreport.setup.planning_audit import CONFIGURATION, OPTIONS
from ddreport.setup.planning_roles import guards_against_deputies
from ddreport.setup.present import RoleState, TopicState, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.setup.present import Present

SETUP = "set-up"
SOMEBODY = "somebody else"
CHANGED = "somebody else; changed by set-up"
UNKNOWN = "unknown"
ABSENT = "not there"


@dataclass(frozen=True)
class Row:
    """One thing: what it is, how it stands, who made it (empty where that does not matter)."""

    part: Part
    name: str
    state: str
    made_by: str = ""


def describe_present(present: Present) -> list[Row]:
    """Return a row for each thing that is there, that is wanted and not there, or that could not be read."""
    memory = _memory(present)
    return [
        *_audit(present, memory),
        *_schedules(present),
        *_logging(present, memory),
        *_roles(present),
        *_topic(present),
        *_actions(present),
        *_alarms(present),
    ]


def _memory(present: Present) -> Memory:
    key = region_key(present.place.region)
    holders = [state.tags for state in present.roles.values() if isinstance(state, RoleState)]
    if isinstance(present.topic, TopicState):
        holders.append(present.topic.tags or {})
    return next(
        (memory for tags in holders if (memory := Memory.parse(tags.get(key))) != Memory()),
        Memory(),
    )


def _maker(mark: Mark | None) -> str:
    if mark is None:
        return SOMEBODY
    return SETUP if mark.made else CHANGED


def _by_tags(tags: Mapping[str, str] | None) -> str:
    return UNKNOWN if tags is None else _maker(Mark.of(tags))


def _unread(part: Part, name: str, state: Unknown) -> Row:
    return Row(part, name, f"could not be read: {state.why}", UNKNOWN)


def _audit(present: Present, memory: Memory) -> list[Row]:
    state = present.audit
    if isinstance(state, Unknown):
        return [_unread(Part.AUDIT, CONFIGURATION, state)]
    if state.role_arn is None:
        return [Row(Part.AUDIT, CONFIGURATION, "never set up")]
    off = [name for name, on in state.checks.items() if not on]
    told = state.notification.get("targetArn") if state.notification.get("enabled") else None
    thresholds = [f"{name} at {next(iter(keys.values()))} days" for name, keys in state.thresholds.items() if keys]
    said = [
        f"{len(state.enabled)} of {len(state.checks)} checks enabled",
        *([f"disabled: {', '.join(off)}"] if off else []),
        *thresholds,
        f"reads as {state.role_arn}",
        f"tells {told}" if told else "tells nobody",
    ]
    return [Row(Part.AUDIT, CONFIGURATION, "; ".join(said), _maker(memory.audit))]


def _schedules(present: Present) -> list[Row]:
    if isinstance(present.schedules, Unknown):
        return [_unread(Part.SCHEDULE, "all", present.schedules)]
    return [
        Row(
            Part.SCHEDULE,
            name,
            f"{' '.join([s.frequency, *(d for d in (s.day_of_week, s.day_of_month) if d)])}, {len(s.checks)} checks",
            _by_tags(s.tags),
        )
        for name, s in present.schedules.items()
    ]


def _logging(present: Present, memory: Memory) -> list[Row]:
    state = present.logging
    if isinstance(state, Unknown):
        return [_unread(Part.LOGGING, OPTIONS, state)]
    if state is None:
        return [Row(Part.LOGGING, OPTIONS, "never set up")]
    said = "all logs are disabled" if state.disabled else f"level {state.level}, written as {state.role_arn}"
    return [Row(Part.LOGGING, OPTIONS, said, _maker(memory.logging))]


def _roles(present: Present) -> list[Row]:
    rows = []
    for name, state in present.roles.items():
        if isinstance(state, Unknown):
            rows.append(_unread(Part.ROLE, name, state))
        elif state is None:
            rows.append(Row(Part.ROLE, name, ABSENT))
        else:
            guard = "" if guards_against_deputies(state.trust) else "; trusts AWS IoT on behalf of every account"
            faults = "".join(f"; {fault}" for fault in (*state.faults, *state.notes))
            rows.append(Row(Part.ROLE, name, f"{state.arn}{guard}{faults}", _by_tags(state.tags)))
    return rows


def _topic(present: Present) -> list[Row]:
    state, subscriptions = present.topic, present.subscriptions
    if state is None:
        return [Row(Part.TOPIC, "for notifications", ABSENT)]
    if isinstance(state, Unknown):
        return [_unread(Part.TOPIC, "for notifications", state)]
    rows = [Row(Part.TOPIC, state.arn.rpartition(":")[2], state.arn, _by_tags(state.tags))]
    if isinstance(subscriptions, Unknown):
        return [*rows, _unread(Part.SUBSCRIPTION, "all", subscriptions)]
    return rows + [
        Row(Part.SUBSCRIPTION, f"{s.protocol}:{s.endpoint}", "waits to be confirmed" if s.pending else "confirmed")
        for s in subscriptions
    ]


def _actions(present: Present) -> list[Row]:
    if isinstance(present.actions, Unknown):
        return [_unread(Part.ACTION, "all", present.actions)]
    return [
        Row(Part.ACTION, name, f"{state.action.action_type}: {state.action.in_words()}", _by_tags(state.tags))
        for name, state in present.actions.items()
    ]


def _alarms(present: Present) -> list[Row]:
    if isinstance(present.alarms, Unknown):
        return [_unread(Part.ALARM, "all", present.alarms)]
    return [Row(Part.ALARM, name, state.state, _by_tags(state.tags)) for name, state in present.alarms.items()]
