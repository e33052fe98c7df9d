"""The devices of a fleet and what AWS IoT holds for them: things, groups, types, certificates, authorities, policies.

Everything goes straight into the emulated account, at the emulator's present time; one HTTP call per resource would
take a hundred times longer and leave the same behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from ddreport.emulation.fleet.pki import Authority, Pki
from ddreport.emulation.fleet.policies import iot_document
from ddreport.emulation.x509 import parse_certificate

if TYPE_CHECKING:
    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.fleet.description import Calendar, FleetDescription, ProductLine
    from ddreport.emulation.fleet.pki import KeyKind

RINGS = (("canary", 0.04), ("early", 0.16), ("broad", 0.80))
"""Firmware rings and their shares: new firmware goes to a few devices first."""

QUARANTINE = "quarantine"
SITES = "sites"

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Device:
    """One device: a thing and the certificate that it uses now.

    Attributes
    ----------
    generation
        How many certificates it has had; 0 before the first.
    registered, expires
        Creation date and end of validity of the present certificate, aware, UTC.
    authority
        Name of the authority that issued the present certificate.
    accepted
        Whether its certificate's faults were accepted as a risk, so that no campaign renews it.
    """

    thing: str
    common_name: str
    line: str
    certificate_id: str = ""
    generation: int = 0
    registered: datetime = _NEVER
    expires: datetime = _NEVER
    authority: str = ""
    accepted: bool = False


class Inventory:
    """Builds a fleet inside an emulated account.

    Parameters
    ----------
    emulator
        Holds the account; its clock stands at the time of each call.
    description, calendar
        What to build, and when its days are.
    seed
        Decides names, keys and sites.
    """

    def __init__(self, emulator: Emulator, description: FleetDescription, calendar: Calendar, seed: int) -> None:
        self._emulator = emulator
        self._iot = emulator.iot()
        self._description = description
        self._calendar = calendar
        self._pki = Pki(seed, organization=description.company.organization, country=description.company.country)
        self._authorities: dict[str, Authority] = {}
        self._revoked: dict[str, dict[int, datetime]] = {}
        self._random = Random(f"{seed}/inventory")  # noqa: S311 (a made-up fleet, not a secret)
        self._serials: set[int] = set()
        self.devices: dict[str, list[Device]] = {line.key: [] for line in description.lines}

    # What exists before the first device

    def add_structure(self) -> None:
        """Create thing types and thing groups."""
        self._add_group(SITES, None, "All sites")
        for region in self._description.regions:
            self._add_group(f"region-{region.name}", SITES, f"Sites in the {region.name}")
            for site in region.sites:
                self._add_group(f"site-{site}", f"region-{region.name}", site.capitalize())
        self._add_group(QUARANTINE, None, "Devices that are not trusted")
        for line in self._description.lines:
            self._add_group(f"line-{line.key}", None, line.product)
            for ring, _ in RINGS:
                self._add_group(_ring_group(line, ring), f"line-{line.key}", f"{line.product}, {ring} ring")
            for thing_type in line.thing_types:
                self._iot.create_thing_type(thing_type, {"thingTypeDescription": line.product})

    def _add_group(self, name: str, parent: str | None, description: str) -> None:
        # moto means None, not an empty text, where a group has no parent, whatever its annotation says.
        self._iot.create_thing_group(name, parent, {"thingGroupDescription": description})  # type: ignore[arg-type]

    def add_policy(self, name: str, document: str) -> None:
        """Create a policy of the named shape, or give it a new default version."""
        text = iot_document(
            self._description.statements(document), region=self._emulator.region, account=self._emulator.account
        )
        if name in self._iot.policies:
            self._iot.create_policy_version(name, text, set_as_default=True)
        else:
            self._iot.create_policy(name, text)

    def add_authority(self, name: str) -> None:
        """Register a CA certificate and publish its first revocation list, which is empty."""
        description = self._description.authority(name)
        authority = self._authority(name)
        self._iot.register_ca_certificate(authority.certificate.pem, description.status == "ACTIVE", {})
        self._publish_revocations(name)

    def revoke_at_authority(self, device: Device) -> None:
        """Let the authority that issued a device's certificate revoke it; AWS IoT is not told."""
        pem = self._iot.certificates[device.certificate_id].certificate_pem
        revoked = self._revoked.setdefault(device.authority, {})
        revoked[parse_certificate(pem).serial_number] = self._emulator.now()
        self._publish_revocations(device.authority)

    def _publish_revocations(self, authority: str) -> None:
        revoked = self._revoked.get(authority, {})
        self._emulator.publish_crl(self._pki.crl(self._authority(authority), revoked, made=self._emulator.now()))

    def set_authority_status(self, name: str, status: str) -> None:
        """Set a registered CA certificate ACTIVE or INACTIVE."""
        self._iot.update_ca_certificate(self._authority(name).certificate.certificate_id, status, None)

    def _authority(self, name: str) -> Authority:
        if name not in self._authorities:
            first, last = self._description.authority(name).valid_days
            begin, end = self._calendar.at(first), self._calendar.at(last)
            self._authorities[name] = self._pki.authority(name, not_before=begin, not_after=end)
        return self._authorities[name]

    # Devices

    def plan_device(self, line: ProductLine) -> Device:
        """Give the next device of a line its names, without creating anything."""
        number = len(self.devices[line.key])
        if number < len(line.odd):
            device = Device(line.odd[number].thing, line.odd[number].common_name, line.key)
        else:
            site = self._random.choice(line.sites)
            thing = f"{line.prefix}-{site[:3].upper()}-{self._serial():06d}"
            device = Device(thing, thing, line.key)
        self.devices[line.key].append(device)
        return device

    def _serial(self) -> int:
        while True:
            serial = self._random.randrange(10_000, 990_000)
            if serial not in self._serials:
                self._serials.add(serial)
                return serial

    def add_device(
        self,
        device: Device,
        *,
        validity_days: int,
        status: str,
        authority: str | None = None,
        key: KeyKind = "elliptic",
    ) -> None:
        """Create a device's thing, put it into its groups and register its first certificate."""
        line = self._description.line(device.line)
        site = self._site_of(device, line)
        attributes = {
            "site": site,
            "firmware": self._random.choice(line.firmware),
            "installed": self._emulator.now().date().isoformat(),
        }
        self._iot.create_thing(device.thing, self._random.choice(line.thing_types), {"attributes": attributes})
        ring = self._random.choices([name for name, _ in RINGS], [share for _, share in RINGS])[0]
        for group in (f"site-{site}", _ring_group(line, ring)):
            self._iot.add_thing_to_thing_group(group, None, device.thing, None)
        self.give_certificate(device, validity_days=validity_days, status=status, authority=authority, key=key)

    def _site_of(self, device: Device, line: ProductLine) -> str:
        code = device.thing.removeprefix(f"{line.prefix}-")[:3]
        return next((site for site in line.sites if site[:3].upper() == code), line.sites[0])

    def give_certificate(
        self,
        device: Device,
        *,
        validity_days: int,
        status: str = "ACTIVE",
        authority: str | None = None,
        key: KeyKind = "elliptic",
    ) -> None:
        """Register a new certificate for a device and attach thing and policies; an earlier one is left alone."""
        line = self._description.line(device.line)
        device.authority = authority or line.authority
        issuer = self._authority(device.authority)
        now = self._emulator.now()
        # A certificate is made some days before the device is switched on for the first time.
        begin = now.replace(microsecond=0) - timedelta(seconds=self._random.randrange(1800, 4 * 86_400))
        device.generation += 1
        certificate = self._pki.issue(
            issuer,
            f"{device.thing}#{device.generation}",
            common_name=device.common_name,
            unit=line.product,
            not_before=begin,
            not_after=begin + timedelta(days=validity_days),
            key=key,
        )
        registered = self._iot.register_certificate(certificate.pem, issuer.certificate.pem, status == "ACTIVE", status)
        device.certificate_id = registered.certificate_id
        device.registered, device.expires = now, certificate.not_after
        self._iot.attach_thing_principal(device.thing, registered.arn)
        for policy in line.policies:
            self._iot.attach_policy(policy, registered.arn)

    def retire_certificate(self, device: Device, *, status: str) -> None:
        """Set a device's certificate to `status` and detach it from the thing and its policies."""
        arn = self._iot.arn_of("cert", device.certificate_id)
        self._iot.update_certificate(device.certificate_id, status)
        self._iot.detach_thing_principal(device.thing, arn)
        for policy in self._description.line(device.line).policies:
            self._iot.detach_policy(policy, arn)

    def is_active(self, device: Device) -> bool:
        """Whether the device's certificate is ACTIVE."""
        return bool(device.certificate_id) and self._status(device) == "ACTIVE"

    def _status(self, device: Device) -> str:
        return self._iot.certificates[device.certificate_id].status

    def quarantine(self, device: Device) -> None:
        """Put a device into the quarantine group."""
        self._iot.add_thing_to_thing_group(QUARANTINE, None, device.thing, None)


def _ring_group(line: ProductLine, ring: str) -> str:
    return f"line-{line.key}-ring-{ring}"
