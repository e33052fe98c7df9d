"""From rows of plain values to the tables of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.schemas import pandas_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddreport.schemas import Schema


def table_of(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a table of `schema`; members that a row lacks are missing values (`TableSchemaError`)."""
    columns = {
        c.name: pd.Series([_plain(row.get(c.name)) for row in rows], dtype=pandas_dtype(c.dtype))
        for c in schema.columns
    }
    return schema.conform(pd.DataFrame(columns))


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows with None for missing values."""
    names = [str(name) for name in table.columns]
    return [
        {name: _plain(value) for name, value in zip(names, values, strict=True)}
        for values in table.itertuples(index=False, name=None)
    ]


def _plain(value: Any) -> Any:
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value  # noqa: PLR0124 - NaN
