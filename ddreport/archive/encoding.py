"""Tables to Parquet, AWS's answers to compressed JSON lines, and back; bytes in memory, no files."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.archive.layout import KINDS, OBSERVED_KINDS
from ddreport.errors import ArchiveError, TableSchemaError
from ddreport.records import RawResponse
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from ddreport.records import RecordSet


def checked_tables(records: RecordSet) -> dict[str, pa.Table]:
    """Return the set's tables in their order, each sorted by its key.

    Raises
    ------
    TableSchemaError
        A table is missing or not of this kind, has another schema, or holds rows of another account, Region or task.
    """
    layout = KINDS[records.kind]
    if set(records.tables) != set(layout.tables):
        raise TableSchemaError(
            f"a set of kind {records.kind!r} holds the tables {', '.join(layout.tables)}; "
            f"given: {', '.join(sorted(records.tables)) or 'none'}."
        )
    own = {"account": records.account, "region": records.region}
    if records.kind not in OBSERVED_KINDS:
        own[layout.identity_key] = records.identity
    return {name: _checked(name, records.tables[name], own, records) for name in layout.tables}


def _checked(name: str, table: pa.Table, own: dict[str, str], records: RecordSet) -> pa.Table:
    schema = SCHEMAS[name]
    expected = schema.arrow()
    if table.schema.names != expected.names or table.schema.types != expected.types:
        wrong = [
            f.name for f in expected if f.name not in table.schema.names or table.schema.field(f.name).type != f.type
        ]
        raise TableSchemaError(
            f"{name}: the Arrow table does not have the schema of `schemas.SCHEMAS[{name!r}].arrow()`"
            f"{': ' + ', '.join(wrong) if wrong else ' (order or further columns)'}."
        )
    for column, value in own.items():
        # A mitigation task names an audit too, but only as a reference: there the own id is another column.
        values = table[column].unique().to_pylist() if column in expected.names else []
        if any(v != value for v in values):
            raise TableSchemaError(
                f"{name}: rows of {column} {values} in the set of {column} {value!r} "
                f"({records.kind} {records.identity})."
            )
    return table.sort_by([(column, "ascending") for column in schema.key])


ROW_GROUP_ROWS = 122_880  # the unit that DuckDB gives to one thread
_UNIQUE = {"finding_id": "DELTA_LENGTH_BYTE_ARRAY", "finding_time": "PLAIN"}  # no dictionary: no value comes twice


def to_parquet(table: pa.Table, *, level: int = 3) -> bytes:
    """Encode a table; zstd of that level, dictionaries, a checksum per page so that a flipped bit is noticed.

    All encodings are such that pandas, DuckDB and Spark's fast reader know them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    unique = {name: encoding for name, encoding in _UNIQUE.items() if name in table.column_names}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=level,
        use_dictionary=[name for name in table.column_names if name not in unique],
        column_encoding=unique or None,
        row_group_size=ROW_GROUP_ROWS,
        write_page_checksum=True,
        store_schema=False,
    )
    return bytes(sink.getvalue())


def content_sha256(tables: dict[str, pa.Table]) -> str:
    """Hash the values of an observed set's tables without `observed_time`: equal for equal ones, whoever wrote them."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        rows = tables[name].drop_columns(["observed_time"]).to_pylist()
        digest.update(_json([name, rows]) + b"\n")
    return digest.hexdigest()


def to_raw_lines(responses: Iterable[RawResponse]) -> bytes:
    """Encode AWS's answers, one JSON line each, compressed with zstd.

    Each line is `{"operation", "request", "response"}` with the body's own bytes behind `"response":`. A body that
    cannot stand there unchanged gets another name: `response_text` (not JSON, several lines, blanks around it) or
    `response_base64` (not UTF-8).
    """
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        for response in responses:
            head = b'{"operation":' + _json(response.operation) + b',"request":' + _json(dict(response.request))
            out.write(head + b"," + _body(response.body) + b"}\n")
    return bytes(sink.getvalue())


_ABSENT = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    operation: str
    request: dict[str, Any]
    response: msgspec.Raw = _ABSENT
    response_text: str | None = None
    response_base64: str | None = None


def from_raw_lines(data: bytes) -> Iterator[RawResponse]:
    """Decode what `to_raw_lines` made; each body has the very bytes that AWS sent.

    Raises
    ------
    OSError, ValueError
        The data is damaged.
    """
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        text = stream.read()
    for line in bytes(text).split(b"\n")[:-1]:
        found = msgspec.json.decode(line, type=_Line)
        yield RawResponse(found.operation, found.request, _body_of(found))


def _body_of(line: _Line) -> bytes:
    if line.response_text is not None:
        return line.response_text.encode()
    if line.response_base64 is not None:
        return base64.b64decode(line.response_base64, validate=True)
    if not bytes(line.response):
        raise ValueError(f"the answer to {line.operation} has no body")
    return bytes(line.response)


def _body(body: bytes) -> bytes:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return b'"response_base64":' + _json(base64.b64encode(body).decode())
    # Blanks around a value, and line breaks between its parts, are JSON too, but would be lost or break the line.
    if body == body.strip() and b"\n" not in body and b"\r" not in body and _is_json(body):
        return b'"response":' + body
    return b'"response_text":' + _json(text)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _json(value: Any) -> bytes:
    def plain(other: Any) -> str:
        if hasattr(other, "isoformat"):
            return str(other.isoformat())
        raise ArchiveError(f"a value of type {type(other).__name__} cannot be archived: {other!r}.")

    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=plain).encode()
