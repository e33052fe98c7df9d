"""`ddreport pull`: bring new audits and findings into the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.cli.options import (
    AllTargets,
    ArchiveDir,
    End,
    EndpointUrl,
    Profile,
    Region,
    Start,
    TargetNames,
    chosen_targets,
)
from ddreport.cli.output import Output
from ddreport.settings import PARALLEL_TARGETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.archive import Archive
    from ddreport.progress import Progress
    from ddreport.settings import Settings
    from ddreport.targets import Target
    from ddreport.workflows.pulling.target import Step

Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=1, max=64, help="How many targets are asked at once.")
]

WithInventory = Annotated[
    bool,
    typer.Option(
        "--inventory",
        help="Also read the inventory: certificates with their validity, CAs, policies, things, groups, role aliases. "
        "One call per new certificate and per thing: `ddreport inventory` tells how long that takes.",
    ),
]
InventoryTables = Annotated[
    str,
    typer.Option(
        "--inventory-tables", metavar="NAMES", help="Only these tables of the inventory, separated by commas."
    ),
]

COLUMNS = {
    "target": "Target",
    "account": "Account",
    "region": "Region",
    "kind": "Kind",
    "status": "Status",
    "new_audits_count": "New audits",
    "new_findings_count": "New findings",
    "known_audits_count": "Known audits",
    "running_audits_count": "Still running",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def pull(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        all_targets: AllTargets = False,
        profile: Profile = None,
        region: Region = None,
        endpoint_url: EndpointUrl = None,
        archive: ArchiveDir = None,
        start: Start = None,
        end: End = None,
        parallel: Parallel = PARALLEL_TARGETS,
        inventory: WithInventory = False,
        inventory_tables: InventoryTables = "",
    ) -> None:
        """Bring audits, findings and mitigation results into the archive: only what it has not got.

        AWS forgets after 90 days; the archive does not. Stop it at any moment and start it again: nothing is lost,
        nothing comes twice. Without --target it asks the account and Region of your AWS configuration. Several targets
        are asked side by side, each within the request rates that AWS publishes; one that fails does not spoil the
        others. Only read calls are made. Exit code 4 when only part of the data could be had.
        """
        from ddreport.archive import Archive
        from ddreport.settings import Settings
        from ddreport.window import parse_end, parse_start
        from ddreport.workflows.pull import pull as run

        out: Output = ctx.obj
        steps = _inventory(settings := Settings.from_env(archive=archive), inventory, inventory_tables)
        first = parse_start(start) if start else None
        last = parse_end(end) if end else None
        targets = chosen_targets(
            target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url
        )
        with out.progress() as progress:
            if archive is None and any(t.is_demo for t in targets):
                opened = _demo_home(targets, settings, progress)
            else:
                opened = Archive.open(settings.archive_dir, create=True)
            result = run(
                targets,
                opened,
                start=first,
                end=last,
                settings=settings,
                progress=progress,
                parallel=parallel,
                extra_steps=steps,
            )
        kinds = {None: None, True: "emulated", False: "AWS"}
        rows = [s.as_dict() | {"kind": kinds[s.emulated]} for s in result.statuses]
        out.table(rows, COLUMNS, empty="No targets.")
        for status in result.statuses:
            for problem in status.problems:
                out.warn(f"{status.target}: {problem}")
            if status.emulated:
                out.warn(f"{status.target} is emulated: these are not audits of a real account.")
            if status.same_place_as:
                out.note(
                    f"{status.target} is the same account and Region as {status.same_place_as}; nothing was fetched "
                    "twice."
                )
            if status.status == "ok" and not status.new_audits_count + status.known_audits_count:
                out.note(
                    f"{status.target}: no audit has ended in this window yet; start one in the console or wait for the "
                    "schedule, then pull again."
                )
        out.exit_code = result.exit_code


def _inventory(settings: Settings, wanted: bool, tables: str) -> list[Step]:  # noqa: FBT001 - the option as it is
    from ddreport.workflows.inventory import inventory_step

    names = [name.strip() for name in tables.split(",") if name.strip()]
    return [inventory_step(settings, tables=names or None)] if wanted or names else []


def _demo_home(targets: Sequence[Target], settings: Settings, progress: Progress) -> Archive:
    """Return the demo's own archive: without --archive the demo never gets into the archive of real accounts."""
    from ddreport.errors import InputError
    from ddreport.workflows.demo import demo_archive

    if not all(t.is_demo for t in targets):
        raise InputError(
            "demo is emulated and cannot be pulled into one archive with real accounts.",
            hint="pull it by itself.",
        )
    return demo_archive(settings=settings, progress=progress)
