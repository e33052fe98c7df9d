"""Episodes: from the first report of a problem until it was proven gone, and again if it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.history.arrays import NOWHERE, moment, take
from ddreport.history.chains import Chains, chain
from ddreport.history.identity import LINE
from ddreport.history.results import EPISODES, Proof, Resolution

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.history.arrays import Flags, Ints


def episodes(spans: pd.DataFrame, runs: pd.DataFrame, *, as_of: datetime | None = None) -> pd.DataFrame:
    """Return every episode of every problem, by the rules of docs/lifecycle.md.

    Parameters
    ----------
    spans, runs
        `results.SPANS` and `results.CHECK_RUNS` of the same audits.
    as_of
        Aware datetime: only audits that began until then count; None: all.

    Returns
    -------
    DataFrame
        `results.EPISODES`, sorted by problem_id and episode. `severity`, `is_suppressed`, `policy_version_id` and
        `expiration_time` are those reported last in the episode.
    """
    chains = chain(spans, runs, as_of=as_of)
    closes, opens = chains.closes, chains.opens
    # Attributes are those of the episode's last span, its beginning that of its first.
    table = chains.spans[closes].reset_index(drop=True)
    first, last = chains.first[opens], chains.last[closes]
    resolver = seen_until(chains, closes, as_of)
    table["episode"] = chains.episode[closes]
    table["absent_time"] = take(runs["task_start_time"], _last_full_before(runs)[first])
    for name, rows in (("first_seen", first), ("last_seen", last), ("resolved", resolver)):
        table[f"{name}_time"] = take(runs["task_start_time"], rows)
        table[f"{name}_audit_task_id"] = take(runs["audit_task_id"], rows)
    table["resolution"] = resolutions(chains, closes, resolver)
    return EPISODES.conform(table).sort_values(["problem_id", "episode"], ignore_index=True)


def seen_until(chains: Chains, chosen: Flags, as_of: datetime | None) -> Ints:
    """Return the resolvers of the chosen spans, but only those that had come by `as_of`."""
    resolver = chains.resolver[chosen]
    if as_of is None or not len(resolver):
        return resolver
    return np.where(chains.times[resolver] <= moment(as_of), resolver, NOWHERE)


def resolutions(chains: Chains, chosen: Flags, resolver: Ints) -> pd.Series[str]:
    """Say how each chosen span ended; missing where no run resolved it."""
    changed = chains.reason_changed(chosen)
    text = np.where(changed, Resolution.REASON_CHANGED.value, Resolution.NOT_REPORTED.value)
    return pd.Series(text, dtype="str").where(resolver != NOWHERE)


def _last_full_before(runs: pd.DataFrame) -> Ints:
    """Return for each run the latest full one before it in its line, or `NOWHERE`."""
    full = (runs["proof"] == Proof.FULL.value).to_numpy()
    place = pd.Series(np.where(full, np.arange(len(runs)), NOWHERE))
    keys = [runs[name] for name in LINE]
    return place.groupby(keys).transform(lambda own: own.shift(fill_value=NOWHERE).cummax()).to_numpy(dtype="int64")
