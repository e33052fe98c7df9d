"""Plan: from the archive's open findings and the account's defined actions to a frozen plan. Nothing is changed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from ddreport.aws.rates import OTHER_RATE, PUBLISHED_RATES
from ddreport.catalogue import describe_check, normalise_check_name
from ddreport.errors import InputError, NoDataError, did_you_mean
from ddreport.metrics.current import current_checks
from ddreport.mitigation.actions import MitigationAction
from ddreport.mitigation.blast_radius import blast_radius
from ddreport.mitigation.expected import expected
from ddreport.mitigation.plan import FORMAT, Cost, Plan, PlannedAction, Rollout, seal
from ddreport.mitigation.planning import Impact, Treatment, choose_actions, cost, treatment
from ddreport.mitigation.selection import Selection, select
from ddreport.mitigation.waves import batches
from ddreport.tables.mitigations import mitigation_actions_table
from ddreport.terms import MitigationActionType
from ddreport.version import __version__
from ddreport.workflows.load import open_archive, sources
from ddreport.workflows.mitigating.targets import approval_rule
from ddreport.workflows.sessions import session_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress
    from ddreport.targets import Target


@dataclass(frozen=True)
class PlanRequest:
    """What somebody wants done.

    Attributes
    ----------
    selection
        Which findings; something must narrow it.
    actions
        Names of defined mitigation actions, in order. `CHECK=NAME,NAME` says which for one check; the others are used
        wherever AWS allows their type.
    rollout
        Waves, and what stops them.
    require_approval
        Whether a second person must approve, whatever the target says.
    offline
        Whether to use the archive alone: actions as last pulled, nobody named as the planner, no impact.
    with_impact
        Whether to ask AWS who depends on each resource.
    """

    selection: Selection
    actions: tuple[str, ...]
    rollout: Rollout = field(default_factory=Rollout)
    require_approval: bool = False
    offline: bool = False
    with_impact: bool = True


@dataclass(frozen=True)
class OpenFindings:
    """What is open in one account and Region, and all that a plan of it rests on.

    Attributes
    ----------
    archive, target, account, region, emulated
        Where it comes from.
    as_of
        Start of the newest audit, UTC; its findings and the latest ones of every other check are the open ones.
    known_until
        When AWS was last asked.
    findings, checks, audit_tasks
        `schemas.FINDINGS` and what they belong to.
    actions
        `schemas.MITIGATION_ACTIONS` as last pulled.
    """

    archive: Archive
    target: Target
    account: str
    region: str
    emulated: bool
    as_of: datetime
    known_until: datetime
    findings: pd.DataFrame
    checks: pd.DataFrame
    audit_tasks: pd.DataFrame
    check_configurations: pd.DataFrame
    actions: pd.DataFrame


def open_findings(target: Target, archive: str | Path = "") -> OpenFindings:
    """Load what is open of one target from the archive. AWS is not called.

    Raises
    ------
    NoDataError, TargetError, ArchiveError
        The archive has no audit of the target, or cannot be read.
    """
    opened = open_archive([target.name], archive)
    (source,) = sources(opened, [target.name])
    places = [(source.account, source.region)]
    tasks = opened.load("audit_tasks", places=places)
    if tasks.empty:
        raise NoDataError(
            f"the archive has no audit of {target.name} yet.",
            hint="once an audit has run, bring it in with `ddreport pull`.",
        )
    as_of = tasks["task_start_time"].max().to_pydatetime()
    checks = opened.load("checks", places=places)
    verdicts = current_checks(checks, as_of=as_of)[["audit_task_id", "check_name"]].dropna()
    audits = verdicts["audit_task_id"].unique().tolist()
    rows = opened.load("findings", places=places, audit_task_ids=audits).merge(
        verdicts, on=["audit_task_id", "check_name"]
    )
    pulled = [
        datetime.fromisoformat(p["time"])
        for p in opened.pulls()
        if p.get("time") and (p.get("account"), p.get("region")) == places[0]
    ]
    latest = checks.merge(verdicts, on=["audit_task_id", "check_name"])
    state = {name: opened.latest_state(name, places=places) for name in ("check_configurations", "mitigation_actions")}
    return OpenFindings(
        archive=opened,
        target=target,
        account=source.account,
        region=source.region,
        emulated=source.emulated,
        as_of=as_of,
        known_until=max([as_of, *pulled]),
        findings=rows.sort_values(["severity", "check_name", "resource_id", "reason_code", "finding_id"]).reset_index(
            drop=True
        ),
        checks=latest,
        audit_tasks=tasks[tasks["audit_task_id"].isin(latest["audit_task_id"])].reset_index(drop=True),
        check_configurations=state["check_configurations"],
        actions=state["mitigation_actions"],
    )


def make_plan(
    request: PlanRequest,
    *,
    target: Target,
    archive: str | Path = "",
    progress: Progress,
    now: datetime | None = None,
) -> Plan:
    """Make a plan. The account is read (who asks, defined actions, impact) and not changed.

    Parameters
    ----------
    now
        The time of a plan that is made offline; None: when AWS was last asked, so that the same archive gives the same
        plan. With AWS asked it is AWS's time.

    Raises
    ------
    InputError
        Nothing narrows the selection, a value names nothing that is there, an action is not defined or fits nothing.
    NoDataError, TargetError, ArchiveError
        The archive has nothing of the target.
    AwsError
        AWS cannot be reached or refuses; `offline` needs only the archive.
    """
    if request.selection.is_empty:
        raise InputError(
            "nothing says which findings to treat.",
            hint="narrow them with --check, --severity, --reason, --resource, --problem or --finding.",
        )
    progress.stage("Looking for open findings in the archive")
    known = open_findings(target, archive)
    selected = select(known.findings, request.selection)
    if selected.chosen.empty and selected.excluded.empty:
        raise InputError(
            f"no open finding of {target.name} fits all that was asked for together.",
            hint="`ddreport findings` lists what is open; the options narrow one another.",
        )
    with ExitStack() as stack:
        session = (
            None if request.offline else stack.enter_context(session_for(target, known.archive, progress=progress))
        )
        identity = _checked_identity(session, known) if session is not None else None
        defined = _defined(session, known)
        everywhere, by_check = parse_actions(request.actions)
        names = selected.chosen["check_name"]
        chosen = choose_actions(names, defined, everywhere=everywhere, by_check=by_check)
        _refuse_nothing_to_do(request.actions, by_check, chosen, defined)
        impacts: Mapping[str, Impact] = {}
        if session is not None and identity is not None and request.with_impact:
            impacts = _impacts(session, identity, known, selected.chosen, chosen, progress)
        time = identity.as_of if identity else (now or known.known_until)
        treated = treatment(selected, chosen, rollout=request.rollout, now=time, impacts=impacts)
        return _assemble(request, known, treated, identity=identity, time=time)


def _impacts(
    session: AwsSession,
    identity: Identity,
    known: OpenFindings,
    findings: pd.DataFrame,
    chosen: Mapping[str, tuple[PlannedAction, ...]],
    progress: Progress,
) -> dict[str, Impact]:
    """Ask who depends on the resources that an action would change; a message changes none."""
    from ddreport.workflows.impact import archive_inventory, read_impact

    changing = {
        check_name: [a for a in actions if a.action_type != MitigationActionType.PUBLISH_FINDING_TO_SNS]
        for check_name, actions in chosen.items()
    }
    wanted = findings["check_name"].isin([name for name, actions in changing.items() if actions])
    asked = findings[wanted & ~findings["is_suppressed"].astype(bool)]
    inventory = archive_inventory(known.archive, account=known.account, region=known.region, as_of=identity.as_of)
    table = read_impact(session, asked, inventory=inventory, identity=identity, progress=progress)
    found: dict[str, Impact] = {}
    for row in table.to_dict("records"):
        last = row["last_connection_time"]
        found[row["finding_id"]] = Impact(
            words=tuple(blast_radius(_action(action), row, identity.as_of) for action in changing[row["check_name"]]),
            things_count=None if pd.isna(row["things_count"]) else int(row["things_count"]),
            last_connection_time=None if pd.isna(last) else last.to_pydatetime(),
        )
    return found


def _action(planned: PlannedAction) -> MitigationAction:
    return MitigationAction.from_record(
        {
            "actionName": planned.name,
            "actionType": planned.action_type,
            "roleArn": planned.role_arn,
            "actionParams": planned.parameters,
        }
    )


def _assemble(
    request: PlanRequest, known: OpenFindings, treated: Treatment, *, identity: Identity | None, time: datetime
) -> Plan:
    type_of = {a.name: a.action_type for a in treated.actions}
    plan = Plan(
        format=FORMAT,
        digest="",
        target=known.target.name,
        account=known.account,
        region=known.region,
        emulated=known.emulated,
        made_time=time.astimezone(UTC),
        made_with=f"ddreport {__version__}",
        made_by=identity.arn if identity else None,
        as_of=known.as_of.astimezone(UTC),
        archive_head=known.archive.head,
        selection=request.selection.facts(),
        actions=treated.actions,
        rollout=request.rollout,
        approval=approval_rule(known.target, second_person=request.require_approval),
        findings=treated.findings,
        left_alone=treated.left_alone,
        cost=Cost(0, 0, 0.0),
        expected=expected(
            known.audit_tasks,
            known.checks,
            known.findings,
            {f.finding_id: [type_of[name] for name in f.actions] for f in treated.findings},
            as_of=known.as_of,
            check_configurations=known.check_configurations,
        ),
    )
    tasks = sum(1 for _ in batches(plan))
    needed = cost(treated.findings, treated.actions, tasks=tasks, rates=PUBLISHED_RATES, other=OTHER_RATE)
    return seal(msgspec.structs.replace(plan, cost=needed))


def _checked_identity(session: AwsSession, known: OpenFindings) -> Identity:
    """Ask AWS who we are, and refuse another account than that of the findings."""
    identity = session.identity()
    if (identity.account, identity.region, identity.emulated) != (known.account, known.region, known.emulated):
        kinds = {True: "emulated", False: "real"}
        raise InputError(
            f"the archive's findings of {known.target.name} are of the {kinds[known.emulated]} account {known.account} "
            f"in {known.region}, and the target is now the {kinds[identity.emulated]} account {identity.account} in "
            f"{identity.region}.",
            hint="pull the target again, or name the one that the findings are of.",
        )
    return identity


def _defined(session: AwsSession | None, known: OpenFindings) -> list[PlannedAction]:
    """Return the defined actions: as they are now, or as the archive saw them last."""
    table = known.actions
    if session is not None:
        from ddreport.aws.mitigations import fetch_mitigation_actions

        records = fetch_mitigation_actions(session.iot)
        table = mitigation_actions_table(
            records, account=known.account, region=known.region, observed_time=known.known_until
        )
    return planned_actions(table)


def planned_actions(table: pd.DataFrame) -> list[PlannedAction]:
    """Return the rows of `schemas.MITIGATION_ACTIONS` as a plan holds them."""
    found = []
    for row in table.sort_values("action_name").to_dict("records"):
        planned = PlannedAction(
            row["action_name"], row["action_type"], row["role_arn"], json.loads(row["action_params"])
        )
        action = _action(planned)
        found.append(msgspec.structs.replace(planned, effect=action.in_words(), undo=action.undo_in_words()))
    return found


def parse_actions(names: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Read names of actions: `NAME` for all checks that it fits, `CHECK=NAME,NAME` for one check."""
    everywhere: list[str] = []
    by_check: dict[str, list[str]] = {}
    for text in names:
        check, equals, listed = text.partition("=")
        if equals:
            by_check[normalise_check_name(check.strip())] = [n.strip() for n in listed.split(",") if n.strip()]
        else:
            everywhere.append(text)
    return everywhere, by_check


def _refuse_nothing_to_do(
    names: Sequence[str],
    by_check: Mapping[str, Sequence[str]],
    chosen: Mapping[str, tuple[PlannedAction, ...]],
    defined: Sequence[PlannedAction],
) -> None:
    for check_name in by_check:
        if check_name not in chosen:
            raise InputError(
                f"--action {check_name}=…: no selected finding is of this check.{did_you_mean(check_name, chosen)}"
            )
    if any(chosen.values()) or not chosen:
        return
    fitting = {
        check_name: [a.name for a in defined if a.action_type in describe_check(check_name).mitigation_action_types]
        for check_name in chosen
    }
    told = "; ".join(f"{check_name}: {', '.join(own) or 'none is defined'}" for check_name, own in fitting.items())
    if names:
        raise InputError(f"none of the named actions fits what is selected. Fitting: {told}.")
    raise InputError(f"no action is named. Fitting: {told}.", hint="say what to do with --action NAME.")
