"""What is news, and in which words: from literal problems."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from ddreport.errors import InputError
from ddreport.history import PROBLEMS
from ddreport.notification.baseline import Baseline, make_baseline
from ddreport.notification.channels import Mail, Webhook
from ddreport.notification.message import make_message
from ddreport.notification.news import Kind, find_news

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def problems(**states):
    """Problems by the first digit of their ids: state, or (state, how often reopened, severity)."""
    rows = []
    for key, value in states.items():
        state, again, severity = value if isinstance(value, tuple) else (value, 0, "HIGH")
        row = dict.fromkeys(PROBLEMS.column_names)
        for column in PROBLEMS.columns:
            if column.dtype == "datetime64[us, UTC]":
                row[column.name] = NOW
            elif column.dtype == "Int64":
                row[column.name] = 0
            elif column.dtype == "float64":
                row[column.name] = 0.0
            elif column.dtype == "boolean":
                row[column.name] = False
        row |= {
            "problem_id": (key * 64)[:64],
            "account": "111122223333",
            "region": "eu-west-1",
            "check_name": "LOGGING_DISABLED_CHECK",
            "resource_type": "ACCOUNT_SETTINGS",
            "resource_id": f"r-{key}",
            "reason_code": "LOGGING_DISABLED",
            "state": state,
            "reopened_count": again,
            "severity": severity,
        }
        rows.append({k: "x" if v is None else v for k, v in row.items()})
    return PROBLEMS.conform(pd.DataFrame(rows, columns=PROBLEMS.column_names))


def baseline(table, rate=0.5, overdue=0):
    return make_baseline(table, as_of=NOW, compliance_rate=rate, overdue=overdue)


def news(before, after, **numbers):
    earlier, later = problems(**before), problems(**after)
    return find_news(baseline(earlier), baseline(later, **numbers), later)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({}, {"a": "NEW"}, Kind.NEW),
        ({"a": "OPEN"}, {"a": "RESOLVED"}, Kind.RESOLVED),
        ({"a": "RESOLVED"}, {"a": ("REOPENED", 1, "HIGH")}, Kind.REOPENED),
        ({"a": "OPEN"}, {"a": ("OPEN", 1, "HIGH")}, Kind.REOPENED),
        ({"a": "SUPPRESSED"}, {"a": "OPEN"}, Kind.UNSUPPRESSED),
        ({"a": "OPEN"}, {"a": "UNKNOWN"}, Kind.UNKNOWN),
        ({"a": "OPEN"}, {"a": "SUPPRESSED"}, Kind.SUPPRESSED),
    ],
)
def test_each_change_has_its_word(before, after, kind):
    found = news(before, after)
    assert [item.kind for item in found.items] == [kind]
    assert found.is_worse == kind.is_worse
    assert found.is_better == (kind is Kind.RESOLVED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": "OPEN"}, {"a": "OPEN"}),
        ({}, {"a": "RESOLVED"}),
        ({"a": "RESOLVED"}, {"a": "RESOLVED"}),
        ({}, {"a": "SUPPRESSED"}),
    ],
)
def test_what_is_as_it_was_told_is_no_news(before, after):
    found = news(before, after)
    assert (found.items, found.is_worse, found.is_better) == ((), False, False)


def test_rate_and_overdue_are_news_by_themselves():
    worse, better = news({}, {}, rate=0.4), news({}, {}, rate=0.6)
    assert (worse.is_worse, worse.is_better, better.is_worse, better.is_better) == (True, False, False, True)
    assert news({}, {}, overdue=1).is_worse
    assert not news({}, {}, rate=None).is_worse


def test_the_baseline_survives_json_and_damage_is_refused():
    table = problems(a="OPEN", b=("SUPPRESSED", 2, "LOW"), c="RESOLVED")
    kept = baseline(table)
    assert Baseline.from_json(kept.as_json()) == kept
    assert len(kept.problems) == 2
    for wrong in (None, {}, {**kept.as_json(), "problems": {"a": ["SLEEPING", 0]}}):
        with pytest.raises(InputError):
            Baseline.from_json(wrong)


def test_the_message_names_the_worst_first_and_is_harmless():
    later = problems(a=("NEW", 0, "LOW"), b=("NEW", 0, "CRITICAL"), c="RESOLVED")
    later.loc[1, "resource_id"] = "evil\x1b[31m\nBcc: x@example.com"
    earlier = problems(c="OPEN")
    found = find_news(baseline(earlier, 0.5, 1), baseline(later, 0.25, 2), later)
    message = make_message(found, targets=["prod"], emulated=True, report="https://example.com/r.html")
    assert message.subject == "[emulated] Device Defender prod: worse and better (2 new, 1 resolved)"
    assert message.data["counts"] == {"new": {"CRITICAL": 1, "LOW": 1}, "resolved": {"HIGH": 1}}
    assert [item["severity"] for item in message.data["items"]] == ["CRITICAL", "LOW", "HIGH"]
    assert "compliant checks: 50% before, 25% now" in message.text
    assert "overdue problems: 1 before, 2 now" in message.text
    assert "\x1b" not in message.text
    assert "\nBcc" not in message.text
    again = make_message(found, targets=["prod"], emulated=True, report="elsewhere")
    assert again.id == message.id


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://localhost/", "https://u:p@example.com/", "x"])
def test_a_webhook_without_encryption_or_with_a_password_is_refused(url):
    with pytest.raises(InputError) as refused:
        Webhook(url)
    assert url not in str(refused.value) or url == "x"


def test_secrets_are_not_shown():
    hook = Webhook("https://hooks.example.com/services/T0/SECRET")
    mail = Mail("a@example.com", "b@example.com", "mail.example.com", user="u", password="SECRET")
    for shown in (repr(hook), hook.name, hook.key, repr(mail), mail.name, mail.key):
        assert "SECRET" not in shown
    with pytest.raises(InputError, match="belong together"):
        Mail("a@example.com", "b@example.com", "mail.example.com", user="u")
