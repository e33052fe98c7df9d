"""Time windows as people write them: dates and times in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ddreport.errors import WindowError

_FIRST_YEAR, _LAST_YEAR = 1970, 9000


@dataclass(frozen=True)
class Window:
    """From `start` (included) to `end` (excluded), aware datetimes in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise WindowError(
                f"the window is reversed or empty: it begins at {self.start:%Y-%m-%d %H:%M} UTC and ends at "
                f"{self.end:%Y-%m-%d %H:%M} UTC.",
                hint="give a start that is earlier than the end.",
            )


def parse_start(text: str) -> datetime:
    """Return the beginning that `text` names: a date means its first moment (`WindowError` otherwise)."""
    moment = _parse(text, "start")
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time.min, UTC)


def parse_end(text: str) -> datetime:
    """Return the end that `text` names: a date means until its last moment (`WindowError` otherwise)."""
    moment = _parse(text, "end")
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time.min, UTC) + timedelta(days=1)


def parse_moment(text: str, name: str) -> datetime:
    """Return one moment in UTC; a date means its first moment (`WindowError` otherwise)."""
    moment = _parse(text, name)
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time.min, UTC)


def _parse(text: str, name: str) -> date | datetime:
    if not isinstance(text, str):
        raise WindowError(f"{name} is {text!r}; allowed: a text such as 2026-03-02 or 2026-03-02T09:15Z.")
    moment: date | datetime | None
    try:
        is_date = "T" not in text and " " not in text
        moment = date.fromisoformat(text) if is_date else datetime.fromisoformat(text)
    except ValueError:
        moment = None
    # Years at the ends of the calendar cannot be moved to UTC or to the next day.
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise WindowError(f"{name} {text!r} is not a date or time; allowed: 2026-03-02 or 2026-03-02T09:15Z (UTC).")
    if not isinstance(moment, datetime):
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
