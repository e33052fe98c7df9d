"""`ddreport targets`: what ddreport.toml names, and how the pulls of each went."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import ArchiveDir
from ddreport.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

Status = Annotated[bool, typer.Option("--status", help="How the pulls of each target went, from the archive.")]

CONFIGURATION = {
    "name": "Target",
    "kind": "Kind",
    "profile": "Profile",
    "region": "Region",
    "role_arn": "Role",
    "endpoint_url": "Endpoint",
}
STATUS = {
    "target": "Target",
    "account": "Account",
    "region": "Region",
    "status": "Newest pull",
    "last_attempt": "Pulled",
    "last_success": "Last complete",
    "consecutive_failures_count": "Failed since",
    "not_asked": "Days not asked for",
    "lost": "Days lost",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def targets(ctx: typer.Context, *, status: Status = False, archive: ArchiveDir = None) -> None:
        """List the targets: accounts and Regions by name. `demo` is built in and needs no account.

        With --status, how each of them stands in the archive: its newest pull, the last one that had all audits, and
        the days whose audits were never asked for; those older than 90 days are lost, because AWS has forgotten them.
        Nothing is called; an external id is shown only as “set”.
        """
        from ddreport.errors import InputError

        out: Output = ctx.obj
        if archive is not None and not status:
            raise InputError("--archive says where --status looks.", hint="give --status, too.")
        if status:
            _show_status(out, archive)
        else:
            _show_configuration(out)


def _show_configuration(out: Output) -> None:
    from ddreport.connect import configuration_name, read_targets

    rows = []
    for target in read_targets().values():
        row = {f.name: getattr(target, f.name) for f in fields(target)}
        row["external_id"] = "set" if target.external_id else None
        row["kind"] = "emulated" if target.is_demo else "AWS"
        rows.append(row)
    out.table(rows, CONFIGURATION, empty="No targets.")
    out.note(f"Read from {configuration_name()}.")


def _show_status(out: Output, archive: Path | None) -> None:
    from datetime import UTC, datetime

    from ddreport.settings import Settings
    from ddreport.workflows.targets import target_statuses

    settings = Settings.from_env(archive=archive)
    rows = target_statuses(settings, as_of=datetime.now(UTC))
    out.table(rows if out.json else [row | _shown(row) for row in rows], STATUS, empty="No targets.")
    for row in rows:
        for problem in row["problems"]:
            out.warn(f"{row['target']}: {problem}")
        if row.get("lost_days"):
            out.warn(
                f"{row['target']}: audits of {row['lost_days']:.1f} days were never had, and AWS has forgotten them."
            )
    out.note(f"Read from {settings.archive_dir}.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    from datetime import datetime

    def time(name: str) -> str | None:
        return f"{datetime.fromisoformat(row[name]):%Y-%m-%d %H:%M} UTC" if row.get(name) else None

    def days(name: str) -> str | None:
        return None if row.get(name) is None else f"{row[name]:.1f}"

    return {
        "last_attempt": time("last_attempt_time"),
        "last_success": time("last_success_time"),
        "not_asked": days("not_asked_days"),
        "lost": days("lost_days"),
    }
