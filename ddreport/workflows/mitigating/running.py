"""Carrying a plan out, wave by wave: this thread decides and writes the journal, others ask AWS."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.errors import DDReportError, MitigationError
from ddreport.mitigation.events import Finished, Stopped, StopReason, WaveBegun
from ddreport.mitigation.journal import OutcomeStatus, Step, too_many_failed
from ddreport.workflows.mitigating.flow import WaveFlow, stop_for_alarm
from ddreport.workflows.mitigating.preflight import changed_actions
from ddreport.workflows.mitigating.run import Mode, Run
from ddreport.workflows.mitigating.workers import Workers

if TYPE_CHECKING:
    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession

_LOOK_SECONDS = 0.2


def carry_out(run: Run, session: AwsSession, archive: Archive) -> None:
    """Carry out what is left of a plan, or as much of it as may be; the journal tells how that ended.

    Raises
    ------
    MitigationError
        AWS or the archive refused; what was done until then is in the journal.
    ArchiveWriteError
        The journal cannot be written.
    """
    workers = Workers()
    wave = None
    try:
        for wave in run.state.waves:
            if all(run.step(b)[0] is Step.DONE for b in run.state.of_wave(wave)):
                continue
            if wave in run.state.waves_begun:
                _check_again(run, wave)
            elif not _may_begin(run, session, wave):
                break
            findings = sum(len(b.batch.findings) for b in run.state.of_wave(wave))
            run.progress.stage(f"Wave {wave} of {run.state.waves[-1]}: treating findings", findings)
            WaveFlow(run, workers, wave).carry_out()
            if run.mode is not Mode.GO:
                break
            _note_manifest(run, archive, wave)
    except DDReportError as exc:
        run.give_up(exc)
    finally:
        workers.close()
    _end(run, archive, wave)


def _may_begin(run: Run, session: AwsSession, wave: int) -> bool:
    """Decide whether a wave may begin, and wait as long as the plan wants."""
    if run.is_canceled:
        return True
    before = [w for w in run.state.waves if w < wave]
    for earlier in before:
        if said := too_many_failed(run.state, earlier):
            run.stop_for(StopReason.FAILED_SHARE, said)
    if before:
        _rest(run, before[-1])
    if run.mode is Mode.GO:  # also before the first one: somebody may have thought long before saying yes
        wrong = list(changed_actions(session, run.state.plan.actions))
        if wrong:
            raise MitigationError(
                f"not everything is as it was reviewed any more: {'; '.join(wrong)}.",
                hint="define the actions as they were, or cancel this and make a new plan.",
            )
    if run.mode is Mode.GO:
        stop_for_alarm(run, run.account.alarms())
    if run.mode is not Mode.GO:
        return False
    run.note(WaveBegun(time=run.clock(), wave=wave))
    return True


def _check_again(run: Run, wave: int) -> None:
    """Send nothing more of a wave that was stopped, unless somebody decided to; what AWS works on is settled."""
    if run.is_canceled:
        return
    if said := too_many_failed(run.state, wave):
        run.stop_for(StopReason.FAILED_SHARE, said)
    stop_for_alarm(run, run.account.alarms())


def _rest(run: Run, earlier: int) -> None:
    """Wait as long as the plan wants between two waves, counted from when the earlier one ended."""
    ended = max((b.last_time for b in run.state.of_wave(earlier) if b.last_time), default=run.clock())
    left = (ended + timedelta(seconds=run.state.plan.rollout.wait_seconds) - run.clock()).total_seconds()
    if left <= 0:
        return
    run.progress.stage(f"Waiting {left:,.0f} seconds before the next wave, as the plan says")
    until = time.monotonic() + left
    while run.mode is Mode.GO and not run.journal.is_cancel_wanted and (left := until - time.monotonic()) > 0:
        time.sleep(min(_LOOK_SECONDS, left))
        run.look_for_stop()


def _note_manifest(run: Run, archive: Archive, wave: int | None) -> None:
    plan = run.state.plan
    facts = {
        "plan": plan.digest,
        "account": plan.account,
        "region": plan.region,
        "wave": wave,
        "journal_sha256": run.journal.head,
    }
    archive.record_campaign(run.clock(), facts)


def _end(run: Run, archive: Archive, wave: int | None) -> None:
    """Write down how the run ended."""
    if run.is_all_done:
        if run.state.finished is None:
            run.note(Finished(time=run.clock()))
    else:
        reason, note = run.reason or (StopReason.INTERRUPTED, "interrupted")
        run.note(Stopped(time=run.clock(), why=reason, note=note, wave=wave))
    _note_manifest(run, archive, wave)
    if run.error is None:
        return
    if not isinstance(run.error, DDReportError):
        raise run.error
    sent = sum(o.status not in (OutcomeStatus.PENDING, OutcomeStatus.NOT_SENT) for *_, o in run.state.outcomes())
    hint = run.error.hint or "see to the cause."
    raise MitigationError(
        f"plan {run.state.plan.short} stopped in wave {wave or 1}, with {sent:,} actions sent: {run.error.message}",
        hint=f"{hint} Then run the same command again: it goes on from there, and does nothing twice.",
    ) from run.error
