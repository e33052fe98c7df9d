"""The mitigation panel without its page: what was chosen, what is known, what is under way.

A state never changes; every step returns another one. What takes long is done elsewhere (`mitigation_work`), and its
result becomes a state here; what may be done next, and why not, is told by `mitigation_guards`. So all of it can be
tested, and a panel whose cell runs again goes on with the state it had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import InputError, MitigationError
from ddreport.mitigation.approval import strictest
from ddreport.mitigation.plan import MOST_ACTIONS, Rollout
from ddreport.mitigation.selection import Selection
from ddreport.mitigation.waves import parse_share, parse_waves
from ddreport.presentation.formats import plural
from ddreport.targets import MitigationMode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.errors import DDReportError
    from ddreport.mitigation.approval import Approval
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import ApprovalRule, Plan, PlannedAction
    from ddreport.mitigation.reversal_plan import RollbackPlan
    from ddreport.mitigation.rollback_state import RollbackState

TYPED = 6
"""First characters of a plan's digest that somebody types to confirm it, as on the command line."""


class Work(StrEnum):
    """What the panel is doing in the background."""

    LOAD = "LOAD"
    DEFINE = "DEFINE"
    PLAN = "PLAN"
    OPEN = "OPEN"
    APPROVE = "APPROVE"
    APPLY = "APPLY"
    CANCEL = "CANCEL"
    VERIFY = "VERIFY"
    PLAN_ROLLBACK = "PLAN_ROLLBACK"
    APPLY_ROLLBACK = "APPLY_ROLLBACK"


CHANGES_ACCOUNT = frozenset({Work.DEFINE, Work.APPLY, Work.CANCEL, Work.APPLY_ROLLBACK})
"""Work that changes the account."""

STOPPABLE = frozenset({Work.APPLY, Work.APPLY_ROLLBACK})
"""Work that can be stopped in between and gone on with."""


@dataclass(frozen=True)
class Busy:
    """Work under way: what, at which stage, and how far (`total` None: not known)."""

    work: Work
    stage: str = ""
    done: int = 0
    total: int | None = None
    stopping: bool = False


@dataclass(frozen=True)
class Failure:
    """Why the last work ended early, or a click was refused (no `work`); `expected` False is a fault of the program."""

    work: Work | None
    message: str
    hint: str | None = None
    expected: bool = True


@dataclass(frozen=True)
class CheckChoice:
    """One check with open findings.

    Attributes
    ----------
    problem_count
        Open problems, suppressed ones included.
    suppressed_count
        Those of them that a suppression covers.
    """

    name: str
    severity: str
    problem_count: int
    suppressed_count: int


@dataclass(frozen=True, eq=False)
class Known:
    """What the archive tells of the target.

    Attributes
    ----------
    findings
        Open findings, `schemas.FINDINGS` with `problem_id`, one row per problem.
    actions
        Defined mitigation actions, as AWS told them last.
    campaigns
        Campaigns of this account and Region, the newest first.
    plans
        Files of plans for this account and Region that were made and not applied, the newest first.
    """

    account: str
    region: str
    emulated: bool
    as_of: datetime
    findings: pd.DataFrame
    checks: tuple[CheckChoice, ...]
    actions: tuple[PlannedAction, ...] = ()
    campaigns: tuple[CampaignState, ...] = ()
    plans: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Verified:
    """What a look at a campaign found: counts by effect, the table (`verification.VERIFICATIONS`), and notes."""

    counts: dict[str, int]
    table: pd.DataFrame
    notes: tuple[str, ...]
    time: datetime


@dataclass(frozen=True)
class Options:
    """How the plan is rolled out, as typed."""

    waves: str = "1,5%,rest"
    stop_at: str = "20%"
    alarms: str = ""
    wait_seconds: int = 0
    require_approval: bool = False
    with_impact: bool = True

    def rollout(self) -> Rollout:
        """Return what was typed (`InputError`)."""
        if self.wait_seconds < 0:
            raise InputError(f"the rest between waves is {self.wait_seconds} s; allowed: 0 or more.")
        return Rollout(
            waves=parse_waves(self.waves),
            stop_at_failed_share=parse_share(self.stop_at),
            alarms=tuple(a.strip() for a in self.alarms.split(",") if a.strip()),
            wait_seconds=self.wait_seconds,
        )


@dataclass(frozen=True, eq=False)
class PanelState:
    """Everything that a panel shows.

    Attributes
    ----------
    archive
        Folder as it was given; empty means the default.
    target_rule
        What the target asks for now; the stricter of it and the plan's own counts.
    read_only
        Whether this page is for looking only, whatever the target says.
    picked
        Problems to treat, ids in the order of the findings.
    actions
        Names of actions in the order in which they are applied.
    plan_path
        Where the plan is kept; None until it is.
    typed, typed_rollback
        What was typed to confirm.
    campaign
        How the plan's campaign stands; None before it begins.
    """

    target: str
    archive: str = ""
    mode: MitigationMode = MitigationMode.ALLOWED
    target_rule: ApprovalRule | None = None
    read_only: bool = False
    known: Known | None = None
    check: str | None = None
    picked: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    plan: Plan | None = None
    plan_path: str | None = None
    approval: Approval | None = None
    approval_path: str | None = None
    typed: str = ""
    campaign: CampaignState | None = None
    verified: Verified | None = None
    rollback: RollbackPlan | None = None
    rollback_path: str | None = None
    rollback_approval: Approval | None = None
    rolled_back: RollbackState | None = None
    typed_rollback: str = ""
    busy: Busy | None = None
    failure: Failure | None = None

    # --- what was chosen ----------------------------------------------------------------------------------------------

    @property
    def choice(self) -> CheckChoice | None:
        """The chosen check."""
        return next((c for c in self.known.checks if c.name == self.check), None) if self.known else None

    @property
    def findings(self) -> pd.DataFrame | None:
        """Open findings of the chosen check, one row per problem."""
        if self.known is None or self.check is None:
            return None
        return self.known.findings[self.known.findings["check_name"] == self.check]

    @property
    def fitting(self) -> tuple[PlannedAction, ...]:
        """Defined actions that AWS allows for the chosen check, those that repair before the message."""
        if self.known is None or self.check is None:
            return ()
        order = list(fitting_types(self.check))
        found = [a for a in self.known.actions if a.action_type in order]
        return tuple(sorted(found, key=lambda a: (order.index(a.action_type), a.name)))

    @property
    def selection(self) -> Selection:
        """Which findings the plan is about, in the fewest words that say it."""
        checks = (self.check,) if self.check else ()
        findings = self.findings
        if findings is None or not self.picked:
            return Selection(checks=checks)
        left = set(findings["problem_id"]) - set(self.picked)
        if len(left) < len(self.picked):
            # All of the check but for a few is shorter than naming the many, and says what was left out on purpose.
            return Selection(checks=checks, excluded=tuple(p for p in findings["problem_id"] if p in left))
        return Selection(checks=checks, problems=self.picked)

    @property
    def confirmation(self) -> str:
        """What must be typed before the plan is applied."""
        return self.plan.digest[:TYPED] if self.plan else ""

    @property
    def rollback_confirmation(self) -> str:
        """What must be typed before the roll-back is applied."""
        return self.rollback.digest[:TYPED] if self.rollback else ""

    # --- what stands -------------------------------------------------------------------------------------------------

    @property
    def looking_only(self) -> str | None:
        """Why nothing may change the account; None where it may be changed."""
        if self.read_only:
            return "this page is for looking only; save the plan's file and apply it with `ddreport mitigate apply`"
        if self.mode is MitigationMode.READ_ONLY:
            return f'target {self.target} is for looking only: ddreport.toml says mitigation = "read-only"'
        return None

    @property
    def needs_approval(self) -> bool:
        """Whether the plan must be approved before it is applied."""
        rules = [rule for rule in (self.plan.approval if self.plan else None, self.target_rule) if rule is not None]
        return bool(rules) and strictest(rules).required

    @property
    def is_begun(self) -> bool:
        """Whether the plan's campaign has begun, so that the choice stands."""
        return self.campaign is not None and bool(self.campaign.runs)

    @property
    def is_over(self) -> bool:
        """Whether nothing more of the campaign will be done."""
        return self.campaign is not None and (self.campaign.finished is not None or self.campaign.canceled is not None)

    # --- steps --------------------------------------------------------------------------------------------------------

    def loaded(self, known: Known, *, mode: MitigationMode, rule: ApprovalRule | None = None) -> PanelState:
        """Take in what the archive and the target tell; what was chosen stays as far as it is still there."""
        state = replace(self, known=known, mode=mode, target_rule=rule or self.target_rule)
        if self.is_begun:
            return state
        names = [c.name for c in known.checks]
        if state.check not in names:
            state = state._choosing(check=None, picked=(), actions=())
            return state.choose_check(names[0]) if len(names) == 1 else state
        there = set(known.findings["problem_id"])
        picked = tuple(p for p in state.picked if p in there)
        actions = tuple(n for n in state.actions if n in {a.name for a in state.fitting})
        return (
            state
            if (picked, actions) == (state.picked, state.actions)
            else state._choosing(picked=picked, actions=actions)
        )

    def choose_check(self, name: str | None) -> PanelState:
        """Choose a check (`InputError`); findings and actions of another one are given up."""
        if name == self.check:
            return self
        if name is not None and (self.known is None or name not in [c.name for c in self.known.checks]):
            raise InputError(f"{name!r} has no open findings.")
        state = self._choosing(check=name, picked=(), actions=())
        repairs = [a for a in state.fitting if a.action_type != "PUBLISH_FINDING_TO_SNS"]
        return replace(state, actions=(repairs[0].name,)) if len(repairs) == 1 else state

    def pick(self, problem_ids: Sequence[str]) -> PanelState:
        """Choose the problems to treat; others than the check's are passed over."""
        findings = self.findings
        wanted = set(problem_ids)
        picked = () if findings is None else tuple(p for p in findings["problem_id"] if p in wanted)
        return self if picked == self.picked else self._choosing(picked=picked)

    def choose_action(self, name: str, *, on: bool) -> PanelState:
        """Add an action as the last one, or give it up (`InputError`)."""
        if on and name not in [a.name for a in self.fitting]:
            raise InputError(f"the action {name!r} does not fit {self.check}.")
        rest = tuple(n for n in self.actions if n != name)
        if on and len(rest) >= MOST_ACTIONS:
            raise InputError(f"AWS takes {MOST_ACTIONS} actions for a check.")
        actions = (*rest, name) if on else rest
        same = set(actions) == set(self.actions)
        return self if same else self._choosing(actions=actions)

    def set_options(self, options: Options) -> PanelState:
        """Say how the plan is rolled out."""
        return self if options == self.options else self._choosing(options=options)

    def planned(self, plan: Plan, path: str | None = None) -> PanelState:
        """Take in a plan that was made or opened."""
        return replace(self._without_plan(), plan=plan, plan_path=path)

    def start_over(self) -> PanelState:
        """Forget the plan and its campaign, which stay in files and archive."""
        return replace(self._without_plan(), picked=(), failure=None)

    def began(self, work: Work) -> PanelState:
        """Begin work; only one thing at a time (`MitigationError`), and none that changes an account for looking."""
        if self.busy is not None:
            raise MitigationError("something is under way in this panel.", hint="wait until it has ended.")
        if work in CHANGES_ACCOUNT and self.looking_only:
            raise MitigationError(f"{self.looking_only}.")
        return replace(self, busy=Busy(work), failure=None)

    def progressed(self, **changes: Any) -> PanelState:
        """Tell how far the work is."""
        return replace(self, busy=replace(self.busy, **changes)) if self.busy else self

    def ended(self, failure: Failure | None = None) -> PanelState:
        """End the work."""
        return replace(self, busy=None, failure=failure)

    def refused(self, error: DDReportError) -> PanelState:
        """Take in that a click was refused."""
        return replace(self, failure=Failure(None, error.message, error.hint))

    def _choosing(self, **changes: Any) -> PanelState:
        """Change a choice: a plan that was made of the earlier one is not shown beside it any more."""
        if self.is_begun or self.busy is not None:
            raise MitigationError("the plan is being carried out; what was chosen for it stands.")
        return replace(self._without_plan(), **changes)

    def _without_plan(self) -> PanelState:
        return replace(
            self,
            plan=None,
            plan_path=None,
            approval=None,
            approval_path=None,
            typed="",
            campaign=None,
            verified=None,
            rollback=None,
            rollback_path=None,
            rollback_approval=None,
            rolled_back=None,
            typed_rollback="",
        )


def fitting_types(check_name: str) -> tuple[str, ...]:
    """Return the types of action that AWS allows for a check, the message last."""
    from ddreport.mitigation.actions import fitting_types as types

    return tuple(str(kind) for kind in types(check_name))


def check_choices(findings: pd.DataFrame) -> tuple[CheckChoice, ...]:
    """Return the checks that have open findings, most severe first, then by how many they have.

    Parameters
    ----------
    findings
        One row per problem: `check_name`, `severity`, `is_suppressed`.
    """
    if findings.empty:
        return ()
    found = []
    for name, rows in findings.groupby("check_name", sort=False, observed=True):
        suppressed = int(rows["is_suppressed"].fillna(value=False).astype(bool).sum())
        severity = str(rows["severity"].iloc[0])
        found.append(CheckChoice(str(name), severity, len(rows), suppressed))
    order = {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3}
    return tuple(sorted(found, key=lambda c: (order.get(c.severity, 9), -c.problem_count, c.name)))


def choice_label(choice: CheckChoice) -> str:
    """Return a check as a list offers it."""
    from ddreport.presentation.formats import severity_label

    suppressed = f", {choice.suppressed_count:,} suppressed" if choice.suppressed_count else ""
    title = describe_check(choice.name).title
    return f"{severity_label(choice.severity)} · {title} · {plural(choice.problem_count, 'finding')}{suppressed}"
