"""`ddreport report`: an HTML compliance report from the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ddreport.cli.options import (
    AllTargets,
    ArchiveDir,
    CheckNames,
    End,
    OutDir,
    Profile,
    Region,
    Start,
    TargetNames,
    ad_hoc_name,
)
from ddreport.cli.output import Output
from ddreport.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def report(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        all_targets: AllTargets = False,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        start: Start = None,
        end: End = None,
        check: CheckNames = None,
        title: Annotated[str | None, typer.Option("--title", help="Title of the report.")] = None,
        out_dir: OutDir = Path("reports"),
        parameter: Annotated[
            list[str] | None,
            typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Any parameter of the notebook; repeatable."),
        ] = None,
        timeout: Annotated[int, typer.Option("--timeout", min=1, help="Seconds that the notebook may run.")] = 900,
    ) -> None:
        """Make one self-contained HTML file of what the archive holds, and keep the executed notebook as evidence.

        AWS is not called: bring new audits in with `ddreport pull` first. Without --target it reports the account
        that a plain `ddreport pull` brought in. The last line on stdout is the report's path.
        """
        from ddreport.workflows.report import make_report

        out: Output = ctx.obj
        parameters: dict[str, Any] = {"target": _targets(target, profile, region, all_targets=all_targets)}
        given = {
            "archive": str(archive) if archive else None,
            "start": start,
            "end": end,
            "checks": check,
            "title": title,
        }
        parameters |= {name: value for name, value in given.items() if value is not None}
        texts = read_parameters(parameter or [])
        with out.progress() as progress:
            made = make_report(parameters, texts=texts, out_dir=out_dir, timeout=timeout, progress=progress)
        out.result({"html": str(made.html), "notebook": str(made.notebook)}, text=str(made.html))


def _targets(names: list[str] | None, profile: str | None, region: str | None, *, all_targets: bool) -> str:
    from ddreport.cli.options import chosen_targets

    if all_targets:
        return ",".join(t.name for t in chosen_targets(names, all_targets=True, profile=profile, region=region))
    if names and (profile or region):
        raise InputError("--profile and --region cannot be combined with --target.")
    # A name that ddreport.toml has no more may still be in the archive: the archive decides.
    return ",".join(dict.fromkeys(names)) if names else ad_hoc_name(profile, region)


def read_parameters(pairs: list[str]) -> dict[str, str]:
    """Read NAME=VALUE pairs; the notebook's own types decide later how a value is read."""
    from ddreport.errors import ParameterError

    parameters: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ParameterError(f"parameter {pair!r}; allowed: NAME=VALUE, such as -p title=Fleet.")
        parameters[name] = value
    return parameters
