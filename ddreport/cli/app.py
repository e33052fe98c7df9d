"""The typer application: global options and the commands, each in a module of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ddreport.cli.commands import (
    actions,
    archive,
    audit,
    compare,
    demo,
    doctor,
    emulator,
    export,
    findings,
    impact,
    inventory,
    mitigate,
    notebooks,
    notify,
    problems,
    pull,
    report,
    setup,
    sql,
    suppress,
    targets,
    trend,
    verify,
    version,
)
from ddreport.cli.output import Output

app = typer.Typer(
    name="ddreport",
    help=(
        "See, prove and repair the security compliance of IoT fleets audited by AWS IoT Device Defender.\n\n"
        "Start with `ddreport demo`: it needs no AWS account. For your own: `ddreport pull --region eu-west-1`, then "
        "`ddreport report`."
    ),
    epilog=(
        "Global options may stand anywhere. Results go to stdout, progress to stderr. Exit codes: 0 fine, 1 failure, "
        "2 wrong use or input, 3 a gate said stop (compliance, or failures and alarms of a mitigation), 4 only part of "
        "it could be had or done, 130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _global_options(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON, for programs.")] = False,  # noqa: FBT002 - an option of the command line
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")] = False,  # noqa: FBT002 - an option of the command line
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also when NO_COLOR is set).")] = False,  # noqa: FBT002 - an option of the command line
    log_level: Annotated[
        str, typer.Option("--log-level", envvar="DDREPORT_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "warning",
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The ddreport.toml to read (DDREPORT_CONFIG).")
    ] = None,
) -> None:
    out: Output = ctx.obj
    out.json, out.quiet = json, quiet
    out.color = not (no_color or os.environ.get("NO_COLOR"))
    _set_log_level(log_level)
    if config is not None:
        os.environ["DDREPORT_CONFIG"] = str(config)


def _set_log_level(name: str) -> None:
    import logging

    levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    if name.lower() not in levels:
        raise typer.BadParameter(f"log level {name!r}; allowed: {', '.join(levels)}.")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("ddreport").setLevel(levels[name.lower()])


COMMANDS = (
    demo,
    pull,
    inventory,
    report,
    problems,
    compare,
    trend,
    findings,
    export,
    notify,
    sql,
    verify,
    impact,
    mitigate,
    actions,
    suppress,
    audit,
    doctor,
    setup,
    archive,
    targets,
    notebooks,
    emulator,
    version,
)

for command in COMMANDS:
    command.register(app)
