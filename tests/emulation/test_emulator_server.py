"""The emulator in its process and behind HTTP: accounts, services, errors, control, installation."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ddreport.emulation import Emulator, EmulatorServer, ManualClock, RunningClock
from ddreport.emulation.service_errors import InvalidRequestError
from ddreport.errors import EmulatorError, InputError
from ddreport.version import __version__

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOGGING = "LOGGING_DISABLED_CHECK"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260302/eu-west-1/iot/aws4_request, Signature=0"}


def ask(server, path, *, method="GET", body=None, headers=None):
    """Return status, headers and decoded body of a raw request."""
    request = urllib.request.Request(
        server.endpoint + path, data=body, method=method, headers=SIGNED if headers is None else headers
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, json.loads(refusal.read())


def tell(server, path, members, **options):
    headers = {"Content-Type": "application/json"}
    return ask(server, path, method="POST", body=json.dumps(members).encode(), headers=headers, **options)


# What every answer has


def test_every_answer_says_that_it_is_emulated_and_when(account):
    for path in ("/audit/configuration", "/audit/tasks/unknown", "/_ddreport/health", "/no/such/path"):
        _, headers, _ = ask(account.server, path)
        assert headers["x-ddreport-emulator"] == __version__
        assert headers.get_all("Date") == ["Mon, 02 Mar 2026 09:00:00 GMT"]


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "code"),
    [
        ("/audit/tasks/unknown", "GET", None, 404, "ResourceNotFoundException"),
        ("/audit/tasks", "GET", None, 400, "InvalidRequestException"),
        ("/audit/tasks", "POST", b"{", 400, "SerializationException"),
        ("/audit/tasks", "POST", b"\xff\xff", 400, "SerializationException"),
        ("/audit/tasks", "POST", b'{"targetCheckNames": "A"}', 400, "SerializationException"),
        ("/audit/tasks", "POST", b'{"targetCheckNames": ["&Action=Evil"]}', 400, "InvalidRequestException"),
        ("/audit/tasks", "POST", b" " * 5_000_000, 413, "RequestEntityTooLargeException"),
        ("/no/such/path", "GET", None, 404, "UnknownOperationException"),
        ("/security-profiles", "GET", None, 501, "NotImplementedException"),
    ],
)
def test_errors_have_the_shape_of_aws(account, path, method, body, status, code):
    got, headers, answer = ask(account.server, path, method=method, body=body)
    assert (got, headers["x-amzn-ErrorType"]) == (status, code)
    assert headers["Content-Type"] == "application/json"
    assert headers["x-amzn-RequestId"]
    assert answer["message"]


def test_an_unforeseen_failure_becomes_an_internal_failure_and_is_logged(account, monkeypatch, caplog, refused):
    def fail(_):
        raise ZeroDivisionError("for a test")

    monkeypatch.setitem(account.emulator.audit().operations, "DescribeAuditTask", fail)
    with caplog.at_level(logging.ERROR, logger="ddreport.emulation.server"):
        code, status, message = refused(lambda: account.iot.describe_audit_task(taskId="a"))
    assert (code, status) == ("InternalFailureException", 500)
    assert "ZeroDivision" not in message
    assert "for a test" in caplog.text


def test_a_region_that_does_not_exist_is_refused(account, refused):
    client = account.client("iot", region_name="mars-north-1")
    assert refused(client.describe_account_audit_configuration)[0] == "InvalidRequestException"


# Accounts and services


def test_one_endpoint_serves_the_other_services_too(account):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="reports", Key="a.html", Body=b"<p>")
    assert s3.get_object(Bucket="reports", Key="a.html")["Body"].read() == b"<p>"
    assert account.client("sns").create_topic(Name="t")["TopicArn"].endswith(":123456789012:t")
    assert account.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert account.client("cloudwatch").list_metrics(Namespace="AWS/IoT")["Metrics"] == []
    pool = account.client("cognito-identity").create_identity_pool(
        IdentityPoolName="p", AllowUnauthenticatedIdentities=True
    )
    assert pool["IdentityPoolId"].startswith("eu-west-1:")
    assert account.client("iam").create_user(UserName="u")["User"]["CreateDate"] == START


def test_managed_policies_of_the_audit_can_be_attached(account):
    iam = account.client("iam")
    arn = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit"
    account.emulator.create_service_role("R", "AWSIoTDeviceDefenderAudit")
    attached = iam.list_attached_role_policies(RoleName="R")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSIoTDeviceDefenderAudit", "PolicyArn": arn}]


def test_a_role_of_another_account_leads_to_that_account_which_is_empty(account):
    account.certificate()
    credentials = account.client("sts").assume_role(
        RoleArn="arn:aws:iam::222222222222:role/reader", RoleSessionName="session"
    )["Credentials"]
    other = account.client(
        "iot",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    assert other.list_certificates()["certificates"] == []
    assert "roleArn" not in other.describe_account_audit_configuration()


def test_temporary_credentials_expire_by_the_real_clock(account):
    # The client compares with its own clock, whatever the emulated time is.
    expiry = account.client("sts").assume_role(RoleArn="arn:aws:iam::222222222222:role/r", RoleSessionName="session")[
        "Credentials"
    ]["Expiration"]
    assert expiry > datetime.now(UTC) + timedelta(minutes=30)


# The control API


def test_health_tells_account_region_time_and_version(account):
    status, _, body = ask(account.server, "/_ddreport/health")
    assert status == 200
    assert body == {
        "account": "123456789012",
        "region": "eu-west-1",
        "now": "2026-03-02T09:00:00+00:00",
        "version": __version__,
    }


def test_the_time_can_be_moved_from_outside(account):
    account.enable(LOGGING)
    task_id = account.start_audit(LOGGING)
    status, _, body = tell(account.server, "/_ddreport/advance", {"seconds": 3600})
    assert (status, body["now"]) == (200, "2026-03-02T10:00:00+00:00")
    assert account.iot.describe_audit_task(taskId=task_id)["taskStatus"] == "COMPLETED"


def test_connections_can_be_told_from_outside(account):
    check = "DEVICE_CERTIFICATE_SHARED_CHECK"
    account.enable(check)
    certificate_id = account.certificate()
    rows = [
        {"certificateId": certificate_id, "clientId": "a", "connected": "2026-03-01T00:00:00Z"},
        {
            "certificateId": certificate_id,
            "clientId": "b",
            "connected": "2026-03-01T01:00:00+00:00",
            "disconnected": "2026-03-01T02:00:00Z",
        },
    ]
    assert tell(account.server, "/_ddreport/connections", {"connections": rows})[2] == {"recorded": 2}
    assert len(account.findings(account.audit(check))) == 1


FINE = {"certificateId": "c", "clientId": "a", "connected": "2026-03-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "members", "status"),
    [
        ("advance", {}, 400),
        ("advance", {"seconds": -1}, 400),
        ("advance", {"seconds": "1"}, 400),
        ("advance", {"seconds": True}, 400),
        ("advance", {"seconds": 1e12}, 400),
        ("advance", [], 400),
        ("connections", {}, 400),
        ("connections", {"connections": ["x"]}, 400),
        ("connections", {"connections": [{}]}, 400),
        ("connections", {"connections": [FINE | {"connected": "yesterday"}]}, 400),
        ("connections", {"connections": [FINE | {"connected": "2026-03-01T00:00:00"}]}, 400),
        ("connections", {"connections": [FINE | {"disconnected": "2026-02-01T00:00:00Z"}]}, 400),
        ("connections", {"connections": [FINE | {"clientId": 5}]}, 400),
        ("nothing", {}, 404),
        ("health", {}, 404),
    ],
)
def test_nonsense_to_the_control_api_is_refused_with_a_message(account, path, members, status):
    got, _, body = tell(account.server, f"/_ddreport/{path}", members)
    assert got == status
    assert body["message"]
    assert not list(account.emulator.audit().connections)


def test_the_control_api_takes_only_json(account):
    for headers in ({}, {"Content-Type": "text/plain"}):
        status, _, _ = ask(account.server, "/_ddreport/advance", method="POST", body=b'{"seconds": 1}', headers=headers)
        assert status == 415
    headers = {"Content-Type": "application/json"}
    status, _, _ = ask(account.server, "/_ddreport/advance", method="POST", body=b"{", headers=headers)
    assert status == 400


# The server


def test_a_port_in_use_is_said_with_the_next_step(account):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorError, match=f"port {port} on 127.0.0.1 is in use.*Hint: choose another port"):
            EmulatorServer(account.emulator, port=port).start()


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 0), ("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_an_address_that_cannot_be_used_is_said(account, host, port):
    with pytest.raises(EmulatorError, match="cannot listen on"):
        EmulatorServer(account.emulator, host=host, port=port).start()


def test_starting_and_stopping_twice_is_fine_and_a_stopped_server_has_no_endpoint(account):
    server = EmulatorServer(account.emulator)
    with server:
        assert server.start().endpoint == f"http://127.0.0.1:{server.port}"
    server.stop()
    with pytest.raises(EmulatorError, match="not running"):
        _ = server.endpoint


def test_listening_beyond_this_machine_is_warned_about(account, caplog):
    with caplog.at_level(logging.WARNING, logger="ddreport.emulation.server"):
        with EmulatorServer(account.emulator, host="0.0.0.0"):
            pass
        with EmulatorServer(account.emulator, host="127.0.0.2"):
            pass
    assert caplog.text.count("other machines may reach") == 1


def test_two_servers_of_one_emulator_show_one_account(account):
    with EmulatorServer(account.emulator) as second:
        account.enable(LOGGING)
        assert ask(second, "/audit/configuration")[2]["roleArn"]


# The emulator in its process


def test_calls_in_the_process_are_validated_like_those_on_the_wire(account):
    with pytest.raises(InvalidRequestError, match="Member must have value"):
        account.emulator.call("ListAuditFindings", taskId="a", maxResults=1000)


def test_an_unknown_operation_check_or_managed_policy_is_said(account):
    with pytest.raises(InputError, match="Did you mean 'ListAuditTasks'"):
        account.emulator.call("ListAuditTask")
    with pytest.raises(InputError, match="Did you mean 'LOGGING_DISABLED_CHECK'"):
        account.emulator.fail_check("LOGGING_DISABLED_CHEK")
    with pytest.raises(InputError, match="Did you mean 'AWSIoTLogging'"):
        account.emulator.create_service_role("R", "AWSIoTLoging")
    with pytest.raises(InputError, match="12 digits"):
        Emulator(ManualClock(START), account="123")


def test_a_history_goes_on_with_a_running_clock(account):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName="D", frequency="DAILY", targetCheckNames=[LOGGING])
    account.advance(days=3)
    real = [0.0]
    account.emulator.use_clock(RunningClock(account.now(), speed=3600, monotonic=lambda: real[0]))
    real[0] += 48
    tasks = account.iot.list_audit_tasks(startTime=START, endTime=START + timedelta(days=9))["tasks"]
    assert len(tasks) == 5
    account.emulator.advance(timedelta(days=1))
    assert len(account.iot.list_audit_tasks(startTime=START, endTime=START + timedelta(days=9))["tasks"]) == 6
    with pytest.raises(EmulatorError, match="cannot be moved to a moment"):
        account.emulator.advance_to(START + timedelta(days=20))


def test_an_event_happens_at_its_own_time_however_late_the_clock_is_read(account):
    account.enable(LOGGING)
    account.iot.create_scheduled_audit(scheduledAuditName="D", frequency="DAILY", targetCheckNames=[LOGGING])
    due = account.emulator.audit().scheduled_audits.next_due()
    account.emulator.clock.set(due + timedelta(hours=5))
    task = account.iot.list_audit_tasks(startTime=START, endTime=account.now())["tasks"][0]
    assert account.iot.describe_audit_task(taskId=task["taskId"])["taskStartTime"] == due


def test_an_earlier_clock_or_moment_is_refused(account):
    with pytest.raises(EmulatorError, match="already"):
        account.emulator.use_clock(ManualClock(START - timedelta(days=1)))
    with pytest.raises(InputError, match="cannot go back"):
        account.emulator.advance_to(START - timedelta(days=1))


def test_a_reset_forgets_everything(account):
    account.enable(LOGGING)
    account.certificate()
    account.emulator.reset()
    assert account.iot.list_certificates()["certificates"] == []
    assert "roleArn" not in account.iot.describe_account_audit_configuration()


def test_the_reset_of_moto_forgets_everything_too(account):
    account.enable(LOGGING)
    assert ask(account.server, "/moto-api/reset", method="POST")[2] == {"status": "ok"}
    assert "roleArn" not in account.iot.describe_account_audit_configuration()


def test_connections_need_times_that_make_sense(account):
    with pytest.raises(InputError, match="before it begins"):
        account.emulator.connect_device("c", "a", START, START - timedelta(hours=1))
    with pytest.raises(InputError, match="without a time zone"):
        account.emulator.connect_device("c", "a", datetime(2026, 3, 1))


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_closing_leaves_moto_as_it_was_and_a_newer_emulator_takes_over():
    done = run(
        """
from datetime import UTC, datetime
import boto3, moto.iot.models as models, moto.core.utils as utils
from moto.iot.urls import url_paths
before = dict(url_paths), models.iot_backends.backend, models.utcnow, models.iot_use_valid_cert
from ddreport.emulation import Emulator, ManualClock
from ddreport.errors import EmulatorError

def refused(action):
    try:
        action()
    except EmulatorError as error:
        return "another one has taken its place" in str(error)

first = Emulator(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
first.iot().create_thing("a", None, None)
second = Emulator(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
assert refused(first.iot) and refused(first.tick) and refused(first.audit)
assert not second.iot().things
first.close()
assert models.utcnow().year == 2026 and second.iot() is not None
second.close()
second.close()
assert refused(second.iot)
after = dict(url_paths), models.iot_backends.backend, models.utcnow, models.iot_use_valid_cert
assert [str(b) for b in before] == [str(a) for a in after], (before, after)
assert utils.utcnow is models.utcnow
"""
    )
    assert done.returncode == 0, done.stderr


def test_without_the_extra_the_package_imports_and_its_use_says_what_to_install():
    done = run(
        """
import sys
sys.modules["moto"] = None
import ddreport.emulation
from ddreport.emulation import ManualClock
from ddreport.errors import MissingExtraError
for name in ("Emulator", "EmulatorServer"):
    try:
        getattr(ddreport.emulation, name)
    except MissingExtraError as error:
        assert "needs the package 'moto'" in str(error) and "ddreport[emulator]" in str(error), error
    else:
        raise SystemExit("no error")
"""
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import ddreport.emulation

    with pytest.raises(AttributeError, match="no attribute 'Emu'"):
        _ = ddreport.emulation.Emu


def test_many_clients_at_once_do_no_harm(account):
    from concurrent.futures import ThreadPoolExecutor

    account.enable(LOGGING)

    def work(_):
        try:
            return account.start_audit(LOGGING)
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(24)))
    started = [r for r in results if r != "LimitExceededException"]
    assert len(started) == len(set(started)) == 10


def test_an_operation_that_nobody_emulates_is_told_apart_from_a_failure():
    once = Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "eu-west-1", "config": once}
    with Emulator(ManualClock(START)) as emulator, EmulatorServer(emulator) as server:
        iam = boto3.client("iam", endpoint_url=server.endpoint, **keys)
        with pytest.raises(ClientError, match="has not been implemented") as caught:
            iam.get_context_keys_for_custom_policy(PolicyInputList=["{}"])
    assert caught.value.response["Error"]["Code"] == "NotImplementedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
