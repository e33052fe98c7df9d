"""A plan in words: what a reviewer, a terminal and a widget show of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.mitigation.plan import MOST_TASKS
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.mitigation.plan import LeftAlone, Plan, PlannedFinding, Posture

_SHOWN = 3


@dataclass(frozen=True)
class PlanInWords:
    """A plan as lines and small tables.

    Attributes
    ----------
    lines
        What it is, and what each action does.
    steps
        One row per wave, check and list of actions: wave, check, actions, findings, impact.
    left_alone
        One row per reason and check: why, check, findings, example, note.
    closing
        Expected effect, cost, approval.
    """

    lines: tuple[str, ...]
    steps: tuple[dict[str, Any], ...]
    left_alone: tuple[dict[str, Any], ...]
    closing: tuple[str, ...]


def describe_plan(plan: Plan) -> PlanInWords:
    """Return a plan in words; every text of AWS is in it as it came, for whoever shows it to make harmless."""
    return PlanInWords(tuple(_lines(plan)), tuple(_steps(plan)), tuple(_left(plan)), tuple(_closing(plan)))


def _lines(plan: Plan) -> Iterator[str]:
    emulated = ", emulated, not AWS" if plan.emulated else ""
    yield f"Plan {plan.short} of {plan.target}: account {plan.account}, {plan.region}{emulated}"
    by = f" by {plan.made_by}" if plan.made_by else ", from the archive alone"
    yield f"Made {plan.made_time:%Y-%m-%d %H:%M} UTC{by}; findings as of {plan.as_of:%Y-%m-%d %H:%M} UTC"
    for action in plan.actions:
        yield f"{action.name} ({action.action_type}): {action.effect}. Undo: {action.undo}."


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    types = {a.name: a.action_type for a in plan.actions}
    groups: dict[tuple[int, str, tuple[str, ...]], list[PlannedFinding]] = {}
    for finding in plan.findings:
        groups.setdefault((finding.wave, finding.check_name, finding.actions), []).append(finding)
    for (wave, check_name, actions), findings in sorted(groups.items()):
        yield {
            "wave": wave,
            "check": describe_check(check_name).title,
            "actions": " → ".join(actions),
            "findings": len(findings),
            "impact": _impact(findings, {types[name] for name in actions}),
        }


def _impact(findings: list[PlannedFinding], types: set[str]) -> str:
    if types <= {MitigationActionType.PUBLISH_FINDING_TO_SNS}:
        return "a message for each; changes nothing"
    told = [f for f in findings if f.impact]
    if not told:
        return "not read"
    sentences = {f.impact for f in findings}
    if len(sentences) == 1:
        return f"{'each ' if len(findings) > 1 else ''}{', '.join(told[0].impact)}"
    if len(findings) <= _SHOWN:
        return "; ".join(f"{f.resource_id[:16]}: {', '.join(f.impact) or 'not read'}" for f in findings)
    counts = [f.things_count for f in told if f.things_count is not None]
    times = [f.last_connection_time for f in told if f.last_connection_time is not None]
    parts = [f"{sum(counts):,} things behind {len(counts):,} findings" if counts else "things not known"]
    if times:
        parts.append(f"last connection {max(times):%Y-%m-%d %H:%M} UTC")
    unknown = len(findings) - len(counts)
    if unknown:
        parts.append(f"of {unknown:,} it is not known")
    return ", ".join(parts)


def _left(plan: Plan) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str], list[LeftAlone]] = {}
    for left in plan.left_alone:
        groups.setdefault((left.why.value, left.check_name), []).append(left)
    for (why, check_name), own in sorted(groups.items()):
        yield {
            "why": why,
            "check": describe_check(check_name).title,
            "findings": len(own),
            "example": own[0].resource_id,
            "note": own[0].note,
        }


def _closing(plan: Plan) -> Iterator[str]:
    if plan.expected is not None:
        before, after = plan.expected.before, plan.expected.after
        yield (
            f"Expected: open problems {_problems(before)} → {_problems(after)}; non-compliant checks "
            f"{before.non_compliant_checks} → {after.non_compliant_checks} of {after.finished_checks}; posture score "
            f"{_score(before)} → {_score(after)}"
        )
        yield from (f"Not mended by this plan: {note}." for note in plan.expected.notes)
    cost = plan.cost
    yield (
        f"{cost.aws_tasks:,} AWS tasks (at most {MOST_TASKS} at once), {cost.calls:,} calls; AWS's rates make that "
        f"take at least {in_time(cost.least_seconds)}."
    )
    rollout = plan.rollout
    alarms = f" or one of the alarms {', '.join(rollout.alarms)} goes off" if rollout.alarms else ""
    yield f"Waves: {', '.join(rollout.waves)}; it stops when {rollout.stop_at_failed_share:.0%} of a wave fail{alarms}."
    if plan.approval.required:
        who = "a second person" if plan.approval.second_person else "somebody"
        yield f"It needs the approval of {who}, which counts for {plan.approval.valid_hours} hours."


def _problems(posture: Posture) -> str:
    total = sum(posture.open_problems.values())
    parts = [f"{count} {severity.lower()}" for severity, count in posture.open_problems.items() if count]
    return f"{total} ({', '.join(parts)})" if parts else "0"


def _score(posture: Posture) -> str:
    return "unknown" if posture.posture_score is None else f"{posture.posture_score:.1f}"


def in_time(seconds: float) -> str:
    """Return a span in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
