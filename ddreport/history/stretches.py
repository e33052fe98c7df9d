"""From millions of findings to a few stretches of time, problem by problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import Table, scan, upload
from ddreport.history.arrays import line_numbers
from ddreport.history.bits import BLOCK, set_bits, sum_bits, with_bits
from ddreport.history.identity import LINE, problem_ids
from ddreport.history.runs import RUN
from ddreport.schemas import FINDINGS

if TYPE_CHECKING:
    from ddreport.history.arrays import Ints

VARIANT = ["severity", "is_suppressed", "policy_version_id"]
"""What may change from report to report while the problem stays the same."""

_FAULT = ["resource_type", "resource_id", "reason_code"]


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
        `problem_id`, columns of `PROBLEM` and `VARIANT`, `expiration_time`, `first_slot` and `last_slot`; sorted by
        `problem_id` and `first_slot`; no two stretches of a problem share a slot.
    """
    lines = runs[LINE].drop_duplicates(ignore_index=True)
    places = with_bits(runs[RUN].assign(line=line_numbers(runs)), runs["slot"].to_numpy(dtype="int64"))
    rows = scan(findings, FINDINGS, [*RUN, *_FAULT, *VARIANT, "expiration_time"])
    rows = rows.join(upload(places, like=rows), on=RUN, how="inner").drop(*RUN)
    sums = sum_bits(rows, ["line", *_FAULT], VARIANT, latest=["expiration_time"])
    problem = sums.groupby(["line", *_FAULT], sort=False).ngroup().to_numpy(dtype="int64")
    first = np.unique(problem, return_index=True)[1]
    names = lines.take(sums["line"].to_numpy(dtype="int64")[first]).reset_index(drop=True)
    faults = pd.concat([names, sums[_FAULT].take(first).reset_index(drop=True)], axis="columns")
    # Texts are compared once per problem: from here on its rank among the ids stands for it.
    faults.insert(0, "problem_id", problem_ids(faults))
    rank = np.empty(len(faults), dtype="int64")
    rank[faults["problem_id"].argsort(kind="stable").to_numpy()] = np.arange(len(faults))
    told = _decode(_one_variant_per_slot(sums.assign(problem=problem)), rank)
    table = faults.take(told["problem"].to_numpy()).reset_index(drop=True)
    return pd.concat([table, told.drop(columns="problem")], axis="columns")


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


def _decode(sums: pd.DataFrame, rank: Ints) -> pd.DataFrame:
    """Turn bits into first and last slots of stretches; a stretch that goes on in the next block is two rows here."""
    bits = sums["bits"].to_numpy(dtype="int64")
    base = sums["block"].to_numpy(dtype="int64") * BLOCK
    rows, first = set_bits(bits & ~(bits << 1))
    _, last = set_bits(bits & ~(bits >> 1))
    problem, first_slot = sums["problem"].to_numpy(dtype="int64")[rows], base[rows] + first
    order = np.lexsort((first_slot, rank[problem]))
    table = sums[["problem", *VARIANT, "expiration_time"]].take(rows[order]).reset_index(drop=True)
    return table.assign(first_slot=first_slot[order], last_slot=(base[rows] + last)[order])
