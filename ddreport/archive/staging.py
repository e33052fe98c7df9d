"""Writing so that a kill, a power cut or a full disk leaves either the whole thing or nothing of it.

A writer fills a folder of its own, `.tmp-HOST-…` inside the archive (so on the same file system), which it keeps
locked, and then renames it into place. Whoever dies leaves its folder behind unlocked; the next writer removes it.
Where the file system knows no locks, or the folder is another machine's, only age tells: a day.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import socket
import uuid
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import LOCK_FILE, TEMPORARY
from ddreport.errors import ArchiveWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

# Windows has no flock, and folders cannot be opened there: age alone decides.
_fcntl: Any = import_module("fcntl") if os.name == "posix" else None

STALE_SECONDS = 24 * 3600
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # file systems without hard links
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """Make a locked temporary folder in `root`; afterwards remove what was not renamed away.

    Raises
    ------
    OSError
        The folder cannot be made.
    """
    while True:
        folder = root / f"{_own_prefix()}{os.getpid()}-{uuid.uuid4().hex[:12]}"
        folder.mkdir()
        lock = _lock_folder(folder)
        if lock is not None:
            break
    try:
        yield folder
    finally:
        # While the lock is still held: nobody else may take this folder for a leftover and race us.
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


def remove_leftovers(root: Path, *, now: float) -> None:
    """Remove temporary folders whose writer is gone; `now` is the file system's time in seconds since 1970.

    A folder is a leftover when nobody holds its lock (same machine), or when it is older than a day
    (another machine's, or a file system without locks).
    """
    for name in os.listdir(root):
        if not name.startswith(TEMPORARY):
            continue
        folder = root / name
        with suppress(OSError):  # its writer or another cleaner was faster, or it is another user's
            old = now - folder.stat().st_mtime > STALE_SECONDS
            lock = _lock_leftover(folder)
            if lock is None:
                continue
            try:
                # With the lock in hand and the name still there, its writer is dead: a live one renames or
                # removes the folder before it lets go of the lock.
                certain = lock >= 0 and name.startswith(_own_prefix())
                if (certain or old) and folder.exists():
                    _log.info("removing %s, left by a writer that ended half-way", folder)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                if lock >= 0:
                    os.close(lock)


@contextmanager
def writer_lock(root: Path) -> Iterator[None]:
    """Keep other writers out while something is compared and then written. Does nothing where locks are unknown."""
    handle = os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _fcntl is not None:
            try:
                _fcntl.flock(handle, _fcntl.LOCK_EX)
            except OSError as exc:
                _log.debug("%s cannot be locked: %s", root, exc)
        yield
    finally:
        os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in `folder`."""
    if _fcntl is None:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish_folder(folder: Path, target: Path) -> bool:
    """Put `folder` in place as `target` in one step; False when something is there already, which stays as it is."""
    fresh = []
    parent = target.parent
    while not parent.exists():
        fresh.append(parent.parent)
        parent = parent.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    sync_folder(folder)
    try:
        # Onto a folder that holds anything, rename fails; sets are never empty, so the first one stays.
        os.rename(folder, target)
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST) or (os.name == "nt" and target.exists()):
            return False
        raise
    for changed in (target.parent, *fresh):
        sync_folder(changed)
    return True


def publish_file(staged: Path, target: Path) -> None:
    """Put a staged file in place as `target` in one step, instead of what was there."""
    os.replace(staged, target)
    sync_folder(target.parent)


def publish_new_file(staged: Path, target: Path) -> bool:
    """Put a staged file in place as `target` in one step; False when something is there already, which stays."""
    try:
        os.link(staged, target)  # unlike rename, refused when the name is taken
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        if target.exists():
            return False
        os.rename(staged, target)
    sync_folder(target.parent)
    return True


def remove_folder(root: Path, folder: Path) -> None:
    """Take a folder out of the archive in one step, then remove what is in it."""
    with staging_folder(root) as staging:
        with suppress(FileNotFoundError):  # another writer was faster
            os.rename(folder, staging / "removed")
        sync_folder(folder.parent)


@contextmanager
def told_as_write_error(root: Path, what: str) -> Iterator[None]:
    """Turn the system's refusals into `ArchiveWriteError` with the next step."""
    try:
        yield
    except OSError as exc:
        hint = "nothing half-written is left; try again when the folder can be written."
        if exc.errno in _NO_ROOM:
            hint = "free some space and run the same command again; what is archived already is not read again."
        elif exc.errno in _NOT_ALLOWED:
            hint = "check the folder's permissions, or name another folder with --archive."
        elif exc.errno == errno.ENAMETOOLONG:
            hint = "name another folder with --archive."
        raise ArchiveWriteError(f"{what} could not be written to {root}: {exc.strerror or exc}.", hint=hint) from exc


def _own_prefix() -> str:
    return f"{TEMPORARY}{re.sub('[^A-Za-z0-9]', '_', socket.gethostname())}-"


def _lock_folder(folder: Path) -> int | None:
    """Lock the own new folder: a handle, -1 where locks are unknown, None when a cleaner took it first."""
    if _fcntl is None:
        return -1
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        _fcntl.flock(handle, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        return -1
    if folder.exists():
        return handle
    os.close(handle)
    return None


def _lock_leftover(folder: Path) -> int | None:
    """Lock somebody's folder: a handle, -1 where locks are unknown, None when its writer lives."""
    if _fcntl is None:
        return -1
    handle = os.open(folder, os.O_RDONLY)
    try:
        _fcntl.flock(handle, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        return -1
    return handle
