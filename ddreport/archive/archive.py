"""`Archive`: the only code that the rest of `ddreport` needs to keep and find what AWS answered."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager, nullcontext
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ddreport.archive.chain import Chain, unlisted
from ddreport.archive.finding import Finder
from ddreport.archive.layout import (
    KINDS,
    OBSERVED_KINDS,
    RAW_FILE,
    Filter,
    SetPlace,
    Window,
    as_names,
    kind_of_table,
    month_of,
)
from ddreport.archive.marker import create_archive, read_marker
from ddreport.archive.migrations import ensure_current
from ddreport.archive.pulls import pull_records
from ddreport.archive.reading import CHANGED, FileCheck, read_table, table_files
from ddreport.archive.remote import is_remote, mirror_of
from ddreport.archive.sets import StoredSet, check_time, damaged
from ddreport.archive.staging import told_as_write_error, writer_lock
from ddreport.archive.writing import Writer
from ddreport.errors import ArchiveCorruptError, ArchiveError, InputError, NoDataError
from ddreport.progress import NoProgress
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    import duckdb
    import pandas as pd

    from ddreport.archive.chain import ManifestKind
    from ddreport.archive.compaction import Compaction
    from ddreport.archive.merging import Merge
    from ddreport.archive.retention import Retention
    from ddreport.archive.sql import Views
    from ddreport.progress import Progress
    from ddreport.records import RawResponse, RecordKind, RecordSet

_T = TypeVar("_T")


class Archive:
    """An append-only folder of everything that was read from AWS (the layout is in `ddreport.archive`).

    Any number of processes may read and append at once. A set that is there is never changed or doubled.

    Parameters
    ----------
    path
        The archive's folder, or `s3://bucket/prefix`.
    """

    def __init__(self, path: Path | str) -> None:
        self._remote = mirror_of(path) if is_remote(path) else None
        self.path = self._remote.root if self._remote else Path(path).expanduser()
        self._finder = Finder(self.path)
        self._chain = Chain(self.path)
        self._check = FileCheck()
        self._views: dict[bool, tuple[list[tuple[str, Path]], Views]] = {}  # by whether they are locked
        self._writer = Writer(self.path, self._finder)

    def __repr__(self) -> str:
        return f"Archive({self.location!r})"

    @property
    def location(self) -> str:
        """Where the archive is: its folder, or `s3://bucket/prefix` (then `path` is a copy in the cache folder)."""
        return self._remote.url if self._remote else str(self.path)

    @classmethod
    def open(cls, path: Path | str, *, create: bool = False) -> Archive:
        """Open the archive in `path`; with `create`, make it in a missing or empty folder.

        An archive of an older format is brought to the present one when it is opened with `create` or first written
        to; it can be read as it is.

        Raises
        ------
        NoDataError
            The folder is missing or empty and `create` is false.
        ArchiveError
            It holds something else, or cannot be read.
        ArchiveVersionError, ArchiveCorruptError, ArchiveWriteError
            A newer version made it; its marker is damaged; it cannot be made.
        """
        archive = cls(path)
        if archive._remote is not None:
            archive._remote.refresh()
        if create:
            with archive._writing():
                create_archive(archive.path)
                ensure_current(archive.path)
        try:
            read_marker(archive.path)
        except NoDataError as exc:
            if archive._remote is None:
                raise
            raise NoDataError(f"there is no archive yet in {archive.location}.", hint=exc.hint) from None
        return archive

    @property
    def emulated(self) -> bool | None:
        """Whether the archive holds emulated accounts (True) or real ones (False); None while it holds nothing."""
        return read_marker(self.path).emulated

    # Writing

    def append(self, records: RecordSet, *, pulled_time: datetime | None = None) -> bool:
        """Add one set: durable on disk when this returns True.

        Parameters
        ----------
        records
            The set; its tables must have the Arrow schemas of `schemas.SCHEMAS`.
        pulled_time
            When it was read from AWS; kept in `set.json`.

        Returns
        -------
        bool
            False when the set is there already; then nothing was written.

        Raises
        ------
        ArchiveError
            The archive holds the other kind of account, emulated or real.
        ArchiveWriteError
            Full disk, no permission; nothing half-written is left.
        TableSchemaError
            The set's tables do not fit.
        """
        with self._writing():
            return self._writer.append(records, pulled_time)

    def append_state(self, records: RecordSet, *, pulled_time: datetime | None = None) -> bool:
        """Add one state or inventory, but only where it differs from the one before it in its account and Region.

        Two states are equal when their tables are, `observed_time` apart. So a stored state holds from its time to
        that of the next one.

        Returns
        -------
        bool
            False when nothing has changed; then nothing was written.

        Raises
        ------
        ArchiveError, ArchiveWriteError, TableSchemaError
            As `append`.
        """
        if records.kind not in OBSERVED_KINDS:
            raise InputError(
                f"append_state takes a set of kind {' or '.join(OBSERVED_KINDS)}, not {records.kind!r}; "
                "use append for that."
            )

        def newest() -> StoredSet | None:
            found = self.sets(records.kind, accounts=records.account, regions=records.region)
            return next((s for s in reversed(found) if s.time <= records.time), None)

        with self._writing():
            return self._writer.append_if_new(records, pulled_time, newest=newest)

    def record_pull(self, time: datetime, facts: Mapping[str, Any]) -> None:
        """Add the manifest of one target's pull: what was asked, how it went, and which sets are new.

        It lists every set of the account and Region that stands in no manifest yet, so also what a killed pull left.

        Parameters
        ----------
        time
            When AWS was asked, aware.
        facts
            What JSON can hold; `account` and `region` in it say whose sets these are (missing or None: nobody's).

        Raises
        ------
        ArchiveWriteError
            It cannot be written.
        ArchiveCorruptError, ArchiveError, ArchiveVersionError
            A manifest or `set.json` that is there is damaged, cannot be read, or is of a newer version.
        """
        self._record("pull", "the manifest of this pull", time, facts)

    def record_campaign(self, time: datetime, facts: Mapping[str, Any]) -> None:
        """Add a manifest of a mitigation under way: which sets are new, and the hash of its journal until now.

        An archive in S3 gets the journal with it (`archive.campaigns`). Parameters and errors as of `record_pull`.
        """
        self._record("campaign", "the manifest of this mitigation", time, facts)

    def _record(self, kind: ManifestKind, what: str, time: datetime, facts: Mapping[str, Any]) -> None:
        check_time("time", time)
        account, region = facts.get("account"), facts.get("region")
        with self._upkeep(what), told_as_write_error(self.path, what), writer_lock(self.path):
            mine = Filter(places=[] if account is None or region is None else [(account, region)])
            added = unlisted(self.path, self._chain.listing(), self._finder, mine)
            self._chain.append(kind, time, facts, added=added)

    # Upkeep

    def compact(self, *, before: str, time: datetime, progress: Progress | None = None) -> Compaction:
        """Put the audits of each account, Region and month before `before` into one pack, a fraction of their size.

        Nothing of the evidence is lost: each set's `set.json` is kept word for word, AWS's answers byte for byte, and
        a pack is refused unless each audit's rows are the same in it. What is read, its order and the fingerprint stay
        the same. It may be stopped and run again at any time, and while others read and pull.

        Parameters
        ----------
        before
            A month such as `2026-08`, at most that of `time`: only months that are over are packed.
        time
            Now, aware; for the manifest.
        progress
            Where progress is told.

        Raises
        ------
        InputError, WindowError
            `before` is no month or lies in the future; `time` has no time zone.
        ArchiveCorruptError
            A file of a set is damaged; that month stays as it was.
        ArchiveError, ArchiveWriteError
            A pack does not hold what its sets hold; it cannot be written.
        """
        from ddreport.archive.compaction import compact

        check_time("time", time)
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", before) or before > month_of(time):
            raise InputError(
                f"before {before!r} must be a month such as {month_of(time)}, and not a later one: only months that "
                "are over are packed."
            )
        with self._upkeep("a pack of audits", raw=True):
            return compact(
                self.path, self._chain, self._finder, before=before, time=time, progress=progress or NoProgress()
            )

    def prune(self, *, keep_days: int, time: datetime, dry_run: bool = False) -> Retention:
        """Remove whole sets that are older than `keep_days`; a manifest lists them, so that nobody misses them.

        The last state and inventory before the limit stay, since they still hold; a pack stays until its newest audit
        is old enough. It may be stopped and run again.

        Parameters
        ----------
        keep_days
            At least 90: AWS keeps audits so long, and the next pull would bring them back.
        time
            Now, aware.
        dry_run
            Only tell what would be removed.

        Raises
        ------
        InputError, WindowError
            `keep_days` is less than 90; `time` has no time zone.
        ArchiveWriteError
            It cannot be written.
        NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError
            As `sets` and `pulls`.
        """
        from ddreport.archive.retention import SHORTEST_DAYS, prune

        check_time("time", time)
        if keep_days < SHORTEST_DAYS:
            raise InputError(
                f"{keep_days} days cannot be kept: AWS has the audits of {SHORTEST_DAYS} days, and the next pull would "
                "bring back what was removed.",
                hint=f"keep at least {SHORTEST_DAYS} days.",
            )
        read_marker(self.path)
        before = time.astimezone(UTC) - timedelta(days=keep_days)
        with nullcontext() if dry_run else self._upkeep("the removal of old sets", raw=True):
            return prune(self.path, self._chain, self._finder, before=before, time=time, dry_run=dry_run)

    def merge(self, source: Path | str, *, time: datetime, progress: Progress | None = None) -> Merge:
        """Bring in the sets and the diary of the archive in `source`, each once; `source` is only read.

        Sets are copied byte for byte, so their evidence and fingerprint stay. An audit that both have is the same
        audit when its rows are; it stays as it is here.

        Raises
        ------
        InputError
            `source` is this archive.
        ArchiveCorruptError
            `source` does not verify.
        ArchiveError
            One is of emulated and one of real accounts; a set is in both, with other rows. Nothing is merged then.
        NoDataError, ArchiveWriteError, WindowError
            There is no archive in `source`; it cannot be written; `time` has no time zone.
        """
        from ddreport.archive.merging import merge

        check_time("time", time)
        given = Path(source).expanduser()
        if is_remote(source):
            there = mirror_of(source)
            there.refresh(raw=True)
            given = there.root
        with self._upkeep("what another archive holds", raw=True):
            return merge(self.path, self._chain, self._finder, given, time=time, progress=progress or NoProgress())

    def _writing(self, *, raw: bool = False) -> AbstractContextManager[None]:
        """Hold an archive in S3 for writing, and upload what was changed; nothing to do for a folder."""
        return nullcontext() if self._remote is None else self._remote.writing(raw=raw)

    def refresh(self) -> None:
        """Look again what an archive in S3 has; a folder is always looked at as it is (`ArchiveError`)."""
        if self._remote is not None:
            self._remote.refresh()

    @contextmanager
    def _upkeep(self, what: str, *, raw: bool = False) -> Iterator[None]:
        """Hold the archive for more than one set: in its present format, without what killed writers left."""
        with self._writing(raw=raw):
            ensure_current(self.path)
            with told_as_write_error(self.path, what):
                self._writer.clean()
            yield

    # Finding

    def pulls(self) -> list[dict[str, Any]]:
        """Return the diary of pulls, oldest first: `pulled_time` and the facts given to `record_pull`.

        Raises
        ------
        ArchiveCorruptError, ArchiveVersionError, ArchiveError
            A manifest is damaged or missing, of a newer version, or cannot be read.
        """
        read_marker(self.path)
        return pull_records(self.path, self._chain.manifests())

    @property
    def head(self) -> str | None:
        """The sha256 of the newest manifest, None before the first pull; errors as `pulls`.

        It stands for everything in the archive. Noted elsewhere (reports do), it also shows when manifests were cut
        off at the end, which the chain itself cannot.
        """
        read_marker(self.path)
        manifests = self._chain.manifests()
        return manifests[-1].sha256 if manifests else None

    def index(self, kind: RecordKind = "audit") -> list[SetPlace]:
        """List where each set is, by account, Region and month, without reading any `set.json`.

        For what follows the archive's growth: a set that is there is never changed.

        Raises
        ------
        NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError
            There is no archive; a folder cannot be listed; a pack's `pack.json` is damaged or of a newer version.
        """
        read_marker(self.path)
        return list(self._finder.places(kind))

    def identities(self, kind: RecordKind, account: str, region: str) -> set[str]:
        """Return the ids of the sets that are there for one account and Region; only lists folders and packs."""
        read_marker(self.path)
        return {place.identity for place in self._finder.places(kind, Filter(places=[(account, region)]))}

    def sets(
        self,
        kind: RecordKind,
        *,
        accounts: str | Iterable[str] | None = None,
        regions: str | Iterable[str] | None = None,
        places: Collection[tuple[str, str]] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        identities: str | Iterable[str] | None = None,
    ) -> list[StoredSet]:
        """Return what is there, sorted by time, account, Region and id. None means all.

        Parameters
        ----------
        places
            Pairs of account and Region, so that two targets do not bring in a third one that has the account of the
            first and the Region of the second.
        start, end
            The set's time lies at or after `start` and before `end`; aware datetimes.

        Raises
        ------
        NoDataError, ArchiveError
            There is no archive.
        ArchiveCorruptError, ArchiveVersionError
            A `set.json` is damaged, or a newer version wrote it.
        WindowError
            A bound has no time zone, or the window is reversed.
        """
        read_marker(self.path)
        only = Filter(
            accounts=as_names(accounts),
            regions=as_names(regions),
            places=None if places is None else frozenset((account, region) for account, region in places),
            window=Window.between(start, end),
            identities=as_names(identities),
        )
        return self._finder.sets(kind, only)

    def fingerprint(
        self,
        *,
        kinds: Iterable[RecordKind] = tuple(KINDS),
        accounts: str | Iterable[str] | None = None,
        regions: str | Iterable[str] | None = None,
        places: Collection[tuple[str, str]] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> str:
        """Return one sha256 (hex) for the sets in the window: over their `set.json` hashes, sorted, one a line.

        Reports quote it: the same fingerprint means the same data, because each `set.json` holds its files' hashes.
        """
        accounts, regions = as_names(accounts), as_names(regions)
        hashes = [
            s.sha256
            for kind in kinds
            for s in self.sets(kind, accounts=accounts, regions=regions, places=places, start=start, end=end)
        ]
        return hashlib.sha256("".join(f"{h}\n" for h in sorted(hashes)).encode()).hexdigest()

    # Reading

    def load(
        self,
        table: str,
        *,
        accounts: str | Iterable[str] | None = None,
        regions: str | Iterable[str] | None = None,
        places: Collection[tuple[str, str]] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        check_names: str | Iterable[str] | None = None,
        audit_task_ids: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Load one table as a data frame with the columns and dtypes of its schema; None means all.

        Parameters
        ----------
        table
            A name of `schemas.SCHEMAS`.
        places
            Pairs of account and Region.
        start, end
            The audit began (the task began, the state was observed) at or after `start` and before `end`.
        check_names
            Only for tables with a check, and for `related_resources`, by the check of their finding.
        audit_task_ids
            Only for tables with an audit. Without a window, audits of any age are found.

        Returns
        -------
        DataFrame
            Sorted by that time, then by the table's key; all columns also when there is nothing.

        Raises
        ------
        InputError
            An unknown table, or a filter that it has no column for.
        NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError, WindowError
            As `sets`; `ArchiveCorruptError` names the damaged file. Each file is compared with the sha256 in its
            `set.json` when this object first reads it, so damage never passes as data.
        """
        kind = kind_of_table(table)
        names, audits = as_names(check_names), as_names(audit_task_ids)
        find = partial(
            self.sets,
            kind,
            accounts=as_names(accounts),
            regions=as_names(regions),
            places=places,
            start=start,
            end=end,
            identities=audits if kind == "audit" else None,
        )
        if table == "related_resources" and names is not None:
            return _settled(lambda: self._related_resources_of(find(), names))
        only = {}
        for column, values in (("check_name", names), ("audit_task_id", audits)):
            if values is not None and column not in SCHEMAS[table].column_names:
                raise InputError(f"table {table} has no column {column}, so it cannot be filtered by it.")
            if values is not None:
                only[column] = values
        return _settled(lambda: self._read_table(table, find(), only))

    def _read_table(self, table: str, sets: Sequence[StoredSet], only: Mapping[str, frozenset[str]]) -> pd.DataFrame:
        return read_table(table, sets, self._check, only=only)

    def _related_resources_of(self, sets: Sequence[StoredSet], check_names: frozenset[str]) -> pd.DataFrame:
        key = ["account", "region", "audit_task_id", "finding_id"]
        findings = self._read_table("findings", sets, {"check_name": check_names})
        related = self._read_table("related_resources", sets, {})
        return related.merge(findings[key], on=key, how="inner")  # keeps the order of `related`

    def latest_state(
        self,
        table: str,
        *,
        as_of: datetime | None = None,
        accounts: str | Iterable[str] | None = None,
        regions: str | Iterable[str] | None = None,
        places: Collection[tuple[str, str]] | None = None,
    ) -> pd.DataFrame:
        """Load a table of a state or inventory as it was at `as_of` (None: newest): each place's last one until then.

        Raises
        ------
        InputError
            `table` is of neither kind.
        NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError, WindowError
            As `load`.
        """
        kind = kind_of_table(table)
        if kind not in OBSERVED_KINDS:
            tables = [name for observed in OBSERVED_KINDS for name in KINDS[observed].tables]
            raise InputError(f"table {table} is no state; the state tables are: {', '.join(tables)}.")
        if as_of is not None:
            check_time("as_of", as_of)
        latest: dict[tuple[str, str], StoredSet] = {}  # never packed, so that nothing moves while it is read
        for stored in self.sets(kind, accounts=accounts, regions=regions, places=places):
            if as_of is None or stored.time <= as_of:
                latest[stored.account, stored.region] = stored
        return self._read_table(table, list(latest.values()), {})

    def raw(self, stored: StoredSet) -> Iterator[RawResponse]:
        """Yield AWS's answers of a set (from `sets`) in their order, each body byte for byte.

        Raises
        ------
        ArchiveCorruptError
            The file is missing or damaged.
        """
        from ddreport.archive.encoding import from_raw_lines

        path = stored.raw_path
        if self._remote is not None:
            self._remote.bring(path)
        self._check(path, stored.files[RAW_FILE])
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != stored.files[RAW_FILE].sha256:  # changed since it was last checked
            raise damaged(path, CHANGED)
        yield from from_raw_lines(data)

    # SQL

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None, *, limit: int | None = None
    ) -> pd.DataFrame:
        """Run DuckDB SQL over the tables, which are views with the names of `schemas.SCHEMAS`.

        Times are `TIMESTAMPTZ`, shown in UTC; `severity` is an enum, so `ORDER BY severity` puts the most severe
        first. It only reads, and only the archive's tables: whatever writes, changes a setting or names another
        file is refused.

        Parameters
        ----------
        sql
            One or several statements; the last one's rows are returned.
        parameters
            Values for `?`, `$1` or `$name` in it.
        limit
            At most so many rows; the rest is not even computed where DuckDB can help it. None means all.

        Raises
        ------
        InputError
            The SQL is wrong, or does more than read the tables.
        NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError
            As `sets`; all files are compared with their sha256 when this object first uses them.
        """
        return _settled(lambda: self._current_views(locked=True).query(sql, parameters, limit=limit))

    def relation(self, table: str) -> duckdb.DuckDBPyRelation:
        """Return a table as a DuckDB relation for functions that reduce many rows, such as those of `metrics`.

        It is a picture of what is in the archive now. It reads files only when its rows are asked for; do that
        inside `with archive.own_errors():`, and damaged files are named as everywhere else.
        """
        kind_of_table(table)
        return _settled(lambda: self._current_views().relation(table))

    def table_files(self, table: str) -> list[Path]:
        """Return the Parquet files that together hold every row of a table once, for engines that read files.

        Each was compared with its sha256. Packs are among them, so that a file may hold several audits.

        Raises
        ------
        ArchiveError
            An audit lies in two packs, which nothing here makes.
        InputError, NoDataError, ArchiveCorruptError, ArchiveVersionError
            As `load`.
        """
        kind = kind_of_table(table)
        files = _settled(lambda: table_files(table, self.sets(kind), self._check))
        for file in files:
            if file.identities is not None:
                raise ArchiveError(
                    f"{file.path.parent} holds an audit that another pack holds too.",
                    hint="`ddreport verify` tells which of them no manifest lists; move that one away.",
                )
        return [file.path for file in files]

    def own_errors(self) -> AbstractContextManager[None]:
        """Turn DuckDB's errors inside of `with` into `ArchiveCorruptError`, `ArchiveError` or `InputError`."""
        views = self._views.get(False)  # the picture that a relation was taken from
        return (views[1] if views else self._current_views()).own_errors()

    def _current_views(self, *, locked: bool = False) -> Views:
        from ddreport.archive.sql import Views

        sets = {kind: self.sets(kind) for kind in KINDS}
        present = [(s.sha256, s.folder) for found in sets.values() for s in found]
        known = self._views.get(locked)
        if known is None or known[0] != present:
            self._views[locked] = known = (present, Views(sets, self._check, locked=locked))
        return known[1]


def _settled(read: Callable[[], _T]) -> _T:
    """Read once more when a set's folder went away meanwhile: a compaction moved it into a pack."""
    try:
        return read()
    except ArchiveCorruptError as exc:
        if Path(exc.path).parent.exists():
            raise
        return read()
