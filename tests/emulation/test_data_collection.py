"""Checks that wait for their data after they were enabled, and lose it when they are disabled."""

from __future__ import annotations

from datetime import timedelta

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
CONFLICTING = "CONFLICTING_CLIENT_IDS_CHECK"


def switch(account, check, *, enabled):
    account.iot.update_account_audit_configuration(auditCheckConfigurations={check: {"enabled": enabled}})


@pytest.fixture
def collecting(account):
    """Let checks that are enabled from now on collect their data for an hour."""
    account.emulator.data_collection = timedelta(hours=1)
    yield account
    account.emulator.data_collection = timedelta(0)


def test_a_check_enabled_a_short_time_ago_waits_until_its_data_is_there(collecting):
    collecting.enable(LOGGING)
    task_id = collecting.start_audit(LOGGING)
    collecting.advance(minutes=59)
    task = collecting.iot.describe_audit_task(taskId=task_id)
    assert task["taskStatus"] == "IN_PROGRESS"
    assert task["taskStatistics"]["waitingForDataCollectionChecks"] == 1
    assert task["taskStatistics"]["inProgressChecks"] == 0
    assert task["auditDetails"][LOGGING] == {
        "checkRunStatus": "WAITING_FOR_DATA_COLLECTION",
        "checkCompliant": False,
    }


def test_a_waiting_check_is_in_progress_once_its_data_is_there_and_then_ends(collecting):
    collecting.emulator.audit_duration = timedelta(minutes=10)
    collecting.enable(LOGGING)
    task_id = collecting.start_audit(LOGGING)
    seen = []
    for _ in range(8):
        collecting.advance(minutes=10)
        seen.append(collecting.details(task_id)[LOGGING]["checkRunStatus"])
    waiting = "WAITING_FOR_DATA_COLLECTION"
    assert seen == [*[waiting] * 5, "IN_PROGRESS", "COMPLETED_NON_COMPLIANT", "COMPLETED_NON_COMPLIANT"]


def test_checks_whose_data_is_there_do_not_wait_for_the_others(collecting):
    collecting.enable(LOGGING)
    collecting.advance(minutes=30)
    switch(collecting, EXPIRING, enabled=True)
    collecting.advance(minutes=30)
    task_id = collecting.audit(LOGGING, EXPIRING)
    details = collecting.details(task_id)
    assert details[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    assert details[EXPIRING]["checkRunStatus"] == "WAITING_FOR_DATA_COLLECTION"
    collecting.advance(minutes=31)
    assert collecting.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "COMPLETED"


def test_an_audit_that_waits_can_be_cancelled(collecting):
    collecting.enable(LOGGING)
    task_id = collecting.start_audit(LOGGING)
    collecting.iot.cancel_audit_task(taskId=task_id)
    task = collecting.iot.describe_audit_task(taskId=task_id)
    assert (task["taskStatus"], task["taskStatistics"]["canceledChecks"]) == ("CANCELED", 1)
    collecting.advance(hours=2)
    assert collecting.details(task_id)[LOGGING]["checkRunStatus"] == "CANCELED"


def test_enabling_an_enabled_check_does_not_begin_anew_but_disabling_does(collecting):
    collecting.enable(LOGGING, EXPIRING)
    collecting.advance(hours=1)
    switch(collecting, LOGGING, enabled=True)
    assert collecting.details(collecting.audit(LOGGING))[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    for enabled in (False, True):
        switch(collecting, LOGGING, enabled=enabled)
    task_id = collecting.start_audit(LOGGING)
    assert collecting.details(task_id)[LOGGING]["checkRunStatus"] == "WAITING_FOR_DATA_COLLECTION"


def test_a_check_disabled_while_its_audit_waits_fails_at_once_and_for_good(collecting):
    collecting.enable(LOGGING, EXPIRING)
    task_id = collecting.start_audit(LOGGING, EXPIRING)
    for enabled in (False, True):
        switch(collecting, LOGGING, enabled=enabled)
    details = collecting.details(task_id)
    assert details[LOGGING]["checkRunStatus"] == "FAILED"
    assert details[LOGGING]["errorCode"] == "AUDIT_CHECK_DISABLED"
    assert details[EXPIRING]["checkRunStatus"] == "WAITING_FOR_DATA_COLLECTION"
    collecting.advance(hours=2)
    assert collecting.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "COMPLETED"


def test_deleting_the_configuration_fails_the_checks_of_running_audits(account):
    account.enable(LOGGING, EXPIRING)
    task_id = account.start_audit(LOGGING, EXPIRING)
    account.iot.delete_account_audit_configuration()
    task = account.iot.describe_audit_task(taskId=task_id)
    assert (task["taskStatus"], task["taskStatistics"]["failedChecks"]) == ("FAILED", 2)


@pytest.mark.parametrize("check", [SHARED, CONFLICTING])
def test_disabling_a_check_deletes_the_connections_it_knew(account, start, check):
    client_ids = ("a", "b") if check == SHARED else ("a", "a")
    account.enable(check, LOGGING)
    certificate_id = account.certificate()
    for hour, client_id in enumerate(client_ids):
        begin = start - timedelta(hours=10 - hour)
        account.emulator.connect_device(certificate_id, client_id, begin, begin + timedelta(hours=3))
    assert len(account.findings(account.audit(check))) == 1
    for enabled in (False, True):
        switch(account, check, enabled=enabled)
    assert account.findings(account.audit(check)) == []
    again = account.now()
    for minutes, client_id in enumerate(client_ids):
        begin = again + timedelta(minutes=minutes)
        account.emulator.connect_device(certificate_id, client_id, begin, begin + timedelta(minutes=30))
    account.advance(hours=4)
    assert len(account.findings(account.audit(check))) == 1


def test_the_control_api_sets_durations_and_tells_all_settings(account, control):
    status, settings = control("settings", {"dataCollectionSeconds": 60, "auditSeconds": 5})
    assert status == 200
    assert settings == {
        "auditSeconds": 5.0,
        "executionSeconds": 0.1,
        "dataCollectionSeconds": 60.0,
        "throttle": False,
    }
    account.enable(LOGGING)
    task_id = account.start_audit(LOGGING)
    assert account.details(task_id)[LOGGING]["checkRunStatus"] == "WAITING_FOR_DATA_COLLECTION"
    account.advance(seconds=65)
    assert account.details(task_id)[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    control("settings", {"dataCollectionSeconds": 0})


@pytest.mark.parametrize(
    "members",
    [
        {"auditSeconds": -1},
        {"auditSeconds": "1"},
        {"auditSeconds": True},
        {"dataCollectionSeconds": 1e12},
        {"dataCollectionSeconds": 5, "throttle": 1},
        {"unknown": 1},
    ],
)
def test_nonsense_settings_are_refused_and_change_nothing(account, control, members):
    before = control("settings", {})
    status, answer = control("settings", members)
    assert status == 400
    assert answer["message"]
    assert control("settings", {}) == before
