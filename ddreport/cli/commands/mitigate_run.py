"""`ddreport mitigate apply|status|list|cancel`: carry plans out and see what became of them."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import SHOWN, ArchiveDir, EndpointUrl, Limit, Profile, Region, planned_target
from ddreport.cli.output import Output, at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.archive import Archive
    from ddreport.mitigation.approval import Approval
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan
    from ddreport.progress import NoProgress, RichProgress
    from ddreport.targets import Target
    from ddreport.workflows.mitigating.apply import Applied, Preview

OneTarget = Annotated[
    str | None,
    typer.Option("--target", "-t", metavar="NAME", help="The target of ddreport.toml (default: the plan's)."),
]
Whose = Annotated[
    str | None,
    typer.Option("--target", "-t", metavar="NAME", help="Whose archive to look in; demo has its own."),
]
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's file.")]
PlanName = Annotated[
    str, typer.Argument(metavar="PLAN", help="The plan's file, or how its digest begins (`ddreport mitigate list`).")
]

TASK_COLUMNS = {"wave": "Wave", "task": "AWS task", "findings": "Findings", "actions": "Actions"}
LIST_COLUMNS = {
    "id": "Plan",
    "begun": "Begun",
    "campaign_status": "Status",
    "account": "Account",
    "region": "Region",
    "findings_count": "Findings",
    "completed_count": "Completed",
    "failed_count": "Failed",
    "left_count": "Left out",
    "waiting_count": "Waiting",
    "begun_by": "By",
    "approved_by": "Approved by",
}
OUTCOME_COLUMNS = {
    "wave": "Wave",
    "resource_id": "Resource",
    "action_name": "Action",
    "status": "Status",
    "error_code": "Code",
    "message": "Message",
}


def register(group: typer.Typer) -> None:
    """Add the commands to the group `mitigate`."""
    group.command("apply")(apply)
    group.command("status")(status)
    group.command("list")(list_campaigns)
    group.command("cancel")(cancel)


def apply(
    ctx: typer.Context,
    plan: PlanFile,
    *,
    approval: Annotated[
        Path | None,
        typer.Option("--approval", metavar="FILE", help="The approval (default: PLAN.approval.yaml, if it is there)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show exactly what would be sent; the account is read, not changed.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="At a terminal: do not ask. Without one only an approval counts.")
    ] = False,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Go on in spite of the failures that stopped an earlier run.")
    ] = False,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Carry a plan out, wave by wave. This changes the account.

    Before anything is done it checks plan, approval, account, actions and alarms. Before each AWS task it reads what
    is about to change, so that `ddreport mitigate rollback` can undo it, and leaves out what is gone, done already or
    changed since the audit. It stops after a wave in which too much failed, and at an alarm of the plan.

    Stop it with Ctrl-C, or kill it: the same command goes on from there, and nothing is done twice. Without a terminal
    it wants an approval. Exit code 0 all done, 3 stopped by failures or an alarm, 4 something failed or was
    left out (`ddreport mitigate status` says what), 130 interrupted.

    Examples: ddreport mitigate apply mitigation-1a2b3c.yaml --dry-run · ddreport mitigate apply mitigation-1a2b3c.yaml
    """
    from ddreport.archive import Archive
    from ddreport.mitigation.plan_file import read_plan
    from ddreport.settings import Settings
    from ddreport.workflows.mitigating.apply import apply_plan
    from ddreport.workflows.mitigating.apply import dry_run as preview
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    found = read_plan(plan)
    given = _approval(plan, approval)
    chosen = _target(found, target, profile, region, endpoint_url)
    settings = Settings.from_env(archive=archive)
    opened = _archive(found, settings) if archive is None else Archive.open(archive, create=True)
    with out.progress() as progress, session_for(chosen, opened, settings=settings, progress=progress) as session:
        if dry_run:
            _show_preview(out, preview(session, opened, found, progress=progress))
            return
        done = apply_plan(
            session,
            opened,
            found,
            approval=given,
            confirmed=yes and at_a_terminal(),
            ask=partial(_confirmed, found, progress) if at_a_terminal() else None,
            go_on=go_on,
            progress=progress,
        )
    _show_outcome(out, done, plan)


def status(
    ctx: typer.Context,
    plan: PlanName,
    *,
    all_rows: Annotated[
        bool, typer.Option("--all", help="Also what is done, not only what failed, was left out or is waiting.")
    ] = False,
    limit: Limit = None,
    target: Whose = None,
    archive: ArchiveDir = None,
) -> None:
    """Show how a plan stands that was applied: what is done, what failed and why, and what to do about it.

    AWS is not asked. With --json every finding and action is listed, with who applied and who approved it.
    """
    from ddreport.mitigation.results import campaign_row, outcome_rows

    out: Output = ctx.obj
    state = _state(plan, target, archive)
    rows = outcome_rows(state)
    if out.json:
        out.result({"campaign": _plain(campaign_row(state)), "outcomes": [_plain(r) for r in rows[: limit or None]]})
        return
    for line in _lines(state):
        out.line(line)
    shown = rows if all_rows else [r for r in rows if r["status"] != "COMPLETED"]
    most = SHOWN if limit is None else limit or len(shown)
    out.table(shown[:most], OUTCOME_COLUMNS, empty="All of it is done.")
    if len(shown) > most:
        out.note(f"{len(shown) - most:,} more; --limit 0 shows all.")
    for line in _explanations(rows):
        out.line(line)


def list_campaigns(ctx: typer.Context, *, target: Whose = None, archive: ArchiveDir = None) -> None:
    """List the plans that were applied from this archive, the newest first. AWS is not asked."""
    from ddreport.mitigation.results import campaign_row
    from ddreport.workflows.mitigating.apply import campaign_states

    out: Output = ctx.obj
    rows = [_plain(campaign_row(state)) for state in campaign_states(_opened(archive, target))]
    for row in rows:
        row["id"] = row["plan"][:16]
        row["begun"] = (row["begun_time"] or "")[:16].replace("T", " ")
        row["left_count"] = sum(row[f"{n}_count"] for n in ("not_sent", "skipped", "canceled", "unknown"))
        row["waiting_count"] = row["pending_count"] + row["sent_count"]
    out.table(rows, LIST_COLUMNS, empty="No plan was ever applied from this archive.")


def cancel(
    ctx: typer.Context,
    plan: PlanFile,
    *,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Cancel a plan that is being applied: nothing more is sent, and AWS's running tasks are cancelled.

    What was done stays done; `ddreport mitigate rollback` undoes it. A cancelled plan cannot be gone on with. A run
    that is under way in another process ends by itself as soon as it sees this.
    """
    from ddreport.mitigation.plan_file import read_plan
    from ddreport.settings import Settings
    from ddreport.workflows.mitigating.apply import cancel_campaign
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    found = read_plan(plan)
    chosen = _target(found, target, profile, region, endpoint_url)
    settings = Settings.from_env(archive=archive)
    opened = _opened(archive, found.target)
    with out.progress() as progress, session_for(chosen, opened, settings=settings, progress=progress) as session:
        done = cancel_campaign(session, opened, found, progress=progress)
    if done.state.finished is None:
        out.result(
            {"plan": found.digest, "campaign_status": "CANCELING"},
            text=f"The run of plan {found.short} that is under way was told to end.",
        )
        return
    _show_outcome(out, done, plan)
    out.exit_code = 0


def _approval(plan: Path, given: Path | None) -> Approval | None:
    from ddreport.workflows.mitigating.approve import approval_path, read_approval

    beside = approval_path(plan)
    if given is None and not beside.exists():
        return None
    return read_approval(given or beside)


def _target(plan: Plan, name: str | None, profile: str | None, region: str | None, endpoint_url: str | None) -> Target:
    return planned_target(
        plan.target, plan.region, name=name, profile=profile, region=region, endpoint_url=endpoint_url
    )


def _archive(plan: Plan, settings: Any) -> Archive:
    """Return the archive of a plan's target: that of the demo, or the user's, which is made if there is none."""
    from ddreport.archive import Archive
    from ddreport.targets import DEMO
    from ddreport.workflows.load import open_archive

    if plan.target == DEMO:
        return open_archive([DEMO], "")
    return Archive.open(settings.archive_dir, create=True)


def _opened(archive: Path | None, target: str | None = None) -> Archive:
    from ddreport.workflows.load import open_archive

    return open_archive([target] if target else [], archive or "")


def _state(name: str, target: str | None, archive: Path | None) -> CampaignState:
    from ddreport.mitigation.plan_file import read_plan
    from ddreport.workflows.mitigating.apply import campaign_status

    plan = read_plan(Path(name)) if Path(name).is_file() else None
    whose = target or (plan.target if plan else None)
    return campaign_status(_opened(archive, whose), plan.digest if plan else name)


def _confirmed(plan: Plan, progress: NoProgress | RichProgress) -> bool:
    """Ask the person at the terminal; only the plan's own first characters mean yes."""
    progress.__exit__(None, None, None)  # a moving bar would write over the question; the next stage brings it back
    waves = len({f.wave for f in plan.findings})
    kind = "emulated account" if plan.emulated else "account"
    sys.stderr.write(
        f"\nThis changes the {kind} {plan.account} in {plan.region}: {len(plan.findings):,} findings, {waves} waves.\n"
        f"Type {plan.digest[:6]} to go on, anything else to leave it: "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() == plan.digest[:6]


def _show_preview(out: Output, found: Preview) -> None:
    from ddreport.mitigation.results import outcome_rows

    plan = found.state.plan
    left = [r for r in outcome_rows(found.state) if r["status"] == "NOT_SENT"]
    if out.json:
        tasks = [
            {
                "wave": wave,
                "taskId": asked.task_id,
                "clientRequestToken": asked.token,
                "target": {"findingIds": list(asked.finding_ids)},
                "auditCheckToActionsMapping": asked.actions,
            }
            for wave, asked in found.requests
        ]
        out.result({"plan": plan.digest, "tasks": tasks, "left_out": [_plain(r) for r in left]})
        return
    rows = [
        {
            "wave": wave,
            "task": asked.task_id,
            "findings": len(asked.finding_ids),
            "actions": "; ".join(f"{check}: {', '.join(names)}" for check, names in asked.actions.items()),
        }
        for wave, asked in found.requests
    ]
    out.line(f"Plan {plan.short} would send {len(rows):,} AWS tasks to account {plan.account} in {plan.region}:")
    out.table(rows, TASK_COLUMNS, empty="Nothing.")
    if left:
        out.line(f"{len(left):,} actions would be left out:")
        out.table(left, OUTCOME_COLUMNS, empty="")
        for line in _explanations(left):
            out.line(line)
    out.note("Nothing was changed. --json lists the ids of the findings.")


def _show_outcome(out: Output, done: Applied, plan: Path) -> None:
    from ddreport.mitigation.results import campaign_row, outcome_rows

    state = done.state
    out.exit_code = done.exit_code
    if out.json:
        outcomes = [_plain(r) for r in outcome_rows(state)]
        out.result({"campaign": _plain(campaign_row(state)), "outcomes": outcomes})
    else:
        for line in _lines(state):
            out.line(line)
    if done.was_finished and state.finished is not None:
        out.note(f"It was carried out to its end at {state.finished.time:%Y-%m-%d %H:%M} UTC; nothing was sent now.")
    if state.stopped is not None:
        running = len(state.running())
        going = f" {running} AWS tasks go on by themselves." if running else ""
        flag = " --go-on" if state.stopped.why == "FAILED_SHARE" else ""
        out.warn(f"stopped: {state.stopped.note}.{going}")
        out.note(
            f"Look: ddreport mitigate status {plan} · go on: ddreport mitigate apply {plan}{flag} · end it: "
            f"ddreport mitigate cancel {plan}"
        )
    elif done.exit_code:
        out.note(f"What failed or was left out, and why: ddreport mitigate status {plan}")
    if state.finished is not None and state.canceled is None:
        out.note(f"Next: ddreport mitigate verify {plan}")


def _explanations(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return once for each way in which something is not done what that means and what to do."""
    kinds = Counter(
        (r["error_code"] or r["status"], r["explanation"], r["advice"]) for r in rows if r["status"] != "COMPLETED"
    )
    return [
        f"{code} ({count:,}): {told}" + (f". What to do: {advice}." if advice else ".")
        for (code, told, advice), count in kinds.most_common()
    ]


def _lines(state: CampaignState) -> list[str]:
    from ddreport.mitigation.results import campaign_row

    row = campaign_row(state)
    counts = {
        name: row[f"{name}_count"]
        for name in ("completed", "failed", "skipped", "canceled", "not_sent", "sent", "pending", "unknown")
    }
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    lines = [
        f"Plan {state.plan.short}: {row['campaign_status'].lower()}"
        + (f" ({row['note']})" if row["note"] else "")
        + f"; {row['begun_waves_count']} of {row['waves_count']} waves begun",
        f"{row['findings_count']:,} findings; actions: {told or 'none'}",
    ]
    for run in state.runs:
        approved = f", approved by {run.approval.approved_by}" if run.approval else ""
        lines.append(f"{run.time:%Y-%m-%d %H:%M} UTC: applied by {run.by}{approved}")
    if state.verified is not None:
        told = f"{row['fixed_count']:,} fixed, {row['still_there_count']:,} still there"
        lines.append(f"{state.verified.time:%Y-%m-%d %H:%M} UTC: looked at by {state.verified.by}: {told}")
    for rollback in state.rollbacks.values():
        told = ", ".join(f"{count:,} {result.lower()}" for result, count in rollback.counts.items()) or "nothing"
        for back in rollback.runs:
            approved = f", approved by {back.approval.approved_by}" if back.approval else ""
            lines.append(f"{back.time:%Y-%m-%d %H:%M} UTC: rolled back by {back.by}{approved}")
        lines.append(f"Roll-back {rollback.plan.short}: {told}{'' if rollback.finished else '; not done to its end'}")
    return lines


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
