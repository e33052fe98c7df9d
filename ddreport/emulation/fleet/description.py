"""A fleet as a file says it: the company, its devices, policies and authorities, and the events of its history.

`docs/fleet-file.md` explains every key to the people who write such files.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ddreport.emulation.fleet import events as ev  # noqa: TC001 (msgspec reads the annotations)
from ddreport.errors import EmulatorError
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Item = TypeVar("_Item")

_NO_KEY = "(source)"


class Company(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose fleet it is: members of every certificate's subject."""

    organization: Annotated[str, Meta(min_length=1, max_length=64)]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A region and its sites; both become thing groups."""

    name: ev.Name
    sites: tuple[ev.SiteName, ...]


class AuthorityDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate authority; `valid_days` are the first and the last day of its certificate.

    It is registered on its first day, or, where that lies inside the history, by an event.
    """

    name: ev.AuthorityName
    valid_days: tuple[ev.Day, ev.Day]
    status: ev.AuthorityStatusName = "ACTIVE"


class OddDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device whose names test the readers of the account."""

    thing: ev.Name
    common_name: Annotated[str, Meta(min_length=1, max_length=64)]


class ProductLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Devices of one kind. `prefix` begins their names, `key` names their groups."""

    key: ev.Name
    product: Annotated[str, Meta(min_length=1, max_length=64)]
    prefix: ev.Name
    thing_types: Annotated[tuple[ev.Name, ...], Meta(min_length=1)]
    sites: Annotated[tuple[ev.SiteName, ...], Meta(min_length=1)]
    authority: str
    batches: Annotated[tuple[ev.Batch, ...], Meta(min_length=1)]
    policies: tuple[str, ...] = ()
    firmware: Annotated[tuple[str, ...], Meta(min_length=1)] = ("1.0.0",)
    odd: tuple[OddDevice, ...] = ()


class IdentityPoolDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Cognito identity pool: the documents of the roles of its guests and of its signed-in users."""

    guests: str | None = None
    users: str | None = None


class FleetDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a fleet's file says.

    `documents` holds statements by the name of their shape, `policies` the shapes of a policy's versions (oldest
    first, the last one is the default), `role_aliases` the IAM actions behind each role alias, `identity_pools` the
    Cognito identity pools by name. `days` is the number of the last day. `source` names the file in messages and is
    no key of it.
    """

    company: Company
    lines: tuple[ProductLine, ...]
    days: Annotated[int, Meta(ge=1, le=RETENTION_DAYS)] = RETENTION_DAYS
    regions: tuple[Region, ...] = ()
    authorities: tuple[AuthorityDescription, ...] = ()
    documents: dict[str, list[dict[str, Any]]] = {}
    policies: dict[ev.PolicyName, Annotated[tuple[str, ...], Meta(min_length=1, max_length=5)]] = {}
    role_aliases: dict[ev.Name, tuple[str, ...]] = {}
    identity_pools: dict[ev.PoolName, IdentityPoolDescription] = {}
    events: tuple[ev.AnyEvent, ...] = ()
    source: str = msgspec.field(default="the fleet's description", name=_NO_KEY)

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
        description = msgspec.toml.decode(text, type=FleetDescription)
    except msgspec.DecodeError as exc:
        # msgspec names the place as `$.lines[0].batches`; the dollar says nothing to people.
        said = str(exc).replace("`$.", "`")
        raise EmulatorError(
            f"{source} does not describe a fleet: {said}.", hint="docs/fleet-file.md explains every key."
        ) from exc
    return msgspec.structs.replace(description, source=source)


def read_description(path: Path) -> FleetDescription:
    """Read a fleet's file.

    Raises
    ------
    EmulatorError
        The file is missing, cannot be read, or does not describe a fleet.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise EmulatorError(f"{path} is not a text in UTF-8, byte {exc.start}.") from exc
    except OSError as exc:
        raise EmulatorError(f"the fleet's file {path} cannot be read: {exc.strerror or exc}.") from exc
    return parse_description(text, source=str(path))


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
