"""Report: one of the notebooks, executed with parameters and turned into one HTML file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ddreport.errors import MissingExtraError
from ddreport.parameters import parse_value
from ddreport.settings import Settings
from ddreport.targets import DEMO
from ddreport.workflows.demo import demo_archive
from ddreport.workflows.notebooks import shipped_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ddreport.progress import Progress
    from ddreport.rendering import RenderedReport

REPORT = "compliance_report"
TIMEOUT_SECONDS = 900


def make_report(
    parameters: Mapping[str, Any],
    *,
    out_dir: Path,
    notebook: str = REPORT,
    run_time: datetime | None = None,
    texts: Mapping[str, str] | None = None,
    timeout: int = TIMEOUT_SECONDS,
    progress: Progress,
) -> RenderedReport:
    """Execute a shipped notebook with `parameters` and write its HTML and the executed notebook to `out_dir`.

    Parameters
    ----------
    parameters
        By name; what is not given keeps the notebook's default.
    texts
        Further parameters as somebody typed them; each is read by the type that the notebook declares.
    run_time
        Goes into the file names, UTC; default: now.
    timeout
        Seconds that all cells together may take.

    Raises
    ------
    ParameterError
        A parameter is unknown or mistyped; nothing has run.
    ReportExecutionError
        The notebook stopped; its executed copy is kept and no HTML is written.
    MissingExtraError
        The extra `report` is not installed.
    """
    try:
        import nbconvert  # noqa: F401 - only to tell early, and in plain words, that the extra is missing
        import papermill  # noqa: F401 - as above
        import plotly  # noqa: F401 - as above
    except ImportError as exc:
        raise MissingExtraError.for_extra("report", what="a report", missing=str(exc.name)) from exc
    from ddreport.rendering import render_report
    from ddreport.rendering.notebook import notebook_parameters

    source = shipped_notebook(notebook)
    declared = notebook_parameters(source)
    given = dict(parameters)
    for name, text in (texts or {}).items():
        given[name] = parse_value(text, declared[name]) if name in declared else text
    if given.get("target", DEMO) == DEMO and not given.get("archive"):
        # Made here and not in the notebook, so that its progress is shown here and the notebook stays the same.
        demo_archive(settings=Settings.from_env(), progress=progress)
    return render_report(
        source,
        out_dir,
        given,
        name=f"{notebook}-{str(given.get('target', DEMO)).replace(',', '+')}",
        run_time=run_time or datetime.now(UTC),
        timeout=timeout,
        progress=progress,
    )
