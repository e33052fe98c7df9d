"""The rows of sets as values, however they lie in files: to prove that a pack holds what the sets held."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ddreport.archive.layout import KINDS, SET_FILE, encode
from ddreport.archive.reading import file_trouble
from ddreport.archive.sets import read_set
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from ddreport.archive.chain import Listing
    from ddreport.archive.packs import Pack
    from ddreport.archive.reading import FileCheck
    from ddreport.archive.sets import StoredSet


def rows_sha256(table: pa.Table) -> str:
    """Hash the rows in their order, column by column; a text column as its distinct values and each row's number.

    It does not depend on how Arrow happens to lay the values out, nor on the file they came from.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    digest = hashlib.sha256(f"{table.num_rows}\n".encode())
    for column, values in zip(table.column_names, table.columns, strict=True):
        array = values.combine_chunks()
        digest.update(f"{column} {array.type}\n".encode())
        if pa.types.is_string(array.type):
            encoded = array.dictionary_encode()  # in the order in which the values first come
            distinct = encoded.dictionary
            digest.update(pc.binary_length(distinct).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
            joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(distinct)], pa.int32()), distinct), "")
            digest.update(joined[0].as_py().encode("utf-8", "surrogatepass"))
            digest.update(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
            continue
        digest.update(array.is_null().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_floating(array.type):
            digest.update(pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False).astype("<f8").tobytes())
        else:
            digest.update(
                pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes()
            )
    return digest.hexdigest()


def read_rows(path: Path, table: str) -> pa.Table:
    """Read one file with the columns of its schema (`ArchiveCorruptError`, `ArchiveError`)."""
    import pyarrow.parquet as pq

    schema = SCHEMAS[table]
    with file_trouble(path):
        found = pq.ParquetFile(path, page_checksum_verification=True).read()
        return found.select(schema.column_names).cast(schema.arrow())


def rows_of_set(stored: StoredSet, table: str, check: FileCheck) -> pa.Table:
    """Return a set's rows of one table, sorted by the key, wherever it lies (errors as `read_rows`)."""
    import pyarrow.compute as pc

    name = f"{table}.parquet"
    if stored.pack is None:
        check(stored.folder / name, stored.files[name])
        return read_rows(stored.folder / name, table)
    check(stored.pack.folder / name, stored.pack.files[name])
    rows = read_rows(stored.pack.folder / name, table)
    return by_key(rows.filter(pc.equal(rows[KINDS[stored.kind].identity_key], stored.identity)), table)


def by_key(rows: pa.Table, table: str) -> pa.Table:
    """Sort rows of one account and Region as each set's own file has them."""
    return rows.sort_by([(column, "ascending") for column in SCHEMAS[table].key if column not in ("account", "region")])


def rows_by_set(rows: pa.Table, table: str, identity_key: str) -> dict[str, pa.Table]:
    """Split rows of sets of one account and Region, each set's sorted by the key; sets without rows are absent."""
    ordered = by_key(rows, table)  # the key begins with the set
    found, start = {}, 0
    for entry in ordered[identity_key].value_counts().to_pylist():
        found[entry["values"]] = ordered.slice(start, entry["counts"])
        start += entry["counts"]
    return found


def pack_hashes(pack: Pack) -> dict[str, dict[str, str]]:
    """Hash what the files of a pack hold now: by identity, then by table (errors as `read_rows`)."""
    layout = KINDS[pack.kind]
    hashes: dict[str, dict[str, str]] = {identity: {} for identity in pack.sets}
    for table in layout.tables:
        rows = read_rows(pack.folder / f"{table}.parquet", table)
        found = rows_by_set(rows, table, layout.identity_key)
        nothing = rows_sha256(SCHEMAS[table].arrow().empty_table())
        for identity in hashes.keys() | found.keys():
            hashes.setdefault(identity, {})[table] = rows_sha256(found[identity]) if identity in found else nothing
    return hashes


def proves_itself(pack: Pack, listing: Listing, check: FileCheck) -> bool:
    """Whether a pack that no manifest lists holds exactly what the folders of its sets hold, which are there still.

    That is what a compaction leaves when it is stopped. A merge leaves a pack of sets that no manifest lists and that
    have no folders: then the pack need only hold what it says itself.

    Raises
    ------
    ArchiveCorruptError, ArchiveError
        A file of the pack or of a set is damaged or cannot be read.
    """
    layout = KINDS[pack.kind]
    for name, described in pack.files.items():
        check(pack.folder / name, described)
    inside = pack_hashes(pack)
    if inside.keys() != pack.sets.keys():
        return False
    for identity, member in pack.members.items():
        folder = pack.folder.parent / f"{layout.identity_key}={encode(identity)}"
        if not folder.exists():
            if (pack.kind, pack.account, pack.region, identity) in listing.sets:
                return False
            if dict(member.rows_sha256) != inside[identity]:
                return False
            continue
        stored = read_set(folder)
        if (folder / SET_FILE).read_bytes() != member.set_json.encode():
            return False
        for table in layout.tables:
            hashed = rows_sha256(rows_of_set(stored, table, check))
            if {member.rows_sha256.get(table), inside[identity][table]} != {hashed}:
                return False
    return True
