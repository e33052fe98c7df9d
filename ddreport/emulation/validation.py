"""Requests against the service model: what the server must enforce because SDKs do not.

boto3 checks types, required members and minimums before it sends; maximums, patterns and enums go through. Here the
model's every constraint is applied, and the answer is worded like AWS's own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddreport.emulation.service_errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel

_MOST_REPORTED = 5


def validate_request(operation: OperationModel, params: dict[str, Any]) -> None:
    """Refuse a request whose members do not keep the model's constraints.

    Raises
    ------
    InvalidRequestError
        Names the first violations; values are not repeated, as they may be long or hostile.
    """
    if operation.input_shape is None:
        return
    problems = list(violations(operation.input_shape, params))
    if problems:
        count = len(problems)
        shown = "; ".join(problems[:_MOST_REPORTED])
        raise InvalidRequestError(f"{count} validation error{'s' * (count > 1)} detected: {shown}")


def violations(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """Yield one sentence per violated constraint of `shape`, depth first."""
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if value.get(name) is None:
                    yield _sentence(_join(where, name), "Member must not be null")
            for name, member in value.items():
                if name in shape.members:
                    yield from violations(shape.members[name], member, _join(where, name))
        case "list":
            yield from _size(shape, len(value), where, "length")
            for position, item in enumerate(value, start=1):
                yield from _item(shape.member, item, f"{where}.{position}.member")
        case "map":
            yield from _size(shape, len(value), where, "length")
            for key, item in value.items():
                yield from violations(shape.key, key, f"{where}.key")
                yield from _item(shape.value, item, f"{where}.{key}.value")
        case "string":
            yield from _string(shape, value, where)
        case "integer" | "long":
            yield from _size(shape, value, where, "value")


def _item(shape: Any, item: Any, where: str) -> Iterator[str]:
    if item is None:
        yield _sentence(where, "Member must not be null")
    else:
        yield from violations(shape, item, where)


def _string(shape: Any, value: str, where: str) -> Iterator[str]:
    yield from _size(shape, len(value), where, "length")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _sentence(where, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not compile_pattern(pattern).fullmatch(value):
        yield _sentence(where, f"Member must satisfy regular expression pattern: {pattern}")


def _size(shape: Any, size: int, where: str, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _sentence(where, f"Member must have {what} greater than or equal to {least}")
    if most is not None and size > most:
        yield _sentence(where, f"Member must have {what} less than or equal to {most}")


def _sentence(where: str, constraint: str) -> str:
    return f"Value at '{where}' failed to satisfy constraint: {constraint}"


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_JAVA_CLASSES = {
    r"\p{C}": r"\x00-\x1f\x7f-\x9f",
    r"\p{Cntrl}": r"\x00-\x1f\x7f",
    r"\p{Digit}": "0-9",
    r"\p{Upper}": "A-Z",
    r"\p{Graph}": r"\x21-\x7e",
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r"\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


@lru_cache(maxsize=1_024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the model, which is a Java regular expression, for a match of the whole value."""
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)
