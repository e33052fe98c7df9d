"""Retention: whole sets that are older than wanted are taken out on purpose, and a manifest lists them.

The manifest comes first, then the removal: stopped in between, `ddreport verify` says so and the next run goes on.
What still holds is kept, however old: the last state and inventory before the limit. So is a pack until its newest
audit is old enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddreport.archive.chain import PackEntry, entry_of
from ddreport.archive.layout import KINDS, OBSERVED_KINDS, encode
from ddreport.archive.staging import remove_folder, told_as_write_error, writer_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ddreport.archive.chain import Chain
    from ddreport.archive.finding import Finder
    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredSet

SHORTEST_DAYS = 90
"""AWS keeps audits so long, so the next pull would bring back what was removed earlier."""


@dataclass
class Retention:
    """What a retention removes, or would remove.

    Attributes
    ----------
    before
        Sets from before this time go.
    sets_count
        Sets by kind.
    bytes_count
        Bytes of their files, or of the packs that hold them.
    """

    before: datetime
    sets_count: dict[str, int] = field(default_factory=dict)
    bytes_count: int = 0


def prune(root: Path, chain: Chain, finder: Finder, *, before: datetime, time: datetime, dry_run: bool) -> Retention:
    """Remove the sets from before `before`; see `Archive.prune`."""
    if dry_run:
        return _told(before, *_chosen(chain, finder, before))
    with told_as_write_error(root, "the removal of old sets"), writer_lock(root):
        sets, packs = _chosen(chain, finder, before)
        done = _told(before, sets, packs)
        if sets:
            entries = [PackEntry(p.folder.relative_to(root).as_posix(), p.sha256, tuple(p.sets)) for p in packs]
            facts = {"before": before.isoformat(), "sets_count": done.sets_count}
            chain.append("retention", time, facts, removed=[entry_of(root, s) for s in sets], unpacked=entries)
        for folder in list(_doomed(root, chain, finder)):
            remove_folder(root, folder)
    return done


def _chosen(chain: Chain, finder: Finder, before: datetime) -> tuple[list[StoredSet], list[Pack]]:
    listing = chain.listing()
    sets: list[StoredSet] = []
    packs: dict[Path, Pack] = {}
    for kind in KINDS:
        found = [s for s in finder.sets(kind) if s.time < before and not listing.removes(s)]
        if kind in OBSERVED_KINDS:  # each holds until the next one, so the last of each place still holds
            holding = {(s.account, s.region): s for s in found}
            found = [s for s in found if holding[s.account, s.region] is not s]
        for stored in found:
            pack = stored.pack
            if pack is None:
                sets.append(stored)
            elif max(s.time for s in pack.sets.values()) < before:
                packs[pack.folder] = pack
                sets.append(stored)
    return sets, list(packs.values())


def _told(before: datetime, sets: Sequence[StoredSet], packs: Sequence[Pack]) -> Retention:
    told = Retention(before)
    for stored in sets:
        told.sets_count[stored.kind] = told.sets_count.get(stored.kind, 0) + 1
        told.bytes_count += sum(f.size for n, f in stored.files.items() if stored.pack is None or "raw" in n)
    told.bytes_count += sum(f.size for pack in packs for f in pack.files.values())
    return told


def _doomed(root: Path, chain: Chain, finder: Finder) -> Iterator[Path]:
    """Yield the folders that manifests of retention took out and that are still there, from this run or another."""
    listing = chain.listing()
    for name, entry in listing.unpacked.items():
        folder = root / name
        if folder.exists():
            kind = folder.parent
            for identity in entry.identities:  # of a compaction that was stopped before it removed them
                loose = kind / f"{KINDS['audit'].identity_key}={encode(identity)}"
                if loose.exists():
                    yield loose
            yield folder
    for kind_name in KINDS:
        for place in list(finder.places(kind_name)):
            if not place.is_packed and listing.removes(finder.read(place)):
                yield place.folder
