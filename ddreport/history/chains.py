"""Spans on their lines: when each began and ended, which episode it belongs to, which run resolves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.history.arrays import NOWHERE, line_numbers, microseconds, moment
from ddreport.history.identity import LINE
from ddreport.history.results import Proof
from ddreport.history.thresholds import THRESHOLD_REASONS

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.history.arrays import Flags, Ints

_FAULT = [*LINE, "resource_type", "resource_id"]


@dataclass(frozen=True)
class Chains:
    """Spans in the order of their problems and of time, each with its rows in the table of runs.

    Attributes
    ----------
    spans
        `results.SPANS` until the moment asked about.
    runs
        `results.CHECK_RUNS`, of any time.
    first, last
        Ints in `runs` of the first run that reported it, and of the last one until the moment.
    resolver
        Row of the first later run that may resolve what the last one reported, whenever it was; or `NOWHERE`.
    begins, opens
        Whether the span is the first of its problem; whether it is the first of an episode.
    """

    spans: pd.DataFrame
    runs: pd.DataFrame
    first: Ints
    last: Ints
    resolver: Ints
    begins: Flags
    opens: Flags

    @cached_property
    def times(self) -> Ints:
        """Start of each run in microseconds since 1970."""
        return microseconds(self.runs["task_start_time"])

    @cached_property
    def problem(self) -> Ints:
        """Number of each span's problem, from 0 in the order of the spans."""
        return np.cumsum(self.begins) - 1

    @cached_property
    def episode(self) -> Ints:
        """Number of each span's episode within its problem, from 1."""
        number: Ints = np.cumsum(self.opens)
        return number - (number[self.begins] - 1)[self.problem]

    @property
    def closes(self) -> Flags:
        """Whether the span is the last of its episode."""
        return np.concatenate([self.opens[1:], np.ones(min(len(self.opens), 1), dtype=bool)])

    @property
    def ends(self) -> Flags:
        """Whether the span is the last of its problem."""
        return np.concatenate([self.begins[1:], np.ones(min(len(self.begins), 1), dtype=bool)])

    def reason_changed(self, spans: Flags) -> Flags:
        """Tell for each of the chosen spans whether its resolver reported the same resource for another reason."""
        resource = self.spans.groupby(_FAULT, sort=False).ngroup().to_numpy()
        every = pd.DataFrame({"resource": resource, "from": self.first, "to": self.last})
        chosen = pd.DataFrame({"resource": resource[spans], "resolver": self.resolver[spans]})
        several = every[every.duplicated("resource", keep=False)]
        pairs = chosen.reset_index().merge(several, on="resource")
        met = pairs.loc[(pairs["from"] <= pairs["resolver"]) & (pairs["resolver"] <= pairs["to"]), "index"]
        found = np.zeros(len(chosen), dtype=bool)
        found[met.unique()] = True
        return found


def chain(spans: pd.DataFrame, runs: pd.DataFrame, *, as_of: datetime | None = None) -> Chains:
    """Put spans on their lines, as things looked at `as_of` (None: with all that is known)."""
    codes = pd.factorize(spans["problem_id"])[0]
    slots = spans["first_slot"].to_numpy(dtype="int64")
    order = np.lexsort((slots, codes))
    line, keys = _line_keys(spans, runs)
    first = np.searchsorted(keys, _key(line, slots))
    last = np.searchsorted(keys, _key(line, spans["last_slot"].to_numpy(dtype="int64")))
    if as_of is not None:
        times, end = microseconds(runs["task_start_time"]), moment(as_of)
        last = _until(line, last, times, end, runs)
        order = order[times[first[order]] <= end]
    resolver = _resolvers(spans, runs, line, last, keys)[order]
    first, last, codes = first[order], last[order], codes[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = codes[1:] != codes[:-1]
    opens = begins.copy()
    # The run that may resolve the span before it came and went without a report before this one.
    opens[1:] |= (resolver[:-1] != NOWHERE) & (resolver[:-1] < first[1:])
    table = spans.iloc[order].reset_index(drop=True)
    return Chains(table, runs, first, last, resolver, begins, opens)


_SLOTS = 1 << 40  # more than any line has


def _key(line: Ints, slot: Ints) -> Ints:
    return line * _SLOTS + slot


def _line_keys(spans: pd.DataFrame, runs: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the line of each span, numbered as they stand in the runs, and line and slot of each run as one key."""
    of_runs = line_numbers(runs)
    keys = _key(of_runs, runs["slot"].to_numpy(dtype="int64"))
    lines = runs[LINE].drop_duplicates(ignore_index=True)
    number = lines.assign(line=np.arange(len(lines)))
    return spans[LINE].merge(number, on=LINE, how="left")["line"].to_numpy(dtype="int64"), keys


def _until(line: Ints, last: Ints, times: Ints, end: int, runs: pd.DataFrame) -> Ints:
    """Cut what came after the moment: a span that goes on holds every full run of its line until then."""
    if not len(last):
        return last
    full = (runs["proof"] == Proof.FULL.value).to_numpy()
    until = pd.Series(np.where((times <= end) & full, np.arange(len(runs)), NOWHERE))
    latest = until.groupby(line_numbers(runs)).max().to_numpy(dtype="int64")
    return np.where(times[last] > end, latest[line], last)


def _resolvers(spans: pd.DataFrame, runs: pd.DataFrame, line: Ints, last: Ints, keys: Ints) -> Ints:
    slots = runs["resolver_slot"].fillna(NOWHERE).to_numpy(dtype="int64")
    strict = runs["threshold_resolver_slot"].fillna(NOWHERE).to_numpy(dtype="int64")
    hidden = spans["reason_code"].isin(THRESHOLD_REASONS).to_numpy()
    slot = np.where(hidden, strict[last], slots[last]) if len(last) else last
    return np.where(slot == NOWHERE, NOWHERE, np.searchsorted(keys, _key(line, slot)))
