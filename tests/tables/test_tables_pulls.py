"""The diary of pulls as a table."""

import json

import pandas as pd
import pytest

from ddreport.errors import TableSchemaError
from ddreport.schemas import PULLS
from ddreport.tables import pulls_table


def a_record(**changes):
    return {
        "pulled_time": "2026-03-02T09:15:00+00:00",
        "pull_id": "p1",
        "target": "prod",
        "account": "012345678901",
        "region": "eu-west-1",
        "status": "ok",
        "window_start": "2025-12-02T09:25:00+00:00",
        "window_end": "2026-03-02T09:16:00+00:00",
        "audits_listed": True,
        "new_audits_count": 3,
        "known_audits_count": 87,
        "running_audits_count": 0,
        "missing_audits_count": 0,
        "new_findings_count": 12,
        "new_mitigation_tasks_count": 0,
        "problems": [],
        "emulated": False,
        "something_newer": {"a": 1},
        **changes,
    }


def test_no_record_gives_an_empty_table_with_all_columns():
    pd.testing.assert_frame_equal(pulls_table([]), PULLS.empty())


def test_a_record_becomes_a_row():
    row = pulls_table([a_record()]).iloc[0]
    assert row["pulled_time"] == pd.Timestamp("2026-03-02T09:15Z")
    assert row["window_start_time"] == pd.Timestamp("2025-12-02T09:25Z")
    assert (row["account"], row["known_audits_count"], row["audits_listed"]) == ("012345678901", 87, True)


def test_a_target_that_nobody_answered_for_has_its_row():
    unknown = dict.fromkeys(["account", "region", "emulated", "window_start", "window_end"])
    record = a_record(**unknown, status="unreachable", audits_listed=False, problems=["cannot connect to x."])
    row = pulls_table([record]).iloc[0]
    assert row[["account", "region", "emulated", "window_start_time"]].isna().all()
    assert (row["target"], row["status"], json.loads(row["problems"])) == (
        "prod",
        "unreachable",
        ["cannot connect to x."],
    )


def test_a_record_that_is_there_twice_counts_once():
    assert len(pulls_table([a_record(), a_record()])) == 1


def test_two_records_of_one_target_in_one_pull_that_differ_are_told():
    with pytest.raises(TableSchemaError, match="share a key"):
        pulls_table([a_record(), a_record(status="failed")])


def test_rows_are_in_order_of_time_and_else_of_the_diary():
    records = [a_record(pull_id=name, pulled_time=time) for name, time in (("b", "2026-03-03T00:00:00+00:00"),)]
    records += [a_record(pull_id=name) for name in ("z", "a")]
    assert pulls_table(records)["pull_id"].tolist() == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("changes", "listed", "missing"),
    [
        ({"status": "ok", "known_audits_count": 0}, True, 0),
        ({"status": "partial", "known_audits_count": 5, "problems": ["x"]}, True, 1),
        ({"status": "partial", "known_audits_count": 0, "problems": ["x"]}, False, 0),
        ({"status": "unreachable", "known_audits_count": 0, "problems": ["x"]}, False, 0),
    ],
)
def test_records_of_older_versions_claim_no_more_than_they_know(changes, listed, missing):
    record = a_record(new_audits_count=0, **changes)
    for name in ("pull_id", "audits_listed", "missing_audits_count"):
        del record[name]
    row = pulls_table([record]).iloc[0]
    assert (row["audits_listed"], row["missing_audits_count"]) == (listed, missing)
    assert len(row["pull_id"]) == 32


@pytest.mark.parametrize("name", ["target", "status", "pulled_time"])
def test_a_record_without_what_every_pull_has_is_refused(name):
    record = a_record()
    del record[name]
    with pytest.raises(TableSchemaError, match=name):
        pulls_table([record])


def test_a_time_that_is_none_is_refused_with_our_own_error():
    with pytest.raises(TableSchemaError, match="yesterday"):
        pulls_table([a_record(pulled_time="yesterday")])
