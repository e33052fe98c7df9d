import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from ddreport.errors import TableSchemaError
from ddreport.tables.values import (
    canonical_json,
    decode_json,
    from_microseconds,
    milliseconds_text,
    scrub,
    text,
    to_microseconds,
)

MARCH = 1_772_442_000_123_000  # 2026-03-02T09:00:00.123Z


@pytest.mark.parametrize(
    "value",
    [
        1772442000.123,
        "1772442000.123",
        "2026-03-02T09:00:00.123Z",
        "2026-03-02T14:30:00.123+05:30",
        datetime(2026, 3, 2, 9, 0, 0, 123000, tzinfo=UTC),
        datetime(2026, 3, 2, 14, 30, 0, 123000, tzinfo=timezone(timedelta(hours=5.5))),
        datetime(2026, 3, 2, 9, 0, 0, 123000),
    ],
)
def test_every_form_of_a_time_is_the_same_moment(value):
    assert to_microseconds(value) == MARCH


def test_whole_seconds_are_a_time():
    assert to_microseconds(1772442000) == 1_772_442_000_000_000


def test_no_time_stays_none():
    assert to_microseconds(None) is None


@pytest.mark.parametrize("value", ["soon", True, [1], float("nan"), float("inf"), 1e300, 253402300800, -62135596801])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(TableSchemaError, match="time"):
        to_microseconds(value)


@given(st.floats(min_value=-1e9, max_value=2e11))
def test_numbers_are_rounded_as_boto3_rounds_them(value):
    assert to_microseconds(value) == to_microseconds(parse_timestamp(value))


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)))
def test_a_time_survives_both_ways(value):
    assert from_microseconds(to_microseconds(value)) == value


def test_a_text_of_milliseconds_is_a_time():
    assert milliseconds_text("1772442000123") == MARCH


@pytest.mark.parametrize("value", [None, "", "soon", "1.5", "１２", 1772442000123, "9" * 18, "9" * 400, "-" + "9" * 17])
def test_a_text_of_milliseconds_that_is_none_is_missing(value):
    assert milliseconds_text(value) is None


def test_text_keeps_hostile_characters():
    hostile = "<script>\x00\x1b[2J\u202e=1+1 😀"
    assert text(hostile) == hostile


def test_text_replaces_half_characters():
    assert text("a\ud800b\udfff") == "a\ufffdb\ufffd"


def test_scrub_reaches_every_text_of_a_structure():
    assert scrub({"\ud800": ["\udc00", {"k": "\ud801"}], "n": 1.5}) == {"\ufffd": ["\ufffd", {"k": "\ufffd"}], "n": 1.5}


def test_canonical_json_does_not_depend_on_order():
    assert canonical_json({"b": [1, {"d": 0, "c": None}], "a": "é"}) == '{"a":"é","b":[1,{"c":null,"d":0}]}'


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_canonical_json_is_json_with_sorted_keys_and_no_spaces(value):
    assert canonical_json(value) == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_canonical_json_takes_half_characters():
    assert canonical_json({"k": "\ud800"}) == '{"k":"\ufffd"}'


def test_json_with_half_characters_is_read():
    assert decode_json(b'{"k": "x\\ud800"}') == {"k": "x\ufffd"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": 1', b'{"a": "\xff"}'])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        decode_json(body)
