"""Inventory: read what AWS IoT holds, go on where an interrupted reading stopped, find the newest in the archive."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ddreport.errors import InputError, PartialDataError, did_you_mean
from ddreport.workflows.pulling.threads import Stop, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    import pandas as pd

    from ddreport.archive import Archive
    from ddreport.aws.inventory import InventoryPlan, KnownInventory
    from ddreport.aws.inventory.fetch import Item
    from ddreport.settings import Settings
    from ddreport.workflows.pulling.target import Step, TargetPull

WORKERS = 8
"""Questions asked at once: about two operations at 10 a second each are always under way, at up to 400 ms a call; boto3
keeps ten connections."""

_TELL_SECONDS = 30.0  # how often the time left is told anew
_OLD_DAYS = 30


def inventory_step(settings: Settings, *, tables: Collection[str] | None = None) -> Step:
    """Return the step that reads the inventory of each target of a pull (`pull(extra_steps=[...])`).

    Parameters
    ----------
    settings
        Its cache folder keeps the answers of an inventory that is not complete yet.
    tables
        Names of the tables wanted; None means all.

    Raises
    ------
    InputError
        An unknown table.
    """
    from ddreport.aws.inventory import TABLES

    for name in tables or ():
        if name not in TABLES:
            raise InputError(
                f"an inventory has no table {name!r}; it has: {', '.join(TABLES)}.{did_you_mean(name, TABLES)}"
            )
    done: set[tuple[str, str]] = set()

    def step(pull: TargetPull) -> None:
        place = (pull.identity.account, pull.identity.region)
        if place not in done:  # else another target of this pull is the same account and Region
            pull_inventory(pull, cache_dir=settings.cache_dir, tables=tuple(tables or TABLES))
            done.add(place)

    return step


def pull_inventory(pull: TargetPull, *, cache_dir: Path, tables: Collection[str]) -> None:
    """Read the inventory of one account and Region into the archive, where it differs from what was seen last.

    What an earlier inventory knows of certificates and policy versions is not asked for again. The answers are kept in
    `cache_dir` until the inventory is complete: interrupted by whatever, the same command goes on from there.

    Raises
    ------
    PartialDataError
        Some tables were refused; the others are in the archive, and `inventory_status` there says which are not.
    AwsCallError
        AWS refused for the moment, or refused everything; nothing was archived, and what came is kept.
    ArchiveError
        Another inventory of the same place is under way.
    """
    from ddreport.aws.inventory import Journal, fetch_inventory

    pull.stage("inventory: listing everything")
    known = known_inventory(pull.archive, pull.identity.account, pull.identity.region)
    path = _journal_path(pull, cache_dir)
    _remove_old(path.parent)
    told = _TimeLeft(pull)
    with Journal(path, as_of=pull.identity.as_of) as journal:
        if len(journal):
            pull.stage(f"inventory: going on from {len(journal):,} answers that an interrupted one has left")
        records = fetch_inventory(
            pull.session.iot,
            **pull.place,
            journal=journal,
            known=known,
            tables=tables,
            each=partial(_side_by_side, pull),
            on_plan=told.begin,
            on_done=told.done,
        )
        pull.stop.check()
        pull.stage("inventory: writing it to the archive")
        pull.status.inventory_seen = True
        pull.status.inventory_changed = pull.archive.append_state(records, pulled_time=pull.identity.as_of)
        journal.remove()
    status = records.tables["inventory_status"].to_pylist()
    refused = [row for row in status if not row["pulled"] and row["error_code"] != "NotAsked"]
    pull.status.inventory_missing_tables = [row["table_name"] for row in refused]
    if refused:
        reasons = dict.fromkeys(f"{row['operation']}: {row['error_code']}" for row in refused)
        raise PartialDataError(
            f"the inventory lacks {', '.join(row['table_name'] for row in refused)} ({'; '.join(reasons)}).",
            hint="give the caller these permissions and pull again; docs/inventory.md lists them all.",
        )


def _side_by_side(pull: TargetPull, work: Callable[[Item], None], items: Collection[Item]) -> None:
    # A stop of its own: what ends the inventory need not end the target.
    side_by_side(
        work,
        items,
        workers=max(1, min(WORKERS, len(items))),
        stop=Stop(pull.stop),
        name=f"{pull.status.target}-inventory",
    )


class _TimeLeft:
    """Tells the plan, the progress and the time left."""

    def __init__(self, pull: TargetPull) -> None:
        self._pull = pull
        self._lock = threading.Lock()
        self._total = self._done = 0
        self._seconds = self._started = self._told = 0.0

    def begin(self, plan: InventoryPlan, items: int) -> None:
        self._total, self._seconds = items, plan.seconds
        self._started = self._told = time.monotonic()
        self._pull.stage(f"inventory: {plan}", items)

    def done(self, item: Item) -> None:
        from ddreport.aws.inventory import duration

        with self._lock:
            self._done += 1
            now = time.monotonic()
            if now - self._told >= _TELL_SECONDS and item.due > 0:
                self._told = now
                # Items come in the order in which they are due, so that is how far we are; and we know how fast.
                left = (self._seconds - item.due) * (now - self._started) / item.due
                self._pull.stage(f"inventory: {self._done:,} done, about {duration(left)} left", self._total)
                self._pull.progress.advance(self._done)
            else:
                self._pull.progress.advance()


def known_inventory(archive: Archive, account: str, region: str) -> KnownInventory:
    """Return what the newest inventory in the archive knows of certificates and policy versions."""
    from ddreport.aws.inventory import KnownInventory
    from ddreport.schemas import SCHEMAS
    from ddreport.tables import frame_to_arrow

    found = {name: newest_table(archive, name, place=(account, region)) for name in ("certificates", "policy_versions")}
    tables = {name: None if frame is None else frame_to_arrow(SCHEMAS[name], frame) for name, frame in found.items()}
    return KnownInventory.of(**tables)


def newest_table(
    archive: Archive, table: str, *, place: tuple[str, str], as_of: datetime | None = None
) -> pd.DataFrame | None:
    """Return a table of the newest inventory that really has it, until `as_of`; None where none has.

    An inventory that was refused this table says nothing of it: then the one before counts. The table's
    `observed_time` tells how old it is.
    """
    for status in _statuses(archive, place, as_of):
        row = status[status["table_name"] == table]
        if row["pulled"].any():
            moment = status["observed_time"].iloc[0].to_pydatetime()
            return archive.latest_state(table, places=[place], as_of=moment)
    return None


def _statuses(archive: Archive, place: tuple[str, str], as_of: datetime | None) -> Iterator[pd.DataFrame]:
    """Yield `inventory_status` of each inventory of a place, newest first."""
    while True:
        status = archive.latest_state("inventory_status", places=[place], as_of=as_of)
        if status.empty:
            return
        yield status
        as_of = status["observed_time"].iloc[0].to_pydatetime() - timedelta(microseconds=1)


def _journal_path(pull: TargetPull, cache_dir: Path) -> Path:
    # Of this archive only: what another archive knows already is not asked for, so its journal would not do here.
    where = f"{Path(str(pull.archive.path)).absolute()}\n{pull.session.target.endpoint_url}"
    digest = hashlib.sha256(where.encode()).hexdigest()[:16]
    return cache_dir / "inventory" / f"{pull.identity.account}-{pull.identity.region}-{digest}.journal"


def _remove_old(folder: Path) -> None:
    """Remove journals that nobody went on from for a month."""
    if not folder.is_dir():
        return
    oldest = time.time() - timedelta(days=_OLD_DAYS).total_seconds()
    for path in folder.glob("*.journal"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
