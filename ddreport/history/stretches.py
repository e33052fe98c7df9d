"""From millions of findings to a few stretches of time, problem by problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import AUDIT, Table, scan
from ddreport.history.arrays import NOWHERE, as_ints, line_numbers, ranks
from ddreport.history.bits import BLOCK, set_bits
from ddreport.history.identity import LINE, problem_ids
from ddreport.history.reports import FAULT, RUN, VARIANT, Reports, audit_bits, numbered
from ddreport.schemas import FINDINGS

if TYPE_CHECKING:
    from ddreport.history.arrays import Ints

_SLOTS = 1 << 40  # more than any line has
_EVERY = (1 << BLOCK) - 1


def stretches(findings: Table | Reports, runs: pd.DataFrame) -> pd.DataFrame:
    """Return for each problem and variant the stretches of neighbouring slots in which it was reported.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; pandas, DuckDB or Spark. Or `reports` of them.
    runs
        `results.CHECK_RUNS`; findings of other runs are left out.

    Returns
    -------
    DataFrame
        `problem_id`, columns of `PROBLEM` and `VARIANT`, `expiration_time`, `first_slot` and `last_slot`; sorted by
        `problem_id` and `first_slot`; no two stretches of a problem share a slot.
    """
    if isinstance(findings, Reports):
        audits, sums = findings.audits, findings.bits
    else:
        audits = numbered(runs[[*AUDIT, "task_start_time"]])
        rows = scan(findings, FINDINGS, [*RUN, *FAULT, *VARIANT, "expiration_time"])
        sums, _ = audit_bits(rows, audits, VARIANT, latest=["expiration_time"])
    lines = _Lines(runs, audits)
    sums = lines.own(sums.assign(line=lines.numbers(sums)))
    problem = ranks(sums, ["line", *FAULT])
    first = np.unique(problem, return_index=True)[1]
    names = lines.names.take(as_ints(sums["line"])[first]).reset_index(drop=True)
    faults = pd.concat([names, sums[FAULT].take(first).reset_index(drop=True)], axis="columns")
    # Texts are compared once per problem: from here on its rank among the ids stands for it.
    faults.insert(0, "problem_id", problem_ids(faults))
    rank = np.empty(len(faults), dtype="int64")
    rank[faults["problem_id"].argsort(kind="stable").to_numpy()] = np.arange(len(faults))
    told = _decode(_one_variant_per_slot(sums.assign(problem=problem)), rank, lines)
    table = faults.take(told["problem"].to_numpy()).reset_index(drop=True)
    return pd.concat([table, told.drop(columns="problem")], axis="columns")


class _Lines:
    """The runs of each line among the audits of its place: which bits are its runs, and what slots they have."""

    def __init__(self, runs: pd.DataFrame, audits: pd.DataFrame) -> None:
        self.names = runs[LINE].drop_duplicates(ignore_index=True)
        places = audits[["account", "region", "place"]].drop_duplicates()
        self._places = self.names.merge(places, on=["account", "region"], how="left")["place"]
        at = runs[AUDIT].merge(audits[[*AUDIT, "slot"]], on=AUDIT, how="left")["slot"]
        known = at.notna().to_numpy()
        line, slot = line_numbers(runs)[known], as_ints(runs["slot"])[known]
        audit = at[known].to_numpy(dtype="int64")
        key = line * _SLOTS + audit
        self._ordered = bool((np.diff(key) > 0).all())
        order = np.argsort(key)
        self._key, self._slot = key[order], slot[order]
        self._mark(line[order], audit[order])

    def _mark(self, line: Ints, audit: Ints) -> None:
        """Note for each line and block which bits are runs, and which of these follow, or precede, a neighbour."""
        block = audit // BLOCK
        cell, rows = np.unique(line * _SLOTS + block, return_inverse=True)
        bit = np.left_shift(np.int64(1), audit % BLOCK)
        follows = np.zeros(len(line), dtype=bool)
        follows[1:] = (np.diff(rows) == 0) & (np.diff(self._slot) == 1)
        precedes = np.append(follows[1:], values=False)[: len(line)]
        self._cells = cell
        self._runs, self._follow, self._precede = (np.zeros(len(cell), dtype="int64") for _ in range(3))
        np.bitwise_or.at(self._runs, rows, bit)
        np.bitwise_or.at(self._follow, rows[follows], bit[follows])
        np.bitwise_or.at(self._precede, rows[precedes], bit[precedes])

    def numbers(self, sums: pd.DataFrame) -> Ints:
        """Return the line of each row of bits; `NOWHERE` for a check without runs."""
        names = self.names[["check_name"]].assign(place=self._places.astype("Int64"), line=np.arange(len(self.names)))
        wanted = sums[["place", "check_name"]].astype({"place": "Int64"})
        return as_ints(wanted.merge(names, on=["place", "check_name"], how="left")["line"].fillna(NOWHERE))

    def own(self, sums: pd.DataFrame) -> pd.DataFrame:
        """Leave out the bits of audits in which the line has no run."""
        cell = self._cell(sums)
        mine = np.append(self._runs, 0)[cell]
        bits = as_ints(sums["bits"]) & mine
        sums = sums.assign(bits=bits)
        return sums if bits.all() else sums[bits != 0].reset_index(drop=True)

    def ends(self, sums: pd.DataFrame) -> tuple[Ints, Ints]:
        """Return the first and the last bits of stretches of neighbouring runs."""
        bits = as_ints(sums["bits"])
        if not self._ordered:  # audits and runs disagree on the order of time: every report stands for itself
            return bits, bits
        cell = self._cell(sums)
        gaps = ~self._runs & _EVERY
        up, down = _smeared(bits, gaps, cell, np.left_shift), _smeared(bits, gaps, cell, np.right_shift)
        return bits & ~(up << 1 & self._follow[cell]), bits & ~(down >> 1 & self._precede[cell])

    def slots(self, sums: pd.DataFrame, rows: Ints, places: Ints) -> Ints:
        """Return the slot that a bit of a row of bits has in its line."""
        audit = as_ints(sums["block"])[rows] * BLOCK + places
        found: Ints = self._slot[np.searchsorted(self._key, as_ints(sums["line"])[rows] * _SLOTS + audit)]
        return found

    def _cell(self, sums: pd.DataFrame) -> Ints:
        """Return the place of each row's line and block in the cells; one after the last where there is none."""
        wanted = as_ints(sums["line"]) * _SLOTS + as_ints(sums["block"])
        found = np.searchsorted(self._cells, wanted)
        there = np.append(self._cells, -1)[found] == wanted
        return np.where(there, found, len(self._cells))


def _smeared(bits: Ints, gaps: Ints, cell: Ints, shift: np.ufunc) -> Ints:
    """Spread each bit over the gap next to it, in which its line has no run, up to the next run."""
    found, through = bits.copy(), gaps
    for step in (1, 2, 4, 8, 16, 32):
        found |= shift(found, step) & through[cell]
        # Of twice as many places in a row, each must be in the gap.
        through = through & shift(through, step)
    return found


def _one_variant_per_slot(sums: pd.DataFrame) -> pd.DataFrame:
    """Let a slot belong to one variant of a problem: one that is not suppressed comes first, then the greater version.

    Two findings of one problem in one run are one report, and it is suppressed only if all its findings are.
    """
    key = ["problem", "block"]
    shared = sums.duplicated(key, keep=False)
    if not shared.any():
        return sums
    several = sums[shared].sort_values(
        [*key, "is_suppressed", "policy_version_id", "severity"], ascending=[True, True, True, False, True]
    )
    bits = several["bits"].to_numpy(dtype="int64").copy()
    for rows in several.groupby(key, sort=False).indices.values():
        taken = np.int64(0)
        for row in rows:
            bits[row] &= ~taken
            taken |= bits[row]
    return pd.concat([sums[~shared], several.assign(bits=bits)], ignore_index=True)


def _decode(sums: pd.DataFrame, rank: Ints, lines: _Lines) -> pd.DataFrame:
    """Turn bits into first and last slots of stretches; a stretch that goes on in the next block is two rows here."""
    begins, ends = lines.ends(sums)
    rows, first = set_bits(begins)
    _, last = set_bits(ends)
    problem = as_ints(sums["problem"])[rows]
    first_slot, last_slot = lines.slots(sums, rows, first), lines.slots(sums, rows, last)
    order = np.lexsort((first_slot, rank[problem]))
    table = sums[["problem", *VARIANT, "expiration_time"]].take(rows[order]).reset_index(drop=True)
    return table.assign(first_slot=first_slot[order], last_slot=last_slot[order])
