"""On-demand audits over HTTP: their life, what can go wrong in them, their lists and quotas."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ddreport.emulation.roles import service_trust

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
AGE = "DEVICE_CERTIFICATE_AGE_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"


def test_an_audit_is_in_progress_until_its_time_has_passed(account):
    account.enable(LOGGING)
    task_id = account.start_audit(LOGGING)
    assert len(task_id) == 32
    running = account.iot.describe_audit_task(taskId=task_id)
    assert running["taskStatus"] == "IN_PROGRESS"
    assert running["auditDetails"][LOGGING] == {"checkRunStatus": "IN_PROGRESS", "checkCompliant": False}
    account.advance(seconds=1)
    done = account.iot.describe_audit_task(taskId=task_id)
    assert done["taskStatus"] == "COMPLETED"
    assert done["taskType"] == "ON_DEMAND_AUDIT_TASK"
    assert "scheduledAuditName" not in done


def test_checks_end_one_after_the_other(account):
    account.enable(LOGGING, EXPIRING)
    task_id = account.start_audit(LOGGING, EXPIRING)
    account.advance(seconds=0.5)
    statuses = [check["checkRunStatus"] for check in account.details(task_id).values()]
    assert statuses == ["COMPLETED_NON_COMPLIANT", "IN_PROGRESS"]


def test_the_counters_add_up(account):
    account.enable(LOGGING, EXPIRING, AGE)
    account.emulator.fail_check(AGE)
    task_id = account.audit(LOGGING, EXPIRING, AGE)
    statistics = account.iot.describe_audit_task(taskId=task_id)["taskStatistics"]
    total = statistics.pop("totalChecks")
    assert total == sum(statistics.values()) == 3
    assert (statistics["compliantChecks"], statistics["nonCompliantChecks"], statistics["failedChecks"]) == (1, 1, 1)


def test_a_check_that_finds_nothing_to_evaluate_is_compliant(account):
    account.enable("CA_CERTIFICATE_EXPIRING_CHECK")
    task_id = account.audit("CA_CERTIFICATE_EXPIRING_CHECK")
    assert account.details(task_id)["CA_CERTIFICATE_EXPIRING_CHECK"] == {
        "checkRunStatus": "COMPLETED_COMPLIANT",
        "checkCompliant": True,
        "totalResourcesCount": 0,
        "nonCompliantResourcesCount": 0,
        "suppressedNonCompliantResourcesCount": 0,
    }


def test_cancelling_keeps_what_has_ended(account, refused):
    account.enable(LOGGING, EXPIRING)
    task_id = account.start_audit(LOGGING, EXPIRING)
    account.advance(seconds=0.5)
    account.iot.cancel_audit_task(taskId=task_id)
    account.advance(seconds=5)
    task = account.iot.describe_audit_task(taskId=task_id)
    assert task["taskStatus"] == "CANCELED"
    assert task["auditDetails"][EXPIRING]["checkRunStatus"] == "CANCELED"
    assert len(account.findings(task_id)) == 1
    assert refused(lambda: account.iot.cancel_audit_task(taskId=task_id))[0] == "InvalidRequestException"


def test_a_story_can_cancel_an_audit_in_this_process(account):
    account.enable(LOGGING)
    task_id = account.start_audit(LOGGING)
    account.emulator.cancel_audit(task_id)
    assert account.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "CANCELED"


def test_a_story_can_let_a_check_fail_and_work_again(account):
    account.enable(LOGGING, EXPIRING)
    account.emulator.fail_check(LOGGING, "INSUFFICIENT_PERMISSIONS", "Not today.")
    broken = account.audit(LOGGING, EXPIRING)
    account.emulator.restore_check(LOGGING)
    whole = account.audit(LOGGING, EXPIRING)
    assert account.details(broken)[LOGGING] == {
        "checkRunStatus": "FAILED",
        "checkCompliant": False,
        "errorCode": "INSUFFICIENT_PERMISSIONS",
        "message": "Not today.",
    }
    assert account.iot.describe_audit_task(taskId=broken)["taskStatus"] == "COMPLETED"
    assert account.details(whole)[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"


def test_a_check_disabled_while_its_audit_runs_fails(account):
    account.enable(LOGGING, EXPIRING)
    task_id = account.start_audit(LOGGING, EXPIRING)
    account.iot.update_account_audit_configuration(auditCheckConfigurations={LOGGING: {"enabled": False}})
    account.advance(seconds=1)
    assert account.details(task_id)[LOGGING]["errorCode"] == "AUDIT_CHECK_DISABLED"


def test_an_audit_without_its_role_fails_for_lack_of_permissions(account):
    account.enable(LOGGING)
    iam = account.client("iam")
    iam.detach_role_policy(RoleName="Audit", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit")
    without_rights = account.audit(LOGGING)
    iam.delete_role(RoleName="Audit")
    without_role = account.audit(LOGGING)
    for task_id in (without_rights, without_role):
        assert account.details(task_id)[LOGGING]["errorCode"] == "INSUFFICIENT_PERMISSIONS"
        assert account.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "FAILED"


def test_a_role_that_trusts_another_account_cannot_be_assumed(account):
    account.enable(LOGGING)
    account.client("iam").update_assume_role_policy(RoleName="Audit", PolicyDocument=service_trust("999999999999"))
    assert account.details(account.audit(LOGGING))[LOGGING]["errorCode"] == "INSUFFICIENT_PERMISSIONS"


@pytest.mark.parametrize("names", [[], ["NO_SUCH_CHECK"], [EXPIRING]])
def test_only_known_and_enabled_checks_can_be_audited(account, refused, names):
    account.enable(LOGGING)
    code, _, _ = refused(lambda: account.iot.start_on_demand_audit_task(targetCheckNames=names))
    assert code == "InvalidRequestException"


def test_duplicate_check_names_are_merged(account):
    account.enable(LOGGING)
    assert list(account.details(account.start_audit(LOGGING, LOGGING))) == [LOGGING]


def test_ten_on_demand_audits_may_run_at_once(account, refused):
    account.enable(LOGGING)
    for _ in range(10):
        account.start_audit(LOGGING)
    code, status, _ = refused(lambda: account.start_audit(LOGGING))
    assert (code, status) == ("LimitExceededException", 410)
    account.advance(seconds=1)
    account.start_audit(LOGGING)


def test_an_unknown_task_is_not_found(account, refused):
    assert refused(lambda: account.iot.describe_audit_task(taskId="f" * 32))[:2] == ("ResourceNotFoundException", 404)
    assert refused(lambda: account.iot.cancel_audit_task(taskId="f" * 32))[:2] == ("ResourceNotFoundException", 404)


def test_tasks_are_listed_newest_first_by_pages(account, start):
    account.enable(LOGGING)
    ids = []
    for _ in range(7):
        ids.append(account.audit(LOGGING))
        account.advance(minutes=1)
    pages = account.iot.get_paginator("list_audit_tasks").paginate(
        startTime=start, endTime=account.now(), PaginationConfig={"PageSize": 3}
    )
    listed = [[task["taskId"] for task in page["tasks"]] for page in pages]
    assert [len(page) for page in listed] == [3, 3, 1]
    assert [task_id for page in listed for task_id in page] == ids[::-1]


def test_an_audit_between_two_pages_moves_nothing(account, start):
    account.enable(LOGGING)
    ids = [account.audit(LOGGING) for _ in range(4)]
    span = {"startTime": start, "endTime": start + timedelta(hours=1), "maxResults": 2}
    first = account.iot.list_audit_tasks(**span)
    account.audit(LOGGING)
    second = account.iot.list_audit_tasks(**span, nextToken=first["nextToken"])
    assert [t["taskId"] for t in first["tasks"] + second["tasks"]] == ids[::-1]
    assert "nextToken" not in second


def test_tasks_are_filtered_by_status_and_type(account, start):
    account.enable(LOGGING)
    done = account.audit(LOGGING)
    running = account.start_audit(LOGGING)
    span = {"startTime": start, "endTime": account.now()}
    by_status = account.iot.list_audit_tasks(**span, taskStatus="IN_PROGRESS")["tasks"]
    assert by_status == [{"taskId": running, "taskStatus": "IN_PROGRESS", "taskType": "ON_DEMAND_AUDIT_TASK"}]
    assert account.iot.list_audit_tasks(**span, taskType="SCHEDULED_AUDIT_TASK")["tasks"] == []
    assert {t["taskId"] for t in account.iot.list_audit_tasks(**span)["tasks"]} == {done, running}


def test_spans_that_are_reversed_or_forgotten_are_refused(account, refused, start):
    reversed_span = {"startTime": start, "endTime": start - timedelta(days=1)}
    forgotten = {"startTime": start - timedelta(days=90, minutes=2), "endTime": start}
    for span in (reversed_span, forgotten):
        assert refused(lambda span=span: account.iot.list_audit_tasks(**span))[0] == "InvalidRequestException"
    account.iot.list_audit_tasks(startTime=start - timedelta(days=90), endTime=start)


def test_after_ninety_days_tasks_and_findings_are_forgotten(account, refused):
    account.enable(LOGGING)
    task_id = account.audit(LOGGING)
    finding_id = account.findings(task_id)[0]["findingId"]
    account.advance(days=89)
    account.iot.describe_audit_task(taskId=task_id)
    account.advance(days=2)
    assert refused(lambda: account.iot.describe_audit_task(taskId=task_id))[1] == 404
    assert refused(lambda: account.iot.describe_audit_finding(findingId=finding_id))[1] == 404
    assert account.findings(task_id) == []


def test_regions_and_accounts_know_nothing_of_each_other(account, start):
    account.enable(LOGGING)
    account.audit(LOGGING)
    elsewhere = account.client("iot", region_name="us-east-1")
    assert elsewhere.list_audit_tasks(startTime=start, endTime=account.now())["tasks"] == []
    assert "roleArn" not in elsewhere.describe_account_audit_configuration()


def test_a_role_with_some_permissions_lets_the_other_checks_fail(account):
    role = account.emulator.create_service_role("Narrow")
    statement = {"Effect": "Allow", "Action": "iot:Get*LoggingOptions", "Resource": "*"}
    logging_only = json.dumps({"Version": "2012-10-17", "Statement": statement})
    account.client("iam").put_role_policy(RoleName="Narrow", PolicyName="p", PolicyDocument=logging_only)
    account.iot.update_account_audit_configuration(
        roleArn=role, auditCheckConfigurations={LOGGING: {"enabled": True}, POLICY: {"enabled": True}}
    )
    task_id = account.audit(LOGGING, POLICY)
    details = account.details(task_id)
    assert details[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    assert details[POLICY]["errorCode"] == "INSUFFICIENT_PERMISSIONS"
    assert "iot:ListPolicies" in details[POLICY]["message"]
    assert account.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "COMPLETED"
