"""Strings from outside, made harmless and visible for people.

Names, policies, client ids and certificate subjects are written by whoever owns a device. They may carry HTML, terminal
commands, direction overrides that make `gpj.exe` read `exe.jpg`, or characters that cannot be seen. Every string goes
through one function of this module at the edge where it is shown.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import markupsafe

MISSING: Final = "–"
"""Shown where there is no value."""

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# Letters and marks by their category, yet without any ink of their own.
_INKLESS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")

# Control, format (bidi, zero width, tags), private use, surrogates, unassigned, and all separators but the space.
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs"})

_MAX_MARKS: Final = 3
"""Accents on one letter that any living script needs; more only pile up over the neighbouring lines."""


def _is_hidden(char: str) -> bool:
    if char == " ":
        return False
    if char in _INKLESS or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return True
    return unicodedata.category(char) in _HIDDEN_CATEGORIES


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible(text: object) -> str:
    r"""Return `text` on one line, with every character that hides or steers shown as an escape such as `\u202e`.

    Missing values (None, NaN, NaT, `pd.NA`) become an en dash. Right-to-left scripts and accents stay as they are.

    Examples
    --------
    >>> visible("pump\u202e01\x1b[2J")
    'pump\\u202e01\\x1b[2J'
    """
    if is_missing(text):
        return MISSING
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    out: list[str] = []
    marks = 0
    for char in plain:
        marks = marks + 1 if unicodedata.combining(char) else 0
        out.append(_escaped(char) if marks > _MAX_MARKS or _is_hidden(char) else char)
    return "".join(out)


def is_missing(value: object) -> bool:
    """Whether `value` is None, NaN, NaT or `pd.NA`, without asking pandas."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value  # noqa: PLR0124  # only NaN differs from itself
    return type(value).__name__ in {"NaTType", "NAType"}


def shorten(text: object, width: int) -> str:
    """Return `visible(text)` in at most `width` characters, cut in the middle: both ends of an id tell it apart.

    Examples
    --------
    >>> shorten("arn:aws:iot:eu-west-1:111122223333:cert/abcdef", 21)
    'arn:aws:io…ert/abcdef'
    """
    shown = visible(text)
    if len(shown) <= width:
        return shown
    keep = max(width - 1, 2)
    head = (keep + 1) // 2
    return f"{shown[:head]}…{shown[len(shown) - (keep - head) :]}"


def html(text: object) -> markupsafe.Markup:
    """Return `visible(text)` escaped for HTML text and quoted attributes."""
    import markupsafe  # comes with the extra `report`; the command line shows text without it

    return markupsafe.escape(visible(text))


def plot_text(text: object, width: int | None = None) -> str:
    """Return `text` for plotly, whose labels and hovers understand a few HTML tags, entities and `%{...}`.

    Parameters
    ----------
    text
        Anything; made visible first.
    width
        Most characters shown, before escaping; None for all.
    """
    import markupsafe

    shown = visible(text) if width is None else shorten(text, width)
    return str(markupsafe.escape(shown)).replace("%{", "&#37;{")


def terminal(text: object, width: int | None = None) -> str:
    """Return `text` for a terminal: no escape sequence, no line break, at most `width` characters."""
    return visible(text) if width is None else shorten(text, width)
