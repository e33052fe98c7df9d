"""Where a fleet's history is played: steps in the order of time, each at its own moment of the emulated world."""

from __future__ import annotations

import hashlib
import heapq
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from werkzeug.exceptions import HTTPException

from ddreport.emulation.fleet.inventory import Inventory
from ddreport.emulation.service_errors import ServiceError
from ddreport.errors import DDReportError, EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from moto.iam.models import IAMBackend

    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.fleet.description import Calendar, FleetDescription
    from ddreport.emulation.fleet.events import Event
    from ddreport.emulation.fleet.inventory import Device

_Event = TypeVar("_Event", bound="Event")

# What the emulator, the audit, moto (two families) and cryptography refuse with.
_REFUSALS = (DDReportError, ServiceError, ServiceException, HTTPException, ValueError, OverflowError)

_handlers: dict[type[Event], Callable[[Stage, Any], None]] = {}


def handles(event_type: type[_Event]) -> Callable[[Callable[[Stage, _Event], None]], Callable[[Stage, _Event], None]]:
    """Register the decorated function as what an event of this type does."""

    def register(function: Callable[[Stage, _Event], None]) -> Callable[[Stage, _Event], None]:
        _handlers[event_type] = function
        return function

    return register


def is_handled(event_type: type[Event]) -> bool:
    """Whether something is registered for events of this type."""
    return event_type in _handlers


def _said(refusal: Exception) -> str:
    """Return what a refusal says, with the service's code where it has one."""
    if isinstance(refusal, DDReportError):
        return str(refusal)
    text = str(getattr(refusal, "message", None) or refusal or type(refusal).__name__)
    code = getattr(refusal, "error_type", None) or getattr(refusal, "code", None)
    return f"{code}: {text}" if isinstance(code, str) else text


class Stage:
    """Plays steps on an emulated account.

    Parameters
    ----------
    emulator
        Its `ManualClock` is moved to each step's moment, through every audit that is due on the way.
    description, calendar
        The fleet and when its days are.
    seed
        Decides whatever the description leaves to chance.

    Attributes
    ----------
    inventory
        The devices so far.
    enabled
        Names of the enabled checks.
    cloned
        Devices whose certificate was copied, by product line and number of the event.
    pools
        Ids of the identity pools by name.
    """

    def __init__(self, emulator: Emulator, description: FleetDescription, calendar: Calendar, seed: int) -> None:
        self.emulator = emulator
        self.description = description
        self.calendar = calendar
        self.inventory = Inventory(emulator, description, calendar, seed)
        self.enabled: list[str] = []
        self.cloned: dict[tuple[str, int], Device] = {}
        self.pools: dict[str, str] = {}
        self._seed = seed
        self._steps: list[tuple[datetime, int, str, Callable[[], object]]] = []
        self._place = ""
        # Steps of one moment keep the order in which they were planned.
        self._order = count()

    def at(self, moment: datetime, step: Callable[[], object]) -> None:
        """Plan `step` for `moment`, at the present place."""
        heapq.heappush(self._steps, (moment, next(self._order), self._place, step))

    @contextmanager
    def place(self, place: str) -> Iterator[None]:
        """Say where in the description the steps come from that are planned inside of the `with` block.

        What a step plans belongs to the same place. Whatever such a step is refused becomes an `EmulatorError` that
        names the place.
        """
        before, self._place = self._place, place
        try:
            yield
        finally:
            self._place = before

    def add_event(self, event: Event) -> None:
        """Plan an event for its day and time."""
        handler = _handlers[type(event)]
        self.at(self.calendar.at(event.day, event.at), lambda: handler(self, event))

    def begins(self) -> datetime:
        """Return the moment of the first step."""
        return self._steps[0][0]

    def play(self, until: datetime) -> None:
        """Carry out all steps up to `until`, also those that are planned on the way, and stop there."""
        while self._steps and self._steps[0][0] <= until:
            moment, _, place, step = heapq.heappop(self._steps)
            self.emulator.advance_to(moment)
            with self.place(place):
                try:
                    step()
                except _REFUSALS as exc:
                    raise EmulatorError(
                        f"{self.description.source}: {place or 'a step'}, at {moment:%Y-%m-%d %H:%M} UTC: {_said(exc)}"
                    ) from exc
        self.emulator.advance_to(until)

    def random(self, *about: object) -> Random:
        """Return a source of chance of its own, so that one event does not change the luck of another."""
        name = "/".join(str(part) for part in (self._seed, *about))
        return Random(name)  # noqa: S311 (a made-up fleet, not a secret)

    def call(self, operation: str, /, **members: Any) -> dict[str, Any]:
        """Carry out one operation of the audit API, now."""
        return self.emulator.call(operation, **members)

    def token(self, *about: str) -> str:
        """Return an idempotency token that repeats with the history."""
        return hashlib.sha256("/".join((str(self._seed), *about)).encode()).hexdigest()[:32]

    def spread(self, steps: list[Callable[[], object]], *, over: timedelta) -> None:
        """Plan `steps` at even distances from now on."""
        now = self.emulator.now()
        for number, step in enumerate(steps):
            self.at(now + over * (number / len(steps)), step)

    @property
    def iam(self) -> IAMBackend:
        """The account's IAM, as moto holds it."""
        return iam_backends[self.emulator.account]["aws"]
