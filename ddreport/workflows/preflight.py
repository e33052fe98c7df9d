"""One target before and during its set-up: how it stands, what a set-up would do, and doing it step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.connect import read_targets
from ddreport.doctor.permissions import Way
from ddreport.doctor.verdicts import Verdict, judge
from ddreport.errors import InputError, TargetError
from ddreport.progress import NoProgress
from ddreport.settings import Settings
from ddreport.setup.present import Unknown
from ddreport.workflows.audits import AuditNow, follow_audit, look_at_audit, start_audit
from ddreport.workflows.doctor import gather
from ddreport.workflows.sessions import open_target
from ddreport.workflows.setting_up.apply import Applied, carry_out, plan_setup
from ddreport.workflows.setting_up.read import read_desired, where_is
from ddreport.workflows.setting_up.targets import refuse_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ddreport.doctor.facts import Facts
    from ddreport.progress import Progress
    from ddreport.setup.changes import SetupPlan
    from ddreport.setup.desired import Desired
    from ddreport.targets import Target


@dataclass(frozen=True)
class CheckNow:
    """A check as it is and as it is wanted.

    Attributes
    ----------
    enabled, threshold
        As it is; None where nobody may look, or it has no threshold of its own.
    wanted, wanted_threshold
        As `[setup]` wants it.
    """

    name: str
    enabled: bool | None
    threshold: int | None
    wanted: bool
    wanted_threshold: int | None

    @property
    def title(self) -> str:
        """Its title."""
        return describe_check(self.name).title

    @property
    def severity(self) -> str:
        """Its severity; empty where nobody knows."""
        return str(describe_check(self.name).severity or "")

    @property
    def why(self) -> str:
        """Why it matters."""
        return describe_check(self.name).why


@dataclass(frozen=True)
class Preflight:
    """How a target stands before it is set up. Nothing was changed to find out.

    Attributes
    ----------
    verdicts
        Of the doctor, in the order in which things have to be right.
    checks
        Each check of the catalogue, the most severe first.
    schedules
        Rows of `metrics.scheduled_runs.NEXT_RUNS`; None where nobody may look.
    desired, plan
        What is wanted, and what a set-up would do.
    read_only
        Whether `ddreport.toml` forbids changes.
    """

    target: str
    account: str
    region: str
    emulated: bool
    verdicts: tuple[Verdict, ...]
    checks: tuple[CheckNow, ...]
    schedules: tuple[Mapping[str, Any], ...] | None
    desired: Desired
    plan: SetupPlan
    read_only: bool = False


def load_preflight(*, target: str = "demo", archive: str | Path = "", progress: Progress | None = None) -> Preflight:
    """Look at a target as `ddreport doctor --for setup` and `ddreport setup plan` do. Only read calls are made.

    Parameters
    ----------
    target
        Name of a target of `ddreport.toml`, or `demo`.
    archive
        Folder of the archive; empty means the default.

    Raises
    ------
    TargetError, SettingsError
        There is no such target, or `[setup]` is wrong.
    CredentialsError, EndpointError
        AWS cannot be asked.
    """
    chosen, settings = _target(target), Settings.from_env()
    progress = progress or NoProgress()
    desired = read_desired(chosen, settings=settings, targets=read_targets())
    with open_target(chosen, archive=archive, settings=settings, progress=progress) as session:
        facts = gather(session, chosen, way=Way.SETUP, settings=settings, archive=archive, progress=progress)
        plan = plan_setup(session, desired, facts.place, progress=progress)
    return Preflight(
        target=target,
        account=facts.place.account,
        region=facts.place.region,
        emulated=facts.emulated,
        verdicts=tuple(judge(facts)),
        checks=_checks(facts, desired),
        schedules=None if isinstance(facts.schedules, Unknown) else tuple(facts.schedules),
        desired=desired,
        plan=plan,
        read_only=_is_read_only(chosen),
    )


def _target(name: str) -> Target:
    from ddreport.connect import configuration_name

    known = read_targets()
    if name not in known:
        raise TargetError.unknown(name, known, where=configuration_name())
    return known[name]


def _is_read_only(target: Target) -> bool:
    try:
        refuse_read_only([target])
    except InputError:
        return True
    return False


def _checks(facts: Facts, desired: Desired) -> tuple[CheckNow, ...]:
    from ddreport.catalogue import checks as catalogue

    audit = facts.audit
    found = []
    for name, check in catalogue().items():
        configuration = {} if isinstance(audit, Unknown) else audit.thresholds.get(name, {})
        text = configuration.get(check.threshold.configuration_key) if check.threshold else None
        own = int(text) if text and text.isdecimal() else None
        default = check.threshold.default_days if check.threshold else None
        enabled = None if isinstance(audit, Unknown) else bool(audit.checks.get(name))
        wanted = name in desired.checks
        found.append(CheckNow(name, enabled, own or default, wanted, desired.thresholds.get(name, default)))
    return tuple(found)


@dataclass
class Guide:
    """The steps of a guided set-up of one target; each opens its connections and closes them.

    Attributes
    ----------
    planned
        What a plan was made for last: only that can be applied.
    """

    target: str
    archive: str = ""
    planned: Desired | None = field(default=None)

    def look(self, progress: Progress) -> Preflight:
        """Look at the target; see `load_preflight`."""
        return load_preflight(target=self.target, archive=self.archive, progress=progress)

    def plan(self, desired: Desired, progress: Progress) -> SetupPlan:
        """Plan; nothing is changed."""
        with open_target(_target(self.target), archive=self.archive, progress=progress) as session:
            plan = plan_setup(session, desired, where_is(session).place, progress=progress)
        self.planned = desired
        return plan

    def apply(self, account: str, progress: Progress) -> Applied:
        """Change the account: do what was planned last, planned anew on what is there now.

        Parameters
        ----------
        account
            The account's id, typed by somebody who has seen the plan.

        Raises
        ------
        InputError
            Nothing was planned; the id is another one; the target is read-only; the plan has problems.
        SetupError
            A call was refused; the message says what was done until then.
        """
        desired, chosen = self.planned, _target(self.target)
        if desired is None:
            raise InputError("there is no plan to apply.", hint="make one first, and look at it.")
        refuse_read_only([chosen])
        with open_target(chosen, archive=self.archive, progress=progress) as session:
            place = where_is(session).place
            if account != place.account:
                raise InputError(
                    f"{account!r} is not the account of the target {self.target}.",
                    hint="type the id of the account that the plan shows.",
                )

            def replan() -> SetupPlan:
                return plan_setup(session, desired, place, progress=progress)

            return carry_out(session, replan(), replan, progress=progress)

    def audit(self, progress: Progress, told: Callable[[str], None], *, timeout_seconds: float = 1800) -> AuditNow:
        """Change the account's audits: audit all checks that are on, follow it, and return what came out."""
        with open_target(_target(self.target), archive=self.archive, progress=progress) as session:
            begun = start_audit(session, ())
            follow_audit(session, begun.audit_task_id, progress=progress, timeout_seconds=timeout_seconds, told=told)
            return look_at_audit(session, session.identity(), begun.audit_task_id)
