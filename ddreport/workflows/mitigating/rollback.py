"""Roll back: plan what gives a campaign's resources back what they had, and carry that out once it is agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from ddreport.archive.campaigns import CampaignJournal, find_campaign, read_campaign
from ddreport.aws.errors import THROTTLED_CODES
from ddreport.aws.prestate import read_states
from ddreport.aws.restore import look, undo
from ddreport.errors import AwsCallError, DDReportError, MitigationError, PlanError
from ddreport.mitigation.approval import check_approval
from ddreport.mitigation.events import (
    RollbackBegun,
    RollbackFinished,
    RollbackStopped,
    StopReason,
    UndoAsked,
    UndoEnded,
)
from ddreport.mitigation.journal import OutcomeStatus, fold
from ddreport.mitigation.reversal import plan_reversal, touched
from ddreport.mitigation.reversal_plan import FORMAT, RollbackPlan, rollback_digest, seal_rollback
from ddreport.mitigation.reverse_calls import TAKEN_BACK, Operation, Standing, UndoResult
from ddreport.mitigation.rollback_state import RollbackState, apply_undoing, rollback_states, taken_back
from ddreport.version import __version__
from ddreport.workflows.mitigating import preflight
from ddreport.workflows.mitigating.signals import aws_clock, interruptible
from ddreport.workflows.mitigating.targets import approval_rule, refuse_read_only
from ddreport.workflows.pulling.threads import Stop, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ddreport.archive import Archive
    from ddreport.archive.campaigns import Campaign
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.mitigation.approval import Approval
    from ddreport.mitigation.events import Undoing
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan
    from ddreport.mitigation.prestate import ResourceState
    from ddreport.mitigation.reverse_calls import Key, ReverseOperation
    from ddreport.progress import Progress

INTERRUPTED = 130
WORKERS = 4
_REFUSALS_IN_A_ROW = 3


def make_rollback(
    session: AwsSession, archive: Archive, name: str, *, require_approval: bool = False, progress: Progress
) -> RollbackPlan:
    """Plan how a campaign is undone. The account is read and not changed, nothing is written.

    Parameters
    ----------
    archive
        Where the campaign is.
    name
        Digest of the plan that was applied, or how it begins.
    require_approval
        Whether a second person must approve, whatever the target says.

    Raises
    ------
    NoDataError, InputError
        No plan of that name was applied, or several begin so.
    MitigationError
        The campaign is not over: what may still be done cannot be undone.
    PlanError, ArchiveError, AwsError
        It is of another account; the archive is damaged; AWS refuses to tell how a resource is.
    """
    campaign, state = campaign_of(archive, name)
    plan = campaign.plan
    identity = session.identity()
    preflight.check_place(plan, identity, archive)
    outcomes = outcomes_of(state)
    _refuse_unfinished(state, outcomes)
    keys = dict.fromkeys(t.before.key for t in touched(plan, state.captured, outcomes))
    now = read_all(session, keys, progress=progress)
    reversal = plan_reversal(plan, state.captured, outcomes, now, taken_back=taken_back(state.rollbacks.values()))
    return seal_rollback(
        RollbackPlan(
            format=FORMAT,
            digest="",
            rollback_of=plan.digest,
            target=session.target.name,
            account=plan.account,
            region=plan.region,
            emulated=plan.emulated,
            made_time=identity.as_of.astimezone(UTC),
            made_by=identity.arn,
            made_with=f"ddreport {__version__}",
            approval=approval_rule(session.target, second_person=require_approval),
            operations=reversal.operations,
            left_as_it_is=reversal.left,
            irreversible=reversal.irreversible,
        )
    )


def campaign_of(archive: Archive, name: str) -> tuple[Campaign, CampaignState]:
    """Return a campaign and its state (`NoDataError`, `InputError`, `ArchiveError`)."""
    campaign = read_campaign(archive.path, find_campaign(archive.path, name))
    return campaign, fold(campaign.plan, campaign.events)


def outcomes_of(state: CampaignState) -> dict[Key, str]:
    """Return the status of every action on every finding, by their ids."""
    return {(finding.finding_id, action): outcome.status.value for finding, action, outcome in state.outcomes()}


def read_all(session: AwsSession, keys: Iterable[Key], *, progress: Progress) -> dict[Key, ResourceState]:
    """Read resources by kind and id, several at once; the first refusal raises."""
    wanted, found, stop = list(keys), {}, Stop()
    progress.stage("Reading what the resources are like now", len(wanted))

    def read(key: Key) -> None:
        (found[key],) = read_states(session.iot, [key])
        progress.advance()

    side_by_side(read, wanted, workers=max(1, min(WORKERS, len(wanted))), stop=stop, name="read")
    return found


def _refuse_unfinished(state: CampaignState, outcomes: dict[Key, str]) -> None:
    plan = state.plan
    if OutcomeStatus.SENT.value in outcomes.values():
        raise MitigationError(
            f"AWS may still be working on tasks of plan {plan.short}; what it does after this cannot be undone now.",
            hint="`ddreport mitigate apply` of the same plan follows them to their end, as does `cancel`.",
        )
    if state.finished is None and state.canceled is None:
        raise MitigationError(
            f"plan {plan.short} is not carried out to its end, and a further run would go on with it.",
            hint="`ddreport mitigate cancel` ends it; then roll back what was done.",
        )


@dataclass(frozen=True)
class RolledBack:
    """How a roll-back stands after a run."""

    state: RollbackState

    @property
    def exit_code(self) -> int:
        """0 all is as it was, 1 stopped, 4 AWS refused some or somebody has changed some since, 130 interrupted."""
        stopped = self.state.stopped
        if stopped is not None:
            return INTERRUPTED if stopped.why is StopReason.INTERRUPTED else MitigationError.exit_code
        return 0 if set(self.state.counts) <= {UndoResult.DONE, UndoResult.ALREADY} else 4


def apply_rollback(
    session: AwsSession,
    archive: Archive,
    rollback: RollbackPlan,
    *,
    approval: Approval | None = None,
    confirmed: bool = False,
    ask: Callable[[], bool] | None = None,
    progress: Progress,
    stop: Stop | None = None,
) -> RolledBack:
    """Carry a roll-back plan out: this changes the account, call by call, each only where its resource still fits.

    Killed at any moment and called again it goes on from there. Each call is written down in the campaign's journal
    before AWS is asked, and each resource is looked at before it is changed, so that nothing is done twice.

    Parameters
    ----------
    archive
        Where the campaign is.
    approval, confirmed, ask
        As for `apply.apply_plan`.
    stop
        Set it to end the run after the present call, as Ctrl-C does.

    Raises
    ------
    PlanError
        The plan or approval is changed, missing, expired, or of something else. Nothing was done.
    MitigationError
        Nobody agreed; the target is for looking only; the campaign goes on meanwhile; AWS refused several calls in a
        row.
    ArchiveError
        The campaign is not there, or another process is writing to it.
    AwsError
        AWS cannot be reached, or refuses what must be known before. What was done until then is written down.
    """
    refuse_read_only(session.target)
    progress.stage("Checking the plan against the account")
    if rollback.digest != rollback_digest(rollback):
        raise PlanError(f"roll-back plan {rollback.short} was changed after it was made. Nothing was done.")
    plan = read_campaign(archive.path, rollback.rollback_of).plan
    identity = session.identity()
    preflight.check_place(plan, identity, archive)
    _check_same_place(rollback, plan)
    check_approval(rollback, approval, time=identity.as_of, target_rule=approval_rule(session.target))
    preflight.refuse_unconfirmed(rollback, approved=approval is not None, confirmed=confirmed, ask=ask)
    with CampaignJournal(archive.path, plan) as journal, interruptible(stop or Stop()) as asked_to_stop:
        state = fold(plan, journal.events)
        _refuse_unfinished(state, outcomes_of(state))
        _refuse_foreign(rollback, state)
        run = _Run(session, journal, rollback, aws_clock(identity), progress, asked_to_stop)
        run.begin(identity, approval)
        try:
            run.carry_out()
        finally:
            record_journal(archive, journal, aws_clock(identity)())
        return RolledBack(run.state)


def record_journal(archive: Archive, journal: CampaignJournal, time: datetime) -> None:
    """Let the archive's chain of manifests vouch for the campaign's journal as it is now (`ArchiveError`)."""
    plan = journal.plan
    facts = {"plan": plan.digest, "account": plan.account, "region": plan.region, "journal_sha256": journal.head}
    archive.record_campaign(time, facts)


def _check_same_place(rollback: RollbackPlan, plan: Plan) -> None:
    here = (rollback.account, rollback.region, rollback.emulated)
    if here != (plan.account, plan.region, plan.emulated):
        raise PlanError(
            f"roll-back plan {rollback.short} is for account {rollback.account} in {rollback.region}, and plan "
            f"{plan.short} was applied in {plan.account} in {plan.region}. Nothing was done."
        )


def _refuse_foreign(rollback: RollbackPlan, state: CampaignState) -> None:
    """Refuse calls that undo nothing of the campaign: the file holds raw calls, and anybody can make a digest."""
    treated = touched(state.plan, state.captured, outcomes_of(state))
    before = {one.before.key: one.before.value.get("status") for one in treated}
    for operation in rollback.operations:
        arguments, wanted = operation.arguments, before.get(operation.key)
        named = operation.operation is Operation.SET_V2_LOGGING_OPTIONS or operation.resource_id in arguments.values()
        if operation.key not in before or not named or arguments.get("newStatus") != wanted:
            raise PlanError(
                f"call {operation.number} of roll-back plan {rollback.short} gives {operation.kind} "
                f"{operation.resource_id} nothing back that plan {state.plan.short} took. Nothing was done.",
                hint="make the roll-back plan anew with `ddreport mitigate rollback plan`.",
            )


@dataclass(frozen=True)
class Looked:
    """How the resource of one call stands now, and what is so about it."""

    operation: ReverseOperation
    standing: Standing
    note: str


def preview_rollback(
    session: AwsSession, archive: Archive, rollback: RollbackPlan, *, progress: Progress
) -> list[Looked]:
    """Tell what carrying a roll-back plan out now would do; the account is read and not changed.

    Raises
    ------
    PlanError, ArchiveError, AwsError
        As `apply_rollback`, but for the approval.
    """
    plan = read_campaign(archive.path, rollback.rollback_of).plan
    preflight.check_place(plan, session.identity(), archive)
    _check_same_place(rollback, plan)
    progress.stage("Reading what the resources are like now", len(rollback.operations))
    found: list[Looked] = []
    for operation in rollback.operations:
        standing, note = look(session.iot, operation)
        # What follows on a call before it cannot be looked at before that is made.
        after = operation.operation is Operation.DELETE_POLICY_VERSION and found[-1].standing is Standing.TO_DO
        found.append(Looked(operation, Standing.TO_DO, "") if after else Looked(operation, standing, note))
        progress.advance()
    return found


class _Run:
    """One run of a roll-back."""

    def __init__(
        self,
        session: AwsSession,
        journal: CampaignJournal,
        rollback: RollbackPlan,
        clock: Callable[[], datetime],
        progress: Progress,
        stop: Stop,
    ) -> None:
        self._client = session.iot
        self._journal, self._rollback, self._clock = journal, rollback, clock
        self._progress, self._stop = progress, stop
        self._states = rollback_states(journal.events)
        others = (s for digest, s in self._states.items() if digest != rollback.digest)
        self._taken_back = taken_back(others)

    @property
    def state(self) -> RollbackState:
        """How far it is."""
        return self._states[self._rollback.digest]

    def _note(self, event: Undoing) -> None:
        self._journal.append(event)
        apply_undoing(self._states, event)

    def begin(self, identity: Identity, approval: Approval | None) -> None:
        """Write down that the run begins, unless nothing is left to do."""
        known = self._states.get(self._rollback.digest)
        if known is not None and known.finished is not None and not known.left_to_do():
            return
        self._note(
            RollbackBegun(
                time=self._clock(),
                by=identity.arn,
                version=__version__,
                rollback=self._rollback,
                approval=approval,
                cut_off_bytes=self._journal.cut_off_bytes,
            )
        )

    def carry_out(self) -> None:
        """Do what is left, in order; what goes wrong is written down before it is raised."""
        waiting = self.state.left_to_do()
        if not waiting and self.state.finished is not None:
            return
        self._progress.stage("Rolling back", len(waiting))
        refused = 0
        try:
            for operation in waiting:
                if self._stop.is_set():
                    self._halt(StopReason.INTERRUPTED, "told to stop")
                    return
                refused = refused + 1 if self._one(operation) is UndoResult.FAILED else 0
                self._progress.advance()
                if refused == _REFUSALS_IN_A_ROW:
                    raise MitigationError(
                        f"AWS refused {refused} calls in a row, the last one with: "
                        f"{self.state.ended[operation.number].note}",
                        hint="see to the permissions and apply the same roll-back plan again; it goes on from there.",
                    )
        except KeyboardInterrupt:
            self._halt(StopReason.INTERRUPTED, "interrupted")
            raise
        except DDReportError as exc:
            self._halt(StopReason.ERROR, exc.message)
            raise
        if not self.state.left_to_do():
            self._note(RollbackFinished(time=self._clock(), rollback=self._rollback.digest))

    def _halt(self, why: StopReason, note: str) -> None:
        self._note(RollbackStopped(time=self._clock(), rollback=self._rollback.digest, why=why, note=note))

    def _one(self, operation: ReverseOperation) -> UndoResult:
        """Do one call, if its resource still is as the action left it."""
        try:
            result, note = self._undo(operation)
        except AwsCallError as exc:
            if exc.code in THROTTLED_CODES:
                raise
            result, note = UndoResult.FAILED, exc.message
        digest = self._rollback.digest
        self._note(UndoEnded(time=self._clock(), rollback=digest, number=operation.number, result=result, note=note))
        return result

    def _undo(self, operation: ReverseOperation) -> tuple[UndoResult, str]:
        standing, note = look(self._client, operation)
        if standing is Standing.DONE:
            # Where an earlier run was killed while it asked, it was that run which did it.
            ours = operation.number in self.state.asked
            return (UndoResult.DONE, "") if ours else (UndoResult.ALREADY, note)
        if standing is not Standing.TO_DO:
            return (UndoResult.GONE if standing is Standing.GONE else UndoResult.LEFT), note
        if operation.call in self._taken_back:
            return UndoResult.LEFT, TAKEN_BACK
        self._note(UndoAsked(time=self._clock(), rollback=self._rollback.digest, number=operation.number))
        undo(self._client, operation)
        return UndoResult.DONE, ""
