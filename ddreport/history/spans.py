"""Spans: the life of each problem in as few rows as possible, from which everything else follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.history.reports import VARIANT
from ddreport.history.results import SPANS
from ddreport.history.stretches import stretches

if TYPE_CHECKING:
    from ddreport.engines import Table
    from ddreport.history.arrays import Flags
    from ddreport.history.reports import Reports


def spans(findings: Table | Reports, runs: pd.DataFrame) -> pd.DataFrame:
    """Reduce findings to spans: stretches of full runs in a row that reported a problem alike.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; pandas, DuckDB or Spark. They are reduced where they are. Or `reports` of them.
    runs
        `results.CHECK_RUNS` of the same audits (`check_runs`).

    Returns
    -------
    DataFrame
        `results.SPANS`, sorted by problem_id and first_slot.

    Raises
    ------
    TableSchemaError
        A column is missing, or a severity is none of the four.
    """
    return SPANS.conform(_joined(stretches(findings, runs)))


def extend_spans(known: pd.DataFrame, findings: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """Add later audits to spans that are known: the same result as `spans` over all findings, at the cost of the new.

    Parameters
    ----------
    known
        `results.SPANS` of the earlier audits.
    findings
        Findings of the later audits alone. Every run of theirs must come after all earlier ones of its line.
    runs
        `results.CHECK_RUNS` of all audits, early and late.

    Returns
    -------
    DataFrame
        `results.SPANS`; the order of rows is not that of `spans`.
    """
    new = stretches(findings, runs)
    # Only the last span of a problem can go on, and only where the problem is reported again.
    again = pd.Index(new["problem_id"].unique()).get_indexer(pd.Index(known["problem_id"])) >= 0
    # What follows a span in its line is a higher slot, so sorting brings the neighbours together.
    touched = pd.concat([known[again].astype({"severity": "str"}), new], ignore_index=True)
    joined = SPANS.conform(_joined(touched.sort_values(["problem_id", "first_slot"], ignore_index=True)))
    extended: pd.DataFrame = pd.concat([known[~again], joined], ignore_index=True)
    return extended


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """Join rows that follow each other directly and are alike; they stand in order, problem by problem."""
    slots = rows["first_slot"].to_numpy(dtype="int64")
    before = rows["last_slot"].shift(fill_value=-2).to_numpy(dtype="int64")
    begins = (slots != before + 1) | _differs(rows, ["problem_id", *VARIANT])
    if begins.all():
        return rows
    number = np.cumsum(begins) - 1
    ends = np.concatenate([begins[1:], [True]])
    table: pd.DataFrame = rows[begins].reset_index(drop=True)
    table["last_slot"] = rows["last_slot"].to_numpy()[ends]
    table["expiration_time"] = rows.groupby(number)["expiration_time"].max()
    return table


def _differs(rows: pd.DataFrame, columns: list[str]) -> Flags:
    """Tell for each row whether it differs from the one before in any of the columns; missing equals missing."""
    changed = np.zeros(len(rows), dtype=bool)
    for name in columns:
        codes = pd.factorize(rows[name])[0]
        changed[1:] |= codes[1:] != codes[:-1]
    changed[:1] = True
    return changed
