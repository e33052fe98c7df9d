"""Undoing a campaign: which calls give each resource back what it had, and what nothing gives back.

AWS has no mitigation action that takes another one back. So each resource that was changed gets a call of its own, and
only if the resource still is as the action left it: what somebody has changed since is theirs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.mitigation.prestate import ResourceState, StateKind, group_names, state_after
from ddreport.mitigation.reverse_calls import (
    TAKEN_BACK,
    Call,
    Key,
    Operation,
    ReverseOperation,
    Standing,
    in_words,
    stand,
)
from ddreport.terms import ExecutionStatus, MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ddreport.mitigation.plan import Plan, PlannedAction, PlannedFinding
    from ddreport.mitigation.prestate import Captured

UNKNOWN = "UNKNOWN"
"""Outcome of an action that AWS was asked for and has forgotten since."""


class LeftAsItIs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resource that was treated and is not given back what it had, and why."""

    kind: StateKind
    resource_id: str
    why: Standing
    note: str


@dataclass(frozen=True)
class Reversal:
    """What undoes a campaign, what is left alone, and what cannot be taken back, in words."""

    operations: tuple[ReverseOperation, ...]
    left: tuple[LeftAsItIs, ...]
    irreversible: tuple[str, ...]


@dataclass(frozen=True)
class Touched:
    """A resource that an action has changed, or may have, with what it was before."""

    finding: PlannedFinding
    action: PlannedAction
    before: ResourceState


_SURE = {ExecutionStatus.COMPLETED}
_PERHAPS = {ExecutionStatus.FAILED, UNKNOWN}


def touched(plan: Plan, captured: Mapping[Key, Captured], outcomes: Mapping[Key, str]) -> list[Touched]:
    """Return what the campaign changed or may have changed, in the order of the plan.

    An action that failed may have treated some of several resources before it did; one that AWS has forgotten may have
    been carried out. Whether it was shows in the resources.

    Parameters
    ----------
    captured, outcomes
        What was before, and the status of each execution, by ids of finding and action.
    """
    found: list[Touched] = []
    for finding, action in in_order(plan):
        key = finding.finding_id, action.name
        status = outcomes.get(key)
        if status not in _SURE | _PERHAPS or key not in captured:
            continue
        # Of one thing and several groups it may have joined some.
        several = len(captured[key].states) > 1 or len(group_names(action)) > 1
        if status == ExecutionStatus.FAILED and not several:
            continue
        found += [
            Touched(finding, action, state)
            for state in captured[key].states
            if not state.is_gone and state_after(action, state) is not None
        ]
    return found


def in_order(plan: Plan) -> Iterator[tuple[PlannedFinding, PlannedAction]]:
    """Yield each finding with each of its actions, wave by wave."""
    for finding in sorted(plan.findings, key=lambda f: f.wave):
        for name in finding.actions:
            yield finding, plan.action(name)


def plan_reversal(
    plan: Plan,
    captured: Mapping[Key, Captured],
    outcomes: Mapping[Key, str],
    now: Mapping[Key, ResourceState],
    *,
    taken_back: Collection[Call] = (),
) -> Reversal:
    """Decide how a campaign is undone: the last change first, each resource by its own call.

    Parameters
    ----------
    now
        The present state of every resource of `touched`, by kind and id.
    taken_back
        Calls of earlier roll-backs that gave a resource back what it had (`rollback_state.taken_back`).
    """
    made: list[list[ReverseOperation]] = []
    calls: set[Call] = set()
    left: dict[tuple[Key, str], LeftAsItIs] = {}
    for one in _first_states(touched(plan, captured, outcomes)):
        here = now[one.before.key]
        for operations in _undo(one, here):
            standing, note = stand(operations[0], here)
            if operations[0].call in calls:
                continue
            calls.add(operations[0].call)
            if standing is Standing.TO_DO and operations[0].call in taken_back:
                standing, note = Standing.CHANGED, TAKEN_BACK
            if standing is Standing.TO_DO:
                made.append(operations)
            else:
                entry = LeftAsItIs(operations[0].kind, operations[0].resource_id, standing, note)
                left.setdefault((operations[0].key, note), entry)
        if (words := _unsettable(one)) is not None:
            left[one.before.key, words] = LeftAsItIs(
                StateKind(one.before.kind), one.before.resource_id, Standing.CHANGED, words
            )
    ordered = [op for operations in reversed(made) for op in operations]
    numbered = tuple(msgspec.structs.replace(op, number=n) for n, op in enumerate(ordered, start=1))
    return Reversal(numbered, tuple(left.values()), tuple(_irreversible(plan, captured, outcomes, now)))


def _first_states(found: Sequence[Touched]) -> list[Touched]:
    """Return each change of a resource once: what a later action found there may be an earlier one's doing."""
    seen: set[tuple[Key, str]] = set()
    first: list[Touched] = []
    for one in found:
        # A thing may join other groups by another action; everything else has one state.
        what = (one.before.key, ",".join(group_names(one.action)))
        if what not in seen:
            seen.add(what)
            first.append(one)
    return first


def _undo(one: Touched, now: ResourceState) -> Iterator[list[ReverseOperation]]:
    """Yield the calls that undo one change, those that follow each other together; none where nothing was changed."""
    before = one.before
    match before.kind:
        case StateKind.DEVICE_CERTIFICATE | StateKind.CA_CERTIFICATE:
            yield from _undo_certificate(one)
        case StateKind.POLICY:
            yield from _undo_policy(one, now)
        case StateKind.THING_GROUPS:
            for name in group_names(one.action):
                if name not in before.value["groups"]:
                    arguments = {"thingName": before.resource_id, "thingGroupName": name}
                    words = f"Takes thing {before.resource_id} out of the thing group {name}"
                    operation = Operation.REMOVE_THING_FROM_THING_GROUP
                    yield [_operation(one, operation, arguments, {"groups": [name]}, {"groups": []}, words)]
        case StateKind.LOGGING:
            yield from _undo_logging(one)


def _undo_certificate(one: Touched) -> Iterator[list[ReverseOperation]]:
    was = one.before.value["status"]
    if was not in _SETTABLE or was == "INACTIVE":
        return
    of_ca = one.before.kind == StateKind.CA_CERTIFICATE
    operation = Operation.UPDATE_CA_CERTIFICATE if of_ca else Operation.UPDATE_CERTIFICATE
    arguments = {"certificateId": one.before.resource_id, "newStatus": was}
    words = f"Sets the {'CA ' if of_ca else ''}certificate {one.before.resource_id} to {was} again"
    yield [_operation(one, operation, arguments, {"status": "INACTIVE"}, {"status": was}, words)]


_SETTABLE = ("ACTIVE", "INACTIVE")
"""States that AWS lets a caller set and that a certificate can come back to."""


def _unsettable(one: Touched) -> str | None:
    was = one.before.value.get("status")
    if was is None or was in _SETTABLE:
        return None
    return f"it was {was} before, a state that AWS lets nobody set; it stays as it is"


def _undo_policy(one: Touched, now: ResourceState) -> Iterator[list[ReverseOperation]]:
    name, before, value = one.before.resource_id, one.before.value, now.value
    old, present = before["default_version_id"], value.get("default_version_id")
    arguments = {"policyName": name, "policyVersionId": old}
    words = f"Makes version {old} the default one of the policy {name} again"
    expected = {"default_version_id": present, "is_blank": True}
    operation = Operation.SET_DEFAULT_POLICY_VERSION
    operations = [_operation(one, operation, arguments, expected, {"default_version_id": old}, words)]
    if present is not None and present not in before["version_ids"] and value.get("is_blank"):
        arguments = {"policyName": name, "policyVersionId": present}
        words = f"Deletes version {present} of the policy {name}, which permits nothing and which the action made"
        wanted = {"without_version_id": present}
        operation = Operation.DELETE_POLICY_VERSION
        operations.append(_operation(one, operation, arguments, {"default_version_id": old}, wanted, words))
    yield operations


def _undo_logging(one: Touched) -> Iterator[list[ReverseOperation]]:
    expected = state_after(one.action, one.before) or {}
    was = {name: value for name, value in one.before.value.items() if name != "configured"}
    if one.before.value["configured"] and was:
        arguments = was
        words = "Gives the logging options back their old values: " + ", ".join(
            f"{k} {in_words(v)}" for k, v in was.items()
        )
    else:
        arguments = {"disableAllLogs": True}
        words = "Switches logging off (it was never configured, and cannot be again)"
    wanted = {"configured": True, **arguments}
    yield [_operation(one, Operation.SET_V2_LOGGING_OPTIONS, arguments, expected, wanted, words)]


def _operation(
    one: Touched,
    operation: Operation,
    arguments: dict[str, Any],
    expected: dict[str, Any],
    wanted: dict[str, Any],
    words: str,
) -> ReverseOperation:
    kind, resource_id = StateKind(one.before.kind), one.before.resource_id
    finding_ids = (one.finding.finding_id,)
    return ReverseOperation(0, operation, kind, resource_id, arguments, expected, wanted, words, finding_ids)


def _irreversible(
    plan: Plan, captured: Mapping[Key, Captured], outcomes: Mapping[Key, str], now: Mapping[Key, ResourceState]
) -> Iterator[str]:
    """Say in words what of the campaign nothing takes back."""
    counts: Counter[str] = Counter()
    for finding, action in in_order(plan):
        if outcomes.get((finding.finding_id, action.name)) in _SURE:
            counts[action.action_type] += 1
    if count := counts[MitigationActionType.PUBLISH_FINDING_TO_SNS]:
        yield f"{_number(count, 'message')} to SNS topics: sent, and nobody can call them back"
    changed = touched(plan, captured, outcomes)
    deactivated = [t for t in changed if t.before.value.get("status") not in (None, "INACTIVE")]
    certificates = {t.before.resource_id for t in deactivated if t.before.kind == StateKind.DEVICE_CERTIFICATE}
    if certificates:
        yield (
            f"{_number(len(certificates), 'certificate')}: devices that were disconnected must connect again by "
            "themselves, and what they could not send meanwhile is lost unless they keep it"
        )
    authorities = {t.before.resource_id for t in deactivated if t.before.kind == StateKind.CA_CERTIFICATE}
    if authorities:
        yield f"{_number(len(authorities), 'CA certificate')}: registrations that were refused meanwhile stay refused"
    policies = {t.before.resource_id for t in changed if t.before.kind == StateKind.POLICY}
    if policies:
        yield (
            f"{_number(len(policies), 'policy', 'policies')}: what devices were refused meanwhile stays undone; the "
            "numbers of deleted versions are never used again"
        )
    for one in changed:
        if one.before.kind == StateKind.LOGGING:
            yield "log entries that were written meanwhile stay in CloudWatch Logs"
            if not one.before.value["configured"]:
                yield "logging cannot become never configured again: it is switched off instead"
            break
    for name, groups in sorted(_lost_groups(changed, now).items()):
        out_of = ", ".join(groups)
        yield f"thing {name} was taken out of {out_of} to make room; dynamic groups take it back by their query"


def _lost_groups(changed: Sequence[Touched], now: Mapping[Key, ResourceState]) -> dict[str, list[str]]:
    """Return the groups that a thing was in before and is not now, where the action may have taken it out."""
    lost = {}
    for one in changed:
        parameters = one.action.parameters.get("addThingsToThingGroupParams") or {}
        if one.before.kind == StateKind.THING_GROUPS and parameters.get("overrideDynamicGroups"):
            here = now[one.before.key]
            gone = sorted(set(one.before.value["groups"]) - set(here.value.get("groups", ())))
            if gone and not here.is_gone:
                lost[one.before.resource_id] = gone
    return lost


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
