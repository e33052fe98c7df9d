"""Small bridges from pandas columns to numpy arrays that the rules are worked out on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddreport.history.identity import LINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
LineKey: TypeAlias = tuple[str, str, str]

DAY = 86_400_000_000
"""Microseconds of a day."""

NOWHERE = -1
"""No row, no slot."""


def rows_by_line(table: pd.DataFrame) -> dict[LineKey, Ints]:
    """Return the places of the rows of each line, in the order in which they stand."""
    return cast("dict[LineKey, Ints]", table.groupby(LINE, sort=False).indices)


def line_numbers(table: pd.DataFrame) -> Ints:
    """Return the number of each row's line, from 0 in the order in which the lines come first."""
    return cast("Ints", table.groupby(LINE, sort=False).ngroup().to_numpy(dtype="int64"))


def microseconds(times: pd.Series[pd.Timestamp]) -> Ints:
    """Return times as microseconds since 1970; there must be no missing one."""
    return cast("Ints", times.astype("datetime64[us, UTC]").astype("int64").to_numpy())


def as_ints(values: pd.Series[Any]) -> Ints:
    """Return whole numbers without missing ones as an array."""
    return cast("Ints", values.to_numpy(dtype="int64"))


def moment(time: datetime) -> int:
    """Return one aware time as microseconds since 1970."""
    return int(pd.Timestamp(time).as_unit("us").asm8.astype("int64"))


def ranks(table: pd.DataFrame, columns: Sequence[str]) -> Ints:
    """Return for each row the rank of its values in these columns (text or whole numbers), from 0; equal ones share it.

    Missing values come last. Many times faster than sorting the table: each text is compared once.
    """
    found = np.zeros(len(table), dtype="int64")
    for name in columns:
        codes, texts = pd.factorize(table[name])
        codes = codes.astype("int64")
        if not texts.is_monotonic_increasing:
            rank = np.empty(len(texts), dtype="int64")
            rank[texts.argsort()] = np.arange(len(texts))
            codes = np.append(rank, NOWHERE)[codes]
        codes[codes == NOWHERE] = len(texts)
        # Packed again after each column, so that the product stays within 64 bits.
        found = _packed(found * (len(texts) + 1) + codes)
    return found


def _packed(numbers: Ints) -> Ints:
    """Return numbers from 0 without gaps in the same order, equal ones equal."""
    if not len(numbers):
        return numbers
    highest = int(numbers.max())
    if highest < 4 * len(numbers) + 1_000:
        present = np.zeros(highest + 1, dtype="int64")
        present[numbers] = 1
        packed: Ints = (np.cumsum(present) - 1)[numbers]
        return packed
    return cast("Ints", np.unique(numbers, return_inverse=True)[1].astype("int64"))


def take(column: pd.Series[Any], rows: Ints) -> pd.Series[Any]:
    """Return a column's values at these rows, numbered anew; missing at `NOWHERE`."""
    found = column.take(np.maximum(rows, 0)) if len(column) else column
    return found.reset_index(drop=True).where(rows != NOWHERE)
