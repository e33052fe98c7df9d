"""Undoing: what is done to a real (emulated) account is taken back, and only that."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ddreport.aws.prestate import capture_state, read_states
from ddreport.aws.restore import look, undo
from ddreport.errors import AwsCallError, PlanError
from ddreport.mitigation.approval import approve, check_approval
from ddreport.mitigation.plan import ApprovalRule, PlannedAction, PlannedFinding
from ddreport.mitigation.prestate import Captured, ResourceState
from ddreport.mitigation.reversal import plan_reversal, touched
from ddreport.mitigation.reversal_plan import (
    FORMAT,
    RollbackPlan,
    parse_rollback,
    read_rollback,
    rollback_text,
    seal_rollback,
    write_rollback,
)
from ddreport.mitigation.reverse_calls import Operation, Standing, stand
from ddreport.tables.identity import identify

CA_EXPIRING = "CA_CERTIFICATE_EXPIRING_CHECK"
LOG_ROLE = "arn:aws:iam::123456789012:role/Logs"
LOGGING_NOTE = (
    f"somebody has changed the logging options since: roleArn {LOG_ROLE}, defaultLogLevel DEBUG, disableAllLogs false"
)
OPEN = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
FINE = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:eu-west-1:123456789012:client/a"}

TYPES = {
    "Deactivate": (
        "UPDATE_DEVICE_CERTIFICATE",
        "UpdateDeviceCert",
        {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}},
    ),
    "DeactivateCA": ("UPDATE_CA_CERTIFICATE", "UpdateCACert", {"updateCACertificateParams": {"action": "DEACTIVATE"}}),
    "Quarantine": (
        "ADD_THINGS_TO_THING_GROUP",
        "AddThingsToThingGroup",
        {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine", "watched"]}},
    ),
    "Blank": (
        "REPLACE_DEFAULT_POLICY_VERSION",
        "ReplaceDefaultPolicy",
        {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}},
    ),
    "Log": (
        "ENABLE_IOT_LOGGING",
        "EnableIoTLogging",
        {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "ERROR"}},
    ),
}


class Account:
    """An account with defined actions, audited; findings become plans, and plans are carried out through AWS's API."""

    def __init__(self, world, make):
        self.world, self.iot, self.make = world, world.iot, make
        self.checks = (make.expiring, make.policy, make.logging, CA_EXPIRING)
        world.enable(*self.checks)
        for name, (_, policy, parameters) in TYPES.items():
            role = world.emulator.create_service_role(f"Role{name}", f"AWSIoTDeviceDefender{policy}MitigationAction")
            self.iot.create_mitigation_action(actionName=name, roleArn=role, actionParams=parameters)
        for name in ("quarantine", "watched", "lamps"):
            self.iot.create_thing_group(thingGroupName=name)
        self.actions = tuple(PlannedAction(n, kind, "r", parameters) for n, (kind, _, parameters) in TYPES.items())
        self.tasks = 0

    def plan(self, mapping):
        """Audit, and plan these actions for the findings of each check."""
        audit = self.world.audit(*self.checks)
        pages = self.iot.get_paginator("list_audit_findings").paginate(taskId=audit)
        found = [f for page in pages for f in page["findings"] if f["checkName"] in mapping]
        planned = []
        for one in found:
            who = identify(one["nonCompliantResource"]["resourceIdentifier"])
            planned.append(
                PlannedFinding(
                    problem_id=one["findingId"],
                    finding_id=one["findingId"],
                    audit_task_id=audit,
                    check_name=one["checkName"],
                    severity=one["severity"],
                    resource_type=one["nonCompliantResource"]["resourceType"],
                    resource_id=who.resource_id,
                    resource_identifier=who.resource_identifier,
                    reason_code=one["reasonForNonComplianceCode"],
                    wave=1,
                    actions=tuple(mapping[one["checkName"]]),
                    policy_version_id=who.policy_version_id,
                )
            )
        return self.make.plan(*planned, actions=self.actions)

    def apply(self, plan):
        """Capture, send what makes sense, and return what was captured and how it ended."""
        captured, outcomes = {}, {}
        for finding in plan.findings:
            own = [capture_state(self.iot, finding, plan.action(name)) for name in finding.actions]
            captured |= {(finding.finding_id, c.action_name): c for c in own}
            names = [c.action_name for c in own if c.verdict is None]
            if not names:
                continue
            self.tasks += 1
            task = f"task-{self.tasks}"
            self.iot.start_audit_mitigation_actions_task(
                taskId=task,
                target={"findingIds": [finding.finding_id]},
                auditCheckToActionsMapping={finding.check_name: names},
            )
            self.world.emulator.advance(timedelta(minutes=1))
            done = self.iot.list_audit_mitigation_actions_executions(taskId=task, findingId=finding.finding_id)
            outcomes |= {(finding.finding_id, e["actionName"]): e["status"] for e in done["actionsExecutions"]}
        return captured, outcomes

    def reversal(self, plan, captured, outcomes):
        now = {s.key: s for s in read_states(self.iot, [t.before.key for t in touched(plan, captured, outcomes)])}
        return plan_reversal(plan, captured, outcomes, now)

    def snapshot(self):
        """Everything that actions can change, as AWS tells it."""
        iot = self.iot
        certificates = iot.list_certificates()["certificates"] + iot.list_ca_certificates()["certificates"]
        state = {c["certificateId"]: c["status"] for c in certificates}
        for policy in iot.list_policies()["policies"]:
            name = policy["policyName"]
            versions = iot.list_policy_versions(policyName=name)["policyVersions"]
            state[name] = sorted(
                (
                    v["versionId"],
                    v["isDefaultVersion"],
                    iot.get_policy_version(policyName=name, policyVersionId=v["versionId"])["policyDocument"],
                )
                for v in versions
            )
        for group in ("quarantine", "watched", "lamps"):
            state[group] = sorted(iot.list_things_in_thing_group(thingGroupName=group)["things"])
        try:
            options = iot.get_v2_logging_options()
            state["logging"] = {k: v for k, v in options.items() if k != "ResponseMetadata"}
        except iot.exceptions.NotConfiguredException:
            state["logging"] = None
        return state

    def undo_all(self, reversal):
        ends = []
        for operation in reversal.operations:
            standing, _ = look(self.iot, operation)
            if standing is Standing.TO_DO:
                undo(self.iot, operation)
            ends.append(standing)
        return ends


@pytest.fixture
def account(world, make):
    return Account(world, make)


fleets = st.fixed_dictionaries(
    {
        "certificates": st.lists(
            st.fixed_dictionaries(
                {
                    "days": st.sampled_from([3, 400]),
                    "status": st.sampled_from(["ACTIVE", "ACTIVE", "INACTIVE"]),
                    "things": st.integers(0, 2),
                    "groups": st.sets(st.sampled_from(["quarantine", "lamps"])),
                }
            ),
            max_size=3,
        ),
        "policies": st.lists(st.tuples(st.sampled_from([OPEN, FINE]), st.integers(1, 5)), max_size=2),
        "logging": st.sampled_from([None, "off", "on"]),
        "device_actions": st.sampled_from(
            [["Deactivate"], ["Quarantine"], ["Quarantine", "Deactivate"], ["Deactivate", "Quarantine"]]
        ),
        "ca_days": st.sampled_from([3, 400]),
    }
)


def build(account, fleet):
    world, iot, number = account.world, account.iot, 0
    for described in fleet["certificates"]:
        names = [f"thing-{number + n}" for n in range(described["things"])]
        number += len(names)
        world.certificate(*names, days=described["days"], status=described["status"])
        for name in names:
            for group in sorted(described["groups"]):
                iot.add_thing_to_thing_group(thingGroupName=group, thingName=name)
    for place, (statement, versions) in enumerate(fleet["policies"]):
        world.policy(f"policy-{place}", statement)
        for _ in range(versions - 1):
            document = json.dumps({"Version": "2012-10-17", "Statement": [FINE]})
            iot.create_policy_version(policyName=f"policy-{place}", policyDocument=document)
    world.ca_certificate(days=fleet["ca_days"])
    if fleet["logging"]:
        iot.set_v2_logging_options(roleArn=f"{LOG_ROLE}Old", defaultLogLevel="WARN")
        iot.set_v2_logging_options(disableAllLogs=fleet["logging"] == "off")


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # an example is small, and takes half a second
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(fleet=fleets)
def test_apply_then_roll_back_gives_the_same_state(world, make, fleet):
    world.restart()
    account = Account(world, make)
    build(account, fleet)
    before = account.snapshot()
    mapping = {
        make.expiring: fleet["device_actions"],
        make.policy: ["Blank"],
        make.logging: ["Log"],
        CA_EXPIRING: ["DeactivateCA"],
    }
    plan = account.plan(mapping)
    captured, outcomes = account.apply(plan)
    treated = account.snapshot()
    reversal = account.reversal(plan, captured, outcomes)
    assert [o.number for o in reversal.operations] == list(range(1, len(reversal.operations) + 1))
    assert bool(reversal.operations) == (treated != before)
    assert set(account.undo_all(reversal)) <= {Standing.TO_DO}
    after = account.snapshot()
    if before["logging"] is None and treated["logging"] is not None:
        assert "logging cannot become never configured again: it is switched off instead" in reversal.irreversible
        assert after.pop("logging")["disableAllLogs"] is True
        del before["logging"]
    assert after == before
    # Once more changes nothing: every resource is as it was.
    assert set(account.undo_all(reversal)) <= {Standing.DONE}


def test_what_somebody_changed_since_is_left_alone_and_said(account, make):
    first, _ = account.world.certificate(days=3)
    second, _ = account.world.certificate(days=3)
    account.world.policy("p", OPEN)
    plan = account.plan({make.expiring: ["Deactivate"], make.policy: ["Blank"], make.logging: ["Log"]})
    captured, outcomes = account.apply(plan)
    account.iot.update_certificate(certificateId=first, newStatus="REVOKED")
    account.iot.update_certificate(certificateId=second, newStatus="ACTIVE")
    document = json.dumps({"Version": "2012-10-17", "Statement": [FINE]})
    account.iot.create_policy_version(policyName="p", policyDocument=document, setAsDefault=True)
    account.iot.set_v2_logging_options(defaultLogLevel="DEBUG")
    before = account.snapshot()
    reversal = account.reversal(plan, captured, outcomes)
    assert not reversal.operations
    assert {(x.resource_id, x.why, x.note) for x in reversal.left} == {
        (first, "CHANGED", "the action left it INACTIVE, and now it is REVOKED"),
        (second, "DONE", "it is ACTIVE already"),
        ("p", "CHANGED", "somebody has made version 3 the default one since"),
        (
            "account",
            "CHANGED",
            LOGGING_NOTE,
        ),
    }
    assert account.snapshot() == before


def test_a_change_between_plan_and_call_stops_the_call(account, make):
    certificate_id, arn = account.world.certificate("a", days=3)
    account.world.policy("p", OPEN)
    plan = account.plan({make.expiring: ["Quarantine", "Deactivate"], make.policy: ["Blank"]})
    reversal = account.reversal(plan, *account.apply(plan))
    assert {o.operation for o in reversal.operations} == {
        Operation.UPDATE_CERTIFICATE,
        Operation.REMOVE_THING_FROM_THING_GROUP,
        Operation.SET_DEFAULT_POLICY_VERSION,
        Operation.DELETE_POLICY_VERSION,
    }
    account.iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    account.iot.set_default_policy_version(policyName="p", policyVersionId="1")
    account.iot.detach_thing_principal(thingName="a", principal=arn)
    account.iot.delete_thing(thingName="a")
    stands = {o.operation: look(account.iot, o)[0] for o in reversal.operations}
    assert stands == {
        Operation.UPDATE_CERTIFICATE: Standing.CHANGED,
        Operation.REMOVE_THING_FROM_THING_GROUP: Standing.GONE,
        Operation.SET_DEFAULT_POLICY_VERSION: Standing.DONE,
        Operation.DELETE_POLICY_VERSION: Standing.TO_DO,
    }


def test_a_version_that_permits_something_is_never_deleted(account, make):
    account.world.policy("p", OPEN)
    plan = account.plan({make.policy: ["Blank"]})
    reversal = account.reversal(plan, *account.apply(plan))
    set_default, delete = reversal.operations
    undo(account.iot, set_default)
    version = account.world.emulator.iot().policies["p"].versions[-1]
    version.document = json.dumps({"Version": "2012-10-17", "Statement": [FINE]})
    standing, note = look(account.iot, delete)
    assert (standing, "permits something" in note) == (Standing.CHANGED, True)


def test_an_answer_that_got_lost_is_no_failure_when_the_resource_shows_that_it_was_done(account, make):
    account.world.policy("p", OPEN)
    plan = account.plan({make.policy: ["Blank"]})
    set_default, delete = account.reversal(plan, *account.apply(plan)).operations
    undo(account.iot, set_default)
    account.iot.delete_policy_version(policyName="p", policyVersionId="2")
    undo(account.iot, delete)  # AWS answers that there is no such version
    account.world.emulator.faults.refuse("SetDefaultPolicyVersion", code="AccessDeniedException")
    account.iot.create_policy_version(policyName="p", policyDocument=json.dumps({"Statement": []}), setAsDefault=True)
    with pytest.raises(AwsCallError, match="AccessDenied"):
        undo(account.iot, set_default)


def test_messages_and_disconnected_devices_are_said_to_be_irreversible(make):
    plan = make.plan(make.planned(1, "Tell"), make.planned(2, "Tell"), make.planned(3, "Deactivate"))
    ids = [f.finding_id for f in plan.findings]
    state = ResourceState("DEVICE_CERTIFICATE", "c", {"status": "ACTIVE"})
    captured = {(ids[0], "Tell"): Captured(ids[0], "Tell"), (ids[1], "Tell"): Captured(ids[1], "Tell")}
    captured[ids[2], "Deactivate"] = Captured(ids[2], "Deactivate", (state,))
    outcomes = dict.fromkeys(captured, "COMPLETED")
    now = {state.key: ResourceState(*state.key, {"status": "INACTIVE"})}
    reversal = plan_reversal(plan, captured, outcomes, now)
    assert [o.words for o in reversal.operations] == ["Sets the certificate c to ACTIVE again"]
    assert [text.split(":")[0] for text in reversal.irreversible] == ["2 messages to SNS topics", "1 certificate"]


@pytest.mark.parametrize("status", ["SKIPPED", "CANCELED", "NOT_SENT", "PENDING", "FAILED"])
def test_what_was_not_carried_out_is_not_undone(make, status):
    plan = make.plan(make.planned(1, "Deactivate"))
    (finding,) = plan.findings
    state = ResourceState("DEVICE_CERTIFICATE", "c", {"status": "ACTIVE"})
    key = finding.finding_id, "Deactivate"
    captured = {key: Captured(*key, (state,))}
    now = {state.key: ResourceState(*state.key, {"status": "INACTIVE"})}
    assert not plan_reversal(plan, captured, {key: status}, now).operations
    assert plan_reversal(plan, captured, {key: "UNKNOWN"}, now).operations


def test_an_action_that_failed_half_way_is_undone_where_it_shows(make):
    plan = make.plan(make.planned(1, "Deactivate"))
    (finding,) = plan.findings
    states = [ResourceState("DEVICE_CERTIFICATE", name, {"status": "ACTIVE"}) for name in "ab"]
    key = finding.finding_id, "Deactivate"
    now = {s.key: s for s in states} | {
        ("DEVICE_CERTIFICATE", "a"): ResourceState(*states[0].key, {"status": "INACTIVE"})
    }
    reversal = plan_reversal(plan, {key: Captured(*key, tuple(states))}, {key: "FAILED"}, now)
    assert [o.resource_id for o in reversal.operations] == ["a"]
    assert [(x.resource_id, x.why) for x in reversal.left] == [("b", "DONE")]


def test_a_state_that_nobody_can_set_is_said_to_stay(make):
    plan = make.plan(make.planned(1, "Deactivate"))
    key = plan.findings[0].finding_id, "Deactivate"
    state = ResourceState("DEVICE_CERTIFICATE", "c", {"status": "PENDING_ACTIVATION"})
    now = {state.key: ResourceState(*state.key, {"status": "INACTIVE"})}
    reversal = plan_reversal(plan, {key: Captured(*key, (state,))}, {key: "COMPLETED"}, now)
    assert not reversal.operations
    assert [x.note for x in reversal.left] == [
        "it was PENDING_ACTIVATION before, a state that AWS lets nobody set; it stays as it is"
    ]


@pytest.fixture
def rollback(account, make):
    account.world.certificate("a", days=3)
    account.world.policy("p", OPEN)
    plan = account.plan({make.expiring: ["Quarantine", "Deactivate"], make.policy: ["Blank"], make.logging: ["Log"]})
    reversal = account.reversal(plan, *account.apply(plan))
    return seal_rollback(
        RollbackPlan(
            format=FORMAT,
            digest="",
            rollback_of=plan.digest,
            target="prod",
            account=plan.account,
            region=plan.region,
            emulated=True,
            made_time=make.day0,
            made_by="arn:aws:iam::111122223333:user/ann",
            made_with="ddreport 0",
            approval=ApprovalRule(required=True, second_person=True),
            operations=reversal.operations,
            left_as_it_is=reversal.left,
            irreversible=reversal.irreversible,
        )
    )


@pytest.mark.parametrize("name", ["back.yaml", "back.json"])
def test_a_rollback_plan_is_the_same_after_writing_and_reading(rollback, tmp_path, name):
    write_rollback(rollback, tmp_path / name)
    assert read_rollback(tmp_path / name) == rollback
    write_rollback(rollback, tmp_path / name)
    other = seal_rollback(msgspec.structs.replace(rollback, target="other"))
    with pytest.raises(PlanError, match="never overwritten"):
        write_rollback(other, tmp_path / name)


def test_a_rollback_plan_changed_by_hand_is_refused(rollback):
    text = rollback_text(rollback)
    assert text.count("\n- ") == len(rollback.operations) + len(rollback.irreversible)
    with pytest.raises(PlanError, match="changed after it was made"):
        parse_rollback(text.replace("prod", "test"), source="back.yaml")
    with pytest.raises(PlanError, match="changed after it was made"):
        parse_rollback(text + "more: 1\n", source="back.yaml")
    with pytest.raises(PlanError, match="no roll-back plan"):
        parse_rollback("a: 1", source="back.yaml")
    with pytest.raises(PlanError, match="has the form 9"):
        parse_rollback(text.replace("format: 1", "format: 9"), source="back.yaml")


def test_a_rollback_plan_is_approved_like_any_other(rollback, make):
    given = approve(rollback, by="arn:aws:iam::111122223333:user/bob", time=make.day0)
    assert check_approval(rollback, given, time=make.day0) == given
    with pytest.raises(PlanError, match="somebody else must approve"):
        approve(rollback, by=rollback.made_by, time=make.day0)
    with pytest.raises(PlanError, match="needs the approval of a second person"):
        check_approval(rollback, None, time=make.day0)


def test_a_policy_whose_old_version_was_deleted_cannot_be_given_back(account, make):
    account.world.policy("p", OPEN)
    plan = account.plan({make.policy: ["Blank"]})
    captured, outcomes = account.apply(plan)
    account.iot.delete_policy_version(policyName="p", policyVersionId="1")
    (left,) = account.reversal(plan, captured, outcomes).left
    assert (left.why, left.note) == (
        "CHANGED",
        "version 1, which was the default one before, does not exist any more",
    )


def test_a_resource_that_is_gone_is_left(make):
    plan = make.plan(make.planned(1, "Deactivate"))
    key = plan.findings[0].finding_id, "Deactivate"
    state = ResourceState("DEVICE_CERTIFICATE", "c", {"status": "ACTIVE"})
    now = {state.key: ResourceState(*state.key, {"status": "INACTIVE"})}
    (operation,) = plan_reversal(plan, {key: Captured(*key, (state,))}, {key: "COMPLETED"}, now).operations
    assert stand(operation, ResourceState(*state.key, {"gone": True}))[0] is Standing.GONE


def test_a_thing_that_joined_one_of_two_groups_before_the_action_failed_leaves_it_again(make):
    parameters = {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine", "watched"]}}
    action = PlannedAction("Quarantine", "ADD_THINGS_TO_THING_GROUP", "r", parameters)
    plan = make.plan(make.planned(1, "Quarantine"), actions=(action,))
    key = plan.findings[0].finding_id, "Quarantine"
    before = ResourceState("THING_GROUPS", "a", {"groups": ["lamps"]})
    now = {before.key: ResourceState(*before.key, {"groups": ["lamps", "quarantine"]})}
    reversal = plan_reversal(plan, {key: Captured(*key, (before,))}, {key: "FAILED"}, now)
    assert [o.arguments for o in reversal.operations] == [{"thingName": "a", "thingGroupName": "quarantine"}]
