"""Run a notebook with parameters: checked before, limited in time, kept whatever happens."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ddreport.errors import ReportError, ReportExecutionError
from ddreport.parameters import Parameter, check_parameters, declared_parameters
from ddreport.rendering.failure import execution_error, failed_cell
from ddreport.rendering.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

START_TIMEOUT_SECONDS = 60
RUN_TIMEOUT_SECONDS = 900


class Keep(Protocol):
    """Writes the executed copy of a notebook."""

    def __call__(self, text: str, *, failed: bool) -> Path:
        """Write `text` and return where; `failed` tells whether the run stopped before its end."""


def quicken_nbformat() -> None:
    """Spare every import of nbformat more than a second, where a Jupyter server is installed.

    The package `rfc3987_syntax` compiles a large grammar on import, for a format check (`iri`) that the schema of
    notebooks does not use. jsonschema does without it when it is not there.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None means "not there" to the import system


def notebook_parameters(source: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, by name; empty when it has no parameters cell.

    Raises
    ------
    ReportError
        The file is not there or not a notebook.
    """
    return _parameters_of(_read(source))


def run_notebook(
    source: Path,
    destination: Path,
    parameters: Mapping[str, Any],
    *,
    timeout: float | None = RUN_TIMEOUT_SECONDS,
    start_timeout: float = START_TIMEOUT_SECONDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Execute a notebook in a kernel of its own and write the executed copy.

    The copy holds no times of the run and no paths of this machine, so that the same run gives the same file.

    Parameters
    ----------
    source
        The notebook; it stays as it is.
    destination
        Where the executed copy goes, also when a cell fails.
    parameters
        Values by name; what is not given keeps the notebook's default.
    timeout
        Seconds for all cells together; None for no limit.
    start_timeout
        Seconds that the kernel may take to start.
    on_progress
        Called with (cells done, cells in all).

    Returns
    -------
    NotebookNode
        The executed notebook.

    Raises
    ------
    ParameterError
        A parameter is unknown or has the wrong type; no kernel was started and nothing was written.
    ReportExecutionError
        A cell raised or the time was over. Its `exit_code` is that of the error in the notebook where that error is
        one of `ddreport`'s own.
    ReportError
        The notebook cannot be read, the kernel cannot be started, or the copy cannot be written.
    """

    def keep(text: str, *, failed: bool) -> Path:
        write_whole(Path(destination), text)
        return destination

    return execute_notebook(
        source, parameters, keep=keep, timeout=timeout, start_timeout=start_timeout, on_progress=on_progress
    )


def execute_notebook(
    source: Path,
    parameters: Mapping[str, Any],
    *,
    keep: Keep,
    timeout: float | None = RUN_TIMEOUT_SECONDS,
    start_timeout: float = START_TIMEOUT_SECONDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Do what `run_notebook` does, where the name of the executed copy depends on how the run ended.

    Parameters
    ----------
    keep
        Called once when the run has ended; writes the executed copy.
    source, parameters, timeout, start_timeout, on_progress
        As for `run_notebook`, which also says what is returned and raised.
    """
    _need_current_folder()
    notebook = _read(source)
    check_parameters(parameters, _parameters_of(notebook), notebook=source.name)
    notebook = _prepared(notebook, parameters)
    stopped = _execute(notebook, source.name, timeout, start_timeout, on_progress)
    failure = failed_cell(notebook)
    _forget_the_run(notebook, parameters)
    destination = keep(_text_of(notebook), failed=stopped is not None or failure is not None)
    if stopped is not None:
        raise ReportExecutionError(
            stopped[0], notebook=str(destination), hint=f"the executed notebook is kept at {destination}."
        ) from stopped[1]
    if failure is not None:
        cell, name, text = failure
        raise execution_error(notebook=source.name, cell=cell, name=name, text=text, kept=destination)
    return notebook


def _need_current_folder() -> None:
    try:
        Path.cwd()
    except OSError as exc:
        raise ReportError(
            f"the current folder cannot be used: {exc.strerror or exc}. A kernel starts in it.",
            hint="it was perhaps deleted; change to a folder that exists.",
        ) from exc


def _read(source: Path) -> Any:
    quicken_nbformat()
    import nbformat

    try:
        text = source.read_text(encoding="utf-8")
        content = json.loads(text)
    except FileNotFoundError as exc:
        raise ReportError(f"there is no notebook {source}.") from exc
    except (OSError, ValueError) as exc:
        raise ReportError(f"{source} is not a readable notebook: {exc}.") from exc
    # nbformat would take almost anything for a very old notebook, and stumble over it later.
    if not _is_notebook(content):
        raise ReportError(
            f"{source} is not a readable notebook: no list of cells in format 4.", hint="save it again in JupyterLab."
        )
    return nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types


def _is_notebook(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("nbformat") != 4 or not isinstance(content.get("cells"), list):
        return False
    return all(isinstance(cell, dict) and {"cell_type", "source", "metadata"} <= set(cell) for cell in content["cells"])


def _parameters_of(notebook: Any) -> dict[str, Parameter]:
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            return declared_parameters(cell.source)
    return {}


def _prepared(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """Put the cell with the parameters in, with an id that is the same in every run."""
    import papermill  # noqa: F401 - loads the engine through its entry point, see there
    from papermill.engines import papermill_engines
    from papermill.parameterize import parameterize_notebook

    from ddreport.rendering.engine import FastEngine

    papermill_engines.register("ddreport", FastEngine)
    notebook.metadata.papermill = {}
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    if parameters:
        notebook = parameterize_notebook(notebook, dict(parameters), engine_name="ddreport")
        for cell in notebook.cells:
            if "injected-parameters" in cell.metadata.tags:
                cell.id = "injected-parameters"
    return notebook


def _execute(
    notebook: Any,
    name: str,
    timeout: float | None,
    start_timeout: float,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[str, BaseException] | None:
    """Run the cells; return what stopped the run from outside of a cell, if anything did."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException
    from zmq import ZMQError

    from ddreport.rendering.engine import FastEngine

    try:
        with _quiet_papermill():
            FastEngine.execute_notebook(
                notebook,
                notebook.metadata.get("kernelspec", {}).get("name", "python3"),
                progress_bar=False,
                autosave_cell_every=0,
                start_timeout=start_timeout,
                run_timeout=timeout,
                on_progress=on_progress,
            )
    except CellTimeoutError as exc:
        return f"{name} took longer than the {timeout:g} seconds it was given.", exc
    except DeadKernelError as exc:
        return f"{name}: its kernel died, perhaps for want of memory.", exc
    except NoSuchKernel as exc:
        raise ReportError(
            f"{name} wants the kernel {exc.name!r}, which is not installed.",
            hint="reports run with the kernel python3.",
        ) from exc
    except (RuntimeError, OSError, ZMQError, PapermillException) as exc:
        raise ReportError(f"the kernel for {name} could not be started or was lost: {exc}.") from exc
    return None


@contextlib.contextmanager
def _quiet_papermill() -> Iterator[None]:
    """Keep papermill's error lines out of every log while a notebook runs: what they tell is raised."""
    logger = logging.getLogger("papermill")
    handler = logging.NullHandler()  # without any, Python would print its warnings on stderr

    def no_error(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    logger.addHandler(handler)
    logger.addFilter(no_error)
    try:
        yield
    finally:
        logger.removeFilter(no_error)
        logger.removeHandler(handler)


def _forget_the_run(notebook: Any, parameters: Mapping[str, Any]) -> None:
    notebook.metadata.papermill = {"parameters": dict(parameters)}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)


def _text_of(notebook: Any) -> str:
    import nbformat

    text = nbformat.writes(notebook, version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    return f"{text}\n"
