"""What the parts of the emulator know of each other: the emulated world they live in.

moto creates its backends by itself, with a Region and an account as the only arguments, so the world that a backend
belongs to is found here. There is one at a time in a process, as moto's own state exists once in a process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    import threading
    from datetime import datetime, time, timedelta

    from ddreport.emulation.faults import Outcome
    from ddreport.emulation.ids import IdSource


class World(Protocol):
    """What a backend asks of the emulator that owns it."""

    lock: threading.RLock
    audit_duration: timedelta
    execution_duration: timedelta
    data_collection: timedelta

    @property
    def ids(self) -> IdSource:
        """Maker of deterministic identifiers."""
        ...

    def now(self) -> datetime:
        """Return the present moment; while an event is handled, the moment it was due."""
        ...

    def next_request(self) -> int:
        """Return a number that no other request has."""
        ...

    def admit(self, account: str, region: str, operation: str) -> Outcome:
        """Return what is to happen to a request over HTTP (`ServiceError` when it is refused at the door)."""
        ...

    def schedule_time(self, name: str) -> time:
        """Return the time of day at which the scheduled audit `name` runs."""
        ...


_current: World | None = None


def current() -> World:
    """Return the world of this process; `EmulatorError` when there is none."""
    if _current is None:
        raise EmulatorError("no emulator is installed in this process.", hint="create an Emulator first.")
    return _current


def is_current(world: World) -> bool:
    """Whether `world` is the one that this process's backends belong to."""
    return _current is world


def replace(world: World | None) -> None:
    """Make `world` the one of this process; None leaves the process without one."""
    global _current  # noqa: PLW0603 (moto's backends are process-wide too)
    _current = world
