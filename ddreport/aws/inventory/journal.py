"""What AWS has answered so far, on disk, so that an inventory that was interrupted goes on and asks nothing twice.

An inventory of a large account takes hours. Its answers are written down as they come, one line each: a checksum and
the compressed answers to one question, which is one call, or a list with all of its pages. Ctrl-C, `kill -9` and
expired credentials lose at most the questions that were under way. A power cut loses those of the last second; a line
that is cut off or damaged ends the journal there, and what came after is asked again.

Nothing reads a journal but the next inventory of the same place. It becomes part of the archive only as a whole
inventory, and is removed then.
"""

from __future__ import annotations

import base64
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import msgspec

from ddreport.errors import ArchiveError, ArchiveWriteError
from ddreport.records import RawResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_fcntl: Any = import_module("fcntl") if os.name == "posix" else None

KEPT = timedelta(days=1)
"""How long an answer that may change counts as an answer of the same inventory."""

_SYNC_SECONDS = 1.0
_HEAD = "ddreport-inventory-journal-1"


class _Answer(msgspec.Struct, array_like=True):
    operation: str
    request: dict[str, Any]
    body: str  # zlib, base64


class _Line(msgspec.Struct, array_like=True):
    key: str
    time: float  # AWS's clock, epoch seconds
    emulated: bool
    lasting: bool
    answers: list[_Answer]


class _Place(NamedTuple):
    """Where a line is in the file, and how many answers it holds."""

    offset: int
    length: int
    answers: int


@dataclass(frozen=True)
class Entry:
    """AWS's answers to one question.

    Attributes
    ----------
    time
        When it answered, by its own clock.
    emulated
        Whether it was the emulator.
    responses
        The answers as they came.
    """

    time: datetime
    emulated: bool
    responses: tuple[RawResponse, ...]


class Journal:
    """The answers of one inventory under way; use it in a `with` statement.

    Parameters
    ----------
    path
        Its file; made where there is none.
    as_of
        Now by AWS's clock: older answers than `kept` are forgotten, unless they can never change.
    what
        What is under way, for messages.
    kept
        How long an answer counts that may change.

    Raises
    ------
    ArchiveError
        Another inventory of the same place is under way.
    ArchiveWriteError
        The file cannot be written.
    """

    def __init__(self, path: Path, *, as_of: datetime, what: str = "inventory", kept: timedelta = KEPT) -> None:
        self.path = path
        self._what = what
        self._kept = kept
        self._lock = Lock()
        self._places: dict[str, _Place] = {}
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise self._unwritable(exc) from exc
        try:
            self._own()
            self._end = self._read(as_of)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def close(self) -> None:
        """Leave the journal as it is; the next one of the same path goes on from there."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Remove it, since all that it holds is in the archive now."""
        # Removed before the lock is let go of, so that nobody goes on from a file without a name.
        self.path.unlink(missing_ok=True)
        self.close()

    def add(self, key: str, entry: Entry, *, lasting: bool = False) -> None:
        """Write the answers to one question down; `lasting` ones can never change, so they are never forgotten.

        Raises
        ------
        ArchiveWriteError
            Full disk, or no permission.
        """
        line = _Line(
            key,
            entry.time.timestamp(),
            entry.emulated,
            lasting,
            [_Answer(r.operation, dict(r.request), _packed(r.body)) for r in entry.responses],
        )
        body = msgspec.json.encode(line)
        data = b"%08x %s\n" % (zlib.crc32(body), body)
        with self._lock:
            try:
                self._write(data)
            except OSError as exc:
                raise self._unwritable(exc) from exc
            self._places[key] = _Place(self._end, len(data), len(line.answers))
            self._end += len(data)

    def get(self, key: str) -> Entry | None:
        """Return the answers to a question, None if it was not asked yet."""
        place = self._places.get(key)
        return None if place is None else self._entry(place)

    def forget(self, key: str) -> None:
        """Forget the answers to a question, so that it is asked again."""
        with self._lock:
            self._places.pop(key, None)

    def responses(self, keys: Iterable[str]) -> Responses:
        """Return the answers to these questions, one after the other, read from disk when they are looked at."""
        return Responses(self, [self._places[key] for key in keys])

    def _entry(self, place: _Place) -> Entry:
        offset, length, _ = place
        data = os.pread(self._file, length, offset) if hasattr(os, "pread") else self._seek_read(offset, length)
        line = msgspec.json.decode(data[9:], type=_Line)
        return Entry(
            datetime.fromtimestamp(line.time, UTC),
            line.emulated,
            tuple(RawResponse(a.operation, a.request, _unpacked(a.body)) for a in line.answers),
        )

    def _seek_read(self, offset: int, length: int) -> bytes:
        with self._lock:
            os.lseek(self._file, offset, os.SEEK_SET)
            return os.read(self._file, length)

    def _own(self) -> None:
        if _fcntl is None:
            return
        try:
            _fcntl.flock(self._file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveError(
                f"another {self._what} of the same account and Region is under way (it holds {self.path}).",
                hint="wait until it has ended.",
            ) from None
        except OSError:
            return  # a file system without locks

    def _read(self, as_of: datetime) -> int:
        """Read the lines that are whole and still count, and put the end after the last whole one."""
        oldest = (as_of - self._kept).timestamp()
        newest = (as_of + KEPT).timestamp()  # an emulator that was set back: those answers are of another story
        head = f"{_HEAD}\n".encode()
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            if file.readline() != head:
                return self._begin(head)
            end = len(head)
            for data in file:
                line = _checked(data)
                if line is None:
                    break
                if line.time <= newest and (line.lasting or line.time >= oldest):
                    self._places[line.key] = _Place(end, len(data), len(line.answers))
                end += len(data)
        os.ftruncate(self._file, end)
        return end

    def _begin(self, head: bytes) -> int:
        os.ftruncate(self._file, 0)
        self._end = 0
        self._write(head)
        return len(head)

    def _write(self, data: bytes) -> None:
        os.lseek(self._file, self._end, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        if time.monotonic() - self._synced >= _SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def _unwritable(self, exc: OSError) -> ArchiveWriteError:
        return ArchiveWriteError(
            f"the answers for the {self._what} could not be written to {self.path}: {exc.strerror or exc}.",
            hint="free some space or name another cache folder (DDREPORT_CACHE), and run the same command again.",
        )


class Responses(Sequence[RawResponse]):
    """AWS's answers in a journal, read from disk one by one: those of a large account would fill the memory."""

    def __init__(self, journal: Journal, places: Sequence[_Place]) -> None:
        self._journal = journal
        self._places = places

    def __iter__(self) -> Iterator[RawResponse]:
        for place in self._places:
            yield from self._journal._entry(place).responses

    def __len__(self) -> int:
        return sum(place.answers for place in self._places)

    @overload
    def __getitem__(self, index: int) -> RawResponse: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RawResponse]: ...
    def __getitem__(self, index: int | slice) -> RawResponse | Sequence[RawResponse]:
        return list(self)[index]


def _packed(body: bytes) -> str:
    return base64.b64encode(zlib.compress(body, 1)).decode()


def _unpacked(body: str) -> bytes:
    return zlib.decompress(base64.b64decode(body))


def _checked(data: bytes) -> _Line | None:
    """Decode a line; None for one that is cut off or damaged."""
    if not data.endswith(b"\n") or data[8:9] != b" ":
        return None
    try:
        if int(data[:8], 16) != zlib.crc32(data[9:-1]):
            return None
        return msgspec.json.decode(data[9:-1], type=_Line)
    except ValueError:
        return None
