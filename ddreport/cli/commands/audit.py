"""`ddreport audit …`: audits started, followed and cancelled by hand; what runs, is scheduled, and what that covers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import (
    AllTargets,
    ArchiveDir,
    CheckNames,
    EndpointUrl,
    Profile,
    Region,
    TargetNames,
    chosen_targets,
)
from ddreport.cli.output import Output
from ddreport.errors import DDReportError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress
    from ddreport.targets import Target

PARTIAL = 4

commands = typer.Typer(
    name="audit",
    help=(
        "Audits by hand: start one and follow it, look at what runs and ran, cancel; and the schedules with their "
        "next runs and what they leave out.\n\nStarting and cancelling need an account with Audit set up (`ddreport "
        "setup`); what was found comes into the archive with `ddreport pull`."
    ),
    no_args_is_help=True,
)

AuditId = Annotated[str, typer.Argument(metavar="ID", help="Id of the audit: `ddreport audit list` shows it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the audit until it has ended.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", min=0, help="With --wait: give up waiting after that.")
]

AUDITS = {
    "target": "Target",
    "audit_task_id": "Audit",
    "task_status": "Status",
    "began": "Began (UTC)",
    "kind": "Kind",
    "checks": "Checks done",
    "non_compliant_checks_count": "Non-compliant",
    "failed_checks_count": "Failed",
}
CHECKS = {
    "check_name": "Check",
    "check_run_status": "Status",
    "total_resources_count": "Resources",
    "non_compliant_resources_count": "Non-compliant",
    "suppressed_non_compliant_resources_count": "Suppressed",
    "error": "Error",
}
RUNS = {
    "target": "Target",
    "scheduled_audit_name": "Schedule",
    "when": "Runs",
    "checks_count": "Checks",
    "last": "Last run (UTC)",
    "next": "Next run (day, UTC)",
}
COVERAGE = {
    "target": "Target",
    "check_name": "Check",
    "coverage": "Coverage",
    "schedules": "Schedules",
    "message": "What to know",
}


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(commands)


@commands.command()
def start(
    ctx: typer.Context,
    *,
    check: CheckNames = None,
    wait: Wait = False,
    timeout: Timeout = 60.0,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Start an audit now: of the checks named, or of all that are switched on. Changes no resource.

    With --wait it tells of each check as it ends. To stop waiting does not stop the audit. An audit of a small account
    takes about a minute; a check that was switched on only now may wait longer for its data. Exit code 4 when the time
    ran out or a check could not be evaluated.

    Examples: ddreport audit start -t prod-eu --wait · ddreport audit start --check LOGGING_DISABLED_CHECK
    """
    from ddreport.workflows.audits import start_audit

    out: Output = ctx.obj
    with _one(target, profile, region, endpoint_url, archive) as (session, identity):
        begun = start_audit(session, check or [])
        if begun.left_out:
            out.warn(f"switched off, so not audited: {', '.join(begun.left_out)}.")
        if identity.emulated:
            out.note("The account is emulated: these are not resources of a real one.")
        out.note(f"Audit {begun.audit_task_id} of {len(begun.check_names)} checks has begun.")
        data: dict[str, Any] = {
            "audit_task_id": begun.audit_task_id,
            "checks": list(begun.check_names),
            "left_out": list(begun.left_out),
            "task_status": "IN_PROGRESS",
        }
        if wait:
            data |= _follow(out, session, begun.audit_task_id, timeout)
            _show_one(out, session, identity, begun.audit_task_id, data)
            return
    out.result(data, text=begun.audit_task_id)
    out.note(f"Next: ddreport audit status {begun.audit_task_id}")


def _follow(out: Output, session: AwsSession, audit_task_id: str, minutes: float) -> dict[str, Any]:
    from ddreport.workflows.audits import follow_audit

    with out.progress() as progress:
        end = follow_audit(
            session,
            audit_task_id,
            progress=progress,
            timeout_seconds=60 * minutes,
            told=progress.stage,
        )
    if not end.is_over:
        out.warn(
            f"after {minutes:g} minutes {len(end.unfinished)} checks are still under way; the audit goes on: "
            f"ddreport audit status {audit_task_id}."
        )
        out.exit_code = PARTIAL
    return {"task_status": end.status}


@commands.command("list")
def list_audits(
    ctx: typer.Context,
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="How far back; AWS keeps 90 days.")] = 7,
    running: Annotated[bool, typer.Option("--running", help="Only audits that have not ended.")] = False,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """List the audits that AWS has of the last days, newest first, and whatever is still running.

    AWS's own list has neither times nor counts: it takes one call more per audit. `ddreport sql 'FROM audit_tasks'`
    shows those of the archive, which go back further.

    Examples: ddreport audit list -t prod-eu --days 30 · ddreport audit list --all-targets --running
    """
    from ddreport.workflows.audits import recent_audits

    out: Output = ctx.obj

    def work(session: AwsSession, identity: Identity, progress: Progress) -> list[dict[str, Any]]:
        found = recent_audits(session, identity, days=days, running_only=running, progress=progress)
        return _rows(found)

    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)
    rows = [row for rows in _each(out, targets, archive, work) for row in rows]
    empty = "No audit is running." if running else f"No audit in the last {days} days."
    _table(out, [row | _shown_audit(row) for row in rows] if not out.json else rows, AUDITS, targets, empty)


@commands.command()
def status(
    ctx: typer.Context,
    audit_task_id: AuditId,
    *,
    wait: Wait = False,
    timeout: Timeout = 60.0,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Show one audit with its checks, also while it runs. Exit code 4 when a check could not be evaluated.

    Example: ddreport audit status 0123456789abcdef0123456789abcdef --wait
    """
    out: Output = ctx.obj
    with _one(target, profile, region, endpoint_url, archive) as (session, identity):
        data: dict[str, Any] = {"audit_task_id": audit_task_id}
        if wait:
            data |= _follow(out, session, audit_task_id, timeout)
        _show_one(out, session, identity, audit_task_id, data)


@commands.command()
def cancel(
    ctx: typer.Context,
    audit_task_id: AuditId,
    *,
    target: TargetNames = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Cancel an audit that runs, scheduled or not. Checks that have ended keep their findings.

    Example: ddreport audit cancel 0123456789abcdef0123456789abcdef
    """
    from ddreport.aws.on_demand_audits import cancel_audit

    out: Output = ctx.obj
    with _one(target, profile, region, endpoint_url, archive) as (session, _):
        cancelled = cancel_audit(session.iot, audit_task_id)
    said = "was cancelled" if cancelled else "had ended already; nothing was done"
    out.result({"audit_task_id": audit_task_id, "cancelled": cancelled}, text=f"{audit_task_id} {said}.")


@commands.command()
def schedules(
    ctx: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also list checks with nothing to point out.")] = False,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Show the scheduled audits with the days of their next runs, and what they leave out or do twice.

    AWS chooses the hour, so a run is known to the day only; the last run tells about when. Of a fortnightly schedule
    that never ran, nobody knows which of two weeks counts. Pointed out are checks that are on and that no schedule
    runs, checks that several run, and the two checks that look at the time since the last run of their own schedule.

    Examples: ddreport audit schedules -t demo · ddreport audit schedules --all-targets --json
    """
    from ddreport.workflows.audits import read_schedules

    out: Output = ctx.obj

    def work(session: AwsSession, identity: Identity, progress: Progress) -> dict[str, Any]:
        found = read_schedules(session, identity, progress=progress)
        return {"schedules": _rows(found.runs), "coverage": [_named(row) for row in _rows(found.coverage)]}

    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)
    found = _each(out, targets, archive, work)
    if out.json:
        out.result(found)
        return
    runs = [{"target": f["target"], **row, **_shown_run(row)} for f in found for row in f["schedules"]]
    _table(out, runs, RUNS, targets, "No audit is scheduled.")
    covered = [
        {"target": f["target"], **row, "schedules": ", ".join(row["scheduled_audit_names"])}
        for f in found
        for row in f["coverage"]
        if every or row["message"]
    ]
    _table(out, covered, COVERAGE, targets, "Every check that is on is run by one schedule.")
    for row in runs:
        if row["missed_date"]:
            out.warn(
                f"{row['target']}: {row['scheduled_audit_name']} should have run on {row['missed_date']}, and AWS "
                "has no such audit."
            )
    out.note("AWS chooses the hour of a scheduled audit; days are those of UTC.")


@contextmanager
def _one(
    target: list[str] | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    archive: Path | None,
) -> Iterator[tuple[AwsSession, Identity]]:
    from ddreport.workflows.sessions import open_target

    targets = chosen_targets(target, profile=profile, region=region, endpoint_url=endpoint_url)
    if len(targets) > 1:
        raise InputError(
            f"an audit belongs to one account and Region; {len(targets)} targets are given.",
            hint="run the command once for each.",
        )
    with open_target(targets[0], archive=archive or "") as session:
        yield session, session.identity()


def _each(
    out: Output,
    targets: Sequence[Target],
    archive: Path | None,
    work: Callable[[AwsSession, Identity, Progress], Any],
) -> list[Any]:
    """Do the work for each target; one that cannot be asked spoils no other."""
    from ddreport.workflows.sessions import open_target

    found = []
    with out.progress() as progress:
        for target in targets:
            try:
                with open_target(target, archive=archive or "", progress=progress) as session:
                    identity = session.identity()
                    made = work(session, identity, progress)
            except DDReportError as exc:
                if len(targets) == 1:
                    raise
                out.warn(f"{target.name}: {exc}")
                out.exit_code = PARTIAL
                continue
            if identity.emulated:
                out.note(f"{target.name} is emulated: no real account is looked at.")
            name = {"target": target.name}
            found.append(name | made if isinstance(made, dict) else [name | row for row in made])
    return found


def _show_one(out: Output, session: AwsSession, identity: Identity, audit_task_id: str, data: dict[str, Any]) -> None:
    from ddreport.workflows.audits import look_at_audit

    now = look_at_audit(session, identity, audit_task_id)
    (task,), checks = _rows(now.task), _rows(now.checks)
    if task["task_status"] != "IN_PROGRESS" and any(row["check_run_status"] in _UNDONE for row in checks):
        out.exit_code = PARTIAL
    if out.json:
        out.result(data | task | {"checks": checks})
        return
    out.table([row | {"error": _error(row)} for row in checks], CHECKS, empty="It has no checks.")
    shown = _shown_audit(task)
    out.line(
        f"{audit_task_id}: {task['task_status']}, {shown['kind']}, began {shown['began']} UTC, checks done "
        f"{shown['checks']}"
    )


_UNDONE = ("FAILED", "CANCELED")


def _error(row: dict[str, Any]) -> str:
    return ": ".join(part for part in (row["error_code"], row["message"]) if part)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    from ddreport.workflows.targets import plain_rows

    return plain_rows(table)


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"scheduled_audit_names": json.loads(row["scheduled_audit_names"])}


def _shown_audit(row: dict[str, Any]) -> dict[str, Any]:
    waiting = row["in_progress_checks_count"] + row["waiting_for_data_collection_checks_count"]
    return {
        "began": _minute(row["task_start_time"]),
        "kind": row["scheduled_audit_name"] or "on demand",
        "checks": f"{row['total_checks_count'] - waiting} of {row['total_checks_count']}",
    }


def _shown_run(row: dict[str, Any]) -> dict[str, Any]:
    late = row["latest_next_run_date"] != row["next_run_date"]
    return {
        "when": " ".join(part for part in (row["frequency"], row["day"]) if part),
        "last": _minute(row["last_run_time"]) if row["last_run_time"] else "none known",
        "next": row["next_run_date"] + (f" or {row['latest_next_run_date']}" if late else ""),
    }


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _table(
    out: Output, rows: Sequence[dict[str, Any]], columns: dict[str, str], targets: Sequence[Target], empty: str
) -> None:
    shown = columns if len(targets) > 1 else {k: v for k, v in columns.items() if k != "target"}
    out.table(rows, shown, empty=empty)
