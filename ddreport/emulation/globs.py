"""Patterns of AWS policies: `*` matches any run of characters, `?` one, everything else itself; `${…}` is a variable.

A pattern is compiled once and asked three questions: does it match this text, does it match some text that begins like
this, and does it match everything that another pattern matches. All run in linear space and without backtracking, so
that no policy document can make them slow.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ANY: Final = "*"
ONE: Final = "?"

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_ESCAPES = {"*": "*", "?": "?", "$": "$"}


class Value(Enum):
    """A value of a policy variable that is not one text."""

    ANY = "any"
    """The caller chooses it freely."""


class Glob:
    """A compiled pattern.

    Attributes
    ----------
    tokens
        The pattern as (kind, character): kind `*` any run, `?` one character, empty for the character itself.
    """

    __slots__ = ("_characters", "_first", "_last", "_ones", "_stars", "tokens")

    def __init__(self, tokens: tuple[tuple[str, str], ...]) -> None:
        self.tokens = tokens
        self._characters: dict[str, int] = {}
        self._stars = self._ones = 0
        for position, (kind, character) in enumerate(tokens):
            bit = 1 << position
            if kind == ANY:
                self._stars |= bit
            elif kind == ONE:
                self._ones |= bit
            else:
                self._characters[character] = self._characters.get(character, 0) | bit
        self._last = 1 << len(tokens)
        self._first = self._skip_stars(1)

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches."""
        return bool(self._run(text) & self._last)

    def matches_some_with_prefix(self, prefix: str) -> bool:
        """Whether some text that begins with `prefix` matches."""
        # What is left of a pattern can always be completed, so having survived the prefix is enough.
        return bool(self._run(prefix))

    def covers(self, other: Glob) -> bool:
        """Whether everything that `other` matches is matched here too (never wrongly True)."""
        states = self._first
        for kind, character in other.tokens:
            if kind == ANY:
                states &= self._stars  # only a star takes any run of characters
            elif kind == ONE:
                states = self._step(states, self._ones)
            else:
                states = self._step(states, self._ones | self._characters.get(character, 0))
            states = self._skip_stars(states)
            if not states:
                return False
        return bool(states & self._last)

    def _run(self, text: str) -> int:
        # The set of pattern positions that may come next, as the bits of an integer.
        states = self._first
        for character in text:
            states = self._skip_stars(self._step(states, self._ones | self._characters.get(character, 0)))
            if not states:
                return 0
        return states

    def _step(self, states: int, accepting: int) -> int:
        return ((states & accepting) << 1) | (states & self._stars)

    def _skip_stars(self, states: int) -> int:
        # A star may stand for nothing; stars in a row are joined when compiling, so once is enough.
        return states | ((states & self._stars) << 1)


@lru_cache(maxsize=65_536)
def compile_glob(pattern: str, *, wildcards: str = "") -> Glob:
    """Compile a pattern without variables; each character of `wildcards` counts as `*` too."""
    tokens: list[tuple[str, str]] = []
    for character in pattern:
        kind = ANY if character in wildcards else character if character in (ANY, ONE) else ""
        _append(tokens, kind, character)
    return Glob(tuple(tokens))


def compile_with_variables(
    pattern: str, value_of: Callable[[str], str | Value | None], *, wildcards: str = ""
) -> Glob | None:
    """Compile a pattern with variables such as `${iot:ClientId}`.

    Parameters
    ----------
    pattern
        The pattern; `${*}`, `${?}` and `${$}` stand for the plain characters.
    value_of
        Gives the value of a variable, in which `*` and `?` are plain characters; None where there is no value;
        `Value.ANY` for a value that may be anything.
    wildcards
        Characters that count as `*` too, outside of values.

    Returns
    -------
    Glob or None
        None when a variable has no value: such a pattern matches nothing.
    """
    tokens: list[tuple[str, str]] = []
    end = 0
    for found in _VARIABLE.finditer(pattern):
        _append_pattern(tokens, pattern[end : found.start()], wildcards)
        end = found.end()
        name = found[1]
        value = _ESCAPES[name] if name in _ESCAPES else value_of(name.strip())
        if value is None:
            return None
        if isinstance(value, Value):
            _append(tokens, ANY, ANY)
        else:
            for character in value:
                _append(tokens, "", character)
    _append_pattern(tokens, pattern[end:], wildcards)
    return Glob(tuple(tokens))


def has_wildcard(pattern: str) -> bool:
    """Whether the pattern, without its variables, has a `*` or `?`."""
    plain = _VARIABLE.sub("", pattern)
    return ANY in plain or ONE in plain


def _append_pattern(tokens: list[tuple[str, str]], text: str, wildcards: str) -> None:
    for character in text:
        _append(tokens, ANY if character in wildcards else character if character in (ANY, ONE) else "", character)


def _append(tokens: list[tuple[str, str]], kind: str, character: str) -> None:
    if kind == ANY and tokens and tokens[-1][0] == ANY:
        return
    tokens.append((kind, character))
