"""The flow of problems: what came, what went and what was left, period by period."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.errors import ParameterError, WindowError, did_you_mean
from ddreport.history import CHECK_RUNS, EPISODES, Proof, Resolution
from ddreport.metrics.groups import SEVERITIES, Flags, Ints, require, severity_codes
from ddreport.metrics.results_problems import PROBLEM_FLOW

if TYPE_CHECKING:
    from collections.abc import Mapping

Period = Literal["day", "week", "month"]

_PLACE = ["account", "region"]
_MOST_PERIODS = 10_000
_NEVER = np.iinfo("int64").min
"""What pandas holds for a missing time; before any bound."""


def problem_flow(
    episodes: pd.DataFrame,
    *,
    start: datetime,
    end: datetime,
    period: Period = "week",
    runs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count what came and what went per account, Region, period and severity.

    An event counts in the period that holds the start of the audit that proves it, and only from `start` until before
    `end`:

    - new = first episodes, by `first_seen_time`; found at first look = those of them without `absent_time`: no full run
      before could have shown them absent, so they may be much older than the audit that found them
    - reopened = later episodes, by `first_seen_time`
    - resolved = episodes with resolution NOT_REPORTED, by `resolved_time`; reason changed = those with REASON_CHANGED:
      the resource still fails the check, and the other reason has come (as new or reopened) or was there before
    - net = new + reopened - resolved - reason changed
    - open = episodes with `first_seen_time` before the period's end and `resolved_time` not before it: not proven gone,
      whatever their state; so open = open of the period before + net

    Every count takes suppressed problems in. The `suppressed_` counts tell how many of them were suppressed when they
    were reported last: a suppression is neither a resolution nor a way to change past periods; whoever wants the rest
    subtracts. Severity, too, is the one reported last.

    Parameters
    ----------
    episodes
        `history.EPISODES`.
    start, end
        The window, aware; `end` is not in it.
    period
        `day`, `week` (from Monday) or `month`, by the calendar of UTC. The first and the last may be cut by the window.
    runs
        `history.CHECK_RUNS` of the same audits. Adds places that have no problems, and `full_runs_count`: without it
        nobody can tell a period without events from a period without audits.

    Returns
    -------
    DataFrame
        `PROBLEM_FLOW`: for each account and Region given every period and severity, zeros included, in this order.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        `period` is none of the three.
    WindowError
        The window has no time zone, is reversed or empty, or holds more than 10,000 periods.
    """
    require(
        episodes,
        EPISODES,
        [*_PLACE, "severity", "episode", "is_suppressed", "absent_time", "first_seen_time", "resolved_time"],
    )
    bounds = _bounds(start, end, period)
    places = episodes[_PLACE].drop_duplicates()
    if runs is not None:
        require(runs, CHECK_RUNS, [*_PLACE, "task_start_time", "proof"])
        places = pd.concat([places, runs[_PLACE].drop_duplicates()]).drop_duplicates()
    if places.empty:
        return PROBLEM_FLOW.empty()
    places = places.sort_values(_PLACE, ignore_index=True)
    cut = bounds.asi8.copy()
    cut[0], cut[-1] = _microseconds(start), _microseconds(end)
    count = len(cut) - 1
    table = _frame(places, bounds, cut)
    shape = (len(places), count, len(SEVERITIES))
    for name, values in _counts(episodes, _place_of(episodes, places), cut, shape).items():
        table[name] = values.ravel()
    table["full_runs_count"] = pd.Series(pd.NA, index=table.index, dtype="Int64")
    if runs is not None:
        full = runs[runs["proof"] == Proof.FULL.value]
        times, of = _period_of(full["task_start_time"], cut), _place_of(full, places)
        counted = np.bincount((of * count + times)[times >= 0], minlength=len(places) * count)
        table["full_runs_count"] = np.repeat(counted, len(SEVERITIES))
    return PROBLEM_FLOW.conform(table)


def _bounds(start: datetime, end: datetime, period: str) -> pd.DatetimeIndex:
    """Return the beginning of each period that the window touches, and the end of the last."""
    allowed = get_args(Period)
    if period not in allowed:
        raise ParameterError(f"period is {period!r}; allowed: {', '.join(allowed)}.{did_you_mean(period, allowed)}")
    check_window(start, end)
    if (end - start) / timedelta(days={"day": 1, "week": 7, "month": 28}[period]) > _MOST_PERIODS:
        raise WindowError(f"{start} to {end} holds more than {_MOST_PERIODS} periods of a {period}; ask for fewer.")
    first, last = (pd.Timestamp(t).tz_convert("UTC").as_unit("us") for t in (start, end))
    first = first.normalize()
    if period == "week":
        first -= pd.Timedelta(days=first.weekday())
    elif period == "month":
        first = first.replace(day=1)
    step = {"day": "D", "week": "7D", "month": "MS"}[period]
    bounds = pd.date_range(first, last + pd.Timedelta(days=32), freq=step, unit="us")
    return bounds[: int(bounds.searchsorted(last, side="left")) + 1]


def check_window(start: datetime, end: datetime) -> None:
    """Raise `WindowError` unless `start` lies before `end` and both have a time zone."""
    check_as_of(start, name="start")
    check_as_of(end, name="end")
    if start >= end:
        raise WindowError(f"the window begins {start.isoformat()} and ends {end.isoformat()}; it must end later.")


def _frame(places: pd.DataFrame, bounds: pd.DatetimeIndex, cut: Ints) -> pd.DataFrame:
    periods = pd.DataFrame({"period_start_time": bounds[:-1], "period_end_time": bounds[1:]})
    periods["counted_until_time"] = pd.to_datetime(cut[1:], unit="us", utc=True)
    periods["is_complete"] = (cut[:-1] == bounds[:-1].asi8) & (cut[1:] == bounds[1:].asi8)
    table = places.merge(periods, how="cross")
    return table.merge(pd.DataFrame({"severity": SEVERITIES}), how="cross")


def _counts(episodes: pd.DataFrame, place: Ints, cut: Ints, shape: tuple[int, int, int]) -> Mapping[str, Ints]:
    severity = severity_codes(episodes)
    came = _microseconds_of(episodes["first_seen_time"])
    went = _microseconds_of(episodes["resolved_time"])
    came_in, went_in = _period_of(episodes["first_seen_time"], cut), _period_of(episodes["resolved_time"], cut)
    first = (episodes["episode"] == 1).to_numpy(dtype=bool)
    changed = (episodes["resolution"] == Resolution.REASON_CHANGED.value).to_numpy(dtype=bool)
    before = (came < cut[0]) & ((went == _NEVER) | (went >= cut[0]))
    start = np.zeros(len(episodes), dtype="int64")

    def counted(period: Ints, chosen: Flags) -> Ints:
        chosen = chosen & (period >= 0)
        cell = np.ravel_multi_index((place[chosen], period[chosen], severity[chosen]), shape)
        return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)

    found: dict[str, Ints] = {}
    for prefix, these in (("", np.ones(len(episodes), dtype=bool)), ("suppressed_", _flag(episodes["is_suppressed"]))):
        new, again = counted(came_in, these & first), counted(came_in, these & ~first)
        gone, other = counted(went_in, these & ~changed), counted(went_in, these & changed)
        net = new + again - gone - other
        found[f"{prefix}new_count"], found[f"{prefix}reopened_count"] = new, again
        found[f"{prefix}resolved_count"], found[f"{prefix}reason_changed_count"] = gone, other
        found[f"{prefix}net_count"] = net
        found[f"{prefix}open_count"] = counted(start, these & before)[:, :1, :] + net.cumsum(axis=1)
    found["found_at_first_look_count"] = counted(came_in, first & _flag(episodes["absent_time"].isna()))
    return found


def _flag(column: pd.Series[bool]) -> Flags:
    return column.to_numpy(dtype=bool)


def _place_of(table: pd.DataFrame, places: pd.DataFrame) -> Ints:
    return table[_PLACE].merge(places.assign(n=places.index), on=_PLACE, how="left")["n"].to_numpy(dtype="int64")


def _period_of(times: pd.Series[pd.Timestamp], cut: Ints) -> Ints:
    """Return the number of the period that holds each time; -1 for none."""
    found = np.searchsorted(cut, _microseconds_of(times), side="right") - 1
    return np.where(found < len(cut) - 1, found, -1).astype("int64")


def _microseconds_of(times: pd.Series[pd.Timestamp]) -> Ints:
    return times.to_numpy(dtype="datetime64[us]").astype("int64")


def _microseconds(time: datetime) -> int:
    return int(pd.Timestamp(time).as_unit("us").asm8.astype("int64"))
