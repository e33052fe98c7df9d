"""Compliance over time: at every moment what is known of every check, with what the numbers rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ddreport.metrics.compliance import share
from ddreport.metrics.results_controls import COMPLIANCE_TREND, Verdict
from ddreport.metrics.verdicts import COUNTS, PLACE, check_by, check_verdicts, utc_moments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def compliance_trend(
    runs: pd.DataFrame,
    moments: Sequence[datetime],
    *,
    check_configurations: pd.DataFrame | None = None,
    by: Sequence[str] = PLACE,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the checks by their verdict at each moment, per account and Region or all together.

    Every check of every account counts with its own latest verdict (`check_verdicts`), whenever that was, so that
    accounts audited on different days and audits of a few checks neither raise nor lower what they did not look at.

    known = on + off; on = compliant + non_compliant + unknown; finished = compliant + non_compliant.

    - compliance_rate = compliant / finished
    - strict_compliance_rate = (compliant - compliant_only_by_suppression) / finished
    - least_compliance_rate = compliant / on: the rate if all that is unknown did not comply
    - unknown_rate = unknown / on
    - coverage_on, coverage_run, coverage_finished = on, run, finished / known
    - resource_compliance_rate = 1 - non-compliant / evaluated resources, over the finished checks whose counts AWS
      gave; strict_resource_compliance_rate = 1 - (non-compliant + suppressed) / evaluated

    A check that is switched off is in no rate; it lowers the coverage.

    Parameters
    ----------
    runs, moments, check_configurations
        As for `check_verdicts`.
    by
        `("account", "region")`, one of them, or `()` for one row per moment.
    verdicts
        What `check_verdicts` says of the same, where it is known already; None: it is asked.

    Returns
    -------
    DataFrame
        `results_controls.COMPLIANCE_TREND`, sorted by account, region and as_of_time: a row for every moment, also for
        those at which nothing was known yet; then all counts are 0 and the rates NaN. Without any check no rows.

    Raises
    ------
    WindowError, ParameterError
        A moment has no time zone; `by` names another column.
    """
    groups = check_by(by)
    if verdicts is None:
        verdicts = check_verdicts(runs, moments, check_configurations=check_configurations)
    if verdicts.empty:
        return COMPLIANCE_TREND.empty()
    key = [*groups, "as_of_time"]
    known = verdicts[key].join(_counted(verdicts))
    table = known.groupby(key).sum()
    places = verdicts[["as_of_time", *PLACE]].drop_duplicates().groupby(key).size()
    table["places_count"] = places
    # A moment at which a group was not known yet is a row too: a gap must not look like the moment before.
    own = verdicts[groups].drop_duplicates() if groups else pd.DataFrame(index=[0])
    grid = own.merge(pd.DataFrame({"as_of_time": utc_moments(moments)}), how="cross")
    table = grid.merge(table.reset_index(), on=key, how="left")
    counts = [c for c in table.columns if c.endswith("_count")]
    table[counts] = table[counts].fillna(0)
    table["on_checks_count"] = table["known_checks_count"] - table["off_checks_count"]
    table["finished_checks_count"] = table["compliant_checks_count"] + table["non_compliant_checks_count"]
    _add_rates(table)
    for name in PLACE:
        if name not in groups:
            table[name] = None
    return COMPLIANCE_TREND.conform(table.sort_values(key))


def _counted(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return what each row of verdicts adds to each count."""
    verdict = verdicts["verdict"]
    compliant = verdict == Verdict.COMPLIANT.value
    finished = compliant | (verdict == Verdict.NON_COMPLIANT.value)
    suppressed = verdicts["suppressed_non_compliant_resources_count"].fillna(0) > 0
    counted = finished & verdicts[COUNTS[0]].notna() & verdicts[COUNTS[1]].notna()
    flags = {
        "known_checks_count": pd.Series(data=True, index=verdicts.index),
        "off_checks_count": verdict == Verdict.OFF.value,
        "run_checks_count": verdicts["has_run"],
        "compliant_checks_count": compliant,
        "non_compliant_checks_count": finished & ~compliant,
        "unknown_checks_count": verdict == Verdict.UNKNOWN.value,
        "compliant_only_by_suppression_count": compliant & suppressed,
        "counted_checks_count": counted,
    }
    numbers = {name: verdicts[name].where(counted).fillna(0) for name in COUNTS}
    return pd.DataFrame({name: values.astype("int64") for name, values in (flags | numbers).items()})


def _add_rates(table: pd.DataFrame) -> None:
    compliant, finished = table["compliant_checks_count"], table["finished_checks_count"]
    on, known = table["on_checks_count"], table["known_checks_count"]
    table["compliance_rate"] = share(compliant, finished)
    table["strict_compliance_rate"] = share(compliant - table["compliant_only_by_suppression_count"], finished)
    table["least_compliance_rate"] = share(compliant, on)
    table["unknown_rate"] = share(table["unknown_checks_count"], on)
    table["coverage_on"] = share(on, known)
    table["coverage_run"] = share(table["run_checks_count"], known)
    table["coverage_finished"] = share(finished, known)
    total, bad, suppressed = (table[name] for name in COUNTS)
    table["resource_compliance_rate"] = share(total - bad, total)
    table["strict_resource_compliance_rate"] = share(total - bad - suppressed, total)
