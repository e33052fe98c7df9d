"""`ddreport demo`: everything at once on the emulator."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ddreport.cli.options import ArchiveDir, OutDir
from ddreport.cli.output import Output


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def demo(
        ctx: typer.Context,
        *,
        out_dir: OutDir = Path("reports"),
        archive: ArchiveDir = None,
        seed: Annotated[int | None, typer.Option("--seed", help="Another seed makes another fleet.")] = None,
        as_of: Annotated[
            str | None,
            typer.Option("--as-of", metavar="TIME", help="See the demo at this moment, UTC (default: now)."),
        ] = None,
    ) -> None:
        """Make a compliance report of an emulated account: no AWS account, nothing to set up.

        Builds a company's fleet of over 1,500 resources in the emulator, audits it on each of 90 days, pulls the
        audits over HTTP as from AWS, archives them, and renders the report. The last line on stdout is its path.
        """
        from ddreport.settings import Settings
        from ddreport.window import parse_moment
        from ddreport.workflows.demo import demo_archive, pull_demo
        from ddreport.workflows.report import make_report

        out: Output = ctx.obj
        moment: datetime | None = parse_moment(as_of, "as-of") if as_of else None
        settings = Settings.from_env(archive=archive, demo_seed=seed)
        with out.progress() as progress:
            if archive is None:
                held = demo_archive(settings=settings, progress=progress, as_of=moment)
            else:
                held = pull_demo(settings=settings, progress=progress, as_of=moment)
            made = make_report(
                {"target": "demo", "archive": str(held.path)}, out_dir=out_dir, run_time=moment, progress=progress
            )
        out.note("This report shows an emulated account, not a real one.")
        out.result(
            {"html": str(made.html), "notebook": str(made.notebook), "archive": str(held.path)}, text=str(made.html)
        )
