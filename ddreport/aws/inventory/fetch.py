"""Reading everything that AWS IoT holds in one account and Region, as one set for the archive.

First the lists are asked for: they tell how much there is. Then a plan is made, and what takes a call for each thing is
asked, the operations side by side, each at its own rate. Every answer goes into the journal; the tables are made of it
at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from ddreport.aws.inventory.assembling import Assembly
from ddreport.aws.inventory.known import KnownInventory
from ddreport.aws.inventory.plan import InventoryCounts, InventoryPlan, planned, rate_of
from ddreport.aws.inventory.questions import Questions, passes_by
from ddreport.aws.inventory.what import DETAILS, LISTS, TABLE_LISTS, TABLES
from ddreport.errors import AwsCallError, InputError
from ddreport.records import RecordSet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from botocore.client import BaseClient

    from ddreport.aws.inventory.journal import Journal

    Work = Callable[["Item"], None]
    Each = Callable[[Work, Sequence["Item"]], None]


class Item(NamedTuple):
    """One thing to ask about for one table; `due` is when its turn comes at AWS's rate, in seconds from the start."""

    table: str
    name: str
    due: float = 0.0


@dataclass(frozen=True)
class Refusal:
    """Why a table could not be read."""

    operation: str | None
    code: str
    message: str


def one_by_one(work: Work, items: Iterable[Item]) -> None:
    """Do the work of each item, one after the other."""
    for item in items:
        work(item)


def fetch_inventory(
    client: BaseClient,
    *,
    account: str,
    region: str,
    emulated: bool,
    journal: Journal,
    known: KnownInventory | None = None,
    tables: Collection[str] = TABLES,
    each: Each = one_by_one,
    on_plan: Callable[[InventoryPlan, int], None] | None = None,
    on_done: Callable[[Item], None] | None = None,
) -> RecordSet:
    """Fetch an inventory, or what the journal lacks of it.

    Source and permissions: `iot:ListCertificates`, `iot:DescribeCertificate`, `iot:ListCACertificates`,
    `iot:DescribeCACertificate`, `iot:ListPolicies`, `iot:ListPolicyVersions`, `iot:GetPolicyVersion`,
    `iot:ListTargetsForPolicy`, `iot:ListThings`, `iot:ListThingPrincipals`, `iot:ListThingGroups`,
    `iot:DescribeThingGroup`, `iot:ListThingsInThingGroup`, `iot:ListRoleAliases`, `iot:DescribeRoleAlias`; all pages.

    A table that AWS refuses has no rows, and `inventory_status` says so; the others are read all the same. What was
    deleted between being listed and being described is left out.

    Parameters
    ----------
    account, region
        Whose inventory (`AwsSession.identity`).
    emulated
        Whether the emulator is known to answer; an answer that says so counts as well.
    journal
        Keeps the answers until the set is in the archive; the set's `raw` reads from it, so it must stay open.
    known
        What an earlier inventory knows: only certificates and policy versions that it lacks are asked for one by one.
    tables
        Names of the tables wanted; the others are marked as not asked for.
    each
        How to do many pieces of work, for example several at once.
    on_plan
        Called before the calls one by one begin, with the plan and the number of pieces of work.
    on_done
        Called after each of them; from several threads if `each` has several.

    Returns
    -------
    RecordSet
        Of kind `inventory`; `observed_time` is the time of the oldest list that it is made of.

    Raises
    ------
    AwsCallError
        AWS refused for the moment (its rate, a fault on its side), or refused every table. The journal keeps what came.
    CredentialsError, EndpointError, ArchiveWriteError
        Nothing more could be asked or written down; the journal keeps what came.
    InputError
        An unknown table, or none.
    """
    wanted = _checked(tables)
    fetch = _Fetch(Questions(client, journal), known or KnownInventory(), wanted, client.meta.method_to_api_mapping)
    fetch.ask_lists(each)
    plan, items = fetch.plan()
    if on_plan is not None:
        on_plan(plan, len(items))

    def work(item: Item) -> None:
        fetch.ask(item)
        if on_done is not None:
            on_done(item)

    each(work, items)
    fetch.refuse_all()
    assembly = Assembly(
        fetch.questions,
        fetch.known,
        account=account,
        region=region,
        listed=fetch.listed,
        refusals={name: (r.operation, r.code, r.message) for name, r in fetch.refusals.items()},
    )
    made = assembly.tables()
    return RecordSet(
        kind="inventory",
        account=account,
        region=region,
        identity=f"{assembly.observed_time:%Y%m%dT%H%M%SZ}",
        time=assembly.observed_time,
        emulated=emulated or fetch.questions.emulated,
        tables=made,
        raw=journal.responses(assembly.keys),
    )


def _checked(tables: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(tables) - set(TABLES))
    if unknown or not tables:
        raise InputError(
            f"an inventory has no table {unknown[0]!r}." if unknown else "no table of the inventory is asked for.",
            hint=f"the tables are: {', '.join(TABLES)}.",
        )
    return tuple(name for name in TABLES if name in tables)


class _Fetch:
    """The state of one inventory while it is being read."""

    def __init__(
        self, questions: Questions, known: KnownInventory, wanted: Sequence[str], api_names: dict[str, str]
    ) -> None:
        self.questions = questions
        self.known = known
        self.listed: dict[str, list[Any]] = {}
        self.refusals = {
            name: Refusal(None, "NotAsked", "this table was not asked for.") for name in TABLES if name not in wanted
        }
        self._wanted = wanted
        self._api_names = api_names
        self._first_error: AwsCallError | None = None
        self._lock = Lock()

    def ask_lists(self, each: Each) -> None:
        """Ask for the lists of everything."""

        def work(item: Item) -> None:
            of_list = LISTS[item.table]
            with _Guard(self, [t for t in self._wanted if TABLE_LISTS[t] == item.table]):
                items = self.questions.items(of_list.operation, of_list.member, **of_list.asked) or []
                # AWS may repeat an item when a list changes while it is paged.
                self.listed[item.table] = list({of_list.name_of(found): found for found in items}.values())

        needed = dict.fromkeys(TABLE_LISTS[name] for name in self._wanted)
        each(work, [Item(name, "") for name in needed])

    def plan(self) -> tuple[InventoryPlan, list[Item]]:
        """Return what is still to be asked, in the order in which AWS's rates let it be asked."""
        names = {name: [LISTS[name].name_of(found) for found in items] for name, items in self.listed.items()}
        calls: dict[str, int] = {}
        items: list[Item] = []

        def add(table: str, name: str, operation: str) -> None:
            api_name = self._api_names[operation]
            items.append(Item(table, name, calls.get(api_name, 0) / rate_of(api_name)))
            calls[api_name] = calls.get(api_name, 0) + 1

        new_certificates = self._new_certificates() if self._reads("certificates") else []
        for name in new_certificates:
            if not self._is_answered("certificates", name):
                add("certificates", name, "describe_certificate")
        for table in DETAILS:
            if table in ("certificates", "policies", "policy_versions") or not self._reads(table):
                continue
            for name in names[TABLE_LISTS[table]]:
                if not self._is_answered(table, name):
                    add(table, name, DETAILS[table].operation)
        versions = 0
        if self._reads("policies") or self._reads("policy_versions"):
            known = {policy for policy, _, _ in self.known.documents}
            for name in names["policies"]:
                if not self._is_answered("policies", name):
                    add("policies", name, "list_policy_versions")
                    versions += self._reads("policy_versions") and name not in known
                elif self._reads("policy_versions"):
                    items.append(Item("policies", name))  # which of its versions are answered is seen on the way
        counts = InventoryCounts(
            certificates=len(names.get("certificates", ())),
            new_certificates=len(new_certificates),
            ca_certificates=len(names.get("ca_certificates", ())),
            policies=len(names.get("policies", ())),
            new_policy_versions=versions,
            things=len(names.get("things", ())),
            thing_groups=len(names.get("thing_groups", ())),
            role_aliases=len(names.get("role_aliases", ())),
        )
        calls = calls | {"GetPolicyVersion": versions}
        return planned(counts, calls), sorted(items, key=lambda item: item.due)

    def _new_certificates(self) -> list[str]:
        """Return the certificates to describe, and forget what the journal says of those that changed since."""
        new = []
        listed_at = self.questions.time(LISTS["certificates"].operation)
        for listed in self.listed["certificates"]:
            if self.known.row_of(listed) is not None:
                continue
            name = LISTS["certificates"].name_of(listed)
            new.append(name)
            earlier = self.questions.earlier("describe_certificate", than=listed_at, certificateId=name)
            if earlier and (earlier.get("certificateDescription") or {}).get("status") != listed.get("status"):
                self.questions.forget("describe_certificate", certificateId=name)
        return new

    def ask(self, item: Item) -> None:
        """Ask about one item; what is refused spoils its table, and the others go on."""
        if item.table == "policies":
            self._ask_policy(item.name)
        elif self._reads(item.table):
            with _Guard(self, [item.table]):
                self._detail(item.table, item.name)

    def _ask_policy(self, name: str) -> None:
        versions: list[Any] = []
        of_both = [table for table in ("policies", "policy_versions") if self._reads(table)]
        with _Guard(self, of_both):
            answer = self._detail("policies", name) if of_both else None
            versions = (answer or {}).get("policyVersions") or []
        for version in versions:
            if not self._reads("policy_versions"):
                return
            if not self.known.has_document(name, version):
                with _Guard(self, ["policy_versions"]):
                    self._detail("policy_versions", name, policyVersionId=version.get("versionId"))

    def _detail(self, table: str, name: str, **more: Any) -> Any:
        return DETAILS[table].ask(self.questions, name, **more)

    def _is_answered(self, table: str, name: str) -> bool:
        return DETAILS[table].is_answered(self.questions, name)

    def _reads(self, table: str) -> bool:
        return table in self._wanted and table not in self.refusals

    def refuse(self, tables: Sequence[str], exc: AwsCallError) -> None:
        """Mark tables as refused, by the first refusal of each."""
        with self._lock:
            self._first_error = self._first_error or exc
            for table in tables:
                self.refusals.setdefault(table, Refusal(exc.operation, exc.code, str(exc)))

    def refuse_all(self) -> None:
        """Raise the first refusal if no table is left: then there is no inventory at all."""
        if self._first_error is not None and all(name in self.refusals for name in TABLES):
            raise self._first_error


class _Guard:
    """Keeps a refusal inside: it spoils the tables named, unless asking again may help or the session is at its end."""

    def __init__(self, fetch: _Fetch, tables: Sequence[str]) -> None:
        self._fetch = fetch
        self._tables = tables

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> bool:
        if not isinstance(exc, AwsCallError) or passes_by(exc):
            return False
        self._fetch.refuse(self._tables, exc)
        return True
