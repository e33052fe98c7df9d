"""Messages to SNS: an audit that has ended, and findings published by a mitigation action."""

from __future__ import annotations

import json
import logging
import queue
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
PUBLISHER = "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction"


@pytest.fixture
def topic(account):
    """Return a topic with an SQS queue that gets what is published, without SNS's envelope."""
    return account.client("sns").create_topic(Name="IoTDDNotifications")["TopicArn"]


@pytest.fixture
def received(account, topic):
    """Return a function that empties the topic's queue: the messages so far, in their envelopes."""
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read():
        messages = []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                messages.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    return read


@pytest.fixture
def notify(account, topic):
    """Return a function that configures the notification target."""

    def configure(*, policies=(PUBLISHER,), **members):
        role = account.emulator.create_service_role("Publisher", *policies)
        target = {"targetArn": topic, "roleArn": role, "enabled": True} | members
        account.iot.update_account_audit_configuration(auditNotificationTargetConfigurations={"SNS": target})

    return configure


def test_the_end_of_an_audit_is_told_in_the_words_of_aws(account, notify, received, topic):
    account.enable(LOGGING, EXPIRING)
    notify()
    account.certificate(400)
    task_id = account.audit(LOGGING, EXPIRING)
    (envelope,) = received()
    assert envelope["Type"] == "Notification"
    assert envelope["TopicArn"] == topic
    assert "Subject" not in envelope
    assert json.loads(envelope["Message"]) == {
        "accountId": "123456789012",
        "taskId": task_id,
        "taskStatus": "COMPLETED",
        "taskType": "ON_DEMAND_AUDIT_TASK",
        "failedChecksCount": 0,
        "canceledChecksCount": 0,
        "nonCompliantChecksCount": 1,
        "compliantChecksCount": 1,
        "totalChecksCount": 2,
        "taskStartTime": 1772442000000,
        "auditDetails": [
            {
                "checkName": LOGGING,
                "checkRunStatus": "COMPLETED_NON_COMPLIANT",
                "nonCompliantResourcesCount": 1,
                "totalResourcesCount": 1,
                "suppressedNonCompliantResourcesCount": 0,
            },
            {
                "checkName": EXPIRING,
                "checkRunStatus": "COMPLETED_COMPLIANT",
                "nonCompliantResourcesCount": 0,
                "totalResourcesCount": 1,
                "suppressedNonCompliantResourcesCount": 0,
            },
        ],
    }


def test_a_scheduled_audit_is_told_with_its_name_and_suppressed_resources(account, notify, received):
    account.enable(LOGGING)
    notify()
    account.iot.create_audit_suppression(
        checkName=LOGGING, resourceIdentifier={"account": "123456789012"}, suppressIndefinitely=True
    )
    account.iot.create_scheduled_audit(scheduledAuditName="Daily", frequency="DAILY", targetCheckNames=[LOGGING])
    account.advance(days=1)
    (message,) = [json.loads(envelope["Message"]) for envelope in received()]
    assert (message["scheduledAuditName"], message["taskType"]) == ("Daily", "SCHEDULED_AUDIT_TASK")
    assert message["auditDetails"][0]["suppressedNonCompliantResourcesCount"] == 1
    assert message["compliantChecksCount"] == 1


def test_a_failed_audit_is_told_with_the_reason(account, notify, received):
    account.enable(LOGGING)
    notify()
    account.emulator.fail_check(LOGGING, message="Not today.")
    account.audit(LOGGING)
    (message,) = [json.loads(envelope["Message"]) for envelope in received()]
    assert (message["taskStatus"], message["failedChecksCount"]) == ("FAILED", 1)
    assert message["auditDetails"] == [
        {
            "checkName": LOGGING,
            "checkRunStatus": "FAILED",
            "nonCompliantResourcesCount": 0,
            "totalResourcesCount": 0,
            "suppressedNonCompliantResourcesCount": 0,
            "errorCode": "INSUFFICIENT_PERMISSIONS",
            "message": "Not today.",
        }
    ]


def test_a_cancelled_audit_is_told_too(account, notify, received):
    account.enable(LOGGING)
    notify()
    account.iot.cancel_audit_task(taskId=account.start_audit(LOGGING))
    (message,) = [json.loads(envelope["Message"]) for envelope in received()]
    assert (message["taskStatus"], message["canceledChecksCount"]) == ("CANCELED", 1)
    assert message["auditDetails"][0]["checkRunStatus"] == "CANCELED"


def test_nobody_is_told_while_notifications_are_disabled(account, notify, received):
    account.enable(LOGGING)
    notify(enabled=False)
    account.audit(LOGGING)
    assert received() == []


def test_a_topic_of_another_region_is_told(account, notify, received):
    topic = account.client("sns", region_name="us-east-1").create_topic(Name="far")["TopicArn"]
    account.client("sns", region_name="us-east-1").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:inbox"
    )
    account.enable(LOGGING)
    notify(targetArn=topic)
    account.audit(LOGGING)
    assert len(received()) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"policies": ()}, "not allowed to perform sns:Publish"),
        ({"roleArn": "arn:aws:iam::123456789012:role/nobody"}, "does not exist or cannot be assumed"),
        ({"targetArn": "arn:aws:sns:eu-west-1:123456789012:gone"}, "does not exist"),
        ({"targetArn": "arn:aws:sns:mars-north-1:123456789012:t"}, "does not exist"),
        ({"targetArn": "arn:aws:sns:eu-west-1:999999999999:t"}, "no SNS topic of this account"),
        ({"targetArn": "nonsense"}, "no SNS topic of this account"),
    ],
)
def test_a_broken_role_or_topic_is_logged_and_the_audit_ends_as_ever(account, notify, received, caplog, change, why):
    account.enable(LOGGING)
    notify(**change)
    with caplog.at_level(logging.WARNING, logger="ddreport.emulation.notifications"):
        task_id = account.audit(LOGGING)
    assert account.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "COMPLETED"
    assert why in caplog.text
    assert received() == []


def test_a_fifo_topic_is_not_published_to(account, notify, caplog):
    topic = account.client("sns").create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    account.enable(LOGGING)
    notify(targetArn=topic)
    with caplog.at_level(logging.WARNING, logger="ddreport.emulation.notifications"):
        account.audit(LOGGING)
    assert "is a FIFO topic" in caplog.text


def test_a_subscription_to_a_queue_that_is_gone_does_not_keep_others_from_theirs(
    account, notify, received, topic, caplog
):
    gone = "arn:aws:sqs:eu-west-1:123456789012:gone"
    account.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone)
    account.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    account.enable(LOGGING)
    notify()
    with caplog.at_level(logging.WARNING, logger="ddreport.emulation.notifications"):
        account.audit(LOGGING)
    assert len(received()) == 1
    assert "was not served" in caplog.text


class _Subscriber:
    """An HTTP endpoint that keeps what is posted to it, and answers with what `reaction` says."""

    def __init__(self, reaction):
        self.posted = queue.Queue()
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = reaction(body)
                posted.put((self.headers, body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                del args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_an_http_subscriber_gets_the_message_and_may_ask_the_emulator_back(account, notify, topic):
    asked = []

    def ask_back(body):
        task_id = json.loads(json.loads(body)["Message"])["taskId"]
        asked.append(account.iot.list_audit_findings(taskId=task_id)["findings"])
        return 200

    account.enable(LOGGING)
    notify()
    with _Subscriber(ask_back) as subscriber:
        account.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
        account.audit(LOGGING)
        headers, body = subscriber.posted.get(timeout=20)
    assert headers["x-amz-sns-message-type"] == "Notification"
    assert headers["x-amz-sns-topic-arn"] == topic
    assert headers["x-amz-sns-message-id"] == json.loads(body)["MessageId"]
    assert len(asked[0]) == 1


def test_raw_delivery_has_no_envelope_and_a_filter_keeps_messages_away(account, notify, topic):
    account.enable(LOGGING)
    notify()
    with _Subscriber(lambda _: 500) as wanted, _Subscriber(lambda _: 200) as unwanted:
        sns = account.client("sns")
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=wanted.url, Attributes={"RawMessageDelivery": "true"})
        sns.subscribe(
            TopicArn=topic,
            Protocol="http",
            Endpoint=unwanted.url,
            Attributes={"FilterPolicy": json.dumps({"colour": ["red"]})},
        )
        task_id = account.audit(LOGGING)
        headers, body = wanted.posted.get(timeout=20)
        assert unwanted.posted.empty()
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert json.loads(body)["taskId"] == task_id


def test_a_subscriber_that_is_not_there_stops_nothing(account, notify, topic):
    account.enable(LOGGING)
    notify()
    sns = account.client("sns")
    for url in ("http://127.0.0.1:1/none", "http://[", "file:///etc/hostname"):
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    with _Subscriber(lambda _: 200) as subscriber:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
        account.audit(LOGGING)
        assert subscriber.posted.get(timeout=20)


# PUBLISH_FINDING_TO_SNS


@pytest.fixture
def publish(account):
    """Return a function that applies PUBLISH_FINDING_TO_SNS to all findings of an audit and gives the task."""

    def apply(audit, topic_arn):
        role = account.emulator.create_service_role("Teller", PUBLISHER)
        account.iot.create_mitigation_action(
            actionName="Tell", roleArn=role, actionParams={"publishFindingToSnsParams": {"topicArn": topic_arn}}
        )
        account.iot.start_audit_mitigation_actions_task(
            taskId="t", target={"auditTaskId": audit}, auditCheckToActionsMapping={EXPIRING: ["Tell"]}
        )
        account.emulator.advance(timedelta(minutes=1))
        return account.iot.describe_audit_mitigation_actions_task(taskId="t")

    return apply


def test_a_published_finding_is_the_finding_with_times_in_milliseconds(account, publish, topic, received):
    account.enable(EXPIRING)
    certificate_id = account.certificate(days=3)
    audit = account.audit(EXPIRING)
    assert publish(audit, topic)["taskStatus"] == "COMPLETED"
    (envelope,) = received()
    (finding,) = account.findings(audit)
    assert "Subject" not in envelope
    assert "MessageAttributes" not in envelope
    assert json.loads(envelope["Message"]) == {
        "findingId": finding["findingId"],
        "taskId": audit,
        "checkName": EXPIRING,
        "taskStartTime": 1772442000000,
        "findingTime": 1772442001000,
        "severity": "MEDIUM",
        "nonCompliantResource": {
            "resourceType": "DEVICE_CERTIFICATE",
            "resourceIdentifier": {"deviceCertificateId": certificate_id},
            "additionalInfo": {"EXPIRATION_TIME": "1772701200000"},
        },
        "reasonForNonCompliance": finding["reasonForNonCompliance"],
        "reasonForNonComplianceCode": "CERTIFICATE_APPROACHING_EXPIRATION",
        "isSuppressed": False,
    }


@pytest.mark.parametrize("topic_arn", ["arn:aws:sns:eu-west-1:123456789012:gone", "nonsense", "a:b:c:d:e:f"])
def test_a_topic_that_is_not_there_fails_the_execution(account, publish, topic_arn):
    account.enable(EXPIRING)
    account.certificate(days=3)
    audit = account.audit(EXPIRING)
    assert publish(audit, topic_arn)["taskStatus"] == "FAILED"
    (execution,) = account.iot.list_audit_mitigation_actions_executions(
        taskId="t", findingId=account.findings(audit)[0]["findingId"]
    )["actionsExecutions"]
    assert execution["errorCode"] == "INVALID_STATE_OF_RESOURCE"
