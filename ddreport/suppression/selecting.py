"""Which resources a rule is about: one, those that a pattern fits, or those behind which certain things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import InputError, did_you_mean
from ddreport.suppression.document import Items, Scalar, Table
from ddreport.suppression.fields import one_line, text_of
from ddreport.suppression.identifiers import MOST_CHARACTERS, from_members, from_text
from ddreport.suppression.rules import Over, Rule, Selector, SelectorKind
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.suppression.document import Node

THING_KEYS = ("thing_group", "thing_type", "thing_attribute")
SELECTOR_KEYS = ("resource", "policy_version", "pattern", *THING_KEYS, "over")

BY_THINGS = frozenset({ResourceType.DEVICE_CERTIFICATE, ResourceType.CLIENT_ID})
"""Resources that things can stand behind alone. A policy or a CA also serves devices that are no things."""

IN_INVENTORY = frozenset(
    {
        ResourceType.DEVICE_CERTIFICATE,
        ResourceType.CA_CERTIFICATE,
        ResourceType.IOT_POLICY,
        ResourceType.ROLE_ALIAS,
    }
)
"""Resources that an inventory lists."""

_HEX = frozenset({ResourceType.DEVICE_CERTIFICATE, ResourceType.CA_CERTIFICATE})
_LOOKS_LIKE_A_PATTERN = frozenset("*?[")


def read_selector(check_name: str, keys: Mapping[str, Node]) -> tuple[Selector, Over]:
    """Read how a rule selects, and over what it is expanded (`InputError` says what is wrong)."""
    given = [k for k in ("resource", "pattern") if k in keys]
    given += ["thing_…"] if any(k in keys for k in THING_KEYS) else []
    if len(given) != 1:
        ways = "resource, pattern, or one or more of thing_group, thing_type, thing_attribute"
        raise InputError(f"it needs exactly one of: {ways}; it has {' and '.join(given) or 'none'}.")
    over = _over(check_name, given[0], keys)
    if "policy_version" in keys and given[0] != "resource":
        raise InputError("policy_version belongs to a resource.")
    if given[0] == "resource":
        return _resource(check_name, keys), over
    if given[0] == "pattern":
        return _pattern(check_name, keys["pattern"]), over
    return _things(check_name, keys), over


def same_selection(rule: Rule) -> tuple[Any, ...]:
    """Return what two rules have in common that select the same."""
    s = rule.selector
    things = (s.thing_group, s.thing_type, s.thing_attributes)
    return rule.check_name, s.kind, s.resource_id, s.policy_version_id, s.pattern, things


def _over(check_name: str, kind: str, keys: Mapping[str, Node]) -> Over:
    text = text_of("over", keys.get("over")) or Over.FINDINGS
    allowed = [o.value for o in Over]
    if text not in allowed:
        raise InputError(f"over is {text!r}; allowed: {', '.join(allowed)}.{did_you_mean(text, allowed)}")
    over = Over(text)
    if "over" in keys and kind == "resource":
        raise InputError("over belongs to a pattern or to things; a resource is one already.")
    resource_type = describe_check(check_name).resource_type
    if over is Over.INVENTORY and resource_type not in IN_INVENTORY:
        raise InputError(f"an inventory does not list what {check_name} looks at; leave `over` out.")
    return over


def _resource(check_name: str, keys: Mapping[str, Node]) -> Selector:
    node = keys["resource"]
    version = text_of("policy_version", keys.get("policy_version")) or None
    if isinstance(node, Table):
        if version is not None:
            raise InputError("policy_version belongs to a resource that is a single text.")
        return from_members(check_name, _members(node))
    text = _exactly("resource", node)
    try:
        return from_text(check_name, text, version)
    except InputError as exc:
        if _LOOKS_LIKE_A_PATTERN & set(text):
            raise InputError(f"{exc.message} For several resources write pattern: in place of resource:.") from exc
        raise


def _members(node: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.pairs:
        if key.text in found:
            raise InputError(f"key {key.text!r} is there twice.")
        if isinstance(value, Items):
            raise InputError(f"{key.text} must be a text.")
        found[key.text] = value.text if isinstance(value, Scalar) else _members(value)
    return found


def _exactly(key: str, node: Node) -> str:
    """Return a text to the letter: a client id may begin with a blank or hold what nobody can see."""
    if not isinstance(node, Scalar) or not 0 < len(node.text) <= MOST_CHARACTERS:
        raise InputError(f"{key} must be a text of 1 to {MOST_CHARACTERS:,} characters.")
    return node.text


def _pattern(check_name: str, node: Node) -> Selector:
    text = _exactly("pattern", node)
    if describe_check(check_name).resource_type in _HEX:
        text = text.lower()  # as the tables write the ids of certificates
    return Selector(SelectorKind.PATTERN, pattern=text)


def _things(check_name: str, keys: Mapping[str, Node]) -> Selector:
    check = describe_check(check_name)
    if check.resource_type not in BY_THINGS:
        raise InputError(
            f"{check_name} looks at {check.resource_type or 'resources'} and not at what things stand behind; "
            "use resource or pattern."
        )
    values = {key: one_line(key, keys[key]) for key in ("thing_group", "thing_type") if key in keys}
    for key, value in values.items():
        if not value:
            raise InputError(f"{key} is empty.")
    attributes: tuple[tuple[str, str], ...] = ()
    if "thing_attribute" in keys:
        node = keys["thing_attribute"]
        if not isinstance(node, Table) or not node.pairs:
            raise InputError("thing_attribute must hold names with values, such as {site: lab}.")
        found = _members(node)
        if not all(isinstance(v, str) for v in found.values()):
            raise InputError("the value of a thing attribute must be a text.")
        attributes = tuple(sorted(found.items()))
    return Selector(SelectorKind.THINGS, thing_attributes=attributes, **values)
