"""Holes in the data, told in plain words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import WindowError
from ddreport.metrics import data_gaps
from ddreport.metrics.results import DATA_GAPS


def _gaps(make: Any, audits: Any, checks: Any, start: float = -100, end: float = 1000) -> pd.DataFrame:
    return data_gaps(audits, checks, start=make.day(start), end=make.day(end))


def _missing_days(make: Any, days: list[float], **changes: Any) -> list[str]:
    table = _gaps(make, make.audits(*(make.an_audit(d, **changes) for d in days)), make.checks())
    assert set(table["kind"]) <= {"DAY_WITHOUT_AUDIT"}
    return [f"{t:%m-%d}" for t in table["time"]]


def test_no_gap_gives_an_empty_table(make: Any) -> None:
    table = _gaps(make, make.audits(make.an_audit(0)), make.checks(make.a_check(0, make.logging)))
    assert_frame_equal(table, DATA_GAPS.empty())
    assert_frame_equal(_gaps(make, make.audits(), make.checks()), DATA_GAPS.empty())


def test_a_failed_check_is_told_with_its_reason(make: Any) -> None:
    failed = make.a_check(0, make.logging, "failed", error_code="INSUFFICIENT_PERMISSIONS", message="iot:Get denied")
    (row,) = _gaps(make, make.audits(make.an_audit(0)), make.checks(failed)).to_dict("records")
    assert (row["kind"], row["check_name"], row["audit_task_id"]) == ("FAILED_CHECK", make.logging, "a0")
    assert row["message"] == (
        "Logging disabled: could not be evaluated, because the audit role lacks a permission. AWS says: iot:Get denied"
    )


@pytest.mark.parametrize(
    ("code", "words"), [(None, "AWS gave no reason"), ("BRAND_NEW", "BRAND_NEW"), ("AUDIT_CHECK_DISABLED", "disabled")]
)
def test_any_reason_of_a_failed_check_finds_words(make: Any, code: str | None, words: str) -> None:
    failed = make.a_check(0, make.new, "failed", error_code=code)
    message = _gaps(make, make.audits(make.an_audit(0)), make.checks(failed))["message"].item()
    assert words in message
    assert "not in the catalogue" in message


@pytest.mark.parametrize(("status", "kind"), [("CANCELED", "CANCELED_AUDIT"), ("FAILED", "FAILED_AUDIT")])
def test_an_audit_that_was_cancelled_or_failed_is_one_row(make: Any, status: str, kind: str) -> None:
    checks = make.checks(make.a_check(0, make.logging), make.a_check(0, make.shared, "canceled"))
    (row,) = _gaps(make, make.audits(make.an_audit(0, task_status=status)), checks).to_dict("records")
    assert row["kind"] == kind
    assert pd.isna(row["check_name"])
    assert "1 of its 2 checks have no result" in row["message"]


def test_an_audit_that_failed_without_checks_is_told(make: Any) -> None:
    table = _gaps(make, make.audits(make.an_audit(0, task_status="FAILED")), make.checks())
    assert table["message"].tolist() == ["The audit failed."]


@pytest.mark.parametrize(
    ("status", "words"), [("waiting", "waiting"), ("running", "running"), ("SOMETHING_NEW", "SOMETHING_NEW")]
)
def test_a_check_without_end_in_a_completed_audit_is_a_gap(make: Any, status: str, words: str) -> None:
    table = _gaps(make, make.audits(make.an_audit(0)), make.checks(make.a_check(0, make.logging, status)))
    assert table["kind"].tolist() == ["UNFINISHED_CHECK"]
    assert words in table["message"].item()


def test_a_day_between_two_daily_audits_is_missed(make: Any) -> None:
    assert _missing_days(make, [0, 1, 3, 4]) == ["03-04"]


def test_a_day_between_two_audits_is_missed_also_where_no_more_are_known(make: Any) -> None:
    assert _missing_days(make, [0, 2]) == ["03-03"]


def test_several_days_are_missed_where_audits_beside_them_were_daily(make: Any) -> None:
    assert _missing_days(make, [0, 1, 4]) == ["03-04", "03-05"]
    assert _missing_days(make, [0, 3, 4]) == ["03-03", "03-04"]


@pytest.mark.parametrize("step", [7, 14, 30])
def test_weekly_and_monthly_schedules_miss_nothing(make: Any, step: int) -> None:
    assert _missing_days(make, [step * n for n in range(5)]) == []


def test_an_hour_that_wanders_over_midnight_misses_nothing(make: Any) -> None:
    # 23:58, 23:59 and then 00:01 two calendar days later
    minutes = [(14 * 60 + 43) / 1440, 1 + (14 * 60 + 44) / 1440, 2 + (14 * 60 + 46) / 1440]
    assert [f"{make.day(m):%d %H:%M}" for m in minutes] == ["02 23:58", "03 23:59", "05 00:01"]
    assert _missing_days(make, minutes) == []


def test_on_demand_audits_have_no_rhythm(make: Any) -> None:
    changes = {"task_type": "ON_DEMAND_AUDIT_TASK", "scheduled_audit_name": None}
    assert _missing_days(make, [0, 1, 3], **changes) == []


def test_a_day_on_which_another_audit_ran_is_not_missed(make: Any) -> None:
    on_demand = make.an_audit(2.1, task_type="ON_DEMAND_AUDIT_TASK", scheduled_audit_name=None)
    audits = make.audits(make.an_audit(0), make.an_audit(1), on_demand, make.an_audit(3))
    assert _gaps(make, audits, make.checks()).empty


def test_two_weekly_schedules_a_day_apart_miss_nothing(make: Any) -> None:
    audits = make.audits(
        *(make.an_audit(d, scheduled_audit_name="monday") for d in (0, 7, 14)),
        *(make.an_audit(d, scheduled_audit_name="wednesday") for d in (2, 9, 16)),
    )
    assert _gaps(make, audits, make.checks()).empty


def test_a_day_that_two_schedules_missed_is_told_once(make: Any) -> None:
    audits = make.audits(
        *(make.an_audit(d, scheduled_audit_name="one") for d in (0, 1, 3)),
        *(make.an_audit(d + 0.1, scheduled_audit_name="two") for d in (0, 1, 3)),
    )
    assert len(_gaps(make, audits, make.checks())) == 1


def test_accounts_and_regions_have_their_own_days(make: Any) -> None:
    audits = make.audits(
        *(make.an_audit(d, account="1") for d in (0, 2)), *(make.an_audit(d, account="2") for d in (1, 2, 3))
    )
    table = _gaps(make, audits, make.checks())
    assert list(zip(table["account"], table["kind"], strict=True)) == [("1", "DAY_WITHOUT_AUDIT")]
    assert pd.isna(table["audit_task_id"].item())


def _with_checks(make: Any, runs: list[list[str]], **changes: Any) -> tuple[Any, Any]:
    audits = make.audits(*(make.an_audit(d, **changes) for d in range(len(runs))))
    checks = make.checks(*(make.a_check(d, name) for d, names in enumerate(runs) for name in names))
    return audits, checks


def test_an_audit_with_fewer_checks_than_usual_is_partial(make: Any) -> None:
    both = [make.logging, make.shared]
    table = _gaps(make, *_with_checks(make, [both, both, [make.logging], both]))
    assert table[["kind", "audit_task_id"]].to_numpy().tolist() == [["PARTIAL_AUDIT", "a2"]]
    assert table["message"].item() == (f"This scheduled audit ran 1 of the 2 usual checks; without {make.shared}.")


def test_a_check_that_is_added_makes_no_audit_partial(make: Any) -> None:
    both = [make.logging, make.shared]
    assert _gaps(make, *_with_checks(make, [[make.logging]] * 3 + [both] * 3)).empty


def test_a_check_that_is_switched_off_is_usual_no_more_after_some_audits(make: Any) -> None:
    both = [make.logging, make.shared]
    table = _gaps(make, *_with_checks(make, [both] * 8 + [[make.logging]] * 8))
    assert table["audit_task_id"].tolist() == ["a8", "a9", "a10", "a11"]


def test_an_on_demand_audit_is_measured_by_the_schedules_before_it(make: Any) -> None:
    on_demand = {"task_type": "ON_DEMAND_AUDIT_TASK", "scheduled_audit_name": None}
    audits = make.audits(
        make.an_audit(0, **on_demand),
        make.an_audit(1, scheduled_audit_name="one"),
        make.an_audit(1.5, scheduled_audit_name="two"),
        make.an_audit(2, **on_demand),
    )
    checks = make.checks(
        make.a_check(0, make.logging),
        make.a_check(1, make.logging),
        make.a_check(1.5, make.shared),
        make.a_check(2, make.logging),
    )
    table = _gaps(make, audits, checks)
    assert table["audit_task_id"].tolist() == ["a2"]
    assert "on-demand audit ran 1 of the 2" in table["message"].item()


def test_two_schedules_with_different_checks_are_both_whole(make: Any) -> None:
    audits = make.audits(*(make.an_audit(d / 2, scheduled_audit_name="ab"[d % 2]) for d in range(8)))
    checks = make.checks(*(make.a_check(d / 2, (make.logging, make.shared)[d % 2]) for d in range(8)))
    assert _gaps(make, audits, checks).empty


def test_start_is_included_and_end_is_not_and_what_lies_before_tells_the_usual(make: Any) -> None:
    both = [make.logging, make.shared]
    audits, checks = _with_checks(make, [both, both, [make.logging], [make.logging]])
    assert _gaps(make, audits, checks, start=2, end=3)["audit_task_id"].tolist() == ["a2"]


def test_a_bound_without_time_zone_is_refused(make: Any) -> None:
    with pytest.raises(WindowError, match=r"end .* has no time zone"):
        data_gaps(make.audits(), make.checks(), start=make.day(0), end=datetime(2026, 3, 2) + timedelta(days=9))
