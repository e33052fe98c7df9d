"""AWS's published request rates, enforced on demand by real time."""

from __future__ import annotations

import pytest

from ddreport.emulation.request_rates import PUBLISHED, RequestRates


@pytest.fixture
def real():
    """Return the real time in seconds, which stands still unless a test moves it."""
    return [0.0]


@pytest.fixture
def throttled(account, real):
    """Return the account with the rates enforced."""
    account.emulator.throttle = True
    account.emulator.rates = RequestRates(monotonic=lambda: real[0])
    yield account
    account.emulator.throttle = False


@pytest.mark.parametrize(
    ("operation", "rate"), [("DescribeScheduledAudit", 5), ("ListAuditFindings", 10), ("DescribeAuditTask", 25)]
)
def test_as_many_requests_at_once_as_the_rate_says_and_then_one_for_each_share_of_a_second(operation, rate, real):
    rates = RequestRates(monotonic=lambda: real[0])
    at_once = [rates.admit("1" * 12, "eu-west-1", operation) for _ in range(rate + 2)]
    assert at_once == [True] * rate + [False] * 2
    real[0] += 1.001 / rate
    assert [rates.admit("1" * 12, "eu-west-1", operation) for _ in range(2)] == [True, False]
    real[0] += 100
    assert [rates.admit("1" * 12, "eu-west-1", operation) for _ in range(rate + 1)] == [True] * rate + [False]


def test_every_account_region_and_operation_has_a_rate_of_its_own(real):
    rates = RequestRates(monotonic=lambda: real[0])
    for _ in range(5):
        assert rates.admit("1" * 12, "eu-west-1", "ListScheduledAudits")
    assert not rates.admit("1" * 12, "eu-west-1", "ListScheduledAudits")
    assert rates.admit("2" * 12, "eu-west-1", "ListScheduledAudits")
    assert rates.admit("1" * 12, "us-east-1", "ListScheduledAudits")
    assert rates.admit("1" * 12, "eu-west-1", "DescribeScheduledAudit")


def test_all_audit_operations_have_a_published_rate_but_one(account):
    from ddreport.emulation.service_model import service_model

    model = service_model()
    beginnings = ("/audit/", "/mitigationactions/")
    audit = {n for n in model.operation_names if model.operation_model(n).http["requestUri"].startswith(beginnings)}
    assert audit - set(PUBLISHED) == {"ListRelatedResourcesForAuditFinding"}
    assert set(PUBLISHED) <= audit


def test_requests_beyond_the_rate_are_refused_as_aws_does(throttled, refused, real):
    for _ in range(5):
        throttled.iot.list_scheduled_audits()
    assert refused(throttled.iot.list_scheduled_audits) == ("ThrottlingException", 400, "Rate exceeded")
    throttled.iot.describe_account_audit_configuration()
    real[0] += 0.3
    throttled.iot.list_scheduled_audits()


def test_what_has_no_published_rate_is_never_refused(throttled):
    for _ in range(40):
        throttled.iot.get_logging_options()


def test_nothing_is_refused_unless_asked_for(account):
    for _ in range(40):
        account.iot.list_scheduled_audits()


def test_an_sdk_that_retries_gets_through(throttled, real, monkeypatch):
    from botocore.config import Config

    def sleep(seconds):
        real[0] += seconds

    monkeypatch.setattr("botocore.endpoint.time.sleep", sleep)
    client = throttled.client("iot", config=Config(retries={"max_attempts": 5, "mode": "standard"}))
    for _ in range(20):
        client.list_scheduled_audits()


def test_the_control_api_switches_the_rates_on(account, control, refused):
    assert control("settings", {"throttle": True})[1]["throttle"] is True
    account.emulator.rates = RequestRates(monotonic=lambda: 0.0)
    for _ in range(5):
        account.iot.list_scheduled_audits()
    assert refused(account.iot.list_scheduled_audits)[0] == "ThrottlingException"
    assert control("settings", {"throttle": False})[1]["throttle"] is False
    account.iot.list_scheduled_audits()
