"""The plan for scheduled audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.definitions import Problem
from ddreport.setup.desired import MOST_SCHEDULES
from ddreport.setup.marks import KEY, Mark, digest_of, tag_list
from ddreport.setup.planning_base import (
    Planned,
    list_difference,
    made_tags,
    missing_tags,
    new_mark,
    tag_differences,
    unknown,
    verdict,
)
from ddreport.setup.present import Unknown

if TYPE_CHECKING:
    from ddreport.setup.desired import Desired, WantedSchedule
    from ddreport.setup.present import Present, ScheduleState


def plan_schedules(desired: Desired, present: Present) -> Planned:
    """Return what has to happen to the scheduled audits."""
    planned = Planned()
    states = present.schedules
    wanted = desired.schedules or ()
    if isinstance(states, Unknown):
        planned.changes += [unknown(Part.SCHEDULE, schedule.name, states) for schedule in wanted]
        return planned
    new = [schedule for schedule in wanted if schedule.name not in states]
    if len(states) + len(new) > MOST_SCHEDULES:
        there = ", ".join(states)
        planned.problems.append(
            Problem(
                f"{len(new)} scheduled audits are to be made ({', '.join(s.name for s in new)}), but there are "
                f"{len(states)} already ({there}), and AWS allows {MOST_SCHEDULES}.",
                "delete one, or declare those that exist instead of new ones.",
            )
        )
    for schedule in wanted:
        checks = desired.checks_of(schedule)
        state = states.get(schedule.name)
        planned.changes.append(
            _create(schedule, checks, desired) if state is None else _change(schedule, checks, desired, state)
        )
    declared = {schedule.name for schedule in wanted}
    for name, state in states.items():
        if name not in declared and (mark := Mark.of(state.tags)) is not None and mark.made:
            planned.warnings.append(
                f"the scheduled audit {name} was made by set-up and is no longer declared; it is left. `setup remove` "
                "takes it away."
            )
    return planned


def _timing(schedule: WantedSchedule) -> dict[str, Any]:
    members = {
        "frequency": schedule.frequency,
        "dayOfWeek": schedule.day_of_week,
        "dayOfMonth": schedule.day_of_month,
    }
    return {name: value for name, value in members.items() if value is not None}


def _when(frequency: str, day_of_week: str | None, day_of_month: str | None) -> str:
    return " ".join([frequency, *(day for day in (day_of_week, day_of_month) if day)])


def _digest(schedule: WantedSchedule, checks: tuple[str, ...]) -> str:
    return digest_of([_timing(schedule), sorted(checks)])


def _create(schedule: WantedSchedule, checks: tuple[str, ...], desired: Desired) -> Change:
    tags = made_tags(_digest(schedule, checks), desired.tags)
    arguments = {
        "scheduledAuditName": schedule.name,
        **_timing(schedule),
        "targetCheckNames": list(checks),
        "tags": tag_list(tags),
    }
    details = (f"{_when(schedule.frequency, schedule.day_of_week, schedule.day_of_month)}, {len(checks)} checks",)
    return Change(
        Part.SCHEDULE, schedule.name, ChangeKind.CREATE, details, (Call("iot", "create_scheduled_audit", arguments),)
    )


def _change(schedule: WantedSchedule, checks: tuple[str, ...], desired: Desired, state: ScheduleState) -> Change:
    differences: list[str] = []
    request: dict[str, Any] = {}
    now = _when(state.frequency, state.day_of_week, state.day_of_month)
    wanted = _when(schedule.frequency, schedule.day_of_week, schedule.day_of_month)
    if now != wanted:
        differences.append(f"runs {now}, wanted: {wanted}")
        request |= _timing(schedule)
    said = list_difference("its checks", checks, state.checks)
    if said:
        differences += said
        request["targetCheckNames"] = list(checks)
    mark, digest = Mark.of(state.tags), _digest(schedule, checks)
    kind = verdict(differences, mark, digest)
    calls: list[Call] = []
    if request:
        calls.append(Call("iot", "update_scheduled_audit", {"scheduledAuditName": schedule.name, **request}))
    own = mark is not None and mark.made
    tags = {**(desired.tags if own else {}), **({KEY: str(new_mark(mark, digest))} if mark or request else {})}
    lacking = missing_tags(tags, state.tags or {}) if state.tags is not None else {}
    if lacking:
        calls.append(Call("iot", "tag_resource", {"resourceArn": state.arn, "tags": tag_list(lacking)}))
        differences += tag_differences({k: v for k, v in lacking.items() if k != KEY}, state.tags or {})
        kind = ChangeKind.CHANGE if kind is ChangeKind.LEAVE else kind
    note = () if mark or differences else ("not made by set-up",)
    return Change(Part.SCHEDULE, schedule.name, kind, (*differences, *note), tuple(calls))
