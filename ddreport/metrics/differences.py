"""What became of every problem between two moments: a complete table of transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.errors import ParameterError, TableSchemaError, did_you_mean
from ddreport.history import PROBLEMS, ProblemState
from ddreport.metrics.results_controls import AUDIT_DIFFERENCE, DIFFERENCE, DIFFERENCE_SUMMARY, Change
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray

_S = ProblemState
_OPEN = (_S.NEW, _S.OPEN, _S.REOPENED)
# What a problem becomes, by its state after; from top to bottom the states before.
_AFTER = {
    None: {
        **dict.fromkeys((*_OPEN, _S.SUPPRESSED, _S.UNKNOWN, _S.OUT_OF_SCOPE), Change.APPEARED),
        _S.RESOLVED: Change.CAME_AND_WENT,
    },
    _S.OPEN: {
        **dict.fromkeys(_OPEN, Change.STILL_OPEN),
        _S.SUPPRESSED: Change.SUPPRESSED,
        _S.UNKNOWN: Change.BECAME_UNKNOWN,
        _S.OUT_OF_SCOPE: Change.WENT_OUT_OF_SCOPE,
        _S.RESOLVED: Change.RESOLVED,
    },
    _S.SUPPRESSED: {
        **dict.fromkeys(_OPEN, Change.UNSUPPRESSED),
        _S.SUPPRESSED: Change.STILL_SUPPRESSED,
        _S.UNKNOWN: Change.BECAME_UNKNOWN,
        _S.OUT_OF_SCOPE: Change.WENT_OUT_OF_SCOPE,
        _S.RESOLVED: Change.RESOLVED,
    },
    _S.UNKNOWN: {
        **dict.fromkeys((*_OPEN, _S.SUPPRESSED), Change.KNOWN_AGAIN),
        _S.UNKNOWN: Change.STILL_UNKNOWN,
        _S.OUT_OF_SCOPE: Change.WENT_OUT_OF_SCOPE,
        _S.RESOLVED: Change.RESOLVED,
    },
    _S.OUT_OF_SCOPE: {
        **dict.fromkeys((*_OPEN, _S.SUPPRESSED), Change.BACK_IN_SCOPE),
        _S.UNKNOWN: Change.BECAME_UNKNOWN,
        _S.OUT_OF_SCOPE: Change.STILL_OUT_OF_SCOPE,
        _S.RESOLVED: Change.RESOLVED,
    },
    _S.RESOLVED: {
        **dict.fromkeys((*_OPEN, _S.SUPPRESSED, _S.UNKNOWN, _S.OUT_OF_SCOPE), Change.REOPENED),
        _S.RESOLVED: Change.STILL_RESOLVED,
    },
}
TRANSITIONS: Mapping[tuple[ProblemState | None, ProblemState | None], Change] = {
    **{(before, after): Change.NOT_IN_SECOND for before in _S for after in (None,)},
    **{
        (before, after): change
        for known, own in _AFTER.items()
        for before in (_OPEN if known is _S.OPEN else (known,))
        for after, change in own.items()
    },
}
"""The change for each state before (None: not known yet) and after, where the problem was not reopened in between."""

_ORDER = ["severity", "account", "region", "check_name", "resource_type", "resource_id", "reason_code"]
_FACTS = [c for c in DIFFERENCE.column_names if c in PROBLEMS.column_names]


def difference(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Tell what became of every problem from one moment to a later one.

    The change follows from the two states (`TRANSITIONS`; the table stands in docs/measures.md). Where the problem
    was reopened in between (`reopened_count` has grown), it is REOPENED whatever the states, or RESOLVED if it is
    resolved again; CAME_AND_WENT if it was resolved before too.

    Parameters
    ----------
    before, after
        `history.PROBLEMS` of the same audits at two moments; for two audits see `moments_of_audits`.

    Returns
    -------
    DataFrame
        `results_controls.DIFFERENCE`, sorted by severity, account, region, check_name, resource_type, resource_id and
        reason_code. What is told of a problem is that of the second moment, if it knows it.
    """
    first, second = (t[[*_FACTS, "state", "reopened_count"]].reset_index(drop=True) for t in (before, after))
    known = pd.Index(second["problem_id"]).get_indexer(
        pd.Index(first["problem_id"])
    )  # where the second moment has each
    only_first = first[known < 0]
    table = pd.concat([second, only_first], ignore_index=True)
    # The first moment's row of each problem; -1 for none.
    earlier = np.full(len(second), -1, dtype="int64")
    earlier[known[known >= 0]] = np.flatnonzero(known >= 0)
    earlier = np.concatenate([earlier, np.flatnonzero(known < 0)])
    later = np.where(np.arange(len(table)) < len(second), np.arange(len(table)), -1)
    states = [np.append(_numbers(t["state"]), _NO_STATE)[rows] for t, rows in ((first, earlier), (second, later))]
    counts = [
        np.append(t["reopened_count"].fillna(0).to_numpy(dtype="int64"), 0)[rows]
        for t, rows in ((first, earlier), (second, later))
    ]
    again = (states[0] != _NO_STATE) & (counts[1] > counts[0])
    names = np.array([*ProblemState, None], dtype=object)
    table["before_state"], table["after_state"] = names[states[0]], names[states[1]]
    table["change"] = _CHANGES[states[0], states[1], again.astype("int64")]
    table["severity"] = pd.concat([t["severity"].astype("str") for t in (second, only_first)], ignore_index=True)
    return _sorted(DIFFERENCE.conform(table))


def _numbers(states: pd.Series[str]) -> NDArray[np.int64]:
    """Return the number of each state in the order of `ProblemState`."""
    found: NDArray[np.int64] = pd.Index([s.value for s in ProblemState]).get_indexer(pd.Index(states)).astype("int64")
    unknown = states[found < 0]
    if len(unknown):
        raise TableSchemaError(f"state {unknown.iloc[0]!r} is none of {', '.join(ProblemState)}.")
    return found


def _change(before: ProblemState | None, after: ProblemState | None, *, reopened: bool) -> Change:
    """Return the change; a state on either side there must be."""
    if not reopened:
        return TRANSITIONS[before, after]
    if after != ProblemState.RESOLVED:
        return Change.REOPENED
    return Change.CAME_AND_WENT if before == ProblemState.RESOLVED else Change.RESOLVED


_NO_STATE = len(ProblemState)
_CHANGES = np.array(
    [
        [
            [_change(b, a, reopened=again).value if (b, a) in TRANSITIONS else None for again in (False, True)]
            for a in (*ProblemState, None)
        ]
        for b in (*ProblemState, None)
    ],
    dtype=object,
)
"""The change by the numbers of both states (the last one: none) and whether it was reopened in between."""


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(_ORDER, ignore_index=True)


def difference_summary(difference: pd.DataFrame) -> pd.DataFrame:
    """Count the problems of a difference by severity and change.

    Parameters
    ----------
    difference
        `results_controls.DIFFERENCE` or `results_controls.AUDIT_DIFFERENCE`.

    Returns
    -------
    DataFrame
        `results_controls.DIFFERENCE_SUMMARY`: always four rows, most severe first, zeros included.
    """
    counts = pd.crosstab(difference["severity"].astype("str"), difference["change"])
    table = counts.reindex(index=[s.value for s in Severity], columns=[c.value for c in Change], fill_value=0)
    table.columns = pd.Index([f"{name.lower()}_count" for name in table.columns])
    table["total_count"] = table.sum(axis=1)
    return DIFFERENCE_SUMMARY.conform(table.rename_axis("severity").reset_index())


def moments_of_audits(audit_tasks: pd.DataFrame, first_audit: str, second_audit: str) -> tuple[datetime, datetime]:
    """Return when two audits began, in the order of time: the moments for `history.problems` and `difference`.

    At these moments every account and check counts with its latest verdict; to compare the two audits alone, see
    `audit_difference`.

    Parameters
    ----------
    audit_tasks
        Table `schemas.AUDIT_TASKS` (or any with `audit_task_id` and `task_start_time`).
    first_audit, second_audit
        Ids of the audit tasks.

    Raises
    ------
    ParameterError
        No audit has one of the ids.
    """
    starts = [started(audit_tasks, audit).to_pydatetime() for audit in (first_audit, second_audit)]
    return min(starts), max(starts)


def started(audits: pd.DataFrame, audit_task_id: str) -> pd.Timestamp:
    """Return when an audit began.

    Raises
    ------
    ParameterError
        No audit has this id.
    """
    ids = audits["audit_task_id"]
    times = audits["task_start_time"][ids == audit_task_id]
    if times.empty:
        raise ParameterError(
            f"no audit given has the id {audit_task_id!r}; there are {ids.nunique()}."
            f"{did_you_mean(audit_task_id, ids.unique())}",
            hint="take an `audit_task_id` of the table of audits, and load the span of time that it lies in.",
        )
    return pd.Timestamp(times.min())


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows as `results_controls.AUDIT_DIFFERENCE` in the order of differences."""
    return _sorted(AUDIT_DIFFERENCE.conform(table))
