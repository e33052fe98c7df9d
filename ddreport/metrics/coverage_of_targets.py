"""Which targets were reached when, and which time AWS was never asked about: gaps that no audit can tell of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.engines import check_as_of, collect, scan
from ddreport.schemas import COUNT, PULLS, TEXT, TIME, Column, Schema
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddreport.engines import Table

_DAY = timedelta(days=1)
_KEPT = timedelta(days=RETENTION_DAYS)

_TARGET = Column("target", TEXT, "name of the target")
_ACCOUNT = Column("account", TEXT, "account that it stood for last; missing when it was never reached", nullable=True)
_REGION = Column("region", TEXT, "Region that it stood for last; missing when not known", nullable=True)

TARGET_COVERAGE = Schema(
    "target_coverage",
    "One row per target: when it was reached, and how much time AWS was not asked about.",
    ("target",),
    (
        _TARGET,
        _ACCOUNT,
        _REGION,
        Column("status", TEXT, "how its newest pull ended"),
        Column("pulls_count", COUNT, "pulls of this target, good or bad"),
        Column("first_attempt_time", TIME, "its first pull"),
        Column("last_attempt_time", TIME, "its newest pull"),
        Column("last_success_time", TIME, "the newest pull that had all audits of its window", nullable=True),
        Column("days_since_last_success", "float64", "days from then to `as_of`", nullable=True),
        Column("consecutive_failures_count", COUNT, "pulls since then, all of which failed"),
        Column("first_asked_time", TIME, "earliest time whose audits were had", nullable=True),
        Column("asked_until_time", TIME, "latest time whose audits were had", nullable=True),
        Column("not_asked_days", "float64", "days that no audits were had of, up to `as_of`"),
        Column("lost_days", "float64", "those of them that AWS has forgotten by now: lost for good"),
    ),
)

TARGET_GAPS = Schema(
    "target_gaps",
    "One row per span of time that AWS was not asked about, or did not answer for.",
    ("target", "start_time"),
    (
        _TARGET,
        _ACCOUNT,
        _REGION,
        Column("start_time", TIME, "begin of the gap"),
        Column("end_time", TIME, "its end; `as_of` for a gap that no later pull has ended"),
        Column("days", "float64", "its length"),
        Column("lost_until_time", TIME, "AWS has forgotten what began before; missing: nothing yet", nullable=True),
        Column("lost_days", "float64", "length of what AWS has forgotten"),
        Column("failed_pulls_count", COUNT, "pulls that were tried in it, without success"),
        Column("message", TEXT, "all of it in plain words"),
    ),
)


def target_coverage(pulls: Table, *, as_of: datetime) -> pd.DataFrame:
    """Tell for every target when it was reached and how much time AWS was not asked about.

    A pull *succeeded* for its window when AWS listed the audits of the window and every one that had ended was had
    (`audits_listed` and `missing_audits_count` = 0); what else was refused shows in `status`. The windows of the
    successful pulls, none reaching beyond its own `pulled_time`, make up the *time asked about*.

    - begin = start of the time asked about; the first attempt for a target that never succeeded
    - not_asked_days = (`as_of` - begin) - length of the time asked about
    - lost_days = that part of not_asked_days which lies more than 90 days before `as_of`: AWS keeps 90 days
    - days_since_last_success = `as_of` - last_success_time
    - consecutive_failures_count = pulls after last_success_time (all of them, if there is none)

    What lies before the begin is not counted: nobody knows since when the target should have been watched. A name that
    stood for several accounts or Regions counts for the newest one, with the pulls that reached nobody.

    Parameters
    ----------
    pulls
        Table `schemas.PULLS`; later pulls than `as_of` are left out.
    as_of
        Now, with time zone.

    Returns
    -------
    DataFrame
        `TARGET_COVERAGE`, one row per target, sorted by `target`; no row for a target that was never pulled.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; `as_of` has no time zone.
    """
    rows = [_coverage(history, as_of) for history in _histories(pulls, as_of)]
    table = pd.DataFrame(rows, columns=TARGET_COVERAGE.column_names)
    return TARGET_COVERAGE.conform(_with_times(table, TARGET_COVERAGE))


def target_gaps(pulls: Table, *, as_of: datetime) -> pd.DataFrame:
    """List the spans of time that AWS was not asked about, from the begin of each target's time asked about.

    The terms are those of `target_coverage`. The span from the newest successful window to `as_of` is a gap, too;
    the next pull closes it, as long as AWS keeps its audits.

    Parameters
    ----------
    pulls
        Table `schemas.PULLS`; later pulls than `as_of` are left out.
    as_of
        Now, with time zone.

    Returns
    -------
    DataFrame
        `TARGET_GAPS`, sorted by `target` and `start_time`.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; `as_of` has no time zone.
    """
    rows = [_gap(history, gap, as_of) for history in _histories(pulls, as_of) for gap in history.gaps(as_of)]
    return TARGET_GAPS.conform(_with_times(pd.DataFrame(rows, columns=TARGET_GAPS.column_names), TARGET_GAPS))


@dataclass(frozen=True)
class _Pull:
    pulled: datetime
    account: str | None
    region: str | None
    status: str
    window: tuple[datetime, datetime] | None
    """The time whose audits were had; None if they were not."""


@dataclass(frozen=True)
class _History:
    """The pulls of one target at its newest place, oldest first."""

    target: str
    account: str | None
    region: str | None
    pulls: Sequence[_Pull]

    def asked(self) -> list[tuple[datetime, datetime]]:
        """Return the time asked about as spans that neither touch nor overlap, in order."""
        spans: list[tuple[datetime, datetime]] = []
        for start, end in sorted(p.window for p in self.pulls if p.window is not None):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((start, end))
        return spans

    def gaps(self, as_of: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans between those, and the one up to `as_of`."""
        asked = self.asked()
        begin = asked[0][0] if asked else self.pulls[0].pulled
        for start, end in [*asked, (as_of, as_of)]:
            if begin < start:
                yield begin, start
            begin = max(begin, end)


def _histories(pulls: Table, as_of: datetime) -> list[_History]:
    check_as_of(as_of)
    columns = [
        "target",
        "pulled_time",
        "account",
        "region",
        "status",
        "window_start_time",
        "window_end_time",
        "audits_listed",
        "missing_audits_count",
    ]
    targets: dict[str, list[_Pull]] = {}
    rows = collect(scan(pulls, PULLS, columns))
    for row in rows.sort_values("pulled_time", kind="stable").itertuples(index=False, name=None):
        target, pulled, account, region, status, start, end, listed, missing = row
        if pulled > as_of:
            continue
        window = None
        if listed and not missing and not pd.isna(start) and not pd.isna(end):
            last = min(end, pulled)
            window = (start.to_pydatetime(), last.to_pydatetime()) if start < last else None
        found = _Pull(pulled.to_pydatetime(), _text(account), _text(region), str(status), window)
        targets.setdefault(str(target), []).append(found)
    return [_history(target, found) for target, found in sorted(targets.items())]


def _history(target: str, pulls: Sequence[_Pull]) -> _History:
    reached = [p for p in pulls if p.account is not None]
    if not reached:
        return _History(target, None, pulls[-1].region, pulls)
    account, region = reached[-1].account, reached[-1].region
    own = [p for p in pulls if p.account is None or (p.account, p.region) == (account, region)]
    return _History(target, account, region, own)


def _coverage(history: _History, as_of: datetime) -> dict[str, Any]:
    asked = history.asked()
    gaps = list(history.gaps(as_of))
    successes = [number for number, pull in enumerate(history.pulls) if pull.window is not None]
    last = history.pulls[successes[-1]].pulled if successes else None
    return {
        "target": history.target,
        "account": history.account,
        "region": history.region,
        "status": history.pulls[-1].status,
        "pulls_count": len(history.pulls),
        "first_attempt_time": history.pulls[0].pulled,
        "last_attempt_time": history.pulls[-1].pulled,
        "last_success_time": last,
        "days_since_last_success": None if last is None else (as_of - last) / _DAY,
        "consecutive_failures_count": len(history.pulls) - 1 - successes[-1] if successes else len(history.pulls),
        "first_asked_time": asked[0][0] if asked else None,
        "asked_until_time": asked[-1][1] if asked else None,
        "not_asked_days": sum((end - start for start, end in gaps), timedelta()) / _DAY,
        "lost_days": sum((_lost(gap, as_of) for gap in gaps), timedelta()) / _DAY,
    }


def _lost(gap: tuple[datetime, datetime], as_of: datetime) -> timedelta:
    return max(min(gap[1], as_of - _KEPT) - gap[0], timedelta())


def _gap(history: _History, gap: tuple[datetime, datetime], as_of: datetime) -> dict[str, Any]:
    start, end = gap
    lost = _lost(gap, as_of)
    tried = [p.status for p in history.pulls if p.window is None and start <= p.pulled <= end]
    return {
        "target": history.target,
        "account": history.account,
        "region": history.region,
        "start_time": start,
        "end_time": end,
        "days": (end - start) / _DAY,
        "lost_until_time": start + lost if lost else None,
        "lost_days": lost / _DAY,
        "failed_pulls_count": len(tried),
        "message": _message(history.target, gap, tried, lost),
    }


def _message(target: str, gap: tuple[datetime, datetime], tried: Sequence[str], lost: timedelta) -> str:
    start, end = gap
    span = f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    text = f"{target} was not asked for the audits {span}."
    if tried:
        ends = ", ".join(dict.fromkeys(tried))
        pulls = "1 pull" if len(tried) == 1 else f"{len(tried)} pulls"
        text = f"The audits of {target} {span} were not had: {pulls} ended with {ends}."
    if lost == end - start:
        return f"{text} AWS keeps {RETENTION_DAYS} days: they are lost for good."
    if lost:
        return (
            f"{text} AWS keeps {RETENTION_DAYS} days: those before {start + lost:%Y-%m-%d %H:%M} UTC are lost for good."
        )
    return f"{text} AWS still has them."


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _with_times(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    for column in schema.columns:
        if column.dtype == TIME:
            table[column.name] = pd.to_datetime(table[column.name], utc=True)
    return table
