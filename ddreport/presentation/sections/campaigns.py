"""Mitigation as sections of a notebook: a plan, the campaigns that were carried out, their outcomes and effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import markupsafe

from ddreport.mitigation.plan import SHORT
from ddreport.mitigation.words import describe_plan
from ddreport.presentation import formats
from ddreport.presentation.blocks import DataTable, Section, nothing, rows_of, section, style

if TYPE_CHECKING:
    import pandas as pd

    from ddreport.mitigation.plan import Plan

PLAN, CAMPAIGNS, OUTCOMES, EFFECTS = "The plan", "Campaigns", "Outcome of each action", "Effect over time"

SHOWN = 40
"""Rows that are shown of a table; the archive has them all."""

_COUNTS = ("completed_count", "failed_count", "not_sent_count", "skipped_count", "canceled_count", "unknown_count")


def mitigation_header_section(*, target: str, account: str, region: str, emulated: bool, campaigns: int) -> Section:
    """Show which account this is about, and in large letters when it is emulated; brings the style sheet."""
    return section(
        "mitigation_head.html.j2",
        "Mitigation",
        style=markupsafe.Markup(style()),  # noqa: S704  # our own file
        target=target,
        account=account,
        region=region,
        emulated=emulated,
        campaigns=campaigns,
    )


def plan_section(plan: Plan | None) -> Section:
    """Show what a plan does, to whom, in which order, what it leaves alone, and what it is expected to change."""
    if plan is None:
        return nothing(PLAN, "No plan is named; the parameter plan takes a plan's file or the begin of its digest.")
    told = describe_plan(plan)
    tables = []
    if told.steps:
        rows = [[str(s[n]) for n in ("wave", "check", "actions", "findings", "impact")] for s in told.steps]
        columns = ["Wave", "Check", "Actions", "Findings", "Impact"]
        tables.append(DataTable(_caption("What is done", rows), columns, rows[:SHOWN], frozenset({0, 3})))
    if told.left_alone:
        rows = [[str(s[n]) for n in ("why", "check", "findings", "example", "note")] for s in told.left_alone]
        columns = ["Why", "Check", "Findings", "Such as", "Because"]
        tables.append(DataTable(_caption("What is left alone", rows), columns, rows[:SHOWN], frozenset({2})))
    finding, *lines = told.lines
    return section("mitigation.html.j2", PLAN, finding=finding, lines=lines, tables=tables, closing=list(told.closing))


def campaigns_section(campaigns: pd.DataFrame) -> Section:
    """List what was carried out, the newest first.

    Parameters
    ----------
    campaigns
        Table `mitigation.results.CAMPAIGNS`.
    """
    if campaigns.empty:
        return nothing(CAMPAIGNS, "No plan was ever applied from this archive.")
    newest = campaigns.sort_values("begun_time", ascending=False, kind="stable")
    names = ["plan", "begun_time", "begun_by", "approved_by", "campaign_status", "findings_count", *_COUNTS]
    waiting = ["pending_count", "sent_count"]
    rows = []
    for row in rows_of(newest, [*names, *waiting]):
        left = sum(int(row[name]) for name in _COUNTS[2:])
        rows.append(
            [
                str(row["plan"])[:SHORT],
                formats.time(row["begun_time"]),
                str(row["begun_by"] or formats.MISSING),
                str(row["approved_by"] or formats.MISSING),
                str(row["campaign_status"]).lower().replace("_", " "),
                formats.count(row["findings_count"]),
                formats.count(row["completed_count"]),
                formats.count(row["failed_count"]),
                formats.count(left),
                formats.count(sum(int(row[name]) for name in waiting)),
            ]
        )
    columns = ["Plan", "Begun", "By", "Approved by", "Status", "Findings", "Completed", "Failed", "Left out", "Waiting"]
    table = DataTable(_caption("Plans that were applied", rows), columns, rows[:SHOWN], frozenset(range(5, 10)))
    finding = f"{formats.plural(len(rows), 'plan')} applied from this archive"
    return section("mitigation.html.j2", CAMPAIGNS, finding=finding, lines=[], tables=[table], closing=[])


def outcomes_section(outcomes: pd.DataFrame) -> Section:
    """Say how the actions ended, and of those that did not complete, why and what to do.

    Parameters
    ----------
    outcomes
        Table `mitigation.results.OUTCOMES`.
    """
    if outcomes.empty:
        return nothing(OUTCOMES, "Nothing was carried out.")
    done = int((outcomes["status"] == "COMPLETED").sum())
    counted = outcomes.value_counts(["action_name", "status"]).rename("count").reset_index()
    rows = [
        [row["action_name"], row["status"].lower().replace("_", " "), formats.count(row["count"])]
        for row in counted.sort_values(["action_name", "status"]).to_dict("records")
    ]
    tables = [DataTable("Actions by how they ended", ["Action", "Status", "Findings"], rows, frozenset({2}))]
    others = outcomes[outcomes["status"] != "COMPLETED"]
    if not others.empty:
        names = ["plan", "resource_id", "action_name", "status", "explanation", "message", "advice"]
        rows = [
            [str(row["plan"])[:SHORT], *(formats.MISSING if row[n] is None else str(row[n]) for n in names[1:])]
            for row in rows_of(others, names)
        ]
        columns = ["Plan", "Resource", "Action", "Status", "What that means", "AWS says", "What to do"]
        tables.append(DataTable(_caption("What did not complete", rows), columns, rows[:SHOWN]))
    finding = f"{formats.count(done)} of {formats.plural(len(outcomes), 'action')} completed"
    return section("mitigation.html.j2", OUTCOMES, finding=finding, lines=[], tables=tables, closing=[])


def effects_section(verifications: pd.DataFrame) -> Section:
    """Say what became of the problems at each look, and which are not fixed by the latest one.

    Parameters
    ----------
    verifications
        Table `mitigation.verification.VERIFICATIONS`.
    """
    if verifications.empty:
        return nothing(EFFECTS, "No campaign was verified yet; `ddreport mitigate verify PLAN` looks and keeps it.")
    effects = ["FIXED", "STILL_THERE", "NEW", "UNKNOWN"]
    counted = verifications.groupby(["verified_time", "plan", "effect"], observed=True).size().unstack(fill_value=0)
    looks = counted.reindex(columns=effects, fill_value=0).sort_index()
    rows = [
        [formats.time(time), str(plan)[:SHORT], *(formats.count(n) for n in numbers)]
        for (time, plan), numbers in zip(looks.index, looks.to_numpy().tolist(), strict=True)
    ]
    columns = ["Looked at", "Plan", "Fixed", "Still there", "New", "Unknown"]
    tables = [DataTable("Problems by what became of them", columns, rows[-SHOWN:], frozenset(range(2, 6)))]
    newest = verifications[
        verifications["verified_time"] == verifications.groupby("plan")["verified_time"].transform("max")
    ]
    fixed = int((newest["effect"] == "FIXED").sum())
    others = newest[newest["effect"] != "FIXED"]
    if not others.empty:
        names = ["plan", "effect", "check_name", "resource_id", "why"]
        rows = [
            [
                str(row["plan"])[:SHORT],
                str(row["effect"]).lower().replace("_", " "),
                formats.check_title(row["check_name"]),
                str(row["resource_id"]),
                formats.MISSING if row["why"] is None else str(row["why"]),
            ]
            for row in rows_of(others, names)
        ]
        columns = ["Plan", "Effect", "Check", "Resource", "Why"]
        tables.append(DataTable(_caption("Not fixed at the latest look", rows), columns, rows[:SHOWN]))
    finding = f"{formats.count(fixed)} of {formats.plural(len(newest), 'problem')} fixed at the latest look"
    return section("mitigation.html.j2", EFFECTS, finding=finding, lines=[], tables=tables, closing=[])


def _caption(text: str, rows: list[list[str]]) -> str:
    return f"{text} (the first {SHOWN} of {len(rows):,})" if len(rows) > SHOWN else text
