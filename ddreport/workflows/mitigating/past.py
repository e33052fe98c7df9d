"""What was planned and carried out, for a notebook: from the archive and a plan's file. AWS is not called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.errors import ParameterError
from ddreport.mitigation.plan_file import read_plan
from ddreport.mitigation.results import OUTCOMES, campaign_table, outcomes_table
from ddreport.workflows.load import open_archive, sources
from ddreport.workflows.mitigating.apply import campaign_states, campaign_status
from ddreport.workflows.mitigating.verify import load_verifications

if TYPE_CHECKING:
    from ddreport.mitigation.plan import Plan


@dataclass(frozen=True)
class Mitigations:
    """Plans and campaigns of one target.

    Attributes
    ----------
    target, account, region, emulated
        Where they belong.
    plan
        The plan that was named; None when none was.
    campaigns
        Table `mitigation.results.CAMPAIGNS`, the newest first: those of the target's account and Region.
    outcomes
        Table `mitigation.results.OUTCOMES` of the named plan, or of all these campaigns.
    effects
        Table `mitigation.verification.VERIFICATIONS` of the same, in the order of time.
    """

    target: str
    account: str
    region: str
    emulated: bool
    plan: Plan | None
    campaigns: pd.DataFrame
    outcomes: pd.DataFrame
    effects: pd.DataFrame


def load_mitigations(*, target: str = "demo", archive: str | Path = "", plan: str | Path = "") -> Mitigations:
    """Load what was planned and carried out for a target.

    Parameters
    ----------
    target
        A target's name.
    archive
        The archive's folder; empty means the default.
    plan
        A plan's file, or how the digest of a plan that was applied begins; empty means none in particular.

    Raises
    ------
    ParameterError
        A value is of the wrong kind.
    PlanError
        The plan's file is none, or was changed.
    NoDataError, InputError, ArchiveError
        The archive has nothing of the target, or no such plan; it cannot be read.
    """
    for name, value in {"target": target, "archive": archive, "plan": plan}.items():
        if not isinstance(value, str | Path) or (name == "target" and not value):
            raise ParameterError(f"{name} is {value!r}; allowed: a text.")
    opened = open_archive([target], archive)
    (source,) = sources(opened, [target])
    here = (source.account, source.region)
    states = [s for s in campaign_states(opened) if (s.plan.account, s.plan.region) == here]
    named: Plan | None = None
    if plan:
        path = Path(plan).expanduser()
        is_file = path.is_file() or path.suffix in (".yaml", ".json")
        named = read_plan(path) if is_file else campaign_status(opened, str(plan)).plan
        states_shown = [s for s in states if s.plan.digest == named.digest]
    else:
        states_shown = states
    shown = [s.plan.digest for s in states_shown]
    effects, _ = load_verifications(opened)
    tables = [OUTCOMES.empty(), *(outcomes_table(s) for s in states_shown)]
    return Mitigations(
        target=target,
        account=source.account,
        region=source.region,
        emulated=source.emulated,
        plan=named,
        campaigns=campaign_table(states),
        outcomes=OUTCOMES.conform(pd.concat(tables, ignore_index=True)),
        effects=effects[effects["plan"].isin(shown)].reset_index(drop=True),
    )
