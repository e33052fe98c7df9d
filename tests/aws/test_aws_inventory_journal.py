"""Answers on disk: what is whole is found again, what is damaged or too old is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ddreport.aws.inventory import Journal
from ddreport.aws.inventory.journal import KEPT, Entry
from ddreport.errors import ArchiveError, ArchiveWriteError
from ddreport.records import RawResponse

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def an_entry(body: bytes = b'{"a": 1}', *, at: datetime = NOW, answers: int = 1) -> Entry:
    return Entry(at, True, tuple(RawResponse("ListThings", {"nextToken": str(n)}, body) for n in range(answers)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inventory" / "place.journal"


def filled(path: Path, *keys: str, **entry: datetime) -> None:
    with Journal(path, as_of=NOW) as journal:
        for key in keys:
            journal.add(key, an_entry(key.encode(), **entry))


def test_answers_are_found_again_byte_for_byte(path: Path) -> None:
    bodies = [b'{"x": "\xc3\xa9\\ud800"}', b"\xff\x00 not text\n", b"", b"x" * 100_000]
    with Journal(path, as_of=NOW) as journal:
        for number, body in enumerate(bodies):
            journal.add(str(number), an_entry(body, answers=number + 1))
        assert journal.get("nobody asked") is None
    with Journal(path, as_of=NOW) as again:
        assert len(again) == 4
        for number, body in enumerate(bodies):
            assert again.get(str(number)) == an_entry(body, answers=number + 1)
        found = again.responses(["3", "0"])
        assert len(found) == 5
        assert [r.body for r in found] == [*[bodies[3]] * 4, bodies[0]]
        assert found[-1].request == {"nextToken": "0"}


@pytest.mark.parametrize("lost", [1, 7, 30])
def test_a_line_that_was_cut_off_is_dropped_and_written_over(path: Path, lost: int) -> None:
    filled(path, "first", "second")
    path.write_bytes(path.read_bytes()[:-lost])
    with Journal(path, as_of=NOW) as journal:
        assert "first" in journal
        assert "second" not in journal
        journal.add("third", an_entry())
    with Journal(path, as_of=NOW) as journal:
        assert journal.get("third") == an_entry()
        assert len(journal) == 2


def test_a_damaged_line_ends_the_journal_there(path: Path) -> None:
    filled(path, "first", "second", "third")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"second", b"sexond")
    path.write_bytes(b"".join(lines))
    with Journal(path, as_of=NOW) as journal:
        assert [key for key in ("first", "second", "sexond", "third") if key in journal] == ["first"]


@pytest.mark.parametrize("content", [b"", b"something else\n", b"\x00" * 50, b"ddreport-inventory-journal-9\nx\n"])
def test_a_file_that_is_no_journal_of_this_version_is_begun_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    filled(path, "first")
    with Journal(path, as_of=NOW) as journal:
        assert journal.get("first") == an_entry(b"first")


def test_answers_of_another_day_are_forgotten_unless_they_can_never_change(path: Path) -> None:
    before = NOW - KEPT - timedelta(seconds=1)
    with Journal(path, as_of=NOW) as journal:
        journal.add("list", an_entry(at=before))
        journal.add("validity", an_entry(at=before), lasting=True)
        journal.add("new", an_entry())
        journal.add("from a later life of an emulator", an_entry(at=NOW + KEPT + timedelta(hours=1)), lasting=True)
    with Journal(path, as_of=NOW) as journal:
        assert [key for key in ("list", "validity", "new") if key in journal] == ["validity", "new"]
        assert len(journal) == 2


def test_what_is_forgotten_can_be_asked_and_kept_again(path: Path) -> None:
    with Journal(path, as_of=NOW) as journal:
        journal.add("a", an_entry(b"old"))
        journal.forget("a")
        assert journal.get("a") is None
        journal.add("a", an_entry(b"new"))
    with Journal(path, as_of=NOW) as journal:
        assert journal.get("a") == an_entry(b"new")


def test_two_inventories_of_one_place_do_not_mix(path: Path) -> None:
    with Journal(path, as_of=NOW), pytest.raises(ArchiveError, match="is under way"):
        Journal(path, as_of=NOW)
    with Journal(path, as_of=NOW) as journal:
        journal.remove()
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveWriteError, match="could not be written"):
        Journal(tmp_path / "file" / "x.journal", as_of=NOW)


def test_only_its_owner_may_read_it(path: Path) -> None:
    filled(path, "first")
    assert path.stat().st_mode & 0o077 == 0
