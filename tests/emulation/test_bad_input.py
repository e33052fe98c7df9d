"""Whatever is sent over HTTP, the answer has AWS's shape, and never is a failure of the emulator itself."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddreport.emulation.service_model import operation_model, service_model

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
JSON = {"Content-Type": "application/json"}
MOTO_OPERATIONS = (
    "AttachPolicy",
    "AttachThingPrincipal",
    "CancelJob",
    "CreateJob",
    "CreatePolicy",
    "CreatePolicyVersion",
    "CreateThing",
    "CreateThingGroup",
    "CreateTopicRule",
    "DeleteJob",
    "DescribeThing",
    "ListThings",
    "ListThingTypes",
    "RegisterCACertificate",
    "RegisterCertificate",
    "RegisterCertificateWithoutCA",
    "SearchIndex",
    "UpdateCertificate",
    "UpdateThing",
)


def operation_names():
    beginnings = ("/audit/", "/mitigationactions/", "/v2Logging", "/loggingOptions", "/tags", "/untag")
    model = service_model()
    ours = [n for n in model.operation_names if operation_model(n).http["requestUri"].startswith(beginnings)]
    return sorted({*ours, *MOTO_OPERATIONS})


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from([LOGGING, "arn:aws:iot:eu-west-1:123456789012:thing/x", "<script>", "2026-03-02", "a" * 3000])
)
ANYTHING = st.recursive(
    SCALARS, lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(max_size=8), items, max_size=3)
)


def nearly(shape, depth=0):
    """Return a strategy of values that have the shape of the model here and there, and something else elsewhere."""
    fitting = {
        "string": st.sampled_from([*shape.metadata.get("enum", []), LOGGING, "x", "1", ""]),
        "integer": st.integers(-1, 300),
        "long": st.integers(-1, 300),
        "boolean": st.booleans(),
        "timestamp": st.sampled_from([0, 1772442000, -1e15, "2026-03-02T09:00:00Z"]),
    }
    if depth > 4:
        return ANYTHING
    if shape.type_name == "structure":
        members = {n: nearly(m, depth + 1) for n, m in shape.members.items()}
        return ANYTHING | st.fixed_dictionaries({}, optional=members)
    if shape.type_name == "list":
        return ANYTHING | st.lists(nearly(shape.member, depth + 1), max_size=2)
    if shape.type_name == "map":
        return ANYTHING | st.dictionaries(st.sampled_from([LOGGING, "x"]), nearly(shape.value, depth + 1), max_size=2)
    return fitting.get(shape.type_name, ANYTHING) | ANYTHING


@st.composite
def requests(draw):
    """Return method, path, query, body and headers of a request to one operation, right or wrong."""
    model = operation_model(draw(st.sampled_from(operation_names())))
    path, body, query, headers = model.http["requestUri"], {}, [], {}
    for name, member in model.input_shape.members.items() if model.input_shape else ():
        if "location" not in member.serialization and draw(st.integers(0, 4)) == 0:
            continue
        value = draw(nearly(member))
        text = quote(str(value) or "-", safe="")
        match member.serialization.get("location"):
            case "uri":
                path = path.replace("{" + member.serialization["name"] + "}", text)
            case "querystring":
                query.append(f"{member.serialization['name']}={text}")
            case "header":
                headers[member.serialization["name"]] = text
            case _:
                body[name] = value
    raw = json.dumps(body).encode()
    if draw(st.integers(0, 9)) == 0:
        raw = draw(st.binary(max_size=40) | st.sampled_from([raw[:-1], raw + b"}", b"[]", b"null", b"\xff" + raw]))
    return model.http["method"], path + ("?" + "&".join(query) if query else ""), raw, headers


@pytest.fixture
def failures(caplog):
    """Return the log of what failed inside the emulator."""
    caplog.set_level(logging.ERROR, logger="ddreport.emulation.server")
    return caplog.records


def assert_aws_shape(status, headers, answer):
    assert status < 500 or status == 501
    assert headers.get_content_type() == "application/json"
    if status >= 300:
        assert re.fullmatch(r"[A-Za-z]+Exception", headers["x-amzn-ErrorType"])
        assert "Traceback" not in str(answer)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(request=requests())
def test_whatever_is_sent_the_answer_has_the_shape_of_aws(wire, failures, request):
    status, headers, answer = wire(*request)
    assert_aws_shape(status, headers, answer)
    assert failures == []


# Sizes


def test_a_body_that_is_too_large_is_refused_before_anyone_reads_it_as_json(wire):
    body = b'{"targetCheckNames": ["' + b"a" * 10 * 1024 * 1024 + b'"]}'
    status, headers, _ = wire("POST", "/audit/tasks", body)
    assert (status, headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")


def test_a_body_without_a_length_is_cut_off_as_well(wire):
    pieces = (b"a" * 1024 * 1024 for _ in range(10))
    status, headers, _ = wire("POST", "/audit/tasks", pieces)
    assert (status, headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")


def test_a_small_body_without_a_length_is_read(account, wire):
    account.enable(LOGGING)
    body = iter([b'{"targetCheckNames":', b'["LOGGING_DISABLED_CHECK"]}'])
    assert wire("POST", "/audit/tasks", body)[0] == 200


def test_a_compressed_body_is_no_json_and_is_not_blown_up(wire):
    bomb = gzip.compress(b" " * 50_000_000)
    status, headers, _ = wire("POST", "/audit/tasks", bomb, {"Content-Encoding": "gzip"})
    assert (status, headers["x-amzn-ErrorType"]) == (400, "SerializationException")


def test_a_deep_or_long_document_is_refused_as_any_other(wire):
    for body in (b'{"a":' * 100_000, b"[" * 200_000, b'{"targetCheckNames": [' + b'"a",' * 200_000 + b'"a"]}'):
        status, headers, _ = wire("POST", "/audit/tasks", body)
        assert_aws_shape(status, headers, "")
        assert status == 400


def test_the_control_api_has_a_limit_too(wire):
    status, _, answer = wire("POST", "/_ddreport/connections", b" " * 17 * 1024 * 1024, JSON)
    assert status == 413
    assert answer["message"]


def test_long_paths_and_queries_are_refused(wire):
    assert wire("GET", "/audit/tasks/" + "a" * 5_000)[0] == 400
    assert wire("GET", "/audit/scheduledaudits?nextToken=" + "a" * 30_000)[0] == 400


def test_half_a_request_harms_nobody(account):
    for start in (
        b"POST /audit/tasks HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"\x16\x03\x01\x00",
        b"GET / HTTP/9.9\r\n",
    ):
        with socket.create_connection(("127.0.0.1", account.server.port), timeout=10) as connection:
            connection.sendall(start)
    account.iot.list_scheduled_audits()


# Accounts, regions, certificates, policies


@pytest.mark.parametrize("account_id", ["", "123", "12345678901x", "../../etc", "1" * 13, "<b>"])
def test_an_account_that_cannot_be_is_refused(wire, account_id):
    status, headers, answer = wire("GET", "/audit/configuration", None, {"x-moto-account-id": account_id})
    assert (status, headers["x-amzn-ErrorType"]) == (403, "UnrecognizedClientException")
    assert answer["message"]


def test_an_account_nobody_has_used_is_empty_and_not_configured(wire):
    status, _, answer = wire("GET", "/audit/configuration", None, {"x-moto-account-id": "999999999999"})
    assert status == 200
    assert "roleArn" not in answer
    assert not any(check["enabled"] for check in answer["auditCheckConfigurations"].values())


def damaged(pem):
    body = "".join(pem.splitlines()[1:-1])
    der = base64.b64decode(body)
    head, foot = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n"
    return {
        "no PEM": "hello",
        "only dashes": head + foot,
        "cut off": pem[: len(pem) // 2],
        "other bytes": head + base64.b64encode(der[:40] + b"\x00" * 8 + der[48:]).decode() + foot,
        "half of the bytes": head + base64.b64encode(der[: len(der) // 2]).decode() + foot,
        "no Base64": head + "%%%%" + foot,
        "far too long": head + "A" * 100_000 + foot,
    }


@pytest.mark.parametrize("call", ["register_certificate", "register_certificate_without_ca", "register_ca_certificate"])
def test_a_pem_that_is_no_certificate_is_refused(account, failures, call):
    member = "caCertificate" if call == "register_ca_certificate" else "certificatePem"
    key = account.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for how, pem in (damaged(account.pem()) | {"a key": key}).items():
        with pytest.raises(ClientError) as caught:
            getattr(account.client("iot"), call)(**{member: pem})
        code = caught.value.response["Error"]["Code"]
        assert code in ("CertificateValidationException", "InvalidRequestException"), how
    assert failures == []
    assert account.iot.list_certificates()["certificates"] == []


@pytest.mark.parametrize("document", ["", "{", "[]", "null", '"text"', '{"Statement": 5}', "{}", "\x00"])
def test_a_policy_that_is_none_is_refused(account, failures, document):
    with pytest.raises(ClientError) as caught:
        account.client("iot").create_policy(policyName="p", policyDocument=document)
    assert caught.value.response["Error"]["Code"] in ("MalformedPolicyException", "InvalidRequestException")
    assert failures == []


# Many at once


def hammer(work, *, threads=8, rounds=6):
    """Let threads do `work(number)` and return what came of it: a value, or the code of AWS's error."""

    def attempt(number):
        try:
            return work(number)
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(attempt, range(threads * rounds)))


def test_many_creators_of_one_schedule_make_one(account, failures):
    account.enable(LOGGING)

    def create(_):
        return account.iot.create_scheduled_audit(
            scheduledAuditName="S", frequency="DAILY", targetCheckNames=[LOGGING]
        )["scheduledAuditArn"]

    results = hammer(create)
    assert results.count("arn:aws:iot:eu-west-1:123456789012:scheduledaudit/S") == 1
    assert set(results) - {"ResourceAlreadyExistsException"} == {"arn:aws:iot:eu-west-1:123456789012:scheduledaudit/S"}
    assert failures == []


def test_a_quota_holds_against_many_at_once(account, failures):
    account.enable(LOGGING)

    def create(number):
        account.iot.create_scheduled_audit(
            scheduledAuditName=f"S{number}", frequency="DAILY", targetCheckNames=[LOGGING]
        )

    results = hammer(create)
    assert results.count(None) == 5
    assert set(results) == {None, "LimitExceededException"}
    assert failures == []


def test_writers_readers_audits_and_the_clock_get_along(account, failures, control):
    account.enable(LOGGING, EXPIRING)
    pems = [account.pem(days=3) for _ in range(64)]

    def work(number):
        iot = account.iot
        match number % 8:
            case 0 | 1:
                iot.register_certificate_without_ca(certificatePem=pems[number], status="ACTIVE")
            case 2:
                account.start_audit(LOGGING, EXPIRING)
            case 3:
                iot.create_thing(thingName=f"t{number}")
                iot.list_things()
            case 4:
                iot.list_audit_findings(startTime=account.now() - timedelta(days=1), endTime=account.now())
            case 5:
                iot.create_audit_suppression(
                    checkName=LOGGING, resourceIdentifier={"account": "123456789012"}, suppressIndefinitely=True
                )
                iot.delete_audit_suppression(checkName=LOGGING, resourceIdentifier={"account": "123456789012"})
            case 6:
                control("advance", {"seconds": 2})
            case 7:
                iot.create_policy(policyName=f"p{number}", policyDocument='{"Version": "2012-10-17", "Statement": []}')
                iot.list_policies()

    results = hammer(work, rounds=8)
    assert set(results) <= {None, "ResourceAlreadyExistsException", "LimitExceededException"}
    account.advance(seconds=5)
    tasks = account.iot.list_audit_tasks(startTime=account.now() - timedelta(days=1), endTime=account.now())["tasks"]
    assert len(tasks) == 8
    for task in tasks:
        details = account.iot.describe_audit_task(taskId=task["taskId"])["auditDetails"]
        found = account.findings(task["taskId"], checkName=EXPIRING)
        assert details[EXPIRING]["nonCompliantResourcesCount"] == len(found)
    assert len(account.findings(account.audit(EXPIRING))) == 16
    assert failures == []
