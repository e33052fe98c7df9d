"""Mitigation actions and audit mitigation tasks over HTTP, and that they change the account."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ddreport.emulation.roles import service_trust

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
CA_EXPIRING = "CA_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOG_ROLE = "arn:aws:iam::123456789012:role/AWSIoTLoggingRole"

PARAMS = {
    "Deactivate": ("UpdateDeviceCert", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}),
    "DeactivateCA": ("UpdateCACert", {"updateCACertificateParams": {"action": "DEACTIVATE"}}),
    "Quarantine": ("AddThingsToThingGroup", {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine"]}}),
    "Blank": ("ReplaceDefaultPolicy", {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}}),
    "Log": ("EnableIoTLogging", {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "ERROR"}}),
}


@pytest.fixture
def define(account):
    """Define an action under a role of its own with the fitting managed policy; return what AWS answers."""

    def create(name, *, role=None, **members):
        policy, params = PARAMS[name]
        role = role or account.emulator.create_service_role(
            f"Role{name}", f"AWSIoTDeviceDefender{policy}MitigationAction"
        )
        return account.iot.create_mitigation_action(actionName=name, roleArn=role, actionParams=params, **members)

    return create


@pytest.fixture
def mitigate(account):
    """Apply actions to findings and let the task end; return its description."""

    def run(task_id, target, **mapping):
        account.iot.start_audit_mitigation_actions_task(
            taskId=task_id, target=target, auditCheckToActionsMapping=mapping
        )
        account.advance(minutes=1)
        return account.iot.describe_audit_mitigation_actions_task(taskId=task_id)

    return run


def executions(account, task_id, finding_id):
    return account.iot.list_audit_mitigation_actions_executions(taskId=task_id, findingId=finding_id)[
        "actionsExecutions"
    ]


def test_an_action_is_described_with_the_type_that_follows_from_its_parameters(account, define, start):
    made = define("Deactivate")
    described = account.iot.describe_mitigation_action(actionName="Deactivate")
    assert described["actionType"] == "UPDATE_DEVICE_CERTIFICATE"
    assert described["actionArn"] == made["actionArn"]
    assert made["actionArn"] == "arn:aws:iot:eu-west-1:123456789012:mitigationaction/Deactivate"
    assert described["creationDate"] == described["lastModifiedDate"] == start


def test_the_same_definition_again_gives_the_same_ids_and_another_one_is_refused(account, define, refused):
    first = define("Deactivate")
    role = account.iot.describe_mitigation_action(actionName="Deactivate")["roleArn"]
    assert define("Deactivate", role=role)["actionId"] == first["actionId"]
    code, status, _ = refused(lambda: define("Deactivate", role=role, tags=[{"Key": "a", "Value": "b"}]))
    assert (code, status) == ("ResourceAlreadyExistsException", 409)


def test_an_update_keeps_the_id(account, define):
    made = define("Log")
    account.advance(days=1)
    params = {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "WARN"}}
    assert account.iot.update_mitigation_action(actionName="Log", actionParams=params)["actionId"] == made["actionId"]
    described = account.iot.describe_mitigation_action(actionName="Log")
    assert described["lastModifiedDate"] - described["creationDate"] == timedelta(days=1)


@pytest.mark.parametrize(
    "params",
    [
        {},
        PARAMS["Deactivate"][1] | PARAMS["DeactivateCA"][1],
        {"enableIoTLoggingParams": {"roleArnForLogging": LOG_ROLE, "logLevel": "DISABLED"}},
        {"updateDeviceCertificateParams": {"action": "REVOKE"}},
        {"addThingsToThingGroupParams": {"thingGroupNames": [f"g{i}" for i in range(11)]}},
    ],
)
def test_an_action_has_exactly_one_valid_set_of_parameters(account, refused, params):
    code, _, _ = refused(
        lambda: account.iot.create_mitigation_action(actionName="A", roleArn=LOG_ROLE, actionParams=params)
    )
    assert code == "InvalidRequestException"


def test_deleting_an_action_is_idempotent_and_describing_it_then_is_not(account, define, refused):
    define("Log")
    for _ in range(2):
        account.iot.delete_mitigation_action(actionName="Log")
    assert refused(lambda: account.iot.describe_mitigation_action(actionName="Log"))[1] == 404


def test_actions_are_listed_newest_first_and_by_type(account, define):
    for name in PARAMS:
        define(name)
    pages = account.iot.get_paginator("list_mitigation_actions").paginate(PaginationConfig={"PageSize": 2})
    names = [a["actionName"] for page in pages for a in page["actionIdentifiers"]]
    assert names == list(PARAMS)[::-1]
    only = account.iot.list_mitigation_actions(actionType="ENABLE_IOT_LOGGING")["actionIdentifiers"]
    assert [a["actionName"] for a in only] == ["Log"]


def test_a_hundred_actions_are_the_limit(account, refused):
    params = PARAMS["Deactivate"][1]
    for i in range(100):
        account.emulator.call("CreateMitigationAction", actionName=f"A{i}", roleArn=LOG_ROLE, actionParams=params)
    code, status, _ = refused(
        lambda: account.iot.create_mitigation_action(actionName="B", roleArn=LOG_ROLE, actionParams=params)
    )
    assert (code, status) == ("LimitExceededException", 410)


def test_a_device_certificate_is_deactivated_and_leaves_the_next_audit(account, define, mitigate):
    account.enable(EXPIRING)
    define("Deactivate")
    certificate_id = account.certificate(days=3)
    audit = account.audit(EXPIRING)
    task = mitigate("t1", {"auditTaskId": audit}, **{EXPIRING: ["Deactivate"]})
    assert task["taskStatus"] == "COMPLETED"
    assert task["endTime"] > task["startTime"]
    assert task["taskStatistics"][EXPIRING] == {
        "totalFindingsCount": 1,
        "failedFindingsCount": 0,
        "succeededFindingsCount": 1,
        "skippedFindingsCount": 0,
        "canceledFindingsCount": 0,
    }
    assert task["actionsDefinition"][0]["name"] == "Deactivate"
    certificate = account.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    assert certificate["status"] == "INACTIVE"
    assert account.details(account.audit(EXPIRING))[EXPIRING]["checkCompliant"]


def test_a_revoked_certificate_cannot_be_deactivated(account, define, mitigate):
    account.enable(EXPIRING)
    define("Deactivate")
    certificate_id = account.certificate(days=3)
    audit = account.audit(EXPIRING)
    finding_id = account.findings(audit)[0]["findingId"]
    account.iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    assert mitigate("t1", {"auditTaskId": audit}, **{EXPIRING: ["Deactivate"]})["taskStatus"] == "FAILED"
    (execution,) = executions(account, "t1", finding_id)
    assert (execution["status"], execution["errorCode"]) == ("FAILED", "INVALID_STATE_OF_RESOURCE")


def test_a_ca_certificate_is_deactivated(account, define, mitigate):
    account.enable(CA_EXPIRING)
    define("DeactivateCA")
    ca = account.iot.register_ca_certificate(caCertificate=account.pem(days=3), setAsActive=True)["certificateId"]
    mitigate("t1", {"auditTaskId": account.audit(CA_EXPIRING)}, **{CA_EXPIRING: ["DeactivateCA"]})
    described = account.iot.describe_ca_certificate(certificateId=ca)["certificateDescription"]
    assert described["status"] == "INACTIVE"


def test_things_of_a_certificate_join_the_group(account, define, mitigate):
    account.enable(EXPIRING)
    define("Quarantine")
    account.iot.create_thing_group(thingGroupName="quarantine")
    certificate = account.emulator.iot().certificates[account.certificate(days=3)]
    for name in ("pump-1", "pump-2"):
        account.iot.create_thing(thingName=name)
        account.iot.attach_thing_principal(thingName=name, principal=certificate.arn)
    mitigate("t1", {"auditTaskId": account.audit(EXPIRING)}, **{EXPIRING: ["Quarantine"]})
    things = account.iot.list_things_in_thing_group(thingGroupName="quarantine")["things"]
    assert things == ["pump-1", "pump-2"]


def test_a_group_that_does_not_exist_fails_the_execution(account, define, mitigate):
    account.enable(EXPIRING)
    define("Quarantine")
    certificate = account.emulator.iot().certificates[account.certificate(days=3)]
    account.iot.create_thing(thingName="pump-1")
    account.iot.attach_thing_principal(thingName="pump-1", principal=certificate.arn)
    task = mitigate("t1", {"auditTaskId": account.audit(EXPIRING)}, **{EXPIRING: ["Quarantine"]})
    assert task["taskStatus"] == "FAILED"


def test_two_groups_of_one_hierarchy_are_refused(account, define, mitigate):
    account.enable(EXPIRING)
    define("Quarantine")
    account.iot.create_thing_group(thingGroupName="root")
    account.iot.create_thing_group(thingGroupName="quarantine", parentGroupName="root")
    account.iot.create_thing_group(thingGroupName="other", parentGroupName="root")
    certificate = account.emulator.iot().certificates[account.certificate(days=3)]
    account.iot.create_thing(thingName="pump-1")
    account.iot.attach_thing_principal(thingName="pump-1", principal=certificate.arn)
    account.iot.add_thing_to_thing_group(thingGroupName="other", thingName="pump-1")
    audit = account.audit(EXPIRING)
    mitigate("t1", {"auditTaskId": audit}, **{EXPIRING: ["Quarantine"]})
    (execution,) = executions(account, "t1", account.findings(audit)[0]["findingId"])
    assert execution["errorCode"] == "INVALID_STATE_OF_RESOURCE"


def test_the_default_policy_version_is_replaced_by_a_blank_one(account, define, mitigate):
    account.enable(POLICY)
    define("Blank")
    account.policy("wide", {"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
    mitigate("t1", {"auditTaskId": account.audit(POLICY)}, **{POLICY: ["Blank"]})
    policy = account.iot.get_policy(policyName="wide")
    assert policy["defaultVersionId"] == "2"
    assert json.loads(policy["policyDocument"])["Statement"] == []
    assert account.details(account.audit(POLICY))[POLICY]["checkCompliant"]


def test_a_policy_with_five_versions_cannot_be_replaced(account, define, mitigate):
    account.enable(POLICY)
    define("Blank")
    allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    account.policy("wide", allow)
    for _ in range(4):
        account.iot.create_policy_version(
            policyName="wide", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        )
    audit = account.audit(POLICY)
    assert mitigate("t1", {"auditTaskId": audit}, **{POLICY: ["Blank"]})["taskStatus"] == "FAILED"
    (execution,) = executions(account, "t1", account.findings(audit)[0]["findingId"])
    assert execution["errorCode"] == "INVALID_STATE_OF_RESOURCE"


def test_logging_is_enabled_also_where_it_was_switched_off(account, define, mitigate):
    account.enable(LOGGING)
    define("Log")
    account.iot.set_v2_logging_options(roleArn=LOG_ROLE, defaultLogLevel="INFO")
    account.iot.set_v2_logging_options(disableAllLogs=True)
    mitigate("t1", {"auditTaskId": account.audit(LOGGING)}, **{LOGGING: ["Log"]})
    options = account.iot.get_v2_logging_options()
    assert (options["defaultLogLevel"], options["disableAllLogs"], options["roleArn"]) == ("ERROR", False, LOG_ROLE)


def test_a_finding_is_published_to_sns(account):
    account.enable(LOGGING)
    sns = account.client("sns")
    topic = sns.create_topic(Name="findings")["TopicArn"]
    role = account.emulator.create_service_role("Publisher", "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction")
    params = {"publishFindingToSnsParams": {"topicArn": topic}}
    account.iot.create_mitigation_action(actionName="Tell", roleArn=role, actionParams=params)
    audit = account.audit(LOGGING)
    account.iot.start_audit_mitigation_actions_task(
        taskId="t1", target={"auditTaskId": audit}, auditCheckToActionsMapping={LOGGING: ["Tell"]}
    )
    account.advance(minutes=1)
    from moto.sns.models import sns_backends

    ((_, message, subject, _, _),) = sns_backends["123456789012"]["eu-west-1"].topics[topic].sent_notifications
    published = json.loads(message)
    finding = account.findings(audit)[0]
    assert subject is None
    assert published["findingId"] == finding["findingId"]
    assert published["findingTime"] == round(finding["findingTime"].timestamp() * 1000)


@pytest.mark.parametrize("fault", ["no role", "no rights", "no trust"])
def test_an_action_whose_role_cannot_do_it_fails_and_skips_the_rest(account, define, mitigate, fault):
    account.enable(EXPIRING)
    define("Deactivate")
    define("Quarantine")
    iam = account.client("iam")
    if fault == "no trust":
        iam.update_assume_role_policy(RoleName="RoleDeactivate", PolicyDocument=service_trust("999999999999"))
    else:
        arn = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction"
        iam.detach_role_policy(RoleName="RoleDeactivate", PolicyArn=arn)
        if fault == "no role":
            iam.delete_role(RoleName="RoleDeactivate")
    account.certificate(days=3)
    audit = account.audit(EXPIRING)
    task = mitigate("t1", {"auditTaskId": audit}, **{EXPIRING: ["Deactivate", "Quarantine"]})
    assert task["taskStatus"] == "FAILED"
    assert task["taskStatistics"][EXPIRING]["failedFindingsCount"] == 1
    first, second = executions(account, "t1", account.findings(audit)[0]["findingId"])
    assert (first["status"], first["errorCode"]) == ("FAILED", "INSUFFICIENT_PERMISSIONS")
    assert second["status"] == "SKIPPED"
    assert "startTime" not in second


def test_suppressed_findings_are_counted_as_skipped_and_left_alone(account, define, mitigate):
    account.enable(EXPIRING)
    define("Deactivate")
    certificate_id = account.certificate(days=3)
    account.iot.create_audit_suppression(
        checkName=EXPIRING, resourceIdentifier={"deviceCertificateId": certificate_id}, suppressIndefinitely=True
    )
    audit = account.audit(EXPIRING)
    statistics = mitigate("t1", {"auditTaskId": audit}, **{EXPIRING: ["Deactivate"]})["taskStatistics"][EXPIRING]
    assert (statistics["totalFindingsCount"], statistics["skippedFindingsCount"]) == (1, 1)
    assert executions(account, "t1", account.findings(audit)[0]["findingId"]) == []
    certificate = account.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    assert certificate["status"] == "ACTIVE"


def test_a_filter_skips_findings_with_other_reasons(account, define, mitigate):
    account.enable(EXPIRING)
    define("Deactivate")
    account.certificate(days=3)
    account.certificate(days=-3)
    target = {
        "auditTaskId": account.audit(EXPIRING),
        "auditCheckToReasonCodeFilter": {EXPIRING: ["CERTIFICATE_PAST_EXPIRATION"]},
    }
    statistics = mitigate("t1", target, **{EXPIRING: ["Deactivate"]})["taskStatistics"][EXPIRING]
    assert (statistics["succeededFindingsCount"], statistics["skippedFindingsCount"]) == (1, 1)


def test_executions_pass_through_their_states_and_cancel_keeps_what_was_done(account, define, refused):
    account.enable(EXPIRING)
    define("Deactivate")
    for _ in range(3):
        account.certificate(days=3)
    audit = account.audit(EXPIRING)
    ids = [f["findingId"] for f in reversed(account.findings(audit))]
    account.iot.start_audit_mitigation_actions_task(
        taskId="t1", target={"findingIds": ids}, auditCheckToActionsMapping={EXPIRING: ["Deactivate"]}
    )
    account.advance(seconds=0.1)
    states = [executions(account, "t1", finding_id)[0]["status"] for finding_id in ids]
    assert states == ["COMPLETED", "IN_PROGRESS", "PENDING"]
    account.iot.cancel_audit_mitigation_actions_task(taskId="t1")
    account.advance(seconds=5)
    states = [executions(account, "t1", finding_id)[0]["status"] for finding_id in ids]
    assert states == ["COMPLETED", "CANCELED", "CANCELED"]
    task = account.iot.describe_audit_mitigation_actions_task(taskId="t1")
    assert task["taskStatus"] == "CANCELED"
    assert task["taskStatistics"][EXPIRING]["canceledFindingsCount"] == 2
    cancel = account.iot.cancel_audit_mitigation_actions_task
    assert refused(lambda: cancel(taskId="t1"))[0] == "InvalidRequestException"
    assert refused(lambda: cancel(taskId="t2"))[0] == "ResourceNotFoundException"


def test_a_task_id_is_repeated_only_with_its_token(account, define, refused):
    account.enable(LOGGING)
    define("Log")
    audit = account.audit(LOGGING)

    def begin(task_id, token):
        account.iot.start_audit_mitigation_actions_task(
            taskId=task_id,
            target={"auditTaskId": audit},
            auditCheckToActionsMapping={LOGGING: ["Log"]},
            clientRequestToken=token,
        )

    begin("t1", "token-1")
    begin("t1", "token-1")
    assert refused(lambda: begin("t1", "token-2"))[0] == "TaskAlreadyExistsException"
    assert refused(lambda: begin("t2", "token-1"))[0] == "InvalidRequestException"


def test_targets_and_mappings_that_make_no_sense_are_refused(account, define, refused):
    account.enable(LOGGING, EXPIRING)
    define("Log")
    audit = account.audit(LOGGING)
    running = account.start_audit(LOGGING)
    finding_id = account.findings(audit)[0]["findingId"]
    reasons = {LOGGING: ["LOGGING_DISABLED"]}
    whole = {"auditTaskId": audit}
    fine = {LOGGING: ["Log"]}
    for target, mapping in (
        ({}, fine),
        ({"auditCheckToReasonCodeFilter": reasons}, fine),
        ({"findingIds": [finding_id], "auditTaskId": audit}, fine),
        ({"findingIds": ["nobody"]}, fine),
        ({"findingIds": [finding_id] * 26}, fine),
        ({"auditTaskId": "f" * 32}, fine),
        ({"auditTaskId": running}, fine),
        (whole, {}),
        (whole, {LOGGING: ["Nothing"]}),
        (whole, {EXPIRING: ["Log"]}),
        (whole, {"NO_SUCH_CHECK": ["Log"]}),
        (whole, {LOGGING: ["Log"] * 6}),
    ):
        code, _, _ = refused(
            lambda target=target, mapping=mapping: account.iot.start_audit_mitigation_actions_task(
                taskId="t1", target=target, auditCheckToActionsMapping=mapping
            )
        )
        assert code == "InvalidRequestException", (target, mapping)


def test_tasks_are_listed_by_time_status_audit_and_finding(account, define, mitigate, start):
    account.enable(LOGGING)
    define("Log")
    first = account.audit(LOGGING)
    finding_id = account.findings(first)[0]["findingId"]
    mitigate("t1", {"auditTaskId": first}, **{LOGGING: ["Log"]})
    account.advance(minutes=1)
    mitigate("t2", {"findingIds": [finding_id]}, **{LOGGING: ["Log"]})
    span = {"startTime": start, "endTime": account.now()}

    def listed(**filters):
        return [t["taskId"] for t in account.iot.list_audit_mitigation_actions_tasks(**span, **filters)["tasks"]]

    assert listed() == ["t2", "t1"]
    assert listed(maxResults=1) == ["t2"]
    assert listed(auditTaskId=first) == ["t2", "t1"]
    assert listed(findingId=finding_id, taskStatus="COMPLETED") == ["t2", "t1"]
    assert listed(taskStatus="FAILED") == []
    assert listed(findingId="another") == []
