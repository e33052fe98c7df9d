"""Unresolved problems by severity and age."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddreport.errors import ParameterError
from ddreport.history import PROBLEMS, ProblemState
from ddreport.metrics.groups import SEVERITIES, require, severity_codes
from ddreport.metrics.results_problems import OPEN_BY_AGE

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTED_AS = {
    ProblemState.NEW: "open_count",
    ProblemState.OPEN: "open_count",
    ProblemState.REOPENED: "open_count",
    ProblemState.SUPPRESSED: "suppressed_count",
    ProblemState.UNKNOWN: "unknown_count",
    ProblemState.OUT_OF_SCOPE: "out_of_scope_count",
}


def open_by_age(problems: pd.DataFrame, *, edges_days: Sequence[float] = (7, 30, 90, 180)) -> pd.DataFrame:
    """Count the problems that are not proven gone by severity, age and what is known of them.

    Age is `age_days`: from the beginning of the present episode to the moment that the table of problems was made for.
    An age that equals an edge belongs to the range above it. Each problem counts once:

    - open = NEW, OPEN or REOPENED; suppressed, unknown and out of scope = the state of that name
    - unresolved = the four together; resolved problems do not count

    Parameters
    ----------
    problems
        `history.PROBLEMS`.
    edges_days
        Ages in days at which one range ends and the next begins, rising; at least one.

    Returns
    -------
    DataFrame
        `OPEN_BY_AGE`: each severity with each range, zeros included, most severe and youngest first. No rows for a
        table without problems.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        The edges are no rising positive numbers.
    """
    require(problems, PROBLEMS, ["severity", "state", "age_days"])
    edges = [float(e) for e in edges_days]
    if not edges or edges[0] <= 0 or not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
        raise ParameterError(
            f"edges_days is {list(edges_days)}; allowed: positive numbers, each greater than the one before."
        )
    if problems.empty:
        return OPEN_BY_AGE.empty()
    starts = [0.0, *edges]
    table = pd.DataFrame({"severity": SEVERITIES}).merge(
        pd.DataFrame(
            {
                "age_from_days": starts,
                "age_to_days": [*edges, math.nan],
                "age_range": [
                    f"under {edges[0]:g} days",
                    *(f"{a:g} to {b:g} days" for a, b in pairwise(edges)),
                    f"{edges[-1]:g} days and more",
                ],
            }
        ),
        how="cross",
    )
    age = np.searchsorted(edges, problems["age_days"].to_numpy(dtype="float64"), side="right")
    cell = severity_codes(problems) * len(starts) + age
    kind = problems["state"].map({state.value: name for state, name in _COUNTED_AS.items()}).to_numpy()
    names = list(dict.fromkeys(_COUNTED_AS.values()))
    for name in names:
        table[name] = np.bincount(cell[kind == name], minlength=len(table))
    table["unresolved_count"] = table[names].sum(axis=1)
    return OPEN_BY_AGE.conform(table)
