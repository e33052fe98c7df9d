"""To whom a resource belongs: its thing groups, its thing types, its certificate authorities, by an inventory.

A finding names a certificate, a policy or a client; a fleet is managed by groups, types and authorities. The ways from
one to the other, by resource type:

=======================  ==========================  ==========================  =======================================
resource                 certificates                things                      groups that it names itself
=======================  ==========================  ==========================  =======================================
`DEVICE_CERTIFICATE`     itself                      it is attached to           —
`CA_CERTIFICATE`         those it signed             these are attached to       by authority: itself
`IOT_POLICY`             it is attached to           these are attached to; and  by thing group: those it is attached to
                                                     members of the groups that
                                                     it is attached to
`CLIENT_ID`              of its thing                the thing of that name      —
any other                none                        none                        —
=======================  ==========================  ==========================  =======================================

By `thing_group` a resource belongs to the groups that its things are direct members of; parents are not added. By
`thing_type` it belongs to the types of its things, by `ca_certificate` to the authorities of its certificates (of its
things' certificates, where the way leads over things). What leads nowhere belongs to `(none)`: a certificate without a
thing, a thing without a type, a certificate that no registered CA signed, an account's settings.

A resource may belong to several groups, and then counts in each; so sums over groups may exceed the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import narwhals as nw

from ddreport.engines import Table, collect, scan
from ddreport.errors import ParameterError, did_you_mean
from ddreport.metrics.expiry import NO_GROUP
from ddreport.schemas import FINDINGS, TEXT, Column, Schema
from ddreport.schemas_inventory import (
    CERTIFICATES,
    POLICY_TARGETS,
    THING_GROUP_MEMBERS,
    THING_PRINCIPALS,
    THINGS,
)
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    import pandas as pd

    Frame = nw.LazyFrame[Any]

Grouping = Literal["thing_group", "thing_type", "ca_certificate"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)

MEMBERSHIPS = Schema(
    "memberships",
    "One row per resource and group that it belongs to.",
    ("account", "region", "resource_type", "resource_id", "group_name"),
    (
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("resource_type", TEXT, "kind of resource, such as `DEVICE_CERTIFICATE`"),
        Column("resource_id", TEXT, "lasting identity of the resource"),
        Column("group_name", TEXT, "name of the group or type, id of the CA certificate; `(none)` for no group"),
    ),
)

_PLACE = ["account", "region"]
_RESOURCE = [*_PLACE, "resource_type", "resource_id"]
_CERTIFICATE = [*_PLACE, "certificate_id"]
_THING = [*_PLACE, "thing_name"]


def memberships(
    resources: Table,
    *,
    certificates: Table,
    thing_principals: Table,
    things: Table,
    thing_group_members: Table,
    policy_targets: Table,
    by: Grouping = "thing_group",
) -> pd.DataFrame:
    """Map resources to thing groups, thing types or certificate authorities by the rules at the top of this module.

    Parameters
    ----------
    resources
        Any table with `account`, `region`, `resource_type` and `resource_id`, such as findings or problems; repeated
        resources count once.
    certificates, thing_principals, things, thing_group_members, policy_targets
        Tables of an inventory (`schemas`), of one moment for each account and Region; all of the same engine as
        `resources`. Which of them were read at all says `inventory_status`: a table that was not would map everything
        to `(none)`, so ask for it first.
    by
        `thing_group`, `thing_type` or `ca_certificate`.

    Returns
    -------
    DataFrame
        `MEMBERSHIPS`, sorted by its key; at least one row per resource.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        `by` is none of the three.
    """
    if by not in GROUPINGS:
        raise ParameterError(f"by is {by!r}; allowed: {', '.join(GROUPINGS)}.{did_you_mean(str(by), GROUPINGS)}")
    wanted = scan(resources, FINDINGS, _RESOURCE).unique()
    ways = _Ways(
        wanted,
        certificates=scan(certificates, CERTIFICATES, [*_CERTIFICATE, "ca_certificate_id"]).unique(),
        principals=scan(thing_principals, THING_PRINCIPALS, [*_THING, "principal_type", "principal_id"])
        .filter(nw.col("principal_type") == "certificate")
        .select(*_THING, certificate_id=nw.col("principal_id"))
        .unique(),
        things=scan(things, THINGS, [*_THING, "thing_type_name"]).unique(),
        members=scan(thing_group_members, THING_GROUP_MEMBERS, [*_THING, "thing_group_name"]).unique(),
        targets=scan(policy_targets, POLICY_TARGETS, [*_PLACE, "policy_name", "target_type", "target_id"]).unique(),
    )
    found = {"thing_group": ways.groups, "thing_type": ways.types, "ca_certificate": ways.authorities}[by]()
    found = found.filter(~nw.col("group_name").is_null()).select(*_RESOURCE, "group_name").unique()
    rows = wanted.join(found, on=_RESOURCE, how="left").with_columns(nw.col("group_name").fill_null(NO_GROUP))
    table = collect(rows.select(*_RESOURCE, "group_name"))
    return MEMBERSHIPS.conform(table.sort_values(list(MEMBERSHIPS.key))) if len(table) else MEMBERSHIPS.empty()


class _Ways:
    """The ways from resources to what they belong to, as joins."""

    def __init__(
        self, wanted: Frame, *, certificates: Frame, principals: Frame, things: Frame, members: Frame, targets: Frame
    ) -> None:
        self._wanted = wanted
        self._certificates = certificates
        self._principals = principals
        self._things = things
        self._members = members
        self._targets = targets

    def groups(self) -> Frame:
        """Resource and `group_name`: thing groups."""
        of_things = self._things_of().join(self._members, on=_THING, how="inner")
        named = self._targets_of("thing_group")
        return _union(
            of_things.select(*_RESOURCE, group_name=nw.col("thing_group_name")),
            named.select(*_RESOURCE, group_name=nw.col("target_id")),
        )

    def types(self) -> Frame:
        """Resource and `group_name`: thing types."""
        of_things = self._things_of().join(self._things, on=_THING, how="inner")
        return of_things.select(*_RESOURCE, group_name=nw.col("thing_type_name"))

    def authorities(self) -> Frame:
        """Resource and `group_name`: ids of CA certificates."""
        over_things = self._things_directly().join(self._principals, on=_THING, how="inner")
        certificates = _union(self._certificates_of(), over_things.select(*_RESOURCE, "certificate_id"))
        signed = certificates.join(self._certificates, on=_CERTIFICATE, how="inner")
        itself = self._of(ResourceType.CA_CERTIFICATE)
        return _union(
            signed.select(*_RESOURCE, group_name=nw.col("ca_certificate_id")),
            itself.select(*_RESOURCE, group_name=nw.col("resource_id")),
        )

    def _of(self, kind: ResourceType) -> Frame:
        return self._wanted.filter(nw.col("resource_type") == kind.value)

    def _targets_of(self, kind: str) -> Frame:
        """Policies and what of a kind they are attached to."""
        targets = self._targets.filter(nw.col("target_type") == kind).select(
            *_PLACE, "target_id", resource_id=nw.col("policy_name")
        )
        return self._of(ResourceType.IOT_POLICY).join(targets, on=[*_PLACE, "resource_id"], how="inner")

    def _certificates_of(self) -> Frame:
        itself = self._of(ResourceType.DEVICE_CERTIFICATE)
        signed = self._certificates.select(*_CERTIFICATE, resource_id=nw.col("ca_certificate_id"))
        by_authority = self._of(ResourceType.CA_CERTIFICATE).join(signed, on=[*_PLACE, "resource_id"], how="inner")
        attached = self._targets_of("certificate")
        return _union(
            itself.select(*_RESOURCE, certificate_id=nw.col("resource_id")),
            by_authority.select(*_RESOURCE, "certificate_id"),
            attached.select(*_RESOURCE, certificate_id=nw.col("target_id")),
        )

    def _things_directly(self) -> Frame:
        """Things that are reached without a certificate: by their name, or as members of a policy's groups."""
        things = self._things.select(*_THING, resource_id=nw.col("thing_name"))
        clients = self._of(ResourceType.CLIENT_ID).join(things, on=[*_PLACE, "resource_id"], how="inner")
        members = self._members.select(*_THING, target_id=nw.col("thing_group_name"))
        of_groups = self._targets_of("thing_group").join(members, on=[*_PLACE, "target_id"], how="inner")
        return _union(clients.select(*_RESOURCE, "thing_name"), of_groups.select(*_RESOURCE, "thing_name"))

    def _things_of(self) -> Frame:
        attached = self._certificates_of().join(self._principals, on=_CERTIFICATE, how="inner")
        return _union(attached.select(*_RESOURCE, "thing_name"), self._things_directly())


def _union(*frames: Frame) -> Frame:
    return nw.concat(list(frames), how="vertical").unique()
