"""Problems rolled up: over accounts, Regions, checks, kinds of resources, or what an inventory says of these."""

from __future__ import annotations

import pandas as pd

from ddreport.errors import ParameterError, did_you_mean
from ddreport.history import ProblemState
from ddreport.metrics.membership import GROUPINGS
from ddreport.metrics.results_controls import ROLL_UP
from ddreport.schemas import SEVERITY, pandas_dtype
from ddreport.terms import Severity

NOT_MAPPED = "(not mapped)"
"""Group of the problems of which no inventory tells what they belong to."""

COLUMNS = ("account", "region", "check_name", "resource_type")
"""What problems can be rolled up by without an inventory."""

_PLACE = ["account", "region"]
_RESOURCE = [*_PLACE, "resource_type", "resource_id"]
_NEEDED = frozenset({"certificates", "thing_principals", "things", "thing_group_members", "policy_targets"})
_STATES = {
    "open": [s.value for s in (ProblemState.NEW, ProblemState.OPEN, ProblemState.REOPENED)],
    "suppressed": [ProblemState.SUPPRESSED.value],
    "unknown": [ProblemState.UNKNOWN.value],
    "out_of_scope": [ProblemState.OUT_OF_SCOPE.value],
    "resolved": [ProblemState.RESOLVED.value],
}
_BY_SEVERITY = ("open", "suppressed", "unknown")


def roll_up(
    problems: pd.DataFrame,
    *,
    by: str,
    memberships: pd.DataFrame | None = None,
    inventory_status: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the problems of each group by state and severity, with its worst severity and its oldest open problem.

    open = NEW, OPEN or REOPENED; suppressed and unknown ones stand apart. A problem whose resource belongs to two
    groups counts in each of them, and once in the row of all together. What nobody mapped is a group of its own,
    `(not mapped)`, never `(none)`: problems of resources that `memberships` does not have, and all of an account and
    Region whose inventory was not read.

    Parameters
    ----------
    problems
        `history.PROBLEMS`.
    by
        `account`, `region`, `check_name`, `resource_type`; or `thing_group`, `thing_type`, `ca_certificate`. The
        latter three are groups of one account and Region: those of the same name elsewhere are others.
    memberships
        `membership.MEMBERSHIPS`, made with the same `by`; needed for the latter three.
    inventory_status
        Table `schemas.INVENTORY_STATUS`: of each account and Region the latest inventory counts, and it must have
        read every table that `memberships` is made of. None: every place of `memberships` counts as read.

    Returns
    -------
    DataFrame
        `results_controls.ROLL_UP`: groups with the most open problems of the highest severity first, then by name;
        last the row of all together, without a `group_name`.

    Raises
    ------
    ParameterError
        `by` is none of these, or needs `memberships`.
    """
    allowed = (*COLUMNS, *GROUPINGS)
    if by not in allowed:
        raise ParameterError(f"by is {by!r}; allowed: {', '.join(allowed)}.{did_you_mean(str(by), allowed)}")
    if by in GROUPINGS and memberships is None:
        raise ParameterError(
            f"by={by!r} needs the memberships of the resources, which only an inventory tells.",
            hint="read one with `ddreport pull --inventory`, then give `memberships(problems, ..., by=...)`.",
        )
    if problems.empty:
        return ROLL_UP.empty()
    facts = _facts(problems)
    if memberships is None or by not in GROUPINGS:
        each, key = facts.assign(group_name=facts[by], mapped_count=1), ["group_name"]
        # The group's own name stands in its own column too, the others span what they do not name.
        own = by if by in _PLACE else None
    else:
        each, key, own = _mapped(facts, memberships, inventory_status), [*_PLACE, "group_name"], None
    table = _summed(each, key)
    for name in _PLACE:
        if name not in table.columns:
            table[name] = table["group_name"] if name == own else None
    worst = [f"{s.lower()}_open_count" for s in Severity]
    table = table.sort_values([*worst, *_PLACE, "group_name"], ascending=[False] * len(worst) + [True] * 3)
    once = each.drop_duplicates("problem_id").assign(all=0)
    total = _summed(once, ["all"]).assign(account=None, region=None, group_name=None)
    rows = [*table.to_dict("records"), *total.to_dict("records")]
    return ROLL_UP.conform(pd.DataFrame(rows).assign(by=by))


def _facts(problems: pd.DataFrame) -> pd.DataFrame:
    """Return the problems with one column for each count that they add to."""
    facts = problems[["problem_id", *_RESOURCE, "check_name"]].copy()
    facts["problems_count"] = 1
    severity = problems["severity"].astype("str")
    for name, states in _STATES.items():
        there = problems["state"].isin(states)
        facts[f"{name}_count"] = there.astype("int64")
        if name in _BY_SEVERITY:
            for grade in Severity:
                facts[f"{grade.lower()}_{name}_count"] = (there & (severity == grade.value)).astype("int64")
    is_open = facts["open_count"] == 1
    facts["worst_severity"] = problems["severity"].astype(pandas_dtype(SEVERITY)).cat.codes.where(is_open)
    facts["oldest_open_time"] = problems["opened_time"].where(is_open)
    facts["oldest_open_age_days"] = problems["age_days"].where(is_open)
    return facts


def _mapped(facts: pd.DataFrame, memberships: pd.DataFrame, inventory_status: pd.DataFrame | None) -> pd.DataFrame:
    """Join the groups of each problem's resource; one row per problem and group."""
    known = memberships[[*_RESOURCE, "group_name"]].drop_duplicates()
    if inventory_status is not None:
        known = known.merge(_read_places(inventory_status), on=_PLACE)
    each = facts.merge(known, on=_RESOURCE, how="left")
    each["mapped_count"] = each["group_name"].notna().astype("int64")
    each["group_name"] = each["group_name"].fillna(NOT_MAPPED)
    return each


def _read_places(inventory_status: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of account and Region whose latest inventory has every table that memberships need."""
    latest = inventory_status.groupby(_PLACE)["observed_time"].transform("max")
    current = inventory_status[inventory_status["observed_time"] == latest]
    read = current[current["pulled"].fillna(value=False) & current["table_name"].isin(_NEEDED)]
    counts = read.groupby(_PLACE)["table_name"].nunique().rename("tables").reset_index()
    return counts.loc[counts["tables"] == len(_NEEDED), _PLACE]


def _summed(each: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    groups = each.groupby(key)
    table = groups[[c for c in each.columns if c.endswith("_count")]].sum()
    table["unmapped_count"] = table["problems_count"] - table["mapped_count"]
    names = dict(enumerate(s.value for s in Severity))
    table["worst_severity"] = groups["worst_severity"].min().map(names)
    table["oldest_open_time"] = groups["oldest_open_time"].min()
    table["oldest_open_age_days"] = groups["oldest_open_age_days"].max()
    return table.reset_index()
