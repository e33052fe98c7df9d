"""Which findings a plan is about: by check, severity, reason, resource, problem or finding."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.errors import InputError, did_you_mean
from ddreport.history.identity import problem_ids
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Selection:
    """What to treat: each field narrows, an empty one means all; the values of one field are alternatives.

    Attributes
    ----------
    checks, severities, reason_codes
        API names of checks; `CRITICAL` …; AWS's reason codes.
    resources
        Ids of resources, with `*` and `?` as in file names.
    problems, findings
        Ids of problems or findings, or their first characters (at least six).
    excluded
        Ids of problems, findings or resources to leave out (also with `*`).
    """

    checks: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    reason_codes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows it."""
        return not any(getattr(self, f.name) for f in fields(self) if f.name != "excluded")

    def facts(self) -> dict[str, list[str]]:
        """Return what was asked for, as a plan keeps it."""
        return {f.name: list(getattr(self, f.name)) for f in fields(self) if getattr(self, f.name)}


@dataclass(frozen=True)
class Selected:
    """What a selection picks.

    Attributes
    ----------
    chosen
        Rows of `schemas.FINDINGS` with `problem_id`.
    excluded
        Those that would have been chosen and were left out by name.
    """

    chosen: pd.DataFrame
    excluded: pd.DataFrame


def select(findings: pd.DataFrame, selection: Selection) -> Selected:
    """Pick the findings that a selection names.

    Parameters
    ----------
    findings
        `schemas.FINDINGS`, those that are open now (`metrics.current_findings`).

    Raises
    ------
    InputError
        A value names nothing that is there; so a typing error never makes a smaller plan.
    """
    table = findings.assign(problem_id=problem_ids(findings))
    keep = pd.Series(data=True, index=table.index)
    by_value = {
        "check_name": selection.checks,
        "severity": selection.severities,
        "reason_code": selection.reason_codes,
    }
    for column, wanted in by_value.items():
        if wanted:
            values = table[column].astype("str")
            _refuse_unknown(column, wanted, values, _equal)
            keep &= values.isin(wanted)
    for column, wanted, matches in (
        ("resource_id", selection.resources, fnmatchcase),
        ("problem_id", selection.problems, _begins),
        ("finding_id", selection.findings, _begins),
    ):
        if wanted:
            _refuse_unknown(column, wanted, table[column], matches)
            keep &= _any(table[column], wanted, matches)
    out = pd.Series(data=False, index=table.index)
    for text in selection.excluded:
        hit = (
            _any(table["resource_id"], [text], fnmatchcase)
            | _any(table["problem_id"], [text], _begins)
            | _any(table["finding_id"], [text], _begins)
        )
        if not hit.any():
            raise InputError(f"nothing that is open has the id {text!r} to leave out.")
        out |= hit
    return Selected(table[keep & ~out].reset_index(drop=True), table[keep & out].reset_index(drop=True))


_LEAST = 6
_WORDS = {
    "check_name": "check",
    "severity": "severity",
    "reason_code": "reason code",
    "resource_id": "resource",
    "problem_id": "problem id",
    "finding_id": "finding id",
}


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _begins(value: str, wanted: str) -> bool:
    return value == wanted or (len(wanted) >= _LEAST and value.startswith(wanted.lower()))


def _any(values: pd.Series[str], wanted: Sequence[str], matches: Callable[[str, str], bool]) -> pd.Series[bool]:
    exact = values.isin(wanted)
    rest = [w for w in wanted if w not in set(values[exact])]
    if not rest:
        return exact
    return exact | values.map(lambda value: any(matches(value, w) for w in rest)).astype(bool)


def _refuse_unknown(
    column: str, wanted: Sequence[str], values: pd.Series[str], matches: Callable[[str, str], bool]
) -> None:
    present = values.unique().tolist()
    for text in wanted:
        if not any(matches(value, text) for value in present):
            known = [s.value for s in Severity] if column == "severity" else present
            shown = f"there are: {', '.join(sorted(map(str, present))[:20]) or 'none'}" if len(present) <= 20 else ""
            raise InputError(
                f"no open finding has the {_WORDS[column]} {text!r}{'; ' + shown if shown else ''}."
                f"{did_you_mean(text, known)}",
                hint="`ddreport findings` lists what is open.",
            )
