"""What the command line prints: results on stdout (a table for people or JSON for programs), the rest on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ddreport.errors import SuppressionFileError
from ddreport.presentation.text import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddreport.errors import DDReportError
    from ddreport.progress import NoProgress, RichProgress


class Output:
    """Where one run of the command line writes, and how; set up by the global options.

    Attributes
    ----------
    exit_code
        What the run ends with when nothing is raised; a command sets 4 for partial data, for example.
    """

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.color = True
        self.exit_code = 0

    def result(self, data: Any, *, text: str | None = None) -> None:
        """Print a result: as JSON with `--json`, else `text` (or nothing)."""
        if self.json:
            # A terminal would obey control and bidirectional characters; to a program both forms are the same.
            json.dump(data, sys.stdout, indent=2, ensure_ascii=sys.stdout.isatty(), default=str)
            sys.stdout.write("\n")
        elif text is not None:
            sys.stdout.write(text + "\n")

    def line(self, text: str) -> None:
        """Print one line of a result for people."""
        sys.stdout.write(terminal(text) + "\n")

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str, title: str | None = None
    ) -> None:
        """Print rows: as a JSON list with `--json`, else as a table whose `columns` map names to headings."""
        if self.json:
            self.result(list(rows))
            return
        if not rows:
            self.note(empty)
            return
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for heading in columns.values():
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(terminal(row.get(name))) for name in columns))
        console = Console(no_color=not self.color, highlight=False)
        if not console.is_terminal:
            # A log or a pipe has no width: a table cut at 80 columns would hide what it should show.
            console = Console(no_color=True, highlight=False, width=240)
        console.print(table)

    def note(self, text: str) -> None:
        """Tell people something on stderr, unless `--quiet`."""
        if not self.quiet:
            sys.stderr.write(terminal(text) + "\n")

    def warn(self, text: str) -> None:
        """Tell people on stderr what must not be overlooked, even with `--quiet`."""
        sys.stderr.write(f"warning: {terminal(text)}\n")

    def error(self, exc: DDReportError) -> None:
        """Print an error on stderr: what happened and the next step; as JSON with `--json`."""
        if self.json:
            data = {"error": type(exc).__name__, "message": exc.message, "hint": exc.hint, "exit_code": exc.exit_code}
            sys.stderr.write(json.dumps(data, ensure_ascii=False) + "\n")
            return
        # Only a list of faults has lines of its own; elsewhere a line break came with somebody's text.
        lines = exc.message.split("\n") if isinstance(exc, SuppressionFileError) else [exc.message]
        sys.stderr.write("error: " + "\n".join(terminal(line) for line in lines) + "\n")
        if exc.hint:
            sys.stderr.write(f"  Hint: {terminal(exc.hint)}\n")

    def progress(self) -> NoProgress | RichProgress:
        """Return where long work reports its progress."""
        from ddreport.progress import terminal_progress

        return terminal_progress(quiet=self.quiet, color=self.color)


def at_a_terminal() -> bool:
    """Whether somebody is there to be asked; a job that runs by itself changes nothing without an approval."""
    return sys.stdin.isatty() and sys.stderr.isatty()
