"""From the files of sets to typed pandas tables."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import KIND_OF_TABLE, KINDS, SET_FILE
from ddreport.archive.sets import StoredSet, damaged, unreadable
from ddreport.schemas import SCHEMAS, SEVERITY, pandas_dtype

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredFile
    from ddreport.schemas import Schema

# Said of a file whose bytes are not those that its set.json tells of.
CHANGED = "is not what was written: its sha256 differs from the one in set.json"


class FileCheck:
    """Compares files with what their `set.json` says; each is read once, and again only when it was touched.

    Parquet's own checksums cover the pages and not the footer: a byte changed there can turn a whole column into
    nulls without any error.
    """

    def __init__(self) -> None:
        self._good: dict[Path, tuple[int, int, int]] = {}

    def __call__(self, path: Path, described: StoredFile) -> None:
        """Refuse a file that is missing, has another size or another sha256 than `described`.

        Raises
        ------
        ArchiveCorruptError
            It is not what was written.
        ArchiveError
            It cannot be read.
        """
        try:
            found = path.stat()
            if found.st_size != described.size:
                raise damaged(path, f"has {found.st_size} bytes instead of {described.size}")
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._good.get(path) == seen:
                return
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            raise damaged(path, "is missing") from None
        except OSError as exc:
            raise unreadable(path, exc) from exc
        if sha256 != described.sha256:
            raise damaged(path, CHANGED)
        self._good[path] = seen


@dataclass(frozen=True)
class TableFile:
    """One Parquet file of a table; `identities` are the sets that are wanted of a pack, None for all in the file."""

    path: Path
    identities: frozenset[str] | None = None


def table_files(table: str, sets: Iterable[StoredSet], check: FileCheck) -> list[TableFile]:
    """Return the Parquet files of `table` that hold rows, in the order of the sets, each checked.

    Raises
    ------
    ArchiveCorruptError
        A file is missing or is not what `set.json` or `pack.json` says.
    """
    name = f"{table}.parquet"
    wanted: dict[Path, set[str]] = {}
    packs: dict[Path, Pack] = {}
    for stored in sets:
        described = stored.files.get(name)
        if described is None:
            raise damaged(stored.folder / SET_FILE, f"tells of no {name}")
        if described.rows:
            wanted.setdefault(stored.folder / name, set()).add(stored.identity)
            if stored.pack is not None:
                packs[stored.folder / name] = stored.pack
            else:
                check(stored.folder / name, described)
    files = []
    for path, identities in wanted.items():
        pack = packs.get(path)
        if pack is not None:
            check(path, pack.files[name])
        whole = pack is None or identities == {i for i, s in pack.sets.items() if s.files[name].rows}
        files.append(TableFile(path, None if whole else frozenset(identities)))
    return files


def read_table(
    table: str, sets: Sequence[StoredSet], check: FileCheck, *, only: Mapping[str, Collection[str]]
) -> pd.DataFrame:
    """Read one table of sets, in their order and each sorted by the key, rows with the values in `only` alone.

    Raises
    ------
    ArchiveCorruptError
        A file is damaged or missing.
    """
    schema, files = SCHEMAS[table], table_files(table, sets, check)
    if not files:
        return schema.empty()
    import pyarrow as pa

    identity_key = KINDS[KIND_OF_TABLE[table]].identity_key
    whole = [f.path for f in files if f.identities is None]
    parts = [_read(whole, schema, only)] if whole else []
    parts += [_read([f.path], schema, {**only, identity_key: f.identities}) for f in files if f.identities is not None]
    rows = pa.concat_tables(parts)
    if any(s.pack is not None for s in sets):
        rows = _in_order_of(sets, rows, schema, identity_key)
    return to_pandas(rows, schema)


def _read(files: Sequence[Path], schema: Schema, only: Mapping[str, Collection[str]]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    condition = None
    for column, values in only.items():
        one = ds.field(column).isin(pa.array(sorted(values), pa.string()))
        condition = one if condition is None else condition & one
    try:
        data = ds.dataset(
            [str(f) for f in files],
            format=ds.ParquetFileFormat(default_fragment_scan_options=options),
            schema=schema.arrow(),
        )
        return data.to_table(filter=condition)
    except (pa.ArrowException, OSError, ValueError) as exc:
        find_damage(files, schema)
        raise damaged(files[0], f"or a file of the same table elsewhere cannot be read ({_short(exc)})") from exc


def _in_order_of(sets: Sequence[StoredSet], rows: pa.Table, schema: Schema, identity_key: str) -> pa.Table:
    """Sort rows as if each set still had a file of its own: packs are sorted so that they compress well."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # Ids are AWS's own and so unique, but nothing here rests on that.
    names = [f"{s.account}/{s.region}/{s.identity}" for s in sets]
    place = pc.binary_join_element_wise(rows["account"], rows["region"], rows[identity_key], "/")
    rank = pc.index_in(place, value_set=pa.array(names, pa.string()))
    order = [("rank", "ascending"), *((c, "ascending") for c in schema.key if c not in ("account", "region"))]
    return rows.append_column("rank", rank).sort_by(order).drop_columns(["rank"])


def find_damage(files: Iterable[Path], schema: Schema) -> None:
    """Read files one by one, to name the first that is damaged; returns if none is."""
    import pyarrow.parquet as pq

    for path in files:
        with file_trouble(path):
            table = pq.ParquetFile(path, page_checksum_verification=True).read()
            missing = [n for n in schema.column_names if n not in table.column_names]
            if missing:
                raise damaged(path, f"has no column {missing[0]!r}")
            table.select(schema.column_names).cast(schema.arrow())


@contextmanager
def file_trouble(path: Path) -> Iterator[None]:
    """Turn what goes wrong with one Parquet file into `ArchiveCorruptError` or `ArchiveError`."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise damaged(path, "is missing") from None
    except PermissionError as exc:
        raise unreadable(path, exc) from exc
    except (pa.ArrowException, OSError, ValueError, KeyError) as exc:
        raise damaged(path, f"is damaged ({_short(exc)})") from exc


def to_pandas(table: pa.Table, schema: Schema) -> pd.DataFrame:
    """Convert to the dtypes of `schema`; the same as `schema.conform`, without its search for doubled keys."""
    frame = arrow_to_pandas(table)
    for column in schema.columns:
        if column.dtype == SEVERITY:
            frame[column.name] = frame[column.name].astype(pandas_dtype(SEVERITY))
    return frame


def arrow_to_pandas(table: pa.Table) -> pd.DataFrame:
    """Convert any Arrow table: counts and flags that may be missing become `Int64` and `boolean`."""
    import pandas as pd
    import pyarrow as pa

    kinds: dict[Any, Any] = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    if frame.empty:
        # pandas 3.1 cannot merge two empty frames whose text came from Arrow without a single chunk.
        for name in frame.columns[frame.dtypes == "str"]:
            frame[name] = pd.Series([], dtype="str")
    return frame


def _short(exc: BaseException) -> str:
    """Return the first line of a library's message."""
    return f"{type(exc).__name__}: {str(exc).splitlines()[0][:200] if str(exc) else 'no message'}"
