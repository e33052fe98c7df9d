"""Colours: apart for everybody, visible on the page, never the only cue."""

from __future__ import annotations

import re
from importlib import resources
from itertools import combinations

import numpy as np
import pytest

from ddreport.presentation import palette
from ddreport.terms import Severity

# Machado, Oliveira and Fernandes 2009, full severity, for linear RGB.
VISION = {
    "full": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritan": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
TO_LMS = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
TO_LAB = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return TO_LAB @ np.cbrt(TO_LMS @ np.clip(rgb, 0, 1))


def contrast(one: str, other: str) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted([float(linear(one) @ weights), float(linear(other) @ weights)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_severities_stay_apart_for_every_kind_of_colour_vision(mode: str, vision: str) -> None:
    colours = [getattr(look, mode) for look in palette.SEVERITIES.values()]
    seen = [oklab(VISION[vision] @ linear(c)) for c in colours]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.11


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_states_stay_apart_for_every_kind_of_colour_vision(mode: str, vision: str) -> None:
    # Waiting and running share a colour and differ in pattern: to a reader both mean "not yet". So do cancelled and
    # unknown; a check that was not run is all but empty.
    states = [look for name, look in palette.STATES.items() if name not in ("RUNNING", "NOT_RUN", "UNKNOWN")]
    seen = [oklab(VISION[vision] @ linear(getattr(look, mode))) for look in states]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.1


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_severities_stand_out_from_the_page(mode: str) -> None:
    for look in palette.SEVERITIES.values():
        assert contrast(getattr(look, mode), palette.PAPER[mode]) >= 3


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("tone", ["INK", "MUTED", "ACCENT", "WARNING"])
def test_text_can_be_read_on_the_page(tone: str, mode: str) -> None:
    assert contrast(getattr(palette, tone)[mode], palette.PAPER[mode]) >= 4.5


def test_every_severity_of_aws_has_a_look_of_its_own() -> None:
    assert list(palette.SEVERITIES) == list(Severity)
    assert len({look.symbol for look in palette.SEVERITIES.values()}) == 4
    assert len({look.pattern for look in palette.SEVERITIES.values()}) == 4


def test_every_state_has_a_symbol_of_its_own() -> None:
    symbols = [look.symbol for look in palette.STATES.values()]
    assert len(set(symbols)) == len(symbols)


def test_a_light_colour_has_one_dark_counterpart() -> None:
    pairs = {(look.light, look.dark) for look in (*palette.SEVERITIES.values(), *palette.STATES.values())}
    pairs |= set(palette.SERIES)
    for tone in ("INK", "MUTED", "RULE", "PAPER", "ACCENT", "ACCENT_WASH", "COVERAGE", "WARNING"):
        pairs.add((getattr(palette, tone)["light"], getattr(palette, tone)["dark"]))
    assert len({light for light, _ in pairs}) == len(pairs)
    assert pairs <= set(palette.dark_of().items())


def test_the_style_sheet_uses_the_same_colours() -> None:
    css = resources.files("ddreport.presentation").joinpath("style", "report.css").read_text(encoding="utf-8")
    tokens = dict(re.findall(r"--dd-([a-z-]+): light-dark\(([^)]*)\)", css))
    for name, look in palette.SEVERITIES.items():
        assert tokens[name.lower()] == f"{look.light}, {look.dark}"
    for name, tone in {"ink": palette.INK, "muted": palette.MUTED, "paper": palette.PAPER}.items():
        assert tokens[name] == f"{tone['light']}, {tone['dark']}"
