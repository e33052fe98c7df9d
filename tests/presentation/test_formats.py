"""Numbers, times and words for people: the same on every machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from ddreport.presentation import formats
from ddreport.terms import Severity

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def test_a_time_is_written_in_utc() -> None:
    assert formats.time(AT) == "2 Mar 2026 09:15 UTC"


def test_a_time_in_another_zone_is_turned_to_utc() -> None:
    assert formats.time(datetime(2026, 3, 2, 0, 5, tzinfo=timezone(timedelta(hours=2)))) == "1 Mar 2026 22:05 UTC"


def test_a_pandas_time_is_written_like_any_other() -> None:
    assert formats.time(pd.Timestamp(AT)) == "2 Mar 2026 09:15 UTC"


def test_a_time_without_a_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        formats.time(AT.replace(tzinfo=None))


@pytest.mark.parametrize("missing", [None, pd.NaT])
def test_a_missing_time_is_a_dash(missing: datetime | None) -> None:
    assert formats.time(missing) == "–"
    assert formats.date(missing) == "–"


def test_a_span_names_both_days_or_the_one() -> None:
    assert formats.span(AT - timedelta(days=90), AT) == "2 Dec 2025 – 2 Mar 2026"
    assert formats.span(AT, AT) == "2 Mar 2026"
    assert formats.span(None, AT) == "until 2 Mar 2026"


def test_thousands_have_commas() -> None:
    assert formats.count(1234567) == "1,234,567"
    assert formats.count(pd.NA) == "–"


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0, "0%"), (1, "100%"), (0.625, "63%"), (0.9999, ">99%"), (0.0001, "<1%"), (float("nan"), "–"), (0.995, ">99%")],
)
def test_a_share_never_claims_all_or_nothing_falsely(fraction: float, shown: str) -> None:
    assert formats.percent(fraction) == shown


def test_one_is_singular_and_all_else_plural() -> None:
    assert formats.plural(1, "audit") == "1 audit"
    assert formats.plural(0, "audit") == "0 audits"
    assert formats.plural(2, "policy", "policies") == "2 policies"


def test_a_change_is_said_in_words() -> None:
    assert [formats.change(5, 2), formats.change(2, 5), formats.change(2, 2), formats.change(2, None)] == [
        "up 3",
        "down 3",
        "unchanged",
        "",
    ]


def test_words_are_joined_like_a_sentence() -> None:
    assert formats.joined(["a"]) == "a"
    assert formats.joined(["a", "b", "c"]) == "a, b and c"


def test_a_check_is_shown_by_its_title() -> None:
    assert formats.check_title("LOGGING_DISABLED_CHECK") == "Logging disabled"


def test_an_unknown_check_is_shown_by_its_name_and_marked() -> None:
    assert formats.check_title("BRAND_NEW_CHECK") == "BRAND_NEW_CHECK (not in the catalogue)"


def test_every_severity_has_a_label_with_a_symbol() -> None:
    assert [formats.severity_label(s) for s in Severity] == ["◆ Critical", "▲ High", "● Medium", "○ Low"]


def test_an_unknown_severity_or_state_is_shown_by_its_name() -> None:
    assert formats.severity_label("URGENT") == "? URGENT"
    assert formats.state_label("NEW\u202eSTATE", symbol=False) == "NEW\\u202eSTATE"


def test_aws_words_are_put_into_plain_ones() -> None:
    assert formats.task_type_label("ON_DEMAND_AUDIT_TASK") == "on demand"
    assert formats.task_status_label("CANCELED") == "cancelled"
    assert formats.resource_type_label("DEVICE_CERTIFICATE") == "Device certificate"
    assert formats.error_text("INSUFFICIENT_PERMISSIONS") == "the audit role lacks a permission"
    assert formats.resource_type_label("BRAND_NEW") == "BRAND_NEW"
