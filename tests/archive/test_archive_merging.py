"""Merging two archives: everything of both once, nothing doubled, and no merge of what contradicts itself."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive, verify
from ddreport.errors import ArchiveCorruptError, ArchiveError, InputError, NoDataError

ACCOUNT, REGION = "012345678901", "eu-west-1"
NOW = datetime(2026, 5, 3, tzinfo=UTC)
FACTS = {"target": "plant", "account": ACCOUNT, "region": REGION, "status": "ok"}
WRITER = Path(__file__).with_name("writer_process.py")


@pytest.fixture
def other(tmp_path: Path, audit_set: Any, state_set: Any) -> Archive:
    """Make another archive: audits 1 to 3 of the same account, 8 of another, a state; three pulls."""
    made = Archive.open(tmp_path / "other", create=True)
    for number in (1, 2, 3):
        made.append(audit_set(number), pulled_time=NOW)
        made.record_pull(NOW + timedelta(hours=number), FACTS)
    made.append(audit_set(8, account="444455556666"))
    made.append_state(state_set(5))
    made.record_pull(NOW, FACTS | {"target": "second", "account": "444455556666"})
    return made


def audits(archive: Archive) -> list[str]:
    return [s.identity for s in Archive(archive.path).sets("audit")]


def assert_whole(archive: Archive) -> None:
    found = verify(archive.path)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])


def test_everything_comes_in_once_byte_for_byte(filled: Archive, other: Archive) -> None:
    filled.record_pull(NOW, FACTS | {"target": "mine"})
    done = filled.merge(other.path, time=NOW)
    assert (done.sets_count, done.known_sets_count, done.pulls_count) == (3, 2, 4)
    assert audits(filled) == ["audit0000", "audit0001", "audit0002", "audit0003", "audit0008"]
    (brought,) = filled.sets("audit", identities="audit0003")
    (theirs,) = other.sets("audit", identities="audit0003")
    assert brought.sha256 == theirs.sha256
    assert brought.raw_path.read_bytes() == theirs.raw_path.read_bytes()
    assert sorted(r["target"] for r in filled.pulls()) == ["mine", "plant", "plant", "plant", "second"]
    manifest = json.loads((filled.path / "manifests/00000002.json").read_bytes())
    assert (manifest["kind"], manifest["facts"]["source_head"]) == ("merge", other.head)
    other.record_pull(NOW, FACTS)  # the state of the first account
    filled.merge(other.path, time=NOW)
    assert_whole(filled)


def test_merging_twice_changes_nothing(filled: Archive, other: Archive) -> None:
    filled.merge(other.path, time=NOW)
    head = filled.head
    done = filled.merge(other.path, time=NOW)
    assert (done.sets_count, done.known_sets_count, done.pulls_count, filled.head) == (0, 5, 0, head)


def test_merging_into_an_empty_archive_gives_the_same_archive(tmp_path: Path, other: Archive) -> None:
    empty = Archive.open(tmp_path / "empty", create=True)
    empty.merge(other.path, time=NOW)
    assert empty.fingerprint() == other.fingerprint()
    assert empty.pulls() == other.pulls()
    assert empty.emulated is True
    assert_whole(empty)


def test_the_source_is_only_read(filled: Archive, other: Archive) -> None:
    before = {p: p.stat().st_mtime_ns for p in other.path.rglob("*")}
    filled.merge(other.path, time=NOW)
    assert {p: p.stat().st_mtime_ns for p in other.path.rglob("*")} == before


def test_a_differing_audit_stops_the_merge_and_both_places_are_named(
    filled: Archive, other: Archive, audit_set: Any
) -> None:
    other.append(audit_set(0, findings=1))
    before = sorted(filled.path.rglob("*"))
    with pytest.raises(ArchiveError, match="rows of checks differ") as caught:
        filled.merge(other.path, time=NOW)
    for archive in (filled, other):
        assert str(archive.sets("audit", identities="audit0000")[0].folder) in str(caught.value)
    assert [p for p in sorted(filled.path.rglob("*")) if ".lock" not in p.name] == [
        p for p in before if ".lock" not in p.name
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_packs_come_in_whole_or_with_what_is_missing(
    archive: Archive, other: Archive, audit_set: Any, whole: bool
) -> None:
    if not whole:
        archive.append(audit_set(2))
    other.compact(before="2026-05", time=NOW)
    done = archive.merge(other.path, time=NOW)
    assert done.sets_count == (5 if whole else 4)
    assert audits(archive) == audits(other)
    assert archive.load("findings").equals(other.load("findings"))
    assert len(archive.query("FROM findings")) == len(other.query("FROM findings"))
    if whole:
        assert archive.fingerprint() == other.fingerprint()
    archive.record_pull(NOW, FACTS)
    assert_whole(archive)


def test_loose_sets_that_are_packed_here_are_known(archive: Archive, other: Archive) -> None:
    archive.merge(other.path, time=NOW)
    archive.compact(before="2026-05", time=NOW)
    assert archive.merge(other.path, time=NOW).sets_count == 0
    assert_whole(archive)


def test_real_and_emulated_do_not_merge(filled: Archive, tmp_path: Path, audit_set: Any) -> None:
    real = Archive.open(tmp_path / "real", create=True)
    real.append(audit_set(9, emulated=False))
    with pytest.raises(ArchiveError, match="one kind only"):
        filled.merge(real.path, time=NOW)
    assert len(audits(filled)) == 3


def test_a_source_that_does_not_verify_is_refused(filled: Archive, other: Archive) -> None:
    path = next(other.path.rglob("raw.jsonl.zst"))
    path.write_bytes(b"x")
    with pytest.raises(ArchiveCorruptError, match="is not merged") as caught:
        filled.merge(other.path, time=NOW)
    assert caught.value.path == str(path)


def test_the_archive_itself_and_no_archive_are_refused(filled: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the archive itself"):
        filled.merge(filled.path / ".." / filled.path.name, time=NOW)
    with pytest.raises(NoDataError):
        filled.merge(tmp_path / "nothing", time=NOW)


def test_an_archive_of_format_1_merges(filled: Archive) -> None:
    v1 = Path(__file__).parents[1] / "data/archive-v1"
    done = filled.merge(v1, time=NOW)
    assert (done.sets_count, done.known_sets_count, done.pulls_count) == (2, 2, 3)
    assert verify(filled.path).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_a_merge_killed_at_any_step_verifies_and_goes_on(
    tmp_path: Path, filled: Archive, other: Archive, packed: bool, different_states: Any
) -> None:
    other.record_pull(NOW, FACTS)
    if packed:
        other.compact(before="2026-05", time=NOW)
    filled.record_pull(NOW, FACTS)
    places = tmp_path / "archives"
    places.mkdir()
    command = [sys.executable, str(WRITER), f"merge-kill:{other.path}", str(places), str(filled.path)]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)
    assert steps > 30
    for step in list(different_states(places)):
        stopped = Archive.open(places / f"{step:04d}")
        found = verify(stopped.path)
        assert (step, found.problems, found.warnings) == (step, [], [])
        stopped.merge(other.path, time=NOW)
        assert audits(stopped) == ["audit0000", "audit0001", "audit0002", "audit0003", "audit0008"]
        again = verify(stopped.path)
        assert (step, again.problems, again.warnings, again.notes) == (step, [], [], [])
