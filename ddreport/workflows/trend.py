"""The trend in one table: compliance, coverage, posture, what is open and unknown, what came and went, by period."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pandas as pd

from ddreport.errors import ParameterError, did_you_mean
from ddreport.history import ProblemState
from ddreport.metrics import check_verdicts, compliance_trend, posture_score, problem_flow
from ddreport.metrics.flow import Period

if TYPE_CHECKING:
    from ddreport.workflows.history import History

_CHECKS = [
    "known_checks_count",
    "on_checks_count",
    "finished_checks_count",
    "compliant_checks_count",
    "compliant_only_by_suppression_count",
    "unknown_checks_count",
    "off_checks_count",
    "compliance_rate",
    "strict_compliance_rate",
    "least_compliance_rate",
    "coverage_finished",
]
_FLOW = ["new_count", "reopened_count", "resolved_count", "reason_changed_count", "full_runs_count"]
_OPEN = [ProblemState.NEW, ProblemState.OPEN, ProblemState.REOPENED]
_STATES = {
    "open_count": _OPEN,
    "suppressed_count": [ProblemState.SUPPRESSED],
    "unknown_count": [ProblemState.UNKNOWN],
    "out_of_scope_count": [ProblemState.OUT_OF_SCOPE],
}


def trend(history: History, *, start: datetime, end: datetime, period: Period = "week") -> pd.DataFrame:
    """Return one row per period from `start` to `end`, all accounts and Regions of the history together.

    Parameters
    ----------
    start, end
        Aware datetimes; the last period ends with `end`.
    period
        `day`, `week` (from Monday) or `month`, by the calendar of UTC.

    Returns
    -------
    DataFrame
        `period_start_time` and `as_of_time` (end of the period, or of the window), then the columns of
        `metrics.compliance_trend` and `metrics.posture_score` at that moment, the numbers of problems that were open
        (NEW, OPEN, REOPENED), suppressed, unknown and out of scope then (`open_count`, …; the open ones also by
        severity, `critical_open_count`, …; missing where no
        check was known yet), and what came and went in the period (`metrics.problem_flow`).

    Raises
    ------
    ParameterError, WindowError
        An unknown period, or a window without length.
    """
    known = get_args(Period)
    if period not in known:
        raise ParameterError(f"period {period!r} is unknown; allowed: {', '.join(known)}.{did_you_mean(period, known)}")
    flow = problem_flow(history.episodes(end), start=start, end=end, period=period, runs=history.runs)
    keys = ["period_start_time", "counted_until_time"]
    # A number of full runs is the same for each severity, and adds up over places only.
    counts = flow.groupby(keys, as_index=False)[_FLOW[:-1]].sum()
    looked = flow.drop_duplicates(["account", "region", *keys]).groupby(keys, as_index=False)[_FLOW[-1:]].sum()
    counts = counts.merge(looked, on=keys).rename(columns={keys[1]: "as_of_time"})
    # What an audit at the first moment of the next period found does not belong to this one.
    ends = counts["as_of_time"] - timedelta(microseconds=1)
    moments = [t.to_pydatetime() for t in ends]
    verdicts = check_verdicts(history.runs, moments, check_configurations=history.check_configurations)
    checks = compliance_trend(history.runs, moments, by=(), verdicts=verdicts)
    scores = posture_score(history.runs, moments, by=(), verdicts=verdicts)
    states = history.state_counts(moments)
    for found in (checks, scores, states):
        found["as_of_time"] = found["as_of_time"] + timedelta(microseconds=1)
    table = counts.merge(checks[["as_of_time", *_CHECKS]], on="as_of_time", how="left")
    # Of moments at which no check was known there is no score.
    table = table.merge(scores[["as_of_time", "posture_score"]], on="as_of_time", how="left")
    for name, chosen in _STATES.items():
        table[name] = _sum(states[states["state"].isin(chosen)], table["as_of_time"])
    opened = states[states["state"].isin(_OPEN)]
    for severity in opened["severity"].cat.categories:
        table[f"{severity.lower()}_open_count"] = _sum(opened[opened["severity"] == severity], table["as_of_time"])
    # Where no check was known, nobody knew of problems either: that is not the same as none.
    unknown = (table["known_checks_count"].fillna(0) == 0).to_numpy(dtype=bool)
    table.loc[unknown, [*_STATES, *(c for c in table.columns if c.endswith("_open_count"))]] = pd.NA
    return table


def _sum(counts: pd.DataFrame, moments: pd.Series[pd.Timestamp]) -> pd.Series[int]:
    """Add up the problems counted at each moment; 0 where there were none."""
    sums = counts.groupby("as_of_time")["problems_count"].sum()
    return moments.map(sums).astype("Int64").fillna(0)
