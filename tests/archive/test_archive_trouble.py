"""Opening what is no archive, damage, newer formats, full disks: a clear error each, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive
from ddreport.errors import (
    ArchiveCorruptError,
    ArchiveError,
    ArchiveVersionError,
    ArchiveWriteError,
    NoDataError,
    TableSchemaError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _findings_file(archive: Archive) -> Path:
    return archive.sets("audit")[1].folder / "findings.parquet"


# Opening


def test_a_missing_folder_is_no_data_yet(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="does not exist") as caught:
        Archive.open(tmp_path / "nothing")
    assert "ddreport pull" in str(caught.value)
    assert "ddreport demo" in str(caught.value)


def test_an_empty_folder_is_no_data_yet(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="is empty"):
        Archive.open(tmp_path)


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, create: bool) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(ArchiveError, match=r"holds other files and no ddreport-archive\.json"):
        Archive.open(tmp_path, create=create)
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("create", [False, True])
def test_a_file_is_no_archive(tmp_path: Path, create: bool) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match="is a file"):
        Archive.open(tmp_path / "file", create=create)


def test_creating_makes_the_parents_and_twice_is_once(tmp_path: Path) -> None:
    Archive.open(tmp_path / "a" / "b", create=True)
    marker = (tmp_path / "a/b/ddreport-archive.json").read_bytes()
    Archive.open(tmp_path / "a" / "b", create=True)
    assert (tmp_path / "a/b/ddreport-archive.json").read_bytes() == marker
    assert json.loads(marker)["format_version"] == 2


def test_an_archive_is_made_where_a_killed_writer_left_its_folder(tmp_path: Path) -> None:
    (tmp_path / ".tmp-host-1-abc").mkdir()
    (tmp_path / ".lock").touch()
    assert Archive.open(tmp_path, create=True).load("findings").empty


def test_reading_without_an_archive_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoDataError):
        Archive(tmp_path / "nothing").load("findings")
    with pytest.raises(NoDataError):
        Archive(tmp_path / "nothing").query("FROM findings")


def test_a_newer_archive_is_refused(archive: Archive) -> None:
    marker = archive.path / "ddreport-archive.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"format_version": 3, "ddreport_version": "9.1"}))
    with pytest.raises(ArchiveVersionError, match=r"format 3, made by ddreport 9\.1") as caught:
        Archive.open(archive.path, create=True)
    assert "upgrade" in str(caught.value)


def test_a_newer_set_is_refused(filled: Archive) -> None:
    path = filled.sets("audit")[1].folder / "set.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 2}))
    with pytest.raises(ArchiveVersionError, match=r"set\.json has format 2"):
        Archive(filled.path).load("findings")


@pytest.mark.parametrize("content", [b"", b'{"format": "ddreport-arch', b"[]", b'{"format": "other"}', b"\xff", b"{}"])
def test_a_damaged_marker_is_named(archive: Archive, content: bytes) -> None:
    marker = archive.path / "ddreport-archive.json"
    marker.write_bytes(content)
    with pytest.raises(ArchiveCorruptError, match="is damaged") as caught:
        Archive.open(archive.path)
    assert caught.value.path == str(marker)


# Damage


@pytest.mark.parametrize("content", [b"", b'{"format": "ddreport-set"', b"[1]", b"null", b'{"format": "x"}', b"\xff"])
def test_a_damaged_set_json_is_named(filled: Archive, content: bytes) -> None:
    path = filled.sets("audit")[1].folder / "set.json"
    path.write_bytes(content)
    with pytest.raises(ArchiveCorruptError, match="is damaged") as caught:
        Archive(filled.path).load("findings")
    assert caught.value.path == str(path)
    assert "ddreport pull" in str(caught.value)
    assert "90 days" in str(caught.value)


def test_a_missing_set_json_is_named(filled: Archive) -> None:
    path = filled.sets("audit")[1].folder / "set.json"
    path.unlink()
    with pytest.raises(ArchiveCorruptError, match=r"set\.json is missing") as caught:
        Archive(filled.path).load("findings")
    assert caught.value.path == str(path)


def test_a_copied_set_is_refused_instead_of_counted_twice(filled: Archive) -> None:
    import shutil

    folder = filled.sets("audit")[1].folder
    shutil.copytree(folder, folder.parents[1] / "month=2026-04" / folder.name)
    with pytest.raises(ArchiveCorruptError, match="belongs to"):
        Archive(filled.path).load("findings")


def test_a_missing_table_is_named_and_not_taken_for_no_findings(filled: Archive) -> None:
    path = _findings_file(filled)
    path.unlink()
    with pytest.raises(ArchiveCorruptError, match=r"findings\.parquet is missing") as caught:
        filled.load("findings")
    assert caught.value.path == str(path)


def test_a_truncated_table_is_named(filled: Archive) -> None:
    path = _findings_file(filled)
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(ArchiveCorruptError, match=f"has {size - 1} bytes instead of {size}") as caught:
        filled.load("findings")
    assert caught.value.path == str(path)
    with pytest.raises(ArchiveCorruptError):
        Archive(filled.path).query("FROM findings")


def test_the_other_tables_of_a_damaged_set_can_still_be_read(filled: Archive) -> None:
    os.truncate(_findings_file(filled), 10)
    assert len(filled.load("checks")) == 6


@pytest.mark.parametrize("where", [4, 0.3, 0.6, -6])
def test_a_flipped_byte_is_noticed_on_loading(filled: Archive, where: float) -> None:
    path = _findings_file(filled)
    data = bytearray(path.read_bytes())
    place = int(where if isinstance(where, int) else where * len(data))
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ArchiveCorruptError) as caught:
        filled.load("findings")
    assert caught.value.path == str(path)


@pytest.mark.parametrize("garbage", [b"PAR1", b"x"])
def test_garbage_of_the_right_size_is_named_by_load_and_by_sql(filled: Archive, garbage: bytes) -> None:
    path = _findings_file(filled)
    path.write_bytes((garbage * path.stat().st_size)[: path.stat().st_size])
    for read in (lambda: filled.load("findings"), lambda: filled.query("SELECT * FROM findings")):
        with pytest.raises(ArchiveCorruptError) as caught:
            read()
        assert caught.value.path == str(path)


def test_damage_found_by_a_relation_is_named(filled: Archive) -> None:
    relation, path = filled.relation("findings"), _findings_file(filled)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(ArchiveCorruptError) as caught, filled.own_errors():
        relation.fetchall()
    assert caught.value.path == str(path)


def test_raw_answers_that_were_changed_are_refused(filled: Archive) -> None:
    stored = filled.sets("audit")[0]
    path = stored.folder / "raw.jsonl.zst"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveCorruptError, match="sha256"):
        list(filled.raw(stored))


# Writing


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with room for about 64 KiB: a real file system where we may mount one, else a faulty write."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        _fail_after(monkeypatch, 64 * 1024)
    yield disk
    if mounted:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fail_after(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    write = os.write

    def faulty(handle: int, data: Any) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", faulty)


def _check_full_disk(root: Path, audit_set: Any) -> None:
    archive = Archive.open(root, create=True)
    with pytest.raises(ArchiveWriteError, match="No space left on device") as caught:
        _ = [archive.append(audit_set(number)) for number in range(50)]
    assert "free some space" in str(caught.value)
    assert 0 < len(archive.sets("audit")) < 50
    assert len(Archive(root).load("audit_tasks")) == len(archive.sets("audit"))
    assert [n for n in os.listdir(root) if n.startswith(".tmp")] == []


def test_a_full_disk_keeps_what_is_there_and_leaves_nothing_half_written(small_disk: Path, audit_set: Any) -> None:
    _check_full_disk(small_disk / "archive", audit_set)


def test_a_write_that_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_set: Any
) -> None:
    _fail_after(monkeypatch, 30_000)
    _check_full_disk(tmp_path / "archive", audit_set)


@pytest.mark.parametrize("call", ["mkdir", "open", "write", "fsync", "rename"])
def test_any_refused_step_of_an_append_is_told_and_leaves_nothing(
    filled: Archive, audit_set: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)

    def refused(*args: Any, **kwargs: Any) -> Any:
        # Only on writing: listing and cleaning up stay possible on a file system that became read-only.
        if call == "open" and not args[1] & os.O_CREAT:
            return real(*args, **kwargs)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        with pytest.raises(ArchiveWriteError, match="Read-only file system") as caught:
            filled.append(audit_set(5))
    assert "permissions" in str(caught.value)
    assert [n for n in os.listdir(filled.path) if n.startswith(".tmp")] == []
    assert len(filled.load("audit_tasks")) == 3
    assert filled.append(audit_set(5)) is True


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveWriteError, match="Not a directory"):
        Archive.open(tmp_path / "file" / "archive", create=True)


def test_an_interrupt_leaves_nothing_half_written(
    filled: Archive, audit_set: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            filled.append(audit_set(5))
    assert [n for n in os.listdir(filled.path) if n.startswith(".tmp")] == []
    assert filled.append(audit_set(5)) is True


def test_a_set_with_a_wrong_table_decides_nothing_about_the_archive(archive: Archive, audit_set: Any) -> None:
    with pytest.raises(TableSchemaError):
        archive.append(audit_set(tables={}))
    assert archive.emulated is None


# Leftovers


def _leftover(archive: Archive, name: str, *, hours: float) -> Path:
    folder = archive.path / name
    folder.mkdir()
    (folder / "findings.parquet").write_bytes(b"half")
    then = archive.path.stat().st_mtime - hours * 3600
    os.utime(folder, (then, then))
    return folder


def _own_name() -> str:
    from ddreport.archive import staging

    return f"{staging._own_prefix()}1-abc"


def test_a_leftover_without_a_lock_is_removed_by_the_next_writer(archive: Archive, audit_set: Any) -> None:
    folder = _leftover(archive, _own_name(), hours=0)
    archive.append(audit_set())
    assert not folder.exists()


def test_a_locked_folder_is_never_removed(archive: Archive, audit_set: Any) -> None:
    import fcntl

    folder = _leftover(archive, _own_name(), hours=48)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        archive.append(audit_set())
        assert folder.exists()
    finally:
        os.close(handle)


@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_another_machines_leftover_is_removed_after_a_day(
    archive: Archive, audit_set: Any, hours: float, stays: bool
) -> None:
    folder = _leftover(archive, ".tmp-elsewhere-1-abc", hours=hours)
    archive.append(audit_set())
    assert folder.exists() is stays


@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_without_locks_only_age_decides(
    archive: Archive, audit_set: Any, monkeypatch: pytest.MonkeyPatch, hours: float, stays: bool
) -> None:
    import fcntl

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    folder = _leftover(archive, _own_name(), hours=hours)
    archive.append(audit_set())
    assert folder.exists() is stays
    assert len(archive.load("audit_tasks")) == 1


def test_a_writer_whose_new_folder_was_taken_for_a_leftover_makes_another(
    archive: Archive, audit_set: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real, taken = fcntl.flock, []

    def busy_once(handle: int, mode: int) -> None:
        if mode & fcntl.LOCK_NB and not taken:
            taken.append(handle)
            raise BlockingIOError
        real(handle, mode)

    monkeypatch.setattr(fcntl, "flock", busy_once)
    assert archive.append(audit_set()) is True
    assert taken


def test_threads_may_append_and_read_at_once(archive: Archive, audit_set: Any) -> None:
    results: list[bool] = []

    def work() -> None:
        own = Archive(archive.path)
        results.extend(own.append(audit_set(n)) for n in range(8))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results.count(True), len(results)) == (8, 24)
    assert len(archive.load("audit_tasks")) == 8


def test_importing_the_archive_loads_nothing_heavy() -> None:
    code = "import sys, ddreport.archive; print([m for m in ('pandas', 'pyarrow', 'duckdb') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
