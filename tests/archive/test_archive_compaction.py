"""Compaction: everything reads as before, every piece of evidence is kept, and it may be killed at any step."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ddreport.archive import Archive, compaction, verify
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveWriteError, InputError
from ddreport.schemas import SCHEMAS

ACCOUNT, REGION = "012345678901", "eu-west-1"
NOW = datetime(2026, 5, 3, tzinfo=UTC)
FACTS = {"target": "plant", "account": ACCOUNT, "region": REGION, "status": "ok"}
MONTH = f"audits/account={ACCOUNT}/region={REGION}/month=2026-03"
WRITER = Path(__file__).with_name("writer_process.py")
AUDIT_TABLES = ("audit_tasks", "checks", "findings", "related_resources")
AT = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def pulled(archive: Archive, audit_set: Any, state_set: Any) -> Archive:
    """Make an archive of five pulled audits: three in March 2026, one without findings, one in April; and a state."""
    archive.append_state(state_set(0))
    for number, findings in ((0, 3), (1, 4), (2, 0), (3, 2), (40, 3)):
        archive.append(audit_set(number, findings=findings))
    archive.append(audit_set(1, account="444455556666", identity="other"))
    for account in (ACCOUNT, "444455556666"):
        archive.record_pull(NOW, FACTS | {"account": account})
    return archive


def everything(archive: Archive) -> dict[str, Any]:
    """Read all that can be read, in all ways that distinguish packed sets from others."""
    opened = Archive.open(archive.path)
    sets = opened.sets("audit")
    raw = {s.identity: [(r.operation, r.request, r.body) for r in opened.raw(s)] for s in sets}
    window = {"start": AT, "end": AT + timedelta(days=90)}
    found: dict[str, Any] = {
        "sets": [replace(s, folder=Path()) for s in sets],
        "identities": opened.identities("audit", ACCOUNT, REGION),
        "index": sorted((p.account, p.region, p.month, p.identity) for p in opened.index()),
        "fingerprint": opened.fingerprint(),
        "fingerprint of a window": opened.fingerprint(**window, accounts=ACCOUNT),
        "raw": raw,
    }
    for table in AUDIT_TABLES:
        found |= {
            table: opened.load(table),
            f"{table} of a window": opened.load(table, **window),
            f"{table} of audits": opened.load(table, audit_task_ids=["audit0001", "audit0040", "nothing"]),
            f"{table} of an account": opened.load(table, accounts="444455556666"),
            f"{table} by SQL": opened.query(f"FROM {table} ORDER BY ALL"),
            f"{table} as relation": opened.relation(table).order("ALL").to_arrow_table(),
        }
    found["a check"] = opened.load("findings", check_names="DEVICE_CERTIFICATE_EXPIRING_CHECK", start=AT)
    found["a check's resources"] = opened.load("related_resources", check_names="DEVICE_CERTIFICATE_EXPIRING_CHECK")
    return found


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        same = value.equals(right[name]) if hasattr(value, "equals") else value == right[name]
        assert same, name
        if hasattr(value, "dtypes"):
            assert value.dtypes.equals(right[name].dtypes), name


def test_everything_reads_as_before(pulled: Archive) -> None:
    before = everything(pulled)
    done = pulled.compact(before="2026-04", time=NOW)
    assert (done.packs_count, done.sets_count) == (2, 5)
    assert_same(before, everything(pulled))
    assert pulled.load("findings").equals(before["findings"])
    assert [(p.identity, p.is_packed) for p in pulled.index() if p.account == ACCOUNT] == [
        *((f"audit{n:04d}", True) for n in range(4)),
        ("audit0040", False),
    ]
    found = verify(pulled.path)
    assert (found.problems, found.warnings, found.notes, found.sets_count) == ([], [], [], 7)


def test_a_pack_keeps_each_set_json_and_the_raw_answers_byte_for_byte(pulled: Archive) -> None:
    kept = {
        s.identity: ((s.folder / "set.json").read_bytes(), s.raw_path.read_bytes())
        for s in pulled.sets("audit", accounts=ACCOUNT, end=NOW - timedelta(days=30))
    }
    pulled.compact(before="2026-04", time=NOW)
    (pack,) = (pulled.path / MONTH).iterdir()
    described = json.loads((pack / "pack.json").read_bytes())["sets"]
    assert sorted(described) == sorted(kept)
    for identity, (set_json, raw) in kept.items():
        assert described[identity]["set_json"].encode() == set_json
        assert (pack / f"raw/audit_task_id={identity}.jsonl.zst").read_bytes() == raw
    assert sorted(p.name for p in pack.iterdir()) == [
        "audit_tasks.parquet", "checks.parquet", "findings.parquet", "pack.json", "raw", "related_resources.parquet"
    ]  # fmt: skip


def test_findings_of_a_pack_are_sorted_so_that_lasting_problems_lie_together(pulled: Archive) -> None:
    pulled.compact(before="2026-04", time=NOW)
    (path,) = pulled.path.glob(f"{MONTH}/pack=*/findings.parquet")
    rows = pq.ParquetFile(path).read()
    assert rows.schema.equals(SCHEMAS["findings"].arrow(), check_metadata=False)
    keys = list(zip(rows["resource_id"].to_pylist(), rows["task_start_time"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert keys[0][0] == keys[1][0]


def test_the_manifest_of_a_compaction_lists_the_pack(pulled: Archive) -> None:
    pulled.compact(before="2026-04", time=NOW)
    manifest = json.loads((pulled.path / "manifests/00000003.json").read_bytes())
    assert (manifest["kind"], manifest["added"], manifest["facts"]["month"]) == ("compaction", [], "2026-03")
    (entry,) = manifest["packed"]
    data = (pulled.path / entry["folder"] / "pack.json").read_bytes()
    assert entry["pack_sha256"] == hashlib.sha256(data).hexdigest()
    assert entry["identities"] == ["audit0000", "audit0001", "audit0002", "audit0003"]
    assert [r["target"] for r in pulled.pulls()] == ["plant", "plant"]


def test_compacting_twice_changes_nothing(pulled: Archive) -> None:
    pulled.compact(before="2026-04", time=NOW)
    head = pulled.head
    done = pulled.compact(before="2026-04", time=NOW)
    assert (done.packs_count, done.sets_count, pulled.head) == (0, 0, head)


def test_an_audit_that_came_late_gets_a_pack_of_its_own(pulled: Archive, audit_set: Any) -> None:
    pulled.compact(before="2026-04", time=NOW)
    assert pulled.append(audit_set(7)) is True
    assert pulled.append(audit_set(1)) is False
    before = everything(pulled)
    assert pulled.compact(before="2026-04", time=NOW).sets_count == 1
    assert_same(before, everything(pulled))
    assert len(list((pulled.path / MONTH).iterdir())) == 2
    assert verify(pulled.path).problems == []


def test_sets_in_no_manifest_yet_are_listed_by_the_compaction(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set(0))
    archive.compact(before="2026-04", time=NOW)
    found = verify(archive.path)
    assert (found.problems, found.notes, found.manifests_count) == ([], [], 1)


def test_a_month_of_many_rows_becomes_several_packs(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(pulled)
    monkeypatch.setattr(compaction, "MOST_ROWS", 20)
    done = pulled.compact(before="2026-04", time=NOW)
    assert (done.packs_count, done.sets_count) == (3, 5)
    assert_same(before, everything(pulled))
    assert verify(pulled.path).problems == []


@pytest.mark.parametrize("before", ["2026-06", "2026-13", "2026", "", "2026-05-01"])
def test_only_months_that_are_over_can_be_packed(pulled: Archive, before: str) -> None:
    with pytest.raises(InputError, match="months that are over"):
        pulled.compact(before=before, time=NOW)


@pytest.mark.parametrize("name", ["findings.parquet", "raw.jsonl.zst"])
def test_a_damaged_set_is_not_packed(pulled: Archive, name: str) -> None:
    path = pulled.path / MONTH / "audit_task_id=audit0001" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveCorruptError) as caught:
        pulled.compact(before="2026-04", time=NOW)
    assert caught.value.path == str(path)
    assert sorted(p.name for p in (pulled.path / MONTH).iterdir()) == [f"audit_task_id=audit000{n}" for n in range(4)]
    assert [n for n in os.listdir(pulled.path) if n.startswith(".tmp")] == []


def test_a_pack_that_does_not_hold_the_same_rows_is_refused(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compaction.to_parquet
    monkeypatch.setattr(compaction, "to_parquet", lambda table, **k: real(table.slice(0, table.num_rows - 1), **k))
    before = everything(pulled)
    with pytest.raises(ArchiveError, match="nothing was changed"):
        pulled.compact(before="2026-04", time=NOW)
    assert_same(before, everything(pulled))
    assert verify(pulled.path).problems == []


def test_a_forged_pack_beside_the_sets_is_a_problem_and_is_not_finished(
    pulled: Archive, tmp_path: Path, audit_set: Any
) -> None:
    forged = Archive.open(tmp_path / "forged", create=True)
    for number in range(4):
        forged.append(audit_set(number, findings=1))
    forged.compact(before="2026-04", time=NOW)
    (pack,) = (forged.path / MONTH).iterdir()
    shutil.copytree(pack, pulled.path / MONTH / pack.name)
    found = verify(pulled.path)
    assert [p.path for p in found.problems] == [f"{MONTH}/{pack.name}"]
    with pytest.raises(ArchiveError, match="does not hold what the sets beside it hold"):
        pulled.compact(before="2026-04", time=NOW)
    assert len(list((pulled.path / MONTH).iterdir())) == 5


def test_a_set_folder_that_came_back_beside_its_pack_is_told(pulled: Archive, audit_set: Any, tmp_path: Path) -> None:
    pulled.compact(before="2026-04", time=NOW)
    other = Archive.open(tmp_path / "other", create=True)
    other.append(audit_set(1, findings=1))
    shutil.copytree(other.path / MONTH, pulled.path / MONTH, dirs_exist_ok=True)
    assert len(Archive(pulled.path).load("findings", audit_task_ids="audit0001")) == 4
    assert [p.path for p in verify(pulled.path).problems] == [f"{MONTH}/audit_task_id=audit0001/set.json"]
    with pytest.raises(ArchiveError, match="not the same"):
        pulled.compact(before="2026-04", time=NOW)


def test_a_full_disk_leaves_everything_as_it_was(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(pulled)

    def full(*_: Any) -> int:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ArchiveWriteError, match="a pack of audits could not be written"):
            pulled.compact(before="2026-04", time=NOW)
    assert_same(before, everything(pulled))
    assert verify(pulled.path).problems == []


def test_without_hard_links_the_raw_answers_are_copied(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(pulled)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(os, "link", refused)
    pulled.compact(before="2026-04", time=NOW)
    assert_same(before, everything(pulled))
    assert verify(pulled.path).problems == []


def test_an_archive_object_that_was_open_before_reads_on(pulled: Archive) -> None:
    open_before = Archive(pulled.path)
    rows = open_before.load("findings")
    counted = open_before.query("SELECT count(*) AS n FROM findings")["n"].item()
    pulled.compact(before="2026-04", time=NOW)
    assert open_before.load("findings").equals(rows)
    assert open_before.query("SELECT count(*) AS n FROM findings")["n"].item() == counted
    assert len(open_before.sets("audit")) == 6


def test_a_reader_overtaken_by_a_compaction_reads_again(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Archive(pulled.path)
    rows = Archive(pulled.path).load("findings")
    real, waiting = reader._finder.sets, [pulled]

    def overtaken(*args: Any) -> Any:
        found = real(*args)
        if waiting:
            waiting.pop().compact(before="2026-04", time=NOW)
        return found

    monkeypatch.setattr(reader._finder, "sets", overtaken)
    assert reader.load("findings").equals(rows)


def test_a_relation_from_before_a_compaction_says_to_read_again(pulled: Archive) -> None:
    reader = Archive(pulled.path)
    relation = reader.relation("findings")
    pulled.compact(before="2026-04", time=NOW)
    with pytest.raises(ArchiveError, match="packed or removed while") as caught, reader.own_errors():
        relation.to_arrow_table()
    assert not isinstance(caught.value, ArchiveCorruptError)
    assert len(reader.relation("findings").to_arrow_table()) == 15


@pytest.mark.parametrize("name", ["findings.parquet", "pack.json"])
def test_a_damaged_pack_is_named_on_reading(pulled: Archive, name: str) -> None:
    pulled.compact(before="2026-04", time=NOW)
    (path,) = pulled.path.glob(f"{MONTH}/pack=*/{name}")
    path.write_bytes(path.read_bytes()[:-7])
    for read in (lambda a: a.load("findings"), lambda a: a.query("FROM findings")):
        with pytest.raises(ArchiveCorruptError) as caught:
            read(Archive(pulled.path))
        assert caught.value.path == str(path)


def test_an_audit_in_two_packs_counts_once(pulled: Archive, audit_set: Any, tmp_path: Path) -> None:
    pulled.compact(before="2026-04", time=NOW)
    other = Archive.open(tmp_path / "other", create=True)
    for number in (1, 9):
        other.append(audit_set(number))
    other.compact(before="2026-04", time=NOW)
    shutil.copytree(other.path / MONTH, pulled.path / MONTH, dirs_exist_ok=True)
    reader = Archive(pulled.path)
    assert len(reader.load("audit_tasks", accounts=ACCOUNT)) == 6
    assert reader.query("SELECT count(*) AS n FROM audit_tasks")["n"].item() == 7
    assert len(reader.relation("audit_tasks").to_arrow_table()) == 7


@pytest.mark.slow
def test_a_compaction_killed_at_any_step_reads_and_verifies_and_goes_on(
    tmp_path: Path, audit_set: Any, different_states: Any, visible_state: Any
) -> None:
    archive = Archive.open(tmp_path / "archive", create=True)
    for number in range(3):
        archive.append(audit_set(number))
    archive.record_pull(NOW, FACTS)
    archive.append(audit_set(3))  # in no manifest yet
    before = everything(archive)
    given, places = tmp_path / "sets", tmp_path / "archives"
    given.write_bytes(pickle.dumps([audit_set(0)]))
    places.mkdir()
    command = [sys.executable, str(WRITER), "compact-kill", str(places), str(archive.path)]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)
    assert steps > 60
    packed, proven = set(), set()
    for step in list(different_states(places)):
        stopped = Archive.open(places / f"{step:04d}")
        assert_same(before, everything(stopped))
        found = verify(stopped.path)
        assert (step, found.problems, found.warnings) == (step, [], [])
        packed.add((sum(p.is_packed for p in stopped.index()), found.manifests_count))
        stopped.compact(before="2026-04", time=NOW)
        if (ended := visible_state(stopped.path)) not in proven:  # the same bytes read the same
            assert_same(before, everything(stopped))
            proven.add(ended)
        again = verify(stopped.path)
        assert (step, again.problems, again.warnings, again.notes) == (step, [], [], [])
        assert sorted(p.name.split("=")[0] for p in (stopped.path / MONTH).iterdir()) == ["pack"]
    assert packed == {(0, 1), (4, 1), (4, 2)}


def test_the_files_of_a_table_hold_every_row_once(pulled: Archive) -> None:
    def rows() -> int:
        return sum(pq.ParquetFile(path).metadata.num_rows for path in Archive(pulled.path).table_files("findings"))

    assert rows() == 15
    pulled.compact(before="2026-04", time=NOW)
    assert rows() == 15


def test_files_that_hold_an_audit_twice_are_not_given_away(pulled: Archive, audit_set: Any, tmp_path: Path) -> None:
    pulled.compact(before="2026-04", time=NOW)
    other = Archive.open(tmp_path / "other", create=True)
    for number in (1, 9):
        other.append(audit_set(number))
    other.compact(before="2026-04", time=NOW)
    shutil.copytree(other.path / MONTH, pulled.path / MONTH, dirs_exist_ok=True)
    with pytest.raises(ArchiveError, match="another pack holds too"):
        Archive(pulled.path).table_files("findings")
