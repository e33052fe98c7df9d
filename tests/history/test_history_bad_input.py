"""Input that is doubled, out of order, merged, unknown, missing or hostile: right answers or clear errors."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport import history as hs
from ddreport.errors import TableSchemaError, WindowError
from ddreport.metrics import non_compliant_by_severity
from ddreport.schemas import AUDIT_TASKS, CHECK_CONFIGURATIONS, CHECKS, FINDINGS

LITERAL = sys.modules["history_literal"]
LOGGING, POLICY, EXPIRING, ACCOUNT = LITERAL.LOGGING, LITERAL.POLICY, LITERAL.EXPIRING, LITERAL.ACCOUNT
Told, day, report = LITERAL.Told, LITERAL.day, LITERAL.report
problems_of, runs_of = LITERAL.problems_of, LITERAL.runs_of

AUDITS = ("audit_tasks", "checks", "findings")


def a_history(**place: Any) -> Any:
    """Tell of two resources: one is fixed and comes back, the other stays."""
    told = Told()
    told.audit(0, {LOGGING: ["r1", "r2"]}, **place)
    told.audit(1, {LOGGING: ["r2"]}, **place)
    told.audit(2, {LOGGING: ["r1", "r2"]}, **place)
    return told


def both(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables of two archives put together."""
    return {name: pd.concat([one[name], other[name]], ignore_index=True) for name in one}


# Twice, out of order, at odd times


def test_an_audit_pulled_twice_counts_once() -> None:
    t = a_history().tables()
    # The archive never gives a finding twice; the spans bear it all the same.
    runs = runs_of({**both(t, t), "findings": t["findings"]})
    assert_frame_equal(runs, runs_of(t))
    spans = hs.spans(t["findings"], runs)
    assert_frame_equal(hs.spans(both(t, t)["findings"], runs), spans)
    assert list(hs.problems(spans, runs, as_of=day(2))["reopened_count"]) == [1, 0]


def test_the_order_in_which_audits_arrive_changes_nothing() -> None:
    t = a_history().tables()
    backwards = {name: table.iloc[::-1] for name, table in t.items()}
    assert_frame_equal(problems_of(backwards, 2), problems_of(t, 2))


def test_an_older_audit_that_arrives_later_takes_its_place_in_the_middle() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.audit(2, {LOGGING: ["r1"]})
    without = told.problem(2)
    late = Told()
    late.audit(2, {LOGGING: ["r1"]})
    late.audit(0, {LOGGING: ["r1"]})
    late.audit(1, {LOGGING: []})
    assert (without["state"], late.problem(2)["state"]) == ("OPEN", "REOPENED")


def test_two_audits_of_one_moment_stand_in_the_order_of_their_ids() -> None:
    for first, second, state in (("a", "b", "RESOLVED"), ("b", "a", "NEW")):
        told = Told()
        told.audit(0, {LOGGING: ["r1"]}, audit_id=first)
        told.audit(0, {LOGGING: []}, audit_id=second, schedule=None)
        assert told.states_of([0]) == [state]


def test_a_finding_from_before_its_audit_is_dated_by_the_audit() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report("r1", finding_time=day(-3))]})
    assert told.problem(0)["first_seen_time"] == day(0)


def test_an_observation_at_the_very_start_of_an_audit_is_one_before_it() -> None:
    told = Told()
    told.configuration(0, {EXPIRING: 60})
    told.audit(0, {EXPIRING: []})
    assert set(told.runs()["resolving_threshold_days"]) == {60}


def test_a_switch_seen_at_the_very_start_of_an_audit_counts() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.configuration(0, {LOGGING: False})
    assert told.states_of([0]) == ["OUT_OF_SCOPE"]


def test_states_that_were_observed_out_of_order_are_put_in_order() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]})
    told.configuration(2, {LOGGING: True})
    told.configuration(1, {LOGGING: False})
    assert told.states_of([1.5, 2.5]) == ["OUT_OF_SCOPE", "NEW"]


def test_audits_decades_apart_and_in_the_future_are_borne() -> None:
    told = Told()
    told.audit(-20_000, {LOGGING: ["r1"]})
    told.audit(40_000, {LOGGING: []})
    assert told.states_of([-20_000, 0, 39_999, 40_000]) == ["NEW", "UNKNOWN", "UNKNOWN", "RESOLVED"]


# Two archives, another account


def test_the_tables_of_two_archives_of_different_accounts_lie_beside_each_other() -> None:
    one, other = a_history(), a_history(account="999999999999")
    found = problems_of(both(one.tables(), other.tables()), 2)
    expected = pd.concat([one.problems(2), other.problems(2)], ignore_index=True)
    assert_frame_equal(found, expected)


def test_the_tables_of_two_archives_of_one_account_that_overlap_make_one_history() -> None:
    t = a_history().tables()
    early = {name: rows[rows["task_start_time"] <= day(1)] if name in AUDITS else rows for name, rows in t.items()}
    late = {name: rows[rows["task_start_time"] >= day(1)] if name in AUDITS else rows for name, rows in t.items()}
    merged = both(early, late)
    merged["findings"] = merged["findings"].drop_duplicates("finding_id")
    assert_frame_equal(problems_of(merged, 2), problems_of(t, 2))


def test_rows_of_another_account_with_the_same_audit_id_do_not_mix() -> None:
    told = Told()
    told.audit(0, {LOGGING: ["r1"]}, audit_id="same")
    told.audit(1, {LOGGING: []}, audit_id="same", account="999999999999")
    assert told.states_of([1]) == ["NEW"]
    assert list(told.problems(1)["account"]) == [ACCOUNT]


@pytest.mark.parametrize("elsewhere", [{"account": "999999999999"}, {"region": "us-east-1"}])
def test_what_is_configured_elsewhere_changes_nothing_here(elsewhere: dict[str, str]) -> None:
    told = Told()
    told.configuration(-1, {EXPIRING: 30})
    told.audit(0, {EXPIRING: [report("c", "CERTIFICATE_APPROACHING_EXPIRATION")], LOGGING: ["r1"]})
    told.configuration(0.2, {EXPIRING: 60, LOGGING: False}, **elsewhere)
    told.look(0.3, **elsewhere)
    told.look(0.3)
    told.audit(1, {EXPIRING: []})
    assert set(told.runs()["resolving_threshold_days"].dropna()) == {30}
    assert (told.states_of([1], "c"), told.states_of([1], "r1")) == (["RESOLVED"], ["NEW"])


def test_findings_of_audits_that_nobody_knows_still_are_facts_that_prove_presence() -> None:
    t = a_history().tables()
    orphans = {**t, "audit_tasks": AUDIT_TASKS.empty(), "checks": CHECKS.empty()}
    runs = runs_of(orphans)
    assert set(runs["proof"]) == {"PRESENCE"}
    assert set(runs["proof_note"]) == {"the audit does not list the check"}
    assert list(problems_of(orphans, 2)["state"]) == ["OPEN", "OPEN"]


# What nobody knows


def test_unknown_checks_reasons_and_statuses_are_kept_as_they_are() -> None:
    told = Told()
    told.audit(0, {"CHECK_OF_NEXT_YEAR": [report("r1", "REASON_OF_NEXT_YEAR")]})
    told.audit(1, {"CHECK_OF_NEXT_YEAR": "STATUS_OF_NEXT_YEAR"})
    problem = told.problem(1)
    assert (problem["check_name"], problem["reason_code"]) == ("CHECK_OF_NEXT_YEAR", "REASON_OF_NEXT_YEAR")
    assert problem["state"] == "UNKNOWN"
    assert "STATUS_OF_NEXT_YEAR" in problem["state_note"]


def test_a_check_without_status_counts_as_what_it_reports_and_nothing_more() -> None:
    t = a_history().tables()
    nothing = t["checks"].assign(check_run_status=pd.Series([pd.NA] * 3, dtype="str"))
    assert set(runs_of({**t, "checks": nothing})["proof"]) == {"PRESENCE"}


def test_findings_without_identifier_go_on_as_one_problem() -> None:
    told = Told()
    record = {"nonCompliantResource": {}, "reasonForNonComplianceCode": "R"}
    told.audit(0, {LOGGING: [record, record]})
    told.audit(1, {LOGGING: [record]})
    told.audit(2, {LOGGING: []})
    assert [list(told.problems(at)["state"]) for at in (0, 1, 2)] == [["NEW"], ["OPEN"], ["RESOLVED"]]


HOSTILE = [
    "'; DROP TABLE findings; --",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;owned\x07",
    "a\u202eb\u2066c\u200b",
    "",
    " ",
    "12:0",
    "line\nbreak\ttab\x00nul",
    "\U0001f4a9" * 50,
    "x" * 10_000,
    "None",
    "nan",
    "NaN",
    "<NA>",
]


def test_hostile_ids_are_ids_like_any_other() -> None:
    told = Told()
    told.audit(0, {LOGGING: [report(text, text) for text in HOSTILE]})
    told.audit(1, {LOGGING: [report(text, text) for text in HOSTILE[::2]]})
    found = told.problems(1).set_index("resource_id")
    assert found["problem_id"].nunique() == len(HOSTILE)
    assert found["state"].to_dict() == {t: "RESOLVED" if n % 2 else "OPEN" for n, t in enumerate(HOSTILE)}
    assert all(len(i) == 32 and set(i) <= set("0123456789abcdef") for i in found["problem_id"])


# Too little


def test_a_run_with_fewer_findings_than_aws_counted_closes_nothing() -> None:
    told = Told()
    told.audit(0, {LOGGING: [f"r{n}" for n in range(5)]})
    told.audit(1, {LOGGING: {"reports": ["r0"], "non_compliant_resources_count": 5}})
    assert sorted(told.problems(1)["state"]) == ["OPEN"] + ["UNKNOWN"] * 4


@pytest.mark.parametrize("name", AUDITS)
def test_a_missing_column_is_told_with_its_name(name: str) -> None:
    t = a_history().tables()
    with pytest.raises(TableSchemaError, match=r"missing columns: account\b") as raised:
        runs_of({**t, name: t[name].drop(columns="account")})
    assert name in str(raised.value)


def test_spans_tell_of_a_missing_column_too() -> None:
    t = a_history().tables()
    with pytest.raises(TableSchemaError, match=r"findings: missing columns: reason_code"):
        hs.spans(t["findings"].drop(columns="reason_code"), runs_of(t))


def test_a_severity_that_there_is_not_is_told_with_its_value() -> None:
    t = a_history().tables()
    odd = t["findings"].assign(severity="APOCALYPTIC")
    with pytest.raises(TableSchemaError, match="APOCALYPTIC"):
        hs.spans(odd, runs_of(t))


def test_a_moment_without_zone_is_refused() -> None:
    t = a_history().tables()
    runs = runs_of(t)
    naive = datetime(2026, 3, 2)
    with pytest.raises(WindowError, match="time zone"):
        hs.problems(hs.spans(t["findings"], runs), runs, as_of=naive)


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    from zoneinfo import ZoneInfo

    t = a_history().tables()
    runs = runs_of(t)
    spans = hs.spans(t["findings"], runs)
    there = day(1.5).astimezone(ZoneInfo("Asia/Kolkata"))
    assert_frame_equal(hs.problems(spans, runs, as_of=there), hs.problems(spans, runs, as_of=day(1.5)))


def test_empty_tables_give_empty_tables_with_all_their_columns() -> None:
    t = {"audit_tasks": AUDIT_TASKS.empty(), "checks": CHECKS.empty(), "findings": FINDINGS.empty()}
    for states in (None, CHECK_CONFIGURATIONS.empty()):
        runs = hs.check_runs(**t, check_configurations=states)
        spans = hs.spans(t["findings"], runs)
        problems = hs.problems(spans, runs, as_of=day(0), check_configurations=states)
        assert [len(table) for table in (runs, spans, problems, hs.episodes(spans, runs))] == [0, 0, 0, 0]
        assert_frame_equal(runs, hs.CHECK_RUNS.empty())
        assert_frame_equal(spans, hs.SPANS.empty())
        assert_frame_equal(problems, hs.PROBLEMS.empty())
        assert_frame_equal(hs.episodes(spans, runs), hs.EPISODES.empty())
        assert_frame_equal(hs.extend_spans(spans, t["findings"], runs), spans)
        assert hs.line_states(runs, [day(0)], check_configurations=states).empty


def test_audits_without_any_finding_have_runs_and_no_problems() -> None:
    told = Told()
    told.audit(0, {LOGGING: [], POLICY: "failed"})
    assert list(told.runs()["proof"]) == ["PRESENCE", "FULL"]
    assert told.problems(0).empty


def test_a_configuration_of_checks_that_never_ran_is_borne() -> None:
    told = Told()
    told.configuration(-1, {POLICY: False, LOGGING: True})
    told.audit(0, {LOGGING: ["r1"]})
    assert told.states_of([0]) == ["NEW"]


# Very much


@pytest.mark.slow
def test_a_hundred_thousand_findings_in_one_audit_are_a_hundred_thousand_problems() -> None:
    count, fixed = 100_000, 33_333
    resources = [f"c{number:06}" for number in range(count)]
    first = Told()
    first.audit(0, {LOGGING: [], POLICY: ["p"]})
    first.audit(1, {LOGGING: [], POLICY: ["p"]})
    t = first.tables()
    template = FINDINGS.conform(t["findings"].iloc[[0]].assign(check_name=LOGGING, finding_id="x", resource_id="x"))
    big = template.loc[template.index.repeat(2 * count - fixed)].reset_index(drop=True)
    big["resource_id"] = resources + resources[fixed:]
    big["audit_task_id"] = ["a0"] * count + ["a1"] * (count - fixed)
    big["task_start_time"] = pd.to_datetime([day(0)] * count + [day(1)] * (count - fixed)).as_unit("us")
    big["finding_id"] = [f"f{number}" for number in range(len(big))]
    findings = FINDINGS.conform(pd.concat([t["findings"], big]))
    counted = t["checks"].assign(check_run_status="COMPLETED_NON_COMPLIANT")
    is_large = counted["check_name"] == LOGGING
    counted.loc[is_large, "non_compliant_resources_count"] = [count, count - fixed]
    tables = {**t, "checks": counted, "findings": findings}
    early, late = (problems_of(tables, at)["state"].value_counts().to_dict() for at in (0, 1))
    assert early == {"NEW": count + 1}
    assert late == {"OPEN": count - fixed + 1, "RESOLVED": fixed}
    now = problems_of(tables, 1 + timedelta(hours=1) / timedelta(days=1))
    assert set(now.loc[now["state"] == "RESOLVED", "resource_id"]) == set(resources[:fixed])


@pytest.mark.parametrize("number", [4, 5000])
@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
def test_many_findings_of_one_problem_late_in_a_block_are_one_report(number: int, engine: str) -> None:
    told = Told()
    for n in range(64):
        told.audit(n, {LOGGING: ["r"] * number if n == 61 else ["r"] if n == 58 else []})
    tables = told.tables()
    runs = runs_of(tables)
    findings = tables["findings"] if engine == "pandas" else duckdb.from_df(tables["findings"])
    found = hs.spans(findings, runs)
    assert list(zip(found["first_slot"], found["last_slot"], strict=True)) == [(58, 58), (61, 61)]
    counts = non_compliant_by_severity(findings, tables["checks"])
    assert counts.loc[counts["non_compliant_count"] > 0, "non_compliant_count"].tolist() == [1, 1]
