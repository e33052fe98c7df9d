"""When schedules run next, and what they leave out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
import pytest

from ddreport.emulation.schedules import Recurrence
from ddreport.errors import WindowError
from ddreport.metrics.scheduled_runs import Rhythm, next_runs, schedule_coverage
from ddreport.schemas import AUDIT_TASKS, CHECK_CONFIGURATIONS, SCHEDULED_AUDITS

NOW = datetime(2026, 2, 26, 12, 0, tzinfo=UTC)  # a Thursday
PLACE = {"account": "111122223333", "region": "eu-west-1", "observed_time": NOW}
SHARED, LOGGING, AGE = "DEVICE_CERTIFICATE_SHARED_CHECK", "LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"


def schedules(**days):
    """Schedules by name: (frequency, day of week, day of month, checks)."""
    rows = [
        PLACE
        | {
            "scheduled_audit_name": name,
            "scheduled_audit_arn": f"arn:aws:iot:eu-west-1:111122223333:scheduledaudit/{name}",
            "frequency": frequency,
            "day_of_week": week,
            "day_of_month": month,
            "target_check_names": json.dumps(checks),
        }
        for name, (frequency, week, month, checks) in days.items()
    ]
    return SCHEDULED_AUDITS.conform(pd.DataFrame(rows, columns=SCHEDULED_AUDITS.column_names))


def runs(**last):
    """Audits by schedule: when each ran last."""
    counts = {name: 0 for name in AUDIT_TASKS.column_names if name.endswith("_count")}
    rows = [
        PLACE
        | counts
        | {
            "audit_task_id": name,
            "task_start_time": began,
            "task_status": "COMPLETED",
            "task_type": "SCHEDULED_AUDIT_TASK",
            "scheduled_audit_name": name,
            "emulated": True,
        }
        for name, began in last.items()
    ]
    return AUDIT_TASKS.conform(pd.DataFrame(rows, columns=AUDIT_TASKS.column_names))


@pytest.mark.parametrize(
    ("frequency", "day", "last", "expected"),
    [
        ("DAILY", None, None, ("2026-02-26", "2026-02-26")),
        ("DAILY", None, date(2026, 2, 26), ("2026-02-27", "2026-02-27")),
        ("WEEKLY", "THU", None, ("2026-02-26", "2026-02-26")),
        ("WEEKLY", "WED", None, ("2026-03-04", "2026-03-04")),
        ("BIWEEKLY", "THU", date(2026, 2, 19), ("2026-03-05", "2026-03-05")),
        ("BIWEEKLY", "THU", date(2026, 2, 12), ("2026-02-26", "2026-02-26")),
        ("BIWEEKLY", "THU", None, ("2026-02-26", "2026-03-05")),
        ("BIWEEKLY", "FRI", date(2026, 2, 19), ("2026-02-27", "2026-03-06")),
        ("MONTHLY", "31", None, ("2026-02-28", "2026-02-28")),
        ("MONTHLY", "LAST", date(2026, 2, 28), ("2026-03-31", "2026-03-31")),
        ("MONTHLY", "29", None, ("2026-02-28", "2026-02-28")),
        ("MONTHLY", "25", None, ("2026-03-25", "2026-03-25")),
    ],
)
def test_the_next_run_follows_from_the_rhythm_and_the_last_run(frequency, day, last, expected):
    found = Rhythm(frequency, day).next_days(NOW.date(), last)
    assert tuple(d.isoformat() for d in found) == expected


@pytest.mark.parametrize(
    ("frequency", "week", "month"),
    [("DAILY", None, None), ("WEEKLY", "SUN", None), ("BIWEEKLY", "SUN", None), ("MONTHLY", None, "30")],
)
def test_a_year_of_runs_is_foretold_one_by_one(frequency, week, month):
    service = Recurrence(frequency, week, month, time(3, 50), NOW)
    ran = service.next_after(NOW)
    for _ in range(30):
        following = service.next_after(ran)
        asked = ran + timedelta(hours=1)
        found = Rhythm(frequency, week or month).next_days(asked.date(), ran.date())
        assert found == (following.date(), following.date())
        ran = following


def test_a_run_that_should_have_been_and_was_not_is_named():
    table = next_runs(
        schedules(
            late=("DAILY", None, None, [LOGGING]),
            fine=("WEEKLY", "FRI", None, [LOGGING, AGE]),
            never=("MONTHLY", None, "1", [LOGGING]),
        ),
        runs(late=NOW - timedelta(days=3), fine=NOW - timedelta(days=6)),
        as_of=NOW,
    ).set_index("scheduled_audit_name")
    assert table.loc["late", "missed_date"] == "2026-02-24"
    assert table.loc[["fine", "never"], "missed_date"].isna().all()
    assert table.loc["fine", "day"] == "FRI"
    assert table.loc["fine", "checks_count"] == 2
    assert list(table.index) == ["late", "fine", "never"]
    assert pd.isna(table.loc["never", "last_run_time"])


def test_coverage_points_out_what_nobody_or_several_run():
    checks = CHECK_CONFIGURATIONS.conform(
        pd.DataFrame(
            [
                PLACE | {"check_name": name, "enabled": on, "threshold_days": None, "configuration": None}
                for name, on in ((SHARED, True), (LOGGING, True), (AGE, True), ("CA_CERTIFICATE_EXPIRING_CHECK", False))
            ]
        )
    )
    table = schedule_coverage(
        checks,
        schedules(daily=("DAILY", None, None, [SHARED, LOGGING]), monthly=("MONTHLY", None, "LAST", [SHARED])),
    ).set_index("check_name")
    assert dict(table["coverage"]) == {
        SHARED: "several",
        LOGGING: "covered",
        AGE: "not covered",
        "CA_CERTIFICATE_EXPIRING_CHECK": "off",
    }
    assert "cannot be compared" in table.loc[SHARED, "message"]
    assert table.loc[SHARED, "longest_gap_days"] == 1
    assert "no schedule runs it" in table.loc[AGE, "message"]
    assert pd.isna(table.loc[LOGGING, "message"])


def test_without_schedules_there_are_no_rows_and_a_moment_needs_its_zone():
    assert next_runs(SCHEDULED_AUDITS.empty(), AUDIT_TASKS.empty(), as_of=NOW).empty
    with pytest.raises(WindowError):
        next_runs(SCHEDULED_AUDITS.empty(), AUDIT_TASKS.empty(), as_of=NOW.replace(tzinfo=None))
