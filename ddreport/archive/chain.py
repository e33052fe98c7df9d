"""The chain of manifests: one JSON file per pull or upkeep, each holding the hash of the one before.

    manifests/00000001.json   manifests/00000002.json   …

A manifest says what was asked, what happened, which sets are new and the sha256 of each one's `set.json` (which holds
the hashes of its tables and of AWS's answers). So the sha256 of the newest manifest, the archive's *head*, stands for
the whole archive as it was then. The number alone is the name: two writers can never both have it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from ddreport.archive.layout import KINDS
from ddreport.archive.marker import FORMAT_VERSION as ARCHIVE_FORMAT
from ddreport.archive.marker import read_marker
from ddreport.archive.staging import publish_new_file, staging_folder, write_file
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveVersionError
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ddreport.archive.finding import Finder
    from ddreport.archive.layout import Filter
    from ddreport.archive.marker import Marker
    from ddreport.archive.sets import StoredSet

MANIFESTS = "manifests"
FORMAT = "ddreport-manifest"
FORMAT_VERSION = 1

ManifestKind = Literal["pull", "migration", "compaction", "retention", "merge", "campaign"]
Key = tuple[str, str, str, str]
"""Kind, account, Region and identity: what names one set."""

_NAME = re.compile(r"\d{8}\.json")


@dataclass(frozen=True)
class SetEntry:
    """One set as a manifest names it; `folder` is relative to the archive, `set_sha256` is over its `set.json`."""

    kind: str
    account: str
    region: str
    identity: str
    folder: str
    set_sha256: str

    @property
    def key(self) -> Key:
        """What names the set."""
        return self.kind, self.account, self.region, self.identity


@dataclass(frozen=True)
class PackEntry:
    """One pack that a compaction made; `pack_sha256` is over its `pack.json`."""

    folder: str
    pack_sha256: str
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """One link of the chain.

    Attributes
    ----------
    number
        From 1, without gaps.
    previous_sha256
        Over the bytes of the manifest before; None for the first.
    kind
        `pull`, `migration` (of an older format), `compaction`, `retention`, `merge` or `campaign` (a mitigation).
    time
        When it happened, UTC, as the caller told.
    versions
        Of ddreport, Python, boto3 and the archive's format.
    marker
        What `ddreport-archive.json` said then.
    facts
        What was asked and how it went.
    added, removed
        Sets that stand in no manifest before; sets that were taken out on purpose.
    packed, unpacked
        Packs put in the place of sets; packs taken out on purpose.
    sha256
        Over the bytes of the file.
    """

    number: int
    previous_sha256: str | None
    kind: ManifestKind
    time: datetime
    versions: Mapping[str, Any]
    marker: Mapping[str, Any]
    facts: Mapping[str, Any]
    added: tuple[SetEntry, ...]
    removed: tuple[SetEntry, ...]
    packed: tuple[PackEntry, ...]
    unpacked: tuple[PackEntry, ...]
    sha256: str


@dataclass
class Listing:
    """What the manifests say is in the archive: the chain read from its beginning to its end."""

    sets: dict[Key, SetEntry] = field(default_factory=dict)
    packs: dict[str, PackEntry] = field(default_factory=dict)
    removed: dict[Key, SetEntry] = field(default_factory=dict)
    unpacked: dict[str, PackEntry] = field(default_factory=dict)

    def follow(self, manifest: Manifest) -> None:
        """Apply one manifest."""
        for entry in manifest.added:
            self.sets[entry.key] = entry
            self.removed.pop(entry.key, None)
        for entry in manifest.removed:
            self.sets.pop(entry.key, None)
            self.removed[entry.key] = entry
        for pack in manifest.packed:
            self.packs[pack.folder] = pack
            self.unpacked.pop(pack.folder, None)
        for pack in manifest.unpacked:
            self.packs.pop(pack.folder, None)
            self.unpacked[pack.folder] = pack

    def lists(self, stored: StoredSet) -> bool:
        """Whether the set stands in a manifest: as being there, or as removed though its folder is not gone yet."""
        key = stored.kind, stored.account, stored.region, stored.identity
        return key in self.sets or self.removes(stored)

    def removes(self, stored: StoredSet) -> bool:
        """Whether the set was removed on purpose, though it is still there: the removal was stopped half-way."""
        gone = self.removed.get((stored.kind, stored.account, stored.region, stored.identity))
        return gone is not None and gone.set_sha256 == stored.sha256


class Chain:
    """The manifests of the archive in `root`; read once, then only what is new. Safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._manifests: list[Manifest] = []
        self._listing = Listing()

    def manifests(self) -> list[Manifest]:
        """Return all manifests, in order.

        Raises
        ------
        ArchiveCorruptError
            One is damaged or missing.
        ArchiveVersionError, ArchiveError
            A newer version wrote one; it cannot be read.
        """
        with self._lock:
            numbers = manifest_numbers(self._root)
            for number in range(len(self._manifests) + 1, max(numbers, default=0) + 1):
                manifest = read_manifest(manifest_path(self._root, number))
                self._listing.follow(manifest)
                self._manifests.append(manifest)
            return list(self._manifests)

    def listing(self) -> Listing:
        """Return what the manifests say is in the archive (errors as `manifests`)."""
        with self._lock:
            self.manifests()
            return self._listing

    def append(
        self,
        kind: ManifestKind,
        time: datetime,
        facts: Mapping[str, Any],
        *,
        marker: Marker | None = None,
        added: Iterable[SetEntry] = (),
        removed: Iterable[SetEntry] = (),
        packed: Iterable[PackEntry] = (),
        unpacked: Iterable[PackEntry] = (),
    ) -> Manifest:
        """Add a manifest, durably and whole or not at all. The caller holds the writer lock.

        `marker` is what the marker will say when it is about to be written anew; None means: what it says now.

        Raises
        ------
        OSError
            It cannot be written.
        ArchiveCorruptError, ArchiveError
            As `manifests`.
        """
        marker = marker or read_marker(self._root)
        entries: dict[str, Iterable[SetEntry] | Iterable[PackEntry]] = {
            "added": added,
            "removed": removed,
            "packed": packed,
            "unpacked": unpacked,
        }
        content = {
            "kind": kind,
            "time": time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "versions": versions(),
            "marker": marker.as_dict(),
            "facts": dict(facts),
        } | {name: [asdict(e) for e in given] for name, given in entries.items()}
        folder = self._root / MANIFESTS
        folder.mkdir(exist_ok=True)
        while True:
            # Where locks are unknown another writer may come in between: the name decides who was first.
            before = self.manifests()
            head = {"number": len(before) + 1, "previous_sha256": before[-1].sha256 if before else None}
            path = manifest_path(self._root, len(before) + 1)
            with staging_folder(self._root) as staging:
                write_file(staging / path.name, encode_manifest(head | content))
                if publish_new_file(staging / path.name, path):
                    return self.manifests()[len(before)]


def unlisted(root: Path, listing: Listing, finder: Finder, only: Filter | None = None) -> list[SetEntry]:
    """Return the sets that are there and stand in no manifest; a pack that stands in none waits for its own."""
    found = []
    for kind in KINDS:
        for place in finder.places(kind, only):
            if place.is_packed and place.folder.relative_to(root).as_posix() not in listing.packs:
                continue
            if (kind, place.account, place.region, place.identity) not in listing.sets:
                stored = finder.read(place)
                if not listing.lists(stored):
                    found.append(entry_of(root, stored))
    return found


def entry_of(root: Path, stored: StoredSet) -> SetEntry:
    """Return how a manifest names the set."""
    folder = stored.folder.relative_to(root).as_posix()
    return SetEntry(stored.kind, stored.account, stored.region, stored.identity, folder, stored.sha256)


def manifest_path(root: Path, number: int) -> Path:
    """Return where the manifest of that number lies."""
    return root / MANIFESTS / f"{number:08d}.json"


def manifest_numbers(root: Path) -> list[int]:
    """List the numbers of the manifests that are there, ascending (`ArchiveError`)."""
    folder = root / MANIFESTS
    try:
        return sorted(int(n[:8]) for n in os.listdir(folder) if _NAME.fullmatch(n))
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ArchiveError(
            f"{folder} cannot be listed: {exc.strerror or exc}.", hint="check the permissions of the archive's folder."
        ) from exc


def encode_manifest(content: Mapping[str, Any]) -> bytes:
    """Return the file's bytes: always the same for the same content, ending with a hash of itself.

    That hash shows a changed byte also in the newest manifest, which no other one vouches for. It is no signature:
    who edits a manifest on purpose can make it again, which only the next manifest's `previous_sha256` tells.
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **content}
    content["content_sha256"] = hashlib.sha256(_canonical(content)).hexdigest()
    return _canonical(content)


def read_manifest(path: Path) -> Manifest:
    """Read one manifest.

    Raises
    ------
    ArchiveCorruptError
        It is missing, or not as it was written.
    ArchiveVersionError, ArchiveError
        A newer version wrote it; it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, "is missing") from None
    except OSError as exc:
        raise ArchiveError(f"{path} cannot be read: {exc.strerror or exc}.", hint="check its permissions.") from exc
    return parse_manifest(data, path)


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Read one manifest from its bytes (errors as `read_manifest`)."""
    try:
        content = json.loads(data)
        if not _hashes_itself(bytes(data), content.pop("content_sha256")):
            raise ValueError("it is not as it was written")  # noqa: TRY301  # one way out for all that does not fit
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301  # as above
        if int(content["format_version"]) > FORMAT_VERSION:
            raise ArchiveVersionError(
                f"{path} has format {content['format_version']}; this is ddreport {__version__}, which reads formats "
                f"up to {FORMAT_VERSION}.",
                hint="upgrade ddreport: pip install --upgrade ddreport.",
            )
        if f"{content['number']:08d}.json" != path.name:
            raise ValueError(f"it is number {content['number']}")  # noqa: TRY301  # as above
        return _manifest(content, hashlib.sha256(data).hexdigest())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise _damaged(path, f"is damaged ({type(exc).__name__}: {exc})") from exc


def versions() -> dict[str, Any]:
    """Return the versions that a manifest keeps."""
    try:
        boto3 = version("boto3")
    except PackageNotFoundError:  # run from a place without package metadata
        boto3 = "unknown"
    return {
        "ddreport": __version__,
        "python": platform.python_version(),
        "boto3": boto3,
        "archive_format": ARCHIVE_FORMAT,
    }


def _manifest(content: Mapping[str, Any], sha256: str) -> Manifest:
    return Manifest(
        number=content["number"],
        previous_sha256=content["previous_sha256"],
        kind=content["kind"],
        time=datetime.fromisoformat(content["time"]),
        versions=content["versions"],
        marker=content["marker"],
        facts=content["facts"],
        added=tuple(SetEntry(**e) for e in content["added"]),
        removed=tuple(SetEntry(**e) for e in content["removed"]),
        packed=tuple(_pack_entry(e) for e in content["packed"]),
        unpacked=tuple(_pack_entry(e) for e in content["unpacked"]),
        sha256=sha256,
    )


def _pack_entry(content: Mapping[str, Any]) -> PackEntry:
    return PackEntry(content["folder"], content["pack_sha256"], tuple(content["identities"]))


def _hashes_itself(data: bytes, told: str) -> bool:
    """Tell whether the hash at the end of a manifest is that of the bytes before it, as they were without it."""
    end = f',\n "content_sha256": "{told}"\n}}\n'.encode()
    return data.endswith(end) and hashlib.sha256(data[: -len(end)] + b"\n}\n").hexdigest() == told


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


def _damaged(path: Path, what: str) -> ArchiveCorruptError:
    return ArchiveCorruptError(
        f"{path} {what}; audits and findings are not touched by that.",
        path=str(path),
        hint="restore it from a backup of the archive; `ddreport verify` shows what else is not as it should be.",
    )
