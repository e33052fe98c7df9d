"""Set-up of several targets in one run: all are planned before any is changed, and one that refuses spoils no other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ddreport.connect import connect
from ddreport.errors import DDReportError, InputError, PartialDataError
from ddreport.targets import MitigationMode
from ddreport.workflows.setting_up.apply import (
    Applied,
    carry_out,
    plan_setup,
    plan_teardown,
    refuse_problems,
    show_present,
)
from ddreport.workflows.setting_up.read import read_desired, where_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager, ExitStack

    from ddreport.aws.session import AwsSession
    from ddreport.progress import Progress
    from ddreport.settings import Settings
    from ddreport.setup.changes import SetupPlan
    from ddreport.setup.desired import Desired
    from ddreport.setup.present import Present
    from ddreport.targets import Target
    from ddreport.workflows.setting_up.read import Where

GATE_EXIT_CODE = 3
"""Exit code of a check that found something otherwise than it is wanted."""


@dataclass
class TargetSetup:
    """One target of a run.

    Attributes
    ----------
    where
        None until AWS was asked.
    plan
        None where it could not be made.
    applied
        What was done.
    error
        Why the target was given up.
    """

    target: Target
    desired: Desired
    session: AwsSession | None = None
    where: Where | None = None
    plan: SetupPlan | None = None
    present: Present | None = None
    applied: Applied | None = None
    error: DDReportError | None = None

    @property
    def status(self) -> str:
        """How the target stands: one word or two."""
        if self.error is not None:
            return "failed"
        if self.applied is not None and self.applied.done:
            return "applied, but AWS shows it otherwise" if self.applied.left else "applied"
        if self.plan is None:
            return "read" if self.present is not None else "not asked"
        if self.plan.problems:
            return "cannot be applied"
        if self.plan.pending:
            return "to be changed"
        return "partly unknown" if self.plan.unknown else "as wanted"


def open_target(target: Target, *, settings: Settings, progress: Progress) -> AbstractContextManager[AwsSession]:
    """Connect to a target; the demo account is that of the demo's archive, kept so that changes last."""
    if not target.is_demo:
        return connect(target, settings=settings, progress=progress)
    from ddreport.workflows.demo import demo_archive
    from ddreport.workflows.sessions import session_for

    archive = demo_archive(settings=settings, progress=progress)
    return session_for(target, archive, settings=settings, progress=progress)


def begin(targets: Sequence[Target], *, settings: Settings, known_targets: Iterable[str] = ()) -> list[TargetSetup]:
    """Read what is wanted of each target; AWS is not asked.

    Raises
    ------
    SettingsError
        `ddreport.toml` is wrong, for any of them: then none is touched.
    """
    names = list(known_targets)
    return [TargetSetup(target, read_desired(target, settings=settings, targets=names)) for target in targets]


def plan_all(
    setups: Sequence[TargetSetup],
    stack: ExitStack,
    *,
    settings: Settings,
    progress: Progress,
    teardown: bool = False,
) -> None:
    """Plan each target; its session stays open in `stack`. One that cannot be asked is given up, with its error."""
    make = plan_teardown if teardown else plan_setup

    def plan(setup: TargetSetup, session: AwsSession, where: Where, branch: Progress) -> None:
        setup.plan = make(session, setup.desired, where.place, progress=branch)

    _each(setups, stack, plan, settings=settings, progress=progress)


def read_all(setups: Sequence[TargetSetup], stack: ExitStack, *, settings: Settings, progress: Progress) -> None:
    """Read what is there of each target. One that cannot be asked is given up, with its error."""

    def read(setup: TargetSetup, session: AwsSession, where: Where, branch: Progress) -> None:
        setup.present = show_present(session, setup.desired, where.place, progress=branch)

    _each(setups, stack, read, settings=settings, progress=progress)


def _each(
    setups: Sequence[TargetSetup],
    stack: ExitStack,
    work: Callable[[TargetSetup, AwsSession, Where, Progress], None],
    *,
    settings: Settings,
    progress: Progress,
) -> None:
    for setup in setups:
        branch = Named(progress, setup.target.name)
        try:
            setup.session = stack.enter_context(open_target(setup.target, settings=settings, progress=branch))
            setup.where = where_is(setup.session)
            work(setup, setup.session, setup.where, branch)
        except DDReportError as exc:
            if len(setups) == 1:
                raise
            setup.error = exc


def apply_all(
    setups: Sequence[TargetSetup],
    *,
    progress: Progress,
    teardown: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do what the plans say, target by target. One that refuses, or cannot be applied, spoils no other.

    Changes the accounts.

    Raises
    ------
    InputError, SetupError
        There is one target only, and it cannot be applied or refused.
    """
    make = plan_teardown if teardown else plan_setup
    refuse_read_only([setup.target for setup in setups])
    for setup in setups:
        if setup.plan is None or setup.session is None or setup.where is None:
            continue
        branch = Named(progress, setup.target.name)
        replan = partial(make, setup.session, setup.desired, setup.where.place, progress=branch)
        try:
            setup.applied = carry_out(setup.session, setup.plan, replan, progress=branch, sleep=sleep)
        except DDReportError as exc:
            if len(setups) == 1:
                raise
            setup.error = exc


def exit_code(setups: Sequence[TargetSetup], *, check: bool = False, applied: bool = False) -> int:
    """Return what the command line ends with.

    0: everything is as it is wanted, or was made so. 2: a plan cannot be applied. 3: asked to `check`, and something is
    otherwise than it is wanted. 4: a part is unknown, a target was given up, or AWS shows a change not yet.
    """
    plans = [setup.plan for setup in setups if setup.plan is not None]
    failed = any(setup.error is not None for setup in setups)
    if check and any(plan.pending for plan in plans):
        return GATE_EXIT_CODE
    unsure = any(plan.unknown for plan in plans) or any(s.applied is not None and s.applied.left for s in setups)
    problems = [plan for plan in plans if plan.problems]
    if failed or unsure or (problems and len(problems) < len(setups)):
        return PartialDataError.exit_code
    return InputError.exit_code if problems and not applied else 0


def refuse_hopeless(setups: Sequence[TargetSetup]) -> None:
    """Refuse a run of one target that cannot be applied (`InputError`)."""
    if len(setups) == 1 and setups[0].plan is not None:
        refuse_problems(setups[0].plan)


def refuse_read_only(targets: Iterable[Target]) -> None:
    """Refuse to change targets of which `ddreport.toml` says that nothing may be done to them (`InputError`)."""
    closed = [target.name for target in targets if target.mitigation_mode is MitigationMode.READ_ONLY]
    if closed:
        raise InputError(
            f"the target {closed[0]} is read-only (`mitigation` in ddreport.toml), so it is not changed.",
            hint="`ddreport setup plan` can be made of it all the same.",
        )


class Named:
    """Progress of one target: its name before every text."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def stage(self, text: str, total: int | None = None) -> None:
        """Begin a stage."""
        self._progress.stage(f"{self._name}: {text}", total)

    def advance(self, steps: int = 1) -> None:
        """Advance the stage."""
        self._progress.advance(steps)
