"""`ddreport setup …`: from an empty account to audits with alarms; proof that it stays so; and back."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import AllTargets, EndpointUrl, Profile, Region, TargetNames, chosen_targets
from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.setup.changes import Change, SetupPlan
    from ddreport.workflows.setting_up.targets import TargetSetup

commands = typer.Typer(
    name="setup",
    help=(
        "Set up Device Defender Audit in an account, as AWS's tutorial does in forty clicks: the audit role, checks "
        "with thresholds, a daily audit, SNS messages, V2 logging, mitigation actions with their roles, alarms."
        "\n\nWhat is wanted stands in the table `setup` of ddreport.toml (docs/setup.md); without it, all of the "
        "tutorial. `plan` shows what would be done, `apply` does it, `plan --check` proves a year later that it is "
        "still so, `remove` takes away what `apply` made."
    ),
    no_args_is_help=True,
)

All = Annotated[bool, typer.Option("--all", help="Also list what is as it is wanted.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before anything is changed.")]

SUMMARY = {"target": "Target", "account": "Account", "region": "Region", "status": "Status", "counts": "Changes"}
CHANGES = {"target": "Target", "change": "Change", "part": "What", "name": "Name", "details": "Details"}
PRESENT = {"target": "Target", "part": "What", "name": "Name", "state": "State", "made_by": "Made by"}


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(commands)


@commands.command()
def plan(
    ctx: typer.Context,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 3 if anything is not as it is wanted: for a daily job.")
    ] = False,
    every: All = False,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Show what would have to be done so that accounts become as they are wanted. Changes nothing.

    create: it is not there · change: it is there, but wanted otherwise · drift: it was set up, and somebody has changed
    it since · leave: it is as wanted. What is not wanted by name is not looked at. Wrong input, such as a sixth
    schedule or a role of another account, is found here, before anything is written.

    Only read calls are made; what may not be read is shown as unknown. Exit codes: 0 · 2 it cannot be applied · 3 with
    --check, something is not as wanted · 4 a part or a target could not be read.

    Examples: ddreport setup plan -t demo · ddreport setup plan --all-targets --check
    """
    from ddreport.workflows.setting_up.targets import exit_code

    out: Output = ctx.obj
    with ExitStack() as stack:
        setups = _planned(out, stack, target, all_targets, profile, region, endpoint_url)
    _show_plans(out, setups, every=every)
    out.exit_code = exit_code(setups, check=check)
    pending = any(s.plan is not None and s.plan.pending for s in setups)
    if pending and not check and not out.exit_code:
        out.note("Next: ddreport setup apply")


@commands.command()
def apply(
    ctx: typer.Context,
    *,
    yes: Yes = False,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Make accounts as they are wanted, after showing the plan and asking. A second time it writes nothing.

    Everything is done in the order that AWS needs, with waits until IAM has told everybody about a new role. What it
    makes carries the tag `ddreport:setup`. Interrupted or refused half-way, it says what was done; the same command
    goes on from there. Several targets are planned first, all of them, then changed one after the other; one that
    refuses spoils no other (exit code 4).

    Examples: ddreport setup apply -t demo · ddreport setup apply --all-targets --yes
    """
    _change(ctx, "Apply", target, all_targets, profile, region, endpoint_url, yes=yes)


@commands.command()
def show(
    ctx: typer.Context,
    *,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Show how accounts are set up now, and what of it set-up has made. Only read calls are made.

    Example: ddreport setup show --region eu-west-1
    """
    from ddreport.settings import Settings
    from ddreport.setup.showing import describe_present
    from ddreport.workflows.setting_up.targets import exit_code, read_all

    out: Output = ctx.obj
    settings = Settings.from_env()
    setups = _begun(target, all_targets, profile, region, endpoint_url)
    with ExitStack() as stack, out.progress() as progress:
        read_all(setups, stack, settings=settings, progress=progress)
    rows = [
        {
            "target": setup.target.name,
            "part": row.part.value,
            "name": row.name,
            "state": row.state,
            "made_by": row.made_by,
        }
        for setup in setups
        if setup.present is not None
        for row in describe_present(setup.present)
    ]
    out.table(rows, PRESENT if len(setups) > 1 else _without_target(PRESENT), empty="Nothing is set up.")
    _warn_errors(out, setups)
    unread = any(row["state"].startswith("could not be read") for row in rows)
    out.exit_code = exit_code(setups) or (4 if unread else 0)


@commands.command()
def remove(
    ctx: typer.Context,
    *,
    yes: Yes = False,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Take away what set-up made, and nothing else, after showing it and asking.

    It goes by the tag `ddreport:setup`. The audit configuration goes only if set-up made it and no other schedule needs
    it; roles that another Region uses stay. Audits and findings that AWS keeps are not touched.

    Example: ddreport setup remove -t demo
    """
    _change(ctx, "Remove", target, all_targets, profile, region, endpoint_url, yes=yes)


def _begun(
    names: list[str] | None,
    all_targets: bool,  # noqa: FBT001 - the option as it is
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
) -> list[TargetSetup]:
    from ddreport.connect import read_targets
    from ddreport.settings import Settings
    from ddreport.workflows.setting_up.targets import begin

    chosen = chosen_targets(names, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)
    return begin(chosen, settings=Settings.from_env(), known_targets=read_targets())


def _planned(
    out: Output,
    stack: ExitStack,
    names: list[str] | None,
    all_targets: bool,  # noqa: FBT001 - the option as it is
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    *,
    teardown: bool = False,
) -> list[TargetSetup]:
    from ddreport.settings import Settings
    from ddreport.workflows.setting_up.targets import plan_all

    setups = _begun(names, all_targets, profile, region, endpoint_url)
    with out.progress() as progress:
        plan_all(setups, stack, settings=Settings.from_env(), progress=progress, teardown=teardown)
    return setups


def _change(
    ctx: typer.Context,
    verb: str,
    names: list[str] | None,
    all_targets: bool,  # noqa: FBT001 - the option as it is
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    *,
    yes: bool,
) -> None:
    from ddreport.workflows.setting_up.targets import apply_all, exit_code, refuse_hopeless, refuse_read_only

    out: Output = ctx.obj
    teardown = verb == "Remove"
    if not yes and (out.json or not sys.stdin.isatty()):
        raise InputError(
            "accounts are changed only after a question, and nobody can be asked here.",
            hint=f"look at `ddreport setup plan`, then run `ddreport setup {verb.lower()} --yes`.",
        )
    with ExitStack() as stack:
        setups = _planned(out, stack, names, all_targets, profile, region, endpoint_url, teardown=teardown)
        refuse_read_only([setup.target for setup in setups])
        if not out.json:
            _show_plans(out, setups)
        refuse_hopeless(setups)
        number = sum(len(s.plan.pending) for s in setups if s.plan is not None and not s.plan.problems)
        if number and not yes and not typer.confirm(f"{verb}: {number} changes. Go on?", err=True):
            out.note("Nothing was changed.")
            out.exit_code = 1
            return
        with out.progress() as progress:
            apply_all(setups, progress=progress, teardown=teardown)
    _show_applied(out, setups)
    out.exit_code = exit_code(setups, applied=True)


def _show_plans(out: Output, setups: Sequence[TargetSetup], *, every: bool = False) -> None:
    from ddreport.setup.changes import ChangeKind

    if out.json:
        out.result([_as_json(setup) for setup in setups])
    else:
        rows = [
            {"target": setup.target.name, **_row(change)}
            for setup in setups
            if setup.plan is not None
            for change in setup.plan.changes
            if every or change.kind is not ChangeKind.LEAVE
        ]
        many = len(setups) > 1
        if rows:
            out.table(rows, CHANGES if many else _without_target(CHANGES), empty="")
        _show_summary(out, setups)
    for setup in setups:
        if setup.plan is not None:
            for problem in setup.plan.problems if len(setups) > 1 or out.json else ():
                out.warn(f"{setup.target.name} cannot be applied: {problem}")
            for problem in setup.plan.problems if len(setups) == 1 and not out.json else ():
                out.warn(f"it cannot be applied: {problem}")
            for warning in setup.plan.warnings:
                out.warn(f"{setup.target.name}: {warning}")
        if setup.where is not None and setup.where.emulated:
            out.note(f"{setup.target.name} is emulated: no real account is looked at.")
    _warn_errors(out, setups)


def _show_applied(out: Output, setups: Sequence[TargetSetup]) -> None:
    if out.json:
        out.result([_as_json(setup) for setup in setups])
    else:
        _show_summary(out, setups)
    for setup in setups:
        for change in setup.applied.left if setup.applied is not None else ():
            out.warn(
                f"{setup.target.name}: after all was done, AWS still shows {change.part} {change.name} otherwise: "
                f"{'; '.join(change.details)}. Look again in a minute with `ddreport setup plan`."
            )
    _warn_errors(out, setups)


def _show_summary(out: Output, setups: Sequence[TargetSetup]) -> None:
    rows = []
    for setup in setups:
        done = setup.applied.done if setup.applied is not None else ()
        planned = setup.plan.summary() if setup.plan is not None else None
        rows.append(
            {
                "target": setup.target.name,
                "account": setup.where.place.account if setup.where else None,
                "region": setup.where.place.region if setup.where else setup.target.region,
                "status": setup.status,
                "counts": f"{len(done)} done" if done else planned,
            }
        )
    out.table(rows, SUMMARY, empty="No targets.")


def _warn_errors(out: Output, setups: Sequence[TargetSetup]) -> None:
    for setup in setups:
        if setup.error is not None:
            out.warn(f"{setup.target.name}: {setup.error}")


def _row(change: Change) -> dict[str, Any]:
    return {
        "change": change.kind.value,
        "part": change.part.value,
        "name": change.name,
        "details": "; ".join(change.details),
    }


def _as_json(setup: TargetSetup) -> dict[str, Any]:
    plan: SetupPlan | None = setup.plan
    done = setup.applied.done if setup.applied is not None else ()
    left = setup.applied.left if setup.applied is not None else ()
    return {
        "target": setup.target.name,
        "account": setup.where.place.account if setup.where else None,
        "region": setup.where.place.region if setup.where else setup.target.region,
        "emulated": setup.where.emulated if setup.where else None,
        "source": setup.desired.source,
        "status": setup.status,
        "counts": plan.counts() if plan is not None else {},
        "changes": [
            _row(change)
            | {
                "details": list(change.details),
                "calls": [{"operation": call.operation, "arguments": dict(call.arguments)} for call in change.calls],
            }
            for change in (plan.changes if plan is not None else ())
        ],
        "problems": [{"message": p.message, "hint": p.hint} for p in (plan.problems if plan is not None else ())],
        "warnings": list(plan.warnings) if plan is not None else [],
        "done": [_row(change) for change in done],
        "left": [_row(change) for change in left],
        "error": str(setup.error) if setup.error is not None else None,
    }


def _without_target(columns: dict[str, str]) -> dict[str, str]:
    return {name: heading for name, heading in columns.items() if name != "target"}
