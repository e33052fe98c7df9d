"""What mitigations did: launches put together, executions counted, problems as they are now and never guessed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from ddreport.history.identity import problem_ids
from ddreport.metrics import mitigation_effect
from ddreport.metrics.results_mitigation import MITIGATION_EFFECT
from ddreport.schemas import MITIGATION_EXECUTIONS, MITIGATION_TASKS

PLACE = {"account": "012345678901", "region": "eu-west-1"}
PLAN = "ddreport-0123456789abcdef"


def tasks(make: Any, **starts: float) -> pd.DataFrame:
    counts = {n: 0 for n in MITIGATION_TASKS.column_names if n.endswith("_count")}
    rows = [
        {
            **PLACE,
            **counts,
            "mitigation_task_id": name.replace("_", "-"),
            "task_status": "COMPLETED",
            "start_time": make.day(day),
            "end_time": make.day(day) + timedelta(minutes=1),
            "target": "{}",
            "check_to_actions": "{}",
            "emulated": True,
        }
        for name, day in starts.items()
    ]
    return MITIGATION_TASKS.conform(pd.DataFrame(rows, columns=MITIGATION_TASKS.column_names))


def executions(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    names = ("mitigation_task_id", "finding_id", "action_name", "status")
    made = [{**PLACE, **dict(zip(names, row, strict=True))} for row in rows]
    return MITIGATION_EXECUTIONS.conform(pd.DataFrame(made, columns=MITIGATION_EXECUTIONS.column_names))


def test_the_tasks_of_a_plan_are_one_launch_and_each_other_task_its_own(make: Any) -> None:
    findings = make.findings(*(make.a_finding(0, resource_id=f"r{n}") for n in range(4)))
    ids = problem_ids(findings)
    states = ["RESOLVED", "OPEN", "UNKNOWN", "SUPPRESSED"]
    problems = make.problems(*(make.a_problem(i, s) for i, s in zip(ids, states, strict=True)))
    f = findings["finding_id"].tolist()
    launched = tasks(make, **{f"{PLAN}-0001": 1, f"{PLAN}-0002": 1.1, "by-hand": 2})
    done = executions(
        (f"{PLAN}-0001", f[0], "Deactivate", "COMPLETED"),
        (f"{PLAN}-0001", f[0], "Tell", "COMPLETED"),
        (f"{PLAN}-0001", f[1], "Deactivate", "FAILED"),
        (f"{PLAN}-0001", f[1], "Tell", "SKIPPED"),
        (f"{PLAN}-0002", f[2], "Deactivate", "COMPLETED"),
        ("by-hand", f[3], "Tell", "COMPLETED"),
        ("by-hand", "not-in-the-archive", "Tell", "CANCELED"),
    )
    found = mitigation_effect(launched, done, findings, problems)
    assert found["launch"].tolist() == ["by-hand", PLAN]
    assert found["mitigation_tasks_count"].tolist() == [1, 2]
    assert found["action_names"].tolist() == ["Tell", "Deactivate, Tell"]
    counts = ["findings_count", "completed_count", "failed_count", "not_applied_count"]
    assert found[counts].to_numpy().tolist() == [[2, 1, 0, 1], [3, 3, 1, 1]]
    states_now = ["problems_count", "resolved_count", "open_count", "unknown_count"]
    assert found[states_now].to_numpy().tolist() == [[2, 0, 1, 1], [3, 1, 1, 1]]
    assert found["check_names"].tolist() == [make.expiring, make.expiring]
    assert found["end_time"].tolist() == [make.day(2) + timedelta(minutes=1), make.day(1.1) + timedelta(minutes=1)]


def test_two_findings_of_one_problem_count_once(make: Any) -> None:
    findings = make.findings(make.a_finding(0), make.a_finding(1))
    problems = make.problems(make.a_problem(problem_ids(findings)[0], "RESOLVED"))
    done = executions(*(("x", f, "Tell", "COMPLETED") for f in findings["finding_id"]))
    found = mitigation_effect(tasks(make, x=2), done, findings, problems)
    assert found[["findings_count", "problems_count", "resolved_count"]].to_numpy().tolist() == [[2, 1, 1]]


def test_a_task_that_did_nothing_and_no_task_at_all(make: Any) -> None:
    nothing = executions()
    found = mitigation_effect(tasks(make, x=2), nothing, make.findings(), make.problems())
    assert found[["findings_count", "problems_count"]].to_numpy().tolist() == [[0, 0]]
    assert found["action_names"].tolist() == [""]
    assert mitigation_effect(MITIGATION_TASKS.empty(), nothing, make.findings(), make.problems()).equals(
        MITIGATION_EFFECT.empty()
    )
