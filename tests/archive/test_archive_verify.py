"""`verify`: whatever is changed, lost, exchanged or slipped in is named, with the very file."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddreport.archive import Archive, Verification, verify
from ddreport.archive.chain import encode_manifest
from ddreport.errors import ArchiveError, NoDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "012345678901", "eu-west-1"
NOW = datetime(2026, 3, 5, 9, 15, tzinfo=UTC)
FACTS = {"target": "plant", "account": ACCOUNT, "region": REGION, "status": "ok"}
MONTH = f"audits/account={ACCOUNT}/region={REGION}/month=2026-03"


@pytest.fixture
def pulled(archive: Archive, audit_set: Any, state_set: Any) -> Archive:
    """Make an archive of three pulls: three audits and a state, all in manifests."""
    archive.append_state(state_set(0))
    for number in range(3):
        archive.append(audit_set(number))
        archive.record_pull(NOW, FACTS | {"run": number})
    return archive


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, make_audit: Any, make_state: Any) -> Iterator[Archive]:
    """Make one archive for the properties, with a set that is packed, one that is not, and a state."""
    archive = Archive.open(tmp_path_factory.mktemp("whole") / "archive", create=True)
    archive.append_state(make_state(0))
    for number in (0, 1, 40):
        archive.append(make_audit(number))
        archive.record_pull(NOW, FACTS | {"run": number})
    archive.compact(before="2026-04", time=datetime(2026, 5, 3, tzinfo=UTC))
    archive.record_pull(NOW, FACTS)
    yield archive
    assert verify(archive.path).ok


def paths(found: Verification) -> list[str]:
    return [p.path for p in found.problems]


def evidence(archive: Archive) -> list[Path]:
    return sorted(p for p in archive.path.rglob("*") if p.is_file() and p.name != ".lock")


def test_an_archive_as_it_was_written_has_no_problem(pulled: Archive) -> None:
    found = verify(pulled.path)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])
    assert (found.manifests_count, found.sets_count) == (3, 4)
    assert found.files_count == len(evidence(pulled)) - 4  # the manifests and the marker apart
    assert found.head == pulled.head
    assert found.as_dict()["ok"] is True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_changed_anywhere_is_found_and_its_file_named(whole: Archive, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(evidence(whole)), label="file")
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1), label="byte")
    changed = bytearray(before)
    changed[place] ^= data.draw(st.integers(1, 255), label="bits")
    path.write_bytes(changed)
    try:
        found = verify(whole.path)
    finally:
        path.write_bytes(before)
    assert path.relative_to(whole.path).as_posix() in paths(found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_that_vanished_is_named(whole: Archive, data: st.DataObject) -> None:
    files = evidence(whole)
    path = data.draw(st.sampled_from(files[:-1] if files[-1].parent.name == "manifests" else files), label="file")
    name = path.relative_to(whole.path).as_posix()
    newest = sorted(p for p in files if p.parent.name == "manifests")[-1]
    before = path.read_bytes()
    path.unlink()
    try:
        found = verify(whole.path, expect_head=whole.head if path == newest else None)
    finally:
        path.write_bytes(before)
    assert ("manifests" if path == newest else name) in paths(found)


def test_all_problems_are_collected(pulled: Archive) -> None:
    (pulled.path / MONTH / "audit_task_id=audit0000/checks.parquet").unlink()
    (pulled.path / MONTH / "audit_task_id=audit0001/raw.jsonl.zst").write_bytes(b"x")
    (pulled.path / "manifests/00000002.json").unlink()
    assert sorted(paths(verify(pulled.path))) == [
        f"{MONTH}/audit_task_id=audit0000/checks.parquet",
        f"{MONTH}/audit_task_id=audit0001/raw.jsonl.zst",
        "manifests/00000002.json",
    ]


def test_a_set_that_vanished_is_named_with_the_manifests_word(pulled: Archive) -> None:
    shutil.rmtree(pulled.path / MONTH / "audit_task_id=audit0001")
    found = verify(pulled.path)
    assert paths(found) == [f"{MONTH}/audit_task_id=audit0001/set.json"]
    assert "a manifest lists it" in found.problems[0].message


def _edit(archive: Archive, number: int, **changes: Any) -> None:
    """Edit a manifest as somebody would who knows how they are made."""
    path = archive.path / f"manifests/{number:08d}.json"
    content = json.loads(path.read_bytes())
    for name in ("format", "format_version", "content_sha256"):
        content.pop(name)
    path.write_bytes(encode_manifest(content | changes))


def test_an_entry_removed_with_its_set_breaks_the_chain_there(pulled: Archive) -> None:
    shutil.rmtree(pulled.path / MONTH / "audit_task_id=audit0001")
    _edit(pulled, 2, added=[])
    found = verify(pulled.path)
    assert paths(found) == ["manifests/00000002.json"]
    assert "00000003.json" in found.problems[0].message


def test_a_newest_manifest_that_was_made_again_is_found_by_the_head_noted_elsewhere(pulled: Archive) -> None:
    head = pulled.head
    shutil.rmtree(pulled.path / MONTH / "audit_task_id=audit0002")
    _edit(pulled, 3, added=[])
    assert verify(pulled.path).ok  # what the chain alone cannot show, as documented
    found = verify(pulled.path, expect_head=head)
    assert paths(found) == ["manifests"]
    assert str(head) in found.problems[0].message


def test_a_head_noted_at_an_earlier_pull_is_in_the_chain(pulled: Archive) -> None:
    head = pulled.head
    pulled.record_pull(NOW, FACTS)
    assert head != pulled.head
    assert verify(pulled.path, expect_head=str(head).upper()).ok


def test_manifests_cut_off_at_the_end_are_found_by_the_head(pulled: Archive) -> None:
    head = pulled.head
    (pulled.path / "manifests/00000003.json").unlink()
    found = verify(pulled.path)
    assert found.ok
    assert [n.path for n in found.notes] == [f"{MONTH}/audit_task_id=audit0002"]
    assert paths(verify(pulled.path, expect_head=head)) == ["manifests"]


def test_a_set_exchanged_under_a_listed_name_is_named(pulled: Archive, tmp_path: Path, audit_set: Any) -> None:
    other = Archive.open(tmp_path / "other", create=True)
    other.append(audit_set(1, findings=1))
    place = pulled.path / MONTH / "audit_task_id=audit0001"
    shutil.rmtree(place)
    shutil.copytree(other.path / MONTH / "audit_task_id=audit0001", place)
    found = verify(pulled.path)
    assert paths(found) == [f"{MONTH}/audit_task_id=audit0001/set.json"]
    assert "another sha256" in found.problems[0].message


def test_a_set_copied_to_another_name_is_named(pulled: Archive) -> None:
    shutil.copytree(pulled.path / MONTH / "audit_task_id=audit0001", pulled.path / MONTH / "audit_task_id=audit0009")
    found = verify(pulled.path)
    assert paths(found) == [f"{MONTH}/audit_task_id=audit0009/set.json"]
    assert "belongs to" in found.problems[0].message


def test_a_listed_set_that_is_also_in_another_month_is_named(pulled: Archive, tmp_path: Path, audit_set: Any) -> None:
    other = Archive.open(tmp_path / "other", create=True)
    other.append(audit_set(40, identity="audit0001"))
    april = MONTH.replace("2026-03", "2026-04")
    shutil.copytree(other.path / april, pulled.path / april)
    found = verify(pulled.path)
    assert set(paths(found)) == {f"{april}/audit_task_id=audit0001", f"{april}/audit_task_id=audit0001/set.json"}


def test_a_set_that_no_manifest_lists_is_a_note_and_its_damage_a_problem(pulled: Archive, audit_set: Any) -> None:
    pulled.append(audit_set(7))
    found = verify(pulled.path)
    assert found.ok
    assert [n.path for n in found.notes] == [f"{MONTH}/audit_task_id=audit0007"]
    (pulled.path / MONTH / "audit_task_id=audit0007/findings.parquet").write_bytes(b"PAR1")
    assert paths(verify(pulled.path)) == [f"{MONTH}/audit_task_id=audit0007/findings.parquet"]


def test_a_real_set_in_an_emulated_archive_is_named(pulled: Archive, tmp_path: Path, audit_set: Any) -> None:
    other = Archive.open(tmp_path / "other", create=True)
    other.append(audit_set(9, emulated=False))
    shutil.copytree(other.path / MONTH, pulled.path / MONTH, dirs_exist_ok=True)
    found = verify(pulled.path)
    assert paths(found) == [f"{MONTH}/audit_task_id=audit0009/set.json"]
    assert "other kind of account" in found.problems[0].message


@pytest.mark.parametrize("name", ["notes.txt", f"{MONTH}/x", f"{MONTH}/audit_task_id=audit0000/y", "manifests/z.json"])
def test_a_foreign_file_is_a_warning(pulled: Archive, name: str) -> None:
    (pulled.path / name).write_text("x")
    found = verify(pulled.path)
    assert found.ok
    assert [w.path for w in found.warnings] == [name]


def test_what_is_derived_and_what_is_temporary_is_no_evidence(pulled: Archive) -> None:
    for name in ("derived/lifecycle", ".tmp-host-1"):
        (pulled.path / name).mkdir(parents=True)
        (pulled.path / name / "x").write_text("x")
    found = verify(pulled.path)
    assert (found.problems, found.warnings) == ([], [])
    assert [n.path for n in found.notes] == [".tmp-host-1"]


@pytest.mark.parametrize("edited", [{"emulated": False}, {"ddreport_version": "0.0.1"}])
def test_an_edited_marker_is_named(pulled: Archive, edited: dict[str, Any]) -> None:
    path = pulled.path / "ddreport-archive.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | edited, indent=2) + "\n")
    assert "ddreport-archive.json" in paths(verify(pulled.path))


def test_the_first_set_may_come_after_the_first_manifest(archive: Archive, audit_set: Any) -> None:
    archive.record_pull(NOW, {"target": "closed", "account": None})
    archive.append(audit_set(0))
    assert verify(archive.path).problems == []


def test_an_empty_archive_verifies(archive: Archive) -> None:
    found = verify(archive.path)
    assert (found.ok, found.head, found.notes) == (True, None, [])


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="does not exist"):
        verify(tmp_path / "nothing")
    (tmp_path / "x").write_text("x")
    with pytest.raises(ArchiveError, match="not an archive"):
        verify(tmp_path)


def test_verifying_writes_nothing(pulled: Archive) -> None:
    before = {p: p.stat().st_mtime_ns for p in pulled.path.rglob("*")}
    verify(pulled.path)
    assert {p: p.stat().st_mtime_ns for p in pulled.path.rglob("*")} == before


def test_progress_tells_every_set_and_manifest(pulled: Archive) -> None:
    told: list[Any] = []

    class Listening:
        def stage(self, text: str, total: int | None = None) -> None:
            told.append((text, total))

        def advance(self, steps: int = 1) -> None:
            told.append(steps)

    verify(pulled.path, progress=Listening())
    assert told[:4] == [("manifests", 3), 1, 1, 1]
    assert told[-5:] == [("sets", 4), 1, 1, 1, 1]


def test_a_file_that_may_not_be_read_is_named(pulled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, real = pulled.path / MONTH / "audit_task_id=audit0000/findings.parquet", Path.open

    def refused(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == closed:
            raise PermissionError(13, os.strerror(13))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refused)
    found = verify(pulled.path)
    assert paths(found) == [f"{MONTH}/audit_task_id=audit0000/findings.parquet"]
    assert "cannot be read" in found.problems[0].message
