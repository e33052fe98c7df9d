"""`ddreport mitigate verify` and `ddreport mitigate rollback …`: did it help, and how is it taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import SHOWN, ArchiveDir, EndpointUrl, Profile, Region, chosen_targets, planned_target
from ddreport.cli.output import Output, at_a_terminal

if TYPE_CHECKING:
    from ddreport.archive import Archive
    from ddreport.mitigation.plan import Plan
    from ddreport.mitigation.reversal_plan import RollbackPlan
    from ddreport.targets import Target
    from ddreport.workflows.mitigating.rollback import RolledBack
    from ddreport.workflows.mitigating.verify import Verification

rollback_commands = typer.Typer(
    name="rollback",
    help=(
        "Take a mitigation back: make a plan of it, look at it, have it approved, apply it. What nothing can take "
        "back, such as messages, is said."
    ),
    no_args_is_help=True,
)

OneTarget = Annotated[
    str | None,
    typer.Option("--target", "-t", metavar="NAME", help="The target of ddreport.toml (default: the plan's)."),
]
Applied = Annotated[
    str, typer.Argument(metavar="PLAN", help="The plan's file, or its id (at least the first six characters).")
]
RollbackFile = Annotated[Path, typer.Argument(metavar="FILE", help="The roll-back plan's file.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group `mitigate`."""
    group.command("verify")(verify)
    group.add_typer(rollback_commands)


def verify(
    ctx: typer.Context,
    plan: Applied,
    *,
    wait_scheduled: Annotated[
        bool, typer.Option("--wait-scheduled", help="Start no audit: the next scheduled one counts, once AWS has it.")
    ] = False,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Start no audit: whatever audits AWS has by now count.")
    ] = False,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for the audit.")
    ] = 1800,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Look whether an applied plan has helped: resources are read back, and an audit of just its checks is run.

    Each problem is FIXED, STILL_THERE or UNKNOWN with the reason; NEW ones of the same checks are listed too. Apart
    from that each resource shows, or does not, what the action should have made of it. The result is kept with the
    campaign. Exit code: 0 all is fixed, 3 something is still there or not as it should be, 4 not all is known.

    Examples: ddreport mitigate verify mitigation-3f2a.yaml · ddreport mitigate verify 3f2a91 --wait-scheduled
    """
    from ddreport.workflows.mitigating.verify import verify_campaign

    out: Output = ctx.obj
    name, planned = _named(plan)
    chosen, opened = _chosen(target, planned, profile, region, endpoint_url, archive)
    with out.progress() as progress:
        found = verify_campaign(
            chosen,
            opened,
            name,
            audit=not no_audit,
            wait_scheduled=wait_scheduled,
            timeout_seconds=timeout,
            progress=progress,
        )
    _show_verification(out, found)
    out.exit_code = found.exit_code


def _show_verification(out: Output, found: Verification) -> None:
    if out.json:
        import msgspec

        out.result(
            {
                "plan": found.plan.digest,
                "verified_time": found.time,
                "counts": found.counts,
                "audit_task_ids": list(found.audit_task_ids),
                "problems": msgspec.to_builtins(found.problems),
                "read_backs": msgspec.to_builtins(found.read_backs),
                "notes": list(found.notes),
            }
        )
        return
    counts = found.counts
    out.line(
        f"Plan {found.plan.short}, looked at {found.time:%Y-%m-%d %H:%M} UTC: {counts['FIXED']:,} fixed, "
        f"{counts['STILL_THERE']:,} still there, {counts['UNKNOWN']:,} unknown, {counts['NEW']:,} new"
    )
    rows = [
        {
            "effect": one.effect.value,
            "check": one.check_name,
            "resource": one.resource_id,
            "reason": one.reason_code,
            "treatment": one.treatment,
            "read_back": one.read_back.value if one.read_back else None,
            "why": "; ".join(text for text in (one.why, one.read_back_note) if text) or None,
        }
        for one in sorted(found.problems, key=lambda p: (p.effect.value == "FIXED", p.effect.value))
    ]
    columns = {
        "effect": "Effect",
        "check": "Check",
        "resource": "Resource",
        "reason": "Reason",
        "treatment": "Treatment",
        "read_back": "Read back",
        "why": "Because",
    }
    out.table(rows[:SHOWN], columns, empty="The plan treats nothing.")
    if len(rows) > SHOWN:
        out.note(f"{len(rows) - SHOWN:,} more; --json prints all.")
    for note in found.notes:
        out.warn(note)


@rollback_commands.command("plan")
def make(
    ctx: typer.Context,
    plan: Applied,
    *,
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="A second person must approve it before it can be applied.")
    ] = False,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The plan's file, .yaml or .json (default: rollback-ID.yaml)."),
    ] = None,
) -> None:
    """Plan how an applied plan is taken back, from what each resource was like before. Changes nothing.

    A resource that somebody has changed since is left alone, and listed. The campaign must have ended or be cancelled.

    Example: ddreport mitigate rollback plan mitigation-3f2a.yaml --out back.yaml
    """
    from ddreport.mitigation.reversal_plan import write_rollback
    from ddreport.workflows.mitigating.rollback import make_rollback
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    name, planned = _named(plan)
    chosen, opened = _chosen(target, planned, profile, region, endpoint_url, archive)
    with out.progress() as progress, session_for(chosen, opened, progress=progress) as session:
        made = make_rollback(session, opened, name, require_approval=require_approval, progress=progress)
    if not made.operations:
        _show_plan(out, made, None)
        out.note("Nothing is to be taken back, so no plan was written.")
        return
    path = out_file or Path(f"rollback-{made.short}.yaml")
    write_rollback(made, path)
    _show_plan(out, made, path)


@rollback_commands.command()
def show(ctx: typer.Context, file: RollbackFile) -> None:
    """Show what a roll-back plan does, what it leaves alone, and what nothing takes back. AWS is not asked."""
    from ddreport.mitigation.reversal_plan import read_rollback

    _show_plan(ctx.obj, read_rollback(file), file)


@rollback_commands.command()
def approve(
    ctx: typer.Context,
    file: RollbackFile,
    *,
    note: Annotated[str, typer.Option("--note", help="Why, for the record.")] = "",
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The approval's file (default: NAME.approval.yaml).")
    ] = None,
) -> None:
    """Approve a roll-back plan under your AWS identity; read it first. It counts as the approval of any plan does."""
    from ddreport.mitigation.reversal_plan import read_rollback
    from ddreport.workflows.mitigating.approve import approval_path, give_approval
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    found = read_rollback(file)
    path = out_file or approval_path(file)
    chosen, opened = _chosen(target, found, profile, region, endpoint_url, archive)
    with out.progress() as progress, session_for(chosen, opened, progress=progress) as session:
        given = give_approval(found, session, path, note=note)
    data = {
        "approval": str(path),
        "plan": given.plan,
        "approved_by": given.approved_by,
        "expires_time": given.expires_time,
    }
    until = f"{given.expires_time:%Y-%m-%d %H:%M} UTC"
    out.result(data, text=f"{given.approved_by} approved roll-back plan {found.short} until {until}: {path}")


@rollback_commands.command()
def apply(
    ctx: typer.Context,
    file: RollbackFile,
    *,
    approval: Annotated[
        Path | None,
        typer.Option("--approval", metavar="FILE", help="The approval (default: NAME.approval.yaml beside the plan)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done now.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="At a terminal: do not ask. Without one only an approval counts.")
    ] = False,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Carry a roll-back plan out: each resource is looked at, and given back what it had if it still is as we left it.

    Stop it at any moment and run it again: it goes on, and does nothing twice. What AWS refused is tried again. Exit
    code: 0 all is as it was, 1 stopped, 4 something was refused or left alone.
    """
    from ddreport.mitigation.reversal_plan import read_rollback
    from ddreport.workflows.mitigating.approve import approval_path, read_approval
    from ddreport.workflows.mitigating.rollback import apply_rollback, preview_rollback
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    found = read_rollback(file)
    beside = approval_path(file)
    given = read_approval(approval or beside) if approval or beside.exists() else None
    chosen, opened = _chosen(target, found, profile, region, endpoint_url, archive)

    def ask() -> bool:
        if out.json or not at_a_terminal():
            return False
        place = f"account {found.account} in {found.region}"
        return typer.confirm(f"Make {len(found.operations):,} calls that change {place}?", err=True)

    with out.progress() as progress, session_for(chosen, opened, progress=progress) as session:
        if dry_run:
            looked = preview_rollback(session, opened, found, progress=progress)
        else:
            done = apply_rollback(
                session, opened, found, approval=given, confirmed=yes and at_a_terminal(), ask=ask, progress=progress
            )
    if dry_run:
        rows: list[dict[str, Any]] = [
            {
                "number": one.operation.number,
                "standing": one.standing.value,
                "what": one.operation.words,
                "note": one.note or None,
            }
            for one in looked
        ]
        columns = {"number": "#", "standing": "Now", "what": "What it does", "note": "Because"}
        out.table(rows, columns, empty="Nothing is to be done.")
        return
    _show_done(out, found, done)
    out.exit_code = done.exit_code


def _show_plan(out: Output, plan: RollbackPlan, path: Path | None) -> None:
    if out.json:
        import msgspec

        content: dict[str, Any] = msgspec.to_builtins(plan)
        out.result({"plan_file": str(path) if path else None, **content})
        return
    emulated = ", emulated, not AWS" if plan.emulated else ""
    out.line(
        f"Roll-back plan {plan.short} of plan {plan.rollback_of[:16]}: account {plan.account}, {plan.region}{emulated}"
    )
    out.table(
        [{"number": op.number, "what": op.words, "call": op.operation.value} for op in plan.operations[:SHOWN]],
        {"number": "#", "what": "What it does", "call": "Call"},
        empty="Nothing is to be done.",
    )
    if len(plan.operations) > SHOWN:
        out.note(f"{len(plan.operations) - SHOWN:,} more; the file has them all.")
    out.table(
        [{"why": x.why.value, "what": f"{x.kind.value} {x.resource_id}", "note": x.note} for x in plan.left_as_it_is],
        {"why": "Left alone", "what": "Resource", "note": "Because"},
        empty="Nothing is left alone.",
    )
    for text in plan.irreversible:
        out.line(f"Cannot be taken back: {text}")
    if path is not None:
        step = "approve" if plan.approval.required else "apply"
        out.note(f"Next: ddreport mitigate rollback {step} {path}")


def _show_done(out: Output, plan: RollbackPlan, done: RolledBack) -> None:
    state = done.state
    counts = {result.value: count for result, count in state.counts.items()}
    rows = [
        {
            "number": op.number,
            "result": state.ended[op.number].result.value if op.number in state.ended else None,
            "what": op.words,
            "note": state.ended[op.number].note or None if op.number in state.ended else "not come to yet",
        }
        for op in plan.operations
    ]
    if out.json:
        stopped = {"why": state.stopped.why.value, "note": state.stopped.note} if state.stopped else None
        out.result(
            {"rollback": plan.digest, "plan": plan.rollback_of, "counts": counts, "stopped": stopped, "calls": rows}
        )
        return
    told = ", ".join(f"{count:,} {name.lower()}" for name, count in counts.items()) or "nothing"
    out.line(f"Roll-back {plan.short}: {told}")
    other = [row for row in rows if row["result"] != "DONE"]
    columns = {"number": "#", "result": "Result", "what": "What it does", "note": "Because"}
    if other:
        out.table(other[:SHOWN], columns, empty="")
    for text in plan.irreversible:
        out.line(f"Cannot be taken back: {text}")


def _named(plan: str) -> tuple[str, Plan | None]:
    """Return the digest (or its beginning) that an argument names, and the plan if it is a file."""
    from ddreport.mitigation.plan_file import read_plan

    path = Path(plan)
    if not path.is_file():
        return plan, None
    found = read_plan(path)
    return found.digest, found


def _chosen(
    target: str | None,
    planned: Plan | RollbackPlan | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    archive: Path | None,
) -> tuple[Target, Archive]:
    """Return the target that the options name, else the plan's own, and its archive."""
    from ddreport.workflows.load import open_archive

    if planned is None:
        names = [target] if target else None
        (chosen,) = chosen_targets(names, profile=profile, region=region, endpoint_url=endpoint_url)
    else:
        chosen = planned_target(
            planned.target, planned.region, name=target, profile=profile, region=region, endpoint_url=endpoint_url
        )
    return chosen, open_archive([chosen.name], archive or "")
