"""MQTT connections as the broker saw them: what an emulator must be told, and what two checks look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


@dataclass(slots=True)
class Connection:
    """One connection; `disconnected` None while it is open, `displaced` when its client id connected again."""

    certificate_id: str
    client_id: str
    connected: datetime
    disconnected: datetime | None
    displaced: bool = False

    def overlap(self, other: Connection) -> tuple[datetime, datetime | None] | None:
        """Return when both were connected, None for never; an end of None means both still are."""
        begin = max(self.connected, other.connected)
        ends = [end for end in (self.disconnected, other.disconnected) if end is not None]
        end = min(ends) if ends else None
        return None if end is not None and end <= begin else (begin, end)


class ConnectionLog:
    """All connections of one account and Region."""

    def __init__(self) -> None:
        self._by_certificate: dict[str, list[Connection]] = {}
        self._by_client: dict[str, list[Connection]] = {}

    def add(
        self, certificate_id: str, client_id: str, connected: datetime, disconnected: datetime | None
    ) -> Connection:
        """Record a connection; of two with one client id the broker ends the earlier when the later one begins."""
        new = Connection(certificate_id, client_id, connected, disconnected)
        for other in self._by_client.get(client_id, ()):
            first, second = (other, new) if other.connected <= new.connected else (new, other)
            if first.disconnected is None or first.disconnected > second.connected:
                first.disconnected = second.connected
                first.displaced = True
        self._by_certificate.setdefault(certificate_id, []).append(new)
        self._by_client.setdefault(client_id, []).append(new)
        return new

    def disconnect(self, client_id: str, at: datetime) -> None:
        """End the open connection of a client, if it has one."""
        for connection in self._by_client.get(client_id, ()):
            if connection.disconnected is None and connection.connected <= at:
                connection.disconnected = at

    def since(self, moment: datetime | None) -> ConnectionLog:
        """Return the connections that were open at or after `moment`; all of them for None."""
        if moment is None:
            return self
        kept = ConnectionLog()
        for connection in self:
            if connection.disconnected is None or connection.disconnected > moment:
                kept._by_certificate.setdefault(connection.certificate_id, []).append(connection)
                kept._by_client.setdefault(connection.client_id, []).append(connection)
        return kept

    def by_certificate(self) -> Iterable[tuple[str, list[Connection]]]:
        """Return the connections of each certificate."""
        return self._by_certificate.items()

    def by_client(self) -> Iterable[tuple[str, list[Connection]]]:
        """Return the connections of each client id."""
        return self._by_client.items()

    def __iter__(self) -> Iterator[Connection]:
        for connections in self._by_certificate.values():
            yield from connections
