"""The impact of open findings, for somebody who looks before there is a plan."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.errors import InputError
from ddreport.mitigation.selection import select
from ddreport.workflows.impact import INVENTORY_MAX_AGE, archive_inventory, read_impact, related_certificates
from ddreport.workflows.sessions import session_for

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    import pandas as pd

    from ddreport.aws.session import AwsSession, Identity
    from ddreport.mitigation.selection import Selection
    from ddreport.progress import Progress
    from ddreport.targets import Target
    from ddreport.workflows.mitigating.plan import OpenFindings


@dataclass(frozen=True)
class ImpactOfOpen:
    """What depends on the resources of findings that are open.

    Attributes
    ----------
    impacts
        `mitigation.impact.IMPACTS`.
    as_of
        When it was read, by AWS's clock; without AWS when the archive last heard of it.
    emulated
        Whether the account is an emulated one.
    """

    impacts: pd.DataFrame
    as_of: datetime
    emulated: bool


def impact_of_open(
    target: Target,
    selection: Selection,
    *,
    archive: str | Path = "",
    offline: bool = False,
    max_age: timedelta = INVENTORY_MAX_AGE,
    progress: Progress,
) -> ImpactOfOpen:
    """Read the impact of the open findings that a selection names.

    Parameters
    ----------
    offline
        Whether to ask the archive's inventory alone, however old it is.
    max_age
        An inventory that is older is not used in place of asking AWS.

    Raises
    ------
    InputError
        A value names nothing that is open; or the target is not where the findings are from.
    NoDataError, TargetError, ArchiveError
        The archive has nothing of the target.
    AwsError
        AWS cannot be asked.
    """
    from datetime import timedelta

    from ddreport.workflows.mitigating.plan import open_findings

    progress.stage("Looking for open findings in the archive")
    known = open_findings(target, archive)
    findings = select(known.findings, selection).chosen
    with ExitStack() as stack:
        if offline:
            session, identity, moment = None, None, known.known_until
            max_age = timedelta.max
        else:
            session = stack.enter_context(session_for(target, known.archive, progress=progress))
            identity = session.identity()
            moment = identity.as_of
        impacts = _read(session, identity, known, findings, max_age=max_age, as_of=moment, progress=progress)
    return ImpactOfOpen(impacts, moment, known.emulated)


def _read(
    session: AwsSession | None,
    identity: Identity | None,
    known: OpenFindings,
    findings: pd.DataFrame,
    *,
    as_of: datetime,
    progress: Progress,
    max_age: timedelta = INVENTORY_MAX_AGE,
) -> pd.DataFrame:
    place = {"account": known.account, "region": known.region}
    if identity is not None and identity.emulated != known.emulated:
        raise InputError(
            f"the archive's findings of {known.target.name} are of {'an emulated' if known.emulated else 'a real'} "
            "account, and the target is now another one.",
            hint="pull the target again, or name the one that the findings are of.",
        )
    inventory = archive_inventory(known.archive, **place, as_of=as_of, max_age=max_age)
    related = None
    if session is None:
        audits = findings["audit_task_id"].unique().tolist()
        places = [(known.account, known.region)]
        related = related_certificates(known.archive.load("related_resources", places=places, audit_task_ids=audits))
    return read_impact(session, findings, inventory=inventory, related=related, identity=identity, progress=progress)
