"""The same tables from pandas and from DuckDB, and what must hold for any history."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ddreport import history, metrics


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw audits as dicts: day, account, type, status, and per check its status and findings."""
    audits = []
    for account in draw(st.sampled_from([["1"], ["1", "2", "3"]])):
        for day in draw(st.lists(st.integers(0, 9), unique=True, max_size=7)):
            checks = draw(
                st.dictionaries(
                    st.sampled_from(["expiring", "logging", "shared", "new"]),
                    st.tuples(
                        st.sampled_from(["ok", "bad", "bad", "failed", "canceled", "waiting", "STRANGE"]),
                        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), max_size=4),
                        st.one_of(st.none(), st.integers(4, 9)),
                    ),
                )
            )
            audits.append(
                {
                    "day": day,
                    "account": account,
                    "on_demand": draw(st.booleans()),
                    "status": draw(st.sampled_from(["COMPLETED", "FAILED", "CANCELED"])),
                    "checks": checks,
                }
            )
    return audits


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """Give a DuckDB in another time zone than UTC: results must not follow it."""
    made = duckdb.connect()
    made.execute("SET TimeZone = 'America/New_York'")
    return made


# Each example runs many measures over several audits, so that a few examples go a long way.
ENOUGH = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def test_every_measure_is_compared(engines: Any) -> None:
    def reducing(package: ModuleType) -> set[str]:
        functions = {name: f for name in package.__all__ if inspect.isfunction(f := getattr(package, name))}
        return {name for name, f in functions.items() if "Table" in str(inspect.signature(f))}

    assert reducing(metrics) - {"key_figures"} == {name.split()[0] for name in engines.MEASURES}
    assert reducing(history) == set(engines.HISTORY)


@ENOUGH
@given(history=histories(), at=st.integers(0, 10))
def test_duckdb_gives_the_same_tables_as_pandas(
    make: Any, engines: Any, connection: Any, history: Any, at: int
) -> None:
    tables = engines.tables_of(make, history)
    relations = engines.relations(connection, tables)
    for name, measure in engines.MEASURES.items():
        assert_frame_equal(measure(relations, make.day(at)), measure(tables, make.day(at)), obj=name)
    for name, function in engines.HISTORY.items():
        assert_frame_equal(function(relations), function(tables), obj=name)
    figures = [engines.figures(t, make.day(at)) for t in (tables, relations)]
    assert figures[0] == figures[1]


@ENOUGH
@given(history=histories())
def test_the_order_of_rows_given_does_not_matter(make: Any, engines: Any, history: Any) -> None:
    tables = engines.tables_of(make, history)
    turned = {name: frame.iloc[::-1] for name, frame in tables.items()}
    for name, measure in engines.MEASURES.items():
        assert_frame_equal(measure(turned, make.day(9)), measure(tables, make.day(9)), obj=name)


@ENOUGH
@given(history=histories())
def test_rates_lie_between_zero_and_one_and_counts_add_up(make: Any, engines: Any, history: Any) -> None:
    table = metrics.compliance(*[engines.tables_of(make, history)[t] for t in ("audit_tasks", "checks")])
    for rate in ("compliance_rate", "coverage", "resource_compliance_rate", "strict_resource_compliance_rate"):
        assert table[rate].dropna().between(0, 1).all()
    assert (table["finished_checks_count"] + table["unfinished_checks_count"] == table["total_checks_count"]).all()
    assert (table["compliance_rate"].isna() == (table["finished_checks_count"] == 0)).all()
    assert len(table) == len(history)


@ENOUGH
@given(history=histories(), at=st.integers(0, 10))
def test_audits_after_as_of_change_nothing(make: Any, engines: Any, history: Any, at: int) -> None:
    whole, until = engines.tables_of(make, history), engines.tables_of(make, [a for a in history if a["day"] <= at])
    for name in ("current_checks", "current_findings"):
        assert_frame_equal(engines.MEASURES[name](whole, make.day(at)), engines.MEASURES[name](until, make.day(at)))


@ENOUGH
@given(history=histories())
def test_open_findings_are_those_of_a_slow_and_obvious_search(make: Any, engines: Any, history: Any) -> None:
    expected = set()
    for account in "123":
        for short in ("expiring", "logging", "shared", "new"):
            finished = [
                a
                for a in history
                if a["account"] == account and short in a["checks"] and a["checks"][short][0] in ("ok", "bad")
            ]
            last = max(finished, key=lambda a: a["day"], default=None)
            if last is not None and last["checks"][short][0] == "bad":
                found = last["checks"][short][1]
                expected |= {(account, getattr(make, short), r, reason) for r, reason, _ in found}
    tables = engines.tables_of(make, history)
    table = metrics.current_findings(tables["findings"], tables["checks"], as_of=make.day(9))
    columns = ["account", "check_name", "resource_id", "reason_code"]
    assert set(table[columns].itertuples(index=False, name=None)) == expected


@ENOUGH
@given(history=histories())
def test_counts_by_severity_agree_with_the_open_findings_of_a_lone_audit(make: Any, engines: Any, history: Any) -> None:
    for audit in history[:1]:
        tables = engines.tables_of(make, [audit])
        by_severity = metrics.non_compliant_by_severity(tables["findings"], tables["checks"])
        figures = engines.figures(tables, make.day(10))
        assert by_severity["non_compliant_count"].sum() == figures.open_count
        assert by_severity["suppressed_count"].sum() == figures.suppressed_count


@ENOUGH
@given(drawn=histories(), left_out=st.sets(st.integers(0, 9)))
def test_reports_tell_the_same_as_the_findings_that_they_were_made_of(
    make: Any, engines: Any, drawn: Any, left_out: set[int]
) -> None:
    tables = engines.tables_of(make, drawn)
    # Some audits only the findings tell of.
    gone = [make.day(d) for d in left_out]
    for name in ("audit_tasks", "checks"):
        tables[name] = tables[name][~tables[name]["task_start_time"].isin(gone)].reset_index(drop=True)
    audit_tasks, checks, findings = (tables[name] for name in ("audit_tasks", "checks", "findings"))
    reports = history.reports(findings, checks, audit_tasks)
    listed = history.list_runs(audit_tasks, checks, reports)
    assert_frame_equal(listed, history.list_runs(audit_tasks, checks, findings))
    runs = history.place_runs(listed)
    assert_frame_equal(history.spans(reports, runs), history.spans(findings, runs))
    assert_frame_equal(
        metrics.non_compliant_by_severity(reports, checks, audit_tasks=audit_tasks),
        metrics.non_compliant_by_severity(findings, checks, audit_tasks=audit_tasks),
    )
