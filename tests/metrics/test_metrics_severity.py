"""Counts by severity and by resource."""

from __future__ import annotations

from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError
from ddreport.metrics import non_compliant_by_severity, top_resources
from ddreport.metrics.results import NON_COMPLIANT_BY_SEVERITY, TOP_RESOURCES


def _counts(table: Any, column: str = "non_compliant_count") -> dict[tuple[str, str], Any]:
    keys = zip(table["audit_task_id"], table["severity"].astype("str"), strict=True)
    return dict(zip(keys, table[column].tolist(), strict=True))


def test_several_reasons_of_one_resource_under_one_check_count_once(make: Any) -> None:
    findings = make.findings(
        make.a_finding(0, make.expiring, "r1", reason_code="A"),
        make.a_finding(0, make.expiring, "r1", reason_code="B"),
        make.a_finding(0, make.expiring, "r2"),
        make.a_finding(0, make.new, "r1"),
    )
    checks = make.checks(make.a_check(0, make.expiring, "bad"), make.a_check(0, make.new, "bad"))
    assert _counts(non_compliant_by_severity(findings, checks))["a0", "MEDIUM"] == 3


def test_suppressed_resources_are_counted_apart(make: Any) -> None:
    findings = make.findings(
        make.a_finding(0, make.expiring, "accepted", is_suppressed=True),
        make.a_finding(0, make.expiring, "both", is_suppressed=True, reason_code="A"),
        make.a_finding(0, make.expiring, "both", is_suppressed=False, reason_code="B"),
    )
    table = non_compliant_by_severity(findings, make.checks(make.a_check(0, make.expiring, "bad")))
    assert _counts(table)["a0", "MEDIUM"] == 1
    assert _counts(table, "suppressed_count")["a0", "MEDIUM"] == 1


def test_an_audit_without_findings_has_four_zeros(make: Any) -> None:
    table = non_compliant_by_severity(make.findings(), make.checks(make.a_check(0, make.expiring)))
    assert table["severity"].astype("str").tolist() == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    assert table["non_compliant_count"].tolist() == [0, 0, 0, 0]
    assert not table["incomplete"].any()


@pytest.mark.parametrize("status", ["failed", "canceled", "waiting", "running", "SOMETHING_NEW"])
def test_a_check_without_verdict_makes_its_severity_incomplete(make: Any, status: str) -> None:
    checks = make.checks(make.a_check(0, make.expiring, status), make.a_check(0, make.logging, "ok"))
    table = non_compliant_by_severity(make.findings(), checks)
    assert _counts(table, "incomplete") == {
        ("a0", "CRITICAL"): False,
        ("a0", "HIGH"): False,
        ("a0", "MEDIUM"): True,
        ("a0", "LOW"): False,
    }
    assert _counts(table, "unfinished_checks_count")["a0", "MEDIUM"] == 1


def test_leaving_out_a_check_that_ran_before_is_incomplete_but_not_yet_having_it_is_not(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.logging),
        make.a_check(1, make.logging),
        make.a_check(1, make.expiring),
        make.a_check(2, make.logging),
    )
    table = non_compliant_by_severity(make.findings(), checks)
    incomplete = _counts(table, "incomplete")
    assert [incomplete[a, "MEDIUM"] for a in ("a0", "a1", "a2")] == [False, False, True]


def test_an_audit_without_check_rows_is_incomplete(make: Any) -> None:
    audits = make.audits(make.an_audit(0), make.an_audit(1, task_status="FAILED"))
    table = non_compliant_by_severity(make.findings(), make.checks(make.a_check(0, make.logging)), audit_tasks=audits)
    assert _counts(table, "incomplete")["a1", "LOW"] is True


def test_an_unknown_check_takes_its_severity_from_its_findings(make: Any) -> None:
    checks = make.checks(make.a_check(0, make.new, "bad"), make.a_check(1, make.new, "failed"))
    findings = make.findings(make.a_finding(0, make.new, severity="HIGH"))
    incomplete = _counts(non_compliant_by_severity(findings, checks), "incomplete")
    assert [incomplete["a1", s] for s in ("CRITICAL", "HIGH", "MEDIUM", "LOW")] == [False, True, False, False]


def test_an_unknown_check_without_findings_makes_every_severity_incomplete(make: Any) -> None:
    table = non_compliant_by_severity(make.findings(), make.checks(make.a_check(0, make.new, "failed")))
    assert table["incomplete"].tolist() == [True] * 4


def test_the_audits_of_two_accounts_are_counted_apart(make: Any) -> None:
    checks = make.checks(make.a_check(0, make.expiring, account="1"), make.a_check(0, make.expiring, account="2"))
    table = non_compliant_by_severity(make.findings(make.a_finding(0, account="2")), checks)
    assert table.groupby("account")["non_compliant_count"].sum().tolist() == [0, 1]


def test_the_type_of_the_audit_stays_visible(make: Any) -> None:
    audits = make.audits(make.an_audit(0, task_type="ON_DEMAND_AUDIT_TASK"))
    table = non_compliant_by_severity(make.findings(), make.checks(make.a_check(0, make.shared)), audit_tasks=audits)
    assert table["task_type"].unique().tolist() == ["ON_DEMAND_AUDIT_TASK"]


def test_nothing_gives_empty_tables(make: Any) -> None:
    assert_frame_equal(non_compliant_by_severity(make.findings(), make.checks()), NON_COMPLIANT_BY_SEVERITY.empty())
    assert_frame_equal(top_resources(make.findings()), TOP_RESOURCES.empty())


def test_the_resource_with_most_problems_comes_first(make: Any) -> None:
    findings = make.findings(
        make.a_finding(1, make.expiring, "twice", reason_code="A"),
        make.a_finding(0, make.expiring, "twice", reason_code="A"),
        make.a_finding(1, make.expiring, "twice", reason_code="B"),
        make.a_finding(1, make.logging, "low"),
        make.a_finding(1, make.shared, "critical"),
        make.a_finding(1, make.logging, "twice", reason_code="A"),
    )
    table = top_resources(findings, limit=2)
    assert table["resource_id"].tolist() == ["twice", "critical"]
    first = table.iloc[0]
    assert (first["problems_count"], first["checks_count"], first["reasons_count"]) == (3, 2, 2)
    assert (first["medium_count"], first["low_count"], first["critical_count"], first["high_count"]) == (2, 1, 0, 0)
    assert first["worst_severity"] == "MEDIUM"
    assert first["check_names"] == f"{make.expiring}, {make.logging}"
    assert first["first_finding_time"] == make.day(0)


def test_suppressed_findings_count_only_when_asked_for(make: Any) -> None:
    findings = make.findings(make.a_finding(0, is_suppressed=True))
    assert top_resources(findings).empty
    assert len(top_resources(findings, include_suppressed=True)) == 1


def test_a_limit_below_one_is_refused(make: Any) -> None:
    with pytest.raises(ParameterError, match="limit is 0"):
        top_resources(make.findings(), limit=0)
