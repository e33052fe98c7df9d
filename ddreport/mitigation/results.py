"""What became of a plan, as tables: one row per campaign, and one per finding and action in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.mitigation.effects import Effect, effect_counts
from ddreport.mitigation.journal import (
    CANCELED_BEFORE,
    EARLIER_NOT_SENT,
    NO_RECORD,
    TOO_OLD,
    CampaignState,
    Outcome,
    OutcomeStatus,
)
from ddreport.mitigation.prestate import Verdict
from ddreport.mitigation.reverse_calls import UndoResult
from ddreport.schema_types import COUNT, FLAG, TEXT, TIME, Column, Schema
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddreport.mitigation.events import Begun
    from ddreport.mitigation.plan import PlannedAction

_PLAN = Column("plan", TEXT, "digest of the plan")

CAMPAIGNS = Schema(
    "campaigns",
    "One row per mitigation plan that was applied, or begun to be.",
    ("plan",),
    (
        _PLAN,
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("emulated", FLAG, "true for an emulated account"),
        Column("target", TEXT, "name of the target that the plan was made for"),
        Column("campaign_status", TEXT, "`RUNNING` (or killed), `STOPPED`, `CANCELED` or `FINISHED`"),
        Column(
            "stop_reason", TEXT, "`FAILED_SHARE`, `ALARM`, `INTERRUPTED` or `ERROR` while it is stopped", nullable=True
        ),
        Column("note", TEXT, "that in words, or who cancelled it", nullable=True),
        Column("made_time", TIME, "when the plan was made"),
        Column("made_by", TEXT, "ARN of who made it; missing where AWS was not asked", nullable=True),
        Column("begun_time", TIME, "when it was first applied, by AWS's clock", nullable=True),
        Column("begun_by", TEXT, "ARN of who applied it first", nullable=True),
        Column("approved_by", TEXT, "ARN of who approved it; missing where nobody did", nullable=True),
        Column("last_time", TIME, "when something was last written down", nullable=True),
        Column("runs_count", COUNT, "how often it was begun or gone on with"),
        Column("waves_count", COUNT, "waves of the plan"),
        Column("begun_waves_count", COUNT, "waves that began"),
        Column("findings_count", COUNT, "findings of the plan"),
        *(
            Column(f"{status.lower()}_count", COUNT, f"actions on findings that are `{status}`")
            for status in OutcomeStatus
        ),
        Column("verified_time", TIME, "when it was last looked at whether it has helped", nullable=True),
        Column("fixed_count", COUNT, "problems that were `FIXED` then", nullable=True),
        Column("still_there_count", COUNT, "planned problems that were `STILL_THERE` then", nullable=True),
        Column("rolled_back_time", TIME, "when a roll-back of it last began; missing where none did", nullable=True),
        Column("undone_count", COUNT, "calls of its roll-backs that gave a resource back what it had"),
    ),
)

OUTCOMES = Schema(
    "outcomes",
    "One row per finding and action of a mitigation plan: how it stands, in AWS's words and in plain ones.",
    ("plan", "finding_id", "action_name"),
    (
        _PLAN,
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("wave", COUNT, "wave that it is treated in, from 1"),
        Column("finding_id", TEXT, "the finding"),
        Column("problem_id", TEXT, "the problem that it reports"),
        Column("check_name", TEXT, "its check"),
        Column("severity", TEXT, "its severity"),
        Column("resource_type", TEXT, "AWS's `resourceType`"),
        Column("resource_id", TEXT, "the resource"),
        Column("action_name", TEXT, "the mitigation action"),
        Column("action_type", TEXT, "its type"),
        Column(
            "status", TEXT, "`PENDING`, `NOT_SENT`, `SENT`, `COMPLETED`, `FAILED`, `SKIPPED`, `CANCELED` or `UNKNOWN`"
        ),
        Column("error_code", TEXT, "AWS's error code, or why it was not sent, such as `ALREADY_DONE`", nullable=True),
        Column("message", TEXT, "AWS's text, or what was read before it would have been sent", nullable=True),
        Column("explanation", TEXT, "the same in plain words"),
        Column("advice", TEXT, "what to do about it; missing where nothing is to be done", nullable=True),
        Column("mitigation_task_id", TEXT, "the AWS task that it was sent with", nullable=True),
        Column("start_time", TIME, "when AWS began with it", nullable=True),
        Column("end_time", TIME, "when AWS ended it", nullable=True),
        Column("applied_by", TEXT, "ARN of who sent it", nullable=True),
        Column("applied_time", TIME, "when AWS was asked, by its clock", nullable=True),
        Column("approved_by", TEXT, "ARN of who had approved it", nullable=True),
    ),
)


def campaign_status(state: CampaignState) -> str:
    """Return `RUNNING`, `STOPPED`, `CANCELED` or `FINISHED`; nobody can see whether a run was killed."""
    if state.canceled is not None and state.finished is not None:
        return "CANCELED"
    if state.finished is not None:
        return "FINISHED"
    return "STOPPED" if state.stopped is not None else "RUNNING"


def campaign_table(states: Iterable[CampaignState]) -> pd.DataFrame:
    """Make the table `CAMPAIGNS`, in the order of `states`."""
    import pandas as pd

    rows = [campaign_row(state) for state in states]
    return CAMPAIGNS.conform(pd.DataFrame(rows)) if rows else CAMPAIGNS.empty()


def outcomes_table(state: CampaignState) -> pd.DataFrame:
    """Make the table `OUTCOMES`, in the order in which AWS is asked."""
    import pandas as pd

    rows = outcome_rows(state)
    return OUTCOMES.conform(pd.DataFrame(rows)) if rows else OUTCOMES.empty()


def campaign_row(state: CampaignState) -> dict[str, Any]:
    """Return one row of `CAMPAIGNS` as plain values."""
    plan, first = state.plan, state.runs[0] if state.runs else None
    approvals = [run.approval for run in state.runs if run.approval is not None]
    counts = dict.fromkeys(OutcomeStatus, 0)
    for *_, outcome in state.outcomes():
        counts[outcome.status] += 1
    note = state.stopped.note if state.stopped else f"cancelled by {state.canceled.by}" if state.canceled else None
    return {
        "plan": plan.digest,
        "account": plan.account,
        "region": plan.region,
        "emulated": plan.emulated,
        "target": plan.target,
        "campaign_status": campaign_status(state),
        "stop_reason": state.stopped.why.value if state.stopped else None,
        "note": note,
        "made_time": plan.made_time,
        "made_by": plan.made_by,
        "begun_time": first.time if first else None,
        "begun_by": first.by if first else None,
        "approved_by": approvals[-1].approved_by if approvals else None,
        "last_time": state.last_time,
        "runs_count": len(state.runs),
        "waves_count": len(state.waves),
        "begun_waves_count": len(state.waves_begun),
        "findings_count": len(plan.findings),
        **{f"{status.lower()}_count": count for status, count in counts.items()},
        **_afterwards(state),
    }


def _afterwards(state: CampaignState) -> dict[str, Any]:
    """Return what came after the campaign: the newest look at it, and what was taken back."""
    effects = effect_counts(state.verified.problems) if state.verified else {}
    begun = [run.time for rollback in state.rollbacks.values() for run in rollback.runs]
    return {
        "verified_time": state.verified.time if state.verified else None,
        "fixed_count": effects.get(Effect.FIXED.value),
        "still_there_count": effects.get(Effect.STILL_THERE.value),
        "rolled_back_time": max(begun, default=None),
        "undone_count": sum(r.counts.get(UndoResult.DONE, 0) for r in state.rollbacks.values()),
    }


def outcome_rows(state: CampaignState) -> list[dict[str, Any]]:
    """Return the rows of `OUTCOMES` as plain values."""
    rows: list[dict[str, Any]] = []
    asked = {part.asked.task_id: part.asked.time for batch in state.batches.values() for part in batch.parts.values()}
    actions = {a.name: a for a in state.plan.actions}
    for finding, name, outcome in state.outcomes():
        action = actions[name]
        sent = asked.get(outcome.task_id) if outcome.task_id else None
        run = _run_at(state, sent)
        explanation, advice = explain(outcome, action)
        rows.append(
            {
                "plan": state.plan.digest,
                "account": state.plan.account,
                "region": state.plan.region,
                "wave": finding.wave,
                "finding_id": finding.finding_id,
                "problem_id": finding.problem_id,
                "check_name": finding.check_name,
                "severity": finding.severity,
                "resource_type": finding.resource_type,
                "resource_id": finding.resource_id,
                "action_name": name,
                "action_type": action.action_type,
                "status": outcome.status.value,
                "error_code": outcome.why,
                "message": outcome.note or None,
                "explanation": explanation,
                "advice": advice,
                "mitigation_task_id": outcome.task_id,
                "start_time": outcome.start_time,
                "end_time": outcome.end_time,
                "applied_by": run.by if run else None,
                "applied_time": sent,
                "approved_by": run.approval.approved_by if run and run.approval else None,
            }
        )
    return rows


def _run_at(state: CampaignState, time: Any) -> Begun | None:
    """Return the run that was under way at a time."""
    return next((run for run in reversed(state.runs) if time is not None and run.time <= time), None)


_OWN_CODES: dict[str, tuple[str, str | None]] = {
    Verdict.GONE: ("the resource or the finding does not exist any more, so there was nothing to do", None),
    Verdict.ALREADY_DONE: ("it was done already, so there was nothing to do", None),
    Verdict.CHANGED: (
        "the resource was changed since the audit, so it was left as somebody has made it",
        "audit again, and make a new plan of what is still found",
    ),
    Verdict.BLOCKED: (
        "AWS would have refused it, so it was not sent",
        "see to what stands in the message, then make a new plan",
    ),
    EARLIER_NOT_SENT: (
        "an earlier action on the same finding was not sent, so this one was not either",
        "see to the earlier one, then make a new plan",
    ),
    CANCELED_BEFORE: ("the campaign was cancelled before it came to this", "make a new plan if it is still wanted"),
    TOO_OLD: (
        "AWS keeps findings for 90 days, and has forgotten this one",
        "audit again, and make a new plan of what is still found",
    ),
    NO_RECORD: (
        "AWS took the finding and did nothing: it leaves suppressed findings untreated",
        "look whether a suppression covers it by now",
    ),
}

_STATE_ADVICE: dict[str, str] = {
    MitigationActionType.UPDATE_DEVICE_CERTIFICATE: "look whether the certificate is revoked",
    MitigationActionType.UPDATE_CA_CERTIFICATE: "look at the CA certificate's status",
    MitigationActionType.ADD_THINGS_TO_THING_GROUP: "look whether the group exists, and whether a thing is in 10 "
    "groups or in another group of the same hierarchy; overrideDynamicGroups makes room for it",
    MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION: "a policy holds 5 versions: delete one",
    MitigationActionType.ENABLE_IOT_LOGGING: "look whether the logging role exists and trusts iot.amazonaws.com",
    MitigationActionType.PUBLISH_FINDING_TO_SNS: "look whether the topic exists and its policy lets the role publish",
}


def explain(outcome: Outcome, action: PlannedAction) -> tuple[str, str | None]:
    """Return how an action stands in plain words, and what to do about it (None: nothing)."""
    if outcome.status is OutcomeStatus.COMPLETED:
        return action.effect or "done", None
    if outcome.status is OutcomeStatus.FAILED:
        return _failed(outcome, action)
    if outcome.why in _OWN_CODES:
        return _OWN_CODES[outcome.why]
    return _IN_WORDS[outcome.status]


_IN_WORDS: dict[OutcomeStatus, tuple[str, str | None]] = {
    OutcomeStatus.PENDING: ("not sent yet", "apply the plan to go on"),
    OutcomeStatus.SENT: ("AWS was asked, and how it ended is not known yet", "apply the plan to find out"),
    OutcomeStatus.UNKNOWN: (
        "AWS was asked, and has forgotten the task or not said how this ended, so nobody can tell what was done",
        "verify the plan: that reads the resource itself",
    ),
    OutcomeStatus.CANCELED: ("the task was cancelled before it came to this", "make a new plan if it is still wanted"),
    OutcomeStatus.SKIPPED: (
        "an earlier action on the same finding failed, so AWS left this one out",
        "see to the earlier one, then make a new plan",
    ),
    OutcomeStatus.NOT_SENT: ("it was left out", None),
}


def _failed(outcome: Outcome, action: PlannedAction) -> tuple[str, str | None]:
    if outcome.why == "INSUFFICIENT_PERMISSIONS":
        return (
            f"the role {action.role_arn} may not do what {action.action_type} needs, or does not trust AWS IoT",
            "give the role its permissions and the trust of iot.amazonaws.com, then make a new plan",
        )
    if outcome.why == "INVALID_STATE_OF_RESOURCE":
        return (
            "the resource is in a state in which AWS could not do it",
            _STATE_ADVICE.get(action.action_type),
        )
    return f"AWS could not do it ({outcome.why or 'no reason given'})", "see the message; then make a new plan"
