"""Problems: what is known of each at a moment, and how many were in which state over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.engines import check_as_of
from ddreport.history.arrays import take
from ddreport.history.chains import chain
from ddreport.history.episodes import resolutions
from ddreport.history.lines import line_states
from ddreport.history.results import PROBLEMS, STATE_COUNTS
from ddreport.history.states import Stands, States, states_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ddreport.history.arrays import Ints
    from ddreport.history.chains import Chains


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
    return problems_of(chain(spans, runs), as_of=as_of, check_configurations=check_configurations)


def problems_of(chains: Chains, *, as_of: datetime, check_configurations: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return `problems` of spans that stand on their lines already."""
    past, runs = chains.until(check_as_of(as_of)), chains.runs
    ends = np.flatnonzero(past.ends)
    lines = line_states(runs, [as_of], check_configurations=check_configurations)
    found = states_at(past, as_of, Stands(lines, runs))
    resolution = resolutions(past, past.ends)
    # Sorted by numbers before anything is copied: texts are what costs.
    order = np.lexsort((chains.fault_rank[ends], chains.severity[ends], chains.place_rank[ends]))
    ends = ends[order]
    table = chains.spans.take(ends).reset_index(drop=True)
    rows = (("first_seen", chains.began[ends]), ("last_seen", past.last[ends]), ("resolved", past.resolver[ends]))
    for name, places in rows:
        table[f"{name}_time"] = take(runs["task_start_time"], places)
        table[f"{name}_audit_task_id"] = take(runs["audit_task_id"], places)
    table["opened_time"] = take(runs["task_start_time"], chains.opened[ends])
    table["resolution"] = resolution.take(order).reset_index(drop=True)
    table["reopened_count"] = chains.episode[ends] - 1
    for name, values in (("state", found.state), ("known_state", found.known_state), ("state_note", found.note)):
        table[name] = pd.Series(values[order], dtype="str")
    until = table["resolved_time"].fillna(pd.Timestamp(as_of))
    table["age_days"] = (until - table["opened_time"]).dt.total_seconds() / 86400
    return PROBLEMS.conform(table)


def state_counts(
    spans: pd.DataFrame,
    runs: pd.DataFrame,
    moments: Sequence[datetime],
    *,
    check_configurations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the problems in each state at each moment: what `problems` says there, counted.

    Parameters
    ----------
    spans, runs, check_configurations
        As in `problems`.
    moments
        Aware datetimes, such as the ends of the weeks of a year.

    Returns
    -------
    DataFrame
        `results.STATE_COUNTS`: rows only for states that occur, sorted by as_of_time, account, region, check_name,
        severity and state.

    Raises
    ------
    WindowError
        A moment has no time zone.
    """
    return state_counts_of(chain(spans, runs), moments, check_configurations=check_configurations)


def state_counts_of(
    chains: Chains, moments: Sequence[datetime], *, check_configurations: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return `state_counts` of spans that stand on their lines already."""
    runs = chains.runs
    lines = line_states(runs, [check_as_of(m) for m in moments], check_configurations=check_configurations)
    stands = Stands(lines, runs)
    severities = chains.spans["severity"].cat.categories
    found: list[tuple[Ints, Ints]] = []
    for time in moments:
        past = chains.until(time)
        ends = past.ends
        states = states_at(past, time, stands, notes=False).number
        counts = np.bincount((chains.line[ends] * len(severities) + chains.severity[ends]) * len(States) + states)
        occurs = np.flatnonzero(counts)
        found.append((occurs, counts[occurs]))
    if not any(len(occurs) for occurs, _ in found):
        return STATE_COUNTS.empty()
    rest, state = np.divmod(np.concatenate([occurs for occurs, _ in found]), len(States))
    line, severity = np.divmod(rest, len(severities))
    names = runs[["account", "region", "check_name"]].drop_duplicates(ignore_index=True)
    times = pd.Series(moments).repeat([len(occurs) for occurs, _ in found])
    table = names.take(line).reset_index(drop=True)
    table["as_of_time"] = times.reset_index(drop=True)
    table["severity"] = severities[severity]
    table["state"] = np.array(States, dtype=object)[state]
    table["problems_count"] = np.concatenate([counts for _, counts in found])
    return STATE_COUNTS.conform(table).sort_values(list(STATE_COUNTS.key), ignore_index=True)
