"""Audits by hand: what runs and ran, what is scheduled and what that covers, one audit started and followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.catalogue import normalise_check_name
from ddreport.errors import AuditNotConfiguredError, InputError, did_you_mean
from ddreport.terms import TaskStatus, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.aws.on_demand_audits import AuditEnd, StartedAudit
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress

_SPANS = (2, 9, 16, 33)
"""Days back in which the last run of a daily, weekly, fortnightly and monthly schedule lies; looked at in turn."""


def recent_audits(
    session: AwsSession, identity: Identity, *, days: int, running_only: bool = False, progress: Progress
) -> pd.DataFrame:
    """Return the audits of the last days, and all that are still running, as `schemas.AUDIT_TASKS`, newest first.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    from ddreport.aws.audits import fetch_audit_task, fetch_audit_tasks
    from ddreport.aws.windows import oldest_start
    from ddreport.tables import audit_tasks_table

    now = identity.as_of
    oldest, end = oldest_start(now), now + timedelta(minutes=5)
    listed = fetch_audit_tasks(session.iot, start=oldest, end=end, as_of=now, task_status=TaskStatus.IN_PROGRESS.value)
    if not running_only:
        start = max(oldest, now - timedelta(days=days))
        listed += fetch_audit_tasks(session.iot, start=start, end=end, as_of=now)
    ids = list(dict.fromkeys(task["taskId"] for task in listed))
    progress.stage("Reading the audits", len(ids))
    records = []
    for task_id in ids:
        records.append(fetch_audit_task(session.iot, task_id))
        progress.advance()
    table = audit_tasks_table(records, account=identity.account, region=identity.region, emulated=identity.emulated)
    return table.sort_values(["task_start_time", "audit_task_id"], ascending=False, ignore_index=True)


@dataclass(frozen=True)
class Schedules:
    """The scheduled audits of an account and Region.

    Attributes
    ----------
    runs
        `metrics.scheduled_runs.NEXT_RUNS`.
    coverage
        `metrics.scheduled_runs.SCHEDULE_COVERAGE`.
    """

    runs: pd.DataFrame
    coverage: pd.DataFrame


def read_schedules(session: AwsSession, identity: Identity, *, progress: Progress) -> Schedules:
    """Read the scheduled audits, their last runs, and which checks they cover.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    from ddreport.aws.configuration import fetch_configuration, fetch_scheduled_audits
    from ddreport.metrics.scheduled_runs import next_runs, schedule_coverage
    from ddreport.tables import audit_tasks_table, check_configurations_table, scheduled_audits_table

    place: dict[str, Any] = {"account": identity.account, "region": identity.region}
    progress.stage("Reading the schedules and their last runs")
    configuration = check_configurations_table(fetch_configuration(session.iot), observed_time=identity.as_of, **place)
    schedules = scheduled_audits_table(fetch_scheduled_audits(session.iot), observed_time=identity.as_of, **place)
    names = set(schedules["scheduled_audit_name"])
    tasks = audit_tasks_table(list(_last_runs(session, names, identity.as_of)), emulated=identity.emulated, **place)
    return Schedules(next_runs(schedules, tasks, as_of=identity.as_of), schedule_coverage(configuration, schedules))


def _last_runs(session: AwsSession, names: set[str], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield scheduled runs span by span, back until one of every schedule was among them.

    AWS's list names no schedule and promises no order, so whole spans are read: the newest of a span counts.
    """
    from ddreport.aws.audits import fetch_audit_task, fetch_audit_tasks

    missing, end = set(names), now + timedelta(minutes=5)
    for days in _SPANS:
        if not missing:
            return
        start = now - timedelta(days=days)
        for task in fetch_audit_tasks(session.iot, start=start, end=end, as_of=now, task_type=TaskType.SCHEDULED.value):
            record = fetch_audit_task(session.iot, task["taskId"])
            missing.discard(str(record.get("scheduledAuditName")))
            yield record
        end = start


def start_audit(session: AwsSession, check_names: Sequence[str]) -> StartedAudit:
    """Change the account's audits: start one of these checks, or of all that are on.

    Raises
    ------
    InputError
        A check does not exist, or all of them are off.
    AuditNotConfiguredError
        Audit was never set up here.
    MitigationError
        AWS runs as many audits on demand as it does at once.
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    from ddreport.aws.configuration import fetch_configuration
    from ddreport.aws.on_demand_audits import start_on_demand_audit

    found = fetch_configuration(session.iot)
    configured = found.get("auditCheckConfigurations") or {}
    if not found.get("roleArn"):
        raise AuditNotConfiguredError(
            f"Device Defender Audit was never set up in {session.region}, so no audit can be started.",
            hint="`ddreport setup plan` shows what is missing.",
        )
    wanted = [normalise_check_name(name) for name in check_names]
    known = {*catalogue(), *configured}
    for name in wanted:
        if name not in known:
            raise InputError(
                f"there is no check {name!r}.{did_you_mean(name, known)}", hint="docs/checks.md names all checks."
            )
    return start_on_demand_audit(session, wanted or [name for name, check in configured.items() if check["enabled"]])


def follow_audit(
    session: AwsSession,
    audit_task_id: str,
    *,
    progress: Progress,
    timeout_seconds: float,
    told: Callable[[str], None],
    poll_seconds: float = 3.0,
) -> AuditEnd:
    """Wait until an audit has ended or the time is over; `told` hears of each check that ended. Reads only.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed.
    """
    from ddreport.aws.on_demand_audits import wait_for_audit

    heard: set[str] = set()

    def looked(found: AuditEnd) -> None:
        for name, status in sorted(found.check_statuses.items()):
            if name not in heard and name not in found.unfinished:
                heard.add(name)
                told(f"{name}: {status} ({len(heard)} of {len(found.check_statuses)})")

    return wait_for_audit(
        session.iot,
        audit_task_id,
        progress=progress,
        timeout_seconds=timeout_seconds,
        poll_seconds=poll_seconds,
        looked=looked,
    )


@dataclass(frozen=True)
class AuditNow:
    """One audit as it is now: `schemas.AUDIT_TASKS` (one row) and `schemas.CHECKS`."""

    task: pd.DataFrame
    checks: pd.DataFrame


def look_at_audit(session: AwsSession, identity: Identity, audit_task_id: str) -> AuditNow:
    """Read one audit with its checks (`AwsCallError` with `ResourceNotFoundException` where there is none)."""
    from ddreport.aws.audits import fetch_audit_task
    from ddreport.tables import audit_tasks_table, checks_table

    place: dict[str, Any] = {"account": identity.account, "region": identity.region}
    record = fetch_audit_task(session.iot, audit_task_id)
    return AuditNow(audit_tasks_table([record], emulated=identity.emulated, **place), checks_table([record], **place))
