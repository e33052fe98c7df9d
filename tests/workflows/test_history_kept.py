"""What is kept of the history beside the archive: the same as if everything were worked out anew, or not used."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from pandas.testing import assert_frame_equal

from ddreport.archive import Archive
from ddreport.workflows.history import History, follow

ORDER = ["problem_id", "first_slot"]
PLAN = {"audits": 14, "findings": 40, "churn": 0.1, "seed": 3, "start": datetime(2026, 3, 2, 4, tzinfo=UTC)}


@pytest.fixture(scope="module")
def synthetic() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("synthetic_for_history", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def whole(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two weeks of daily audits, with on-demand ones between."""
    place = tmp_path_factory.mktemp("whole") / "archive"
    synthetic.write_archive(place, synthetic.Plan(**PLAN))
    return place


@pytest.fixture
def archive(whole: Path, tmp_path: Path) -> Archive:
    shutil.copytree(whole, tmp_path / "archive")
    return Archive.open(tmp_path / "archive")


def assert_same(found: History, expected: History) -> None:
    assert_frame_equal(found.runs, expected.runs)
    for history in (found, expected):
        assert not history.spans.duplicated(ORDER).any()
    assert_frame_equal(
        found.spans.sort_values(ORDER, ignore_index=True), expected.spans.sort_values(ORDER, ignore_index=True)
    )
    assert_frame_equal(found.episodes(), expected.episodes())


def kept(archive: Archive) -> Path:
    return archive.path / "derived" / "history"


def test_audit_after_audit_gives_what_all_at_once_gives(synthetic: ModuleType, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive", create=True)
    added = []
    for record_set in synthetic.record_sets(synthetic.Plan(**PLAN)):
        archive.append(record_set)
        if record_set.kind == "audit":
            found = follow(archive)
            added.append(found.added_audits_count)
            if len(added) % 5 == 0:
                assert_same(found, follow(archive, keep=False))
    assert_same(found, follow(archive, keep=False))
    assert set(added) == {1}
    assert found.episodes()["resolved_time"].notna().any()


def test_what_is_kept_is_used_and_nothing_is_read_again(archive: Archive) -> None:
    first = follow(archive)
    again = follow(Archive.open(archive.path))
    assert first.added_audits_count == len(archive.index("audit"))
    assert again.added_audits_count == 0
    assert_same(again, first)


def test_an_audit_that_comes_late_is_put_where_it_belongs(archive: Archive, whole: Path, tmp_path: Path) -> None:
    tasks = archive.load("audit_tasks").sort_values("task_start_time")
    late = tasks["audit_task_id"].iloc[5]
    (place,) = [p for p in archive.index("audit") if p.identity == late]
    shutil.move(place.folder, tmp_path / "late")
    without = follow(archive)
    assert late not in set(without.runs["audit_task_id"])
    shutil.move(tmp_path / "late", place.folder)
    found = follow(Archive.open(archive.path))
    assert found.added_audits_count == len(tasks)
    assert_same(found, follow(Archive.open(whole), keep=False))


def test_an_audit_that_was_removed_takes_its_share_with_it(archive: Archive) -> None:
    follow(archive)
    place = archive.index("audit")[3]
    shutil.rmtree(place.folder)
    fewer = Archive.open(archive.path)
    assert_same(follow(fewer), follow(fewer, keep=False))
    assert place.identity not in set(follow(fewer).runs["audit_task_id"])


@pytest.mark.parametrize("damage", ["cut", "flip", "index", "rules", "gone"])
def test_what_cannot_be_trusted_is_worked_out_anew(archive: Archive, damage: str) -> None:
    expected = follow(archive)
    index = kept(archive) / "index.json"
    (spans,) = kept(archive).glob("spans-*.arrow")
    data = bytearray(spans.read_bytes())
    if damage == "cut":
        spans.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        spans.write_bytes(data)
    elif damage == "index":
        index.write_text("{", encoding="utf-8")
    elif damage == "rules":
        content = json.loads(index.read_bytes())
        content["origin"]["rules"] = 0
        index.write_text(json.dumps(content), encoding="utf-8")
    else:
        shutil.rmtree(archive.path / "derived")
    found = follow(Archive.open(archive.path))
    assert found.added_audits_count == len(archive.index("audit"))
    assert_same(found, expected)
    assert follow(Archive.open(archive.path)).added_audits_count == 0


def test_where_nothing_can_be_kept_the_result_is_the_same(archive: Archive) -> None:
    expected = follow(archive, keep=False)
    assert not (archive.path / "derived").exists()
    (archive.path / "derived").write_text("a file where the folder should be", encoding="utf-8")
    assert_same(follow(archive), expected)


def test_pandas_and_duckdb_give_the_same(archive: Archive) -> None:
    assert_same(follow(archive, keep=False, engine="pandas"), follow(archive, keep=False))


def test_an_archive_without_audits_has_no_problems(tmp_path: Path) -> None:
    found = follow(Archive.open(tmp_path / "archive", create=True))
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert found.runs.empty
    assert found.episodes().empty
    assert found.problems(now).empty
    assert found.state_counts([now]).empty
    assert found.line_states([now]).empty


def test_a_part_of_the_history_is_that_of_its_places_and_checks(archive: Archive) -> None:
    found = follow(archive)
    check = found.runs["check_name"].iloc[0]
    part = found.only(check_names={check})
    own = found.episodes()
    assert_frame_equal(part.episodes(), own[own["check_name"] == check].reset_index(drop=True))
    assert found.only(places={("000000000000", "eu-west-1")}).runs.empty


def test_another_set_under_a_known_id_is_not_taken_for_the_one_before(
    archive: Archive, synthetic: ModuleType, tmp_path: Path
) -> None:
    follow(archive)
    place = archive.index("audit")[-1]
    other = Archive.open(tmp_path / "other", create=True)
    for record_set in synthetic.record_sets(synthetic.Plan(**PLAN)):
        if record_set.identity == place.identity:
            fewer = dict(record_set.tables)
            fewer["findings"] = fewer["findings"].slice(0, 1)
            other.append(replace(record_set, tables=fewer))
    shutil.rmtree(place.folder)
    shutil.move(other.index("audit")[0].folder, place.folder)
    changed = Archive.open(archive.path)
    assert_same(follow(changed), follow(changed, keep=False))
