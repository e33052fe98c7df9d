"""What is read before an action is sent: the state, and whether sending it makes sense, over HTTP."""

from __future__ import annotations

import dataclasses
import json

import msgspec
import pytest

from ddreport.aws.prestate import capture_state, read_states
from ddreport.errors import AwsCallError
from ddreport.mitigation.plan import PlannedAction, PlannedFinding
from ddreport.mitigation.prestate import (
    GONE,
    Captured,
    ResourceState,
    StateKind,
    Verdict,
    document_hash,
    is_blank,
    judge,
    shows,
    state_after,
)

LOG_ROLE = "arn:aws:iam::123456789012:role/Logs"
DEACTIVATE = PlannedAction(
    "Deactivate", "UPDATE_DEVICE_CERTIFICATE", "r", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
)
DEACTIVATE_CA = PlannedAction(
    "DeactivateCA", "UPDATE_CA_CERTIFICATE", "r", {"updateCACertificateParams": {"action": "DEACTIVATE"}}
)
QUARANTINE = PlannedAction(
    "Quarantine",
    "ADD_THINGS_TO_THING_GROUP",
    "r",
    {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine"], "overrideDynamicGroups": False}},
)
BLANK = PlannedAction(
    "Blank",
    "REPLACE_DEFAULT_POLICY_VERSION",
    "r",
    {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}},
)
LOG = PlannedAction(
    "Log",
    "ENABLE_IOT_LOGGING",
    "r",
    {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "ERROR"}},
)
PUBLISH = PlannedAction("Publish", "PUBLISH_FINDING_TO_SNS", "r", {"publishFindingToSnsParams": {"topicArn": "t"}})
ACCOUNT = "123456789012"
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
EMPTY = json.dumps({"Statement": [], "Version": "2012-10-17"})


def finding(resource_type, resource_id, *, identifier=None, version=None):
    return PlannedFinding(
        problem_id="p",
        finding_id="f" * 32,
        audit_task_id="a",
        check_name="C",
        severity="HIGH",
        resource_type=resource_type,
        resource_id=resource_id,
        resource_identifier=json.dumps(identifier or {}),
        reason_code="R",
        wave=1,
        actions=("A",),
        policy_version_id=version,
    )


@pytest.fixture
def iot(world):
    return world.iot


@pytest.fixture
def certificate(world):
    return world.certificate


def captured_of(iot, found, action):
    got = capture_state(iot, found, action)
    assert (got.finding_id, got.action_name) == (found.finding_id, action.name)
    return got.verdict, [(s.kind, s.resource_id, s.value) for s in got.states]


@pytest.mark.parametrize(
    ("status", "verdict"), [("ACTIVE", None), ("INACTIVE", Verdict.ALREADY_DONE), ("REVOKED", Verdict.BLOCKED)]
)
def test_the_status_of_a_certificate_decides(iot, certificate, status, verdict):
    certificate_id, _ = certificate()
    iot.update_certificate(certificateId=certificate_id, newStatus=status)
    expected = [("DEVICE_CERTIFICATE", certificate_id, {"status": status})]
    assert captured_of(iot, finding("DEVICE_CERTIFICATE", certificate_id), DEACTIVATE) == (verdict, expected)


def test_a_certificate_that_does_not_exist_is_gone_for_every_action(iot):
    lost = "ab" * 32
    for action in (DEACTIVATE, QUARANTINE):
        assert captured_of(iot, finding("DEVICE_CERTIFICATE", lost), action) == (
            Verdict.GONE,
            [("DEVICE_CERTIFICATE", lost, GONE)],
        )
    assert captured_of(iot, finding("CA_CERTIFICATE", lost), DEACTIVATE_CA)[0] is Verdict.GONE
    assert captured_of(iot, finding("IOT_POLICY", "lost"), BLANK) == (Verdict.GONE, [("POLICY", "lost", GONE)])


def test_a_policy_is_captured_with_its_versions_and_the_hash_of_its_document(iot):
    iot.create_policy(policyName="p", policyDocument=OPEN)
    iot.create_policy_version(policyName="p", policyDocument=OPEN)
    verdict, states = captured_of(iot, finding("IOT_POLICY", "p", version="1"), BLANK)
    value = {
        "default_version_id": "1",
        "version_ids": ["1", "2"],
        "is_blank": False,
        "document_sha256": document_hash(OPEN),
    }
    assert (verdict, states) == (None, [("POLICY", "p", value)])


def test_a_policy_with_another_default_version_than_the_audit_saw_has_changed(iot):
    iot.create_policy(policyName="p", policyDocument=OPEN)
    iot.create_policy_version(policyName="p", policyDocument=OPEN.replace("iot:*", "iot:Connect"), setAsDefault=True)
    got = capture_state(iot, finding("IOT_POLICY", "p", version="1"), BLANK)
    assert got.verdict is Verdict.CHANGED
    assert got.note == "the audit saw version 1, and now version 2 is the default one"


def test_a_blank_policy_needs_no_other_and_five_versions_leave_no_room(iot):
    iot.create_policy(policyName="blank", policyDocument=EMPTY)
    assert captured_of(iot, finding("IOT_POLICY", "blank", version="7"), BLANK)[0] is Verdict.ALREADY_DONE
    iot.create_policy(policyName="full", policyDocument=OPEN)
    for _ in range(4):
        iot.create_policy_version(policyName="full", policyDocument=OPEN)
    got = capture_state(iot, finding("IOT_POLICY", "full", version="1"), BLANK)
    assert (got.verdict, "has 5 versions" in got.note) == (Verdict.BLOCKED, True)


def test_each_thing_behind_a_certificate_is_captured_with_its_groups(iot, certificate):
    certificate_id, arn = certificate("a", "b")
    for name in ("quarantine", "lamps"):
        iot.create_thing_group(thingGroupName=name)
    iot.add_thing_to_thing_group(thingGroupName="quarantine", thingName="a")
    iot.add_thing_to_thing_group(thingGroupName="lamps", thingName="a")
    states = [("THING_GROUPS", "a", {"groups": ["lamps", "quarantine"]}), ("THING_GROUPS", "b", {"groups": []})]
    assert captured_of(iot, finding("DEVICE_CERTIFICATE", certificate_id), QUARANTINE) == (None, states)
    named = finding("DEVICE_CERTIFICATE", certificate_id, identifier={"deviceCertificateArn": arn})
    assert captured_of(iot, named, QUARANTINE) == (None, states)
    iot.add_thing_to_thing_group(thingGroupName="quarantine", thingName="b")
    assert captured_of(iot, named, QUARANTINE)[0] is Verdict.ALREADY_DONE


def test_a_certificate_without_things_gives_nothing_to_quarantine(iot, certificate):
    certificate_id, arn = certificate()
    for identifier in ({}, {"deviceCertificateArn": arn}):
        found = finding("DEVICE_CERTIFICATE", certificate_id, identifier=identifier)
        assert capture_state(iot, found, QUARANTINE).verdict is Verdict.ALREADY_DONE


def test_a_thing_in_ten_groups_has_no_room_for_another(iot, certificate):
    certificate_id, _ = certificate("a")
    for number in range(10):
        iot.create_thing_group(thingGroupName=f"g{number}")
        iot.add_thing_to_thing_group(thingGroupName=f"g{number}", thingName="a")
    got = capture_state(iot, finding("DEVICE_CERTIFICATE", certificate_id), QUARANTINE)
    assert (got.verdict, got.note) == (Verdict.BLOCKED, "thing 'a' would be in more than 10 thing groups")


def test_logging_that_was_never_configured_is_a_state_of_its_own(iot):
    found = finding("ACCOUNT_SETTINGS", ACCOUNT)
    assert captured_of(iot, found, LOG) == (None, [("LOGGING", "account", {"configured": False})])
    iot.set_v2_logging_options(roleArn="arn:aws:iam::123456789012:role/Old", defaultLogLevel="WARN")
    assert capture_state(iot, found, LOG).verdict is Verdict.CHANGED
    iot.set_v2_logging_options(disableAllLogs=True)
    was = {
        "configured": True,
        "roleArn": "arn:aws:iam::123456789012:role/Old",
        "defaultLogLevel": "WARN",
        "disableAllLogs": True,
    }
    assert captured_of(iot, found, LOG) == (None, [("LOGGING", "account", was)])
    iot.set_v2_logging_options(roleArn=LOG_ROLE, defaultLogLevel="ERROR", disableAllLogs=False)
    assert capture_state(iot, found, LOG).verdict is Verdict.ALREADY_DONE


def test_a_message_captures_nothing_and_asks_nothing():
    assert capture_state(None, finding("CLIENT_ID", "c"), PUBLISH) == Captured("f" * 32, "Publish")


def test_what_aws_refuses_to_tell_is_no_state(world, iot, certificate):
    certificate_id, _ = certificate()
    world.emulator.faults.refuse("DescribeCertificate", code="AccessDeniedException")
    with pytest.raises(AwsCallError) as refused:
        capture_state(iot, finding("DEVICE_CERTIFICATE", certificate_id), DEACTIVATE)
    assert refused.value.code == "AccessDeniedException"


def test_reading_again_gives_what_capturing_gave_each_resource_once(iot, certificate):
    certificate_id, _ = certificate("a")
    keys = [("DEVICE_CERTIFICATE", certificate_id), ("THING_GROUPS", "a"), ("LOGGING", "account")]
    found = read_states(iot, [*keys, *keys, ("POLICY", "lost")])
    assert [s.key for s in found] == [*keys, ("POLICY", "lost")]
    assert found[0].value == {"status": "ACTIVE"}
    assert [s.is_gone for s in found] == [False, False, False, True]


def test_a_finding_of_an_issuer_captures_every_certificate_that_aws_relates_to_it(world, iot, certificate, make):
    world.enable(make.logging)
    audit = world.audit(make.logging)
    (listed,) = iot.list_audit_findings(taskId=audit)["findings"]
    below = [certificate(f"thing-{n}", status=status)[0] for n, status in enumerate(["ACTIVE"] * 11 + ["INACTIVE"])]
    kept = world.emulator.audit().findings._by_id[listed["findingId"]]
    related = tuple(
        {"resourceType": "DEVICE_CERTIFICATE", "resourceIdentifier": {"deviceCertificateId": one}} for one in below
    )
    kept.candidate = dataclasses.replace(kept.candidate, related=related)
    issuer = msgspec.structs.replace(
        finding("ISSUER_CERTIFICATE", "issuer/1/CN=Sub", identifier={"issuerCertificateIdentifier": {"issuerId": "a"}}),
        finding_id=listed["findingId"],
    )
    verdict, states = captured_of(iot, issuer, DEACTIVATE)
    assert (verdict, [s[1] for s in states]) == (None, below)
    verdict, states = captured_of(iot, issuer, QUARANTINE)
    assert (verdict, [s[:2] for s in states]) == (None, [("THING_GROUPS", f"thing-{n}") for n in range(12)])
    iot.update_certificate(certificateId=below[3], newStatus="REVOKED")
    assert captured_of(iot, issuer, DEACTIVATE)[0] is Verdict.BLOCKED


def certificates(*states):
    return [ResourceState("DEVICE_CERTIFICATE", str(n), v) for n, v in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ([{"status": "ACTIVE"}, {"status": "INACTIVE"}], None),
        ([{"status": "INACTIVE"}, {"status": "INACTIVE"}], Verdict.ALREADY_DONE),
        ([{"status": "ACTIVE"}, {"status": "REVOKED"}], Verdict.BLOCKED),
        ([{"status": "ACTIVE"}, GONE], Verdict.BLOCKED),
        ([GONE, GONE], Verdict.GONE),
        ([], Verdict.GONE),
    ],
)
def test_a_finding_of_an_issuer_stands_for_all_its_certificates(states, verdict):
    assert judge(DEACTIVATE, certificates(*states))[0] is verdict


def test_what_an_action_leaves_is_recognised_and_nothing_else():
    for action, before, kept, other in [
        (DEACTIVATE, ("DEVICE_CERTIFICATE", {"status": "ACTIVE"}), {"status": "INACTIVE"}, {"status": "REVOKED"}),
        (BLANK, ("POLICY", {"is_blank": False}), {"is_blank": True}, {"is_blank": False}),
        (QUARANTINE, ("THING_GROUPS", {"groups": ["a"]}), {"groups": ["a", "b", "quarantine"]}, {"groups": ["a"]}),
        (
            LOG,
            ("LOGGING", {"configured": False}),
            {"configured": True, "roleArn": LOG_ROLE, "defaultLogLevel": "ERROR", "disableAllLogs": False},
            {"configured": True, "roleArn": LOG_ROLE, "defaultLogLevel": "ERROR", "disableAllLogs": True},
        ),
    ]:
        kind, value = before
        after = state_after(action, ResourceState(kind, "x", value))
        assert shows(after, ResourceState(kind, "x", kept))
        assert not shows(after, ResourceState(kind, "x", other))
        assert not shows(after, ResourceState(kind, "x", GONE))
    assert state_after(PUBLISH, ResourceState(StateKind.POLICY, "x", {})) is None


@pytest.mark.parametrize(
    ("document", "blank"),
    [(EMPTY, True), ('{"Version": "2012-10-17"}', True), (OPEN, False), ("no JSON", False), ("[]", False)],
)
def test_a_blank_document_has_no_statement(document, blank):
    assert is_blank(document) is blank


def test_the_hash_of_a_document_does_not_see_its_form():
    assert document_hash('{"a": 1, "b": [2]}') == document_hash('{"b":[2],\n "a":1}')
    assert document_hash('{"a": 1}') != document_hash('{"a": 2}')
