import threading

import botocore.session
import pytest
from botocore.config import Config

from ddreport.aws.rates import OTHER_RATE, PUBLISHED_RATES, RateLimiter


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def limiter(clock):
    return RateLimiter(clock=clock, sleep=clock.sleep)


def grants(limiter, clock, operation, number):
    times = []
    for _ in range(number):
        limiter.acquire(operation)
        times.append(clock.now)
    return times


@pytest.mark.parametrize(
    ("operation", "rate"),
    [("ListScheduledAudits", 5), ("DescribeAuditTask", 25), ("ListAuditFindings", 10), ("SomethingNew", OTHER_RATE)],
)
def test_no_second_holds_more_requests_than_the_rate(limiter, clock, operation, rate):
    times = grants(limiter, clock, operation, 4 * rate)
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[rate:], strict=False))


def test_the_rate_is_used_up(limiter, clock):
    assert grants(limiter, clock, "ListAuditFindings", 101)[-1] == pytest.approx(1010)


def test_a_few_requests_do_not_wait(limiter, clock):
    grants(limiter, clock, "ListAuditFindings", 10)
    assert clock.slept == 0


def test_operations_do_not_wait_for_each_other(limiter, clock):
    grants(limiter, clock, "ListAuditFindings", 10)
    grants(limiter, clock, "DescribeAuditTask", 25)
    assert clock.slept == 0


def test_requests_spread_out_do_not_wait(limiter, clock):
    for _ in range(50):
        limiter.acquire("ListScheduledAudits")
        clock.now += 0.2000001
    assert clock.slept == 0


def test_threads_share_the_rate():
    waits = []
    limiter = RateLimiter(clock=lambda: 0.0, sleep=waits.append)
    threads = [
        threading.Thread(target=lambda: [limiter.acquire("ListAuditFindings") for _ in range(25)]) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 100 places at 10 a second: the first ten at once, then ten for each second.
    assert sorted(waits) == [float(second) for second in range(1, 10) for _ in range(10)]


def test_every_published_rate_belongs_to_an_operation_of_the_service(client):
    assert set(PUBLISHED_RATES) <= set(client.meta.service_model.operation_names)


@pytest.fixture
def limited(server, slept, clock):
    """A client that may list schedules twice a second."""
    client = botocore.session.Session().create_client(
        "iot",
        region_name="eu-west-1",
        endpoint_url=server.endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"mode": "standard", "total_max_attempts": 5}),
    )
    RateLimiter({"ListScheduledAudits": 2}, clock=clock, sleep=clock.sleep).attach(client)
    yield client
    client.close()


def test_retries_wait_for_their_turn_too(server, limited, clock):
    server.fail("ListScheduledAudits", "ThrottlingException", times=4)
    limited.list_scheduled_audits()
    assert len(server.calls) == 5
    assert clock.slept == pytest.approx(2)


def test_the_emulator_is_not_held_back(server, limited, clock):
    server.data.emulator = True
    for _ in range(20):
        limited.list_scheduled_audits()
    assert clock.slept == 0


def test_the_client_of_a_session_is_held_to_the_published_rates(client, monkeypatch):
    waits = []
    monkeypatch.setattr("ddreport.aws.rates.RateLimiter.acquire", lambda self, operation: waits.append(operation))
    client.describe_account_audit_configuration()
    assert waits == ["DescribeAccountAuditConfiguration"]
