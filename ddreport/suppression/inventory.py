"""What of an inventory a rule may be expanded over; a table that was never read is not one without rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.errors import DDReportError, did_you_mean
from ddreport.metrics import memberships
from ddreport.schemas_inventory import CERTIFICATES, POLICY_TARGETS, THING_GROUP_MEMBERS
from ddreport.suppression.identifiers import policy_identifier
from ddreport.tables.values import canonical_json
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.suppression.rules import Selector

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

CANDIDATES = ["resource_type", "resource_id", "policy_version_id", "resource_identifier"]

_HOW = "run `ddreport pull --inventory`"


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

    def resources(self, resource_type: ResourceType) -> pd.DataFrame:
        """Return every resource of a type, with the columns `CANDIDATES`; of policies the version in force."""
        version: Sequence[str] | None = None
        if resource_type is ResourceType.DEVICE_CERTIFICATE:
            ids = self.table("certificates")["certificate_id"].tolist()
            identifiers = [canonical_json({"deviceCertificateId": i}) for i in ids]
        elif resource_type is ResourceType.CA_CERTIFICATE:
            ids = self.table("ca_certificates")["ca_certificate_id"].tolist()
            identifiers = [canonical_json({"caCertificateId": i}) for i in ids]
        elif resource_type is ResourceType.IOT_POLICY:
            policies = self.table("policies").dropna(subset=["default_version_id"])
            ids, version = policies["policy_name"].tolist(), policies["default_version_id"].tolist()
            identifiers = [policy_identifier(i, v) for i, v in zip(ids, version, strict=True)]
        else:
            ids = self.table("role_aliases")["role_alias_arn"].dropna().tolist()
            identifiers = [canonical_json({"roleAliasArn": i}) for i in ids]
        data = {
            "resource_type": pd.Series([resource_type.value] * len(ids), dtype="str"),
            "resource_id": pd.Series(ids, dtype="str"),
            "policy_version_id": pd.Series(version if version is not None else [None] * len(ids), dtype="str"),
            "resource_identifier": pd.Series(identifiers, dtype="str"),
        }
        return pd.DataFrame(data)

    def behind(self, resources: pd.DataFrame, selector: Selector) -> pd.Series[bool]:
        """Return for each resource whether things stand behind it, and every one of them is as the selector says.

        Every one: a certificate that a thing of the lab shares with one in the field is not accepted with the lab's.
        Which things stand behind a resource is told by `metrics.memberships`.

        Parameters
        ----------
        resources
            With `account`, `region`, `resource_type`, `resource_id`.
        """
        things = self.table("things")
        chosen = self._chosen(things, selector)
        # Two made-up thing types; so the ways from resources to things are those of the metrics.
        typed = things.assign(thing_type_name=chosen.map({True: "in", False: "out"}).astype("str"))
        found = memberships(
            resources,
            certificates=CERTIFICATES.empty(),
            thing_principals=self.table("thing_principals"),
            things=typed,
            thing_group_members=THING_GROUP_MEMBERS.empty(),
            policy_targets=POLICY_TARGETS.empty(),
            by="thing_type",
        )
        wholly = found.groupby("resource_id")["group_name"].agg(lambda names: set(names) == {"in"})
        answer: pd.Series[bool] = resources["resource_id"].map(wholly).fillna(value=False).astype("bool")
        return answer

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
