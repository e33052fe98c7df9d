"""Several writers at once and writers killed at every step: each set is there once or not at all."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive
from ddreport.errors import NoDataError

WRITER = Path(__file__).with_name("writer_process.py")


def _save(path: Path, sets: list[Any]) -> Path:
    path.write_bytes(pickle.dumps(sets))
    return path


def test_two_processes_that_append_the_same_sets_write_each_once(
    tmp_path: Path, audit_set: Any, state_set: Any
) -> None:
    sets = [audit_set(n) for n in range(30)] + [state_set(n, enabled=n % 2 == 0) for n in range(10)]
    given, place = _save(tmp_path / "sets", sets), tmp_path / "archive"
    command = [sys.executable, str(WRITER), "race", str(place), str(given)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = [writer.communicate(timeout=60)[0] for writer in writers]
    assert [w.returncode for w in writers] == [0, 0]
    assert sum(int(a) for a in answers) == 40
    archive = Archive.open(place)
    assert archive.load("audit_tasks")["audit_task_id"].tolist() == [f"audit{n:04d}" for n in range(30)]
    assert len(archive.load("check_configurations")) == 10
    assert [n for n in os.listdir(place) if n.startswith(".tmp")] == []


@pytest.mark.slow
def test_a_writer_killed_at_any_step_loses_and_doubles_nothing(tmp_path: Path, audit_set: Any, state_set: Any) -> None:
    sets = [audit_set(0), state_set(0)]
    given, places = _save(tmp_path / "sets", sets), tmp_path / "archives"
    places.mkdir()
    result = subprocess.run(
        [sys.executable, str(WRITER), "kill", str(places), str(given)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    steps = int(result.stdout)
    assert steps > 40
    reference = Archive.open(places / f"{steps:04d}")
    expected = {table: reference.load(table) for table in ("findings", "check_configurations")}
    seen = set()
    for step in range(steps):
        archive = Archive(places / f"{step:04d}")
        try:
            found = archive.load("audit_tasks")["audit_task_id"].tolist()
        except NoDataError:
            found = []
        seen.add(tuple(found))
        again = Archive.open(archive.path, create=True)
        for records in sets:
            _ = again.append_state(records) if records.kind == "state" else again.append(records)
        for table, frame in expected.items():
            assert archive.load(table).equals(frame)
        assert [n for n in os.listdir(archive.path) if n.startswith(".tmp")] == []
    assert seen == {(), ("audit0000",)}
