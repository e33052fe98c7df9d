"""Questions to AWS side by side, each operation at its own rate, where answers lead to further questions.

Every operation has a queue and a few threads of its own, so that a slow operation holds up no other one, and all of
them are under way as long as there is anything to ask: the whole takes as long as the operation with the most calls
for its rate.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from ddreport.workflows.pulling.threads import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")

_SLOWEST_ANSWER = 0.4  # seconds; an operation needs so many threads that its rate is kept up with such answers
_MOST_THREADS = 12
_LOOK_SECONDS = 0.2  # how soon somebody who waits sees that all is to stop
_GRACE_SECONDS = 3.0


class OperationQueues(Generic[T]):
    """The queues of one run.

    Parameters
    ----------
    work
        Does a batch of questions of one operation (a single one unless `batches` says otherwise) and returns what they
        lead to: pairs of operation and question.
    rate_of
        Requests per second by operation.
    batches
        How many questions of an operation are answered by one call. A batch waits until it is full, or until nothing
        that could fill it is left.
    stop
        Ends it; the first error sets it, too.
    name
        Of the threads.
    """

    def __init__(
        self,
        work: Callable[[str, Sequence[T]], Iterable[tuple[str, T]]],
        *,
        rate_of: Callable[[str], int],
        batches: Mapping[str, int],
        stop: Stop,
        name: str,
    ) -> None:
        self._work = work
        self._rate_of = rate_of
        self._batches = batches
        self._stop = stop
        self._name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[T]] = {}
        self._wake: dict[str, threading.Condition] = {}
        self._open = 0  # questions that are waiting or under way
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def run(self, items: Iterable[tuple[str, T]]) -> None:
        """Answer questions and all that they lead to.

        Raises
        ------
        Stopped
            Somebody else set `stop`.
        BaseException
            The first error of `work`, once the others have ended; also Ctrl-C.
        """
        with self._lock:
            self._put(items)
        try:
            self._join()
        except BaseException:
            self._stop.set()
            self._join()
            raise
        if self._errors:
            raise self._errors[0]
        self._stop.check()

    def _put(self, items: Iterable[tuple[str, T]]) -> None:
        for operation, item in items:
            if operation not in self._waiting:
                self._waiting[operation] = deque()
                self._wake[operation] = threading.Condition(self._lock)
                self._start(operation)
            self._waiting[operation].append(item)
            self._open += 1
            self._wake[operation].notify()

    def _start(self, operation: str) -> None:
        number = min(_MOST_THREADS, max(2, math.ceil(self._rate_of(operation) * _SLOWEST_ANSWER)))
        for n in range(number):
            thread = threading.Thread(
                target=self._run, args=(operation,), name=f"{self._name}-{operation}-{n + 1}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run(self, operation: str) -> None:
        while True:
            batch = self._take(operation)
            if not batch:
                return
            try:
                found = list(self._work(operation, batch))
            except Stopped:
                self._end()
                return
            except BaseException as exc:  # noqa: BLE001 - carried over to the thread that waits, and raised there
                self._errors.append(exc)
                self._stop.set()
                self._end()
                return
            with self._lock:
                self._put(found)
                self._open -= len(batch)
                if self._is_idle():
                    self._wake_all()

    def _take(self, operation: str) -> list[T]:
        """Return the next batch; nothing when there will be none."""
        size = self._batches.get(operation, 1)
        with self._lock:
            while not self._stop.is_set():
                waiting = self._waiting[operation]
                if len(waiting) >= size or (waiting and self._is_idle()):
                    return [waiting.popleft() for _ in range(min(size, len(waiting)))]
                if not self._open:
                    return []
                self._wake[operation].wait(_LOOK_SECONDS)
        return []

    def _is_idle(self) -> bool:
        """Whether nothing is under way or waits but what waits for its batch to fill."""
        return self._open == sum(len(self._waiting[name]) for name in self._batches if name in self._waiting)

    def _end(self) -> None:
        with self._lock:
            self._wake_all()

    def _wake_all(self) -> None:
        for condition in self._wake.values():
            condition.notify_all()

    def _join(self) -> None:
        """Wait for the threads, those that come up on the way too; once it is time to stop, for a few seconds only."""
        until: float | None = None
        position = 0
        while position < len(self._threads):
            thread = self._threads[position]
            while thread.is_alive():
                if self._stop.is_set() and until is None:
                    until = time.monotonic() + _GRACE_SECONDS
                if until is not None and time.monotonic() > until:
                    return
                thread.join(_LOOK_SECONDS)
            position += 1
