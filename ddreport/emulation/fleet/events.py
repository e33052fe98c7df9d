"""What can happen to a fleet, as data: one type per word that `do` may have in a fleet's file.

Every event has a `day` (1 is the first day with an audit, 0 and below lie before it) and a time of day in UTC (`at`).
What an event does stands in `device_events` and `audit_events`; here is only what it needs to know.
"""

from __future__ import annotations

import re
from datetime import time  # noqa: TC003 (msgspec reads the annotations)
from typing import TypeAlias

from msgspec import Struct


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Batch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that were registered together.

    `age_days` is the span before day 1 in which their certificates were registered, and not used where an event says
    when; `status` is that of the certificates; `authority` None means the line's.
    """

    devices: int
    validity_days: int
    age_days: tuple[int, int] = (0, 0)
    status: str = "ACTIVE"
    authority: str | None = None


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag=_tag):
    """Something that happens on `day`, at the time `at`."""

    day: int
    at: time


class Configure(Event, frozen=True):
    """Audit is set up: all checks but some are enabled; `notify` sends results to the SNS topic."""

    all_checks_except: tuple[str, ...] = ()
    thresholds: dict[str, int] = {}
    notify: bool = False


class EnableCheck(Event, frozen=True):
    """A check is enabled and taken into the daily audit, with a threshold where it has one."""

    check: str
    threshold_days: int | None = None


class SetThreshold(Event, frozen=True):
    """The threshold of an enabled check changes."""

    check: str
    days: int


class CreateSchedule(Event, frozen=True):
    """The daily audit of all enabled checks is scheduled."""


class DeleteSchedule(Event, frozen=True):
    """The schedule of the daily audit is deleted."""


class Audit(Event, frozen=True):
    """Somebody starts an audit of `checks` (none named: of all enabled ones), and may cancel it."""

    checks: tuple[str, ...] = ()
    cancel_after_seconds: int | None = None


class NarrowAuditRole(Event, frozen=True):
    """The audit's role loses the permission to read policies and CAs."""


class RestoreAuditRole(Event, frozen=True):
    """The audit's role has all its permissions again."""


class SetLogging(Event, frozen=True):
    """The default level of AWS IoT logging is set; DISABLED switches it off."""

    level: str


class PolicyVersion(Event, frozen=True):
    """A policy gets a new default version of the named shape."""

    policy: str
    document: str


class RegisterAuthority(Event, frozen=True):
    """A CA certificate is registered."""

    authority: str


class AuthorityStatus(Event, frozen=True):
    """A CA certificate is set ACTIVE or INACTIVE."""

    authority: str
    status: str


class Provision(Event, frozen=True):
    """New devices of a line arrive, spread evenly over some hours."""

    line: str
    over_hours: int
    batches: tuple[Batch, ...]


class Renew(Event, frozen=True):
    """A line renews certificates that expire soon or are old, but reaches only a share of the devices.

    A device that is reached gets a new certificate; the old one is set INACTIVE and detached.
    """

    line: str
    success_rate: float
    expiring_within_days: int | None = None
    older_than_days: int | None = None
    authority: str | None = None


class Clone(Event, frozen=True):
    """Several clients use one device's certificate at the same time, on some days in a row.

    `device` is a number among the active devices of the line; the events that deal with the clone name the same.
    """

    line: str
    device: int
    clients: tuple[str, ...]
    days: int


class ReplaceCloned(Event, frozen=True):
    """A cloned device gets a new certificate; the copied one is REVOKED."""

    line: str
    device: int


class Quarantine(Event, frozen=True):
    """A cloned device joins the quarantine group."""

    line: str
    device: int


class Conflict(Event, frozen=True):
    """Two devices of a line fight for one client id, on some days in a row."""

    line: str
    client_id: str
    days: int


class Suppress(Event, frozen=True):
    """A policy's finding is accepted, until a day or for good."""

    check: str
    policy: str
    description: str
    until_day: int | None = None


class SuppressCertificates(Event, frozen=True):
    """Some certificates of a line that expire next are accepted until a day."""

    line: str
    expiring_within_days: int
    count: int
    until_day: int
    description: str


class DefineActions(Event, frozen=True):
    """The company's mitigation actions and their roles are defined."""


class Mitigate(Event, frozen=True):
    """A mitigation action is applied to findings of the last audit.

    The findings are those of `check`, narrowed by `reason` and `line`, at most `findings`; of their certificates
    `revoked_meanwhile` are REVOKED by hand before, which lets their executions fail.
    """

    task: str
    check: str
    action: str
    reason: str | None = None
    line: str | None = None
    findings: int = 25
    revoked_meanwhile: int = 0


AnyEvent: TypeAlias = (
    Configure
    | EnableCheck
    | SetThreshold
    | CreateSchedule
    | DeleteSchedule
    | Audit
    | NarrowAuditRole
    | RestoreAuditRole
    | SetLogging
    | PolicyVersion
    | RegisterAuthority
    | AuthorityStatus
    | Provision
    | Renew
    | Clone
    | ReplaceCloned
    | Quarantine
    | Conflict
    | Suppress
    | SuppressCertificates
    | DefineActions
    | Mitigate
)
