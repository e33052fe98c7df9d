"""Archives of older formats: they open, read as before, are brought to the present one, and verify."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive, verify
from ddreport.archive.marker import FORMAT_VERSION
from ddreport.archive.migrations import MIGRATIONS
from ddreport.errors import ArchiveCorruptError

DATA = Path(__file__).parents[1] / "data"
WRITER = Path(__file__).with_name("writer_process.py")
FINGERPRINT = "a632468bc1c2c5973d4f1a9a05c2bc7de4f77ec3129b4109aaa96dbb79033b57"  # as format 1's own code told it
TARGETS = ["plant", "plant", "closed"]


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """Copy the archive that format 1's own code made: three audits of two accounts, a state, three pulls."""
    place = tmp_path / "v1"
    shutil.copytree(DATA / "archive-v1", place)
    return place


def _reads_as_before(place: Path) -> None:
    archive = Archive.open(place)
    assert archive.fingerprint() == FINGERPRINT
    assert archive.load("findings")["audit_task_id"].tolist() == [f"audit{n:04d}" for n in (0, 1, 40) for _ in range(3)]
    assert len(archive.latest_state("check_configurations")) == 1
    assert [record["target"] for record in archive.pulls()] == TARGETS
    assert archive.pulls()[0]["pulled_time"] == "2026-03-02T09:15:00+00:00"


def test_there_is_an_archive_and_a_migration_of_each_older_format() -> None:
    older = set(range(1, FORMAT_VERSION))
    assert set(MIGRATIONS) == older
    assert {f"archive-v{n}" for n in older} <= {p.name for p in DATA.iterdir()}
    assert sum(p.stat().st_size for p in (DATA / "archive-v1").rglob("*") if p.is_file()) < 60_000


def test_an_older_archive_reads_without_being_changed(v1: Path) -> None:
    before = sorted(v1.rglob("*"))
    _reads_as_before(v1)
    assert Archive.open(v1).head is None
    found = verify(v1)
    assert found.ok
    assert "format 1 had no manifests" in found.notes[0].message
    assert (len(found.notes), found.warnings, found.sets_count) == (1, [], 4)
    assert sorted(v1.rglob("*")) == before


def test_opening_for_writing_brings_it_to_the_present_format(v1: Path) -> None:
    archive = Archive.open(v1, create=True)
    _reads_as_before(v1)
    assert json.loads((v1 / "ddreport-archive.json").read_bytes())["format_version"] == FORMAT_VERSION
    assert not (v1 / "pulls").exists()
    manifest = json.loads((v1 / "manifests/00000001.json").read_bytes())
    assert (manifest["kind"], len(manifest["added"]), len(manifest["facts"]["pulls"])) == ("migration", 4, 3)
    found = verify(v1)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])
    assert archive.head == found.head
    Archive.open(v1, create=True)
    assert Archive.open(v1).head == archive.head


def test_the_first_append_to_an_older_archive_migrates_it(v1: Path, audit_set: Any) -> None:
    archive = Archive.open(v1)
    assert archive.append(audit_set(0)) is False
    assert archive.append(audit_set(5)) is True
    archive.record_pull(
        datetime(2026, 4, 20, tzinfo=UTC), {"target": "plant", "account": "012345678901", "region": "eu-west-1"}
    )
    assert [record["target"] for record in archive.pulls()] == [*TARGETS, "plant"]
    found = verify(v1)
    assert (found.problems, found.notes, found.manifests_count, found.sets_count) == ([], [], 2, 5)


def test_a_damaged_record_of_the_old_diary_stops_the_migration_and_is_named(v1: Path) -> None:
    path = sorted((v1 / "pulls").iterdir())[1]
    path.write_bytes(b"{")
    with pytest.raises(ArchiveCorruptError) as caught:
        Archive.open(v1, create=True)
    assert caught.value.path == str(path)
    assert len(Archive.open(v1).load("findings")) == 9
    assert [n for n in os.listdir(v1) if n.startswith(".tmp")] == []


def test_sets_that_came_while_the_migration_was_stopped_are_listed(v1: Path, audit_set: Any) -> None:
    Archive.open(v1, create=True)
    marker = v1 / "ddreport-archive.json"
    marker.write_bytes(marker.read_bytes().replace(b'"format_version": 2', b'"format_version": 1'))
    shutil.copytree(DATA / "archive-v1/pulls", v1 / "pulls")
    _reads_as_before(v1)
    assert verify(v1).ok
    archive = Archive.open(v1)
    archive.append(audit_set(6))
    _reads = [record["target"] for record in archive.pulls()]
    assert _reads == TARGETS
    assert not (v1 / "pulls").exists()
    assert verify(v1).problems == []


@pytest.mark.slow
def test_a_migration_killed_at_any_step_reads_as_before_and_goes_on(tmp_path: Path) -> None:
    places = tmp_path / "archives"
    places.mkdir()
    command = [sys.executable, str(WRITER), "open-kill", str(places), str(DATA / "archive-v1")]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert steps > 15
    for step in range(steps + 1):
        place = places / f"{step:04d}"
        _reads_as_before(place)
        assert (step, verify(place).problems) == (step, [])
        Archive.open(place, create=True)
        _reads_as_before(place)
        found = verify(place)
        assert (step, found.problems, found.warnings, found.manifests_count) == (step, [], [], 1)
