"""Episodes: from the first report of a problem until it was proven gone, and again if it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.history.arrays import NOWHERE, line_numbers, take
from ddreport.history.chains import chain
from ddreport.history.results import EPISODES, Resolution

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.history.arrays import Flags, Ints
    from ddreport.history.chains import Chains, Past


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

    Raises
    ------
    WindowError
        `as_of` has no time zone.
    """
    return episodes_of(chain(spans, runs), as_of=as_of)


def episodes_of(chains: Chains, *, as_of: datetime | None = None) -> pd.DataFrame:
    """Return `episodes` of spans that stand on their lines already."""
    past, runs = chains.until(None if as_of is None else check_as_of(as_of)), chains.runs
    closes = past.closes
    table = chains.spans[closes].reset_index(drop=True)
    opened = chains.opened[closes]
    table["episode"] = chains.episode[closes]
    table["absent_time"] = take(runs["task_start_time"], _full_before(chains)[opened])
    for name, rows in (("first_seen", opened), ("last_seen", past.last[closes]), ("resolved", past.resolver[closes])):
        table[f"{name}_time"] = take(runs["task_start_time"], rows)
        table[f"{name}_audit_task_id"] = take(runs["audit_task_id"], rows)
    table["resolution"] = resolutions(past, closes)
    return EPISODES.conform(table)  # in the order of the chains


def resolutions(past: Past, chosen: Flags) -> pd.Series[str]:
    """Say how each chosen span ended; missing where no run resolved it."""
    changed = past.reason_changed(chosen)
    text = np.where(changed, Resolution.REASON_CHANGED.value, Resolution.NOT_REPORTED.value)
    return pd.Series(text, dtype="str").where(past.resolver[chosen] != NOWHERE)


def _full_before(chains: Chains) -> Ints:
    """Return for each run the latest full one before it in its line, or `NOWHERE`."""
    line = line_numbers(chains.runs)
    before = np.full(len(line), NOWHERE, dtype="int64")
    same = line[1:] == line[:-1]
    before[1:][same] = chains.full_until[:-1][same]
    return before
