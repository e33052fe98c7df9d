"""The time that problems take until they are proven gone, those that are not gone yet included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.history import EPISODES, PROBLEMS, ProblemState, Resolution
from ddreport.metrics.groups import DAY, Flags, Ints, group, require
from ddreport.metrics.results_problems import RESOLUTION_CURVE, TIME_TO_RESOLVE, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNWATCHED = [ProblemState.UNKNOWN.value, ProblemState.OUT_OF_SCOPE.value]
_ROUNDING = 1e-9
"""Far less than the step of one episode, far more than what a product of many factors is off by."""


def time_to_resolve(
    episodes: pd.DataFrame,
    *,
    as_of: datetime,
    by: Sequence[str] = ("severity",),
    problems: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Estimate how long it takes until a problem is proven gone, by Kaplan and Meier's product-limit formula.

    Each episode is followed from `first_seen_time`:

    - resolved (NOT_REPORTED) until `as_of`: to `resolved_time`, which is an event
    - left for another reason (REASON_CHANGED): to `resolved_time`; no event, as nobody repaired it
    - open: to `as_of`; no event yet
    - open, but UNKNOWN or OUT_OF_SCOPE in `problems`: to `last_seen_time`, as nobody knows what came after

    unresolved share after t days = product over all times u <= t with events of (1 - resolved at u / at risk at u),
    where at risk at u are the episodes followed for u days or longer. median_days is the least t with a share of at
    most 1/2, p90_days the least one with at most 1/10: missing where the curve ends above, which says that it takes
    longer than can be told yet. naive_median_days is the same of the resolved ones alone, which forgets everything
    that stays open; it stands there to show by how much.

    Suppressed problems count like all others; `by=("severity", "is_suppressed")` keeps them apart. Time is seen as
    the audits see it: from the first audit that reported the problem to the one that did not.

    Parameters
    ----------
    episodes
        `history.EPISODES`.
    as_of
        The moment that "now" means, aware. Episodes that began later do not count, and later ends are not known.
    by
        Columns to group by: any of account, region, check_name, resource_type, resource_id, reason_code, severity
        and is_suppressed; none for one row of all.
    problems
        `history.PROBLEMS` at `as_of`: tells which open problems nobody looks at any more. Without it all open ones
        count as followed to `as_of`, and `unwatched_count` is 0.

    Returns
    -------
    DataFrame
        `TIME_TO_RESOLVE` with the columns `by` in front, sorted by them; every severity has a row. No rows for no
        episodes.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        A column cannot be grouped by.
    WindowError
        `as_of` has no time zone.
    """
    known, followed = _followed(episodes, as_of, by, problems)
    groups, codes = group(known, by)
    schema = grouped(TIME_TO_RESOLVE, by)
    if known.empty:
        return schema.empty()
    table = groups.copy()
    size = len(groups)
    days = followed["length"].to_numpy()
    resolved, changed, unwatched = (followed[n].to_numpy(dtype=bool) for n in ("resolved", "changed", "unwatched"))
    for name, chosen in (
        ("episodes_count", np.ones(len(codes), dtype=bool)),
        ("resolved_count", resolved),
        ("reason_changed_count", changed),
        ("still_open_count", ~resolved & ~changed),
        ("unwatched_count", unwatched),
    ):
        table[name] = np.bincount(codes[chosen], minlength=size)
    curve = _curve(codes, days, resolved)
    alone = _curve(codes[resolved], days[resolved], resolved[resolved])
    table["median_days"] = _first_at(curve, 0.5, size)
    table["p90_days"] = _first_at(curve, 0.1, size)
    table["naive_median_days"] = _first_at(alone, 0.5, size)
    table["followed_days"] = (pd.Series(days).groupby(codes).max() / DAY).reindex(range(size)).to_numpy()
    return schema.conform(table)


def resolution_curve(
    episodes: pd.DataFrame,
    *,
    as_of: datetime,
    by: Sequence[str] = ("severity",),
    problems: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the curve that `time_to_resolve` reads its numbers from: the share not resolved after so many days.

    Parameters
    ----------
    episodes, as_of, by, problems
        As for `time_to_resolve`.

    Returns
    -------
    DataFrame
        `RESOLUTION_CURVE` with the columns `by` in front, sorted by them and days: one row per length of time at
        which an episode ended or was lost from sight. Before the first the share is 1; after the last nothing is
        known. No rows for a group without episodes.

    Raises
    ------
    TableSchemaError, ParameterError, WindowError
        As `time_to_resolve`.
    """
    known, followed = _followed(episodes, as_of, by, problems)
    groups, codes = group(known, by)
    schema = grouped(RESOLUTION_CURVE, by)
    if known.empty:
        return schema.empty()
    curve = _curve(codes, followed["length"].to_numpy(), followed["resolved"].to_numpy(dtype=bool))
    table = groups.take(curve["code"].to_numpy()).reset_index(drop=True)
    for name in RESOLUTION_CURVE.column_names:
        table[name] = curve[name]
    return schema.conform(table)


def _followed(
    episodes: pd.DataFrame, as_of: datetime, by: Sequence[str], problems: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the episodes begun by `as_of`, and for each how long it was followed (microseconds) and how that ended."""
    now = pd.Timestamp(check_as_of(as_of)).tz_convert("UTC").as_unit("us")
    times = ["first_seen_time", "last_seen_time", "resolved_time"]
    require(episodes, EPISODES, ["problem_id", *times, "resolution", *(n for n in by if n in EPISODES.column_names)])
    known = episodes[episodes["first_seen_time"] <= now].reset_index(drop=True)
    ended = known["resolved_time"] <= now
    changed = ended & (known["resolution"] == Resolution.REASON_CHANGED.value)
    until = known["resolved_time"].where(ended, now)
    unwatched = pd.Series(data=False, index=known.index)
    if problems is not None:
        require(problems, PROBLEMS, ["problem_id", "state"])
        lost = problems.loc[problems["state"].isin(_UNWATCHED), "problem_id"]
        unwatched = ~ended & known["problem_id"].isin(lost)
        last_seen = known["last_seen_time"]
        until = until.where(~unwatched, last_seen.where(last_seen <= now, now))
    length = until.astype("datetime64[us, UTC]").astype("int64") - known["first_seen_time"].astype("int64")
    return known, pd.DataFrame(
        {"length": length, "resolved": ended & ~changed, "changed": changed, "unwatched": unwatched}
    )


# Own code, as the formula is a sum and a product: lifelines would bring scipy, matplotlib and autograd for it.
def _curve(codes: Ints, length: Ints, resolved: Flags) -> pd.DataFrame:
    """Return per group and distinct length: at risk, resolved, and the share left after it."""
    order = np.lexsort((length, codes))
    codes, length, resolved = codes[order], length[order], resolved[order]
    is_first = np.ones(len(codes), dtype=bool)
    is_first[1:] = (codes[1:] != codes[:-1]) | (length[1:] != length[:-1])
    first = np.flatnonzero(is_first)
    code = codes[first]
    # In the order of their lengths, those at risk are this one and all behind it in its group.
    at_risk = np.searchsorted(codes, code, side="right") - first
    events = np.add.reduceat(resolved.astype("int64"), first) if len(first) else np.zeros(0, dtype="int64")
    share = pd.Series(1 - events / at_risk).groupby(code).cumprod()
    return pd.DataFrame(
        {
            "code": code,
            "days": length[first] / DAY,
            "at_risk_count": at_risk,
            "resolved_count": events,
            "unresolved_share": share,
        }
    )


def _first_at(curve: pd.DataFrame, share: float, size: int) -> pd.Series[float]:
    """Return per group the first time at which at most `share` is left; NaN where it never is."""
    reached = curve[curve["unresolved_share"] <= share + _ROUNDING].drop_duplicates("code")
    return reached.set_index("code")["days"].reindex(range(size)).reset_index(drop=True)
