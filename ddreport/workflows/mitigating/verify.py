"""Verify: read the changed resources back, audit the checks concerned, and tell what became of each problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.archive.campaigns import CampaignJournal, campaign_digests, find_campaign, read_campaign
from ddreport.aws.on_demand_audits import AuditEnd, cancel_audit, start_on_demand_audit, wait_for_audit
from ddreport.aws.prestate import read_states
from ddreport.errors import AwsCallError, InputError, MitigationError, NoDataError
from ddreport.mitigation.effects import Effect, ProblemEffect, ReadBack, ResourceReadBack, effect_counts
from ddreport.mitigation.events import Verified
from ddreport.mitigation.journal import OutcomeStatus
from ddreport.mitigation.reversal import touched
from ddreport.mitigation.reverse_calls import UndoResult
from ddreport.mitigation.verification import (
    READ_BACKS,
    VERIFICATIONS,
    Treated,
    problem_effects,
    read_backs,
    read_backs_table,
    verifications_table,
)
from ddreport.workflows.history import follow
from ddreport.workflows.mitigating import preflight
from ddreport.workflows.mitigating.rollback import WORKERS, campaign_of, outcomes_of, record_journal
from ddreport.workflows.pull import pull
from ddreport.workflows.pulling.threads import Stop, side_by_side
from ddreport.workflows.sessions import session_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan
    from ddreport.mitigation.prestate import ResourceState
    from ddreport.mitigation.reverse_calls import Key
    from ddreport.progress import Progress
    from ddreport.targets import Target

TIMEOUT_SECONDS = 1800.0
"""How long to wait for an audit; AWS says about a minute for a small account."""


@dataclass(frozen=True)
class Verification:
    """What a look at a campaign found.

    Attributes
    ----------
    time
        By AWS's clock.
    problems, read_backs
        One for each problem, and for each resource and action.
    audit_task_ids
        Audits that tell of the problems.
    notes
        What a reader must know, such as checks that are switched off.
    """

    plan: Plan
    time: datetime
    problems: tuple[ProblemEffect, ...]
    read_backs: tuple[ResourceReadBack, ...]
    audit_task_ids: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Problems by effect."""
        return effect_counts(self.problems)

    @property
    def table(self) -> pd.DataFrame:
        """`verification.VERIFICATIONS`."""
        return verifications_table(self.plan, self.problems, time=self.time)

    @property
    def read_backs_table(self) -> pd.DataFrame:
        """`verification.READ_BACKS`."""
        return read_backs_table(self.plan, self.read_backs, time=self.time)

    @property
    def exit_code(self) -> int:
        """0 all is fixed, 3 something planned is still there or not as the action leaves it, 4 not all is known."""
        found = {one.effect for one in self.problems}
        if Effect.STILL_THERE in found or any(one.read_back is ReadBack.OTHERWISE for one in self.read_backs):
            return 3
        unread = any(one.read_back is ReadBack.NOT_READ for one in self.read_backs)
        return 4 if Effect.UNKNOWN in found or unread else 0


def verify_campaign(
    target: Target,
    archive: Archive,
    name: str,
    *,
    audit: bool = True,
    wait_scheduled: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    progress: Progress,
    wait: Callable[..., AuditEnd] = wait_for_audit,
) -> Verification:
    """Look whether a campaign has helped, and write that down in its journal.

    Resources are read, and not changed. An audit of just the checks concerned is started, unless the scheduled audits
    are to tell; whatever audits AWS has are brought into the archive.

    Parameters
    ----------
    name
        Digest of the plan that was applied, or how it begins.
    audit
        Whether to start an audit; without one the archive and what AWS has by now must do.
    wait_scheduled
        Start none: the next scheduled audit after the treatment counts, once there is one.
    timeout_seconds
        How long to wait for the audit. One that takes longer goes on at AWS, and the next look takes it in.
    wait
        What waits for the audit (`aws.on_demand_audits.wait_for_audit`).

    Raises
    ------
    NoDataError, InputError
        No such plan was applied, or several begin so.
    PlanError
        The target is another account than the plan's.
    MitigationError
        AWS runs as many audits as it does at once.
    ArchiveError, AwsError
        The archive or AWS cannot be used.
    """
    campaign, state = campaign_of(archive, name)
    plan = campaign.plan
    if not state.runs:
        raise NoDataError(f"plan {plan.short} was never carried out, so there is nothing to verify.")
    outcomes, treated, notes = outcomes_of(state), _treated(state), []
    if OutcomeStatus.SENT.value in outcomes.values():
        notes.append("AWS may still be working on tasks of the plan; look again once they have ended.")
    if treated.undone:
        notes.append(f"{len(treated.undone):,} of the findings were rolled back; what is said is of the time since.")
    with session_for(target, archive, progress=progress) as session:
        identity = session.identity()
        preflight.check_place(plan, identity, archive)
        keys = dict.fromkeys(t.before.key for t in touched(plan, state.captured, outcomes))
        read = read_backs(plan, state.captured, outcomes, _read(session, keys, progress))
        checks = list(dict.fromkeys(f.check_name for f in plan.findings if f.finding_id in treated.times))
        if audit and not wait_scheduled:
            notes += _audit(session, checks, timeout_seconds, progress, wait)
        time = session.identity().as_of
    notes += _pull(target, archive, progress)
    history = follow(archive, progress=progress).only(places={(plan.account, plan.region)})
    effects = problem_effects(plan, treated, read, history.problems(time), history.runs)
    if wait_scheduled:
        notes += _without_schedule(history.runs, checks, treated)
    shown = dict.fromkeys(one.audit_task_id for one in effects if one.audit_task_id)
    found = Verification(plan, time, tuple(effects), tuple(read), tuple(shown), tuple(notes))
    with CampaignJournal(archive.path, plan) as journal:
        journal.append(
            Verified(
                time=time,
                by=identity.arn,
                audit_task_ids=found.audit_task_ids,
                problems=found.problems,
                read_backs=found.read_backs,
                notes=found.notes,
            )
        )
        record_journal(archive, journal, time)
    return found


def load_verifications(archive: Archive, name: str | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what all looks at one campaign, or at every one, found over time. AWS is not asked.

    Returns
    -------
    tuple of DataFrame
        `verification.VERIFICATIONS` and `verification.READ_BACKS`, in the order of time.

    Raises
    ------
    NoDataError, InputError, ArchiveError
        There is no such campaign, or it is damaged.
    """
    digests = [find_campaign(archive.path, name)] if name else campaign_digests(archive.path)
    effects, read = [VERIFICATIONS.empty()], [READ_BACKS.empty()]
    for digest in digests:
        campaign = read_campaign(archive.path, digest)
        for event in campaign.events:
            if isinstance(event, Verified):
                effects.append(verifications_table(campaign.plan, event.problems, time=event.time))
                read.append(read_backs_table(campaign.plan, event.read_backs, time=event.time))
    order = ["verified_time", "plan"]
    return tuple(  # type: ignore[return-value]  # two of them
        schema.conform(pd.concat(tables, ignore_index=True).sort_values(order, kind="stable"))
        for schema, tables in ((VERIFICATIONS, effects), (READ_BACKS, read))
    )


def _treated(state: CampaignState) -> Treated:
    times: dict[str, datetime] = {}
    for batch in state.batches.values():
        for finding in batch.batch.findings:
            for name in finding.actions:
                outcome = batch.outcome(finding, name)
                # Of a task that AWS has forgotten nobody knows more than when that was found out.
                ended = outcome.end_time or batch.last_time
                if outcome.status in (OutcomeStatus.COMPLETED, OutcomeStatus.UNKNOWN) and ended is not None:
                    times[finding.finding_id] = max(ended, times.get(finding.finding_id, ended))
    return Treated(outcomes_of(state), times, state.runs[0].time, _undone(state))


def _undone(state: CampaignState) -> dict[str, datetime]:
    """Return when a roll-back last gave back what a finding's resource had."""
    by_key: dict[Key, datetime] = {}
    for rollback in state.rollbacks.values():
        for operation in rollback.plan.operations:
            ended = rollback.ended.get(operation.number)
            if ended is not None and ended.result is UndoResult.DONE:
                by_key[operation.key] = max(ended.time, by_key.get(operation.key, ended.time))
    found: dict[str, datetime] = {}
    for one in touched(state.plan, state.captured, outcomes_of(state)):
        if (time := by_key.get(one.before.key)) is not None:
            found[one.finding.finding_id] = max(time, found.get(one.finding.finding_id, time))
    return found


def _read(session: AwsSession, keys: Iterable[Key], progress: Progress) -> dict[Key, ResourceState | str]:
    """Read resources, several at once; what AWS refuses to tell is said in its place."""
    wanted = list(keys)
    found: dict[Key, ResourceState | str] = {}
    progress.stage("Reading the changed resources back", len(wanted))

    def one(key: Key) -> None:
        try:
            (found[key],) = read_states(session.iot, [key])
        except AwsCallError as exc:
            found[key] = exc.message
        progress.advance()

    side_by_side(one, wanted, workers=max(1, min(WORKERS, len(wanted))), stop=Stop(), name="read")
    return found


def _audit(
    session: AwsSession,
    checks: list[str],
    timeout_seconds: float,
    progress: Progress,
    wait: Callable[..., AuditEnd],
) -> list[str]:
    """Run an audit of the checks, and tell what of it could not be had."""
    if not checks:
        return ["nothing of the plan was carried out, so no audit was started."]
    progress.stage("Starting an audit of the checks concerned")
    try:
        started = start_on_demand_audit(session, checks)
    except InputError as exc:
        return [exc.message]
    notes = [f"{name} is switched off, so the audit could not look." for name in started.left_out]
    try:
        end = wait(session.iot, started.audit_task_id, progress=progress, timeout_seconds=timeout_seconds)
    except KeyboardInterrupt:
        cancel_audit(session.iot, started.audit_task_id)
        raise
    if not end.is_over:
        waiting = ", ".join(end.unfinished)
        notes.append(
            f"audit {end.audit_task_id} has not ended within {timeout_seconds:,.0f} seconds ({waiting}); it goes on, "
            "and a later look with --no-audit takes it in."
        )
    return notes


def _pull(target: Target, archive: Archive, progress: Progress) -> list[str]:
    """Bring in whatever AWS has; what could not be had is told."""
    (status,) = pull([target], archive, progress=progress).statuses
    if not status.audits_listed:
        told = "; ".join(status.problems) or "AWS did not list its audits"
        raise MitigationError(
            f"what the audits say could not be brought in: {told}",
            hint="look again with --no-audit once that is mended; the resources were read, and nothing was changed.",
        )
    return [f"the pull lacks something: {problem}" for problem in status.problems]


def _without_schedule(runs: pd.DataFrame, checks: Iterable[str], treated: Treated) -> list[str]:
    """Tell which checks no scheduled audit has run since the treatment."""
    last = max(treated.times.values(), default=treated.began)
    later = runs[(runs["task_start_time"] > last) & runs["scheduled_audit_name"].notna()]
    missing = [name for name in checks if name not in set(later["check_name"])]
    return [f"no scheduled audit has run {name} since the treatment; look again after the next." for name in missing]
