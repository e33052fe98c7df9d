"""What every check says at given moments: the ground of the compliance trend and of the posture score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.errors import ParameterError, did_you_mean
from ddreport.history import LineState, Proof, line_states
from ddreport.history.arrays import DAY, NOWHERE, microseconds, rows_by_line, take
from ddreport.metrics.results_controls import CHECK_VERDICTS, Verdict
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

PLACE = ("account", "region")
SHORTER_LOOK = "an audit that looked back longer found non-compliant resources, and this one cannot prove them gone"
COUNTS = ["total_resources_count", "non_compliant_resources_count", "suppressed_non_compliant_resources_count"]


def check_verdicts(
    runs: pd.DataFrame, moments: Sequence[datetime], *, check_configurations: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Tell what each check of each account and Region says at each moment, by its latest verdict that still counts.

    - OFF: the check is switched off (`LineState.OFF`).
    - UNKNOWN: it never gave a verdict, its latest run gave none, or the next run is overdue. Also when an audit that
      looked back longer found something which the latest audit, compliant though it is, cannot prove gone (the two
      checks that look back: a scheduled audit after an on-demand one).
    - COMPLIANT or NON_COMPLIANT: AWS's verdict in the latest run that proves all (`Proof.FULL`).

    Audits do not stand for all checks and all accounts: each check of each account keeps its own latest verdict, on
    whatever day that was, until it is overdue. So a partial audit changes nothing for the checks that it left out.

    Parameters
    ----------
    runs
        `history.CHECK_RUNS`.
    moments
        Aware datetimes; repeated ones count once.
    check_configurations
        Every stored state of `schemas.CHECK_CONFIGURATIONS`; None: no check was ever seen switched off.

    Returns
    -------
    DataFrame
        `results_controls.CHECK_VERDICTS`, sorted by account, region, check_name and as_of_time; no row for a moment
        before the check was known.

    Raises
    ------
    WindowError
        A moment has no time zone.
    """
    lines = line_states(runs, utc_moments(moments), check_configurations=check_configurations)
    full = lines["full_run"].fillna(NOWHERE).to_numpy(dtype="int64")
    latest = lines["latest_run"].fillna(NOWHERE).to_numpy(dtype="int64")
    state = lines["line_state"].to_numpy(dtype=object)
    compliant = _at(runs["check_run_status"] == CheckRunStatus.COMPLETED_COMPLIANT.value, full)
    stands = state == LineState.CURRENT.value
    hidden = stands & compliant & _at(pd.Series(_left_open(runs)), full)
    stands &= ~hidden
    off = state == LineState.OFF.value
    lines["verdict"] = np.select(
        [off, stands & compliant, stands],
        [Verdict.OFF.value, Verdict.COMPLIANT.value, Verdict.NON_COMPLIANT.value],
        Verdict.UNKNOWN.value,
    )
    lines["verdict_note"] = lines["note"].mask(hidden, SHORTER_LOOK)
    began = np.where(latest == NOWHERE, 0, _at(pd.Series(microseconds(runs["task_start_time"])), latest))
    step = 2 * lines["usual_step_days"].to_numpy(dtype="float64") * DAY
    lines["has_run"] = ~off & (latest != NOWHERE) & (microseconds(lines["as_of_time"]) - began <= step)
    rests_on = np.where(stands, full, NOWHERE)
    for name in ("audit_task_id", "task_start_time", *COUNTS):
        lines[name] = take(runs[name], rests_on) if len(runs) else pd.Series([None] * len(lines))
    return CHECK_VERDICTS.conform(lines)


def utc_moments(moments: Sequence[datetime]) -> list[pd.Timestamp]:
    """Return the moments in UTC, in order, each once.

    Raises
    ------
    WindowError
        One has no time zone.
    """
    aware = (pd.Timestamp(check_as_of(m, name="the moment")) for m in moments)
    return sorted({m.tz_convert("UTC").as_unit("us") for m in aware})


def check_by(by: Sequence[str]) -> list[str]:
    """Return `by` as a list in the order of `PLACE`, if it holds nothing else.

    Raises
    ------
    ParameterError
        It names another column.
    """
    named = [by] if isinstance(by, str) else list(by)
    for name in named:
        if name not in PLACE:
            raise ParameterError(f"by is {by!r}; allowed: (), {', '.join(PLACE)} or both.{did_you_mean(name, PLACE)}")
    return [name for name in PLACE if name in named]


def _at(column: pd.Series[bool] | pd.Series[int], rows: NDArray[np.int64]) -> NDArray[np.bool_] | NDArray[np.int64]:
    """Return a column's values at these rows; 0 or False at `NOWHERE`."""
    values = column.fillna(value=False).to_numpy()
    none = np.zeros(1, dtype=values.dtype if len(values) else "int64")
    found = np.concatenate([values, none])[rows]
    return found if values.dtype != bool else found.astype(bool)


def _left_open(runs: pd.DataFrame) -> NDArray[np.bool_]:
    """Say of each run whether an earlier one of its line found something that this one may not resolve.

    With all checks but the two that look back every full run may resolve what was found before, so none is left open.
    """
    slots = runs["slot"].to_numpy(dtype="int64")
    never = np.iinfo(np.int64).max
    resolver = runs["resolver_slot"].fillna(never).to_numpy(dtype="int64")
    found = (runs["proof"] == Proof.FULL.value).to_numpy() & (
        runs["check_run_status"] == CheckRunStatus.COMPLETED_NON_COMPLIANT.value
    ).to_numpy(dtype=bool)
    until = np.where(found, resolver, NOWHERE)
    left = np.zeros(len(runs), dtype=bool)
    for rows in rows_by_line(runs).values():
        before = np.concatenate([[NOWHERE], np.maximum.accumulate(until[rows])[:-1]])
        left[rows] = before > slots[rows]
    return left
