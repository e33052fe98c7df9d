"""The thresholds that runs were made under, as far as the archive saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.catalogue import checks as catalogue
from ddreport.history.arrays import microseconds, rows_by_line
from ddreport.history.identity import LINE

if TYPE_CHECKING:
    from ddreport.history.arrays import Ints

AGE = "DEVICE_CERTIFICATE_AGE_CHECK"

THRESHOLD_REASONS = frozenset({"CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_AGE_THRESHOLD"})
"""Reasons that a laxer threshold can hide; an expired certificate is reported under any threshold."""

DAYS_COLUMNS = ["reported_threshold_days", "resolving_threshold_days"]


def add_thresholds(
    runs: pd.DataFrame, check_configurations: pd.DataFrame | None, observations: pd.DataFrame | None
) -> None:
    """Add the two columns of `DAYS_COLUMNS` to runs in order, line by line; missing for checks without a threshold.

    The threshold of a run is that of the last state seen at or before its start; where there is none, that of the
    first state after it; where no state was ever seen, AWS's default. If the next look at the configuration after the
    run found another one, the change may lie on either side of the run: `reported_threshold_days` is then the stricter
    of the two, `resolving_threshold_days` the laxer.
    """
    for name in DAYS_COLUMNS:
        runs[name] = pd.Series(pd.NA, index=runs.index, dtype="Int64")
    for check in catalogue().values():
        if check.threshold is None:
            continue
        mine = runs[runs["check_name"] == check.name]
        for line, rows in rows_by_line(mine).items():
            own = mine.iloc[rows]
            states = _of_line(check_configurations, line, LINE)
            looks = _of_line(observations, line[:2], LINE[:2])
            before, after = _days(own, states, looks, check.threshold.default_days)
            stricter, laxer = (np.minimum, np.maximum) if check.name == AGE else (np.maximum, np.minimum)
            runs.loc[own.index, DAYS_COLUMNS[0]] = stricter(before, after)
            runs.loc[own.index, DAYS_COLUMNS[1]] = laxer(before, after)


def strictness(runs: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return how strict each run is when it reports and when it is silent: greater is stricter; 0 without threshold."""
    sign = np.where(runs["check_name"] == AGE, -1, 1)
    reported, resolving = (runs[name].fillna(0).to_numpy(dtype="int64") * sign for name in DAYS_COLUMNS)
    return reported, resolving


def _of_line(table: pd.DataFrame | None, values: tuple[str, ...], columns: list[str]) -> pd.DataFrame | None:
    """Return the rows with these values in order of time."""
    if table is None:
        return None
    for column, value in zip(columns, values, strict=True):
        table = table[table[column] == value]
    return table.sort_values("observed_time")


def _days(
    runs: pd.DataFrame, states: pd.DataFrame | None, looks: pd.DataFrame | None, default: int
) -> tuple[Ints, Ints]:
    """Return for each run of one line the threshold seen before it and the one seen at the next look after it."""
    if states is None or states.empty:
        constant = np.full(len(runs), default, dtype="int64")
        return constant, constant
    days = states["threshold_days"].fillna(default).to_numpy(dtype="int64")
    changed = microseconds(states["observed_time"])
    looked = changed if looks is None else np.union1d(changed, microseconds(looks["observed_time"]))
    began = microseconds(runs["task_start_time"])
    before = days[np.maximum(np.searchsorted(changed, began, side="right") - 1, 0)]
    if looks is None:
        # Nobody noted the looks that found nothing new, so the change counts from when it was seen.
        return before, before
    following = np.searchsorted(looked, began, side="left")
    seen = looked[np.minimum(following, len(looked) - 1)]
    after = days[np.maximum(np.searchsorted(changed, seen, side="right") - 1, 0)]
    return before, np.where(following < len(looked), after, before)
