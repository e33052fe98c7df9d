"""What a plan would change: which of its actions make a finding go away, and the posture that would follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.history import list_runs, place_runs
from ddreport.metrics.posture import posture_score
from ddreport.mitigation.plan import Expected, Posture
from ddreport.terms import CheckRunStatus, MitigationActionType, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

DEACTIVATES = {MitigationActionType.UPDATE_DEVICE_CERTIFICATE, MitigationActionType.UPDATE_CA_CERTIFICATE}


def mends(check_name: str, action_type: str) -> tuple[bool, str]:
    """Tell whether an action makes the findings of a check go away in the next audit, and why not.

    Deactivated certificates drop out of the checks that look at active ones only (`certificate_states` of the
    catalogue). A check that looks back at connections reports them until they are out of its window.
    """
    check = describe_check(check_name)
    kind = MitigationActionType(action_type)
    if kind is MitigationActionType.PUBLISH_FINDING_TO_SNS:
        return False, "a message to a topic changes nothing in the account"
    if kind is MitigationActionType.ADD_THINGS_TO_THING_GROUP:
        return False, "things in a quarantine group are still reported until their certificate is replaced"
    if kind in DEACTIVATES and not check.certificate_states:
        return False, f"{check.title} looks back at connections, and reports them until they leave its window"
    return True, ""


def expected(
    audit_tasks: pd.DataFrame,
    checks: pd.DataFrame,
    findings: pd.DataFrame,
    treated: Mapping[str, Iterable[str]],
    *,
    as_of: datetime,
    check_configurations: pd.DataFrame | None = None,
) -> Expected:
    """Return the posture before and after a plan.

    Parameters
    ----------
    audit_tasks, checks, findings
        Of the audits that hold the latest verdict of each check (`metrics.current_checks`, `metrics.current_findings`),
        of one account and Region.
    treated
        Types of the actions by id of the finding.
    as_of
        The moment of both, aware.
    """
    notes: dict[str, None] = {}
    mended: set[str] = set()
    check_of = dict(zip(findings["finding_id"], findings["check_name"], strict=True))
    for finding_id, types in treated.items():
        told = [mends(check_of[finding_id], kind) for kind in types]
        if any(works for works, _ in told):
            mended.add(finding_id)
        else:
            notes.update(dict.fromkeys(why for _, why in told if why))
    left = findings[~findings["finding_id"].isin(mended)]
    after = _checks_after(checks, findings, left)
    both = {"before": (checks, findings), "after": (after, left)}
    scores = _scores(audit_tasks, both, as_of, check_configurations)
    postures = {name: _posture(*own, scores.get(name)) for name, own in both.items()}
    return Expected(postures["before"], postures["after"], tuple(notes))


def _checks_after(checks: pd.DataFrame, findings: pd.DataFrame, left: pd.DataFrame) -> pd.DataFrame:
    """Return the table of checks as an audit would report it with only these findings left."""
    key = ["account", "region", "audit_task_id", "check_name"]
    counted = []
    for name, rows in (("were", findings), ("are", left)):
        open_ = rows[~rows["is_suppressed"].astype(bool)].drop_duplicates([*key, "resource_type", "resource_id"])
        counted.append(open_.groupby(key).size().rename(name))
    table = checks.merge(pd.concat(counted, axis=1).fillna(0).astype("int64").reset_index(), on=key, how="left")
    gone = (table["were"] - table["are"]).fillna(0).astype("Int64")
    table["non_compliant_resources_count"] = (table["non_compliant_resources_count"] - gone).clip(lower=0)
    clean = (gone > 0) & (table["are"] == 0)
    table.loc[clean, "non_compliant_resources_count"] = 0
    table.loc[clean, "check_run_status"] = CheckRunStatus.COMPLETED_COMPLIANT.value
    table.loc[clean, "check_compliant"] = True
    return table.drop(columns=["were", "are"])


_OF_A_FINDING = ["account", "region", "audit_task_id", "check_name", "task_start_time"]
"""What a run is known by: how many findings it has, not which."""


def _scores(
    audit_tasks: pd.DataFrame,
    sets: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    as_of: datetime,
    check_configurations: pd.DataFrame | None,
) -> dict[str, float]:
    """Return the posture score of each set of checks and findings, by its name; in one pass, as if Regions."""

    def together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        return pd.concat([table.assign(region=name) for name, table in tables.items()], ignore_index=True)

    tasks = together(dict.fromkeys(sets, audit_tasks))
    checks = together({name: own for name, (own, _) in sets.items()})
    findings = together({name: own[_OF_A_FINDING] for name, (_, own) in sets.items()})
    known = None if check_configurations is None else together(dict.fromkeys(sets, check_configurations))
    runs = place_runs(list_runs(tasks, checks, findings), check_configurations=known)
    found = posture_score(runs, [as_of], check_configurations=known)
    return {
        row["region"]: round(float(row["posture_score"]), 1)
        for row in found.to_dict("records")
        if not pd.isna(row["posture_score"])
    }


def _posture(checks: pd.DataFrame, findings: pd.DataFrame, score: float | None) -> Posture:
    open_ = findings[~findings["is_suppressed"].astype(bool)]
    by_severity = open_["severity"].astype("str").value_counts()
    status = checks["check_run_status"]
    bad = status == CheckRunStatus.COMPLETED_NON_COMPLIANT.value
    good = status == CheckRunStatus.COMPLETED_COMPLIANT.value
    return Posture(
        open_problems={s.value: int(by_severity.get(s.value, 0)) for s in Severity},
        non_compliant_checks=int(bad.sum()),
        finished_checks=int((bad | good).sum()),
        posture_score=score,
    )
