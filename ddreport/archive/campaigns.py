"""Campaigns in the archive: for each mitigation plan that is carried out its plan and a journal that is only added to.

    campaigns/<digest of the plan>/plan.json       the plan
                                   journal.jsonl   what happened, one JSON line per event
                                   cancel.json     somebody wants it cancelled while a run is under way

Each line of the journal holds the SHA-256 of the line before (the first one the digest of the plan), and is on the
disk before `append` returns. A line that a killed process has not finished is no event: what it was to announce has
not been done. It is removed, and told, when the next run begins. Only one process at a time can write.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.archive.layout import list_names
from ddreport.archive.staging import publish_folder, staging_folder, told_as_write_error, write_file
from ddreport.errors import ArchiveCorruptError, ArchiveError, InputError, NoDataError, PlanError
from ddreport.mitigation.events import AnyEvent, Begun, decode_event, encode_event
from ddreport.mitigation.plan_file import parse_plan, plan_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from ddreport.mitigation.plan import Plan

_fcntl: Any = import_module("fcntl") if os.name == "posix" else None

CAMPAIGNS = "campaigns"
PLAN_FILE = "plan.json"
JOURNAL_FILE = "journal.jsonl"
CANCEL_FILE = "cancel.json"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(rb'\{"previous":"([0-9a-f]{64})","event":(.*)\}\n', re.DOTALL)
_LEAST = 6


@dataclass(frozen=True)
class Campaign:
    """A campaign as it is on the disk.

    Attributes
    ----------
    cut_off_bytes
        Bytes of an unfinished last line; 0 when there is none.
    head
        SHA-256 of the last whole line, of the plan's digest when there is none: it stands for the whole journal.
    """

    plan: Plan
    events: tuple[AnyEvent, ...]
    cut_off_bytes: int
    head: str
    path: Path


@dataclass
class _Read:
    """Lines of a journal: the events, hashes and where the last whole line ends."""

    head: str
    events: list[AnyEvent] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    end: int = 0


def campaign_folder(root: Path, digest: str) -> Path:
    """Return where the campaign of a plan is."""
    return root / CAMPAIGNS / digest


def campaign_digests(root: Path) -> list[str]:
    """Return the digests of the plans that have a campaign, in the order of the alphabet (`ArchiveError`)."""
    return [name for name in list_names(root / CAMPAIGNS) if _DIGEST.fullmatch(name)]


def find_campaign(root: Path, name: str) -> str:
    """Return the one digest that begins with `name` (at least six characters).

    Raises
    ------
    InputError
        Too short, or several begin so.
    NoDataError
        None does.
    """
    wanted = name.casefold()
    found = [d for d in campaign_digests(root) if d.startswith(wanted)]
    if len(wanted) < _LEAST or len(found) > 1:
        told = f"{len(found)} plans begin so" if len(wanted) >= _LEAST else f"give at least {_LEAST} characters"
        raise InputError(f"{name!r} does not name one plan: {told}.", hint="`ddreport mitigate list` shows them all.")
    if not found:
        raise NoDataError(
            f"no plan {name!r} was ever applied from this archive.",
            hint="`ddreport mitigate list` shows those that were; --archive names another archive.",
        )
    return found[0]


def read_campaign(root: Path, digest: str) -> Campaign:
    """Read a campaign; another process may be adding to it.

    Raises
    ------
    NoDataError
        The plan was never applied.
    ArchiveCorruptError
        The plan or the journal is not what was written.
    ArchiveError
        It cannot be read.
    """
    folder = campaign_folder(root, digest)
    if not (folder / PLAN_FILE).exists():
        raise NoDataError(f"plan {digest[:16]} was never applied from this archive.")
    plan = _read_plan(folder, digest)
    data = _bytes_of(folder / JOURNAL_FILE)
    read = _read_lines(data, digest, folder / JOURNAL_FILE)
    return Campaign(plan, tuple(read.events), len(data) - read.end, read.head, folder)


def ask_to_cancel(root: Path, digest: str, *, by: str, time: datetime) -> None:
    """Leave word for the run that is under way that the campaign is to be cancelled (`ArchiveWriteError`)."""
    folder = campaign_folder(root, digest)
    content = json.dumps({"by": by, "time": time.isoformat()}).encode()
    with told_as_write_error(root, "the wish to cancel"), staging_folder(root) as staging:
        write_file(staging / CANCEL_FILE, content)
        os.replace(staging / CANCEL_FILE, folder / CANCEL_FILE)


class CampaignJournal:
    """The journal of one campaign, open for adding to; use it in a `with` statement. Several threads may add.

    Parameters
    ----------
    root
        Folder of the archive.
    plan
        Its campaign is made where there is none.

    Attributes
    ----------
    events
        Everything so far.
    cut_off_bytes
        Bytes of an unfinished line that a killed run had left; they are removed.
    head
        SHA-256 of the last line.

    Raises
    ------
    ArchiveError
        Another process is carrying out the same plan.
    ArchiveCorruptError
        The journal is not what was written.
    ArchiveWriteError
        It cannot be written.
    """

    def __init__(self, root: Path, plan: Plan) -> None:
        self.plan = plan
        self.folder = campaign_folder(root, plan.digest)
        self.path = self.folder / JOURNAL_FILE
        self._root = root
        self._lock = threading.Lock()
        self._broken: OSError | None = None
        with told_as_write_error(root, f"the journal of plan {plan.short}"):
            self._make()
            self._file = os.open(self.path, os.O_RDWR)
        try:
            self._own()
            data = _bytes_of(self.path)
            read = _read_lines(data, plan.digest, self.path)
            self.cut_off_bytes = len(data) - read.end
            self._end, self.head = read.end, read.head
            self.events: list[AnyEvent] = read.events
            if self.cut_off_bytes:
                with told_as_write_error(root, f"the journal of plan {plan.short}"):
                    os.ftruncate(self._file, self._end)
                    os.fsync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others go on with it; a second time does nothing."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def append(self, event: AnyEvent) -> None:
        """Add one event: on the disk when this returns.

        Raises
        ------
        ArchiveWriteError
            Full disk, no permission; then nothing of it is in the journal, and nothing more is taken.
        """
        with self._lock:
            self._add(_line(self.head, event), event)

    def take_over(self, data: bytes) -> None:
        """Add the lines of a journal that goes on from where this one ends, byte for byte (errors as `append`)."""
        with self._lock:
            own = _bytes_of(self.path)
            read = _read_lines(data, self.plan.digest, self.path)
            for line, event in zip(_whole_lines(data), read.events, strict=True):
                if len(own) <= 0:
                    self._add(line, event)
                own = own[len(line) :]

    def _add(self, line: bytes, event: AnyEvent) -> None:
        with told_as_write_error(self._root, f"the journal of plan {self.plan.short}"):
            if self._broken is not None:
                raise self._broken
            try:
                self._write(line)
            except BaseException as exc:
                # Also when interrupted: a line that is there in part must not get others behind it.
                self._broken = exc if isinstance(exc, OSError) else InterruptedError("interrupted while writing")
                os.ftruncate(self._file, self._end)
                raise
            self._end += len(line)
            self.head = hashlib.sha256(line).hexdigest()
            self.events.append(event)

    @property
    def is_cancel_wanted(self) -> bool:
        """Whether somebody has left word that the campaign is to be cancelled."""
        return (self.folder / CANCEL_FILE).exists()

    def cancel_wanted_by(self) -> str:
        """Return who has left word to cancel."""
        try:
            return str(json.loads(_bytes_of(self.folder / CANCEL_FILE))["by"])
        except (ValueError, KeyError, TypeError):
            return "unknown"

    def _write(self, line: bytes) -> None:
        os.lseek(self._file, self._end, os.SEEK_SET)
        view = memoryview(line)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file)

    def _make(self) -> None:
        if self.folder.exists():
            _read_plan(self.folder, self.plan.digest)
            return
        with staging_folder(self._root) as staging:
            write_file(staging / PLAN_FILE, plan_text(self.plan, form="json").encode())
            write_file(staging / JOURNAL_FILE, b"")
            publish_folder(staging, self.folder)  # somebody else's is as good

    def _own(self) -> None:
        if _fcntl is None:
            return
        try:
            _fcntl.flock(self._file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveError(
                f"another process is carrying out plan {self.plan.short} at this moment.",
                hint="wait until it has ended; `ddreport mitigate status` shows how far it is, `ddreport mitigate "
                "cancel` ends it.",
            ) from None
        except OSError:
            return  # a file system without locks


def is_open_for_writing(path: Path) -> bool:
    """Tell whether a run has a journal open; never where locks are unknown."""
    if _fcntl is None:
        return False
    handle = os.open(path, os.O_RDWR)
    try:
        _fcntl.flock(handle, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def is_being_carried_out(root: Path, digest: str) -> bool:
    """Tell whether a process on this machine is carrying out a plan at this moment."""
    return is_open_for_writing(campaign_folder(root, digest) / JOURNAL_FILE)


def is_longer(data: bytes, other: bytes) -> bool:
    """Tell whether one journal goes on from where another one ends (or is the same); both may be cut off."""
    whole = other[: other.rfind(b"\n") + 1]
    return data[: len(whole)] == whole


def check_campaign(root: Path, digest: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]:
    """Check a campaign for `verify`.

    Returns
    -------
    tuple
        Problems and notes, each as name of the file and what is the matter; hashes of the journal's lines.
    """
    folder = campaign_folder(root, digest)
    problems: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    heads: list[str] = []
    try:
        _read_plan(folder, digest)
    except ArchiveError as exc:
        problems.append((PLAN_FILE, exc.message))
    try:
        data = _bytes_of(folder / JOURNAL_FILE)
        read = _read_lines(data, digest, folder / JOURNAL_FILE)
        heads = read.heads
        if read.end < len(data):
            notes.append((JOURNAL_FILE, "ends in an unfinished line, as a killed run leaves it; nothing is lost by it"))
        if not read.events and read.end == len(data):
            notes.append((JOURNAL_FILE, "is empty: its run was killed before anything was done"))
        elif read.events and not isinstance(read.events[0], Begun):
            problems.append((JOURNAL_FILE, "does not begin with the beginning of a run"))
    except ArchiveError as exc:
        problems.append((JOURNAL_FILE, exc.message))
    return problems, notes, heads


def _line(previous: str, event: AnyEvent) -> bytes:
    return b'{"previous":"%s","event":%s}\n' % (previous.encode(), encode_event(event))


def _read_lines(data: bytes, digest: str, path: Path) -> _Read:
    """Read the lines of a journal and compare each with the next one's `previous`; what is cut off at the end is left.

    Raises
    ------
    ArchiveCorruptError
        A line is not what was written.
    """
    read = _Read(head=digest)
    for number, line in enumerate(_whole_lines(data), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise _damaged(path, f"has a line {number} that is none of a journal")
        if found[1].decode() != read.head:
            what = f"does not follow line {number - 1} as it is now" if number > 1 else "is not of this plan"
            raise _damaged(path, f"was changed: line {number} {what}")
        try:
            read.events.append(decode_event(found[2]))
        except msgspec.DecodeError as exc:
            raise _damaged(path, f"has a line {number} that cannot be read: {exc}") from exc
        read.head = hashlib.sha256(line).hexdigest()
        read.heads.append(read.head)
        read.end += len(line)
    return read


def _whole_lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1


def _read_plan(folder: Path, digest: str) -> Plan:
    path = folder / PLAN_FILE
    try:
        plan = parse_plan(_bytes_of(path).decode(), source=str(path))
    except (PlanError, UnicodeDecodeError) as exc:
        raise _damaged(path, f"is not the plan that was applied ({exc})") from exc
    if plan.digest != digest:
        raise _damaged(path, f"is another plan ({plan.short})")
    return plan


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, "is missing") from None
    except OSError as exc:
        raise ArchiveError(f"{path} cannot be read: {exc.strerror or exc}.", hint="check its permissions.") from exc


def _damaged(path: Path, what: str) -> ArchiveCorruptError:
    return ArchiveCorruptError(
        f"{path} {what}.",
        path=str(path),
        hint="restore it from a backup; without it nobody knows what was done already, so nothing more is done.",
    )


def merge_campaigns(root: Path, source: Path) -> int:
    """Bring in the campaigns that `source` has; return how many were new or had gone on there.

    Raises
    ------
    ArchiveError
        Both have a campaign, and neither journal goes on from the other.
    ArchiveWriteError
        It cannot be written.
    """
    brought = 0
    for digest in campaign_digests(source):
        theirs, mine = campaign_folder(source, digest), campaign_folder(root, digest)
        plan = _read_plan(theirs, digest)
        data = _bytes_of(theirs / JOURNAL_FILE)
        whole = data[: data.rfind(b"\n") + 1]
        with CampaignJournal(root, plan) as journal:
            own = _bytes_of(journal.path)
            if is_longer(own, whole):
                continue
            if not is_longer(whole, own):
                raise ArchiveError(
                    f"{mine} and {theirs} tell different stories of plan {plan.short}; neither goes on from the other.",
                    hint="the plan was applied from both archives; keep them apart.",
                )
            journal.take_over(whole)
        brought += 1
    return brought


def conflicting_campaigns(root: Path, source: Path) -> list[str]:
    """Return the digests of campaigns that `merge_campaigns` would refuse."""
    found = []
    for digest in campaign_digests(source):
        mine = campaign_folder(root, digest) / JOURNAL_FILE
        if mine.exists():
            own, data = mine.read_bytes(), (campaign_folder(source, digest) / JOURNAL_FILE).read_bytes()
            if not is_longer(own, data) and not is_longer(data, own):
                found.append(digest)
    return found
