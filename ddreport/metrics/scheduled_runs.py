"""When scheduled audits run next, and what they leave out: tables in, tables out.

AWS chooses the hour of a scheduled audit and tells nobody, so a run is known to the day only (UTC). A month without
the 29th, 30th or 31st runs on its last day (AWS's CreateScheduledAudit). Which of two weeks a fortnightly audit takes
is known from its last run alone.
"""

from __future__ import annotations

import calendar
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.engines import check_as_of, collect, scan
from ddreport.schema_types import COUNT, FLAG, TEXT, TIME, Column, Schema
from ddreport.schemas import AUDIT_TASKS, CHECK_CONFIGURATIONS, SCHEDULED_AUDITS

if TYPE_CHECKING:
    from ddreport.engines import Table

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
PERIOD_DAYS = {"DAILY": 1, "WEEKLY": 7, "BIWEEKLY": 14, "MONTHLY": 31}
"""The longest time between two runs of a schedule, by AWS's `frequency`."""

SINCE_LAST_RUN = ("DEVICE_CERTIFICATE_SHARED_CHECK", "CONFLICTING_CLIENT_IDS_CHECK")
"""Checks that a scheduled audit evaluates over the time since its own last run; an audit on demand over 31 days."""

_ACCOUNT = Column("account", TEXT, "account")
_REGION = Column("region", TEXT, "Region")

NEXT_RUNS = Schema(
    "next_runs",
    "One row per scheduled audit: the days of its last and its next run.",
    ("account", "region", "scheduled_audit_name"),
    (
        _ACCOUNT,
        _REGION,
        Column("scheduled_audit_name", TEXT, "name of the schedule"),
        Column("frequency", TEXT, "AWS's `frequency`"),
        Column("day", TEXT, "its day: `MON` to `SUN`, `1` to `31` or `LAST`", nullable=True),
        Column("checks_count", COUNT, "checks it runs"),
        Column("last_run_time", TIME, "begin of its newest run that is known", nullable=True),
        Column("next_run_date", TEXT, "first day (UTC) on which it can run next, as 2026-03-02"),
        Column("latest_next_run_date", TEXT, "last such day: later where nobody knows which week counts"),
        Column("missed_date", TEXT, "day on which it should have run since its last run, and did not", nullable=True),
    ),
)


class Coverage(StrEnum):
    """How the schedules cover a check."""

    COVERED = "covered"
    """On, and run by one schedule."""

    SEVERAL = "several"
    """On, and run by more than one schedule."""

    NOT_COVERED = "not covered"
    """On, and run by no schedule: its verdict is as old as the last audit on demand."""

    OFF = "off"
    """Switched off."""


SCHEDULE_COVERAGE = Schema(
    "schedule_coverage",
    "One row per check: which schedules run it.",
    ("account", "region", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        Column("check_name", TEXT, "API name of the check"),
        Column("enabled", FLAG, "whether the check is on"),
        Column("coverage", TEXT, "`covered`, `several`, `not covered` or `off`"),
        Column("schedules_count", COUNT, "schedules that run it"),
        Column("scheduled_audit_names", TEXT, "their names as a JSON list"),
        Column("longest_gap_days", COUNT, "at most so many days between two runs", nullable=True),
        Column("message", TEXT, "what to know about it in plain words", nullable=True),
    ),
)


def next_runs(scheduled_audits: Table, audit_tasks: Table, *, as_of: datetime) -> pd.DataFrame:
    """Tell on which day each schedule runs next.

    Today (UTC) counts as long as no run of today is known. A fortnightly schedule whose weekday differs from that of
    its last run, or that never ran, may run in either week: then `latest_next_run_date` is a week later.

    Parameters
    ----------
    scheduled_audits
        `schemas.SCHEDULED_AUDITS`, one observation of each schedule.
    audit_tasks
        `schemas.AUDIT_TASKS`; runs of the schedules are taken from it, the rest does not matter.
    as_of
        Now, with time zone.

    Returns
    -------
    DataFrame
        `NEXT_RUNS`, sorted by account, region and `next_run_date`.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; `as_of` has no time zone.
    """
    today = check_as_of(as_of).astimezone(UTC).date()
    schedules = collect(scan(scheduled_audits, SCHEDULED_AUDITS, _SCHEDULE))
    tasks = collect(scan(audit_tasks, AUDIT_TASKS, ["account", "region", "scheduled_audit_name", "task_start_time"]))
    newest = tasks.dropna().groupby(["account", "region", "scheduled_audit_name"])["task_start_time"].max().to_dict()
    rows = [_next_run(row, newest, today) for row in schedules.to_dict("records")]
    table = pd.DataFrame(rows, columns=NEXT_RUNS.column_names)
    table["last_run_time"] = pd.to_datetime(table["last_run_time"], utc=True)
    return NEXT_RUNS.conform(
        table.sort_values(["account", "region", "next_run_date", "scheduled_audit_name"], ignore_index=True)
    )


_SCHEDULE = [
    "account",
    "region",
    "scheduled_audit_name",
    "frequency",
    "day_of_week",
    "day_of_month",
    "target_check_names",
]


def _next_run(row: dict[Any, Any], newest: dict[Any, pd.Timestamp], today: date) -> dict[str, Any]:
    last = newest.get((row["account"], row["region"], row["scheduled_audit_name"]))
    weekly = row["frequency"] in ("WEEKLY", "BIWEEKLY")
    day = row["day_of_week"] if weekly else row["day_of_month"] if row["frequency"] == "MONTHLY" else None
    rule = Rhythm(str(row["frequency"]), None if pd.isna(day) else str(day))
    ran = None if last is None else last.tz_convert("UTC").date()
    first, latest = rule.next_days(today, ran)
    missed = rule.missed(today, ran)
    return {
        "account": row["account"],
        "region": row["region"],
        "scheduled_audit_name": row["scheduled_audit_name"],
        "frequency": row["frequency"],
        "day": rule.day,
        "checks_count": len(json.loads(row["target_check_names"])),
        "last_run_time": last,
        "next_run_date": first.isoformat(),
        "latest_next_run_date": latest.isoformat(),
        "missed_date": missed.isoformat() if missed else None,
    }


@dataclass(frozen=True)
class Rhythm:
    """The days on which a schedule runs; `day` is that of the week or of the month, None for a daily one."""

    frequency: str
    day: str | None = None

    def next_days(self, today: date, last_run: date | None) -> tuple[date, date]:
        """Return the first and the last day on which it can run next, not before `today`."""
        begin = today if last_run is None or last_run < today else last_run + timedelta(days=1)
        day = self.on_or_after(begin)
        if self.frequency != "BIWEEKLY":
            return day, day
        if last_run is None or WEEKDAYS[last_run.weekday()] != self.day:
            return day, day + timedelta(days=7)
        fortnights = -(-(day - last_run).days // 14)
        day = last_run + timedelta(days=14 * fortnights)
        return day, day

    def missed(self, today: date, last_run: date | None) -> date | None:
        """Return a day before `today` on which it should have run after its last run; None where nobody can tell."""
        if last_run is None:
            return None
        _, due = self.next_days(last_run + timedelta(days=1), last_run)
        return due if due < today else None

    def on_or_after(self, begin: date) -> date:
        """Return the first fitting day; of a fortnightly schedule its weekday in any week."""
        if self.frequency == "MONTHLY":
            found = self._in_month(begin.year, begin.month)
            if found < begin:
                following = date(begin.year, begin.month, 28) + timedelta(days=4)
                found = self._in_month(following.year, following.month)
            return found
        if self.day in WEEKDAYS:
            return begin + timedelta(days=(WEEKDAYS.index(self.day) - begin.weekday()) % 7)
        return begin

    def _in_month(self, year: int, month: int) -> date:
        last = calendar.monthrange(year, month)[1]
        wanted = int(self.day) if self.day and self.day.isdecimal() else last
        return date(year, month, min(wanted, last))


def schedule_coverage(check_configurations: Table, scheduled_audits: Table) -> pd.DataFrame:
    """Tell for each check which schedules run it, and what that leaves out.

    Parameters
    ----------
    check_configurations, scheduled_audits
        `schemas.CHECK_CONFIGURATIONS` and `schemas.SCHEDULED_AUDITS`, one observation of each account and Region.

    Returns
    -------
    DataFrame
        `SCHEDULE_COVERAGE`, sorted by account, region and `check_name`.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    checks = collect(scan(check_configurations, CHECK_CONFIGURATIONS, ["account", "region", "check_name", "enabled"]))
    running: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
    for row in collect(scan(scheduled_audits, SCHEDULED_AUDITS, _SCHEDULE)).to_dict("records"):
        for check in json.loads(row["target_check_names"]):
            period = PERIOD_DAYS.get(row["frequency"], PERIOD_DAYS["MONTHLY"])
            running[row["account"], row["region"], check].append((row["scheduled_audit_name"], period))
    rows = []
    for row in checks.to_dict("records"):
        found = sorted(running[row["account"], row["region"], row["check_name"]])
        coverage = _coverage(enabled=bool(row["enabled"]), number=len(found))
        rows.append(
            row
            | {
                "coverage": coverage.value,
                "schedules_count": len(found),
                "scheduled_audit_names": json.dumps([name for name, _ in found]),
                "longest_gap_days": min((days for _, days in found), default=None),
                "message": _message(row["check_name"], coverage, found),
            }
        )
    table = pd.DataFrame(rows, columns=SCHEDULE_COVERAGE.column_names)
    return SCHEDULE_COVERAGE.conform(table.sort_values(["account", "region", "check_name"], ignore_index=True))


def _coverage(*, enabled: bool, number: int) -> Coverage:
    if not enabled:
        return Coverage.OFF
    return (Coverage.NOT_COVERED, Coverage.COVERED)[number] if number < 2 else Coverage.SEVERAL


def _message(check: str, coverage: Coverage, found: list[tuple[str, int]]) -> str | None:
    looks_back = check in SINCE_LAST_RUN
    names = ", ".join(name for name, _ in found)
    if coverage is Coverage.NOT_COVERED:
        end = " An audit on demand looks at its last 31 days only." if looks_back else ""
        return f"it is on, but no schedule runs it: nobody looks unless an audit is started by hand.{end}"
    if coverage is Coverage.SEVERAL and looks_back:
        return (
            f"{names} run it, each over the time since its own last run: the same event is reported by each, and the "
            "counts of the two cannot be compared."
        )
    if coverage is Coverage.SEVERAL:
        return f"{names} run it: findings of the same problem come once from each."
    if coverage is Coverage.COVERED and looks_back:
        span = f"{found[0][1]} days" if found[0][1] > 1 else "1 day"
        return f"it looks at the time since the last run of {names}: up to {span} per audit."
    return None
