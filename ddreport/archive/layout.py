"""Where things are: kinds of sets, their tables, and the folder that each set gets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from ddreport.errors import ArchiveError, InputError, WindowError, did_you_mean
from ddreport.schemas import INVENTORY_SCHEMAS, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ddreport.records import RecordKind

MARKER = "ddreport-archive.json"
SET_FILE = "set.json"
RAW_FILE = "raw.jsonl.zst"
LOCK_FILE = ".lock"
TEMPORARY = ".tmp-"

_LONGEST_NAME = 240  # bytes; file systems take 255
_TIME_IDENTITY = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True)
class KindLayout:
    """One kind of set: its top folder, the word before `=` in a set's folder name, and the tables of each set."""

    kind: RecordKind
    folder: str
    identity_key: str
    tables: tuple[str, ...]


_INVENTORY_TABLES = tuple(s.name for s in INVENTORY_SCHEMAS)
_STATE_TABLES = tuple(
    s.name for s in SCHEMAS.values() if "observed_time" in s.column_names and s.name not in _INVENTORY_TABLES
)

# A state's folder says `state=` and not `observed_time=`: as a partition it would replace the column of that name.
KINDS: dict[RecordKind, KindLayout] = {
    "audit": KindLayout("audit", "audits", "audit_task_id", ("audit_tasks", "checks", "findings", "related_resources")),
    "mitigation": KindLayout(
        "mitigation", "mitigations", "mitigation_task_id", ("mitigation_tasks", "mitigation_executions")
    ),
    "state": KindLayout("state", "states", "state", _STATE_TABLES),
    "inventory": KindLayout("inventory", "inventories", "inventory", _INVENTORY_TABLES),
}

OBSERVED_KINDS: tuple[RecordKind, ...] = ("state", "inventory")
"""Kinds that are looked at again and again: named by their time, kept only where they differ from the one before."""

KIND_OF_TABLE: dict[str, RecordKind] = {table: kind for kind, layout in KINDS.items() for table in layout.tables}


def kind_of_table(table: str) -> RecordKind:
    """Return the kind of set that holds `table`; `InputError` for a name that is no table."""
    if table not in KIND_OF_TABLE:
        raise InputError(
            f"the archive has no table {table!r}; it has: {', '.join(KIND_OF_TABLE)}."
            f"{did_you_mean(table, KIND_OF_TABLE)}"
        )
    return KIND_OF_TABLE[table]


@dataclass(frozen=True)
class Window:
    """A span of time, `start` included and `end` not; None means open. Bounds are aware datetimes in UTC."""

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def between(cls, start: datetime | None, end: datetime | None) -> Window:
        """Check the bounds; `WindowError` for one without a time zone or for a reversed window."""
        for name, bound in (("start", start), ("end", end)):
            if bound is not None and bound.tzinfo is None:
                raise WindowError(f"{name} {bound.isoformat()} has no time zone; give it in UTC, as all times here.")
        if start is not None and end is not None and start > end:
            raise WindowError(f"the window is reversed: start {start.isoformat()} is after end {end.isoformat()}.")
        return cls(None if start is None else start.astimezone(UTC), None if end is None else end.astimezone(UTC))

    def holds(self, time: datetime) -> bool:
        """Whether `time` lies inside."""
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)

    def touches(self, month: str) -> bool:
        """Whether any part of `month` (2026-08) may lie inside; text compares like time here."""
        after = self.start is None or month >= month_of(self.start)
        return after and (self.end is None or month <= month_of(self.end))


def month_of(time: datetime) -> str:
    """Return the month under which `time` is filed, such as `2026-08` (UTC)."""
    return f"{time.astimezone(UTC):%Y-%m}"


def encode(name: str) -> str:
    """Return `name` as a safe part of a folder name: percent-encoded outside of `A-Z a-z 0-9 . _ -`.

    Raises
    ------
    ArchiveError
        The name is empty, or too long for a folder.
    """
    encoded = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    if not encoded or len(encoded) > _LONGEST_NAME - len("mitigation_task_id="):
        raise ArchiveError(f"{name[:60]!r} ({len(name)} characters) cannot name a folder: it is empty or too long.")
    return encoded


def decode(encoded: str) -> str:
    """Return the name that `encode` was given."""
    return unquote(encoded, errors="surrogatepass")


def set_folder(kind: RecordKind, *, account: str, region: str, time: datetime, identity: str) -> Path:
    """Return the folder of a set, relative to the archive."""
    layout = KINDS[kind]
    place = f"{layout.folder}/account={encode(account)}/region={encode(region)}/month={month_of(time)}"
    return Path(f"{place}/{layout.identity_key}={encode(identity)}")


def check_identity(kind: RecordKind, identity: str) -> None:
    """Refuse a state or inventory whose identity is not its time, as `20260302T091500Z`: it is found in order by it."""
    if kind in OBSERVED_KINDS and not _TIME_IDENTITY.fullmatch(identity):
        raise ArchiveError(f"{kind} {identity!r} is not named by its time; allowed: such as 20260302T091500Z.")


def set_folders(
    root: Path,
    kind: RecordKind,
    *,
    accounts: Collection[str] | None = None,
    regions: Collection[str] | None = None,
    places: Collection[tuple[str, str]] | None = None,
    window: Window | None = None,
    identities: Collection[str] | None = None,
) -> Iterator[tuple[Path, str]]:
    """Yield folder and identity of each set of `kind`; only by listing folders, in the order of their names.

    The window is coarse here: months that it does not touch are skipped. `places` are pairs of account and Region.
    """
    layout = KINDS[kind]
    among = None if places is None else {account for account, _ in places}
    for account, account_folder in _parts(root / layout.folder, "account"):
        if (accounts is not None and account not in accounts) or (among is not None and account not in among):
            continue
        for region, region_folder in _parts(account_folder, "region"):
            if regions is not None and region not in regions:
                continue
            if places is not None and (account, region) not in places:
                continue
            for month, month_folder in _parts(region_folder, "month"):
                if window is not None and not window.touches(month):
                    continue
                for identity, folder in _parts(month_folder, layout.identity_key):
                    if identities is None or identity in identities:
                        yield folder, identity


def find_set(root: Path, kind: RecordKind, *, account: str, region: str, identity: str) -> Path | None:
    """Return the folder of one set, in whatever month it is filed; None if it is not there."""
    layout = KINDS[kind]
    place = root / layout.folder / f"account={encode(account)}" / f"region={encode(region)}"
    for _, month_folder in _parts(place, "month"):
        folder = month_folder / f"{layout.identity_key}={encode(identity)}"
        if folder.exists():
            return folder
    return None


def _parts(folder: Path, key: str) -> list[tuple[str, Path]]:
    """List the sub-folders named `key=value` as (value, path); anything else a user or system left there is no part."""
    prefix = f"{key}="
    try:
        names = sorted(n for n in os.listdir(folder) if n.startswith(prefix))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise ArchiveError(
            f"{folder} cannot be listed: {exc.strerror}.", hint="check the permissions of the archive's folder."
        ) from exc
    return [(decode(n.removeprefix(prefix)), folder / n) for n in names]


def as_names(values: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return a filter's names as a set; a single text is one name, None is no filter."""
    if values is None:
        return None
    return frozenset([values] if isinstance(values, str) else values)
