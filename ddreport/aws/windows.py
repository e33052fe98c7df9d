"""Time windows that AWS can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ddreport.errors import RetentionError, WindowError
from ddreport.settings import RETENTION_DAYS

_MARGIN = timedelta(minutes=10)


def oldest_start(as_of: datetime) -> datetime:
    """Return the earliest start to ask for at `as_of` (AWS's clock) when everything is wanted.

    Ten minutes later than the limit: AWS compares with the moment of each call, and a pull takes a while.
    """
    return as_of - timedelta(days=RETENTION_DAYS) + _MARGIN


def check_window(start: datetime, end: datetime, *, as_of: datetime) -> None:
    """Refuse a window that AWS would refuse, before anything is asked.

    Parameters
    ----------
    start, end
        Aware datetimes.
    as_of
        Now by AWS's clock.

    Raises
    ------
    WindowError
        A time without zone, or an end that is not after the start.
    RetentionError
        A start older than the 90 days that AWS keeps (quota L-F5608FF9).
    """
    for name, value in (("start", start), ("end", end)):
        if value.tzinfo is None:
            raise WindowError(f"the {name} {value.isoformat()} has no time zone.", hint="add +00:00 for UTC.")
    if start >= end:
        raise WindowError(
            f"the window is empty or reversed: start {_shown(start)}, end {_shown(end)}; the end must be later."
        )
    limit = as_of - timedelta(days=RETENTION_DAYS)
    if start < limit:
        raise RetentionError(
            f"the window starts at {_shown(start)}, but AWS keeps {RETENTION_DAYS} days: since {_shown(limit)}.",
            hint="start later; the archive may have what AWS has no more.",
        )


def _shown(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
