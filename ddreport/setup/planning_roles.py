"""The plan for roles: made where they do not exist, repaired where set-up made them, else only checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.definitions import Problem
from ddreport.setup.marks import IN_USE, KEY, Mark, digest_of, region_key, tag_list
from ddreport.setup.planning_base import (
    Planned,
    made_tags,
    missing_tags,
    new_mark,
    tag_differences,
    unknown,
    verdict,
)
from ddreport.setup.present import RoleState, Unknown
from ddreport.setup.roles import POLICY_NAME, role_name

if TYPE_CHECKING:
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.marks import Memory
    from ddreport.setup.present import Present
    from ddreport.setup.roles import RoleDefinition

_MADE_BY = ("made-by", "ddreport")
"""Tag of a role that `ddreport actions create --create-role` has made: set-up may complete it."""


def is_own(role: RoleState) -> bool:
    """Tell whether set-up may change a role: it, or another command of `ddreport`, has made it."""
    return Mark.of(role.tags) is not None or role.tags.get(_MADE_BY[0]) == _MADE_BY[1]


def role_digest(role: RoleDefinition) -> str:
    """Return the digest of a role as it is wanted."""
    return digest_of([role.trust, sorted(role.managed), role.inline])


def plan_roles(desired: Desired, definitions: Definitions, present: Present, *, memory: Memory | None) -> Planned:
    """Return what has to happen to the roles.

    Parameters
    ----------
    memory
        What the audit role's tag has to remember; None where it is not the place for that.
    """
    planned = Planned()
    for name, role in definitions.roles.items():
        state = present.roles.get(name)
        is_holder = memory is not None and name == role_name(definitions.audit_role_arn)
        region = {region_key(present.place.region): str(memory) if is_holder else IN_USE}
        if isinstance(state, Unknown):
            planned.changes.append(unknown(Part.ROLE, name, state))
        elif state is None and role.given:
            planned.problems.append(
                Problem(
                    f"there is no role {role.arn}.",
                    "roles given by their ARN are only used: make it first, or give a name and let it be made.",
                )
            )
        elif state is None:
            planned.changes.append(_create(role, {**made_tags(role_digest(role), desired.tags), **region}))
        elif role.given or not is_own(state):
            _check(role, state, planned)
        else:
            planned.changes.append(_repair(role, state, {**desired.tags, **region}))
            planned.warnings += _extra(role, state)
    return planned


def _create(role: RoleDefinition, tags: dict[str, str]) -> Change:
    made = _call(
        "create_role",
        role,
        AssumeRolePolicyDocument=_text(role.trust),
        Description=role.description,
        Tags=tag_list(tags),
    )
    policies = [arn.rpartition("/")[2] for arn in role.managed]
    details = [
        *role.purposes,
        "AWS IoT may take it on for this account only",
        *([f"AWS's managed policy {', '.join(policies)}"] if policies else []),
        *(_allowed(role)),
    ]
    return Change(Part.ROLE, role.name, ChangeKind.CREATE, tuple(details), (made, *_attach(role, ()), *_inline(role)))


def _allowed(role: RoleDefinition) -> list[str]:
    actions: list[str] = []
    for statement in role.statements:
        action = statement["Action"]
        actions += [action] if isinstance(action, str) else action
    return [f"its own policy: {', '.join(dict.fromkeys(actions))}"] if actions else []


def _repair(role: RoleDefinition, state: RoleState, tags: dict[str, str]) -> Change:
    digest = role_digest(role)
    mark = Mark.of(state.tags)
    differences: list[str] = []
    calls: list[Call] = []
    if normal(state.trust) != normal(role.trust):
        differences.append("its trust policy is not the wanted one")
        calls.append(_call("update_assume_role_policy", role, PolicyDocument=_text(role.trust)))
    lacking = [arn for arn in role.managed if arn not in state.attached]
    if lacking:
        differences.append(f"lacks AWS's managed policy {', '.join(arn.rpartition('/')[2] for arn in lacking)}")
        calls += _attach(role, state.attached)
    own = state.inline.get(POLICY_NAME)
    if normal(own or {}) != normal(role.inline or {}):
        differences.append("its own policy is " + ("missing" if own is None else "not the wanted one"))
        calls += _inline(role)
        if role.inline is None:
            calls.append(_call("delete_role_policy", role, PolicyName=POLICY_NAME))
    kind = verdict(differences, mark, digest)
    wanted = {**tags, KEY: str(new_mark(mark, digest))}
    lacking_tags = missing_tags(wanted if mark or differences else tags, state.tags)
    if lacking_tags:
        calls.append(_call("tag_role", role, Tags=tag_list(lacking_tags)))
        differences += tag_differences({k: v for k, v in tags.items() if not k.startswith(KEY)}, state.tags)
        differences += ["its tags about this set-up are not up to date"] if not differences else []
        kind = ChangeKind.CHANGE if kind is ChangeKind.LEAVE else kind
    return Change(Part.ROLE, role.name, kind, tuple(differences), tuple(calls))


def _check(role: RoleDefinition, state: RoleState, planned: Planned) -> None:
    """Say what is wrong with a role that somebody else made; it is never changed."""
    if role.given and state.arn != role.arn:
        planned.problems.append(Problem(f"there is no role {role.arn}; of that name there is {state.arn}."))
        return
    planned.changes.append(Change(Part.ROLE, role.name, ChangeKind.LEAVE, ("not made by set-up; only used",)))
    planned.problems += [
        Problem(
            f"the role {state.arn} cannot be used: {fault}. Set-up does not change roles that it did not make.",
            "correct it, or name another role in [setup.roles], which is made where there is none.",
        )
        for fault in state.faults
    ]
    planned.warnings += [f"the role {role.name}: {note}" for note in state.notes]
    if not guards_against_deputies(state.trust):
        planned.warnings.append(
            f"the role {role.name} trusts AWS IoT on behalf of every account: its trust policy names no "
            "aws:SourceAccount (confused deputy). Set-up does not change roles that it did not make."
        )


def _extra(role: RoleDefinition, state: RoleState) -> list[str]:
    attached = [arn for arn in state.attached if arn not in role.managed]
    inline = [name for name in state.inline if name != POLICY_NAME]
    if not attached and not inline:
        return []
    return [f"the role {role.name} has further policies, which are left: {', '.join([*attached, *inline])}."]


def guards_against_deputies(trust: object) -> bool:
    """Tell whether a trust policy names the account on whose behalf AWS IoT may come."""
    return "aws:sourceaccount" in json.dumps(trust).lower()


def normal(document: Any) -> Any:
    """Return a policy in a form that does not depend on order, or on a list being written for one thing."""
    if isinstance(document, dict):
        return {key: normal(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        items = sorted((normal(item) for item in document), key=repr)
        return items[0] if len(items) == 1 else items
    return document


def _attach(role: RoleDefinition, attached: tuple[str, ...]) -> list[Call]:
    return [_call("attach_role_policy", role, PolicyArn=arn) for arn in role.managed if arn not in attached]


def _inline(role: RoleDefinition) -> list[Call]:
    if role.inline is None:
        return []
    return [_call("put_role_policy", role, PolicyName=POLICY_NAME, PolicyDocument=_text(role.inline))]


def _call(method: str, role: RoleDefinition, **arguments: Any) -> Call:
    return Call("iam", method, {"RoleName": role.name, **arguments})


def _text(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))
