"""The papermill engine `ddreport`: kernels over ipc, ended at once, under one deadline for the whole notebook.

Papermill itself imports this module through the entry point `papermill.engine` while its own import is still under
way. Whoever wants the class therefore imports `papermill` first; the other order would be a circle.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from papermill.engines import NBClientEngine
from traitlets.config import Config

if TYPE_CHECKING:
    from papermill.engines import NotebookExecutionManager

Progress = Callable[[int, int], None]
"""Called with (cells done, cells in all)."""

_PATH_BYTES = 103
"""Longest path of a Unix socket: Linux takes 107 bytes, macOS 103."""

_BELOW_THE_TEMPORARY_FOLDER = "/ddreport-12345678/k-1"


@contextlib.contextmanager
def private_sockets() -> Iterator[Config]:
    """Yield the configuration of a kernel whose sockets lie in a folder of its own, which is removed afterwards.

    Unix sockets need no ports and spare a warning on stderr. Jupyter's default puts them into the current folder
    under names that every run shares; in a folder that only this user can enter, runs do not meet, and the current
    folder may be read-only.

    Raises
    ------
    OSError
        There is no temporary folder that can be written.
    """
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent + _BELOW_THE_TEMPORARY_FOLDER)) > _PATH_BYTES:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a private folder in it
    folder = Path(tempfile.mkdtemp(prefix="ddreport-", dir=parent))
    try:
        # The connection file holds the kernel's key, and so lies there too.
        yield Config(
            KernelManager={"transport": "ipc", "ip": f"{folder}/k", "connection_file": f"{folder}/connection.json"}
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class OwnPython(AsyncKernelManager):
    """Starts `python3` notebooks with the interpreter that runs us.

    A kernel of that name may be installed for the user and belong to another Python, without `ddreport` in it.
    """

    @property
    def kernel_spec(self) -> KernelSpec | None:
        """How to start the kernel."""
        if self.kernel_name != "python3":
            return super().kernel_spec
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3 (ipykernel)",
            language="python",
        )


class FastEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Papermill's own engine with faster, quieter kernels.

    The kernel is killed when the last cell is done instead of being asked to leave, which in a good tenth of the runs
    takes seconds. Its `atexit` handlers therefore do not run: a notebook closes what it opened.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        run_timeout: float | None = None,
        on_progress: Progress | None = None,
        **options: Any,
    ) -> Any:
        """Run all cells.

        Parameters
        ----------
        nb_man, kernel_name, options
            As papermill hands them to every engine.
        run_timeout
            Seconds for all cells together; None for no limit.
        on_progress
            Called with (cells done, cells in all) before the first and after each cell.
        """
        options.pop("config", None)
        options["kernel_manager_class"] = OwnPython
        options["shutdown_kernel"] = "immediate"
        if run_timeout is not None:
            options["timeout_func"] = _Deadline(run_timeout)
        if on_progress is not None:
            _report_progress(nb_man, on_progress)
        with private_sockets() as config:
            return super().execute_managed_notebook(nb_man, kernel_name, **options, config=config)


class _Deadline:
    """Seconds left for the next cell, counted from the first one."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end: float | None = None

    def __call__(self, _cell: Any) -> float:
        now = time.monotonic()
        if self.end is None:
            self.end = now + self.seconds
        # nbclient reads 0 as "no limit", so the last moment is never quite nothing.
        return max(self.end - now, 0.01)


def _report_progress(nb_man: NotebookExecutionManager, on_progress: Progress) -> None:
    total = len(nb_man.nb.cells)
    complete = nb_man.cell_complete

    def cell_complete(cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        complete(cell, cell_index=cell_index, **kwargs)
        on_progress((cell_index or 0) + 1, total)

    nb_man.cell_complete = cell_complete
    on_progress(0, total)
