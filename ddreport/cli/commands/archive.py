"""`ddreport archive …`: upkeep of the archive."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.cli.options import ArchiveDir
from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from ddreport.archive import Archive

commands = typer.Typer(
    name="archive",
    help="Look after the archive: pack months that are over. Nothing of the evidence is lost by that.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    app.add_typer(commands)


@commands.command()
def compact(
    ctx: typer.Context,
    *,
    archive: ArchiveDir = None,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="YYYY-MM", help="Pack months before this one (default: before this month)."),
    ] = None,
    older_than_days: Annotated[
        int | None, typer.Option("--older-than-days", min=0, help="Pack months that ended so many days ago.")
    ] = None,
) -> None:
    """Put the audits of each month that is over into one pack: less than half the size, and faster to read.

    Evidence stays: each audit's set.json word for word, AWS's answers byte for byte; a pack is refused unless every
    audit's rows are the same in it. Reports quote the same fingerprint before and after. Stop it at any moment and run
    it again; readers and pulls may go on meanwhile.
    """
    out: Output = ctx.obj
    if before is not None and older_than_days is not None:
        raise InputError("--before and --older-than-days exclude each other.")
    now = datetime.now(UTC)
    month = before or f"{now - timedelta(days=older_than_days or 0):%Y-%m}"
    with out.progress() as progress:
        done = _opened(archive).compact(before=month, time=now, progress=progress)
    saved = f": {done.bytes_before:,} bytes of tables became {done.bytes_after:,}" if done.sets_count else ""
    text = f"{done.sets_count:,} audits before {month} went into {done.packs_count:,} packs{saved}."
    out.result(asdict(done) | {"before": month}, text=text)


def _opened(archive: Path | None) -> Archive:
    from ddreport.archive import Archive
    from ddreport.settings import Settings

    return Archive.open(Settings.from_env(archive=archive).archive_dir)
