"""The plan of a mitigation: what will be done to which findings, in which order, frozen under a digest.

A plan is made from tables, written to a file that people review (`plan_file`), approved by its digest (`approval`) and
carried out exactly as it stands. Nothing in it is looked up again when it is applied except to check that it still
holds.
"""

from __future__ import annotations

import hashlib
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations when it decodes
from enum import StrEnum
from typing import Any

import msgspec

from ddreport.errors import PlanError

FORMAT = 1
"""Version of the form of plan files."""

SHORT = 16
"""Characters of a digest that name a plan in ids, folders and messages."""


class WhyNot(StrEnum):
    """Why a selected finding is not treated."""

    SUPPRESSED = "SUPPRESSED"
    """A suppression covers it; AWS leaves such findings untreated."""

    NO_FITTING_ACTION = "NO_FITTING_ACTION"
    """None of the chosen actions is of a type that AWS allows for its check."""

    COVERED = "COVERED"
    """Another finding of the plan has the same done to the same resource."""

    TOO_OLD = "TOO_OLD"
    """Its audit is older than what AWS keeps, so AWS no longer knows the finding."""

    EXCLUDED = "EXCLUDED"
    """It was left out on purpose."""

    NOT_REPORTED = "NOT_REPORTED"
    """The latest finished run of its check does not report it any more."""


class PlannedAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mitigation action as it was defined when the plan was made.

    Attributes
    ----------
    parameters
        AWS's `actionParams`, whole.
    effect
        What it does, in plain words.
    undo
        How it is undone, or why it cannot be.
    """

    name: str
    action_type: str
    role_arn: str
    parameters: dict[str, Any]
    effect: str = ""
    undo: str = ""


class PlannedFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One finding that will be treated.

    Attributes
    ----------
    wave
        Number of the wave it is treated in, from 1.
    actions
        Names of the actions, in the order in which they are applied.
    resource_identifier
        AWS's `resourceIdentifier`, as canonical JSON.
    impact
        What each action will do to whom, in words; empty when the impact was not read.
    things_count
        Things behind the resource; None when not known.
    last_connection_time
        When one of them was last seen connected; None when not known.
    """

    problem_id: str
    finding_id: str
    audit_task_id: str
    check_name: str
    severity: str
    resource_type: str
    resource_id: str
    resource_identifier: str
    reason_code: str
    wave: int
    actions: tuple[str, ...]
    policy_version_id: str | None = None
    impact: tuple[str, ...] = ()
    things_count: int | None = None
    last_connection_time: datetime | None = None


class LeftAlone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One selected finding that will not be treated, and why."""

    problem_id: str
    check_name: str
    resource_type: str
    resource_id: str
    reason_code: str
    why: WhyNot
    finding_id: str | None = None
    note: str = ""


class Rollout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the findings are treated one wave after the other, and what stops that.

    Attributes
    ----------
    waves
        Sizes as they were asked for, such as `1`, `5%`, `rest`.
    stop_at_failed_share
        After a wave in which at least this share of the findings failed, the next one does not begin.
    alarms
        CloudWatch alarms: while one is in ALARM, no wave begins.
    wait_seconds
        Rest between two waves.
    """

    waves: tuple[str, ...] = ("1", "5%", "rest")
    stop_at_failed_share: float = 0.2
    alarms: tuple[str, ...] = ()
    wait_seconds: int = 0


class ApprovalRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who must have agreed before the plan is applied, and for how long that counts.

    Attributes
    ----------
    required
        Whether an approval must be given at all.
    second_person
        Whether the planner's own AWS identity cannot give it.
    valid_hours
        Hours for which an approval counts.
    """

    required: bool = False
    second_person: bool = False
    valid_hours: int = 72


class Posture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an account stands: problems that count (not suppressed) by severity, checks, and the posture score."""

    open_problems: dict[str, int]
    non_compliant_checks: int
    finished_checks: int
    posture_score: float | None


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The posture at `as_of`, and as it would be had the plan been carried out by then.

    Attributes
    ----------
    notes
        What the plan's actions do not mend, and why.
    """

    before: Posture
    after: Posture
    notes: tuple[str, ...] = ()


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What AWS will be asked, and how long its rates make that take at least."""

    aws_tasks: int
    calls: int
    least_seconds: float


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole plan.

    Attributes
    ----------
    digest
        SHA-256 of everything else in it (`digest_of`).
    made_time
        When it was made, UTC.
    made_by
        ARN of the AWS identity that made it; None when AWS was not asked.
    as_of
        The moment whose findings it treats.
    archive_head
        Hash of the archive's newest manifest: what the plan rests on.
    selection
        What was asked for, by the name of the option.
    rollback_of
        Digest of the plan that this one undoes; None for others.
    """

    format: int
    digest: str
    target: str
    account: str
    region: str
    emulated: bool
    made_time: datetime
    made_with: str
    as_of: datetime
    selection: dict[str, list[str]]
    actions: tuple[PlannedAction, ...]
    rollout: Rollout
    approval: ApprovalRule
    findings: tuple[PlannedFinding, ...]
    left_alone: tuple[LeftAlone, ...]
    cost: Cost
    expected: Expected | None = None
    made_by: str | None = None
    archive_head: str | None = None
    rollback_of: str | None = None

    @property
    def short(self) -> str:
        """The digest's first characters, which name the plan."""
        return self.digest[:SHORT]

    def action(self, name: str) -> PlannedAction:
        """Return the action of that name (`PlanError`)."""
        for action in self.actions:
            if action.name == name:
                return action
        raise PlanError(f"plan {self.short} uses the action {name!r} and does not define it.")


def digest_of(plan: Plan) -> str:
    """Return the SHA-256 of a plan's content but for the digest itself; the form of the file has no part in it."""
    content = msgspec.json.encode(msgspec.structs.replace(plan, digest=""), order="deterministic")
    return hashlib.sha256(content).hexdigest()


def seal(plan: Plan) -> Plan:
    """Return the same plan under its right digest."""
    return msgspec.structs.replace(plan, digest=digest_of(plan))


def check_plan(plan: Plan, *, source: str) -> Plan:
    """Return the plan if it is whole and consistent.

    Raises
    ------
    PlanError
        The digest does not belong to the content, or the content contradicts itself.
    """
    if plan.format != FORMAT:
        raise PlanError(
            f"{source} has the form {plan.format} of plan files; this version of ddreport reads {FORMAT}.",
            hint="make the plan anew, or use the version of ddreport that made it.",
        )
    found = digest_of(plan)
    if plan.digest != found:
        raise PlanError(
            f"{source} was changed after it was made: its digest says {plan.digest[:SHORT]}, its content is "
            f"{found[:SHORT]}. Nothing was done.",
            hint="make the plan anew; `ddreport mitigate plan` takes --exclude for findings to leave out.",
        )
    names = [a.name for a in plan.actions]
    seen: set[str] = set()
    for finding in plan.findings:
        unknown = [name for name in finding.actions if name not in names]
        wrong = None
        if unknown or not finding.actions:
            wrong = f"names the actions {list(finding.actions)}; defined: {', '.join(names) or 'none'}"
        elif finding.finding_id in seen:
            wrong = "is there twice"
        elif len(finding.actions) > MOST_ACTIONS:
            wrong = f"has {len(finding.actions)} actions; AWS allows {MOST_ACTIONS} for a check"
        elif finding.wave < 1:
            wrong = f"is in wave {finding.wave}; waves count from 1"
        if wrong:
            raise PlanError(f"{source}: finding {finding.finding_id} {wrong}.")
        seen.add(finding.finding_id)
    return plan


MOST_ACTIONS = 5
"""Actions that AWS takes for one check in one mitigation task (chapter "Quotas" of the service)."""

MOST_FINDINGS = 25
"""Findings that AWS takes in one mitigation task."""

MOST_TASKS = 10
"""Mitigation tasks that AWS runs at once."""
