"""In and out of narwhals: the same reduction takes a pandas frame, a DuckDB relation or a Spark frame.

Everything that differs from engine to engine stands in this module; what reduces many rows is written once, against
narwhals, and knows no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import pandas as pd

from ddreport.errors import TableSchemaError, WindowError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from narwhals.typing import IntoFrame

    from ddreport.schemas import Schema

Table: TypeAlias = "IntoFrame"
"""A pandas DataFrame, a DuckDB relation, or whatever else narwhals takes; never changed."""

AUDIT = ["account", "region", "audit_task_id"]


def scan(table: Table, schema: Schema, columns: Iterable[str]) -> nw.LazyFrame[Any]:
    """Return `columns` of `table` for a reduction; severities as text, which every engine has.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    wanted = list(columns)
    frame = nw.from_native(table).lazy()
    present = set(frame.collect_schema().names())
    missing = [c for c in wanted if c not in present]
    if missing:
        raise TableSchemaError(
            f"{schema.name}: missing columns: {', '.join(missing)}.",
            hint=f"give the table `schemas.SCHEMAS[{schema.name!r}]`, as `Archive.load` returns it.",
        )
    frame = frame.select(*wanted)
    if "severity" in wanted:
        frame = frame.with_columns(nw.col("severity").cast(nw.String()))
    return frame


def collect(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Run a reduction and return its rows as pandas: times in UTC; missing counts and flags neither NaN nor object."""
    native = frame.collect().to_native()
    rows = native.reset_index(drop=True) if isinstance(native, pd.DataFrame) else _from_arrow(native)
    for name, dtype in rows.dtypes.items():
        # An engine may answer in its session's zone, where days have 23 or 25 hours.
        if isinstance(dtype, pd.DatetimeTZDtype):
            rows[name] = rows[name].astype("datetime64[us, UTC]")
    return rows


def distinct(frame: nw.LazyFrame[Any], columns: Iterable[str]) -> nw.LazyFrame[Any]:
    """Return each combination of values of `columns` once.

    The same as narwhals' `unique`, which in SQL numbers all rows first: several times slower, and much more memory.
    """
    wanted = list(columns)
    return frame.group_by(*wanted).agg(nw.len().alias("rows_count")).select(*wanted)


def _from_arrow(table: Any) -> pd.DataFrame:
    import pyarrow as pa

    # DuckDB sums whole numbers in 128 bits, which arrive as decimals.
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.int64()))
    kinds = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    rows: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    if rows.empty:
        # pandas 3.1 cannot merge two empty frames whose text came from Arrow without a single chunk.
        for name in rows.columns[rows.dtypes == "str"]:
            rows[name] = pd.Series([], dtype="str")
    return rows


def upload(rows: pd.DataFrame, *, like: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Bring a small pandas table to where the rows of `like` are, so that the two can be joined there.

    Parameters
    ----------
    rows
        Columns of text, numbers, flags and times with a zone; values may be missing.
    like
        A frame of the engine that is to have it.

    Returns
    -------
    LazyFrame
        The same rows, for joins with `like`.
    """
    if like.implementation.is_pandas():
        return nw.from_native(rows).lazy()
    import pyarrow as pa

    native = like.to_native()
    uploaded = pa.Table.from_pandas(rows, preserve_index=False)
    if like.implementation.is_duckdb():
        # DuckDB finds the table by the name of this variable, and keeps it for as long as the relation lives.
        there: Any = native.query("ddreport_uploaded_beside", "SELECT * FROM uploaded")
    else:
        # From Arrow: no row becomes a Python object, and the workers need no Python.
        there = native.sparkSession.createDataFrame(uploaded)
    frame: nw.LazyFrame[Any] = nw.from_native(there).lazy()
    return frame


def check_as_of(as_of: datetime, *, name: str = "as_of") -> datetime:
    """Return `as_of` if it has a time zone, else raise `WindowError`."""
    if as_of.tzinfo is None:
        raise WindowError(f"{name} {as_of.isoformat()} has no time zone; give it in UTC, as all times here.")
    return as_of
