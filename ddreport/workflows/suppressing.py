"""Suppressions as code: read the file, look at archive and account, plan, apply. Only `apply_plan` changes anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.connect import read_targets
from ddreport.errors import InputError, NoDataError, SuppressionFileError, did_you_mean
from ddreport.metrics.current import current_checks, current_findings
from ddreport.schemas import CHECKS, FINDINGS
from ddreport.settings import Settings
from ddreport.suppression import (
    Expansion,
    Inventory,
    Known,
    Place,
    RuleFile,
    check_account,
    effect_table,
    expand,
    plan_changes,
    plan_digest,
    read_rules,
    writing,
)
from ddreport.suppression.inventory import TABLES
from ddreport.tables.suppressions import suppressions_table
from ddreport.workflows.inventory import newest_table
from ddreport.workflows.load import open_archive

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.targets import Target

FILE = "suppressions.yaml"
"""The file that is read unless another one is named."""

OLD_DAYS = 8
"""Days after which findings are called old: a weekly audit must have missed its day."""

_ACCOUNT = re.compile(r"\d{12}(/.+)?", re.ASCII)


@dataclass(frozen=True)
class Situation:
    """What a file of suppressions meets in one account and Region.

    Attributes
    ----------
    place, identity
        Where, and who asks (`identity.as_of` is now, by AWS's clock).
    known, checks
        Open findings and inventory of the archive; `metrics.current_checks`.
    present
        Table `schemas.SUPPRESSIONS`, read from AWS just now.
    file, expansion
        The file and what it wants here; None when there is no file (only for a list).
    notes
        What a reader must know, in plain words.
    """

    place: Place
    identity: Identity
    known: Known
    checks: pd.DataFrame
    present: pd.DataFrame
    file: RuleFile | None
    expansion: Expansion | None
    notes: tuple[str, ...]

    @property
    def is_partial(self) -> bool:
        """Whether some rules could not be expanded."""
        return self.expansion is not None and bool(self.expansion.unresolved())


@dataclass(frozen=True)
class SuppressionPlan:
    """What is to be done in one account and Region.

    Attributes
    ----------
    table
        `suppression.results.PLAN`.
    effect
        `suppression.results.EFFECT`.
    digest
        The same for the same changes, whenever they are planned.
    """

    table: pd.DataFrame
    effect: pd.DataFrame
    digest: str

    @property
    def changes(self) -> pd.DataFrame:
        """The rows that change the account."""
        return writing(self.table)


def find_archive(target: Target, archive: Path | None) -> Archive | None:
    """Open the archive of a target; None when there is none yet (`ArchiveError`, `InputError`)."""
    try:
        return open_archive([target.name], archive or "")
    except NoDataError:
        return None


def read_file(path: Path, *, needed: bool = True) -> str | None:
    """Return the text of a file of suppressions; None when it is not there and need not be.

    Raises
    ------
    SuppressionFileError
        It does not exist, cannot be read, or is no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        if not needed:
            return None
        raise SuppressionFileError(
            f"there is no file {path}.",
            hint="docs/suppressions.md has one to begin with; --file names another.",
        ) from exc
    except OSError as exc:
        raise SuppressionFileError(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise SuppressionFileError(f"{path} is no text in UTF-8: byte {exc.start} is wrong.") from exc


def look(session: AwsSession, archive: Archive | None, *, target: Target, text: str | None, source: str) -> Situation:
    """Read the account's suppressions and what the archive knows of it, and expand the file for it.

    Permissions: `sts:GetCallerIdentity`, `iot:ListAuditSuppressions`. Nothing is changed.

    Parameters
    ----------
    text, source
        The file and how messages call it; a text of None is no file.

    Raises
    ------
    SuppressionFileError
        The file has faults, or its rules contradict each other here.
    InputError
        The file is for other accounts; or the archive is an emulator's and the account is not, or the other way round.
    AwsCallError, CredentialsError, EndpointError
        The account could not be read.
    """
    from ddreport.aws.suppressions import fetch_suppressions

    # What is wrong with the file is told before anybody is asked.
    raw_checks = archive.load("checks") if archive is not None else CHECKS.empty()
    further = set(raw_checks["check_name"])
    file = read_rules(text, source=source, further_checks=further) if text is not None else None
    identity = session.identity()
    place = Place(identity.account, identity.region, None if ":" in target.name else target.name)
    if file is not None:
        check_account(file, place)
    if archive is not None and archive.emulated is not None and archive.emulated != identity.emulated:
        kinds = ("an emulator's", "a real account's") if archive.emulated else ("a real account's", "an emulator's")
        raise InputError(
            f"the archive {archive.location} is {kinds[0]} and {target.name} is {kinds[1]}; nothing was done.",
            hint="name the archive that belongs to it with --archive.",
        )
    own = raw_checks[(raw_checks["account"] == place.account) & (raw_checks["region"] == place.region)]
    checks = current_checks(own, as_of=identity.as_of)
    known = _known(archive, own, checks, identity)
    records = fetch_suppressions(session.iot)
    present = suppressions_table(records, account=place.account, region=place.region, observed_time=identity.as_of)
    expansion = expand(file, known, place=place, as_of=identity.as_of) if file is not None else None
    notes = (*_notes(checks, identity), *(_target_notes(file) if file is not None else ()))
    return Situation(place, identity, known, checks, present, file, expansion, notes)


def _known(archive: Archive | None, runs: pd.DataFrame, checks: pd.DataFrame, identity: Identity) -> Known:
    if archive is None:
        return Known(FINDINGS.empty(), frozenset(), Inventory())
    places = [(identity.account, identity.region)]
    finished = checks.dropna(subset=["audit_task_id"])
    audits = sorted(set(finished["audit_task_id"]))
    rows = archive.load("findings", places=places, audit_task_ids=audits) if audits else FINDINGS.empty()
    findings = current_findings(rows, runs, as_of=identity.as_of)
    tables = {name: newest_table(archive, name, place=places[0]) for name in TABLES}
    return Known(findings, frozenset(finished["check_name"]), Inventory(**tables))


def _notes(checks: pd.DataFrame, identity: Identity) -> list[str]:
    finished = checks.dropna(subset=["audit_task_id"])
    where = f"account {identity.account}, Region {identity.region}"
    if finished.empty:
        note = f"The archive has no finished audit of {where}: what suppressions hide is not known."
        return [f"{note} Bring it in with `ddreport pull`."]
    newest = finished["task_start_time"].max().to_pydatetime()
    days = (identity.as_of - newest).days
    if days < OLD_DAYS:
        return []
    note = f"The newest audit of {where} in the archive is {days} days old ({newest:%Y-%m-%d %H:%M} UTC)"
    return [f"{note}: `ddreport pull` brings what is newer."]


def _target_notes(file: RuleFile) -> list[str]:
    """Tell of names in `targets` that nothing has, which would make a rule hold nowhere."""
    named = {name: rule for rule in file.rules for name in rule.targets if not _ACCOUNT.fullmatch(name)}
    known = read_targets(Settings.from_env()) if named else {}
    return [
        f"{file.source}, line {rule.line}: rule {rule.rule_id} is for {name!r}, which is no target of ddreport.toml."
        f"{did_you_mean(name, known)}"
        for name, rule in named.items()
        if name not in known
    ]


def plan_for(situation: Situation, *, adopt: bool = False, prune_foreign: bool = False) -> SuppressionPlan:
    """Plan what makes the account as the file says; changes nothing.

    Parameters
    ----------
    situation
        With a file.
    adopt, prune_foreign
        See `suppression.plan_changes`.
    """
    file, expansion = the_file(situation)
    table = plan_changes(file, expansion, situation.present, situation.known, adopt=adopt, prune_foreign=prune_foreign)
    effect = effect_table(
        table,
        situation.checks,
        situation.known.findings,
        place=situation.place,
        as_of=situation.identity.as_of,
    )
    return SuppressionPlan(table, effect, plan_digest(table))


def the_file(situation: Situation) -> tuple[RuleFile, Expansion]:
    """Return the file of a situation and what it wants (`InputError` when there is none)."""
    if situation.file is None or situation.expansion is None:
        raise InputError("this needs a file of suppressions.")
    return situation.file, situation.expansion
