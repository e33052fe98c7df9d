"""Threads that ask AWS while one thread decides: calls go in by pool, answers come back through one queue.

Everything that is decided and written down happens in the thread that owns `Workers`, so nothing of it needs a lock.
The threads are daemons: nobody has to wait for an answer that never comes.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POOLS = {"capture": 4, "task": 2, "read": 4, "archive": 1}
"""Threads by what they do; together no more connections than the ten that boto3 keeps."""


@dataclass(frozen=True)
class Answer:
    """What a call gave: `value`, or the `error` that it ended with; `kind` and `number` are as submitted."""

    kind: str
    number: int
    value: Any = None
    error: BaseException | None = None


class Workers:
    """The threads; `close` lets them go.

    Attributes
    ----------
    pending
        Calls that were submitted and not answered yet.
    """

    def __init__(self, pools: Mapping[str, int] = POOLS) -> None:
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._waiting = {name: queue.SimpleQueue[Any]() for name in pools}
        self._sizes = dict(pools)
        self.pending = 0
        for name, size in pools.items():
            for number in range(size):
                thread = threading.Thread(
                    target=self._work, args=(name,), name=f"mitigation-{name}-{number + 1}", daemon=True
                )
                thread.start()

    def submit(self, pool: str, kind: str, number: int, call: Callable[[], Any]) -> None:
        """Have a call made by a thread of a pool, after those that were submitted before."""
        self.pending += 1
        self._waiting[pool].put((kind, number, call))

    def take(self, timeout: float) -> Answer | None:
        """Return the next answer, None if there was none in so many seconds."""
        try:
            found = self._answers.get(timeout=timeout)
        except queue.Empty:
            return None
        self.pending -= 1
        return found

    def drop_waiting(self) -> None:
        """Forget the calls that no thread has begun."""
        for waiting in self._waiting.values():
            while True:
                try:
                    waiting.get_nowait()
                except queue.Empty:
                    break
                self.pending -= 1

    def close(self) -> None:
        """Let the threads end."""
        self.drop_waiting()
        for name, size in self._sizes.items():
            for _ in range(size):
                self._waiting[name].put(None)

    def _work(self, pool: str) -> None:
        while (item := self._waiting[pool].get()) is not None:
            kind, number, call = item
            try:
                answer = Answer(kind, number, call())
            except BaseException as exc:  # noqa: BLE001 - carried over to the thread that decides, and raised there
                answer = Answer(kind, number, error=exc)
            self._answers.put(answer)
