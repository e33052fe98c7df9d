"""From facts to verdicts: each thing that can be wrong, and what is only unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ddreport.doctor.facts import Allowed, ArchiveFound, Facts, RoleFound, TopicFound
from ddreport.doctor.permissions import Way, actions
from ddreport.doctor.verdicts import Status, exit_code, judge
from ddreport.mitigation.roles import Place
from ddreport.setup.present import AlarmState, AuditState, LoggingState, SubscriptionState, TopicState, Unknown

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/Audit"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:IoTDDNotifications"
REFUSED = Unknown("x:Read was refused: AccessDenied")


def schedule(name="Daily", **changes):
    row = {"scheduled_audit_name": name, "frequency": "DAILY", "next_run_date": "2026-03-03", "missed_date": None}
    return row | changes


SUBSCRIBED = SubscriptionState("email", "a@example.com", f"{TOPIC}:1")
WELL = Facts(
    target="t",
    place=Place("111122223333", "eu-west-1"),
    caller="arn:aws:iam::111122223333:user/anna",
    emulated=False,
    as_of=NOW,
    way=Way.READER,
    allowed=dict.fromkeys(actions(Way.READER), Allowed.YES),
    audit=AuditState(ROLE, {"A_CHECK": True}, notification={"enabled": True, "targetArn": TOPIC, "roleArn": ROLE}),
    schedules=[schedule()],
    coverage=[{"check_name": "A_CHECK", "coverage": "covered"}],
    logging=LoggingState(ROLE, "ERROR", disabled=False),
    actions={},
    alarms={"ddreport-a": AlarmState("ddreport-a", "arn", {"ActionsEnabled": True}, "OK")},
    roles=(RoleFound("reads the account for audits", ROLE),),
    topic=TopicFound(TOPIC, TopicState(TOPIC), (SUBSCRIBED,)),
    archive=ArchiveFound("/archive", NOW - timedelta(days=1), NOW - timedelta(days=1), 0.0, ()),
)


def others(facts):
    """Verdicts that are not ok, as status by area and name."""
    return {(v.area, v.name): v.status.value for v in judge(facts) if v.status is not Status.OK}


def test_all_is_well():
    assert others(WELL) == {}
    assert exit_code(judge(WELL), reached_all=True) == 0
    assert exit_code(judge(WELL), reached_all=False) == 4


def wrong(**changes):
    return replace(WELL, **changes)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (wrong(caller="arn:aws:iam::111122223333:root"), {("identity", "caller"): "warn"}),
        (wrong(audit=AuditState(None, {"A_CHECK": False}), topic=None), {("audit", "configuration"): "fail"}),
        (wrong(audit=replace(WELL.audit, checks={"A": True, "B": False})), {("audit", "checks"): "warn"}),
        (wrong(audit=replace(WELL.audit, checks={"A": False})), {("audit", "checks"): "fail"}),
        (wrong(schedules=[]), {("schedule", "schedules"): "warn"}),
        (wrong(schedules=[schedule(missed_date="2026-03-01")]), {("schedule", "Daily"): "warn"}),
        (wrong(coverage=[{"check_name": "A", "coverage": "not covered"}]), {("schedule", "coverage"): "warn"}),
        (wrong(roles=(RoleFound("x", ROLE, exists=False),)), {("role", "Audit"): "fail"}),
        (wrong(roles=(RoleFound("x", ROLE, distrusts=("arn:aws:iot:::",)),)), {("role", "Audit"): "fail"}),
        (wrong(roles=(RoleFound("x", ROLE, lacks=("iot:GetPolicy on *",)),)), {("role", "Audit"): "fail"}),
        (wrong(roles=(RoleFound("x", ROLE, unread=("iam:GetRole",)),)), {("role", "Audit"): "unknown"}),
        (wrong(topic=None), {("notification", "SNS"): "warn"}),
        (wrong(topic=TopicFound(TOPIC, None, ())), {("notification", "topic"): "fail"}),
        (wrong(topic=TopicFound(TOPIC, TopicState(TOPIC), ())), {("notification", "subscribers"): "warn"}),
        (
            wrong(topic=TopicFound(TOPIC, TopicState(TOPIC), (SUBSCRIBED, replace(SUBSCRIBED, arn=None)))),
            {("notification", "subscribers"): "warn"},
        ),
        (wrong(logging=None), {("logging", "V2 logging"): "warn"}),
        (wrong(logging=LoggingState(ROLE, "ERROR", disabled=True)), {("logging", "V2 logging"): "warn"}),
        (wrong(alarms={}), {("alarm", "alarms"): "warn"}),
        (wrong(alarms={"a": AlarmState("a", "arn", {}, "ALARM")}), {("alarm", "alarms"): "warn"}),
        (wrong(archive=None), {("archive", "newest pull"): "warn"}),
        (wrong(archive=replace(WELL.archive, lost_days=2.0)), {("archive", "lost"): "warn"}),
        (
            wrong(archive=replace(WELL.archive, last_pull_time=NOW - timedelta(days=9))),
            {("archive", "newest pull"): "warn"},
        ),
        (wrong(archive=replace(WELL.archive, full_policies=("p",))), {("quota", "policy versions"): "warn"}),
        (wrong(schedules=[schedule(str(n)) for n in range(5)]), {("quota", "scheduled audits"): "warn"}),
        (wrong(actions=dict.fromkeys(range(90))), {("quota", "mitigation actions"): "warn"}),
    ],
)
def test_what_is_wrong_is_said_once_with_advice(facts, expected):
    assert others(facts) == expected
    assert all(v.advice for v in judge(facts) if v.status is not Status.OK)


def test_what_may_not_be_read_is_unknown_and_never_ok():
    facts = wrong(
        audit=REFUSED, schedules=REFUSED, coverage=REFUSED, logging=REFUSED, actions=REFUSED, alarms=REFUSED,
        archive=REFUSED, roles=(), topic=None,
    )  # fmt: skip
    found = others(facts)
    assert set(found.values()) == {"unknown"}
    assert {area for area, _ in found} == {"audit", "schedule", "logging", "alarm", "archive"}
    assert not any(v.area == "quota" for v in judge(replace(facts, archive=None)))


def test_a_refused_call_fails_and_one_that_nobody_could_try_is_unknown():
    refused = wrong(allowed={**WELL.allowed, "iot:ListAuditTasks": Allowed.NO})
    (verdict,) = [v for v in judge(refused) if v.status is Status.FAIL]
    assert verdict.found == "refused: iot:ListAuditTasks"
    assert "--print-policy reader" in verdict.advice
    assert exit_code(judge(refused), reached_all=True) == 1
    untried = {k: v for k, v in WELL.allowed.items() if k != "iot:ListAuditTasks"}
    assert others(wrong(allowed=untried)) == {("permission", "ReadAudits"): "unknown"}


def test_a_monthly_audit_is_not_old_after_three_weeks():
    archive = replace(WELL.archive, last_audit_time=NOW - timedelta(days=21))
    assert ("archive", "newest audit") in others(wrong(archive=archive))
    assert others(wrong(archive=archive, schedules=[schedule(frequency="MONTHLY")])) == {}
