"""The one clock of an emulator: everything that has a time asks it, and nothing else.

A `ManualClock` stands still until it is told to move, which is how a history of many days is built in seconds and how
tests stay exact. A `RunningClock` goes on by itself, from now or from any moment, as fast as it is told to.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


@runtime_checkable
class Clock(Protocol):
    """Anything that tells the time as an aware `datetime` in UTC."""

    def now(self) -> datetime:
        """Return the present moment of the emulated world."""
        ...


def utc(moment: datetime, *, what: str = "a time") -> datetime:
    """Return an aware `datetime` in UTC, cut to the milliseconds that AWS's times have.

    Raises
    ------
    InputError
        `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise InputError(f"{what} is {moment.isoformat()} without a time zone; allowed: an aware datetime.")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class ManualClock:
    """A clock that stands still until it is moved, and only forward.

    Parameters
    ----------
    start
        The first moment, an aware datetime.
    """

    def __init__(self, start: datetime) -> None:
        self._now = utc(start, what="the clock's start")

    def now(self) -> datetime:
        """Return the moment that the clock stands at."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`, which must not be in the emulated past (`InputError`)."""
        moment = utc(moment)
        if moment < self._now:
            raise InputError(f"the clock is at {self._now.isoformat()} and cannot go back to {moment.isoformat()}.")
        self._now = moment

    def advance(self, by: timedelta) -> None:
        """Move forward by `by`, which must not be negative (`InputError`)."""
        self.set(self._now + by)


class RunningClock:
    """A clock that goes on by itself.

    Parameters
    ----------
    start
        What it shows at first, an aware datetime; None means the real time.
    speed
        Emulated seconds per real second; 1.0 is real time, 3600 an hour per second.
    monotonic
        Source of real seconds; tests give their own.
    """

    def __init__(
        self, start: datetime | None = None, speed: float = 1.0, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not speed > 0:
            raise InputError(f"the clock's speed is {speed}; allowed: a number above 0.")
        self._start = utc(start, what="the clock's start") if start is not None else datetime.now(UTC)
        self._speed = speed
        self._monotonic = monotonic
        self._origin = monotonic()

    @property
    def speed(self) -> float:
        """Emulated seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """Return the moment that the clock shows."""
        elapsed = (self._monotonic() - self._origin) * self._speed
        return utc(self._start + timedelta(seconds=elapsed))

    def advance(self, by: timedelta) -> None:
        """Jump forward by `by`, which must not be negative (`InputError`), and go on from there."""
        if by < timedelta(0):
            raise InputError(f"the clock cannot go back by {-by}.")
        self._start += by
