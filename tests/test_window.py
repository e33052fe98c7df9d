"""Windows as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ddreport.errors import WindowError
from ddreport.window import Window, parse_end, parse_start


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-02T09:15Z", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02 09:15", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02T09:15+05:30", datetime(2026, 3, 2, 3, 45, tzinfo=UTC)),
    ],
)
def test_a_start_is_read_as_utc(text: str, start: datetime) -> None:
    assert parse_start(text) == start


def test_an_end_that_is_a_date_includes_that_day() -> None:
    assert parse_end("2026-03-02") == datetime(2026, 3, 3, tzinfo=UTC)
    assert parse_end("2026-03-02T09:15Z") == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["yesterday", "02.03.2026", "2026-02-30", "2026-03-02T25:00Z", "9999-12-31", "0001-01-01T00:00+05:00"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WindowError, match="allowed: 2026-03-02 or 2026-03-02T09:15Z"):
        parse_start(text)


def test_a_reversed_window_is_refused() -> None:
    with pytest.raises(WindowError, match="begins at 2026-03-02 00:00 UTC and ends at 2026-03-01 00:00 UTC"):
        Window(parse_start("2026-03-02"), parse_start("2026-03-01"))
