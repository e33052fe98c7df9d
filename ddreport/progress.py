"""Progress of long work: what the workflows report, and who shows it (a terminal, a notebook, a log, nobody)."""

from __future__ import annotations

import copy
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
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

    def branch(self) -> RichProgress:
        """Return a further bar below, for work that goes on at the same time; its owner calls `end`."""
        branch = copy.copy(self)
        branch._task = None
        return branch

    def end(self) -> None:
        """Take this bar away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, text: str, total: int | None = None) -> None:
        """Show a new bar in place of the one before; nothing is shown, not even for a moment, before the first."""
        self._bar.start()
        self.end()
        self._task = self._bar.add_task(text, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.advance(self._task, steps)


class SideBySide:
    """The progress of several pieces of work at once: one bar each where there are bars, else a line per stage.

    Parameters
    ----------
    progress
        Who shows it.
    text, total
        The work as a whole and its number of pieces: a bar of its own, where there are bars.
    """

    def __init__(self, progress: Progress, text: str, total: int) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        progress.stage(text, total)

    @contextmanager
    def branch(self) -> Iterator[Progress]:
        """Yield where one piece of the work reports; call it in the thread that does the work."""
        if not isinstance(self._progress, RichProgress):
            yield _Stages(self._progress, self._lock)
            return
        with self._lock:
            own = self._progress.branch()
        try:
            yield own
        finally:
            own.end()
            self._progress.advance()


class _Stages:
    """Passes on the stages of one of several pieces of work; a bar for all cannot show the steps of each."""

    def __init__(self, progress: Progress, lock: threading.Lock) -> None:
        self._progress = progress
        self._lock = lock

    def stage(self, text: str, total: int | None = None) -> None:
        with self._lock:
            self._progress.stage(text, total)

    def advance(self, steps: int = 1) -> None:
        pass


def terminal_progress(*, quiet: bool = False, color: bool = True) -> NoProgress | RichProgress:
    """Return a bar when stderr is a terminal, lines when it is a log, nothing when `quiet`."""
    if quiet:
        return NoProgress()
    return RichProgress(color=color) if sys.stderr.isatty() else LineProgress()


def is_watched_notebook() -> bool:
    """Tell whether somebody can see and click in the notebook that is running.

    JupyterLab, VS Code and their like tell the kernel that it may ask questions; papermill, nbconvert and test runners
    tell it not to. Voila, whose pages have people in front of them, names itself in the kernel's environment.
    """
    if os.environ.get("VOILA_REQUEST_URL"):
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return bool(getattr(getattr(shell, "kernel", None), "_allow_stdin", False))


def notebook_progress() -> NoProgress | RichProgress:
    """Return a bar inside a notebook that somebody looks at; in a report it would stay, and differ from run to run."""
    return RichProgress(notebook=True) if is_watched_notebook() else NoProgress()
