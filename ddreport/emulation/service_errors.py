"""Errors as AWS IoT answers them: a code, an HTTP status, a message, sometimes more members."""

from __future__ import annotations

from typing import Any, ClassVar


class ServiceError(Exception):
    """Base of everything that the emulated service refuses; becomes an HTTP answer at the wire.

    Attributes
    ----------
    code, status
        The name in `x-amzn-ErrorType` and the HTTP status.
    members
        Further members of the body beside `message`.
    """

    code: ClassVar[str] = "InternalFailureException"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class InvalidRequestError(ServiceError):
    """Malformed or inconsistent parameters, or a resource in the wrong state."""

    code = "InvalidRequestException"
    status = 400


class SerializationError(ServiceError):
    """The body is not what the protocol asks for: no JSON, or JSON of another type."""

    code = "SerializationException"
    status = 400


class InvalidQueryError(ServiceError):
    """A query of the fleet index that cannot be understood."""

    code = "InvalidQueryException"
    status = 400


class IndexNotReadyError(ServiceError):
    """The fleet index is not there (yet)."""

    code = "IndexNotReadyException"
    status = 400


class TooLargeError(ServiceError):
    """More bytes than any request to AWS IoT needs."""

    code = "RequestEntityTooLargeException"
    status = 413


class ThrottlingError(ServiceError):
    """More requests than the published rate."""

    code = "ThrottlingException"
    status = 400


class TaskAlreadyExistsError(ServiceError):
    """A mitigation task with this id was started with another client token."""

    code = "TaskAlreadyExistsException"
    status = 400


class CertificateValidationError(ServiceError):
    """A PEM that is not an X.509 certificate."""

    code = "CertificateValidationException"
    status = 400


class MalformedPolicyError(ServiceError):
    """A policy document that is none."""

    code = "MalformedPolicyException"
    status = 400


class NotFoundError(ServiceError):
    """No such task, finding, schedule, action, suppression, certificate."""

    code = "ResourceNotFoundException"
    status = 404


class NotConfiguredError(ServiceError):
    """V2 logging was never configured."""

    code = "NotConfiguredException"
    status = 404


class AlreadyExistsError(ServiceError):
    """The name or the suppression exists; members `resourceId` and `resourceArn`."""

    code = "ResourceAlreadyExistsException"
    status = 409


class LimitExceededError(ServiceError):
    """A quota is reached."""

    code = "LimitExceededException"
    status = 410


class InternalFailureError(ServiceError):
    """The service itself failed."""


class NotEmulatedError(ServiceError):
    """An operation of AWS IoT that neither moto nor this package emulates.

    AWS has no such answer; 501 is not retried by the SDKs, so that the caller sees it at once.
    """

    code = "NotImplementedException"
    status = 501


class UnknownOperationError(ServiceError):
    """Method and path that no operation of the service has."""

    code = "UnknownOperationException"
    status = 404
