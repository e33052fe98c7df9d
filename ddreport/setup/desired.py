"""What is wanted of every account that is set up; `AWS's tutorial` where nobody says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
from ddreport.mitigation.defaults import DEFAULT_ACTIONS, LOGGING_ROLE, QUARANTINE_GROUP, TOPIC
from ddreport.terms import MitigationActionType, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIT_ROLE = "AWSIoTDeviceDefenderAudit"
"""Role that audits read the account as, under the name that the console gives it."""

DAILY_AUDIT = "AWSIoTDeviceDefenderDailyAudit"
"""Schedule that the console's one-click set-up makes."""

MOST_SCHEDULES = 5
"""Scheduled audits of an account and Region (quota L-0D30EFBA)."""

MOST_ACTIONS = 100
"""Mitigation actions of an account and Region (quota L-1A084077)."""

LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "DISABLED")
"""Default levels of V2 logging, from most to least; `DISABLED` does not satisfy `LOGGING_DISABLED_CHECK`."""


class AlarmsPer(StrEnum):
    """What each alarm on non-compliant resources watches."""

    CHECK = "check"
    SEVERITY = "severity"


@dataclass(frozen=True)
class WantedRoles:
    """Names of roles, which are made where they do not exist, or ARNs of roles that are only used.

    Attributes
    ----------
    audit, logging
        Role that audits read as; role that AWS IoT writes its logs as.
    notifications
        Role that tells the topic about audits; None means the audit role, as in AWS's tutorial.
    """

    audit: str = AUDIT_ROLE
    logging: str = LOGGING_ROLE
    notifications: str | None = None


@dataclass(frozen=True)
class WantedSchedule:
    """A scheduled audit; `checks` None means all that are enabled."""

    name: str
    frequency: str = "DAILY"
    day_of_week: str | None = None
    day_of_month: str | None = None
    checks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Subscriber:
    """Somebody who gets the messages of the topic; `protocol` is `email`, `sqs` or `https`."""

    protocol: str
    endpoint: str


@dataclass(frozen=True)
class WantedAction:
    """A mitigation action; options that are None take the default of its type."""

    name: str
    action_type: MitigationActionType
    role: str
    log_level: str | None = None
    thing_groups: tuple[str, ...] | None = None
    override_dynamic_groups: bool | None = None
    topic: str | None = None


@dataclass(frozen=True)
class WantedAlarms:
    """CloudWatch alarms on the audits.

    Attributes
    ----------
    per
        Whether each check has an alarm on its non-compliant resources, or each severity has one for all its checks.
    severities
        Of which checks.
    dead_man
        Whether an alarm goes off when a daily audit does not come.
    """

    per: AlarmsPer = AlarmsPer.CHECK
    severities: tuple[Severity, ...] = tuple(Severity)
    dead_man: bool = True


def default_actions() -> tuple[WantedAction, ...]:
    """Return the six default mitigation actions, each with the role of its own."""
    return tuple(
        WantedAction(
            names.name,
            kind,
            names.role_name,
            log_level="ERROR" if kind is MitigationActionType.ENABLE_IOT_LOGGING else None,
            thing_groups=(QUARANTINE_GROUP,) if kind is MitigationActionType.ADD_THINGS_TO_THING_GROUP else None,
        )
        for kind, names in DEFAULT_ACTIONS.items()
    )


def default_thresholds() -> dict[str, int]:
    """Return AWS's default threshold, in days, of each check that has one."""
    return {name: check.threshold.default_days for name, check in catalogue().items() if check.threshold}


@dataclass(frozen=True)
class Desired:
    """What is wanted of an account and Region. A part that is None is left alone.

    Attributes
    ----------
    checks
        Checks to be enabled.
    disable_other_checks
        Whether all other checks are to be disabled, which deletes the data collected for them.
    thresholds
        Days by check name, for enabled checks that have a threshold.
    topic
        Name of the SNS topic, or ARN of one that is only used.
    subscribers
        Who is to get the topic's messages.
    log_level
        Level of V2 logging.
    tags
        On everything that is made and can carry tags.
    source
        Where this was read, for messages.
    """

    checks: tuple[str, ...] = field(default_factory=lambda: tuple(catalogue()))
    disable_other_checks: bool = False
    thresholds: Mapping[str, int] = field(default_factory=default_thresholds)
    roles: WantedRoles = WantedRoles()
    schedules: tuple[WantedSchedule, ...] | None = (WantedSchedule(DAILY_AUDIT),)
    topic: str | None = TOPIC
    subscribers: tuple[Subscriber, ...] = ()
    log_level: str | None = "ERROR"
    actions: tuple[WantedAction, ...] | None = field(default_factory=default_actions)
    alarms: WantedAlarms | None = WantedAlarms()
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = "the defaults"

    def checks_of(self, schedule: WantedSchedule) -> tuple[str, ...]:
        """Return the checks that a schedule runs."""
        return self.checks if schedule.checks is None else schedule.checks
