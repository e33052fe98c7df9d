"""From selected findings and defined actions to what will be done, wave by wave, and what will be left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.catalogue import describe_check
from ddreport.errors import InputError, did_you_mean
from ddreport.mitigation.plan import (
    MOST_ACTIONS,
    Cost,
    LeftAlone,
    PlannedAction,
    PlannedFinding,
    Rollout,
    WhyNot,
)
from ddreport.mitigation.waves import wave_numbers
from ddreport.settings import RETENTION_DAYS
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.mitigation.selection import Selected

_PER_FINDING = {MitigationActionType.PUBLISH_FINDING_TO_SNS}
"""Types that do something for every finding; the others do something to a resource, once."""


@dataclass(frozen=True)
class Treatment:
    """Which findings are treated how, in the order of waves, and which are not.

    Attributes
    ----------
    findings, left_alone
        As in `plan.Plan`.
    actions
        Those that are used.
    """

    findings: tuple[PlannedFinding, ...]
    left_alone: tuple[LeftAlone, ...]
    actions: tuple[PlannedAction, ...]


@dataclass(frozen=True)
class Impact:
    """What is known of one finding's impact: sentences (one per action), things behind it, when one last connected."""

    words: tuple[str, ...] = ()
    things_count: int | None = None
    last_connection_time: datetime | None = None


@dataclass
class _Done:
    """What the plan does so far to each resource: by type, id, and definition of the action, the finding."""

    by: dict[tuple[str, str, str], str] = field(default_factory=dict)


def choose_actions(
    check_names: Iterable[str],
    defined: Sequence[PlannedAction],
    *,
    everywhere: Sequence[str],
    by_check: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, tuple[PlannedAction, ...]]:
    """Return the actions for each check: those that `by_check` names for it, else those of `everywhere` that fit.

    Raises
    ------
    InputError
        A name is not defined, or one of `by_check` is of a type that AWS does not allow for the check; more than five
        for a check.
    """
    known = {a.name: a for a in defined}
    named = by_check or {}
    for name in (*everywhere, *(n for names in named.values() for n in names)):
        if name not in known:
            raise InputError(
                f"no mitigation action {name!r} is defined; there are: {', '.join(sorted(known)) or 'none'}."
                f"{did_you_mean(name, known)}",
                hint="`ddreport actions list` shows them, `ddreport actions create` defines one.",
            )
    chosen: dict[str, tuple[PlannedAction, ...]] = {}
    for check_name in dict.fromkeys(check_names):
        allowed = describe_check(check_name).mitigation_action_types
        own = [known[name] for name in dict.fromkeys(named.get(check_name, everywhere))]
        wrong = [a for a in own if a.action_type not in allowed]
        if wrong and check_name in named:
            raise InputError(
                f"{check_name}: the action {wrong[0].name!r} is of type {wrong[0].action_type}, which AWS does not "
                f"allow for it; allowed: {', '.join(allowed) or 'none'}."
            )
        chosen[check_name] = tuple(a for a in own if a.action_type in allowed)
        if len(chosen[check_name]) > MOST_ACTIONS:
            raise InputError(
                f"{check_name}: {len(own)} actions ({', '.join(a.name for a in own)}); AWS takes {MOST_ACTIONS} for a "
                "check.",
                hint="name fewer with --action.",
            )
    return chosen


def treatment(
    selected: Selected,
    actions: Mapping[str, Sequence[PlannedAction]],
    *,
    rollout: Rollout,
    now: datetime,
    impacts: Mapping[str, Impact] | None = None,
) -> Treatment:
    """Decide for each selected finding what is done to it and in which wave, or why nothing is.

    Findings are ordered by how little depends on them, as far as that is known (things behind the resource, then the
    time of the last connection): the first wave is the one to learn from. Of findings that stand equal the more severe
    come first. All findings of one resource are in one wave.

    Parameters
    ----------
    selected
        From `selection.select`.
    actions
        From `choose_actions`.
    now
        AWS's time, or that of the newest pull: audits older than 90 days by it are gone at AWS.
    impacts
        By id of the finding.
    """
    impacts = impacts or {}
    left: list[LeftAlone] = [_left(row, WhyNot.EXCLUDED) for row in _rows(selected.excluded)]
    used: dict[str, PlannedAction] = {}
    waiting: dict[tuple[str, str], list[PlannedFinding]] = {}
    done = _Done()
    what = {
        a.name: msgspec.json.encode(a.parameters, order="deterministic").decode()
        for own in actions.values()
        for a in own
    }
    for row in _rows(selected.chosen):
        own = actions.get(row["check_name"], ())
        why = _why_not(row, own, now)
        if why is not None:
            left.append(_left(row, why[0], why[1]))
            continue
        names, covering = _not_done_yet(row, own, what, done)
        if not names:
            left.append(_left(row, WhyNot.COVERED, f"finding {covering} has the same done to this resource"))
            continue
        used.update({a.name: a for a in own if a.name in names})
        known = impacts.get(row["finding_id"], Impact())
        finding = PlannedFinding(
            **{name: row[name] for name in _SAME},
            severity=str(row["severity"]),
            wave=1,
            actions=names,
            policy_version_id=row["policy_version_id"] if isinstance(row["policy_version_id"], str) else None,
            impact=known.words,
            things_count=known.things_count,
            last_connection_time=known.last_connection_time,
        )
        waiting.setdefault((finding.resource_type, finding.resource_id), []).append(finding)
    groups = sorted(waiting.values(), key=_caution)
    numbers = wave_numbers(len(groups), rollout.waves)
    findings = [
        msgspec.structs.replace(finding, wave=number)
        for group, number in zip(groups, numbers, strict=True)
        for finding in group
    ]
    return Treatment(tuple(findings), tuple(left), tuple(used.values()))


_SAME = (
    "problem_id",
    "finding_id",
    "audit_task_id",
    "check_name",
    "resource_type",
    "resource_id",
    "resource_identifier",
    "reason_code",
)


_READ = (*_SAME, "severity", "policy_version_id", "is_suppressed", "task_start_time")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    ordered = table.sort_values(["severity", "check_name", "resource_id", "reason_code"])
    columns = [ordered[name].to_numpy(dtype=object) for name in _READ]
    return [dict(zip(_READ, values, strict=True)) for values in zip(*columns, strict=True)]


def _why_not(row: Mapping[str, Any], own: Sequence[PlannedAction], now: datetime) -> tuple[WhyNot, str] | None:
    if row["is_suppressed"] is True or row["is_suppressed"] == 1:
        return WhyNot.SUPPRESSED, "a suppression covers it, and AWS leaves such findings untreated"
    if not own:
        types = ", ".join(describe_check(row["check_name"]).mitigation_action_types)
        return WhyNot.NO_FITTING_ACTION, f"its check takes actions of type {types or 'none that is known'}"
    age = now - row["task_start_time"].to_pydatetime()
    if age > timedelta(days=RETENTION_DAYS):
        return WhyNot.TOO_OLD, f"its audit is {age.days} days old; AWS keeps findings for {RETENTION_DAYS}"
    return None


def _left(row: Mapping[str, Any], why: WhyNot, note: str = "") -> LeftAlone:
    names = ("problem_id", "check_name", "resource_type", "resource_id", "reason_code", "finding_id")
    return LeftAlone(**{name: row[name] for name in names}, why=why, note=note)


def _not_done_yet(
    row: Mapping[str, Any], own: Sequence[PlannedAction], what: Mapping[str, str], done: _Done
) -> tuple[tuple[str, ...], str | None]:
    """Return the actions that the plan does not do to this resource already, and a finding that has them done."""
    names: list[str] = []
    covering = None
    for action in own:
        key = (row["resource_type"], row["resource_id"], what[action.name])
        if action.action_type not in _PER_FINDING and key in done.by:
            covering = done.by[key]
            continue
        done.by[key] = row["finding_id"]
        names.append(action.name)
    return tuple(names), covering


def _caution(group: Sequence[PlannedFinding]) -> tuple[Any, ...]:
    """Order groups: known and small first, then long not seen, then severe."""
    counts = [f.things_count for f in group if f.things_count is not None]
    times = [f.last_connection_time.timestamp() for f in group if f.last_connection_time is not None]
    first = group[0]
    severity = min(_SEVERITIES.get(f.severity, len(_SEVERITIES)) for f in group)
    return (not counts, max(counts, default=0), max(times, default=0.0), severity, first.check_name, first.resource_id)


_SEVERITIES = {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3}

# Operations that applying a plan asks for each finding or AWS task, and those that capture what was before by type of
# action (`aws.prestate`).
_BEFORE: dict[str, tuple[str, ...]] = {
    MitigationActionType.UPDATE_DEVICE_CERTIFICATE: ("DescribeCertificate",),
    MitigationActionType.UPDATE_CA_CERTIFICATE: ("DescribeCACertificate",),
    MitigationActionType.ADD_THINGS_TO_THING_GROUP: (
        "DescribeCertificate",
        "ListPrincipalThings",
        "ListThingGroupsForThing",
    ),
    MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION: ("GetPolicy", "ListPolicyVersions"),
    MitigationActionType.ENABLE_IOT_LOGGING: ("GetV2LoggingOptions",),
    MitigationActionType.PUBLISH_FINDING_TO_SNS: (),
}


def cost(
    findings: Sequence[PlannedFinding],
    actions: Sequence[PlannedAction],
    *,
    tasks: int,
    rates: Mapping[str, int],
    other: int,
) -> Cost:
    """Return how many calls applying takes, and the least time in which AWS's rates allow them.

    Each operation has a rate of its own, so the operation with the most calls for its rate decides.

    Parameters
    ----------
    tasks
        AWS tasks needed (`waves.batches`).
    rates, other
        Requests a second by operation, and of those not named.
    """
    type_of = {a.name: a.action_type for a in actions}
    calls: Counter[str] = Counter()
    for finding in findings:
        calls["ListAuditMitigationActionsExecutions"] += 1
        calls.update(op for name in finding.actions for op in _BEFORE[type_of[name]])
    calls["StartAuditMitigationActionsTask"] = tasks
    calls["DescribeAuditMitigationActionsTask"] = tasks
    seconds = max((n / rates.get(name, other) for name, n in calls.items()), default=0.0)
    return Cost(aws_tasks=tasks, calls=sum(calls.values()), least_seconds=round(seconds, 1))
