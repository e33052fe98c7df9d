"""The state of every problem at a moment, from its past and from how its check stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ddreport.history.arrays import DAY, NOWHERE, moment
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


def states_at(past: Past, as_of: datetime, lines: pd.DataFrame, *, notes: bool = True) -> Found:
    """Apply the table of states in docs/lifecycle.md, from the top.

    Parameters
    ----------
    past
        What was known at `as_of`.
    lines
        `line_states` of the same moment, numbered by `number_lines`.
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
    stand = _on_lines(lines, chains.lines_count)
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


def number_lines(lines: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `line_states` whose line had a run, with `line`: its number as the lines stand in the runs."""
    numbers = runs[LINE].drop_duplicates(ignore_index=True)
    return lines.merge(numbers.assign(line=np.arange(len(numbers))), on=LINE)


def _on_lines(lines: pd.DataFrame, count: int) -> dict[str, NDArray[Any]]:
    """Return how each line stands as arrays by its number; a line without a run yet stands as if it had none."""
    place = lines["line"].to_numpy(dtype="int64")

    def spread(values: Any, default: Any, dtype: Any) -> NDArray[Any]:
        array = np.full(count, default, dtype=dtype)
        array[place] = values
        return array

    state = lines["line_state"]
    return {
        "full_run": spread(lines["full_run"].fillna(NOWHERE), NOWHERE, "int64"),
        "latest_run": spread(lines["latest_run"].fillna(NOWHERE), NOWHERE, "int64"),
        "usual_step_days": spread(lines["usual_step_days"], LONGEST_STEP_DAYS, "float64"),
        "off": spread(state == LineState.OFF.value, default=False, dtype=bool),
        "current": spread(state == LineState.CURRENT.value, default=False, dtype=bool),
        "looks_back": spread(lines["check_name"].isin(LOOKS_BACK), default=False, dtype=bool),
        "note": spread(lines["note"].astype(object).where(lines["note"].notna(), None), None, object),
    }
