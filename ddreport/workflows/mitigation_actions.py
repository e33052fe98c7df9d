"""Mitigation actions of one account and Region: listed with what they do, created with their roles, changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError
from ddreport.mitigation.action_rules import MEMBERS, check_action_name
from ddreport.mitigation.actions import MitigationAction, fitting_actions, fitting_types, parse_action
from ddreport.mitigation.defaults import DEFAULT_ACTIONS, default_action, make_parameters
from ddreport.mitigation.roles import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ddreport.aws.session import AwsSession, Identity
    from ddreport.terms import MitigationActionType

ROLE_START = "IoTMitigationAction-"
"""Begin of the names of roles made for actions that are no default ones."""


@dataclass(frozen=True)
class ActionResult:
    """What became of a definition that was asked for.

    Attributes
    ----------
    status
        `created`, `updated`, `unchanged`, `kept` (a default's name that is defined otherwise), or `defined` where
        nothing was asked to change.
    arn
        The definition's ARN.
    role_made
        Whether its role was made.
    notes
        What was found wanting about its role, in words.
    """

    action: MitigationAction
    status: str
    arn: str
    role_made: bool = False
    notes: tuple[str, ...] = ()


def place_of(session: AwsSession, identity: Identity) -> Place:
    """Return where a session's definitions are."""
    return Place(identity.account, identity.region, session.iot.meta.partition)


def list_actions(session: AwsSession, *, check_name: str | None = None) -> list[MitigationAction]:
    """Return the definitions of the account and Region, or those that fit a check.

    Raises
    ------
    AwsError
        AWS could not be asked.
    """
    from ddreport.aws.mitigations import fetch_mitigation_actions

    found = [MitigationAction.from_record(record) for record in fetch_mitigation_actions(session.iot)]
    if check_name is not None:
        return fitting_actions(check_name, found)
    order = list(MEMBERS)
    return sorted(found, key=lambda action: (order.index(action.action_type), action.name))


def find_action(session: AwsSession, name: str) -> ActionResult:
    """Return one definition with what is found wanting about its role; its status is `defined`.

    Raises
    ------
    InputError
        There is no such definition.
    AwsError
        AWS could not be asked.
    """
    from ddreport.aws.mitigation_actions import fetch_action, no_such_action
    from ddreport.workflows.action_roles import check_role

    check_action_name(name)
    found = fetch_action(session.iot, name)
    if found is None:
        raise no_such_action(session.iot, name)
    try:
        notes = check_role(session.iam, found.action, place_of(session, session.identity())).notes
    except InputError as exc:
        notes = (str(exc),)
    return ActionResult(found.action, "defined", found.arn, notes=notes)


def define_action(
    session: AwsSession,
    name: str,
    action_type: MitigationActionType,
    *,
    role: str | None = None,
    create_role: bool = False,
    check: bool = True,
    options: Mapping[str, Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ActionResult:
    """Create a definition, and its role if asked to.

    Changes the account. Nothing is created when anything about it is wrong: the rules are checked first, then the role.

    Parameters
    ----------
    role
        ARN or name of the role that it runs as; None takes the role made for it.
    create_role
        Whether to make the role (`action_roles.make_role`).
    check
        Whether to check a role that exists (`action_roles.check_role`).
    options
        Arguments of `mitigation.defaults.make_parameters`.

    Raises
    ------
    InputError
        A rule is broken, the name is taken by another definition, or the role cannot work.
    AwsError
        AWS could not be asked, or refused.
    """
    if role is None and not create_role:
        raise InputError(
            f"the mitigation action {name!r} needs a role to run as.",
            hint="name it with --role, or let it be made with --create-role.",
        )
    identity = session.identity()
    place = place_of(session, identity)
    given = dict(options or {})
    if given.get("logging_role_arn"):
        given["logging_role_arn"] = _role_arn(given["logging_role_arn"], place)
    action = parse_action(
        name,
        make_parameters(action_type, **given),
        role_arn=_role_arn(role or _own_role_name(name, action_type), place),
        account=place.account,
        region=place.region,
    )
    return _define(session, identity, action, create_role=create_role, check=check, sleep=sleep)


def define_defaults(
    session: AwsSession,
    action_types: Sequence[MitigationActionType],
    *,
    role: str | None = None,
    create_role: bool = False,
    check: bool = True,
    options: Mapping[str, Any] | None = None,
    on_done: Callable[[ActionResult], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[ActionResult]:
    """Create the default definitions of AWS's tutorial, those that are not there yet.

    Changes the account. Idempotent: the same command again finds them all and goes on where it was interrupted. A name
    that is defined otherwise is left as it is, and told.

    Parameters
    ----------
    action_types
        Of which types; none means all six.
    role, create_role, check
        As for `define_action`; without `role` each has the role of its default name.
    options
        Arguments of `mitigation.defaults.default_action` that differ from the defaults.
    on_done
        Called after each.

    Raises
    ------
    InputError, AwsError
        As for `define_action`; those before it are defined then.
    """
    identity = session.identity()
    place = place_of(session, identity)
    given = dict(options or {})
    if given.get("logging_role_arn"):
        given["logging_role_arn"] = _role_arn(given["logging_role_arn"], place)
    role_arn = _role_arn(role, place) if role else None
    wanted = [default_action(kind, place, role_arn=role_arn, **given) for kind in action_types or DEFAULT_ACTIONS]
    results = []
    for action in wanted:
        result = _kept(session, action) or _define(
            session, identity, action, create_role=create_role, check=check, sleep=sleep
        )
        results.append(result)
        if on_done is not None:
            on_done(result)
    return results


def _kept(session: AwsSession, action: MitigationAction) -> ActionResult | None:
    """Return what there is to say of a definition of that name that is another one."""
    from ddreport.aws.mitigation_actions import fetch_action

    existing = fetch_action(session.iot, action.name)
    if existing is None or existing.action.is_like(action):
        return None
    differences = "; ".join(existing.action.differences(action))
    note = f"{action.name} is defined already, and differently, so it was left as it is: {differences}."
    return ActionResult(existing.action, "kept", existing.arn, notes=(note,))


def change_action(
    session: AwsSession,
    name: str,
    *,
    role: str | None = None,
    check: bool = True,
    options: Mapping[str, Any] | None = None,
) -> ActionResult:
    """Give a definition another role or other parameters; what is not given stays.

    Changes the account.

    Raises
    ------
    InputError
        There is no such definition, nothing to change is given, a rule is broken, or the role cannot work.
    AwsError
        AWS could not be asked, or refused.
    """
    from ddreport.aws.mitigation_actions import fetch_action, no_such_action, update_action
    from ddreport.workflows.action_roles import check_role

    check_action_name(name)
    given = {option: value for option, value in (options or {}).items() if value is not None}
    if role is None and not given:
        raise InputError("nothing to change is given.", hint="give --role or a parameter of the action's type.")
    place = place_of(session, session.identity())
    existing = fetch_action(session.iot, name)
    if existing is None:
        raise no_such_action(session.iot, name)
    before = existing.action
    if given.get("logging_role_arn"):
        given["logging_role_arn"] = _role_arn(given["logging_role_arn"], place)
    new = make_parameters(before.action_type, **given)[MEMBERS[before.action_type]]
    action = parse_action(
        name,
        {MEMBERS[before.action_type]: {**before.parameters, **new}},
        role_arn=_role_arn(role, place) if role else before.role_arn,
        account=place.account,
        region=place.region,
    )
    notes = check_role(session.iam, action, place).notes if check else ()
    found = update_action(session.iot, action)
    return ActionResult(action, "updated" if found.changed else "unchanged", found.arn, notes=notes)


def describe_fitting(check_name: str, actions: Sequence[MitigationAction]) -> str:
    """Return a sentence for people about what fits a check: the types, and the defined actions."""
    fitting = ", ".join(action.name for action in fitting_actions(check_name, actions)) or "none yet"
    return f"{check_name} takes {', '.join(fitting_types(check_name))}; defined: {fitting}."


def _define(
    session: AwsSession,
    identity: Identity,
    action: MitigationAction,
    *,
    create_role: bool,
    check: bool,
    sleep: Callable[[float], None],
) -> ActionResult:
    from ddreport.aws.mitigation_actions import create_action, fetch_action
    from ddreport.workflows.action_roles import RoleReport, check_role, make_role

    place = place_of(session, identity)
    existing = fetch_action(session.iot, action.name)
    if existing is not None and not existing.action.is_like(action):
        create_action(session.iot, action)  # refuses, with the differences, before a role is made for nothing
    if create_role:
        report = make_role(session.iam, action, place, emulated=identity.emulated, sleep=sleep)
    elif check:
        report = check_role(session.iam, action, place)
    else:
        report = RoleReport(action.role_arn)
    found = create_action(session.iot, action)
    status = "created" if found.changed else "unchanged"
    return replace(ActionResult(action, status, found.arn), role_made=report.made, notes=report.notes)


def _role_arn(role: str, place: Place) -> str:
    return role if role.startswith("arn:") else place.role_arn(role)


def _own_role_name(name: str, action_type: MitigationActionType) -> str:
    default = DEFAULT_ACTIONS[action_type]
    return default.role_name if name == default.name else f"{ROLE_START}{name}"[:64]
