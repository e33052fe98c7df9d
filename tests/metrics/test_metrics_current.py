"""What holds now: verdicts, findings and the figures at a report's head."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import WindowError
from ddreport.metrics import current_checks, current_findings, key_figures
from ddreport.metrics.results import CURRENT_CHECKS
from ddreport.schemas import FINDINGS
from ddreport.terms import Severity

# Current checks


def test_the_verdict_is_that_of_the_latest_finished_run(make: Any) -> None:
    checks = make.checks(*(make.a_check(d, make.logging, s) for d, s in enumerate(["bad", "ok", "failed", "bad"])))
    row = current_checks(checks, as_of=make.day(2.5)).iloc[0]
    assert (row["audit_task_id"], row["check_run_status"]) == ("a1", "COMPLETED_COMPLIANT")
    assert row["age_days"] == 1.5
    assert (row["latest_audit_task_id"], row["latest_check_run_status"]) == ("a2", "FAILED")
    assert bool(row["latest_differs"]) is True


def test_an_audit_that_begins_at_as_of_counts(make: Any) -> None:
    table = current_checks(make.checks(make.a_check(3, make.logging)), as_of=make.day(3))
    assert table["age_days"].tolist() == [0.0]
    assert table["latest_differs"].tolist() == [False]


def test_a_check_that_never_finished_has_no_verdict(make: Any) -> None:
    failed = make.a_check(0, make.logging, "failed", error_code="INSUFFICIENT_PERMISSIONS", message="no")
    row = current_checks(make.checks(failed), as_of=make.day(1)).iloc[0]
    assert pd.isna(row["check_run_status"])
    assert pd.isna(row["age_days"])
    assert (row["latest_error_code"], row["latest_message"]) == ("INSUFFICIENT_PERMISSIONS", "no")
    assert bool(row["latest_differs"]) is True


def test_a_partial_audit_leaves_the_other_checks_as_they_were(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.logging, "bad"), make.a_check(0, make.shared), make.a_check(1, make.shared)
    )
    table = current_checks(checks, as_of=make.day(2)).set_index("check_name")
    assert table.loc[make.logging, "check_run_status"] == "COMPLETED_NON_COMPLIANT"
    assert table["audit_task_id"].to_dict() == {make.logging: "a0", make.shared: "a1"}


def test_accounts_audited_on_different_days_stand_side_by_side(make: Any) -> None:
    checks = make.checks(make.a_check(0, make.logging, account="1"), make.a_check(5, make.logging, account="2"))
    assert current_checks(checks, as_of=make.day(6))["age_days"].tolist() == [6.0, 1.0]


def test_of_two_audits_that_began_at_once_the_greater_id_counts(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.logging, "ok", audit_task_id="b"), make.a_check(0, make.logging, "bad", audit_task_id="a")
    )
    assert current_checks(checks, as_of=make.day(0))["audit_task_id"].tolist() == ["b"]


def test_the_types_of_both_audits_are_told(make: Any) -> None:
    audits = make.audits(make.an_audit(0, task_type="ON_DEMAND_AUDIT_TASK"), make.an_audit(1))
    checks = make.checks(make.a_check(0, make.shared), make.a_check(1, make.shared, "failed"))
    row = current_checks(checks, as_of=make.day(2), audit_tasks=audits).iloc[0]
    assert (row["task_type"], row["latest_task_type"]) == ("ON_DEMAND_AUDIT_TASK", "SCHEDULED_AUDIT_TASK")


def test_no_checks_give_an_empty_table(make: Any) -> None:
    assert_frame_equal(current_checks(make.checks(), as_of=make.day(0)), CURRENT_CHECKS.empty())
    later = make.checks(make.a_check(3, make.logging))
    assert_frame_equal(current_checks(later, as_of=make.day(0)), CURRENT_CHECKS.empty())


@pytest.mark.parametrize("function", ["checks", "findings", "figures"])
def test_a_moment_without_time_zone_is_refused(make: Any, function: str) -> None:
    moment = datetime(2026, 3, 2)
    calls = {
        "checks": lambda: current_checks(make.checks(), as_of=moment),
        "findings": lambda: current_findings(make.findings(), make.checks(), as_of=moment),
        "figures": lambda: key_figures(make.audits(), make.checks(), make.findings(), as_of=moment),
    }
    with pytest.raises(WindowError, match="no time zone"):
        calls[function]()


# Current findings


def test_open_findings_are_those_of_each_checks_latest_finished_run(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.expiring, "bad"),
        make.a_check(0, make.logging, "bad"),
        make.a_check(1, make.expiring, "bad"),
        make.a_check(1, make.logging, "failed"),
        make.a_check(2, make.expiring, "canceled"),
    )
    findings = make.findings(
        make.a_finding(0, make.expiring, "fixed"),
        make.a_finding(0, make.logging, "account"),
        make.a_finding(1, make.expiring, "open", is_suppressed=True),
        make.a_finding(2, make.expiring, "half-way"),
    )
    table = current_findings(findings, checks, as_of=make.day(3))
    assert table["resource_id"].tolist() == ["open", "account"]


def test_a_later_compliant_run_closes_the_findings(make: Any) -> None:
    checks = make.checks(make.a_check(0, make.expiring, "bad"), make.a_check(1, make.expiring, "ok"))
    findings = make.findings(make.a_finding(0))
    assert_frame_equal(current_findings(findings, checks, as_of=make.day(1)), FINDINGS.empty())
    assert len(current_findings(findings, checks, as_of=make.day(0.5))) == 1


def test_the_same_audit_id_in_two_accounts_is_kept_apart(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.expiring, "bad", account="1", audit_task_id="x"),
        make.a_check(1, make.expiring, "ok", account="1", audit_task_id="y"),
        make.a_check(0, make.expiring, "bad", account="2", audit_task_id="x"),
    )
    findings = make.findings(
        make.a_finding(0, account="1", audit_task_id="x"), make.a_finding(0, account="2", audit_task_id="x")
    )
    assert current_findings(findings, checks, as_of=make.day(2))["account"].tolist() == ["2"]


def test_open_findings_come_most_severe_first(make: Any) -> None:
    names = [make.logging, make.expiring, make.shared]
    checks = make.checks(*(make.a_check(0, n, "bad") for n in names))
    findings = make.findings(*(make.a_finding(0, n) for n in names))
    severities = current_findings(findings, checks, as_of=make.day(0))["severity"].astype("str").tolist()
    assert severities == ["CRITICAL", "MEDIUM", "LOW"]


# Key figures


def _story(make: Any) -> dict[str, Any]:
    days = [0, 8, 9]
    return {
        "audit_tasks": make.audits(*(make.an_audit(d) for d in days), make.an_audit(10, task_status="CANCELED")),
        "checks": make.checks(
            make.a_check(0, make.expiring, "bad"),
            make.a_check(0, make.shared, "bad"),
            make.a_check(8, make.expiring, "bad"),
            make.a_check(8, make.shared, "ok"),
            make.a_check(9, make.expiring, "failed"),
            make.a_check(9, make.shared, "ok"),
            make.a_check(10, make.shared, "canceled"),
            make.a_check(10, make.new, "canceled"),
        ),
        "findings": make.findings(
            make.a_finding(0, make.expiring, "one"),
            make.a_finding(0, make.expiring, "two"),
            make.a_finding(0, make.shared, "shared"),
            make.a_finding(8, make.expiring, "one"),
            make.a_finding(8, make.expiring, "one", reason_code="OTHER"),
            make.a_finding(8, make.expiring, "two", is_suppressed=True),
        ),
    }


def test_key_figures_tell_how_things_stand_and_stood(make: Any) -> None:
    figures = key_figures(**_story(make), as_of=make.day(10.5))
    assert (figures.audits_count, figures.completed_audits_count) == (4, 3)
    assert figures.latest_completed_audit_time == make.day(9)
    assert (figures.known_checks_count, figures.finished_checks_count, figures.compliant_checks_count) == (3, 2, 1)
    assert figures.stale_checks_count == 3
    assert figures.compliance_rate == 0.5
    assert figures.coverage == 0.0
    assert figures.open_by_severity == {
        Severity.CRITICAL: 0,
        Severity.HIGH: 0,
        Severity.MEDIUM: 1,
        Severity.LOW: 0,
    }
    assert figures.suppressed_count == 1
    assert figures.compared_with == make.day(3.5)
    assert figures.open_before_by_severity is not None
    assert figures.open_before_by_severity[Severity.CRITICAL] == 1
    assert (figures.open_before_count, figures.suppressed_before_count) == (3, 0)


def test_a_partial_last_audit_does_not_look_like_an_improvement(make: Any) -> None:
    story = _story(make)
    complete = key_figures(**story, as_of=make.day(8.5))
    partial = key_figures(**story, as_of=make.day(10.5))
    assert partial.open_by_severity == complete.open_by_severity


def test_without_a_verdict_before_there_is_no_comparison(make: Any) -> None:
    figures = key_figures(**_story(make), as_of=make.day(5))
    assert figures.open_before_by_severity is None
    assert figures.open_before_count is None
    assert figures.suppressed_before_count is None
    assert figures.open_count == 3


def test_the_comparison_can_be_with_any_moment(make: Any) -> None:
    figures = key_figures(**_story(make), as_of=make.day(9), compared_with=make.day(8))
    assert figures.open_before_count == figures.open_count == 1


def test_key_figures_of_nothing(make: Any) -> None:
    figures = key_figures(make.audits(), make.checks(), make.findings(), as_of=make.day(0))
    assert figures.latest_completed_audit_time is None
    assert figures.compliance_rate is None
    assert figures.coverage is None
    assert figures.open_count == 0
