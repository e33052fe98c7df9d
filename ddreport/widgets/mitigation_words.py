"""What the mitigation panel says: blocks of text and tables for each part, made from its state."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ddreport.catalogue import describe_check
from ddreport.mitigation.defaults import DEFAULT_ACTIONS
from ddreport.mitigation.plan_file import plan_text
from ddreport.mitigation.results import campaign_row
from ddreport.mitigation.reversal_plan import rollback_text
from ddreport.mitigation.words import describe_plan
from ddreport.presentation.formats import plural, resource_type_label
from ddreport.targets import MitigationMode
from ddreport.terms import MitigationActionType
from ddreport.widgets import mitigation_guards as guards
from ddreport.widgets.blocks import (
    Block,
    Tone,
    badges,
    bullets,
    command,
    details,
    download,
    heading,
    notice,
    paragraph,
    progress,
    table,
)
from ddreport.widgets.mitigation_commands import commands, define_command, plan_name
from ddreport.widgets.mitigation_state import Work, fitting_types

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan, PlannedAction
    from ddreport.widgets.mitigation_state import PanelState

YAML = "application/yaml;charset=utf-8"
_MOST_ROWS = 60

_MODES: dict[MitigationMode, tuple[str, Tone]] = {
    MitigationMode.READ_ONLY: ("For looking only", "warn"),
    MitigationMode.APPROVAL: ("Plans need an approval", ""),
    MitigationMode.SECOND_PERSON: ("Plans need a second person's approval", ""),
    MitigationMode.ALLOWED: ("Plans need a typed confirmation", ""),
}

DOING: dict[Work, str] = {
    Work.LOAD: "Reading the archive",
    Work.DEFINE: "Defining the action",
    Work.PLAN: "Making the plan",
    Work.OPEN: "Opening the plan",
    Work.APPROVE: "Approving",
    Work.APPLY: "Applying the plan",
    Work.CANCEL: "Cancelling",
    Work.VERIFY: "Verifying",
    Work.PLAN_ROLLBACK: "Planning the roll-back",
    Work.APPLY_ROLLBACK: "Rolling back",
}

STATUS_LEVELS: dict[str, str] = {
    "COMPLETED": "good",
    "FIXED": "good",
    "DONE": "good",
    "FAILED": "bad",
    "STILL_THERE": "bad",
    "SKIPPED": "warn",
    "NOT_SENT": "warn",
    "CANCELED": "warn",
    "UNKNOWN": "warn",
    "NEW": "warn",
}
"""Colours of statuses in tables."""


def head(state: PanelState) -> list[Block]:
    """Say which account this is about and what may be done to it."""
    known = state.known
    facts: list[tuple[str, Tone]] = [(f"Target {state.target}", "")]
    if known is not None:
        facts += [(f"Account {known.account}", ""), (known.region, "")]
        facts += [("Emulated account", "good")] if known.emulated else [("Real account", "warn")]
    facts.append(("This page is for looking only", "warn") if state.read_only else _MODES[state.mode])
    found = [heading("Mitigation", level=2), badges(*facts)]
    if known is not None and known.checks:
        count = sum(c.problem_count for c in known.checks)
        checks = plural(len(known.checks), "check")
        found.append(
            paragraph(f"{plural(count, 'open finding')} of {checks} as of {known.as_of:%Y-%m-%d %H:%M} UTC.", "muted")
        )
    elif known is not None:
        found.append(notice("Nothing is open", "The newest audits report no finding to treat.", tone="good"))
    return found


def trouble(state: PanelState) -> list[Block]:
    """Say what went wrong last, and what can be done about it."""
    failure = state.failure
    if failure is None:
        return []
    title = "That cannot be done" if failure.work is None else f"{DOING[failure.work]} did not end well"
    if failure.expected:
        return [notice(title, failure.message, failure.hint, tone="bad")]
    more = "This is a fault of ddreport; its log has the details."
    return [notice(title, failure.message, more, tone="bad")]


def working(state: PanelState) -> list[Block]:
    """Say what is under way and how far it is."""
    busy = state.busy
    if busy is None:
        return []
    text = busy.stage or DOING[busy.work]
    found = [progress(f"{text}…" if busy.total is None else text, busy.done, busy.total)]
    if busy.stopping:
        found.append(paragraph("Told to stop; what AWS is working on is written down first.", "muted"))
    return found


def unfinished(state: PanelState) -> list[Block]:
    """Say that campaigns of this account are not over."""
    open_ones = half_done(state)
    if not open_ones or state.plan is not None:
        return []
    rows = []
    for campaign in open_ones:
        row = campaign_row(campaign)
        left = row["pending_count"] + row["sent_count"]
        begun = f"{row['begun_time']:%Y-%m-%d %H:%M}" if row["begun_time"] else ""
        rows.append(
            [campaign.plan.short, begun, row["begun_by"] or "", row["completed_count"], left, row["note"] or ""]
        )
    columns = ["Plan", "Begun (UTC)", "By", "Completed", "Waiting", "Stopped because"]
    return [
        notice(
            f"{plural(len(open_ones), 'campaign')} of this account {'is' if len(open_ones) == 1 else 'are'} not over",
            "Open it below to go on where it stopped, or to cancel it. Nothing is done twice.",
            tone="warn",
        ),
        table("Campaigns that are not over", columns, rows, numeric=(3, 4)),
    ]


def half_done(state: PanelState) -> list[CampaignState]:
    """Return the campaigns of this account that began and are not over."""
    campaigns = state.known.campaigns if state.known else ()
    return [c for c in campaigns if c.runs and c.finished is None and c.canceled is None]


def check_help(state: PanelState) -> list[Block]:
    """Explain the chosen check."""
    if state.check is None:
        return [paragraph("A check groups findings of one kind; actions fit a kind.", "muted")]
    check = describe_check(state.check)
    if not check.in_catalogue:
        return [paragraph(f"{check.name} is newer than this version's catalogue.", "muted")]
    found = [paragraph(check.why)] if check.why else []
    more: list[Block] = []
    if check.rule:
        more += [paragraph("What is checked", "strong"), paragraph(check.rule)]
    if check.fix:
        more += [paragraph("What AWS advises", "strong"), paragraph(check.fix)]
    if check.reason_codes:
        more += [paragraph("Reasons", "strong"), bullets(f"{code}: {text}" for code, text in check.reason_codes)]
    if check.doc_url:
        more.append(paragraph(check.doc_url, "muted"))
    return [*found, details("More about this check", more)] if more else found


def picked(state: PanelState) -> list[Block]:
    """Say what was picked."""
    findings = state.findings
    if findings is None:
        return []
    if not state.picked:
        return [paragraph("Pick the findings to treat: tick them, or select all that the filters leave.", "muted")]
    rows = findings[findings["problem_id"].isin(state.picked)]
    kinds = ", ".join(
        f"{count:,} × {resource_type_label(kind)}" for kind, count in rows["resource_type"].value_counts().items()
    )
    suppressed = int(rows["is_suppressed"].fillna(value=False).astype(bool).sum())
    text = f"{plural(len(rows), 'finding')} picked ({kinds})."
    if suppressed:
        text += f" {suppressed:,} of them suppressed: AWS leaves those untreated, and so does the plan."
    return [paragraph(text)]


def action_help(action: PlannedAction) -> list[Block]:
    """Say what an action does and how it is undone."""
    return [
        paragraph(f"{action.effect[:1].upper()}{action.effect[1:]}."),
        paragraph(f"Undo: {action.undo}. Runs as {action.role_arn}.", "muted"),
    ]


def actions_note(state: PanelState) -> list[Block]:
    """Say in which order the actions run, or what to do where none is defined."""
    if state.check is None:
        return []
    if not state.fitting:
        names = ", ".join(fitting_types(state.check))
        return [
            notice(
                "No defined action fits this check",
                f"AWS allows these types for it: {names}. Define one, then it can be chosen here.",
                tone="warn",
            ),
            *(
                command(f"Define {DEFAULT_ACTIONS[MitigationActionType(kind)].name}", define_command(state, kind))
                for kind in missing(state)
            ),
        ]
    if len(state.actions) > 1:
        return [paragraph(f"Applied in this order: {' → '.join(state.actions)}", "strong")]
    return []


def missing(state: PanelState) -> list[str]:
    """Return the types that fit the chosen check and of which no action is defined."""
    if state.check is None:
        return []
    have = {action.action_type for action in state.fitting}
    return [kind for kind in fitting_types(state.check) if kind not in have]


def preview(plan: Plan, *, name: str) -> list[Block]:
    """Show a plan: what is done, to whom, in which order, what is left alone, what it is expected to change."""
    told = describe_plan(plan)
    found = [paragraph(told.lines[0], "strong"), paragraph(told.lines[1], "muted"), bullets(told.lines[2:])]
    if told.steps:
        rows = [[s["wave"], s["check"], s["actions"], s["findings"], s["impact"]] for s in told.steps[:_MOST_ROWS]]
        columns = ["Wave", "Check", "Actions", "Findings", "Impact"]
        found.append(table(f"What is done{_cut(told.steps)}", columns, rows, numeric=(0, 3)))
    else:
        found.append(notice("The plan would do nothing", "The reasons are listed below.", tone="warn"))
    if told.left_alone:
        left = told.left_alone[:_MOST_ROWS]
        rows = [[r["why"], r["check"], r["findings"], r["example"], r["note"]] for r in left]
        columns = ["Why", "Check", "Findings", "Such as", "Because"]
        found.append(table(f"What is left alone{_cut(told.left_alone)}", columns, rows, numeric=(2,)))
    found.append(bullets(told.closing))
    if plan.findings:
        found.append(download("Save the plan on this computer", name, plan_text(plan), mime=YAML))
    return found


def _cut(rows: tuple[object, ...]) -> str:
    return (
        f" (the first {_MOST_ROWS} of {len(rows):,} lines; the plan's file has all)" if len(rows) > _MOST_ROWS else ""
    )


def plan_part(state: PanelState) -> list[Block]:
    """Show the plan, or why there is none yet."""
    if state.plan is None:
        reason = guards.why_not_plan(state)
        return [] if reason is None or state.busy else [paragraph(f"Not yet: {reason}.", "muted")]
    found = preview(state.plan, name=plan_name(state))
    if state.plan_path:
        found.append(paragraph(f"Kept in {state.plan_path}", "muted"))
    return found


def approval_part(state: PanelState, now: datetime) -> list[Block]:
    """Say whether the plan is approved, and by whom."""
    plan = state.plan
    if plan is None or not plan.findings or state.is_over:
        return []
    given = state.approval
    problem = guards.approval_problem(plan, given, now, state.target_rule)
    if given is not None and problem is None:
        until = f"{given.expires_time:%Y-%m-%d %H:%M} UTC"
        return [notice("Approved", f"By {given.approved_by}, until {until}.", given.note, tone="good")]
    if problem is not None:
        how = "Save the plan and have it approved: the approval's file is looked for beside it."
        return [notice("Not approved yet", problem, how, tone="warn")]
    return [paragraph("This plan needs no approval; what is typed below is the confirmation.", "muted")]


def launch_part(state: PanelState, now: datetime) -> list[Block]:
    """Say what applying means, and what stands in its way."""
    plan = state.plan
    if plan is None or state.is_over:
        return []
    waves = len({f.wave for f in plan.findings})
    kind = "emulated account" if plan.emulated else "account"
    found: list[Block] = []
    if plan.findings:
        found.append(
            paragraph(
                f"This changes the {kind} {plan.account} in {plan.region}: {plural(len(plan.findings), 'finding')} in "
                f"{plural(waves, 'wave')}."
            )
        )
    if state.looking_only:
        found.append(notice("Applying is switched off", f"{_sentence(state.looking_only)}.", tone="warn"))
    elif (reason := guards.why_not_apply(state, now)) is not None and state.busy is None:
        found.append(paragraph(f"Not yet: {reason}.", "muted"))
    return found


def campaign_part(state: PanelState) -> list[Block]:
    """Say how the campaign stands: waves and counts."""
    campaign = state.campaign
    if campaign is None or not campaign.runs:
        return []
    row = campaign_row(campaign)
    counts = {
        "completed": ("good", row["completed_count"]),
        "failed": ("bad", row["failed_count"]),
        "left out": ("warn", row["not_sent_count"] + row["skipped_count"]),
        "cancelled": ("warn", row["canceled_count"]),
        "unknown": ("warn", row["unknown_count"]),
        "at AWS": ("", row["sent_count"]),
        "waiting": ("", row["pending_count"]),
    }
    facts: list[tuple[str, Tone]] = [
        (f"{count:,} {name}", tone)  # type: ignore[misc]  # the tones above
        for name, (tone, count) in counts.items()
        if count
    ]
    total = sum(count for _, count in counts.values())
    over = total - row["sent_count"] - row["pending_count"]
    waves = f"{row['begun_waves_count']} of {plural(row['waves_count'], 'wave')} begun"
    found = [badges((row["campaign_status"].capitalize().replace("_", " "), ""), (waves, ""), *facts)]
    if not state.is_over:
        found.append(progress("Actions on findings", over, total))
    if campaign.stopped is not None and state.busy is None and not state.is_over:
        going = plural(len(campaign.running()), "AWS task")
        more = f"{going} go on by themselves." if campaign.running() else None
        how = "Apply goes on from there; what was done is not done again."
        found.append(notice("Stopped", f"{_sentence(campaign.stopped.note)}.", more, how, tone="warn"))
    for run in campaign.runs[-3:]:
        approved = f", approved by {run.approval.approved_by}" if run.approval else ""
        found.append(paragraph(f"{run.time:%Y-%m-%d %H:%M} UTC: applied by {run.by}{approved}", "muted"))
    return found


def verify_part(state: PanelState) -> list[Block]:
    """Say what became of the problems."""
    found = state.verified
    if found is None:
        reason = guards.why_not_verify(state)
        return [paragraph(f"Not possible: {reason}.", "muted")] if reason and state.read_only else []
    tones: dict[str, Tone] = {"FIXED": "good", "STILL_THERE": "bad", "NEW": "warn", "UNKNOWN": "warn"}
    facts = [(f"{n:,} {name.lower().replace('_', ' ')}", tones.get(name, "")) for name, n in found.counts.items() if n]
    fixed = {name for name, count in found.counts.items() if count} == {"FIXED"}
    title = "All problems are fixed" if fixed else "Not all is fixed"
    tone: Tone = "good" if fixed else "warn"
    return [
        notice(title, f"Looked at {found.time:%Y-%m-%d %H:%M} UTC.", tone=tone),
        badges(*facts),
        *([bullets(found.notes, "muted")] if found.notes else []),
    ]


def rollback_part(state: PanelState, now: datetime) -> list[Block]:
    """Show the roll-back plan, and how it stands."""
    plan = state.rollback
    if plan is None:
        return []
    found = [paragraph(f"Roll-back {plan.short}: {plural(len(plan.operations), 'call')}", "strong")]
    if plan.operations:
        rows = [[op.number, str(op.operation), op.resource_id, op.words] for op in plan.operations[:_MOST_ROWS]]
        found.append(table(f"What is given back{_cut(plan.operations)}", ["No.", "Call", "Resource", "What"], rows))
    if plan.left_as_it_is:
        rows = [[left.resource_id, left.note] for left in plan.left_as_it_is[:_MOST_ROWS]]
        found.append(table("What is left as it is", ["Resource", "Because"], rows))
    if plan.irreversible:
        found.append(notice("What nothing takes back", *plan.irreversible, tone="warn"))
    name = state.rollback_path or f"rollback-{plan.short}.yaml"
    found.append(download("Save the roll-back plan on this computer", name, rollback_text(plan), mime=YAML))
    done = state.rolled_back
    if done is not None:
        counts = ", ".join(f"{n:,} {str(result).lower().replace('_', ' ')}" for result, n in done.counts.items() if n)
        over = done.finished is not None
        found.append(notice("Rolled back" if over else "Roll-back stopped", counts, tone="good" if over else "warn"))
    elif (reason := guards.why_not_apply_rollback(state, now)) is not None and state.busy is None:
        found.append(paragraph(f"Not yet: {reason}.", "muted"))
    return found


def command_part(state: PanelState) -> list[Block]:
    """Give the commands that do the same."""
    found = commands(state)
    if not found:
        return [
            paragraph("Choose a check, findings and an action; the command that does the same stands here.", "muted")
        ]
    blocks = [command(title, text) for title, text in found]
    if state.picked and state.actions and "Make the plan" not in [title for title, _ in found]:
        blocks.insert(
            0, paragraph("The command that makes the plan is too long for a line; save the plan's file.", "muted")
        )
    return blocks


def status_counts(campaign: CampaignState) -> dict[str, int]:
    """Return actions on findings by status."""
    return dict(Counter(outcome.status.value for *_, outcome in campaign.outcomes()))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
