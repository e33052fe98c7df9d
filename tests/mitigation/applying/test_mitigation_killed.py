"""A run that is killed with SIGKILL, at any line of its journal or with a request under way, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from ddreport.archive import Archive, verify
from ddreport.archive.campaigns import JOURNAL_FILE, campaign_folder, read_campaign
from ddreport.mitigation.events import StopReason
from ddreport.mitigation.journal import OutcomeStatus, fold
from ddreport.mitigation.plan_file import write_plan

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
LINES = 14
"""Lines of the journal of two waves of one task: its beginning, six for each wave, its end."""


class Applier:
    """The process that applies plans in forks of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("apply_process.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, **asked) -> None:
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def answer(self):
        return json.loads(self._process.stdout.readline())

    def close(self) -> str:
        return self._process.communicate()[1]


@pytest.fixture(scope="module")
def applier():
    found = Applier()
    yield found
    found.close()


@pytest.fixture
def apply_in_process(applier, site, tmp_path):
    def run(plan, *, kill=None):
        path = tmp_path / f"{plan.short}.yaml"
        write_plan(plan, path)
        applier.ask(plan=str(path), archive=str(site.archive.path), endpoint=site.world.endpoint, kill=kill)
        return applier.answer()["code"]

    return run


def assert_each_change_was_made_once(site, plan):
    """Hold the account, the archive and the journal against the plan."""
    ids = [f.resource_id for f in plan.findings]
    assert {site.status_of(i) for i in ids} == {"INACTIVE"}
    assert {site.watch.changes[f"update_certificate {i}"] for i in ids} == {1}
    campaign = read_campaign(site.archive.path, plan.digest)
    state = fold(plan, campaign.events)
    assert state.finished is not None
    assert [o.status for *_, o in state.outcomes()] == [OutcomeStatus.COMPLETED] * len(ids)
    assert {s.value["status"] for c in state.captured.values() for s in c.states} == {"ACTIVE"}
    executions = site.archive.load("mitigation_executions")
    mine = executions[executions["finding_id"].isin([f.finding_id for f in plan.findings])]
    assert sorted(mine["finding_id"]) == sorted(f.finding_id for f in plan.findings)
    found = verify(site.archive.path)
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "lines"), [("half", range(1, LINES + 1)), ("after", (1, 4, 10, LINES))])
def test_killed_at_any_line_of_the_journal_and_gone_on_with_everything_happens_once(
    site, apply_in_process, tmp_path, moment, lines
):
    actions = site.define("Deactivate")
    certificates = site.certificates(2 * LINES)
    findings = {f.resource_id: f for f in site.planned(site.audit(EXPIRING), "Deactivate")}
    for line in lines:  # half-way: what it tells of was done; after: what it announces was not
        site.archive = Archive.open(tmp_path / f"archive-{line}", create=True)
        first, second = (findings[certificates.pop()] for _ in range(2))
        plan = site.plan([first, site.in_wave(second, 2)], actions)
        assert apply_in_process(plan, kill=[line, moment]) == -signal.SIGKILL
        journal = campaign_folder(site.archive.path, plan.digest) / JOURNAL_FILE
        assert journal.read_bytes().count(b"\n") == (line if moment == "after" else line - 1)
        assert apply_in_process(plan) == 0, f"line {line}"
        assert_each_change_was_made_once(site, plan)
    # The last one was the last line of all: gone on with, it had nothing left to do.
    assert len(read_campaign(site.archive.path, plan.digest).events) == LINES + (moment == "half")


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("DescribeCertificate", 2),
        ("StartAuditMitigationActionsTask", 1),
        ("StartAuditMitigationActionsTask", 2),
        ("DescribeAuditMitigationActionsTask", 1),
        ("ListAuditMitigationActionsExecutions", 2),
    ],
)
def test_killed_with_a_request_under_way_it_goes_on_from_there(
    site, applier, apply_in_process, tmp_path, operation, number
):
    plan = site.expiring_plan(3, waves=(1,))
    path = tmp_path / "plan.yaml"
    write_plan(plan, path)
    site.watch.hold = (operation, site.watch.count(operation) + number)
    applier.ask(plan=str(path), archive=str(site.archive.path), endpoint=site.world.endpoint, tell=True)
    child = applier.answer()["pid"]
    assert site.watch.held.wait(20)
    os.kill(child, signal.SIGKILL)
    assert applier.answer()["code"] == -signal.SIGKILL
    site.watch.release.set()
    assert apply_in_process(plan) == 0
    assert_each_change_was_made_once(site, plan)


def test_two_processes_cannot_carry_out_one_plan_at_once(site, applier, tmp_path):
    from ddreport.errors import ArchiveError

    plan = site.expiring_plan(2)
    path = tmp_path / "plan.yaml"
    write_plan(plan, path)
    site.watch.hold = ("StartAuditMitigationActionsTask", 1)
    applier.ask(plan=str(path), archive=str(site.archive.path), endpoint=site.world.endpoint)
    assert site.watch.held.wait(20)
    with pytest.raises(ArchiveError, match="another process is carrying out plan"):
        site.apply(plan)
    site.watch.release.set()
    assert applier.answer()["code"] == 0
    assert site.watch.count("StartAuditMitigationActionsTask") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_journal_that_says_so_and_the_tasks_to_aws(site, applier, apply_in_process, tmp_path, number):
    site.world.emulator.execution_duration = timedelta(seconds=40)
    plan = site.expiring_plan(2)
    path = tmp_path / "plan.yaml"
    write_plan(plan, path)
    applier.ask(plan=str(path), archive=str(site.archive.path), endpoint=site.world.endpoint, tell=True)
    child = applier.answer()["pid"]
    site.watch.on = ("DescribeAuditMitigationActionsTask", lambda: os.kill(child, number))
    assert applier.answer()["code"] == 130
    state = fold(plan, read_campaign(site.archive.path, plan.digest).events)
    assert state.stopped.why is StopReason.INTERRUPTED
    assert len(state.running()) == 1
    site.world.emulator.advance(timedelta(seconds=90))
    assert apply_in_process(plan) == 0
    assert_each_change_was_made_once(site, plan)
