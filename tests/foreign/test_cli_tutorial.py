"""The AWS CLI walks AWS's audit tutorial: roles, checks, schedule, audit, results, mitigation, notification, re-audit.

The walk is shared: each chapter does its part once, after the chapters that it builds on, whichever test asks first.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import AwsCli

pytestmark = pytest.mark.slow

CHECK = "LOGGING_DISABLED_CHECK"
ACTION = "EnableErrorLoggingAction"
MANAGED = "arn:aws:iam::aws:policy/service-role/"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
MAY_LOG = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": ["arn:aws:logs:*:*:*"],
        }
    ],
}
MAY_MITIGATE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iot:UpdateCertificate", "iot:SetV2LoggingOptions"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}},
        },
    ],
}


class Walk:
    """What each chapter of the tutorial brought; a chapter happens when it is asked for, once."""

    def __init__(self, aws: AwsCli) -> None:
        self.aws = aws

    @cached_property
    def roles(self) -> dict[str, str]:
        """Create the three roles, two calls at a time as their order does not matter; ARN by name."""
        names = ("AWSIoTDeviceDefenderAuditRole", "AWSIoTLoggingRole", "IoTMitigationActionErrorLoggingRole")

        def create(name: str) -> str:
            role = self.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", as_json(TRUST))
            if name == names[0]:
                for policy in ("AWSIoTDeviceDefenderAudit", "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction"):
                    self.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", MANAGED + policy)
            else:
                document = as_json(MAY_LOG if name == names[1] else MAY_MITIGATE)
                what = ("--role-name", name, "--policy-name", "Tutorial", "--policy-document", document)
                self.aws("iam", "put-role-policy", *what)
            return str(role["Role"]["Arn"])

        with ThreadPoolExecutor(2) as pool:
            return dict(zip(names, pool.map(create, names), strict=True))

    @cached_property
    def configuration(self) -> Any:
        """Enable the check and read the configuration back."""
        role = self.roles["AWSIoTDeviceDefenderAuditRole"]
        checks = as_json({CHECK: {"enabled": True}})
        self.aws(
            "iot", "update-account-audit-configuration", "--role-arn", role, "--audit-check-configurations", checks
        )
        return self.aws("iot", "describe-account-audit-configuration")

    @cached_property
    def schedule(self) -> tuple[Any, Any]:
        """Create a weekly audit; return the answer and the list."""
        assert self.configuration
        how = ("--frequency", "WEEKLY", "--day-of-week", "FRI", "--target-check-names", CHECK)
        created = self.aws("iot", "create-scheduled-audit", "--scheduled-audit-name", "WeeklyAudit", *how)
        return created, self.aws("iot", "list-scheduled-audits")

    @cached_property
    def first_audit(self) -> tuple[str, Any]:
        """Run the audit on demand; return its id and description."""
        assert self.configuration
        assert self.logging_before
        return self._audit()

    @cached_property
    def logging_before(self) -> str:
        """How the question for logging options is refused before anything has set them."""
        return self.aws.refused("iot", "get-v2-logging-options")

    @cached_property
    def finding(self) -> Any:
        """The one finding of the first audit."""
        (finding,) = self.aws("iot", "list-audit-findings", "--task-id", self.first_audit[0])["findings"]
        return finding

    @cached_property
    def action(self) -> Any:
        """Define the mitigation action and describe it."""
        params = {"enableIoTLoggingParams": {"roleArnForLogging": self.roles["AWSIoTLoggingRole"], "logLevel": "ERROR"}}
        role = self.roles["IoTMitigationActionErrorLoggingRole"]
        how = ("--role-arn", role, "--action-params", as_json(params))
        self.aws("iot", "create-mitigation-action", "--action-name", ACTION, *how)
        return self.aws("iot", "describe-mitigation-action", "--action-name", ACTION)

    @cached_property
    def mitigation(self) -> Any:
        """Apply the action to the finding; return the description of the ended task."""
        assert self.action
        target = as_json({"findingIds": [self.finding["findingId"]]})
        how = ("--target", target, "--audit-check-to-actions-mapping", as_json({CHECK: [ACTION]}))
        self.aws("iot", "start-audit-mitigation-actions-task", "--task-id", "EnableLogging", *how)
        self.aws.let_pass(seconds=5)
        return self.aws("iot", "describe-audit-mitigation-actions-task", "--task-id", "EnableLogging")

    @cached_property
    def queue(self) -> str:
        """Subscribe a queue to the topic and let audits notify it; return the URL of the queue."""
        topic = self.aws("sns", "create-topic", "--name", "IoTDDNotifications")["TopicArn"]
        url = str(self.aws("sqs", "create-queue", "--queue-name", "audits")["QueueUrl"])
        queue = f"arn:aws:sqs:{self.aws.region}:{self.aws.account}:audits"
        self.aws("sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue)
        role = self.roles["AWSIoTDeviceDefenderAuditRole"]
        target = as_json({"SNS": {"targetArn": topic, "roleArn": role, "enabled": True}})
        option = "--audit-notification-target-configurations"
        self.aws("iot", "update-account-audit-configuration", option, target)
        return url

    @cached_property
    def second_audit(self) -> tuple[str, Any]:
        """Run the audit again, after the mitigation and with the queue listening."""
        assert self.mitigation
        assert self.queue
        return self._audit()

    def _audit(self) -> tuple[str, Any]:
        task = str(self.aws("iot", "start-on-demand-audit-task", "--target-check-names", CHECK)["taskId"])
        self.aws.let_pass(seconds=5)
        return task, self.aws("iot", "describe-audit-task", "--task-id", task)


def as_json(document: Any) -> str:
    return json.dumps(document)


@pytest.fixture(scope="module")
def walk(aws: AwsCli) -> Walk:
    return Walk(aws)


def test_the_roles_are_created(walk: Walk) -> None:
    assert walk.roles == {
        name: f"arn:aws:iam::{walk.aws.account}:role/{name}"
        for name in ("AWSIoTDeviceDefenderAuditRole", "AWSIoTLoggingRole", "IoTMitigationActionErrorLoggingRole")
    }


def test_one_check_is_enabled_and_the_others_are_not(walk: Walk) -> None:
    states = walk.configuration["auditCheckConfigurations"]
    assert len(states) == 17
    assert [name for name, state in states.items() if state["enabled"]] == [CHECK]
    assert walk.configuration["roleArn"] == walk.roles["AWSIoTDeviceDefenderAuditRole"]


def test_the_audit_is_scheduled(walk: Walk) -> None:
    created, listed = walk.schedule
    arn = f"arn:aws:iot:{walk.aws.region}:{walk.aws.account}:scheduledaudit/WeeklyAudit"
    assert created == {"scheduledAuditArn": arn}
    weekly = {"scheduledAuditName": "WeeklyAudit", "frequency": "WEEKLY", "dayOfWeek": "FRI"}
    assert listed["scheduledAudits"] == [weekly | created]


def test_the_audit_on_demand_completes_and_is_not_compliant(walk: Walk) -> None:
    task_id, audit = walk.first_audit
    assert (audit["taskStatus"], audit["taskType"]) == ("COMPLETED", "ON_DEMAND_AUDIT_TASK")
    assert audit["auditDetails"] == {
        CHECK: {
            "checkRunStatus": "COMPLETED_NON_COMPLIANT",
            "checkCompliant": False,
            "totalResourcesCount": 1,
            "nonCompliantResourcesCount": 1,
            "suppressedNonCompliantResourcesCount": 0,
        }
    }
    # The CLI reads these times as text of ISO 8601 and sends what the service wants of them.
    span = ("--start-time", "2026-03-02T08:00:00Z", "--end-time", "2026-03-02T10:00:00Z")
    listed = walk.aws("iot", "list-audit-tasks", *span)["tasks"]
    assert {"taskId": task_id, "taskStatus": "COMPLETED", "taskType": "ON_DEMAND_AUDIT_TASK"} in listed


def test_the_result_is_one_finding_about_the_account(walk: Walk) -> None:
    finding = walk.finding
    assert (finding["checkName"], finding["severity"]) == (CHECK, "LOW")
    assert finding["reasonForNonComplianceCode"] == "LOGGING_DISABLED"
    assert finding["nonCompliantResource"] == {
        "resourceType": "ACCOUNT_SETTINGS",
        "resourceIdentifier": {"account": walk.aws.account},
    }
    described = walk.aws("iot", "describe-audit-finding", "--finding-id", finding["findingId"])
    assert described["finding"] == finding


def test_the_mitigation_action_is_defined(walk: Walk) -> None:
    action = walk.action
    assert action["actionType"] == "ENABLE_IOT_LOGGING"
    assert action["actionParams"]["enableIoTLoggingParams"]["logLevel"] == "ERROR"
    assert action["actionArn"].endswith(f":mitigationaction/{ACTION}")


def test_the_action_is_applied_to_the_finding(walk: Walk) -> None:
    assert walk.mitigation["taskStatus"] == "COMPLETED"
    counts = walk.mitigation["taskStatistics"][CHECK]
    assert (counts["totalFindingsCount"], counts["succeededFindingsCount"]) == (1, 1)
    which = ("--task-id", "EnableLogging", "--finding-id", walk.finding["findingId"])
    executions = walk.aws("iot", "list-audit-mitigation-actions-executions", *which)["actionsExecutions"]
    assert [(e["actionName"], e["status"]) for e in executions] == [(ACTION, "COMPLETED")]


def test_the_mitigation_has_switched_logging_on(walk: Walk) -> None:
    assert walk.mitigation
    assert walk.logging_before == "NotConfiguredException"
    assert walk.aws("iot", "get-v2-logging-options") == {
        "roleArn": walk.roles["AWSIoTLoggingRole"],
        "defaultLogLevel": "ERROR",
        "disableAllLogs": False,
    }


def test_the_audit_after_the_mitigation_is_compliant(walk: Walk) -> None:
    task_id, audit = walk.second_audit
    assert audit["taskStatistics"]["compliantChecks"] == audit["taskStatistics"]["totalChecks"] == 1
    assert audit["auditDetails"][CHECK]["checkCompliant"] is True
    assert walk.aws("iot", "list-audit-findings", "--task-id", task_id)["findings"] == []


def test_the_queue_is_told_that_the_audit_has_ended(walk: Walk) -> None:
    task_id, audit = walk.second_audit
    received = walk.aws("sqs", "receive-message", "--queue-url", walk.queue)
    assert received, "no message in the queue"
    (envelope,) = received["Messages"]
    message = json.loads(json.loads(envelope["Body"])["Message"])
    assert message == {
        "accountId": walk.aws.account,
        "taskId": task_id,
        "taskStatus": "COMPLETED",
        "taskType": "ON_DEMAND_AUDIT_TASK",
        "failedChecksCount": 0,
        "canceledChecksCount": 0,
        "nonCompliantChecksCount": 0,
        "compliantChecksCount": 1,
        "totalChecksCount": 1,
        "taskStartTime": round(audit["taskStartTime"] * 1000),
        "auditDetails": [
            {
                "checkName": CHECK,
                "checkRunStatus": "COMPLETED_COMPLIANT",
                "nonCompliantResourcesCount": 0,
                "totalResourcesCount": 1,
                "suppressedNonCompliantResourcesCount": 0,
            }
        ],
    }


def test_the_command_line_names_the_error_of_the_service(walk: Walk) -> None:
    assert walk.configuration
    assert walk.aws.refused("iot", "describe-audit-task", "--task-id", "0" * 32) == "ResourceNotFoundException"
    disabled = ("--target-check-names", "DEVICE_CERTIFICATE_AGE_CHECK")
    assert walk.aws.refused("iot", "start-on-demand-audit-task", *disabled) == "InvalidRequestException"
