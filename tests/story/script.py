"""Two years of three fleets, told as data: what is wrong when, who looks when, who brings it home when.

Days count from Monday, 1 January 2024, 00:00 UTC; day 7 is the next Monday. Audits of a schedule run at 06:00.
The emulator plays this (`stage.py`), and the bookkeeping (`bookkeeping.py`) works out from it what must come of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2024, 1, 1, tzinfo=UTC)
RUN_HOUR = 6

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"

OPEN, NARROW = "open", "narrow"
NEVER = 10_000.0
LAST_DAY = 728.5


def at(day: float) -> datetime:
    """Return the moment of a day of the story, to the microsecond."""
    return START + timedelta(microseconds=round(day * 86_400_000_000))


@dataclass(frozen=True)
class Place:
    """An account and Region; `until` is the day of the last pull of it."""

    name: str
    account: str
    region: str
    until: float = NEVER


@dataclass(frozen=True)
class Schedule:
    """A scheduled audit from a day (not on it, once 06:00 has passed) until before another."""

    place: Place
    name: str
    frequency: str
    begins: float
    ends: float
    checks: tuple[str, ...]
    weekday: str = ""


@dataclass(frozen=True)
class OnDemand:
    """An audit that somebody starts; `completed` names the checks that end before it is cancelled."""

    place: Place
    day: float
    checks: tuple[str, ...]
    completed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Certificate:
    """A device certificate: when it expires, and when it is deactivated (or also deleted)."""

    place: Place
    name: str
    expires: float
    gone: float = NEVER
    deleted: bool = False


@dataclass(frozen=True)
class Policy:
    """An AWS IoT policy: on which day it gets which document, or goes back to which version."""

    place: Place
    name: str
    changes: tuple[tuple[float, str | int], ...]
    deleted: float = NEVER


@dataclass(frozen=True)
class Suppression:
    """A version of a policy is accepted from a day until another, when it ends by itself or is deleted."""

    place: Place
    policy: str
    version: str
    begins: float
    ends: float
    by_itself: bool


@dataclass(frozen=True)
class Span:
    """Something about a check (or logging) of a place holds from one day until before another."""

    place: Place
    check: str
    begins: float
    ends: float


@dataclass(frozen=True)
class Sharing:
    """Two clients use one certificate between two days."""

    place: Place
    certificate: str
    begins: float
    ends: float


@dataclass(frozen=True)
class Script:
    """All of it."""

    places: tuple[Place, ...]
    schedules: tuple[Schedule, ...]
    on_demand: tuple[OnDemand, ...]
    certificates: tuple[Certificate, ...]
    policies: tuple[Policy, ...]
    suppressions: tuple[Suppression, ...]
    logging_off: tuple[Span, ...]
    failing: tuple[Span, ...]
    switched_off: tuple[Span, ...]
    sharing: tuple[Sharing, ...]
    thresholds: tuple[tuple[float, Place, int], ...]
    pulls: tuple[float, ...] = field(default=())


HOME = Place("home", "111111111111", "eu-west-1")
WEST = Place("west", "111111111111", "us-east-1", until=388.5)  # the Region is given up, nobody asks it again
OTHER = Place("other", "222222222222", "eu-west-1")

ALL_OF_HOME = (LOGGING, EXPIRING, POLICY, SHARED)

STORY = Script(
    places=(HOME, WEST, OTHER),
    schedules=(
        # Deleted by mistake on day 419.5 and made again seven weeks later; without policies for a hundred days.
        Schedule(HOME, "Weekly", "WEEKLY", 0, 419.5, ALL_OF_HOME, "MON"),
        Schedule(HOME, "Weekly", "WEEKLY", 469.5, 560, ALL_OF_HOME, "MON"),
        Schedule(HOME, "Weekly", "WEEKLY", 560, 660, (LOGGING, EXPIRING, SHARED), "MON"),
        Schedule(HOME, "Weekly", "WEEKLY", 660, NEVER, ALL_OF_HOME, "MON"),
        Schedule(WEST, "Thursdays", "WEEKLY", 0, 400, (LOGGING, POLICY), "THU"),
        # Daily in the first month, weekly after that.
        Schedule(OTHER, "Regular", "DAILY", 0, 30, (LOGGING, EXPIRING)),
        Schedule(OTHER, "Regular", "WEEKLY", 30, NEVER, (LOGGING, EXPIRING), "WED"),
    ),
    on_demand=(
        OnDemand(HOME, 95.5, (LOGGING,)),
        OnDemand(HOME, 190.5, (SHARED,)),
        OnDemand(HOME, 250.5, (SHARED, LOGGING)),
        OnDemand(HOME, 312.5, (LOGGING,)),
        OnDemand(OTHER, 200.5, (LOGGING, EXPIRING), completed=(LOGGING,)),
    ),
    certificates=(
        Certificate(HOME, "pump1", 100, gone=120),
        Certificate(HOME, "pump2", 400, gone=390),
        Certificate(HOME, "pump3", 1000),
        Certificate(HOME, "pump4", 310, gone=330),
        Certificate(HOME, "pump5", 318, gone=270, deleted=True),
        Certificate(OTHER, "valve1", 15, gone=22.5),
        Certificate(OTHER, "valve2", 735),
        Certificate(OTHER, "valve3", 220, gone=240.5),
    ),
    policies=(
        Policy(HOME, "fleet", ((0, NARROW), (20, OPEN), (50, OPEN), (80, NARROW), (150, OPEN), (230, 1))),
        Policy(HOME, "legacy", ((0, OPEN),), deleted=460),
        Policy(HOME, "contractor", ((545, OPEN), (699, NARROW))),
        Policy(WEST, "west-all", ((60, OPEN),)),
        Policy(WEST, "west-temp", ((100, OPEN), (130, NARROW))),
    ),
    suppressions=(
        Suppression(HOME, "legacy", "1", 30, 365, by_itself=True),
        Suppression(HOME, "legacy", "1", 400, 450, by_itself=False),
    ),
    logging_off=(
        Span(HOME, LOGGING, 40, 61),
        Span(HOME, LOGGING, 300, 310),
        Span(HOME, LOGGING, 500, 540),
        Span(OTHER, LOGGING, 0, 10.5),
    ),
    failing=(Span(HOME, LOGGING, 505, 530),),
    switched_off=(Span(HOME, POLICY, 560, 660),),
    sharing=(Sharing(HOME, "pump3", 170, 170.5),),
    # Days of the threshold for certificates that are about to expire; 30 is AWS's default.
    thresholds=((200, HOME, 60), (260, HOME, 30), (640, HOME, 60)),
    # Every five weeks, but once nobody did it for twelve; AWS keeps ninety days.
    pulls=(0.1, *(35 * n + 3.5 for n in range(17)), 647.5, 668.5, 703.5, 728.4),
)
