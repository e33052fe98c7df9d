"""What is news: which problems got worse or better since people were told last. Pure: tables in, news out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.history import ProblemState
from ddreport.metrics.differences import difference
from ddreport.metrics.results_controls import Change
from ddreport.notification.baseline import ID_LENGTH
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.notification.baseline import Baseline

_EPSILON = 1e-9
_OPEN = (ProblemState.NEW.value, ProblemState.OPEN.value, ProblemState.REOPENED.value)


class Kind(StrEnum):
    """What became of a problem, in the words of a message."""

    NEW = "new"
    REOPENED = "reopened"
    UNSUPPRESSED = "no longer suppressed"
    UNKNOWN = "became unknown"
    """Its check cannot tell any more: not resolved."""
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"
    """Accepted by somebody: neither worse nor better."""

    @property
    def is_worse(self) -> bool:
        """Whether it makes things worse."""
        return self in (Kind.NEW, Kind.REOPENED, Kind.UNSUPPRESSED, Kind.UNKNOWN)


_KINDS = {
    Change.APPEARED.value: Kind.NEW,
    Change.REOPENED.value: Kind.REOPENED,
    Change.UNSUPPRESSED.value: Kind.UNSUPPRESSED,
    Change.BECAME_UNKNOWN.value: Kind.UNKNOWN,
    Change.RESOLVED.value: Kind.RESOLVED,
    Change.SUPPRESSED.value: Kind.SUPPRESSED,
}


@dataclass(frozen=True)
class Item:
    """One problem that changed."""

    kind: Kind
    severity: str
    account: str
    region: str
    check_name: str
    resource_id: str
    reason_code: str
    problem_id: str


@dataclass(frozen=True)
class News:
    """What changed.

    Attributes
    ----------
    items
        Problems that changed: what got worse first, then by severity.
    counts
        Numbers of problems by kind and severity; only those above 0.
    """

    before: Baseline
    after: Baseline
    items: tuple[Item, ...]
    counts: Mapping[Kind, Mapping[str, int]]

    @property
    def is_worse(self) -> bool:
        """Whether anything got worse: a problem, the compliance rate, or more is overdue."""
        rate = _step(self.before.compliance_rate, self.after.compliance_rate)
        return (
            any(kind.is_worse for kind in self.counts) or rate < -_EPSILON or self.after.overdue > self.before.overdue
        )

    @property
    def is_better(self) -> bool:
        """Whether anything got better."""
        rate = _step(self.before.compliance_rate, self.after.compliance_rate)
        return Kind.RESOLVED in self.counts or rate > _EPSILON or self.after.overdue < self.before.overdue


def _step(before: float | None, after: float | None) -> float:
    return 0.0 if before is None or after is None else after - before


def find_news(before: Baseline, after: Baseline, problems: pd.DataFrame) -> News:
    """Tell what became of every problem since `before`.

    A problem that was never told of and is gone again by now is no news. The states that were told count, not what
    the archive says today of that moment: an audit that came in late is news when it has come.

    Parameters
    ----------
    problems
        `history.PROBLEMS` at the moment of `after`.
    """
    keys = problems["problem_id"].str[:ID_LENGTH]
    told = keys.isin(list(before.problems))
    resolved = problems["state"] == ProblemState.RESOLVED.value
    again = problems["reopened_count"].fillna(0).astype("int64") > 0
    # What was resolved when people were told last is not in the baseline; reopened since, it is no new problem.
    returned = ~told & ~resolved & again
    earlier = problems[told | returned].copy()
    known = [before.problems.get(key) for key in keys[told | returned]]
    counts = earlier["reopened_count"].fillna(0).astype("int64")
    earlier["state"] = [ProblemState.RESOLVED.value if found is None else found[0] for found in known]
    earlier["reopened_count"] = pd.array(
        [count - 1 if found is None else found[1] for found, count in zip(known, counts, strict=True)], dtype="Int64"
    )
    table = difference(earlier, problems[told | ~resolved])
    items = [item for row in table.to_dict("records") if (item := _item(row)) is not None]
    items.sort(key=lambda item: (not item.kind.is_worse, [s.value for s in Severity].index(item.severity)))
    sums: dict[Kind, dict[str, int]] = {}
    for item in items:
        own = sums.setdefault(item.kind, {})
        own[item.severity] = own.get(item.severity, 0) + 1
    ordered: dict[Kind, Mapping[str, int]] = {
        kind: {s.value: sums[kind][s.value] for s in Severity if s.value in sums[kind]} for kind in Kind if kind in sums
    }
    return News(before, after, tuple(items), ordered)


def _item(row: Mapping[object, object]) -> Item | None:
    kind = _KINDS.get(str(row["change"]))
    if kind is None or (kind in (Kind.NEW, Kind.REOPENED) and row["after_state"] not in _OPEN):
        return None
    names = ("severity", "account", "region", "check_name", "resource_id", "reason_code", "problem_id")
    return Item(kind, *(str(row[name]) for name in names))
