import threading
from datetime import UTC, datetime

import pytest

from ddreport.aws import fetch_audit_tasks, fetch_configuration, fetch_suppressions
from ddreport.aws.answers import is_emulator, time_of
from ddreport.aws.raw import capture
from ddreport.errors import AwsCallError, EndpointError

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def test_answers_are_kept_as_they_came(client, server):
    with capture(client) as seen:
        fetch_configuration(client)
    [answer] = seen.responses
    assert (answer.operation, answer.body) == (
        "DescribeAccountAuditConfiguration",
        b'{"auditCheckConfigurations": {}}',
    )


def test_outside_of_a_capture_nothing_is_kept_and_boto3_parses(client, server):
    server.data.suppressions = [{"checkName": "C", "resourceIdentifier": {}, "expirationDate": 1783000000.0}]
    with capture(client) as seen:
        pass
    [record] = fetch_suppressions(client)
    assert seen.responses == []
    assert isinstance(record["expirationDate"], datetime)


def test_inside_of_a_capture_records_are_those_of_the_wire(client, server):
    server.data.suppressions = [
        {"checkName": "C", "resourceIdentifier": {"new": "x"}, "expirationDate": 1783000000.5, "newer": [1]}
    ]
    with capture(client):
        assert fetch_suppressions(client) == server.data.suppressions


def test_retried_requests_keep_the_answer_that_counted(client, server):
    server.fail("DescribeAccountAuditConfiguration", "ThrottlingException", times=1)
    with capture(client) as seen:
        fetch_configuration(client)
    assert len(seen.responses) == 1


def test_a_refusal_is_not_kept_as_an_answer(client, server):
    server.fail("DescribeAccountAuditConfiguration", "AccessDeniedException", status=403)
    with capture(client) as seen, pytest.raises(AwsCallError):
        fetch_configuration(client)
    assert seen.responses == []


def test_times_asked_for_are_kept_as_text_in_utc(client):
    with capture(client) as seen:
        fetch_audit_tasks(client, start=datetime(2026, 3, 1, tzinfo=UTC), end=AS_OF, as_of=AS_OF)
    assert seen.responses[0].request == {
        "startTime": "2026-03-01T00:00:00Z",
        "endTime": "2026-03-02T09:15:00Z",
        "maxResults": 250,
    }


def test_each_thread_captures_its_own_calls(client):
    seen = {}
    barrier = threading.Barrier(2, timeout=30)

    def work(name, number):
        with capture(client) as mine:
            barrier.wait()
            for _ in range(number):
                fetch_configuration(client)
            barrier.wait()
        seen[name] = len(mine.responses)

    threads = [threading.Thread(target=work, args=arguments) for arguments in (("one", 1), ("three", 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"one": 1, "three": 3}


def test_half_characters_become_one_replacement_character(client, server):
    server.answer("ListAuditSuppressions", b'{"suppressions": [{"checkName": "C\\ud800", "description": "\\udfff!"}]}')
    with capture(client):
        assert fetch_suppressions(client) == [{"checkName": "C\ufffd", "description": "\ufffd!"}]


def test_the_first_answer_tells_the_time(client, server):
    with capture(client) as seen:
        fetch_configuration(client)
        server.data.now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
        fetch_configuration(client)
    assert seen.first_time == AS_OF


def test_without_answers_there_is_no_time(client):
    with capture(client) as seen, pytest.raises(LookupError):
        _ = seen.first_time


@pytest.mark.parametrize("said", [None, "", "yesterday"])
def test_an_answer_that_does_not_say_its_time_is_nobody_known(said):
    with pytest.raises(EndpointError, match="does not say its time"):
        time_of({"date": said} if said is not None else {})


def test_the_time_of_an_answer_is_utc():
    assert time_of({"date": "Mon, 02 Mar 2026 10:15:00 +0100"}) == AS_OF


def test_aws_does_not_send_the_header_of_the_emulator():
    assert not is_emulator({"date": "x"})
    assert is_emulator({"x-ddreport-emulator": ""})
