"""Impact: what depends on the resources of findings, read from AWS or taken from the archive's inventory."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.errors import InputError
from ddreport.mitigation.impact import IMPACTS, impacts_table
from ddreport.mitigation.impact_facts import (
    Answers,
    Fact,
    Question,
    first_questions,
    next_questions,
    own_certificates,
)
from ddreport.mitigation.impact_inventory import InventoryAnswers, answers_offline
from ddreport.progress import NoProgress
from ddreport.schemas_inventory import INVENTORY_SCHEMAS
from ddreport.settings import Settings
from ddreport.workflows.operation_queues import OperationQueues
from ddreport.workflows.pulling.threads import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from ddreport.archive import Archive
    from ddreport.aws.impact import Asker
    from ddreport.aws.session import AwsSession, Identity
    from ddreport.progress import Progress

INVENTORY_MAX_AGE = timedelta(days=1)
"""An inventory that is older is not used in place of asking AWS."""

ANSWERS_KEPT = timedelta(hours=1)
"""How long the answers of a reading that was interrupted count."""

_OLD_DAYS = 30


def read_impact(
    session: AwsSession | None,
    findings: pd.DataFrame,
    *,
    inventory: InventoryAnswers | None = None,
    related: Mapping[str, tuple[str, ...]] | None = None,
    identity: Identity | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> pd.DataFrame:
    """Read what depends on the resources of findings: things, certificates, groups, policies, last connections.

    Each resource is asked about once. Operations are asked side by side, each at AWS's published rate; answers are kept
    on disk until the end, so that an interrupted reading goes on where it was. What AWS refuses is unknown in the
    rows concerned, with the reason, and the rest is read all the same. Nothing changes the account.

    Parameters
    ----------
    session
        The account and Region; None asks nobody, and leaves unknown what the inventory does not tell.
    findings
        Table `schemas.FINDINGS`, of one account and Region.
    inventory
        Answers that need not be asked for (`archive_inventory`).
    related
        Without a session: by finding id the device certificates related to it (findings of issuers).
    identity
        `session.identity()`, where it is known already.
    cache_dir
        Folder for the answers; None means the user's cache folder.
    progress, stop
        Who is told, and what ends it.

    Returns
    -------
    DataFrame
        `mitigation.impact.IMPACTS`, a row per finding, in their order.

    Raises
    ------
    InputError
        The findings are of several accounts or Regions, or of another one than the session's.
    CredentialsError, EndpointError
        AWS cannot be asked any more; the same again goes on from there.
    ArchiveError
        Another reading of the same account and Region is under way.
    """
    findings = findings.drop_duplicates("finding_id")
    if findings.empty:
        return IMPACTS.empty()
    account, region = _place(findings)
    inventory = inventory or InventoryAnswers({})
    if session is None:
        return impacts_table(findings, answers_offline(findings, inventory, related), account=account, region=region)
    who = identity or session.identity()
    if (who.account, who.region) != (account, region):
        raise InputError(
            f"the findings are of account {account} in {region}, and the target is account {who.account} in "
            f"{who.region}.",
            hint="name the target that the findings are of.",
        )
    answers = _read(
        session,
        who,
        findings,
        inventory,
        path=_journal_path(session, who, cache_dir or Settings.from_env().cache_dir),
        progress=progress or NoProgress(),
        stop=Stop(stop),
    )
    return impacts_table(findings, answers, account=account, region=region)


def archive_inventory(
    archive: Archive, *, account: str, region: str, as_of: datetime, max_age: timedelta = INVENTORY_MAX_AGE
) -> InventoryAnswers | None:
    """Return the newest inventory of the archive for `read_impact`; None when there is none, or it is too old.

    Parameters
    ----------
    as_of
        The moment that its age counts at.
    """
    place = (account, region)
    status = archive.latest_state("inventory_status", places=[place])
    if status.empty:
        return None
    moment = status["observed_time"].iloc[0].to_pydatetime()
    if as_of - moment > max_age:
        return None
    read = set(status.loc[status["pulled"], "table_name"])
    names = [schema.name for schema in INVENTORY_SCHEMAS if schema.name in read]
    tables = {name: archive.latest_state(name, places=[place], as_of=moment) for name in names}
    return InventoryAnswers(tables, dict.fromkeys(names, moment))


def related_certificates(related_resources: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the device certificates among `schemas.RELATED_RESOURCES` by finding id."""
    from ddreport.terms import ResourceType

    rows = related_resources[related_resources["resource_type"] == ResourceType.DEVICE_CERTIFICATE]
    found: dict[str, dict[str, None]] = {}
    for finding_id, certificate in zip(rows["finding_id"].tolist(), rows["resource_id"].tolist(), strict=True):
        found.setdefault(finding_id, {})[certificate] = None
    return {finding_id: tuple(certificates) for finding_id, certificates in found.items()}


def _place(findings: pd.DataFrame) -> tuple[str, str]:
    places = sorted(set(zip(findings["account"].tolist(), findings["region"].tolist(), strict=True)))
    if len(places) > 1:
        shown = ", ".join(f"{account} in {region}" for account, region in places[:5])
        raise InputError(f"the findings are of several accounts or Regions: {shown}.", hint="read them one by one.")
    return places[0]


def _read(
    session: AwsSession,
    identity: Identity,
    findings: pd.DataFrame,
    inventory: InventoryAnswers,
    *,
    path: Path,
    progress: Progress,
    stop: Stop,
) -> Answers:
    from ddreport.aws.impact import Asker
    from ddreport.aws.inventory import Journal

    _remove_old(path.parent)
    client = session.iot  # made before several threads want it
    with Journal(path, as_of=identity.as_of, what="reading of impact", kept=ANSWERS_KEPT) as journal:
        if len(journal):
            progress.stage(f"Impact: going on from {len(journal):,} answers that an interrupted reading has left")
        asker = Asker(client, account=identity.account, region=identity.region, journal=journal)
        reading = _Reading(asker, inventory, findings, progress)
        queues = OperationQueues(reading.work, rate_of=_rate_of, batches=_batches(), stop=stop, name="impact")
        queues.run(reading.begin())
        if not asker.passed_by:  # else the same again asks only for what is still unknown
            journal.remove()
    return reading.answers


def _rate_of(operation: str) -> int:
    from ddreport.aws.inventory.plan import rate_of

    return rate_of(operation)


def _batches() -> Mapping[str, int]:
    from ddreport.aws.impact import BATCHES

    return BATCHES


class _Reading:
    """Which questions were put and answered so far; used by many threads."""

    def __init__(self, asker: Asker, inventory: InventoryAnswers, findings: pd.DataFrame, progress: Progress) -> None:
        self._asker = asker
        self._inventory = inventory
        self._progress = progress
        columns = ("finding_id", "resource_type", "resource_id")
        self._rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*(findings[name].tolist() for name in columns), strict=True)
        ]
        self._own = own_certificates(self._rows)
        self._put: set[Question] = set()
        self._first: set[Question] = set()
        self._lock = threading.Lock()
        self.answers: Answers = {}

    def begin(self) -> list[tuple[str, Question]]:
        """Return the first questions that AWS has to be asked, and tell how long they take at least."""
        from ddreport.aws.inventory import duration

        found = list(self._new(question for row in self._rows for question in first_questions(row)))
        self._first = {question for _, question in found}
        calls = Counter(operation for operation, _ in found)
        seconds = max((n / _rate_of(operation) for operation, n in calls.items()), default=0.0)
        self._progress.stage(
            f"Impact of {len(self._rows):,} findings: {len(found):,} calls or more, about {duration(seconds)} at AWS's "
            "rates",
            len(found),
        )
        return found

    def work(self, operation: str, questions: Sequence[Question]) -> Iterable[tuple[str, Question]]:
        """Answer questions, and return what they lead to."""
        del operation
        answers = self._asker.ask(questions)
        with self._lock:
            self.answers |= answers
            done = sum(question in self._first for question in questions)
            if done:
                self._progress.advance(done)
            return [
                item
                for question, answer in answers.items()
                for item in self._new(next_questions(question, answer, self._own))
            ]

    def _new(self, questions: Iterable[Question]) -> Iterator[tuple[str, Question]]:
        """Yield those that AWS has to be asked; what the inventory knows is answered, and followed, on the way."""
        from ddreport.aws.impact.asking import CALLS

        waiting = list(questions)
        waiting.reverse()
        while waiting:
            question = waiting.pop()
            if question in self._put:
                continue
            self._put.add(question)
            # A connection is a matter of minutes, which no inventory tells.
            known = None if question.fact == Fact.CONNECTION else self._inventory.get(question)
            if known is None:
                yield CALLS[question.fact].operation, question
            else:
                self.answers[question] = known
                waiting += reversed(next_questions(question, known, self._own))


def _journal_path(session: AwsSession, identity: Identity, cache_dir: Path) -> Path:
    digest = hashlib.sha256(f"{session.target.endpoint_url}".encode()).hexdigest()[:16]
    return cache_dir / "impact" / f"{identity.account}-{identity.region}-{digest}.journal"


def _remove_old(folder: Path) -> None:
    """Remove answers that nobody went on from for a month."""
    if not folder.is_dir():
        return
    oldest = time.time() - timedelta(days=_OLD_DAYS).total_seconds()
    for path in folder.glob("*.journal"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
