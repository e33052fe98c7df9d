"""An emulated AWS on loopback with the whole of AWS IoT Device Defender Audit, built on moto.

Needs the extra `emulator`; the names below are imported when they are first used, so that `import ddreport.emulation`
works without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddreport.errors import MissingExtraError

if TYPE_CHECKING:
    from ddreport.emulation.clock import Clock, ManualClock, RunningClock
    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.server import EmulatorServer
    from ddreport.emulation.state import StateFile

__all__ = ["Clock", "Emulator", "EmulatorServer", "ManualClock", "RunningClock", "StateFile"]

_HOMES = {
    "Clock": "clock",
    "Emulator": "emulator",
    "EmulatorServer": "server",
    "ManualClock": "clock",
    "RunningClock": "clock",
    "StateFile": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if missing == "ddreport":
            raise
        raise MissingExtraError.for_extra("emulator", what="the emulator", missing=missing) from exc
    return getattr(module, name)
