"""What a check may see: the account's state as plain attributes, without any way to change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ddreport.emulation.connections import ConnectionLog
    from ddreport.emulation.identities import IdentityPool
    from ddreport.emulation.key_quality import WeakKeys
    from ddreport.emulation.policy import Policy
    from ddreport.emulation.revocations import Revocations


class CertificateState(Protocol):
    """A device or CA certificate as AWS IoT holds it (moto's objects fit); naive times mean UTC."""

    certificate_id: str
    certificate_pem: str
    status: str
    creation_date: datetime
    validity_not_after: datetime


class PolicyState(Protocol):
    """An AWS IoT policy with its default version."""

    name: str
    document: Any
    default_version_id: str


class RoleAliasState(Protocol):
    """A role alias and the IAM role behind it."""

    arn: str
    role_arn: str


class IamState(Protocol):
    """What IAM says of the account's roles."""

    def policies_of(self, role_arn: str) -> tuple[Policy, ...] | None:
        """Return the policies of a role, None when there is no such role."""
        ...

    def last_used(self, role_arn: str) -> Mapping[str, datetime]:
        """Return the services that a role was used for, with the last time of each."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """The span that connection-based checks look back over: previous run, or 31 days before an on-demand audit."""

    start: datetime
    end: datetime

    def shifted(self, by: timedelta) -> Window:
        """Return the window moved by `by`."""
        return Window(self.start + by, self.end + by)


@dataclass(frozen=True)
class StateView:
    """State of one account and Region at the moment a check is evaluated.

    Attributes
    ----------
    as_of
        That moment (aware, UTC).
    arn_start
        `arn:aws:iot:REGION:ACCOUNT:`.
    window
        For checks that look back.
    identity_pools
        Cognito identity pools with connections to the broker in the 31 days before.
    weak_keys
        The known predictable keys.
    revocations
        Who is revoked now.
    thresholds
        The check's `configuration`: key to days as text.
    v1_logging, v2_logging
        Logging options as set; None where never set.
    """

    as_of: datetime
    account: str
    region: str
    arn_start: str
    window: Window
    certificates: Iterable[CertificateState] = ()
    ca_certificates: Iterable[CertificateState] = ()
    policies: Iterable[PolicyState] = ()
    role_aliases: Iterable[RoleAliasState] = ()
    identity_pools: Iterable[IdentityPool] = ()
    iam: IamState | None = None
    weak_keys: WeakKeys | None = None
    revocations: Revocations | None = None
    connections: ConnectionLog | None = None
    v1_logging: Mapping[str, Any] | None = None
    v2_logging: Mapping[str, Any] | None = None
    thresholds: Mapping[str, str] = field(default_factory=dict)


def aware(moment: datetime) -> datetime:
    """Return a time of moto's, naive or not, as an aware one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def milliseconds(moment: datetime) -> str:
    """Return epoch milliseconds as text, as `additionalInfo` carries times."""
    return str(round(moment.timestamp() * 1000))


IAM_READS = (
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
)
"""What the audit role must allow for a check that reads the policies of roles."""

_MOST_LISTED = 10


def listed(items: Sequence[str]) -> str:
    """Return names for a sentence in brackets, at most ten of them by name."""
    more = f", and {len(items) - _MOST_LISTED} more" if len(items) > _MOST_LISTED else ""
    return f"[{', '.join(items[:_MOST_LISTED])}{more}]"
