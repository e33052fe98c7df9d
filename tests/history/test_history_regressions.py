"""Errors that other tools are known to make, and every row of the tables of docs/lifecycle.md, on small literal audits."""

from __future__ import annotations

import hashlib
import sys
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport import history as hs
from ddreport import tables

LITERAL = sys.modules["history_literal"]
LOGGING, SHARED, CONFLICT = LITERAL.LOGGING, LITERAL.SHARED, LITERAL.CONFLICT
EXPIRING, AGE, POLICY = LITERAL.EXPIRING, LITERAL.AGE, LITERAL.POLICY
ACCOUNT, REGION = LITERAL.ACCOUNT, LITERAL.REGION
Told, day, report = LITERAL.Told, LITERAL.day, LITERAL.report

SOON = "CERTIFICATE_APPROACHING_EXPIRATION"
PAST = "CERTIFICATE_PAST_EXPIRATION"
OLD = "CERTIFICATE_PAST_AGE_THRESHOLD"
SUPPRESSED = {"is_suppressed": True}


def proof(told: Any, check: str = LOGGING) -> str:
    runs = told.runs()
    return str(runs.loc[runs["check_name"] == check, "proof"].iloc[-1])


# Errors that other tools are known to make


def test_an_audit_of_three_checks_does_not_close_what_fourteen_others_had_found() -> None:
    told = Told()
    names = [f"CHECK_{number:02}" for number in range(17)]
    told.audit(0, {name: [f"of-{name}"] for name in names})
    told.audit(1, {name: [] for name in names[:3]}, schedule=None)
    found = told.problems(1).set_index("check_name")["state"]
    assert set(found[names[:3]]) == {"RESOLVED"}
    assert set(found[names[3:]]) == {"NEW"}


def test_a_fully_clean_audit_closes_everything() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2", "r3"]})
    told.audit(1, {LOGGING: [], POLICY: []})
    found = told.problems(1)
    assert list(found["state"]) == ["RESOLVED"] * 3
    assert set(found["resolved_audit_task_id"]) == {"a1"}


def test_a_region_with_no_finding_left_closes_its_own_and_no_others() -> None:
    told = Told()
    for region in ("eu-west-1", "us-east-1"):
        told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]}, region=region)
    told.audit(1, {LOGGING: [], POLICY: []}, region="us-east-1", audit_id="clean")
    told.audit(1, {LOGGING: ["r1"], POLICY: ["r2"]}, region="eu-west-1", audit_id="as before")
    found = told.problems(1).groupby("region")["state"].unique()
    assert {region: list(states) for region, states in found.items()} == {
        "eu-west-1": ["OPEN"],
        "us-east-1": ["RESOLVED"],
    }


def test_accounts_audited_on_different_days_do_not_make_each_others_problems_vanish() -> None:
    told = Told()
    for week in range(4):
        told.audit(7 * week, {LOGGING: ["r1"]}, account="111111111111", audit_id=f"first-{week}")
        told.audit(7 * week + 3, {LOGGING: ["r2"]}, account="222222222222", audit_id=f"second-{week}")
    for at in range(3, 24):
        found = told.problems(at)
        assert sorted(found["account"]) == ["111111111111", "222222222222"]
        assert set(found["state"]) <= {"NEW", "OPEN"}
        assert set(found["reopened_count"]) == {0}


def test_partial_audits_of_one_day_are_no_drop_and_no_rise() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1.1, {LOGGING: ["r1"]}, schedule=None)
    told.audit(1.2, {POLICY: ["r2"]}, schedule=None)
    told.audit(2, {LOGGING: ["r1"], POLICY: ["r2"]})
    for at in (0, 1, 1.1, 1.2, 1.5, 2):
        found = told.problems(at)
        assert len(found) == 2
        assert set(found["state"]) <= {"NEW", "OPEN"}
    assert set(told.problems(2)["reopened_count"]) == {0}
    assert set(told.problems(2)["first_seen_audit_task_id"]) == {"a0"}


def test_a_resource_that_is_gone_is_closed_though_nobody_ever_saw_it_pass() -> None:
    told = Told()
    told.audit(0, {EXPIRING: {"reports": [report("gone", SOON)], "total_resources_count": 1}})
    told.audit(1, {EXPIRING: {"reports": [], "total_resources_count": 0}})
    problem = told.problem(1, "gone")
    assert (problem["state"], problem["resolution"]) == ("RESOLVED", "NOT_REPORTED")
    assert (problem["last_seen_audit_task_id"], problem["resolved_audit_task_id"]) == ("a0", "a1")


# One problem, one identity


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


def test_one_reason_of_several_that_goes_away_for_good_is_told_as_a_changed_reason_while_another_stays() -> None:
    told = Told()
    told.audit(0, {POLICY: [report("p", "A"), report("p", "B")]})
    told.audit(1, {POLICY: [report("p", "B")]})
    found = told.problems(1).set_index("reason_code")
    assert found["state"].to_dict() == {"A": "RESOLVED", "B": "OPEN"}
    assert found.loc["A", "resolution"] == "REASON_CHANGED"


# What one run of a check proves


@pytest.mark.parametrize("status", ["COMPLETED_COMPLIANT", "COMPLETED_NON_COMPLIANT"])
def test_a_completed_run_proves_what_is_there_and_what_is_not(status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"check_run_status": status}})
    assert proof(told) == "FULL"
    assert told.states_of([1]) == ["RESOLVED"]


def test_a_run_with_fewer_findings_than_aws_counted_proves_only_what_it_reports() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1", "r2"]})
    told.audit(1, {LOGGING: {"reports": ["r1"], "non_compliant_resources_count": 2}})
    assert proof(told) == "PRESENCE"
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["OPEN"], ["UNKNOWN"])
    assert "1 findings for 2 non-compliant resources" in told.problem(1, "r2")["state_note"]


def test_suppressed_findings_count_among_those_that_are_there() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"reports": [report("r2", **SUPPRESSED)], "non_compliant_resources_count": 0}})
    assert proof(told) == "FULL"
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize("check", [LITERAL.GUESTS, LITERAL.USERS])
@pytest.mark.parametrize(("total", "state"), [(0, "UNKNOWN"), (1, "RESOLVED")])
def test_a_cognito_check_that_looked_at_no_pool_proves_nothing(check: str, total: int, state: str) -> None:
    told = Told()
    told.audit(0, {check: {"reports": ["pool"], "total_resources_count": 1}})
    told.audit(1, {check: {"total_resources_count": total}})
    assert told.states_of([1], "pool") == [state]


def test_any_other_check_that_looked_at_nothing_proves_that_nothing_is_there() -> None:
    told = Told()
    told.audit(0, {EXPIRING: ["r1"]})
    told.audit(1, {EXPIRING: {"total_resources_count": 0}})
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize("status", [*LITERAL.STATUS.values(), "SOMETHING_NEW"])
def test_a_check_that_did_not_complete_resolves_nothing_but_what_it_reports_is_there(status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"reports": ["r2"], "check_run_status": status}})
    assert proof(told) == "PRESENCE"
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["UNKNOWN"], ["NEW"])
    assert told.problem(1, "r1")["known_state"] == "NEW"


def test_a_check_that_is_not_in_an_audit_has_no_run_there() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {POLICY: []})
    runs = told.runs()
    assert list(runs.loc[runs["check_name"] == LOGGING, "audit_task_id"]) == ["a0"]
    assert told.states_of([1]) == ["NEW"]


@pytest.mark.parametrize("task_status", ["CANCELED", "FAILED", "IN_PROGRESS"])
def test_a_check_that_completed_in_an_audit_that_did_not_has_completed(task_status: str) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {LOGGING: [], POLICY: "canceled"}, task_status=task_status)
    assert (told.states_of([1], "r1"), told.states_of([1], "r2")) == (["RESOLVED"], ["UNKNOWN"])


# Who may resolve whom


def test_a_problem_is_resolved_between_the_last_report_and_the_first_full_silence() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: "failed"})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: []})
    (episode,) = told.episodes().itertuples()
    assert (episode.first_seen_audit_task_id, episode.last_seen_audit_task_id) == ("a0", "a1")
    assert (episode.resolved_audit_task_id, episode.resolved_time) == ("a4", day(4))


@pytest.mark.parametrize(
    "other",
    [
        ({POLICY: []}, {}),
        ({LOGGING: []}, {"account": "999999999999"}),
        ({LOGGING: []}, {"region": "us-east-1"}),
        ({LOGGING: "failed"}, {}),
        ({LOGGING: "canceled"}, {}),
    ],
)
def test_nothing_else_resolves(other: tuple[dict[str, Any], dict[str, str]]) -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, other[0], **other[1])
    assert "RESOLVED" not in told.states_of([0, 1, 90])


def test_days_without_audits_resolve_nothing() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(200, {LOGGING: ["r1"]})
    assert told.states_of([0, 61, 100, 199, 200]) == ["NEW", "NEW", "UNKNOWN", "UNKNOWN", "OPEN"]
    assert told.problem(200)["reopened_count"] == 0


def test_a_problem_that_was_resolved_and_is_reported_again_is_reopened_as_its_next_episode() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: ["r1"]})
    told.audit(3, {LOGGING: ["r1"]})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: ["r1"]})
    states = ["NEW", "RESOLVED", "REOPENED", "OPEN", "RESOLVED", "REOPENED"]
    assert told.states_of(range(6)) == states
    assert [told.problem(at)["reopened_count"] for at in range(6)] == [0, 0, 1, 1, 1, 2]
    assert list(told.episodes()["episode"]) == [1, 2, 3]
    assert told.problem(5)["problem_id"] == told.problem(0)["problem_id"]
    assert told.problem(5)["first_seen_time"] == day(0)
    assert told.problem(5)["opened_time"] == day(5)


@pytest.mark.parametrize("check", [SHARED, CONFLICT])
@pytest.mark.parametrize(
    ("seen_by", "silent", "state"),
    [
        (None, None, "RESOLVED"),
        (None, "daily", "UNKNOWN"),
        ("daily", "daily", "RESOLVED"),
        ("daily", "weekly", "UNKNOWN"),
        ("weekly", "daily", "UNKNOWN"),
        ("daily", None, "RESOLVED"),
    ],
)
def test_a_check_that_looks_back_is_resolved_by_the_same_series_or_on_demand(
    check: str, seen_by: str | None, silent: str | None, state: str
) -> None:
    told = Told()
    told.audit(0, {check: ["r1"]}, schedule=seen_by)
    told.audit(1, {check: []}, schedule=silent)
    assert told.states_of([1]) == [state]


def test_what_a_second_series_saw_last_is_resolved_by_that_series() -> None:
    told = Told()
    told.audit(0, {SHARED: ["r1"]}, schedule="weekly")
    told.audit(1, {SHARED: ["r1"]}, schedule="daily")
    told.audit(2, {SHARED: []}, schedule="weekly")
    told.audit(3, {SHARED: []}, schedule="daily")
    assert told.states_of([0, 1, 2, 3]) == ["NEW", "OPEN", "UNKNOWN", "RESOLVED"]
    assert told.problem(3)["resolved_audit_task_id"] == "a3"


def test_what_only_an_on_demand_audit_saw_is_unknown_with_the_next_scheduled_one_until_the_next_on_demand_one() -> None:
    told = Told()
    told.audit(0, {SHARED: []})
    told.audit(0.5, {SHARED: ["r1"]}, schedule=None)
    told.audit(1, {SHARED: []})
    told.audit(2, {SHARED: []})
    told.audit(2.5, {SHARED: []}, schedule=None)
    assert told.states_of([0.5, 1, 2, 2.5]) == ["NEW", "UNKNOWN", "UNKNOWN", "RESOLVED"]
    assert "shorter" in told.problem(2)["state_note"]


def test_a_check_that_does_not_look_back_is_resolved_by_any_series() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]}, schedule=None)
    told.audit(1, {LOGGING: []}, schedule="weekly")
    assert told.states_of([1]) == ["RESOLVED"]


@pytest.mark.parametrize(
    ("check", "reason", "reporting", "silent", "state"),
    [
        (EXPIRING, SOON, 30, 30, "RESOLVED"),
        (EXPIRING, SOON, 30, 60, "RESOLVED"),
        (EXPIRING, SOON, 60, 30, "OUT_OF_SCOPE"),
        (EXPIRING, PAST, 60, 30, "RESOLVED"),
        (AGE, OLD, 365, 365, "RESOLVED"),
        (AGE, OLD, 365, 300, "RESOLVED"),
        (AGE, OLD, 365, 400, "OUT_OF_SCOPE"),
    ],
)
def test_a_run_may_resolve_only_under_a_threshold_at_least_as_strict(
    check: str, reason: str, reporting: int, silent: int, state: str
) -> None:
    told = Told()
    told.configuration(-1, {check: reporting})
    told.audit(0, {check: [report("c", reason)]})
    told.look(0.4)
    if silent != reporting:
        told.configuration(0.5, {check: silent})
    told.audit(1, {check: []})
    assert told.states_of([1], "c") == [state]
    if state == "OUT_OF_SCOPE":
        assert "laxer threshold" in told.problem(1, "c")["state_note"]


def test_the_threshold_raised_again_lets_the_next_run_resolve() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 30})
    told.audit(1, {EXPIRING: []})
    told.configuration(1.5, {EXPIRING: 60})
    told.audit(2, {EXPIRING: []})
    assert told.states_of([0, 1, 2], "c") == ["NEW", "OUT_OF_SCOPE", "RESOLVED"]


def test_a_problem_that_shows_again_under_the_old_threshold_was_never_resolved() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 30})
    told.audit(1, {EXPIRING: []})
    told.configuration(1.5, {EXPIRING: 60})
    told.audit(2, {EXPIRING: [report("c", SOON)]})
    assert told.states_of([0, 1, 2], "c") == ["NEW", "OUT_OF_SCOPE", "OPEN"]
    assert told.problem(2, "c")["reopened_count"] == 0


@pytest.mark.parametrize(
    ("looked", "state"),
    [
        # The look after the run still saw 60 days, so the run was made under 60.
        (1.2, "RESOLVED"),
        # The look before it saw 60, the one after it 30: the run counts as the laxer of the two.
        (0.8, "OUT_OF_SCOPE"),
    ],
)
def test_a_silent_run_near_a_change_of_threshold_counts_as_lax(looked: float, state: str) -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 60})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.look(0.1)
    told.audit(1, {EXPIRING: []})
    told.look(looked)
    told.configuration(1.5, {EXPIRING: 30})
    assert told.states_of([1.1], "c") == [state]


def test_a_reporting_run_near_a_change_of_threshold_counts_as_strict() -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 30})
    told.audit(0, {EXPIRING: [report("c", SOON)]})
    told.configuration(0.5, {EXPIRING: 60})
    told.look(0.6)
    told.configuration(0.7, {EXPIRING: 30})
    told.look(0.8)
    told.audit(1, {EXPIRING: []})
    # The run of day 0 may have been made under 60 days already, and that of day 1 was made under 30.
    assert told.states_of([1], "c") == ["OUT_OF_SCOPE"]


def test_where_no_configuration_was_ever_seen_the_default_counts() -> None:
    told = Told()
    told.audit(0, {EXPIRING: [report("c", SOON)], AGE: [report("d", OLD)]})
    told.audit(1, {EXPIRING: [], AGE: []})
    runs = told.runs().set_index("check_name")
    assert set(runs.loc[EXPIRING, "resolving_threshold_days"]) == {30}
    assert set(runs.loc[AGE, "resolving_threshold_days"]) == {365}
    assert (told.states_of([1], "c"), told.states_of([1], "d")) == (["RESOLVED"], ["RESOLVED"])


# States


def test_each_state_in_one_life() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(3, {LOGGING: "failed"})
    told.audit(4, {LOGGING: []})
    told.audit(5, {LOGGING: ["r1"]})
    told.configuration(5.5, {LOGGING: False})
    assert told.states_of([0, 1, 2, 3, 4, 5, 5.5]) == [
        "NEW",
        "OPEN",
        "SUPPRESSED",
        "UNKNOWN",
        "RESOLVED",
        "REOPENED",
        "OUT_OF_SCOPE",
    ]
    assert [told.problem(at)["known_state"] for at in (3, 5.5)] == ["SUPPRESSED", "REOPENED"]


def test_only_audits_that_began_by_then_count() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    assert told.problems(-0.001).empty
    assert told.states_of([0, 0.999, 1]) == ["NEW", "NEW", "RESOLVED"]


def test_a_check_switched_off_is_out_of_scope_until_it_runs_again() -> None:
    told = Told()
    told.configuration(-1, {LOGGING: True})
    told.audit(0, {LOGGING: ["r1"]})
    told.configuration(1, {LOGGING: False})
    told.configuration(100, {LOGGING: True})
    told.audit(101, {LOGGING: ["r1"]})
    assert told.states_of([0.9, 1, 50, 101]) == ["NEW", "OUT_OF_SCOPE", "OUT_OF_SCOPE", "OPEN"]
    assert "2026-03-03 09:15 UTC" in told.problem(50)["state_note"]
    assert told.states_of([100.5]) == ["UNKNOWN"]  # on again, but nobody has looked for a hundred days


def test_a_run_after_the_last_look_shows_that_the_check_was_on_again() -> None:
    told = Told()
    told.configuration(-1, {LOGGING: False})
    told.audit(0, {LOGGING: ["r1"]})
    assert told.states_of([0]) == ["NEW"]


def test_a_check_that_failed_because_it_was_switched_off_is_out_of_scope() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: {"check_run_status": "FAILED", "error_code": "AUDIT_CHECK_DISABLED"}})
    assert told.states_of([1]) == ["OUT_OF_SCOPE"]


def test_audit_switched_off_altogether_puts_everything_out_of_scope() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.configuration(1, {LOGGING: False, POLICY: False})
    assert list(told.problems(1)["state"]) == ["OUT_OF_SCOPE"] * 2


def test_resolved_comes_before_everything_else() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: "failed"})
    told.configuration(3, {LOGGING: False})
    assert told.states_of([2, 3, 400]) == ["RESOLVED"] * 3


def test_out_of_scope_comes_before_unknown_and_suppressed() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(1, {LOGGING: "failed"})
    told.configuration(2, {LOGGING: False})
    assert told.states_of([0, 1, 2, 300]) == ["SUPPRESSED", "UNKNOWN", "OUT_OF_SCOPE", "OUT_OF_SCOPE"]


def test_suppressed_comes_before_new_and_reopened() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    assert told.states_of([0, 1, 2]) == ["SUPPRESSED", "RESOLVED", "SUPPRESSED"]


# Overdue

MICROSECOND = timedelta(microseconds=1) / timedelta(days=1)


@pytest.mark.parametrize(
    ("runs", "step"),
    [
        ([0], 31),
        ([0, 0.2, 0.4], 31),  # one day counts once
        ([0, 1, 2, 3], 1),
        ([0, 7, 14, 21], 7),
        ([0, 30, 61, 91], 30),
        ([0, 1, 2, 9], 1),  # the median of 1, 1, 7
        ([0, 1], 1),
        ([*range(0, 140, 7), *range(134, 142)], 1),  # only the last eight steps count
    ],
)
def test_a_run_is_overdue_when_more_than_twice_the_usual_step_has_passed(runs: list[float], step: float) -> None:
    told = Told()
    for number, at in enumerate(runs):
        told.audit(at, {LOGGING: ["r1"]}, audit_id=f"a{number:03}")
    boundary = max(runs) + 2 * step
    assert told.states_of([boundary])[0] in ("NEW", "OPEN")
    assert told.states_of([boundary + 2 * MICROSECOND]) == ["UNKNOWN"]
    assert told.problem(boundary + 1)["state_note"].startswith("no audit since")


def test_the_usual_step_is_that_of_the_check_not_of_the_account() -> None:
    told = Told()
    for at in range(15):
        told.audit(at, {LOGGING: ["r1"]} if at % 7 else {LOGGING: ["r1"], POLICY: ["r2"]})
    assert (told.states_of([18], "r1"), told.states_of([18], "r2")) == (["UNKNOWN"], ["OPEN"])


def test_failed_runs_neither_shorten_the_usual_step_nor_hide_that_nobody_knows() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(7, {LOGGING: ["r1"]})
    told.audit(8, {LOGGING: "failed"})
    told.audit(14, {LOGGING: ["r1"]})
    assert told.states_of([8, 14, 28]) == ["UNKNOWN", "OPEN", "OPEN"]


# Suppressions


def test_a_suppression_is_no_resolution_and_its_end_is_no_reopening() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(1, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(2, {LOGGING: [report("r1", **SUPPRESSED)]})
    told.audit(3, {LOGGING: ["r1"]})
    assert told.states_of(range(4)) == ["NEW", "SUPPRESSED", "SUPPRESSED", "OPEN"]
    assert [bool(told.problem(at)["is_suppressed"]) for at in range(4)] == [False, True, True, False]
    (episode,) = told.episodes().itertuples()
    assert (episode.first_seen_time, episode.last_seen_time) == (day(0), day(3))


def test_a_new_version_ends_the_suppression_of_a_policy_while_the_problem_goes_on() -> None:
    found = problems_of_two(version("1", isSuppressed=True), version("2"), POLICY)
    (problem,) = found.itertuples()
    assert (problem.state, problem.is_suppressed, problem.reopened_count) == ("OPEN", False, 0)


def test_of_two_findings_of_one_problem_the_one_that_is_not_suppressed_counts() -> None:
    told = Told()
    told.audit(0, {POLICY: [version("1", isSuppressed=True), version("2")]})
    assert told.states_of([0], "fleet") == ["NEW"]


# Where the time lies


def test_a_problem_came_to_exist_after_the_last_full_run_that_did_not_report_it() -> None:
    told = Told()
    told.audit(0, {LOGGING: []})
    told.audit(1, {LOGGING: []})
    told.audit(2, {LOGGING: "failed"})
    told.audit(3, {LOGGING: ["r1"]})
    told.audit(5, {LOGGING: []})
    told.audit(6, {LOGGING: ["r1"]})
    found = told.episodes()
    assert list(found["absent_time"]) == [day(1), day(5)]
    assert list(found["first_seen_time"]) == [day(3), day(6)]


def test_a_problem_of_the_first_audit_may_have_been_there_for_ever() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    assert told.episodes()["absent_time"].isna().all()


def test_ages_are_measured_from_the_first_report_of_the_episode_until_it_was_proven_gone() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: []})
    told.audit(10, {LOGGING: ["r1"]})
    assert [float(told.problem(at)["age_days"]) for at in (0, 1.5, 2, 9, 10, 12)] == [0.0, 1.5, 2.0, 2.0, 0.0, 2.0]


def test_one_run_and_one_problem_are_all_it_takes() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]}, schedule=None)
    (span,) = hs.spans(told.tables()["findings"], told.runs()).itertuples()
    assert (span.first_slot, span.last_slot) == (0, 0)
