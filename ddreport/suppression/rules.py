"""What a file of suppressions says: rules, each with whom to ask and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

DEFAULT_NAME = "suppressions"
"""Name of a file that names itself not."""


class SelectorKind(StrEnum):
    """How a rule says which resources it is about."""

    RESOURCE = "resource"
    PATTERN = "pattern"
    THINGS = "things"


class Over(StrEnum):
    """What a pattern or a rule about things is expanded over."""

    FINDINGS = "findings"
    INVENTORY = "inventory"


@dataclass(frozen=True)
class Selector:
    """Which resources a rule is about.

    Attributes
    ----------
    kind
        Decides which of the others count.
    resource_id, policy_version_id
        RESOURCE: the resource, as the tables name it; the version is None where the rule names none.
    resource_identifier
        RESOURCE: AWS's `resourceIdentifier` as canonical JSON; None where it follows from a finding only.
    pattern
        PATTERN: with `*`, `?` and `[…]`, for the whole `resource_id`.
    thing_group, thing_type, thing_attributes
        THINGS: what every thing behind the resource must have; at least one of them.
    """

    kind: SelectorKind
    resource_id: str = ""
    policy_version_id: str | None = None
    resource_identifier: str | None = None
    pattern: str = ""
    thing_group: str | None = None
    thing_type: str | None = None
    thing_attributes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.kind is SelectorKind.RESOURCE:
            version = f" version {self.policy_version_id}" if self.policy_version_id else ""
            return f"{self.resource_id}{version}"
        if self.kind is SelectorKind.PATTERN:
            return f"pattern {self.pattern}"
        parts = [f"thing group {self.thing_group}"] if self.thing_group else []
        parts += [f"thing type {self.thing_type}"] if self.thing_type else []
        parts += [f"thing attribute {name}={value}" for name, value in self.thing_attributes]
        return ", ".join(parts)


@dataclass(frozen=True)
class Rule:
    """One rule: for which check and resources findings are accepted, until when, and who answers for it.

    Attributes
    ----------
    rule_id
        Its name in the file and in the descriptions of the suppressions that come of it.
    expires
        When its suppressions end, UTC, in whole seconds; None means never.
    review
        When somebody must look at it again; None means no such day.
    over
        What a PATTERN or THINGS rule is expanded over.
    reason_code
        What the author saw; AWS suppresses per check and resource, whatever the reason code.
    targets
        Names of targets, account ids or `ACCOUNT/REGION` that it holds for; empty means all.
    line
        Line in the file.
    """

    rule_id: str
    check_name: str
    selector: Selector
    owner: str
    reason: str
    expires: datetime | None
    line: int
    ticket: str = ""
    review: datetime | None = None
    over: Over = Over.FINDINGS
    reason_code: str = ""
    targets: tuple[str, ...] = ()

    def is_expired(self, as_of: datetime) -> bool:
        """Whether it has ended."""
        return self.expires is not None and self.expires <= as_of


@dataclass(frozen=True)
class RuleFile:
    """A file of suppressions.

    Attributes
    ----------
    name
        Stands in the description of each suppression that comes of it: by that it knows its own again.
    accounts
        Account ids that the file may be used for; empty means any.
    source
        How messages call the file.
    """

    name: str
    rules: tuple[Rule, ...]
    source: str
    accounts: tuple[str, ...] = ()

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule of that name, if there is one."""
        return next((r for r in self.rules if r.rule_id == rule_id), None)


@dataclass(frozen=True)
class Place:
    """Where a file is applied.

    Attributes
    ----------
    target
        Name of the target; None when account and Region were given without one.
    """

    account: str
    region: str
    target: str | None = None

    @property
    def names(self) -> Collection[str]:
        """What `targets` of a rule may call it."""
        return {n for n in (self.target, self.account, f"{self.account}/{self.region}") if n}
