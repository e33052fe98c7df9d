"""Which function evaluates which check, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation.checks.view import StateView


@dataclass(frozen=True, slots=True)
class Candidate:
    """One fault of one resource: a finding in the making.

    Attributes
    ----------
    identifier
        `resourceIdentifier`, one key.
    reason_code, reason
        `reasonForNonComplianceCode` and its sentence.
    additional_info
        `additionalInfo` of the resource; empty means absent.
    related
        `relatedResources`, complete; answers cut it where AWS does.
    """

    resource_type: str
    identifier: dict[str, Any]
    reason_code: str
    reason: str
    additional_info: dict[str, str] = field(default_factory=dict)
    related: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of one check: how many resources were looked at, and every fault found."""

    total: int
    candidates: list[Candidate]


_evaluators: dict[str, Callable[[StateView], Evaluation]] = {}
_permissions: dict[str, tuple[str, ...]] = {}


def evaluator(
    check_name: str, *, needs: tuple[str, ...]
) -> Callable[[Callable[[StateView], Evaluation]], Callable[[StateView], Evaluation]]:
    """Register the decorated function for a check; `needs` are the actions that the audit role must allow."""

    def register(function: Callable[[StateView], Evaluation]) -> Callable[[StateView], Evaluation]:
        _evaluators[check_name] = function
        _permissions[check_name] = needs
        return function

    return register


def evaluate(check_name: str, view: StateView) -> Evaluation:
    """Evaluate a check of the catalogue."""
    return _evaluators[check_name](view)


def evaluated_checks() -> tuple[str, ...]:
    """Return the names of the checks that have an evaluator."""
    return tuple(_evaluators)


def required_permissions(check_name: str) -> tuple[str, ...]:
    """Return the actions that the audit role needs for a check."""
    return _permissions[check_name]
