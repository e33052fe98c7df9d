"""The built-in demo fleet: a company that never was, and the ninety days that its audits saw.

The fleet and its story stand in `demo.toml`; here they are put on stage. Everything follows from the seed and from the
UTC day of `as_of`, so the same two give the same account, byte for byte, and two moments of one day share their past.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ddreport.emulation.clock import utc

# Imported for what they register: the handlers of the events.
from ddreport.emulation.fleet import audit_events, device_events  # noqa: F401
from ddreport.emulation.fleet.description import Calendar, FleetDescription, demo_description
from ddreport.emulation.fleet.policies import credentials_trust, iam_document
from ddreport.emulation.fleet.stage import Stage
from ddreport.errors import EmulatorError, InputError
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from random import Random

    from ddreport.emulation.emulator import Emulator

AUDIT_DURATION = timedelta(seconds=74)
"""Emulated time that an audit of the history takes; AWS says about a minute for a small account."""

_DAY = 24 * 3600


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


def history_start(as_of: datetime, *, days: int = RETENTION_DAYS) -> datetime:
    """Return the moment at which the clock of an emulator must stand, or before, for the demo fleet to be built in it.

    The oldest resources were made years before the first audit, and an emulator's clock only moves forward.

    Parameters
    ----------
    as_of, days
        As for `build_demo_fleet`, with the same errors.
    """
    return _first_moment(demo_description(), _calendar(as_of, days))


def build_demo_fleet(emulator: Emulator, *, as_of: datetime, seed: int, days: int = RETENTION_DAYS) -> FleetSummary:
    """Build the demo fleet and play its history up to `as_of`; every daily audit is really evaluated on its own day.

    Parameters
    ----------
    emulator
        An empty one whose `ManualClock` stands at `history_start(as_of)` or before. Afterwards it stands at `as_of`.
    as_of
        Aware datetime; the last audit is the newest one due by then.
    seed
        Decides names, keys, dates and luck.
    days
        Days of history, 1 to 90. A shorter one is the beginning of the same story.

    Raises
    ------
    EmulatorError
        The clock stands too late or cannot be moved.
    InputError
        `as_of` has no time zone, or `days` is out of range.
    """
    started = time.perf_counter()
    description = demo_description()
    calendar = _calendar(as_of, days)
    begins = _first_moment(description, calendar)
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


def build_empty_account(emulator: Emulator) -> FleetSummary:
    """Return the summary of an account in which nothing was ever configured: nothing is built."""
    now = emulator.now()
    return FleetSummary(resources={}, audits=0, begins=now, as_of=now, seconds=0.0)


def _calendar(as_of: datetime, days: int) -> Calendar:
    if not 1 <= days <= RETENTION_DAYS:
        raise InputError(f"a history of {days} days was asked for; allowed: 1 to {RETENTION_DAYS}.")
    return Calendar(utc(as_of, what="as_of"), last_day=days)


def _first_moment(description: FleetDescription, calendar: Calendar) -> datetime:
    return calendar.at(min(authority.valid_days[0] for authority in description.authorities))


def _plan(stage: Stage, begins: datetime) -> None:
    """Plan everything that exists before the first event, at believable times, and the events themselves."""
    stage.at(begins, stage.inventory.add_structure)
    for authority in stage.description.authorities:
        if authority.valid_days[0] < 0:
            day, chance = authority.valid_days[0], stage.random("authority", authority.name)
            moment = stage.calendar.at(day) + _office_hours(chance)
            stage.at(moment, partial(stage.inventory.add_authority, authority.name))
    _plan_policies(stage)
    _plan_role_aliases(stage)
    _plan_devices(stage)
    for event in stage.description.events:
        stage.add_event(event)


def _plan_policies(stage: Stage) -> None:
    # Before the first device of any line, since a device's certificate gets its policies when it is registered.
    oldest_device = max(batch.age_days[1] for line in stage.description.lines for batch in line.batches)
    for name, versions in stage.description.policies.items():
        chance = stage.random("policy", name)
        ages = sorted((chance.randrange(10, oldest_device) for _ in versions[1:]), reverse=True)
        for document, age in zip(versions, (oldest_device + 5, *ages), strict=True):
            moment = stage.calendar.at(1 - age) + _office_hours(chance)
            stage.at(moment, partial(stage.inventory.add_policy, name, document))


def _office_hours(chance: Random) -> timedelta:
    return timedelta(seconds=chance.randrange(8 * 3600, 18 * 3600))


def _plan_role_aliases(stage: Stage) -> None:
    for name, actions in stage.description.role_aliases.items():
        chance = stage.random("role alias", name)
        moment = stage.calendar.at(1 - chance.randrange(60, 900)) + _office_hours(chance)
        stage.at(moment, partial(_add_role_alias, stage, name, actions))


def _add_role_alias(stage: Stage, name: str, actions: tuple[str, ...]) -> None:
    role = stage.iam.create_role(f"{name}-devices", credentials_trust(), "/", None, "", [], "3600")
    stage.iam.put_role_policy(role.name, "device-access", iam_document(actions))
    stage.emulator.iot().create_role_alias(name, role.arn)


def _plan_devices(stage: Stage) -> None:
    for line in stage.description.lines:
        chance = stage.random("devices", line.key)
        for batch in line.batches:
            youngest, oldest = batch.age_days
            for _ in range(batch.devices):
                age = timedelta(seconds=chance.randrange(youngest * _DAY, oldest * _DAY))
                stage.at(
                    stage.calendar.at(1) - age,
                    partial(
                        stage.inventory.add_device,
                        stage.inventory.plan_device(line),
                        validity_days=batch.validity_days,
                        status=batch.status,
                        authority=batch.authority,
                    ),
                )


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
