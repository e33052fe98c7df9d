"""Problems: what is known of each at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.history.arrays import DAY, NOWHERE, moment, take
from ddreport.history.chains import Chains, chain
from ddreport.history.comparable import LOOKS_BACK
from ddreport.history.episodes import resolutions, seen_until
from ddreport.history.identity import LINE
from ddreport.history.lines import line_states
from ddreport.history.results import PROBLEMS, LineState, ProblemState

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.history.arrays import Ints

_SHORTER_LOOK = "later audits look back a shorter time and did not report it"
_LAXER_THRESHOLD = "later audits had a laxer threshold and did not report it"


def problems(
    spans: pd.DataFrame,
    runs: pd.DataFrame,
    *,
    as_of: datetime,
    check_configurations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return every problem with its state at `as_of`, by the rules of docs/lifecycle.md.

    Parameters
    ----------
    spans, runs
        `results.SPANS` and `results.CHECK_RUNS` of the same audits; those after `as_of` do not count.
    as_of
        The moment asked about, with a time zone.
    check_configurations
        Every stored state of `schemas.CHECK_CONFIGURATIONS`: tells which checks are switched off.

    Returns
    -------
    DataFrame
        `results.PROBLEMS`, sorted by account, region, severity (most severe first), check_name, resource_type,
        resource_id and reason_code.

    Raises
    ------
    WindowError
        `as_of` has no time zone.
    """
    chains = chain(spans, runs, as_of=check_as_of(as_of))
    ends = chains.ends
    table = chains.spans[ends].reset_index(drop=True)
    first, last = chains.first[chains.begins], chains.last[ends]
    opened = chains.first[chains.opens][np.cumsum(chains.opens)[ends] - 1] if len(table) else last
    resolver = seen_until(chains, ends, as_of)
    for name, rows in (("first_seen", first), ("last_seen", last), ("resolved", resolver)):
        table[f"{name}_time"] = take(runs["task_start_time"], rows)
        table[f"{name}_audit_task_id"] = take(runs["audit_task_id"], rows)
    table["opened_time"] = take(runs["task_start_time"], opened)
    table["resolution"] = resolutions(chains, ends, resolver)
    table["reopened_count"] = chains.episode[ends] - 1
    _add_states(table, chains, as_of, check_configurations, last=last, opened=opened, resolver=resolver)
    until = table["resolved_time"].fillna(pd.Timestamp(as_of))
    table["age_days"] = (until - table["opened_time"]).dt.total_seconds() / 86400
    order = ["account", "region", "severity", "check_name", "resource_type", "resource_id", "reason_code"]
    return PROBLEMS.conform(table).sort_values(order, ignore_index=True)


def _add_states(
    table: pd.DataFrame,
    chains: Chains,
    as_of: datetime,
    check_configurations: pd.DataFrame | None,
    *,
    last: Ints,
    opened: Ints,
    resolver: Ints,
) -> None:
    """Add `state`, `known_state` and `state_note`."""
    lines = line_states(chains.runs, [as_of], check_configurations=check_configurations)
    line = table[LINE].merge(lines, on=LINE, how="left")
    full = line["full_run"].fillna(NOWHERE).to_numpy(dtype="int64")
    latest = line["latest_run"].fillna(NOWHERE).to_numpy(dtype="int64")
    first = chains.first[chains.begins]
    known = np.select(
        [table["is_suppressed"].to_numpy(dtype=bool), last == first, last == opened],
        [ProblemState.SUPPRESSED.value, ProblemState.NEW.value, ProblemState.REOPENED.value],
        ProblemState.OPEN.value,
    )
    # Rows of one line stand in the order of time, so the greater row is the later run.
    passed_over = last < full
    age = moment(as_of) - chains.times[last]
    fresh = (last == latest) & (age <= 2 * line["usual_step_days"].fillna(31.0).to_numpy() * DAY)
    unsure = (line["line_state"] != LineState.CURRENT.value).to_numpy() & ~fresh
    looks_back = table["check_name"].isin(LOOKS_BACK).to_numpy()
    off = (line["line_state"] == LineState.OFF.value).to_numpy()
    resolved = resolver != NOWHERE
    cases = [resolved, off, passed_over & ~looks_back, passed_over, unsure]
    table["known_state"] = pd.Series(np.where(resolved, ProblemState.RESOLVED.value, known), dtype="str")
    out, unknown = ProblemState.OUT_OF_SCOPE.value, ProblemState.UNKNOWN.value
    table["state"] = pd.Series(
        np.select(cases, [ProblemState.RESOLVED.value, out, out, unknown, unknown], known), dtype="str"
    )
    said = line["note"].to_numpy(dtype=object)
    nothing = np.full(len(table), None, dtype=object)
    table["state_note"] = pd.Series(
        np.select(
            cases,
            [nothing, said, np.where(nothing, said, _LAXER_THRESHOLD), np.where(nothing, said, _SHORTER_LOOK), said],
            nothing,
        ),
        dtype="str",
    )
