"""Appending: what is written, once, and never again."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddreport.archive import Archive
from ddreport.errors import ArchiveError, InputError, TableSchemaError, WindowError
from ddreport.records import RawResponse

if TYPE_CHECKING:
    from pathlib import Path


def _files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_set_is_a_folder_named_after_account_region_month_and_audit(archive: Archive, audit_set: Any) -> None:
    assert archive.append(audit_set()) is True
    folder = archive.path / "audits/account=012345678901/region=eu-west-1/month=2026-03/audit_task_id=audit0000"
    assert sorted(p.name for p in folder.iterdir()) == [
        "audit_tasks.parquet",
        "checks.parquet",
        "findings.parquet",
        "raw.jsonl.zst",
        "related_resources.parquet",
        "set.json",
    ]


def test_appending_twice_changes_nothing(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set())
    before = _files(archive.path)
    assert archive.append(audit_set(findings=9)) is False
    assert _files(archive.path) == before


def test_the_same_audit_told_with_another_month_is_not_doubled(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set(0))
    later = audit_set(40, identity="audit0000")
    assert archive.append(later) is False
    assert len(archive.load("audit_tasks")) == 1


def test_the_month_is_that_of_utc(archive: Archive, audit_set: Any) -> None:
    time = datetime(2026, 4, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    archive.append(audit_set(time=time))
    assert [s.folder.parent.name for s in archive.sets("audit")] == ["month=2026-03"]


def test_nothing_temporary_is_left(filled: Archive) -> None:
    assert [n for n in os.listdir(filled.path) if n.startswith(".tmp")] == []


def test_set_json_describes_each_file_with_rows_size_and_hash(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set(findings=5), pulled_time=datetime(2026, 3, 3, tzinfo=UTC))
    folder = archive.sets("audit")[0].folder
    described = json.loads((folder / "set.json").read_text())
    assert described["pulled_time"] == "2026-03-03T00:00:00.000000Z"
    assert described["emulated"] is True
    assert described["ddreport_version"]
    assert described["files"]["findings.parquet"]["rows"] == 5
    for name, entry in described["files"].items():
        data = (folder / name).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_same_set_gives_the_same_bytes(tmp_path: Path, audit_set: Any) -> None:
    for name in ("a", "b"):
        Archive.open(tmp_path / name, create=True).append(audit_set())
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_a_parquet_file_stands_alone(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set())
    table = pq.ParquetFile(archive.sets("audit")[0].folder / "findings.parquet").read()
    assert table.column("account").unique().to_pylist() == ["012345678901"]
    assert table.column("region").unique().to_pylist() == ["eu-west-1"]
    assert table.schema.field("task_start_time").type == pa.timestamp("us", tz="UTC")


def test_parquet_is_compressed_with_zstd(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set())
    metadata = pq.ParquetFile(archive.sets("audit")[0].folder / "findings.parquet").metadata
    assert {metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize(
    "identity",
    ["../../evil", "..", ".", "a/b", "a\\b", "~root", "ä%2F\x00\n", "a=b", "CON:", "*?[x]"],
)
def test_a_hostile_identity_stays_inside_and_comes_back_as_it_was(
    archive: Archive, audit_set: Any, identity: str
) -> None:
    archive.append(audit_set(identity=identity))
    (stored,) = archive.sets("audit")
    assert stored.folder.resolve().is_relative_to(archive.path.resolve() / "audits")
    assert len(stored.folder.relative_to(archive.path).parts) == 5
    assert archive.identities("audit", "012345678901", "eu-west-1") == {identity}
    assert archive.load("findings")["audit_task_id"].unique().tolist() == [identity]


@pytest.mark.parametrize("identity", ["", "x" * 300])
def test_an_identity_that_cannot_name_a_folder_is_refused(archive: Archive, audit_set: Any, identity: str) -> None:
    with pytest.raises(ArchiveError, match="cannot name a folder"):
        archive.append(audit_set(identity=identity))


def test_a_state_must_be_named_by_its_time(archive: Archive, state_set: Any) -> None:
    with pytest.raises(ArchiveError, match="20260302T091500Z"):
        archive.append_state(state_set(identity="yesterday"))


def test_a_time_without_zone_is_refused(archive: Archive, audit_set: Any) -> None:
    with pytest.raises(WindowError, match="no time zone"):
        archive.append(audit_set(time=datetime(2026, 3, 2)))


def test_a_missing_table_is_refused(archive: Archive, audit_set: Any) -> None:
    tables = {"audit_tasks": audit_set().tables["audit_tasks"]}
    with pytest.raises(TableSchemaError, match="related_resources; given: audit_tasks"):
        archive.append(audit_set(tables=tables))
    assert archive.sets("audit") == []


def test_a_table_with_another_schema_is_refused(archive: Archive, audit_set: Any) -> None:
    records = audit_set()
    tables = {**records.tables, "checks": records.tables["checks"].rename_columns({"message": "text"})}
    with pytest.raises(TableSchemaError, match=r"checks: .*: message"):
        archive.append(audit_set(tables=tables))


def test_rows_of_another_account_are_refused(archive: Archive, audit_set: Any) -> None:
    tables = {**audit_set().tables, "checks": audit_set(account="999999999999").tables["checks"]}
    with pytest.raises(TableSchemaError, match="rows of account"):
        archive.append(audit_set(tables=tables))


def test_real_accounts_do_not_join_emulated_ones(filled: Archive, audit_set: Any) -> None:
    with pytest.raises(ArchiveError, match="one of the emulator, and this set comes from real accounts") as caught:
        filled.append(audit_set(9, emulated=False))
    assert "another folder" in str(caught.value)
    assert len(filled.sets("audit")) == 3


def test_emulated_accounts_do_not_join_real_ones(archive: Archive, audit_set: Any) -> None:
    archive.append(audit_set(emulated=False))
    with pytest.raises(ArchiveError, match="one of real accounts"):
        archive.append(audit_set(1, emulated=True))


def test_the_archive_tells_whether_it_is_emulated(archive: Archive, audit_set: Any) -> None:
    assert archive.emulated is None
    archive.append(audit_set(emulated=False))
    assert archive.emulated is False


BODIES = {
    "json": b'{"findings":[],"nextToken":null}',
    "spaced json with odd numbers": b'{"b": 1.50, "a" : 1e3, "b": "\\u00e9\xc3\xa9"}',
    "list": b"[1 , 2]",
    "no object": b'"text"',
    "several lines": b'{\n  "a": 1\r\n}',
    "blanks around": b' {"a": 1} ',
    "line break at the end": b'{"a": 1}\n',
    "broken json": b'{"a": ',
    "two values": b'{"a": 1} {"b": 2}',
    "page of a proxy": b"<html>502 Bad Gateway</html>",
    "no text": b"\xff\xfe\x00",
    "bad text in json": b'{"a":"\xff"}',
    "nothing": b"",
    "null": b"null",
    "line separators of Unicode": '{"a":"x\u2028y\u0085z\x1c"}'.encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_answer_of_aws_comes_back_byte_for_byte(archive: Archive, audit_set: Any, body: bytes) -> None:
    response = RawResponse("ListAuditFindings", {"taskId": "x", "startTime": datetime(2026, 3, 2, tzinfo=UTC)}, body)
    archive.append(audit_set(raw=[response, response]))
    (stored,) = archive.sets("audit")
    found = list(archive.raw(stored))
    assert [r.body for r in found] == [body, body]
    assert found[0].request == {"taskId": "x", "startTime": "2026-03-02T00:00:00+00:00"}


def test_a_raw_line_is_json_with_the_answer_verbatim(archive: Archive, audit_set: Any) -> None:
    body = BODIES["spaced json with odd numbers"]
    archive.append(audit_set(raw=[RawResponse("DescribeAuditTask", {"taskId": "a"}, body)]))
    with pa.CompressedInputStream(pa.OSFile(str(archive.sets("audit")[0].folder / "raw.jsonl.zst")), "zstd") as stream:
        (line,) = stream.read().splitlines()
    assert line == b'{"operation":"DescribeAuditTask","request":{"taskId":"a"},"response":' + body + b"}"
    assert json.loads(line)["operation"] == "DescribeAuditTask"


def test_append_takes_mitigation_tasks_that_name_no_audit(archive: Archive) -> None:
    from ddreport.records import RecordSet
    from ddreport.schemas import SCHEMAS

    time = datetime(2026, 3, 5, tzinfo=UTC)
    row = {
        "account": "1",
        "region": "eu-west-1",
        "mitigation_task_id": "m1",
        "task_status": "COMPLETED",
        "start_time": time,
        **{f"{n}_findings_count": 0 for n in ("total", "succeeded", "failed", "skipped", "canceled")},
        "target": "{}",
        "check_to_actions": "{}",
        "emulated": True,
    }
    schema = SCHEMAS["mitigation_tasks"].arrow()
    tables = {
        "mitigation_tasks": pa.Table.from_pylist([{n: row.get(n) for n in schema.names}], schema=schema),
        "mitigation_executions": SCHEMAS["mitigation_executions"].arrow().empty_table(),
    }
    records = RecordSet("mitigation", "1", "eu-west-1", "m1", time, True, tables, [])
    assert archive.append(records) is True
    assert archive.load("mitigation_tasks")["mitigation_task_id"].tolist() == ["m1"]
    assert archive.load("mitigation_executions").empty
    assert archive.identities("mitigation", "1", "eu-west-1") == {"m1"}


def test_append_state_takes_states_only(archive: Archive, audit_set: Any) -> None:
    with pytest.raises(InputError, match="use append"):
        archive.append_state(audit_set())


def test_an_unchanged_state_is_not_stored_again(archive: Archive, state_set: Any) -> None:
    assert archive.append_state(state_set(0)) is True
    assert archive.append_state(state_set(1)) is False
    assert archive.append_state(state_set(2, enabled=False)) is True
    assert archive.append_state(state_set(3)) is True
    assert len(archive.sets("state")) == 3


def test_inventories_are_kept_apart_from_states_and_stored_when_they_change(
    archive: Archive, state_set: Any, inventory_set: Any
) -> None:
    assert archive.append_state(state_set(0)) is True
    assert archive.append_state(inventory_set(0)) is True
    assert archive.append_state(inventory_set(1)) is False
    assert archive.append_state(inventory_set(2, status="REVOKED")) is True
    assert [s.identity for s in archive.sets("inventory")] == ["20260302T091500Z", "20260302T111500Z"]
    assert len(archive.sets("state")) == 1


def test_an_inventory_is_named_by_its_time(archive: Archive, inventory_set: Any) -> None:
    with pytest.raises(ArchiveError, match="inventory 'latest' is not named by its time"):
        archive.append_state(replace(inventory_set(), identity="latest"))


def test_states_of_two_regions_are_compared_apart(archive: Archive, state_set: Any) -> None:
    assert archive.append_state(state_set(0)) is True
    assert archive.append_state(state_set(1, region="us-east-1")) is True


def test_a_state_that_comes_late_is_compared_with_the_one_before_it(archive: Archive, state_set: Any) -> None:
    archive.append_state(state_set(0))
    archive.append_state(state_set(4, enabled=False))
    assert archive.append_state(state_set(2)) is False
    assert archive.append_state(state_set(3, enabled=False)) is True


def test_two_states_of_one_second_are_not_doubled(archive: Archive, state_set: Any) -> None:
    archive.append_state(state_set(0))
    assert archive.append_state(state_set(0, enabled=False)) is False
