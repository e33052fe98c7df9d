"""What may be done next in the mitigation panel, and why not: the reason stands where the button is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.errors import DDReportError
from ddreport.mitigation.approval import check_approval

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ddreport.mitigation.approval import Approvable, Approval
    from ddreport.mitigation.plan import ApprovalRule
    from ddreport.widgets.mitigation_state import PanelState

_UNDER_WAY = "something is under way"


def why_not_plan(state: PanelState) -> str | None:
    """Tell why no plan can be made; None: one can."""
    return next(_against_plan(state), None)


def _against_plan(state: PanelState) -> Iterator[str]:
    if state.busy is not None:
        yield _UNDER_WAY
    if state.is_begun:
        yield "this plan is being carried out; begin a new one with “New plan”"
    if state.check is None:
        yield "choose a check"
    if not state.picked:
        yield "pick at least one finding"
    if not state.actions:
        yield "choose at least one action" if state.fitting else "no action is defined that fits the check"
    try:
        state.options.rollout()
    except DDReportError as exc:
        yield exc.message


def approval_problem(
    plan: Approvable | None, approval: Approval | None, now: datetime, rule: ApprovalRule | None = None
) -> str | None:
    """Tell why a plan's approval does not do; None: it does, or none is needed."""
    if plan is None:
        return None
    try:
        check_approval(plan, approval, time=now, target_rule=rule)
    except DDReportError as exc:
        return exc.message
    return None


def why_not_apply(state: PanelState, now: datetime) -> str | None:
    """Tell why the plan cannot be applied or gone on with; None: it can.

    Parameters
    ----------
    now
        The moment by which an approval is judged; applying itself asks AWS for its own.
    """
    return next(_against_apply(state, now), None)


def _against_apply(state: PanelState, now: datetime) -> Iterator[str]:
    if state.busy is not None:
        yield _UNDER_WAY
    if state.plan is None:
        yield "make a plan first"
        return
    if state.looking_only:
        yield state.looking_only
    if not state.plan.findings:
        yield "the plan would do nothing"
    if state.is_over:
        yield "all of it is done" if state.campaign and state.campaign.finished else "it was cancelled"
    problem = approval_problem(state.plan, state.approval, now, state.target_rule)
    if problem is not None:
        yield problem
    if state.typed.strip().casefold() != state.confirmation:
        yield f"type {state.confirmation} to confirm"


def why_not_cancel(state: PanelState) -> str | None:
    """Tell why the campaign cannot be cancelled; None: it can."""
    if state.busy is not None:
        return _UNDER_WAY
    if not state.is_begun or state.is_over:
        return "nothing is left to cancel"
    return state.looking_only


def why_not_verify(state: PanelState) -> str | None:
    """Tell why the effect cannot be verified; None: it can."""
    if state.busy is not None:
        return _UNDER_WAY
    if not state.is_begun:
        return "nothing was carried out yet"
    return "this page is for looking only, and verifying starts an audit" if state.read_only else None


def why_not_plan_rollback(state: PanelState) -> str | None:
    """Tell why no roll-back can be planned; None: one can."""
    if state.busy is not None:
        return _UNDER_WAY
    if not state.is_begun:
        return "nothing was carried out yet"
    return None if state.is_over else "the campaign is not over: go on with it, or cancel it"


def why_not_apply_rollback(state: PanelState, now: datetime) -> str | None:
    """Tell why the roll-back cannot be carried out; None: it can."""
    return next(_against_rollback(state, now), None)


def _against_rollback(state: PanelState, now: datetime) -> Iterator[str]:
    if state.busy is not None:
        yield _UNDER_WAY
    if state.rollback is None:
        yield "make a roll-back plan first"
        return
    if state.looking_only:
        yield state.looking_only
    if not state.rollback.operations:
        yield "there is nothing to undo"
    if state.rolled_back is not None and state.rolled_back.finished is not None:
        yield "it is rolled back"
    problem = approval_problem(state.rollback, state.rollback_approval, now, state.target_rule)
    if problem is not None:
        yield problem
    if state.typed_rollback.strip().casefold() != state.rollback_confirmation:
        yield f"type {state.rollback_confirmation} to confirm"
