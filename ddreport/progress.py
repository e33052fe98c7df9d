"""Progress of long work: what the workflows report, and who shows it (a terminal, a notebook, a log, nobody)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO


class Progress(Protocol):
    """What a workflow tells about its progress."""

    def stage(self, text: str, total: int | None = None) -> None:
        """Begin a new stage of `total` steps (None: not known)."""

    def advance(self, steps: int = 1) -> None:
        """Tell that `steps` more of the present stage are done."""


class NoProgress:
    """Shows nothing."""

    def stage(self, text: str, total: int | None = None) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class LineProgress(NoProgress):
    """Writes one line per stage: for logs, where a moving bar would only be noise."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def stage(self, text: str, total: int | None = None) -> None:
        """Write the stage's name and size."""
        size = "" if total is None else f" ({total:,})"
        self._stream.write(f"{text}{size}\n")
        self._stream.flush()


class RichProgress:
    """A bar that moves, in a terminal (on stderr) or in a notebook; it disappears when the work is done."""

    def __init__(self, *, notebook: bool = False, color: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console() if notebook else Console(stderr=True, no_color=not color)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, text: str, total: int | None = None) -> None:
        """Show a new bar in place of the one before; nothing is shown, not even for a moment, before the first."""
        self._bar.start()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.advance(self._task, steps)


def terminal_progress(*, quiet: bool = False, color: bool = True) -> NoProgress | RichProgress:
    """Return a bar when stderr is a terminal, lines when it is a log, nothing when `quiet`."""
    if quiet:
        return NoProgress()
    return RichProgress(color=color) if sys.stderr.isatty() else LineProgress()


def notebook_progress() -> NoProgress | RichProgress:
    """Return a bar inside a notebook that somebody looks at, nothing elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return RichProgress(notebook=True) if shell is not None and hasattr(shell, "kernel") else NoProgress()
