"""Which run may resolve what an earlier one reported: slots in a line, and the resolver of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ddreport.history.arrays import NOWHERE, rows_by_line
from ddreport.history.results import Proof
from ddreport.history.thresholds import strictness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddreport.history.arrays import Flags, Ints

LOOKS_BACK = frozenset({"DEVICE_CERTIFICATE_SHARED_CHECK", "CONFLICTING_CLIENT_IDS_CHECK"})
"""Checks whose scheduled runs see only the time since the previous run of the same schedule, on-demand ones 31 days."""

ON_DEMAND = ""
"""Series of the on-demand audits; schedules have names of at least one character."""


def place_in_lines(runs: pd.DataFrame) -> None:
    """Add `slot`, `resolver_slot` and `threshold_resolver_slot` to runs that stand in order, line by line."""
    full = (runs["proof"] == Proof.FULL.value).to_numpy()
    series = runs["scheduled_audit_name"].fillna(ON_DEMAND).to_numpy(dtype=object)
    reported, resolving = strictness(runs)
    slots, plain, strict = (np.full(len(runs), NOWHERE, dtype="int64") for _ in range(3))
    for name, rows in rows_by_line(runs).items():
        own = full[rows]
        slots[rows] = slots_of(own)
        after = _next_full(own)
        if name[2] in LOOKS_BACK:
            after = _next_comparable(own, series[rows])
        plain[rows] = _slot_at(slots[rows], after)
        strict[rows] = _slot_at(slots[rows], _next_as_strict(own, after, reported[rows], resolving[rows]))
    runs["slot"] = slots
    runs["resolver_slot"] = pd.Series(plain, index=runs.index, dtype="Int64").mask(plain == NOWHERE)
    runs["threshold_resolver_slot"] = pd.Series(strict, index=runs.index, dtype="Int64").mask(strict == NOWHERE)


def slots_of(full: Flags) -> Ints:
    """Return places for the runs of a line, from 0: only full runs with no other run between them are neighbours.

    A run that proves only presence stands by itself, with a free slot on either side: what only it reports is never
    taken for one stretch with what full runs report.
    """
    steps = np.where(full[1:] & full[:-1], 1, 2)
    return np.concatenate([np.zeros(min(len(full), 1), dtype="int64"), np.cumsum(steps, dtype="int64")])


def _slot_at(slots: Ints, places: Ints) -> Ints:
    return np.where(places == NOWHERE, NOWHERE, slots[places])


def _next_full(full: Flags) -> Ints:
    """Return for each place the next later one that is full, or `NOWHERE`."""
    count = len(full)
    places = np.where(full, np.arange(count), count)
    following = np.minimum.accumulate(places[::-1])[::-1]
    after = np.concatenate([following[1:], [count]])
    return np.where(after == count, NOWHERE, after)


def _next_comparable(full: Flags, series: NDArray[Any]) -> Ints:
    """Return for each run the next full one that is on demand or of its own schedule."""
    on_demand = series == ON_DEMAND
    found = _next_full(full & on_demand)
    for name in set(series[~on_demand]):
        own = series == name
        mine = _next_full(full & (own | on_demand))
        found[own] = mine[own]
    return found


def _next_as_strict(full: Flags, after: Ints, reported: Ints, resolving: Ints) -> Ints:
    """Return for each run the next full one whose threshold is at least as strict as its own.

    Only checks with a threshold come here with different values, and none of them looks back, so that no schedule has
    to be compared beside the threshold.
    """
    if not len(full) or resolving.min() >= reported.max():
        return after
    found = np.full(len(full), NOWHERE, dtype="int64")
    # From the end: the full runs seen so far, nearest last, each stricter than those nearer than it.
    candidates: list[int] = []
    for place in range(len(full) - 1, -1, -1):
        nearer_first = (c for c in reversed(candidates) if resolving[c] >= reported[place])
        found[place] = next(nearer_first, NOWHERE)
        if full[place]:
            while candidates and resolving[candidates[-1]] <= resolving[place]:
                candidates.pop()
            candidates.append(place)
    return found
