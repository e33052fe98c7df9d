"""From rules to concrete suppressions: one check and one resource each, as AWS takes them.

What a rule is expanded over are the open findings of each check's latest finished audit, suppressed ones included (so
that what is hidden stays in view of the rule that hides it), or the newest inventory. Of several rules that want the
same suppression, one that names the resource beats patterns and things; otherwise they must agree about its end, and
the first in the file gives its description.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import SuppressionFileError
from ddreport.suppression.identifiers import account_in, identifier_of
from ddreport.suppression.inventory import Resource, UnknownNameError, UnresolvedError
from ddreport.suppression.reading import describe
from ddreport.suppression.results import DESIRED, RULES, RuleState
from ddreport.suppression.rules import Over, Rule, SelectorKind
from ddreport.suppression.tables import rows_of, table_of
from ddreport.tables.identity import NO_RESOURCE_TYPE, identify
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.suppression.inventory import Inventory
    from ddreport.suppression.rules import Place, RuleFile

_MOST_SHOWN = 5


@dataclass(frozen=True)
class Known:
    """What is known of one account and Region.

    Attributes
    ----------
    findings
        Open findings (`metrics.current_findings`), suppressed ones included, of this account and Region only.
    checked
        Checks that an audit in the archive has finished: of others, having no findings means nothing.
    inventory
        The newest inventory.
    """

    findings: pd.DataFrame
    checked: frozenset[str]
    inventory: Inventory

    def counts(self) -> dict[tuple[str, str], int]:
        """Count open findings by check and resource identifier."""
        keys = self.findings[["check_name", "resource_identifier"]]
        return dict(Counter(keys.itertuples(index=False, name=None)))

    def of_check(self, check_name: str) -> Sequence[Resource]:
        """Return the resources with open findings of a check."""
        return [r for same in self._resources.get(check_name, {}).values() for r in same]

    def of_resource(self, check_name: str, resource_id: str) -> Sequence[Resource]:
        """Return a resource with open findings of a check: a policy in several versions, if need be; none if none."""
        return self._resources.get(check_name, {}).get(resource_id, [])

    @cached_property
    def _resources(self) -> dict[str, dict[str, list[Resource]]]:
        found: dict[str, dict[str, list[Resource]]] = {}
        rows = self.findings[["check_name", *Resource._fields]].drop_duplicates(["check_name", "resource_identifier"])
        for row in rows_of(rows):
            check = found.setdefault(row.pop("check_name"), {})
            check.setdefault(row["resource_id"], []).append(Resource(**row))
        return found

    def found(self, counts: Mapping[tuple[str, str], int], check_name: str, identifier: str) -> int | None:
        """Return how many open findings a suppression hides; None where no audit tells."""
        return counts.get((check_name, identifier), 0) if check_name in self.checked else None


@dataclass(frozen=True)
class Expansion:
    """What a file wants in one account and Region.

    Attributes
    ----------
    desired
        `results.DESIRED`, sorted by its key.
    rules
        `results.RULES`, in the order of the file.
    """

    desired: pd.DataFrame
    rules: pd.DataFrame

    def unresolved(self) -> set[str]:
        """Return the rules of which nobody can tell what they mean here."""
        return set(self.rules.loc[self.rules["state"] == RuleState.UNRESOLVED, "rule_id"])


@dataclass
class _Wanted:
    """One suppression, and the rule that gives its description."""

    rule: Rule
    resource: Resource


def expand(file: RuleFile, known: Known, *, place: Place, as_of: datetime) -> Expansion:
    """Expand the rules of a file for one account and Region.

    Parameters
    ----------
    as_of
        Now, by AWS's clock: rules that have ended want nothing.

    Raises
    ------
    SuppressionFileError
        Two rules want the same suppression until different times.
    """
    counts = known.counts()
    wanted: dict[tuple[str, str], _Wanted] = {}
    contradictions: list[str] = []
    told: list[dict[str, Any]] = []
    for rule in file.rules:
        state, note, resources = _resources(rule, known, place, as_of)
        shared = 0
        for resource in resources:
            key = (rule.check_name, resource.resource_identifier)
            other = wanted.get(key)
            if other is None or _rank(rule) > _rank(other.rule):
                wanted[key] = _Wanted(rule, resource)
            elif _rank(rule) == _rank(other.rule) and rule.expires != other.rule.expires:
                contradictions.append(_contradiction(rule, other.rule, resource.resource_id))
            shared += other is not None
        if shared:
            note = _joined(note, f"{shared} of its suppressions another rule wants too")
        hidden = sum(counts.get((rule.check_name, i), 0) for i in {r.resource_identifier for r in resources})
        told.append(_rule_row(rule, place, state, note, len(resources), hidden, known))
    if contradictions:
        raise _contradicting(file, contradictions)
    texts = {rule.rule_id: describe(rule, file.name) for rule in file.rules}
    rows = [_desired_row(w, texts[w.rule.rule_id], place, known.found(counts, *key)) for key, w in wanted.items()]
    return Expansion(table_of(DESIRED, rows).sort_values(list(DESIRED.key), ignore_index=True), table_of(RULES, told))


def _rank(rule: Rule) -> int:
    return 1 if rule.selector.kind is SelectorKind.RESOURCE else 0


def _resources(rule: Rule, known: Known, place: Place, as_of: datetime) -> tuple[RuleState, str, Sequence[Resource]]:
    """Return how a rule stands, what is to be said of it, and its resources."""
    nothing: Sequence[Resource] = ()
    aside = _set_aside(rule, place, as_of)
    if aside is not None:
        return *aside, nothing
    try:
        found = _selected(rule, known, place)
    except UnresolvedError as exc:
        return RuleState.UNRESOLVED, exc.message, nothing
    except UnknownNameError as exc:
        return RuleState.MATCHES_NOTHING, exc.message, nothing
    if not found:
        return RuleState.MATCHES_NOTHING, "no open finding fits it", nothing
    note = ""
    if rule.selector.kind is SelectorKind.PATTERN and not rule.selector.pattern.strip("*"):
        note = "it hides every finding of the check, those of later audits too when it is applied again"
    return RuleState.OK, note, found


def _set_aside(rule: Rule, place: Place, as_of: datetime) -> tuple[RuleState, str] | None:
    """Return why a rule wants nothing here, whatever is found; None when it may."""
    if rule.targets and not set(rule.targets) & set(place.names):
        if place.target is None and not all(_names_an_account(t) for t in rule.targets):
            note = "it names targets, and account and Region were given without one; choose them with --target"
            return RuleState.UNRESOLVED, note
        return RuleState.OTHER_PLACE, f"it is for {', '.join(rule.targets)}"
    if rule.is_expired(as_of):
        return RuleState.EXPIRED, f"it ended on {rule.expires:%Y-%m-%d %H:%M} UTC"
    named = account_in(rule.selector.resource_identifier)
    if named is not None and named != place.account:
        return RuleState.OTHER_PLACE, f"it names a resource of account {named}"
    return None


def _names_an_account(target: str) -> bool:
    return re.fullmatch(r"\d{12}(/.+)?", target, re.ASCII) is not None


def _selected(rule: Rule, known: Known, place: Place) -> Sequence[Resource]:
    selector = rule.selector
    if selector.kind is SelectorKind.RESOURCE:
        return _one(rule, known)
    candidates = _candidates(rule, known)
    if selector.kind is SelectorKind.PATTERN:
        fits = re.compile(fnmatch.translate(selector.pattern)).match
        return [r for r in candidates if fits(r.resource_id)]
    inside = known.inventory.behind(candidates, selector, place=place)
    return [r for r in candidates if r.resource_id in inside]


def _candidates(rule: Rule, known: Known) -> Sequence[Resource]:
    resource_type = describe_check(rule.check_name).resource_type
    if rule.over is Over.INVENTORY and resource_type is not None:
        # Where a finding names the same resource, its identifier is AWS's own.
        listed = [*known.inventory.resources(resource_type), *known.of_check(rule.check_name)]
        return list({(r.resource_id, r.policy_version_id): r for r in listed}.values())
    _need_verdict(rule, known)
    return known.of_check(rule.check_name)


def _one(rule: Rule, known: Known) -> Sequence[Resource]:
    """Return the resource that a rule names; a finding's identifier is AWS's own and beats one that we would write."""
    selector = rule.selector
    version = selector.policy_version_id
    found = known.of_resource(rule.check_name, selector.resource_id)
    found = [r for r in found if version is None or r.policy_version_id == version]
    if found:
        return found
    if selector.resource_identifier is not None:
        kind = identify(identifier_of(selector.resource_identifier)).resource_type or NO_RESOURCE_TYPE
        return [Resource(kind, selector.resource_id, version, selector.resource_identifier)]
    if rule.check_name in known.checked:
        return ()
    if (
        describe_check(rule.check_name).resource_type is ResourceType.IOT_POLICY
        and known.inventory.policies is not None
    ):
        listed = known.inventory.resources(ResourceType.IOT_POLICY)
        found = [r for r in listed if r.resource_id == selector.resource_id]
        if found:
            return found
    _need_verdict(rule, known)
    return ()


def _need_verdict(rule: Rule, known: Known) -> None:
    if rule.check_name not in known.checked:
        raise UnresolvedError(
            f"the archive has no finished audit of {rule.check_name} here; run `ddreport pull` after one"
        )


def _desired_row(wanted: _Wanted, description: str, place: Place, found: int | None) -> dict[str, Any]:
    rule = wanted.rule
    return {
        "account": place.account,
        "region": place.region,
        "check_name": rule.check_name,
        **wanted.resource._asdict(),
        "rule_id": rule.rule_id,
        "owner": rule.owner,
        "reason": rule.reason,
        "ticket": rule.ticket or None,
        "review_time": rule.review,
        "suppress_indefinitely": rule.expires is None,
        "expiration_time": rule.expires,
        "description": description,
        "findings_count": found,
    }


def _rule_row(
    rule: Rule, place: Place, state: RuleState, note: str, suppressions: int, hidden: int, known: Known
) -> dict[str, Any]:
    is_told = rule.check_name in known.checked and state is not RuleState.UNRESOLVED
    return {
        "account": place.account,
        "region": place.region,
        "rule_id": rule.rule_id,
        "check_name": rule.check_name,
        "selector": str(rule.selector),
        "state": state.value,
        "suppressions_count": suppressions,
        "findings_count": hidden if is_told else None,
        "expiration_time": rule.expires,
        "review_time": rule.review,
        "line": rule.line,
        "note": note or None,
    }


def _joined(*notes: str) -> str:
    return "; ".join(n for n in notes if n)


def _contradiction(rule: Rule, other: Rule, resource_id: str) -> str:
    return (
        f"line {rule.line}: rule {rule.rule_id!r} ({_end(rule)}) and rule {other.rule_id!r} in line {other.line} "
        f"({_end(other)}) both want {rule.check_name} suppressed for {resource_id[:80]!r}."
    )


def _end(rule: Rule) -> str:
    return f"until {rule.expires:%Y-%m-%d %H:%M} UTC" if rule.expires else "for ever"


def _contradicting(file: RuleFile, contradictions: list[str]) -> SuppressionFileError:
    shown = "\n  ".join(contradictions[:_MOST_SHOWN])
    more = len(contradictions) - _MOST_SHOWN
    return SuppressionFileError(
        f"{file.source}: rules contradict each other, and nothing was done:\n  {shown}"
        + (f"\n  and {more} more." if more > 0 else ""),
        hint="give both rules one end, or narrow one of them; a rule that names a resource beats patterns and things.",
        problems=contradictions,
    )
