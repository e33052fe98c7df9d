"""Fleets for the emulator: a made-up company's devices and what its audits saw of them over ninety days.

    clock = ManualClock(history_start(as_of))
    emulator = Emulator(clock, seed=7)
    build_demo_fleet(emulator, as_of=as_of, seed=7)
    emulator.use_clock(RunningClock(as_of))

Needs the extra `emulator`; importing this package without it raises `MissingExtraError`.
"""

from __future__ import annotations

from ddreport.errors import MissingExtraError

try:
    from ddreport.emulation.fleet.demo import FleetSummary, build_demo_fleet, build_empty_account, history_start
except ModuleNotFoundError as exc:
    missing = (exc.name or "").partition(".")[0]
    if missing == "ddreport":
        raise
    raise MissingExtraError.for_extra("emulator", what="the demo fleet", missing=missing) from exc

__all__ = ["FleetSummary", "build_demo_fleet", "build_empty_account", "history_start"]
