"""The control API under `/_ddreport/`: what an emulator can be told that AWS cannot.

- `GET /_ddreport/health`: `{"account", "region", "now", "version"}`
- `POST /_ddreport/advance` with `{"seconds": 86400}`: moves the time forward, with everything on the way
- `POST /_ddreport/save` with `{}`: saves the state to the file that the emulator was started with
- `POST /_ddreport/connections` with `{"connections": [{"certificateId", "clientId", "connected", "disconnected"}]}`:
  MQTT connections as the broker saw them; times as ISO 8601; `disconnected` may be
  missing, `account` and `region` beside the list too
- `POST /_ddreport/crls` with `{"crls": ["-----BEGIN X509 CRL..."]}`: revocation lists, PEM or Base64 of DER
- `POST /_ddreport/certificates` with `{"certificates": ["-----BEGIN CERTIFICATE..."]}`: authorities above the devices
- `POST /_ddreport/service-use` with `{"uses": [{"roleArn", "service", "when"}]}`: IAM's last-accessed data; `when` is
  ISO 8601 and now where it is missing
- `POST /_ddreport/identities` with `{"connections": [{"identityPoolId", "when", "authenticated"}]}`: Cognito identities
  that were connected to the broker
- `POST /_ddreport/confirm-subscription` with `{"topicArn", "endpoint"}`: somebody confirms the subscription of their
  e-mail address
- `POST /_ddreport/weak-keys` with `{"moduli": ["c0ffee..."], "fingerprints": ["0123456789abcdef0123"]}`: further
  keys of Debian's broken OpenSSL
- `POST /_ddreport/faults` lets things go wrong (`ddreport.emulation.faults`), with one of
  `{"kind": "latency", "seconds": 0.5}`, `{"kind": "error", "code": "InternalFailureException"}`,
  `{"kind": "drop", "when": "before"}` (or `"after"` the request was carried out), each with an `operation` (else all)
  and `times` (else until cleared), or `{"kind": "check", "checkName", "errorCode": "INSUFFICIENT_PERMISSIONS"}`
- `GET /_ddreport/faults` lists them; `POST /_ddreport/faults/clear` with `{"id": "1"}` clears one, with `{}` all
- `POST /_ddreport/settings` with any of `auditSeconds`, `executionSeconds`, `dataCollectionSeconds` (how long a check
  that is enabled from now on waits for its data) and `throttle` (AWS's request rates); answers all of them

Observations are recorded in the emulator's own account and Region unless the body names an `account` and a `region`.
Bodies must be sent as `application/json`, which a web page of another origin cannot do unasked.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ddreport.emulation import fault_routes, observation_routes
from ddreport.errors import DDReportError, EmulatorError
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation.emulator import Emulator

    Handler = Callable[[Emulator, dict[str, Any]], dict[str, Any]]

PREFIX = "/_ddreport/"
_MOST_BYTES = 16 * 1024 * 1024
_MOST_SECONDS = 366 * 24 * 3600

Answer = tuple[HTTPStatus, dict[str, Any]]


class _RefusalError(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def answer(emulator: Emulator, environ: dict[str, Any]) -> Answer:
    """Answer one request to the control API."""
    route = (environ["REQUEST_METHOD"], environ.get("PATH_INFO", "").removeprefix(PREFIX))
    try:
        handler = _handler(route)
        body = _body(environ) if route[0] == "POST" else {}
        with emulator.lock:
            emulator.tick()
            return HTTPStatus.OK, handler(emulator, body)
    except _RefusalError as refusal:
        return refusal.status, {"message": str(refusal)}
    except DDReportError as error:
        return HTTPStatus.BAD_REQUEST, {"message": str(error)}


def _handler(route: tuple[str, str]) -> Handler:
    if route not in _ROUTES:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in _ROUTES)
        raise _RefusalError(HTTPStatus.NOT_FOUND, f"There is only: {known}.")
    return _ROUTES[route]


def _body(environ: dict[str, Any]) -> dict[str, Any]:
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip() != "application/json":
        raise _RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")
    length = environ.get("CONTENT_LENGTH") or "0"
    size = int(length) if length.isdecimal() else 0
    if size > _MOST_BYTES:
        raise _RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {_MOST_BYTES} bytes.")
    try:
        body = json.loads(environ["wsgi.input"].read(size) or b"{}")
    except (ValueError, RecursionError) as exc:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from exc
    if not isinstance(body, dict):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, "The body must be an object.")
    return body


def _health(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    return {
        "account": emulator.account,
        "region": emulator.region,
        "now": emulator.now().isoformat(),
        "version": __version__,
    }


def _advance(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    seconds = body.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _MOST_SECONDS:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"seconds must be a number from 0 to {_MOST_SECONDS}.")
    emulator.advance(timedelta(seconds=seconds))
    return _health(emulator, {})


def _save(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    del body
    if emulator.on_save is None:
        raise _RefusalError(HTTPStatus.CONFLICT, "The emulator keeps its state in no file; start it with --state FILE.")
    try:
        saved = emulator.on_save()
    except EmulatorError as error:
        raise _RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
    return {
        "file": str(saved.path),
        "bytes": saved.size,
        "now": saved.now.isoformat(),
        "leftOut": saved.left_out,
    }


def _connections(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    rows = body.get("connections")
    if not isinstance(rows, list):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, "connections must be a list.")
    place = {"account": _text(body, "account"), "region": _text(body, "region")}
    # All are read before any is recorded, so that a refused call changes nothing.
    read = [_connection(row, position) for position, row in enumerate(rows, start=1)]
    for certificate_id, client_id, connected, disconnected in read:
        emulator.connect_device(certificate_id, client_id, connected, disconnected, **place)
    return {"recorded": len(read)}


def _connection(row: Any, position: int) -> tuple[str, str, datetime, datetime | None]:
    where = f"connection {position}"
    if not isinstance(row, dict):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{where} must be an object.")
    certificate_id, client_id = _text(row, "certificateId"), _text(row, "clientId")
    connected, disconnected = _moment(row, "connected", where), _moment(row, "disconnected", where)
    if certificate_id is None or client_id is None or connected is None:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{where} requires certificateId, clientId and connected.")
    if disconnected is not None and disconnected < connected:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{where} ends before it begins.")
    return certificate_id, client_id, connected, disconnected


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{name} must be a text that is not empty.")
    return value


def _moment(row: dict[str, Any], name: str, where: str) -> datetime | None:
    text = _text(row, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{where}: {name} is not an ISO 8601 time.") from exc
    if moment.tzinfo is None:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, f"{where}: {name} has no time zone.")
    return moment


_ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "health"): _health,
    ("POST", "advance"): _advance,
    ("POST", "connections"): _connections,
    ("POST", "save"): _save,
    **observation_routes.ROUTES,
    **fault_routes.ROUTES,
}
