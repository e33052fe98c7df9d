"""Cognito identities as the message broker saw them: which identity pools were used for MQTT, and when."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class IdentityPool:
    """An identity pool with its roles: `authenticated` and `unauthenticated`, as far as they are set, to their ARNs."""

    pool_id: str
    roles: Mapping[str, str]


class IdentityConnections:
    """The connections of identities in one account and Region."""

    def __init__(self) -> None:
        self._times: dict[str, list[tuple[datetime, bool]]] = {}

    def add(self, pool_id: str, when: datetime, *, authenticated: bool) -> None:
        """Record that an identity of a pool, signed in or a guest, was connected at a moment."""
        times = self._times.setdefault(pool_id, [])
        if (when, authenticated) not in times[-1:]:
            insort(times, (when, authenticated))

    def pools_between(self, start: datetime, end: datetime) -> list[str]:
        """Return the ids of the pools with a connection from `start` to `end`, sorted."""
        found = []
        for pool_id, times in self._times.items():
            position = bisect_left(times, start, key=lambda connection: connection[0])
            if position < len(times) and times[position][0] <= end:
                found.append(pool_id)
        return sorted(found)
