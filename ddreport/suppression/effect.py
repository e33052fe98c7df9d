"""What suppressions do to the figures: with the present ones, with the planned ones, with none at all.

The rates are those of `metrics.compliance`, reckoned on the latest finished run of each check, of which the counts of
hidden resources are replaced. A check complies when every resource that it finds is hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ddreport.metrics import compliance
from ddreport.schemas import AUDIT_TASKS, CHECKS
from ddreport.suppression.results import EFFECT, Action, Moment
from ddreport.suppression.tables import table_of
from ddreport.terms import CheckRunStatus

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from ddreport.suppression.rules import Place

    Keys = AbstractSet[tuple[str, str]]

_KEY = ["check_name", "resource_identifier"]
_WHAT_IF = "what-if"


def effect_table(
    plan: pd.DataFrame, current_checks: pd.DataFrame, findings: pd.DataFrame, *, place: Place, as_of: datetime
) -> pd.DataFrame:
    """Return the rates before and after a plan, and without suppressions.

    Findings themselves do not change at once: AWS decides when the next audit runs. The rows say what that audit would
    report of the resources that the latest one found.

    Parameters
    ----------
    plan
        `results.PLAN` of the account and Region.
    current_checks, findings
        `metrics.current_checks` and `metrics.current_findings` of the account and Region.
    as_of
        Now.

    Returns
    -------
    DataFrame
        `results.EFFECT`: rows BEFORE, AFTER and WITHOUT; no rows when no check has a verdict yet.
    """
    finished = current_checks.dropna(subset=["audit_task_id"])
    if finished.empty:
        return EFFECT.empty()
    is_there = plan["present_description"].notna() | plan["present_suppress_indefinitely"].notna()
    before = _keys(plan[is_there])
    after = _keys(plan[plan["action"] != Action.DELETE.value])
    rows = []
    for moment, keys in ((Moment.BEFORE, before), (Moment.AFTER, after), (Moment.WITHOUT, frozenset())):
        hidden = pd.Series(
            [k in keys for k in findings[_KEY].itertuples(index=False, name=None)], index=findings.index, dtype="bool"
        )
        rates = compliance(AUDIT_TASKS.empty(), _checks_with(finished, findings, hidden, as_of)).iloc[0]
        rows.append(
            {
                "account": place.account,
                "region": place.region,
                "moment": moment.value,
                **{n: rates[n] for n in EFFECT.column_names if n in rates.index and n not in ("account", "region")},
                "open_findings_count": int((~hidden).sum()),
                "hidden_findings_count": int(hidden.sum()),
            }
        )
    return table_of(EFFECT, rows)


def _keys(rows: pd.DataFrame) -> Keys:
    return set(rows[_KEY].itertuples(index=False, name=None))


def _checks_with(
    finished: pd.DataFrame, findings: pd.DataFrame, hidden: pd.Series[bool], as_of: datetime
) -> pd.DataFrame:
    """Return the checks as one made-up audit in which exactly these findings are hidden."""
    resources = findings.assign(is_hidden=hidden).drop_duplicates(_KEY)
    sums = resources.groupby("check_name", observed=True)["is_hidden"].agg(["size", "sum"]).astype("Int64")
    table = finished.merge(sums, left_on="check_name", right_index=True, how="left")
    bad = table["size"].fillna(0)
    # AWS's own count beats ours of findings, of which some may not have been had.
    told = table["non_compliant_resources_count"] + table["suppressed_non_compliant_resources_count"].fillna(0)
    bad = told.fillna(bad)
    suppressed = table["sum"].fillna(0).clip(upper=bad)
    compliant = bad == suppressed
    statuses = compliant.map(
        {True: CheckRunStatus.COMPLETED_COMPLIANT.value, False: CheckRunStatus.COMPLETED_NON_COMPLIANT.value}
    )
    return CHECKS.conform(
        table.assign(
            audit_task_id=_WHAT_IF,
            task_start_time=pd.Timestamp(as_of),
            check_run_status=statuses.astype("str"),
            check_compliant=compliant,
            non_compliant_resources_count=bad - suppressed,
            suppressed_non_compliant_resources_count=suppressed,
            error_code=None,
            message=None,
        )
    )
