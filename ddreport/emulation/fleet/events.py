"""What can happen to a fleet, as data: one type per word that `do` may have in a fleet's file.

Every event has a `day` (1 is the first day with an audit, 0 and below lie before it) and a time of day in UTC (`at`).
What an event does stands in `device_events` and `audit_events`; here is only what it needs to know.
"""

from __future__ import annotations

import re
from datetime import time  # noqa: TC003 (msgspec reads the annotations)
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Name: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9:_-]{1,100}$")]
"""What AWS IoT allows in names of things, types and groups, with room for what the fleet puts before them."""

SiteName: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9:_-]{3,100}$")]
"""Of three characters and more, as the first three stand in the names of the site's devices."""

PolicyName: TypeAlias = Annotated[str, Meta(pattern=r"^[\w+=,.@-]{1,128}$")]
PoolName: TypeAlias = Annotated[str, Meta(pattern=r"^[\w+=,.@-]{1,48}$")]
"""What Cognito and, with room for what comes behind it, IAM allow in names."""

AuthorityName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Text: TypeAlias = Annotated[str, Meta(min_length=1)]

Day: TypeAlias = Annotated[int, Meta(ge=-20_000, le=36_500)]
Span: TypeAlias = Annotated[int, Meta(ge=1, le=366)]
"""Days or hours in a row."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)]
Validity: TypeAlias = Annotated[int, Meta(ge=1, le=36_500)]
Age: TypeAlias = Annotated[int, Meta(ge=0, le=20_000)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]

CertificateStatusName: TypeAlias = Literal[
    "ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION"
]
AuthorityStatusName: TypeAlias = Literal["ACTIVE", "INACTIVE"]
ACTIONS = (
    "EnableErrorLoggingAction",
    "DeactivateDeviceCertificateAction",
    "QuarantineThingsAction",
    "PublishFindingAction",
)
"""Names of the mitigation actions that `define_actions` defines."""

Namespace: TypeAlias = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
"""A service as IAM's actions begin with it."""

LogLevelName: TypeAlias = Literal["DEBUG", "INFO", "ERROR", "WARN", "DISABLED"]


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Batch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that were registered together.

    `age_days` is the span before day 1 in which their certificates were registered, and not used where an event says
    when; `ages` is how they are distributed over it. `status` is that of the certificates; `authority` None means the
    line's. `key` is that of the first certificates: sound elliptic-curve keys, or RSA keys with the structure that the
    flawed Infineon library leaves (ROCA).
    """

    devices: Count
    validity_days: Validity
    age_days: tuple[Age, Age] = (0, 0)
    ages: Literal["even", "young", "old", "middle"] = "even"
    status: CertificateStatusName = "ACTIVE"
    authority: str | None = None
    key: Literal["elliptic", "roca"] = "elliptic"


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", tag=_tag):
    """Something that happens on `day`, at the time `at`."""

    day: Day
    at: time


class Configure(Event, frozen=True):
    """Audit is set up: all checks but some are enabled; `notify` sends results to the SNS topic."""

    all_checks_except: tuple[str, ...] = ()
    thresholds: dict[str, Validity] = {}
    notify: bool = False


class EnableCheck(Event, frozen=True):
    """A check is enabled and taken into the daily audit, with a threshold where it has one."""

    check: str
    threshold_days: Validity | None = None


class SetThreshold(Event, frozen=True):
    """The threshold of an enabled check changes."""

    check: str
    days: Validity


class CreateSchedule(Event, frozen=True):
    """The daily audit of all enabled checks is scheduled."""


class DeleteSchedule(Event, frozen=True):
    """The schedule of the daily audit is deleted."""


class Audit(Event, frozen=True):
    """Somebody starts an audit of `checks` (none named: of all enabled ones), and may cancel it."""

    checks: tuple[str, ...] = ()
    cancel_after_seconds: Count | None = None


class NarrowAuditRole(Event, frozen=True):
    """The audit's role loses the permission to read policies and CAs."""


class RestoreAuditRole(Event, frozen=True):
    """The audit's role has all its permissions again."""


class SetLogging(Event, frozen=True):
    """The default level of AWS IoT logging is set; DISABLED switches it off."""

    level: LogLevelName


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
    status: AuthorityStatusName


class Provision(Event, frozen=True):
    """New devices of a line arrive, spread evenly over some hours."""

    line: str
    over_hours: Span
    batches: Annotated[tuple[Batch, ...], Meta(min_length=1)]


class Renew(Event, frozen=True):
    """A line renews certificates that expire soon or are old, but reaches only a share of the devices.

    A device that is reached gets a new certificate; the old one is set INACTIVE and detached.
    """

    line: str
    success_rate: Share
    expiring_within_days: Age | None = None
    older_than_days: Age | None = None
    authority: str | None = None


class Clone(Event, frozen=True):
    """Several clients use one device's certificate at the same time, on some days in a row.

    `device` is a number among the active devices of the line; the events that deal with the clone name the same.
    """

    line: str
    device: Count
    clients: Annotated[tuple[Text, ...], Meta(min_length=1)]
    days: Span


class ReplaceCloned(Event, frozen=True):
    """A cloned device gets a new certificate; the copied one is REVOKED."""

    line: str
    device: Count


class Quarantine(Event, frozen=True):
    """A cloned device joins the quarantine group."""

    line: str
    device: Count


class Conflict(Event, frozen=True):
    """Two devices of a line fight for one client id, on some days in a row."""

    line: str
    client_id: Text
    days: Span


class Suppress(Event, frozen=True):
    """A policy's finding is accepted, until a day or for good."""

    check: str
    policy: str
    description: str
    until_day: Day | None = None


class SuppressCertificates(Event, frozen=True):
    """Some certificates of a line that expire next are accepted until a day."""

    line: str
    expiring_within_days: Age
    count: Count
    until_day: Day
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
    findings: Annotated[int, Meta(ge=1, le=25)] = 25
    revoked_meanwhile: Count = 0


class UseServices(Event, frozen=True):
    """Services are used through a role alias, from now on every week."""

    role_alias: str
    services: Annotated[tuple[Namespace, ...], Meta(min_length=1)]


class RoleAliasActions(Event, frozen=True):
    """The role behind a role alias allows other actions."""

    role_alias: str
    actions: tuple[str, ...]


class ConnectIdentities(Event, frozen=True):
    """Identities of an identity pool connect to the broker, on some days in a row; guests, where the pool has them."""

    pool: str
    days: Span


class IdentityRole(Event, frozen=True):
    """The role of a pool's guests, or of its signed-in users, gets another document; it must have one already."""

    pool: str
    of: Literal["guests", "users"]
    document: str


class RevokeAtAuthority(Event, frozen=True):
    """A device's certificate is revoked by the authority that issued it, but not in AWS IoT."""

    line: str
    device: Count


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
    | UseServices
    | RoleAliasActions
    | ConnectIdentities
    | IdentityRole
    | RevokeAtAuthority
)
