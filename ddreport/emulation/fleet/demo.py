"""The built-in demo fleet: a company that never was, and the ninety days that its audits saw.

The fleet and its story stand in `demo.toml`; `building` puts them on stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.emulation.fleet.building import FleetSummary, build_fleet, first_moment
from ddreport.emulation.fleet.description import demo_description
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.emulator import Emulator


def history_start(as_of: datetime, *, days: int = RETENTION_DAYS) -> datetime:
    """Return the moment at which the clock of an emulator must stand, or before, for the demo fleet to be built in it.

    Parameters
    ----------
    as_of, days
        As for `build_demo_fleet`, with the same errors.
    """
    return first_moment(demo_description(), as_of=as_of, days=days)


def build_demo_fleet(emulator: Emulator, *, as_of: datetime, seed: int, days: int = RETENTION_DAYS) -> FleetSummary:
    """Build the demo fleet and play its history up to `as_of`; every daily audit is really evaluated on its own day.

    Parameters
    ----------
    emulator
        An empty one whose `ManualClock` stands at `history_start(as_of)` or before. Afterwards it stands at `as_of`.
    as_of
        Aware datetime; the last audit is the newest one due by then.
    seed
        Decides names, keys, dates and luck.
    days
        Days of history, 1 to 90. A shorter one is the beginning of the same story.

    Raises
    ------
    EmulatorError
        The clock stands too late or cannot be moved.
    InputError
        `as_of` has no time zone, or `days` is out of range.
    """
    return build_fleet(emulator, demo_description(), as_of=as_of, seed=seed, days=days)


def build_empty_account(emulator: Emulator) -> FleetSummary:
    """Return the summary of an account in which nothing was ever configured: nothing is built."""
    now = emulator.now()
    return FleetSummary(resources={}, audits=0, begins=now, as_of=now, seconds=0.0)
