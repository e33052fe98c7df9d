"""`ddreport compare`: what became of every problem between two moments or two audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.commands.problems import for_programs, open_lives, say_notes
from ddreport.cli.options import SHOWN, ArchiveDir, CheckNames, Engine, Limit, Profile, Region, TargetNames
from ddreport.cli.output import Output
from ddreport.errors import WindowError

if TYPE_CHECKING:
    import pandas as pd

UNCHANGED = ("STILL_OPEN", "STILL_SUPPRESSED", "STILL_RESOLVED", "STILL_UNKNOWN", "STILL_OUT_OF_SCOPE")
COLUMNS = {
    "change": "Change",
    "severity": "Severity",
    "check": "Check",
    "resource_id": "Resource",
    "reason_code": "Reason",
    "before_state": "Before",
    "after_state": "After",
    "problem_id": "Problem",
    "note": "Note",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def compare(
        ctx: typer.Context,
        before: Annotated[str, typer.Argument(metavar="BEFORE", help="A date (its end), a time, or an audit's id.")],
        after: Annotated[
            str | None, typer.Argument(metavar="AFTER", help="The same, later (default: as late as is known).")
        ] = None,
        *,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        check: CheckNames = None,
        unchanged: Annotated[bool, typer.Option("--unchanged", help="What stayed as it was, too.")] = False,
        engine: Engine = "duckdb",
        limit: Limit = None,
    ) -> None:
        """Compare two moments: what appeared, came back, was resolved, suppressed, or became unknown in between.

        Each check is taken as it stood at either moment, so that an audit of a few checks does not resolve what it did
        not look for. A problem that nobody can tell about any more became unknown; it is not resolved.

        Examples: ddreport compare 2026-03-01 2026-03-31 · ddreport compare AUDIT-ID AUDIT-ID --json
        """
        from ddreport.metrics import difference

        out: Output = ctx.obj
        lives = open_lives(out, target, profile, region, archive, check, engine)
        first, second = lives.moment(before), lives.moment(after)
        if first >= second:
            raise WindowError(
                f"{before!r} ({first:%Y-%m-%d %H:%M} UTC) is not before {after or 'now'!r} "
                f"({second:%Y-%m-%d %H:%M} UTC).",
                hint="give the earlier one first.",
            )
        table = difference(lives.history.problems(first), lives.history.problems(second))
        if not unchanged:
            table = table[~table["change"].isin(UNCHANGED)]
        most = limit if limit is not None else (0 if out.json else SHOWN)
        shown = table.iloc[:most] if most else table
        rows = for_programs(shown, emulated=lives.emulated) if out.json else _rows(shown)
        title = f"{first:%Y-%m-%d %H:%M} to {second:%Y-%m-%d %H:%M} UTC{_emulated(lives.emulated)}"
        out.table(rows, COLUMNS, empty=f"Nothing changed from {title}.", title=f"{title}: {_sums(table)}")
        say_notes(out, lives)
        if len(shown) < len(table):
            out.warn(f"{len(table) - len(shown)} more changes are not shown; --limit 0 shows all {len(table)}.")


def _emulated(emulated: bool) -> str:  # noqa: FBT001 - a fact, not an option
    return ", emulated account, not AWS" if emulated else ""


def _sums(table: pd.DataFrame) -> str:
    """Say how many problems changed in which way."""
    counts = table["change"].value_counts()
    return (
        ", ".join(f"{count} {str(change).lower().replace('_', ' ')}" for change, count in counts.items()) or "no change"
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    from ddreport.catalogue import describe_check

    return [
        {
            **{name: row[name] if isinstance(row[name], str) else "" for name in COLUMNS if name in row},
            "check": describe_check(row["check_name"]).title,
            "problem_id": row["problem_id"][:12],
            "note": row["state_note"] if isinstance(row["state_note"], str) else "",
        }
        for row in table.to_dict("records")
    ]
