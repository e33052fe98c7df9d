"""A process of its own: changes an emulated account and saves it, again and again, until somebody kills it.

python state_writer.py STATE.bin
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ddreport.emulation import Emulator, ManualClock
from ddreport.emulation.state import StateFile


def main() -> None:
    with StateFile(Path(sys.argv[1])) as file:
        emulator = file.load() if file.exists() else Emulator(ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))
        while True:
            for _ in range(50):
                number = len(emulator.iot().things)
                emulator.iot().create_thing(f"thing-{number}", None, {"attributes": {"text": "x" * 500}})
            emulator.advance(timedelta(seconds=1))
            file.save(emulator)
            print(number + 1, flush=True)


if __name__ == "__main__":
    main()
