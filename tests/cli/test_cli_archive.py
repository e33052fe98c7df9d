"""`ddreport archive …` as a user sees it."""

from __future__ import annotations

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
