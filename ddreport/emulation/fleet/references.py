"""Finds in a fleet's description what contradicts itself: names that nothing has, spans that end before they begin.

The types of the description know what one value may be; here is what only several values together can tell, before
anything is built. What can only show up while the history is played (an audit that is not configured yet) is told then,
with the same place.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.fleet import events
from ddreport.emulation.fleet.policies import iot_document
from ddreport.emulation.policy import PolicyError, parse_policy
from ddreport.errors import EmulatorError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddreport.emulation.fleet.description import FleetDescription, ProductLine

    Problem = tuple[str, str]

_TOLD = 5


def event_place(number: int, event: events.Event) -> str:
    """Return how messages call an event: its number counted from 0, as in all places, its day and what it does."""
    tag = type(event).__struct_config__.tag
    return f"events[{number}] (day {event.day}, {tag})"


def check_references(description: FleetDescription) -> None:
    """Raise `EmulatorError` where a description contradicts itself; the message names the first few places."""
    problems = [f"{place}: {what}" for place, what in _problems(description)]
    if problems:
        rest = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        raise EmulatorError(
            f"{description.source} describes a fleet that cannot be built: {'; '.join(problems[:_TOLD])}{rest}.",
            hint="docs/fleet-file.md explains every key.",
        )


def _problems(description: FleetDescription) -> Iterator[Problem]:
    yield from _twice("regions", (site for region in description.regions for site in region.sites), what="site")
    yield from _twice("regions", (region.name for region in description.regions), what="region")
    yield from _twice("authorities", (authority.name for authority in description.authorities), what="authority")
    yield from _twice("lines", (line.key for line in description.lines), what="line")
    yield from _twice("lines", (kind for line in description.lines for kind in line.thing_types), what="thing type")
    yield from _twice("lines", (odd.thing for line in description.lines for odd in line.odd), what="thing")
    yield from _authorities(description)
    for number, line in enumerate(description.lines):
        yield from _line(description, line, f"lines[{number}]")
    yield from _policies(description)
    for name, pool in description.identity_pools.items():
        for document in filter(None, (pool.guests, pool.users)):
            yield from _unknown(f"identity_pools.{name}", document, description.documents, what="document")
    yield from _events(description)


def _twice(place: str, names: Iterable[str], *, what: str) -> Iterator[Problem]:
    for name, number in Counter(names).items():
        if number > 1:
            yield place, f"the {what} {name!r} is described {number} times"


def _unknown(place: str, name: str, known: Iterable[str], *, what: str) -> Iterator[Problem]:
    names = list(known)
    if name not in names:
        yield place, f"there is no {what} {name!r}.{did_you_mean(name, names)}".rstrip(".")


def _authorities(description: FleetDescription) -> Iterator[Problem]:
    registered = {event.authority for event in description.events if isinstance(event, events.RegisterAuthority)}
    for number, authority in enumerate(description.authorities):
        place = f"authorities[{number}].valid_days"
        first, last = authority.valid_days
        if last <= first:
            yield place, f"the validity ends on day {last}, which is not after day {first}"
        if first >= 0 and authority.name not in registered:
            yield place, f"{authority.name!r} begins inside the history, so it needs an event register_authority"


def _line(description: FleetDescription, line: ProductLine, place: str) -> Iterator[Problem]:
    sites = [site for region in description.regions for site in region.sites]
    for site in line.sites:
        yield from _unknown(f"{place}.sites", site, sites, what="site")
    yield from _twice(f"{place}.sites", (site[:3].upper() for site in line.sites), what="beginning of a site's name")
    for policy in line.policies:
        yield from _unknown(f"{place}.policies", policy, description.policies, what="policy")
    authorities = [authority.name for authority in description.authorities]
    yield from _unknown(f"{place}.authority", line.authority, authorities, what="authority")
    yield from _batches(line.batches, authorities, place)


def _batches(batches: Iterable[events.Batch], authorities: list[str], place: str) -> Iterator[Problem]:
    for number, batch in enumerate(batches):
        youngest, oldest = batch.age_days
        if youngest > oldest:
            yield f"{place}.batches[{number}].age_days", f"the youngest age {youngest} is above the oldest {oldest}"
        if batch.authority is not None:
            yield from _unknown(f"{place}.batches[{number}].authority", batch.authority, authorities, what="authority")


def _policies(description: FleetDescription) -> Iterator[Problem]:
    for name, statements in description.documents.items():
        try:
            parse_policy(json.loads(iot_document(statements, region="eu-west-1", account="123456789012")))
        except (PolicyError, TypeError) as exc:
            yield f"documents.{name}", f"this is no policy document: {exc}"
    for name, versions in description.policies.items():
        for shape in versions:
            yield from _unknown(f"policies.{name}", shape, description.documents, what="document")


def _events(description: FleetDescription) -> Iterator[Problem]:
    known = {
        "line": ("line", [line.key for line in description.lines]),
        "authority": ("authority", [authority.name for authority in description.authorities]),
        "policy": ("policy", list(description.policies)),
        "document": ("document", list(description.documents)),
        "role_alias": ("role alias", list(description.role_aliases)),
        "pool": ("identity pool", list(description.identity_pools)),
        "check": ("check", list(catalogue())),
        "checks": ("check", list(catalogue())),
        "all_checks_except": ("check", list(catalogue())),
        "thresholds": ("check", list(catalogue())),
        "action": ("mitigation action", list(events.ACTIONS)),
    }
    cloned = set()
    for number, event in enumerate(description.events):
        place = event_place(number, event)
        if event.day > description.days:
            yield place, f"the history ends with day {description.days}"
        for key, (what, names) in known.items():
            value = getattr(event, key, None)
            for name in [value] if isinstance(value, str) else value or ():
                yield from _unknown(f"{place}.{key}", name, names, what=what)
        if isinstance(event, events.IdentityRole):
            pool = description.identity_pools.get(event.pool)
            if pool is not None and getattr(pool, event.of) is None:
                yield place, f"the identity pool {event.pool!r} has no role of {event.of}"
        if isinstance(event, events.Provision):
            yield from _batches(event.batches, known["authority"][1], place)
        if isinstance(event, events.Clone):
            cloned.add((event.line, event.device))
        if isinstance(event, events.ReplaceCloned | events.Quarantine) and (event.line, event.device) not in cloned:
            yield place, f"no event clone before it has line {event.line!r} and device {event.device}"
