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
    took = grants(limiter, clock, "ListAuditFindings", 101)[-1] - 1000
    assert 10 <= took <= 10.3


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
        clock.now += 0.21
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
    # 100 places at 10 a second: the first ten at once, then ten for each second, spread over its first half.
    times = [0.0] * 10 + sorted(waits)
    assert len(times) == 100
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[10:], strict=False))
    assert times[-1] < 9 * 1.02 + 0.5


def test_a_request_that_left_late_counts_from_when_it_left(clock):
    late = iter([0.3, 0.0])
    limiter = RateLimiter({"ListThings": 1}, clock=clock, sleep=lambda seconds: clock.sleep(seconds + next(late)))
    first, second, third = grants(limiter, clock, "ListThings", 3)
    assert second - first > 1.3
    assert third - second >= 1.0


def test_a_refused_request_tries_again_in_its_own_place_and_does_not_queue(clock):
    """AWS did not count it. Others that wait meanwhile neither lose by it nor stand before it."""
    waits = []
    limiter = RateLimiter({"ListThings": 2}, clock=clock, sleep=waits.append)
    limiter.acquire("ListThings")
    limiter.acquire("ListThings")
    limiter.refused("ListThings")
    clock.now += 0.1
    queue = threading.Thread(target=lambda: limiter.acquire("ListThings"))
    queue.start()
    queue.join()
    limiter.acquire("ListThings")
    waited, again = waits
    assert waited == pytest.approx(0.92, abs=0.1)  # for the first of the two; AWS counted one only
    assert again == pytest.approx(0.4, abs=0.05)  # half a second at two a second, from when it was sent


def test_a_refused_request_whose_place_is_long_gone_queues_again(clock):
    limiter = RateLimiter({"ListThings": 1}, clock=clock, sleep=clock.sleep)
    limiter.acquire("ListThings")
    limiter.refused("ListThings")
    other = threading.Thread(target=grants, args=(limiter, clock, "ListThings", 1))
    other.start()
    other.join()
    before = clock.now
    limiter.acquire("ListThings")
    assert clock.now - before >= 1.0


def test_a_refusal_slows_its_operation_down_a_little_and_not_for_long(limiter, clock):
    grants(limiter, clock, "ListAuditFindings", 10)
    limiter.refused("ListAuditFindings")
    start = clock.now
    first = grants(limiter, clock, "ListAuditFindings", 9)[-1] - start
    assert 1 < first < 1.2
    clock.now += 10
    start = clock.now
    assert grants(limiter, clock, "ListAuditFindings", 101)[-1] - start < 10.3


def test_refused_for_ever_it_still_asks_now_and_then(limiter, clock):
    for _ in range(200):
        limiter.refused("ListAuditFindings")
        clock.now += 0.1
    start = clock.now
    grants(limiter, clock, "ListAuditFindings", 5)
    assert 2 < clock.now - start < 5


def test_other_operations_keep_their_rate_after_a_refusal(limiter, clock):
    limiter.refused("ListAuditFindings")
    grants(limiter, clock, "DescribeAuditTask", 25)
    assert clock.slept == 0


@pytest.mark.parametrize("taken", [0, 3, 5, 8])
def test_what_others_leave_free_is_used(taken):
    """A service that allows ten requests a second, of which other programs take some."""
    clock = FakeClock()
    limiter = RateLimiter(clock=clock, sleep=clock.sleep)
    free = 10.0 - taken
    bucket, last, accepted, refusals = free, clock.now, 0, 0
    while clock.now < 1120:
        limiter.acquire("ListAuditFindings")
        bucket, last = min(free, bucket + (clock.now - last) * free), clock.now
        if bucket >= 1:
            bucket, accepted = bucket - 1, accepted + 1
        else:
            refusals += 1
            limiter.refused("ListAuditFindings")
        clock.now += 0.001
    assert accepted / 120 >= 0.9 * free
    assert refusals <= 1.5 * 120


def test_every_published_rate_belongs_to_an_operation_of_the_service(client):
    assert set(PUBLISHED_RATES) <= set(client.meta.service_model.operation_names)


def iot_client(server, *, total_max_attempts):
    return botocore.session.Session().create_client(
        "iot",
        region_name="eu-west-1",
        endpoint_url=server.endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"mode": "standard", "total_max_attempts": total_max_attempts}),
    )


@pytest.fixture
def limited(server, slept, clock):
    """A client that may list schedules twice a second."""
    client = iot_client(server, total_max_attempts=5)
    RateLimiter({"ListScheduledAudits": 2}, clock=clock, sleep=clock.sleep).attach(client)
    yield client
    client.close()


def test_retries_wait_for_their_turn_too(server, limited, clock):
    server.fail("ListScheduledAudits", "ThrottlingException", times=4)
    limited.list_scheduled_audits()
    assert len(server.calls) == 5
    assert 2 <= clock.slept < 4


def test_only_what_is_refused_again_and_again_is_held_back_by_boto3_too(server, limited, slept):
    server.fail("ListScheduledAudits", "ThrottlingException", times=4)
    limited.list_scheduled_audits()
    assert slept[:2] == [0.0, 0.0]
    assert all(wait > 0 for wait in slept[2:])
    assert len(slept) == 4


def test_what_fails_otherwise_is_left_to_boto3(server, limited, slept):
    server.fail("ListScheduledAudits", "InternalFailureException", status=500, times=2)
    limited.list_scheduled_audits()
    assert len(slept) == 2
    assert all(wait > 0 for wait in slept)


def test_no_more_attempts_are_made_than_boto3_was_told(server, slept):
    client = iot_client(server, total_max_attempts=2)
    RateLimiter().attach(client)
    server.fail("ListScheduledAudits", "ThrottlingException")
    with pytest.raises(client.exceptions.ThrottlingException):
        client.list_scheduled_audits()
    client.close()
    assert len(server.calls) == 2


def test_the_emulator_is_not_held_back(server, limited, clock):
    server.data.emulator = True
    for _ in range(20):
        limited.list_scheduled_audits()
    assert clock.slept == 0


def test_a_throttled_answer_slows_down(server, limited, clock, monkeypatch):
    refused = []
    monkeypatch.setattr(RateLimiter, "refused", lambda self, operation: refused.append(operation))
    server.fail("ListScheduledAudits", "ThrottlingException", times=2)
    server.fail("DescribeAccountAuditConfiguration", "InternalFailureException", status=500, times=1)
    limited.list_scheduled_audits()
    limited.describe_account_audit_configuration()
    assert refused == ["ListScheduledAudits"] * 2


def test_an_emulator_that_refuses_for_the_rate_is_held_back(server, limited, clock):
    server.data.emulator = True
    server.fail("ListScheduledAudits", "ThrottlingException", times=1)
    for _ in range(20):
        limited.list_scheduled_audits()
    assert clock.slept > 5


def test_the_client_of_a_session_is_held_to_the_published_rates(client, monkeypatch):
    waits = []
    monkeypatch.setattr("ddreport.aws.rates.RateLimiter.acquire", lambda self, operation: waits.append(operation))
    client.describe_account_audit_configuration()
    assert waits == ["DescribeAccountAuditConfiguration"]
