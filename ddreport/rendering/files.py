"""Writing so that a file is there whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ddreport.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, text: str) -> bool:
    """Write `text` as `write_whole` does, but only where no file is yet, whoever else writes there at the same time.

    Returns
    -------
    bool
        False when there is something of that name already; it is untouched.

    Raises
    ------
    ReportError
        The folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only one of several writers makes the file; no file system has a "rename unless it exists" that all share.
        path.open("xb").close()
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise _unwritable(path, "its folder is a file") from None
    except OSError as exc:
        raise _unwritable(path, exc.strerror or str(exc)) from exc
    try:
        write_whole(path, text)
    except BaseException:
        # Not written, interrupted included: an empty file is no report.
        path.unlink(missing_ok=True)
        raise
    return True


def _unwritable(path: Path, why: str) -> ReportError:
    return ReportError(
        f"{path} could not be written: {why}.", hint="make room or rights there, or choose another folder."
    )


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text as UTF-8, or bytes, to `path` through a temporary file beside it; a file that was there is replaced.

    Raises
    ------
    ReportError
        The folder or the file cannot be written. Nothing half-written is left, and an older file is untouched.
    """
    # One name per process: two runs at once do not write into each other's file, and the last one wins as a whole.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise _unwritable(path, exc.strerror or str(exc)) from exc
