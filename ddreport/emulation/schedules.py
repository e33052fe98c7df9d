"""When a scheduled audit runs: pure arithmetic on dates, UTC throughout.

AWS lets nobody choose the hour, so it is fixed per schedule by its name. A month without the 29th, 30th or 31st runs
on its last day; every second week counts from the first such weekday after the schedule was made or its days changed.
"""

from __future__ import annotations

import calendar
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LAST = "LAST"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A frequency and its day.

    Attributes
    ----------
    frequency
        `DAILY`, `WEEKLY`, `BIWEEKLY` or `MONTHLY`.
    day_of_week
        `SUN` to `SAT`, for the weekly ones.
    day_of_month
        `"1"` to `"31"` or `LAST`, for `MONTHLY`.
    at
        Time of day, UTC.
    since
        When it began; every second week counts from here.
    """

    frequency: str
    day_of_week: str | None
    day_of_month: str | None
    at: time
    since: datetime

    def next_after(self, moment: datetime) -> datetime:
        """Return the first run after `moment` (an aware datetime), not at it."""
        moment = max(moment, self.since)
        day = moment.date()
        while True:
            day = self._on_or_after(day)
            run = datetime.combine(day, self.at, tzinfo=UTC)
            if run > moment:
                return run
            day += timedelta(days=1)

    def _on_or_after(self, day: date) -> date:
        if self.frequency == "DAILY":
            return day
        if self.frequency == "MONTHLY":
            this_month = self._in_month(day.year, day.month)
            if this_month >= day:
                return this_month
            following = date(day.year, day.month, 28) + timedelta(days=4)
            return self._in_month(following.year, following.month)
        first = self._first_weekday()
        step = 7 if self.frequency == "WEEKLY" else 14
        passed = max(0, (day - first).days)
        return first + timedelta(days=-(-passed // step) * step)

    def _in_month(self, year: int, month: int) -> date:
        last = calendar.monthrange(year, month)[1]
        wanted = last if self.day_of_month in (LAST, None) else int(self.day_of_month or last)
        return date(year, month, min(wanted, last))

    def _first_weekday(self) -> date:
        begin = self.since.date()
        if datetime.combine(begin, self.at, tzinfo=UTC) <= self.since:
            begin += timedelta(days=1)
        wanted = WEEKDAYS.index(self.day_of_week or "MON")
        return begin + timedelta(days=(wanted - begin.weekday()) % 7)


def time_of_day(name: str) -> time:
    """Return the hour and minute at which the schedule `name` runs."""
    digest = hashlib.sha256(name.encode()).digest()
    return time(digest[0] % 24, digest[1] % 60)
