"""The impact table: for each finding the things, certificates, groups and policies behind its resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.mitigation.impact_facts import GONE, MOST_BEHIND, Answer, Answers, Fact, Question
from ddreport.schema_types import COUNT, FLAG, TEXT, TIME, Column, Schema
from ddreport.tables.values import canonical_json
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

NAMES_SHOWN = 10
"""Names of things in one row; `things_count` counts them all."""

IMPACTS = Schema(
    "impacts",
    "One row per finding: what depends on its resource, as far as it could be read.",
    ("account", "region", "finding_id"),
    (
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("finding_id", TEXT, "the finding"),
        Column("check_name", TEXT, "API name of the check"),
        Column("resource_type", TEXT, "kind of resource, such as `DEVICE_CERTIFICATE`"),
        Column("resource_id", TEXT, "lasting identity of the resource"),
        Column("resource_status", TEXT, "`ACTIVE`, `INACTIVE`, `REVOKED`, …, or `GONE`; certificates", nullable=True),
        Column("things_count", COUNT, "things behind it; missing when not known or not asked", nullable=True),
        Column("things", TEXT, f"their first {NAMES_SHOWN} names, those connected first, as a JSON list"),
        Column("certificates_count", COUNT, "device certificates behind it; missing when not known", nullable=True),
        Column("active_certificates_count", COUNT, "of these the ACTIVE ones, where that was asked", nullable=True),
        Column("thing_groups", TEXT, "groups of its things, or that it is attached to, as a JSON list of names"),
        Column("policies", TEXT, "policies attached to the certificate, as a JSON list of names"),
        Column("auto_registration", FLAG, "whether devices register by connecting with the CA", nullable=True),
        Column("connected_count", COUNT, "things connected when read; missing when not known", nullable=True),
        Column("connected", FLAG, "whether any is connected; missing when not known", nullable=True),
        Column(
            "last_connection_time",
            TIME,
            "when one of them was last connected: the time of reading if one is; missing when never or not known",
            nullable=True,
        ),
        Column("unknown", TEXT, "what could not be read, as a JSON object of fact and reason; `{}` for nothing"),
        Column(
            "source", TEXT, "`AWS`, `inventory`, or `AWS, inventory`; missing when nothing was asked", nullable=True
        ),
        Column("read_time", TIME, "of when the oldest fact is; missing when nothing was read", nullable=True),
    ),
)
"""Table of impacts. It belongs to a moment and is kept nowhere."""


def impacts_table(findings: pd.DataFrame, answers: Answers, *, account: str, region: str) -> pd.DataFrame:
    """Make the table `IMPACTS` of what was found out.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`; reads `finding_id`, `check_name`, `resource_type`, `resource_id`. Each finding once.
    answers
        Answers to `impact_facts.first_questions` and all that they lead to.
    account, region
        Whose findings they are.

    Returns
    -------
    DataFrame
        `IMPACTS`, in the order of the findings.
    """
    import pandas as pd

    columns = ["finding_id", "check_name", "resource_type", "resource_id"]
    rows = [
        {"account": account, "region": region, **row, **_Row(row, answers).columns()}
        for row in findings[columns].to_dict("records")
    ]
    return IMPACTS.conform(pd.DataFrame(rows)) if rows else IMPACTS.empty()


@dataclass
class _Row:
    """The facts of one finding while they are put together."""

    finding: Mapping[Any, Any]
    answers: Answers
    unknown: dict[str, str] = field(default_factory=dict)
    used: list[Answer] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Return what a row has beside the finding's own columns."""
        lists: dict[str, Any] = dict.fromkeys(("things", "thing_groups", "policies"), ())
        self.found |= dict.fromkeys(_OTHERS) | lists
        kind = self.finding["resource_type"]
        if kind in _FILL:
            _FILL[kind](self)
        times = [a.time for a in self.used if a.time is not None]
        return (
            self.found
            | {name: canonical_json(list(self.found[name])) for name in lists}
            | {
                "unknown": canonical_json(self.unknown),
                "source": ", ".join(sorted({a.source for a in self.used})) or None,
                "read_time": min(times, default=None),
            }
        )

    def of_device_certificate(self) -> None:
        name = str(self.finding["resource_id"])
        status = self._get(Fact.CERTIFICATE, name, "status")
        things = self._get(Fact.THINGS_OF_CERTIFICATE, name, "things")
        policies = self._get(Fact.POLICIES_OF_CERTIFICATE, name, "policies")
        gone = status is not None and status.is_gone
        if status is not None:
            self.found["resource_status"] = GONE if gone else status.value
            self.found["certificates_count"] = int(not gone)
            self.found["active_certificates_count"] = int(status.value == "ACTIVE")
        if policies is not None:
            self.found["policies"] = sorted(policies.value or ())
        if things is not None:
            self._put_things(things.value or (), with_groups=True)

    def of_ca_certificate(self) -> None:
        name = str(self.finding["resource_id"])
        state = self._get(Fact.CA_CERTIFICATE, name, "status")
        signed = self._get(Fact.CERTIFICATES_OF_CA, name, "certificates")
        if state is not None:
            self.found["resource_status"] = GONE if state.is_gone else state.value.status
            self.found["auto_registration"] = None if state.is_gone else state.value.auto_registration
        if signed is not None:
            self.found["certificates_count"] = signed.value or 0

    def of_policy(self) -> None:
        targets = self._get(Fact.TARGETS_OF_POLICY, str(self.finding["resource_id"]), "targets")
        if targets is None:
            self.unknown.setdefault("things", self.unknown["targets"])
            return
        if targets.is_gone:
            self.found["resource_status"] = GONE
        certificates = [name for kind, name in targets.value or () if kind == "certificate"]
        groups = [name for kind, name in targets.value or () if kind == "thing_group"]
        self.found["certificates_count"] = len(certificates)
        self.found["thing_groups"] = sorted(groups)
        members = [self._get(Fact.MEMBERS_OF_GROUP, name, "things") for name in groups]
        self._put_things_of(certificates, [a.value or () for a in members if a is not None])

    def of_issuer(self) -> None:
        related = self._get(Fact.CERTIFICATES_OF_ISSUER, str(self.finding["finding_id"]), "certificates")
        if related is None:
            self.unknown.setdefault("things", self.unknown["certificates"])
            return
        certificates = related.value or ()
        self.found["certificates_count"] = len(certificates)
        if len(certificates) <= MOST_BEHIND:
            states = [self._get(Fact.CERTIFICATE, name, "status") for name in certificates]
            if "status" not in self.unknown:
                self.found["active_certificates_count"] = sum(a is not None and a.value == "ACTIVE" for a in states)
        self._put_things_of(certificates, [])

    def _put_things_of(self, certificates: Sequence[str], more: Sequence[Sequence[str]]) -> None:
        if len(certificates) > MOST_BEHIND:
            self.unknown["things"] = (
                f"{len(certificates):,} certificates are behind it; more than {MOST_BEHIND:,} are not asked one by one"
            )
            return
        lists = [self._get(Fact.THINGS_OF_CERTIFICATE, name, "things") for name in certificates]
        if "things" in self.unknown:
            return  # a part would pass for the whole
        found = {thing for answer in lists if answer is not None for thing in answer.value or ()}
        self._put_things(sorted(found.union(*more)), with_groups=False)

    def _put_things(self, things: Sequence[str], *, with_groups: bool) -> None:
        self.found["things_count"] = len(things)
        connected = self._put_connections(things)
        self.found["things"] = sorted(things, key=lambda name: (name not in connected, name))[:NAMES_SHOWN]
        if with_groups and len(things) <= MOST_BEHIND:
            groups = [self._get(Fact.GROUPS_OF_THING, name, "thing_groups") for name in things]
            self.found["thing_groups"] = sorted({g for a in groups if a is not None for g in a.value or ()})

    def _put_connections(self, things: Sequence[str]) -> frozenset[str]:
        """Fill in what is known of connections; return the things that are connected."""
        if not things:
            self.found |= {"connected_count": 0, "connected": False}
            return frozenset()
        if len(things) > MOST_BEHIND:
            self.unknown["connection"] = f"{len(things):,} things; more than {MOST_BEHIND:,} are not asked one by one"
            return frozenset()
        connected: set[str] = set()
        moments: list[datetime] = []
        silent = 0
        for thing in things:
            answer = self._get(Fact.CONNECTION, thing, "connection")
            if answer is None:
                continue
            if answer.value is None or answer.value.connected is None:
                silent += 1
                continue
            moment = answer.time if answer.value.connected else answer.value.time
            if answer.value.connected:
                connected.add(thing)
            if moment is not None:
                moments.append(moment)
        self.found["last_connection_time"] = max(moments, default=None)
        if silent and "connection" not in self.unknown:
            self.unknown["connection"] = f"the fleet index does not tell of {silent:,} of {len(things):,} things"
        if connected:
            self.found["connected"] = True
        if "connection" not in self.unknown:
            self.found |= {"connected_count": len(connected), "connected": bool(connected)}
        return frozenset(connected)

    def _get(self, fact: Fact, name: str, what: str) -> Answer | None:
        """Return an answer; None when there is none, and then note why."""
        answer = self.answers.get(Question(fact, name))
        if answer is None:
            self.unknown.setdefault(what, "it was not asked")
            return None
        if answer.problem is not None:
            self.unknown.setdefault(what, answer.problem)
            return None
        self.used.append(answer)
        return answer


_OTHERS = (
    "resource_status",
    "things_count",
    "certificates_count",
    "active_certificates_count",
    "auto_registration",
    "connected_count",
    "connected",
    "last_connection_time",
)

_FILL = {
    ResourceType.DEVICE_CERTIFICATE.value: _Row.of_device_certificate,
    ResourceType.CA_CERTIFICATE.value: _Row.of_ca_certificate,
    ResourceType.IOT_POLICY.value: _Row.of_policy,
    ResourceType.ISSUER_CERTIFICATE.value: _Row.of_issuer,
}
