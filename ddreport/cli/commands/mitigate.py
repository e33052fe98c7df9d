"""`ddreport mitigate …`: from a reviewed plan to a repaired account, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.commands import mitigate_run, mitigate_undo
from ddreport.cli.options import ArchiveDir, Profile, Region, chosen_targets, planned_target
from ddreport.cli.output import Output
from ddreport.errors import InputError
from ddreport.terms import Severity

if TYPE_CHECKING:
    from ddreport.mitigation.plan import Plan
    from ddreport.targets import Target

commands = typer.Typer(
    name="mitigate",
    help=(
        "Repair what audits found, without fear: make a plan, look at it, have it approved, apply it in waves, verify "
        "it, and roll it back if need be."
    ),
    no_args_is_help=True,
)

OneTarget = Annotated[
    str | None, typer.Option("--target", "-t", metavar="NAME", help="The target of ddreport.toml, or demo.")
]
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's file.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    mitigate_run.register(commands)
    mitigate_undo.register(commands)
    app.add_typer(commands)


def one_target(name: str | None, profile: str | None, region: str | None) -> Target:
    """Return the one target that the options name (`InputError`, `TargetError`)."""
    (target,) = chosen_targets([name] if name else None, profile=profile, region=region)
    return target


@commands.command("plan")
def make(
    ctx: typer.Context,
    *,
    action: Annotated[
        list[str] | None,
        typer.Option(
            "--action",
            metavar="NAME",
            help="A defined mitigation action, used wherever AWS allows its type; in order, repeatable. "
            "CHECK=NAME,NAME says which for one check.",
        ),
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option("--check", metavar="CHECK", help="Findings of this check; repeatable.")
    ] = None,
    severity: Annotated[
        list[Severity] | None, typer.Option("--severity", case_sensitive=False, help="Of this severity; repeatable.")
    ] = None,
    reason: Annotated[
        list[str] | None, typer.Option("--reason", metavar="CODE", help="With this reason code; repeatable.")
    ] = None,
    resource: Annotated[
        list[str] | None, typer.Option("--resource", metavar="ID", help="Of this resource; * and ? allowed.")
    ] = None,
    problem: Annotated[
        list[str] | None,
        typer.Option("--problem", metavar="ID", help="This problem (`ddreport problems`); repeatable."),
    ] = None,
    finding: Annotated[
        list[str] | None,
        typer.Option("--finding", metavar="ID", help="This finding (`ddreport findings`); repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="ID", help="Leave out a problem, finding or resource (*, ? allowed)."),
    ] = None,
    waves: Annotated[
        str, typer.Option("--waves", metavar="SIZES", help="How many first, next, …: numbers, shares, rest.")
    ] = "1,5%,rest",
    stop_at: Annotated[
        str, typer.Option("--stop-at", metavar="SHARE", help="No further wave once this share of one failed.")
    ] = "20%",
    alarm: Annotated[
        list[str] | None,
        typer.Option("--alarm", metavar="NAME", help="A CloudWatch alarm that stops the next wave; repeatable."),
    ] = None,
    wait: Annotated[int, typer.Option("--wait", metavar="SECONDS", min=0, help="Rest between two waves.")] = 0,
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="A second person must approve it before it can be applied.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="From the archive alone: AWS is not asked, no impact.")
    ] = False,
    no_impact: Annotated[
        bool, typer.Option("--no-impact", help="Do not ask AWS which things and groups depend on each resource.")
    ] = False,
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    archive: ArchiveDir = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The plan's file, .yaml or .json (default: mitigation-ID.yaml)."),
    ] = None,
) -> None:
    """Make a plan: which findings, what is done to each and in which wave, what is left alone and why. Changes nothing.

    Findings that are open in the archive are planned; those with the least that depends on them come first. The file
    is for people to read and review; any change to it makes it void.

    Examples: ddreport mitigate plan -t demo --check LOGGING_DISABLED_CHECK --action EnableErrorLoggingAction ·
    ddreport mitigate plan --severity critical --exclude 'gateway-*' --action DeactivateCertificate --waves 1,10%,rest
    """
    from ddreport.catalogue import normalise_check_name
    from ddreport.mitigation.plan import Rollout
    from ddreport.mitigation.plan_file import write_plan
    from ddreport.mitigation.selection import Selection
    from ddreport.mitigation.waves import parse_share, parse_waves
    from ddreport.workflows.mitigating.plan import PlanRequest, make_plan

    out: Output = ctx.obj
    selection = Selection(
        checks=tuple(normalise_check_name(c) for c in check or ()),
        severities=tuple(s.value for s in severity or ()),
        reason_codes=tuple(reason or ()),
        resources=tuple(resource or ()),
        problems=tuple(problem or ()),
        findings=tuple(finding or ()),
        excluded=tuple(exclude or ()),
    )
    rollout = Rollout(
        waves=parse_waves(waves),
        stop_at_failed_share=parse_share(stop_at),
        alarms=tuple(alarm or ()),
        wait_seconds=wait,
    )
    request = PlanRequest(
        selection=selection,
        actions=tuple(action or ()),
        rollout=rollout,
        require_approval=require_approval,
        offline=offline,
        with_impact=not no_impact,
    )
    chosen = one_target(target, profile, region)
    with out.progress() as progress:
        plan = make_plan(request, target=chosen, archive=archive or "", progress=progress)
    path = out_file or Path(f"mitigation-{plan.short}.yaml")
    if not plan.findings:
        show_plan(out, plan, None)
        raise InputError("the plan would do nothing, so it was not written.", hint="the reasons are listed above.")
    write_plan(plan, path)
    show_plan(out, plan, path)


@commands.command()
def show(ctx: typer.Context, plan: PlanFile) -> None:
    """Show what a plan does, to whom, in which order, what it leaves alone, and what it is expected to change.

    AWS is not asked. A file that was changed by hand is refused.
    """
    from ddreport.mitigation.plan_file import read_plan

    show_plan(ctx.obj, read_plan(plan), plan)


@commands.command()
def approve(
    ctx: typer.Context,
    plan: PlanFile,
    *,
    note: Annotated[str, typer.Option("--note", help="Why, for the record.")] = "",
    target: OneTarget = None,
    profile: Profile = None,
    region: Region = None,
    archive: ArchiveDir = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The approval's file (default: PLAN.approval.yaml).")
    ] = None,
) -> None:
    """Approve a plan under your AWS identity. Read it first: `ddreport mitigate show PLAN`.

    The approval belongs to the plan's digest: another plan, or a changed one, needs its own. It expires. Where the
    plan asks for a second person, its maker is refused.
    """
    from ddreport.mitigation.plan_file import read_plan
    from ddreport.workflows.load import open_archive
    from ddreport.workflows.mitigating.approve import approval_path, give_approval
    from ddreport.workflows.sessions import session_for

    out: Output = ctx.obj
    found = read_plan(plan)
    path = out_file or approval_path(plan)
    chosen = planned_target(found.target, found.region, name=target, profile=profile, region=region)
    with (
        out.progress() as progress,
        session_for(chosen, open_archive([chosen.name], archive or ""), progress=progress) as session,
    ):
        given = give_approval(found, session, path, note=note)
    out.result(
        {
            "approval": str(path),
            "plan": given.plan,
            "approved_by": given.approved_by,
            "expires_time": given.expires_time,
        },
        text=f"{given.approved_by} approved plan {found.short} until {given.expires_time:%Y-%m-%d %H:%M} UTC: {path}",
    )


def show_plan(out: Output, plan: Plan, path: Path | None) -> None:
    """Print a plan for people, or as JSON."""
    import msgspec

    from ddreport.mitigation.words import describe_plan

    if out.json:
        content: dict[str, Any] = msgspec.to_builtins(plan)
        out.result({"plan_file": str(path) if path else None, **content})
        return
    told = describe_plan(plan)
    for line in told.lines:
        out.line(line)
    out.table(
        told.steps,
        {"wave": "Wave", "check": "Check", "actions": "Actions", "findings": "Findings", "impact": "Impact"},
        empty="Nothing is done.",
    )
    out.table(
        told.left_alone,
        {"why": "Left alone", "check": "Check", "findings": "Findings", "example": "Such as", "note": "Because"},
        empty="Nothing is left alone.",
    )
    for line in told.closing:
        out.line(line)
    if path is not None:
        out.note(f"Plan: {path}")
        out.note(f"Next: ddreport mitigate {'approve' if plan.approval.required else 'apply'} {path}")
