"""Alarms on AWS IoT's metrics: how they stand as time goes on, and whom they tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ddreport.emulation import ManualClock
from ddreport.emulation.state import StateFile

LOGGING = "LOGGING_DISABLED_CHECK"
ON_DEMAND = [{"Name": "ScheduledAuditName", "Value": "OnDemand"}, {"Name": "CheckName", "Value": LOGGING}]


def put(account: Any, name: str = "alarm", **changes: Any) -> Any:
    cloudwatch = account.client("cloudwatch")
    settings = {
        "AlarmName": name,
        "Namespace": "AWS/IoT",
        "MetricName": "NonCompliantResources",
        "Dimensions": ON_DEMAND,
        "Statistic": "Maximum",
        "Period": 3600,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**(settings | changes))
    return cloudwatch


def state(cloudwatch: Any, name: str = "alarm") -> str:
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])


@pytest.fixture
def audited(account: Any) -> Any:
    """Give an account whose audits find that logging is off."""
    role = account.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    account.iot.update_account_audit_configuration(roleArn=role, auditCheckConfigurations={LOGGING: {"enabled": True}})

    def audit() -> None:
        account.iot.start_on_demand_audit_task(targetCheckNames=[LOGGING])
        account.advance(minutes=1)

    account.audit = audit
    return account


@pytest.mark.parametrize(
    ("missing", "later"),
    [("ignore", "ALARM"), ("missing", "INSUFFICIENT_DATA"), ("notBreaching", "OK"), ("breaching", "ALARM")],
)
def test_missing_data_counts_as_it_was_asked_for(audited, missing, later):
    cloudwatch = put(audited, TreatMissingData=missing)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    audited.audit()
    assert state(cloudwatch) == "ALARM"
    audited.advance(hours=5)
    assert state(cloudwatch) == later


def test_an_alarm_is_over_when_the_next_audit_finds_nothing(audited):
    cloudwatch = put(audited, TreatMissingData="ignore")
    audited.audit()
    audited.iot.set_v2_logging_options(roleArn="arn:aws:iam::123456789012:role/Logs", defaultLogLevel="ERROR")
    audited.advance(hours=3)
    audited.audit()
    assert state(cloudwatch) == "OK"


def test_every_period_has_to_breach(audited):
    cloudwatch = put(audited, EvaluationPeriods=3, TreatMissingData="notBreaching")
    audited.audit()
    assert state(cloudwatch) == "OK"
    for _ in range(2):
        audited.advance(hours=1)
        audited.audit()
    assert state(cloudwatch) == "ALARM"


def test_topics_are_told_once_per_change(audited):
    sns, sqs = audited.client("sns"), audited.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    put(audited, TreatMissingData="notBreaching", AlarmActions=[topic], AlarmDescription="logging is off")
    audited.audit()
    audited.audit()
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    (told,) = [json.loads(json.loads(m["Body"])["Message"]) for m in messages]
    assert (told["AlarmName"], told["OldStateValue"], told["NewStateValue"]) == ("alarm", "INSUFFICIENT_DATA", "ALARM")
    assert told["AlarmDescription"] == "logging is off"


def test_a_silenced_alarm_and_one_without_a_topic_tell_nobody(audited):
    gone = "arn:aws:sns:eu-west-1:123456789012:gone"
    cloudwatch = put(audited, "silent", AlarmActions=[gone], ActionsEnabled=False)
    put(audited, "lost", AlarmActions=[gone])
    audited.audit()
    assert (state(cloudwatch, "silent"), state(cloudwatch, "lost")) == ("ALARM", "ALARM")


def test_an_alarm_keeps_its_state_when_it_is_changed_and_its_tags(audited):
    cloudwatch = put(audited, TreatMissingData="ignore", Tags=[{"Key": "a", "Value": "b"}])
    audited.audit()
    put(audited, TreatMissingData="ignore", Threshold=5, Tags=[{"Key": "ignored", "Value": "yes"}])
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"


def test_alarms_on_other_metrics_stay_as_they_are_set(audited):
    cloudwatch = put(audited, Namespace="Own", MetricName="Errors", Dimensions=[])
    cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="test")
    audited.audit()
    audited.advance(days=2)
    assert state(cloudwatch) == "ALARM"


def test_an_email_subscription_waits_until_somebody_confirms_it(account):
    sns = account.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    asked = {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"}
    assert sns.subscribe(**asked)["SubscriptionArn"] == "pending confirmation"
    assert sns.subscribe(**asked, ReturnSubscriptionArn=True)["SubscriptionArn"].startswith(topic)

    def listed() -> str:
        (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return str(found["SubscriptionArn"])

    assert listed() == "PendingConfirmation"
    arn = account.emulator.confirm_subscription(topic, "a@example.com")
    assert listed() == arn
    assert sns.subscribe(**asked)["SubscriptionArn"] == arn


def test_alarms_go_on_after_their_account_was_saved_and_loaded(audited, tmp_path):
    # The last test here: the account that is loaded takes the place of the one that the tests share.
    put(audited, TreatMissingData="breaching", Period=3600)
    with StateFile(tmp_path / "account.state") as file:
        file.save(audited.emulator)
        loaded = file.load()
    loaded.use_clock(ManualClock(datetime(2026, 3, 3, tzinfo=UTC)))
    loaded.tick()
    from moto.cloudwatch.models import cloudwatch_backends

    (alarm,) = cloudwatch_backends["123456789012"]["eu-west-1"].alarms.values()
    assert alarm.state_value == "ALARM"
