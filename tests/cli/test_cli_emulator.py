"""`ddreport emulator` as a process: ready line, any credentials, an empty account, a port in use, an end in peace."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Ran

    Run = Callable[..., Ran]


@contextmanager
def emulator(*arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "ddreport", "emulator", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield json.loads(line), process
    finally:
        process.kill()
        process.communicate()


def iot(ready: dict[str, Any], **more: str) -> Any:
    keys = {"aws_access_key_id": "whoever", "aws_secret_access_key": "whatever"} | more
    return boto3.client("iot", endpoint_url=ready["endpoint"], region_name=ready["region"], **keys)


@pytest.mark.slow
def test_the_ready_line_leads_any_credentials_to_the_demo_account() -> None:
    with emulator() as (ready, process):
        assert set(ready) == {"endpoint", "account", "region", "fleet"}
        client = iot(ready)
        assert client.list_scheduled_audits()["scheduledAudits"]
        with urllib.request.urlopen(ready["endpoint"] + "/_ddreport/health") as health:
            assert json.load(health)["account"] == ready["account"]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in said


TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"},
}


def audit_role(ready: dict[str, Any]) -> str:
    keys = {"aws_access_key_id": "whoever", "aws_secret_access_key": "whatever"}
    iam = boto3.client("iam", endpoint_url=ready["endpoint"], region_name=ready["region"], **keys)
    role = iam.create_role(RoleName="Auditor", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": ["iot:Get*", "iot:List*", "iot:Describe*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="Auditor", PolicyName="read", PolicyDocument=document)
    return str(role)


@pytest.mark.slow
def test_an_empty_account_can_be_set_up_and_an_audit_takes_about_a_second() -> None:
    with emulator("--fleet", "none") as (ready, _):
        client = iot(ready)
        states = client.describe_account_audit_configuration()["auditCheckConfigurations"]
        assert len(states) == 17
        assert not any(state["enabled"] for state in states.values())
        with pytest.raises(client.exceptions.InvalidRequestException):
            client.start_on_demand_audit_task(targetCheckNames=["LOGGING_DISABLED_CHECK"])

        client.update_account_audit_configuration(
            roleArn=audit_role(ready), auditCheckConfigurations={"LOGGING_DISABLED_CHECK": {"enabled": True}}
        )
        task = client.start_on_demand_audit_task(targetCheckNames=["LOGGING_DISABLED_CHECK"])["taskId"]
        began = time.monotonic()
        seen = []
        while (status := client.describe_audit_task(taskId=task)["taskStatus"]) == "IN_PROGRESS":
            seen.append(status)
            assert time.monotonic() - began < 30
            time.sleep(0.05)
        assert seen
        assert status == "COMPLETED"
        findings = client.list_audit_findings(taskId=task)["findings"]
        assert [f["reasonForNonComplianceCode"] for f in findings] == ["LOGGING_DISABLED"]


@pytest.mark.slow
def test_a_port_in_use_is_told_with_the_next_step(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = run("emulator", "--fleet", "none", "--port", port)
    assert ran.code == 1
    assert str(port) in ran.err
    assert "Hint" in ran.err
