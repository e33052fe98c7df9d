"""What must be right before anything of a plan is carried out. Nothing is written, neither here nor in the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ddreport.errors import ArchiveError, MitigationError, PlanError
from ddreport.mitigation.plan import check_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.mitigation.approval import Approvable
    from ddreport.mitigation.plan import Plan, PlannedAction, PlannedFinding

_SHOWN = 5


def check_place(plan: Plan, identity: Identity, archive: Archive) -> None:
    """Refuse to work in another account or Region than the plan's, or with an archive of the other kind.

    Raises
    ------
    PlanError
        The plan was changed, or is of another account, Region or kind of account.
    ArchiveError
        The archive holds the other kind of account.
    """
    check_plan(plan, source=f"plan {plan.short}")
    kinds = {True: "emulated", False: "real"}
    here, there = (
        (identity.account, identity.region, identity.emulated),
        (plan.account, plan.region, plan.emulated),
    )
    if here != there:
        raise PlanError(
            f"plan {plan.short} is for the {kinds[plan.emulated]} account {plan.account} in {plan.region}; this is the "
            f"{kinds[identity.emulated]} account {identity.account} in {identity.region}. Nothing was done.",
            hint="choose the target that the plan was made for, with --target, --profile and --region.",
        )
    if archive.emulated not in (None, plan.emulated):
        raise ArchiveError(
            f"{archive.location} holds {kinds[bool(archive.emulated)]} accounts, and the plan is for "
            f"{'an' if plan.emulated else 'a'} {kinds[plan.emulated]} one; what is done could not be kept there.",
            hint="name the archive that the plan was made from, with --archive.",
        )


def check_actions(session: AwsSession, plan: Plan) -> None:
    """Refuse to use an action that is not defined any more as it was when the plan was made and reviewed.

    Raises
    ------
    PlanError
        Names every one that was deleted or changed, and how.
    AwsCallError
        AWS refused to tell.
    """
    wrong = list(changed_actions(session, plan.actions))
    if wrong:
        raise PlanError(
            f"not everything is as it was reviewed in plan {plan.short}: {'; '.join(wrong)}.",
            hint="define the actions as they were, or make a new plan.",
        )


def changed_actions(session: AwsSession, actions: Iterable[PlannedAction]) -> Iterable[str]:
    """Yield in words what is not as it was in the definitions of actions."""
    from ddreport.aws.mitigation_run import read_action

    for action in actions:
        record = read_action(session.iot, action.name)
        if record is None:
            yield f"the action {action.name!r} was deleted"
            continue
        now = {
            "type": record.get("actionType"),
            "role": record.get("roleArn"),
            "parameters": record.get("actionParams"),
        }
        then = {"type": action.action_type, "role": action.role_arn, "parameters": action.parameters}
        for name, value in then.items():
            if now[name] != value:
                yield f"the {name} of action {action.name!r} was {_text(value)} and is now {_text(now[name])}"


def check_alarms(session: AwsSession, plan: Plan) -> None:
    """Refuse to begin while an alarm of the plan is missing or cannot be read (`InputError`, `AwsCallError`)."""
    if plan.rollout.alarms:
        from ddreport.aws.mitigation_run import alarm_states

        alarm_states(session.cloudwatch, plan.rollout.alarms)


def too_old(session: AwsSession, findings: Iterable[PlannedFinding]) -> list[PlannedFinding]:
    """Return the findings of audits that AWS does not know any more: it keeps them for 90 days."""
    from ddreport.aws.mitigation_run import unknown_audits

    listed = list(findings)
    gone = set(unknown_audits(session.iot, dict.fromkeys(f.audit_task_id for f in listed)))
    return [f for f in listed if f.audit_task_id in gone]


def refuse_too_old(plan: Plan, old: list[PlannedFinding]) -> None:
    """Refuse to begin a plan with findings that AWS has forgotten (`PlanError`)."""
    if old:
        shown = ", ".join(f.finding_id for f in old[:_SHOWN]) + (" …" if len(old) > _SHOWN else "")
        raise PlanError(
            f"AWS no longer knows {len(old)} of the {len(plan.findings)} findings of plan {plan.short}: their audit is "
            f"older than the 90 days that it keeps, or of another account ({shown}). Nothing was done.",
            hint="audit again, pull, and make a plan of what is still found.",
        )


def refuse_unconfirmed(
    plan: Approvable, *, approved: bool, confirmed: bool, ask: Callable[[], bool] | None = None
) -> None:
    """Refuse to change an account when neither an approval was given nor somebody said yes (`MitigationError`)."""
    if approved or confirmed or (ask is not None and ask()):
        return
    raise MitigationError(
        f"plan {plan.short} was neither approved nor confirmed, so nothing was done.",
        hint="`ddreport mitigate approve` makes an approval, which --approval FILE gives; at a terminal you are asked, "
        "and --yes spares the question. --dry-run shows what would be sent.",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
