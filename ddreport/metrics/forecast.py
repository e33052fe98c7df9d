"""How many problems will be open if all goes on as before."""

from __future__ import annotations

import math
from statistics import NormalDist

import pandas as pd

from ddreport.errors import ParameterError
from ddreport.metrics.groups import require
from ddreport.metrics.results_problems import BACKLOG_FORECAST, PROBLEM_FLOW

LEAST_PERIODS = 4
"""Fewer past periods tell nothing about their spread."""

_Z = NormalDist().inv_cdf(0.9)
"""80 % of a normal distribution lie within so many standard deviations of its mean."""
_MOST_PERIODS = 1_000
_TIMES = ["period_start_time", "period_end_time", "counted_until_time", "is_complete"]
_COUNTS = [
    "new_count",
    "found_at_first_look_count",
    "reopened_count",
    "resolved_count",
    "reason_changed_count",
    "net_count",
    "open_count",
    "full_runs_count",
]


def backlog_forecast(
    flow: pd.DataFrame, open_now: int | None = None, *, periods: int = 12, history: int = 8
) -> pd.DataFrame:
    """Project the number of open problems from what came and went per period.

    All rows of a period are added up, so whoever wants one account or severity gives its rows alone. It rests on the
    last `history` usable periods, k of them. Usable is a period that lies in the window as a whole, but not

    - the periods before anything was seen, nor the one of the first look: what it finds has gathered before
    - the last periods in which no check ran in full (as far as the flow knows): what happened there is not known yet

    With e = new - found at first look + reopened, l = resolved + reason changed, and d = e - l in each of them:

    - expected after h periods = max(0, open now + h * mean(d))
    - v = max(variance(d), mean(e) + mean(l)): counts of independent events vary at least as Poisson's do
    - interval = open now + h * mean(d) ± 1.2816 * sqrt(h * v + h² * v / k), cut at 0: 80 % of a normal distribution,
      the first part for the coming periods, the second for a mean known from k periods only
    - periods until empty = least whole h with open now + h * mean(d) <= 0

    It takes periods as independent and alike: a campaign of repairs or a new fleet is not foreseen.

    Parameters
    ----------
    flow
        `PROBLEM_FLOW` of one kind of period, best made with runs.
    open_now
        Open problems at the end of the flow, counted as the flow counts: suppressed and unknown ones too. None: its
        own last `open_count`.
    periods
        Periods to look ahead, 1 to 1,000.
    history
        Past periods to use at most, at least 4.

    Returns
    -------
    DataFrame
        `BACKLOG_FORECAST`: one row per coming period. With fewer than 4 usable periods there is no forecast: its
        values are missing, and `note` says why. No rows for no flow.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        A number is out of bounds.
    """
    require(flow, PROBLEM_FLOW, [*_TIMES, *_COUNTS])
    if not 1 <= periods <= _MOST_PERIODS:
        raise ParameterError(f"periods is {periods}; allowed: 1 to {_MOST_PERIODS}.")
    if history < LEAST_PERIODS:
        raise ParameterError(f"history is {history}; allowed: {LEAST_PERIODS} or more.")
    if open_now is not None and open_now < 0:
        raise ParameterError(f"open_now is {open_now}; allowed: 0 or more.")
    if flow.empty:
        return BACKLOG_FORECAST.empty()
    past = _totals(flow)
    begin = int(past["open_count"].iloc[-1]) if open_now is None else int(open_now)
    used = _usable(past).tail(history)
    ahead = pd.Series(range(1, periods + 1), dtype="float64")
    table = pd.DataFrame({"periods_ahead": ahead})
    table["forecast_time"] = _times_ahead(past, periods)
    table["open_now_count"] = begin
    table["past_periods_count"] = len(used)
    for name in ("expected_open", "low_open", "high_open", "entered_mean", "entered_sd", "left_mean", "left_sd"):
        table[name] = math.nan
    table["periods_until_empty"] = pd.Series(pd.NA, index=table.index, dtype="Int64")
    table["note"] = pd.Series(None, index=table.index, dtype="str")
    if len(used) < LEAST_PERIODS:
        table["note"] = f"no forecast: it would rest on {len(used)} past periods; {LEAST_PERIODS} are needed"
        return BACKLOG_FORECAST.conform(table)
    entered, left = _entered(used), used["resolved_count"] + used["reason_changed_count"]
    drift = entered - left
    step, variance = float(drift.mean()), max(float(drift.var()), float(entered.mean() + left.mean()))
    middle = begin + ahead * step
    reach = _Z * (ahead * variance + ahead**2 * variance / len(used)).pow(0.5)
    table["expected_open"] = middle.clip(lower=0)
    table["low_open"], table["high_open"] = (middle - reach).clip(lower=0), (middle + reach).clip(lower=0)
    for name, values in (("entered", entered), ("left", left)):
        table[f"{name}_mean"], table[f"{name}_sd"] = values.mean(), values.std()
    if begin == 0:
        table["periods_until_empty"] = 0
    elif step < 0:
        # In whole numbers, as a quotient of a rounded mean may miss the period in which nothing is left.
        table["periods_until_empty"] = -(begin * len(used) // int(drift.sum()))
    else:
        table["note"] = "no end in sight: at least as many problems come as go"
    return BACKLOG_FORECAST.conform(table)


def _totals(flow: pd.DataFrame) -> pd.DataFrame:
    """Return one row per period; full runs stand in each severity's row, and only their presence matters."""
    totals = flow.groupby(_TIMES, as_index=False)[_COUNTS[:-1]].sum()
    looks = flow.groupby("period_start_time", as_index=False)["full_runs_count"].max()
    totals[_COUNTS[:-1]] = totals[_COUNTS[:-1]].astype("int64")
    return totals.merge(looks, on="period_start_time").sort_values("period_start_time", ignore_index=True)


def _usable(past: pd.DataFrame) -> pd.DataFrame:
    """Return the complete periods from after the first look to the last one in which anybody looked."""
    looked = past["full_runs_count"].fillna(0) > 0
    seen = looked | (past["open_count"] > 0) | (past[["new_count", "reopened_count", "resolved_count"]] > 0).any(axis=1)
    if not seen.any():
        return past.iloc[:0]
    first = int(seen.argmax())
    open_before = past["open_count"].iloc[first] - past["net_count"].iloc[first]
    if open_before == 0 and past["found_at_first_look_count"].iloc[first] > 0:
        first += 1
    last = len(past)
    if past["full_runs_count"].notna().all():
        last -= int(looked[::-1].argmax()) if looked.any() else last
    known = past.iloc[first : max(first, last)]
    return known[known["is_complete"].astype(bool)]


def _entered(rows: pd.DataFrame) -> pd.Series[int]:
    return rows["new_count"] - rows["found_at_first_look_count"] + rows["reopened_count"]


def _times_ahead(past: pd.DataFrame, periods: int) -> pd.Series[pd.Timestamp]:
    """Return the ends of the coming periods, counted from the last moment of the flow."""
    row = past.iloc[-1]
    length, until = row["period_end_time"] - row["period_start_time"], row["counted_until_time"]
    if length <= pd.Timedelta(days=7):
        return pd.Series([until + n * length for n in range(1, periods + 1)])
    return pd.Series([until + pd.DateOffset(months=n) for n in range(1, periods + 1)])
