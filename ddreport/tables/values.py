"""Single values: AWS's times, texts and open structures, as the tables keep them.

AWS sends times in three forms: numbers of epoch seconds with decimals (API), datetimes in the machine's own zone (what
boto3 makes of them) and texts of epoch milliseconds (inside `additionalInfo`). All become whole microseconds UTC.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ddreport.errors import TableSchemaError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Years 1 to 9999, which Python, DuckDB and Spark can all show.
_FIRST = -62_135_596_800_000_000
_BEYOND = 253_402_300_800_000_000
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_ENCODER = msgspec.json.Encoder(order="sorted")
_WHOLE_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


def to_microseconds(value: Any) -> int | None:
    """Return a time of AWS as microseconds since 1970 UTC; None stays None.

    Numbers are epoch seconds, rounded as boto3 rounds them; a datetime without zone and a text without offset
    are taken as UTC.

    Raises
    ------
    TableSchemaError
        The value is no time, or lies outside of the years 1 to 9999.
    """
    if value is None:
        return None
    try:
        found = _microseconds(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise TableSchemaError(
            f"{value!r} is no time; AWS sends epoch seconds, boto3 a datetime, texts are ISO 8601."
        ) from exc
    if not _FIRST <= found < _BEYOND:
        raise TableSchemaError(f"the time {value!r} lies outside of the years 1 to 9999.")
    return found


def _microseconds(value: Any) -> int:
    if isinstance(value, float):  # first, because it is what an answer holds
        # Whole and broken seconds apart, as datetime.fromtimestamp does: both ways round to the same microsecond.
        fraction, whole = math.modf(value)
        return int(whole) * 1_000_000 + round(fraction * 1e6)
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1_000_000
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(value, str):
        try:
            return _microseconds(float(value))
        except ValueError:
            return _microseconds(datetime.fromisoformat(value))
    raise TypeError(type(value).__name__)


def from_microseconds(value: int) -> datetime:
    """Return microseconds since 1970 as a datetime, UTC."""
    return _EPOCH + value * _MICROSECOND


def milliseconds_text(value: Any) -> int | None:
    """Return a text of epoch milliseconds, as in `additionalInfo`, as microseconds; None for anything else.

    These texts come with findings of many kinds, so one that is no number is not an error: the table's
    `additional_info` has it as it is.
    """
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        found = int(value) * 1000
        return found if _FIRST <= found < _BEYOND else None
    return None


def text(value: Any) -> str | None:
    """Return a text that every file format can hold; None stays None, half characters become U+FFFD."""
    if value is None:
        return None
    found = value if isinstance(value, str) else str(value)
    return found if found.isascii() else _LONE_SURROGATES.sub("\ufffd", found)


def scrub(value: Any) -> Any:
    """Return a copy of decoded JSON in which every text is one that `text` returns; other values as they are."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(key): scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def decode_json(body: bytes) -> Any:
    """Decode JSON that may hold half characters (lone surrogates), which JSON allows and which become U+FFFD.

    Raises
    ------
    ValueError
        The bytes are not JSON in UTF-8.
    """
    try:
        return msgspec.json.decode(body)
    except ValueError:
        return scrub(json.loads(body))


def canonical_json(value: Any) -> str:
    """Return JSON text with sorted keys and no spaces, so that equal structures have equal texts."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return _ENCODER.encode(scrub(value)).decode()
