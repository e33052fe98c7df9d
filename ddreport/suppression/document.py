"""A YAML document as nodes that know their line; values stay the text that somebody wrote.

YAML would make a number of an account id, a date of a day and a flag of `no`. Here every value is text, and the reader
of the file decides what it must be. Built from parser events and not with a composer, whose recursion a file of many
brackets can drive into the end of the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ddreport.errors import SuppressionFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 8_000_000
"""Size of a file that is read: some 20,000 rules."""

_MOST_DEPTH = 12
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True)
class Scalar:
    """One value; `text` is empty where nothing was written."""

    text: str
    line: int


@dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    line: int


@dataclass(frozen=True)
class Table:
    """A mapping; keys that were written twice are in `pairs` twice."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int


Node: TypeAlias = "Scalar | Items | Table"


def parse_document(text: str, *, source: str) -> Node | None:
    """Return the only document of a YAML text; None for an empty one.

    Raises
    ------
    SuppressionFileError
        The text is no YAML, holds several documents, or is nested or long beyond reason.
    """
    import yaml

    if len(text) > MOST_BYTES:
        raise SuppressionFileError(f"{source} has {len(text):,} characters; at most {MOST_BYTES:,} are read.")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(source).build(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        said = getattr(exc, "problem", None) or str(exc).splitlines()[0]
        raise SuppressionFileError(
            f"{source}: {where}this is no YAML: {said}.",
            hint="a text with a colon, a # or a leading * or @ must stand in quotes.",
        ) from exc


class _Builder:
    """Puts events together to nodes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._anchors: dict[str, Node] = {}

    def build(self, events: Iterator[Any]) -> Node | None:
        import yaml

        root: Node | None = None
        open_nodes: list[tuple[Any, list[Node]]] = []
        node: Node
        for event in events:
            anchor: str | None = None
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise self._error(event, "only one document may be in the file")
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) >= _MOST_DEPTH:
                    raise self._error(event, f"values lie in one another more than {_MOST_DEPTH} deep")
                open_nodes.append((event, []))
                continue
            if isinstance(event, yaml.CollectionEndEvent):
                began, children = open_nodes.pop()
                node, anchor = self._collection(began, children), began.anchor
            elif isinstance(event, yaml.ScalarEvent):
                nothing = event.implicit[0] and event.value in _NOTHING
                node, anchor = Scalar("" if nothing else event.value, _line(event)), event.anchor
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self._anchors:
                    raise self._error(event, f"*{event.anchor} refers to nothing that stands before it")
                node = self._anchors[event.anchor]
            else:
                continue
            if anchor is not None:
                self._anchors[anchor] = node
            if open_nodes:
                open_nodes[-1][1].append(node)
            else:
                root = node
        return root

    def _collection(self, began: Any, children: list[Node]) -> Node:
        import yaml

        line = _line(began)
        if isinstance(began, yaml.SequenceStartEvent):
            return Items(tuple(children), line)
        pairs = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise self._error(began, "a key must be a word")
            pairs.append((key, value))
        return Table(tuple(pairs), line)

    def _error(self, event: Any, what: str) -> SuppressionFileError:
        return SuppressionFileError(f"{self._source}: line {_line(event)}: {what}.")


def _line(event: Any) -> int:
    number: int = event.start_mark.line
    return number + 1
