"""Finding sets: those in folders of their own and those in packs, each once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from ddreport.archive.layout import (
    KINDS,
    PACK_FILE,
    PACK_KEY,
    SET_FILE,
    Filter,
    SetPlace,
    list_names,
    month_folders,
    parts,
    split_names,
)
from ddreport.archive.packs import PACKED_KINDS, read_pack
from ddreport.archive.sets import read_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredSet
    from ddreport.records import RecordKind

_Seen = tuple[int, int, int]
_T = TypeVar("_T")


class Finder:
    """Finds the sets of the archive in `root`; remembers what it read until the file is another one.

    A set that lies in a pack and still has a folder of its own (a compaction that was stopped half-way) is found once,
    in the pack.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sets: dict[Path, tuple[_Seen, StoredSet]] = {}
        self._packs: dict[Path, tuple[_Seen, Pack]] = {}

    def places(self, kind: RecordKind, only: Filter | None = None) -> Iterator[SetPlace]:
        """Yield where each set of `kind` is; reads names of folders and `pack.json` files, no `set.json`.

        Raises
        ------
        ArchiveError, ArchiveCorruptError, ArchiveVersionError
            A folder may not be listed; a `pack.json` is damaged or of a newer version.
        """
        only = only or Filter()
        for account, region, month, folder in month_folders(self._root, kind, only):
            names = list_names(folder)
            packed = set()
            for pack in self._packs_in(kind, folder, names):
                for identity, stored in pack.sets.items():
                    if identity in packed:
                        continue
                    packed.add(identity)
                    if only.window.holds(stored.time) and (only.identities is None or identity in only.identities):
                        yield SetPlace(kind, account, region, month, identity, pack.folder, is_packed=True)
            for identity, place in split_names(folder, names, KINDS[kind].identity_key):
                if identity not in packed and (only.identities is None or identity in only.identities):
                    yield SetPlace(kind, account, region, month, identity, place)

    def sets(self, kind: RecordKind, only: Filter | None = None) -> list[StoredSet]:
        """Return the sets, sorted by time, account, Region and identity (errors as `places`, also of a `set.json`)."""
        only = only or Filter()
        found = [self.read(place) for place in self.places(kind, only)]
        return sorted(
            (s for s in found if only.window.holds(s.time)), key=lambda s: (s.time, s.account, s.region, s.identity)
        )

    def read(self, place: SetPlace) -> StoredSet:
        """Read one set's `set.json`, or what its pack says of it."""
        if place.is_packed:
            return self.pack(place.folder).sets[place.identity]
        return _remembered(self._sets, place.folder, SET_FILE, read_set)

    def loose_in(self, kind: RecordKind, month_folder: Path) -> list[StoredSet]:
        """Read the sets of one month that have folders of their own, in the order of their names."""
        places = parts(month_folder, KINDS[kind].identity_key)
        return [_remembered(self._sets, folder, SET_FILE, read_set) for _, folder in places]

    def pack(self, folder: Path) -> Pack:
        """Read one pack's `pack.json`."""
        return _remembered(self._packs, folder, PACK_FILE, read_pack)

    def packs(self, kind: RecordKind, only: Filter | None = None) -> Iterator[Pack]:
        """Yield the packs, in the order of their folders."""
        for _, _, _, folder in month_folders(self._root, kind, only or Filter()):
            yield from self._packs_in(kind, folder, list_names(folder))

    def find(self, kind: RecordKind, *, account: str, region: str, identity: str) -> SetPlace | None:
        """Return where one set is, in whatever month it is filed; None if it is not there."""
        only = Filter(places=[(account, region)], identities=[identity])
        return next(self.places(kind, only), None)

    def _packs_in(self, kind: RecordKind, folder: Path, names: list[str]) -> Iterator[Pack]:
        if kind in PACKED_KINDS:
            for _, place in split_names(folder, names, PACK_KEY):
                yield self.pack(place)


def _remembered(known: dict[Path, tuple[_Seen, _T]], folder: Path, name: str, read: Callable[[Path], _T]) -> _T:
    try:
        stat = os.stat(folder / name)
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return read(folder)  # which says what is wrong
    before = known.get(folder)
    if before is None or before[0] != seen:
        known[folder] = before = (seen, read(folder))
    return before[1]
