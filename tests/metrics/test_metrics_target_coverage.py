"""Which targets were reached, and which time was never asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.errors import TableSchemaError, WindowError
from ddreport.metrics import target_coverage, target_gaps
from ddreport.metrics.coverage_of_targets import TARGET_COVERAGE, TARGET_GAPS
from ddreport.tables import pulls_table

NOW = datetime(2026, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def a_pull(days_ago, *, window=90, target="prod", account="012345678901", status="ok", **changes):
    """A pull so many days before NOW, of the audits of so many days before it; no window: nobody was reached."""
    time = NOW - days_ago * DAY
    reached = status in ("ok", "partial")
    return {
        "pulled_time": time.isoformat(),
        "pull_id": f"{days_ago}",
        "target": target,
        "account": account if reached else None,
        "region": "eu-west-1",
        "status": status,
        "window_start": (time - window * DAY).isoformat() if reached else None,
        "window_end": (time + timedelta(minutes=1)).isoformat() if reached else None,
        "audits_listed": reached,
        "missing_audits_count": 0,
        "problems": [] if status == "ok" else ["something"],
        **changes,
    }


def coverage(*records, as_of=NOW):
    return target_coverage(pulls_table(records), as_of=as_of)


def gaps(*records, as_of=NOW):
    return target_gaps(pulls_table(records), as_of=as_of)


def test_no_pull_gives_no_row():
    assert coverage().equals(TARGET_COVERAGE.empty())
    assert gaps().equals(TARGET_GAPS.empty())


def test_a_target_pulled_just_now_lacks_nothing():
    row = coverage(a_pull(0)).iloc[0]
    assert (row["status"], row["consecutive_failures_count"], row["days_since_last_success"]) == ("ok", 0, 0)
    assert (row["not_asked_days"], row["lost_days"]) == (0, 0)
    assert row["first_asked_time"] == NOW - 90 * DAY
    assert gaps(a_pull(0)).empty


def test_a_target_that_was_never_reached_has_a_row_and_a_gap_from_its_first_attempt():
    records = [a_pull(5, status="unreachable"), a_pull(3, status="no credentials")]
    row = coverage(*records).iloc[0]
    assert row[["account", "last_success_time", "first_asked_time", "days_since_last_success"]].isna().all()
    assert (row["region"], row["status"], row["consecutive_failures_count"]) == ("eu-west-1", "no credentials", 2)
    assert (row["not_asked_days"], row["lost_days"]) == (5, 0)
    message = gaps(*records)["message"].item()
    assert message == (
        "The audits of prod from 2026-06-25 00:00 to 2026-06-30 00:00 UTC were not had: 2 pulls ended with "
        "unreachable, no credentials. AWS still has them."
    )


def test_failures_after_a_success_leave_a_gap_that_the_next_success_closes():
    before = [a_pull(10), a_pull(5, status="throttled"), a_pull(2, status="throttled")]
    row = coverage(*before).iloc[0]
    assert (row["account"], row["status"], row["consecutive_failures_count"]) == ("012345678901", "throttled", 2)
    assert (row["days_since_last_success"], row["not_asked_days"]) == (10, 10)
    after = coverage(*before, a_pull(0)).iloc[0]
    assert (after["consecutive_failures_count"], after["not_asked_days"]) == (0, 0)


def test_a_gap_older_than_what_aws_keeps_is_lost_for_good():
    records = [a_pull(150), a_pull(0)]  # the second asks for 90 days
    row = coverage(*records).iloc[0]
    assert (row["not_asked_days"], row["lost_days"]) == (60, 60)
    gap = gaps(*records).iloc[0]
    assert (gap["start_time"], gap["end_time"]) == (NOW - 150 * DAY, NOW - 90 * DAY)
    assert gap["lost_until_time"] == gap["end_time"]
    assert gap["message"].endswith("AWS keeps 90 days: they are lost for good.")


def test_of_a_gap_only_what_is_older_than_ninety_days_is_lost():
    gap = gaps(a_pull(100), a_pull(60, status="no permission")).iloc[0]
    assert (gap["days"], gap["lost_days"], gap["failed_pulls_count"]) == (100, 10, 1)
    assert gap["lost_until_time"] == NOW - 90 * DAY
    assert "those before 2026-04-01 00:00 UTC are lost for good" in gap["message"]


def test_a_window_that_was_not_asked_for_is_no_failure_of_anybody():
    gap = gaps(a_pull(20), a_pull(0, window=5)).iloc[0]
    assert gap["message"] == (
        "prod was not asked for the audits from 2026-06-10 00:00 to 2026-06-25 00:00 UTC. AWS still has them."
    )


@pytest.mark.parametrize(
    "failing",
    [{"status": "partial", "audits_listed": False}, {"status": "partial", "missing_audits_count": 2}],
    ids=["not listed", "one not had"],
)
def test_a_partial_pull_counts_as_asked_only_when_all_its_audits_were_had(failing):
    row = coverage(a_pull(10), a_pull(0, **failing)).iloc[0]
    assert (row["consecutive_failures_count"], row["not_asked_days"]) == (1, 10)


def test_a_partial_pull_that_had_all_audits_lacks_no_time():
    row = coverage(a_pull(10), a_pull(0, status="partial")).iloc[0]
    assert (row["status"], row["consecutive_failures_count"], row["not_asked_days"]) == ("partial", 0, 0)


def test_nobody_can_have_asked_for_the_future():
    later = (NOW + 30 * DAY).isoformat()
    row = coverage(a_pull(10, window_end=later)).iloc[0]
    assert row["asked_until_time"] == NOW - 10 * DAY


def test_a_name_counts_for_the_account_that_it_stood_for_last():
    other = a_pull(10, account="999999999999")
    row = coverage(other, a_pull(0, window=5)).iloc[0]
    assert (row["account"], row["pulls_count"]) == ("012345678901", 1)
    assert row["first_asked_time"] == NOW - 5 * DAY


def test_targets_do_not_mix_and_later_pulls_are_not_seen():
    table = coverage(a_pull(10), a_pull(4, target="b", status="unreachable"), a_pull(1), as_of=NOW - 2 * DAY)
    assert table["target"].tolist() == ["b", "prod"]
    assert table["not_asked_days"].tolist() == [2, 8]


def test_a_moment_without_zone_and_a_table_without_columns_are_refused():
    with pytest.raises(WindowError):
        coverage(as_of=datetime(2026, 1, 1))
    with pytest.raises(TableSchemaError, match="pulls: missing columns"):
        target_coverage(pulls_table([])[["target"]], as_of=NOW)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(1, 90), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
        unique_by=lambda pull: pull[0],
    )
)
def test_days_agree_with_a_count_day_by_day(pulls):
    """The obvious way: look at every single day."""
    records = [
        a_pull(ago, window=window, status="ok" if reached else "unreachable", missing_audits_count=int(lacks))
        for ago, window, reached, lacks in pulls
    ]
    good = [(ago, window) for ago, window, reached, lacks in pulls if reached and not lacks]
    asked = {day for ago, window in good for day in range(ago + 1, ago + window + 1)}  # "day n" ends n-1 days ago
    oldest = max(asked) if asked else max(ago for ago, *_ in pulls)
    wanted = [day for day in range(1, oldest + 1) if day not in asked]
    row = coverage(*records).iloc[0]
    assert row["not_asked_days"] == len(wanted)
    assert row["lost_days"] == sum(day > 90 for day in wanted)
    spans = gaps(*records)
    assert spans["days"].sum() == len(wanted)
    assert spans["lost_days"].sum() == row["lost_days"]
