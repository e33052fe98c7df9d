"""What a schema is: columns with dtype and meaning, a key, and the check that a table fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ddreport.errors import TableSchemaError
from ddreport.terms import Severity

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Dtype = Literal["str", "Int64", "float64", "boolean", "datetime64[us, UTC]", "severity"]

TEXT: Dtype = "str"
COUNT: Dtype = "Int64"
FLAG: Dtype = "boolean"
TIME: Dtype = "datetime64[us, UTC]"
SEVERITY: Dtype = "severity"


@dataclass(frozen=True)
class Column:
    """One column: its name, pandas dtype, one line of meaning, and whether a value may be missing."""

    name: str
    dtype: Dtype
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Schema:
    """One table: its columns in order, the key that no two rows share, and one line of meaning."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [c.name for c in self.columns]

    def empty(self) -> pd.DataFrame:
        """Return the table without rows: all columns, right dtypes."""
        import pandas as pd

        return pd.DataFrame({c.name: pd.Series([], dtype=pandas_dtype(c.dtype)) for c in self.columns})

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a copy of `frame` with exactly this table's columns, order and dtypes.

        Columns that the schema does not know are left out; rows and their order stay.

        Raises
        ------
        TableSchemaError
            A column is missing, a value does not fit its dtype, a value that must be there is missing,
            or two rows share a key. `failure_cases` holds the rows concerned.
        """
        import pandas as pd

        missing = [c for c in self.column_names if c not in frame.columns]
        if missing:
            raise TableSchemaError(f"{self.name}: missing columns: {', '.join(missing)}.")
        out: dict[str, pd.Series[Any]] = {}
        for column in self.columns:
            out[column.name] = self._cast(frame, column)
        table = pd.DataFrame(out).reset_index(drop=True)
        for column in self.columns:
            if not column.nullable and table[column.name].isna().any():
                cases = table[table[column.name].isna()]
                raise TableSchemaError(
                    f"{self.name}: {len(cases)} of {len(table)} rows have no {column.name}, which must be there.",
                    hint="`error.failure_cases` is a table of these rows.",
                    failure_cases=cases,
                )
        # Without a key (a table of one row) no two rows may be alike.
        double = table.duplicated(list(self.key) or None, keep=False)
        if double.any():
            raise TableSchemaError(
                f"{self.name}: {int(double.sum())} of {len(table)} rows share a key ({', '.join(self.key)}).",
                hint="`error.failure_cases` is a table of these rows.",
                failure_cases=table[double],
            )
        return table

    def _cast(self, frame: pd.DataFrame, column: Column) -> pd.Series[Any]:
        values = frame[column.name]
        if column.dtype == SEVERITY:
            allowed = [s.value for s in Severity]
            wrong = values.notna() & ~values.astype("str").isin(allowed)
            if wrong.any():
                raise TableSchemaError(
                    f"{self.name}: {int(wrong.sum())} of {len(frame)} rows have {column.name} "
                    f"{values[wrong].iloc[0]!r}; allowed: {', '.join(allowed)}.",
                    hint="`error.failure_cases` is a table of these rows.",
                    failure_cases=frame[wrong],
                )
        try:
            return values.astype(pandas_dtype(column.dtype))
        except (TypeError, ValueError) as exc:
            raise TableSchemaError(
                f"{self.name}: column {column.name} ({values.dtype}) cannot be read as {column.dtype}: {exc}."
            ) from exc

    def arrow(self) -> pa.Schema:
        """Return the same table as an Arrow schema, as it is written to Parquet."""
        import pyarrow as pa

        types = {
            TEXT: pa.string(),
            COUNT: pa.int64(),
            "float64": pa.float64(),
            FLAG: pa.bool_(),
            TIME: pa.timestamp("us", tz="UTC"),
            SEVERITY: pa.string(),
        }
        return pa.schema([pa.field(c.name, types[c.dtype], nullable=c.nullable) for c in self.columns])


def pandas_dtype(dtype: Dtype) -> Any:
    """Return what pandas takes for `dtype` (the severity order is made here and nowhere else)."""
    if dtype == SEVERITY:
        import pandas as pd

        return pd.CategoricalDtype([s.value for s in Severity], ordered=True)
    return dtype
