"""Checks of what the message broker saw."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.checks.view import milliseconds

if TYPE_CHECKING:
    from ddreport.emulation.checks.view import StateView, Window
    from ddreport.emulation.connections import Connection

_LAG = timedelta(hours=2)
"""Connection data reaches the shared-certificate check this much later."""


@evaluator("DEVICE_CERTIFICATE_SHARED_CHECK", needs=("iot:ListCertificates", "iot:DescribeCertificate"))
def device_certificate_shared(view: StateView) -> Evaluation:
    """Find certificates with connections of different clients at the same time, as of two hours ago."""
    window = view.window.shifted(-_LAG)
    findings = []
    total = sum(1 for _ in view.certificates)
    for certificate_id, connections in view.connections.by_certificate() if view.connections else ():
        shared = _shared(connections, window)
        if shared:
            findings.append(
                Candidate(
                    resource_type="DEVICE_CERTIFICATE",
                    identifier={"deviceCertificateId": certificate_id},
                    reason_code="CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES",
                    reason="Certificate shared by one or more devices.",
                    related=tuple(_related_connection(c, window) for c in shared),
                )
            )
    return Evaluation(max(total, len(findings)), findings)


def _shared(connections: list[Connection], window: Window) -> list[Connection]:
    """Return the connections that overlapped another client's within the window, newest first."""
    ordered = sorted(connections, key=lambda c: (c.connected, c.client_id))
    involved: dict[int, Connection] = {}
    still_open: list[Connection] = []
    for connection in ordered:
        still_open = [c for c in still_open if c.disconnected is None or c.disconnected > connection.connected]
        for other in still_open:
            if other.client_id != connection.client_id and _happened_within(connection, other, window):
                involved[id(other)] = other
                involved[id(connection)] = connection
        still_open.append(connection)
    return sorted(involved.values(), key=lambda c: (c.connected, c.client_id), reverse=True)


def _happened_within(one: Connection, other: Connection, window: Window) -> bool:
    overlap = one.overlap(other)
    if overlap is None:
        return False
    begin, end = overlap
    return begin <= window.end and (end is None or end > window.start)


def _related_connection(connection: Connection, window: Window) -> dict[str, Any]:
    info = {"CONNECTION_TIME": milliseconds(connection.connected)}
    # What happened after the window is not known to the check yet.
    if connection.disconnected is not None and connection.disconnected <= window.end:
        info["DISCONNECTION_TIME"] = milliseconds(connection.disconnected)
    return {
        "resourceType": "CLIENT_ID",
        "resourceIdentifier": {"clientId": connection.client_id},
        "additionalInfo": info,
    }


@evaluator("CONFLICTING_CLIENT_IDS_CHECK", needs=())
def conflicting_client_ids(view: StateView) -> Evaluation:
    """Find client ids that connected while they were connected, so that the broker dropped the earlier connection."""
    window = view.window
    findings = []
    total = 0
    for client_id, connections in view.connections.by_client() if view.connections else ():
        if any(
            c.connected <= window.end and (c.disconnected is None or c.disconnected > window.start) for c in connections
        ):
            total += 1
        dropped = [
            c
            for c in connections
            if c.displaced and c.disconnected is not None and window.start < c.disconnected <= window.end
        ]
        if dropped:
            dropped.sort(key=lambda c: (c.disconnected, c.certificate_id), reverse=True)
            findings.append(
                Candidate(
                    resource_type="CLIENT_ID",
                    identifier={"clientId": client_id},
                    reason_code="DUPLICATE_CLIENT_ID_ACROSS_CONNECTIONS",
                    reason="Client ID was used by more than one connection at the same time.",
                    related=tuple(_related_disconnect(c) for c in dropped),
                )
            )
    return Evaluation(total, findings)


def _related_disconnect(connection: Connection) -> dict[str, Any]:
    info = {"PRINCIPAL_ID": connection.certificate_id}
    if connection.disconnected is not None:
        info["DISCONNECTION_TIME"] = milliseconds(connection.disconnected)
    return {
        "resourceType": "DEVICE_CERTIFICATE",
        "resourceIdentifier": {"deviceCertificateId": connection.certificate_id},
        "additionalInfo": info,
    }
