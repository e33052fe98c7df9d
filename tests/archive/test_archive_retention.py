"""Retention: only what was asked for goes, what still holds stays, and `verify` knows that it was on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive, verify
from ddreport.errors import InputError, WindowError

ACCOUNT, REGION = "012345678901", "eu-west-1"
START = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
FACTS = {"target": "plant", "account": ACCOUNT, "region": REGION, "status": "ok"}
WRITER = Path(__file__).with_name("writer_process.py")
NOW = START + timedelta(days=102)  # with 100 days to keep: audits 0 and 1 are older, 2 is just young enough


def fill(archive: Archive, audit_set: Any, state_set: Any) -> None:
    for number in (0, 1, 2, 3, 40):
        archive.append(audit_set(number))
    for number in (0, 24, 36, 72):
        archive.append_state(state_set(number, enabled=number % 72 == 0))
    archive.append_state(state_set(30, enabled=True))
    archive.record_pull(NOW, FACTS)


@pytest.fixture
def pulled(archive: Archive, audit_set: Any, state_set: Any) -> Archive:
    """Make an archive of five audits and of states at 0, 24, 30 and 72 hours."""
    fill(archive, audit_set, state_set)
    return archive


def audits(archive: Archive) -> list[str]:
    return [s.identity for s in Archive(archive.path).sets("audit")]


def test_whole_sets_that_are_older_go_and_the_state_that_still_holds_stays(pulled: Archive) -> None:
    states = [s.identity for s in pulled.sets("state")]
    done = pulled.prune(keep_days=100, time=NOW)
    assert done.before == START + timedelta(days=2)
    assert done.sets_count == {"audit": 2, "state": len(states) - 2}
    assert done.bytes_count > 0
    assert audits(pulled) == ["audit0002", "audit0003", "audit0040"]
    assert [s.identity for s in pulled.sets("state")] == states[-2:]
    assert pulled.latest_state("check_configurations", as_of=done.before)["enabled"].tolist() == [True]
    found = verify(pulled.path)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])


def test_the_manifest_lists_what_was_removed(pulled: Archive) -> None:
    pulled.prune(keep_days=100, time=NOW)
    manifest = json.loads((pulled.path / "manifests/00000002.json").read_bytes())
    assert manifest["kind"] == "retention"
    assert [e["identity"] for e in manifest["removed"] if e["kind"] == "audit"] == ["audit0000", "audit0001"]


def test_a_dry_run_removes_nothing(pulled: Archive) -> None:
    before = sorted(pulled.path.rglob("*"))
    would = pulled.prune(keep_days=100, time=NOW, dry_run=True)
    assert would.sets_count["audit"] == 2
    assert sorted(pulled.path.rglob("*")) == before
    assert pulled.prune(keep_days=100, time=NOW) == would


def test_nothing_old_enough_writes_nothing(pulled: Archive) -> None:
    head = pulled.head
    assert pulled.prune(keep_days=1000, time=NOW).sets_count == {}
    assert pulled.head == head


def test_a_pack_stays_until_its_newest_audit_is_old_enough(pulled: Archive) -> None:
    pulled.compact(before="2026-04", time=NOW)
    assert "audit" not in pulled.prune(keep_days=100, time=NOW).sets_count
    assert len(audits(pulled)) == 5
    done = pulled.prune(keep_days=98, time=NOW)
    assert done.sets_count["audit"] == 4
    assert audits(pulled) == ["audit0040"]
    found = verify(pulled.path)
    assert (found.problems, found.warnings, found.notes) == ([], [], [])


def test_a_removed_audit_may_come_back_and_is_listed_again(pulled: Archive, audit_set: Any) -> None:
    pulled.prune(keep_days=100, time=NOW)
    assert pulled.append(audit_set(0), pulled_time=NOW) is True
    pulled.record_pull(NOW, FACTS)
    found = verify(pulled.path)
    assert (found.problems, found.notes) == ([], [])


@pytest.mark.parametrize("days", [-1, 0, 89])
def test_less_than_aws_keeps_is_refused(pulled: Archive, days: int) -> None:
    with pytest.raises(InputError, match="bring back"):
        pulled.prune(keep_days=days, time=NOW)
    with pytest.raises(WindowError):
        pulled.prune(keep_days=100, time=datetime(2026, 8, 1))


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_a_retention_killed_at_any_step_verifies_and_goes_on(
    tmp_path: Path, audit_set: Any, state_set: Any, packed: bool, different_states: Any
) -> None:
    archive = Archive.open(tmp_path / "archive", create=True)
    fill(archive, audit_set, state_set)
    if packed:
        archive.compact(before="2026-04", time=NOW)
    places = tmp_path / "archives"
    places.mkdir()
    command = [sys.executable, str(WRITER), "prune-kill", str(places), str(archive.path)]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)
    assert steps > 20
    for step in list(different_states(places)):
        stopped = Archive.open(places / f"{step:04d}")
        found = verify(stopped.path)
        assert (step, found.problems, found.warnings) == (step, [], [])
        assert audits(stopped)[-1:] == ["audit0040"]
        stopped.record_pull(NOW, FACTS)  # does not take for new what is about to be removed
        stopped.prune(keep_days=98, time=NOW)
        again = verify(stopped.path)
        assert (step, again.problems, again.warnings, again.notes) == (step, [], [], [])
        assert audits(stopped) == ["audit0040"]
