"""When schedules run. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddreport.emulation.schedules import WEEKDAYS, Recurrence, time_of_day

MADE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)  # a Thursday
AT = time(5, 30)


def runs(frequency, count, *, week=None, month=None, since=MADE, at=AT):
    recurrence = Recurrence(frequency, week, month, at, since)
    found, moment = [], since
    for _ in range(count):
        moment = recurrence.next_after(moment)
        found.append(moment)
    return [f"{run:%m-%d}" for run in found]


def test_daily_runs_begin_on_the_next_day_when_the_hour_is_over():
    assert runs("DAILY", 3) == ["01-02", "01-03", "01-04"]


def test_daily_runs_begin_today_when_the_hour_is_to_come():
    assert runs("DAILY", 2, at=time(13, 0)) == ["01-01", "01-02"]


def test_weekly_runs():
    assert runs("WEEKLY", 3, week="MON") == ["01-05", "01-12", "01-19"]
    assert runs("WEEKLY", 2, week="THU") == ["01-08", "01-15"]


def test_every_second_week_counts_from_the_first_such_day():
    assert runs("BIWEEKLY", 3, week="MON") == ["01-05", "01-19", "02-02"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("15", ["01-15", "02-15", "03-15", "04-15"]),
        ("31", ["01-31", "02-28", "03-31", "04-30"]),
        ("29", ["01-29", "02-28", "03-29", "04-29"]),
        ("LAST", ["01-31", "02-28", "03-31", "04-30"]),
        ("1", ["02-01", "03-01", "04-01", "05-01"]),
    ],
)
def test_monthly_runs_fall_back_to_the_last_day_of_short_months(day, expected):
    assert runs("MONTHLY", 4, month=day) == expected


def test_a_leap_year_has_a_29th_of_february():
    assert runs("MONTHLY", 2, month="30", since=datetime(2028, 1, 31, tzinfo=UTC)) == ["02-29", "03-30"]


def test_the_hour_of_a_schedule_is_fixed_by_its_name():
    assert time_of_day("Daily") == time_of_day("Daily")
    assert len({time_of_day(f"schedule-{i}") for i in range(50)}) > 40


@given(
    st.sampled_from(["DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY"]),
    st.sampled_from(WEEKDAYS),
    st.sampled_from(["1", "28", "29", "30", "31", "LAST"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_the_next_run_is_later_by_no_more_than_the_period(frequency, week, month, since):
    moment = since.replace(tzinfo=UTC)
    recurrence = Recurrence(frequency, week, month, AT, moment)
    longest = {"DAILY": 1, "WEEKLY": 7, "BIWEEKLY": 14, "MONTHLY": 31}[frequency]
    for _ in range(5):
        following = recurrence.next_after(moment)
        assert timedelta(0) < following - moment <= timedelta(days=longest)
        moment = following
