"""What a plan is made of: changes in words, and the calls that make them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.mitigation.roles import Place
    from ddreport.setup.definitions import Problem


class ChangeKind(StrEnum):
    """What has to happen to one thing."""

    CREATE = "create"
    """It is not there."""

    CHANGE = "change"
    """It is there, but wanted otherwise: somebody else made it, or what is wanted has changed."""

    DRIFT = "drift"
    """It was set up as it is wanted, and somebody has changed it since."""

    LEAVE = "leave"
    """It is as it is wanted."""

    UNKNOWN = "unknown"
    """It could not be read, so nothing is done about it."""

    REMOVE = "remove"
    """It was made by set-up and goes."""

    KEEP = "keep"
    """It stays, for the reason given."""


class Part(StrEnum):
    """Kinds of things that are set up."""

    ROLE = "role"
    TOPIC = "topic"
    SUBSCRIPTION = "subscription"
    AUDIT = "audit"
    SCHEDULE = "schedule"
    CHECKS = "checks"
    LOGGING = "logging"
    ACTION = "mitigation action"
    ALARM = "alarm"


@dataclass(frozen=True)
class Call:
    """One call that writes: service, boto3's method, arguments."""

    service: str
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """The call under IAM's name for its permission, such as `iot:CreateScheduledAudit`."""
        return f"{self.service}:{''.join(_CASES.get(word, word.capitalize()) for word in self.method.split('_'))}"


_CASES = {"v2": "V2"}


@dataclass(frozen=True)
class Change:
    """What happens to one thing.

    Attributes
    ----------
    details
        In words: what is made, or what is otherwise than wanted.
    calls
        The calls that do it, in order; none where nothing is to be done.
    """

    part: Part
    name: str
    kind: ChangeKind
    details: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.part} {self.name}"


@dataclass(frozen=True)
class SetupPlan:
    """What has to happen in one account and Region, in the order in which it has to.

    Attributes
    ----------
    problems
        Why it cannot be applied; nothing is written while there is one.
    warnings
        What should be known.
    """

    place: Place
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that are to be made."""
        return tuple(change for change in self.changes if change.calls)

    @property
    def unknown(self) -> tuple[Change, ...]:
        """What could not be read."""
        return tuple(change for change in self.changes if change.kind is ChangeKind.UNKNOWN)

    @property
    def drifted(self) -> tuple[Change, ...]:
        """What was set up and is no more as it was."""
        return tuple(change for change in self.changes if change.kind is ChangeKind.DRIFT)

    @property
    def as_wanted(self) -> bool:
        """Whether everything is known to be as it is wanted."""
        return not (self.pending or self.unknown or self.problems)

    def counts(self) -> dict[str, int]:
        """Return how many changes there are of each kind."""
        found = Counter(change.kind for change in self.changes)
        return {kind.value: found[kind] for kind in ChangeKind if found[kind]}

    def summary(self) -> str:
        """Return the counts in words."""
        counted = ", ".join(f"{number} to {kind}" for kind, number in self.counts().items())
        return (
            (counted or "nothing to do")
            .replace("to leave", "as wanted")
            .replace("to drift", "drifted")
            .replace("to unknown", "unknown")
        )
