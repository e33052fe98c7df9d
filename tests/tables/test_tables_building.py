import pandas as pd
import pyarrow as pa
import pytest

from ddreport.errors import TableSchemaError
from ddreport.schemas import CHECKS, FINDINGS, SCHEMAS
from ddreport.tables import findings_table
from ddreport.tables.building import build_arrow, build_frame, frame_to_arrow

ROW = {
    "account": "1",
    "region": "r",
    "audit_task_id": "a",
    "task_start_time": 1_772_442_000_123_456,
    "check_name": "é😀",
    "check_run_status": "FAILED",
    "check_compliant": None,
    "total_resources_count": 2**60,
    "non_compliant_resources_count": None,
    "suppressed_non_compliant_resources_count": 0,
    "error_code": None,
    "message": "",
}


def columns(*rows):
    return {name: [row[name] for row in rows] for name in CHECKS.column_names}


def many(number):
    return columns(
        *({**ROW, "check_name": f"C{n}", "check_compliant": [True, False, None][n % 3]} for n in range(number))
    )


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 100])
def test_both_forms_hold_the_same(number):
    assert build_arrow(CHECKS, many(number)).equals(frame_to_arrow(CHECKS, build_frame(CHECKS, many(number))))


@pytest.mark.parametrize("number", [0, 1, 9])
def test_an_arrow_table_is_sound_inside(number):
    build_arrow(CHECKS, many(number)).validate(full=True)


def test_an_arrow_table_holds_the_values():
    [row] = build_arrow(CHECKS, columns(ROW)).to_pylist()
    assert row == {**ROW, "task_start_time": pd.Timestamp("2026-03-02T09:00:00.123456Z")}


@pytest.mark.parametrize("build", [build_arrow, build_frame])
def test_a_missing_value_that_must_be_there_is_refused(build):
    with pytest.raises(TableSchemaError, match="1 of 1 rows have no check_run_status"):
        build(CHECKS, columns({**ROW, "check_run_status": None}))


@pytest.mark.parametrize("build", [build_arrow, build_frame])
def test_two_rows_with_one_key_are_refused(build):
    with pytest.raises(TableSchemaError, match="2 of 2 rows share a key"):
        build(CHECKS, columns(ROW, {**ROW, "message": "other"}))


@pytest.mark.parametrize("build", [build_arrow, build_frame])
def test_equal_rows_count_once(build):
    assert len(build(CHECKS, columns(ROW, ROW))) == 1


def test_a_value_of_the_wrong_type_is_refused():
    with pytest.raises(TableSchemaError, match="column total_resources_count cannot be read as int64"):
        build_arrow(CHECKS, columns({**ROW, "total_resources_count": "many"}))


def test_a_frame_becomes_the_table_that_the_archive_keeps(a_finding, place):
    table = frame_to_arrow(FINDINGS, findings_table([a_finding()], **place))
    assert table.schema.equals(FINDINGS.arrow(), check_metadata=True)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_empty_table_has_both_forms(schema):
    assert frame_to_arrow(schema, schema.empty()).equals(pa.Table.from_batches([], schema=schema.arrow()))
