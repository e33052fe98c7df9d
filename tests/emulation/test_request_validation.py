"""Requests against the service model, reading them from the wire, and pages. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddreport.emulation.paging import encode_token, page_of
from ddreport.emulation.service_errors import InvalidRequestError, SerializationError
from ddreport.emulation.service_model import operation_model, parse_request, service_model
from ddreport.emulation.validation import compile_pattern, validate_request


@pytest.mark.parametrize(
    ("operation", "params", "constraint"),
    [
        ("ListAuditFindings", {"maxResults": 251}, "'maxResults'.*less than or equal to 250"),
        ("ListAuditFindings", {"maxResults": 0}, "'maxResults'.*greater than or equal to 1"),
        ("ListAuditFindings", {"taskId": "a" * 41}, "'taskId'.*length less than or equal to 40"),
        ("ListAuditFindings", {"taskId": "a_b"}, "'taskId'.*regular expression"),
        ("ListAuditFindings", {"resourceIdentifier": {"account": "12345678901x"}}, "'resourceIdentifier.account'"),
        ("DescribeAuditTask", {}, "'taskId'.*must not be null"),
        ("CreateScheduledAudit", {"scheduledAuditName": "a"}, "2 validation errors detected"),
        ("ListMitigationActions", {"actionType": "DANCE"}, r"enum value set: \[UPDATE_DEVICE_CERTIFICATE, "),
        (
            "StartAuditMitigationActionsTask",
            {
                "taskId": "t",
                "clientRequestToken": "t",
                "target": {"findingIds": ["f"] * 26},
                "auditCheckToActionsMapping": {"C": ["a"] * 6},
            },
            r"'target.findingIds'.*'auditCheckToActionsMapping.C.value'",
        ),
        ("TagResource", {"resourceArn": "a", "tags": [{"Value": "b"}]}, "'tags.1.member.Key'.*not be null"),
    ],
)
def test_violations_are_named_in_the_words_of_aws(operation, params, constraint):
    with pytest.raises(InvalidRequestError, match=constraint):
        validate_request(operation_model(operation), params)


@pytest.mark.parametrize(
    ("key", "fine"), [("team name", True), ("größe/1", True), ("a\u00a0b", True), ("tab\there", False), ("a;b", False)]
)
def test_java_character_classes_are_understood(key, fine):
    pattern = compile_pattern(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$")
    assert bool(pattern.fullmatch(key)) is fine


def test_every_pattern_of_the_model_is_understood():
    model = service_model()
    patterns = [model.shape_for(name).metadata.get("pattern") for name in model.shape_names]
    assert len([compile_pattern(pattern) for pattern in patterns if pattern]) > 100


def test_the_text_of_a_hostile_value_is_not_repeated():
    with pytest.raises(InvalidRequestError) as caught:
        validate_request(operation_model("DescribeAuditTask"), {"taskId": "<script>"})
    assert "<script>" not in str(caught.value)


def parsed(name, *, path=None, query=None, body=b""):
    return parse_request(operation_model(name), path=path or {}, query=query or {}, body=body)


def test_members_come_from_path_query_and_body():
    body = json.dumps({"frequency": "DAILY", "targetCheckNames": ["A"], "unknown": 1, "tags": None}).encode()
    params = parsed("CreateScheduledAudit", path={"scheduledAuditName": "S"}, body=body)
    assert params == {"scheduledAuditName": "S", "frequency": "DAILY", "targetCheckNames": ["A"]}


def test_a_payload_member_is_the_whole_body():
    params = parsed("SetLoggingOptions", body=b'{"roleArn": "r", "logLevel": "INFO"}')
    assert params == {"loggingOptionsPayload": {"roleArn": "r", "logLevel": "INFO"}}


@pytest.mark.parametrize(
    "text", ["2026-03-02T09:00:00Z", "2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00", "1772442000"]
)
def test_times_in_a_query_are_iso_or_epoch_seconds(text):
    params = parsed("ListAuditTasks", query={"startTime": text})
    assert params["startTime"] == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_times_in_a_body_are_epoch_seconds():
    params = parsed("ListAuditFindings", body=b'{"startTime": 1772442000.5}')
    assert params["startTime"] == datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"maxResults": "250"}',
        b'{"maxResults": true}',
        b'{"maxResults": 2.5}',
        b'{"taskId": 5}',
        b'{"listSuppressedFindings": "yes"}',
        b'{"resourceIdentifier": []}',
        b'{"startTime": {}}',
        b'{"startTime": 1e300}',
        b'{"startTime": -1}',
        b'{"startTime": "yesterday"}',
    ],
)
def test_a_body_of_the_wrong_form_is_a_serialization_error(body):
    with pytest.raises(SerializationError):
        parsed("ListAuditFindings", body=body)


@pytest.mark.parametrize(
    "query", [{"maxResults": "many"}, {"startTime": "soon"}, {"startTime": "1e300"}, {"startTime": "nan"}]
)
def test_a_query_that_cannot_be_read_is_an_invalid_request(query):
    with pytest.raises(InvalidRequestError):
        parsed("ListAuditTasks", query=query)


def test_a_flag_in_a_query_is_true_or_false():
    assert parsed("DeleteAccountAuditConfiguration", query={"deleteScheduledAudits": "true"}) == {
        "deleteScheduledAudits": True
    }
    with pytest.raises(InvalidRequestError):
        parsed("DeleteAccountAuditConfiguration", query={"deleteScheduledAudits": "maybe"})


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=60), st.integers(1, 25))
def test_any_page_size_gives_each_item_once(numbers, size):
    numbers.sort()
    seen, token = [], None
    while True:
        params = {"maxResults": size, "filter": "x"} | ({"nextToken": token} if token else {})
        page, token = page_of(numbers, params, scope="numbers", key=lambda n: (n,))
        seen += page
        if token is None:
            break
    assert seen == numbers


def test_the_default_page_has_25_items():
    page, token = page_of(range(26), {}, scope="numbers", key=lambda n: (n,))
    assert len(page) == 25
    assert token is not None


@pytest.mark.parametrize("token", ["", "x", "e30=", "W10=", "Ww==", encode_token("other", {}, [1]), "€"])
def test_tokens_of_nobody_are_refused(token):
    with pytest.raises(InvalidRequestError):
        page_of(range(5), {"nextToken": token}, scope="numbers", key=lambda n: (n,))


@pytest.mark.parametrize("last", [["text"], [None], [[1]]])
def test_tokens_with_a_key_of_another_kind_are_refused(last):
    token = encode_token("numbers", {}, last)
    with pytest.raises(InvalidRequestError):
        page_of(range(5), {"nextToken": token}, scope="numbers", key=lambda n: (n,))


def test_every_pattern_of_the_emulated_operations_compiles():
    from ddreport.emulation import Emulator, ManualClock

    with Emulator(ManualClock(datetime(2026, 1, 1, tzinfo=UTC))) as emulator:
        names = list(emulator.audit().operations)
    patterns = {p for name in names for p in _patterns(service_model().operation_model(name).input_shape, set())}
    assert len(patterns) > 10
    for pattern in patterns:
        compile_pattern(pattern)


def _patterns(shape, seen):
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if shape.metadata.get("pattern"):
        yield shape.metadata["pattern"]
    for child in (
        *getattr(shape, "members", {}).values(),
        *filter(None, (getattr(shape, n, None) for n in ("member", "key", "value"))),
    ):
        yield from _patterns(child, seen)
