"""Plain formats: typed, in UTC, harmless in a spreadsheet, exact for programs, the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from zipfile import ZipFile

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddreport.errors import InputError
from ddreport.exporting import plain
from ddreport.schema_types import COUNT, FLAG, SEVERITY, TEXT, TIME, Column, Schema

SCHEMA = Schema(
    "things",
    "One row per thing.",
    ("name",),
    (
        Column("name", TEXT, "its name"),
        Column("severity", SEVERITY, "how bad", nullable=True),
        Column("count", COUNT, "how many", nullable=True),
        Column("share", "float64", "of all", nullable=True),
        Column("flag", FLAG, "whether", nullable=True),
        Column("seen_time", TIME, "when", nullable=True),
    ),
)
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "|calc",
    "%0A=1",
    '=HYPERLINK("http://evil.example","x")',
    '=1+1","=2+2',
    "invoice\u202egpj.exe",
    "\x1b[2J",
    "http://evil.example/",
    "{=1+1}",
    "\ufeff=1+1",
    "\uff1d1+1",
)
TIME_ = datetime(2026, 3, 2, 9, 15, 0, 123456, tzinfo=UTC)


def table(*names: str) -> pd.DataFrame:
    rows = [
        {"name": name, "severity": "HIGH", "count": n, "share": n / 3, "flag": n % 2 == 0, "seen_time": TIME_}
        for n, name in enumerate(names)
    ]
    rows.append(dict.fromkeys(SCHEMA.column_names) | {"name": "nothing known"})
    return SCHEMA.conform(pd.DataFrame(rows, columns=SCHEMA.column_names))


def csv_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_csv_has_types_utc_and_empty_cells_for_what_is_missing() -> None:
    heading, first, last = csv_rows(plain.to_csv(table("a,b\"c'"), SCHEMA))
    assert heading == SCHEMA.column_names
    assert first == ["a,b\"c'", "HIGH", "0", "0.0", "true", "2026-03-02T09:15:00.123456Z"]
    assert last == ["nothing known", "", "", "", "", ""]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_or_hides_anything(text: str) -> None:
    cell = csv_rows(plain.to_csv(table(text), SCHEMA))[1][0]
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "|", "%"))
    assert cell.isprintable()
    book = openpyxl.load_workbook(io.BytesIO(plain.to_xlsx(table(text), SCHEMA)))
    found = book["things"]["A2"]
    assert found.data_type == "s"
    assert found.value == cell
    assert found.hyperlink is None


@given(st.text(max_size=40))
def test_any_text_stays_in_its_cell(text: str) -> None:
    rows = csv_rows(plain.to_csv(table(text.encode("utf-8", "replace").decode()), SCHEMA))
    assert [len(row) for row in rows] == [6, 6, 6]
    assert not rows[1][0].startswith(("=", "+", "-", "@"))


def test_json_and_parquet_hold_the_very_text() -> None:
    found = json.loads(plain.to_json(table(*HOSTILE), SCHEMA))
    assert tuple(row["name"] for row in found[:-1]) == HOSTILE
    assert found[0]["seen_time"] == "2026-03-02T09:15:00.123456Z"
    assert found[-1] == dict.fromkeys(SCHEMA.column_names) | {"name": "nothing known"}
    arrow = pq.read_table(io.BytesIO(plain.to_parquet(table(*HOSTILE), SCHEMA)))
    assert tuple(arrow["name"].to_pylist()[:-1]) == HOSTILE
    assert arrow.schema.equals(SCHEMA.arrow())


def test_a_workbook_has_numbers_times_filters_and_what_the_columns_mean() -> None:
    book = openpyxl.load_workbook(io.BytesIO(plain.to_xlsx(table("a", "b"), SCHEMA)))
    sheet = book["things"]
    assert [c.value for c in sheet[1]] == SCHEMA.column_names
    assert [c.data_type for c in sheet[3]] == ["s", "s", "n", "n", "b", "d"]
    assert sheet["F2"].value == TIME_.replace(tzinfo=None, microsecond=123000)
    assert (sheet.auto_filter.ref, sheet.freeze_panes) == ("A1:F4", "A2")
    assert [c.value for c in book["columns"][2]] == ["name", "str", "its name"]


@pytest.mark.parametrize("form", sorted(plain.WRITERS))
def test_the_same_table_gives_the_same_bytes(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = plain.WRITERS[form](table("a"), SCHEMA)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert plain.WRITERS[form](table("a"), SCHEMA) == one


def test_an_empty_table_is_a_heading() -> None:
    empty = SCHEMA.empty()
    assert csv_rows(plain.to_csv(empty, SCHEMA)) == [SCHEMA.column_names]
    assert json.loads(plain.to_json(empty, SCHEMA)) == []
    assert ZipFile(io.BytesIO(plain.to_xlsx(empty, SCHEMA))).testzip() is None


def test_more_rows_than_a_worksheet_holds_are_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "XLSX_ROWS", 2)
    with pytest.raises(InputError, match="3 rows do not go into a worksheet"):
        plain.to_xlsx(table("a", "b"), SCHEMA)
