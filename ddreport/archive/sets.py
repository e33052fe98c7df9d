"""`set.json`: what one archived set is, and what its files should be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from ddreport.archive.layout import KINDS, PACK_KEY, RAW_FILE, RAW_FOLDER, SET_FILE, set_folder
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveVersionError, WindowError
from ddreport.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from ddreport.archive.packs import Pack
    from ddreport.records import RecordKind

FORMAT = "ddreport-set"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class StoredFile:
    """One file of a set: rows of the table (or AWS's answers, for the raw file), bytes, and sha256 in hex."""

    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredSet:
    """One set in the archive, as its `set.json` tells.

    Attributes
    ----------
    folder
        Where it is: its own folder, or the pack that it was put into.
    kind, account, region, identity, time, emulated
        As in `records.RecordSet`; `time` in UTC.
    pulled_time
        When it was read from AWS, UTC; None when the writer did not say.
    ddreport_version
        Version that wrote it.
    content_sha256
        For a state or an inventory: over its tables without `observed_time`, so that equal states are found; else None.
    files
        Its files by name, `set.json` apart.
    sha256
        Over the bytes of `set.json`, and through the hashes in it over the whole set.
    pack
        The pack that holds it since a compaction; None while it has a folder of its own. Then `files` tells of the
        tables as they were written first, and the pack has files of its own.
    """

    folder: Path
    kind: RecordKind
    account: str
    region: str
    identity: str
    time: datetime
    emulated: bool
    pulled_time: datetime | None
    ddreport_version: str
    content_sha256: str | None
    files: dict[str, StoredFile]
    sha256: str
    pack: Pack | None = field(default=None, repr=False, compare=False)

    @property
    def raw_path(self) -> Path:
        """The file with AWS's answers."""
        if self.pack is None:
            return self.folder / RAW_FILE
        return self.pack.raw_path(self.identity)


def describe_set(
    *,
    kind: RecordKind,
    account: str,
    region: str,
    identity: str,
    time: datetime,
    emulated: bool,
    pulled_time: datetime | None,
    content_sha256: str | None,
    files: dict[str, StoredFile],
) -> bytes:
    """Return the content of `set.json`."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ddreport_version": __version__,
        "kind": kind,
        "account": account,
        "region": region,
        "identity": identity,
        "time": _text(time),
        "emulated": emulated,
        "pulled_time": None if pulled_time is None else _text(pulled_time),
        "content_sha256": content_sha256,
        "files": {n: {"rows": f.rows, "size": f.size, "sha256": f.sha256} for n, f in sorted(files.items())},
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def read_set(folder: Path) -> StoredSet:
    """Read the `set.json` of a folder.

    Raises
    ------
    ArchiveCorruptError
        It is missing or damaged, or lies in another set's folder.
    ArchiveVersionError
        A newer `ddreport` wrote it.
    """
    path = folder / SET_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise damaged(path, "is missing") from None
    except OSError as exc:
        raise unreadable(path, exc) from exc
    return parse_set(data, path, folder)


def parse_set(data: bytes, path: Path, folder: Path, *, placed: bool = True) -> StoredSet:
    """Read a set from the bytes of its `set.json`; `path` is named when they are damaged (errors as `read_set`)."""
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301  # one way out for all that does not fit
        version = int(content["format_version"])
        if version > FORMAT_VERSION:
            raise ArchiveVersionError(
                f"{path} has format {version}, written by ddreport {content.get('ddreport_version', '(unknown)')}; "
                f"this is ddreport {__version__}, which reads formats up to {FORMAT_VERSION}.",
                hint="upgrade ddreport: pip install --upgrade ddreport.",
            )
        found = _parse(content, folder, hashlib.sha256(data).hexdigest())
        if placed:
            _check_place(found)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise damaged(path, f"is damaged ({type(exc).__name__}: {exc})") from exc
    return found


def damaged(path: Path, what: str) -> ArchiveCorruptError:
    """Make the error for a damaged or missing file of a set, with the way out."""
    folder = path.parent.parent if path.parent.name == RAW_FOLDER else path.parent
    return ArchiveCorruptError(
        f"{path} {what}.",
        path=str(path),
        hint=f"move the folder {folder} out of the archive and run `ddreport pull` again while AWS still has it "
        "(90 days); else restore the folder from a backup.",
    )


def check_time(name: str, time: datetime) -> None:
    """Refuse a time without a zone: it would mean another moment on another machine."""
    if time.tzinfo is None:
        raise WindowError(f"{name} {time.isoformat()} has no time zone; give it in UTC, as all times here.")


def unreadable(path: Path, exc: OSError) -> ArchiveError:
    """Make the error for a file that the system does not let us read."""
    return ArchiveError(f"{path} cannot be read: {exc.strerror or exc}.", hint="check its permissions.")


def _parse(content: dict[str, Any], folder: Path, sha256: str) -> StoredSet:
    kind = content["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}")
    pulled = content["pulled_time"]
    return StoredSet(
        folder=folder,
        kind=cast("RecordKind", kind),
        account=str(content["account"]),
        region=str(content["region"]),
        identity=str(content["identity"]),
        time=_time(content["time"]),
        emulated=bool(content["emulated"]),
        pulled_time=None if pulled is None else _time(pulled),
        ddreport_version=str(content["ddreport_version"]),
        content_sha256=content["content_sha256"],
        files={
            name: StoredFile(int(f["rows"]), int(f["size"]), str(f["sha256"])) for name, f in content["files"].items()
        },
        sha256=sha256,
    )


def _check_place(stored: StoredSet) -> None:
    """Refuse a set that was moved or copied to another set's place: it would count twice or be looked for in vain."""
    place = set_folder(
        stored.kind, account=stored.account, region=stored.region, time=stored.time, identity=stored.identity
    )
    found = stored.folder
    if found.name.startswith(f"{PACK_KEY}="):
        found = found.parent / place.name
    if found.parts[-len(place.parts) :] != place.parts:
        raise ValueError(f"belongs to {place}")


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"time {text!r} without a zone")
    return time.astimezone(UTC)
