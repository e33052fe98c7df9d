"""Faults on demand: what a client of AWS must live with and a test can hardly wait for.

    emulator.faults.refuse("ListAuditFindings", code="ThrottlingException", times=3)
    emulator.faults.refuse("DescribeAuditTask", code="AccessDeniedException")
    emulator.faults.delay(seconds=0.5)                       # every request to AWS IoT
    emulator.faults.drop("StartOnDemandAuditTask", when="after", times=1)
    emulator.faults.clear()

Faults meet requests that come over HTTP, to any operation of AWS IoT; calls inside the process are spared.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from ddreport.emulation.service_errors import ServiceError
from ddreport.emulation.service_model import service_model
from ddreport.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

Moment = Literal["before", "after"]

MOST_SECONDS = 600.0
_MOST_TIMES = 1_000_000

_ANY_SERVICE = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "UnrecognizedClientException": 403,
}
"""Errors that every service of AWS can give, so that no model of one names them."""


class DroppedConnectionError(ConnectionError):
    """The connection is to be closed without an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; made by the methods of `Faults`.

    Attributes
    ----------
    operation
        Which operation of AWS IoT; None means all.
    times
        How often; None means until it is cleared.
    seconds
        Real seconds that the request waits.
    code, message
        Error with which it is refused.
    drop
        Whether its connection is dropped `before` or `after` it was carried out.
    """

    operation: str | None
    times: int | None
    seconds: float = 0.0
    code: str | None = None
    message: str | None = None
    drop: Moment | None = None

    def members(self) -> dict[str, Any]:
        """Return the fault as the control API tells it."""
        kind = "error" if self.code else "drop" if self.drop else "latency"
        members = {
            "kind": kind,
            "operation": self.operation,
            "times": self.times,
            "seconds": self.seconds or None,
            "code": self.code,
            "message": self.message,
            "when": self.drop,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to happen to one request: wait, then be refused, dropped, or carried out."""

    seconds: float = 0.0
    error: ServiceError | None = None
    drop: Moment | None = None


class Faults:
    """The faults of one emulator, in the order in which they were added; may be used by many threads."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._left: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def delay(self, operation: str | None = None, *, seconds: float, times: int | None = None) -> str:
        """Let requests wait for so many real seconds, at most 600; return the fault's id (`InputError`)."""
        if not 0 < seconds <= MOST_SECONDS:
            raise InputError(f"the delay is {seconds} seconds; allowed: more than 0, at most {MOST_SECONDS:g}.")
        return self._add(Fault(operation, times, seconds=seconds))

    def refuse(
        self,
        operation: str | None = None,
        *,
        code: str = "InternalFailureException",
        message: str | None = None,
        times: int | None = None,
    ) -> str:
        """Refuse requests with an error of AWS; return the fault's id.

        Parameters
        ----------
        operation
            Such as `ListAuditFindings`; None means every operation of AWS IoT.
        code
            Any error of AWS IoT's service model, `AccessDeniedException`, `ExpiredTokenException`,
            `InvalidSignatureException` or `UnrecognizedClientException`.
        message
            None means a fitting one.
        times
            How often; None means until cleared.

        Raises
        ------
        InputError
            There is no such operation or error, or `times` is below 1.
        """
        if code not in error_statuses():
            raise InputError(f"{code[:80]!r} is no error of AWS IoT.{did_you_mean(code, error_statuses())}")
        return self._add(Fault(operation, times, code=code, message=message))

    def drop(self, operation: str | None = None, *, when: Moment = "before", times: int | None = None) -> str:
        """Close connections without an answer, `before` or `after` the request was carried out; return the id."""
        if when not in get_args(Moment):
            raise InputError(f"a connection cannot be dropped {when!r}; allowed: 'before' and 'after'.")
        return self._add(Fault(operation, times, drop=when))

    def active(self) -> dict[str, Fault]:
        """Return the faults that are still to happen, by id; `times` is what is left."""
        with self._lock:
            return {key: replace(fault, times=self._left.get(key)) for key, fault in self._faults.items()}

    def restore(self, faults: Mapping[str, Fault]) -> None:
        """Put faults in the place of all there are, under their ids, as `active` told them."""
        with self._lock:
            self._faults = dict(faults)
            self._left = {key: fault.times for key, fault in faults.items() if fault.times is not None}
            self._numbers = itertools.count(1 + max((int(key) for key in faults if key.isdecimal()), default=0))

    def clear(self, fault_id: str | None = None) -> int:
        """Take back one fault or all; return how many there were (`InputError` for an id that is not active)."""
        with self._lock:
            if fault_id is not None and fault_id not in self._faults:
                raise InputError(f"there is no fault {fault_id[:40]!r}; active: {', '.join(self._faults) or 'none'}.")
            gone = [fault_id] if fault_id is not None else list(self._faults)
            for key in gone:
                self._forget(key)
            return len(gone)

    def take(self, operation: str) -> Outcome:
        """Return what is to happen to one request, and count it.

        All delays add up; of errors and drops the first one counts, and only that one is used up.
        """
        seconds = 0.0
        with self._lock:
            for key, fault in list(self._faults.items()):
                if fault.operation not in (None, operation):
                    continue
                self._use(key)
                if fault.drop is not None:
                    return Outcome(seconds, drop=fault.drop)
                if fault.code is not None:
                    return Outcome(seconds, error=_error(fault, operation))
                seconds += fault.seconds
        return Outcome(min(seconds, MOST_SECONDS))

    def _add(self, fault: Fault) -> str:
        operations = service_model().operation_names
        if fault.operation is not None and fault.operation not in operations:
            raise InputError(
                f"{fault.operation[:80]!r} is no operation of AWS IoT.{did_you_mean(fault.operation, operations)}"
            )
        if fault.times is not None and not 1 <= fault.times <= _MOST_TIMES:
            raise InputError(f"times is {fault.times}; allowed: 1 to {_MOST_TIMES}, or None for always.")
        with self._lock:
            key = str(next(self._numbers))
            self._faults[key] = fault
            if fault.times is not None:
                self._left[key] = fault.times
        return key

    def _use(self, key: str) -> None:
        if key in self._left:
            self._left[key] -= 1
            if self._left[key] == 0:
                self._forget(key)

    def _forget(self, key: str) -> None:
        del self._faults[key]
        self._left.pop(key, None)


def error_statuses() -> Mapping[str, int]:
    """Return the errors that a fault can have, with their HTTP statuses."""
    modelled = {str(e.name): int(e.metadata["error"]["httpStatusCode"]) for e in service_model().error_shapes}
    return modelled | _ANY_SERVICE


def _error(fault: Fault, operation: str) -> ServiceError:
    code = str(fault.code)
    texts = {
        "AccessDeniedException": f"User is not authorized to perform: iot:{operation}",
        "ThrottlingException": "Rate exceeded",
    }
    message = fault.message or texts.get(code, "The emulator was told to answer so.")
    kind = type("InjectedError", (ServiceError,), {"code": code, "status": error_statuses()[code]})
    error: ServiceError = kind(message)
    return error
