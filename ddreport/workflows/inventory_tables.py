"""The inventory as `AuditData` hands it out: the newest table of each kind, or a clear word that there is none."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ddreport.errors import NoDataError
from ddreport.schemas import SCHEMAS
from ddreport.workflows.inventory import newest_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.archive import Archive


class InventoryTables:
    """Tables of the newest inventory of several targets; base of `AuditData`.

    A table is that of the newest inventory that was not refused it, per account and Region; `observed_time` in each row
    tells of when it is. Where a window's end was given, later inventories do not count: what a fleet is today says
    nothing of what it was then.

    Raises
    ------
    NoDataError
        Out of every table: one of the targets has no inventory with that table. The message names the command.
    """

    def _set_inventory(
        self, archive: Archive, places: Sequence[tuple[str, str, str]], *, as_of: datetime | None
    ) -> None:
        """Say where the tables come from; `places` are target, account and Region, `as_of` None means the newest."""
        self._inventory_archive = archive
        self._inventory_places = tuple(places)
        self._inventory_as_of = as_of

    def _inventory(self, table: str) -> pd.DataFrame:
        import pandas as pd

        found, lacking = [], []
        for target, account, region in self._inventory_places:
            frame = self._inventory_of(table, (account, region))
            if frame is None or (table == "inventory_status" and frame.empty):
                lacking.append(target)
            else:
                found.append(frame)
        if lacking:
            raise self._no_inventory(table, lacking)
        full = [frame for frame in found if not frame.empty]
        return SCHEMAS[table].conform(pd.concat(full, ignore_index=True)) if full else SCHEMAS[table].empty()

    def _inventory_of(self, table: str, place: tuple[str, str]) -> pd.DataFrame | None:
        archive, as_of = self._inventory_archive, self._inventory_as_of
        if table == "inventory_status":
            return archive.latest_state(table, places=[place], as_of=as_of)
        return newest_table(archive, table, place=place, as_of=as_of)

    def _no_inventory(self, table: str, lacking: Sequence[str]) -> NoDataError:
        until = "" if self._inventory_as_of is None else f" until {self._inventory_as_of:%Y-%m-%d %H:%M} UTC"
        named = " ".join(f"--target {name}" for name in lacking)
        return NoDataError(
            f"the archive has no inventory of {', '.join(lacking)} with the table {table}{until}.",
            hint=f"bring it in with `ddreport pull {named} --inventory`; `inventory_status` says what was refused.",
        )

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """Device certificates: table `schemas.CERTIFICATES`."""
        return self._inventory("certificates")

    @cached_property
    def ca_certificates(self) -> pd.DataFrame:
        """CA certificates: table `schemas.CA_CERTIFICATES`."""
        return self._inventory("ca_certificates")

    @cached_property
    def policies(self) -> pd.DataFrame:
        """IoT policies: table `schemas.POLICIES`."""
        return self._inventory("policies")

    @cached_property
    def policy_versions(self) -> pd.DataFrame:
        """Versions of IoT policies with their documents: table `schemas.POLICY_VERSIONS`."""
        return self._inventory("policy_versions")

    @cached_property
    def policy_targets(self) -> pd.DataFrame:
        """What IoT policies are attached to: table `schemas.POLICY_TARGETS`."""
        return self._inventory("policy_targets")

    @cached_property
    def things(self) -> pd.DataFrame:
        """Things: table `schemas.THINGS`."""
        return self._inventory("things")

    @cached_property
    def thing_groups(self) -> pd.DataFrame:
        """Thing groups: table `schemas.THING_GROUPS`."""
        return self._inventory("thing_groups")

    @cached_property
    def thing_group_members(self) -> pd.DataFrame:
        """Direct members of thing groups: table `schemas.THING_GROUP_MEMBERS`."""
        return self._inventory("thing_group_members")

    @cached_property
    def thing_principals(self) -> pd.DataFrame:
        """Certificates and identities attached to things: table `schemas.THING_PRINCIPALS`."""
        return self._inventory("thing_principals")

    @cached_property
    def role_aliases(self) -> pd.DataFrame:
        """Role aliases: table `schemas.ROLE_ALIASES`."""
        return self._inventory("role_aliases")

    @cached_property
    def inventory_status(self) -> pd.DataFrame:
        """Which tables the newest inventory has, and why not the others: table `schemas.INVENTORY_STATUS`."""
        return self._inventory("inventory_status")
