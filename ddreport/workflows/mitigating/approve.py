"""Approve: one person's agreement to one plan, under the AWS identity that AWS itself tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.errors import PlanError
from ddreport.mitigation.approval import Approval, approval_text, approve, parse_approval
from ddreport.workflows.mitigating.targets import approval_rule

if TYPE_CHECKING:
    from pathlib import Path

    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.plan import Plan
    from ddreport.mitigation.reversal_plan import RollbackPlan


def approval_path(plan_path: Path) -> Path:
    """Return where the approval of a plan is written and looked for: beside it, `NAME.approval.yaml`."""
    return plan_path.with_name(f"{plan_path.stem}.approval.yaml")


def give_approval(plan: Plan | RollbackPlan, session: AwsSession, path: Path, *, note: str = "") -> Approval:
    """Approve a plan as whoever the session is, and write that to a new file.

    Raises
    ------
    PlanError
        The plan is of another account, a second person must approve and this is the first, or the file is there.
    AwsError
        AWS cannot be asked who this is.
    """
    identity = session.identity()
    if (identity.account, identity.emulated) != (plan.account, plan.emulated):
        # An emulator takes any account's number, and tells whatever name it was told.
        kinds = {True: "emulated", False: "real"}
        raise PlanError(
            f"plan {plan.short} is of the {kinds[plan.emulated]} account {plan.account}; you are {identity.arn} of the "
            f"{kinds[identity.emulated]} account {identity.account}.",
            hint="sign in to that account, with --profile or another target.",
        )
    given = approve(plan, by=identity.arn, time=identity.as_of, note=note, target_rule=approval_rule(session.target))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(approval_text(given))
    except FileExistsError as exc:
        raise PlanError(
            f"{path} exists already; an approval is never overwritten.", hint="give --out another name, or remove it."
        ) from exc
    except OSError as exc:
        raise PlanError(f"the approval cannot be written to {path}: {exc.strerror}.") from exc
    return given


def read_approval(path: Path) -> Approval:
    """Read an approval (`PlanError`); whether it fits a plan is for `approval.check_approval` to say."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise PlanError(f"the approval {path} cannot be read: {reason}.") from exc
    return parse_approval(text, source=str(path))
