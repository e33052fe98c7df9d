"""`ddreport mitigate apply|status|list|cancel` as people and programs use them, against the emulator over HTTP."""

from __future__ import annotations

import json

import pytest

from ddreport.cli import main
from ddreport.mitigation.approval import approval_text, approve
from ddreport.mitigation.plan import ApprovalRule
from ddreport.mitigation.plan_file import write_plan


@pytest.fixture
def ddreport(site, capsys):
    """Run a command on the site's archive; return exit code, what it printed, and what it said on stderr."""

    def run(*words, connected=True):
        place = ["--region", "eu-west-1", "--endpoint-url", site.world.endpoint] if connected else []
        code = main(["mitigate", *map(str, words), *place, "--archive", str(site.archive.path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def planned(site, tmp_path):
    def make(count=2, **changes):
        plan = site.expiring_plan(count, **changes)
        path = tmp_path / "plan.yaml"
        write_plan(plan, path)
        return plan, path

    return make


BOB = "arn:aws:iam::123456789012:user/bob"


@pytest.fixture
def terminal(monkeypatch):
    """Somebody sits there."""
    monkeypatch.setattr("ddreport.cli.commands.mitigate_run.at_a_terminal", lambda: True)


def test_without_a_terminal_nothing_is_applied_without_an_approval(site, ddreport, planned, tmp_path):
    plan, path = planned()
    for words in ([], ["--yes"]):
        code, _, told = ddreport("apply", path, *words)
        assert code == 1
        assert "neither approved nor confirmed" in told
        assert site.status_of(plan.findings[0].resource_id) == "ACTIVE"
    given = tmp_path / "given.yaml"
    given.write_text(approval_text(approve(plan, by=BOB, time=site.now())), encoding="utf-8")
    code, printed, told = ddreport("apply", path, "--approval", given, "--quiet")
    assert (code, told) == (0, "")
    assert f"Plan {plan.short}: finished" in printed
    assert "2 completed" in printed
    assert site.status_of(plan.findings[0].resource_id) == "INACTIVE"


def test_at_a_terminal_yes_spares_the_question(site, ddreport, planned, terminal):
    plan, path = planned()
    assert ddreport("apply", path, "--yes")[0] == 0
    assert site.status_of(plan.findings[0].resource_id) == "INACTIVE"


def test_a_dry_run_shows_exactly_what_would_be_sent_and_sends_nothing(site, ddreport, planned):
    plan, path = planned(30)
    code, printed, _ = ddreport("apply", path, "--dry-run", "--json")
    assert code == 0
    told = json.loads(printed)
    assert [len(task["target"]["findingIds"]) for task in told["tasks"]] == [25, 5]
    assert told["tasks"][0]["taskId"] == f"ddreport-{plan.short}-0001"
    assert site.watch.count("StartAuditMitigationActionsTask") == 0
    code, printed, _ = ddreport("apply", path, "--dry-run")
    assert f"ddreport-{plan.short}-0002" in printed
    assert ddreport("list", connected=False)[1] == ""


def test_the_approval_beside_the_plan_counts_and_is_told_afterwards(site, ddreport, planned, tmp_path, terminal):
    plan, path = planned(approval=ApprovalRule(required=True, second_person=True))
    assert ddreport("apply", path, "--yes")[0] == 2
    given = approve(plan, by=BOB, time=site.now())
    (tmp_path / "plan.approval.yaml").write_text(approval_text(given), encoding="utf-8")
    assert ddreport("apply", path)[0] == 0
    code, printed, _ = ddreport("status", plan.short, "--json", connected=False)
    told = json.loads(printed)
    assert code == 0
    assert told["campaign"]["campaign_status"] == "FINISHED"
    assert {row["approved_by"] for row in told["outcomes"]} == {BOB}


def test_what_failed_is_listed_with_what_to_do(site, ddreport, tmp_path, terminal):
    site.certificates(1)
    actions = site.define("Deactivate", policies=False)
    plan = site.plan(site.planned(site.audit("DEVICE_CERTIFICATE_EXPIRING_CHECK"), "Deactivate"), actions)
    path = tmp_path / "plan.yaml"
    write_plan(plan, path)
    assert ddreport("apply", path, "--yes")[0] == 4
    code, printed, _ = ddreport("status", path, connected=False)
    assert code == 0
    for words in ("INSUFFICIENT_PERMISSIONS", "may not do what UPDATE_DEVICE_CERTIFICATE needs", "give the role"):
        assert words in printed
    code, printed, _ = ddreport("list", "--json", connected=False)
    (row,) = json.loads(printed)
    assert (row["plan"], row["failed_count"], row["left_count"]) == (plan.digest, 1, 0)


def test_an_unknown_plan_and_one_never_applied_are_told(ddreport, planned):
    _, path = planned()
    for word in ("0123456789", path):
        code, _, told = ddreport("status", word, connected=False)
        assert code == 1
        assert "was ever applied from this archive" in told
    assert ddreport("status", "0123", connected=False)[0] == 2
    code, _, told = ddreport("cancel", path)
    assert code == 1
    assert "never applied" in told
