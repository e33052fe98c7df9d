"""Builds a described fleet in an emulated account and plays its history, day by day, up to a moment.

Everything follows from the description, the seed and the UTC day of `as_of`, so the same three give the same account,
byte for byte, and two moments of one day share their past.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ddreport.emulation.clock import ManualClock, RunningClock, utc
from ddreport.emulation.emulator import Emulator

# Imported for what they register: the handlers of the events.
from ddreport.emulation.fleet import access_events, audit_events, device_events  # noqa: F401
from ddreport.emulation.fleet.description import Calendar
from ddreport.emulation.fleet.references import check_references, event_place
from ddreport.emulation.fleet.stage import Stage
from ddreport.errors import EmulatorError, InputError
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from random import Random

    from ddreport.emulation.fleet.description import FleetDescription
    from ddreport.emulation.fleet.events import Batch

AUDIT_DURATION = timedelta(seconds=74)
"""Emulated time that an audit of the history takes; AWS says about a minute for a small account."""

_DAY = 24 * 3600
_OLDEST_ROLE_ALIAS = 900
_LEAST_PAST = 11
"""Days before day 1 that even a fleet without old devices has, for its policies to be made in."""


@dataclass(frozen=True)
class FleetSummary:
    """What was built.

    Attributes
    ----------
    resources
        Number of resources by kind, such as `certificates`, `things` or `policies`.
    audits
        Number of audit tasks, whatever became of them.
    begins
        Where the history begins: midnight of day 1, UTC.
    as_of
        Where it ends; the emulator's clock stands here.
    seconds
        Real time that the building took.
    """

    resources: dict[str, int]
    audits: int
    begins: datetime
    as_of: datetime
    seconds: float

    @property
    def resource_count(self) -> int:
        """Number of resources of all kinds."""
        return sum(self.resources.values())


def fleet_emulator(
    description: FleetDescription,
    *,
    as_of: datetime,
    seed: int,
    account: str = "123456789012",
    region: str = "eu-west-1",
    speed: float = 1.0,
) -> Emulator:
    """Return a new emulator with a fleet in it, whose clock runs on from `as_of`.

    Parameters
    ----------
    description
        The fleet (`description.read_description` reads a file).
    as_of, seed
        As for `build_fleet`, with the same errors.
    account, region
        Where the fleet lives.
    speed
        Emulated seconds per real second from `as_of` on.
    """
    check_references(description)
    as_of = utc(as_of, what="as_of")
    start = first_moment(description, as_of=as_of)
    emulator = Emulator(ManualClock(start), account=account, region=region, seed=seed)
    try:
        build_fleet(emulator, description, as_of=as_of, seed=seed)
        emulator.use_clock(RunningClock(as_of, speed))
    except BaseException:
        emulator.close()
        raise
    return emulator


def first_moment(description: FleetDescription, *, as_of: datetime, days: int | None = None) -> datetime:
    """Return where the clock of an emulator must stand, or before, for the fleet to be built in it.

    The oldest resources were made years before the first audit, and an emulator's clock only moves forward.
    """
    first = [0, *(authority.valid_days[0] for authority in description.authorities)]
    first.append(-_oldest_device(description) - 5)
    if description.role_aliases or description.identity_pools:
        first.append(1 - _OLDEST_ROLE_ALIAS)
    first += (event.day for event in description.events)
    return _calendar(as_of, description.days if days is None else days).at(min(first))


def build_fleet(
    emulator: Emulator, description: FleetDescription, *, as_of: datetime, seed: int, days: int | None = None
) -> FleetSummary:
    """Build a fleet and play its history up to `as_of`; every audit on the way is really evaluated on its own day.

    Parameters
    ----------
    emulator
        An empty one whose `ManualClock` stands at `first_moment` or before. Afterwards it stands at `as_of`.
    description
        The fleet.
    as_of
        Aware datetime on the fleet's last day.
    seed
        Decides names, keys, dates and luck.
    days
        Days of history, 1 to 90; None means as described. A shorter one is the beginning of the same story.

    Raises
    ------
    EmulatorError
        The clock stands too late or cannot be moved; the description contradicts itself; an event cannot happen.
        The message names the place in the description.
    InputError
        `as_of` has no time zone, or `days` is out of range.
    """
    started = time.perf_counter()
    check_references(description)
    days = description.days if days is None else days
    calendar = _calendar(as_of, days)
    begins = first_moment(description, as_of=as_of, days=days)
    if emulator.now() > begins:
        raise EmulatorError(
            f"the emulator's clock stands at {emulator.now().isoformat()}, after the fleet's first day "
            f"({begins.isoformat()}).",
            hint="create the emulator with ManualClock(history_start(as_of)).",
        )
    stage = Stage(emulator, description, calendar, seed)
    _plan(stage, begins)
    duration, emulator.audit_duration = emulator.audit_duration, AUDIT_DURATION
    try:
        with emulator.lock:
            stage.play(as_of)
    finally:
        emulator.audit_duration = duration
    return FleetSummary(
        resources=_counts(stage),
        audits=_audit_count(stage),
        begins=calendar.at(1),
        as_of=emulator.now(),
        seconds=time.perf_counter() - started,
    )


def _calendar(as_of: datetime, days: int) -> Calendar:
    if not 1 <= days <= RETENTION_DAYS:
        raise InputError(f"a history of {days} days was asked for; allowed: 1 to {RETENTION_DAYS}.")
    return Calendar(utc(as_of, what="as_of"), last_day=days)


def _plan(stage: Stage, begins: datetime) -> None:
    """Plan everything that exists before the first event, at believable times, and the events themselves."""
    with stage.place("regions and lines"):
        stage.at(begins, stage.inventory.add_structure)
    for number, authority in enumerate(stage.description.authorities):
        if authority.valid_days[0] < 0:
            day, chance = authority.valid_days[0], stage.random("authority", authority.name)
            moment = stage.calendar.at(day) + _office_hours(chance)
            with stage.place(f"authorities[{number}]"):
                stage.at(moment, partial(stage.inventory.add_authority, authority.name))
    _plan_policies(stage)
    _plan_roles(stage)
    _plan_devices(stage)
    for number, event in enumerate(stage.description.events):
        with stage.place(event_place(number, event)):
            stage.add_event(event)


def _plan_policies(stage: Stage) -> None:
    # Before the first device of any line, since a device's certificate gets its policies when it is registered.
    oldest_device = _oldest_device(stage.description)
    for name, versions in stage.description.policies.items():
        chance = stage.random("policy", name)
        ages = sorted((chance.randrange(10, oldest_device) for _ in versions[1:]), reverse=True)
        for document, age in zip(versions, (oldest_device + 5, *ages), strict=True):
            moment = stage.calendar.at(1 - age) + _office_hours(chance)
            with stage.place(f"policies.{name}"):
                stage.at(moment, partial(stage.inventory.add_policy, name, document))


def _oldest_device(description: FleetDescription) -> int:
    return max([_LEAST_PAST, *(batch.age_days[1] for line in description.lines for batch in line.batches)])


def _office_hours(chance: Random) -> timedelta:
    return timedelta(seconds=chance.randrange(8 * 3600, 18 * 3600))


def _plan_roles(stage: Stage) -> None:
    for name, actions in stage.description.role_aliases.items():
        chance = stage.random("role alias", name)
        moment = stage.calendar.at(1 - chance.randrange(60, _OLDEST_ROLE_ALIAS)) + _office_hours(chance)
        with stage.place(f"role_aliases.{name}"):
            stage.at(moment, partial(access_events.add_role_alias, stage, name, actions))
    for name, pool in stage.description.identity_pools.items():
        chance = stage.random("identity pool", name)
        moment = stage.calendar.at(1 - chance.randrange(60, _OLDEST_ROLE_ALIAS)) + _office_hours(chance)
        with stage.place(f"identity_pools.{name}"):
            stage.at(moment, partial(access_events.add_identity_pool, stage, name, pool))


def _plan_devices(stage: Stage) -> None:
    for line_number, line in enumerate(stage.description.lines):
        chance = stage.random("devices", line.key)
        for batch_number, batch in enumerate(line.batches):
            for _ in range(batch.devices):
                age = timedelta(seconds=_age(batch, chance))
                with stage.place(f"lines[{line_number}].batches[{batch_number}]"):
                    stage.at(
                        stage.calendar.at(1) - age,
                        partial(
                            stage.inventory.add_device,
                            stage.inventory.plan_device(line),
                            validity_days=batch.validity_days,
                            status=batch.status,
                            authority=batch.authority,
                            key=batch.key,
                        ),
                    )


def _age(batch: Batch, chance: Random) -> float:
    """Return the age of one device of a batch in seconds, by the shape of the batch's distribution."""
    youngest, oldest = (days * _DAY for days in batch.age_days)
    if youngest == oldest:
        return youngest
    if batch.ages == "even":
        return chance.randrange(youngest, oldest)
    share = {
        "young": lambda: chance.random() ** 2,
        "old": lambda: 1 - chance.random() ** 2,
        "middle": lambda: sum(chance.random() for _ in range(3)) / 3,
    }[batch.ages]()
    return youngest + (oldest - youngest) * share


def _counts(stage: Stage) -> dict[str, int]:
    iot = stage.emulator.iot()
    return {
        "things": len(iot.things),
        "thing_types": len(iot.thing_types),
        "thing_groups": len(iot.thing_groups),
        "certificates": len(iot.certificates),
        "ca_certificates": len(iot.ca_certificates),
        "policies": len(iot.policies),
        "role_aliases": len(iot.role_aliases),
    }


def _audit_count(stage: Stage) -> int:
    now = stage.emulator.now()
    members = {"startTime": now - timedelta(days=RETENTION_DAYS), "endTime": now, "maxResults": 250}
    number = 0
    while True:
        page = stage.call("ListAuditTasks", **members)
        number += len(page["tasks"])
        if "nextToken" not in page:
            return number
        members["nextToken"] = page["nextToken"]
