"""What is asked for each table of an inventory: the list that names everything, and the call for each thing in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.schemas_inventory import INVENTORY_SCHEMAS, INVENTORY_STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.aws.inventory.questions import Questions

TABLES: tuple[str, ...] = tuple(s.name for s in INVENTORY_SCHEMAS if s is not INVENTORY_STATUS)
"""Tables that can be asked for."""


@dataclass(frozen=True)
class ListOf:
    """A list of everything of a kind: boto3's operation, the member with the items, and the item's name in it."""

    operation: str
    member: str
    name: str | None
    asked: Mapping[str, Any] = field(default_factory=dict)

    def name_of(self, item: Any) -> str:
        """Return the name of an item."""
        return str(item if self.name is None else item.get(self.name))


@dataclass(frozen=True)
class DetailOf:
    """A call for each thing: boto3's operation and the argument that names the thing.

    With `member` the call is a list, and that member holds its items. A `lasting` answer can never change.
    """

    operation: str
    argument: str
    member: str | None = None
    lasting: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, name: str, **more: Any) -> dict[str, Any]:
        """Return the arguments of the call."""
        return {self.argument: name, **self.asked, **more}

    def ask(self, questions: Questions, name: str, **more: Any) -> Any:
        """Return the answer or the items; None when the thing is gone."""
        arguments = self.arguments(name, **more)
        if self.member is None:
            return questions.one(self.operation, lasting=self.lasting, **arguments)
        return questions.items(self.operation, self.member, **arguments)

    def is_answered(self, questions: Questions, name: str, **more: Any) -> bool:
        """Return whether the journal has the answer."""
        return questions.is_answered(self.operation, **self.arguments(name, **more))


LISTS: dict[str, ListOf] = {
    "certificates": ListOf("list_certificates", "certificates", "certificateId"),
    "ca_certificates": ListOf("list_ca_certificates", "certificates", "certificateId"),
    "policies": ListOf("list_policies", "policies", "policyName"),
    "things": ListOf("list_things", "things", "thingName"),
    "thing_groups": ListOf("list_thing_groups", "thingGroups", "groupName", {"recursive": True}),
    "role_aliases": ListOf("list_role_aliases", "roleAliases", None),
}
"""Lists by the kind of what they name."""

TABLE_LISTS: dict[str, str] = {
    "certificates": "certificates",
    "ca_certificates": "ca_certificates",
    "policies": "policies",
    "policy_versions": "policies",
    "policy_targets": "policies",
    "things": "things",
    "thing_principals": "things",
    "thing_groups": "thing_groups",
    "thing_group_members": "thing_groups",
    "role_aliases": "role_aliases",
}
"""The list that a table is made of."""

DETAILS: dict[str, DetailOf] = {
    "certificates": DetailOf("describe_certificate", "certificateId", lasting=True),
    "ca_certificates": DetailOf("describe_ca_certificate", "certificateId"),
    "policies": DetailOf("list_policy_versions", "policyName"),
    "policy_versions": DetailOf("get_policy_version", "policyName"),
    "policy_targets": DetailOf("list_targets_for_policy", "policyName", "targets"),
    "thing_principals": DetailOf("list_thing_principals", "thingName", "principals"),
    "thing_groups": DetailOf("describe_thing_group", "thingGroupName"),
    "thing_group_members": DetailOf(
        "list_things_in_thing_group", "thingGroupName", "things", asked={"recursive": False}
    ),
    "role_aliases": DetailOf("describe_role_alias", "roleAlias"),
}
"""The call for each thing of a table; `things` needs none, `policy_versions` one for each version."""
