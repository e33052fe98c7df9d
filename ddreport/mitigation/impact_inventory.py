"""Answers about what depends on a resource out of the archive's inventory, as of when it was read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ddreport.mitigation.impact_facts import (
    Answer,
    Answers,
    CaState,
    Fact,
    Question,
    first_questions,
    next_questions,
    own_certificates,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

SOURCE = "inventory"


class InventoryAnswers:
    """Answers out of the tables of an inventory of one account and Region.

    Parameters
    ----------
    tables
        By name of the table (`schemas_inventory`); one that is missing or None answers nothing. An empty table is taken
        for what it is: read, and nothing there.
    observed_times
        By name of the table, of when it is; one that is missing is taken from the rows.
    """

    def __init__(
        self, tables: Mapping[str, pd.DataFrame | None], observed_times: Mapping[str, Any] | None = None
    ) -> None:
        self._tables = {name: table for name, table in tables.items() if table is not None}
        self._times = dict(observed_times or {})
        for name, table in self._tables.items():
            if name not in self._times and not table.empty:
                self._times[name] = table["observed_time"].iloc[0].to_pydatetime()

    def get(self, question: Question) -> Answer | None:
        """Return the answer; None when this inventory cannot have it: no such table, or nothing of that name."""
        found = _LOOKUPS.get(question.fact)
        if found is None or any(name not in self._tables for name in found[0]):
            return None
        try:
            value = found[1](self, question.name)
        except KeyError:
            return None  # younger than the inventory, or gone: it cannot tell which
        times = [self._times[name] for name in found[0] if name in self._times]
        return Answer(value, source=SOURCE, time=min(times, default=None))

    def _pairs(self, table: str, key: str, value: str, **only: str) -> dict[str, tuple[str, ...]]:
        frame = self._tables[table]
        for column, wanted in only.items():
            frame = frame[frame[column] == wanted]
        return _grouped(frame, key, value)

    @cached_property
    def _certificates(self) -> dict[str, str]:
        frame = self._tables["certificates"]
        return dict(zip(frame["certificate_id"].tolist(), frame["status"].tolist(), strict=True))

    @cached_property
    def _things(self) -> dict[str, tuple[str, ...]]:
        return self._pairs("thing_principals", "principal_id", "thing_name", principal_type="certificate")

    @cached_property
    def _policies(self) -> dict[str, tuple[str, ...]]:
        return self._pairs("policy_targets", "target_id", "policy_name", target_type="certificate")

    @cached_property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        return self._pairs("thing_group_members", "thing_name", "thing_group_name")

    @cached_property
    def _cas(self) -> dict[str, CaState]:
        frame = self._tables["ca_certificates"]
        states = zip(frame["status"].tolist(), frame["auto_registration_status"].tolist(), strict=True)
        known = {"ENABLE": True, "DISABLE": False}
        return {
            name: CaState(status, known.get(auto) if isinstance(auto, str) else None)
            for name, (status, auto) in zip(frame["ca_certificate_id"].tolist(), states, strict=True)
        }

    @cached_property
    def _signed(self) -> dict[str, int]:
        counts = self._tables["certificates"]["ca_certificate_id"].value_counts()
        return {str(name): int(n) for name, n in counts.items()}

    @cached_property
    def _targets(self) -> dict[str, tuple[tuple[str, str], ...]]:
        frame = self._tables["policy_targets"]
        found: dict[str, list[tuple[str, str]]] = {}
        columns = (frame[c].tolist() for c in ("policy_name", "target_type", "target_id"))
        for policy, kind, name in zip(*columns, strict=True):
            found.setdefault(policy, []).append((kind, name))
        return {name: tuple(targets) for name, targets in found.items()}

    @cached_property
    def _policy_names(self) -> frozenset[str]:
        return frozenset(self._tables["policies"]["policy_name"].tolist())

    @cached_property
    def _members(self) -> dict[str, tuple[str, ...]]:
        return self._pairs("thing_group_members", "thing_group_name", "thing_name")

    @cached_property
    def _below(self) -> dict[str, tuple[str, ...]]:
        frame = self._tables["thing_groups"]
        return _grouped(frame[frame["parent_group_name"].notna()], "parent_group_name", "thing_group_name")

    def _members_of(self, group: str) -> tuple[str, ...]:
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [group]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                found.update(self._members.get(name, ()))
                waiting += self._below.get(name, ())
        return tuple(sorted(found))

    def _targets_of(self, policy: str) -> tuple[tuple[str, str], ...]:
        if policy not in self._policy_names:
            raise KeyError(policy)
        return self._targets.get(policy, ())


def _grouped(frame: pd.DataFrame, key: str, value: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, item in zip(frame[key].tolist(), frame[value].tolist(), strict=True):
        found.setdefault(name, []).append(item)
    return {name: tuple(items) for name, items in found.items()}


_LOOKUPS: dict[Fact, tuple[tuple[str, ...], Callable[[InventoryAnswers, str], Any]]] = {
    Fact.CERTIFICATE: (("certificates",), lambda a, name: a._certificates[name]),
    Fact.THINGS_OF_CERTIFICATE: (
        ("certificates", "thing_principals"),
        lambda a, name: a._things.get(name, ()) if a._certificates[name] else (),
    ),
    Fact.POLICIES_OF_CERTIFICATE: (
        ("certificates", "policy_targets"),
        lambda a, name: a._policies.get(name, ()) if a._certificates[name] else (),
    ),
    Fact.GROUPS_OF_THING: (("thing_group_members",), lambda a, name: a._groups.get(name, ())),
    Fact.CA_CERTIFICATE: (("ca_certificates",), lambda a, name: a._cas[name]),
    Fact.CERTIFICATES_OF_CA: (
        ("certificates", "ca_certificates"),
        lambda a, name: a._signed.get(name, 0) if a._cas[name] else 0,
    ),
    Fact.TARGETS_OF_POLICY: (("policies", "policy_targets"), InventoryAnswers._targets_of),
    Fact.MEMBERS_OF_GROUP: (("thing_group_members", "thing_groups"), InventoryAnswers._members_of),
}
"""Tables that an answer needs, and how it is found in them."""

NOT_KNOWN_HERE = "AWS was not asked, and the archive's inventory does not tell"


def answers_offline(
    findings: pd.DataFrame, inventory: InventoryAnswers, related: Mapping[str, tuple[str, ...]] | None = None
) -> Answers:
    """Answer everything about findings that an inventory can answer, and say of the rest that it was not asked.

    Parameters
    ----------
    findings
        Table `schemas.FINDINGS`.
    related
        By finding id, the device certificates related to it, where the archive has them.
    """
    rows: list[dict[str, str]] = [
        {"finding_id": finding_id, "resource_type": kind, "resource_id": name}
        for finding_id, kind, name in zip(
            *(findings[column].tolist() for column in ("finding_id", "resource_type", "resource_id")), strict=True
        )
    ]
    own = own_certificates(rows)
    answers: Answers = {}
    waiting = [question for row in rows for question in first_questions(row)]
    while waiting:
        question = waiting.pop()
        if question in answers:
            continue
        answer = inventory.get(question)
        if answer is None and question.fact == Fact.CERTIFICATES_OF_ISSUER and question.name in (related or {}):
            answer = Answer((related or {})[question.name], source="archive")
        answers[question] = answer or Answer(None, problem=NOT_KNOWN_HERE)
        waiting += next_questions(question, answers[question], own)
    return answers
