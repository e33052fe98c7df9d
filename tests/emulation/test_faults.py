"""Faults on demand: errors, latency, dropped connections, failing checks; in Python and over the control API."""

from __future__ import annotations

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from ddreport.errors import InputError

LOGGING = "LOGGING_DISABLED_CHECK"


def tasks(account):
    return account.iot.list_audit_tasks(startTime=account.now(), endTime=account.now())["tasks"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalFailureException", 500),
        ("ServiceUnavailableException", 503),
        ("ThrottlingException", 400),
        ("AccessDeniedException", 403),
        ("ExpiredTokenException", 403),
    ],
)
def test_an_operation_is_refused_until_the_fault_is_cleared(account, refused, code, status):
    fault = account.emulator.faults.refuse("ListScheduledAudits", code=code)
    raw = account.client("iot")
    for _ in range(3):
        got, got_status, message = refused(raw.list_scheduled_audits)
        assert (got, got_status) == (code, status)
        assert message
    raw.list_mitigation_actions()
    assert account.emulator.faults.clear(fault) == 1
    raw.list_scheduled_audits()


def test_access_denied_names_the_permission(account, refused):
    account.emulator.faults.refuse("ListAuditFindings", code="AccessDeniedException")
    raw = account.client("iot")
    assert "iot:ListAuditFindings" in refused(lambda: raw.list_audit_findings(taskId="a"))[2]


def test_a_fault_can_have_a_text_of_its_own(account, refused):
    account.emulator.faults.refuse("ListScheduledAudits", message="Closed on Mondays.")
    assert refused(account.iot.list_scheduled_audits)[2] == "Closed on Mondays."


def test_a_fault_happens_so_many_times_and_an_sdk_that_retries_gets_through(account, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    account.emulator.faults.refuse("ListScheduledAudits", code="ThrottlingException", times=2)
    client = account.client("iot", config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
    answer = client.list_scheduled_audits()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert account.emulator.faults.active() == {}


def test_a_fault_without_an_operation_meets_all_of_aws_iot_and_nothing_else(account, refused):
    account.emulator.faults.refuse(times=2)
    assert refused(account.iot.list_scheduled_audits)[0] == "InternalFailureException"
    assert refused(account.iot.list_things)[0] == "InternalFailureException"
    account.emulator.faults.refuse()
    account.client("sns").list_topics()


def test_faults_spare_calls_inside_the_process(account):
    account.emulator.faults.refuse()
    account.emulator.call("ListScheduledAudits")


def test_the_first_fault_counts_and_only_it_is_used_up(account, refused):
    account.emulator.faults.refuse("ListScheduledAudits", code="ThrottlingException", times=1)
    account.emulator.faults.refuse("ListScheduledAudits", code="AccessDeniedException", times=1)
    codes = [refused(account.client("iot").list_scheduled_audits)[0] for _ in range(2)]
    assert codes == ["ThrottlingException", "AccessDeniedException"]
    account.iot.list_scheduled_audits()


def test_a_connection_dropped_before_leaves_the_request_undone(account):
    account.enable(LOGGING)
    account.emulator.faults.drop("StartOnDemandAuditTask", times=1)
    with pytest.raises(ConnectionClosedError):
        account.start_audit(LOGGING)
    assert tasks(account) == []


def test_a_connection_dropped_after_leaves_the_request_done(account):
    account.enable(LOGGING)
    account.emulator.faults.drop("StartOnDemandAuditTask", when="after", times=1)
    with pytest.raises(ConnectionClosedError):
        account.start_audit(LOGGING)
    assert len(tasks(account)) == 1


def test_a_client_that_retries_after_a_dropped_answer_starts_one_mitigation_task(account, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    account.enable(LOGGING)
    role = account.emulator.create_service_role("R")
    account.iot.create_mitigation_action(
        actionName="Log",
        roleArn=role,
        actionParams={"enableIoTLoggingParams": {"roleArnForLogging": role, "logLevel": "ERROR"}},
    )
    audit = account.audit(LOGGING)
    account.emulator.faults.drop("StartAuditMitigationActionsTask", when="after", times=1)
    client = account.client("iot", config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    client.start_audit_mitigation_actions_task(
        taskId="t", target={"auditTaskId": audit}, auditCheckToActionsMapping={LOGGING: ["Log"]}
    )
    started = account.iot.list_audit_mitigation_actions_tasks(startTime=account.now(), endTime=account.now())["tasks"]
    assert [task["taskId"] for task in started] == ["t"]


def test_latency_makes_a_client_with_little_patience_give_up(account):
    account.emulator.faults.delay("ListScheduledAudits", seconds=0.6, times=1)
    client = account.client("iot", config=Config(read_timeout=0.1, retries={"total_max_attempts": 1}))
    with pytest.raises(ReadTimeoutError):
        client.list_scheduled_audits()


def test_a_request_that_waits_keeps_nobody_else_waiting(account, monkeypatch):
    import threading

    asleep, awake = threading.Event(), threading.Event()

    def sleep(seconds):
        if seconds:
            asleep.set()
            assert awake.wait(20)

    monkeypatch.setattr("ddreport.emulation.response.time.sleep", sleep)
    account.emulator.faults.delay("ListScheduledAudits", seconds=5, times=1)
    slow = threading.Thread(target=account.client("iot").list_scheduled_audits)
    slow.start()
    assert asleep.wait(20)
    account.iot.list_mitigation_actions()
    awake.set()
    slow.join(20)
    assert not slow.is_alive()


def test_delays_add_up(account):
    account.emulator.faults.delay(seconds=100)
    account.emulator.faults.delay("ListScheduledAudits", seconds=20)
    account.emulator.faults.refuse("ListScheduledAudits", code="ThrottlingException")
    outcome = account.emulator.faults.take("ListScheduledAudits")
    assert outcome.seconds == 120
    assert outcome.error is not None
    assert account.emulator.faults.take("ListAuditTasks").seconds == 100


def test_a_reset_clears_all_faults(account):
    account.emulator.faults.refuse()
    account.emulator.fail_check(LOGGING)
    account.emulator.reset()
    account.iot.list_scheduled_audits()
    assert account.emulator.failing_checks() == []


@pytest.mark.parametrize(
    ("add", "text"),
    [
        (lambda f: f.refuse("ListAuditFinding"), "Did you mean 'ListAuditFindings'"),
        (lambda f: f.refuse(code="InternalFailureExeption"), "Did you mean 'InternalFailureException'"),
        (lambda f: f.refuse(times=0), "allowed: 1 to"),
        (lambda f: f.delay(seconds=0), "more than 0"),
        (lambda f: f.delay(seconds=float("nan")), "more than 0"),
        (lambda f: f.delay(seconds=1e6), "at most 600"),
        (lambda f: f.drop(when="during"), "'before' and 'after'"),
        (lambda f: f.clear("7"), "no fault '7'; active: none"),
    ],
)
def test_nonsense_is_refused(account, add, text):
    with pytest.raises(InputError, match=text):
        add(account.emulator.faults)
    assert account.emulator.faults.active() == {}


# The control API


def test_faults_are_added_listed_and_cleared_from_outside(account, control, refused):
    wanted = [
        {"kind": "error", "operation": "ListScheduledAudits", "code": "AccessDeniedException", "times": 2},
        {"kind": "latency", "operation": "ListAuditTasks", "seconds": 0.001},
        {"kind": "drop", "operation": "ListAuditFindings", "when": "after"},
    ]
    ids = [control("faults", fault)[1]["id"] for fault in wanted]
    assert control("faults") == (
        200,
        {"faults": [{"id": i} | fault for i, fault in zip(ids, wanted, strict=True)], "checks": []},
    )
    assert refused(account.client("iot").list_scheduled_audits)[0] == "AccessDeniedException"
    assert control("faults")[1]["faults"][0]["times"] == 1
    assert control("faults/clear", {"id": ids[1]}) == (200, {"cleared": 1})
    assert [fault["id"] for fault in control("faults")[1]["faults"]] == [ids[0], ids[2]]
    assert control("faults/clear", {}) == (200, {"cleared": 2})
    account.iot.list_scheduled_audits()


def test_a_check_fails_on_demand_and_is_restored(account, control):
    account.enable(LOGGING)
    assert control("faults", {"kind": "check", "checkName": LOGGING})[0] == 200
    assert control("faults")[1]["checks"] == [
        {
            "account": "123456789012",
            "region": "eu-west-1",
            "checkName": LOGGING,
            "errorCode": "INSUFFICIENT_PERMISSIONS",
            "message": f"The emulator was told to let {LOGGING} fail.",
        }
    ]
    assert account.details(account.audit(LOGGING))[LOGGING]["errorCode"] == "INSUFFICIENT_PERMISSIONS"
    assert control("faults/clear", {})[1] == {"cleared": 1}
    assert account.details(account.audit(LOGGING))[LOGGING]["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"


def test_a_check_fails_in_another_account_and_region(account, control):
    place = {"account": "222222222222", "region": "us-east-1"}
    control("faults", {"kind": "check", "checkName": LOGGING, "message": "Not there.", **place})
    (check,) = control("faults")[1]["checks"]
    assert check.items() >= (place | {"message": "Not there."}).items()
    control("faults/clear", {})
    assert control("faults")[1]["checks"] == []


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"kind": "earthquake"},
        {"kind": "error", "code": "NoSuchException"},
        {"kind": "error", "operation": 5},
        {"kind": "error", "operation": "NoSuchOperation"},
        {"kind": "error", "seconds": 5},
        {"kind": "error", "times": "3"},
        {"kind": "error", "times": True},
        {"kind": "latency"},
        {"kind": "latency", "seconds": "1"},
        {"kind": "latency", "seconds": 601},
        {"kind": "drop", "when": "during"},
        {"kind": "check"},
        {"kind": "check", "checkName": "NO_SUCH_CHECK"},
    ],
)
def test_nonsense_from_outside_is_refused_with_a_message(control, members):
    status, answer = control("faults", members)
    assert status == 400
    assert answer["message"]
    assert control("faults")[1] == {"faults": [], "checks": []}


def test_a_fault_that_is_not_there_cannot_be_cleared(control):
    status, answer = control("faults/clear", {"id": "99"})
    assert status == 400
    assert "no fault '99'" in answer["message"]


def test_pages_of_a_list_survive_a_fault_in_the_middle(account, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    account.enable("DEVICE_CERTIFICATE_EXPIRING_CHECK")
    for _ in range(7):
        account.certificate(days=3)
    audit = account.audit("DEVICE_CERTIFICATE_EXPIRING_CHECK")
    client = account.client("iot", config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
    found = []
    for page in client.get_paginator("list_audit_findings").paginate(taskId=audit, maxResults=2):
        found += [finding["findingId"] for finding in page["findings"]]
        account.emulator.faults.drop("ListAuditFindings", times=1)
    assert len(set(found)) == len(found) == 7
    account.emulator.faults.refuse("ListAuditFindings", code="AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_audit_findings(taskId=audit)
