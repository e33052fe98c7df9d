"""What happens to devices, certificates, policies and authorities."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from ddreport.emulation.fleet import events
from ddreport.emulation.fleet.stage import Stage, handles
from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ddreport.emulation.fleet.inventory import Device

_MINUTE = timedelta(minutes=1)


@handles(events.PolicyVersion)
def policy_version(stage: Stage, event: events.PolicyVersion) -> None:
    """Give a policy a new default version."""
    stage.inventory.add_policy(event.policy, event.document)


@handles(events.RegisterAuthority)
def register_authority(stage: Stage, event: events.RegisterAuthority) -> None:
    """Register a CA certificate."""
    stage.inventory.add_authority(event.authority)


@handles(events.AuthorityStatus)
def authority_status(stage: Stage, event: events.AuthorityStatus) -> None:
    """Set a CA certificate ACTIVE or INACTIVE."""
    stage.inventory.set_authority_status(event.authority, event.status)


@handles(events.Provision)
def provision(stage: Stage, event: events.Provision) -> None:
    """Bring new devices, the batches mixed."""
    line = stage.description.line(event.line)
    batches = [batch for batch in event.batches for _ in range(batch.devices)]
    stage.random("provision", event.line, event.day).shuffle(batches)
    steps: list[Callable[[], object]] = [
        partial(
            stage.inventory.add_device,
            stage.inventory.plan_device(line),
            validity_days=batch.validity_days,
            status=batch.status,
            authority=batch.authority,
            key=batch.key,
        )
        for batch in batches
    ]
    stage.spread(steps, over=timedelta(hours=event.over_hours))


@handles(events.Renew)
def renew(stage: Stage, event: events.Renew) -> None:
    """Renew what expires soon or is old, as far as the devices can be reached; one every few minutes."""
    chance = stage.random("renew", event.line, event.day)
    validity_days = stage.description.line(event.line).batches[0].validity_days
    now = stage.emulator.now()
    reached = [
        device
        for device in _active(stage, event.line)
        if not device.accepted and _is_due(device, event, now) and chance.random() < event.success_rate
    ]
    steps: list[Callable[[], object]] = [
        partial(_renew_one, stage, device, validity_days, event.authority) for device in reached
    ]
    stage.spread(steps, over=4 * _MINUTE * len(steps))


def _is_due(device: Device, event: events.Renew, now: datetime) -> bool:
    expiring, old = event.expiring_within_days, event.older_than_days
    if expiring is not None and device.expires <= now + timedelta(days=expiring):
        return True
    return old is not None and device.registered <= now - timedelta(days=old)


def _renew_one(stage: Stage, device: Device, validity_days: int, authority: str | None) -> None:
    # Something else may have happened to the device since the campaign began.
    if stage.inventory.is_active(device):
        stage.inventory.retire_certificate(device, status="INACTIVE")
        stage.inventory.give_certificate(device, validity_days=validity_days, authority=authority)


@handles(events.Clone)
def clone(stage: Stage, event: events.Clone) -> None:
    """Let several clients connect with one active device's certificate during the same hours of each day."""
    device = stage.cloned[event.line, event.device] = _active_device(stage, event.line, event.device)
    for day in range(event.days):
        for number, client in enumerate(event.clients):
            begin = stage.emulator.now() + timedelta(days=day) + number * 25 * _MINUTE
            _connect(stage, device.certificate_id, client, begin, begin + timedelta(hours=7, minutes=40))


def _connect(stage: Stage, certificate_id: str, client: str, begin: datetime, end: datetime) -> None:
    # Told when it is over: what has not happened yet must not be known to an audit in between.
    stage.at(end, partial(stage.emulator.connect_device, certificate_id, client, begin, end))


@handles(events.ReplaceCloned)
def replace_cloned(stage: Stage, event: events.ReplaceCloned) -> None:
    """Revoke the copied certificate and give the device a new one."""
    device = stage.cloned[event.line, event.device]
    validity_days = stage.description.line(event.line).batches[0].validity_days
    stage.inventory.retire_certificate(device, status="REVOKED")
    stage.inventory.give_certificate(device, validity_days=validity_days)


@handles(events.Quarantine)
def quarantine(stage: Stage, event: events.Quarantine) -> None:
    """Put the device into the quarantine group."""
    stage.inventory.quarantine(stage.cloned[event.line, event.device])


@handles(events.Conflict)
def conflict(stage: Stage, event: events.Conflict) -> None:
    """Let a second device connect with the client id of a first one, which the broker then drops."""
    chance = stage.random("conflict", event.line, event.day, event.client_id)
    active = _active(stage, event.line)
    if len(active) < 2:
        raise EmulatorError(f"a conflict takes two active devices; line {event.line!r} has {len(active)} then.")
    first, second = chance.sample(active, 2)
    for day in range(event.days):
        begin = stage.emulator.now() + timedelta(days=day)
        stage.at(begin, partial(stage.emulator.connect_device, first.certificate_id, event.client_id, begin))
        _connect(stage, second.certificate_id, event.client_id, begin + 7 * _MINUTE, begin + 55 * _MINUTE)


@handles(events.RevokeAtAuthority)
def revoke_at_authority(stage: Stage, event: events.RevokeAtAuthority) -> None:
    """Let the authority of a device's certificate publish a list that names it."""
    stage.inventory.revoke_at_authority(_active_device(stage, event.line, event.device))


def _active_device(stage: Stage, line: str, number: int) -> Device:
    active = _active(stage, line)
    if number >= len(active):
        raise EmulatorError(f"there is no active device {number}: line {line!r} has {len(active)} then.")
    return active[number]


def _active(stage: Stage, line: str) -> list[Device]:
    return [device for device in stage.inventory.devices[line] if stage.inventory.is_active(device)]
