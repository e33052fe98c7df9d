"""What mitigations did: launch by launch, how the executions ended and what became of the problems they treated."""

from __future__ import annotations

import pandas as pd

from ddreport.history.identity import problem_ids
from ddreport.metrics.results_mitigation import MITIGATION_EFFECT
from ddreport.terms import OPEN_STATES, ExecutionStatus, ProblemState

_PLAN_TASK = r"^(ddreport-[0-9a-f]{16})-\d{4}$"
_PLACE = ["account", "region"]
_LAUNCH = [*_PLACE, "launch"]
_STATUS = {
    "completed_count": [ExecutionStatus.COMPLETED],
    "failed_count": [ExecutionStatus.FAILED],
    "not_applied_count": [ExecutionStatus.SKIPPED, ExecutionStatus.CANCELED, ExecutionStatus.PENDING],
}


def mitigation_effect(
    mitigation_tasks: pd.DataFrame,
    mitigation_executions: pd.DataFrame,
    findings: pd.DataFrame,
    problems: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per launch of mitigation actions, the newest first.

    A launch is all AWS tasks of one plan of `ddreport` (their ids begin alike), else one AWS task. Its executions are
    counted by how they ended. The problems behind the findings that it treated are counted by their state now:

    resolved = RESOLVED · open = NEW, OPEN, REOPENED or SUPPRESSED · unknown = UNKNOWN or OUT_OF_SCOPE, or a finding
    that `findings` does not hold. resolved + open + unknown = treated problems. A problem counts in every launch that
    treated it. Resolved after a mitigation is not resolved by it: a launch says what was done, an audit what is so.

    Parameters
    ----------
    mitigation_tasks, mitigation_executions
        `schemas.MITIGATION_TASKS`, `schemas.MITIGATION_EXECUTIONS`.
    findings
        `schemas.FINDINGS`, among them those that were treated.
    problems
        `history.PROBLEMS` at the moment that "now" means.

    Returns
    -------
    DataFrame
        `results_mitigation.MITIGATION_EFFECT`.
    """
    if mitigation_tasks.empty:
        return MITIGATION_EFFECT.empty()
    tasks = mitigation_tasks.assign(launch=_launch(mitigation_tasks["mitigation_task_id"]))
    table = tasks.groupby(_LAUNCH, as_index=False).agg(
        start_time=("start_time", "min"),
        end_time=("end_time", "max"),
        mitigation_tasks_count=("mitigation_task_id", "nunique"),
    )
    done = mitigation_executions.assign(launch=_launch(mitigation_executions["mitigation_task_id"]))
    names = done.groupby(_LAUNCH)["action_name"].agg(lambda own: ", ".join(sorted(set(own)))).rename("action_names")
    counts = pd.DataFrame({n: done["status"].isin([s.value for s in states]) for n, states in _STATUS.items()})
    counts = pd.concat([done[_LAUNCH], counts], axis=1).groupby(_LAUNCH).sum()
    treated = done.drop_duplicates([*_LAUNCH, "finding_id"])[[*_LAUNCH, "finding_id"]]
    known = findings[findings["finding_id"].isin(treated["finding_id"])].drop_duplicates("finding_id")
    known = known.assign(problem_id=problem_ids(known))[["finding_id", "problem_id", "check_name"]]
    treated = treated.merge(known, on="finding_id", how="left")
    treated = treated.merge(problems[["problem_id", "state"]], on="problem_id", how="left")
    # Of a finding that is not in the table nobody knows the problem: it stands for one of its own.
    treated["problem_id"] = treated["problem_id"].fillna(treated["finding_id"])
    each = treated.drop_duplicates([*_LAUNCH, "problem_id"])
    is_open = each["state"].isin([s.value for s in OPEN_STATES])
    is_resolved = each["state"] == ProblemState.RESOLVED.value
    states = each[_LAUNCH].assign(
        problems_count=1, resolved_count=is_resolved, open_count=is_open, unknown_count=~is_open & ~is_resolved
    )
    sums = states.groupby(_LAUNCH).sum()
    findings_count = treated.groupby(_LAUNCH)["finding_id"].nunique().rename("findings_count")
    checks = treated.groupby(_LAUNCH)["check_name"].agg(lambda own: ", ".join(sorted(set(own.dropna()))))
    for part in (names, counts, findings_count, checks.rename("check_names"), sums):
        table = table.merge(part.reset_index(), on=_LAUNCH, how="left")
    for name in MITIGATION_EFFECT.column_names:
        if name.endswith("_count"):
            table[name] = table[name].fillna(0)
        elif name.endswith("_names"):
            table[name] = table[name].fillna("")
    return MITIGATION_EFFECT.conform(table.sort_values(["start_time", *_LAUNCH], ascending=[False, True, True, True]))


def _launch(task_ids: pd.Series[str]) -> pd.Series[str]:
    return task_ids.str.extract(_PLAN_TASK, expand=False).fillna(task_ids).astype("str")
