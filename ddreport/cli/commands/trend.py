"""`ddreport trend`: compliance, coverage and problems, period by period."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.commands.problems import for_programs, open_lives, say_notes, when
from ddreport.cli.options import ArchiveDir, CheckNames, End, Engine, Profile, Region, Start, TargetNames
from ddreport.cli.output import Output

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = {
    "until": "Until (UTC)",
    "compliance": "Compliant checks",
    "strict": "unsuppressed",
    "unknown_checks": "unknown",
    "off_checks": "off",
    "score": "Posture",
    "open": "Open",
    "critical": "critical",
    "suppressed": "Suppressed",
    "unknown": "Unknown",
    "new": "New",
    "reopened": "Reopened",
    "resolved": "Resolved",
}
PERIODS_SHOWN = 13


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def trend(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        start: Start = None,
        end: End = None,
        by: Annotated[
            str, typer.Option("--by", metavar="PERIOD", help="day, week (from Monday) or month, UTC.")
        ] = "week",
        check: CheckNames = None,
        engine: Engine = "duckdb",
    ) -> None:
        """Show compliance, coverage, posture and problems at the end of each period (default: the last 13).

        Every check of every account counts with its own latest verdict. What nobody knows is unknown, never compliant:
        failed, cancelled and overdue checks are listed beside the rate, and a period without audits shows no progress.
        docs/measures.md has the formulas. AWS is not called.

        Examples: ddreport trend · ddreport trend --by month --start 2025-01-01 · ddreport trend --json
        """
        from ddreport.window import parse_start
        from ddreport.workflows.trend import trend as run

        out: Output = ctx.obj
        lives = open_lives(out, target, profile, region, archive, check, engine)
        last = lives.moment(end) + timedelta(microseconds=1)
        days = {"day": 1, "week": 7, "month": 31}.get(by, 7)
        first = parse_start(start) if start else last - timedelta(days=days * (PERIODS_SHOWN - 1))
        first = max(first, lives.history.runs["task_start_time"].min().to_pydatetime()) if not start else first
        table = run(lives.history, start=first, end=last, period=by)  # type: ignore[arg-type]  # checked there
        rows = for_programs(table, emulated=lives.emulated) if out.json else _rows(table)
        title = "Emulated account, not AWS" if lives.emulated else None
        out.table(rows, COLUMNS, empty="No periods.", title=title)
        say_notes(out, lives)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    # None is what every kind of missing value becomes, and what is not worth a figure prints as nothing.
    plain = table.astype(object).where(table.notna(), None)
    return [
        {
            "until": when(row["as_of_time"]),
            "compliance": _checks(row),
            "strict": _number(row["strict_compliance_rate"], "{:.0%}"),
            "unknown_checks": row["unknown_checks_count"] or "",
            "off_checks": row["off_checks_count"] or "",
            "score": _number(row["posture_score"], "{:.0f}"),
            "open": "" if row["open_count"] is None else row["open_count"],
            "critical": row["critical_open_count"] or "",
            "suppressed": row["suppressed_count"] or "",
            "unknown": (row["unknown_count"] or 0) + (row["out_of_scope_count"] or 0) or "",
            "new": row["new_count"] or "",
            "reopened": row["reopened_count"] or "",
            "resolved": row["resolved_count"] or "",
        }
        for row in plain.to_dict("records")
    ]


def _checks(row: dict[Any, Any]) -> str:
    """Say how many checks comply of those with a verdict."""
    if not row["known_checks_count"]:
        return "nothing known"
    return f"{row['compliant_checks_count']} of {row['finished_checks_count']}" + _number(
        row["compliance_rate"], ", {:.0%}"
    )


def _number(value: float | None, form: str) -> str:
    """Return a number in this form; nothing where there is none."""
    return "" if value is None else form.format(value)
