"""A fleet as a file says it: the company, its devices, policies and authorities, and the events of its history."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ddreport.emulation.fleet.events import AnyEvent, Batch  # noqa: TC001 (msgspec reads the annotations)
from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

_Item = TypeVar("_Item")


class Company(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose fleet it is: members of every certificate's subject."""

    organization: str
    country: str


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A region and its sites; both become thing groups."""

    name: str
    sites: tuple[str, ...]


class AuthorityDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate authority; `valid_days` are the first and the last day of its certificate.

    It is registered on its first day, or, where that lies inside the history, by an event.
    """

    name: str
    valid_days: tuple[int, int]
    status: str = "ACTIVE"


class OddDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device whose names test the readers of the account."""

    thing: str
    common_name: str


class ProductLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Devices of one kind. `prefix` begins their names, `key` names their groups."""

    key: str
    product: str
    prefix: str
    thing_types: tuple[str, ...]
    sites: tuple[str, ...]
    authority: str
    policies: tuple[str, ...]
    firmware: tuple[str, ...]
    batches: tuple[Batch, ...]
    odd: tuple[OddDevice, ...] = ()


class FleetDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a fleet's file says.

    `documents` holds statements by the name of their shape, `policies` the shapes of a policy's versions (oldest
    first, the last one is the default), `role_aliases` the IAM actions behind each role alias.
    """

    company: Company
    regions: tuple[Region, ...]
    authorities: tuple[AuthorityDescription, ...]
    lines: tuple[ProductLine, ...]
    documents: dict[str, list[dict[str, Any]]]
    policies: dict[str, tuple[str, ...]]
    role_aliases: dict[str, tuple[str, ...]]
    events: tuple[AnyEvent, ...]

    def line(self, key: str) -> ProductLine:
        """Return the product line with this key (`EmulatorError` when there is none)."""
        return _named(key, {line.key: line for line in self.lines}, what="product line")

    def authority(self, name: str) -> AuthorityDescription:
        """Return the authority with this name (`EmulatorError` when there is none)."""
        return _named(name, {item.name: item for item in self.authorities}, what="authority")

    def statements(self, document: str) -> list[dict[str, Any]]:
        """Return the statements of a shape of policy documents (`EmulatorError` when there is none)."""
        return _named(document, self.documents, what="policy document")


def _named(name: str, items: Mapping[str, _Item], *, what: str) -> _Item:
    if name not in items:
        raise EmulatorError(f"the fleet's file has no {what} {name!r}; it has: {', '.join(items)}.")
    return items[name]


def parse_description(text: str, *, source: str) -> FleetDescription:
    """Read a fleet's file; `source` names it in messages.

    Raises
    ------
    EmulatorError
        Not TOML, an unknown key or event, or a value of the wrong type.
    """
    try:
        return msgspec.toml.decode(text, type=FleetDescription)
    except msgspec.DecodeError as exc:
        raise EmulatorError(f"{source} does not describe a fleet: {exc}.") from exc


def demo_description() -> FleetDescription:
    """Return the description of the built-in demo fleet."""
    text = resources.files(__package__).joinpath("demo.toml").read_text(encoding="utf-8")
    return parse_description(text, source="demo.toml")


class Calendar:
    """Turns the days of a fleet's file into moments.

    Parameters
    ----------
    as_of
        Aware datetime; its UTC day is the last one.
    last_day
        The number of that day.
    """

    def __init__(self, as_of: datetime, *, last_day: int) -> None:
        midnight = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._day_zero = midnight - timedelta(days=last_day)

    def at(self, day: int, clock: time = time.min) -> datetime:
        """Return the moment of a time of day, in UTC, on the day with this number."""
        since_midnight = timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)
        return self._day_zero + timedelta(days=day) + since_midnight

    def day_of(self, moment: datetime) -> int:
        """Return the number of the day that `moment` lies on."""
        return (moment - self._day_zero).days
