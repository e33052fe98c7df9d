"""What CloudWatch shows of audits, asked with boto3."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
COGNITO = "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"


def dimensions(check, schedule="OnDemand"):
    return [{"Name": "CheckName", "Value": check}, {"Name": "ScheduledAuditName", "Value": schedule}]


@pytest.fixture
def datapoints(account, start):
    """Return a function that gives the datapoints of one metric as (time, maximum), oldest first."""

    def read(metric, dims, *, period=60, until=timedelta(days=30)):
        answer = account.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/IoT",
            MetricName=metric,
            Dimensions=dims,
            StartTime=start - timedelta(hours=1),
            EndTime=start + until,
            Period=period,
            Statistics=["Maximum"],
        )
        return sorted((point["Timestamp"], point["Maximum"]) for point in answer["Datapoints"])

    return read


def test_a_completed_check_shows_what_was_evaluated_and_what_did_not_comply(account, start, datapoints):
    account.enable(EXPIRING)
    for days in (3, 5, 400):
        account.certificate(days)
    account.audit(EXPIRING)
    end = start + timedelta(seconds=1)
    assert datapoints("ResourcesEvaluated", dimensions(EXPIRING)) == [(end, 3.0)]
    assert datapoints("NonCompliantResources", dimensions(EXPIRING)) == [(end, 2.0)]


def test_scheduled_audits_show_under_their_name_day_after_day(account, datapoints):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=[LOGGING])
    account.advance(days=5)
    account.iot.set_v2_logging_options(roleArn="arn:aws:iam::123456789012:role/log", defaultLogLevel="ERROR")
    account.advance(days=2)
    points = datapoints("NonCompliantResources", dimensions(LOGGING, "Daily"))
    assert [value for _, value in points] == [1.0] * 5 + [0.0] * 2
    assert {later - earlier for (earlier, _), (later, _) in pairwise(points)} == {timedelta(days=1)}
    assert datapoints("NonCompliantResources", dimensions(LOGGING)) == []


def test_suppressed_resources_do_not_count_as_non_compliant(account, datapoints):
    account.enable(LOGGING)
    account.iot.create_audit_suppression(
        checkName=LOGGING, resourceIdentifier={"account": "123456789012"}, suppressIndefinitely=True
    )
    account.audit(LOGGING)
    assert [value for _, value in datapoints("NonCompliantResources", dimensions(LOGGING))] == [0.0]


def test_failed_and_cancelled_checks_show_nothing(account, datapoints):
    account.enable(LOGGING)
    account.emulator.fail_check(LOGGING)
    account.audit(LOGGING)
    account.emulator.restore_check(LOGGING)
    account.iot.cancel_audit_task(taskId=account.start_audit(LOGGING))
    assert datapoints("ResourcesEvaluated", dimensions(LOGGING)) == []


@pytest.mark.parametrize("check", [LOGGING, COGNITO])
@pytest.mark.parametrize("order", [1, -1])
def test_metric_data_is_found_whatever_the_order_of_the_dimensions(account, start, check, order):
    account.enable(check, EXPIRING)
    account.audit(check, EXPIRING)
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/IoT",
                "MetricName": "ResourcesEvaluated",
                "Dimensions": dimensions(check)[::order],
            },
            "Period": 300,
            "Stat": "Sum",
        },
    }
    answer = account.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=start, EndTime=start + timedelta(minutes=10)
    )
    expected = account.details(
        account.iot.list_audit_tasks(startTime=start, endTime=account.now())["tasks"][0]["taskId"]
    )
    assert answer["MetricDataResults"][0]["Values"] == [float(expected[check]["totalResourcesCount"])]


def test_the_metrics_are_listed(account):
    account.enable(LOGGING)
    account.audit(LOGGING)
    listed = account.client("cloudwatch").list_metrics(Namespace="AWS/IoT")["Metrics"]
    assert {metric["MetricName"] for metric in listed} == {"NonCompliantResources", "ResourcesEvaluated"}
    assert all(metric["Dimensions"] == dimensions(LOGGING) for metric in listed)
