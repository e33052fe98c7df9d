"""Resources with the most problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from ddreport.engines import Table, collect, scan
from ddreport.errors import ParameterError
from ddreport.metrics.results import TOP_RESOURCES
from ddreport.schemas import FINDINGS, SEVERITY, pandas_dtype
from ddreport.terms import Severity

if TYPE_CHECKING:
    import pandas as pd

RESOURCE = ["account", "region", "resource_type", "resource_id"]


def top_resources(findings: Table, *, limit: int = 10, include_suppressed: bool = False) -> pd.DataFrame:
    """Resources with the most problems in the given findings; usually those of `current_findings`.

    A problem is a pair of check and reason: the same one found in several audits counts once.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`.
    limit
        Rows at most, 1 or more.
    include_suppressed
        Whether suppressed findings count too.

    Returns
    -------
    DataFrame
        `results.TOP_RESOURCES`, by problems_count (most first), then worst_severity, account, region, resource_type
        and resource_id.

    Raises
    ------
    TableSchemaError
        A column is missing, or a severity is none of the four.
    ParameterError
        `limit` is less than 1.
    """
    if limit < 1:
        raise ParameterError(f"limit is {limit}; allowed: 1 or more.")
    problem = ["check_name", "reason_code", "severity"]
    rows = scan(findings, FINDINGS, [*RESOURCE, *problem, "is_suppressed", "finding_time"])
    if not include_suppressed:
        rows = rows.filter(~nw.col("is_suppressed"))
    problems = collect(rows.group_by(*RESOURCE, *problem).agg(nw.col("finding_time").min()))
    problems["severity"] = problems["severity"].astype(pandas_dtype(SEVERITY))
    for severity in Severity:
        problems[f"{severity.lower()}_count"] = (problems["severity"] == severity.value).astype("Int64")
    # The order of severities goes from most to least severe, so the worst is the least of them.
    problems["worst"] = problems["severity"].cat.codes
    table = problems.groupby(RESOURCE, as_index=False).agg(
        worst=("worst", "min"),
        problems_count=("check_name", "size"),
        **{f"{s.lower()}_count": (f"{s.lower()}_count", "sum") for s in Severity},
        checks_count=("check_name", "nunique"),
        reasons_count=("reason_code", "nunique"),
        first_finding_time=("finding_time", "min"),
    )
    table = table.sort_values(["problems_count", "worst", *RESOURCE], ascending=[False, *[True] * 5]).head(limit)
    table["worst_severity"] = [list(Severity)[code].value for code in table["worst"]]
    names = problems.merge(table[RESOURCE], on=RESOURCE)[[*RESOURCE, "check_name"]].drop_duplicates()
    joined = (
        names.sort_values("check_name").groupby(RESOURCE, as_index=False).agg(check_names=("check_name", ", ".join))
    )
    return TOP_RESOURCES.conform(table.merge(joined, on=RESOURCE, how="left"))
