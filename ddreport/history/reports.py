"""Findings reduced once: which audits reported what, as bits. Runs, spans and counts by severity all rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd

from ddreport.engines import AUDIT, Table, collect, distinct, scan, upload
from ddreport.history.arrays import as_ints, ranks
from ddreport.history.bits import BLOCK, Summed, count_bits_by, sum_bits, with_bits
from ddreport.schemas import CHECKS, FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = [*AUDIT, "check_name"]
"""Key of a run."""

FAULT = ["resource_type", "resource_id", "reason_code"]
"""What a check found; with the check and the place it names a problem."""

VARIANT = ["severity", "is_suppressed", "policy_version_id"]
"""What may change from report to report while the problem stays the same."""


@dataclass(frozen=True)
class Reports:
    """What findings tell, problem by problem and audit by audit, in a small part of their rows.

    Attributes
    ----------
    audits
        `account`, `region`, `audit_task_id`, `task_start_time`; `place` (a number for account and Region) and `slot`
        (of the audit within its place, in the order of time).
    bits
        Per problem, variant and block of audits: `place`, `check_name`, the columns of `FAULT` and `VARIANT`,
        `expiration_time` (the latest), `block` and `bits` (see `history.bits`; slots are those of `audits`).
    counts
        Findings per run: the columns of `RUN`, `findings_count`, `task_start_time`.
    """

    audits: pd.DataFrame
    bits: pd.DataFrame
    counts: pd.DataFrame


def reports(findings: Table, *audits: Table) -> Reports:
    """Reduce findings in one pass over them, for all functions here and in `metrics` that take `Reports` as well.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; pandas, DuckDB or Spark. They are reduced where they are.
    audits
        Tables that tell of the same audits, such as `schemas.CHECKS` and `schemas.AUDIT_TASKS`: their account, region,
        audit_task_id and task_start_time are read. Audits that only findings tell of cost a second pass.

    Raises
    ------
    TableSchemaError
        A column is missing.
    """
    columns = [*AUDIT, "task_start_time"]
    rows = scan(findings, FINDINGS, [*columns, "check_name", *FAULT, *VARIANT, "expiration_time"])
    parts = [collect(distinct(scan(table, CHECKS, columns), columns)) for table in audits]
    known = numbered(pd.concat([FINDINGS.empty()[columns], *parts], ignore_index=True))
    bits, summed = audit_bits(rows, known, VARIANT, latest=["expiration_time"])
    told = int(collect(rows.select(nw.len().alias("rows_count")))["rows_count"].iloc[0])
    if summed.rows_count != told:
        known = numbered(pd.concat([known[columns], collect(distinct(rows, columns))], ignore_index=True))
        bits, summed = audit_bits(rows, known, VARIANT, latest=["expiration_time"])
    counts = _counted(rows) if summed.doubled else _counts(bits, known)
    return Reports(known, bits, counts.merge(known[columns], on=AUDIT, how="left"))


def numbered(audits: pd.DataFrame) -> pd.DataFrame:
    """Return each audit once, sorted by account, region, time and id, with `place` and `slot`."""
    audits = audits.drop_duplicates(AUDIT)
    table = audits.sort_values(["account", "region", "task_start_time", "audit_task_id"], ignore_index=True)
    places = table.groupby(["account", "region"], sort=False)
    return table.assign(place=as_ints(places.ngroup()), slot=as_ints(places.cumcount()))


def audit_bits(
    rows: nw.LazyFrame[Any], audits: pd.DataFrame, variants: Sequence[str], *, latest: Sequence[str] = ()
) -> tuple[pd.DataFrame, Summed]:
    """Return `Reports.bits` of findings, with these columns for variants alone; findings of other audits are left out.

    Parameters
    ----------
    rows
        Findings with the columns of `RUN`, `FAULT`, `variants` and `latest`.
    audits
        As `numbered` returns them.
    """
    placed = with_bits(audits[[*AUDIT, "place"]], as_ints(audits["slot"]))
    things = ["check_name", *FAULT]
    joined = rows.select(*RUN, *FAULT, *variants, *latest).join(upload(placed, like=rows), on=AUDIT, how="inner")
    bits, summed = sum_bits(joined.drop(*AUDIT), ["place", *things], variants, latest=latest)
    return bits.astype({"place": "int64"}), summed


def _counted(rows: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Count the findings of each run where they are: a problem that was reported twice in a run counts twice."""
    return collect(rows.group_by(*RUN).agg(findings_count=nw.len()))


def _counts(bits: pd.DataFrame, audits: pd.DataFrame) -> pd.DataFrame:
    """Count the findings of each run by the bits; right where no problem was reported twice in a run."""
    group = ranks(bits, ["place", "check_name", "block"])
    counts = count_bits_by(as_ints(bits["bits"]), group)
    first = np.unique(group, return_index=True)[1]
    row, place_in_block = np.nonzero(counts)
    keys = bits[["place", "check_name", "block"]].take(first).reset_index(drop=True).take(row).reset_index(drop=True)
    table = keys.assign(slot=keys["block"] * BLOCK + place_in_block, findings_count=counts[row, place_in_block])
    return table.merge(audits[[*AUDIT, "place", "slot"]], on=["place", "slot"])[[*RUN, "findings_count"]]
