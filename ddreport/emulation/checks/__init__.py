"""The audit checks: small pure functions from the state of an account to what does not comply.

Each module registers its evaluators by check name with `registry.evaluator`; importing this package registers all. A
check without an evaluator is not judged: `evaluate` raises `NotEvaluatedError`, and the audit reports it as FAILED.
"""

from __future__ import annotations

from ddreport.emulation.checks import account, certificates, connected, policies
from ddreport.emulation.checks.registry import (
    Candidate,
    Evaluation,
    NotEvaluatedError,
    evaluate,
    evaluated_checks,
    required_permissions,
)
from ddreport.emulation.checks.view import StateView, Window

MODULES = (account, certificates, connected, policies)

__all__ = [
    "MODULES",
    "Candidate",
    "Evaluation",
    "NotEvaluatedError",
    "StateView",
    "Window",
    "evaluate",
    "evaluated_checks",
    "required_permissions",
]
