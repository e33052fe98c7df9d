"""What a look at a campaign found: of each problem, and of each resource read back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Effect(StrEnum):
    """What became of a problem."""

    FIXED = "FIXED"
    """An audit that began after the treatment proves that it is gone."""

    STILL_THERE = "STILL_THERE"
    """An audit that began after the treatment reports it."""

    NEW = "NEW"
    """It was not planned, and came up in a check of the plan since the treatment began."""

    UNKNOWN = "UNKNOWN"
    """Nothing that is known proves either; the reason stands beside it."""


class ReadBack(StrEnum):
    """Whether a resource is as an action should have left it."""

    AS_EXPECTED = "AS_EXPECTED"
    OTHERWISE = "OTHERWISE"
    GONE = "GONE"
    """It does not exist any more."""

    NOT_READ = "NOT_READ"
    """AWS did not tell; the reason stands beside it."""

    NOTHING_TO_READ = "NOTHING_TO_READ"
    """No action that was carried out leaves a trace: none was, or it sent a message."""


class ResourceReadBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One resource after one action; the values are those of `prestate`."""

    finding_id: str
    action_name: str
    kind: str
    resource_id: str
    before: dict[str, Any]
    expected: dict[str, Any]
    now: dict[str, Any] | None
    read_back: ReadBack
    note: str | None = None


class ProblemEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of one problem; the columns of `verification.VERIFICATIONS` without plan, place and time."""

    problem_id: str
    check_name: str
    resource_type: str
    resource_id: str
    reason_code: str
    severity: str
    effect: Effect
    why: str | None = None
    state: str | None = None
    audit_task_id: str | None = None
    finding_id: str | None = None
    actions: str | None = None
    treatment: str | None = None
    read_back: ReadBack | None = None
    read_back_note: str | None = None


def effect_counts(effects: Iterable[ProblemEffect]) -> dict[str, int]:
    """Count problems by effect, every effect named."""
    counts = dict.fromkeys((e.value for e in Effect), 0)
    for one in effects:
        counts[one.effect.value] += 1
    return counts
