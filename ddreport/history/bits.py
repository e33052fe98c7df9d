"""Which runs reported what, as bits: one aggregation over millions of findings, on whatever engine holds them.

Each run of a line has a slot; 62 slots make a block, and a slot in a block is one bit. So one sum per thing and block
holds all the runs that reported it, and any engine that can join, group and sum can do the work. Two findings of one
thing in one run would add up to a wrong bit: the number of findings is counted beside the sum, differs then from the
number of bits (a sum of powers of two has as many bits as there were powers only if no two were equal), and those few
things are asked for again without doubles. A block is summed in two halves, so that no number of doubles is too large
for 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from ddreport.engines import collect, upload
from ddreport.history.arrays import as_ints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ddreport.history.arrays import Ints

HALF = 31
BLOCK = 2 * HALF
"""Slots of a block: its bits are a positive number of 64 bits."""

_BITS = ("low_bit", "high_bit")
_ROWS_AT_ONCE = 100_000


def with_bits(table: pd.DataFrame, slots: Ints) -> pd.DataFrame:
    """Return `table` with the columns `block`, `low_bit` and `high_bit` of its rows' slots; one of the bits is 0."""
    place = slots % BLOCK
    low = np.where(place < HALF, np.left_shift(1, place), 0)
    high = np.where(place < HALF, 0, np.left_shift(1, np.maximum(place - HALF, 0)))
    return table.assign(block=slots // BLOCK, low_bit=low, high_bit=high)


@dataclass(frozen=True)
class Summed:
    """How many rows were summed, and whether any thing and variant came twice in one slot."""

    rows_count: int
    doubled: bool


def sum_bits(
    rows: nw.LazyFrame[Any], things: Sequence[str], variants: Sequence[str], *, latest: Sequence[str] = ()
) -> tuple[pd.DataFrame, Summed]:
    """Return per thing, variant and block the bits of the slots in which it was reported.

    Parameters
    ----------
    rows
        Findings with the columns of `with_bits`.
    things
        Columns that name a thing; without missing values.
    variants
        Columns in which reports of one thing may differ; values may be missing.
    latest
        Columns whose greatest value is wanted beside the bits.

    Returns
    -------
    DataFrame
        The columns named, `block` and `bits` (int64).
    Summed
        What was in them.
    """
    sums = _sums(rows, [*things, *variants], latest)
    doubled = (sums["bits_count"] != sums["reports_count"]).to_numpy(dtype=bool)
    summed = Summed(int(sums["reports_count"].sum()), bool(doubled.any()))
    if doubled.any():
        again = sums.loc[doubled, list(things)].drop_duplicates()
        keys = upload(again, like=rows)
        groups = rows.join(keys, on=list(things), how="semi").group_by(
            *things, *variants, "block", *_BITS, drop_null_keys=False
        )
        # Something must be asked of the groups; of no column there is the number of rows.
        once = groups.agg(*(nw.col(name).max() for name in latest), nw.len().alias("doubles_count"))
        kept = sums.merge(again, on=list(things), how="left", indicator="where")
        sums = pd.concat(
            [sums[(kept["where"] == "left_only").to_numpy()], _sums(once, [*things, *variants], latest)],
            ignore_index=True,
        )
    return sums.drop(columns=["reports_count", "bits_count"]).astype({"block": "int64"}), summed


def _sums(rows: nw.LazyFrame[Any], keys: Sequence[str], latest: Sequence[str]) -> pd.DataFrame:
    groups = rows.group_by(*keys, "block", drop_null_keys=False)
    numbers = [*(nw.col(name).sum() for name in _BITS), nw.len().alias("reports_count")]
    sums = collect(groups.agg(*numbers, *(nw.col(name).max() for name in latest)))
    low, high = (as_ints(sums[name]) for name in _BITS)
    bits = np.bitwise_count(low).astype("int64") + np.bitwise_count(high)
    return sums.drop(columns=[*_BITS]).assign(bits=low | high << HALF, bits_count=bits)


def set_bits(values: Ints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return row and number of every bit that is set, row by row, lowest first."""
    found = []
    for start in range(0, max(len(values), 1), _ROWS_AT_ONCE):
        rows, places = np.nonzero(_matrix(values[start : start + _ROWS_AT_ONCE]))
        found.append((rows + start, places))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([places for _, places in found])


def count_bits_by(values: Ints, groups: Ints) -> Ints:
    """Return for each group (numbered from 0, without gaps) and each of the 64 places in how many values it is set."""
    counts = np.zeros((int(groups.max()) + 1 if len(groups) else 0, 64), dtype=np.int64)
    order = np.argsort(groups, kind="stable")
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = order[start : start + _ROWS_AT_ONCE]
        own = groups[rows]
        begins = np.flatnonzero(np.concatenate([[True], own[1:] != own[:-1]]))
        counts[own[begins]] += np.add.reduceat(_matrix(values[rows]), begins, axis=0, dtype=np.int64)
    return counts


def _matrix(values: Ints) -> NDArray[np.uint8]:
    """Return the bits of each value as a row of 64 zeros and ones, lowest first."""
    little = values.astype("<i8").view(np.uint8).reshape(len(values), 8)
    return np.unpackbits(little, axis=1, bitorder="little")
