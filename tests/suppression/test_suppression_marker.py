"""The description: what AWS takes, what people read, and what is found in it again."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddreport.suppression import Marker, read_marker

# A busy machine is no fault of ours.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ALLOWED = re.compile(r"[\x20-\x7e]*")
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="|"), min_size=1, max_size=60)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def test_a_description_is_readable() -> None:
    marker = Marker("fleet", "lab-shared", "fleet-team", "The benches share one", "SEC-12", "2026-08-01")
    assert marker.description() == (
        "The benches share one | owner: fleet-team | ticket: SEC-12 | review: 2026-08-01 | ddreport: fleet/lab-shared"
    )
    assert read_marker(marker.description()) == marker


@UNHURRIED
@given(name=NAMES, rule=NAMES, owner=TEXTS, reason=TEXTS, ticket=st.just("") | TEXTS)
def test_what_is_written_is_read_again(name: str, rule: str, owner: str, reason: str, ticket: str) -> None:
    marker = Marker(name, rule, owner, reason, ticket)
    assert ALLOWED.fullmatch(marker.description())
    assert read_marker(marker.description()) == marker


@pytest.mark.parametrize(
    "description",
    [None, "", "ddreport", "owner: x | ddreport: a/b", "x | owner: y | ddreport: a", "x | owner: y | ddreport: a/b c"],
)
def test_what_no_file_wrote_is_nobodys(description: str | None) -> None:
    assert read_marker(description) is None


@UNHURRIED
@given(st.text(max_size=200))
def test_any_text_of_somebody_else_is_read_without_an_error(text: str) -> None:
    read_marker(text)
    read_marker(rf"{text} | owner: \ud800 \U00110000 | review: 2026-02-31 | ddreport: a/b")
