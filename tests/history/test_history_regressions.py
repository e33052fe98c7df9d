"""Errors that other tools are known to make."""

from __future__ import annotations

import sys
from typing import Any

from ddreport import history as hs
from ddreport import metrics

LITERAL = sys.modules["history_literal"]
LOGGING = LITERAL.LOGGING
EXPIRING = LITERAL.EXPIRING
POLICY = LITERAL.POLICY
Told = LITERAL.Told
day = LITERAL.day
report = LITERAL.report
SOON = "CERTIFICATE_APPROACHING_EXPIRATION"


def test_an_audit_of_three_checks_does_not_close_what_fourteen_others_had_found() -> None:
    told = Told()
    names = [f"CHECK_{number:02}" for number in range(17)]
    told.audit(0, {name: [f"of-{name}"] for name in names})
    told.audit(1, {name: [] for name in names[:3]}, schedule=None)
    found = told.problems(1).set_index("check_name")["state"]
    assert set(found[names[:3]]) == {"RESOLVED"}
    assert set(found[names[3:]]) == {"NEW"}


def test_a_fully_clean_audit_closes_everything() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2", "r3"]})
    told.audit(1, {LOGGING: [], POLICY: []})
    found = told.problems(1)
    assert list(found["state"]) == ["RESOLVED"] * 3
    assert set(found["resolved_audit_task_id"]) == {"a1"}


def test_a_region_with_no_finding_left_closes_its_own_and_no_others() -> None:
    told = Told()
    for region in ("eu-west-1", "us-east-1"):
        told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]}, region=region)
    told.audit(1, {LOGGING: [], POLICY: []}, region="us-east-1", audit_id="clean")
    told.audit(1, {LOGGING: ["r1"], POLICY: ["r2"]}, region="eu-west-1", audit_id="as before")
    found = told.problems(1).groupby("region")["state"].unique()
    assert {region: list(states) for region, states in found.items()} == {
        "eu-west-1": ["OPEN"],
        "us-east-1": ["RESOLVED"],
    }


def test_accounts_audited_on_different_days_do_not_make_each_others_problems_vanish() -> None:
    told = Told()
    for week in range(4):
        told.audit(7 * week, {LOGGING: ["r1"]}, account="111111111111", audit_id=f"first-{week}")
        told.audit(7 * week + 3, {LOGGING: ["r2"]}, account="222222222222", audit_id=f"second-{week}")
    for at in range(3, 24):
        found = told.problems(at)
        assert sorted(found["account"]) == ["111111111111", "222222222222"]
        assert set(found["state"]) <= {"NEW", "OPEN"}
        assert set(found["reopened_count"]) == {0}


def test_partial_audits_of_one_day_are_no_drop_and_no_rise() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1, {LOGGING: ["r1"], POLICY: ["r2"]})
    told.audit(1.1, {LOGGING: ["r1"]}, schedule=None)
    told.audit(1.2, {POLICY: ["r2"]}, schedule=None)
    told.audit(2, {LOGGING: ["r1"], POLICY: ["r2"]})
    for at in (0, 1, 1.1, 1.2, 1.5, 2):
        found = told.problems(at)
        assert len(found) == 2
        assert set(found["state"]) <= {"NEW", "OPEN"}
    assert set(told.problems(2)["reopened_count"]) == {0}
    assert set(told.problems(2)["first_seen_audit_task_id"]) == {"a0"}


def test_a_resource_that_is_gone_is_closed_though_nobody_ever_saw_it_pass() -> None:
    told = Told()
    told.audit(0, {EXPIRING: {"reports": [report("gone", SOON)], "total_resources_count": 1}})
    told.audit(1, {EXPIRING: {"reports": [], "total_resources_count": 0}})
    problem = told.problem(1, "gone")
    assert (problem["state"], problem["resolution"]) == ("RESOLVED", "NOT_REPORTED")
    assert (problem["last_seen_audit_task_id"], problem["resolved_audit_task_id"]) == ("a0", "a1")


# The same errors in what a trend shows


def trend_of(told: Any, days: list[float]) -> list[tuple[int, int, int]]:
    """Return compliant, non-compliant and unknown checks of all accounts together, day by day."""
    table = metrics.compliance_trend(told.runs(), [day(at) for at in days], by=())
    names = [f"{name}_checks_count" for name in ("compliant", "non_compliant", "unknown")]
    return [tuple(row) for row in table[names].astype("int64").itertuples(index=False, name=None)]


def open_on(told: Any, days: list[float]) -> list[int]:
    """Return the problems that were open on each day."""
    spans = hs.spans(told.tables()["findings"], told.runs())
    table = hs.state_counts(spans, told.runs(), [day(at) for at in days])
    is_open = table[table["state"].isin([s.value for s in hs.OPEN_STATES])]
    return [int(is_open.loc[is_open["as_of_time"] == day(at), "problems_count"].sum()) for at in days]


def test_a_trend_over_accounts_that_are_audited_on_different_days_is_level() -> None:
    told = Told()
    for week in range(4):
        told.audit(7 * week, {LOGGING: ["r1"], POLICY: []}, account="111111111111", audit_id=f"first-{week}")
        told.audit(7 * week + 3, {LOGGING: ["r2"], POLICY: []}, account="222222222222", audit_id=f"second-{week}")
    days = [float(at) for at in range(3, 28)]
    assert set(trend_of(told, days)) == {(2, 2, 0)}
    assert set(open_on(told, days)) == {2}


def test_a_trend_does_not_drop_on_days_of_partial_audits() -> None:
    told = Told()
    for at in range(5):
        told.audit(at, {LOGGING: ["r1"], POLICY: ["r2", "r3"]})
    told.audit(2.1, {LOGGING: ["r1"]}, schedule=None)
    told.audit(2.2, {POLICY: ["r2", "r3"]}, schedule=None)
    days = [0, 1, 2, 2.1, 2.15, 2.2, 2.5, 3, 4]
    assert set(trend_of(told, days)) == {(0, 2, 0)}
    assert set(open_on(told, days)) == {3}


def test_a_trend_drops_to_nothing_with_the_audit_that_found_nothing() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"], POLICY: ["r2", "r3"]})
    told.audit(1, {LOGGING: [], POLICY: []})
    assert trend_of(told, [0, 1]) == [(0, 2, 0), (2, 0, 0)]
    assert open_on(told, [0, 1]) == [3, 0]


def test_a_trend_shows_a_failed_check_as_unknown_and_never_as_compliant() -> None:
    told = Told()
    told.audit(0, {LOGGING: [], POLICY: ["r2"]})
    told.audit(1, {LOGGING: "failed", POLICY: "failed"})
    assert trend_of(told, [0, 1]) == [(1, 1, 0), (0, 0, 2)]
    assert open_on(told, [0, 1]) == [1, 0]
