"""What of an inventory a rule may be expanded over; a table that was never read is not one without rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from ddreport.errors import DDReportError, did_you_mean
from ddreport.metrics import memberships
from ddreport.schemas_inventory import CERTIFICATES, POLICY_TARGETS, THING_GROUP_MEMBERS
from ddreport.suppression.identifiers import policy_identifier
from ddreport.tables.values import canonical_json
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.suppression.rules import Place, Selector

TABLES = (
    "certificates",
    "ca_certificates",
    "policies",
    "policy_targets",
    "things",
    "thing_groups",
    "thing_group_members",
    "thing_principals",
    "role_aliases",
)
"""Tables of an inventory that rules are expanded over."""

_LISTED = {
    ResourceType.DEVICE_CERTIFICATE: ("certificates", "certificate_id", "deviceCertificateId"),
    ResourceType.CA_CERTIFICATE: ("ca_certificates", "ca_certificate_id", "caCertificateId"),
    ResourceType.ROLE_ALIAS: ("role_aliases", "role_alias_arn", "roleAliasArn"),
}
_ASKED = ["resource_type", "resource_id"]
_HOW = "run `ddreport pull --inventory`"


class Resource(NamedTuple):
    """A resource that a rule may be about, as the columns of the same names in `schemas.FINDINGS`."""

    resource_type: str
    resource_id: str
    policy_version_id: str | None
    resource_identifier: str


class UnresolvedError(DDReportError):
    """What a rule means cannot be told, since something was never read."""


@dataclass(frozen=True)
class Inventory:
    """Tables of the newest inventory of one account and Region (`schemas`); None: that table was never read."""

    certificates: pd.DataFrame | None = None
    ca_certificates: pd.DataFrame | None = None
    policies: pd.DataFrame | None = None
    policy_targets: pd.DataFrame | None = None
    things: pd.DataFrame | None = None
    thing_groups: pd.DataFrame | None = None
    thing_group_members: pd.DataFrame | None = None
    thing_principals: pd.DataFrame | None = None
    role_aliases: pd.DataFrame | None = None

    def table(self, name: str) -> pd.DataFrame:
        """Return a table (`UnresolvedError` when it was never read)."""
        found: pd.DataFrame | None = getattr(self, name)
        if found is None:
            raise UnresolvedError(f"the inventory's table {name} was never read; {_HOW}")
        return found

    def resources(self, resource_type: ResourceType) -> list[Resource]:
        """Return every resource of a type; of policies the version in force."""
        kind = resource_type.value
        if resource_type is ResourceType.IOT_POLICY:
            policies = self.table("policies").dropna(subset=["default_version_id"])
            rows = policies[["policy_name", "default_version_id"]].itertuples(index=False, name=None)
            return [Resource(kind, name, version, policy_identifier(name, version)) for name, version in rows]
        table, column, key = _LISTED[resource_type]
        ids = self.table(table)[column].dropna()
        return [Resource(kind, i, None, canonical_json({key: i})) for i in ids]

    def behind(self, resources: Sequence[Resource], selector: Selector, *, place: Place) -> set[str]:
        """Return the ids of resources behind which things stand that are all as the selector says.

        All: a certificate that a thing of the lab shares with one in the field is not accepted with the lab's. Which
        things stand behind a resource is told by `metrics.memberships`.
        """
        things = self.table("things")
        chosen = self._chosen(things, selector)
        # Two made-up thing types; so the ways from resources to things are those of the metrics.
        typed = things.assign(thing_type_name=chosen.map({True: "in", False: "out"}).astype("str"))
        asked = pd.DataFrame([(r.resource_type, r.resource_id) for r in resources], columns=_ASKED, dtype="str")
        found = memberships(
            asked.assign(account=place.account, region=place.region),
            certificates=CERTIFICATES.empty(),
            thing_principals=self.table("thing_principals"),
            things=typed,
            thing_group_members=THING_GROUP_MEMBERS.empty(),
            policy_targets=POLICY_TARGETS.empty(),
            by="thing_type",
        )
        outside = set(found.loc[found["group_name"] != "in", "resource_id"])
        return {r.resource_id for r in resources} - outside

    def _chosen(self, things: pd.DataFrame, selector: Selector) -> pd.Series[bool]:
        chosen = pd.Series([True] * len(things), index=things.index, dtype="bool")
        if selector.thing_group is not None:
            groups = self.table("thing_groups")["thing_group_name"]
            if selector.thing_group not in set(groups):
                raise UnknownNameError.of("thing group", selector.thing_group, groups)
            members = self.table("thing_group_members")
            inside = members.loc[members["thing_group_name"] == selector.thing_group, "thing_name"]
            chosen &= things["thing_name"].isin(inside)
        if selector.thing_type is not None:
            if selector.thing_type not in set(things["thing_type_name"].dropna()):
                raise UnknownNameError.of("thing type", selector.thing_type, things["thing_type_name"].dropna())
            chosen &= things["thing_type_name"] == selector.thing_type
        if selector.thing_attributes:
            wanted = set(selector.thing_attributes)
            chosen &= things["attributes"].map(lambda text: wanted <= set(json.loads(text).items())).astype("bool")
        return chosen


class UnknownNameError(DDReportError):
    """A rule names a thing group or type that the inventory has not."""

    @classmethod
    def of(cls, what: str, name: str, known: pd.Series[str]) -> UnknownNameError:
        """Make the error for one name."""
        return cls(f"the inventory has no {what} {name!r}.{did_you_mean(name, set(known))}")
