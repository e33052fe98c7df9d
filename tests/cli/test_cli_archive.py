"""`ddreport archive …` as a user sees it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive, verify

V1 = Path(__file__).parents[1] / "data/archive-v1"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Copy an archive of three audits: two of one account in March 2026, one of another in April."""
    shutil.copytree(V1, tmp_path / "archive")
    return tmp_path / "archive"


def test_compact_packs_the_months_before_and_tells_the_sizes(run: Any, place: Path) -> None:
    fingerprint = Archive(place).fingerprint()
    ran = run("archive", "compact", "--archive", place, "--before", "2026-04", "--json")
    assert ran.code == 0
    assert (ran.json["packs_count"], ran.json["sets_count"], ran.json["before"]) == (1, 2, "2026-04")
    assert 0 < ran.json["bytes_after"] < ran.json["bytes_before"]
    assert Archive(place).fingerprint() == fingerprint
    assert verify(place).ok
    again = run("archive", "compact", "--archive", place, "--before", "2026-04")
    assert again.out == "0 audits before 2026-04 went into 0 packs.\n"


def test_compact_takes_every_month_that_is_over_unless_told_otherwise(run: Any, place: Path) -> None:
    assert (
        run("archive", "compact", "--archive", place, "--older-than-days", "100000", "--json").json["sets_count"] == 0
    )
    assert run("archive", "compact", "--archive", place, "--json").json["sets_count"] == 3


@pytest.mark.parametrize("options", [("--before", "9999-01"), ("--before", "2026-04", "--older-than-days", "3")])
def test_a_wrong_choice_of_months_is_wrong_use(run: Any, place: Path, options: tuple[str, ...]) -> None:
    ran = run("archive", "compact", "--archive", place, *options)
    assert ran.code == 2
    assert Archive(place).head is None


def sets(place: Path) -> int:
    return sum(len(Archive(place).sets(kind)) for kind in ("audit", "state"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Make an archive with an audit of 2020 beside those of 2026: older than 90 days whatever today is."""
    spec = importlib.util.spec_from_file_location("archive_conftest", Path(__file__).parents[1] / "archive/conftest.py")
    assert spec
    assert spec.loader
    builders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builders)
    archive = Archive.open(tmp_path / "old", create=True)
    for number in (-2200, -2199):
        archive.append(builders._audit_set(number, identity=f"old{number}"))
    return archive.path


def test_prune_does_nothing_without_a_yes(run: Any, old: Path) -> None:
    for options in (("--dry-run",), (), ("--json",)):
        ran = run("archive", "prune", "--archive", old, "--keep-days", "90", *options)
        assert ran.code == (0 if options == ("--dry-run",) else 2)
        assert "2 audit from before" in ran.out + ran.err
        assert sets(old) == 2


def test_prune_with_yes_removes_and_the_archive_verifies(run: Any, old: Path) -> None:
    ran = run("archive", "prune", "--archive", old, "--keep-days", "90", "--yes", "--json")
    assert ran.code == 0
    assert (ran.json["sets_count"], ran.json["removed"]) == ({"audit": 2}, True)
    assert sets(old) == 0
    assert verify(old).ok


def test_prune_keeps_at_least_what_aws_keeps(run: Any, old: Path) -> None:
    assert run("archive", "prune", "--archive", old, "--keep-days", "89", "--yes").code == 2
    assert sets(old) == 2


def test_merge_brings_another_archive_in(run: Any, place: Path, tmp_path: Path) -> None:
    ran = run("archive", "merge", V1, "--archive", tmp_path / "new", "--json")
    assert ran.code == 0
    assert (ran.json["sets_count"], ran.json["pulls_count"]) == (4, 3)
    assert Archive(tmp_path / "new").fingerprint() == Archive(V1).fingerprint()
    assert run("archive", "merge", tmp_path / "nothing", "--archive", place).code == 1
