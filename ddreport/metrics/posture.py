"""The posture score: one number with a published formula, of which every point can be explained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.errors import ParameterError, did_you_mean
from ddreport.metrics.results_controls import POSTURE_CONTRIBUTIONS, POSTURE_SCORE, Verdict
from ddreport.metrics.verdicts import COUNTS, PLACE, check_by, check_verdicts
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

WEIGHTS: Mapping[str, float] = {"CRITICAL": 10, "HIGH": 5, "MEDIUM": 3, "LOW": 1}
"""How much a check of each severity weighs in the posture score."""

MOST_FOR_A_FAILING_CHECK = 0.5
"""Credit of a check that fails for next to no resource. Half: mending the last one must always pay, by as much as
mending all others did, and no failing check may outdo a compliant one of its severity."""

_POINTS = {"points": "credit", "strict_points": "strict_credit", "points_if_compliant": "credit_if_compliant"}


def posture_score(
    runs: pd.DataFrame,
    moments: Sequence[datetime],
    *,
    check_configurations: pd.DataFrame | None = None,
    by: Sequence[str] = PLACE,
    weights: Mapping[str, float] = WEIGHTS,
    severities: Mapping[str, str] | None = None,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the posture score, 0..100, at each moment, per account and Region or all together.

    posture_score = 100 x sum(weight x credit) / sum(weight), over every known check of every account and Region.

    The weight is that of the check's severity; of a severity that nobody knows, the greatest. The credit is

    - COMPLIANT: 1
    - NON_COMPLIANT: 0.5 x (1 - non-compliant / evaluated resources); 0 where AWS gave no counts
    - UNKNOWN: 0. So the score is the lower bound; `score_if_unknown_compliant`, with 1 for these, is the upper one.
    - OFF: 0, with its full weight: a control that is switched off protects nobody, so switching off the check that
      fails never raises the score.

    strict_posture_score takes suppressed resources for non-compliant ones, also in checks that comply only thanks to
    suppressions.

    Parameters
    ----------
    runs, moments, check_configurations, by, verdicts
        As for `compliance_trend`.
    weights
        Weight by severity, numbers of at least 0; severities left out keep that of `WEIGHTS`.
    severities
        Severity by check name, for checks that the catalogue does not have (findings tell them).

    Returns
    -------
    DataFrame
        `results_controls.POSTURE_SCORE`, sorted by account, region and as_of_time; moments at which no check was
        known have no row. `posture_contributions` shows the parts.

    Raises
    ------
    WindowError, ParameterError
        A moment has no time zone; `by`, a weight or a severity is none that is allowed.
    """
    groups = check_by(by)
    parts = posture_contributions(
        runs,
        moments,
        check_configurations=check_configurations,
        by=by,
        weights=weights,
        severities=severities,
        verdicts=verdicts,
    )
    if parts.empty:
        return POSTURE_SCORE.empty()
    key = [*groups, "as_of_time"]
    parts["known_checks_count"] = 1
    parts["unknown_checks_count"] = (parts["verdict"] == Verdict.UNKNOWN.value).astype("int64")
    parts["off_checks_count"] = (parts["verdict"] == Verdict.OFF.value).astype("int64")
    parts["ungraded_checks_count"] = parts["severity"].isna().astype("int64")
    counts = [c for c in parts.columns if c.endswith("_count")]
    table = parts.groupby(key)[[*_POINTS, "weight", *counts]].sum().reset_index()
    names = ["posture_score", "strict_posture_score", "score_if_unknown_compliant"]
    table = table.rename(columns={**dict(zip(_POINTS, names, strict=True)), "weight": "total_weight"})
    # Parts that add up to the whole in mathematics may pass it by a rounding error.
    table[names] = table[names].clip(0, 100).where(table["total_weight"] > 0)
    for name in PLACE:
        if name not in groups:
            table[name] = None
    return POSTURE_SCORE.conform(table.sort_values(key))


def posture_contributions(
    runs: pd.DataFrame,
    moments: Sequence[datetime],
    *,
    check_configurations: pd.DataFrame | None = None,
    by: Sequence[str] = PLACE,
    weights: Mapping[str, float] = WEIGHTS,
    severities: Mapping[str, str] | None = None,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what each check adds to the posture score at each moment, and why.

    points = 100 x weight x credit / sum of the weights of the group (`by`) at that moment; the points of a group add
    up to its `posture_score`, its lost points to what is missing from 100.

    Parameters
    ----------
    runs, moments, check_configurations, by, weights, severities, verdicts
        As for `posture_score`.

    Returns
    -------
    DataFrame
        `results_controls.POSTURE_CONTRIBUTIONS`, sorted by account, region, check_name and as_of_time.

    Raises
    ------
    WindowError, ParameterError
        As for `posture_score`.
    """
    groups = check_by(by)
    weight_of = _weights(weights)
    if verdicts is None:
        verdicts = check_verdicts(runs, moments, check_configurations=check_configurations)
    table = verdicts.copy()
    severity_of = {name: _severity(name, severities or {}) for name in table["check_name"].unique()}
    table["severity"] = table["check_name"].map(severity_of).astype("str")
    greatest = max(weight_of.values())
    table["weight"] = table["check_name"].map({n: weight_of.get(s or "", greatest) for n, s in severity_of.items()})
    total, bad, suppressed = (table[name].astype("float64") for name in COUNTS)
    accepted = suppressed.fillna(0)
    compliant = table["verdict"] == Verdict.COMPLIANT.value
    finished = compliant | (table["verdict"] == Verdict.NON_COMPLIANT.value)
    table["credit"] = _credit(bad, total).mask(compliant, 1.0).where(finished, 0.0)
    strictly = _credit(bad + accepted, total).mask(compliant & (accepted == 0), 1.0)
    table["strict_credit"] = strictly.where(finished, 0.0)
    unknown = table["verdict"] == Verdict.UNKNOWN.value
    table["credit_if_compliant"] = table["credit"].mask(unknown, 1.0)
    whole = table.groupby([*groups, "as_of_time"])["weight"].transform("sum").astype("float64")
    part = 100 * table["weight"].astype("float64") / whole.where(whole > 0, 1)
    for points, credit in _POINTS.items():
        table[points] = part * table[credit]
    table["possible_points"] = part
    table["lost_points"] = part - table["points"]
    table["reason"] = _reasons(table)
    return POSTURE_CONTRIBUTIONS.conform(table)


def _credit(bad: pd.Series[float], total: pd.Series[float]) -> pd.Series[float]:
    """Return the credit of failing checks: 0 where the share of failing resources is not known."""
    failing = (bad / total.where(total > 0)).clip(0, 1).fillna(1)
    return MOST_FOR_A_FAILING_CHECK * (1 - failing)


def _weights(weights: Mapping[str, float]) -> dict[str, float]:
    allowed = [s.value for s in Severity]
    for name, value in weights.items():
        if name not in allowed:
            raise ParameterError(
                f"weights name the severity {str(name)!r}; allowed: {', '.join(allowed)}.{did_you_mean(name, allowed)}"
            )
        if not (math.isfinite(value) and value >= 0):
            raise ParameterError(f"the weight of {name} is {value!r}; it must be a number of at least 0.")
    found = {**WEIGHTS, **{str(name): float(value) for name, value in weights.items()}}
    if not any(found.values()):
        raise ParameterError("all weights are 0; at least one must be greater.")
    return found


def _severity(check_name: str, severities: Mapping[str, str]) -> str | None:
    known = describe_check(check_name).severity
    if known is not None:
        return known.value
    told = severities.get(check_name)
    if told is not None and told not in list(Severity):
        raise ParameterError(f"severities: {check_name} has {told!r}; allowed: {', '.join(Severity)}.")
    return told


def _reasons(table: pd.DataFrame) -> pd.Series[str]:
    """Say in plain words why each check has its credit."""
    total, bad, suppressed = (table[name] for name in COUNTS)
    failing = bad.astype("str") + " of " + total.astype("str") + " resources do not comply"
    failing = failing.where(bad.notna() & total.notna(), "does not comply; AWS gave no counts")
    also = (suppressed > 0).fillna(value=False)
    accepted = suppressed.astype("str") + " suppressed"
    failing = failing.mask(also, failing + ", " + accepted)
    compliant = pd.Series("complies", index=table.index).mask(also, "complies, with " + accepted)
    verdict = table["verdict"]
    reason = table["verdict_note"].astype("str")
    reason = reason.mask(verdict == Verdict.COMPLIANT.value, compliant)
    return reason.mask(verdict == Verdict.NON_COMPLIANT.value, failing).astype("str")
