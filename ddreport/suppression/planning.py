"""From what a file wants and what an account has to what is to be done, and to how the two differ.

A suppression is the file's own when its description ends with the file's name (`suppression.marker`). Everything else
is foreign: it is left alone unless somebody asks for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.errors import InputError
from ddreport.suppression.marker import Marker, read_marker
from ddreport.suppression.results import DRIFT, PLAN, Action, DriftKind, RuleState
from ddreport.suppression.tables import rows_of, table_of

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.suppression.expansion import Expansion, Known
    from ddreport.suppression.rules import Place, RuleFile

_ORDER = [a.value for a in Action]
_KINDS = [k.value for k in DriftKind]


def check_account(file: RuleFile, place: Place) -> None:
    """Refuse a file that says that it is for other accounts (`InputError`)."""
    if file.accounts and place.account not in file.accounts:
        raise InputError(
            f"{file.source} is for account {', '.join(file.accounts)}, and this is account {place.account}, "
            f"Region {place.region}; nothing was done.",
            hint="choose the right target, or add the account to `accounts:` in the file.",
        )


def plan_changes(
    file: RuleFile,
    expansion: Expansion,
    present: pd.DataFrame,
    known: Known,
    *,
    adopt: bool = False,
    prune_foreign: bool = False,
) -> pd.DataFrame:
    """Compare what the file wants with what the account has.

    Parameters
    ----------
    expansion
        What the file wants (`expand`).
    present
        Table `schemas.SUPPRESSIONS`, as it is now, of the same account and Region.
    adopt
        Take over foreign suppressions that a rule wants as well: end and description become the rule's.
    prune_foreign
        Delete foreign ones that no rule wants. Never those of another file.

    Returns
    -------
    DataFrame
        `results.PLAN`: deletions first, then changes, creations, what stays and what is foreign; within that by check,
        resource and identifier. In this order the changes are made: whatever stops them in the middle, findings are
        rather shown than hidden, and room is made before it is needed.
    """
    desired = {(r["check_name"], r["resource_identifier"]): r for r in rows_of(expansion.desired)}
    there = {(r["check_name"], r["resource_identifier"]): r for r in rows_of(present)}
    states = {r["rule_id"]: r for r in rows_of(expansion.rules)}
    counts = known.counts()
    rows = []
    for key in desired.keys() | there.keys():
        want, have = desired.get(key), there.get(key)
        marker = read_marker(have["description"]) if have else None
        found = known.found(counts, *key)
        action, note = _action(file, want, have, marker, states, adopt=adopt, prune_foreign=prune_foreign)
        rows.append(_row(action, note, want, have, marker, found))
    table = table_of(PLAN, rows)
    order = table["action"].map(_ORDER.index)
    keys = ["order", "check_name", "resource_id", "resource_identifier"]
    return PLAN.conform(table.assign(order=order).sort_values(keys, ignore_index=True))


def _action(
    file: RuleFile,
    want: dict[str, Any] | None,
    have: dict[str, Any] | None,
    marker: Marker | None,
    states: dict[str, dict[str, Any]],
    *,
    adopt: bool,
    prune_foreign: bool,
) -> tuple[Action, str]:
    if have is None:
        return Action.CREATE, ""
    if marker is None or marker.file_name != file.name:
        taken = _foreign(want, marker, adopt=adopt, prune_foreign=prune_foreign)
        if taken is not None:
            return taken
    if want is None:
        return _surplus(marker, states)
    differs = differences(want, have)
    return (Action.CHANGE, "; ".join(differs)) if differs else (Action.LEAVE, "")


def _foreign(
    want: dict[str, Any] | None, marker: Marker | None, *, adopt: bool, prune_foreign: bool
) -> tuple[Action, str] | None:
    """Return what becomes of a foreign suppression; None when it is taken over."""
    wanted = f"rule {want['rule_id']} wants it" if want else ""
    if marker is not None:
        return Action.FOREIGN, f"the file {marker.file_name} manages it" + (f"; {wanted} too" if wanted else "")
    if want is not None:
        return None if adopt else (Action.FOREIGN, f"{wanted}, and somebody else made it; --adopt takes it over")
    if prune_foreign:
        return Action.DELETE, "no file made it, and --prune-foreign was given"
    return Action.FOREIGN, "no file made it"


def _surplus(marker: Marker | None, states: dict[str, dict[str, Any]]) -> tuple[Action, str]:
    rule_id = marker.rule_id if marker else ""
    rule = states.get(rule_id)
    if rule is None:
        return Action.DELETE, f"its rule {rule_id} is not in the file any more"
    if rule["state"] == RuleState.UNRESOLVED:
        return Action.LEAVE, f"kept, since rule {rule_id} cannot be expanded: {rule['note']}"
    if rule["state"] in (RuleState.EXPIRED, RuleState.OTHER_PLACE):
        return Action.DELETE, f"rule {rule_id}: {rule['note']}"
    return Action.DELETE, f"rule {rule_id} does not fit it any more"


def differences(want: dict[str, Any], have: dict[str, Any]) -> list[str]:
    """Say how a present suppression differs from the wanted one; nothing when it does not."""
    found = []
    ends, is_endless = have["expiration_time"], bool(have["suppress_indefinitely"])
    # AWS keeps milliseconds, a file whole seconds.
    at = None if ends is None or is_endless else ends.floor("s")
    wanted = want["expiration_time"]
    if at != wanted:
        found.append(f"its end: {end_in_words(at)}, to be {end_in_words(wanted)}")
    if have["description"] != want["description"]:
        found.append("its description")
    return found


def end_in_words(moment: datetime | None) -> str:
    """Say when a suppression ends."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "never"


def _row(
    action: Action,
    note: str,
    want: dict[str, Any] | None,
    have: dict[str, Any] | None,
    marker: Marker | None,
    found: int | None,
) -> dict[str, Any]:
    known = want or have or {}
    names = (
        "account",
        "region",
        "check_name",
        "resource_type",
        "resource_id",
        "policy_version_id",
        "resource_identifier",
    )
    row = {name: known[name] for name in names}
    row |= {"action": action.value, "note": note or None, "findings_count": found}
    if want is not None and action is not Action.FOREIGN:
        people = ("rule_id", "owner", "reason", "ticket", "review_time")
        row |= {n: want[n] for n in (*people, "suppress_indefinitely", "expiration_time", "description")}
    elif marker is not None:
        row |= people_of(marker)
    if have is not None:
        same = ("suppress_indefinitely", "expiration_time", "description")
        row |= {f"present_{name}": have[name] for name in same}
    return row


def people_of(marker: Marker) -> dict[str, Any]:
    """Return what a description says, by column."""
    try:
        review = pd.Timestamp(marker.review, tz="UTC") if marker.review else None
    except ValueError:  # a day that no calendar has, written by somebody else
        review = None
    return {
        "rule_id": marker.rule_id,
        "owner": marker.owner,
        "reason": marker.reason,
        "ticket": marker.ticket or None,
        "review_time": review,
    }


def writing(plan: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a plan that change the account, in the order in which they are made."""
    return plan[plan["action"].map(lambda a: Action(a).writes).astype("bool")].reset_index(drop=True)


def plan_digest(plan: pd.DataFrame) -> str:
    """Return a short digest of what a plan changes: the same plan has the same, whenever it is made."""
    names = ["account", "region", "action", "check_name", "resource_identifier", "description", "expiration_time"]
    told = [[str(value) for value in row] for row in writing(plan)[names].itertuples(index=False, name=None)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def drift_table(plan: pd.DataFrame, expansion: Expansion, file: RuleFile) -> pd.DataFrame:
    """Say how file and account differ, from a plan made without `adopt` and `prune_foreign`.

    Suppressions of other files are none of this one's business, unless both want the same. Rules that cannot be
    expanded are no difference: they are told by `Expansion.unresolved`.

    Returns
    -------
    DataFrame
        `results.DRIFT`, by kind, check and resource; empty when the two agree.
    """
    wanted = {(r["check_name"], r["resource_identifier"]) for r in rows_of(expansion.desired)}
    rows = []
    for row in rows_of(plan):
        marker = read_marker(row["present_description"])
        action = Action(row["action"])
        key = (row["check_name"], row["resource_identifier"])
        is_others = marker is not None and marker.file_name != file.name
        if action is Action.LEAVE or (is_others and key not in wanted):
            continue
        kind, message = _drift(action, row)
        ends = row["present_expiration_time"] if action is not Action.CREATE else row["expiration_time"]
        rows.append(
            row
            | {
                "kind": kind.value,
                "message": message,
                "expiration_time": ends,
                "suppress_indefinitely": ends is None,
            }
        )
    for rule in rows_of(expansion.rules):
        if rule["state"] == RuleState.EXPIRED:
            written = file.rule(rule["rule_id"])
            rows.append(
                rule
                | {
                    "kind": DriftKind.EXPIRED_RULE.value,
                    "owner": written.owner if written else None,
                    "resource_type": rule["selector"],
                    "resource_id": rule["selector"],
                    "message": f"line {rule['line']}: {rule['note']}; take the rule out or give it a new end",
                }
            )
    table = table_of(DRIFT, rows)
    order = table["kind"].map(_KINDS.index)
    keys = ["order", "check_name", "resource_id", "resource_identifier"]
    return DRIFT.conform(table.assign(order=order).sort_values(keys, ignore_index=True))


def _drift(action: Action, row: dict[str, Any]) -> tuple[DriftKind, str]:
    if action is Action.CREATE:
        return DriftKind.MISSING, f"rule {row['rule_id']} wants it, and the account has it not"
    if action is Action.CHANGE:
        return DriftKind.CHANGED, f"differs from rule {row['rule_id']}: {row['note']}"
    if action is Action.DELETE:
        return DriftKind.SURPLUS, str(row["note"])
    return DriftKind.FOREIGN, str(row["note"])
