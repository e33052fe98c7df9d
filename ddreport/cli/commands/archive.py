"""`ddreport archive …`: upkeep of the archive."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.cli.options import ArchiveDir
from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from ddreport.archive import Archive

commands = typer.Typer(
    name="archive",
    help="Look after the archive: pack months that are over, bring in another archive, remove what is too old.",
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


@commands.command()
def prune(
    ctx: typer.Context,
    *,
    keep_days: Annotated[int, typer.Option("--keep-days", metavar="N", help="Days to keep; at least 90.")],
    archive: ArchiveDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove for good what is older than so many days. Nothing does this unless you ask for it.

    Whole audits, mitigation tasks, states and inventories go, and a manifest lists them: `ddreport verify` knows that
    they were removed on purpose. The last state and inventory before that day stay, since they still hold, and a pack
    stays until its newest audit is old enough.
    """
    out: Output = ctx.obj
    now = datetime.now(UTC)
    opened = _opened(archive)
    would = opened.prune(keep_days=keep_days, time=now, dry_run=True)
    what = ", ".join(f"{count:,} {kind}" for kind, count in would.sets_count.items()) or "nothing"
    told = f"{what} from before {would.before:%Y-%m-%d %H:%M} UTC ({would.bytes_count:,} bytes)"
    if not dry_run and would.sets_count and not yes:
        if out.json or not sys.stdin.isatty():
            raise InputError(f"this would remove {told}.", hint="give --yes to remove it, or --dry-run to only look.")
        if not typer.confirm(f"Remove {told} from {opened.location} for good?", err=True):
            out.note("Nothing was removed.")
            return
    if not dry_run:
        opened.prune(keep_days=keep_days, time=now)
    verb = "would be removed" if dry_run else "removed"
    out.result(asdict(would) | {"removed": not dry_run}, text=f"{verb}: {told}.")


@commands.command()
def merge(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of the archive to bring in; only read.")],
    *,
    archive: ArchiveDir = None,
) -> None:
    """Bring another archive's audits, states and diary of pulls into this one; nothing comes twice.

    SOURCE must verify, and be of the same kind, emulated or real. An audit that both have must be the same in both:
    if not, both places are named and nothing is merged.
    """
    from ddreport.archive import Archive
    from ddreport.settings import Settings

    out: Output = ctx.obj
    opened = Archive.open(Settings.from_env(archive=archive).archive_dir, create=True)
    with out.progress() as progress:
        done = opened.merge(source, time=datetime.now(UTC), progress=progress)
    text = (
        f"{done.sets_count:,} sets and {done.pulls_count:,} records of pulls came in; {done.known_sets_count:,} sets "
        "were here already."
    )
    out.result(asdict(done), text=text)


def _opened(archive: Path | None) -> Archive:
    from ddreport.archive import Archive
    from ddreport.settings import Settings

    return Archive.open(Settings.from_env(archive=archive).archive_dir)
