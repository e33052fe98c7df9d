"""What `ddreport suppress …` prints: tables for people, and the same facts as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.cli.commands.problems import for_programs, when

if TYPE_CHECKING:
    import pandas as pd

    from ddreport.cli.output import Output
    from ddreport.targets import Target
    from ddreport.workflows.suppressing import Situation, SuppressionPlan

_RESOURCE = {"check": "Check", "resource": "Resource"}
_PLAN = {
    "action": "Action",
    **_RESOURCE,
    "rule_id": "Rule",
    "owner": "Owner",
    "ends": "Ends",
    "hides": "Hides",
    "note": "Why",
}
_RULES = {
    "rule_id": "Rule",
    "check": "Check",
    "selector": "Selects",
    "state": "State",
    "suppressions_count": "Suppressions",
    "hides": "Hides",
    "ends": "Ends",
    "note": "Note",
}
_EFFECT = {
    "moment": "Suppressions",
    "compliance_rate": "Checks compliant",
    "resource_compliance_rate": "Resources compliant",
    "open": "Findings that show",
    "hidden": "hidden",
}
_MOMENTS = {"BEFORE": "as they are", "AFTER": "as planned", "WITHOUT": "none"}
_APPLIED = {"outcome": "Outcome", "action": "Action", **_RESOURCE, "rule_id": "Rule", "message": "Message"}
_LISTED = {
    "state": "State",
    **_RESOURCE,
    "owner": "Owner",
    "reason": "Reason",
    "ticket": "Ticket",
    "ends": "Ends",
    "review": "Review",
    "hides": "Hides",
    "rule": "Rule",
    "note": "Note",
}
_DRIFT = {"kind": "Difference", **_RESOURCE, "rule_id": "Rule", "owner": "Owner", "ends": "Ends", "message": "What"}


def show_plan(out: Output, target: Target, situation: Situation, plan: SuppressionPlan) -> None:
    """Print changes, rules and effect for people; programs get `plan_data`."""
    from ddreport.suppression.tables import rows_of

    if out.json:
        return
    title = _title(target, situation)
    shown = [row for row in rows_of(plan.table) if row["action"] != "LEAVE"]
    out.table([_person(row) for row in shown], _PLAN, empty=f"{title}: nothing to do.", title=title)
    rules = rows_of(situation.expansion.rules) if situation.expansion is not None else []
    out.table([_person(row) for row in rules], _RULES, empty="The file has no rules.", title="Rules")
    effect = [
        {
            "moment": _MOMENTS[row["moment"]],
            "compliance_rate": _rate(row["compliance_rate"]),
            "resource_compliance_rate": _rate(row["resource_compliance_rate"]),
            "open": row["open_findings_count"],
            "hidden": row["hidden_findings_count"],
        }
        for row in rows_of(plan.effect)
    ]
    if effect:
        out.table(effect, _EFFECT, empty="", title="What the next audit would report of what the latest one found")
    counts = plan.table["action"].value_counts()
    told = [f"{counts.get(a, 0)} to {a.lower()}" for a in ("DELETE", "CHANGE", "CREATE")]
    kept = f"{counts.get('LEAVE', 0)} stay, {counts.get('FOREIGN', 0)} foreign"
    out.line(f"{', '.join(told)}; {kept}. Plan {plan.digest}.")
    for row in rules:
        if row["state"] == "UNRESOLVED":
            out.warn(f"rule {row['rule_id']} could not be expanded: {row['note']}. What it made before stays.")


def plan_data(target: Target, situation: Situation, plan: SuppressionPlan) -> dict[str, Any]:
    """Return a plan for programs."""
    emulated = situation.identity.emulated
    counts = plan.table["action"].value_counts()
    return {
        **_head(target, situation),
        "plan": plan.digest,
        "counts": {str(action): int(count) for action, count in counts.items()},
        "changes": for_programs(plan.table, emulated=emulated),
        "rules": for_programs(situation.expansion.rules, emulated=emulated) if situation.expansion else [],
        "effect": for_programs(plan.effect, emulated=emulated),
    }


def show_applied(out: Output, applied: pd.DataFrame) -> None:
    """Print what became of each change."""
    from ddreport.suppression.tables import rows_of

    if out.json:
        return
    rows = rows_of(applied)
    bad = [row for row in rows if row["outcome"] != "DONE"]
    if bad:
        out.table([_person(row) for row in rows], _APPLIED, empty="", title="What was done")
    done = len(rows) - len(bad)
    out.line(f"{done} of {len(rows)} change{'' if len(rows) == 1 else 's'} made.")
    if bad:
        out.warn(f"{len(bad)} were not made; run the same command again to go on with them.")


def applied_data(applied: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what became of each change for programs."""
    rows = for_programs(applied, emulated=False)
    return [{name: value for name, value in row.items() if name != "emulated"} for row in rows]


def show_listed(out: Output, target: Target, situation: Situation, table: pd.DataFrame) -> None:
    """Print the suppressions of an account."""
    from ddreport.suppression.tables import rows_of

    if out.json:
        return
    title = _title(target, situation)
    rows = [_person(row) for row in rows_of(table)]
    out.table(rows, _LISTED, empty=f"{title}: no suppressions.", title=title)
    counts = table["state"].value_counts()
    if rows:
        out.line(", ".join(f"{count} {str(state).lower().replace('_', ' ')}" for state, count in counts.items()) + ".")


def listed_data(target: Target, situation: Situation, table: pd.DataFrame) -> dict[str, Any]:
    """Return the suppressions of an account for programs."""
    return {**_head(target, situation), "suppressions": for_programs(table, emulated=situation.identity.emulated)}


def show_drift(out: Output, target: Target, situation: Situation, table: pd.DataFrame) -> None:
    """Print the differences between file and account."""
    from ddreport.suppression.tables import rows_of

    if situation.expansion is not None:
        for rule in rows_of(situation.expansion.rules):
            if rule["state"] == "UNRESOLVED":
                out.warn(f"rule {rule['rule_id']} could not be expanded: {rule['note']}.")
    if out.json:
        return
    title = _title(target, situation)
    out.table([_person(row) for row in rows_of(table)], _DRIFT, empty=f"{title}: as the file says.", title=title)


def drift_data(target: Target, situation: Situation, table: pd.DataFrame) -> dict[str, Any]:
    """Return the differences for programs."""
    return {
        **_head(target, situation),
        "drifted": not table.empty,
        "unresolved_rules": sorted(situation.expansion.unresolved()) if situation.expansion else [],
        "drift": for_programs(table, emulated=situation.identity.emulated),
    }


def _head(target: Target, situation: Situation) -> dict[str, Any]:
    return {
        "target": target.name,
        "account": situation.place.account,
        "region": situation.place.region,
        "emulated": situation.identity.emulated,
        "as_of_time": situation.identity.as_of.isoformat(),
        "file": situation.file.source if situation.file else None,
        "file_name": situation.file.name if situation.file else None,
        "notes": list(situation.notes),
    }


def _title(target: Target, situation: Situation) -> str:
    emulated = ", emulated account, not AWS" if situation.identity.emulated else ""
    place = situation.place
    now = f"{situation.identity.as_of:%Y-%m-%d %H:%M} UTC"
    return f"{target.name}: account {place.account}, {place.region}, {now}{emulated}"


def _person(row: dict[str, Any]) -> dict[str, Any]:
    from ddreport.catalogue import describe_check

    version = f" version {row['policy_version_id']}" if row.get("policy_version_id") else ""
    found = row.get("findings_count")
    is_there = row.get("action") in ("FOREIGN", "DELETE")
    ends = row["present_expiration_time"] if is_there else row.get("expiration_time")
    file_name, rule_id = row.get("file_name"), row.get("rule_id")
    shown = {name: "" if value is None else value for name, value in row.items()}
    return {
        **shown,
        "check": describe_check(row["check_name"]).title,
        "resource": f"{row.get('resource_id')}{version}",
        "ends": when(ends) or _never(row),
        "review": f"{row['review_time']:%Y-%m-%d}" if row.get("review_time") is not None else "",
        "hides": "?" if found is None else found,
        "rule": f"{file_name}/{rule_id}" if file_name and rule_id else "",
    }


def _never(row: dict[str, Any]) -> str:
    endless = [row[n] for n in ("suppress_indefinitely", "present_suppress_indefinitely") if row.get(n) is not None]
    return "never" if any(endless) or ("suppressions_count" in row and row.get("expiration_time") is None) else ""


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
