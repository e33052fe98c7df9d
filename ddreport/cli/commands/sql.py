"""`ddreport sql`: DuckDB SQL over the archive's tables."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import ArchiveDir
from ddreport.cli.output import Output
from ddreport.errors import InputError
from ddreport.presentation.text import terminal

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 50
"""Rows that people are shown unless they ask for more."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def sql(
        ctx: typer.Context,
        query: Annotated[str, typer.Argument(metavar="QUERY", help='Such as "SELECT count(*) FROM findings".')],
        *,
        archive: ArchiveDir = None,
        as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
        limit: Annotated[
            int | None,
            typer.Option("--limit", min=0, help="At most so many rows; 0 means all (default: 50; --json, --csv all)."),
        ] = None,
    ) -> None:
        """Ask the archive in SQL: its tables are views, described in docs/tables.md and by "DESCRIBE findings".

        DuckDB answers. Times are UTC, severities sort by severity. Only reading: nothing can be written or set, and no
        other file be read. CSV texts that a spreadsheet would run as a formula get an apostrophe in front.

        Examples: ddreport sql "SELECT severity, count(*) FROM findings GROUP BY ALL ORDER BY severity" ·
        ddreport sql --csv "FROM checks WHERE check_run_status = 'FAILED'" > failed.csv
        """
        from ddreport.archive import Archive
        from ddreport.settings import Settings

        out: Output = ctx.obj
        if as_csv and out.json:
            raise InputError("--csv and --json exclude each other.")
        most = limit if limit is not None else (0 if out.json or as_csv else SHOWN)
        opened = Archive.open(Settings.from_env(archive=archive).archive_dir)
        found = opened.query(query, limit=most + 1 if most else None)
        found.columns = _distinct(list(found.columns))
        shown = found.iloc[:most] if most else found
        if as_csv:
            _print_csv(shown)
        else:
            rows = json.loads(shown.to_json(orient="records", date_format="iso", date_unit="us"))
            out.table(rows, {name: terminal(name) for name in shown.columns}, empty="No rows.")
        if len(shown) < len(found):
            out.warn(f"there are more rows than these {most:,}; --limit 0 shows all.")


def _distinct(names: list[str]) -> list[str]:
    """Give numbers to names that come twice, as `SELECT count(*), count(*)` gives them."""
    found: list[str] = []
    for name in names:
        new, number = name, 0
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def _print_csv(frame: pd.DataFrame) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in frame.columns])
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([csv_cell(value) for value in row])


def csv_cell(value: Any) -> Any:
    """Return what stands in a cell: no control character, and nothing that a spreadsheet takes for a formula."""
    import pandas as pd

    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    shown = terminal(text)
    return f"'{shown}" if text.lstrip(" ").startswith(_FORMULA) else shown
