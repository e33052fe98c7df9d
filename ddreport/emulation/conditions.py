"""Conditions of policy statements: operators on keys of the request's context.

Covers the operators that policies of roles and of AWS IoT use; an operator that is not known makes its statement not
apply, as an unknown condition must not grant anything.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ddreport.emulation.globs import compile_with_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Context = dict[str, tuple[str, ...]]
"""Values of the request by condition key in lower case, as keys are compared without case."""


def make_context(values: Mapping[str, str | bool | tuple[str, ...]]) -> Context:
    """Return a context from plain values."""
    context: Context = {}
    for key, value in values.items():
        context[key.lower()] = value if isinstance(value, tuple) else as_texts(value)
    return context


def as_texts(value: Any) -> tuple[str, ...]:
    """Return one value or a list of them as texts, as policies write both."""
    items = value if isinstance(value, list) else [value]
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in items)


def holds(conditions: Mapping[str, Any], context: Context) -> bool:
    """Whether all conditions of a statement are met."""
    return all(
        _operator_holds(operator, str(key).lower(), as_texts(allowed), context)
        for operator, keys in conditions.items()
        for key, allowed in keys.items()
    )


def _operator_holds(operator: str, key: str, allowed: tuple[str, ...], context: Context) -> bool:
    scope, _, plain = operator.rpartition(":")
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    values = context.get(key)
    if plain == "Null":
        return (values is None) == (allowed == ("true",))
    negated, test = _TESTS.get(plain, (False, None))
    if test is None:
        return False
    if values is None:
        # A missing key meets what is negated, what asks only if it exists, and what asks for all of none.
        return if_exists or negated or scope == "ForAllValues"

    def meets(value: str) -> bool:
        found = any(test(value, wanted, context) for wanted in allowed)
        return not found if negated else found

    return any(map(meets, values)) if scope == "ForAnyValue" else all(map(meets, values))


def _equal(value: str, wanted: str, context: Context) -> bool:
    return value == _substituted(wanted, context)


def _equal_ignoring_case(value: str, wanted: str, context: Context) -> bool:
    return value.casefold() == _substituted(wanted, context).casefold()


def _like(value: str, wanted: str, context: Context) -> bool:
    pattern = compile_with_variables(wanted, lambda name: value_in(context, name))
    return pattern is not None and pattern.matches(value)


def _arn_like(value: str, wanted: str, context: Context) -> bool:
    # Each of the six parts of an ARN is matched by itself.
    parts, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) and all(map(_like, parts, patterns, [context] * len(parts)))


def _bool(value: str, wanted: str, context: Context) -> bool:
    del context
    return value.lower() == wanted.lower()


def _in_network(value: str, wanted: str, context: Context) -> bool:
    del context
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str, Context], bool]:
    def test(value: str, wanted: str, context: Context) -> bool:
        del context
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return test


def value_in(context: Context, name: str) -> str | None:
    """Return the one value of a policy variable; None when it has none or several."""
    values = context.get(name.lower(), ())
    return values[0] if len(values) == 1 else None


def _substituted(wanted: str, context: Context) -> str:
    pattern = compile_with_variables(wanted, lambda name: value_in(context, name))
    return "".join(character for _, character in pattern.tokens) if pattern is not None else wanted


_TESTS: dict[str, tuple[bool, Callable[[str, str, Context], bool]]] = {
    "StringEquals": (False, _equal),
    "StringNotEquals": (True, _equal),
    "StringEqualsIgnoreCase": (False, _equal_ignoring_case),
    "StringNotEqualsIgnoreCase": (True, _equal_ignoring_case),
    "StringLike": (False, _like),
    "StringNotLike": (True, _like),
    "ArnEquals": (False, _arn_like),
    "ArnLike": (False, _arn_like),
    "ArnNotEquals": (True, _arn_like),
    "ArnNotLike": (True, _arn_like),
    "Bool": (False, _bool),
    "IpAddress": (False, _in_network),
    "NotIpAddress": (True, _in_network),
    "NumericEquals": (False, _number(lambda a, b: a == b)),
    "NumericNotEquals": (True, _number(lambda a, b: a == b)),
    "NumericLessThan": (False, _number(lambda a, b: a < b)),
    "NumericLessThanEquals": (False, _number(lambda a, b: a <= b)),
    "NumericGreaterThan": (False, _number(lambda a, b: a > b)),
    "NumericGreaterThanEquals": (False, _number(lambda a, b: a >= b)),
}
"""Operator to (negated, test of one value against one allowed value)."""
