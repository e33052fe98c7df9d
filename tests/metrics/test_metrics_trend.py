"""Compliance over time: latest verdicts side by side, and the unknown never taken for compliant."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport import history
from ddreport.errors import ParameterError, WindowError
from ddreport.metrics import check_verdicts, compliance_trend
from ddreport.metrics.results_controls import CHECK_VERDICTS, COMPLIANCE_TREND
from ddreport.schemas import CHECK_CONFIGURATIONS

COUNTS = [
    "places_count",
    "known_checks_count",
    "on_checks_count",
    "off_checks_count",
    "run_checks_count",
    "finished_checks_count",
    "compliant_checks_count",
    "non_compliant_checks_count",
    "unknown_checks_count",
]


def runs_of(make: Any, *checks: dict[str, Any], audits: tuple[dict[str, Any], ...] = ()) -> pd.DataFrame:
    """Runs of these checks; no finding is archived, so give no count of non-compliant resources unless it fits."""
    return history.check_runs(make.audits(*audits), make.checks(*checks), make.findings())


def configurations(*rows: tuple[datetime, str, bool]) -> pd.DataFrame:
    place = {"account": "012345678901", "region": "eu-west-1", "threshold_days": None, "configuration": None}
    return CHECK_CONFIGURATIONS.conform(
        pd.DataFrame([{**place, "observed_time": time, "check_name": name, "enabled": on} for time, name, on in rows])
    )


def test_accounts_audited_on_different_days_stand_side_by_side_with_their_latest_verdicts(make: Any) -> None:
    """Trend wrong when accounts are audited on different days."""
    checks = []
    for week in range(4):
        checks.append(make.a_check(7 * week, make.logging, "ok", account="1", audit_task_id=f"one{week}"))
        checks.append(make.a_check(7 * week + 3, make.logging, "bad", account="2", audit_task_id=f"two{week}"))
    days = [make.day(d + 0.5) for d in range(3, 28)]
    trend = compliance_trend(runs_of(make, *checks), days, by=())
    assert trend["compliance_rate"].tolist() == [0.5] * len(days)
    assert trend["places_count"].tolist() == [2] * len(days)
    each = compliance_trend(runs_of(make, *checks), days)
    assert each.groupby("account")["compliance_rate"].unique().map(list).to_dict() == {"1": [1.0], "2": [0.0]}


def test_partial_runs_on_one_day_are_not_counted_as_a_drop(make: Any) -> None:
    """Partial runs on one day counted as a drop."""
    names = [f"CHECK_{n:02}" for n in range(17)]
    checks = [make.a_check(day, name, "ok") for day in range(5) for name in names]
    checks += [make.a_check(4.25, name, "ok") for name in names[:3]]
    checks += [make.a_check(4.5, names[0], "bad")]
    trend = compliance_trend(runs_of(make, *checks), [make.day(d) for d in (4, 4.25, 4.5)])
    assert trend["finished_checks_count"].tolist() == [17, 17, 17]
    assert trend["compliant_checks_count"].tolist() == [17, 17, 16]
    assert trend["coverage_finished"].tolist() == [1, 1, 1]


def test_a_check_switched_off_is_not_compliant(make: Any) -> None:
    """Check switched off is not compliant."""
    runs = runs_of(make, make.a_check(0, make.logging, "ok"), make.a_check(0, make.shared, "ok"))
    seen = configurations(
        (make.day(0), make.logging, True),
        (make.day(0), make.shared, True),
        (make.day(1), make.logging, False),
        (make.day(1), make.shared, True),
    )
    trend = compliance_trend(runs, [make.day(0), make.day(2)], check_configurations=seen)
    assert trend[COUNTS].to_numpy(dtype=int).tolist() == [[1, 2, 2, 0, 2, 2, 2, 0, 0], [1, 2, 1, 1, 1, 1, 1, 0, 0]]
    assert trend["compliance_rate"].tolist() == [1, 1]
    assert trend["coverage_on"].tolist() == [1, 0.5]
    assert trend["coverage_finished"].tolist() == [1, 0.5]
    verdicts = check_verdicts(runs, [make.day(2)], check_configurations=seen)
    off = verdicts[verdicts["check_name"] == make.logging].iloc[0]
    assert off["verdict"] == "OFF"
    assert "switched off" in off["verdict_note"]
    assert pd.isna(off["audit_task_id"])


@pytest.mark.parametrize("status", ["failed", "canceled", "waiting", "running", "STRANGE"])
def test_a_run_without_verdict_makes_the_check_unknown_and_lowers_every_honest_rate(make: Any, status: str) -> None:
    runs = runs_of(
        make,
        make.a_check(0, make.logging, "ok"),
        make.a_check(0, make.shared, "ok"),
        make.a_check(1, make.logging, status),
    )
    row = compliance_trend(runs, [make.day(1)]).iloc[0]
    assert row[COUNTS].tolist() == [1, 2, 2, 0, 2, 1, 1, 0, 1]
    assert (row["compliance_rate"], row["least_compliance_rate"], row["unknown_rate"]) == (1, 0.5, 0.5)
    assert (row["coverage_run"], row["coverage_finished"]) == (1, 0.5)


def test_missed_days_make_a_daily_check_unknown_from_two_days_after_its_last_run(make: Any) -> None:
    runs = runs_of(make, *(make.a_check(day, make.logging, "ok") for day in range(8)))
    trend = compliance_trend(runs, [make.day(7), make.day(9), make.day(9.01)])
    assert trend["compliant_checks_count"].tolist() == [1, 1, 0]
    assert trend["unknown_checks_count"].tolist() == [0, 0, 1]
    assert trend["run_checks_count"].tolist() == [1, 1, 0]
    assert trend["compliance_rate"].isna().tolist() == [False, False, True]


def test_a_check_that_never_ran_is_unknown_when_on(make: Any) -> None:
    seen = configurations((make.day(0), make.logging, True), (make.day(0), make.shared, False))
    empty = history.CHECK_RUNS.empty()
    row = compliance_trend(empty, [make.day(1)], check_configurations=seen).iloc[0]
    assert row[COUNTS].tolist() == [1, 2, 1, 1, 0, 0, 0, 0, 1]
    assert row["unknown_rate"] == 1
    assert pd.isna(row["compliance_rate"])


def test_rates_with_and_without_suppressions(make: Any) -> None:
    def counts(total: int | None, bad: int | None, suppressed: int | None) -> dict[str, Any]:
        return {
            "total_resources_count": total,
            "non_compliant_resources_count": bad,
            "suppressed_non_compliant_resources_count": suppressed,
        }

    checks = make.checks(
        make.a_check(0, "A", "ok", **counts(100, 0, 10)),
        make.a_check(0, "B", "ok", **counts(50, 0, 0)),
        make.a_check(0, "C", "bad", **counts(50, 1, None)),
        make.a_check(0, "D", "ok", **counts(None, None, None)),
    )
    runs = history.check_runs(make.audits(make.an_audit(0)), checks, make.findings(make.a_finding(0, "C")))
    row = compliance_trend(runs, [make.day(0)]).iloc[0]
    assert row["compliance_rate"] == pytest.approx(3 / 4)
    assert row["compliant_only_by_suppression_count"] == 1
    assert row["strict_compliance_rate"] == pytest.approx(2 / 4)
    assert row["counted_checks_count"] == 3
    assert row["resource_compliance_rate"] == pytest.approx(199 / 200)
    assert row["strict_resource_compliance_rate"] == pytest.approx(189 / 200)


def test_a_shorter_look_that_finds_nothing_does_not_make_a_check_compliant(make: Any) -> None:
    on_demand = {"task_type": "ON_DEMAND_AUDIT_TASK", "scheduled_audit_name": None}
    audits = (make.an_audit(0), make.an_audit(1, **on_demand), make.an_audit(2), make.an_audit(3, **on_demand))
    statuses = ["ok", "bad", "ok", "ok"]
    checks = [make.a_check(day, make.shared, status) for day, status in enumerate(statuses)]
    verdicts = check_verdicts(runs_of(make, *checks, audits=audits), [make.day(d) for d in range(4)])
    assert verdicts["verdict"].tolist() == ["COMPLIANT", "NON_COMPLIANT", "UNKNOWN", "COMPLIANT"]
    assert "looked back longer" in verdicts["verdict_note"].iloc[2]


def test_moments_before_anything_was_known_are_there_with_nothing_known(make: Any) -> None:
    runs = runs_of(make, make.a_check(0, make.logging, "ok"), make.a_check(5, make.logging, "ok", account="2"))
    trend = compliance_trend(runs, [make.day(1), make.day(-1), make.day(1)])
    assert trend["account"].tolist() == ["012345678901"] * 2
    assert trend["known_checks_count"].tolist() == [0, 1]
    assert trend["compliance_rate"].isna().tolist() == [True, False]


def test_by_account_alone_adds_up_its_regions(make: Any) -> None:
    runs = runs_of(
        make,
        make.a_check(0, make.logging, "ok", region="eu-west-1"),
        make.a_check(0, make.logging, "bad", region="us-east-1", audit_task_id="b"),
    )
    row = compliance_trend(runs, [make.day(0)], by=["account"]).iloc[0]
    assert (row["places_count"], row["known_checks_count"], row["compliance_rate"]) == (2, 2, 0.5)
    assert pd.isna(row["region"])


def test_nothing_gives_the_empty_tables_and_wrong_input_is_refused(make: Any) -> None:
    empty = history.CHECK_RUNS.empty()
    for by in ((), ("account", "region")):
        table = compliance_trend(empty, [make.day(0)], by=by)
        assert table.empty
        assert list(table.columns) == COMPLIANCE_TREND.column_names
    assert list(check_verdicts(empty, []).columns) == CHECK_VERDICTS.column_names
    runs = runs_of(make, make.a_check(0, make.logging, "ok"))
    assert compliance_trend(runs, []).empty
    with pytest.raises(WindowError, match="no time zone"):
        compliance_trend(runs, [datetime(2026, 3, 2)])
    with pytest.raises(ParameterError, match="Did you mean 'region'"):
        compliance_trend(runs, [make.day(0)], by=["regoin"])


def test_counts_are_whole_at_every_moment(make: Any) -> None:
    """Whatever happens to the checks: known = on + off, on = compliant + non-compliant + unknown, and totals add up."""
    statuses = itertools.cycle(["ok", "bad", "failed", "ok", "waiting", "bad", "canceled"])
    checks = [
        make.a_check(day, name, next(statuses), account=account, audit_task_id=f"{account}-{day}")
        for account, first in (("1", 0), ("2", 1))
        for day in range(first, 30, 2)
        for name in (make.logging, make.shared, make.expiring)
        if (day + len(name)) % 3
    ]
    moments = [make.day(0) + timedelta(hours=7 * n) for n in range(120)]
    runs = runs_of(make, *checks)
    each, total = compliance_trend(runs, moments), compliance_trend(runs, moments, by=())
    for table in (each, total):
        on = table["compliant_checks_count"] + table["non_compliant_checks_count"] + table["unknown_checks_count"]
        assert (table["on_checks_count"] == on).all()
        assert (table["known_checks_count"] == on + table["off_checks_count"]).all()
        assert (table["finished_checks_count"] <= table["run_checks_count"]).all()
    counts = [c for c in COMPLIANCE_TREND.column_names if c.endswith("_count")]
    assert (each.groupby("as_of_time")[counts].sum().to_numpy() == total[counts].to_numpy()).all()
