"""Reading `suppressions.yaml`: every fault with its line and key, and what was probably meant.

    version: 1
    name: fleet                       # stands in the descriptions of what comes of this file
    accounts: ["111122223333"]        # the file is refused anywhere else
    defaults: {owner: fleet-team}
    suppressions:
      - id: lab-shared
        check: DEVICE_CERTIFICATE_SHARED_CHECK
        thing_group: lab
        reason: The benches share one certificate by design
        ticket: SEC-12
        expires: 2026-09-30           # midnight UTC at the begin of that day, as AWS's console has it; or never
        review: 2026-08-01

docs/suppressions.md explains every key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.catalogue import normalise_check_name
from ddreport.errors import InputError, SuppressionFileError, did_you_mean
from ddreport.suppression.document import Items, Node, Scalar, Table, parse_document
from ddreport.suppression.fields import end_of, one_line, review_of, words
from ddreport.suppression.marker import MOST_CHARACTERS, NAME, Marker
from ddreport.suppression.rules import DEFAULT_NAME, Rule, RuleFile
from ddreport.suppression.selecting import SELECTOR_KEYS, read_selector, same_selection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_TOP = ("version", "name", "accounts", "defaults", "suppressions")
_DEFAULTS = ("owner", "reason", "ticket", "expires", "review", "targets")
_RULE = ("id", "check", *SELECTOR_KEYS, "reason_code", *_DEFAULTS)
_NEEDED = ("id", "check", "owner", "reason", "expires")
_MOST_SHOWN = 10
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)


def read_rules(text: str, *, source: str, further_checks: Collection[str] = ()) -> RuleFile:
    """Read and check the text of a file of suppressions.

    Parameters
    ----------
    source
        How messages call the file.
    further_checks
        Checks that are known besides those of the catalogue: a newer service has more.

    Raises
    ------
    SuppressionFileError
        `problems` has a sentence for each fault, with its line: no YAML, an unknown key or check, a value of the wrong
        form, an owner, reason or end that is missing, a rule that is there twice, two rules that contradict each other.
    """
    document = parse_document(text, source=source)
    reader = _Reader({*catalogue(), *further_checks})
    file = reader.read(document, source)
    if reader.problems:
        shown = "\n  ".join(reader.problems[:_MOST_SHOWN])
        more = len(reader.problems) - _MOST_SHOWN
        rest = f"\n  and {more} more." if more > 0 else ""
        count = f"{len(reader.problems)} fault{'s' if len(reader.problems) > 1 else ''}"
        raise SuppressionFileError(
            f"{source} has {count}, and nothing was done:\n  {shown}{rest}",
            hint="docs/suppressions.md explains every key.",
            problems=reader.problems,
        )
    return file


class _Reader:
    """Reads nodes and collects what is wrong with them."""

    def __init__(self, known_checks: Collection[str]) -> None:
        self._known_checks = sorted(known_checks)
        self.problems: list[str] = []

    def read(self, document: Node | None, source: str) -> RuleFile:
        """Return the file; whether it is worth anything say the problems."""
        top = self._keys(document, _TOP, "the file") if document is not None else {}
        if document is None:
            self._wrong(1, "the file is empty; it needs `suppressions:` with a list of rules.")
        self._check_version(top.get("version"))
        name = self._text(top.get("name")) or DEFAULT_NAME
        if not NAME.fullmatch(name):
            self._wrong(
                _line(top["name"]), f"name {_quoted(name)} has other characters than letters, digits, '.', '_', '-'."
            )
        defaults = self._keys(top["defaults"], _DEFAULTS, "defaults") if "defaults" in top else {}
        accounts = self._words(top.get("accounts"), "accounts")
        for account in accounts:
            if not _ACCOUNT.fullmatch(account):
                self._wrong(_line(top["accounts"]), f"accounts: {_quoted(account)} is not an account id of 12 digits.")
        rules = tuple(self._rules(top.get("suppressions"), defaults, name))
        self._refuse_doubles(rules)
        return RuleFile(name, rules, source, accounts)

    def _check_version(self, node: Node | None) -> None:
        if node is not None and self._text(node) != "1":
            self._wrong(node.line, f"version is {_quoted(self._text(node))}; this ddreport reads version 1.")

    def _rules(self, node: Node | None, defaults: dict[str, Node], name: str) -> Iterator[Rule]:
        if node is None or (isinstance(node, Scalar) and not node.text):
            if not self.problems:
                # An empty list is written as one: a forgotten key must not lift every suppression.
                self._wrong(
                    1 if node is None else node.line, "`suppressions:` must hold a list of rules, or [] for none."
                )
            return
        if not isinstance(node, Items):
            self._wrong(node.line, "`suppressions:` must hold a list: each rule begins with a dash.")
            return
        for item in node.nodes:
            before = len(self.problems)
            keys = self._keys(item, _RULE, "the rule")
            if len(self.problems) == before and (rule := self._rule(item, {**defaults, **keys}, name)) is not None:
                yield rule

    def _rule(self, item: Node, keys: dict[str, Node], name: str) -> Rule | None:
        before = len(self.problems)
        said = self._text(keys.get("id"))
        title = f"rule {_quoted(said)}" if said else "the rule"
        for key in _NEEDED:
            if key not in keys:
                self._wrong(item.line, f"{title} has no {key}.")
            elif isinstance(keys[key], Scalar) and not self._text(keys[key]):
                self._wrong(keys[key].line, f"{title}: {key} is empty.")
        if said and not NAME.fullmatch(said):
            self._wrong(keys["id"].line, f"id {_quoted(said)} must be 1 to 64 letters, digits, '.', '_' or '-'.")
        check = self._check_name(keys.get("check"), title)
        if len(self.problems) > before:
            return None

        def told(key: str, read: Any) -> Any:
            try:
                return read()
            except InputError as exc:
                self._wrong(keys[key].line if key in keys else item.line, f"{title}: {exc.message}")
                return None

        values: dict[str, Any] = {
            "selector": told("resource", lambda: read_selector(check, keys)),
            "owner": told("owner", lambda: one_line("owner", keys["owner"], forbidden="|")),
            "reason": told("reason", lambda: one_line("reason", keys["reason"])),
            "expires": told("expires", lambda: end_of(keys["expires"])),
            "ticket": told("ticket", lambda: one_line("ticket", keys.get("ticket"), forbidden="|")),
            "review": told("review", lambda: review_of(keys.get("review"))),
            "reason_code": told("reason_code", lambda: one_line("reason_code", keys.get("reason_code"))),
            "targets": told("targets", lambda: words("targets", keys.get("targets"))),
        }
        if len(self.problems) > before:
            return None
        selector, over = values.pop("selector")
        rule = Rule(rule_id=said, check_name=check, selector=selector, over=over, line=item.line, **values)
        length = len(describe(rule, name))
        if length > MOST_CHARACTERS:
            self._wrong(
                item.line,
                f"{title}: reason, owner and ticket make a description of {length:,} characters (others than ASCII "
                f"take up to ten each); AWS keeps {MOST_CHARACTERS:,}.",
            )
        return rule

    def _check_name(self, node: Node | None, title: str) -> str:
        written = self._text(node)
        name = normalise_check_name(written)
        if node is not None and written and name not in self._known_checks:
            self._wrong(
                node.line, f"{title}: check {_quoted(written)} is unknown.{did_you_mean(written, self._known_checks)}"
            )
        return name

    def _refuse_doubles(self, rules: tuple[Rule, ...]) -> None:
        by_id: dict[str, Rule] = {}
        by_selection: dict[Any, list[Rule]] = {}
        for rule in rules:
            first = by_id.setdefault(rule.rule_id, rule)
            if first is not rule:
                self._wrong(rule.line, f"id {rule.rule_id!r} is taken by the rule in line {first.line}.")
            same = by_selection.setdefault(same_selection(rule), [])
            for other in same:
                if not rule.targets or not other.targets or set(rule.targets) & set(other.targets):
                    differs = rule.expires != other.expires
                    what = "contradicts" if differs else "says the same as"
                    self._wrong(
                        rule.line,
                        f"rule {rule.rule_id!r} {what} rule {other.rule_id!r} in line {other.line}: the same check and "
                        f"resources{', another end' if differs else ''}.",
                    )
            same.append(rule)

    def _keys(self, node: Node, allowed: Collection[str], what: str) -> dict[str, Node]:
        if not isinstance(node, Table):
            self._wrong(node.line, f"{what} must be a mapping of keys to values; keys: {', '.join(allowed)}.")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.text in found:
                self._wrong(key.line, f"key {_quoted(key.text)} is there twice.")
            elif key.text == "tag":
                self._wrong(
                    key.line,
                    "unknown key 'tag': AWS puts no tags on things and certificates. Use thing_attribute, thing_group "
                    "or thing_type.",
                )
            elif key.text not in allowed:
                self._wrong(
                    key.line,
                    f"unknown key {_quoted(key.text)} in {what}; allowed: {', '.join(allowed)}."
                    f"{did_you_mean(key.text, allowed)}",
                )
            found[key.text] = value
        return found

    def _words(self, node: Node | None, key: str) -> tuple[str, ...]:
        try:
            return words(key, node)
        except InputError as exc:
            self._wrong(_line(node), exc.message)
            return ()

    def _text(self, node: Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, Scalar):
            self._wrong(node.line, "a single text was expected here.")
            return ""
        return node.text.strip()

    def _wrong(self, line: int, what: str) -> None:
        self.problems.append(f"line {line}: {what}")


def describe(rule: Rule, file_name: str) -> str:
    """Return the description of the suppressions that come of a rule."""
    review = f"{rule.review:%Y-%m-%d}" if rule.review else ""
    return Marker(file_name, rule.rule_id, rule.owner, rule.reason, rule.ticket, review).description()


def _line(node: Node | None) -> int:
    return node.line if node is not None else 1


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 80 else f"{value[:80]}…")
