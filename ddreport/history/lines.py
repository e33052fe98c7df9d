"""How each check stands at given moments: its latest full run, and whether anybody still knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ddreport.history.arrays import DAY, NOWHERE, microseconds, moment, rows_by_line
from ddreport.history.identity import LINE
from ddreport.history.results import LineState, Proof
from ddreport.terms import CheckErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ddreport.history.arrays import Flags, Ints, LineKey

LONGEST_STEP_DAYS = 31.0
"""Usual step of a check with fewer than two days of full runs: that of the longest schedule."""

STEPS_LOOKED_AT = 8


def line_states(
    runs: pd.DataFrame, moments: Sequence[datetime], *, check_configurations: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Tell for each line and moment what is known of the check, by the rules of docs/lifecycle.md.

    Parameters
    ----------
    runs
        `results.CHECK_RUNS`.
    moments
        Aware datetimes.
    check_configurations
        Every stored state of `schemas.CHECK_CONFIGURATIONS`; None: no check was ever seen switched off.

    Returns
    -------
    DataFrame
        One row per line and moment at which the check was known (had run, or was seen in a configuration):

        - `account`, `region`, `check_name`, `as_of_time`
        - `line_state` (str): a `LineState`
        - `note` (str): why it is not CURRENT; missing where it is
        - `full_run` (Int64): row of `runs` with its latest full run; missing where it had none
        - `latest_run` (Int64): row of `runs` with its latest run of any kind
        - `usual_step_days` (float64): usual time between full runs
    """
    told = _Runs(runs)
    ends = np.array([moment(m) for m in moments], dtype="int64")
    switches = _switches(check_configurations)
    lines = rows_by_line(runs)
    keys = sorted({*lines, *switches})
    parts = [_line(told, lines.get(key, _NO_ROWS), ends, switches.get(key)) for key in keys]
    # One table of all lines: a table for each would cost more than all the rest.
    columns = {name: np.concatenate([_NO_ROWS, *(p[name] for p in parts)]) for name in _FACTS}
    lengths = [len(p["as_of_time"]) for p in parts]
    names = {c: np.repeat(np.array([k[i] for k in keys], dtype=object), lengths) for i, c in enumerate(LINE)}
    full, latest = (pd.Series(columns[name].astype("int64"), dtype="Int64") for name in ("full_run", "latest_run"))
    table = pd.DataFrame(
        {
            **names,
            "as_of_time": pd.to_datetime(columns["as_of_time"].astype("int64"), unit="us", utc=True),
            "line_state": columns["line_state"],
            "note": columns["note"],
            "full_run": full.mask(full == NOWHERE),
            "latest_run": latest.mask(latest == NOWHERE),
            "usual_step_days": columns["usual_step_days"].astype("float64"),
        }
    )
    texts = dict.fromkeys([*LINE, "line_state", "note"], "str")
    return table.astype({**texts, "as_of_time": "datetime64[us, UTC]"})


_NO_ROWS = np.array([], dtype="int64")
_FACTS = ["as_of_time", "line_state", "note", "full_run", "latest_run", "usual_step_days"]


def usual_steps(times: Ints) -> NDArray[np.float64]:
    """Return for each full run of a line the usual step in days until it, runs of one day (UTC) counted once."""
    if not len(times):
        return np.array([], dtype="float64")
    days = times // DAY
    first = np.concatenate([[True], days[1:] != days[:-1]])
    steps = pd.Series(np.diff(times[first]) / DAY)
    medians = steps.rolling(STEPS_LOOKED_AT, min_periods=1).median().to_numpy()
    usual = np.concatenate([[LONGEST_STEP_DAYS], medians])
    found: NDArray[np.float64] = usual[np.cumsum(first) - 1]
    return found


class _Runs:
    """The columns of the runs that tell how lines stand, as arrays."""

    def __init__(self, runs: pd.DataFrame) -> None:
        self.times = microseconds(runs["task_start_time"])
        self.full = (runs["proof"] == Proof.FULL.value).to_numpy()
        self.disabled = (runs["error_code"] == CheckErrorCode.AUDIT_CHECK_DISABLED.value).to_numpy()
        self.notes = runs["proof_note"].to_numpy(dtype=object)


def _line(runs: _Runs, rows: Ints, moments: Ints, switches: _Switches | None) -> dict[str, NDArray[Any]]:
    """Tell how one line, whose runs are these rows, stood at each moment at which it was known."""
    full = rows[runs.full[rows]]
    # With nowhere in front, the number of runs until a moment is the place of the latest of them.
    latest = np.concatenate([[NOWHERE], rows])[np.searchsorted(runs.times[rows], moments, side="right")]
    place = np.searchsorted(runs.times[full], moments, side="right")
    seen_in_configuration = moments >= switches.first if switches else np.zeros(len(moments), dtype=bool)
    known_then = (latest != NOWHERE) | seen_in_configuration
    moments, latest, place = moments[known_then], latest[known_then], place[known_then]
    known = np.concatenate([[NOWHERE], full])[place]
    usual = np.concatenate([[LONGEST_STEP_DAYS], usual_steps(runs.times[full])])[place]
    told = [
        _state(runs, end, run, seen, step, switches)
        for end, run, seen, step in zip(*(a.tolist() for a in (moments, latest, known, usual)), strict=True)
    ]
    return {
        "as_of_time": moments,
        "line_state": np.array([state.value for state, _ in told], dtype=object),
        "note": np.array([note for _, note in told], dtype=object),
        "full_run": known,
        "latest_run": latest,
        "usual_step_days": usual,
    }


def _state(
    runs: _Runs, end: int, latest: int, full: int, step: float, switches: _Switches | None
) -> tuple[LineState, str | None]:
    """Say how a line stands at a moment, given its latest run and its latest full run until then."""
    began = int(runs.times[latest]) if latest != NOWHERE else None
    off = switches.off_since(end, began) if switches else None
    if off is not None:
        return LineState.OFF, off
    if latest != full and runs.disabled[latest]:
        return LineState.OFF, "the check was switched off while its latest audit ran"
    if began is None:
        return LineState.NEVER, "no audit has run the check yet"
    if latest != full:
        state = LineState.NEVER if full == NOWHERE else LineState.NO_VERDICT
        return state, f"{runs.notes[latest]} in the audit of {_when(began)}"
    if end - began > 2 * step * DAY:
        return LineState.OVERDUE, f"no audit since {_when(began)}, usually every {step:.3g} days"
    return LineState.CURRENT, None


class _Switches:
    """When a check was seen on and off in the configuration of one account and Region, in the order of time."""

    def __init__(self, times: Ints, on: Flags) -> None:
        self._times, self._on = times, on
        self.first = int(times[0])

    def off_since(self, end: int, latest_run: int | None) -> str | None:
        """Say since when it is off, or None; a run after the last look shows that it was on then."""
        place = int(np.searchsorted(self._times, end, side="right")) - 1
        if place < 0 or self._on[place] or (latest_run is not None and latest_run > self._times[place]):
            return None
        while place > 0 and not self._on[place - 1]:
            place -= 1
        return f"the check is switched off, as seen on {_when(int(self._times[place]))}"


def _switches(check_configurations: pd.DataFrame | None) -> dict[LineKey, _Switches]:
    if check_configurations is None:
        return {}
    states = check_configurations.sort_values("observed_time")
    times, on = microseconds(states["observed_time"]), states["enabled"].to_numpy(dtype=bool)
    return {line: _Switches(times[rows], on[rows]) for line, rows in rows_by_line(states).items()}


def _when(microsecond: int) -> str:
    return f"{pd.Timestamp(microsecond, unit='us', tz='UTC'):%Y-%m-%d %H:%M} UTC"
