"""How every suppression of an account stands: who answers for it, what it hides, and whether somebody must look."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.suppression.marker import read_marker
from ddreport.suppression.planning import people_of
from ddreport.suppression.results import LISTED, RuleState, SuppressionState
from ddreport.suppression.tables import rows_of, table_of

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.suppression.expansion import Expansion, Known
    from ddreport.suppression.rules import RuleFile

SOON_DAYS = 14
"""Days before its end from which on a suppression is said to expire soon."""

_STATES = [s.value for s in SuppressionState]


def listed_table(
    present: pd.DataFrame,
    known: Known,
    *,
    as_of: datetime,
    file: RuleFile | None = None,
    expansion: Expansion | None = None,
    soon_days: int = SOON_DAYS,
) -> pd.DataFrame:
    """List the suppressions of an account with their states, and the rules of the file that have ended.

    Parameters
    ----------
    present
        Table `schemas.SUPPRESSIONS`, as it is now.
    known
        Tells what each hides; of a check that no audit in the archive has finished, nobody knows.
    file, expansion
        The file and what it wants here; None: owners and days of review are those in the descriptions.
    soon_days
        See `SOON_DAYS`.

    Returns
    -------
    DataFrame
        `results.LISTED`, by state (what needs somebody first), end, check and resource.
    """
    counts = known.counts()
    rows = [
        _row(row, known.found(counts, row["check_name"], row["resource_identifier"]), as_of, soon_days)
        for row in rows_of(present)
    ]
    if file is not None and expansion is not None:
        rows += [_expired(row, file) for row in rows_of(expansion.rules) if row["state"] == RuleState.EXPIRED]
    table = table_of(LISTED, rows)
    table["order"] = table["state"].map(_STATES.index)
    keys = ["order", "expiration_time", "check_name", "resource_id", "resource_identifier"]
    return LISTED.conform(table.sort_values(keys, ignore_index=True))


def _row(row: dict[str, Any], found: int | None, as_of: datetime, soon_days: int) -> dict[str, Any]:
    marker = read_marker(row["description"])
    people: dict[str, Any] = people_of(marker) if marker else {"reason": row["description"]}
    ends = row["expiration_time"]
    review = people.get("review_time")
    holds = {
        SuppressionState.EXPIRED: "it has ended" if ends is not None and ends <= as_of else "",
        SuppressionState.FOREIGN: "" if marker else "no file made it",
        SuppressionState.HIDES_NOTHING: _nothing(row) if found == 0 else "",
        SuppressionState.EXPIRES_SOON: _soon(ends, as_of, soon_days),
        SuppressionState.REVIEW_DUE: f"review was due on {review:%Y-%m-%d}" if _is_due(review, as_of) else "",
    }
    state = next((s for s, why in holds.items() if why), SuppressionState.OK)
    notes = [why for why in holds.values() if why]
    if ends is None and marker and review is None:
        notes.append("it never ends, and no day of review is set")
    if found is None:
        notes.append("no finished audit in the archive tells what it hides")
    return {
        **row,
        **people,
        "state": state.value,
        "file_name": marker.file_name if marker else None,
        "findings_count": found,
        "note": "; ".join(notes) or None,
    }


def _nothing(row: dict[str, Any]) -> str:
    if row["policy_version_id"] is not None:
        return f"no open finding of version {row['policy_version_id']}: the policy was mended, or has a newer version"
    return "the latest audit found nothing that it would hide"


def _soon(ends: pd.Timestamp | None, as_of: datetime, soon_days: int) -> str:
    if ends is None or not as_of < ends <= as_of + timedelta(days=soon_days):
        return ""
    days = (ends - pd.Timestamp(as_of)).days
    return f"it ends in {days} day{'' if days == 1 else 's'}" if days else "it ends within a day"


def _is_due(review: pd.Timestamp | None, as_of: datetime) -> bool:
    return review is not None and review <= as_of


def _expired(row: dict[str, Any], file: RuleFile) -> dict[str, Any]:
    rule = file.rule(row["rule_id"])
    return {
        **row,
        "state": SuppressionState.EXPIRED.value,
        "suppress_indefinitely": False,
        "resource_type": row["selector"],
        "resource_id": row["selector"],
        "file_name": file.name,
        "owner": rule.owner if rule else None,
        "reason": rule.reason if rule else None,
        "ticket": (rule.ticket or None) if rule else None,
        "note": f"line {row['line']}: {row['note']}; take the rule out or give it a new end",
    }
