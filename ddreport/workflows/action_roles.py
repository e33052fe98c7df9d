"""The role of a mitigation action: made when asked for, else checked before anything is defined that could not work."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.errors import AwsCallError, InputError
from ddreport.mitigation.roles import (
    SERVICE,
    logging_permission_policy,
    needed_grants,
    permission_policy,
    trust_policy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from botocore.client import BaseClient

    from ddreport.aws.iam_roles import RoleFacts
    from ddreport.mitigation.actions import MitigationAction
    from ddreport.mitigation.roles import Grant, Place

PROPAGATION_SECONDS = 10.0
"""How long IAM takes until everybody in a Region knows a new role, as a rule."""


@dataclass(frozen=True)
class RoleReport:
    """What was found out about a role.

    Attributes
    ----------
    role_arn
        The role.
    made
        Whether it was made just now.
    notes
        What was not right, or could not be checked, in words; none when all is well.
    """

    role_arn: str
    made: bool = False
    notes: tuple[str, ...] = ()


def check_role(iam: BaseClient, action: MitigationAction, place: Place) -> RoleReport:
    """Check that AWS IoT may take on the role of a definition, and what it may do then.

    Reads IAM (`aws.iam_roles.fetch_role`); what may not be read is said in the notes and holds nothing up.

    Raises
    ------
    InputError
        There is no such role, or it does not trust AWS IoT for this action: every use of the action would fail.
    """
    source = place.arn("iot", f"mitigationaction/{action.name}")
    facts, note = _read(iam, action.role_arn)
    if facts is None:
        return RoleReport(action.role_arn, notes=(note,))
    _refuse_without_trust(facts, source, place)
    notes = [f"{facts.name}: {n}" for n in lacking(facts, needed_grants(action, place))]
    logging_role = action.parameters.get("roleArnForLogging")
    if logging_role:
        notes += _check_logging_role(iam, str(logging_role), place)
    return RoleReport(action.role_arn, notes=tuple(notes))


def make_role(
    iam: BaseClient,
    action: MitigationAction,
    place: Place,
    *,
    emulated: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> RoleReport:
    """Make the role of a definition, with trust for this action only and a narrow policy.

    Changes the account. For an action that enables logging, the role that AWS IoT writes its logs as is made, too,
    where there is none. Then waits until IAM has told everybody (`PROPAGATION_SECONDS`; the emulator needs no time).
    A role that exists is used when it trusts AWS IoT for this action; only one that was begun by `ddreport` is
    completed.

    Raises
    ------
    InputError
        A role of that name exists and does not trust AWS IoT for this action.
    AwsCallError
        AWS refused or failed.
    """
    made = _make(
        iam,
        role_arn=action.role_arn,
        trust=trust_policy(place, action_name=action.name),
        permissions=permission_policy(action, place),
        description=f"Lets AWS IoT Device Defender apply the mitigation action {action.name}.",
    )
    logging_role = action.parameters.get("roleArnForLogging")
    if logging_role:
        made |= _make(
            iam,
            role_arn=str(logging_role),
            trust=trust_policy(place),
            permissions=logging_permission_policy(place),
            description="Lets AWS IoT write its logs to CloudWatch.",
        )
    if made and not emulated:
        sleep(PROPAGATION_SECONDS)
    report = check_role(iam, action, place)
    return RoleReport(report.role_arn, made=made, notes=report.notes)


def _make(
    iam: BaseClient, *, role_arn: str, trust: dict[str, object], permissions: dict[str, object], description: str
) -> bool:
    from ddreport.aws.iam_roles import create_role, fetch_role

    name = _name(role_arn)
    existing = fetch_role(iam, name)
    if existing is not None and (not existing.made_here or existing.policies):
        return False
    create_role(iam, name, trust=trust, permissions=permissions, description=description)
    return True


def _name(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]


def _read(iam: BaseClient, role_arn: str) -> tuple[RoleFacts | None, str]:
    from ddreport.aws.errors import DENIED_CODES
    from ddreport.aws.iam_roles import fetch_role

    try:
        facts = fetch_role(iam, _name(role_arn))
    except AwsCallError as exc:
        if exc.code not in DENIED_CODES:
            raise
        return None, f"the role {role_arn} could not be checked: {exc.operation} was refused ({exc.code})."
    if facts is None or facts.arn != role_arn:
        other = f"; of that name there is {facts.arn}" if facts else ""
        raise InputError(
            f"there is no IAM role {role_arn}{other}.",
            hint="name one that exists, or let it be made with --create-role.",
        )
    return facts, ""


def _refuse_without_trust(facts: RoleFacts, source: str, place: Place) -> None:
    if not trusts(facts, source, place):
        raise InputError(
            f"the role {facts.arn} does not let AWS IoT take it on for {source}: its trust policy must allow "
            f"sts:AssumeRole to {SERVICE}, with no condition that aws:SourceAccount {place.account} and this "
            "aws:SourceArn do not meet. Every use of the action would fail.",
            hint="correct its trust policy (docs/mitigation-actions.md shows one), or let a role be made with "
            "--create-role.",
        )


def trusts(facts: RoleFacts, source: str, place: Place) -> bool:
    """Tell whether a role's trust policy lets AWS IoT take it on for `source` (`aws:SourceArn`)."""
    # The rules of policies are pure, and the same whoever applies them.
    from ddreport.emulation.conditions import as_texts, holds, make_context
    from ddreport.emulation.policy import PolicyError, parse_policy

    context = make_context({"aws:SourceAccount": place.account, "aws:SourceArn": source})
    try:
        statements = parse_policy(facts.trust).statements
    except PolicyError:
        return False
    fitting = [
        s
        for s in statements
        if s.covers_action("sts:AssumeRole")
        and (
            s.principal == "*"
            or (isinstance(s.principal, dict) and SERVICE in as_texts(s.principal.get("Service", [])))
        )
        and holds(s.conditions, context)
    ]
    return bool(fitting) and all(s.allow for s in fitting)


def lacking(facts: RoleFacts, grants: Sequence[Grant]) -> list[str]:
    """Return in words what the role's policies do not allow, or that they could not all be read."""
    from ddreport.emulation.conditions import make_context
    from ddreport.emulation.policy import Decision, PolicyError, decide, parse_policy

    policies = []
    for document in facts.policies:
        try:
            policies.append(parse_policy(document))
        except PolicyError:
            continue  # a document that nobody can read grants nothing
    missing = []
    for grant in grants:
        context = make_context({"iam:PassedToService": grant.passed_to} if grant.passed_to else {})
        if decide(policies, grant.action, grant.resource, context) is not Decision.ALLOWED:
            missing.append(f"{grant.action} on {grant.resource}")
    if not missing:
        return []
    if facts.unread:
        return [f"its permissions could not all be read ({'; '.join(facts.unread)})"]
    return [f"its policies do not allow {', '.join(missing)}; without that, executions may fail"]


def _check_logging_role(iam: BaseClient, role_arn: str, place: Place) -> list[str]:
    try:
        facts, note = _read(iam, role_arn)
    except InputError as exc:
        raise InputError(f"the role for logging: {exc.message}", hint=exc.hint) from exc
    if facts is None:
        return [note]
    if not trusts(facts, place.arn("iot", "*"), place):
        return [
            f"the role for logging, {facts.arn}, does not seem to trust {SERVICE}; without that AWS IoT writes no logs."
        ]
    return []
