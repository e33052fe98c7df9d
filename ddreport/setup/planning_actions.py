"""The plan for mitigation actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.definitions import Problem
from ddreport.setup.desired import MOST_ACTIONS
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
    from ddreport.mitigation.actions import MitigationAction
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.present import ActionState, Present


def plan_actions(desired: Desired, definitions: Definitions, present: Present) -> Planned:
    """Return what has to happen to the mitigation actions."""
    planned = Planned()
    states = present.actions
    if isinstance(states, Unknown):
        planned.changes += [unknown(Part.ACTION, action.name, states) for action in definitions.actions]
        return planned
    new = [action.name for action in definitions.actions if action.name not in states]
    if len(states) + len(new) > MOST_ACTIONS:
        planned.problems.append(
            Problem(
                f"{len(new)} mitigation actions are to be made, but there are {len(states)} already, and AWS allows "
                f"{MOST_ACTIONS}.",
                "delete some that nobody uses.",
            )
        )
    for action in definitions.actions:
        state = states.get(action.name)
        if state is None:
            planned.changes.append(_create(action, desired))
        elif state.action.action_type != action.action_type:
            planned.problems.append(
                Problem(
                    f"the mitigation action {action.name} exists and is of type {state.action.action_type}; wanted: "
                    f"{action.action_type}.",
                    "delete it, or declare another name.",
                )
            )
        else:
            planned.changes.append(_change(action, desired, state))
    used = {
        group
        for action in definitions.actions
        for group in action.parameters.get("thingGroupNames", ())
        if group in present.missing_groups
    }
    planned.warnings += [
        f"there is no thing group {group}: the mitigation action that names it fails until somebody makes it."
        for group in sorted(used)
    ]
    return planned


def _request(action: MitigationAction) -> dict[str, Any]:
    return {"actionName": action.name, "roleArn": action.role_arn, "actionParams": action.api_params()}


def _create(action: MitigationAction, desired: Desired) -> Change:
    tags = made_tags(digest_of(_request(action)), desired.tags)
    call = Call("iot", "create_mitigation_action", {**_request(action), "tags": tag_list(tags)})
    return Change(Part.ACTION, action.name, ChangeKind.CREATE, (action.in_words(),), (call,))


def _change(action: MitigationAction, desired: Desired, state: ActionState) -> Change:
    differences = _differences(action, state.action)
    mark, digest = Mark.of(state.tags), digest_of(_request(action))
    kind = verdict(differences, mark, digest)
    calls = [Call("iot", "update_mitigation_action", _request(action))] if differences else []
    own = mark is not None and mark.made
    tags = {**(desired.tags if own else {}), **({KEY: str(new_mark(mark, digest))} if mark or calls else {})}
    lacking = missing_tags(tags, state.tags or {}) if state.tags is not None else {}
    if lacking:
        calls.append(Call("iot", "tag_resource", {"resourceArn": state.arn, "tags": tag_list(lacking)}))
        differences += tag_differences({k: v for k, v in lacking.items() if k != KEY}, state.tags or {})
        kind = ChangeKind.CHANGE if kind is ChangeKind.LEAVE else kind
    note = () if mark or differences else ("not made by set-up",)
    return Change(Part.ACTION, action.name, kind, (*differences, *note), tuple(calls))


def _differences(wanted: MitigationAction, found: MitigationAction) -> list[str]:
    if found.is_like(wanted):
        return []
    said = [f"runs as {found.role_arn}, wanted: {wanted.role_arn}"] if found.role_arn != wanted.role_arn else []
    said += [
        f"{key} is {found.parameters.get(key, 'not set')}, wanted: {value}"
        for key, value in wanted.parameters.items()
        if found.parameters.get(key) != value
    ]
    extra = [key for key, value in found.parameters.items() if value and key not in wanted.parameters]
    return [*said, *(f"{key} is {found.parameters[key]}, wanted: not set" for key in extra)]
