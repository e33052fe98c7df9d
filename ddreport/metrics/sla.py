"""Due times by severity: the policy, what is due when, and what was met."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.errors import ParameterError, WindowError, did_you_mean
from ddreport.history import EPISODES, PROBLEMS, ProblemState, Resolution
from ddreport.metrics.flow import check_window
from ddreport.metrics.groups import DAY, SEVERITIES, require, severity_codes
from ddreport.metrics.results_problems import SLA, SLA_SUMMARY, Certainty, SlaStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DEFAULT_DAYS: Mapping[str, float] = MappingProxyType({"CRITICAL": 7, "HIGH": 30, "MEDIUM": 90, "LOW": 180})
_MOST_DAYS = 36_500
_UNSEEN = [ProblemState.UNKNOWN.value, ProblemState.OUT_OF_SCOPE.value]


@dataclass(frozen=True)
class SlaPolicy:
    """How many days a problem of each severity may stay open.

    Parameters
    ----------
    days
        Severity to days, more than 0 and at most 36,500; a severity left out keeps its default of 7, 30, 90 and 180
        days, from CRITICAL to LOW.

    Raises
    ------
    ParameterError
        A severity is unknown, or its days are out of bounds.

    Examples
    --------
    >>> str(SlaPolicy.parse("critical=3, high=14"))
    'CRITICAL=3,HIGH=14,MEDIUM=90,LOW=180'
    """

    # Equal policies have equal hashes all the same: what is left out of a hash is still compared.
    days: Mapping[str, float] = field(default_factory=lambda: DEFAULT_DAYS, hash=False)

    def __post_init__(self) -> None:
        for name, days in self.days.items():
            if name not in SEVERITIES:
                raise _unknown_severity(name)
            usable = isinstance(days, int | float) and not isinstance(days, bool) and math.isfinite(days)
            if not (usable and 0 < days <= _MOST_DAYS):
                raise ParameterError(
                    f"the time to resolve {name} is {days!r} days; allowed: more than 0, at most {_MOST_DAYS}."
                )
        whole = {name: self.days.get(name, DEFAULT_DAYS[name]) for name in SEVERITIES}
        object.__setattr__(self, "days", MappingProxyType(whole))

    @classmethod
    def parse(cls, text: str) -> SlaPolicy:
        """Read `critical=3,high=14`: severities in upper or lower case, days as numbers; others keep their default.

        Raises
        ------
        ParameterError
            The text is not of this form, a severity is unknown or stands twice, or its days are out of bounds.
        """
        days: dict[str, float] = {}
        for part in text.split(","):
            name, equals, number = (piece.strip() for piece in part.partition("="))
            severity = name.upper()
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not equals or not name or math.isnan(value):
                raise ParameterError(
                    f"{part.strip()!r} in {text!r} is no severity with its days.",
                    hint="write it as critical=3,high=14.",
                )
            if severity not in SEVERITIES:
                raise _unknown_severity(name)
            if severity in days:
                raise ParameterError(f"{severity} stands twice in {text!r}.")
            days[severity] = int(value) if value.is_integer() else value
        return cls(days)

    def __str__(self) -> str:
        return ",".join(f"{name}={days:g}" for name, days in self.days.items())

    def warning_days(self, severity: str) -> float:
        """Return from how many days before its due time a problem is due soon.

        The last 20 % of the time allowed, but at least 3 days, and never more than half of it.
        """
        days = self.days[severity]
        return min(max(0.2 * days, 3.0), days / 2)


DEFAULT_POLICY = SlaPolicy()


def _unknown_severity(name: str) -> ParameterError:
    return ParameterError(
        f"{name!r} is no severity; allowed: {', '.join(SEVERITIES)}.{did_you_mean(name.upper(), SEVERITIES)}"
    )


def sla(problems: pd.DataFrame, *, as_of: datetime, policy: SlaPolicy = DEFAULT_POLICY) -> pd.DataFrame:
    """Tell of each problem that is not resolved when it is due and how it stands to that.

    - due_time = `opened_time` + days of its severity; a reopened problem starts anew, and so does the one that takes
      its place when the reason changes
    - days_left = due_time - `as_of`
    - status, the first that fits: ACCEPTED, suppressed when reported last; BREACHED, `as_of` > due_time; DUE_SOON,
      days_left <= `policy.warning_days`; WITHIN
    - certainty: UNKNOWN for a state of UNKNOWN or OUT_OF_SCOPE, else KNOWN. The clock of an uncertain problem goes on,
      as nobody proved it gone

    Parameters
    ----------
    problems
        `history.PROBLEMS` at `as_of`.
    as_of
        The moment that "now" means, aware.
    policy
        Days by severity.

    Returns
    -------
    DataFrame
        `SLA`, sorted by due_time, severity and problem_id: the most overdue first.

    Raises
    ------
    TableSchemaError
        A column is missing.
    WindowError
        `as_of` has no time zone, or lies before a problem was opened: the table is of a later moment.
    """
    now = _moment(as_of)
    require(problems, PROBLEMS, [*SLA.column_names[:8], "state", "is_suppressed", "opened_time", "last_seen_time"])
    table = problems[problems["state"] != ProblemState.RESOLVED.value].reset_index(drop=True)
    later = table["opened_time"] > now
    if later.any():
        raise WindowError(
            f"{int(later.sum())} of {len(table)} problems were opened after {now.isoformat()}.",
            hint="make the table of problems with the same as_of.",
        )
    codes = severity_codes(table)
    allowed, warning = _days(policy)[codes], np.array([policy.warning_days(s) for s in SEVERITIES])[codes]
    table["due_time"] = table["opened_time"] + _spans_of(allowed)
    left = (table["due_time"] - now).dt.total_seconds() / 86_400
    table["days_left"] = left
    table["status"] = np.select(
        [table["is_suppressed"].to_numpy(dtype=bool), left < 0, left <= warning],
        [SlaStatus.ACCEPTED.value, SlaStatus.BREACHED.value, SlaStatus.DUE_SOON.value],
        SlaStatus.WITHIN.value,
    )
    unsure = table["state"].isin(_UNSEEN)
    table["certainty"] = np.where(unsure, Certainty.UNKNOWN.value, Certainty.KNOWN.value)
    return SLA.conform(table).sort_values(["due_time", "severity", "problem_id"], ignore_index=True)


def sla_summary(
    episodes: pd.DataFrame,
    problems: pd.DataFrame,
    *,
    start: datetime,
    end: datetime,
    as_of: datetime | None = None,
    policy: SlaPolicy = DEFAULT_POLICY,
) -> pd.DataFrame:
    """Count per severity what fell due in a window and was resolved by then, and what is overdue now.

    An episode falls due at `first_seen_time` + days of its severity. Of those with `start` <= due time < `end`:

    - met = resolved (NOT_REPORTED) at or before its due time
    - reason changed = left for another reason at or before its due time: neither met nor breached
    - pending = none of these, and due at `as_of` or later: not decided yet
    - breached = all others: resolved too late, left for another reason too late, or still not proven gone. Those whose
      problem is UNKNOWN or OUT_OF_SCOPE count, and breached_unknown_count says how many they are

    met_rate = met / (met + breached), over the episodes that were not suppressed when reported last;
    strict_met_rate = the same over all of them, as if nothing were suppressed:
    (met + accepted met) / (due + accepted).

    Open breached = rows of `sla(problems)` with status BREACHED, whenever they fell due.

    Parameters
    ----------
    episodes, problems
        `history.EPISODES`, and `history.PROBLEMS` at `as_of`.
    start, end
        The window in which due times lie, aware; `end` is not in it.
    as_of
        The moment that "now" means, aware; None: `end`.
    policy
        Days by severity.

    Returns
    -------
    DataFrame
        `SLA_SUMMARY`: the four severities, zeros included. No rows for no episodes.

    Raises
    ------
    TableSchemaError
        A column is missing.
    WindowError
        The window is reversed or empty, a time has no zone, or a problem was opened after `as_of`.
    """
    check_window(start, end)
    now = _moment(end if as_of is None else as_of)
    require(
        episodes,
        EPISODES,
        ["problem_id", "severity", "is_suppressed", "first_seen_time", "resolved_time", "resolution"],
    )
    now_due = sla(problems, as_of=now, policy=policy)
    if episodes.empty:
        return SLA_SUMMARY.empty()
    codes = severity_codes(episodes)
    due = episodes["first_seen_time"] + _spans_of(_days(policy)[codes])
    known = (episodes["first_seen_time"] <= now) & (due >= pd.Timestamp(start)) & (due < pd.Timestamp(end))
    # An end after `as_of` is not known yet.
    ended = episodes["resolved_time"] <= now
    in_time = ended & (episodes["resolved_time"] <= due)
    repaired = episodes["resolution"] == Resolution.NOT_REPORTED.value
    met, changed = known & in_time & repaired, known & in_time & ~repaired
    pending = known & ~in_time & (due >= now)
    breached = known & ~in_time & ~pending
    accepted = episodes["is_suppressed"].astype(bool)
    unseen = ~ended & episodes["problem_id"].isin(problems.loc[problems["state"].isin(_UNSEEN), "problem_id"])

    def counted(chosen: pd.Series[bool]) -> pd.Series[int]:
        return pd.Series(np.bincount(codes[chosen.to_numpy(dtype=bool)], minlength=len(SEVERITIES)))

    table = pd.DataFrame({"severity": SEVERITIES, "allowed_days": _days(policy)})
    table["met_count"] = counted(met & ~accepted)
    table["breached_count"] = counted(breached & ~accepted)
    table["breached_unknown_count"] = counted(breached & ~accepted & unseen)
    table["due_count"] = table["met_count"] + table["breached_count"]
    table["accepted_count"] = counted((met | breached) & accepted)
    table["accepted_met_count"] = counted(met & accepted)
    # Nothing divided by nothing is missing, as pandas has it.
    table["met_rate"] = table["met_count"] / table["due_count"]
    table["strict_met_rate"] = (table["met_count"] + table["accepted_met_count"]) / (
        table["due_count"] + table["accepted_count"]
    )
    table["reason_changed_count"] = counted(changed)
    table["pending_count"] = counted(pending)
    return SLA_SUMMARY.conform(_with_overdue(table, now_due, now))


def _with_overdue(table: pd.DataFrame, due: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Add what is overdue now, from the table that `sla` returned."""
    over = due[due["status"] == SlaStatus.BREACHED.value]
    groups = over.assign(severity=over["severity"].astype("str")).groupby("severity")
    unsure = over[over["certainty"] == Certainty.UNKNOWN.value]["severity"].astype("str").value_counts()
    table["open_breached_count"] = groups.size().reindex(SEVERITIES, fill_value=0).to_numpy()
    table["open_breached_unknown_count"] = unsure.reindex(SEVERITIES, fill_value=0).to_numpy()
    table["oldest_breach_time"] = groups["due_time"].min().reindex(SEVERITIES).reset_index(drop=True)
    table["oldest_breach_days"] = (now - table["oldest_breach_time"]).dt.total_seconds() / 86_400
    return table


def _moment(time: datetime) -> pd.Timestamp:
    return pd.Timestamp(check_as_of(time)).tz_convert("UTC").as_unit("us")


def _days(policy: SlaPolicy) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([policy.days[s] for s in SEVERITIES], dtype="float64")


def _spans_of(days: np.ndarray[Any, np.dtype[np.float64]]) -> pd.TimedeltaIndex:
    return pd.to_timedelta((days * DAY).astype("int64"), unit="us")
