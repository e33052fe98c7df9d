"""`ddreport pull`: bring new audits and findings into the archive."""

from __future__ import annotations

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

COLUMNS = {
    "target": "Target",
    "account": "Account",
    "region": "Region",
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
    ) -> None:
        """Bring audits, findings and mitigation results into the archive: only what it has not got.

        AWS forgets after 90 days; the archive does not. Stop it at any moment and start it again: nothing is lost,
        nothing comes twice. Without --target it asks the account and Region of your AWS configuration. Only read
        calls are made, within AWS's published rates. Exit code 4 when only part of the data could be had.
        """
        from ddreport.archive import Archive
        from ddreport.settings import Settings
        from ddreport.window import parse_end, parse_start
        from ddreport.workflows.pull import pull as run

        out: Output = ctx.obj
        first = parse_start(start) if start else None
        last = parse_end(end) if end else None
        targets = chosen_targets(
            target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url
        )
        settings = Settings.from_env(archive=archive)
        opened = Archive.open(settings.archive_dir, create=True)
        with out.progress() as progress:
            result = run(targets, opened, start=first, end=last, settings=settings, progress=progress)
        out.table([s.as_dict() for s in result.statuses], COLUMNS, empty="No targets.")
        for status in result.statuses:
            for problem in status.problems:
                out.warn(f"{status.target}: {problem}")
            if status.emulated:
                out.note(f"{status.target} is emulated: these are not audits of a real account.")
            if status.status == "ok" and not status.new_audits_count + status.known_audits_count:
                out.note(
                    f"{status.target}: no audit has ended in this window yet; start one in the console or wait for the "
                    "schedule, then pull again."
                )
        out.exit_code = result.exit_code
