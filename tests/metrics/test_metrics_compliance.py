"""Compliance and coverage, per audit and per check."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import TableSchemaError
from ddreport.metrics import compliance, compliance_by_check
from ddreport.metrics.results import COMPLIANCE, COMPLIANCE_BY_CHECK


def test_the_rate_is_compliant_by_finished_and_coverage_finished_by_all(make: Any) -> None:
    statuses = ["ok", "ok", "bad", "failed", "canceled", "waiting", "running", "SOMETHING_NEW"]
    checks = make.checks(*(make.a_check(0, f"C{i}", s) for i, s in enumerate(statuses)))
    row = compliance(make.audits(make.an_audit(0)), checks).iloc[0]
    assert (row["total_checks_count"], row["finished_checks_count"], row["compliant_checks_count"]) == (8, 3, 2)
    assert row["unfinished_checks_count"] == 5
    assert row["compliance_rate"] == pytest.approx(2 / 3)
    assert row["coverage"] == pytest.approx(3 / 8)


def test_an_audit_in_which_nothing_finished_has_no_rate_and_coverage_zero(make: Any) -> None:
    table = compliance(make.audits(make.an_audit(0)), make.checks(make.a_check(0, make.logging, "failed")))
    assert table["compliance_rate"].isna().all()
    assert table["coverage"].tolist() == [0.0]


def test_an_audit_without_checks_is_there_and_has_no_rates(make: Any) -> None:
    table = compliance(make.audits(make.an_audit(0, task_status="FAILED")), make.checks())
    assert table["task_status"].tolist() == ["FAILED"]
    assert table["total_checks_count"].tolist() == [0]
    assert table[["compliance_rate", "coverage", "resource_compliance_rate"]].isna().all(axis=None)


def test_resource_rates_count_finished_checks_with_known_counts_only(make: Any) -> None:
    def counts(total: int | None, bad: int | None, suppressed: int | None) -> dict[str, Any]:
        return {
            "total_resources_count": total,
            "non_compliant_resources_count": bad,
            "suppressed_non_compliant_resources_count": suppressed,
        }

    checks = make.checks(
        make.a_check(0, "A", "bad", **counts(100, 10, 5)),
        make.a_check(0, "B", "bad", **counts(100, 30, None)),
        make.a_check(0, "C", "failed", **counts(100, 100, 0)),
        make.a_check(0, "D", "ok", **counts(None, None, None)),
        make.a_check(0, "E", "bad", **counts(7, None, 3)),
    )
    row = compliance(make.audits(make.an_audit(0)), checks).iloc[0]
    assert (row["total_resources_count"], row["non_compliant_resources_count"]) == (200, 40)
    assert row["suppressed_non_compliant_resources_count"] == 5
    assert row["resource_compliance_rate"] == pytest.approx(0.8)
    assert row["strict_resource_compliance_rate"] == pytest.approx(0.775)


def test_checks_that_evaluated_nothing_give_no_resource_rate(make: Any) -> None:
    check = make.a_check(0, make.expiring, total_resources_count=0, non_compliant_resources_count=0)
    row = compliance(make.audits(make.an_audit(0)), make.checks(check)).iloc[0]
    assert row["compliance_rate"] == 1
    assert pd.isna(row["resource_compliance_rate"])


def test_rows_are_a_time_series_per_account_and_region(make: Any) -> None:
    places = [(1, "2", "eu-west-1"), (0, "2", "eu-west-1"), (0, "1", "us-east-1"), (1, "1", "eu-west-1")]
    rows = [{"day": d, "account": a, "region": r} for d, a, r in places]
    audits = make.audits(*(make.an_audit(**r) for r in rows))
    checks = make.checks(*(make.a_check(**r, check_name=make.logging) for r in rows))
    table = compliance(audits, checks)
    found = list(zip(table["account"], table["region"], table["audit_task_id"], strict=True))
    assert found == [
        ("1", "eu-west-1", "a1"),
        ("1", "us-east-1", "a0"),
        ("2", "eu-west-1", "a0"),
        ("2", "eu-west-1", "a1"),
    ]
    assert table["total_checks_count"].tolist() == [1, 1, 1, 1]


def test_the_task_type_stays_visible(make: Any) -> None:
    audits = make.audits(make.an_audit(0), make.an_audit(1, task_type="ON_DEMAND_AUDIT_TASK"))
    checks = make.checks(make.a_check(0, make.shared), make.a_check(1, make.shared))
    types = ["SCHEDULED_AUDIT_TASK", "ON_DEMAND_AUDIT_TASK"]
    assert compliance(audits, checks)["task_type"].tolist() == types
    assert compliance_by_check(checks, audit_tasks=audits)["task_type"].tolist() == types


def test_checks_of_an_audit_that_audit_tasks_lacks_count_too(make: Any) -> None:
    table = compliance(make.audits(), make.checks(make.a_check(0, make.logging)))
    assert table["compliance_rate"].tolist() == [1.0]
    assert table["task_type"].isna().all()


def test_empty_tables_give_empty_results_with_all_columns(make: Any) -> None:
    assert_frame_equal(compliance(make.audits(), make.checks()), COMPLIANCE.empty())
    assert_frame_equal(compliance_by_check(make.checks()), COMPLIANCE_BY_CHECK.empty())


def test_a_missing_column_is_named(make: Any) -> None:
    with pytest.raises(TableSchemaError, match="checks: missing columns: check_run_status"):
        compliance(make.audits(), make.checks().drop(columns="check_run_status"))


def test_the_callers_tables_are_not_changed(make: Any) -> None:
    audits, checks = make.audits(make.an_audit(0)), make.checks(make.a_check(0, make.logging))
    before = audits.copy(), checks.copy()
    compliance(audits, checks)
    compliance_by_check(checks, audit_tasks=audits)
    assert_frame_equal(audits, before[0])
    assert_frame_equal(checks, before[1])


def test_each_status_has_its_state(make: Any) -> None:
    statuses = ["ok", "bad", "failed", "canceled", "waiting", "running", "SOMETHING_NEW"]
    table = compliance_by_check(make.checks(*(make.a_check(0, f"C{i}", s) for i, s in enumerate(statuses))))
    assert table["state"].tolist() == [
        "COMPLIANT",
        "NON_COMPLIANT",
        "FAILED",
        "CANCELED",
        "WAITING",
        "RUNNING",
        "UNKNOWN",
    ]


def test_a_check_that_an_audit_left_out_is_not_run_and_never_compliant(make: Any) -> None:
    checks = make.checks(
        make.a_check(0, make.logging),
        make.a_check(0, make.new),
        make.a_check(1, make.logging),
        make.a_check(2, make.new),
    )
    table = compliance_by_check(checks)
    matrix = table.pivot(index="check_name", columns="audit_task_id", values="state")
    assert matrix.loc[make.new].tolist() == ["COMPLIANT", "NOT_RUN", "COMPLIANT"]
    assert matrix.loc[make.logging].tolist() == ["COMPLIANT", "COMPLIANT", "NOT_RUN"]
    assert table.loc[table["state"] == "NOT_RUN", "check_run_status"].isna().all()


def test_a_check_of_another_account_is_not_missed(make: Any) -> None:
    table = compliance_by_check(
        make.checks(make.a_check(0, make.logging, account="1"), make.a_check(0, make.shared, account="2"))
    )
    assert sorted(zip(table["account"], table["check_name"], strict=True)) == [("1", make.logging), ("2", make.shared)]


def test_an_audit_without_any_check_row_shows_every_check_as_not_run(make: Any) -> None:
    audits = make.audits(make.an_audit(0), make.an_audit(1, task_status="FAILED"))
    table = compliance_by_check(make.checks(make.a_check(0, make.logging)), audit_tasks=audits)
    assert table["state"].tolist() == ["COMPLIANT", "NOT_RUN"]
