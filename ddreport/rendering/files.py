"""Writing so that a file is there whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ddreport.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` through a temporary file beside it; a file that was there is replaced.

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
                stream.write(text.encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise ReportError(
            f"{path} could not be written: {exc.strerror or exc}.",
            hint="make room or rights there, or choose another folder.",
        ) from exc
