"""Doing what a plan says, one call after the other; whatever stops it, the same command again goes on from there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.errors import AwsCallError, AwsError, InputError, SetupError
from ddreport.progress import NoProgress
from ddreport.setup.planning import make_plan
from ddreport.setup.removal import plan_removal
from ddreport.workflows.setting_up.read import read_present

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.roles import Place
    from ddreport.progress import Progress
    from ddreport.setup.changes import Change, SetupPlan
    from ddreport.setup.desired import Desired
    from ddreport.setup.present import Present

MOST_PLANS = 4
"""How often a plan is made anew because an account was found otherwise than it was read."""

LOOK_AGAIN = (2.0, 5.0, 10.0)
"""Seconds until it is looked again whether AWS shows what was done: reads may lag behind writes."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan.

    Attributes
    ----------
    plan
        What was done, or what is left where nothing had to be done.
    done
        The changes that were made, in order.
    left
        What AWS shows otherwise than it is wanted after all is done; it may need some seconds.
    """

    plan: SetupPlan
    done: tuple[Change, ...] = ()
    left: tuple[Change, ...] = ()


def plan_setup(session: AwsSession, desired: Desired, place: Place, *, progress: Progress | None = None) -> SetupPlan:
    """Read what is there and plan what has to happen. Nothing is changed.

    Raises
    ------
    CredentialsError, EndpointError
        AWS could not be asked.
    """
    return make_plan(desired, read_present(session, desired, place, progress=progress or NoProgress()))


def plan_teardown(
    session: AwsSession, desired: Desired, place: Place, *, progress: Progress | None = None
) -> SetupPlan:
    """Read what is there and plan how to take away what set-up made. Nothing is changed (errors: `plan_setup`)."""
    return plan_removal(
        desired, read_present(session, desired, place, progress=progress or NoProgress(), everything=True)
    )


def carry_out(
    session: AwsSession,
    plan: SetupPlan,
    replan: Callable[[], SetupPlan],
    *,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Applied:
    """Do what a plan says.

    Changes the account. Each call stands for itself, and every plan begins with what is there: stopped at any moment,
    also by a power cut, it goes on from there with the next plan. Where an account turns out to be otherwise than it
    was read (somebody else is at work, or an answer was lost and the call was sent again), a new plan is made.

    Parameters
    ----------
    replan
        Makes the plan anew.
    sleep, clock
        Wait, and the seconds that have passed, for the waits until IAM has told everybody about a role.

    Raises
    ------
    InputError
        The plan has problems; nothing was done.
    SetupError
        A call was refused; the message says what was done until then.
    """
    refuse_problems(plan)
    progress = progress or NoProgress()
    done: list[Change] = []
    for _ in range(MOST_PLANS):
        failure = _make_changes(session, plan, done, progress=progress, sleep=sleep, clock=clock)
        if failure is None:
            break
        change, exc = failure
        if not _is_conflict(exc):
            raise _stopped(change, exc, done) from exc
        progress.stage(f"{change}: {exc.message} Reading the account again")
        plan = replan()
        if plan.problems:
            raise SetupError(
                f"stopped at {change}: {plan.problems[0].message} {_told(done)}", hint=plan.problems[0].hint
            )
    else:
        raise _stopped(change, exc, done) from exc
    if not done:
        return Applied(plan)
    left = replan().pending
    for pause in LOOK_AGAIN:
        if not left:
            break
        progress.stage("AWS does not show everything yet; looking again")
        sleep(pause)
        left = replan().pending
    return Applied(plan, tuple(done), left)


def refuse_problems(plan: SetupPlan) -> None:
    """Refuse a plan that cannot be applied (`InputError` with all of its problems)."""
    if not plan.problems:
        return
    first, *others = plan.problems
    more = "".join(f" Also: {problem.message}" for problem in others)
    raise InputError(f"{first.message}{more} Nothing was changed.", hint=first.hint)


def _make_changes(
    session: AwsSession,
    plan: SetupPlan,
    done: list[Change],
    *,
    progress: Progress,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> tuple[Change, AwsError] | None:
    from ddreport.aws.setup.writing import write

    for change in plan.pending:
        progress.stage(str(change))
        for call in change.calls:
            try:
                write(session, call, sleep=sleep, clock=clock, waiting=progress.stage)
            except AwsError as exc:
                return change, exc
        done.append(change)
    return None


def _is_conflict(exc: AwsError) -> bool:
    from ddreport.aws.setup.writing import CONFLICTS

    return isinstance(exc, AwsCallError) and exc.code in CONFLICTS


def _stopped(change: Change, exc: AwsError, done: list[Change]) -> SetupError:
    hint = f"{exc.hint} Then run the same command again: it goes on from here." if exc.hint else None
    return SetupError(
        f"stopped at {change}: {exc.message} {_told(done)}",
        hint=hint or "run the same command again: it goes on from here.",
    )


def _told(done: list[Change]) -> str:
    return f"Done until then: {', '.join(str(c) for c in done)}." if done else "Nothing was done before."


def show_present(session: AwsSession, desired: Desired, place: Place, *, progress: Progress | None = None) -> Present:
    """Read what is there, for people to look at (errors: `plan_setup`)."""
    return read_present(session, desired, place, progress=progress or NoProgress())
