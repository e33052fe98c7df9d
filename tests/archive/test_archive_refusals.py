"""What cannot be trusted or may not be read: changed bytes, the diary, folders that are closed or badly named."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive
from ddreport.errors import ArchiveCorruptError, ArchiveError, ArchiveWriteError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def _findings_file(archive: Archive) -> Path:
    return archive.sets("audit")[1].folder / "findings.parquet"


def _close(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the system refuse `folder` and all below it, whoever runs the tests."""

    def closing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            if isinstance(path, str | Path) and Path(path).is_relative_to(folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *args, **kwargs)

        return call

    for name in ("stat", "mkdir", "listdir", "open"):
        monkeypatch.setattr(os, name, closing(getattr(os, name)))


# Damage that Parquet itself does not notice


def _every_flip(path: Path, step: int, read: Callable[[], object]) -> tuple[int, list[int]]:
    """Flip one byte at every `step`th place; return how often, and the places where `read` did not name the file."""
    whole = path.read_bytes()
    silent = []
    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read()
            named = ""
        except ArchiveCorruptError as exc:
            named = exc.path
        if named != str(path):
            silent.append(place)
    return len(range(0, len(whole), step)), silent


def test_a_byte_flipped_anywhere_is_never_silent_on_loading(filled: Archive) -> None:
    tried, silent = _every_flip(_findings_file(filled), 13, lambda: filled.load("findings"))
    assert (tried > 300, silent) == (True, [])


@pytest.mark.parametrize("read", ["query", "relation"])
def test_a_byte_flipped_anywhere_is_never_silent_in_sql(filled: Archive, read: str) -> None:
    text = {"query": "FROM findings", "relation": "findings"}[read]
    tried, silent = _every_flip(_findings_file(filled), 151, lambda: getattr(filled, read)(text))
    assert (tried > 20, silent) == (True, [])


def test_a_file_of_another_set_of_the_same_size_is_refused(filled: Archive) -> None:
    path = _findings_file(filled)
    other = filled.sets("audit")[0].folder / "findings.parquet"
    assert other.stat().st_size == path.stat().st_size
    path.write_bytes(other.read_bytes())
    with pytest.raises(ArchiveCorruptError, match="sha256 differs") as caught:
        filled.load("findings")
    assert caught.value.path == str(path)


def test_each_file_is_compared_once_per_archive(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    real, read = hashlib.file_digest, []

    def counted(file: Any, *args: Any) -> Any:
        read.append(file.name)
        return real(file, *args)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    filled.load("findings")
    assert len(read) == 3
    filled.load("findings")
    filled.query("FROM findings")
    assert len(read) == len(set(read)) == 12
    Archive(filled.path).load("findings")
    assert len(read) == 15


def test_a_file_that_was_touched_since_is_compared_again(filled: Archive) -> None:
    path = _findings_file(filled)
    filled.load("findings")
    data, then = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(then, then + 1_000_000_000))
    with pytest.raises(ArchiveCorruptError, match="sha256 differs"):
        filled.load("findings")


# The diary


def _diary(archive: Archive) -> Path:
    """Make the diary of format 1, as it lies in an archive that nobody has written to since."""
    folder = archive.path / "pulls"
    folder.mkdir()
    record = {"pulled_time": NOW.isoformat(), "target": "plant"}
    (folder / "20260302T091500.000000Z-00000000.json").write_text(json.dumps(record))
    return folder


def test_an_archive_without_a_diary_has_no_pulls(archive: Archive) -> None:
    assert archive.pulls() == []


def test_a_folder_in_the_place_of_a_record_is_named(archive: Archive) -> None:
    path = _diary(archive) / "x.json"
    path.mkdir()
    with pytest.raises(ArchiveError, match=r"x\.json cannot be read: Is a directory"):
        archive.pulls()


def test_a_record_that_may_not_be_read_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    record = next(_diary(archive).iterdir())
    real = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == record:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ArchiveError, match="cannot be read: Permission denied") as caught:
        archive.pulls()
    assert str(record) in str(caught.value)


def test_a_diary_that_may_not_be_listed_is_not_taken_for_empty(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _diary(archive)
    _close(monkeypatch, folder)
    with pytest.raises(ArchiveError, match="cannot be listed: Permission denied") as caught:
        archive.pulls()
    assert str(folder) in str(caught.value)


def test_a_file_in_the_place_of_the_diary_is_named(archive: Archive) -> None:
    (archive.path / "pulls").write_text("x")
    with pytest.raises(ArchiveError, match="pulls cannot be listed: Not a directory"):
        archive.pulls()


# Names and folders that the system refuses


def test_a_name_that_is_too_long_is_told_on_creating(tmp_path: Path) -> None:
    with pytest.raises(ArchiveWriteError, match="File name too long") as caught:
        Archive.open(tmp_path / ("x" * 300), create=True)
    assert "name another folder with --archive" in str(caught.value)


def test_a_name_that_is_too_long_is_told_on_reading(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be read: File name too long") as caught:
        Archive.open(tmp_path / ("x" * 300))
    assert "name another folder with --archive" in str(caught.value)


def test_a_folder_that_may_not_be_entered_is_told_on_creating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _close(monkeypatch, tmp_path / "closed")
    with pytest.raises(ArchiveWriteError, match="Permission denied") as caught:
        Archive.open(tmp_path / "closed" / "yy", create=True)
    assert "permissions" in str(caught.value)


def test_a_folder_that_may_not_be_entered_is_told_on_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(PermissionError(errno.EACCES, "refused")))
        with pytest.raises(ArchiveError, match="cannot be read: refused"):
            Archive.open(tmp_path / "closed" / "yy")


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, create: bool) -> None:
    def refused(_: object) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(ArchiveError, match="Permission denied") as caught:
        Archive.open(tmp_path, create=create)
    assert str(tmp_path) in str(caught.value)
