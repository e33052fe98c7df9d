"""What was known when people were told last: enough to say what is news, whichever audits come in late. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError
from ddreport.history import ProblemState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd

ID_LENGTH = 16
"""Hexadecimal digits of a `problem_id` that are kept: 64 bits tell all problems of an archive apart."""


@dataclass(frozen=True)
class Baseline:
    """What was known at a moment.

    Attributes
    ----------
    as_of
        The moment, ISO 8601, UTC.
    problems
        Of each problem that was not resolved, by the begin of its id: its state, and how often it had been reopened.
    compliance_rate
        Compliant share of the finished checks, 0..1; None where nothing was known.
    overdue
        Problems past their due time.
    """

    as_of: str
    problems: Mapping[str, tuple[str, int]]
    compliance_rate: float | None
    overdue: int

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "as_of": self.as_of,
            "compliance_rate": self.compliance_rate,
            "overdue": self.overdue,
            "problems": {key: list(value) for key, value in sorted(self.problems.items())},
        }

    @classmethod
    def from_json(cls, data: Any) -> Baseline:
        """Read what `as_json` gave (`InputError` for anything else)."""
        try:
            states = {state.value for state in ProblemState}
            problems = {str(k): (str(state), int(count)) for k, (state, count) in data["problems"].items()}
            rate = data["compliance_rate"]
            found = cls(str(data["as_of"]), problems, None if rate is None else float(rate), int(data["overdue"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError("what was notified last cannot be read.") from None
        if not all(state in states for state, _ in problems.values()):
            raise InputError("what was notified last has a state that this version does not know.")
        return found


def make_baseline(problems: pd.DataFrame, *, as_of: datetime, compliance_rate: float | None, overdue: int) -> Baseline:
    """Return what is known at `as_of`.

    Parameters
    ----------
    problems
        `history.PROBLEMS` at that moment.
    """
    left = problems[problems["state"] != ProblemState.RESOLVED.value]
    counts = left["reopened_count"].fillna(0).astype("int64")
    known = {
        str(key)[:ID_LENGTH]: (str(state), int(count))
        for key, state, count in zip(left["problem_id"], left["state"], counts, strict=True)
    }
    return Baseline(as_of.isoformat(), known, compliance_rate, overdue)
