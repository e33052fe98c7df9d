"""Fleets for the emulator: a made-up company's devices and what its audits saw of them over up to ninety days.

    emulator = fleet_emulator(read_description(Path("fleet.toml")), as_of=as_of, seed=7)

The built-in demo fleet is one such file. Step by step:

    clock = ManualClock(history_start(as_of))
    emulator = Emulator(clock, seed=7)
    build_demo_fleet(emulator, as_of=as_of, seed=7)
    emulator.use_clock(RunningClock(as_of))

Needs the extra `emulator`; importing this package without it raises `MissingExtraError`.
"""

from __future__ import annotations

from ddreport.errors import MissingExtraError

try:
    from ddreport.emulation.fleet.building import FleetSummary, build_fleet, first_moment, fleet_emulator
    from ddreport.emulation.fleet.demo import build_demo_fleet, build_empty_account, history_start
    from ddreport.emulation.fleet.description import demo_description, parse_description, read_description
except ModuleNotFoundError as exc:
    missing = (exc.name or "").partition(".")[0]
    if missing == "ddreport":
        raise
    raise MissingExtraError.for_extra("emulator", what="the demo fleet", missing=missing) from exc

__all__ = [
    "FleetSummary",
    "build_demo_fleet",
    "build_empty_account",
    "build_fleet",
    "demo_description",
    "first_moment",
    "fleet_emulator",
    "history_start",
    "parse_description",
    "read_description",
]
