"""From answers in the journal to the tables of an inventory, a thousand rows at a time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from ddreport.aws.inventory.what import DETAILS, LISTS, TABLE_LISTS, TABLES
from ddreport.schemas import SCHEMAS
from ddreport.schemas_inventory import CERTIFICATES, INVENTORY_STATUS
from ddreport.tables.building import GrowingTable, build_arrow, check_arrow
from ddreport.tables.inventory import inventory_columns
from ddreport.tables.pem import can_read_pem
from ddreport.tables.values import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa

    from ddreport.aws.inventory.known import KnownInventory
    from ddreport.aws.inventory.questions import Questions

_ROWS_AT_ONCE = 1000

NO_KEYS = (
    "names, serial numbers and keys of certificates were not read: that needs the package cryptography; "
    "pip install 'ddreport[inventory]'."
)


class Assembly:
    """Makes the tables.

    Parameters
    ----------
    listed
        The items of each list that was read, by its name in `what.LISTS`.
    refusals
        By table that was not read: operation, code, text.

    Attributes
    ----------
    observed_time
        Time of the oldest list, by AWS's clock.
    keys
        The questions whose answers the tables are made of, in the order of the tables.
    """

    def __init__(
        self,
        questions: Questions,
        known: KnownInventory,
        *,
        account: str,
        region: str,
        listed: Mapping[str, list[Any]],
        refusals: Mapping[str, tuple[str | None, str, str]],
    ) -> None:
        self._questions = questions
        self._known = known
        self._listed = listed
        self._refusals = refusals
        self._keys: dict[str, None] = {}
        self.observed_time: datetime = min(
            questions.time(LISTS[name].operation, **LISTS[name].asked) for name in listed
        )
        self._place: dict[str, Any] = {"account": account, "region": region, "observed_time": self.observed_time}

    @property
    def keys(self) -> list[str]:
        """See the class."""
        return list(self._keys)

    def tables(self) -> dict[str, pa.Table]:
        """Return all tables of the inventory, those that were not read without rows."""
        made = {name: self._table(name) for name in TABLES}
        status = []
        for name, table in made.items():
            record: dict[str, Any] = {"table_name": name, "pulled": name not in self._refusals}
            if record["pulled"]:
                record["rows_count"] = table.num_rows
                if name in ("certificates", "ca_certificates") and table.num_rows and not can_read_pem():
                    record["message"] = NO_KEYS
            else:
                record["operation"], record["error_code"], record["message"] = self._refusals[name]
            status.append(record)
        columns = inventory_columns("inventory_status", status, **self._place)
        return made | {"inventory_status": build_arrow(INVENTORY_STATUS, columns)}

    def _table(self, name: str) -> pa.Table:
        schema = SCHEMAS[name]
        growing = GrowingTable(schema)
        known_rows: list[int] = []
        if name not in self._refusals:
            of_list = LISTS[TABLE_LISTS[name]]
            self._keys[self._questions.key(of_list.operation, **of_list.asked)] = None
            records = self._certificates(known_rows) if name == "certificates" else _RECORDS[name](self, name)
            while chunk := list(islice(records, _ROWS_AT_ONCE)):
                growing.append(inventory_columns(name, chunk, **self._place))
        table = growing.table()
        if known_rows:
            import pyarrow as pa

            observed = to_microseconds(self.observed_time) or 0
            known = self._known.rows(known_rows, observed_time=observed).cast(CERTIFICATES.arrow())
            table = pa.concat_tables([known, table])
        return check_arrow(schema, table)

    def _answer(self, table: str, name: str, **more: Any) -> Any:
        """Return what the journal has on a thing, and note that it was used; None for what is gone."""
        detail = DETAILS[table]
        answer = detail.ask(self._questions, name, **more)
        if answer is not None:
            self._keys[self._questions.key(detail.operation, **detail.arguments(name, **more))] = None
        return answer

    def _names(self, table: str) -> Iterator[str]:
        of_list = LISTS[TABLE_LISTS[table]]
        return (of_list.name_of(item) for item in self._listed[TABLE_LISTS[table]])

    def _certificates(self, known_rows: list[int]) -> Iterator[Mapping[str, Any]]:
        for listed in self._listed["certificates"]:
            row = self._known.row_of(listed)
            if row is not None:
                known_rows.append(row)
                continue
            name = LISTS["certificates"].name_of(listed)
            answer = self._answer("certificates", name)
            if answer is not None:
                detail = DETAILS["certificates"]
                yield answer | {"describedTime": self._questions.time(detail.operation, **detail.arguments(name))}

    def _described(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield the answers of a table that has one per thing."""
        for name in self._names(table):
            answer = self._answer(table, name)
            if answer is not None:
                yield answer

    def _lists(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield the lists of a table that has one per thing."""
        detail = DETAILS[table]
        for name in self._names(table):
            answer = self._answer(table, name)
            if answer:
                yield {detail.argument: name, detail.member or "": answer}

    def _things(self, _: str) -> Iterator[Mapping[str, Any]]:
        yield from self._listed["things"]

    def _policies(self, table: str) -> Iterator[Mapping[str, Any]]:
        for policy in self._listed["policies"]:
            answer = self._answer(table, LISTS["policies"].name_of(policy))
            if answer is not None:
                yield policy | answer

    def _policy_versions(self, table: str) -> Iterator[Mapping[str, Any]]:
        for name in self._names(table):
            answer = self._answer("policies", name)
            for version in (answer or {}).get("policyVersions") or []:
                document = self._known.document(name, version)
                if document is None:
                    found = self._answer(table, name, policyVersionId=version.get("versionId"))
                    if found is None:
                        continue
                    document = found.get("policyDocument")
                yield {
                    "policyName": name,
                    "policyVersionId": version.get("versionId"),
                    "isDefaultVersion": version.get("isDefaultVersion"),
                    # Not that of GetPolicyVersion, which is the policy's own.
                    "creationDate": version.get("createDate"),
                    "policyDocument": document,
                }


_RECORDS: dict[str, Callable[[Assembly, str], Iterator[Mapping[str, Any]]]] = {
    "ca_certificates": Assembly._described,
    "policies": Assembly._policies,
    "policy_versions": Assembly._policy_versions,
    "policy_targets": Assembly._lists,
    "things": Assembly._things,
    "thing_groups": Assembly._described,
    "thing_group_members": Assembly._lists,
    "thing_principals": Assembly._lists,
    "role_aliases": Assembly._described,
}
