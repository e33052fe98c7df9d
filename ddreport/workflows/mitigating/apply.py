"""Apply: carry an approved plan out, go on where an earlier run stopped, say what would be sent, cancel, look."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.archive.campaigns import (
    CampaignJournal,
    ask_to_cancel,
    campaign_digests,
    find_campaign,
    is_being_carried_out,
    read_campaign,
)
from ddreport.errors import MitigationError, NoDataError
from ddreport.mitigation.approval import check_approval
from ddreport.mitigation.events import BatchCaptured, Begun, Canceled, Skipped, StopReason
from ddreport.mitigation.journal import (
    TOO_OLD,
    OutcomeStatus,
    Step,
    apply_event,
    begin_state,
    fold,
    next_request,
    next_step,
)
from ddreport.mitigation.prestate import Verdict
from ddreport.mitigation.reverse_calls import UndoResult
from ddreport.version import __version__
from ddreport.workflows.mitigating import preflight
from ddreport.workflows.mitigating.account import Account, Pace
from ddreport.workflows.mitigating.run import Run
from ddreport.workflows.mitigating.running import carry_out
from ddreport.workflows.mitigating.signals import aws_clock, interruptible
from ddreport.workflows.mitigating.targets import approval_rule, refuse_read_only
from ddreport.workflows.pulling.threads import Stop, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.approval import Approval
    from ddreport.mitigation.events import TaskAsked
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan, PlannedFinding
    from ddreport.mitigation.prestate import Captured
    from ddreport.progress import Progress

INTERRUPTED = 130

_FINE = {Verdict.ALREADY_DONE.value}
_WORKERS = 4


@dataclass(frozen=True)
class Applied:
    """How a campaign stands after a run.

    Attributes
    ----------
    state
        Everything that is known of it.
    was_finished
        Whether nothing was left to do, so that nothing was sent.
    """

    state: CampaignState
    was_finished: bool = False

    @property
    def counts(self) -> dict[OutcomeStatus, int]:
        """Actions on findings by how they stand."""
        counted = Counter(outcome.status for *_, outcome in self.state.outcomes())
        return {status: counted[status] for status in OutcomeStatus if counted[status]}

    @property
    def exit_code(self) -> int:
        """0 all is done, 3 stopped by failures or an alarm, 4 something failed or was left out, 130 interrupted."""
        stopped = self.state.stopped
        if stopped is not None:
            codes = {StopReason.INTERRUPTED: INTERRUPTED, StopReason.ERROR: MitigationError.exit_code}
            return codes.get(stopped.why, 3)
        fine = all(o.status is OutcomeStatus.COMPLETED or o.why in _FINE for *_, o in self.state.outcomes())
        return 0 if fine else 4


def apply_plan(
    session: AwsSession,
    archive: Archive,
    plan: Plan,
    *,
    approval: Approval | None = None,
    confirmed: bool = False,
    ask: Callable[[], bool] | None = None,
    go_on: bool = False,
    progress: Progress,
    stop: Stop | None = None,
    pace: Pace | None = None,
) -> Applied:
    """Carry a plan out: this changes the account, wave by wave, until all is done or something stops it.

    Killed at any moment and called again it goes on from there: what AWS was asked for is written down before, and
    asked for again under the same id and token, which AWS takes for the same task. The state before is read again of
    what was not asked for yet, since others may have changed it meanwhile.

    Parameters
    ----------
    archive
        Keeps the campaign: plan, approval, journal, and what AWS reports of each task.
    approval
        Where the plan needs one; else it may be given.
    confirmed
        Somebody said yes. Without an approval, and without that, nothing is done.
    ask
        Asked once everything else is right, if nobody has said yes; returns whether they do.
    go_on
        Go on in spite of the failures that stopped an earlier run.
    stop
        Set it to end the run soon, as Ctrl-C does.

    Raises
    ------
    PlanError
        The plan or approval is changed, missing, expired, or of something else; an action is not as it was reviewed;
        AWS does not know a finding any more. Nothing was done.
    MitigationError
        Nobody agreed; the target is for looking only; the campaign was cancelled; AWS refused to go on.
    ArchiveError
        Another process carries the plan out; the archive cannot be written, or holds the other kind of account.
    AwsError
        AWS cannot be reached, or refuses what must be known before.
    """
    refuse_read_only(session.target)
    progress.stage("Checking the plan against the account")
    identity = session.identity()
    clock = aws_clock(identity)
    preflight.check_place(plan, identity, archive)
    check_approval(plan, approval, time=identity.as_of, target_rule=approval_rule(session.target))
    state = _state_so_far(archive, plan)
    if state.canceled is not None:
        raise MitigationError(
            f"plan {plan.short} was cancelled by {state.canceled.by} at {state.canceled.time:%Y-%m-%d %H:%M} UTC.",
            hint="make a new plan of what is still open.",
        )
    if state.finished is not None:
        _refuse_rolled_back(state)
        return Applied(state, was_finished=True)
    preflight.check_actions(session, plan)
    preflight.check_alarms(session, plan)
    old = preflight.too_old(session, _unsent(state))
    if not state.runs:
        preflight.refuse_too_old(plan, old)
    preflight.refuse_unconfirmed(plan, approved=approval is not None, confirmed=confirmed, ask=ask)
    with CampaignJournal(archive.path, plan) as journal, interruptible(stop or Stop()) as asked_to_stop:
        state = fold(plan, journal.events)
        wait = pace or Pace()
        account = Account(session, archive, plan, pace=wait, stop=asked_to_stop)
        run = Run(account, journal, state, progress, asked_to_stop, clock, wait)
        begun = Begun(
            time=clock(),
            by=identity.arn,
            version=__version__,
            approval=approval,
            go_on=go_on,
            cut_off_bytes=journal.cut_off_bytes,
        )
        run.note(begun)
        _leave_out(run, old)
        carry_out(run, session, archive)
    return Applied(run.state)


def dry_run(session: AwsSession, archive: Archive, plan: Plan, *, progress: Progress) -> Preview:
    """Tell exactly what applying a plan now would send; the account is read and not changed, nothing is written.

    Raises
    ------
    PlanError, ArchiveError, AwsError
        As `apply_plan`, but for the approval.
    """
    identity = session.identity()
    clock, stop = aws_clock(identity), Stop()
    preflight.check_place(plan, identity, archive)
    state = _state_so_far(archive, plan)
    preflight.check_actions(session, plan)
    preflight.check_alarms(session, plan)
    preflight.refuse_too_old(plan, preflight.too_old(session, _unsent(state)))
    account = Account(session, archive, plan, pace=Pace(), stop=stop)
    found: dict[str, list[Captured]] = {}
    canceled = state.canceled is not None
    for batch in state.batches.values():
        batch.outdate()
    waiting = [b for b in state.batches.values() if next_step(b, canceled=canceled)[0] is Step.CAPTURE]
    findings = [f for b in waiting for f in b.uncaptured()]
    progress.stage("Reading what each finding's resource is like now", len(findings))

    def read(finding: PlannedFinding) -> None:
        found[finding.finding_id] = account.capture(finding)
        progress.advance()

    side_by_side(read, findings, workers=max(1, min(_WORKERS, len(findings))), stop=stop, name="dry-run")
    for batch in waiting:
        captured = tuple(c for f in batch.batch.findings for c in found.get(f.finding_id, ()))
        apply_event(state, BatchCaptured(time=clock(), batch=batch.batch.number, captured=captured))
    requests: list[tuple[int, TaskAsked]] = []
    for batch in state.batches.values():
        step, part = next_step(batch, canceled=canceled)
        if part is not None and step is Step.ASK:
            requests.append((batch.batch.wave, part.asked))
        while not canceled and (request := next_request(plan, batch, time=clock())) is not None:
            requests.append((batch.batch.wave, request))
            apply_event(state, request)
    return Preview(state, tuple(requests))


@dataclass(frozen=True)
class Preview:
    """What applying a plan would send.

    Attributes
    ----------
    state
        As if all of it had been sent: what is `NOT_SENT` there would be left out, with why.
    requests
        The AWS tasks, each with its wave.
    """

    state: CampaignState
    requests: tuple[tuple[int, TaskAsked], ...]


def cancel_campaign(session: AwsSession, archive: Archive, plan: Plan, *, progress: Progress) -> Applied:
    """Cancel a campaign: nothing more is sent, AWS's running tasks are cancelled; what was done stays done.

    A run that is under way in another process is told to do so, and this returns at once.

    Raises
    ------
    NoDataError
        The plan was never applied.
    PlanError, MitigationError, ArchiveError, AwsError
        As `apply_plan`.
    """
    refuse_read_only(session.target)
    identity = session.identity()
    preflight.check_place(plan, identity, archive)
    state = _state_so_far(archive, plan)
    if not state.runs:
        raise NoDataError(f"plan {plan.short} was never applied from this archive, so there is nothing to cancel.")
    if state.finished is not None or is_being_carried_out(archive.path, plan.digest):
        if state.finished is None:
            ask_to_cancel(archive.path, plan.digest, by=identity.arn, time=identity.as_of)
        return Applied(state)
    clock, wait = aws_clock(identity), Pace()
    with CampaignJournal(archive.path, plan) as journal, interruptible(Stop()) as stop:
        account = Account(session, archive, plan, pace=wait, stop=stop)
        run = Run(account, journal, fold(plan, journal.events), progress, stop, clock, wait)
        run.note(Begun(time=clock(), by=identity.arn, version=__version__, cut_off_bytes=journal.cut_off_bytes))
        if run.state.canceled is None:
            run.note(Canceled(time=clock(), by=identity.arn))
        carry_out(run, session, archive)
    return Applied(run.state)


def campaign_status(archive: Archive, name: str) -> CampaignState:
    """Return how a campaign stands, by the digest of its plan or how that begins; AWS is not asked.

    Raises
    ------
    NoDataError, InputError, ArchiveError
        There is none, or several; it is damaged.
    """
    campaign = read_campaign(archive.path, find_campaign(archive.path, name))
    return fold(campaign.plan, campaign.events)


def campaign_states(archive: Archive) -> list[CampaignState]:
    """Return how all campaigns of an archive stand, the newest first (`ArchiveError`)."""
    campaigns = (read_campaign(archive.path, digest) for digest in campaign_digests(archive.path))
    states = [fold(c.plan, c.events) for c in campaigns]
    return sorted(states, key=lambda s: s.runs[0].time if s.runs else s.plan.made_time, reverse=True)


def _state_so_far(archive: Archive, plan: Plan) -> CampaignState:
    """Return the state from the journal, if the plan was ever applied; another process may be writing to it."""
    if plan.digest not in campaign_digests(archive.path):
        return begin_state(plan)
    return fold(plan, read_campaign(archive.path, plan.digest).events)


def _refuse_rolled_back(state: CampaignState) -> None:
    """Refuse to call done what was taken back since; tokens and ids of the plan's tasks are used up."""
    taken = [r for r in state.rollbacks.values() if r.counts.get(UndoResult.DONE)]
    if taken:
        raise MitigationError(
            f"plan {state.plan.short} was carried out and then rolled back ({taken[-1].plan.short}); a plan is carried "
            "out once. Nothing was sent.",
            hint="audit again, pull, and make a new plan of what is still found.",
        )


def _unsent(state: CampaignState) -> list[PlannedFinding]:
    return [
        f
        for b in state.batches.values()
        for f in b.batch.findings
        if f.finding_id not in b.skipped and b.part_of(f.finding_id) is None
    ]


def _leave_out(run: Run, findings: list[PlannedFinding]) -> None:
    """Leave out what AWS has forgotten since an earlier run."""
    old = {f.finding_id for f in findings}
    for number, batch in run.state.batches.items():
        ids = tuple(f.finding_id for f in batch.batch.findings if f.finding_id in old)
        if ids:
            note = "AWS does not know the audit of the finding any more"
            run.note(Skipped(time=run.clock(), batch=number, finding_ids=ids, why=TOO_OLD, note=note))
