"""From a stopped notebook to an error that says what its reader needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ddreport import errors
from ddreport.errors import DDReportError, ReportExecutionError

if TYPE_CHECKING:
    from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_HINT = " Hint: "


class WrongInputExecutionError(ReportExecutionError):
    """A notebook stopped because of what the user gave."""

    exit_code = 2


class PartialDataExecutionError(ReportExecutionError):
    """A notebook stopped because only part of the data could be had."""

    exit_code = 4


_BY_EXIT_CODE: dict[int, type[ReportExecutionError]] = {
    WrongInputExecutionError.exit_code: WrongInputExecutionError,
    PartialDataExecutionError.exit_code: PartialDataExecutionError,
}


def execution_error(*, notebook: str, cell: int, name: str, text: str, kept: Path | None) -> ReportExecutionError:
    """Make the error for a cell that raised.

    An error of `ddreport` itself (`NoDataError`, `WindowError`, ...) keeps its message, its hint and its exit code:
    the kernel hands over only its name and its text, so the class is looked up by the name. Any other error is named
    together with the cell.

    Parameters
    ----------
    notebook
        File name of the notebook.
    cell
        Number of the cell among the code cells, from 1, as notebooks show it in `In [n]`.
    name, text
        The exception's class and text as the kernel sent them.
    kept
        Where the executed copy is; None when it could not be kept.
    """
    message = _ANSI.sub("", text).strip()
    where = f"the executed notebook is kept at {kept}." if kept else None
    own = getattr(errors, name, None)
    if isinstance(own, type) and issubclass(own, DDReportError):
        said, _, hint = message.partition(_HINT)
        kind = _BY_EXIT_CODE.get(own.exit_code, ReportExecutionError)
        return kind(said, notebook=str(kept or ""), hint=hint or where)
    return ReportExecutionError(
        f"{notebook} stopped in cell {cell}: {name}: {message}.".replace("..", "."),
        notebook=str(kept or ""),
        hint=where,
    )


def failed_cell(notebook: Any) -> tuple[int, str, str] | None:
    """Return (code cell number, error name, error text) of the cell that stopped a run, or None when none did."""
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        if cell.metadata.get("papermill", {}).get("exception") is not True:
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return number, output.ename, output.evalue
        return number, "CellExecutionError", "the cell failed without saying why"
    return None
