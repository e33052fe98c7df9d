"""Hostile strings: made visible, harmless for HTML, for plotly and for a terminal."""

from __future__ import annotations

import pandas as pd
import pytest

from ddreport.presentation.text import html, plot_text, shorten, terminal, visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("pump-17", "pump-17"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u200bb\ufeffc", "a\\u200bb\\ufeffc"),
        ("\u2066iso\u2069", "\\u2066iso\\u2069"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("bell\x07\x9b31m", "bell\\x07\\x9b31m"),
        ("two\nlines\r\tmore", "two\\nlines\\r\\tmore"),
        ("line\u2028sep", "line\\u2028sep"),
        ("no\u00a0break\u3000wide", "no\\xa0break\\u3000wide"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("soft\u00adhyphen", "soft\\xadhyphen"),
        ("blank\u2800\u3164", "blank\\u2800\\u3164"),
        ("text\ufe0f", "text\\ufe0f"),
        ("\ud800", "\\ud800"),
        ("private\ue000", "private\\ue000"),
        ("Grüße مضخة 泵 ½", "Grüße مضخة 泵 ½"),
    ],
)
def test_what_hides_or_steers_becomes_visible(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


def test_heaps_of_accents_are_cut_off_from_the_lines_around() -> None:
    assert visible("a" + "\u0301" * 5) == "a\u0301\u0301\u0301\\u0301\\u0301"


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NaT, pd.NA])
def test_a_missing_value_is_a_dash(missing: object) -> None:
    assert visible(missing) == "–"


def test_numbers_are_shown_as_they_are() -> None:
    assert visible(17) == "17"


def test_long_text_is_cut_in_the_middle_to_the_width() -> None:
    assert shorten("0123456789" * 30, 11) == "01234…56789"
    assert len(shorten("x" * 300, 40)) == 40


def test_short_text_is_not_cut() -> None:
    assert shorten("pump", 4) == "pump"


def test_html_is_escaped_also_for_attributes() -> None:
    assert html('<img src=x onerror="alert(1)">\'&') == "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;&#39;&amp;"


@pytest.mark.parametrize(
    "tag", ["<b>x</b>", "<a href='javascript:alert(1)'>x</a>", "<br>", "&lt;b&gt;", "<SPAN style=x>"]
)
def test_plotly_gets_no_tag_and_no_entity_of_others(tag: str) -> None:
    shown = plot_text(tag)
    assert "<" not in shown
    assert shown.startswith(("&lt;", "&amp;"))


def test_plotly_gets_no_placeholder_of_others() -> None:
    assert "%{" not in plot_text("%{customdata}")


def test_a_terminal_gets_no_escape_sequence_and_one_line() -> None:
    assert terminal("\x1b]0;owned\x07\nrm -rf") == "\\x1b]0;owned\\x07\\nrm -rf"
    assert terminal("x" * 100, 10) == "xxxxx…xxxx"
