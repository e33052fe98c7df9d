"""Findings over HTTP: what is in them, and the ways to list them."""

from __future__ import annotations

from datetime import timedelta

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"

ALLOW_ALL = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}


def test_a_finding_says_what_is_wrong_with_which_resource(account, start):
    account.enable(EXPIRING)
    certificate_id = account.certificate(days=10)
    task_id = account.audit(EXPIRING)
    (finding,) = account.findings(task_id)
    assert len(finding["findingId"]) == 32
    assert finding["taskId"] == task_id
    assert finding["taskStartTime"] == start
    assert finding["findingTime"] == start + timedelta(seconds=1)
    assert finding["severity"] == "MEDIUM"
    assert finding["isSuppressed"] is False
    assert finding["reasonForNonComplianceCode"] == "CERTIFICATE_APPROACHING_EXPIRATION"
    expiry = str(round((start + timedelta(days=10)).timestamp() * 1000))
    assert finding["nonCompliantResource"] == {
        "resourceType": "DEVICE_CERTIFICATE",
        "resourceIdentifier": {"deviceCertificateId": certificate_id},
        "additionalInfo": {"EXPIRATION_TIME": expiry},
    }
    assert "relatedResources" not in finding
    assert account.iot.describe_audit_finding(findingId=finding["findingId"])["finding"] == finding


def test_the_same_problem_is_a_new_finding_in_every_audit(account):
    account.enable(LOGGING)
    first, second = (account.findings(account.audit(LOGGING))[0] for _ in range(2))
    assert first["findingId"] != second["findingId"]
    assert first["nonCompliantResource"] == second["nonCompliantResource"]


def test_a_finding_does_not_change_when_its_resource_is_repaired(account):
    account.enable(LOGGING)
    task_id = account.audit(LOGGING)
    before = account.findings(task_id)
    account.iot.set_v2_logging_options(roleArn="arn:aws:iam::123456789012:role/logs", defaultLogLevel="ERROR")
    assert account.findings(task_id) == before
    assert account.findings(account.audit(LOGGING)) == []


def test_a_policy_finding_names_the_default_version_and_the_actions(account):
    account.enable(POLICY)
    account.policy("wide", {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"], "Resource": "*"})
    (finding,) = account.findings(account.audit(POLICY))
    identifier = finding["nonCompliantResource"]["resourceIdentifier"]
    assert identifier == {"policyVersionIdentifier": {"policyName": "wide", "policyVersionId": "1"}}
    assert finding["reasonForNonCompliance"] == (
        "Policy allows broad access to IoT data plane actions: [iot:Connect, iot:Publish]."
    )


def test_related_resources_are_cut_at_ten_in_the_finding_and_complete_in_their_own_list(account, start):
    account.enable(SHARED)
    certificate_id = account.certificate()
    for i in range(12):
        account.emulator.connect_device(certificate_id, f"client-{i:02}", start - timedelta(hours=20 - i))
    (finding,) = account.findings(account.audit(SHARED))
    assert len(finding["relatedResources"]) == 10
    pages = account.iot.get_paginator("list_related_resources_for_audit_finding").paginate(
        findingId=finding["findingId"], PaginationConfig={"PageSize": 5}
    )
    related = [page["relatedResources"] for page in pages]
    assert [len(page) for page in related] == [5, 5, 2]
    newest = related[0][0]
    assert newest["resourceIdentifier"] == {"clientId": "client-11"}
    assert newest["additionalInfo"] == {"CONNECTION_TIME": str(round((start - timedelta(hours=9)).timestamp() * 1000))}


@pytest.fixture
def three_audits(account):
    account.enable(EXPIRING, LOGGING)
    for _ in range(6):
        account.certificate(days=5)
    ids = []
    for _ in range(3):
        ids.append(account.audit(EXPIRING, LOGGING))
        account.advance(hours=1)
    return ids


@pytest.mark.parametrize("size", [1, 4, 7, 250])
def test_any_page_size_gives_every_finding_once_newest_first(account, three_audits, start, size):
    pages = account.iot.get_paginator("list_audit_findings").paginate(
        startTime=start, endTime=account.now(), PaginationConfig={"PageSize": size}
    )
    findings = [f for page in pages for f in page["findings"]]
    assert len({f["findingId"] for f in findings}) == len(findings) == 21
    times = [f["findingTime"] for f in findings]
    assert times == sorted(times, reverse=True)


def test_a_span_takes_the_findings_found_in_it(account, three_audits, start):
    hour = timedelta(hours=1)
    answer = account.iot.list_audit_findings(startTime=start + hour, endTime=start + hour + timedelta(minutes=5))
    assert {f["taskId"] for f in answer["findings"]} == {three_audits[1]}


def test_a_check_narrows_a_task_and_a_span(account, three_audits, start):
    by_task = account.findings(three_audits[0], checkName=LOGGING)
    by_span = account.iot.list_audit_findings(startTime=start, endTime=account.now(), checkName=LOGGING)["findings"]
    assert [f["taskId"] for f in by_task] == three_audits[:1]
    assert [f["taskId"] for f in by_span] == three_audits[::-1]


def test_a_resource_narrows_a_span(account, three_audits, start):
    certificate_id = account.findings(three_audits[0], checkName=EXPIRING)[0]["nonCompliantResource"][
        "resourceIdentifier"
    ]
    answer = account.iot.list_audit_findings(
        startTime=start, endTime=account.now(), resourceIdentifier=certificate_id, maxResults=2
    )
    assert len(answer["findings"]) == 2
    assert "nextToken" in answer


def test_an_unknown_task_has_no_findings(account):
    assert account.iot.list_audit_findings(taskId="f" * 32)["findings"] == []


@pytest.mark.parametrize("members", ["", "task start end", "task start", "start", "end"])
def test_either_a_task_or_a_whole_span_is_required(account, refused, start, members):
    values = {"task": ("taskId", "f" * 32), "start": ("startTime", start), "end": ("endTime", start)}
    params = dict(values[name] for name in members.split())
    assert refused(lambda: account.iot.list_audit_findings(**params))[0] == "InvalidRequestException"


def test_a_token_of_other_filters_or_of_nobody_is_refused(account, refused, three_audits):
    token = account.iot.list_audit_findings(taskId=three_audits[0], maxResults=2)["nextToken"]
    for params in (
        {"taskId": three_audits[1], "nextToken": token},
        {"taskId": three_audits[0], "nextToken": "rubbish"},
        {"taskId": three_audits[0], "nextToken": token[:-4]},
        {"taskId": three_audits[0], "nextToken": ""},
    ):
        code, status, _ = refused(lambda params=params: account.iot.list_audit_findings(**params))
        assert (code, status) == ("InvalidRequestException", 400)


def test_unknown_findings_are_not_found(account, refused):
    assert refused(lambda: account.iot.describe_audit_finding(findingId="nobody"))[1] == 404
    assert refused(lambda: account.iot.list_related_resources_for_audit_finding(findingId="nobody"))[1] == 404
