from datetime import UTC, datetime

import pytest

from ddreport.aws import (
    fetch_executions,
    fetch_mitigation,
    fetch_mitigation_actions,
    fetch_mitigation_task,
    fetch_mitigation_tasks,
    fetch_target_findings,
)
from ddreport.errors import AwsCallError, PartialDataError
from ddreport.schemas import SCHEMAS

TASK = "repair-1"
AUDIT = "b" * 32
AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
AGE, EXPIRING = "DEVICE_CERTIFICATE_AGE_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"


@pytest.fixture
def repair(server, canned):
    """Add a mitigation task on this target; every finding got one execution."""

    def add(target, *, checks=(EXPIRING,), total=3, **members):
        server.data.mitigation_tasks[TASK] = {
            "taskStatus": "COMPLETED",
            "startTime": 1772442100.5,
            "endTime": 1772442101.25,
            "target": target,
            "auditCheckToActionsMapping": {check: ["quarantine"] for check in checks},
            "taskStatistics": {
                check: {"totalFindingsCount": total, "succeededFindingsCount": total} for check in checks
            },
            "actionsDefinition": [],
            **members,
        }

    def execution(finding_id):
        server.data.executions[TASK, finding_id] = [
            {
                "taskId": TASK,
                "findingId": finding_id,
                "actionName": "quarantine",
                "actionId": "a-1",
                "status": "COMPLETED",
                "startTime": 1772442100.6,
                "endTime": 1772442101.0,
            }
        ]

    found = [canned.certificate_finding(n, AUDIT) for n in range(3)]
    found += [canned.certificate_finding(n, AUDIT, checkName=AGE) for n in range(10, 12)]
    found[2]["reasonForNonComplianceCode"] = "CERTIFICATE_APPROACHING_EXPIRATION"
    server.data.add_audit(AUDIT, found)
    for finding in found:
        execution(finding["findingId"])
    add.findings = [f["findingId"] for f in found]
    return add


def test_a_repair_of_named_findings_has_their_executions(client, repair, here):
    repair({"findingIds": repair.findings[:2]})
    got = fetch_mitigation(client, TASK, **here)
    assert got.tables["mitigation_executions"]["finding_id"].to_pylist() == repair.findings[:2]
    assert all(table.schema == SCHEMAS[name].arrow() for name, table in got.tables.items())


def test_a_repair_knows_what_it_is(client, repair, here):
    repair({"findingIds": repair.findings[:1]})
    got = fetch_mitigation(client, TASK, **here)
    assert (got.kind, got.identity) == ("mitigation", TASK)
    assert got.time == datetime(2026, 3, 2, 9, 1, 40, 500000, tzinfo=UTC)


def test_a_repair_keeps_every_answer(client, server, repair, here):
    repair({"auditTaskId": AUDIT})
    assert [r.operation for r in fetch_mitigation(client, TASK, **here).raw] == server.operations()


def test_a_repair_in_progress_is_not_fetched(client, repair, here):
    repair({"findingIds": repair.findings[:1]}, taskStatus="IN_PROGRESS")
    assert fetch_mitigation(client, TASK, **here) is None


def test_a_repair_of_an_audit_treats_its_findings_of_the_mapped_checks(client, repair):
    repair({"auditTaskId": AUDIT})
    assert fetch_target_findings(client, fetch_mitigation_task(client, TASK)) == repair.findings[:3]


def test_a_filter_narrows_the_findings_of_an_audit(client, repair):
    reasons = {EXPIRING: ["CERTIFICATE_APPROACHING_EXPIRATION"]}
    repair({"auditTaskId": AUDIT, "auditCheckToReasonCodeFilter": reasons}, checks=(EXPIRING, AGE))
    assert fetch_target_findings(client, fetch_mitigation_task(client, TASK)) == [repair.findings[2]]


@pytest.mark.parametrize("target", [{"auditTaskId": "gone"}, {"auditCheckToReasonCodeFilter": {EXPIRING: ["X"]}}])
def test_findings_that_aws_does_not_name_are_not_taken_for_none(client, repair, here, target):
    repair(target)
    with pytest.raises(PartialDataError, match="had 3 findings in its target"):
        fetch_mitigation(client, TASK, **here)


def test_a_repair_that_had_nothing_to_do_has_no_executions(client, repair, here):
    repair({"auditTaskId": "gone"}, total=0)
    assert fetch_mitigation(client, TASK, **here).tables["mitigation_executions"].num_rows == 0


def test_known_finding_ids_replace_the_question_for_them(client, server, repair, here):
    repair({"auditTaskId": "gone"})
    got = fetch_mitigation(client, TASK, **here, finding_ids=repair.findings[:2])
    assert got.tables["mitigation_executions"].num_rows == 2
    assert "ListAuditFindings" not in server.operations()


@pytest.mark.parametrize(
    "operation",
    ["DescribeAuditMitigationActionsTask", "ListAuditFindings", "ListAuditMitigationActionsExecutions"],
)
def test_one_refused_call_refuses_the_whole_repair(client, server, repair, here, operation):
    repair({"auditTaskId": AUDIT})
    server.fail(operation, "AccessDeniedException", status=403)
    with pytest.raises(AwsCallError) as refusal:
        fetch_mitigation(client, TASK, **here)
    assert refusal.value.operation == f"iot:{operation}"


@pytest.mark.parametrize("emulator", [True, False])
def test_a_repair_says_whether_the_emulator_answered(client, server, repair, here, emulator):
    server.data.emulator = emulator
    repair({"findingIds": repair.findings[:1]})
    got = fetch_mitigation(client, TASK, **here)
    assert got.emulated is emulator
    assert got.tables["mitigation_tasks"]["emulated"].to_pylist() == [emulator]


def test_repairs_of_a_window_can_be_narrowed(client, server, repair):
    repair({"findingIds": repair.findings[:1]})
    start = datetime(2026, 3, 1, tzinfo=UTC)
    tasks = fetch_mitigation_tasks(client, start=start, end=AS_OF, as_of=AS_OF, audit_task_id=AUDIT, finding_id="f")
    assert [t["taskId"] for t in tasks] == [TASK]
    assert (server.calls[0][1]["auditTaskId"], server.calls[0][1]["findingId"]) == (AUDIT, "f")


def test_executions_name_their_task_and_finding(client, repair):
    found = fetch_executions(client, TASK, repair.findings[0])
    assert [(e["taskId"], e["findingId"]) for e in found] == [(TASK, repair.findings[0])]


def test_actions_come_with_their_parameters(client, server):
    action = {"actionName": "a", "actionArn": "arn:a", "creationDate": 1772000000, "actionParams": {"x": {}}}
    server.data.actions = [{**action, "actionParams": {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}}]
    [found] = fetch_mitigation_actions(client)
    assert found["actionParams"] == {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
