"""The plan for CloudWatch alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.setup.alarms import differences
from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.marks import KEY, Mark, digest_of, tag_list
from ddreport.setup.planning_base import (
    Planned,
    made_tags,
    missing_tags,
    new_mark,
    tag_differences,
    unknown,
    verdict,
)
from ddreport.setup.present import Unknown

if TYPE_CHECKING:
    from ddreport.setup.alarms import AlarmDefinition
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.present import AlarmState, Present


def plan_alarms(desired: Desired, definitions: Definitions, present: Present) -> Planned:
    """Return what has to happen to the alarms."""
    planned = Planned()
    states = present.alarms
    if isinstance(states, Unknown):
        planned.changes += [unknown(Part.ALARM, name, states) for name in definitions.alarms]
        return planned
    for name, alarm in definitions.alarms.items():
        state = states.get(name)
        planned.changes.append(_create(alarm, desired) if state is None else _change(alarm, desired, state))
    if desired.alarms is not None:
        left = [
            name
            for name, state in states.items()
            if name not in definitions.alarms and (mark := Mark.of(state.tags)) is not None and mark.made
        ]
        if left:
            planned.warnings.append(
                f"{len(left)} alarms were made by set-up and are no longer declared, such as {left[0]}; they are left. "
                "`setup remove` takes them away."
            )
    return planned


def _create(alarm: AlarmDefinition, desired: Desired) -> Change:
    tags = made_tags(digest_of(alarm.settings), desired.tags)
    call = Call("cloudwatch", "put_metric_alarm", {"AlarmName": alarm.name, **alarm.settings, "Tags": tag_list(tags)})
    return Change(Part.ALARM, alarm.name, ChangeKind.CREATE, (alarm.watches,), (call,))


def _change(alarm: AlarmDefinition, desired: Desired, state: AlarmState) -> Change:
    said = differences(alarm.settings, state.settings)
    mark, digest = Mark.of(state.tags), digest_of(alarm.settings)
    kind = verdict(said, mark, digest)
    # Tags given with an alarm that exists are ignored, so they need a call of their own.
    calls = [Call("cloudwatch", "put_metric_alarm", {"AlarmName": alarm.name, **alarm.settings})] if said else []
    own = mark is not None and mark.made
    tags = {**(desired.tags if own else {}), **({KEY: str(new_mark(mark, digest))} if mark or calls else {})}
    lacking = missing_tags(tags, state.tags or {}) if state.tags is not None else {}
    if lacking:
        calls.append(Call("cloudwatch", "tag_resource", {"ResourceARN": state.arn, "Tags": tag_list(lacking)}))
        said += tag_differences({k: v for k, v in lacking.items() if k != KEY}, state.tags or {})
        kind = ChangeKind.CHANGE if kind is ChangeKind.LEAVE else kind
    note = () if mark or said else ("not made by set-up",)
    return Change(Part.ALARM, alarm.name, kind, (*said, *note), tuple(calls))
