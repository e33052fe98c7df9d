"""What the doctor knows of an account and Region; each part known, absent, or unknown and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ddreport.doctor.permissions import Way
    from ddreport.mitigation.roles import Place
    from ddreport.setup.present import (
        ActionState,
        AlarmState,
        AuditState,
        LoggingState,
        SubscriptionState,
        TopicState,
        Unknown,
    )


class Allowed(StrEnum):
    """Whether a call is allowed, as far as anybody could find out."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RoleFound:
    """A role that is in use.

    Attributes
    ----------
    purpose
        What it is for, in words.
    exists
        False where IAM has none of that ARN.
    distrusts
        `aws:SourceArn` values for which AWS IoT cannot take it on.
    lacks
        What its policies do not allow, in words.
    unread
        Why it could not be looked at, in whole or in part.
    """

    purpose: str
    arn: str
    exists: bool = True
    distrusts: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicFound:
    """The topic that audits are told to: None where there is none, and who has subscribed."""

    arn: str
    state: TopicState | Unknown | None
    subscriptions: tuple[SubscriptionState, ...] | Unknown


@dataclass(frozen=True)
class ArchiveFound:
    """What the archive has of the account and Region.

    Attributes
    ----------
    place
        Where the archive is.
    last_pull_time
        Newest pull that had all audits of its window; None: never.
    last_audit_time
        Begin of the newest audit in it.
    lost_days
        Days whose audits were never had, and AWS has forgotten.
    full_policies
        Policies that hold five versions, by the inventory; None where there is no inventory.
    """

    place: str
    last_pull_time: datetime | None = None
    last_audit_time: datetime | None = None
    lost_days: float = 0.0
    full_policies: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes
    ----------
    as_of
        Now by AWS's clock.
    allowed
        By IAM's name of the call.
    schedules, coverage
        Rows of `metrics.scheduled_runs.NEXT_RUNS` and `SCHEDULE_COVERAGE`.
    topic
        None where no topic is set.
    """

    target: str
    place: Place
    caller: str
    emulated: bool
    as_of: datetime
    way: Way
    allowed: Mapping[str, Allowed]
    audit: AuditState | Unknown
    schedules: Sequence[Mapping[str, Any]] | Unknown
    coverage: Sequence[Mapping[str, Any]] | Unknown
    logging: LoggingState | Unknown | None
    actions: Mapping[str, ActionState] | Unknown
    alarms: Mapping[str, AlarmState] | Unknown
    roles: tuple[RoleFound, ...] = ()
    topic: TopicFound | None = None
    archive: ArchiveFound | Unknown | None = None
    simulation: str = field(default="")
