"""OCSF and ASFF: accepted by models that nobody here wrote, stable ids, and only what is proven gone is closed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding

from ddreport.catalogue import checks as catalogue
from ddreport.exporting.asff import asff_findings, batches
from ddreport.exporting.ocsf import ocsf_findings
from ddreport.history import PROBLEMS
from ddreport.terms import ProblemState, partition_of

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[2J" + "x" * 700


def problem(number: int, state: str = "OPEN", **changes: Any) -> dict[str, Any]:
    resolved = state == "RESOLVED"
    return {
        "problem_id": f"{number:032x}",
        "account": "111122223333",
        "region": "eu-west-1",
        "check_name": "DEVICE_CERTIFICATE_EXPIRING_CHECK",
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": f"certificate-{number}",
        "reason_code": "CERTIFICATE_PAST_EXPIRATION",
        "severity": "MEDIUM",
        "state": state,
        "known_state": "OPEN" if state in {"UNKNOWN", "OUT_OF_SCOPE"} else state,
        "state_note": "the check failed" if state == "UNKNOWN" else None,
        "is_suppressed": state == "SUPPRESSED",
        "first_seen_time": AS_OF - timedelta(days=9),
        "first_seen_audit_task_id": "a",
        "opened_time": AS_OF - timedelta(days=9),
        "last_seen_time": AS_OF - timedelta(days=1),
        "last_seen_audit_task_id": "b",
        "resolved_time": AS_OF if resolved else None,
        "resolved_audit_task_id": "c" if resolved else None,
        "resolution": "NOT_REPORTED" if resolved else None,
        "reopened_count": 0,
        "age_days": 9.0,
        **changes,
    }


def problems(*rows: dict[str, Any]) -> pd.DataFrame:
    return PROBLEMS.conform(pd.DataFrame(list(rows), columns=PROBLEMS.column_names)) if rows else PROBLEMS.empty()


EVERY_STATE = [problem(n, state.value) for n, state in enumerate(ProblemState)]
EVERY_CHECK = [
    problem(100 + n, check_name=name, severity=check.severity.value, resource_id=HOSTILE, reason_code=HOSTILE)
    for n, (name, check) in enumerate(catalogue().items())
    if check.severity
]
FUTURE = problem(999, check_name="FUTURE_<b>_CHECK")


def test_ocsfs_published_model_takes_every_state_and_check() -> None:
    made = list(ocsf_findings(problems(*EVERY_STATE, *EVERY_CHECK, FUTURE), as_of=AS_OF, emulated=True))
    for event in made:
        found = ComplianceFinding.model_validate(json.loads(json.dumps(event)))
        assert (found.class_uid, found.type_uid, found.category_uid) == (2003, 200300 + found.activity_id, 2)
        assert found.finding_info.uid == event["finding_info"]["uid"]
        assert found.metadata.version == "1.5.0"


@pytest.mark.parametrize(
    ("state", "activity", "status", "verdict"),
    [
        ("NEW", 1, 1, 3),
        ("OPEN", 2, 2, 3),
        ("REOPENED", 2, 1, 3),
        ("SUPPRESSED", 2, 3, 3),
        ("RESOLVED", 3, 4, 1),
        ("UNKNOWN", 2, 0, 2),
        ("OUT_OF_SCOPE", 2, 0, 2),
    ],
)
def test_ocsf_says_what_is_known(state: str, activity: int, status: int, verdict: int) -> None:
    (event,) = ocsf_findings(problems(problem(1, state)), as_of=AS_OF, emulated=False)
    assert (event["activity_id"], event["status_id"], event["compliance"]["status_id"]) == (activity, status, verdict)
    assert event["unmapped"]["state"] == event["status_code"] == state
    assert event["finding_info"]["first_seen_time"] == int((AS_OF - timedelta(days=9)).timestamp() * 1000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Security Hub as moto has it, behind a boto3 client that checks the shape of every request first."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111122223333")
    with mock_aws():
        yield boto3.client("securityhub", region_name="eu-west-1")


def test_security_hub_takes_every_state_and_check(hub: Any) -> None:
    made = list(asff_findings(problems(*EVERY_STATE, *EVERY_CHECK, FUTURE), as_of=AS_OF, emulated=True))
    for part in batches(made):
        answer = hub.batch_import_findings(Findings=part)
        assert (answer["SuccessCount"], answer["FailedCount"]) == (len(part), 0)
    kept = hub.get_findings()["Findings"]
    assert {f["Id"] for f in kept} == {f["Id"] for f in made}
    for finding in made:
        assert len(finding["Title"]) <= 256
        assert len(finding["Description"]) <= 1024
        assert len(finding["Remediation"]["Recommendation"]["Text"]) <= 512
        assert len(finding["Resources"][0]["Id"]) <= 512
        assert len(finding["Compliance"].get("RelatedRequirements", [])) <= 32
        assert finding["Title"].isprintable()
        assert finding["Resources"][0]["Id"].isprintable()


def test_only_what_is_proven_gone_is_archived() -> None:
    made = asff_findings(problems(*EVERY_STATE), as_of=AS_OF, emulated=False)
    states = {f["ProductFields"]["ddreport/State"]: f for f in made}
    assert {s for s, f in states.items() if f["RecordState"] == "ARCHIVED"} == {"RESOLVED"}
    verdicts = {s: f["Compliance"]["Status"] for s, f in states.items()}
    assert verdicts["RESOLVED"] == "PASSED"
    assert (verdicts["UNKNOWN"], verdicts["OUT_OF_SCOPE"]) == ("WARNING", "NOT_AVAILABLE")
    assert {verdicts[s] for s in ("NEW", "OPEN", "REOPENED", "SUPPRESSED")} == {"FAILED"}
    assert states["SUPPRESSED"]["Workflow"]["Status"] == "SUPPRESSED"


def test_a_later_export_is_the_same_finding_updated() -> None:
    before = next(asff_findings(problems(problem(1)), as_of=AS_OF, emulated=False))
    after = next(asff_findings(problems(problem(1, "RESOLVED")), as_of=AS_OF + timedelta(days=1), emulated=False))
    assert (before["Id"], before["CreatedAt"]) == (after["Id"], after["CreatedAt"])
    assert before["UpdatedAt"] < after["UpdatedAt"]


def test_a_batch_holds_at_most_100_findings_of_one_account_and_region() -> None:
    rows = [problem(n) for n in range(120)] + [problem(200 + n, region="us-east-1") for n in range(3)]
    made = list(batches(list(asff_findings(problems(*rows), as_of=AS_OF, emulated=False))))
    assert [len(part) for part in made] == [100, 20, 3]
    assert all(len({(f["AwsAccountId"], f["Region"]) for f in part}) == 1 for part in made)


def test_no_problems_make_no_findings() -> None:
    assert list(ocsf_findings(problems(), as_of=AS_OF, emulated=False)) == []
    assert list(batches(list(asff_findings(problems(), as_of=AS_OF, emulated=False)))) == []


def test_partitions_follow_the_region() -> None:
    assert [partition_of(r) for r in ("eu-west-1", "cn-north-1", "us-gov-west-1")] == ["aws", "aws-cn", "aws-us-gov"]
