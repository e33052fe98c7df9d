"""What the mitigation panel has done in the background: each piece of work asks the workflows and returns a step.

A step takes the panel's state of then and returns the next one. The work itself knows no widget and no thread.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ddreport.errors import InputError, NoDataError, PlanError
from ddreport.history.identity import problem_ids
from ddreport.mitigation.plan_file import read_plan, write_plan
from ddreport.mitigation.reversal_plan import write_rollback
from ddreport.settings import Settings
from ddreport.targets import DEMO
from ddreport.widgets.mitigation_state import Known, Verified, Work, check_choices
from ddreport.workflows.load import open_archive
from ddreport.workflows.mitigating.apply import apply_plan, campaign_states, campaign_status, cancel_campaign
from ddreport.workflows.mitigating.approve import approval_path, give_approval, read_approval
from ddreport.workflows.mitigating.plan import PlanRequest, make_plan, open_findings, planned_actions
from ddreport.workflows.mitigating.rollback import apply_rollback, make_rollback
from ddreport.workflows.mitigating.targets import approval_rule
from ddreport.workflows.mitigating.verify import verify_campaign
from ddreport.workflows.sessions import session_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.mitigation.approval import Approval
    from ddreport.mitigation.journal import CampaignState
    from ddreport.mitigation.plan import Plan
    from ddreport.progress import Progress
    from ddreport.targets import Target
    from ddreport.terms import MitigationActionType
    from ddreport.widgets.mitigation_state import PanelState
    from ddreport.workflows.pulling.threads import Stop

    Step = Callable[[PanelState], PanelState]

_MOST_PLANS = 20
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Place:
    """What a panel is about.

    Attributes
    ----------
    target
        Name of a target of `ddreport.toml`, or `demo`.
    archive
        Folder; empty means the default.
    checks
        Checks to offer; none means all.
    plans
        Folder of plans' files.
    """

    target: str
    archive: str = ""
    checks: tuple[str, ...] = ()
    plans: Path = Path()

    def find_target(self) -> Target:
        """Return the target (`TargetError`, `SettingsError`)."""
        from ddreport.connect import configuration_name, read_targets
        from ddreport.errors import TargetError

        known = read_targets()
        if self.target not in known:
            raise TargetError.unknown(self.target, known, where=configuration_name())
        return known[self.target]

    def open_archive(self) -> Archive:
        """Open the archive (`ArchiveError`, `NoDataError`)."""
        return open_archive([self.target], self.archive)


def load(place: Place, progress: Progress) -> Step:
    """Read what is open, what can be done about it, and what was begun, from the archive. AWS is not asked."""
    target = place.find_target()
    known = _known(place, target, progress)
    return lambda state: state.loaded(known, mode=target.mitigation_mode, rule=approval_rule(target))


def _known(place: Place, target: Target, progress: Progress) -> Known:
    if target.name == DEMO and not place.archive:
        # Made here, so that its progress is shown in the panel.
        from ddreport.workflows.demo import demo_archive

        demo_archive(settings=Settings.from_env(), progress=progress)
    progress.stage("Looking for open findings in the archive")
    found = open_findings(target, place.archive)
    findings = found.findings.assign(problem_id=problem_ids(found.findings)).drop_duplicates("problem_id")
    if place.checks:
        findings = findings[findings["check_name"].isin(place.checks)]
    here = (found.account, found.region)
    campaigns = [c for c in campaign_states(found.archive) if (c.plan.account, c.plan.region) == here]
    return Known(
        account=found.account,
        region=found.region,
        emulated=found.emulated,
        as_of=found.as_of,
        findings=findings.reset_index(drop=True),
        checks=check_choices(findings),
        actions=tuple(planned_actions(found.actions)),
        campaigns=tuple(campaigns),
        plans=tuple(_kept_plans(place, here, {c.plan.digest for c in campaigns})),
    )


def _kept_plans(place: Place, here: tuple[str, str], begun: set[str]) -> list[str]:
    """Return the files of plans for this account that were not applied; what is no plan is passed over."""
    if not place.plans.is_dir():
        return []
    files = [
        p for p in place.plans.glob("mitigation-*") if p.suffix in (".yaml", ".json") and ".approval" not in p.name
    ]
    newest = sorted(files, key=lambda p: p.stat().st_mtime, reverse=True)[:_MOST_PLANS]
    found = []
    for path in newest:
        try:
            plan = read_plan(path)
        except PlanError:
            continue
        if (plan.account, plan.region) == here and plan.digest not in begun:
            found.append(str(path))
    return found


def reload_actions(place: Place, progress: Progress) -> Step:
    """Ask AWS which mitigation actions are defined; the account is not changed."""
    archive = place.open_archive()
    with session_for(place.find_target(), archive, progress=progress) as session:
        progress.stage("Asking AWS for the defined actions")
        return _actions_step(session)


def define(place: Place, kind: MitigationActionType, progress: Progress) -> Step:
    """Define AWS's default action of a type with its role, as the tutorial does. Changes the account."""
    from ddreport.workflows.mitigation_actions import define_defaults

    archive = place.open_archive()
    with session_for(place.find_target(), archive, progress=progress) as session:
        progress.stage("Defining the action and its role")
        define_defaults(session, [kind], create_role=True)
        return _actions_step(session)


def _actions_step(session: AwsSession) -> Step:
    from ddreport.aws.mitigations import fetch_mitigation_actions
    from ddreport.tables.mitigations import mitigation_actions_table

    identity = session.identity()
    table = mitigation_actions_table(
        fetch_mitigation_actions(session.iot),
        account=identity.account,
        region=identity.region,
        observed_time=identity.as_of,
    )
    actions = tuple(planned_actions(table))
    return lambda state: state.loaded(replace(state.known, actions=actions), mode=state.mode) if state.known else state


def plan(place: Place, state: PanelState, progress: Progress) -> Step:
    """Make the plan of what was chosen; the account is read and not changed."""
    request = PlanRequest(
        selection=state.selection,
        actions=state.actions,
        rollout=state.options.rollout(),
        require_approval=state.options.require_approval,
        with_impact=state.options.with_impact,
    )
    made = make_plan(request, target=place.find_target(), archive=place.archive, progress=progress)
    return lambda now: now.planned(made)


def save(place: Place, state: PanelState) -> Step:
    """Write the plan to the folder of plans, unless it is there (`PlanError`)."""
    if state.plan is None:
        raise InputError("there is no plan to save.")
    path = Path(state.plan_path) if state.plan_path else place.plans / f"mitigation-{state.plan.short}.yaml"
    write_plan(state.plan, path)
    return lambda now: replace(now, plan_path=str(path))


def open_plan(place: Place, name: str, progress: Progress) -> Step:
    """Open a plan by its file or, where its campaign has begun, by how its digest begins.

    Raises
    ------
    InputError
        It is of another account or Region than the panel.
    PlanError, NoDataError, ArchiveError
        It cannot be read; there is none.
    """
    archive = place.open_archive()
    path = Path(name).expanduser()
    progress.stage("Opening the plan")
    if path.is_file():
        found: Plan = read_plan(path)
        campaign = _campaign(archive, found)
    else:
        campaign = campaign_status(archive, name)
        found = campaign.plan
        path = place.plans / f"mitigation-{found.short}.yaml"
    approval = _approval(path, found)
    kept = str(path) if path.is_file() else None

    def step(state: PanelState) -> PanelState:
        known = state.known
        if known is not None and (found.account, found.region) != (known.account, known.region):
            raise InputError(
                f"plan {found.short} is of account {found.account} in {found.region}; this panel is about "
                f"{known.account} in {known.region}.",
                hint="open it in a panel of its own target.",
            )
        opened = state.planned(found, kept)
        return replace(opened, campaign=campaign, approval=approval)

    return step


def approve(place: Place, state: PanelState, note: str, progress: Progress) -> Step:
    """Approve the plan under the target's AWS identity, and write that beside the plan's file."""
    saved = save(place, state)
    made = state.plan
    if made is None:
        raise InputError("there is no plan to approve.")
    path = Path(state.plan_path) if state.plan_path else place.plans / f"mitigation-{made.short}.yaml"
    with session_for(place.find_target(), place.open_archive(), progress=progress) as session:
        given = give_approval(made, session, approval_path(path), note=note)
    return lambda now: replace(saved(now), approval=given, approval_path=str(approval_path(path)))


def look_for_approval(place: Place, state: PanelState) -> Step:
    """Look for the approval beside the plan's file, as somebody else may have written it."""
    made = state.plan
    if made is None:
        raise InputError("there is no plan.")
    path = Path(state.plan_path) if state.plan_path else place.plans / f"mitigation-{made.short}.yaml"
    found = _approval(path, made)
    if found is None:
        raise NoDataError(
            f"there is no approval {approval_path(path)} yet.",
            hint=f"`ddreport mitigate approve {path}` gives one, as another AWS identity where the plan asks for it.",
        )
    return lambda now: replace(now, approval=found, approval_path=str(approval_path(path)))


def _approval(path: Path, made: Plan) -> Approval | None:
    beside = approval_path(path)
    if not beside.is_file():
        return None
    found = read_approval(beside)
    return found if found.plan == made.digest else None


def apply(
    place: Place, state: PanelState, *, go_on: bool, progress: Progress, stop: Stop, show: Callable[[Step], None]
) -> Step:
    """Carry the plan out, or go on with it, and show how its campaign stands meanwhile. Changes the account."""
    made = state.plan
    if made is None:
        raise InputError("there is no plan to apply.")
    saved = save(place, state)
    show(saved)
    archive = place.open_archive()
    with (
        session_for(place.find_target(), archive, progress=progress) as session,
        _Watch(archive, made, show),
    ):
        done = apply_plan(
            session, archive, made, approval=state.approval, confirmed=True, go_on=go_on, progress=progress, stop=stop
        )
    return lambda now: replace(now, campaign=done.state, typed="")


def cancel(place: Place, state: PanelState, progress: Progress) -> Step:
    """Cancel the campaign; what was done stays done. Changes the account."""
    if state.plan is None:
        raise InputError("there is no plan to cancel.")
    archive = place.open_archive()
    with session_for(place.find_target(), archive, progress=progress) as session:
        done = cancel_campaign(session, archive, state.plan, progress=progress)
    return lambda now: replace(now, campaign=done.state)


def verify(place: Place, state: PanelState, progress: Progress) -> Step:
    """Read the resources back, audit the checks concerned, and tell what became of each problem."""
    if state.plan is None:
        raise InputError("there is no plan to verify.")
    target = place.find_target()
    archive = place.open_archive()
    found = verify_campaign(target, archive, state.plan.digest, progress=progress)
    verified = Verified(found.counts, found.table, found.notes, found.time)
    known = _known(place, target, progress)  # the audit has told anew what is open
    return lambda now: replace(now.loaded(known, mode=target.mitigation_mode), verified=verified)


def plan_rollback(place: Place, state: PanelState, progress: Progress) -> Step:
    """Plan what gives the campaign's resources back what they had, and keep that in a file."""
    if state.plan is None:
        raise InputError("there is no plan to roll back.")
    archive = place.open_archive()
    with session_for(place.find_target(), archive, progress=progress) as session:
        made = make_rollback(session, archive, state.plan.digest, progress=progress)
    path = place.plans / f"rollback-{made.short}.yaml"
    if not state.read_only:
        write_rollback(made, path)
    kept = None if state.read_only else str(path)
    return lambda now: replace(
        now, rollback=made, rollback_path=kept, rollback_approval=None, rolled_back=None, typed_rollback=""
    )


def look_for_rollback_approval(state: PanelState) -> Step:
    """Look for the approval beside the roll-back plan's file."""
    if state.rollback is None or state.rollback_path is None:
        raise InputError("there is no file of a roll-back plan.")
    beside = approval_path(Path(state.rollback_path))
    if not beside.is_file():
        raise NoDataError(
            f"there is no approval {beside} yet.",
            hint=f"`ddreport mitigate rollback approve {state.rollback_path}` gives one.",
        )
    found = read_approval(beside)
    return lambda now: replace(now, rollback_approval=found)


def roll_back(place: Place, state: PanelState, *, progress: Progress, stop: Stop) -> Step:
    """Carry the roll-back out. Changes the account."""
    if state.rollback is None:
        raise InputError("there is no roll-back plan.")
    archive = place.open_archive()
    with session_for(place.find_target(), archive, progress=progress) as session:
        done = apply_rollback(
            session,
            archive,
            state.rollback,
            approval=state.rollback_approval,
            confirmed=True,
            progress=progress,
            stop=stop,
        )
    return lambda now: replace(now, rolled_back=done.state, typed_rollback="")


def settle(place: Place, work: Work) -> Step:
    """Look how the campaign stands after work that may have ended anywhere."""

    def step(state: PanelState) -> PanelState:
        if state.plan is None or work not in (Work.APPLY, Work.CANCEL):
            return state
        found = _campaign(place.open_archive(), state.plan)
        return replace(state, campaign=found) if found is not None else state

    return step


def _campaign(archive: Archive, made: Plan) -> CampaignState | None:
    try:
        return campaign_status(archive, made.digest)
    except NoDataError:
        return None


class _Watch:
    """Shows how a campaign stands while it is carried out, from its journal; use it in a `with` statement."""

    def __init__(self, archive: Archive, made: Plan, show: Callable[[Step], None]) -> None:
        self._archive, self._plan, self._show = archive, made, show
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ddreport-panel-watch", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _LOOK_SECONDS
        while not self._over.wait(pause):
            began = time.monotonic()
            found = _campaign(self._archive, self._plan)
            if found is not None:
                self._show(_with_campaign(found))
            # A long journal takes its time to be read and shown; the work itself shall have most of the processor.
            pause = max(_LOOK_SECONDS, 5 * (time.monotonic() - began))


def _with_campaign(found: CampaignState) -> Step:
    return lambda state: replace(state, campaign=found)


def now() -> datetime:
    """Return the time by which approvals are judged for display; applying asks AWS for its own."""
    return datetime.now(UTC)
