"""The whole story over HTTP: plan, approve, apply, verify, roll back; and roll-backs that are killed and go on."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta

import msgspec
import pytest
from botocore.config import Config
from botocore.loaders import Loader

from ddreport.archive import Archive
from ddreport.archive import verify as verify_archive
from ddreport.archive.campaigns import read_campaign
from ddreport.aws.on_demand_audits import cancel_audit, start_on_demand_audit, wait_for_audit
from ddreport.aws.session import connect_session
from ddreport.emulation import RunningClock
from ddreport.errors import AwsCallError, InputError, MitigationError, PlanError
from ddreport.mitigation.events import UndoEnded, Verified
from ddreport.mitigation.reversal_plan import seal_rollback, write_rollback
from ddreport.mitigation.reverse_calls import UndoResult
from ddreport.mitigation.selection import Selection
from ddreport.progress import NoProgress
from ddreport.targets import Target
from ddreport.workflows.mitigating.account import Pace
from ddreport.workflows.mitigating.apply import apply_plan
from ddreport.workflows.mitigating.approve import give_approval
from ddreport.workflows.mitigating.plan import PlanRequest, make_plan
from ddreport.workflows.mitigating.rollback import apply_rollback, make_rollback, preview_rollback
from ddreport.workflows.mitigating.verify import load_verifications, verify_campaign
from ddreport.workflows.pull import pull

LOG_ROLE = "arn:aws:iam::123456789012:role/Logs"
POLICIES = {
    "Deactivate": ("UpdateDeviceCert", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}),
    "Quarantine": ("AddThingsToThingGroup", {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine"]}}),
    "Blank": ("ReplaceDefaultPolicy", {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}}),
    "EnableErrorLoggingAction": (
        "EnableIoTLogging",
        {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "ERROR"}},
    ),
}
OPEN = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
QUIET = NoProgress()
PACE = Pace(poll=0.05, limit=0.05)
soon = functools.partial(wait_for_audit, poll_seconds=0.05)


@functools.cache
def _shared_loader(search_path_string=None):
    return Loader()


@pytest.fixture(autouse=True)
def _one_service_model(monkeypatch):
    """Let all sessions share what botocore reads of its service models, a tenth of a second each time."""
    monkeypatch.setattr("botocore.session.create_loader", _shared_loader)


class Lab:
    """A target on the emulator with an archive of its own."""

    def __init__(self, world, make, folder):
        self.world, self.make, self.iot = world, make, world.iot
        world.emulator.use_clock(RunningClock(world.emulator.now(), 20))
        self.target = Target("lab", region="eu-west-1", endpoint_url=world.endpoint)
        self.archive = Archive.open(folder / "archive", create=True)
        world.enable(make.expiring, make.policy, make.logging)
        for name, (policy, parameters) in POLICIES.items():
            role = world.emulator.create_service_role(f"Role{name}", f"AWSIoTDeviceDefender{policy}MitigationAction")
            self.iot.create_mitigation_action(actionName=name, roleArn=role, actionParams=parameters)
        self.iot.create_thing_group(thingGroupName="quarantine")

    def session(self, attempts=8):
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
        return connect_session(self.target, config=config)

    def audited(self, *checks):
        self.world.audit(*(checks or (self.make.expiring, self.make.policy, self.make.logging)))
        pull([self.target], self.archive, progress=QUIET)

    def plan(self, *actions, **selection):
        request = PlanRequest(selection=Selection(**selection), actions=actions, with_impact=False)
        return make_plan(request, target=self.target, archive=str(self.archive.path), progress=QUIET)

    def applied(self, *actions, **selection):
        plan = self.plan(*actions, **selection)
        with self.session() as session:
            assert apply_plan(session, self.archive, plan, confirmed=True, progress=QUIET, pace=PACE).exit_code == 0
        return plan

    def verify(self, plan, **options):
        return verify_campaign(self.target, self.archive, plan.digest, progress=QUIET, wait=soon, **options)

    def rollback(self, plan):
        with self.session() as session:
            return make_rollback(session, self.archive, plan.digest, progress=QUIET)

    def roll_back(self, rollback, **options):
        with self.session() as session:
            return apply_rollback(session, self.archive, rollback, progress=QUIET, **({"confirmed": True} | options))

    def events(self, plan):
        return read_campaign(self.archive.path, plan.digest).events


@pytest.fixture
def lab(world, make, tmp_path):
    return Lab(world, make, tmp_path)


def effects(found):
    return {(one.check_name, one.effect.value, one.read_back and one.read_back.value) for one in found.problems}


def test_the_tutorials_story_and_back(lab, make, tmp_path):
    lab.audited()
    plan = lab.plan("EnableErrorLoggingAction", checks=(make.logging,))
    with lab.session() as session:
        approval = give_approval(plan, session, tmp_path / "approval.yaml")
        assert apply_plan(session, lab.archive, plan, approval=approval, progress=QUIET, pace=PACE).exit_code == 0
    found = lab.verify(plan)
    assert effects(found) == {(make.logging, "FIXED", "AS_EXPECTED")}
    assert (found.exit_code, found.notes) == (0, ())
    (audit,) = found.audit_task_ids
    details = lab.iot.describe_audit_task(taskId=audit)["auditDetails"]
    assert {name: d["checkRunStatus"] for name, d in details.items()} == {make.logging: "COMPLETED_COMPLIANT"}

    rollback = lab.rollback(plan)
    assert [op.words for op in rollback.operations] == [
        "Switches logging off (it was never configured, and cannot be again)"
    ]
    with lab.session() as session:
        approval = give_approval(rollback, session, tmp_path / "back.yaml")
    done = lab.roll_back(rollback, approval=approval, confirmed=False)
    assert (done.exit_code, done.state.counts) == (0, {UndoResult.DONE: 1})
    assert lab.iot.get_v2_logging_options()["disableAllLogs"] is True

    after = lab.verify(plan)
    assert effects(after) == {(make.logging, "STILL_THERE", "OTHERWISE")}
    assert [one.why for one in after.problems] == ["it came back after it was gone"]
    assert after.exit_code == 3
    table, read = load_verifications(lab.archive)
    assert table["effect"].tolist() == ["FIXED", "STILL_THERE"]
    assert read["read_back"].tolist() == ["AS_EXPECTED", "OTHERWISE"]
    assert table["verified_time"].is_monotonic_increasing
    checked = verify_archive(lab.archive.path, progress=QUIET)
    assert (checked.ok, checked.problems) == (True, [])
    journal = lab.archive.path / "campaigns" / plan.digest / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[: journal.read_bytes().rfind(b'{"previous"')])
    assert not verify_archive(lab.archive.path, progress=QUIET).ok


def test_each_problem_is_told_and_new_ones_of_the_same_checks_too(lab, make):
    lab.world.certificate("a", days=3)
    second, _ = lab.world.certificate(days=4)
    lab.world.policy("p", OPEN)
    lab.audited()
    plan = lab.applied("Deactivate", "Blank", checks=(make.expiring, make.policy))
    lab.iot.update_certificate(certificateId=second, newStatus="ACTIVE")
    lab.world.certificate(days=5)
    found = lab.verify(plan)
    assert found.counts == {"FIXED": 2, "STILL_THERE": 1, "NEW": 1, "UNKNOWN": 0}
    (still,) = (one for one in found.problems if one.effect == "STILL_THERE")
    assert (still.resource_id, still.read_back) == (second, "OTHERWISE")
    assert still.read_back_note == f"{second}: status is 'ACTIVE' instead of 'INACTIVE'"
    details = lab.iot.describe_audit_task(taskId=found.audit_task_ids[0])["auditDetails"]
    assert set(details) == {make.expiring, make.policy}


def test_without_an_audit_nothing_is_called_fixed(lab, make):
    lab.world.certificate(days=3)
    lab.audited()
    plan = lab.applied("Deactivate", checks=(make.expiring,))
    found = lab.verify(plan, audit=False)
    assert effects(found) == {(make.expiring, "UNKNOWN", "AS_EXPECTED")}
    assert [one.why for one in found.problems] == ["no audit of its check has begun since it was treated"]
    assert found.exit_code == 4
    found = lab.verify(plan, wait_scheduled=True)
    assert [note.split(";")[0] for note in found.notes] == [
        f"no scheduled audit has run {make.expiring} since the treatment"
    ]
    lab.iot.create_scheduled_audit(
        scheduledAuditName="daily", frequency="DAILY", targetCheckNames=[make.expiring, make.logging]
    )
    lab.world.emulator.advance(timedelta(days=2))
    found = lab.verify(plan, wait_scheduled=True)
    assert (effects(found), found.notes) == ({(make.expiring, "FIXED", "AS_EXPECTED")}, ())


def test_a_check_that_is_off_is_left_out_and_one_that_fails_proves_nothing(lab, make):
    lab.world.certificate(days=3)
    lab.world.policy("p", OPEN)
    lab.audited()
    plan = lab.applied("Deactivate", "Blank", checks=(make.expiring, make.policy))
    lab.iot.update_account_audit_configuration(auditCheckConfigurations={make.policy: {"enabled": False}})
    lab.world.emulator.fail_check(make.expiring)
    found = lab.verify(plan)
    assert found.notes == (f"{make.policy} is switched off, so the audit could not look.",)
    assert {(one.check_name, one.effect.value, one.why) for one in found.problems} == {
        (make.expiring, "UNKNOWN", "the check failed"),
        (make.policy, "UNKNOWN", "no audit of its check has begun since it was treated"),
    }


def test_an_audit_that_takes_too_long_is_said_and_taken_in_later(lab, make):
    lab.world.certificate(days=3)
    lab.audited()
    plan = lab.applied("Deactivate", checks=(make.expiring,))
    lab.world.emulator.audit_duration = timedelta(hours=1)
    found = lab.verify(plan, timeout_seconds=0.1)
    assert effects(found) == {(make.expiring, "UNKNOWN", "AS_EXPECTED")}
    assert "has not ended within 0 seconds" in found.notes[0]
    lab.world.emulator.advance(timedelta(hours=2))
    assert effects(lab.verify(plan, audit=False)) == {(make.expiring, "FIXED", "AS_EXPECTED")}


def test_what_cannot_be_read_back_is_said_and_no_result(lab, make):
    lab.world.certificate(days=3)
    lab.audited()
    plan = lab.applied("Deactivate", checks=(make.expiring,))
    lab.world.emulator.faults.refuse("DescribeCertificate", code="AccessDeniedException")
    found = lab.verify(plan)
    assert effects(found) == {(make.expiring, "FIXED", "NOT_READ")}
    assert "AccessDeniedException" in found.problems[0].read_back_note
    assert found.exit_code == 4
    (event,) = (e for e in lab.events(plan) if isinstance(e, Verified))
    assert (event.problems, event.read_backs) == (found.problems, found.read_backs)


def test_a_started_audit_whose_answer_got_lost_is_found_and_not_started_twice(lab, make):
    lab.world.emulator.audit_duration = timedelta(hours=1)
    lab.world.emulator.faults.drop("StartOnDemandAuditTask", when="after", times=1)
    with lab.session() as session:
        started = start_on_demand_audit(session, [make.expiring])
        now = lab.world.emulator.now()
        listed = lab.iot.list_audit_tasks(startTime=now - timedelta(days=1), endTime=now + timedelta(minutes=1))
        assert [task["taskId"] for task in listed["tasks"]] == [started.audit_task_id]
        end = wait_for_audit(session.iot, started.audit_task_id, progress=QUIET, timeout_seconds=0)
        assert (end.is_over, end.unfinished) == (False, [make.expiring])
        assert cancel_audit(session.iot, started.audit_task_id) is True
        assert cancel_audit(session.iot, started.audit_task_id) is False


def test_an_audit_of_switched_off_checks_alone_or_beyond_aws_limit_is_refused(lab, make):
    with lab.session() as session:
        with pytest.raises(InputError, match="CA_CERTIFICATE_EXPIRING_CHECK is switched off"):
            start_on_demand_audit(session, ["CA_CERTIFICATE_EXPIRING_CHECK"])
        lab.world.emulator.audit_duration = timedelta(hours=1)
        for _ in range(10):
            start_on_demand_audit(session, [make.logging])
        with pytest.raises(MitigationError, match="10 audits on demand at once"):
            start_on_demand_audit(session, [make.logging])


@pytest.fixture
def treated(lab, make):
    """A lab whose expiring certificate, open policy and logging were treated; and the plan."""
    lab.world.certificate("a", days=3)
    lab.world.policy("p", OPEN)
    lab.audited()
    plan = lab.applied(
        "Quarantine",
        "Deactivate",
        "Blank",
        "EnableErrorLoggingAction",
        checks=(make.expiring, make.policy, make.logging),
    )
    return lab, plan


def test_a_rollback_needs_a_yes_and_the_right_account(treated, tmp_path):
    lab, plan = treated
    rollback = lab.rollback(plan)
    with pytest.raises(MitigationError, match="neither approved nor confirmed"):
        lab.roll_back(rollback, confirmed=False)
    with lab.session() as session:
        looked = preview_rollback(session, lab.archive, rollback, progress=QUIET)
    assert {one.standing.value for one in looked} == {"TO_DO"}
    with pytest.raises(PlanError, match="changed after it was made"):
        lab.roll_back(msgspec.structs.replace(rollback, account="999999999999"))
    assert not [e for e in lab.events(plan) if isinstance(e, UndoEnded)]


def test_what_aws_refuses_is_written_down_and_tried_again(treated):
    lab, plan = treated
    rollback = lab.rollback(plan)
    lab.world.emulator.faults.refuse("UpdateCertificate", code="AccessDeniedException")
    done = lab.roll_back(rollback)
    assert (done.exit_code, done.state.counts) == (4, {UndoResult.DONE: 4, UndoResult.FAILED: 1})
    assert done.state.finished is None
    lab.world.emulator.faults.clear()
    again = lab.roll_back(rollback)
    assert (again.exit_code, again.state.counts) == (0, {UndoResult.DONE: 5})
    assert again.state.finished is not None
    before = len(lab.events(plan))
    assert lab.roll_back(rollback).state.counts == {UndoResult.DONE: 5}
    assert len(lab.events(plan)) == before
    assert not lab.rollback(plan).operations


def test_refusals_in_a_row_end_the_run_and_a_throttled_call_ends_it_at_once(treated):
    lab, plan = treated
    rollback = lab.rollback(plan)
    lab.world.emulator.faults.refuse("GetPolicy", code="ThrottlingException")
    with lab.session(attempts=1) as session, pytest.raises(AwsCallError, match="ThrottlingException"):
        apply_rollback(session, lab.archive, rollback, confirmed=True, progress=QUIET)
    lab.world.emulator.faults.clear()
    done = lab.roll_back(rollback)
    assert (done.exit_code, set(done.state.counts)) == (0, {UndoResult.DONE})


def test_a_campaign_that_is_not_over_is_not_rolled_back(lab, make):
    lab.world.certificate(days=3)
    lab.world.certificate(days=4)
    lab.audited()
    plan = lab.plan("Deactivate", checks=(make.expiring,))
    lab.world.emulator.faults.refuse("StartAuditMitigationActionsTask", code="AccessDeniedException")
    with lab.session() as session, pytest.raises(MitigationError, match="AccessDenied"):
        apply_plan(session, lab.archive, plan, confirmed=True, progress=QUIET, pace=PACE)
    lab.world.emulator.faults.clear()
    with pytest.raises(MitigationError, match="not carried out to its end"):
        lab.rollback(plan)


KILLED = """
import os, sys
from pathlib import Path
from ddreport.archive import Archive
from ddreport.archive.campaigns import CampaignJournal
from ddreport.aws.session import connect_session
from ddreport.mitigation.reversal_plan import read_rollback
from ddreport.progress import NoProgress
from ddreport.targets import Target
from ddreport.workflows.mitigating import rollback as module

endpoint, archive, plan, where, count = sys.argv[1:]
left = int(count)

def die(*_):
    global left
    left -= 1
    if not left:
        os._exit(9)

append, undo = CampaignJournal.append, module.undo

def appending(self, event):
    append(self, event)
    if where == "written":
        die()

def undoing(client, operation):
    undo(client, operation)
    if where == "undone":
        die()

CampaignJournal.append, module.undo = appending, undoing
target = Target("lab", region="eu-west-1", endpoint_url=endpoint)
with connect_session(target) as session:
    module.apply_rollback(
        session, Archive.open(Path(archive)), read_rollback(Path(plan)), confirmed=True, progress=NoProgress()
    )
"""


def test_a_rollback_killed_at_any_step_goes_on_and_does_nothing_twice(treated, tmp_path):
    lab, plan = treated
    rollback = lab.rollback(plan)
    write_rollback(rollback, tmp_path / "back.yaml")
    asked = []
    count = lab.world.emulator.request_count
    # Each run dies a step further: first while it begins, then after AWS was told, then after that was written, …
    for where, number in [("written", 1), ("written", 2), ("undone", 1), ("written", 3), ("undone", 1), ("undone", 2)]:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), lab.world.endpoint, str(lab.archive.path)]
        ended = subprocess.run(
            [*command, str(tmp_path / "back.yaml"), where, str(number)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 9, ended.stderr.decode()
        asked.append(where)
    done = lab.roll_back(rollback)
    assert (done.exit_code, done.state.counts) == (0, {UndoResult.DONE: 5})
    assert lab.world.emulator.request_count > count
    (status,) = {c["status"] for c in lab.iot.list_certificates()["certificates"]}
    assert status == "ACTIVE"
    assert lab.iot.get_policy(policyName="p")["defaultVersionId"] == "1"
    assert len(lab.iot.list_policy_versions(policyName="p")["policyVersions"]) == 1
    assert lab.iot.list_things_in_thing_group(thingGroupName="quarantine")["things"] == []
    assert not lab.rollback(plan).operations


def test_the_commands_tell_people_and_programs(treated, tmp_path, monkeypatch, capsys):
    from ddreport.cli import main

    lab, plan = treated
    (tmp_path / "ddreport.toml").write_text(
        f'[targets.lab]\nregion = "eu-west-1"\nendpoint_url = "{lab.world.endpoint}"\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDREPORT_CONFIG", str(tmp_path / "ddreport.toml"))
    common = ["--archive", str(lab.archive.path), "--target", "lab", "--quiet"]

    def run(*words):
        code = main(["mitigate", *words])
        return code, capsys.readouterr()

    code, told = run("verify", plan.short, *common, "--json")
    found = json.loads(told.out)
    assert (code, found["counts"]) == (0, {"FIXED": 3, "STILL_THERE": 0, "NEW": 0, "UNKNOWN": 0})
    assert datetime.fromisoformat(found["verified_time"]).tzinfo
    code, told = run("rollback", "plan", plan.short, *common, "--out", "back.yaml")
    assert code == 0
    assert "Cannot be taken back: logging cannot become never configured again" in told.out
    code, told = run("rollback", "apply", "back.yaml", *common, "--dry-run", "--json")
    assert (code, {row["standing"] for row in json.loads(told.out)}) == (0, {"TO_DO"})
    code, told = run("rollback", "apply", "back.yaml", *common)
    assert (code, "neither approved nor confirmed" in told.err) == (1, True)
    code, told = run("rollback", "approve", "back.yaml", *common)
    assert (code, "approved roll-back plan" in told.out) == (0, True)
    code, told = run("rollback", "apply", "back.yaml", *common, "--json")
    assert (code, json.loads(told.out)["counts"]) == (0, {"DONE": 5})
    code, told = run("verify", plan.short, *common)
    assert (code, "0 fixed, 3 still there" in told.out) == (3, True)
    code, told = run("status", plan.short, "--archive", str(lab.archive.path))
    assert (code, "0 fixed, 3 still there" in told.out, "5 done" in told.out) == (0, True, True)
    assert "rolled back by arn:aws" in told.out
    code, told = run("status", plan.short, "--archive", str(lab.archive.path), "--json")
    campaign = json.loads(told.out)["campaign"]
    assert (campaign["still_there_count"], campaign["undone_count"]) == (3, 5)
    code, told = run("rollback", "show", "back.yaml")
    assert (code, "Makes version 1 the default one" in told.out) == (0, True)


def test_what_was_rolled_back_is_not_called_fixed_for_an_audit_from_before(treated, make):
    lab, plan = treated
    assert lab.verify(plan).counts["FIXED"] == 3
    lab.roll_back(lab.rollback(plan))
    found = lab.verify(plan, audit=False)
    assert {one.effect.value for one in found.problems} == {"UNKNOWN"}
    assert {one.why for one in found.problems} == {"it was rolled back, and no audit since proves anything"}
    assert "3 of the findings were rolled back; what is said is of the time since." in found.notes
    assert lab.verify(plan).counts["STILL_THERE"] == 3


def test_what_somebody_does_again_after_a_rollback_is_left_alone(treated):
    lab, plan = treated
    early, done = lab.rollback(plan), lab.roll_back(lab.rollback(plan))
    assert done.exit_code == 0
    (certificate,) = [op.resource_id for op in early.operations if op.operation == "UpdateCertificate"]
    lab.iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")  # it was compromised after all
    again = lab.rollback(plan)
    assert not again.operations
    told = {one.resource_id: (one.why.value, one.note) for one in again.left_as_it_is}
    assert told[certificate] == ("CHANGED", "it was taken back already, and somebody has done the same to it since")
    late = lab.roll_back(seal_rollback(msgspec.structs.replace(early, made_with="earlier")))
    assert set(late.state.counts) == {UndoResult.ALREADY, UndoResult.LEFT}
    told = lab.iot.describe_certificate(certificateId=certificate)["certificateDescription"]
    assert told["status"] == "INACTIVE"


def test_a_plan_that_was_rolled_back_is_not_called_done_when_it_is_applied_again(treated):
    lab, plan = treated
    with lab.session() as session:
        again = apply_plan(session, lab.archive, plan, confirmed=True, progress=QUIET, pace=PACE)
        assert (again.was_finished, again.exit_code) == (True, 0)
        lab.roll_back(lab.rollback(plan))
        with pytest.raises(MitigationError, match="carried out and then rolled back"):
            apply_plan(session, lab.archive, plan, confirmed=True, progress=QUIET, pace=PACE)


@pytest.mark.parametrize("forged", ["other", "argument", "status"])
def test_calls_that_undo_nothing_of_the_campaign_are_refused(treated, forged):
    lab, plan = treated
    other, _ = lab.world.certificate("b", days=300, status="INACTIVE")
    rollback = lab.rollback(plan)
    (place,) = [n for n, op in enumerate(rollback.operations) if op.operation == "UpdateCertificate"]
    operation = rollback.operations[place]
    changes = {
        "other": {"resource_id": other, "arguments": {"certificateId": other, "newStatus": "ACTIVE"}},
        "argument": {"arguments": {"certificateId": other, "newStatus": "ACTIVE"}},
        "status": {"arguments": operation.arguments | {"newStatus": "REVOKED"}},
    }[forged]
    operations = list(rollback.operations)
    operations[place] = msgspec.structs.replace(operation, **changes)
    with pytest.raises(PlanError, match="nothing back that plan"):
        lab.roll_back(seal_rollback(msgspec.structs.replace(rollback, operations=tuple(operations))))
    assert not [e for e in lab.events(plan) if isinstance(e, UndoEnded)]
