"""The state of every problem at a moment, from its past and from how its check stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddreport.history.arrays import DAY, NOWHERE, microseconds, moment
from ddreport.history.comparable import LOOKS_BACK
from ddreport.history.identity import LINE
from ddreport.history.lines import LONGEST_STEP_DAYS
from ddreport.history.results import LineState
from ddreport.terms import ProblemState

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

    from ddreport.history.arrays import Ints
    from ddreport.history.chains import Past

States = [s.value for s in ProblemState]
"""Every state, in the order of their numbers here."""

_NAMES = np.array(States, dtype=object)
_NUMBER = {state: number for number, state in enumerate(ProblemState)}

_SHORTER_LOOK = "later audits look back a shorter time and did not report it"
_LAXER_THRESHOLD = "later audits had a laxer threshold and did not report it"


@dataclass(frozen=True)
class Found:
    """States of the problems whose last spans are `past.ends`, in their order."""

    number: Ints
    known_number: Ints
    note: NDArray[Any]

    @property
    def state(self) -> NDArray[Any]:
        """What is known."""
        return _NAMES[self.number]

    @property
    def known_state(self) -> NDArray[Any]:
        """What held when somebody last looked."""
        return _NAMES[self.known_number]


def states_at(past: Past, as_of: datetime, stands: Stands, *, notes: bool = True) -> Found:
    """Apply the table of states in docs/lifecycle.md, from the top.

    Parameters
    ----------
    past
        What was known at `as_of`.
    stands
        `line_states` of this moment, and others if you like.
    notes
        Whether the reasons are wanted too; without, the notes are empty.
    """
    chains = past.chains
    ends = np.flatnonzero(past.ends)
    known = np.full(len(ends), _NUMBER[ProblemState.RESOLVED], dtype="int64")
    number, note = known.copy(), np.full(len(ends), None, dtype=object)
    # What is resolved needs no further look: in a long history that is most of it.
    still = np.flatnonzero(past.resolver[ends] == NOWHERE) if not notes else np.arange(len(ends))
    ends = ends[still]
    line = chains.line[ends]
    last, resolver = past.last[ends], past.resolver[ends]
    stand = stands.at(as_of)
    full, latest = stand["full_run"][line], stand["latest_run"][line]
    own = np.select(
        [
            chains.is_suppressed[ends],
            last == chains.began[ends],
            last == chains.opened[ends],
        ],
        [_NUMBER[ProblemState.SUPPRESSED], _NUMBER[ProblemState.NEW], _NUMBER[ProblemState.REOPENED]],
        _NUMBER[ProblemState.OPEN],
    )
    resolved = resolver != NOWHERE
    off = stand["off"][line]
    passed_over = last < full  # a greater row is a later run
    looks_back = stand["looks_back"][line]
    age = moment(as_of) - chains.times[last]
    just_reported = (last == latest) & (age <= 2 * stand["usual_step_days"][line] * DAY)
    unsure = ~stand["current"][line] & ~just_reported
    cases = [resolved, off, passed_over & ~looks_back, passed_over, unsure]
    out, unknown = _NUMBER[ProblemState.OUT_OF_SCOPE], _NUMBER[ProblemState.UNKNOWN]
    gone = _NUMBER[ProblemState.RESOLVED]
    if notes:
        said = stand["note"][line]
        laxer, shorter = (np.full(len(line), text, dtype=object) for text in (_LAXER_THRESHOLD, _SHORTER_LOOK))
        note = np.select(cases, [note, said, laxer, shorter, said], note)
    number[still] = np.select(cases, [gone, out, out, unknown, unknown], own)
    known[still] = np.where(resolved, gone, own)
    return Found(number, known, note)


class Stands:
    """How every line stands at some moments, as arrays by its number as the lines stand in the runs.

    A line without a run yet stands as if it had none.
    """

    def __init__(self, lines: pd.DataFrame, runs: pd.DataFrame) -> None:
        names = runs[LINE].drop_duplicates(ignore_index=True)
        known = lines.merge(names.assign(line=np.arange(len(names))), on=LINE)
        self._times, row = np.unique(microseconds(known["as_of_time"]), return_inverse=True)
        line = known["line"].to_numpy(dtype="int64")

        def spread(values: Any, default: Any, dtype: Any) -> NDArray[Any]:
            array = np.full((len(self._times) + 1, len(names)), default, dtype=dtype)
            array[row, line] = values
            return array

        state = known["line_state"]
        self._facts = {
            "full_run": spread(known["full_run"].fillna(NOWHERE), NOWHERE, "int64"),
            "latest_run": spread(known["latest_run"].fillna(NOWHERE), NOWHERE, "int64"),
            "usual_step_days": spread(known["usual_step_days"], LONGEST_STEP_DAYS, "float64"),
            "off": spread(state == LineState.OFF.value, default=False, dtype=bool),
            "current": spread(state == LineState.CURRENT.value, default=False, dtype=bool),
            "looks_back": spread(known["check_name"].isin(LOOKS_BACK), default=False, dtype=bool),
            "note": spread(known["note"].astype(object).where(known["note"].notna(), None), None, object),
        }

    def at(self, as_of: datetime) -> dict[str, NDArray[Any]]:
        """Return the facts of all lines at a moment; one at which no line was known gives those of no run."""
        time = moment(as_of)
        place = int(np.searchsorted(self._times, time))
        if place < len(self._times) and self._times[place] != time:
            place = len(self._times)
        return {name: array[place] for name, array in self._facts.items()}
