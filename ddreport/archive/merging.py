"""Merging: the sets of another archive come in, each once, with the diary of its pulls.

The source must verify. What both have must be the same, or nothing is brought in. Sets are copied byte for byte, each
in one step; a manifest of kind `merge` lists them and quotes the source's head. Stopped half-way, the next run goes on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.archive.campaigns import conflicting_campaigns, merge_campaigns
from ddreport.archive.chain import Chain, PackEntry, entry_of
from ddreport.archive.compaction import build_pack
from ddreport.archive.content import rows_of_set, rows_sha256
from ddreport.archive.finding import Finder
from ddreport.archive.layout import KINDS, SET_FILE
from ddreport.archive.marker import read_marker, settle_emulated
from ddreport.archive.packs import read_pack
from ddreport.archive.pulls import pull_records
from ddreport.archive.reading import FileCheck
from ddreport.archive.staging import publish_folder, staging_folder, told_as_write_error, write_file, writer_lock
from ddreport.archive.verification import verify
from ddreport.errors import ArchiveCorruptError, ArchiveError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredSet
    from ddreport.progress import Progress


@dataclass
class Merge:
    """What a merge did: sets brought in, sets that were there already, records of pulls and campaigns brought in."""

    sets_count: int = 0
    known_sets_count: int = 0
    pulls_count: int = 0
    campaigns_count: int = 0


def merge(root: Path, chain: Chain, finder: Finder, source: Path, *, time: datetime, progress: Progress) -> Merge:
    """Bring in what the archive in `source` has; see `Archive.merge`."""
    if source.resolve() == root.resolve():
        raise InputError(f"{source} is the archive itself.", hint="name another archive to bring in.")
    emulated = read_marker(source).emulated
    found = verify(source, progress=progress)
    if found.problems:
        first = found.problems[0]
        raise ArchiveCorruptError(
            f"{source / first.path} {first.message}; an archive with {len(found.problems)} problems is not merged.",
            path=str(source / first.path),
            hint=f"`ddreport verify --archive {source}` names them all.",
        )
    if emulated is None:
        return Merge()
    settle_emulated(root, emulated=emulated)
    theirs = Finder(source)
    missing, known = _missing(finder, theirs)
    for digest in conflicting_campaigns(root, source):
        raise ArchiveError(
            f"both archives tell of the mitigation plan {digest[:16]}, and neither journal goes on from the other; "
            "nothing was merged.",
            hint="the plan was applied from both archives; keep them apart.",
        )
    done = Merge(sets_count=len(missing), known_sets_count=known)
    progress.stage("merging sets", len(missing))
    with told_as_write_error(root, f"what {source} holds"):
        for stored in missing:
            if stored.pack is None:
                _copy_set(root, source, stored)
                progress.advance()
        for pack, sets in _by_pack(missing):
            _bring_pack(root, source, pack, sets)
            progress.advance(len(sets))
        done.campaigns_count = merge_campaigns(root, source)
        with writer_lock(root):
            done.pulls_count = _list(root, chain, finder, source, missing, found.head, time)
    return done


def _missing(mine: Finder, theirs: Finder) -> tuple[list[StoredSet], int]:
    """Return the sets that are not here, and how many are; `ArchiveError` where both have one that differs."""
    missing: list[StoredSet] = []
    known = 0
    check = FileCheck()
    for kind in KINDS:
        here = {(p.account, p.region, p.identity): p for p in mine.places(kind)}
        for their in theirs.sets(kind):
            place = here.get((their.account, their.region, their.identity))
            if place is None:
                missing.append(their)
                continue
            known += 1
            own = mine.read(place)
            if own.sha256 != their.sha256:
                _check_same(own, their, check)
    return missing, known


def _check_same(own: StoredSet, their: StoredSet, check: FileCheck) -> None:
    """Two pulls of one audit have set.json files that differ, in the time of the pull; the rows must not."""
    for table in KINDS[own.kind].tables:
        name = f"{table}.parquet"
        if name not in own.files or name not in their.files:
            continue  # an older version knew fewer tables
        if rows_sha256(rows_of_set(own, table, check)) != rows_sha256(rows_of_set(their, table, check)):
            raise ArchiveError(
                f"{own.folder} and {their.folder} both hold {own.kind} {own.identity} of {own.account} in "
                f"{own.region}, but the rows of {table} differ; nothing was merged.",
                hint="`ddreport verify` of each archive tells whether it is as it was written; keep them apart if so.",
            )


def _copy_set(root: Path, source: Path, stored: StoredSet) -> None:
    with staging_folder(root) as staging:
        for name in (*stored.files, SET_FILE):
            write_file(staging / name, (stored.folder / name).read_bytes())
        publish_folder(staging, root / stored.folder.relative_to(source))


def _by_pack(sets: Sequence[StoredSet]) -> list[tuple[Pack, list[StoredSet]]]:
    found: dict[Path, tuple[Pack, list[StoredSet]]] = {}
    for stored in sets:
        if stored.pack is not None:
            found.setdefault(stored.pack.folder, (stored.pack, []))[1].append(stored)
    return list(found.values())


def _bring_pack(root: Path, source: Path, pack: Pack, sets: Sequence[StoredSet]) -> None:
    """Copy a pack, or make a new one of those of its sets that are missing here."""
    month = root / pack.folder.parent.relative_to(source)
    with staging_folder(root) as staging:
        if len(sets) == len(pack.sets):
            built = staging / pack.folder.name
            shutil.copytree(pack.folder, built)
            if read_pack(built, placed=False).sha256 != pack.sha256:
                raise ArchiveError(f"{pack.folder} changed while it was read.", hint="run the same again.")
        else:
            built = build_pack(staging / "pack", sets, FileCheck())
        publish_folder(built, month / built.name)


def _list(
    root: Path,
    chain: Chain,
    finder: Finder,
    source: Path,
    missing: Sequence[StoredSet],
    head: str | None,
    time: datetime,
) -> int:
    """Add the manifest, unless there is nothing to tell; return the number of records of pulls brought in."""
    listing = chain.listing()
    own = [_text(r) for r in pull_records(root, chain.manifests())]
    texts = {_text(r): r for r in pull_records(source, Chain(source).manifests())}
    pulls = {hashlib.sha256(t.encode()).hexdigest()[:32]: r for t, r in texts.items() if t not in own}
    added, packs = [], {}
    fresh = {(s.kind, s.account, s.region, s.identity) for s in missing}
    for kind in KINDS:
        theirs = {(p.account, p.region, p.identity) for p in Finder(source).places(kind)}
        for place in finder.places(kind):
            key = (kind, place.account, place.region, place.identity)
            if key[1:] not in theirs or key in listing.sets:
                continue
            stored = finder.read(place)
            if key in fresh or not listing.removes(stored):  # what a merge brings back is there again
                added.append(entry_of(root, stored))
                if place.is_packed:
                    packs[place.folder] = finder.pack(place.folder)
    entries = [PackEntry(f.relative_to(root).as_posix(), p.sha256, tuple(p.sets)) for f, p in packs.items()]
    if added or pulls:
        facts = {"source": str(source), "source_head": head, "pulls": pulls}
        chain.append("merge", time, facts, added=added, packed=entries)
    return len(pulls)


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)
