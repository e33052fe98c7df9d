"""Targets of one pull that turn out to be the same account and Region: asked one after the other, at one rate."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddreport.aws.rates import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddreport.workflows.pulling.threads import Stop


@dataclass
class _Place:
    limiter: RateLimiter
    lock: threading.Lock = field(default_factory=threading.Lock)
    first: str | None = None


class Places:
    """The accounts and Regions of one pull.

    AWS counts requests per account and Region, whatever name we give it, so all targets of a place share a limiter.
    And they take turns: the second finds in the archive what the first has brought, and asks only for what the first
    could not have, with other credentials for example.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._places: dict[tuple[str, str], _Place] = {}

    @contextmanager
    def turn(
        self, account: str, region: str, *, target: str, waiting: Callable[[str], None]
    ) -> Iterator[tuple[RateLimiter, str | None]]:
        """Take a place for the length of a `with` block; others of the same place wait.

        Yields the place's limiter and the name of the target that had the place first, None for that one itself.
        `waiting` is told that name before the wait.
        """
        with self._lock:
            place = self._places.setdefault((account, region), _Place(RateLimiter(sleep=self._stop.sleep)))
            before = place.first
            place.first = before or target
        if before is not None:
            waiting(before)
        self._stop.acquire(place.lock)
        try:
            yield place.limiter, before
        finally:
            place.lock.release()
