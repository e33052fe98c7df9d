"""One problem, one identity: the rows of docs/lifecycle.md."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pandas as pd
import pytest

from ddreport import tables

LITERAL = sys.modules["history_literal"]
LOGGING = LITERAL.LOGGING
EXPIRING = LITERAL.EXPIRING
POLICY = LITERAL.POLICY
ACCOUNT = LITERAL.ACCOUNT
REGION = LITERAL.REGION
Told = LITERAL.Told
day = LITERAL.day
report = LITERAL.report
SOON = "CERTIFICATE_APPROACHING_EXPIRATION"
PAST = "CERTIFICATE_PAST_EXPIRATION"


def of(identifier: dict[str, Any] | None, **members: Any) -> dict[str, Any]:
    """Return a finding as AWS sends it."""
    resource = {} if identifier is None else {"resourceIdentifier": identifier}
    return {"nonCompliantResource": resource, "reasonForNonComplianceCode": "REASON", **members}


def problems_of_two(first: dict[str, Any], second: dict[str, Any], check: str = LOGGING) -> pd.DataFrame:
    """Return the problems of two audits, a day apart, with one finding each."""
    told = Told()
    told.audit(0, {check: [first]})
    told.audit(1, {check: [second]})
    return told.problems(1)


HEX = "ab12" * 16
ARN = "arn:aws:iot:eu-west-1:012345678901:cert/" + HEX.upper()
ISSUER = {"issuerId": "0A1B", "issuerCertificateSerialNumber": "77", "issuerCertificateSubject": "CN=Mid"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"deviceCertificateId": HEX}, {"deviceCertificateId": HEX.upper()}),
        ({"deviceCertificateId": HEX}, {"deviceCertificateArn": ARN}),
        ({"caCertificateId": HEX}, {"caCertificateId": HEX.upper()}),
        ({"issuerCertificateIdentifier": ISSUER}, {"issuerCertificateIdentifier": ISSUER | {"issuerId": "0a1b"}}),
        ({"account": ACCOUNT}, {"account": ACCOUNT}),
        ({"clientId": "Pump 1"}, {"clientId": "Pump 1"}),
        ({"cognitoIdentityPoolId": "eu-west-1:A"}, {"cognitoIdentityPoolId": "eu-west-1:A"}),
        ({"roleAliasArn": "arn:…:rolealias/Logs"}, {"roleAliasArn": "arn:…:rolealias/Logs"}),
        ({"iamRoleArn": "arn:…:role/R"}, {"iamRoleArn": "arn:…:role/R"}),
        ({"newThing": {"a": 1, "b": 2}}, {"newThing": {"b": 2, "a": 1}}),
        (None, {}),
    ],
    ids=lambda identifier: next(iter(identifier), "empty") if identifier is not None else "none",
)
def test_identifiers_of_one_resource_go_on_as_one_problem(first: Any, second: Any) -> None:
    (problem,) = problems_of_two(of(first), of(second)).itertuples()
    assert (problem.state, problem.first_seen_audit_task_id, problem.last_seen_audit_task_id) == ("OPEN", "a0", "a1")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"deviceCertificateId": HEX}, {"deviceCertificateId": "0" * 64}),
        ({"deviceCertificateId": HEX}, {"caCertificateId": HEX}),
        *(
            ({"issuerCertificateIdentifier": ISSUER}, {"issuerCertificateIdentifier": ISSUER | {part: "other"}})
            for part in ISSUER
        ),
        ({"clientId": "Pump 1"}, {"clientId": "pump 1"}),
        ({"cognitoIdentityPoolId": "eu-west-1:A"}, {"cognitoIdentityPoolId": "eu-west-1:a"}),
        ({"roleAliasArn": "arn:…:rolealias/Logs"}, {"roleAliasArn": "arn:…:rolealias/logs"}),
        ({"iamRoleArn": "arn:…:role/R"}, {"iamRoleArn": "arn:…:role/r"}),
        ({"newThing": {"a": 1}}, {"newThing": {"a": 2}}),
        ({"clientId": "x"}, None),
    ],
)
def test_identifiers_that_differ_are_two_problems(first: Any, second: Any) -> None:
    found = problems_of_two(of(first), of(second))
    assert sorted(found["state"]) == ["NEW", "RESOLVED"]


def test_the_same_certificate_in_another_account_or_region_is_another_problem() -> None:
    told = Told()
    told.audit(0, {LOGGING: [of({"deviceCertificateId": HEX})]})
    told.audit(0, {LOGGING: [of({"deviceCertificateId": HEX})]}, account="999999999999")
    told.audit(0, {LOGGING: [of({"deviceCertificateId": HEX})]}, region="us-east-1")
    found = told.problems(1)
    assert found["problem_id"].nunique() == len(found) == 3


def version(number: str, **members: Any) -> dict[str, Any]:
    return of({"policyVersionIdentifier": {"policyName": "fleet", "policyVersionId": number}}, **members)


def test_a_new_version_of_a_policy_is_the_same_problem_continued() -> None:
    (problem,) = problems_of_two(version("1"), version("2"), POLICY).itertuples()
    assert (problem.resource_id, problem.policy_version_id, problem.state) == ("fleet", "2", "OPEN")
    assert problem.reopened_count == 0


def test_findings_without_identifier_are_one_problem_per_check_reason_and_account() -> None:
    told = Told()
    told.audit(0, {LOGGING: [of(None), of({})], POLICY: [of(None)]})
    told.audit(0, {LOGGING: [of(None, reasonForNonComplianceCode="OTHER")]}, account="999999999999")
    found = told.problems(0)
    assert len(found) == 3
    assert set(found["resource_id"]) == {"(no identifier)"}


@pytest.mark.parametrize(
    ("old", "present"),
    [
        ("IOT_POLICY_UNRESTRICTED_CHECK", POLICY),
        ("DEVICE_CERT_APPROACHING_EXPIRATION_CHECK", EXPIRING),
        ("UNAUTHENTICATED_COGNITO_IDENTITY_UNRESTRICTED_ACCESS_CHECK", LITERAL.GUESTS),
    ],
)
def test_a_renamed_check_goes_on(old: str, present: str) -> None:
    records = [
        of({"clientId": "c"}, checkName=name, findingId=f"{number}", severity="HIGH", taskId=f"a{number}")
        for number, name in enumerate((old, present))
    ]
    audits = [{"taskId": f"a{n}", "taskStatus": "COMPLETED", "taskType": "ON_DEMAND_AUDIT_TASK"} for n in (0, 1)]
    tasks = [
        audit | {"taskStartTime": day(n), "auditDetails": {name: {"checkRunStatus": "COMPLETED_NON_COMPLIANT"}}}
        for n, (audit, name) in enumerate(zip(audits, (old, present), strict=True))
    ]
    place = {"account": ACCOUNT, "region": REGION}
    found = [tables.findings_table([r], **place, task_start_time=day(n)) for n, r in enumerate(records)]
    (problem,) = LITERAL.problems_of(
        {
            "audit_tasks": tables.audit_tasks_table(tasks, **place, emulated=True),
            "checks": tables.checks_table(tasks, **place),
            "findings": pd.concat(found, ignore_index=True),
            "check_configurations": None,
            "observations": None,
        },
        1,
    ).itertuples()
    assert (problem.check_name, problem.state, problem.reopened_count) == (present, "OPEN", 0)


def test_a_missing_reason_code_is_a_reason_of_its_own() -> None:
    first, second = of({"clientId": "c"}), of({"clientId": "c"})
    del first["reasonForNonComplianceCode"], second["reasonForNonComplianceCode"]
    (problem,) = problems_of_two(first, second).itertuples()
    assert (problem.reason_code, problem.state) == ("(no reason code)", "OPEN")


def test_a_problem_id_can_be_worked_out_by_hand() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("größer", "R", resource_type="T")]})
    text = "12:0123456789019:eu-west-122:LOGGING_DISABLED_CHECK1:T8:größer1:R"
    assert told.problem(0, "größer")["problem_id"] == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_texts_that_run_into_each_other_are_not_the_same_problem() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("ab", "c"), report("a", "bc"), report("a1:b", "c"), report("a", "1:bc")]})
    assert told.problems(0)["problem_id"].nunique() == 4


def test_a_certificate_that_expires_leaves_one_problem_and_enters_another() -> None:
    told = Told()
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.audit(1, {EXPIRING: [report("c", PAST)]})
    told.audit(2, {EXPIRING: []})
    found = told.problems(1).set_index("reason_code")
    assert found["state"].to_dict() == {SOON: "RESOLVED", PAST: "NEW"}
    assert found.loc[SOON, "resolution"] == "REASON_CHANGED"
    assert told.problems(2).set_index("reason_code")["resolution"].to_dict() == {
        SOON: "REASON_CHANGED",
        PAST: "NOT_REPORTED",
    }


def test_one_reason_of_several_that_goes_away_is_resolved_while_another_stays() -> None:
    told = Told()
    told.audit(0, {POLICY: [report("p", "A"), report("p", "B")]})
    told.audit(1, {POLICY: [report("p", "B")]})
    found = told.problems(1).set_index("reason_code")
    assert found["state"].to_dict() == {"A": "RESOLVED", "B": "OPEN"}
    assert found.loc["A", "resolution"] == "NOT_REPORTED"


def test_one_reason_that_makes_way_for_a_new_one_beside_a_third_is_a_changed_reason() -> None:
    told = Told()
    told.audit(0, {POLICY: [report("p", "A"), report("p", "B")]})
    told.audit(1, {POLICY: [report("p", "B"), report("p", "C")]})
    found = told.problems(1).set_index("reason_code")
    assert found.loc["A", "resolution"] == "REASON_CHANGED"
