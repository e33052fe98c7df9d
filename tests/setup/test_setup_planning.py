"""The plan as a pure function of what is wanted and what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ddreport.mitigation.roles import Place
from ddreport.setup.alarms import DEAD_MAN_HOURS, differences, wanted_alarms
from ddreport.setup.changes import Call, ChangeKind, Part
from ddreport.setup.desired import (
    AUDIT_ROLE,
    DAILY_AUDIT,
    AlarmsPer,
    Desired,
    WantedAlarms,
    WantedRoles,
    WantedSchedule,
)
from ddreport.setup.marks import KEY, Mark, Memory, digest_of, other_regions, region_key
from ddreport.setup.planning import make_plan
from ddreport.setup.planning_roles import normal
from ddreport.setup.present import AuditState, Present, RoleState, ScheduleState, TopicState, Unknown
from ddreport.setup.removal import plan_removal
from ddreport.setup.showing import describe_present

HERE = Place("111122223333", "eu-west-1")
TOPIC = "arn:aws:sns:eu-west-1:111122223333:IoTDDNotifications"
LOGGING = "LOGGING_DISABLED_CHECK"
OFF = dict.fromkeys(Desired().checks, False)


def present(**parts: Any) -> Present:
    """Make an account in which nothing was ever set up, apart from some parts."""
    nothing: dict[str, Any] = {
        "place": HERE,
        "roles": {},
        "audit": AuditState(None, OFF),
        "schedules": {},
        "logging": None,
        "actions": {},
        "topic": None,
        "subscriptions": (),
        "alarms": {},
    }
    return Present(**(nothing | parts))


def a_role(name: str, **changes: Any) -> RoleState:
    return replace(RoleState(name, HERE.role_arn(name), {"Statement": []}), **changes)


def calls(desired: Desired, there: Present) -> list[Call]:
    return [call for change in make_plan(desired, there).pending for call in change.calls]


def test_roles_come_before_what_uses_them_and_checks_before_schedules():
    order = [call.operation for call in calls(Desired(), present())]
    first = {operation: order.index(operation) for operation in order}
    last = {operation: number for number, operation in enumerate(order)}
    assert last["iam:PutRolePolicy"] < first["iot:UpdateAccountAuditConfiguration"]
    assert last["iam:PutRolePolicy"] < first["iot:CreateMitigationAction"]
    assert first["sns:CreateTopic"] < first["iot:UpdateAccountAuditConfiguration"] < first["iot:CreateScheduledAudit"]
    assert first["iot:UpdateAccountAuditConfiguration"] < first["cloudwatch:PutMetricAlarm"]


def test_the_audit_role_has_the_condition_in_the_form_that_matches():
    (made,) = [
        c
        for c in calls(Desired(), present())
        if c.arguments.get("RoleName") == AUDIT_ROLE and c.method == "create_role"
    ]
    (statement,) = json.loads(made.arguments["AssumeRolePolicyDocument"])["Statement"]
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnLike": {"aws:SourceArn": "arn:aws:iot:*:111122223333:*"},
    }


def test_partitions_are_kept():
    china = Place("111122223333", "cn-north-1", "aws-cn")
    text = json.dumps([dict(c.arguments) for c in calls(Desired(), replace(present(), place=china))])
    assert "arn:aws-cn:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit" in text
    assert "arn:aws:" not in text


def test_a_role_with_a_path_keeps_its_arn():
    arn = "arn:aws:iam::111122223333:role/service-role/AWSIoTDeviceDefenderAudit"
    there = present(roles={AUDIT_ROLE: a_role(AUDIT_ROLE, arn=arn)}, audit=AuditState(arn, OFF | {LOGGING: True}))
    (update,) = [c for c in calls(Desired(), there) if c.method == "update_account_audit_configuration"]
    assert "roleArn" not in update.arguments


def test_a_role_in_use_tells_its_path_where_iam_may_not_be_read():
    arn = "arn:aws:iam::111122223333:role/service-role/AWSIoTDeviceDefenderAudit"
    there = present(
        roles={AUDIT_ROLE: Unknown("iam:GetRole was refused: AccessDenied")},
        audit=AuditState(arn, OFF | {LOGGING: True}),
    )
    plan = make_plan(Desired(), there)
    (update,) = [c for change in plan.pending for c in change.calls if c.method == "update_account_audit_configuration"]
    assert "roleArn" not in update.arguments
    assert [c.name for c in plan.unknown] == [AUDIT_ROLE]


def test_only_what_differs_is_written_to_the_configuration():
    on = dict.fromkeys(Desired().checks, True)
    told = {"targetArn": TOPIC, "roleArn": HERE.role_arn(AUDIT_ROLE), "enabled": True}
    there = present(audit=AuditState(HERE.role_arn(AUDIT_ROLE), on | {LOGGING: False}, {}, told))
    (update,) = [c for c in calls(Desired(), there) if c.method == "update_account_audit_configuration"]
    assert update.arguments == {"auditCheckConfigurations": {LOGGING: {"enabled": True}}}


def test_a_threshold_that_was_never_set_is_awss_default():
    on = dict.fromkeys(Desired().checks, True)
    there = present(audit=AuditState(HERE.role_arn(AUDIT_ROLE), on))
    plan = make_plan(replace(Desired(), topic=None, alarms=None, actions=None), there)
    assert [c.kind for c in plan.changes if c.part is Part.AUDIT] == [ChangeKind.LEAVE]


def test_one_role_may_serve_everything():
    one = WantedRoles(audit="All", logging="All", notifications="All")
    actions = tuple(replace(action, role="All") for action in Desired().actions or ())
    plan = make_plan(replace(Desired(), roles=one, actions=actions), present())
    (role,) = [c for c in plan.changes if c.part is Part.ROLE]
    trust = json.loads(role.calls[0].arguments["AssumeRolePolicyDocument"])
    assert len(trust["Statement"][0]["Condition"]["ArnLike"]["aws:SourceArn"]) == 7  # the account, and six actions
    assert not plan.problems


def test_other_regions_of_a_role_are_known_by_its_tags():
    tags = {KEY: "made/1", region_key("eu-west-1"): "used", region_key("us-east-1"): "audit=made/1"}
    assert other_regions(tags, "eu-west-1") == ["us-east-1"]


def test_memory_survives_the_tag():
    memory = Memory(Mark("made", "0123456789ab"), Mark("changed", "ba9876543210"))
    assert Memory.parse(str(memory)) == memory
    assert Memory.parse(str(Memory())) == Memory()
    assert Memory.parse(None) == Memory()
    assert len(str(memory)) < 256
    assert Mark.parse("something else") is None


def test_digests_depend_on_content_not_on_order():
    assert digest_of({"a": 1, "b": [1]}) == digest_of({"b": [1], "a": 1}) != digest_of({"a": 2, "b": [1]})


def test_policies_are_compared_whatever_their_order_and_lists_of_one():
    one = {"Statement": [{"Action": ["a", "b"], "Resource": "*"}]}
    other = {"Statement": {"Resource": ["*"], "Action": ["b", "a"]}}
    assert normal(one) == normal(other)
    assert normal(one) != normal({"Statement": [{"Action": ["a"], "Resource": "*"}]})


def test_extra_policies_of_a_role_are_told_and_left():
    there = present(
        roles={AUDIT_ROLE: a_role(AUDIT_ROLE, tags={KEY: "made/1"}, attached=("arn:aws:iam::aws:policy/Admin",))}
    )
    plan = make_plan(Desired(), there)
    assert any("further policies, which are left: arn:aws:iam::aws:policy/Admin" in w for w in plan.warnings)
    assert not any(c.method == "detach_role_policy" for c in calls(Desired(), there))


@pytest.mark.parametrize("frequency", ["WEEKLY", "BIWEEKLY", "MONTHLY"])
def test_an_audit_that_cloudwatch_cannot_look_back_to_has_no_dead_mans_alarm_and_that_is_said(frequency):
    desired = replace(Desired(), schedules=(WantedSchedule("Rare", frequency),))
    alarms, notes = wanted_alarms(desired, TOPIC)
    assert not [a for a in alarms if a.name.endswith("no-audit")]
    assert len(notes) == 1


def test_the_dead_mans_alarm_counts_missing_data_as_a_breach_within_what_cloudwatch_allows():
    (alarm,) = [a for a in wanted_alarms(Desired(), TOPIC)[0] if a.name.endswith("no-audit")]
    assert alarm.settings["TreatMissingData"] == "breaching"
    assert alarm.settings["Period"] * alarm.settings["EvaluationPeriods"] == DEAD_MAN_HOURS * 3600 <= 604_800
    assert {"Name": "ScheduledAuditName", "Value": DAILY_AUDIT} in alarm.settings["Dimensions"]


def test_alarms_on_findings_keep_their_state_between_audits_and_only_for_the_severities_asked_for():
    desired = replace(Desired(), alarms=WantedAlarms(severities=tuple(Desired().alarms.severities[:2]), dead_man=False))
    alarms, _ = wanted_alarms(desired, TOPIC)
    assert len(alarms) == 10  # nine critical checks and a high one
    assert {a.settings["TreatMissingData"] for a in alarms} == {"ignore"}
    assert {a.settings["Threshold"] for a in alarms} == {0.0}


def test_an_alarm_per_severity_stays_within_the_metrics_of_one_expression():
    desired = replace(Desired(), alarms=WantedAlarms(per=AlarmsPer.SEVERITY, dead_man=False))
    alarms, _ = wanted_alarms(desired, TOPIC)
    metrics = [[m for m in a.settings["Metrics"] if "MetricStat" in m] for a in alarms]
    assert sum(map(len, metrics)) == 17
    assert max(map(len, metrics)) <= 10


def test_alarms_are_compared_whatever_the_order_of_their_dimensions():
    alarm = wanted_alarms(Desired(), TOPIC)[0][0]
    found = dict(alarm.settings) | {"Dimensions": list(reversed(alarm.settings["Dimensions"])), "Threshold": 0}
    assert differences(alarm.settings, found) == []
    assert differences(alarm.settings, found | {"Threshold": 5.0}) == ["Threshold is 5.0, wanted: 0.0"]


def test_nothing_is_taken_away_of_an_account_that_set_up_never_touched():
    theirs = {"Theirs": ScheduleState("Theirs", HERE.arn("iot", "x"), "DAILY", None, None, (LOGGING,), {})}
    there = present(
        roles={AUDIT_ROLE: a_role(AUDIT_ROLE)},
        audit=AuditState(HERE.role_arn(AUDIT_ROLE), OFF | {LOGGING: True}),
        schedules=theirs,
        topic=TopicState(TOPIC, {}),
    )
    plan = plan_removal(Desired(), there)
    assert plan.pending == ()
    assert {c.kind for c in plan.changes} == {ChangeKind.KEEP}


def test_things_whose_tags_cannot_be_read_are_not_taken_away():
    theirs = {"S": ScheduleState("S", HERE.arn("iot", "x"), "DAILY", None, None, (LOGGING,), None)}
    assert plan_removal(Desired(), present(schedules=theirs, topic=TopicState(TOPIC, None))).pending == ()


def test_a_configuration_that_another_schedule_needs_stays_and_with_it_the_role():
    theirs = {"Theirs": ScheduleState("Theirs", HERE.arn("iot", "x"), "DAILY", None, None, (LOGGING,), {})}
    tags = {KEY: "made/1", region_key("eu-west-1"): "audit=made/1"}
    there = present(
        roles={AUDIT_ROLE: a_role(AUDIT_ROLE, tags=tags)},
        audit=AuditState(HERE.role_arn(AUDIT_ROLE), OFF | {LOGGING: True}),
        schedules=theirs,
    )
    plan = plan_removal(Desired(), there)
    assert [(c.part, c.kind) for c in plan.changes] == [(Part.AUDIT, ChangeKind.KEEP), (Part.ROLE, ChangeKind.KEEP)]
    assert "Theirs" in plan.changes[0].details[0]


def test_what_is_there_is_told_with_who_made_it():
    tags = {KEY: "made/1", region_key("eu-west-1"): "audit=made/1"}
    there = present(
        roles={AUDIT_ROLE: a_role(AUDIT_ROLE, tags=tags), "Gone": None, "Hidden": Unknown("iam:GetRole was refused")},
        audit=AuditState(HERE.role_arn(AUDIT_ROLE), OFF | {LOGGING: True}),
    )
    rows = {(row.part, row.name): row for row in describe_present(there)}
    assert rows[Part.AUDIT, "configuration"].made_by == "set-up"
    assert "1 of 17 checks enabled" in rows[Part.AUDIT, "configuration"].state
    assert "on behalf of every account" in rows[Part.ROLE, AUDIT_ROLE].state
    assert rows[Part.ROLE, "Gone"].state == "not there"
    assert rows[Part.ROLE, "Hidden"].made_by == "unknown"
    assert rows[Part.LOGGING, "V2 options"].state == "never set up"


def test_a_log_level_that_the_audit_will_report_is_warned_of():
    plan = make_plan(replace(Desired(), log_level="DISABLED"), present())
    assert any("LOGGING_DISABLED_CHECK will report" in warning for warning in plan.warnings)
