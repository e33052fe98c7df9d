import pandas as pd
import pytest

from ddreport.errors import TableSchemaError
from ddreport.schemas import AUDIT_TASKS, CHECKS
from ddreport.tables import audit_tasks_table, checks_table


def test_an_audit_is_one_row_with_its_counters(a_task, place):
    [row] = audit_tasks_table([a_task()], **place, emulated=True).to_dict("records")
    assert row == {
        "account": "111122223333",
        "region": "eu-west-1",
        "audit_task_id": "a1",
        "task_start_time": pd.Timestamp("2026-03-02T09:00:00.123Z"),
        "task_status": "COMPLETED",
        "task_type": "SCHEDULED_AUDIT_TASK",
        "scheduled_audit_name": "nightly",
        "total_checks_count": 2,
        "compliant_checks_count": 1,
        "non_compliant_checks_count": 0,
        "failed_checks_count": 1,
        "canceled_checks_count": 0,
        "in_progress_checks_count": 0,
        "waiting_for_data_collection_checks_count": 0,
        "emulated": True,
    }


def test_counters_that_aws_leaves_out_are_counted(a_task, place):
    columns = [name for name in AUDIT_TASKS.column_names if name.endswith("_count")]
    told = audit_tasks_table([a_task()], **place, emulated=False)[columns]
    counted = audit_tasks_table([a_task(taskStatistics=...)], **place, emulated=False)[columns]
    pd.testing.assert_frame_equal(told, counted)


def test_an_on_demand_audit_has_no_schedule(a_task, place):
    table = audit_tasks_table([a_task(scheduledAuditName=...)], **place, emulated=False)
    assert table["scheduled_audit_name"].isna().all()


def test_statuses_of_a_newer_service_are_kept(a_task, place):
    assert audit_tasks_table([a_task(taskStatus="PAUSED")], **place, emulated=False)["task_status"].tolist() == [
        "PAUSED"
    ]


@pytest.mark.parametrize("member", ["taskId", "taskStatus", "taskType", "taskStartTime"])
def test_an_audit_without_what_makes_it_one_is_refused(a_task, place, member):
    with pytest.raises(TableSchemaError):
        audit_tasks_table([a_task(**{member: ...})], **place, emulated=False)


def test_checks_are_rows_by_name(a_task, place):
    table = checks_table([a_task()], **place)
    assert table["check_name"].tolist() == ["DEVICE_CERTIFICATE_AGE_CHECK", "LOGGING_DISABLED_CHECK"]
    assert table["check_run_status"].tolist() == ["FAILED", "COMPLETED_COMPLIANT"]
    assert table["check_compliant"].tolist() == [False, True]


def test_a_failed_check_says_why_and_has_no_counts(a_task, place):
    failed = checks_table([a_task()], **place).iloc[0]
    assert (failed["error_code"], failed["message"]) == ("INSUFFICIENT_PERMISSIONS", "not allowed")
    assert failed[[c for c in CHECKS.column_names if c.endswith("_count")]].isna().all()


def test_outdated_check_names_are_replaced(a_task, place):
    details = {"REVOKED_CA_CERT_CHECK": {"checkRunStatus": "CANCELED"}}
    table = checks_table([a_task(auditDetails=details)], **place)
    assert table["check_name"].tolist() == ["REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"]


@pytest.mark.parametrize("details", [{}, None, ...])
def test_an_audit_without_checks_gives_no_rows(a_task, place, details):
    pd.testing.assert_frame_equal(checks_table([a_task(auditDetails=details)], **place), CHECKS.empty())
