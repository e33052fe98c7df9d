"""Set-up on an emulated AWS over HTTP: from nothing to everything, found again, repaired, refused, taken away."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from ddreport.errors import InputError, SetupError
from ddreport.setup.desired import (
    AUDIT_ROLE,
    DAILY_AUDIT,
    Desired,
    Subscriber,
    WantedAlarms,
    WantedRoles,
    WantedSchedule,
)
from ddreport.setup.marks import KEY
from ddreport.setup.roles import AUDIT_ACTIONS

ACCOUNT = "111122223333"
LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:IoTDDNotifications"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SMALL = Desired(
    checks=(LOGGING, EXPIRING), thresholds={EXPIRING: 60}, subscribers=(Subscriber("email", "ops@example.com"),)
)


def audit(world: Any, *checks: str) -> dict[str, Any]:
    """Run an audit on demand to its end and return its details."""
    iot = world.client("iot")
    task = iot.start_on_demand_audit_task(targetCheckNames=list(checks))["taskId"]
    world.advance(minutes=1)
    return iot.describe_audit_task(taskId=task)["auditDetails"]


def test_an_empty_account_becomes_compliant_and_a_second_apply_writes_nothing(world):
    done = world.apply()
    assert len(done.done) == 36
    assert done.left == ()
    assert Counter(world.writes()) == {
        "iam:CreateRole": 8,
        "iam:AttachRolePolicy": 1,
        "iam:PutRolePolicy": 8,
        "sns:CreateTopic": 1,
        "iot:UpdateAccountAuditConfiguration": 1,
        "iot:CreateScheduledAudit": 1,
        "iot:SetV2LoggingOptions": 1,
        "iot:CreateMitigationAction": 6,
        "cloudwatch:PutMetricAlarm": 18,
    }
    details = audit(world, LOGGING)
    assert details[LOGGING]["checkRunStatus"] == "COMPLETED_COMPLIANT"
    world.writes()
    again = world.apply()
    assert again.done == ()
    assert world.writes() == []
    assert again.plan.as_wanted
    assert again.plan.counts() == {"leave": 36}


def test_every_check_can_be_evaluated_with_the_role_that_set_up_made(world):
    world.apply()
    details = audit(world, *Desired().checks)
    assert {d["checkRunStatus"] for d in details.values()} == {"COMPLETED_COMPLIANT"}


def test_the_logging_disabled_finding_is_found_then_repaired_by_the_action_that_set_up_made(world):
    world.apply(replace(SMALL, log_level=None))
    iot = world.client("iot")
    details = audit(world, LOGGING)
    assert details[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    span = {"startTime": NOW, "endTime": world.emulator.now()}
    (finding,) = iot.list_audit_findings(checkName=LOGGING, **span)["findings"]
    iot.start_audit_mitigation_actions_task(
        taskId="repair",
        target={"findingIds": [finding["findingId"]]},
        auditCheckToActionsMapping={LOGGING: ["EnableErrorLoggingAction"]},
        clientRequestToken="repair",
    )
    world.advance(minutes=1)
    assert iot.describe_audit_mitigation_actions_task(taskId="repair")["taskStatus"] == "COMPLETED"
    assert audit(world, LOGGING)[LOGGING]["checkRunStatus"] == "COMPLETED_COMPLIANT"


def test_every_mitigation_role_is_trusted_by_its_own_action_only_and_narrow(world):
    world.apply()
    iam = world.client("iam")
    for action in Desired().actions or ():
        role = iam.get_role(RoleName=action.role)["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "111122223333"},
            "ArnLike": {"aws:SourceArn": f"arn:aws:iot:*:111122223333:mitigationaction/{action.name}"},
        }
        policy = iam.get_role_policy(RoleName=action.role, PolicyName="ddreport-setup")["PolicyDocument"]
        wide = {s["Action"] for s in policy["Statement"] if "*" in s["Resource"]}
        assert wide <= {"iot:ListPrincipalThings", "iot:SetV2LoggingOptions"}  # these two know no resources
    assert iam.list_attached_role_policies(RoleName=AUDIT_ROLE)["AttachedPolicies"] == [
        {
            "PolicyName": "AWSIoTDeviceDefenderAudit",
            "PolicyArn": "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit",
        }
    ]


def test_what_the_audit_policy_allows_is_what_the_service_has():
    from ddreport.emulation.iam_backend import MANAGED_POLICIES

    assert set(AUDIT_ACTIONS) == set(MANAGED_POLICIES["AWSIoTDeviceDefenderAudit"])


def test_alarms_go_off_on_findings_and_on_an_audit_that_does_not_come(world):
    desired = replace(SMALL, log_level=None, subscribers=(Subscriber("sqs", "arn:aws:sqs:eu-west-1:111122223333:q"),))
    world.apply(desired)
    cloudwatch = world.client("cloudwatch")

    def states() -> dict[str, str]:
        return {
            a["AlarmName"].removeprefix(f"ddreport-{DAILY_AUDIT}-"): a["StateValue"]
            for a in cloudwatch.describe_alarms()["MetricAlarms"]
        }

    assert states() == {LOGGING: "INSUFFICIENT_DATA", EXPIRING: "INSUFFICIENT_DATA", "no-audit": "INSUFFICIENT_DATA"}
    world.advance(days=1, hours=1)  # the daily audit has come
    assert states() == {LOGGING: "ALARM", EXPIRING: "OK", "no-audit": "OK"}
    world.client("iot").set_v2_logging_options(
        roleArn="arn:aws:iam::111122223333:role/AWSIoTLoggingRole", defaultLogLevel="ERROR"
    )
    world.advance(days=1)
    assert states() == {LOGGING: "OK", EXPIRING: "OK", "no-audit": "OK"}
    world.client("iot").delete_scheduled_audit(scheduledAuditName=DAILY_AUDIT)
    world.advance(days=1)
    assert states()["no-audit"] == "OK"
    world.advance(days=1)
    assert states() == {LOGGING: "OK", EXPIRING: "OK", "no-audit": "ALARM"}


def test_an_alarm_can_watch_all_checks_of_a_severity(world):
    desired = replace(SMALL, checks=Desired().checks, alarms=replace(WantedAlarms(), per="severity"), log_level=None)
    world.apply(desired)
    world.advance(days=1, hours=1)
    found = {
        a["AlarmName"].rpartition("-")[2]: a["StateValue"]
        for a in world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    assert found == {"CRITICAL": "OK", "HIGH": "OK", "MEDIUM": "OK", "LOW": "ALARM", "audit": "OK"}
    assert world.plan(desired).as_wanted


# One check that no schedule runs, or AWS would not let anybody disable it; and few alarms, since each costs calls.
DECLARED = replace(
    SMALL,
    checks=(LOGGING, EXPIRING, POLICY),
    thresholds={EXPIRING: 30},
    subscribers=(),
    schedules=(WantedSchedule(DAILY_AUDIT, checks=(LOGGING, EXPIRING)),),
)


def by_hand(world: Any, service: str, method: str, **arguments: Any) -> None:
    getattr(world.client(service), method)(**arguments)


OPEN: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
BLANK_POLICY_WORDS = (
    "makes a new, blank version the policy's default: everybody who has the policy loses all of its permissions at once"
)
DRIFTS: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    "a check disabled": (
        "iot",
        "update_account_audit_configuration",
        {"auditCheckConfigurations": {POLICY: {"enabled": False}}},
        "drift audit",
        f"disabled: {POLICY}",
    ),
    "a threshold raised": (
        "iot",
        "update_account_audit_configuration",
        {"auditCheckConfigurations": {EXPIRING: {"configuration": {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "90"}}}},
        "drift audit",
        f"the threshold of {EXPIRING} is 90 days, wanted: 30",
    ),
    "notifications off": (
        "iot",
        "update_account_audit_configuration",
        {"auditNotificationTargetConfigurations": {"SNS": {"enabled": False}}},
        "drift audit",
        "notifications: enabled is False, wanted: True",
    ),
    "another audit role": (
        "iot",
        "update_account_audit_configuration",
        {"roleArn": "arn:aws:iam::111122223333:role/Other"},
        "drift audit",
        f"audits read as arn:aws:iam::111122223333:role/Other, wanted: arn:aws:iam::111122223333:role/{AUDIT_ROLE}",
    ),
    "a schedule deleted": (
        "iot",
        "delete_scheduled_audit",
        {"scheduledAuditName": DAILY_AUDIT},
        "create schedule",
        "DAILY, 2 checks",
    ),
    "a schedule made rarer": (
        "iot",
        "update_scheduled_audit",
        {"scheduledAuditName": DAILY_AUDIT, "frequency": "MONTHLY", "dayOfMonth": "LAST"},
        "drift schedule",
        "runs MONTHLY LAST, wanted: DAILY",
    ),
    "a schedule with fewer checks": (
        "iot",
        "update_scheduled_audit",
        {"scheduledAuditName": DAILY_AUDIT, "targetCheckNames": [EXPIRING]},
        "drift schedule",
        f"its checks lack {LOGGING}",
    ),
    "logging off": (
        "iot",
        "set_v2_logging_options",
        {"disableAllLogs": True},
        "drift logging",
        "all logs are disabled",
    ),
    "another log level": (
        "iot",
        "set_v2_logging_options",
        {"defaultLogLevel": "DISABLED"},
        "drift logging",
        "the level is DISABLED, wanted: ERROR",
    ),
    "a mitigation action changed": (
        "iot",
        "update_mitigation_action",
        {
            "actionName": "QuarantineThingsAction",
            "actionParams": {"addThingsToThingGroupParams": {"thingGroupNames": ["Other"]}},
        },
        "drift mitigation action",
        "thingGroupNames is ['Other'], wanted: ['Quarantine']",
    ),
    "a mitigation action deleted": (
        "iot",
        "delete_mitigation_action",
        {"actionName": "BlankPolicyAction"},
        "create mitigation action",
        BLANK_POLICY_WORDS,
    ),
    "a trust policy opened": (
        "iam",
        "update_assume_role_policy",
        {"RoleName": AUDIT_ROLE, "PolicyDocument": json.dumps(OPEN)},
        "drift role",
        "its trust policy is not the wanted one",
    ),
    "a managed policy detached": (
        "iam",
        "detach_role_policy",
        {"RoleName": AUDIT_ROLE, "PolicyArn": "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"},
        "drift role",
        "lacks AWS's managed policy AWSIoTDeviceDefenderAudit",
    ),
    "an inline policy widened": (
        "iam",
        "put_role_policy",
        {
            "RoleName": "AWSIoTLoggingRole",
            "PolicyName": "ddreport-setup",
            "PolicyDocument": json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
            ),
        },
        "drift role",
        "its own policy is not the wanted one",
    ),
    "an inline policy deleted": (
        "iam",
        "delete_role_policy",
        {"RoleName": "AWSIoTLoggingRole", "PolicyName": "ddreport-setup"},
        "drift role",
        "its own policy is missing",
    ),
    "an alarm silenced": (
        "cloudwatch",
        "disable_alarm_actions",
        {"AlarmNames": [f"ddreport-{DAILY_AUDIT}-{LOGGING}"]},
        "drift alarm",
        "ActionsEnabled is False, wanted: True",
    ),
    "an alarm deleted": (
        "cloudwatch",
        "delete_alarms",
        {"AlarmNames": [f"ddreport-{DAILY_AUDIT}-no-audit"]},
        "create alarm",
        f"no audit {DAILY_AUDIT} has completed {LOGGING} for 36 hours",
    ),
    "the topic deleted": ("sns", "delete_topic", {"TopicArn": TOPIC}, "create topic", "for messages about audits"),
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_drift_is_found_told_and_repaired(world, changes, kind):
    service, method, arguments, expected, words = DRIFTS[kind]
    world.apply(DECLARED)
    by_hand(world, service, method, **arguments)
    found = world.plan(DECLARED)
    assert changes(found) == {expected: 1}
    (change,) = found.pending
    assert change.details == (words,)
    assert not found.as_wanted
    assert bool(found.drifted) == expected.startswith("drift")
    assert world.apply(DECLARED).left == ()
    assert world.plan(DECLARED).as_wanted


def test_a_role_deleted_is_made_again(world, changes):
    world.apply(DECLARED)
    iam = world.client("iam")
    iam.delete_role_policy(RoleName="AWSIoTLoggingRole", PolicyName="ddreport-setup")
    iam.delete_role(RoleName="AWSIoTLoggingRole")
    assert changes(world.plan(DECLARED)) == {"create role": 1}
    world.apply(DECLARED)
    assert world.plan(DECLARED).as_wanted


def test_a_wish_that_changed_is_no_drift(world, changes):
    world.apply(SMALL)
    wider = replace(SMALL, thresholds={EXPIRING: 90}, log_level="INFO")
    found = world.plan(wider)
    assert changes(found) == {"change audit": 1, "change logging": 1, "change role": 1}  # the role remembers both
    world.apply(wider)
    assert world.plan(wider).as_wanted
    assert changes(world.plan(SMALL)) == {"change audit": 1, "change logging": 1, "change role": 1}


def test_what_is_not_declared_is_not_touched(world):
    iot = world.client("iot")
    world.apply(SMALL)
    iot.create_scheduled_audit(scheduledAuditName="Theirs", frequency="DAILY", targetCheckNames=[LOGGING])
    world.client("sns").create_topic(Name="theirs")
    world.writes()
    assert world.apply(SMALL).done == ()
    assert world.writes() == []
    world.remove(SMALL)
    assert [s["scheduledAuditName"] for s in iot.list_scheduled_audits()["scheduledAudits"]] == ["Theirs"]
    assert len(world.client("sns").list_topics()["Topics"]) == 2  # the configuration stays, and uses set-up's topic


def test_checks_are_disabled_after_the_schedules_that_ran_them_were_changed(world, changes):
    world.apply()
    desired = replace(SMALL, disable_other_checks=True)
    world.writes()
    world.apply(desired)
    order = [w for w in world.writes() if w.endswith(("Audit", "AuditConfiguration"))]
    assert order[-2:] == ["iot:UpdateScheduledAudit", "iot:UpdateAccountAuditConfiguration"]
    checks = world.client("iot").describe_account_audit_configuration()["auditCheckConfigurations"]
    assert {name for name, check in checks.items() if check["enabled"]} == {LOGGING, EXPIRING}
    assert world.plan(desired).as_wanted
    world.client("iot").update_account_audit_configuration(auditCheckConfigurations={POLICY: {"enabled": True}})
    assert changes(world.plan(desired)) == {"drift checks": 1}


def test_a_check_that_an_undeclared_schedule_runs_cannot_be_disabled_and_nothing_is_written(world):
    world.apply()
    world.client("iot").create_scheduled_audit(
        scheduledAuditName="Theirs", frequency="DAILY", targetCheckNames=["CONFLICTING_CLIENT_IDS_CHECK"]
    )
    world.writes()
    with pytest.raises(
        InputError, match="CONFLICTING_CLIENT_IDS_CHECK is to be disabled, but the scheduled audit Theirs"
    ):
        world.apply(replace(SMALL, disable_other_checks=True))
    assert world.writes() == []


def test_a_sixth_schedule_is_found_before_anything_is_written(world):
    world.apply(SMALL)
    iot = world.client("iot")
    for number in range(3):
        iot.create_scheduled_audit(scheduledAuditName=f"S{number}", frequency="DAILY", targetCheckNames=[LOGGING])
    world.writes()
    two = replace(SMALL, schedules=(WantedSchedule("A"), WantedSchedule("B"), WantedSchedule(DAILY_AUDIT)))
    with pytest.raises(InputError, match=r"2 scheduled audits are to be made \(A, B\), but there are 4 already"):
        world.apply(two)
    assert world.writes() == []


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        (replace(SMALL, roles=WantedRoles(audit="arn:aws:iam::999988887777:role/Audit")), "is of account 999988887777"),
        (replace(SMALL, roles=WantedRoles(audit="arn:aws:iam::111122223333:role/None")), "there is no role"),
        (replace(SMALL, topic="arn:aws:sns:us-east-1:111122223333:Topic"), "in us-east-1; AWS IoT in eu-west-1"),
        (replace(SMALL, topic="arn:aws:sns:eu-west-1:111122223333:None"), "there is no SNS topic"),
    ],
)
def test_what_cannot_be_here_is_found_before_anything_is_written(world, desired, words):
    with pytest.raises(InputError, match=words):
        world.apply(desired)
    assert world.writes() == []


def test_a_role_of_somebody_else_is_used_when_it_can_work_and_never_changed(world):
    role = world.emulator.create_service_role(AUDIT_ROLE, "AWSIoTDeviceDefenderAudit")
    found = world.plan(SMALL)
    (audit_role,) = [c for c in found.changes if c.name == AUDIT_ROLE]
    assert audit_role.kind == "leave"
    assert any("sns:Publish" in w for w in found.warnings)  # it may not tell the topic
    world.apply(SMALL)
    assert world.client("iot").describe_account_audit_configuration()["roleArn"] == role
    assert KEY not in str(world.client("iam").get_role(RoleName=AUDIT_ROLE)["Role"].get("Tags"))
    assert world.plan(SMALL).as_wanted
    world.remove(SMALL)  # the topic remembered that set-up made the configuration
    assert "roleArn" not in world.client("iot").describe_account_audit_configuration()
    world.client("iam").get_role(RoleName=AUDIT_ROLE)


def test_a_role_of_somebody_else_that_aws_iot_cannot_take_on_is_refused(world):
    ec2 = json.dumps(OPEN).replace("iot.", "ec2.")
    world.client("iam").create_role(RoleName=AUDIT_ROLE, AssumeRolePolicyDocument=ec2)
    world.writes()
    with pytest.raises(InputError, match="its trust policy does not let AWS IoT take it on for arn:aws:iot:eu-west-1"):
        world.apply(SMALL)
    assert world.writes() == []


def test_a_role_with_the_trust_policy_that_awss_documentation_prints_cannot_be_used(world):
    statement = OPEN["Statement"][0]
    printed = {
        "StringEquals": {"aws:SourceAccount": "111122223333:"},
        "ArnLike": {"aws:SourceArn": "arn:aws:iot:*:111122223333::*"},
    }
    document = json.dumps({**OPEN, "Statement": [{**statement, "Condition": printed}]})
    world.client("iam").create_role(RoleName=AUDIT_ROLE, AssumeRolePolicyDocument=document)
    (problem,) = world.plan(SMALL).problems
    assert "does not let AWS IoT take it on" in problem.message


def test_a_role_open_to_confused_deputies_is_warned_of(world):
    iam = world.client("iam")
    iam.create_role(RoleName=AUDIT_ROLE, AssumeRolePolicyDocument=json.dumps(OPEN))
    assert any("confused deputy" in warning for warning in world.plan(SMALL).warnings)


def test_a_subscription_that_nobody_has_confirmed_is_warned_of(world):
    world.apply(SMALL)
    found = world.plan(SMALL)
    assert found.as_wanted
    assert any("email:ops@example.com has not confirmed" in warning for warning in found.warnings)
    world.emulator.confirm_subscription(TOPIC, "ops@example.com")
    assert not any("has not confirmed" in warning for warning in world.plan(SMALL).warnings)


@pytest.mark.parametrize(
    ("operation", "code", "part"),
    [
        ("iot:DescribeAccountAuditConfiguration", "AccessDeniedException", "audit"),
        ("iot:ListScheduledAudits", "AccessDeniedException", "schedule"),
        ("iot:GetV2LoggingOptions", "AccessDeniedException", "logging"),
        ("iot:ListMitigationActions", "AccessDeniedException", "mitigation action"),
        ("iam:GetRole", "AccessDenied", "role"),
        ("iam:ListRolePolicies", "AccessDenied", "role"),
        ("sns:GetTopicAttributes", "AuthorizationError", "topic"),
        ("sns:ListSubscriptionsByTopic", "AuthorizationError", "subscription"),
        ("cloudwatch:DescribeAlarms", "AccessDenied", "alarm"),
    ],
)
def test_a_part_that_may_not_be_read_is_unknown_and_is_left(world, operation, code, part):
    world.apply(SMALL)
    world.refuse(operation, code)
    found = world.plan(SMALL)
    assert {change.part for change in found.unknown} == {part}
    assert all(operation in " ".join(change.details) for change in found.unknown)
    assert not found.as_wanted
    world.writes()
    world.apply(SMALL)
    assert world.writes() == []


def test_iam_is_waited_for_and_said(world):
    world.refuse(
        "iot:UpdateAccountAuditConfiguration",
        "InvalidRequestException",
        "The role arn:aws:iam::111122223333:role/AWSIoTDeviceDefenderAudit cannot be assumed.",
        times=4,
    )
    world.refuse("iam:AttachRolePolicy", "NoSuchEntity", "The role cannot be found.", times=2)
    assert world.apply(SMALL).left == ()
    assert world.waited == [1.0, 2.0, 1.0, 2.0, 4.0, 8.0]
    assert [said for said in world.said if "cannot assume the role yet; waiting until IAM has told everybody" in said]


def test_iam_is_not_waited_for_for_ever_and_what_was_done_is_said(world):
    message = "The role cannot be assumed."
    world.refuse("iot:UpdateAccountAuditConfiguration", "InvalidRequestException", message)
    with pytest.raises(
        SetupError,
        match=r"stopped at create audit configuration: .*cannot be assumed.*Done until then: "
        r"create role AWSIoTDeviceDefenderAudit",
    ):
        world.apply(SMALL)
    assert 60 < sum(world.waited) < 1_000
    world.recorder.refusals.clear()
    assert world.apply(SMALL).left == ()
    assert world.plan(SMALL).as_wanted


def test_a_refusal_half_way_stops_says_so_and_is_resumed(world):
    world.refuse("iot:CreateScheduledAudit")
    with pytest.raises(SetupError, match="stopped at create schedule AWSIoTDeviceDefenderDailyAudit"):
        world.apply(SMALL)
    first = Counter(world.writes())
    world.recorder.refusals.clear()
    world.apply(SMALL)
    second = Counter(world.writes())
    assert second["iam:CreateRole"] == 0
    assert first["iot:CreateScheduledAudit"] == second["iot:CreateScheduledAudit"] == 1
    assert world.plan(SMALL).as_wanted


def test_an_answer_that_was_lost_makes_nothing_twice(world):
    world.emulator.faults.drop("CreateScheduledAudit", when="after", times=1)
    assert world.apply(SMALL).left == ()  # the second attempt finds that it exists already, and the plan is made anew
    assert any("Reading the account again" in said for said in world.said)
    assert world.plan(SMALL).as_wanted


def test_two_regions_share_the_roles_and_the_last_one_takes_them_away(world):
    world.apply(SMALL)
    world.apply(SMALL, region="us-east-1")
    assert world.plan(SMALL).as_wanted
    assert world.plan(SMALL, region="us-east-1").as_wanted
    for region in ("eu-west-1", "us-east-1"):
        iot = world.client("iot", region)
        task = iot.start_on_demand_audit_task(targetCheckNames=[LOGGING])["taskId"]
        world.advance(minutes=1)
        assert iot.describe_audit_task(taskId=task)["taskStatistics"]["failedChecks"] == 0
    first = world.remove(SMALL)
    assert "set-up uses it in us-east-1 as well" in str([c.details for c in first.plan.changes if c.kind == "keep"])
    assert world.plan(SMALL, region="us-east-1").as_wanted
    world.remove(SMALL, region="us-east-1")
    assert world.client("iam").list_roles()["Roles"] == []


def test_everything_that_was_made_is_taken_away_again_and_nothing_is_left(world):
    world.apply()
    world.writes()
    removed = world.remove()
    assert {c.kind for c in removed.plan.changes} == {"remove"}
    assert removed.left == ()
    iot = world.client("iot")
    assert "roleArn" not in iot.describe_account_audit_configuration()
    assert iot.list_scheduled_audits()["scheduledAudits"] == []
    assert iot.list_mitigation_actions()["actionIdentifiers"] == []
    assert iot.get_v2_logging_options()["disableAllLogs"]
    assert world.client("iam").list_roles()["Roles"] == []
    assert world.client("sns").list_topics()["Topics"] == []
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    world.writes()
    assert world.remove().done == ()
    assert world.writes() == []
    assert world.apply().left == ()


def test_what_was_there_before_is_not_taken_away(world):
    role = world.emulator.create_service_role("Theirs", "AWSIoTDeviceDefenderAudit")
    iot = world.client("iot")
    iot.update_account_audit_configuration(roleArn=role, auditCheckConfigurations={LOGGING: {"enabled": True}})
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="WARN")
    iot.create_scheduled_audit(
        scheduledAuditName=DAILY_AUDIT, frequency="WEEKLY", dayOfWeek="MON", targetCheckNames=[LOGGING]
    )
    world.apply(SMALL)
    assert world.plan(SMALL).as_wanted
    removed = world.remove(SMALL)
    kept = {c.part: c.details for c in removed.plan.changes if c.kind == "keep"}
    assert kept["audit"] == kept["logging"] or "before set-up came" in str(kept["audit"])
    assert [s["scheduledAuditName"] for s in iot.list_scheduled_audits()["scheduledAudits"]] == [DAILY_AUDIT]
    assert not iot.get_v2_logging_options()["disableAllLogs"]
    assert iot.describe_account_audit_configuration()["roleArn"].endswith(f"role/{AUDIT_ROLE}")
    world.client("iam").get_role(RoleName=AUDIT_ROLE)  # in use, so it stays


def test_tags_are_put_on_what_is_made_and_drift_of_them_is_found(world, changes):
    desired = replace(SMALL, tags={"team": "iot"})
    world.apply(desired)
    arn = world.client("iot").describe_scheduled_audit(scheduledAuditName=DAILY_AUDIT)["scheduledAuditArn"]
    iot = world.client("iot")
    assert {"Key": "team", "Value": "iot"} in iot.list_tags_for_resource(resourceArn=arn)["tags"]
    iot.untag_resource(resourceArn=arn, tagKeys=["team"])
    found = world.plan(desired)
    assert changes(found) == {"change schedule": 1}
    assert found.pending[0].details == ("tag team is not set, wanted: iot",)
    world.apply(desired)
    assert world.plan(desired).as_wanted


def test_what_aws_does_not_show_after_all_was_done_is_told(world):
    alarms = cloudwatch_backends[ACCOUNT]["eu-west-1"].alarms
    world.recorder.after = lambda asked: alarms.clear() if asked.operation == "cloudwatch:PutMetricAlarm" else None
    done = world.apply(SMALL)
    assert world.waited == [2.0, 5.0, 10.0]
    assert {change.part for change in done.left} == {"alarm"}


def test_a_problem_that_turns_up_half_way_is_told_with_what_was_done(world):
    iot, state = world.client("iot"), {"done": False}

    def crowd(asked: Any) -> None:
        """Let somebody else fill the account with schedules, and make the one that is about to be made."""
        if asked.operation == "iot:CreateScheduledAudit" and not state["done"]:
            state["done"] = True
            for name in ("A", "B", "C", "D", "E"):
                world.emulator.call(
                    "CreateScheduledAudit", scheduledAuditName=name, frequency="DAILY", targetCheckNames=[LOGGING]
                )

    world.recorder.before = crowd
    world.refuse("iot:CreateScheduledAudit", "ResourceAlreadyExistsException", "exists", times=1)
    with pytest.raises(SetupError, match=r"AWS allows 5\. Done until then: create role"):
        world.apply(SMALL)
    assert len(iot.list_scheduled_audits()["scheduledAudits"]) == 5
