"""What an inventory costs: calls by operation, and their time at AWS's rates. Only arithmetic, nothing is asked.

AWS IoT has no call that gives the validity of many certificates, or the principals of many things: each certificate
and each thing takes a call of its own. So it is worth knowing beforehand how long that will be.

Rates are AWS's published requests per second by account and Region: AWS General Reference, "AWS IoT Core endpoints and
quotas", API throttling (https://docs.aws.amazon.com/general/latest/gr/iot-core.html#throttling-limits), for the
registry also as default values of AWS Service Quotas (service `iotcore`, for example L-FC3EF4D9 ListThingPrincipals 10,
L-D33FD5F9 ListThingsInThingGroup 25, L-52E1E197 DescribeThingGroup 100). AWS raises most of them on request; these
defaults hold for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil
from typing import TYPE_CHECKING

from ddreport.aws.rates import OTHER_RATE, PUBLISHED_RATES
from ddreport.errors import InputError
from ddreport.settings import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping


_LISTS_OF_ALL = {
    "ListCertificates": "certificates",
    "ListCACertificates": "ca_certificates",
    "ListPolicies": "policies",
    "ListThings": "things",
    "ListThingGroups": "thing_groups",
    "ListRoleAliases": "role_aliases",
}


@dataclass(frozen=True)
class InventoryCounts:
    """How many of each there are; `new_*` of them have to be described, the rest is known from an earlier inventory."""

    certificates: int = 0
    new_certificates: int = 0
    ca_certificates: int = 0
    policies: int = 0
    new_policy_versions: int = 0
    things: int = 0
    thing_groups: int = 0
    role_aliases: int = 0


@dataclass(frozen=True)
class PlannedCalls:
    """Calls of one operation.

    Attributes
    ----------
    operation, calls
        AWS's name, and how many calls at least: what is longer than a page of 250 takes more.
    rate
        Requests per second.
    first
        Whether it lists everything of a kind, and so has to come before the others.
    """

    operation: str
    calls: int
    rate: int
    first: bool = False

    @property
    def seconds(self) -> float:
        """Time that they take at the rate."""
        return self.calls / self.rate


@dataclass(frozen=True)
class InventoryPlan:
    """What will be asked.

    Attributes
    ----------
    counts
        What there is and what of it is new.
    calls
        Calls by operation, those that take longest first.
    """

    counts: InventoryCounts
    calls: tuple[PlannedCalls, ...]

    @property
    def calls_count(self) -> int:
        """All calls."""
        return sum(c.calls for c in self.calls)

    @property
    def seconds(self) -> float:
        """Time at AWS's rates: lists first, then the rest; side by side, so of each the slowest counts."""
        return sum(max((c.seconds for c in self.calls if c.first == first), default=0.0) for first in (True, False))

    def __str__(self) -> str:
        """Return the plan in one line, as it is shown before the calls begin."""
        counts = self.counts
        found = [f"{counts.certificates:,} certificates, {counts.new_certificates:,} new"]
        found += [
            f"{getattr(counts, name):,} {name.replace('_', ' ')}"
            for name in ("things", "thing_groups", "policies")
            if getattr(counts, name)
        ]
        return f"{'; '.join(found)}: {self.calls_count:,} calls, about {duration(self.seconds)} at AWS's rates"


def plan_calls(counts: InventoryCounts, *, lists: bool = True) -> InventoryPlan:
    """Return the calls that an inventory of `counts` takes, and with them the time.

    Parameters
    ----------
    lists
        Whether the lists of everything are counted too; they are asked first, to know the counts.

    Raises
    ------
    InputError
        A count is negative, or more certificates are new than there are.
    """
    for field in fields(counts):
        if getattr(counts, field.name) < 0:
            raise InputError(f"{field.name} is {getattr(counts, field.name)}; allowed: 0 or more.")
    if counts.new_certificates > counts.certificates:
        raise InputError(f"{counts.new_certificates} of {counts.certificates} certificates cannot be new.")
    calls = {
        "DescribeCertificate": counts.new_certificates,
        "DescribeCACertificate": counts.ca_certificates,
        "ListPolicyVersions": counts.policies,
        "GetPolicyVersion": counts.new_policy_versions,
        "ListTargetsForPolicy": counts.policies,
        "ListThingPrincipals": counts.things,
        "DescribeThingGroup": counts.thing_groups,
        "ListThingsInThingGroup": counts.thing_groups,
        "DescribeRoleAlias": counts.role_aliases,
    }
    if lists:
        calls |= {name: _pages(getattr(counts, of)) for name, of in _LISTS_OF_ALL.items()}
        # A group's members come in pages: every thing may be in one.
        calls["ListThingsInThingGroup"] += counts.things // PAGE_SIZE if counts.thing_groups else 0
    return planned(counts, calls)


def planned(counts: InventoryCounts, calls: Mapping[str, int]) -> InventoryPlan:
    """Return the plan of `calls` by operation."""
    found = [PlannedCalls(name, n, rate_of(name), name in _LISTS_OF_ALL) for name, n in calls.items() if n]
    return InventoryPlan(counts, tuple(sorted(found, key=lambda c: (-c.seconds, c.operation))))


def rate_of(operation: str) -> int:
    """Return AWS's published rate of an operation, requests per second."""
    return PUBLISHED_RATES.get(operation, OTHER_RATE)


def duration(seconds: float) -> str:
    """Return a time span for people, such as `2 min 4 s` or `2 h 47 min`; never less than 1 s."""
    whole = max(1, ceil(seconds - 1e-9))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = ceil(whole / 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60:,} h"


def _pages(items: int) -> int:
    return max(1, ceil(items / PAGE_SIZE))
