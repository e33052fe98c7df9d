"""Compaction: the audits of a closed month in one pack, a fraction of the size, with every piece of evidence kept.

For each account, Region and month, under the writer lock:

1. every file of every set is compared with its hash, and each set's rows are hashed;
2. the pack is written aside, read again, and refused unless each set's rows have the same hash there;
3. it is put in place by one rename: from now on readers find these sets in it;
4. a manifest of kind `compaction` lists it;
5. the sets' own folders are removed.

Stopped in between, it has done whole steps only; the next run goes on. Rows lie sorted by check, resource, reason and
time, so that a problem that lasts is the same text many times; a set's `set.json` and AWS's answers stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.archive.chain import PackEntry, entry_of
from ddreport.archive.content import pack_hashes, proves_itself, rows_of_set, rows_sha256
from ddreport.archive.encoding import to_parquet
from ddreport.archive.layout import (
    KINDS,
    PACK_FILE,
    PACK_KEY,
    RAW_FILE,
    RAW_FOLDER,
    SET_FILE,
    Filter,
    encode,
    month_folders,
    parts,
)
from ddreport.archive.packs import PACKED_KINDS, Member, describe_pack, pack_name, read_pack
from ddreport.archive.reading import FileCheck
from ddreport.archive.sets import StoredFile
from ddreport.archive.staging import (
    publish_folder,
    remove_folder,
    staging_folder,
    sync_folder,
    told_as_write_error,
    write_file,
    writer_lock,
)
from ddreport.errors import ArchiveError
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from ddreport.archive.chain import Chain
    from ddreport.archive.finding import Finder
    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredSet
    from ddreport.progress import Progress
    from ddreport.records import RecordKind

MOST_ROWS = 1_000_000
"""Finding rows in one pack, about: the memory that a compaction needs does not grow with the month."""

LEVEL = 9  # of zstd: written once, read often

# What a lasting problem has in common comes first; the key at the end leaves nothing to chance.
ORDER = {
    "audit_tasks": ["task_start_time"],
    "checks": ["check_name", "task_start_time"],
    "findings": ["check_name", "resource_type", "resource_id", "reason_code", "task_start_time"],
    "related_resources": ["resource_type", "resource_id"],
}


@dataclass
class Compaction:
    """What a compaction did: packs made, sets put into them, and the bytes of their tables before and after."""

    packs_count: int = 0
    sets_count: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


def compact(root: Path, chain: Chain, finder: Finder, *, before: str, time: datetime, progress: Progress) -> Compaction:
    """Pack the audits of all months before `before` (`2026-08`); see `Archive.compact`."""
    done = Compaction()
    months = [
        (kind, folder)
        for kind in PACKED_KINDS
        for _, _, month, folder in month_folders(root, kind, Filter())
        if month < before
    ]
    progress.stage("months", len(months))
    for kind, folder in months:
        with told_as_write_error(root, "a pack of audits"), writer_lock(root):
            _Month(root, chain, finder, kind, folder, time).run(done)
        progress.advance()
    return done


class _Month:
    """One account, Region and month, with the writer lock held."""

    def __init__(
        self, root: Path, chain: Chain, finder: Finder, kind: RecordKind, folder: Path, time: datetime
    ) -> None:
        self._root, self._chain, self._finder, self._folder, self._time = root, chain, finder, folder, time
        self._kind = kind
        self._check = FileCheck()

    def run(self, done: Compaction) -> None:
        for _, folder in parts(self._folder, PACK_KEY):
            self._finish(self._finder.pack(folder))
        for sets in _batches(self._loose()):
            pack = self._write(sets)
            self._finish(pack, compared=True)
            done.packs_count += 1
            done.sets_count += len(sets)
            done.bytes_before += sum(f.size for s in sets for n, f in s.files.items() if n != RAW_FILE)
            done.bytes_after += sum(f.size for f in pack.files.values())

    def _loose(self) -> list[StoredSet]:
        """Return the sets in folders of their own, apart from those that a stopped retention is to remove."""
        listing = self._chain.listing()
        found = self._finder.loose_in(self._kind, self._folder)
        return sorted((s for s in found if not listing.removes(s)), key=lambda s: (s.time, s.identity))

    def _finish(self, pack: Pack, *, compared: bool = False) -> None:
        """List a pack that is in place, and remove the sets' own folders; also what an earlier run left undone."""
        listing = self._chain.listing()
        name = pack.folder.relative_to(self._root).as_posix()
        if name in listing.unpacked:
            return  # a retention's, which is to remove it
        if name not in listing.packs:
            if not compared and not proves_itself(pack, listing, self._check):
                raise ArchiveError(
                    f"{pack.folder} stands in no manifest and does not hold what the sets beside it hold.",
                    hint="move it out of the archive and run `ddreport archive compact` again.",
                )
            added = [entry_of(self._root, s) for s in pack.sets.values() if not listing.lists(s)]
            facts = {"account": pack.account, "region": pack.region, "month": pack.month}
            entry = PackEntry(name, pack.sha256, tuple(pack.sets))
            self._chain.append("compaction", self._time, facts, added=added, packed=[entry])
        for identity, member in pack.members.items():
            folder = self._folder / f"{KINDS[self._kind].identity_key}={encode(identity)}"
            if not folder.exists():
                continue
            if (folder / SET_FILE).read_bytes() != member.set_json.encode():
                raise ArchiveError(
                    f"{folder} and {pack.folder} hold the same audit, but not the same set.json.",
                    hint="`ddreport verify` tells which of them the manifests list; move the other one away.",
                )
            remove_folder(self._root, folder)

    def _write(self, sets: Sequence[StoredSet]) -> Pack:
        """Write the pack of these sets and put it in place."""
        with staging_folder(self._root) as staging:
            built = build_pack(staging / "pack", sets, self._check)
            target = self._folder / built.name
            publish_folder(built, target)
        return self._finder.pack(target)


def build_pack(folder: Path, sets: Sequence[StoredSet], check: FileCheck) -> Path:
    """Write a pack of sets of one account, Region and month into a new `folder`; return it under the pack's name.

    Raises
    ------
    ArchiveError
        A set's rows are not the same in the pack; nothing is kept then.
    ArchiveCorruptError
        A file of a set is damaged or missing.
    OSError
        It cannot be written.
    """
    first = sets[0]
    layout = KINDS[first.kind]
    folder.mkdir()
    (folder / RAW_FOLDER).mkdir()
    hashes: dict[str, dict[str, str]] = {s.identity: {} for s in sets}
    files = {}
    for table in layout.tables:
        rows = _joined(table, sets, check, hashes)
        data = to_parquet(rows, level=LEVEL)
        files[f"{table}.parquet"] = StoredFile(rows.num_rows, len(data), hashlib.sha256(data).hexdigest())
        write_file(folder / f"{table}.parquet", data)
    members = {s.identity: Member(_set_json(s), hashes[s.identity]) for s in sets}
    for stored in sets:
        check(stored.raw_path, stored.files[RAW_FILE])
        name = f"{layout.identity_key}={encode(stored.identity)}.jsonl.zst"
        _link(stored.raw_path, folder / RAW_FOLDER / name)
    sync_folder(folder / RAW_FOLDER)
    description = describe_pack(
        kind=first.kind,
        account=first.account,
        region=first.region,
        month=f"{first.time:%Y-%m}",
        files=files,
        members=members,
    )
    write_file(folder / PACK_FILE, description)
    named = folder.rename(folder.parent / pack_name([s.sha256 for s in sets]))
    _compare(named, hashes)
    return named


def _compare(folder: Path, hashes: dict[str, dict[str, str]]) -> None:
    """Read the pack that was written, and refuse it unless it holds the very rows that the sets hold."""
    if pack_hashes(read_pack(folder, placed=False)) != hashes:
        raise ArchiveError(
            f"{folder.name}: the rows read back from the new pack are not those of the sets; nothing was changed.",
            hint="run `ddreport verify`; if that finds nothing wrong, this is a fault of ddreport: please report it.",
        )


def _joined(table: str, sets: Sequence[StoredSet], check: FileCheck, hashes: dict[str, dict[str, str]]) -> pa.Table:
    import pyarrow as pa

    parts = []
    for stored in sets:
        rows = rows_of_set(stored, table, check)
        hashes[stored.identity][table] = rows_sha256(rows)
        parts.append(rows)
    order = [*ORDER[table], *(c for c in SCHEMAS[table].key if c not in ORDER[table])]
    return pa.concat_tables(parts).sort_by([(c, "ascending") for c in order])


def _set_json(stored: StoredSet) -> str:
    if stored.pack is not None:
        return stored.pack.members[stored.identity].set_json
    return (stored.folder / SET_FILE).read_bytes().decode()


def _link(source: Path, target: Path) -> None:
    """Let the file have a second name; where the file system knows no such thing, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _batches(sets: Sequence[StoredSet]) -> Iterator[list[StoredSet]]:
    """Split a month's sets, in their order, into packs of a bounded number of rows."""
    batch: list[StoredSet] = []
    rows = 0
    for stored in sets:
        more = sum(f.rows for name, f in stored.files.items() if name != RAW_FILE)
        if batch and rows + more > MOST_ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(stored)
        rows += more
    if batch:
        yield batch
