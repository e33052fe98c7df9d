from datetime import UTC, datetime, timedelta, timezone

import pytest

from ddreport.aws import fetch_audit_tasks, fetch_mitigation_tasks, oldest_start
from ddreport.errors import RetentionError, WindowError

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=[fetch_audit_tasks, fetch_mitigation_tasks], ids=["audits", "mitigations"])
def fetch(request):
    return request.param


def test_a_start_before_what_aws_keeps_is_refused_before_the_call(fetch, client, server):
    with pytest.raises(RetentionError, match="AWS keeps 90 days: since 2025-12-02 09:15 UTC"):
        fetch(client, start=AS_OF - 91 * DAY, end=AS_OF, as_of=AS_OF)
    assert server.calls == []


@pytest.mark.parametrize("end", [AS_OF - 2 * DAY, AS_OF - DAY], ids=["reversed", "empty"])
def test_a_window_that_does_not_go_forward_is_refused_before_the_call(fetch, client, server, end):
    with pytest.raises(WindowError, match="empty or reversed"):
        fetch(client, start=AS_OF - DAY, end=end, as_of=AS_OF)
    assert server.calls == []


def test_a_time_without_zone_is_refused(fetch, client):
    with pytest.raises(WindowError, match="the start 2026-03-01T09:15:00 has no time zone"):
        fetch(client, start=datetime(2026, 3, 1, 9, 15), end=AS_OF, as_of=AS_OF)


def test_the_oldest_start_is_one_that_may_be_asked_for(fetch, client):
    assert fetch(client, start=oldest_start(AS_OF), end=AS_OF, as_of=AS_OF + timedelta(minutes=9)) == []


def test_times_are_sent_as_utc(client, server):
    tokyo = timezone(timedelta(hours=9))
    fetch_audit_tasks(client, start=AS_OF.astimezone(tokyo) - DAY, end=AS_OF, as_of=AS_OF)
    asked = server.calls[0][1]
    sent = [datetime.fromisoformat(asked[name]) for name in ("startTime", "endTime")]
    assert sent == [AS_OF - DAY, AS_OF]
