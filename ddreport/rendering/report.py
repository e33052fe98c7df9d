"""From a notebook to a report: executed, converted, both files written under one dated name."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ddreport.rendering.files import write_new, write_whole
from ddreport.rendering.html import notebook_html
from ddreport.rendering.notebook import RUN_TIMEOUT_SECONDS, execute_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from ddreport.progress import Progress

_NAME_BYTES = 100
"""Longest name before the time: with time, number, ending and the temporary file's own, below the usual 255."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class RenderedReport:
    """The two files of a report: the HTML page and the executed notebook it came from."""

    html: Path
    notebook: Path


def report_name(name: str, run_time: datetime) -> str:
    """Return `compliance_report-demo-2026-03-02T0915Z`: no character, and no length, that any file system refuses.

    Of a long name the end is replaced by a short hash of the whole, so that two long names stay apart.
    """
    safe = _NOT_IN_A_NAME.sub("_", name).strip("._") or "report"
    if len(safe) > _NAME_BYTES:
        whole = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        safe = f"{safe[: _NAME_BYTES - len(whole) - 1].rstrip('._+-')}-{whole}"
    return f"{safe}-{run_time.astimezone(UTC):%Y-%m-%dT%H%MZ}"


def _keep_as_new(out_dir: Path, stem: str, text: str) -> Path:
    """Write an executed notebook under the first of `stem`, `stem-2`, `stem-3`, ... that no report has yet."""
    for number in itertools.count(1):
        path = out_dir / (f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb")
        # Whoever writes the notebook first owns the page's name too.
        if not path.with_suffix(".html").exists() and write_new(path, text):
            return path
    raise AssertionError("unreachable")  # pragma: no cover - the numbers do not end


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

    No file is ever replaced: the second report of the same name and minute ends in `-2`, the next in `-3`. The
    executed copy of a run that failed ends in `-failed`.

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
    kept: list[Path] = []

    def keep(text: str, *, failed: bool) -> Path:
        kept.append(_keep_as_new(out_dir, f"{stem}-failed" if failed else stem, text))
        return kept[0]

    def on_progress(done: int, total: int) -> None:
        if progress is None:
            return
        if done == 0:
            progress.stage(f"Running {source.name}", total)
        else:
            progress.advance()

    notebook = execute_notebook(source, parameters, keep=keep, timeout=timeout, on_progress=on_progress)
    executed = kept[0]
    page = executed.with_suffix(".html")
    if progress is not None:
        progress.stage("Writing the report")
    write_whole(page, notebook_html(notebook, name=name))
    return RenderedReport(html=page, notebook=executed)
