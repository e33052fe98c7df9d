"""What the components of the service have in common: where they live, and how their operations are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.world import World

Params = dict[str, Any]
"""Members of a request: the model's names, Python types, times as aware datetimes."""

Reply = dict[str, Any]
"""Members of a response as they go over the wire: times as epoch seconds, nothing that is absent."""

_Method = TypeVar("_Method", bound="Callable[..., Reply]")

_MARK = "__operation__"


def operation(name: str) -> Callable[[_Method], _Method]:
    """Mark a method as the implementation of an operation of the service model."""

    def mark(method: _Method) -> _Method:
        setattr(method, _MARK, name)
        return method

    return mark


class Component:
    """A part of the service in one account and Region."""

    def __init__(self, backend: AuditBackend) -> None:
        self.backend = backend

    @property
    def world(self) -> World:
        """The emulated world."""
        return self.backend.world

    def now(self) -> datetime:
        """Return the present moment."""
        return self.backend.world.now()

    def operations(self) -> dict[str, Callable[[Params], Reply]]:
        """Return this component's operations by name."""
        found = {}
        for name in dir(type(self)):
            operation_name = getattr(getattr(type(self), name), _MARK, None)
            if operation_name:
                found[operation_name] = getattr(self, name)
        return found


def present(**members: Any) -> Reply:
    """Return the members that have a value: AWS leaves absent members out instead of sending null."""
    return {name: value for name, value in members.items() if value is not None}
