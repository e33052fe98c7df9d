"""Single values of a rule: texts on one line, times, lists of words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ddreport.errors import InputError
from ddreport.suppression.document import Items, Scalar
from ddreport.window import parse_moment

if TYPE_CHECKING:
    from ddreport.suppression.document import Node

NEVER = "never"
_MOST_CHARACTERS = 900
_MOST_WORDS = 1_000


def text_of(key: str, node: Node | None) -> str:
    """Return a value as it was written, without space around it; empty for none."""
    if node is None:
        return ""
    if not isinstance(node, Scalar):
        raise InputError(f"{key} must be a text.")
    return node.text.strip()


def one_line(key: str, node: Node | None, *, forbidden: str = "") -> str:
    """Return a text for people; line breaks become blanks, other control characters are refused."""
    text = " ".join(text_of(key, node).split())
    hidden = next((c for c in text if not c.isprintable()), None)
    if hidden is not None:
        raise InputError(f"{key} holds the character U+{ord(hidden):04X}, which nobody can see.")
    if wrong := set(text) & set(forbidden):
        raise InputError(f"{key} holds {wrong.pop()!r}, which separates the parts of a description.")
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"{key} has {len(text):,} characters; allowed: {_MOST_CHARACTERS:,}.")
    return text


def end_of(node: Node | None) -> datetime | None:
    """Return when a rule ends; None for `never`. A date means its first moment, UTC, as in AWS's console."""
    text = text_of("expires", node)
    if text.lower() == NEVER:
        return None
    moment = parse_moment(text, "expires")
    # boto3 sends whole seconds; a fraction would differ from what AWS keeps for ever.
    return moment.replace(microsecond=0)


def review_of(node: Node | None) -> datetime | None:
    """Return the day on which somebody must look at a rule again, UTC; None for no such day."""
    text = text_of("review", node)
    if not text:
        return None
    moment = parse_moment(text, "review")
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def words(key: str, node: Node | None) -> tuple[str, ...]:
    """Return a list of words; a single one may stand without brackets."""
    if node is None or (isinstance(node, Scalar) and not node.text):
        return ()
    nodes = node.nodes if isinstance(node, Items) else (node,)
    if len(nodes) > _MOST_WORDS:
        raise InputError(f"{key} has {len(nodes):,} values; allowed: {_MOST_WORDS:,}.")
    found = [one_line(key, item) for item in nodes]
    if not all(found):
        raise InputError(f"{key} holds an empty value.")
    return tuple(dict.fromkeys(found))
