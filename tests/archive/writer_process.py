"""Run as a program by the tests: a writer of its own, which may be killed at any step.

writer_process.py race ARCHIVE SETS           wait for a line on stdin, append all, print how many were new
writer_process.py kill ARCHIVES SETS          fork one writer per step, kill it there, print the number of steps
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

from ddreport.archive import Archive, encoding
from ddreport.records import RecordSet

STEPS = ("mkdir", "open", "write", "fsync", "close", "rename", "replace", "rmdir", "unlink")


def read_sets(path: str) -> list[RecordSet]:
    sets: list[RecordSet] = pickle.loads(Path(path).read_bytes())
    return sets


def append_all(archive: str, sets: list[RecordSet]) -> int:
    new = 0
    for records in sets:
        # A fresh Archive each time looks for leftovers each time: the hardest case for the other writers.
        opened = Archive.open(archive, create=True)
        new += opened.append_state(records) if records.kind == "state" else opened.append(records)
    return new


def kill_at(step: int) -> None:
    """Kill this process right before its nth call into the operating system that changes a file or folder."""
    left = step

    def counted(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def kill_everywhere(archives: str, sets: list[RecordSet]) -> int:
    for records in sets:
        encoding.to_parquet(next(iter(encoding.checked_tables(records).values())))  # import all before forking
    for step in range(10_000):
        child = os.fork()
        if child == 0:
            kill_at(step)
            append_all(f"{archives}/{step:04d}", sets)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return step
    raise SystemExit("the writer never came to its end")


if __name__ == "__main__":
    mode, place, given = sys.argv[1:]
    if mode == "race":
        loaded = read_sets(given)
        print("ready", flush=True)
        sys.stdin.readline()
        print(append_all(place, loaded), flush=True)
    else:
        print(kill_everywhere(place, read_sets(given)), flush=True)
