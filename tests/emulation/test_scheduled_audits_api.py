"""Scheduled audits over HTTP, and that they run."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"


@pytest.fixture
def schedules(account):
    account.enable(LOGGING, EXPIRING)

    def create(name="Daily", frequency="DAILY", **days):
        return account.iot.create_scheduled_audit(
            scheduledAuditName=name, frequency=frequency, targetCheckNames=[LOGGING], **days
        )["scheduledAuditArn"]

    return create


def test_a_schedule_is_described_with_its_checks_and_listed_without(account, schedules):
    arn = schedules("Weekly", "WEEKLY", dayOfWeek="MON")
    assert arn == "arn:aws:iot:eu-west-1:123456789012:scheduledaudit/Weekly"
    item = {
        "scheduledAuditName": "Weekly",
        "scheduledAuditArn": arn,
        "frequency": "WEEKLY",
        "dayOfWeek": "MON",
    }
    described = account.iot.describe_scheduled_audit(scheduledAuditName="Weekly")
    described.pop("ResponseMetadata")
    assert described == item | {"targetCheckNames": [LOGGING]}
    assert account.iot.list_scheduled_audits()["scheduledAudits"] == [item]


@pytest.mark.parametrize(
    ("frequency", "days"),
    [
        ("WEEKLY", {}),
        ("BIWEEKLY", {}),
        ("MONTHLY", {}),
        ("DAILY", {"dayOfWeek": "MON"}),
        ("WEEKLY", {"dayOfWeek": "MON", "dayOfMonth": "1"}),
        ("MONTHLY", {"dayOfMonth": "1", "dayOfWeek": "MON"}),
        ("MONTHLY", {"dayOfMonth": "32"}),
        ("MONTHLY", {"dayOfMonth": "01"}),
        ("WEEKLY", {"dayOfWeek": "Monday"}),
        ("HOURLY", {}),
    ],
)
def test_the_day_must_fit_the_frequency(schedules, refused, frequency, days):
    assert refused(lambda: schedules("S", frequency, **days))[:2] == ("InvalidRequestException", 400)


def test_a_schedule_needs_enabled_checks(account, refused):
    account.enable(LOGGING)
    code, _, _ = refused(
        lambda: account.iot.create_scheduled_audit(
            scheduledAuditName="S", frequency="DAILY", targetCheckNames=[EXPIRING]
        )
    )
    assert code == "InvalidRequestException"


def test_a_name_is_taken_once(schedules, refused):
    schedules("S")
    assert refused(lambda: schedules("S"))[:2] == ("ResourceAlreadyExistsException", 409)


def test_five_schedules_are_the_limit(schedules, refused):
    for i in range(5):
        schedules(f"S{i}")
    assert refused(lambda: schedules("S5"))[:2] == ("LimitExceededException", 410)


def test_an_update_changes_only_what_it_names(account, schedules):
    schedules("S", "MONTHLY", dayOfMonth="LAST")
    account.iot.update_scheduled_audit(scheduledAuditName="S", targetCheckNames=[EXPIRING])
    described = account.iot.describe_scheduled_audit(scheduledAuditName="S")
    assert (described["frequency"], described["dayOfMonth"]) == ("MONTHLY", "LAST")
    assert described["targetCheckNames"] == [EXPIRING]


def test_a_new_frequency_needs_its_day_and_drops_the_old_one(account, schedules, refused):
    schedules("S", "MONTHLY", dayOfMonth="LAST")
    update = account.iot.update_scheduled_audit
    assert refused(lambda: update(scheduledAuditName="S", frequency="WEEKLY"))[0] == "InvalidRequestException"
    update(scheduledAuditName="S", frequency="WEEKLY", dayOfWeek="TUE")
    described = account.iot.describe_scheduled_audit(scheduledAuditName="S")
    assert (described["dayOfWeek"], "dayOfMonth" in described) == ("TUE", False)
    update(scheduledAuditName="S", frequency="BIWEEKLY")
    assert account.iot.describe_scheduled_audit(scheduledAuditName="S")["dayOfWeek"] == "TUE"


def test_an_unknown_schedule_is_not_found(account, refused):
    for call in ("describe", "update", "delete"):
        operation = getattr(account.iot, f"{call}_scheduled_audit")
        assert refused(lambda operation=operation: operation(scheduledAuditName="S"))[:2] == (
            "ResourceNotFoundException",
            404,
        )


def test_a_daily_schedule_runs_every_day_at_its_hour(account, schedules, start):
    schedules("Daily")
    account.advance(days=10)
    pages = account.iot.get_paginator("list_audit_tasks").paginate(startTime=start, endTime=account.now())
    tasks = [account.iot.describe_audit_task(taskId=t["taskId"]) for page in pages for t in page["tasks"]]
    times = [task["taskStartTime"] for task in tasks]
    assert len(times) == 10
    assert {later - earlier for later, earlier in pairwise(times)} == {timedelta(days=1)}
    assert {(t["taskType"], t["scheduledAuditName"], t["taskStatus"]) for t in tasks} == {
        ("SCHEDULED_AUDIT_TASK", "Daily", "COMPLETED")
    }


def test_a_deleted_schedule_runs_no_more_but_its_audits_stay(account, schedules, start):
    schedules("Daily")
    account.advance(days=2)
    account.iot.delete_scheduled_audit(scheduledAuditName="Daily")
    account.advance(days=5)
    assert len(account.iot.list_audit_tasks(startTime=start, endTime=account.now())["tasks"]) == 2


def test_schedules_and_actions_have_tags(account, schedules, refused):
    arn = schedules("S")
    account.iot.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "iot"}, {"Key": "a", "Value": "b"}])
    account.iot.untag_resource(resourceArn=arn, tagKeys=["a", "never-there"])
    assert account.iot.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "iot"}]
    assert refused(lambda: account.iot.list_tags_for_resource(resourceArn=arn + "x"))[1] == 404
