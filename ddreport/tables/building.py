"""From columns of plain values to tables: a pandas DataFrame, or an Arrow table without ever importing pandas.

Columns are lists by name: text as `str`, counts as `int`, flags as `bool`, times as whole microseconds UTC, missing
values as None. Both ways end in the same table, and refuse the same faults with the same error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.errors import TableSchemaError
from ddreport.schemas import COUNT, FLAG, SEVERITY, TIME, Schema
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

Columns = dict[str, list[Any]]
"""Values by column name, all of one length."""


def columns_of(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Turn rows into columns; each row has every column of `schema`."""
    return {name: [row[name] for row in rows] for name in schema.column_names}


def build_frame(schema: Schema, columns: Columns) -> pd.DataFrame:
    """Return the DataFrame of `columns`, conforming to `schema`.

    Equal rows are kept once: AWS may repeat an item when a list changes while it is paged.

    Raises
    ------
    TableSchemaError
        See `Schema.conform`.
    """
    import pandas as pd

    frame = pd.DataFrame({c.name: _series(c.dtype, columns[c.name]) for c in schema.columns})
    return schema.conform(_without_repeats(schema, frame))


def _series(dtype: str, values: list[Any]) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    if dtype == TIME:
        missing = np.iinfo(np.int64).min  # numpy's own mark for "not a time"
        moments = np.array([missing if v is None else v for v in values], dtype=np.int64).view("datetime64[us]")
        return pd.Series(moments).dt.tz_localize("UTC")
    if dtype in (COUNT, FLAG):
        return pd.Series(pd.array(values, dtype="Int64" if dtype == COUNT else "boolean"))
    return pd.Series(values, dtype="str")


def _without_repeats(schema: Schema, frame: pd.DataFrame) -> pd.DataFrame:
    if frame.duplicated(list(schema.key)).any():
        return frame.drop_duplicates(ignore_index=True)
    return frame


def build_arrow(schema: Schema, columns: Columns) -> pa.Table:
    """Return the Arrow table of `columns`, with the schema `schema.arrow()`; the same rules as `build_frame`."""
    growing = GrowingTable(schema)
    growing.append(columns)
    return check_arrow(schema, growing.table())


class GrowingTable:
    """An Arrow table that grows by batches of rows; nothing is checked but the types of values."""

    def __init__(self, schema: Schema) -> None:
        self._arrow = schema.arrow()
        self._batches: list[pa.RecordBatch] = []
        self._last: dict[str, tuple[list[Any], pa.Array]] = {}

    def append(self, columns: Columns) -> None:
        """Append rows, if there are any.

        Raises
        ------
        TableSchemaError
            A value is not of its column's type.
        """
        import pyarrow as pa

        if not columns[self._arrow.names[0]]:
            return
        arrays = [self._column(field.name, field.type, columns[field.name]) for field in self._arrow]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._arrow))

    def _column(self, name: str, kind: pa.DataType, values: list[Any]) -> pa.Array:
        # Much of a page, such as account, task and check, is as in the page before: then the array is shared.
        if name in self._last and self._last[name][0] == values:
            return self._last[name][1]
        try:
            array = _array(values, kind)
        except (TypeError, ValueError, OverflowError) as exc:
            raise TableSchemaError(f"column {name} cannot be read as {kind}: {exc}.") from exc
        self._last[name] = values, array
        return array

    def table(self) -> pa.Table:
        """Return all rows so far."""
        import pyarrow as pa

        return pa.Table.from_batches(self._batches, schema=self._arrow)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    # Put together from its buffers, because `pa.array` imports pandas to see whether it was given some of it: a
    # fifth of a second and 32 MB that a pull has no use for.
    import numpy as np
    import pyarrow as pa

    number, valid = len(values), None
    if None in values:
        valid = _bits([value is not None for value in values])
        values = [(("" if pa.types.is_string(kind) else 0) if value is None else value) for value in values]
    if pa.types.is_string(kind):
        joined = "".join(values)
        encoded = joined.encode()
        lengths = map(len, values) if len(encoded) == len(joined) else (len(value.encode()) for value in values)
        offsets = np.zeros(number + 1, dtype=np.int32)
        np.cumsum(np.fromiter(lengths, dtype=np.int32, count=number), out=offsets[1:])
        return pa.StringArray.from_buffers(number, pa.py_buffer(offsets), pa.py_buffer(encoded), valid)
    if pa.types.is_boolean(kind):
        return pa.Array.from_buffers(kind, number, [valid, _bits(values)])
    return pa.Array.from_buffers(kind, number, [valid, pa.py_buffer(np.array(values, dtype=np.int64))])


def _bits(flags: list[bool]) -> pa.Buffer:
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.packbits(np.array(flags, dtype=np.bool_), bitorder="little"))


def check_arrow(schema: Schema, table: pa.Table) -> pa.Table:
    """Return an Arrow table of this schema when it is sound.

    Raises
    ------
    TableSchemaError
        As in `Schema.conform`: a value that must be there is missing, a severity is unknown, two rows share a key.
    """
    if _is_sound(schema, table):
        return table
    # The way through pandas drops equal rows, or finds the words and the rows for what is wrong.
    return frame_to_arrow(schema, schema.conform(_without_repeats(schema, table.to_pandas())))


def _is_sound(schema: Schema, table: pa.Table) -> bool:
    if any(not c.nullable and table.column(c.name).null_count for c in schema.columns):
        return False
    severities = {s.value for s in Severity}
    graded = [c.name for c in schema.columns if c.dtype == SEVERITY]
    # Every table is made of one account and Region, so these two do not tell rows apart.
    key = [name for name in schema.key if name not in ("account", "region")]
    # Hashes instead of the keys, batch by batch, to hold little. Two keys with one hash only cost the exact look.
    seen: set[int] = set()
    for batch in table.to_batches():
        if any(not set(batch.column(name).to_pylist()) <= severities for name in graded):
            return False
        if key:
            seen.update(map(hash, zip(*(batch.column(name).to_pylist() for name in key), strict=True)))
    rows: int = table.num_rows
    return rows <= 1 or len(seen) == rows


def frame_to_arrow(schema: Schema, frame: pd.DataFrame) -> pa.Table:
    """Return a DataFrame that conforms to `schema` as the Arrow table that the archive keeps."""
    import pyarrow as pa

    texts = {c.name: "str" for c in schema.columns if c.dtype == SEVERITY}
    return pa.Table.from_pandas(
        frame.astype(texts), schema=schema.arrow(), preserve_index=False
    ).replace_schema_metadata()
