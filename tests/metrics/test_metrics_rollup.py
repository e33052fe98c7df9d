"""Problems rolled up over groups: each counted where it belongs, once in the whole, and never guessed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ddreport.errors import ParameterError
from ddreport.history import PROBLEMS
from ddreport.metrics import roll_up
from ddreport.metrics.membership import MEMBERSHIPS
from ddreport.metrics.results_controls import ROLL_UP
from ddreport.schemas_inventory import INVENTORY_STATUS

NEEDED = ["certificates", "thing_principals", "things", "thing_group_members", "policy_targets"]


def problem(make: Any, name: str, state: str = "OPEN", severity: str = "HIGH", **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": f"p-{name}-{changes.get('account', '1')}",
        "account": "1",
        "region": "eu-west-1",
        "check_name": make.expiring,
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": name,
        "reason_code": "X",
        "severity": severity,
        "state": state,
        "known_state": state,
        "is_suppressed": state == "SUPPRESSED",
        "first_seen_time": make.day(0),
        "first_seen_audit_task_id": "a0",
        "opened_time": make.day(0),
        "last_seen_time": make.day(0),
        "last_seen_audit_task_id": "a0",
        "reopened_count": 0,
        "age_days": 1.0,
        **changes,
    }


def table(schema: Any, *rows: dict[str, Any]) -> pd.DataFrame:
    return schema.conform(pd.DataFrame([{n: row.get(n) for n in schema.column_names} for row in rows]))


def member(name: str, group: str, account: str = "1") -> dict[str, Any]:
    place = {"account": account, "region": "eu-west-1", "resource_type": "DEVICE_CERTIFICATE"}
    return {**place, "resource_id": name, "group_name": group}


def test_groups_count_by_state_and_severity_the_worst_first(make: Any) -> None:
    problems = table(
        PROBLEMS,
        problem(make, "a", "NEW", "LOW", opened_time=make.day(2), age_days=5.0),
        problem(make, "b", "OPEN", "LOW", opened_time=make.day(0), age_days=7.0),
        problem(make, "c", "SUPPRESSED", "CRITICAL", opened_time=make.day(-9), age_days=16.0),
        problem(make, "d", "UNKNOWN", "HIGH"),
        problem(make, "e", "OUT_OF_SCOPE", "HIGH"),
        problem(make, "f", "RESOLVED", "HIGH"),
        problem(make, "g", "REOPENED", "MEDIUM", account="2"),
        problem(make, "h", "UNKNOWN", "CRITICAL", account="3"),
    )
    found = roll_up(problems, by="account")
    assert found["group_name"].fillna("all").tolist() == ["2", "1", "3", "all"]
    assert found["account"].fillna("all").tolist() == ["2", "1", "3", "all"]
    one = found.set_index("group_name").loc["1"]
    names = ["problems", "open", "suppressed", "unknown", "out_of_scope", "resolved"]
    assert one[[f"{n}_count" for n in names]].tolist() == [6, 2, 1, 1, 1, 1]
    assert one[["low_open_count", "critical_suppressed_count", "high_unknown_count"]].tolist() == [2, 1, 1]
    assert (one["worst_severity"], one["oldest_open_time"], one["oldest_open_age_days"]) == ("LOW", make.day(0), 7.0)
    three = found.set_index("group_name").loc["3"]
    assert three[["worst_severity", "oldest_open_time", "oldest_open_age_days"]].isna().all()
    total = found.iloc[-1]
    counts = [c for c in ROLL_UP.column_names if c.endswith("_count")]
    assert total[counts].tolist() == found.iloc[:-1][counts].sum().tolist()
    assert (total["mapped_count"], total["unmapped_count"], total["worst_severity"]) == (8, 0, "MEDIUM")


@pytest.mark.parametrize("by", ["region", "check_name", "resource_type"])
def test_every_column_gives_its_groups_over_all_accounts(make: Any, by: str) -> None:
    rows = [
        problem(make, "a", **{by: "x"}),
        problem(make, "b", **{by: "x"}, account="2"),
        problem(make, "c", **{by: "y"}),
    ]
    found = roll_up(table(PROBLEMS, *rows), by=by)
    assert found["problems_count"].tolist() == [2, 1, 3]
    assert found["group_name"].tolist()[:2] == ["x", "y"]
    assert found["account"].isna().all()


def test_a_problem_in_two_groups_counts_in_each_and_once_in_the_whole(make: Any) -> None:
    problems = table(PROBLEMS, *(problem(make, n) for n in "abc"), problem(make, "a", account="2"))
    groups = [member("a", "fleet"), member("a", "test"), member("b", "fleet"), member("c", "(none)")]
    members = table(MEMBERSHIPS, *groups, member("a", "fleet", account="2"))
    found = roll_up(problems, by="thing_group", memberships=members)
    told = list(zip(found["account"].fillna("-"), found["group_name"].fillna("all"), found["open_count"], strict=True))
    assert told == [("1", "fleet", 2), ("1", "(none)", 1), ("1", "test", 1), ("2", "fleet", 1), ("-", "all", 4)]
    assert found["mapped_count"].iloc[-1] == 4


def test_what_no_inventory_tells_is_not_mapped_and_never_in_no_group(make: Any) -> None:
    problems = table(PROBLEMS, problem(make, "a"), problem(make, "b"), problem(make, "a", account="2"))
    members = table(MEMBERSHIPS, member("a", "fleet"), member("a", "(none)", account="2"))
    names = [("1", name, True) for name in NEEDED] + [("2", name, name != "things") for name in NEEDED]
    status = table(
        INVENTORY_STATUS,
        *(
            {"account": a, "region": "eu-west-1", "observed_time": make.day(1), "table_name": n, "pulled": pulled}
            for a, n, pulled in names
        ),
        *(
            {"account": "2", "region": "eu-west-1", "observed_time": make.day(0), "table_name": n, "pulled": True}
            for n in NEEDED
        ),
    )
    found = roll_up(problems, by="thing_group", memberships=members, inventory_status=status)
    groups = list(zip(found["account"].fillna("-"), found["group_name"].fillna("all"), strict=True))
    assert groups == [("1", "(not mapped)"), ("1", "fleet"), ("2", "(not mapped)"), ("-", "all")]
    assert found["unmapped_count"].tolist() == [1, 0, 1, 2]
    assert found["mapped_count"].tolist() == [0, 1, 0, 1]
    trusting = roll_up(problems, by="thing_group", memberships=members)
    assert trusting["unmapped_count"].iloc[-1] == 1


def test_nothing_gives_the_empty_table_and_wrong_input_is_refused(make: Any) -> None:
    found = roll_up(PROBLEMS.empty(), by="account")
    assert (len(found), list(found.columns)) == (0, ROLL_UP.column_names)
    with pytest.raises(ParameterError, match="Did you mean 'thing_group'"):
        roll_up(PROBLEMS.empty(), by="thing_groups")
    with pytest.raises(ParameterError, match="pull --inventory"):
        roll_up(table(PROBLEMS, problem(make, "a")), by="thing_type")
    unmapped = roll_up(table(PROBLEMS, problem(make, "a")), by="thing_type", memberships=MEMBERSHIPS.empty())
    assert unmapped["group_name"].fillna("all").tolist() == ["(not mapped)", "all"]
