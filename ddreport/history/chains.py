"""Spans on their lines: when each began and ended, which episode it belongs to, which run resolves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.history.arrays import NOWHERE, as_ints, line_numbers, microseconds, moment, ranks
from ddreport.history.identity import LINE
from ddreport.history.results import Proof
from ddreport.history.thresholds import THRESHOLD_REASONS

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.history.arrays import Flags, Ints

_RESOURCE = [*LINE, "resource_type", "resource_id"]


@dataclass(frozen=True)
class Chains:
    """Spans in the order of their problems and of time, each with its rows in the table of runs.

    Attributes
    ----------
    spans
        `results.SPANS`.
    runs
        `results.CHECK_RUNS`; rows of one line stand in the order of time, so a greater row is a later run.
    line
        Number of each span's line, from 0 as the lines stand in the runs.
    first, last
        Rows in `runs` of the first and the last run that reported it.
    resolver
        Row of the first later run that may resolve what the last one reported; or `NOWHERE`.
    begins, opens
        Whether the span is the first of its problem; whether it is the first of an episode.
    """

    spans: pd.DataFrame
    runs: pd.DataFrame
    line: Ints
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
    def first_time(self) -> Ints:
        """Start of the first run that reported each span."""
        found: Ints = self.times[self.first]
        return found

    @cached_property
    def last_time(self) -> Ints:
        """Start of the last run that reported each span."""
        found: Ints = self.times[self.last]
        return found

    @cached_property
    def resolver_time(self) -> Ints:
        """Start of the run that resolves each span; after all times where none does."""
        never = np.append(self.times, np.iinfo(np.int64).max)
        found: Ints = never[self.resolver]  # NOWHERE is the last place
        return found

    @cached_property
    def place_rank(self) -> Ints:
        """Rank of each span's account and Region among all, in their order."""
        return ranks(self.spans, _RESOURCE[:2])

    @cached_property
    def fault_rank(self) -> Ints:
        """Rank of each span's check, resource and reason among all, in their order."""
        return ranks(self.spans, [*_RESOURCE[2:], "reason_code"])

    @cached_property
    def resource(self) -> Ints:
        """A number for each span's resource within its check, account and Region."""
        return ranks(self.spans, _RESOURCE)

    @cached_property
    def severity(self) -> Ints:
        """Code of each span's severity: 0 for the most severe."""
        return as_ints(self.spans["severity"].cat.codes)

    @cached_property
    def lines_count(self) -> int:
        """How many lines the runs have."""
        return int(line_numbers(self.runs).max()) + 1 if len(self.runs) else 0

    @cached_property
    def is_suppressed(self) -> Flags:
        """Whether a suppression covered each span."""
        suppressed: Flags = self.spans["is_suppressed"].to_numpy(dtype=bool)
        return suppressed

    @cached_property
    def full_until(self) -> Ints:
        """Row of the latest full run of the line up to each run, itself included; or `NOWHERE`."""
        full = (self.runs["proof"] == Proof.FULL.value).to_numpy()
        place = pd.Series(np.where(full, np.arange(len(self.runs)), NOWHERE))
        return as_ints(place.groupby(line_numbers(self.runs)).cummax())

    @cached_property
    def episode(self) -> Ints:
        """Number of each span's episode within its problem, from 1."""
        number: Ints = np.cumsum(self.opens)
        before: Ints = (number[self.begins] - 1)[np.cumsum(self.begins) - 1]
        return number - before

    @cached_property
    def began(self) -> Ints:
        """Row of the run that reported each span's problem first ever."""
        began: Ints = self.first[self.begins][np.cumsum(self.begins) - 1]
        return began

    @cached_property
    def opened(self) -> Ints:
        """Row of the run that began each span's episode."""
        opened: Ints = self.first[self.opens][np.cumsum(self.opens) - 1]
        return opened

    def until(self, as_of: datetime | None) -> Past:
        """Return the past as it looked at a moment; None: with all that is known."""
        if as_of is None:
            return Past(self, np.ones(len(self.first), dtype=bool), self.last, self.resolver)
        end = moment(as_of)
        known = self.first_time <= end
        # A span that goes on holds every full run of its line until then; the latest of them reported it last.
        lines = self._line_time(np.arange(self.lines_count), end)
        runs_until = np.searchsorted(self._times_by_line, lines, side="right") - 1
        last = np.where(self.last_time > end, self.full_until[runs_until][self.line], self.last)
        return Past(self, known, last, np.where(self.resolver_time <= end, self.resolver, NOWHERE))

    @cached_property
    def _times_by_line(self) -> Ints:
        return self._line_time(line_numbers(self.runs), self.times)

    def _line_time(self, line: Ints, time: Ints | int) -> Ints:
        # One number that orders by line and then by time; a century has fewer than 2**52 microseconds.
        return line * (1 << 52) + (time - (self.times.min() if len(self.times) else 0))


@dataclass(frozen=True)
class Past:
    """What was known at a moment, span by span of `chains`.

    Attributes
    ----------
    known
        Whether the span had begun.
    last
        Row of the run that had reported it last; of no meaning where not known.
    resolver
        Row of the run that had resolved it, or `NOWHERE`.
    """

    chains: Chains
    known: Flags
    last: Ints
    resolver: Ints

    @cached_property
    def ends(self) -> Flags:
        """Whether the span was the last of its problem."""
        return _last_of_each(self.known, self.chains.begins)

    @cached_property
    def closes(self) -> Flags:
        """Whether the span was the last of its episode."""
        return _last_of_each(self.known, self.chains.opens)

    def reason_changed(self, chosen: Flags) -> Flags:
        """Tell for each chosen span whether the run that resolved it reported the same resource for a reason new to it.

        A reason that the run reporting the span last had given too does not count: then one of two faults is repaired.
        """
        chains = self.chains
        resource = chains.resource
        every = pd.DataFrame(
            {"resource": resource, "problem": np.cumsum(chains.begins), "from": chains.first, "to": self.last}
        )[self.known]
        asked = pd.DataFrame(
            {"resource": resource[chosen], "resolver": self.resolver[chosen], "last": self.last[chosen]}
        ).reset_index()
        several = every[every.duplicated("resource", keep=False)]
        pairs = asked[asked["resolver"] != NOWHERE].merge(several, on="resource")
        # One problem of the resource may have many spans: what any of them says counts.
        pairs["then"] = (pairs["from"] <= pairs["resolver"]) & (pairs["resolver"] <= pairs["to"])
        pairs["before"] = (pairs["from"] <= pairs["last"]) & (pairs["last"] <= pairs["to"])
        told = pairs.groupby(["index", "problem"], as_index=False)[["then", "before"]].any()
        found = np.zeros(len(asked), dtype=bool)
        found[told.loc[told["then"] & ~told["before"], "index"].unique()] = True
        return found


def _last_of_each(known: Flags, begins: Flags) -> Flags:
    """Tell of each known row whether the next one is not known or begins something new."""
    goes_on = np.zeros(len(known), dtype=bool)
    goes_on[:-1] = known[1:] & ~begins[1:]
    last: Flags = known & ~goes_on
    return last


def chain(spans: pd.DataFrame, runs: pd.DataFrame) -> Chains:
    """Put spans on their lines, in the order of problem_id and of time."""
    codes = ranks(spans, ["problem_id"])
    slots = spans["first_slot"].to_numpy(dtype="int64")
    order = np.lexsort((slots, codes))
    line, keys = _line_keys(spans, runs)
    first = np.searchsorted(keys, _key(line, slots))
    last = np.searchsorted(keys, _key(line, spans["last_slot"].to_numpy(dtype="int64")))
    resolver = _resolvers(spans, runs, line, last, keys)[order]
    codes, first = codes[order], first[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = codes[1:] != codes[:-1]
    opens = begins.copy()
    # The run that may resolve the span before it came and went without a report before this one.
    opens[1:] |= (resolver[:-1] != NOWHERE) & (resolver[:-1] < first[1:])
    # Spans in order need no copy.
    table = spans.iloc[order].reset_index(drop=True) if (np.diff(order) != 1).any() else spans
    return Chains(table, runs, line[order], first, last[order], resolver, begins, opens)


_SLOTS = 1 << 40  # more than any line has


def _key(line: Ints, slot: Ints) -> Ints:
    return line * _SLOTS + slot


def _line_keys(spans: pd.DataFrame, runs: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the line of each span, numbered as they stand in the runs, and line and slot of each run as one key."""
    keys = _key(line_numbers(runs), runs["slot"].to_numpy(dtype="int64"))
    lines = runs[LINE].drop_duplicates(ignore_index=True)
    number = lines.assign(line=np.arange(len(lines)))
    return spans[LINE].merge(number, on=LINE, how="left")["line"].to_numpy(dtype="int64"), keys


def _resolvers(spans: pd.DataFrame, runs: pd.DataFrame, line: Ints, last: Ints, keys: Ints) -> Ints:
    slots = runs["resolver_slot"].fillna(NOWHERE).to_numpy(dtype="int64")
    strict = runs["threshold_resolver_slot"].fillna(NOWHERE).to_numpy(dtype="int64")
    hidden = spans["reason_code"].isin(THRESHOLD_REASONS).to_numpy()
    slot = np.where(hidden, strict[last], slots[last])
    return np.where(slot == NOWHERE, NOWHERE, np.searchsorted(keys, _key(line, slot)))
