"""Suppressions as code on the command line, over HTTP against an emulated account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ddreport.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran

    Run = Callable[..., Ran]

START = "2026-03-02T09:00:00+00:00"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
ACCOUNT = "123456789012"
WRITES = ("CreateAuditSuppression", "UpdateAuditSuppression", "DeleteAuditSuppression")


def a_rule(**changes: Any) -> dict[str, Any]:
    rule = {
        "id": "lab",
        "check": POLICY,
        "pattern": "lab-*",
        "owner": "fleet-team",
        "reason": "Only in the test hall",
        "ticket": "SEC-12",
        "expires": "2026-06-01",
        **changes,
    }
    return {k: v for k, v in rule.items() if v is not None}


@dataclass
class Site:
    """An emulated account with open policies, its archive, a file of rules, and the command line."""

    aws: Any
    run_command: Run
    folder: Path
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.iot = self.aws.client("iot")
        for name in ("lab-1", "lab-2", "field-1"):
            self.iot.create_policy(policyName=name, policyDocument=OPEN)
        admit = self.aws.emulator.admit

        def counted(account: str, region: str, operation: str) -> Any:
            outcome = admit(account, region, operation)
            if outcome.error is None:
                self.calls[operation] += 1
            return outcome

        self.aws.emulator.admit = counted

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def file(self) -> Path:
        return self.folder / "suppressions.yaml"

    @property
    def where(self) -> tuple[object, ...]:
        return ("--region", self.aws.region, "--endpoint-url", self.aws.endpoint, "--archive", self.archive)

    def write(self, *rules: dict[str, Any], **top: Any) -> None:
        self.file.write_text(yaml.safe_dump({"suppressions": list(rules), **top}), encoding="utf-8")

    def audit(self, *checks: str, inventory: bool = False) -> Ran:
        self.aws.audit(*(checks or (POLICY, LOGGING)))
        return self.run_command("pull", *self.where, *(["--inventory"] if inventory else []))

    def suppress(self, command: str, *more: object) -> Ran:
        self.calls.clear()
        return self.run_command("suppress", command, "--file", self.file, *self.where, *more)

    def writes(self) -> int:
        return sum(self.calls[name] for name in WRITES)

    def present(self) -> dict[str, dict[str, Any]]:
        pages = self.iot.get_paginator("list_audit_suppressions").paginate()
        found = {}
        for record in (r for page in pages for r in page["suppressions"]):
            identifier = record["resourceIdentifier"]
            policy = identifier.get("policyVersionIdentifier")
            name = f"{policy['policyName']}:{policy['policyVersionId']}" if policy else next(iter(identifier.values()))
            assert name not in found
            found[name] = record
        return found


@pytest.fixture
def site(iot_emulator: Any, run: Run, tmp_path: Path) -> Site:
    return Site(iot_emulator, run, tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 give up after the first attempt."""
    from botocore.config import Config

    from ddreport.aws import session

    monkeypatch.setattr(session, "_default_config", lambda: Config(retries={"total_max_attempts": 1}))


pytestmark = pytest.mark.iot_emulator(start=START, manual=True)


def test_the_whole_cycle(site: Site) -> None:
    """Plan, apply, apply again, audit, expiry, drift."""
    site.write(a_rule())
    assert site.audit().code == 0

    plan = site.suppress("plan", "--json")
    assert plan.code == 0
    (data,) = plan.json
    assert data["counts"] == {"CREATE": 2}
    assert data["emulated"] is True
    assert [c["resource_id"] for c in data["changes"]] == ["lab-1", "lab-2"]
    effect = {row["moment"]: row for row in data["effect"]}
    assert [effect[m]["hidden_findings_count"] for m in ("BEFORE", "AFTER", "WITHOUT")] == [0, 2, 0]
    # 3 of 3 policies and the account fail; two policies are hidden.
    assert effect["AFTER"]["resource_compliance_rate"] == pytest.approx(2 / 4)
    assert site.writes() == 0

    applied = site.suppress("apply", "--yes", "--plan", data["plan"])
    assert applied.code == 0
    assert "2 of 2 changes made." in applied.out
    assert site.calls["CreateAuditSuppression"] == 2
    kept = site.present()["lab-1:1"]
    assert kept["expirationDate"] == datetime(2026, 6, 1, tzinfo=UTC)
    assert kept["description"] == (
        "Only in the test hall | owner: fleet-team | ticket: SEC-12 | ddreport: suppressions/lab"
    )

    again = site.suppress("apply", "--yes")
    assert again.code == 0
    assert site.writes() == 0
    assert site.suppress("drift").code == 0

    site.aws.advance(days=1)
    site.audit()
    findings = Archive.open(site.archive).load("findings")
    newest = findings[findings["task_start_time"] == findings["task_start_time"].max()]
    suppressed = newest.set_index("resource_id")["is_suppressed"].to_dict()
    assert suppressed == {"lab-1": True, "lab-2": True, "field-1": False, ACCOUNT: False}
    # What is hidden stays in view of its rule.
    assert site.suppress("apply", "--yes").code == 0
    assert site.writes() == 0

    site.aws.advance(days=120)
    drift = site.suppress("drift", "--json")
    assert drift.code == 3
    assert [(d["kind"], d["rule_id"]) for d in drift.json[0]["drift"]] == [("EXPIRED_RULE", "lab")]
    assert "it ended on 2026-06-01 00:00 UTC" in drift.json[0]["drift"][0]["message"]
    listed = site.suppress("list", "--json")
    assert [(s["state"], s["rule_id"]) for s in listed.json[0]["suppressions"]] == [("EXPIRED", "lab")]
    assert site.suppress("apply", "--yes").code == 0
    assert site.writes() == 0


def test_a_suppression_hides_nothing_any_more_once_the_policy_has_a_new_version(site: Site) -> None:
    site.write(a_rule(pattern=None, resource="lab-1", policy_version="1"), a_rule(id="two", pattern="lab-2"))
    site.audit()
    site.suppress("apply", "--yes")
    assert {s["state"] for s in site.suppress("list", "--json").json[0]["suppressions"]} == {"OK"}
    for name in ("lab-1", "lab-2"):
        site.iot.create_policy_version(policyName=name, policyDocument=OPEN, setAsDefault=True)
    site.aws.advance(days=1)
    site.audit()
    listed = site.suppress("list", "--json")
    assert {s["state"] for s in listed.json[0]["suppressions"]} == {"HIDES_NOTHING"}
    assert "no open finding of version 1" in listed.json[0]["suppressions"][0]["note"]
    # The version that is spelled out stays; the pattern follows what was found, which the plan shows first.
    drift = site.suppress("drift", "--json")
    assert drift.code == 3
    assert [(d["kind"], d["resource_id"], d["policy_version_id"]) for d in drift.json[0]["drift"]] == [
        ("MISSING", "lab-2", "2"),
        ("SURPLUS", "lab-2", "1"),
    ]
    site.suppress("apply", "--yes")
    assert sorted(site.present()) == ["lab-1:1", "lab-2:2"]


def test_editing_the_file_changes_and_lifts_and_leaves_the_rest(site: Site) -> None:
    site.write(a_rule(), a_rule(id="log", check=LOGGING, pattern="*", expires="never"))
    site.audit()
    site.suppress("apply", "--yes")
    site.write(a_rule(pattern="lab-2", expires="never", reason="Älter als gedacht"), a_rule(id="f", pattern="field-*"))
    ran = site.suppress("apply", "--yes", "--json")
    assert ran.code == 0
    assert [(a["action"], a["resource_id"], a["outcome"]) for a in ran.json[0]["applied"]] == [
        ("DELETE", "lab-1", "DONE"),
        ("DELETE", ACCOUNT, "DONE"),
        ("CHANGE", "lab-2", "DONE"),
        ("CREATE", "field-1", "DONE"),
    ]
    present = site.present()
    assert sorted(present) == ["field-1:1", "lab-2:1"]
    assert present["lab-2:1"]["suppressIndefinitely"] is True
    assert present["lab-2:1"]["description"].startswith(r"\xc4lter als gedacht | owner: fleet-team")
    # From endless to an end, too.
    site.write(a_rule(pattern="lab-2"), a_rule(id="f", pattern="field-*"))
    site.suppress("apply", "--yes")
    assert site.present()["lab-2:1"]["expirationDate"] == datetime(2026, 6, 1, tzinfo=UTC)
    assert site.suppress("drift").code == 0


def test_what_somebody_made_by_hand_is_left_alone_until_asked(site: Site) -> None:
    for name in ("lab-1", "field-1"):
        site.iot.create_audit_suppression(
            checkName=POLICY,
            resourceIdentifier={"policyVersionIdentifier": {"policyName": name, "policyVersionId": "1"}},
            suppressIndefinitely=True,
            description="clicked \x5b2J",
        )
    site.write(a_rule(pattern="lab-1"))
    site.audit()
    ran = site.suppress("apply", "--yes")
    assert ran.code == 0
    assert "--adopt takes it over" in ran.out
    assert site.writes() == 0
    assert site.suppress("drift").code == 3
    assert [s["state"] for s in site.suppress("list", "--json").json[0]["suppressions"]] == ["FOREIGN", "FOREIGN"]
    site.suppress("apply", "--yes", "--adopt")
    assert (site.calls["UpdateAuditSuppression"], site.writes()) == (1, 1)
    site.suppress("apply", "--yes", "--prune-foreign")
    assert (site.calls["DeleteAuditSuppression"], site.writes()) == (1, 1)
    assert sorted(site.present()) == ["lab-1:1"]
    assert site.suppress("drift").code == 0


def test_two_files_share_an_account_by_their_names(site: Site) -> None:
    site.write(a_rule(pattern="lab-1"), name="team-a")
    site.audit()
    site.suppress("apply", "--yes")
    site.write(a_rule(pattern="lab-2"), name="team-b")
    site.suppress("apply", "--yes", "--prune-foreign")
    assert sorted(site.present()) == ["lab-1:1", "lab-2:1"]
    assert site.suppress("drift").code == 0


def test_another_accounts_file_is_refused(site: Site) -> None:
    site.write(a_rule(), accounts=["444455556666"])
    site.audit()
    for command in (("plan",), ("apply", "--yes"), ("drift",)):
        ran = site.suppress(*command)
        assert ran.code == 2
        assert f"is for account 444455556666, and this is account {ACCOUNT}" in ran.err
    assert site.writes() == 0


def test_a_faulty_file_is_refused_before_anybody_is_asked(site: Site) -> None:
    site.write(a_rule(check="IOT_POLICY_OVERLY_PERMISIVE_CHECK"), a_rule(id="x", owner=None))
    ran = site.suppress("plan")
    assert ran.code == 2
    assert "Did you mean 'IOT_POLICY_OVERLY_PERMISSIVE_CHECK'?" in ran.err
    assert "rule 'x' has no owner" in ran.err
    assert ran.err.splitlines()[0].endswith("has 2 faults, and nothing was done:")
    assert not site.calls
    site.file.unlink()
    assert site.suppress("apply").code == 2
    site.file.write_bytes(b"suppressions: [\xff]")
    assert "is no text in UTF-8: byte 15 is wrong" in site.suppress("plan").err


def test_without_an_archive_patterns_are_told_and_named_resources_still_work(site: Site) -> None:
    site.aws.enable()
    site.write(a_rule(), a_rule(id="log", check=LOGGING, pattern=None, resource=ACCOUNT))
    ran = site.suppress("apply", "--yes")
    assert ran.code == 4
    assert "rule lab could not be expanded: the archive has no finished audit of IOT_POLICY" in ran.err
    assert "what suppressions hide is not known" in ran.err
    assert sorted(site.present()) == [ACCOUNT]
    listed = site.suppress("list", "--json")
    assert listed.json[0]["suppressions"][0]["findings_count"] is None


def test_a_rule_about_things_needs_the_inventory(site: Site) -> None:
    certificates = {}
    for name, group in (("pump", "lab"), ("valve", "field")):
        certificates[name] = site.iot.create_keys_and_certificate(setAsActive=True)
        site.iot.create_thing(thingName=name)
        site.iot.create_thing_group(thingGroupName=group)
        site.iot.attach_thing_principal(thingName=name, principal=certificates[name]["certificateArn"])
        site.iot.add_thing_to_thing_group(thingGroupName=group, thingName=name)
    site.write(a_rule(check="DEVICE_CERTIFICATE_AGE_CHECK", pattern=None, thing_group="lab", over="inventory"))
    assert site.audit().code == 0
    ran = site.suppress("plan")
    assert ran.code == 4
    assert "the inventory's table certificates was never read; run `ddreport pull --inventory`" in ran.err
    site.aws.advance(hours=1)
    site.audit("DEVICE_CERTIFICATE_AGE_CHECK", inventory=True)
    assert site.suppress("apply", "--yes").code == 0
    assert list(site.present()) == [certificates["pump"]["certificateId"]]


# Trouble on the way


@pytest.mark.usefixtures("impatient")
def test_a_full_account_is_explained_and_what_was_done_is_told(site: Site) -> None:
    site.write(a_rule(id="log", check=LOGGING, pattern="*"))
    site.audit()
    site.suppress("apply", "--yes")
    site.write(a_rule())
    site.aws.emulator.faults.refuse("CreateAuditSuppression", code="LimitExceededException")
    ran = site.suppress("apply", "--yes", "--json")
    assert ran.code == 4
    outcomes = [(a["action"], a["outcome"], a["error_code"]) for a in ran.json[0]["applied"]]
    assert outcomes == [
        ("DELETE", "DONE", None),
        ("CREATE", "FAILED", "LimitExceededException"),
        ("CREATE", "NOT_TRIED", None),
    ]
    assert "AWS publishes no number" in ran.json[0]["applied"][1]["message"]
    assert ran.json[0]["applied"][2]["message"] == "not tried after LimitExceededException for another one"
    site.aws.emulator.faults.clear()
    assert site.suppress("apply", "--yes").code == 0
    assert site.calls["CreateAuditSuppression"] == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_a_refused_kind_of_change_is_not_tried_again_for_the_rest(site: Site, code: str) -> None:
    site.write(a_rule())
    site.audit()
    site.aws.emulator.faults.refuse("CreateAuditSuppression", code=code)
    ran = site.suppress("apply", "--yes")
    assert ran.code == 1
    assert "0 of 2 changes made." in ran.out
    assert code in ran.out
    assert "run the same command again" in ran.err
    assert site.present() == {}


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_was_lost_is_read_back(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    site.aws.emulator.faults.drop("CreateAuditSuppression", when="after", times=1)
    ran = site.suppress("apply", "--yes", "--json")
    assert ran.code == 4
    done, rest = ran.json[0]["applied"]
    assert done["outcome"] == "DONE"
    assert done["message"].startswith("AWS has it, although:")
    assert rest["outcome"] == "NOT_TRIED"
    assert site.suppress("apply", "--yes").code == 0
    assert site.calls["CreateAuditSuppression"] == 1
    assert sorted(site.present()) == ["lab-1:1", "lab-2:1"]


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_token(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    site.aws.emulator.faults.drop("CreateAuditSuppression", when="after", times=1)
    assert site.suppress("apply", "--yes").code == 0
    assert sorted(site.present()) == ["lab-1:1", "lab-2:1"]


@pytest.mark.usefixtures("impatient")
def test_suppressions_that_cannot_be_read_are_not_taken_for_none(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    site.aws.emulator.faults.refuse("ListAuditSuppressions", code="AccessDeniedException")
    for command in ("plan", "apply", "list", "drift"):
        ran = site.suppress(command)
        assert ran.code == 1
        assert "the caller needs the permission iot:ListAuditSuppressions" in ran.err
    assert site.writes() == 0


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_read_back_is_said_to_be_unconfirmed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddreport.workflows import suppression_apply

    send = suppression_apply._Run._send

    def then_refuse(self: Any, action: str, row: Any) -> None:
        send(self, action, row)
        site.aws.emulator.faults.refuse("ListAuditSuppressions", code="ThrottlingException")

    monkeypatch.setattr(suppression_apply._Run, "_send", then_refuse)
    site.write(a_rule())
    site.audit()
    ran = site.suppress("apply", "--yes", "--json")
    assert ran.code == 4
    assert {a["outcome"] for a in ran.json[0]["applied"]} == {"UNCONFIRMED"}


def test_a_killed_run_is_gone_on_with_and_nothing_is_doubled(site: Site) -> None:
    for n in range(8):
        site.iot.create_policy(policyName=f"lab-x{n}", policyDocument=OPEN)
    site.write(a_rule())
    site.audit()
    site.aws.emulator.faults.delay("CreateAuditSuppression", seconds=0.2)
    site.calls.clear()
    command = [sys.executable, "-m", "ddreport", "suppress", "apply", "--yes", "--file", site.file, *site.where]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 120
        while site.calls["CreateAuditSuppression"] < 3 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    assert process.returncode == -signal.SIGKILL
    # The request that was under way may still be carried out.
    site.aws.emulator.faults.clear()
    time.sleep(0.5)
    before = len(site.present())
    assert 2 <= before <= 4
    assert site.suppress("apply", "--yes").code == 0
    assert site.calls["CreateAuditSuppression"] == 10 - before
    assert len(site.present()) == 10
    site.suppress("apply", "--yes")
    assert site.writes() == 0


# Asking first


def test_without_a_terminal_nothing_is_applied_unless_told_so(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    ran = site.suppress("apply")
    assert ran.code == 2
    assert f"this would make 2 changes in account {ACCOUNT}, Region eu-west-1" in ran.err
    assert site.suppress("apply", "--dry-run").code == 0
    assert site.writes() == 0


@pytest.mark.parametrize(("typed", "writes"), [(ACCOUNT, 2), ("yes", 0), ("", 0)])
def test_at_a_terminal_the_accounts_id_must_be_typed(
    site: Site, monkeypatch: pytest.MonkeyPatch, typed: str, writes: int
) -> None:
    site.write(a_rule())
    site.audit()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: typed)
    site.suppress("apply")
    assert site.writes() == writes


def test_another_plan_than_the_reviewed_one_is_refused(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    ran = site.suppress("apply", "--yes", "--plan", "0123456789ab")
    assert ran.code == 2
    assert "not 0123456789ab" in ran.err
    assert site.writes() == 0


def test_a_read_only_target_can_be_planned_and_not_applied(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(a_rule(targets=["prod"]))
    site.audit()
    monkeypatch.chdir(site.folder)
    table = f'region = "eu-west-1"\nendpoint_url = "{site.aws.endpoint}"\n'
    (site.folder / "ddreport.toml").write_text(
        f'[targets.prod]\n{table}mitigation = "read-only"\n[targets.test]\n{table}'
    )
    options = ("--archive", site.archive)
    # The file is looked for in this folder.
    assert "2 to create" in site.run_command("suppress", "plan", "-t", "prod", *options).out
    ran = site.run_command("suppress", "apply", "-t", "prod", "--yes", *options)
    assert ran.code == 1
    assert "is for looking only" in ran.err
    both = site.run_command("suppress", "plan", "--all-targets", "--json", *options)
    assert [d["counts"] for d in both.json] == [{"CREATE": 2}, {}]
    site.write(a_rule(targets=["prd"]))
    assert (
        "'prd', which is no target of ddreport.toml. Did you mean 'prod'?"
        in site.run_command("suppress", "plan", "-t", "prod", *options).err
    )


def test_an_unreachable_target_does_not_spoil_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(a_rule())
    site.audit()
    monkeypatch.chdir(site.folder)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    nowhere = '[targets.gone]\nregion = "eu-west-1"\nendpoint_url = "http://127.0.0.1:9"\n'
    here = f'[targets.here]\nregion = "eu-west-1"\nendpoint_url = "{site.aws.endpoint}"\n'
    (site.folder / "ddreport.toml").write_text(nowhere + here)
    ran = site.run_command("suppress", "plan", "--all-targets", "--json", "--archive", site.archive)
    assert ran.code == 4
    gone, found = ran.json
    assert "cannot connect" in gone["error"]
    assert found["counts"] == {"CREATE": 2}


def test_an_emulators_archive_does_not_serve_a_real_account(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from ddreport.aws.session import AwsSession

    site.write(a_rule())
    site.audit()
    identity = AwsSession.identity
    monkeypatch.setattr(AwsSession, "identity", lambda self: replace(identity(self), emulated=False))
    ran = site.suppress("apply", "--yes")
    assert ran.code == 2
    assert "is an emulator's and" in ran.err
    assert site.writes() == 0


def test_the_list_works_without_a_file_and_warns_before_the_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(a_rule(expires="2026-03-10", review="2026-03-05"))
    site.audit()
    site.suppress("apply", "--yes")
    site.file.unlink()
    monkeypatch.chdir(site.folder)
    site.aws.advance(days=4)
    listed = site.run_command("suppress", "list", *site.where, "--json").json[0]
    assert listed["file"] is None
    first = listed["suppressions"][0]
    assert (first["state"], first["owner"], first["ticket"]) == ("EXPIRES_SOON", "fleet-team", "SEC-12")
    assert first["note"] == "it ends in 3 days; review was due on 2026-03-05"
    ran = site.run_command("suppress", "list", *site.where, "--soon", 1)
    assert "REVIEW_DUE" in ran.out
    assert "2 review due." in ran.out
    assert site.run_command("suppress", "list", *site.where, "--file", "nothing.yaml").code == 2


def test_old_findings_are_said_to_be_old(site: Site) -> None:
    site.write(a_rule())
    site.audit()
    site.aws.advance(timedelta(days=9))
    assert "is 9 days old" in site.suppress("plan").err


def test_hostile_texts_reach_the_terminal_as_text(site: Site) -> None:
    site.iot.create_audit_suppression(
        checkName="CONFLICTING_CLIENT_IDS_CHECK",
        resourceIdentifier={"clientId": "a\x1b[2J\u202eb"},
        suppressIndefinitely=True,
        description="x | owner: \\x1b[31mred\\u202e | ddreport: suppressions/gone",
    )
    site.write(a_rule())
    site.audit()
    for command in ("list", "plan", "drift"):
        ran = site.suppress(command)
        assert "\x1b" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
        assert "a\\x1b[2J\\u202eb" in ran.out
    # Our own, by its description: its rule is gone, so it is lifted.
    assert site.suppress("apply", "--yes").code == 0
    assert sorted(site.present()) == ["lab-1:1", "lab-2:1"]
