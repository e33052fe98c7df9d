"""Run as a program by the tests: a writer of its own, which may be killed at any step.

writer_process.py race ARCHIVE SETS           wait for a line on stdin, append all, print how many were new
writer_process.py kill ARCHIVES SETS          fork one writer per step, kill it there, print the number of steps
writer_process.py pull-race, pull-kill …      the same, with the record of a pull after each set
writer_process.py open-kill ARCHIVES ARCHIVE  kill one writer per step that opens a copy of an older archive
writer_process.py compact-kill …              … that compacts a copy of an archive; also prune-kill, merge-kill:SOURCE
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ddreport.archive import Archive, encoding
from ddreport.records import RecordSet

STEPS = ("mkdir", "open", "write", "fsync", "close", "rename", "replace", "link", "rmdir", "unlink")


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


def pull_all(archive: str, sets: list[RecordSet]) -> int:
    opened = Archive.open(archive, create=True)
    for records in sets:
        opened.append(records)
        opened.record_pull(records.time, {"target": "t", "account": records.account, "region": records.region})
    return len(sets)


WORK: dict[str, Callable[[str, list[RecordSet]], Any]] = {"race": append_all, "kill": append_all}
WORK |= {"pull-race": pull_all, "pull-kill": pull_all}


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


def kill_everywhere(mode: str, archives: str, sets: list[RecordSet]) -> int:
    for records in sets:
        encoding.to_parquet(next(iter(encoding.checked_tables(records).values())))  # import all before forking
    return kill_each(lambda step: WORK[mode](f"{archives}/{step:04d}", sets))


def kill_each(work: Callable[[int], Any], *, prepare: Callable[[int], None] = lambda _: None) -> int:
    for step in range(10_000):
        prepare(step)
        child = os.fork()
        if child == 0:
            kill_at(step)
            work(step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return step
    raise SystemExit("the writer never came to its end")


def open_for_writing(archive: str) -> None:
    Archive.open(archive, create=True)


def compact(archive: str) -> None:
    Archive.open(archive).compact(before="2026-04", time=datetime(2026, 5, 3, tzinfo=UTC))


def prune(archive: str) -> None:
    Archive.open(archive).prune(keep_days=98, time=datetime(2026, 6, 12, 9, 15, tzinfo=UTC))


def merge(source: str, archive: str) -> None:
    Archive.open(archive).merge(source, time=datetime(2026, 5, 3, tzinfo=UTC))


def upkeep(mode: str) -> Callable[[str], None] | None:
    if mode.startswith("merge-kill:"):
        return partial(merge, mode.removeprefix("merge-kill:"))
    known = {"open-kill": open_for_writing, "compact-kill": compact, "prune-kill": prune}
    return known.get(mode)


def upkeep_everywhere(work: Callable[[str], None], archives: str, given: str) -> int:
    warm = f"{archives}/warm"
    shutil.copytree(given, warm)
    work(warm)  # import all before forking
    shutil.rmtree(warm)

    def prepare(step: int) -> None:
        shutil.copytree(given, f"{archives}/{step:04d}")

    return kill_each(lambda step: work(f"{archives}/{step:04d}"), prepare=prepare)


if __name__ == "__main__":
    mode, place, given = sys.argv[1:]
    if mode.endswith("race"):
        loaded = read_sets(given)
        print("ready", flush=True)
        sys.stdin.readline()
        print(WORK[mode](place, loaded), flush=True)
    elif keeping := upkeep(mode):
        print(upkeep_everywhere(keeping, place, given), flush=True)
    else:
        print(kill_everywhere(mode, place, read_sets(given)), flush=True)
