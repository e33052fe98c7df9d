"""Appending one set: staged beside the others, made durable, put in place by one rename."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ddreport.archive.layout import OBSERVED_KINDS, RAW_FILE, SET_FILE, check_identity, set_folder
from ddreport.archive.marker import settle_emulated
from ddreport.archive.migrations import ensure_current
from ddreport.archive.sets import StoredFile, check_time, describe_set
from ddreport.archive.staging import (
    publish_folder,
    remove_leftovers,
    staging_folder,
    told_as_write_error,
    write_file,
    writer_lock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from ddreport.archive.finding import Finder
    from ddreport.archive.sets import StoredSet
    from ddreport.records import RecordSet


class Writer:
    """Appends sets to the archive in `root`; any number of writers may work at once."""

    def __init__(self, root: Path, finder: Finder) -> None:
        self._root = root
        self._finder = finder
        self._cleaned = False

    def append(self, records: RecordSet, pulled_time: datetime | None) -> bool:
        """Write a set; False when it is there already (see `Archive.append`)."""
        tables = self._checked(records, pulled_time)
        return not self._has(records) and self._write(records, tables, pulled_time)

    def append_if_new(
        self, records: RecordSet, pulled_time: datetime | None, *, newest: Callable[[], StoredSet | None]
    ) -> bool:
        """Write a state unless it equals the one that `newest` finds; no other writer comes in between."""
        from ddreport.archive.encoding import content_sha256

        tables = self._checked(records, pulled_time)
        with told_as_write_error(self._root, _what(records)), writer_lock(self._root):
            before = newest()
            if before is not None and before.content_sha256 == content_sha256(tables):
                return False
            return not self._has(records) and self._write(records, tables, pulled_time)

    def clean(self) -> None:
        """Remove what writers that are gone have left; once for this object (`OSError`)."""
        if not self._cleaned:
            with staging_folder(self._root) as folder:
                self._clean(folder)

    def _clean(self, fresh: Path) -> None:
        if not self._cleaned:
            # The fresh folder's own time is "now" by the clock of the file system, which stamped the leftovers.
            remove_leftovers(self._root, now=fresh.stat().st_mtime)
            self._cleaned = True

    def _checked(self, records: RecordSet, pulled_time: datetime | None) -> dict[str, pa.Table]:
        from ddreport.archive.encoding import checked_tables

        check_time("time", records.time)
        check_identity(records.kind, records.identity)
        if pulled_time is not None:
            check_time("pulled_time", pulled_time)
        tables = checked_tables(records)
        ensure_current(self._root)
        settle_emulated(self._root, emulated=records.emulated)
        return tables

    def _has(self, records: RecordSet) -> bool:
        # In whatever month: the same task told with another time is still the same task.
        place = self._finder.find(
            records.kind, account=records.account, region=records.region, identity=records.identity
        )
        return place is not None

    def _write(self, records: RecordSet, tables: dict[str, pa.Table], pulled_time: datetime | None) -> bool:
        target = self._root / set_folder(
            records.kind,
            account=records.account,
            region=records.region,
            time=records.time,
            identity=records.identity,
        )
        contents = _contents(records, tables)
        files = {n: StoredFile(rows, len(data), hashlib.sha256(data).hexdigest()) for n, rows, data in contents}
        description = _description(records, tables, pulled_time, files)
        with told_as_write_error(self._root, _what(records)), staging_folder(self._root) as folder:
            self._clean(folder)
            for name, _, data in contents:
                write_file(folder / name, data)
            write_file(folder / SET_FILE, description)
            return publish_folder(folder, target)


def _what(records: RecordSet) -> str:
    return f"{records.kind} {records.identity} of {records.account} in {records.region}"


def _contents(records: RecordSet, tables: dict[str, pa.Table]) -> Sequence[tuple[str, int, bytes]]:
    from ddreport.archive.encoding import to_parquet, to_raw_lines

    contents = [(f"{name}.parquet", table.num_rows, to_parquet(table)) for name, table in tables.items()]
    return [*contents, (RAW_FILE, len(records.raw), to_raw_lines(records.raw))]


def _description(
    records: RecordSet, tables: dict[str, pa.Table], pulled_time: datetime | None, files: dict[str, StoredFile]
) -> bytes:
    from ddreport.archive.encoding import content_sha256

    return describe_set(
        kind=records.kind,
        account=records.account,
        region=records.region,
        identity=records.identity,
        time=records.time,
        emulated=records.emulated,
        pulled_time=pulled_time,
        content_sha256=content_sha256(tables) if records.kind in OBSERVED_KINDS else None,
        files=files,
    )
