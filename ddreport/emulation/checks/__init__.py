"""The audit checks: small pure functions from the state of an account to what does not comply.

Each module registers its evaluators by check name with `registry.evaluator`; importing this package registers all, and
a test says that every check of the catalogue has one.
"""

from __future__ import annotations

from ddreport.emulation.checks import (
    account,
    certificates,
    connected,
    identity_pools,
    keys,
    policies,
    revoked,
    role_aliases,
)
from ddreport.emulation.checks.permissions import resource_of
from ddreport.emulation.checks.registry import (
    Candidate,
    Evaluation,
    evaluate,
    evaluated_checks,
    required_permissions,
)
from ddreport.emulation.checks.view import StateView, Window

MODULES = (account, certificates, connected, identity_pools, keys, policies, revoked, role_aliases)

__all__ = [
    "MODULES",
    "Candidate",
    "Evaluation",
    "StateView",
    "Window",
    "evaluate",
    "evaluated_checks",
    "required_permissions",
    "resource_of",
]
