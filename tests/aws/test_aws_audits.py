import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from ddreport.aws import fetch_audit, fetch_audit_task, fetch_audit_tasks, fetch_findings, fetch_related_resources
from ddreport.errors import AwsCallError, EndpointError, TableSchemaError
from ddreport.schemas import SCHEMAS
from ddreport.tables import audit_tasks_table, checks_table, findings_table, frame_to_arrow, related_resources_table

TASK = "a" * 32
AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
INTERMEDIATE = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"


@pytest.fixture
def audit(server, canned):
    """An audit with this many findings; `change` edits the list before it is served."""

    def add(number, change=None):
        findings = [canned.certificate_finding(n, TASK) for n in range(number)]
        if change:
            change(findings)
        server.data.add_audit(TASK, findings)
        return findings

    return add


def test_audits_of_a_window_are_listed_over_all_pages(client, server):
    for number in range(600):
        server.data.add_audit(f"task-{number}")
    tasks = fetch_audit_tasks(client, start=START, end=AS_OF, as_of=AS_OF)
    assert [t["taskId"] for t in tasks] == [f"task-{n}" for n in range(600)]
    assert [asked["maxResults"] for _, asked in server.calls] == ["250"] * 3


def test_audits_can_be_narrowed_by_type_and_status(client, server):
    server.data.add_audit("daily", taskType="SCHEDULED_AUDIT_TASK")
    server.data.add_audit("mine")
    tasks = fetch_audit_tasks(client, start=START, end=AS_OF, as_of=AS_OF, task_type="SCHEDULED_AUDIT_TASK")
    assert [t["taskId"] for t in tasks] == ["daily"]


def test_an_audit_carries_its_id(client, audit):
    audit(1)
    assert fetch_audit_task(client, TASK)["taskId"] == TASK


@pytest.mark.parametrize(("number", "pages"), [(0, 1), (1, 1), (250, 1), (251, 2), (1000, 4)])
def test_findings_come_by_pages_of_250(client, server, audit, number, pages):
    findings = audit(number)
    fetched = fetch_findings(client, TASK)
    assert [f["findingId"] for f in fetched] == [f["findingId"] for f in findings]
    assert [asked["maxResults"] for _, asked in server.calls] == [250] * pages


def test_suppressed_findings_are_included(client, audit):
    audit(20)
    assert {f["isSuppressed"] for f in fetch_findings(client, TASK)} == {True, False}


def test_findings_of_one_check(client, audit, canned):
    audit(5, lambda found: found.append(canned.certificate_finding(99, TASK, checkName=SHARED)))
    assert [f["checkName"] for f in fetch_findings(client, TASK, check_name=SHARED)] == [SHARED]


def test_a_whole_audit_has_its_four_tables_with_their_schemas(client, audit, here):
    audit(600)
    got = fetch_audit(client, TASK, **here)
    assert {n: t.num_rows for n, t in got.tables.items()} == {
        "audit_tasks": 1,
        "checks": 1,
        "findings": 600,
        "related_resources": 0,
    }
    assert all(table.schema == SCHEMAS[name].arrow() for name, table in got.tables.items())


def test_a_whole_audit_knows_what_and_where_it_is(client, audit, here, canned):
    audit(1)
    got = fetch_audit(client, TASK, **here)
    assert (got.kind, got.account, got.region, got.identity) == ("audit", canned.ACCOUNT, "eu-west-1", TASK)
    assert got.time == datetime(2026, 3, 2, 9, 0, 0, 123000, tzinfo=UTC)


def test_an_audit_in_progress_is_not_fetched(client, server, here):
    server.data.add_audit(TASK, taskStatus="IN_PROGRESS")
    assert fetch_audit(client, TASK, **here) is None
    assert server.operations() == ["DescribeAuditTask"]


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_an_audit_that_ended_badly_is_fetched(client, server, here, status):
    server.data.add_audit(TASK, taskStatus=status)
    assert fetch_audit(client, TASK, **here).tables["audit_tasks"]["task_status"].to_pylist() == [status]


def test_answers_are_kept_byte_for_byte_with_what_was_asked(client, server, audit, here):
    audit(300)
    got = fetch_audit(client, TASK, **here)
    assert [r.operation for r in got.raw] == ["DescribeAuditTask", "ListAuditFindings", "ListAuditFindings"]
    assert [r.request.get("nextToken") for r in got.raw] == [None, None, "after-250"]
    assert got.raw[1].body == server.respond("ListAuditFindings", {"taskId": TASK, "maxResults": 250})[1]


def test_what_was_asked_can_be_written_as_json(client, audit, here):
    audit(1)
    assert json.dumps([dict(r.request) for r in fetch_audit(client, TASK, **here).raw])


def test_members_that_boto3_does_not_know_stay_in_the_answers(client, audit, here):
    audit(1, lambda found: found[0].update(futureMember={"deep": [1, 2]}))
    got = fetch_audit(client, TASK, **here)
    assert json.loads(got.raw[1].body)["findings"][0]["futureMember"] == {"deep": [1, 2]}


def test_a_resource_identified_in_a_way_that_boto3_does_not_know_is_not_lost(client, audit, here):
    audit(1, lambda found: found[0]["nonCompliantResource"].update(resourceIdentifier={"thingGroupArn": "arn:x"}))
    got = fetch_audit(client, TASK, **here)
    assert got.tables["findings"]["resource_id"].to_pylist() == ['{"thingGroupArn":"arn:x"}']


@pytest.mark.parametrize("emulator", [True, False])
def test_the_emulator_marks_what_comes_from_it(client, server, audit, here, emulator):
    server.data.emulator = emulator
    audit(1)
    got = fetch_audit(client, TASK, **here)
    assert got.emulated is emulator
    assert got.tables["audit_tasks"]["emulated"].to_pylist() == [emulator]


def test_few_related_resources_are_taken_from_the_finding(client, server, audit, here, canned):
    connections = [canned.client_connection(f"c{n}", 1772440000000 + n) for n in range(9)]
    audit(1, lambda found: found[0].update(checkName=SHARED, relatedResources=connections))
    got = fetch_audit(client, TASK, **here)
    assert got.tables["related_resources"]["resource_id"].to_pylist() == [f"c{n}" for n in range(9)]
    assert "ListRelatedResourcesForAuditFinding" not in server.operations()


def test_ten_related_resources_may_be_more_and_are_listed(client, server, audit, here, canned):
    connections = [canned.client_connection(f"c{n}", 1772440000000 + n) for n in range(300)]
    found = audit(3, lambda found: found[1].update(checkName=SHARED, relatedResources=connections[:10]))
    server.data.related[found[1]["findingId"]] = connections
    got = fetch_audit(client, TASK, **here)
    assert got.tables["related_resources"]["resource_id"].to_pylist() == [f"c{n}" for n in range(300)]
    assert got.tables["related_resources"]["position"].to_pylist() == list(range(300))
    assert got.tables["findings"]["related_resources_count"].to_pylist() == [0, 300, 0]
    assert server.operations().count("ListRelatedResourcesForAuditFinding") == 2


def test_findings_keep_the_order_of_aws_when_some_are_completed_later(client, server, audit, here):
    found = audit(600, lambda found: [found[n].update(checkName=INTERMEDIATE) for n in (0, 255, 599)])
    got = fetch_audit(client, TASK, **here)
    assert got.tables["findings"]["finding_id"].to_pylist() == [f["findingId"] for f in found]


def test_related_resources_of_the_intermediate_ca_check_are_listed(client, server, audit, here, canned):
    found = audit(1, lambda found: found[0].update(checkName=INTERMEDIATE))
    device = {"resourceType": "DEVICE_CERTIFICATE", "resourceIdentifier": {"deviceCertificateId": "AB" * 32}}
    server.data.related[found[0]["findingId"]] = [device]
    got = fetch_audit(client, TASK, **here)
    assert got.tables["related_resources"]["resource_id"].to_pylist() == ["ab" * 32]


def test_related_resources_can_be_fetched_alone(client, server, canned):
    server.data.related["f1"] = [canned.client_connection("c1", 1772440000000)]
    assert fetch_related_resources(client, "f1")[0]["resourceIdentifier"] == {"clientId": "c1"}


@pytest.mark.parametrize("operation", ["DescribeAuditTask", "ListAuditFindings", "ListRelatedResourcesForAuditFinding"])
def test_one_refused_call_refuses_the_whole_audit(client, server, audit, here, operation):
    audit(1, lambda found: found[0].update(checkName=INTERMEDIATE))
    server.fail(operation, "AccessDeniedException", status=403)
    with pytest.raises(AwsCallError) as refusal:
        fetch_audit(client, TASK, **here)
    assert refusal.value.operation == f"iot:{operation}"


def test_a_refusal_on_a_later_page_refuses_the_whole_audit(client, server, audit, here):
    audit(500)
    broken = server.respond
    pages = iter([True, False])

    def respond(operation, asked):
        if operation == "ListAuditFindings" and not next(pages):
            return 400, b'{"__type": "InvalidRequestException", "message": "the token has expired"}'
        return broken(operation, asked)

    server.respond = respond
    with pytest.raises(AwsCallError, match="the token has expired"):
        fetch_audit(client, TASK, **here)


@pytest.mark.parametrize(
    "body", [b"<html>sign in</html>", b"", b"[]", b'{"message": "welcome"}', b'{"findings": [', b'{"findings": 7}']
)
def test_a_success_that_is_no_answer_of_aws_is_not_taken_for_no_findings(client, server, audit, here, body):
    audit(1)
    server.answer("ListAuditFindings", body)
    with pytest.raises(EndpointError, match="the answer is not one of AWS IoT"):
        fetch_audit(client, TASK, **here)


def test_a_description_that_is_no_answer_of_aws_is_refused(client, server, here):
    server.answer("DescribeAuditTask", b'{"message": "welcome"}')
    with pytest.raises(EndpointError, match="the answer is not one of AWS IoT"):
        fetch_audit(client, TASK, **here)


def test_an_empty_object_is_an_empty_list(client, server, audit, here):
    audit(0)
    server.answer("ListAuditFindings", b"{}")
    assert fetch_audit(client, TASK, **here).tables["findings"].num_rows == 0


def test_a_finding_that_aws_repeats_on_the_next_page_is_kept_once(client, audit, here):
    audit(250, lambda found: found.append(found[0]))
    assert fetch_audit(client, TASK, **here).tables["findings"].num_rows == 250


def test_two_findings_with_one_id_are_refused(client, audit, here, canned):
    audit(1, lambda found: found.append({**found[0], "reasonForNonComplianceCode": "OTHER"}))
    with pytest.raises(TableSchemaError, match="share a key"):
        fetch_audit(client, TASK, **here)


def test_progress_is_told_page_by_page(client, audit, here):
    audit(600)
    told = []
    fetch_audit(client, TASK, **here, progress=told.append)
    assert told == [250, 250, 100]


def test_the_short_way_equals_boto3_and_tables(client, server, audit, here, canned):
    """The bytes of pages to Arrow, against boto3's records to DataFrames."""

    def change(found):
        found[3].update(
            checkName=SHARED, relatedResources=[canned.client_connection("c", 1772440000000, 1772440001000)]
        )
        found[4].update(checkName="IOT_POLICY_UNRESTRICTED_CHECK", severity="CRITICAL")
        found[4]["nonCompliantResource"] = {
            "resourceType": "IOT_POLICY",
            "resourceIdentifier": {"policyVersionIdentifier": {"policyName": "<b>p</b>", "policyVersionId": "3"}},
        }
        for name in ("relatedResources", "isSuppressed", "reasonForNonCompliance"):
            del found[5][name]
        found[6]["nonCompliantResource"]["resourceIdentifier"] = {}
        found[7]["nonCompliantResource"]["resourceIdentifier"] = {"clientId": '=HYPERLINK("x")\x1b[31m\u202e 😀'}

    audit(300, change)
    got = fetch_audit(client, TASK, **here)
    task, records = fetch_audit_task(client, TASK), fetch_findings(client, TASK)
    place = {"account": here["account"], "region": here["region"]}
    frames = {
        "audit_tasks": audit_tasks_table([task], **place, emulated=False),
        "checks": checks_table([task], **place),
        "findings": findings_table(records, **place),
        "related_resources": related_resources_table(records, **place),
    }
    for name, frame in frames.items():
        assert got.tables[name].equals(frame_to_arrow(SCHEMAS[name], frame)), name


_IN_ANOTHER_ZONE = """
import json, sys
from ddreport.aws import connect_session, fetch_audit, fetch_audit_task, fetch_findings
from ddreport.tables import audit_tasks_table, findings_table
from ddreport.targets import Target
here = {"account": "111122223333", "region": "eu-west-1"}
with connect_session(Target("t", region="eu-west-1", endpoint_url=sys.argv[1])) as session:
    records = fetch_findings(session.iot, sys.argv[2])
    slow = findings_table(records, **here)
    fast = fetch_audit(session.iot, sys.argv[2], **here, emulated=False).tables["findings"]
print(json.dumps({
    "offset": records[0]["findingTime"].utcoffset().total_seconds(),
    "slow": [str(t) for t in slow["finding_time"]],
    "fast": [str(t) for t in fast["finding_time"].to_pylist()],
}))
"""


@pytest.mark.parametrize(("zone", "offset"), [("Asia/Kolkata", 19800), ("America/New_York", -14400)])
def test_times_do_not_depend_on_the_zone_of_the_machine(server, audit, zone, offset):
    # In New York these two fall into the hour that the clocks go through twice.
    autumn = [1762061400.25, 1762065000.25]
    audit(2, lambda found: [f.update(findingTime=t) for f, t in zip(found, autumn, strict=True)])
    arguments = [sys.executable, "-c", _IN_ANOTHER_ZONE, server.endpoint, TASK]
    done = subprocess.run(arguments, env={**os.environ, "TZ": zone}, capture_output=True, check=True, text=True)
    told = json.loads(done.stdout)
    assert told["offset"] == offset
    assert told["slow"] == told["fast"] == ["2025-11-02 05:30:00.250000+00:00", "2025-11-02 06:30:00.250000+00:00"]
