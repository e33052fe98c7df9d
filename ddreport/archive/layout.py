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
PACK_FILE = "pack.json"
PACK_KEY = "pack"
RAW_FOLDER = "raw"  # in a pack
DERIVED = "derived"  # what can be made again from the sets; no evidence

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


@dataclass(frozen=True)
class SetPlace:
    """Where one set lies, known from the names of folders alone (and, for a packed one, from its pack's `pack.json`).

    Attributes
    ----------
    kind, account, region, identity
        What names the set.
    month
        Under which it is filed, such as `2026-08`.
    folder
        Its own folder, or the pack that holds it.
    is_packed
        Whether a compaction put it into a pack together with others.
    """

    kind: RecordKind
    account: str
    region: str
    month: str
    identity: str
    folder: Path
    is_packed: bool = False


@dataclass(frozen=True)
class Filter:
    """Which sets are asked for; None means all. `places` are pairs of account and Region."""

    accounts: Collection[str] | None = None
    regions: Collection[str] | None = None
    places: Collection[tuple[str, str]] | None = None
    window: Window = Window()
    identities: Collection[str] | None = None


def month_folders(root: Path, kind: RecordKind, only: Filter) -> Iterator[tuple[str, str, str, Path]]:
    """Yield account, Region, month and folder of each month that may hold what is asked for; only lists folders.

    The window is coarse here: months that it does not touch are skipped.
    """
    among = None if only.places is None else {account for account, _ in only.places}
    for account, account_folder in parts(root / KINDS[kind].folder, "account"):
        if (only.accounts is not None and account not in only.accounts) or (among is not None and account not in among):
            continue
        for region, region_folder in parts(account_folder, "region"):
            if only.regions is not None and region not in only.regions:
                continue
            if only.places is not None and (account, region) not in only.places:
                continue
            for month, folder in parts(region_folder, "month"):
                if only.window.touches(month):
                    yield account, region, month, folder


def parts(folder: Path, key: str) -> list[tuple[str, Path]]:
    """List the sub-folders named `key=value` as (value, path); anything else a user or system left there is no part."""
    return split_names(folder, list_names(folder), key)


def list_names(folder: Path) -> list[str]:
    """List a folder's names, sorted; none for one that is not there (`ArchiveError` for one that may not be read)."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise ArchiveError(
            f"{folder} cannot be listed: {exc.strerror}.", hint="check the permissions of the archive's folder."
        ) from exc


def split_names(folder: Path, names: Iterable[str], key: str) -> list[tuple[str, Path]]:
    """Return those of `names` that are `key=value` as (value, path)."""
    prefix = f"{key}="
    return [(decode(n.removeprefix(prefix)), folder / n) for n in names if n.startswith(prefix)]


def as_names(values: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return a filter's names as a set; a single text is one name, None is no filter."""
    if values is None:
        return None
    return frozenset([values] if isinstance(values, str) else values)
