"""AWS policy documents, read and decided: pure, for AWS IoT policies and for IAM policies of roles alike.

Source of the rules: the AWS IoT developer guide (policy actions, resources, variables) and the IAM reference on how
statements are evaluated: an explicit Deny wins, then an Allow, else nothing is granted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddreport.emulation.conditions import Context, holds, value_in
from ddreport.emulation.globs import ANY, ONE, Glob, compile_glob, compile_with_variables

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIABLES_SINCE = "2012-10-17"


class PolicyError(ValueError):
    """A text that is not a policy document."""


class Decision(Enum):
    """What policies say about one request."""

    ALLOWED = "allowed"
    EXPLICITLY_DENIED = "explicitly denied"
    NOT_ALLOWED = "not allowed"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; of `actions` and `not_actions` one is set, of `resources` and `not_resources` at most one."""

    allow: bool
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    principal: Any = field(default=None, hash=False)
    has_variables: bool = True

    def covers_action(self, action: str) -> bool:
        """Whether the statement speaks of `action`, such as `iot:Connect` (case does not matter)."""
        name = action.lower()
        if self.not_actions:
            return not any(_names(pattern, name) for pattern in self.not_actions)
        return any(_names(pattern, name) for pattern in self.actions)

    def covers_resource(self, resource: str, context: Context) -> bool:
        """Whether the statement speaks of `resource`, with variables from `context`; one without resources does."""
        if self.not_resources:
            return not any(self._matches(pattern, resource, context) for pattern in self.not_resources)
        return not self.resources or any(self._matches(pattern, resource, context) for pattern in self.resources)

    def _matches(self, pattern: str, resource: str, context: Context) -> bool:
        compiled: Glob | None = compile_glob(pattern)
        if self.has_variables and "${" in pattern:
            compiled = compile_with_variables(pattern, lambda name: value_in(context, name))
        return compiled is not None and compiled.matches(resource)


def _names(pattern: str, action: str) -> bool:
    pattern = pattern.lower()
    # Most policies name actions in full: nothing to match then.
    return compile_glob(pattern).matches(action) if ANY in pattern or ONE in pattern else pattern == action


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document."""

    statements: tuple[Statement, ...]

    @property
    def allows(self) -> tuple[Statement, ...]:
        """The Allow statements."""
        return tuple(s for s in self.statements if s.allow)

    @property
    def denies(self) -> tuple[Statement, ...]:
        """The Deny statements."""
        return tuple(s for s in self.statements if not s.allow)


def decide(policies: Iterable[Policy], action: str, resource: str, context: Context | None = None) -> Decision:
    """Decide one request.

    Parameters
    ----------
    policies
        All that apply to the principal.
    action, resource
        Such as `iot:Publish` and `arn:aws:iot:eu-west-1:123456789012:topic/plant/7`. For Subscribe the resource is
        the filter that the client asks for: `+` and `#` are plain characters.
    context
        Values of variables and condition keys (`conditions.make_context`).
    """
    context = context or {}
    allowed = False
    for policy in policies:
        for statement in policy.statements:
            if (
                statement.covers_action(action)
                and statement.covers_resource(resource, context)
                and holds(statement.conditions, context)
            ):
                if not statement.allow:
                    return Decision.EXPLICITLY_DENIED
                allowed = True
    return Decision.ALLOWED if allowed else Decision.NOT_ALLOWED


def parse_policy(document: str | dict[str, Any]) -> Policy:
    """Read a policy document, as JSON text or decoded.

    Raises
    ------
    PolicyError
        Not JSON, or not of the form of a policy.
    """
    return _parse_text(document if isinstance(document, str) else json.dumps(document, sort_keys=True))


@lru_cache(maxsize=16_384)
def _parse_text(text: str) -> Policy:
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise PolicyError(f"the policy document is not JSON: {exc}") from exc
    except RecursionError:
        raise PolicyError("the policy document is nested too deeply") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise PolicyError("a policy document is an object with a member Statement")
    statements = document["Statement"]
    has_variables = document.get("Version") == _VARIABLES_SINCE
    items = statements if isinstance(statements, list) else [statements]
    return Policy(tuple(_statement(raw, has_variables=has_variables) for raw in items))


def _statement(raw: Any, *, has_variables: bool) -> Statement:
    if not isinstance(raw, dict):
        raise PolicyError("a statement is an object")
    effect = raw.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"Effect is {effect!r}; allowed: Allow, Deny")
    if ("Action" in raw) == ("NotAction" in raw):
        raise PolicyError("a statement has one of Action and NotAction")
    if "Resource" in raw and "NotResource" in raw:
        raise PolicyError("a statement has at most one of Resource and NotResource")
    conditions = raw.get("Condition") or {}
    if not isinstance(conditions, dict) or not all(isinstance(keys, dict) for keys in conditions.values()):
        raise PolicyError("Condition is an object of operators, each with an object of keys")
    return Statement(
        allow=effect == "Allow",
        actions=_patterns(raw, "Action"),
        not_actions=_patterns(raw, "NotAction"),
        resources=_patterns(raw, "Resource"),
        not_resources=_patterns(raw, "NotResource"),
        conditions=conditions,
        principal=raw.get("Principal"),
        has_variables=has_variables,
    )


def _patterns(raw: dict[str, Any], member: str) -> tuple[str, ...]:
    value = raw.get(member, [])
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items) or (member in raw and not items):
        raise PolicyError(f"{member} is a text or a list of texts")
    return tuple(items)
