"""Suppressions between two looks: many at once, endless ones, and such that were lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.history import LINE, Proof
from ddreport.metrics.results_controls import ControlChange

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = 3
"""Resources that a message names."""


def suppression_changes(
    both: pd.DataFrame, steps: pd.DataFrame, runs: pd.DataFrame | None, *, mass: int, mass_share: float
) -> Iterator[dict[str, Any]]:
    """Yield the changes of suppressions check by check.

    Parameters
    ----------
    both
        Suppressions before and after each step (`controls.pairs`), by check and resource identifier.
    steps
        The steps, with `observed_time` and the audit that followed.
    runs
        `history.CHECK_RUNS`: tells how many resources a check found last; None: nobody knows.
    mass, mass_share
        Bounds of a mass suppression, as in `weakened_controls`.
    """
    if both.empty:
        return
    table = both.merge(steps[["step", "account", "region", "observed_time", "before_audit", "audit_start_time"]])
    where = table["where"]
    was, now = (table[f"suppress_indefinitely_{s}"].astype("boolean").fillna(value=False) for s in ("before", "after"))
    table["is_new"] = where == "right_only"
    table["is_endless"] = (now & ~was).astype("bool")
    still_valid = table["expiration_time_before"] > table["observed_time"]
    table["is_lifted"] = (where == "left_only") & (was.astype("bool") | still_valid)
    table["was_there"] = where != "right_only"
    table["is_there"] = where != "left_only"
    table["was_endless"], table["now_endless"] = was.astype("int64"), now.astype("int64")
    groups = table.groupby([*LINE, "step", "observed_time", "before_audit"], dropna=False)
    sums = ["is_new", "is_endless", "is_lifted", "was_there", "is_there", "was_endless", "now_endless"]
    counts = groups[sums].sum().reset_index()
    changed = counts[counts[["is_new", "is_endless", "is_lifted"]].any(axis=1)]
    rows = table.groupby(["step", "check_name"]).indices
    for fact in _with_open_resources(changed, runs).to_dict("records"):
        own = table.iloc[rows[fact["step"], fact["check_name"]]]
        yield from _changes(fact, own, mass=mass, mass_share=mass_share)


def _with_open_resources(counts: pd.DataFrame, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Add `open_resources_count`: what the latest full run until then found, suppressed or not."""
    if runs is None or counts.empty:
        return counts.assign(open_resources_count=pd.array([pd.NA] * len(counts), dtype="Int64"))
    full = runs[runs["proof"] == Proof.FULL.value]
    bad = full["non_compliant_resources_count"].astype("Int64")
    suppressed = full["suppressed_non_compliant_resources_count"].astype("Int64").fillna(0)
    full = full[[*LINE, "task_start_time"]].assign(open_resources_count=bad + suppressed)
    found = pd.merge_asof(
        counts.sort_values("observed_time"),
        full.sort_values("task_start_time"),
        left_on="observed_time",
        right_on="task_start_time",
        by=LINE,
    )
    return found.sort_values([*LINE, "step"])


def _changes(fact: dict[Any, Any], own: pd.DataFrame, *, mass: int, mass_share: float) -> Iterator[dict[str, Any]]:
    title = describe_check(fact["check_name"]).title
    told = {
        "step": fact["step"],
        "check_name": fact["check_name"],
        "open_resources_count": fact["open_resources_count"],
    }
    new, endless, lifted = int(fact["is_new"]), int(fact["is_endless"]), int(fact["is_lifted"])
    found = None if pd.isna(fact["open_resources_count"]) else int(fact["open_resources_count"])
    before_after = {"before": _suppressions(fact["was_there"]), "after": _suppressions(fact["is_there"])}
    if new and (new >= mass or (found is not None and found > 0 and new >= mass_share * found)):
        of = f", of {found} resources that the check found" if found is not None else ""
        began = own["audit_start_time"].iloc[0]
        audit = f" An audit began at {began:%Y-%m-%d %H:%M} UTC, perhaps shortly after." if fact["before_audit"] else ""
        message = f"{title}: {_suppressions(new, 'new ')}{of}.{audit}"
        kind = ControlChange.MASS_SUPPRESSION
        yield {**told, **before_after, "kind": kind.value, "changed_count": new, "message": message}
    if endless:
        message = f"{title}: {_suppressions(endless)} without end: {_named(own[own['is_endless']])}."
        kind = ControlChange.INDEFINITE_SUPPRESSION
        counts = {"before": f"{fact['was_endless']} without end", "after": f"{fact['now_endless']} without end"}
        yield {**told, **counts, "kind": kind.value, "changed_count": endless, "message": message}
    if lifted:
        message = f"{title}: {_suppressions(lifted)} lifted before the end: {_named(own[own['is_lifted']])}."
        kind = ControlChange.SUPPRESSIONS_LIFTED
        yield {**told, **before_after, "kind": kind.value, "changed_count": lifted, "message": message}


def _suppressions(count: int, adjective: str = "") -> str:
    return f"{count} {adjective}suppression{'' if count == 1 else 's'}"


def _named(rows: pd.DataFrame) -> str:
    ids = rows["resource_id_after"].fillna(rows["resource_id_before"])
    names = sorted(ids.astype("str"))
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
