"""Tables as CSV, XLSX, JSON and Parquet: the same columns in the same order, times in UTC, numbers as numbers.

JSON and Parquet hold every text exactly as AWS sent it: programs read them. CSV and XLSX are opened by people in
spreadsheets, which run what looks like a formula, so there

- a text that a spreadsheet could take for a formula (it begins with `=`, `+`, `-`, `@`, or with a tab or line break)
  gets an apostrophe before it;
- characters that hide or steer (control characters, direction overrides, zero width) show as escapes (`text.visible`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError, MissingExtraError
from ddreport.presentation.text import visible
from ddreport.schema_types import FLAG, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from ddreport.schema_types import Schema

_FORMULA = re.compile(r"[\t\r\n|%]|\s*[=+\-@＝＋－＠]")
_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
XLSX_ROWS = 1_048_575
"""Rows below the heading that a worksheet holds."""

XLSX_CELL = 32_767
"""Characters that a cell holds."""


def safe_cell(text: str) -> str:
    r"""Return a text that no spreadsheet takes for a formula, and in which nothing is hidden.

    Examples
    --------
    >>> safe_cell("=1+1")
    "'=1+1"
    >>> safe_cell("pump\u202e01")
    'pump\\u202e01'
    """
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(text) or _FORMULA.match(shown) else shown


def to_csv(table: pd.DataFrame, schema: Schema) -> bytes:
    """Return a table as CSV: UTF-8 with a mark that spreadsheets need, a heading, CRLF, missing values empty.

    Times are ISO 8601 in UTC (`2026-03-02T09:15:00.000000Z`), flags `true` or `false`.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(schema.column_names)
    kinds = [c.dtype for c in schema.columns]
    for values in _rows(table, schema):
        writer.writerow([_csv(value, kind) for value, kind in zip(values, kinds, strict=True)])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "backslashreplace")


def _csv(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == TIME:
        return iso(value)
    if kind == FLAG:
        return "true" if value else "false"
    return safe_cell(value) if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)


def to_json(table: pd.DataFrame, schema: Schema) -> bytes:
    """Return a table as a JSON list, one row to a line; texts exactly as AWS sent them, missing values null."""
    lines = [json.dumps(row, ensure_ascii=False) for row in records(table, schema)]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode("utf-8", "surrogatepass")


def records(table: pd.DataFrame, schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield the rows as JSON takes them; times as ISO 8601 in UTC."""
    names, kinds = schema.column_names, [c.dtype for c in schema.columns]
    for values in _rows(table, schema):
        yield {
            name: iso(value) if kind == TIME and value is not None else value
            for name, value, kind in zip(names, values, kinds, strict=True)
        }


def to_parquet(table: pd.DataFrame, schema: Schema) -> bytes:
    """Return a table as Parquet (zstd) with the types of its schema: microseconds UTC, 64-bit integers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    arrow = pa.Table.from_pandas(table, schema=schema.arrow(), preserve_index=False)
    # Without pandas' own notes, which name versions: the same table gives the same bytes.
    pq.write_table(arrow.replace_schema_metadata(None), out, compression="zstd")
    return out.getvalue()


def to_xlsx(table: pd.DataFrame, schema: Schema) -> bytes:
    """Return a table as a workbook of two sheets: the rows, with filters and a fixed heading, and what columns mean.

    Every text is written as a text, never as a formula or a link. Excel's times have no zone: they are UTC.

    Raises
    ------
    InputError
        More rows than a worksheet holds.
    MissingExtraError
        The extra `excel` is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as exc:
        raise MissingExtraError.for_extra("excel", what="XLSX files", missing=str(exc.name)) from exc
    if len(table) > XLSX_ROWS:
        raise InputError(
            f"{len(table):,} rows do not go into a worksheet, which holds {XLSX_ROWS:,}.",
            hint="export CSV or Parquet, or narrow what is exported.",
        )
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    # The time of writing would make every file another one.
    book.set_properties({"created": _EPOCH})
    sheet = book.add_worksheet(schema.name[:31])
    bold = book.add_format({"bold": True, "bottom": 1})
    formats = {
        TIME: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        "Int64": book.add_format({"num_format": "#,##0"}),
        "float64": book.add_format({"num_format": "0.000"}),
    }
    for position, column in enumerate(schema.columns):
        sheet.write_string(0, position, column.name, bold)
        sheet.set_column(position, position, _WIDTHS.get(column.dtype, 24), formats.get(column.dtype))
    for number, values in enumerate(_rows(table, schema), start=1):
        for position, (value, column) in enumerate(zip(values, schema.columns, strict=True)):
            if value is None:
                continue
            if column.dtype == TIME:
                sheet.write_datetime(number, position, value.replace(tzinfo=None), formats[TIME])
            elif column.dtype == FLAG:
                sheet.write_boolean(number, position, value)
            elif isinstance(value, str):
                sheet.write_string(number, position, safe_cell(value)[:XLSX_CELL])
            else:
                sheet.write_number(number, position, value, formats[column.dtype])
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(table), 1), len(schema.columns) - 1)
    meaning = book.add_worksheet("columns")
    for number, texts in enumerate(
        [("column", "type", "meaning"), *((c.name, c.dtype, c.meaning) for c in schema.columns)]
    ):
        for position, text in enumerate(texts):
            meaning.write_string(number, position, text, bold if number == 0 else None)
    meaning.set_column(0, 1, 30)
    meaning.set_column(2, 2, 90)
    book.close()
    return out.getvalue()


_WIDTHS = {TIME: 19, "Int64": 12, "float64": 12, FLAG: 10, "severity": 10}

WRITERS: dict[str, Callable[[pd.DataFrame, Schema], bytes]] = {
    "csv": to_csv,
    "xlsx": to_xlsx,
    "json": to_json,
    "parquet": to_parquet,
}
"""By name of the format, which is also the ending of its files."""


def iso(value: Any) -> str:
    """Return a time as ISO 8601 in UTC, with microseconds."""
    return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"


def _rows(table: pd.DataFrame, schema: Schema) -> Iterator[tuple[Any, ...]]:
    """Yield rows of plain Python values, None where one is missing; times as aware datetimes in UTC."""
    import pyarrow as pa

    arrow = pa.Table.from_pandas(table, schema=schema.arrow(), preserve_index=False)
    for batch in arrow.to_batches(max_chunksize=10_000):
        yield from zip(*(_plain(column) for column in batch.columns), strict=True)


def _plain(column: Any) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if str(column.type) == "double":
        return [None if value is not None and math.isnan(value) else value for value in values]
    return values
