"""An emulator's state in a file: saved in one step, verified before it is believed, never written over by mistake.

The file has three lines of text and then the state:

    ddreport-emulator-state
    {"format": 1, "ddreport": "0.1.0", "moto": "5.2.5", "account": "123456789012", ...}
    sha256 4f2c...            of everything else in the file
    (zlib-compressed bytes of `state_codec`)

A file whose checksum, format or version of moto does not fit is refused and left as it is. moto's version counts
because the state holds moto's own objects as that version makes them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import moto
import msgspec

from ddreport.emulation import state_codec
from ddreport.emulation.clock import Clock, ManualClock, RunningClock, utc
from ddreport.emulation.emulator import Emulator
from ddreport.errors import DDReportError, EmulatorError
from ddreport.version import __version__

try:
    import fcntl as _fcntl
except ImportError:  # Windows: two emulators on one file are not noticed there.
    _fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

MAGIC = b"ddreport-emulator-state\n"
FORMAT = 1

_ATTEMPTS = 20
_CHECKSUM = b"sha256 "


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a state file says of itself; `now` is the emulated time, durations are seconds."""

    format: int
    ddreport: str
    moto: str
    account: str
    region: str
    seed: int
    now: datetime
    clock: Literal["manual", "running"]
    speed: float
    audit_duration: float
    execution_duration: float
    data_collection: float
    throttle: bool
    requests: int
    fleet: str


@dataclass(frozen=True)
class Saved:
    """What `StateFile.save` did.

    Attributes
    ----------
    path, size
        The file and its bytes.
    now
        The emulated time that it holds.
    left_out
        Services of moto that are in use, but whose state is not saved.
    """

    path: Path
    size: int
    now: datetime
    left_out: list[str]


class StateFile:
    """One file that holds one emulator's state; a context manager that keeps other emulators off it.

    Parameters
    ----------
    path
        The file, there already or not; its folder must exist. Beside it lie `.NAME.lock` while it is in use
        and `.NAME.part` while it is saved.
    fleet
        Name of the fleet that was built, for the file's header.
    """

    def __init__(self, path: Path, *, fleet: str = "") -> None:
        # A link stays a link: what it points to is replaced.
        self.path = path.expanduser().resolve()
        self.fleet = fleet
        self._handle: int | None = None
        self._writing = threading.Lock()
        self._taken = 0
        self._written = 0

    def __enter__(self) -> StateFile:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> StateFile:
        """Take the file for this process (`EmulatorError` when another has it, or its folder does not exist)."""
        if self._handle is not None:
            return self
        if self.path.is_dir():
            raise EmulatorError(f"{self.path} is a folder.", hint="name a file for the emulator's state.")
        while self._handle is None:
            try:
                handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as exc:
                raise _cannot("write beside", self.path, exc) from exc
            try:
                if _fcntl is not None:
                    _fcntl.flock(handle, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
            except BlockingIOError as exc:
                os.close(handle)
                raise EmulatorError(
                    f"another emulator is running with the state file {self.path}.",
                    hint="stop it first, or give this one another file.",
                ) from exc
            except OSError as exc:
                # A file system without locks; better no lock than no state.
                logger.debug("%s cannot be locked: %s", self.path, exc)
            # Its last owner may have removed the file between the two steps: then the lock is one on nothing.
            if os.name == "nt" or _is_still(self._lock_path, handle):
                self._handle = handle
            else:
                os.close(handle)
        return self

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if self._handle is not None:
            with suppress(OSError):
                self._lock_path.unlink()
            os.close(self._handle)
            self._handle = None

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    def exists(self) -> bool:
        """Whether there is something to load; a file that holds nothing is something, and refused by `load`."""
        return self.path.exists()

    def header(self) -> Header:
        """Read and verify the file; return what it says of itself (`EmulatorError`, see `load`)."""
        return self._read()[0]

    def load(self, *, speed: float | None = None) -> Emulator:
        """Make the emulator that was saved; its clock goes on where it stood.

        Parameters
        ----------
        speed
            Emulated seconds per real second; None means as it was.

        Raises
        ------
        EmulatorError
            The file is missing, no state, damaged, or of another format or version of moto.
        """
        header, data = self._read()
        self.fleet = self.fleet or header.fleet
        clock: Clock = ManualClock(header.now)
        emulator = Emulator(
            clock,
            account=header.account,
            region=header.region,
            seed=header.seed,
            audit_duration=timedelta(seconds=header.audit_duration),
            execution_duration=timedelta(seconds=header.execution_duration),
            data_collection=timedelta(seconds=header.data_collection),
            throttle=header.throttle,
        )
        try:
            with emulator.lock:
                state_codec.decode(data, emulator)
                emulator.resume_requests(header.requests)
        except DDReportError as exc:
            emulator.close()
            raise _refused(self.path, exc.message) from exc
        if header.clock == "running" or speed is not None:
            emulator.use_clock(RunningClock(header.now, header.speed if speed is None else speed))
        return emulator

    def save(self, emulator: Emulator) -> Saved:
        """Save an emulator in one step: whatever interrupts it, the file is the old one or the new one.

        Raises
        ------
        EmulatorError
            Something else is there by now, the disk is full, or the account holds what cannot be saved.
        """
        with emulator.lock:
            data = _encode(emulator)
            header = self._describe(emulator)
            self._taken += 1
            ticket = self._taken
        # Outside of the emulator's lock, so that nobody waits for the disk.
        text = msgspec.json.encode(header) + b"\n"
        body = zlib.compress(data, 1)
        content = b"".join((MAGIC, text, _CHECKSUM, _digest(text, body), b"\n", body))
        with self._writing:
            if ticket > self._written:
                self._replace(content)
                self._written = ticket
        return Saved(self.path, len(content), header.now, state_codec.left_out())

    def _describe(self, emulator: Emulator) -> Header:
        clock = emulator.clock
        running = isinstance(clock, RunningClock)
        return Header(
            format=FORMAT,
            ddreport=__version__,
            moto=moto.__version__,
            account=emulator.account,
            region=emulator.region,
            seed=emulator.seed,
            now=emulator.now(),
            clock="running" if running else "manual",
            speed=clock.speed if isinstance(clock, RunningClock) else 1.0,
            audit_duration=emulator.audit_duration.total_seconds(),
            execution_duration=emulator.execution_duration.total_seconds(),
            data_collection=emulator.data_collection.total_seconds(),
            throttle=emulator.throttle,
            requests=emulator.request_count,
            fleet=self.fleet,
        )

    def _replace(self, content: bytes) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            self._check_own()
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(part, self.path)
            if _fcntl is not None:
                _sync_folder(self.path.parent)
        except OSError as exc:
            raise _cannot("save the state to", self.path, exc) from exc

    def _check_own(self) -> None:
        try:
            with self.path.open("rb") as file:
                begins = file.read(len(MAGIC))
        except FileNotFoundError:
            return
        if begins != MAGIC:
            raise _refused(self.path, "it is not a saved state of the emulator")

    def _read(self) -> tuple[Header, bytes]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError as exc:
            raise EmulatorError(f"there is no state file {self.path}.") from exc
        except OSError as exc:
            raise _cannot("read", self.path, exc) from exc
        if not content.startswith(MAGIC):
            raise _refused(self.path, "it is empty" if not content else "it is not a saved state of the emulator")
        text, _, rest = content[len(MAGIC) :].partition(b"\n")
        checksum, _, body = rest.partition(b"\n")
        text += b"\n"
        if checksum != _CHECKSUM + _digest(text, body):
            raise _refused(self.path, "it is damaged or cut off: its checksum does not fit")
        try:
            layout = msgspec.json.decode(text, type=_Layout)
            if layout.format != FORMAT:
                raise _refused(self.path, f"its format is {layout.format}, and this version of ddreport knows {FORMAT}")
            header = msgspec.json.decode(text, type=Header)
            data = zlib.decompress(body)
            utc(header.now)
        except (msgspec.MsgspecError, zlib.error, ValueError) as exc:
            raise _refused(self.path, f"it is damaged: {exc}") from exc
        if header.moto != moto.__version__:
            raise EmulatorError(
                f"{self.path} was saved with moto {header.moto}, and moto {moto.__version__} is installed; "
                "the file is left as it is.",
                hint=f"pip install 'moto=={header.moto}', or begin with another file.",
            )
        return header, data


class _Layout(msgspec.Struct):
    format: int


class Autosave:
    """Saves an emulator every so often when something was asked of it, and once more at the end; a context manager.

    Parameters
    ----------
    file, emulator
        What is saved where.
    every
        Real seconds between two looks.
    """

    def __init__(self, file: StateFile, emulator: Emulator, *, every: float = 30.0) -> None:
        self._file = file
        self._emulator = emulator
        self._every = every
        self._stop = threading.Event()
        self._seen = -1
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="ddreport-autosave", daemon=True)

    def __enter__(self) -> Autosave:
        # Now, not at the end of a long day, is the time to hear that the file cannot be written.
        self.save()
        self._emulator.on_save = self.save
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._emulator.on_save = None
        self.save()

    def save(self) -> Saved:
        """Save now (`EmulatorError`)."""
        with self._emulator.lock:
            seen = self._emulator.activity
        saved = self._file.save(self._emulator)
        self._seen = max(self._seen, seen)
        return saved

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            if self._emulator.activity > self._seen:
                try:
                    self.save()
                except EmulatorError as error:
                    # Told once per trouble; the next round tries again, and the end raises.
                    if str(error) != self._told:
                        self._told = str(error)
                        logger.error("%s", error)  # noqa: TRY400 (a user's trouble, without traceback)


def _encode(emulator: Emulator) -> bytes:
    # Requests to services other than IoT do not wait for the emulator's lock, so a collection may grow meanwhile.
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return state_codec.encode(emulator)
        except RuntimeError as exc:
            if attempt == _ATTEMPTS:
                raise EmulatorError("the emulator's state cannot be saved: it changes all the time.") from exc
            time.sleep(0.01)
    raise AssertionError


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256(MAGIC)
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(path: Path, why: str) -> EmulatorError:
    return EmulatorError(
        f"{path} cannot be used as the emulator's state: {why.rstrip('.')}; the file is left as it is.",
        hint="name another file; a new one is begun where none is.",
    )


def _cannot(do: str, path: Path, exc: OSError) -> EmulatorError:
    return EmulatorError(
        f"the emulator cannot {do} {path}: {exc.strerror or exc}.",
        hint="check the folder, its permissions and the free space, or name another file.",
    )
