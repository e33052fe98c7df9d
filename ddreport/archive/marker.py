"""`ddreport-archive.json`: makes a folder an archive, says in which format, and for which kind of account."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import LOCK_FILE, MARKER, TEMPORARY
from ddreport.archive.staging import publish_file, staging_folder, told_as_write_error, write_file, writer_lock
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveVersionError, NoDataError
from ddreport.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "ddreport-archive"
FORMAT_VERSION = 2


@dataclass(frozen=True)
class Marker:
    """What the marker says. `emulated` is None until the first set decides."""

    format_version: int
    ddreport_version: str
    emulated: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {
            "format": FORMAT,
            "format_version": self.format_version,
            "ddreport_version": self.ddreport_version,
            "emulated": self.emulated,
        }


def read_marker(root: Path) -> Marker:
    """Read the marker of the archive in `root`.

    Raises
    ------
    NoDataError
        The folder does not exist or is empty.
    ArchiveError
        It is no folder, holds something else, or cannot be read.
    ArchiveVersionError
        A newer `ddreport` made it.
    ArchiveCorruptError
        The marker is damaged.
    """
    path = root / MARKER
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _no_marker(root) from None
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    return parse_marker(data, path)


def create_archive(root: Path) -> None:
    """Make `root` an archive, with its parent folders, unless it is one already.

    Raises
    ------
    ArchiveError
        The folder holds something else.
    ArchiveWriteError
        It cannot be written.
    """
    # Looking may be refused too: a name that is too long, a folder above that may not be entered.
    with told_as_write_error(root, "a new archive"):
        if (root / MARKER).exists():
            return
        if root.exists() and not root.is_dir():
            raise _no_marker(root)
        root.mkdir(parents=True, exist_ok=True)
        # Another process may have made the archive, and put things in, since the marker was looked for.
        if _others(root) and not (root / MARKER).exists():
            raise _no_marker(root)
        with writer_lock(root):
            if not (root / MARKER).exists():
                write_marker(root, Marker(FORMAT_VERSION, __version__, None))


def settle_emulated(root: Path, *, emulated: bool) -> None:
    """Make sure that the archive holds this kind of account; the first set decides.

    Raises
    ------
    ArchiveError
        It holds the other kind.
    """
    marker = read_marker(root)
    if marker.emulated is None:
        with told_as_write_error(root, "the marker"), writer_lock(root):
            marker = read_marker(root)
            if marker.emulated is None:
                marker = Marker(marker.format_version, marker.ddreport_version, emulated)
                write_marker(root, marker)
    if marker.emulated != emulated:
        words = {True: "the emulator", False: "real accounts"}
        raise ArchiveError(
            f"the archive {root} is one of {words[not emulated]}, and this set comes from {words[emulated]}; "
            "one archive holds one kind only, so that no report mixes them.",
            hint="use another folder with --archive.",
        )


def encode_marker(marker: Marker) -> bytes:
    """Return the bytes of the file."""
    return json.dumps(marker.as_dict(), indent=2).encode() + b"\n"


def write_marker(root: Path, marker: Marker) -> None:
    """Write the marker in place of what is there; the caller holds the writer lock (`OSError`)."""
    with staging_folder(root) as folder:
        write_file(folder / MARKER, encode_marker(marker))
        publish_file(folder / MARKER, root / MARKER)


def parse_marker(data: bytes, path: Path) -> Marker:
    """Read the marker from its bytes (errors as `read_marker`)."""
    try:
        content: dict[str, Any] = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301  # one way out for all that does not fit
        version = content["format_version"]
        if type(version) is not int or version < 1:
            raise ValueError(version)  # noqa: TRY301  # as above
        if version > FORMAT_VERSION:
            raise ArchiveVersionError(
                f"{path.parent} has archive format {version}, made by ddreport "
                f"{content.get('ddreport_version', '(unknown)')}; this is ddreport {__version__}, which reads formats "
                f"up to {FORMAT_VERSION}.",
                hint="upgrade ddreport: pip install --upgrade ddreport.",
            )
        emulated = content["emulated"]
        if emulated is not None and type(emulated) is not bool:
            raise ValueError(emulated)  # noqa: TRY301  # as above
        return Marker(version, str(content["ddreport_version"]), emulated)
    except (ValueError, KeyError, TypeError) as exc:
        raise ArchiveCorruptError(
            f"{path} is damaged ({type(exc).__name__}: {exc}); the sets beside it may be well.",
            path=str(path),
            hint=f"restore {MARKER} from a backup, or from another archive of the same kind (real or emulated).",
        ) from exc


def _others(root: Path) -> list[str]:
    """Names in `root` that are not the archive's own temporary ones."""
    return [n for n in os.listdir(root) if n != LOCK_FILE and not n.startswith(TEMPORARY)]


def _unreadable(path: Path, exc: OSError) -> ArchiveError:
    hint = "check its permissions, or name another folder with --archive."
    if exc.errno == errno.ENAMETOOLONG:
        hint = "name another folder with --archive."
    return ArchiveError(f"{path} cannot be read: {exc.strerror or exc}.", hint=hint)


def _no_marker(root: Path) -> NoDataError | ArchiveError:
    try:
        return _no_archive(root)
    except OSError as exc:
        return _unreadable(root, exc)


def _no_archive(root: Path) -> NoDataError | ArchiveError:
    if root.is_dir() and _others(root):
        return ArchiveError(
            f"{root} is not an archive: it holds other files and no {MARKER}.",
            hint="name the archive's folder with --archive; a new one begins in an empty or missing folder.",
        )
    if root.exists() and not root.is_dir():
        return ArchiveError(f"{root} is a file; an archive is a folder.", hint="name a folder with --archive.")
    state = "is empty" if root.exists() else "does not exist"
    return NoDataError(
        f"there is no archive yet: {root} {state}.",
        hint="fill it from an account with `ddreport pull`, or see an emulated one with `ddreport demo`.",
    )
