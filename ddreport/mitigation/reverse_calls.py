"""The calls that undo an action, one by one: what each does, and how a resource stands to it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.mitigation.prestate import StateKind  # noqa: TC001 - msgspec reads the annotations when it decodes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ddreport.mitigation.prestate import ResourceState

Key = tuple[str, str]
"""Of a finding and an action (ids), or of a resource (kind and id)."""


Call = tuple[str, bytes]
"""A call by its name and its arguments."""

TAKEN_BACK = "it was taken back already, and somebody has done the same to it since"
"""Why a resource that looks as the action left it is left alone all the same."""


class Operation(StrEnum):
    """The calls that undo, by AWS's names."""

    UPDATE_CERTIFICATE = "UpdateCertificate"
    UPDATE_CA_CERTIFICATE = "UpdateCACertificate"
    SET_DEFAULT_POLICY_VERSION = "SetDefaultPolicyVersion"
    DELETE_POLICY_VERSION = "DeletePolicyVersion"
    REMOVE_THING_FROM_THING_GROUP = "RemoveThingFromThingGroup"
    SET_V2_LOGGING_OPTIONS = "SetV2LoggingOptions"


class Standing(StrEnum):
    """How a resource stands to the call that would undo what was done to it."""

    TO_DO = "TO_DO"
    """It is as the action left it."""

    DONE = "DONE"
    """It is as it was before."""

    CHANGED = "CHANGED"
    """Somebody has changed it since; it is left alone."""

    GONE = "GONE"
    """It does not exist any more."""


class UndoResult(StrEnum):
    """How one call that undoes ended."""

    DONE = "DONE"
    """The resource was given back what it had."""

    ALREADY = "ALREADY"
    """It had it already; nothing was sent."""

    LEFT = "LEFT"
    """Somebody has changed it since the action; nothing was sent."""

    GONE = "GONE"
    """It does not exist any more."""

    FAILED = "FAILED"
    """AWS refused; the next run tries again."""


class ReverseOperation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call that undoes one change of one resource.

    Attributes
    ----------
    number
        Its place in the order, from 1.
    arguments
        Of the call, with AWS's names.
    expected, wanted
        Values of the resource's state (`prestate`) as the action left them, and as the call makes them.
    words
        What it does.
    finding_ids
        Findings whose treatment it undoes.
    """

    number: int
    operation: Operation
    kind: StateKind
    resource_id: str
    arguments: dict[str, Any]
    expected: dict[str, Any]
    wanted: dict[str, Any]
    words: str
    finding_ids: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Kind and id of the resource."""
        return str(self.kind), self.resource_id

    @property
    def call(self) -> Call:
        """The call and its arguments, which tell it from every other change of the resource."""
        return str(self.operation), msgspec.json.encode(self.arguments, order="deterministic")


def stand(operation: ReverseOperation, now: ResourceState) -> tuple[Standing, str]:
    """Tell how a resource stands to the call that would undo what was done to it, and what is so about it."""
    if now.is_gone:
        return Standing.GONE, "it does not exist any more"
    return _STAND[operation.operation](operation, now.value)


def _stand_certificate(operation: ReverseOperation, value: Mapping[str, Any]) -> tuple[Standing, str]:
    status = value["status"]
    if status == operation.wanted["status"]:
        return Standing.DONE, f"it is {status} already"
    if status == operation.expected["status"]:
        return Standing.TO_DO, ""
    return Standing.CHANGED, f"the action left it {operation.expected['status']}, and now it is {status}"


def _stand_default_version(operation: ReverseOperation, value: Mapping[str, Any]) -> tuple[Standing, str]:
    old, now = operation.wanted["default_version_id"], value["default_version_id"]
    if now == old:
        return Standing.DONE, f"version {old} is the default one already"
    if now != operation.expected["default_version_id"] or not value["is_blank"]:
        return Standing.CHANGED, f"somebody has made version {now} the default one since"
    if old not in value["version_ids"]:
        return Standing.CHANGED, f"version {old}, which was the default one before, does not exist any more"
    return Standing.TO_DO, ""


def _stand_delete_version(operation: ReverseOperation, value: Mapping[str, Any]) -> tuple[Standing, str]:
    version, now = operation.wanted["without_version_id"], value["default_version_id"]
    if version not in value["version_ids"]:
        return Standing.DONE, f"version {version} does not exist any more"
    if now != operation.expected["default_version_id"]:
        return Standing.CHANGED, f"version {now} is the default one"
    return Standing.TO_DO, ""


def _stand_group(operation: ReverseOperation, value: Mapping[str, Any]) -> tuple[Standing, str]:
    (name,) = operation.expected["groups"]
    if name in value["groups"]:
        return Standing.TO_DO, ""
    return Standing.DONE, f"it is not in the thing group {name}"


def _stand_logging(operation: ReverseOperation, value: Mapping[str, Any]) -> tuple[Standing, str]:
    if all(value.get(name) == wanted for name, wanted in operation.wanted.items()):
        return Standing.DONE, "the logging options are as they were"
    if all(value.get(name) == left for name, left in operation.expected.items()):
        return Standing.TO_DO, ""
    told = ", ".join(f"{name} {in_words(v)}" for name, v in value.items() if name != "configured")
    return Standing.CHANGED, f"somebody has changed the logging options since: {told or 'none are set'}"


_STAND: dict[Operation, Callable[[ReverseOperation, Mapping[str, Any]], tuple[Standing, str]]] = {
    Operation.UPDATE_CERTIFICATE: _stand_certificate,
    Operation.UPDATE_CA_CERTIFICATE: _stand_certificate,
    Operation.SET_DEFAULT_POLICY_VERSION: _stand_default_version,
    Operation.DELETE_POLICY_VERSION: _stand_delete_version,
    Operation.REMOVE_THING_FROM_THING_GROUP: _stand_group,
    Operation.SET_V2_LOGGING_OPTIONS: _stand_logging,
}


def in_words(value: Any) -> str:
    """Return a value as AWS's own texts write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
