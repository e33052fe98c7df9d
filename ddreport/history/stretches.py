"""From millions of findings to a few stretches of time: one aggregation where the findings are.

Each run of a line has a slot; 62 slots make a block, and a slot in a block is one bit. So one sum per problem and block
holds all the runs that reported it, and any engine that can join, group and sum can do the work. Two findings of one
problem in one run would add up to a wrong bit: the number of findings is counted beside the sum, differs then from the
number of bits, and those few problems are asked for again without doubles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from ddreport.engines import Table, collect, scan, upload
from ddreport.history.identity import LINE, PROBLEM
from ddreport.history.runs import RUN
from ddreport.schemas import FINDINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 62
"""Bits of a block: with one more, the sum of all of them would not be a positive number of 64 bits."""

VARIANT = ["severity", "is_suppressed", "policy_version_id"]
"""What may change from report to report while the problem stays the same."""

_FAULT = ["resource_type", "resource_id", "reason_code"]
_ROWS_AT_ONCE = 100_000


def stretches(findings: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """Return for each problem and variant the stretches of neighbouring slots in which it was reported.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; pandas, DuckDB or Spark.
    runs
        `results.CHECK_RUNS`; findings of other runs are left out.

    Returns
    -------
    DataFrame
        Columns of `PROBLEM` and `VARIANT`, `expiration_time`, `first_slot` and `last_slot`; sorted by `PROBLEM` and
        `first_slot`; no two stretches of a problem share a slot.
    """
    lines = runs[LINE].drop_duplicates(ignore_index=True)
    places = runs[[*RUN, "slot"]].merge(lines.assign(line=np.arange(len(lines))), on=LINE)
    slots = places["slot"].to_numpy(dtype="int64")
    places = places[RUN].assign(line=places["line"], block=slots // BLOCK, bit=np.left_shift(1, slots % BLOCK))
    columns = [*RUN, *_FAULT, *VARIANT, "expiration_time"]
    rows = scan(findings, FINDINGS, columns)
    rows = rows.join(upload(places, like=rows), on=RUN, how="inner").drop(*RUN)
    sums = _sum_bits(rows)
    doubled = _bits_in(sums["bits"]) != sums["reports_count"].to_numpy(dtype="int64")
    if doubled.any():
        key = ["line", *_FAULT]
        again = sums.loc[doubled, key].drop_duplicates()
        keys = upload(again, like=rows)
        without = rows.join(keys, on=key, how="semi").group_by(*key, *VARIANT, "block", "bit")
        once = _sum_bits(without.agg(nw.col("expiration_time").max()))
        kept = sums.merge(again, on=key, how="left", indicator="where")
        sums = pd.concat([sums[(kept["where"] == "left_only").to_numpy()], once], ignore_index=True)
    sums = lines.loc[sums["line"]].reset_index(drop=True).join(sums.drop(columns="line").reset_index(drop=True))
    return _decode(_one_variant_per_slot(sums))


def _sum_bits(rows: nw.LazyFrame[Any]) -> pd.DataFrame:
    groups = rows.group_by("line", *_FAULT, *VARIANT, "block", drop_null_keys=False)
    sums = collect(groups.agg(bits=nw.col("bit").sum(), reports_count=nw.len(), **_EXPIRES))
    return sums.astype({"line": "int64", "block": "int64", "bits": "int64"})


_EXPIRES = {"expiration_time": nw.col("expiration_time").max()}


def _bits_in(values: pd.Series[int]) -> NDArray[np.int64]:
    return np.bitwise_count(values.to_numpy(dtype="int64")).astype("int64")


def _one_variant_per_slot(sums: pd.DataFrame) -> pd.DataFrame:
    """Let a slot belong to one variant of a problem: one that is not suppressed comes first, then the greater version.

    Two findings of one problem in one run are one report, and it is suppressed only if all its findings are.
    """
    key = [*PROBLEM, "block"]
    shared = sums.duplicated(key, keep=False)
    if not shared.any():
        return sums
    several = sums[shared].sort_values(
        [*key, "is_suppressed", "policy_version_id", "severity"], ascending=[True] * len(key) + [True, False, True]
    )
    bits = several["bits"].to_numpy(dtype="int64").copy()
    for rows in several.groupby(key, sort=False).indices.values():
        taken = np.int64(0)
        for row in rows:
            bits[row] &= ~taken
            taken |= bits[row]
    return pd.concat([sums[~shared], several.assign(bits=bits)], ignore_index=True)


def _decode(sums: pd.DataFrame) -> pd.DataFrame:
    """Turn bits into first and last slots of stretches; a stretch that goes on in the next block is two rows here."""
    bits = sums["bits"].to_numpy(dtype="int64")
    base = sums["block"].to_numpy(dtype="int64") * BLOCK
    rows, first = _set_bits(bits & ~(bits << 1))
    _, last = _set_bits(bits & ~(bits >> 1))
    table = sums.drop(columns=["bits", "block", "reports_count"], errors="ignore").iloc[rows].reset_index(drop=True)
    table["first_slot"] = base[rows] + first
    table["last_slot"] = base[rows] + last
    return table.sort_values([*PROBLEM, "first_slot"], ignore_index=True)


def _set_bits(values: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return row and number of every bit that is set, row by row, lowest first."""
    found = []
    for start in range(0, max(len(values), 1), _ROWS_AT_ONCE):
        part = values[start : start + _ROWS_AT_ONCE].astype("<i8")
        matrix = np.unpackbits(part.view(np.uint8).reshape(len(part), 8), axis=1, bitorder="little")
        rows, places = np.nonzero(matrix)
        found.append((rows + start, places))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([places for _, places in found])
