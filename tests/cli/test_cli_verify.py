"""`ddreport verify` as a user sees it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive

V1 = Path(__file__).parents[1] / "data/archive-v1"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copytree(V1, tmp_path / "archive")
    Archive.open(tmp_path / "archive", create=True)
    return tmp_path / "archive"


def test_a_whole_archive_ends_with_0_and_prints_the_head(run: Any, place: Path) -> None:
    ran = run("verify", "--archive", place)
    assert ran.code == 0
    assert ran.out.startswith("nothing is wrong: 1 manifests, 4 sets, ")
    assert ran.out.endswith(f"head: {Archive(place).head}\n")


def test_each_problem_is_told_with_its_file_and_ends_with_1(run: Any, place: Path) -> None:
    changed, gone = sorted(place.rglob("findings.parquet"))[:2]
    changed.write_bytes(b"x")
    gone.unlink()
    ran = run("verify", "--archive", place)
    assert ran.code == 1
    assert f"warning: {changed.relative_to(place)}: has 1 bytes instead of" in ran.err
    assert f"warning: {gone.relative_to(place)}: is missing" in ran.err
    assert ran.out.startswith("2 problems: ")


def test_json_has_all_for_programs(run: Any, place: Path) -> None:
    (place / "x\x1b[31m").write_text("x")
    ran = run("verify", "--archive", place, "--json")
    assert ran.code == 0
    assert ran.json["ok"] is True
    assert ran.json["warnings"] == [{"path": "x\x1b[31m", "message": "is no file of the archive"}]
    assert "\x1b" not in run("verify", "--archive", place).err


def test_an_expected_head_that_is_not_in_the_chain_ends_with_1(run: Any, place: Path) -> None:
    assert run("verify", "--archive", place, "--expect-head", Archive(place).head).code == 0
    ran = run("verify", "--archive", place, "--expect-head", "0" * 64)
    assert ran.code == 1
    assert "manifests were cut off or written anew" in ran.err


def test_a_missing_archive_is_no_traceback(run: Any, tmp_path: Path) -> None:
    ran = run("verify", "--archive", tmp_path / "nothing")
    assert ran.code == 1
    assert "there is no archive yet" in ran.err
