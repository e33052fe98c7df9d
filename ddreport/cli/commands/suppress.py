"""`ddreport suppress …`: which findings are accepted, by whom and until when, as a file that is reviewed."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import AllTargets, ArchiveDir, EndpointUrl, Profile, Region, TargetNames, chosen_targets
from ddreport.cli.output import Output
from ddreport.errors import AwsError, DDReportError, InputError, SuppressionFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ddreport.aws.session import AwsSession
    from ddreport.targets import Target
    from ddreport.workflows.suppressing import Situation

    Work = Callable[[AwsSession, Target, Situation], dict[str, Any]]

DRIFTED, PARTIAL = 3, 4

commands = typer.Typer(
    name="suppress",
    help=(
        "Accept findings on purpose: rules in suppressions.yaml with owner, reason and end, compared with what AWS has "
        "and made so. docs/suppressions.md has an example file and every key."
    ),
    no_args_is_help=True,
)

FilePath = Annotated[
    Path,
    typer.Option("--file", "-f", metavar="FILE", help="The file of rules (default: suppressions.yaml in this folder)."),
]
Adopt = Annotated[
    bool,
    typer.Option("--adopt", help="Take over suppressions that a rule wants and somebody made by hand."),
]
PruneForeign = Annotated[
    bool,
    typer.Option("--prune-foreign", help="Lift suppressions that no file made. Never those of another file."),
]
DEFAULT_FILE = Path("suppressions.yaml")


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(commands)


@commands.command()
def plan(
    ctx: typer.Context,
    *,
    file: FilePath = DEFAULT_FILE,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    adopt: Adopt = False,
    prune_foreign: PruneForeign = False,
) -> None:
    """Show what `apply` would do: which suppressions are made, changed and lifted, and what that hides.

    Changes nothing. Rules are expanded over the open findings in the archive (run `ddreport pull` first) and, where a
    rule says so, over its inventory. Suppressions that this file did not make are listed and left alone. Exit code 4
    when a rule could not be expanded, since something was never pulled; what it made before stays.

    Examples: ddreport suppress plan -t prod-eu · ddreport suppress plan --all-targets --json
    """
    from ddreport.cli.commands.suppress_output import plan_data, show_plan
    from ddreport.workflows.suppressing import plan_for

    out: Output = ctx.obj
    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)

    def work(_session: AwsSession, chosen: Target, situation: Situation) -> dict[str, Any]:
        made = plan_for(situation, adopt=adopt, prune_foreign=prune_foreign)
        show_plan(out, chosen, situation, made)
        if not made.changes.empty:
            out.note(f"Next: ddreport suppress apply (plan {made.digest})")
        return plan_data(chosen, situation, made)

    _each(out, targets, archive, file, work)


@commands.command()
def apply(
    ctx: typer.Context,
    *,
    file: FilePath = DEFAULT_FILE,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    adopt: Adopt = False,
    prune_foreign: PruneForeign = False,
    digest: Annotated[
        str | None, typer.Option("--plan", metavar="DIGEST", help="Only if the plan is the one that was reviewed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `ddreport suppress plan`.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make the account as the file says. Shows the plan and asks for the account's id first.

    Suppressions that no rule wants any more are lifted first, then others changed, then new ones made. Stop it at any
    moment and run it again: it goes on from what AWS has, and a second run with nothing left writes nothing. Findings
    follow with the next audit. Exit code 4 when only part was done: the table says what, and why not the rest.

    Examples: ddreport suppress apply -t prod-eu · ddreport suppress apply -t prod-eu --plan 51b0c4f00d12 --yes
    """
    from ddreport.cli.commands.suppress_output import applied_data, plan_data, show_applied, show_plan
    from ddreport.workflows.suppressing import plan_for
    from ddreport.workflows.suppression_apply import apply_plan, exit_code

    out: Output = ctx.obj
    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)
    if digest is not None and len(targets) > 1:
        raise InputError("--plan is the digest of one target's plan.", hint="apply one target at a time.")

    def work(session: AwsSession, chosen: Target, situation: Situation) -> dict[str, Any]:
        made = plan_for(situation, adopt=adopt, prune_foreign=prune_foreign)
        if digest is not None and digest != made.digest:
            raise InputError(
                f"the plan is {made.digest} now, not {digest}, since file, findings or account have changed; nothing "
                "was done.",
                hint="look at it with `ddreport suppress plan`.",
            )
        show_plan(out, chosen, situation, made)
        data = plan_data(chosen, situation, made)
        if dry_run or made.changes.empty or not (yes or _confirmed(out, situation, len(made.changes))):
            return data | {"applied": []}
        with out.progress() as progress:
            applied = apply_plan(session, chosen, situation, made, progress=progress)
        show_applied(out, applied)
        _raise_to(out, exit_code(applied))
        return data | {"applied": applied_data(applied)}

    _each(out, targets, archive, file, work)


@commands.command("list")
def list_suppressions(
    ctx: typer.Context,
    *,
    file: FilePath = DEFAULT_FILE,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
    soon: Annotated[
        int, typer.Option("--soon", metavar="DAYS", min=0, help="Days before its end that count as soon.")
    ] = 14,
) -> None:
    """List the account's suppressions: who answers for each, until when, what it hides, and whether somebody must look.

    States, the most urgent first: EXPIRED, FOREIGN (no file made it), HIDES_NOTHING (the latest audit found nothing
    that it would hide, such as after a new version of the policy), EXPIRES_SOON, REVIEW_DUE, OK. Works without a file,
    too: owner, ticket and day of review stand in the descriptions.
    """
    from ddreport.cli.commands.suppress_output import listed_data, show_listed
    from ddreport.suppression import listed_table

    out: Output = ctx.obj
    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)

    def work(_session: AwsSession, chosen: Target, situation: Situation) -> dict[str, Any]:
        table = listed_table(
            situation.present,
            situation.known,
            as_of=situation.identity.as_of,
            file=situation.file,
            expansion=situation.expansion,
            soon_days=soon,
        )
        show_listed(out, chosen, situation, table)
        return listed_data(chosen, situation, table)

    _each(out, targets, archive, file, work, file_needed=file != DEFAULT_FILE)


@commands.command()
def drift(
    ctx: typer.Context,
    *,
    file: FilePath = DEFAULT_FILE,
    target: TargetNames = None,
    all_targets: AllTargets = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    archive: ArchiveDir = None,
) -> None:
    """Say how file and account differ. Exit code 3 when they do, for a job that watches; 0 when they agree.

    MISSING and CHANGED: somebody lifted or edited what a rule wants, or new findings fit a rule. SURPLUS: no rule wants
    it any more. FOREIGN: made by hand, outside of the file. EXPIRED_RULE: the rule has ended and still stands in the
    file. Exit code 4 when nothing differs as far as can be told, but a rule could not be expanded.
    """
    from ddreport.cli.commands.suppress_output import drift_data, show_drift
    from ddreport.suppression import drift_table
    from ddreport.workflows.suppressing import plan_for, the_file

    out: Output = ctx.obj
    targets = chosen_targets(target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url)

    def work(_session: AwsSession, chosen: Target, situation: Situation) -> dict[str, Any]:
        written, expansion = the_file(situation)
        table = drift_table(plan_for(situation).table, expansion, written)
        show_drift(out, chosen, situation, table)
        if not table.empty:
            _raise_to(out, DRIFTED)
        return drift_data(chosen, situation, table)

    _each(out, targets, archive, file, work)


def _each(
    out: Output,
    targets: Sequence[Target],
    archive: Path | None,
    file: Path,
    work: Work,
    *,
    file_needed: bool = True,
) -> None:
    """Do `work` for each target; one that cannot be reached does not spoil the others."""
    from ddreport.workflows.suppressing import read_file

    text = read_file(file, needed=file_needed)
    found: list[dict[str, Any]] = []
    for target in targets:
        try:
            with _situation(out, target, archive, text, str(file)) as (session, situation):
                for note in situation.notes:
                    out.warn(note)
                data = work(session, target, situation)
                if situation.is_partial:
                    _raise_to(out, PARTIAL)
                found.append(data)
        except (AwsError, InputError) as exc:
            # A fault of the file is the same for all of them.
            if len(targets) == 1 or isinstance(exc, SuppressionFileError):
                raise
            out.error(exc)
            _raise_to(out, PARTIAL)
            found.append({"target": target.name, "error": exc.message})
    if targets and all("error" in data for data in found):
        raise DDReportError("nothing could be done for any target.", hint="the messages above say why.")
    if out.json:
        out.result(found)


@contextmanager
def _situation(
    out: Output, target: Target, archive: Path | None, text: str | None, source: str
) -> Iterator[tuple[AwsSession, Situation]]:
    from ddreport.connect import connect
    from ddreport.workflows.sessions import session_for
    from ddreport.workflows.suppressing import find_archive, look

    opened = find_archive(target, archive)
    with ExitStack() as stack:
        with out.progress() as progress:
            connection = connect(target) if opened is None else session_for(target, opened, progress=progress)
            session = stack.enter_context(connection)
        yield session, look(session, opened, target=target, text=text, source=source)


def _confirmed(out: Output, situation: Situation, changes: int) -> bool:
    """Ask for the account's id; a wrong one changes nothing."""
    account, region = situation.place.account, situation.place.region
    told = f"{changes} change{'' if changes == 1 else 's'} in account {account}, Region {region}"
    if out.json or not sys.stdin.isatty():
        raise InputError(f"this would make {told}.", hint="give --yes to make them, or --dry-run to only look.")
    answer = typer.prompt(f"To make {told}, type the account's id", err=True, default="", show_default=False)
    if answer.strip() == account:
        return True
    out.warn("that is not the account's id; nothing was changed.")
    return False


def _raise_to(out: Output, code: int) -> None:
    """Set the exit code, unless a graver one stands: drift tells more than a gap, a gap more than nothing."""
    order = (0, PARTIAL, 1, DRIFTED)
    if order.index(code) > order.index(out.exit_code):
        out.exit_code = code
