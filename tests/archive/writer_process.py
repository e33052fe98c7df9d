"""Run as a program by the tests: a writer of its own, which may be killed at any step.

writer_process.py race ARCHIVE SETS           wait for a line on stdin, append all, print how many were new
writer_process.py kill ARCHIVES SETS          fork one writer per step, kill it there, print the number of steps
writer_process.py pull-race, pull-kill …      the same, with the record of a pull after each set
writer_process.py open-kill ARCHIVES ARCHIVE  kill one writer per step that opens a copy of an older archive
writer_process.py compact-kill …              … that compacts a copy of an archive; also prune-kill, merge-kill:SOURCE;
                                              of steps in a row that leave the archive as it was only the first is taken
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


def before_each_step(do: Callable[[int], None]) -> dict[str, Any]:
    """Call `do` right before each call into the operating system that changes a file or folder; return the real ones.

    The number given counts from 0.
    """
    count = -1

    def counted(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            do(count)
            return real(*args, **kwargs)

        return call

    found = {name: getattr(os, name) for name in STEPS}
    for name, real in found.items():
        setattr(os, name, counted(real))
    return found


def kill_at(last: int) -> None:
    """Kill this process right before that step."""

    def kill(step: int) -> None:
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    before_each_step(kill)


def steps_of(work: Callable[[], Any], archive: Path) -> list[int]:
    """Do the work once and return the steps before which the archive was no longer what it was before the last step.

    What is in a hidden folder of an unfinished write does not count, but that there is one does. The number of all
    steps comes last.
    """
    states: list[Any] = []
    real = before_each_step(lambda _: states.append(_state(archive)))
    try:
        work()
    finally:
        for name, function in real.items():
            setattr(os, name, function)
    return [n for n, state in enumerate(states) if n == 0 or state != states[n - 1]] + [len(states)]


def _state(archive: Path) -> list[Any]:
    found: list[Any] = []
    for folder, folders, files in os.walk(archive):
        hidden = [name for name in folders if name.startswith(".tmp-")]
        folders[:] = [name for name in folders if name not in hidden]
        told = [(name, os.stat(f"{folder}/{name}")) for name in files]
        found.append((folder, bool(hidden), sorted((n, s.st_ino, s.st_size, s.st_mtime_ns) for n, s in told)))
    return sorted(found)


def kill_everywhere(mode: str, archives: str, sets: list[RecordSet]) -> int:
    for records in sets:
        encoding.to_parquet(next(iter(encoding.checked_tables(records).values())))  # import all before forking
    return kill_each(lambda step: WORK[mode](f"{archives}/{step:04d}", sets))


def kill_each(work: Callable[[int], Any], *, prepare: Callable[[int], None] = lambda _: None) -> int:
    for step in range(10_000):
        prepare(step)
        if not is_killed(work, step):
            return step
    raise SystemExit("the writer never came to its end")


def is_killed(work: Callable[[int], Any], step: int) -> bool:
    """Let a child of its own do the work, and kill it before that step; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        kill_at(step)
        work(step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and status != 0:
        raise SystemExit(f"the writer that was to be killed at step {step} failed")
    return os.WIFSIGNALED(status)


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
    def prepare(step: int) -> None:
        shutil.copytree(given, f"{archives}/{step:04d}")

    def keep(step: int) -> None:
        work(f"{archives}/{step:04d}")

    warm = Path(f"{archives}/warm")
    shutil.copytree(given, warm)
    work(str(warm))  # import all before forking
    shutil.rmtree(warm)
    if work is open_for_writing:
        return kill_each(keep, prepare=prepare)
    shutil.copytree(given, warm)
    *steps, end = steps_of(lambda: work(str(warm)), warm)
    shutil.rmtree(warm)
    for step in [*steps, end]:
        prepare(step)
        if is_killed(keep, step) != (step < end):
            raise SystemExit(f"the writer did not make {end} steps again")
    return end


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
