"""The routes of the control API that take observations; `control` says what each expects."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ddreport.emulation.audit_backend import audit_backends
from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation.emulator import Emulator

    Handler = Callable[[Emulator, dict[str, Any]], dict[str, Any]]


def _crls(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    return {"published": emulator.publish_crl(*_files(body, "crls"), **_place(body))}


def _certificates(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    return {"published": emulator.publish_certificate(*_files(body, "certificates"), **_place(body))}


def _service_use(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    read = [(_text(row, "roleArn"), _text(row, "service"), _moment(row, "when")) for row in _rows(body, "uses")]
    for role_arn, service, when in read:
        emulator.use_service(role_arn, service, when)
    return {"recorded": len(read)}


def _identities(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    read = []
    for row in _rows(body, "connections"):
        authenticated = row.get("authenticated")
        if not isinstance(authenticated, bool):
            raise InputError("authenticated must be true or false.")
        read.append((_text(row, "identityPoolId"), _moment(row, "when"), authenticated))
    for pool_id, when, authenticated in read:
        emulator.connect_identity(pool_id, when, authenticated=authenticated, **_place(body))
    return {"recorded": len(read)}


def _confirmations(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    arn = emulator.confirm_subscription(_text(body, "topicArn"), _text(body, "endpoint"), **_place(body))
    return {"subscriptionArn": arn}


def _weak_keys(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    moduli = []
    for text in _texts(body, "moduli"):
        try:
            moduli.append(int(text.replace(":", ""), 16))
        except ValueError as exc:
            raise InputError("a modulus must be written in hex.") from exc
    added = emulator.add_weak_keys(moduli=moduli, fingerprints=_texts(body, "fingerprints"), **_place(body))
    return {"added": added}


def _files(body: dict[str, Any], name: str) -> list[str | bytes]:
    """Return files that were sent as PEM, or as DER in Base64."""
    if name not in body:
        raise InputError(f"{name} must be a list of texts.")
    files: list[str | bytes] = []
    for text in _texts(body, name):
        if "-----BEGIN" in text:
            files.append(text)
        else:
            try:
                files.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError) as exc:
                raise InputError(f"{name} must be PEM, or DER in Base64.") from exc
    return files


def _texts(body: dict[str, Any], name: str) -> list[str]:
    values = body.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"{name} must be a list of texts.")
    return values


def _rows(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = body.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{name} must be a list of objects.")
    return rows


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} must be a text that is not empty.")
    return value


def _moment(row: dict[str, Any], name: str) -> datetime | None:
    if name not in row:
        return None
    try:
        return datetime.fromisoformat(_text(row, name))
    except ValueError as exc:
        raise InputError(f"{name} is not an ISO 8601 time.") from exc


def _place(body: dict[str, Any]) -> dict[str, str]:
    place: dict[str, str] = {name: _text(body, name) for name in ("account", "region") if name in body}
    if not re.fullmatch(r"\d{12}", place.get("account", "0" * 12)):
        raise InputError("account must have 12 digits.")
    if place.get("region", "eu-west-1") not in audit_backends[place.get("account", "0" * 12)]:
        raise InputError(f"there is no AWS IoT in Region {place['region'][:32]!r}.")
    return place


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "crls"): _crls,
    ("POST", "certificates"): _certificates,
    ("POST", "service-use"): _service_use,
    ("POST", "identities"): _identities,
    ("POST", "confirm-subscription"): _confirmations,
    ("POST", "weak-keys"): _weak_keys,
}
