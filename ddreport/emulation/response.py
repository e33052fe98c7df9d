"""The wire side: AWS IoT's requests in, its answers and errors out. What is not ours goes to moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.iot.responses import IoTResponse

from ddreport.emulation import world as worlds
from ddreport.emulation.audit_backend import AuditBackend, audit_backends
from ddreport.emulation.routing import find_operation
from ddreport.emulation.service_errors import (
    InvalidRequestError,
    NotEmulatedError,
    SerializationError,
    ServiceError,
    TooLargeError,
    UnknownOperationError,
)
from ddreport.emulation.service_model import encode, operation_model, parse_request

if TYPE_CHECKING:
    from moto.core.common_types import TYPE_RESPONSE
    from moto.core.request import Request


_MOST_BYTES = 4 * 1024 * 1024


class EmulatedIoTResponse(IoTResponse):
    """Answers one request to AWS IoT."""

    def _dispatch(self, request: Request, full_url: str | None = None, headers: Any = None) -> TYPE_RESPONSE:
        if (request.content_length or 0) > _MOST_BYTES:
            return self._refuse(TooLargeError(f"The request body may have {_MOST_BYTES} bytes."))
        if request.content_encoding != "gzip":
            # Read before anyone parses it as a form: AWS IoT takes the body for JSON whatever its type is said to be.
            request.get_data(parse_form_data=False)
        try:
            self.setup_class(request, full_url, headers)
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
        """Carry out the operation."""
        with worlds.current().lock:
            try:
                name = self._get_action()
                if not name:
                    raise UnknownOperationError(f"{self.method} on this path is no operation of AWS IoT.")
                backend = self.audit_backend
                if name not in backend.operations:
                    return self._by_moto(name)
                params = parse_request(
                    operation_model(name),
                    path=self.uri_match,
                    query=self.normalized_request.args.to_dict(),
                    body=self.raw_body,
                )
                return self._reply(200, encode(backend.call(name, params)))
            except ServiceError as error:
                return self._refuse(error)

    def _by_moto(self, name: str) -> TYPE_RESPONSE:
        try:
            return super().call_action()
        except NotImplementedError as exc:
            raise NotEmulatedError(f"The emulator does not emulate iot:{name}.") from exc

    def _refuse(self, error: ServiceError) -> TYPE_RESPONSE:
        body = encode({"message": error.message} | error.members)
        return self._reply(error.status, body, {"x-amzn-ErrorType": error.code})

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> TYPE_RESPONSE:
        world = worlds.current()
        request_id = world.ids.uuid("request", str(world.next_request()))
        standard = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
        return status, standard | (headers or {}), body
