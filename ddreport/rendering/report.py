"""From a notebook to a report: executed, converted, both files written under one dated name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ddreport.rendering.files import write_whole
from ddreport.rendering.html import notebook_html
from ddreport.rendering.notebook import RUN_TIMEOUT_SECONDS, run_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from ddreport.progress import Progress

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class RenderedReport:
    """The two files of a report: the HTML page and the executed notebook it came from."""

    html: Path
    notebook: Path


def report_name(name: str, run_time: datetime) -> str:
    """Return `compliance_report-demo-2026-03-02T0915Z`: no character that any file system refuses."""
    return f"{_NOT_IN_A_NAME.sub('_', name).strip('._') or 'report'}-{run_time.astimezone(UTC):%Y-%m-%dT%H%MZ}"


def render_report(
    source: Path,
    out_dir: Path,
    parameters: Mapping[str, Any],
    *,
    name: str,
    run_time: datetime,
    timeout: float | None = RUN_TIMEOUT_SECONDS,
    progress: Progress | None = None,
) -> RenderedReport:
    """Execute a notebook and write its HTML page and, beside it, the executed notebook as evidence.

    Parameters
    ----------
    source
        The notebook.
    out_dir
        Folder for both files; made when missing.
    parameters
        Values by name; what is not given keeps the notebook's default.
    name
        Begin of the file names.
    run_time
        Aware moment in the file names, written in UTC; it goes into no content.
    timeout
        Seconds for all cells together; None for no limit.
    progress
        Told about each cell.

    Raises
    ------
    ParameterError
        A parameter is unknown or has the wrong type; nothing was started or written.
    ReportExecutionError
        The notebook stopped; the executed copy is kept and there is no HTML.
    ReportError
        The notebook cannot be read or run, or a file cannot be written.
    """
    stem = report_name(name, run_time)
    executed = out_dir / f"{stem}.ipynb"
    page = out_dir / f"{stem}.html"

    def on_progress(done: int, total: int) -> None:
        if progress is None:
            return
        if done == 0:
            progress.stage(f"Running {source.name}", total)
        else:
            progress.advance()

    notebook = run_notebook(source, executed, parameters, timeout=timeout, on_progress=on_progress)
    if progress is not None:
        progress.stage("Writing the report")
    write_whole(page, notebook_html(notebook, name=name))
    return RenderedReport(html=page, notebook=executed)
