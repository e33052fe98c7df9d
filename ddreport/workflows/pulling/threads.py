"""Work side by side in threads that can be told to stop.

The threads are daemons: Ctrl-C must not wait for an answer that never comes. Nothing is harmed when one of them is cut
off, since the archive takes each set whole or not at all.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_LOOK_SECONDS = 0.1  # how soon somebody who waits sees that all is to stop
_GRACE_SECONDS = 3.0  # for what is being written when all is to stop


class Stopped(Exception):  # noqa: N818 - no error: the work was told to stop
    """The work was told to stop; nobody needs to hear of it."""


class Stop:
    """A wish to stop that many threads look at; a child stops with its parent, but not the other way round."""

    def __init__(self, parent: Stop | None = None) -> None:
        self._parent = parent
        self._event = threading.Event()

    def set(self) -> None:
        """Wish that everybody stops."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._event.is_set() or (self._parent is not None and self._parent.is_set())

    def check(self) -> None:
        """Raise `Stopped` if it is time to stop."""
        if self.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until it is time to stop (`Stopped`)."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self._event.wait(min(left, _LOOK_SECONDS) if self._parent else left)
        self.check()

    def acquire(self, lock: threading.Lock) -> None:
        """Acquire a lock, unless it is time to stop before (`Stopped`)."""
        while not lock.acquire(timeout=_LOOK_SECONDS):
            self.check()


def side_by_side(work: Callable[[T], None], items: Iterable[T], *, workers: int, stop: Stop, name: str) -> None:
    """Do `work` for every item, in order of their coming, up to `workers` at once; return when all is done.

    The first error sets `stop`, so that the others end at their next look at it, and is raised here once they have (or
    after a few seconds: what hangs is left behind). The same goes for Ctrl-C.

    Raises
    ------
    Stopped
        Somebody else set `stop`.
    """
    waiting = iter(list(items))
    taking = threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        while not stop.is_set():
            with taking:
                item = next(waiting, _NOTHING)
            if item is _NOTHING:
                return
            try:
                work(item)  # type: ignore[arg-type]  # what is not _NOTHING is an item
            except Stopped:
                return
            except BaseException as exc:  # noqa: BLE001 - carried over to the thread that waits, and raised there
                errors.append(exc)
                stop.set()
                return

    threads = [threading.Thread(target=run, name=f"{name}-{n + 1}", daemon=True) for n in range(workers)]
    try:
        for thread in threads:
            thread.start()
        _join(threads, stop)
    except BaseException:
        stop.set()
        _join(threads, stop)
        raise
    if errors:
        raise errors[0]
    stop.check()


_NOTHING = object()


def _join(threads: Iterable[threading.Thread], stop: Stop) -> None:
    """Wait for threads; once it is time to stop, for a few seconds only."""
    until: float | None = None
    for thread in threads:
        while thread.is_alive():
            if stop.is_set() and until is None:
                until = time.monotonic() + _GRACE_SECONDS
            if until is not None and time.monotonic() > until:
                return
            # With a time-out also where nothing else could be interrupted by Ctrl-C.
            thread.join(_LOOK_SECONDS)
