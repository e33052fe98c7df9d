"""The wire side: AWS IoT's requests in, its answers and errors out. What is not ours goes to moto."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.iot.responses import IoTResponse
from werkzeug.exceptions import RequestEntityTooLarge

from ddreport.emulation import world as worlds
from ddreport.emulation.audit_backend import AuditBackend, audit_backends
from ddreport.emulation.faults import DroppedConnectionError
from ddreport.emulation.routing import find_operation
from ddreport.emulation.service_errors import (
    InvalidRequestError,
    NotEmulatedError,
    NotFoundError,
    SerializationError,
    ServiceError,
    TooLargeError,
    UnknownOperationError,
)
from ddreport.emulation.service_model import encode, operation_model, parse_request
from ddreport.emulation.validation import validate_request

if TYPE_CHECKING:
    from moto.core.common_types import TYPE_RESPONSE
    from moto.core.request import Request

logger = logging.getLogger(__name__)

_MOST_BYTES = 4 * 1024 * 1024
_SHARED_ERRORS = ("InvalidToken",)
"""Errors that moto's services share, but AWS IoT does not have."""


class EmulatedIoTResponse(IoTResponse):
    """Answers one request to AWS IoT."""

    def _dispatch(self, request: Request, full_url: str | None = None, headers: Any = None) -> TYPE_RESPONSE:
        request.max_content_length = _MOST_BYTES + 1
        try:
            # Read before anyone parses it as a form: AWS IoT takes the body for JSON whatever its type is said to be.
            # A body sent in pieces is not refused by its length but cut off.
            if len(request.get_data(parse_form_data=False)) > _MOST_BYTES:
                return self._refuse(_too_large())
            self.setup_class(request, full_url, headers)
        except RequestEntityTooLarge:
            return self._refuse(_too_large())
        except UnicodeDecodeError:
            return self._refuse(SerializationError("The request body is not UTF-8."))
        return self.call_action()

    def _get_action(self) -> str:
        # AWS IoT's operations are told by method and path alone; moto would look into bodies and headers as well.
        found = find_operation(self.normalized_request.method, self.normalized_request.raw_path)
        if found is None:
            return ""
        name, self.uri_match = found
        return name

    @property
    def audit_backend(self) -> AuditBackend:
        """Audit of the account that the credentials reach, in the Region that the request was signed for."""
        account = audit_backends[self.current_account]
        if self.region not in account:
            raise InvalidRequestError(f"There is no AWS IoT in Region {self.region[:32]!r}.")
        return account[self.region]

    def call_action(self) -> TYPE_RESPONSE:
        """Carry out the operation, or let the fault happen that was asked for."""
        drop: str | None = None
        try:
            name = self._get_action()
            if not name:
                raise UnknownOperationError(f"{self.method} on this path is no operation of AWS IoT.")
            outcome = worlds.current().admit(self.current_account, self.region, name)
            drop = outcome.drop
            time.sleep(outcome.seconds)
            if outcome.error is not None:
                raise outcome.error
            if drop != "before":
                answer = self._carry_out(name)
        except ServiceError as error:
            answer = self._refuse(error)
        if drop is not None:
            raise DroppedConnectionError(f"dropped {drop} the request was carried out")
        return answer

    def _carry_out(self, name: str) -> TYPE_RESPONSE:
        model = operation_model(name)
        with worlds.current().lock:
            backend = self.audit_backend
            params = parse_request(
                model,
                path=self.uri_match,
                query=self.normalized_request.args.to_dict(),
                headers={header.lower(): value for header, value in self.normalized_request.headers.items()},
                body=self.raw_body,
            )
            if name in backend.operations:
                return self._reply(200, encode(backend.call(name, params)))
            return self._by_moto(name, params)

    def _by_moto(self, name: str, params: dict[str, Any]) -> TYPE_RESPONSE:
        if not hasattr(self, xform_name(name)):
            raise NotEmulatedError(f"The emulator does not emulate iot:{name}.")
        # moto takes much on trust that AWS does not.
        validate_request(operation_model(name), params)
        try:
            answer = super().call_action()
        except NotImplementedError as exc:
            raise NotEmulatedError(f"The emulator does not emulate iot:{name}.") from exc
        except KeyError as exc:
            # What moto looks up without asking whether it is there.
            raise NotFoundError("The resource does not exist.") from exc
        except (TypeError, ValueError) as exc:
            # What moto expects although AWS does not require it, or converts without looking.
            logger.info("moto did not understand a request for iot:%s: %r", name, exc)
            raise InvalidRequestError("A member of the request is not valid.") from exc
        if _error_type(answer) in _SHARED_ERRORS:
            raise InvalidRequestError("The nextToken is malformed or belongs to another request.")
        return answer

    def _refuse(self, error: ServiceError) -> TYPE_RESPONSE:
        body = encode({"message": error.message} | error.members)
        return self._reply(error.status, body, {"x-amzn-ErrorType": error.code})

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> TYPE_RESPONSE:
        world = worlds.current()
        request_id = world.ids.uuid("request", str(world.next_request()))
        standard = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
        return status, standard | (headers or {}), body


def _error_type(answer: TYPE_RESPONSE) -> str:
    _, headers, _ = answer
    return next((str(value) for name, value in headers.items() if name.lower() == "x-amzn-errortype"), "")


def _too_large() -> TooLargeError:
    return TooLargeError(f"The request body may have {_MOST_BYTES} bytes.")
