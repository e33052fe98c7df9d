"""Problems, the life of one, and the trend, on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
DAY = 86400


@pytest.fixture
def archive(three_days: Path) -> Path:
    return three_days


@pytest.fixture
def ask(run: Run, archive: Path) -> Run:
    # The target of a pull without a name is remembered under what was given.
    return lambda *arguments: run(*arguments, "--archive", archive, "--region", "eu-west-1")


def test_problems_are_followed_over_the_audits(ask: Run) -> None:
    rows = ask("problems", "--json", "--all").json
    assert sorted((r["state"], r["reopened_count"]) for r in rows) == [("OPEN", 0), ("REOPENED", 1), ("RESOLVED", 0)]
    assert len({r["problem_id"] for r in rows}) == 3
    assert ask("problems", "--json", "--state", "resolved").json[0]["resolved_audit_task_id"] == "2" * 32


def test_an_earlier_moment_shows_what_was_known_then(ask: Run, canned: Any) -> None:
    second = datetime.fromtimestamp(canned.TASK_START - DAY, UTC)
    for moment in ("1" * 32, second.isoformat()):
        rows = ask("problems", "--json", "--all", "--as-of", moment).json
        assert sorted(r["state"] for r in rows) == ["OPEN", "OPEN", "RESOLVED"]


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        ("yesterday", "neither a date or time nor the id of an audit"),
        ("2099-01-01", "nothing is known of 2099-01-01"),
        ("2020-01-01", "the archive begins with the audit of"),
        ("2099-01-01 00:30", "nothing is known of 2099-01-01"),
        ("1" * 31, "Did you mean"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(ask: Run, moment: str, message: str) -> None:
    ran = ask("problems", "--as-of", moment)
    assert ran.code == 2
    assert message in ran.err
    assert "Hint" in ran.err


def test_the_life_of_one_problem_names_its_audits(ask: Run) -> None:
    rows = ask("problems", "--json", "--all").json
    (again,) = [r for r in rows if r["state"] == "REOPENED"]
    life = ask("problem", again["problem_id"][:10], "--json").json
    assert [(e["first_seen_audit_task_id"][0], e["resolved_audit_task_id"]) for e in life["episodes"]] == [
        ("0", "1" * 32),
        ("2", None),
    ]
    text = ask("problem", again["problem_id"]).out
    assert "REOPENED as of" in text
    assert "1" * 32 in text


@pytest.mark.parametrize(("given", "message"), [("zz", "no problem known"), ("", "no problem known")])
def test_a_problem_that_is_not_there_is_told(ask: Run, given: str, message: str) -> None:
    ran = ask("problem", given)
    assert ran.code == 2
    assert message in ran.err


def test_the_trend_counts_what_came_and_went(ask: Run) -> None:
    rows = ask("trend", "--by", "day", "--json").json
    events = [(r["new_count"], r["reopened_count"], r["resolved_count"]) for r in rows if r["full_runs_count"]]
    assert events == [(3, 0, 0), (0, 0, 1), (0, 1, 1)]
    assert rows[-1]["open_count"] == 2
    assert rows[-1]["compliance_rate"] == 0
    assert "0 of 1, 0%" in ask("trend", "--by", "day").out
    assert ask("trend", "--by", "decade").code == 2


def test_a_check_that_the_archive_does_not_have_is_told(ask: Run) -> None:
    ran = ask("problems", "--check", "DEVICE_CERTIFICATE_EXPIRY_CHECK")
    assert ran.code == 2
    assert "DEVICE_CERTIFICATE_EXPIRING_CHECK" in ran.err


def test_an_unknown_engine_is_told(ask: Run) -> None:
    ran = ask("problems", "--engine", "duckduck")
    assert ran.code == 2
    assert "duckdb" in ran.err


def test_another_engine_gives_the_same(ask: Run) -> None:
    ours = ask("problems", "--json", "--all", "--engine", "pandas").json
    assert ours == ask("problems", "--json", "--all").json


def test_two_moments_are_compared(ask: Run) -> None:
    rows = ask("compare", "0" * 32, "1" * 32, "--json").json
    assert [r["change"] for r in rows] == ["RESOLVED"]
    everything = ask("compare", "0" * 32, "1" * 32, "--json", "--unchanged").json
    assert sorted(r["change"] for r in everything) == ["RESOLVED", "STILL_OPEN", "STILL_OPEN"]
    later = ask("compare", "1" * 32).out
    assert "1 reopened" in later
    assert "1 resolved" in later


@pytest.mark.parametrize("moments", [("2" * 32, "0" * 32), ("1" * 32, "1" * 32)])
def test_a_comparison_goes_forward_in_time(ask: Run, moments: tuple[str, str]) -> None:
    ran = ask("compare", *moments)
    assert ran.code == 2
    assert "is not before" in ran.err


def test_due_times_follow_the_policy(ask: Run) -> None:
    assert ask("problems", "--overdue", "--json").json == []
    late = ask("problems", "--overdue", "--json", "--sla", "medium=1").json
    assert [(r["due_status"], r["due_time"][:10]) for r in late] == [("BREACHED", late[0]["due_time"][:10])]
    assert late[0]["state"] == "OPEN"
    assert " overdue" in ask("problems", "--sla", "medium=1").out
    wrong = ask("problems", "--sla", "urgent=1")
    assert wrong.code == 2
    assert "urgent" in wrong.err.lower()


def test_a_date_ends_before_the_next_day_begins(run: Run, canned: Any, tmp_path: Path) -> None:
    account = canned.CannedAccount()
    account.configuration = {"auditCheckConfigurations": {"DEVICE_CERTIFICATE_EXPIRING_CHECK": {"enabled": True}}}
    midnight = int(canned.TASK_START // DAY * DAY)
    for number in range(2):  # the second audit begins at the first moment of a day
        findings = [canned.certificate_finding(n, f"{number}" * 32) for n in range(1, 2 + number)]
        account.add_audit(f"{number}" * 32, findings, taskStartTime=midnight - DAY * (1 - number))
    with canned.CannedServer(account) as server:
        options = ["--endpoint-url", server.endpoint, "--region", "eu-west-1", "--archive", tmp_path / "archive"]
        assert run("pull", *options).code == 0
    place = ["--region", "eu-west-1", "--archive", tmp_path / "archive"]
    eve = f"{datetime.fromtimestamp(midnight - DAY, UTC):%Y-%m-%d}"
    ran = run("problems", *place, "--as-of", eve, "--all", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.json) == 1
    assert len(run("problems", *place, "--all", "--json").json) == 2
    rows = run("trend", *place, "--start", eve, "--end", eve, "--by", "day", "--json").json
    assert [(r["open_count"], r["new_count"]) for r in rows] == [(1, 1)]


def test_a_trend_from_before_the_first_audit_says_that_nothing_was_known(ask: Run) -> None:
    rows = ask("trend", "--by", "day", "--start", "2025-01-01", "--json").json
    first = next(n for n, r in enumerate(rows) if r["full_runs_count"])
    assert first > 5
    assert {(r["open_count"], r["posture_score"], r["known_checks_count"]) for r in rows[:first]} == {(None, None, 0)}
    assert [r["open_count"] for r in rows[first:] if r["full_runs_count"]] == [3, 2, 2]
    assert all(r["posture_score"] is not None for r in rows[first:])
    assert "nothing known" in ask("trend", "--by", "day", "--start", "2025-01-01").out


def test_no_check_is_dropped_silently(ask: Run) -> None:
    ran = ask("problems", "--check", "DEVICE_CERTIFICATE_EXPIRING_CHECK", "--check", "NOPE")
    assert ran.code == 2
    assert "'NOPE'" in ran.err


def test_an_unknown_engine_is_refused_even_if_nothing_is_left_to_reduce(ask: Run) -> None:
    assert ask("problems").code == 0
    assert ask("problems", "--engine", "nonsense").code == 2
