"""`ddreport export` on an archive of three days."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def archive(three_days: Path) -> Path:
    return three_days


def test_findings_and_problems_are_those_of_the_other_commands(
    archive: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    place = ["--region", "eu-west-1", "--archive", archive]
    for what in ("findings", "problems"):
        done = run("export", what, *place, "-f", "json", "--out", tmp_path / what, "--json")
        assert (done.code, done.json["emulated"]) == (0, False)
        rows = json.loads((tmp_path / what).read_text(encoding="utf-8"))
        shown = run(what, *place, "--json", *(["--all"] if what == "problems" else [])).json
        key = "finding_id" if what == "findings" else "problem_id"
        assert sorted(r[key] for r in rows) == sorted(s[key] for s in shown)
        assert len(rows) == done.json["rows_count"] > 0
        assert all(r["emulated"] is False for r in rows)


def test_measures_are_those_of_the_trend(archive: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    place = ["--region", "eu-west-1", "--archive", archive]
    assert run("export", "measures", *place, "-f", "parquet", "--by", "week", "--out", tmp_path / "m").code == 0
    table = pd.read_parquet(tmp_path / "m")
    trend = run("trend", *place, "--json").json
    newest = table.iloc[-1]
    assert (newest["open_count"], newest["posture_score"]) == (trend[-1]["open_count"], trend[-1]["posture_score"])


def test_a_finding_format_goes_to_stdout_and_closes_what_is_resolved(archive: Path, run: Callable[..., Any]) -> None:
    place = ["--region", "eu-west-1", "--archive", archive]
    found = json.loads(run("export", "problems", *place, "-f", "asff", "--out", "-").out)
    problems = run("problems", *place, "--all", "--json").json
    assert sum(f["RecordState"] == "ARCHIVED" for f in found) == sum(p["state"] == "RESOLVED" for p in problems) > 0
    lines = run("export", "problems", *place, "-f", "ocsf", "--out", "-").out.splitlines()
    assert len(lines) == len(problems)
    assert {json.loads(line)["class_uid"] for line in lines} == {2003}


def test_the_same_archive_gives_the_same_bytes(
    archive: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["export", "problems", "--region", "eu-west-1", "--archive", archive, "-f", "csv", "--out"]
    assert run(*asked, tmp_path / "one").code == 0
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    assert run(*asked, tmp_path / "two").code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["findings", "-f", "asff"], "asff holds problems"),
        (["problems", "-f", "doc"], "'doc'"),
        (["nothing"], "'nothing'"),
        (["measures", "--by", "year"], "period 'year' is unknown"),
    ],
)
def test_what_cannot_be_exported_is_said(
    archive: Path, run: Callable[..., Any], tmp_path: Path, options: list[str], told: str
) -> None:
    done = run("export", *options, "--region", "eu-west-1", "--archive", archive, "--out", tmp_path / "x")
    assert (done.code, told in done.err) == (2, True), done.err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_written_leaves_nothing(archive: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(
        "export", "problems", "--region", "eu-west-1", "--archive", archive, "--out", tmp_path / "file" / "x.csv"
    )
    assert (done.code, "could not be written" in done.err) == (1, True)
