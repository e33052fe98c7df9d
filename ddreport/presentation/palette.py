"""Colours, symbols and patterns: one place, in a light and a dark set.

Chosen so that any two severities, and any two states, stay apart for people with protan, deutan or tritan vision, and
against the page (a test computes it). Colour never speaks alone: each has a symbol for text and a pattern for areas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ddreport.terms import Severity


@dataclass(frozen=True)
class Look:
    """How one severity or state looks.

    Attributes
    ----------
    label
        Its name for people.
    symbol
        One character, shown beside the label.
    light, dark
        Fill on a light and on a dark page, `#rrggbb`.
    pattern
        Plotly's pattern for areas and bars; empty for a plain fill.
    """

    label: str
    symbol: str
    light: str
    dark: str
    pattern: str = ""


SEVERITIES: Final[dict[str, Look]] = {
    Severity.CRITICAL: Look("Critical", "◆", "#6b1236", "#faaed5"),
    Severity.HIGH: Look("High", "▲", "#b5402a", "#c94a13", "/"),
    Severity.MEDIUM: Look("Medium", "●", "#c8842b", "#b5a151", "."),
    Severity.LOW: Look("Low", "○", "#6b8bb4", "#4777a3", "-"),
}
"""Look by severity, most severe first."""

STATES: Final[dict[str, Look]] = {
    "COMPLIANT": Look("Compliant", "✓", "#7fb5b8", "#37707f"),
    "NON_COMPLIANT": Look("Non-compliant", "✕", "#b03020", "#f2694a"),
    "FAILED": Look("Check failed", "!", "#46348f", "#c0abfa", "x"),
    "CANCELED": Look("Cancelled", "–", "#777a7e", "#889098", "-"),
    "WAITING": Look("Waiting for data", "…", "#be9b1e", "#e6de94", "."),
    "RUNNING": Look("Still running", "›", "#be9b1e", "#e6de94", "/"),
    "NOT_RUN": Look("Not run", "·", "#c3c8d1", "#4a515e", "."),
    "UNKNOWN": Look("Unknown status", "?", "#777a7e", "#889098", "+"),
}
"""Look by the state of a check in one audit, in the order of a legend."""

INK: Final = {"light": "#1c2129", "dark": "#e7e9ee"}
MUTED: Final = {"light": "#5a6270", "dark": "#a6aebb"}
RULE: Final = {"light": "#dcdfe5", "dark": "#363d49"}
PAPER: Final = {"light": "#ffffff", "dark": "#171a20"}
ACCENT: Final = {"light": "#1d5c9e", "dark": "#86b6ee"}
ACCENT_WASH: Final = {"light": "rgba(29,92,158,0.09)", "dark": "rgba(134,182,238,0.14)"}
COVERAGE: Final = {"light": "#a9b1bd", "dark": "#5b6472"}
WARNING: Final = {"light": "#8a5a00", "dark": "#f2c14e"}

SERIES: Final = (
    ("#1d5c9e", "#86b6ee"),
    ("#b5642a", "#e9a36b"),
    ("#3f7f5f", "#82c9a3"),
    ("#7a4e9c", "#c4a1e4"),
    ("#8a7a1f", "#d8c964"),
    ("#5a6270", "#a6aebb"),
)
"""Light and dark colour of the lines where several accounts and Regions are shown; the line's name is always there."""


def severity_look(severity: str) -> Look:
    """Return the look of a severity; one that AWS may add later is shown by its own name."""
    return SEVERITIES.get(severity) or _named(severity)


def state_look(state: str) -> Look:
    """Return the look of a state; an unknown one is shown by its own name."""
    return STATES.get(state) or _named(state)


def _named(word: str) -> Look:
    return replace(STATES["UNKNOWN"], label=word)


def dark_of() -> dict[str, str]:
    """Return the dark counterpart of every light colour, for redrawing a figure on a dark page."""
    pairs = {look.light: look.dark for look in (*SEVERITIES.values(), *STATES.values())}
    pairs |= dict(SERIES)
    for tone in (INK, MUTED, RULE, PAPER, ACCENT, ACCENT_WASH, COVERAGE, WARNING):
        pairs[tone["light"]] = tone["dark"]
    return dict(sorted(pairs.items()))
