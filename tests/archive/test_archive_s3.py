"""Archives in S3, over HTTP against moto's S3: as in a folder, also for several writers and damaged objects."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ddreport.archive import Archive, remote, verify
from ddreport.cli import main
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveWriteError, InputError, NoDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "s3://audits/some/where"
NOW = datetime(2026, 5, 3, tzinfo=UTC)
FACTS = {"target": "plant", "account": "012345678901", "region": "eu-west-1", "status": "ok"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Serve an S3 with the bucket `audits`; give a client."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        client = boto3.client("s3")
        client.create_bucket(Bucket="audits")
        yield client
    finally:
        server.stop()


@pytest.fixture
def other_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Open the archive as another machine does: with a cache of its own."""

    def opened(name: str = "other") -> Archive:
        with monkeypatch.context() as patch:
            patch.setenv("DDREPORT_CACHE", str(tmp_path / name))
            return Archive.open(URL)

    return opened


def fill(archive: Archive, audit_set: Any, numbers: Any = (0, 1, 40)) -> Archive:
    for number in numbers:
        archive.append(audit_set(number))
        archive.record_pull(NOW + timedelta(hours=number), FACTS)
    return archive


def keys(s3: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="audits")
    return [e["Key"].removeprefix("some/where/") for page in pages for e in page.get("Contents", ())]


def test_it_reads_elsewhere_as_it_was_written(s3: Any, audit_set: Any, other_machine: Any, tmp_path: Path) -> None:
    written = fill(Archive.open(URL, create=True), audit_set)
    local = fill(Archive.open(tmp_path / "local", create=True), audit_set)
    read = other_machine()
    assert read.load("findings").equals(local.load("findings"))
    assert read.fingerprint() == written.fingerprint() == local.fingerprint()
    assert read.head == written.head
    assert read.pulls() == local.pulls()
    assert len(read.query("FROM findings")) == 9
    here = {p.relative_to(local.path).as_posix() for p in local.path.rglob("*") if p.is_file() and p.name != ".lock"}
    assert set(keys(s3)) == here
    found = verify(URL)
    assert (found.problems, found.warnings, found.notes, found.sets_count) == ([], [], [], 3)


def test_raw_answers_are_brought_only_when_they_are_asked_for(s3: Any, audit_set: Any, other_machine: Any) -> None:
    fill(Archive.open(URL, create=True), audit_set)
    read = other_machine()
    assert list(read.path.rglob("raw*")) == []
    (stored,) = read.sets("audit", identities="audit0001")
    assert [r.operation for r in read.raw(stored)] == ["DescribeAuditTask"]
    assert len(list(read.path.rglob("raw*"))) == 1


def test_nothing_comes_twice_from_two_machines(s3: Any, audit_set: Any, other_machine: Any) -> None:
    first = Archive.open(URL, create=True)
    second = other_machine()
    assert first.append(audit_set(0)) is True
    assert second.append(audit_set(0)) is False
    second.record_pull(NOW, FACTS)
    first.record_pull(NOW, FACTS)
    assert (len(first.pulls()), first.head) == (2, other_machine("third").head)
    assert verify(URL).problems == []


def test_threads_and_machines_that_pull_at_once_make_one_chain(s3: Any, audit_set: Any, other_machine: Any) -> None:
    archives = [Archive.open(URL, create=True), other_machine("a"), other_machine("b")]
    threads = [threading.Thread(target=fill, args=(a, audit_set, range(3))) for a in archives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(URL)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])
    assert (found.manifests_count, found.sets_count) == (9, 3)
    assert ".lock" not in keys(s3)


def test_a_lock_left_behind_is_taken_over_when_its_time_is_over(
    s3: Any, audit_set: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive.open(URL, create=True)
    s3.put_object(Bucket="audits", Key="some/where/.lock", Body=b"dead")
    with monkeypatch.context() as patch:
        patch.setattr(remote, "_WAIT_SECONDS", 0.1)
        with pytest.raises(ArchiveWriteError, match="another writer has held"):
            archive.append(audit_set(0))
    assert "some/where/.lock" in [o["Key"] for o in s3.list_objects_v2(Bucket="audits")["Contents"]]
    monkeypatch.setattr(remote, "LEASE_SECONDS", -1)
    assert archive.append(audit_set(0)) is True


def test_a_set_without_its_set_json_is_not_there_and_is_written_again(
    s3: Any, audit_set: Any, other_machine: Any
) -> None:
    fill(Archive.open(URL, create=True), audit_set)
    lost = next(k for k in keys(s3) if "audit0040" in k and k.endswith("set.json"))
    s3.delete_object(Bucket="audits", Key=f"some/where/{lost}")
    assert [s.identity for s in other_machine().sets("audit")] == ["audit0000", "audit0001"]
    assert [p.path for p in verify(URL).problems] == [lost]
    assert other_machine("third").append(audit_set(40)) is True
    assert len(other_machine("fourth").load("findings")) == 9


@pytest.mark.parametrize("name", ["findings.parquet", "raw.jsonl.zst", "00000001.json", "ddreport-archive.json"])
def test_a_changed_object_is_found_and_named(s3: Any, audit_set: Any, name: str) -> None:
    fill(Archive.open(URL, create=True), audit_set)
    assert verify(URL).ok
    key = next(k for k in keys(s3) if k.endswith(name))
    body = bytearray(s3.get_object(Bucket="audits", Key=f"some/where/{key}")["Body"].read())
    body[len(body) // 2] ^= 1
    s3.put_object(Bucket="audits", Key=f"some/where/{key}", Body=bytes(body))
    assert key in [p.path for p in verify(URL).problems]
    if name == "findings.parquet":
        with pytest.raises(ArchiveCorruptError):
            Archive.open(URL).load("findings")


def test_compaction_retention_and_merge_work_there_too(s3: Any, audit_set: Any, other_machine: Any) -> None:
    archive = fill(Archive.open(URL, create=True), audit_set, (0, 1, 2, 40))
    before, fingerprint = archive.load("findings"), archive.fingerprint()
    assert archive.compact(before="2026-04", time=NOW).sets_count == 3
    read = other_machine()
    assert read.load("findings").equals(before)
    assert read.fingerprint() == fingerprint
    assert not [k for k in keys(s3) if "audit_task_id=audit0001/" in k]
    assert len([k for k in keys(s3) if "/raw/" in k]) == 3
    assert verify(URL).problems == []
    assert archive.prune(keep_days=90, time=NOW + timedelta(days=60)).sets_count == {"audit": 3}
    assert [s.identity for s in other_machine("third").sets("audit")] == ["audit0040"]
    assert not [k for k in keys(s3) if "/pack=" in k]
    assert verify(URL).problems == []


def test_a_folder_can_be_merged_into_it(s3: Any, audit_set: Any, filled: Archive, other_machine: Any) -> None:
    archive = Archive.open(URL, create=True)
    archive.merge(filled.path, time=NOW)
    assert other_machine().fingerprint() == filled.fingerprint()
    filled.append(audit_set(9))
    assert filled.merge(URL, time=NOW).known_sets_count == 3


def test_the_cache_may_be_removed_at_any_time(s3: Any, audit_set: Any, tmp_path: Path) -> None:
    archive = fill(Archive.open(URL, create=True), audit_set)
    rows = archive.load("findings")
    shutil.rmtree(tmp_path / "cache")
    assert Archive.open(Path(URL)).load("findings").equals(rows)


def test_keys_that_lead_out_of_the_mirror_are_left_alone(s3: Any, audit_set: Any, tmp_path: Path) -> None:
    fill(Archive.open(URL, create=True), audit_set)
    s3.put_object(Bucket="audits", Key="some/where/../../../evil", Body=b"x")
    s3.put_object(Bucket="audits", Key="some/where//evil", Body=b"x")
    assert len(Archive.open(URL).load("findings")) == 9
    assert list(tmp_path.rglob("evil")) == []


def test_what_is_not_there_is_told(s3: Any) -> None:
    with pytest.raises(NoDataError, match="no archive yet in s3://audits/nothing"):
        Archive.open("s3://audits/nothing")
    with pytest.raises(ArchiveError, match=r"s3://missing/x cannot be read: ListObjectsV2: NoSuchBucket"):
        Archive.open("s3://missing/x")
    with pytest.raises(InputError, match="names no place"):
        Archive.open("s3://")


def test_an_endpoint_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path))
    monkeypatch.setattr(remote, "_ATTEMPTS", 1)
    with pytest.raises(ArchiveError, match="cannot be read: Could not connect"):
        Archive.open(URL)


def test_the_command_line_takes_it_everywhere(
    s3: Any, audit_set: Any, filled: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["archive", "merge", str(filled.path), "--archive", URL, "--quiet"]) == 0
    assert main(["verify", "--archive", URL, "--quiet"]) == 0
    assert main(["sql", "SELECT count(*) AS n FROM findings", "--archive", URL, "--json"]) == 0
    assert '"n": 9' in capsys.readouterr().out
