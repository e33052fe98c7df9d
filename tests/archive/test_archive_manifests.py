"""The chain of manifests: what it says, and that nothing of what was written goes unlisted or stands in it twice."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive, verify
from ddreport.errors import ArchiveCorruptError, ArchiveWriteError, WindowError
from ddreport.version import __version__

ACCOUNT, REGION = "012345678901", "eu-west-1"
NOW = datetime(2026, 3, 5, 9, 15, tzinfo=UTC)
FACTS: dict[str, Any] = {"target": "plant", "account": ACCOUNT, "region": REGION, "status": "ok"}
WRITER = Path(__file__).with_name("writer_process.py")


def manifest(archive: Archive, number: int) -> Any:
    return json.loads((archive.path / f"manifests/{number:08d}.json").read_bytes())


def test_a_pull_lists_the_new_sets_with_the_hashes_of_their_set_json(filled: Archive) -> None:
    filled.record_pull(NOW, FACTS)
    found = manifest(filled, 1)
    assert (found["number"], found["previous_sha256"], found["kind"]) == (1, None, "pull")
    assert found["time"] == "2026-03-05T09:15:00.000000Z"
    assert found["facts"] == FACTS
    assert found["versions"]["ddreport"] == __version__
    assert found["versions"]["archive_format"] == 2
    assert set(found["versions"]) == {"ddreport", "python", "boto3", "archive_format"}
    assert [e["identity"] for e in found["added"]] == ["audit0000", "audit0001", "audit0002"]
    for entry in found["added"]:
        data = (filled.path / entry["folder"] / "set.json").read_bytes()
        assert entry["set_sha256"] == hashlib.sha256(data).hexdigest()


def test_each_manifest_holds_the_hash_of_the_one_before_and_lists_only_what_is_new(
    filled: Archive, audit_set: Any
) -> None:
    filled.record_pull(NOW, FACTS)
    filled.append(audit_set(3))
    filled.record_pull(NOW + timedelta(days=1), FACTS)
    filled.record_pull(NOW + timedelta(days=2), FACTS)
    first = (filled.path / "manifests/00000001.json").read_bytes()
    assert manifest(filled, 2)["previous_sha256"] == hashlib.sha256(first).hexdigest()
    assert [e["identity"] for e in manifest(filled, 2)["added"]] == ["audit0003"]
    assert manifest(filled, 3)["added"] == []


def test_the_head_is_the_hash_of_the_newest_manifest(filled: Archive) -> None:
    assert filled.head is None
    for number in (1, 2):
        filled.record_pull(NOW, FACTS)
        data = (filled.path / f"manifests/{number:08d}.json").read_bytes()
        assert filled.head == Archive(filled.path).head == hashlib.sha256(data).hexdigest()


def test_a_pull_lists_only_the_sets_of_its_own_account_and_region(filled: Archive, audit_set: Any) -> None:
    filled.append(audit_set(8, account="444455556666"))
    filled.append(audit_set(9, region="us-east-1"))
    filled.record_pull(NOW, FACTS)
    assert [e["identity"] for e in manifest(filled, 1)["added"]] == ["audit0000", "audit0001", "audit0002"]
    filled.record_pull(NOW, FACTS | {"account": "444455556666"})
    assert [e["identity"] for e in manifest(filled, 2)["added"]] == ["audit0008"]


def test_a_refused_pull_is_told_and_lists_nothing(filled: Archive) -> None:
    filled.record_pull(NOW, {"target": "closed", "account": None, "region": None, "status": "no permission"})
    assert manifest(filled, 1)["added"] == []
    assert filled.pulls() == [
        {
            "pulled_time": NOW.isoformat(),
            "target": "closed",
            "account": None,
            "region": None,
            "status": "no permission",
        }
    ]


def test_pulls_come_back_oldest_first_as_they_were_told(archive: Archive) -> None:
    for days in (2, 0, 1):
        archive.record_pull(NOW + timedelta(days=days), {"target": f"day{days}", "problems": ["é \x1b[31m", None, 1.5]})
    told = Archive(archive.path).pulls()
    assert [record["target"] for record in told] == ["day0", "day1", "day2"]
    assert all(record["problems"] == ["é \x1b[31m", None, 1.5] for record in told)


def test_a_pull_without_a_time_zone_is_refused(archive: Archive) -> None:
    with pytest.raises(WindowError, match="no time zone"):
        archive.record_pull(datetime(2026, 3, 2), FACTS)
    assert archive.head is None


def test_facts_that_json_cannot_hold_leave_nothing(archive: Archive) -> None:
    with pytest.raises(TypeError):
        archive.record_pull(NOW, {"target": object()})
    assert archive.head is None
    assert [n for n in os.listdir(archive.path) if n.startswith(".tmp")] == []


def test_sets_of_a_killed_pull_are_listed_by_the_next_one(filled: Archive) -> None:
    found = verify(filled.path)
    assert found.ok
    filled.record_pull(NOW, FACTS)
    again = verify(filled.path)
    assert again.ok
    assert again.notes == []


@pytest.mark.parametrize("damage", ["vanished", "changed"])
def test_a_damaged_manifest_is_named_when_pulls_are_read(filled: Archive, damage: str) -> None:
    for _ in range(3):
        filled.record_pull(NOW, FACTS)
    path = filled.path / "manifests/00000002.json"
    if damage == "vanished":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"plant", b"plent"))
    with pytest.raises(ArchiveCorruptError) as caught:
        Archive(filled.path).pulls()
    assert caught.value.path == str(path)
    assert "ddreport verify" in str(caught.value)
    assert len(Archive(filled.path).load("findings")) == 9


def test_a_manifest_that_cannot_be_written_is_told(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(30, os.strerror(30))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refused)
        with pytest.raises(ArchiveWriteError, match=r"manifest of this pull.*Read-only"):
            filled.record_pull(NOW, FACTS)
    assert filled.head is None
    filled.record_pull(NOW, FACTS)
    assert verify(filled.path).ok


def test_without_hard_links_the_chain_is_the_same(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(os, "link", refused)
    for _ in range(2):
        filled.record_pull(NOW, FACTS)
    assert verify(filled.path).manifests_count == 2
    assert verify(filled.path).ok


def test_a_writer_that_was_overtaken_takes_the_next_number(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    other, real = Archive(filled.path), os.link
    waiting = [other]

    def overtaken(*args: Any, **kwargs: Any) -> None:
        if waiting:
            monkeypatch.setattr("ddreport.archive.archive.writer_lock", lambda _: threading.Lock())
            waiting.pop().record_pull(NOW, FACTS | {"target": "faster"})
        real(*args, **kwargs)

    monkeypatch.setattr(os, "link", overtaken)
    filled.record_pull(NOW, FACTS | {"target": "slower"})
    assert [manifest(filled, n)["facts"]["target"] for n in (1, 2)] == ["faster", "slower"]
    assert verify(filled.path).ok


def test_threads_that_share_an_archive_make_one_unbroken_chain(archive: Archive, audit_set: Any) -> None:
    def work(number: int) -> None:
        for step in range(5):
            records = audit_set(number * 5 + step, account=f"{number:012d}")
            archive.append(records)
            archive.record_pull(NOW, FACTS | {"account": f"{number:012d}"})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(archive.path)
    assert (found.problems, found.notes, found.manifests_count, found.sets_count) == ([], [], 20, 20)
    listed = [e["identity"] for n in range(1, 21) for e in manifest(archive, n)["added"]]
    assert len(listed) == len(set(listed)) == 20


def test_processes_that_pull_at_once_make_one_unbroken_chain(tmp_path: Path, audit_set: Any) -> None:
    sets = [audit_set(n) for n in range(12)]
    given, place = tmp_path / "sets", tmp_path / "archive"
    given.write_bytes(pickle.dumps(sets))
    command = [sys.executable, str(WRITER), "pull-race", str(place), str(given)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [w.returncode for w in writers] == [0, 0, 0]
    found = verify(place)
    assert (found.problems, found.notes, found.manifests_count, found.sets_count) == ([], [], 36, 12)


@pytest.mark.slow
def test_a_pull_killed_at_any_step_leaves_an_archive_that_verifies(tmp_path: Path, audit_set: Any) -> None:
    given, places = tmp_path / "sets", tmp_path / "archives"
    given.write_bytes(pickle.dumps([audit_set(0)]))
    places.mkdir()
    command = [sys.executable, str(WRITER), "pull-kill", str(places), str(given)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    steps = int(result.stdout)
    assert steps > 40
    for step in range(steps + 1):
        archive = Archive.open(places / f"{step:04d}", create=True)
        found = verify(archive.path)
        assert (step, found.problems, found.warnings) == (step, [], [])
        archive.append(audit_set(0))
        archive.record_pull(NOW, FACTS)
        again = verify(archive.path)
        assert (step, again.problems, again.notes, again.sets_count) == (step, [], [], 1)


def test_the_index_lists_where_sets_are_without_reading_them(filled: Archive, state_set: Any) -> None:
    filled.append_state(state_set(0))
    for path in filled.path.rglob("set.json"):
        path.unlink()
    found = Archive(filled.path).index()
    assert [(p.account, p.region, p.month, p.identity, p.is_packed) for p in found] == [
        (ACCOUNT, REGION, "2026-03", f"audit{n:04d}", False) for n in range(3)
    ]
    assert found[0].folder == filled.path / (
        f"audits/account={ACCOUNT}/region={REGION}/month=2026-03/audit_task_id=audit0000"
    )
    assert [p.identity for p in filled.index("state")] == ["20260302T091500Z"]
