"""`ddreport audit …` on an emulated account over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

START = "2026-03-02T09:00:00+00:00"
CHECKS = ("LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_SHARED_CHECK")
pytestmark = pytest.mark.iot_emulator(start=START)


@pytest.fixture
def audit(iot_emulator, run):
    def call(*arguments):
        return run("audit", *arguments, "--region", iot_emulator.region, "--endpoint-url", iot_emulator.endpoint)

    return call


def test_an_audit_is_started_followed_and_looked_at(audit, iot_emulator):
    iot_emulator.enable(*CHECKS)
    iot_emulator.emulator.audit_duration = timedelta(milliseconds=50)
    begun = audit("start", "--wait", "--json")
    assert begun.code == 0
    assert begun.json["task_status"] == "COMPLETED"
    assert {check["check_name"] for check in begun.json["checks"]} == set(CHECKS)
    assert "LOGGING_DISABLED_CHECK: COMPLETED_NON_COMPLIANT (2 of 2)" in begun.err
    shown = audit("status", begun.json["audit_task_id"])
    assert "checks done 2 of 2" in shown.out
    listed = audit("list", "--json").json
    assert [row["audit_task_id"] for row in listed] == [begun.json["audit_task_id"]]


def test_a_running_audit_is_listed_and_cancelled_once(audit, iot_emulator):
    iot_emulator.enable(*CHECKS)
    iot_emulator.emulator.audit_duration = timedelta(hours=1)
    begun = audit("start", "--check", CHECKS[0], "--check", "CA_CERTIFICATE_EXPIRING_CHECK", "--json")
    assert begun.json["left_out"] == ["CA_CERTIFICATE_EXPIRING_CHECK"]
    assert "switched off" in begun.err
    running = audit("list", "--running")
    assert "0 of 1" in running.out
    gone_on = audit("status", begun.json["audit_task_id"], "--wait", "--timeout", "0")
    assert gone_on.code == 4
    assert "the audit goes on" in gone_on.err
    assert audit("cancel", begun.json["audit_task_id"], "--json").json["cancelled"] is True
    assert audit("cancel", begun.json["audit_task_id"], "--json").json["cancelled"] is False
    ended = audit("status", begun.json["audit_task_id"])
    assert (ended.code, "CANCELED" in ended.out) == (4, True)
    assert audit("list", "--running").err.endswith("No audit is running.\n")


def test_wrong_checks_and_accounts_without_audit_are_refused_with_the_next_step(audit, iot_emulator):
    nothing = audit("start")
    assert nothing.code == 1
    assert "ddreport setup plan" in nothing.err
    iot_emulator.enable(*CHECKS)
    wrong = audit("start", "--check", "LOGING_DISABLED_CHECK")
    assert wrong.code == 2
    assert "Did you mean 'LOGGING_DISABLED_CHECK'?" in wrong.err
    assert audit("status", "f" * 32).code == 1


def test_schedules_tell_the_next_day_the_last_run_and_what_they_leave_out(audit, iot_emulator):
    iot_emulator.enable(*CHECKS, "DEVICE_CERTIFICATE_AGE_CHECK")
    iot = iot_emulator.client()
    iot.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=list(CHECKS))
    iot.create_scheduled_audit(
        scheduledAuditName="Fortnightly", frequency="BIWEEKLY", dayOfWeek="SUN", targetCheckNames=[CHECKS[1]]
    )
    iot_emulator.advance(days=1, hours=1)
    (found,) = audit("schedules", "--json").json
    runs = {row["scheduled_audit_name"]: row for row in found["schedules"]}
    assert runs["Daily"]["last_run_time"] is not None
    assert runs["Daily"]["missed_date"] is None
    assert (runs["Fortnightly"]["next_run_date"], runs["Fortnightly"]["latest_next_run_date"]) == (
        "2026-03-08",
        "2026-03-15",
    )
    coverage = {row["check_name"]: row["coverage"] for row in found["coverage"]}
    assert coverage["DEVICE_CERTIFICATE_SHARED_CHECK"] == "several"
    assert coverage["DEVICE_CERTIFICATE_AGE_CHECK"] == "not covered"
    shown = audit("schedules")
    assert "2026-03-08 or 2026-03-15" in shown.out
    assert "AWS chooses the hour" in shown.err
