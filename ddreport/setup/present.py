"""What is there: the parts of an account and Region that set-up looks at, each known, absent, or unknown and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.mitigation.actions import MitigationAction
    from ddreport.mitigation.roles import Place

T = TypeVar("T")


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read; `why` says which call was refused and how."""

    why: str


@dataclass(frozen=True)
class RoleState:
    """An IAM role.

    Attributes
    ----------
    trust
        Its trust policy.
    inline
        Inline policies by name.
    attached
        ARNs of its managed policies.
    tags
        Its tags.
    faults, notes
        Why it cannot do what is wanted of it, and what it may not be able to do, in words; looked for only in roles
        that set-up did not make.
    """

    name: str
    arn: str
    trust: Mapping[str, Any]
    inline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuditState:
    """The account audit configuration; without one `role_arn` is None and every check is off.

    Attributes
    ----------
    checks
        Whether each check is enabled, by name.
    thresholds
        AWS's `configuration` map of the checks that have one set.
    notification
        The SNS settings as AWS has them.
    """

    role_arn: str | None
    checks: Mapping[str, bool]
    thresholds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notification: Mapping[str, Any] = field(default_factory=dict)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The checks that are enabled."""
        return tuple(name for name, on in self.checks.items() if on)


@dataclass(frozen=True)
class ScheduleState:
    """A scheduled audit; `tags` None means that they could not be read."""

    name: str
    arn: str
    frequency: str
    day_of_week: str | None
    day_of_month: str | None
    checks: tuple[str, ...]
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class LoggingState:
    """V2 logging options, where they were ever set."""

    role_arn: str | None
    level: str | None
    disabled: bool


@dataclass(frozen=True)
class ActionState:
    """A mitigation action; `tags` None means that they could not be read, or were not asked for."""

    action: MitigationAction
    arn: str
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class TopicState:
    """The SNS topic; `tags` None means that they could not be read."""

    arn: str
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class SubscriptionState:
    """A subscription of the topic; `arn` None means that nobody has confirmed it yet."""

    protocol: str
    endpoint: str
    arn: str | None

    @property
    def pending(self) -> bool:
        """Whether it waits to be confirmed."""
        return self.arn is None


@dataclass(frozen=True)
class AlarmState:
    """A CloudWatch alarm: AWS's own members in `settings`; `tags` None means that they could not be read."""

    name: str
    arn: str
    settings: Mapping[str, Any]
    state: str
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Present:
    """What is there.

    Attributes
    ----------
    roles
        By name: the roles that are wanted, and None for one that does not exist.
    logging, topic
        None where there is none.
    actions
        By name: all of them, with tags where they were asked for.
    alarms
        By name: those whose names are set-up's.
    missing_groups
        Thing groups that actions name and that do not exist.
    """

    place: Place
    roles: Mapping[str, RoleState | Unknown | None]
    audit: AuditState | Unknown
    schedules: Mapping[str, ScheduleState] | Unknown
    logging: LoggingState | Unknown | None
    actions: Mapping[str, ActionState] | Unknown
    topic: TopicState | Unknown | None
    subscriptions: tuple[SubscriptionState, ...] | Unknown
    alarms: Mapping[str, AlarmState] | Unknown
    missing_groups: tuple[str, ...] = ()


def known(part: T | Unknown) -> T | None:
    """Return a part, or None where it is unknown."""
    return None if isinstance(part, Unknown) else part
