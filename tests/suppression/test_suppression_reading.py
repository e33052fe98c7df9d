"""Files of suppressions: what is read, and every fault with its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ddreport.errors import SuppressionFileError
from ddreport.suppression import Over, SelectorKind, read_rules
from ddreport.suppression.document import MOST_BYTES

FILE = """\
version: 1
name: fleet
accounts: ["012345678901", 111122223333]
defaults:
  owner: fleet-team
  expires: 2026-09-30
suppressions:
  - id: lab-shared
    check: DEVICE_CERTIFICATE_SHARED_CHECK
    thing_group: lab
    thing_attribute: {site: no}
    reason: |
      The benches share
      one certificate by design
    ticket: SEC-12
    review: 2026-08-01
  - id: old-bridge
    check: IOT_POLICY_OVERLY_PERMISSIVE_CHECK
    resource:
      policyVersionIdentifier: {policyName: Bridge, policyVersionId: "3"}
    reason: "Switched off in spring: é"
    owner: platform
    expires: never
    targets: [prod, 111122223333/eu-west-1]
  - id: logging
    check: LOGGING_DISABLED_CHECK
    resource: "012345678901"
    reason: Sandbox account
    expires: 2026-05-01T06:30+02:00
  - {id: pol, check: IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK, pattern: "lab-*", over: inventory, reason: x}
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(SuppressionFileError) as caught:
        read_rules(text, source="suppressions.yaml")
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("suppressions.yaml")
    return caught.value.problems or (caught.value.message,)


def problem(text: str) -> str:
    (only,) = problems(text)
    return only


def one(**changes: Any) -> str:
    """A file with one rule, as JSON, which is YAML of one line."""
    rule = {
        "id": "r1",
        "check": "DEVICE_CERTIFICATE_SHARED_CHECK",
        "pattern": "*",
        "owner": "o",
        "reason": "r",
        "expires": "never",
    } | changes
    return json.dumps({"suppressions": [{k: v for k, v in rule.items() if v is not None}]})


def test_a_file_is_read_to_the_letter() -> None:
    file = read_rules(FILE, source="f.yaml")
    assert (file.name, file.accounts) == ("fleet", ("012345678901", "111122223333"))
    lab, bridge, logging, policies = file.rules
    assert (lab.rule_id, lab.owner, lab.ticket, lab.line) == ("lab-shared", "fleet-team", "SEC-12", 8)
    assert lab.reason == "The benches share one certificate by design"
    assert lab.expires == datetime(2026, 9, 30, tzinfo=UTC)
    assert lab.review == datetime(2026, 8, 1, tzinfo=UTC)
    assert lab.selector.kind is SelectorKind.THINGS
    # YAML would make a flag of this `no`.
    assert lab.selector.thing_attributes == (("site", "no"),)
    assert bridge.expires is None
    assert (bridge.selector.resource_id, bridge.selector.policy_version_id) == ("Bridge", "3")
    assert bridge.targets == ("prod", "111122223333/eu-west-1")
    assert logging.expires == datetime(2026, 5, 1, 4, 30, tzinfo=UTC)
    assert logging.selector.resource_identifier == '{"account":"012345678901"}'
    assert policies.over is Over.INVENTORY


def test_an_unknown_key_is_told_with_line_and_what_was_meant() -> None:
    text = FILE.replace("    ticket: SEC-12", "    tiket: SEC-12")
    assert problem(text) == (
        "line 15: unknown key 'tiket' in the rule; allowed: id, check, resource, policy_version, pattern, thing_group, "
        "thing_type, thing_attribute, over, reason_code, owner, reason, ticket, expires, review, targets. Did you mean "
        "'ticket'?"
    )


def test_all_faults_are_told_at_once() -> None:
    text = FILE.replace("LOGGING_DISABLED_CHECK", "LOGING_DISABLED_CHECK").replace("owner: platform", "ownr: platform")
    first, second = problems(text)
    assert first.startswith("line 22: unknown key 'ownr'")
    assert second == (
        "line 26: rule 'logging': check 'LOGING_DISABLED_CHECK' is unknown. Did you mean 'LOGGING_DISABLED_CHECK'?"
    )


def test_a_check_that_the_archive_knows_is_allowed() -> None:
    file = read_rules(one(check="BRAND_NEW_CHECK"), source="f", further_checks=["BRAND_NEW_CHECK"])
    assert file.rules[0].check_name == "BRAND_NEW_CHECK"


def test_an_outdated_check_name_becomes_the_present_one() -> None:
    file = read_rules(one(check="REVOKED_CA_CERT_CHECK"), source="f")
    assert file.rules[0].check_name == "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"owner": None}, "has no owner"),
        ({"owner": ""}, "owner is empty"),
        ({"reason": None}, "has no reason"),
        ({"expires": None}, "has no expires"),
        ({"id": "a/b"}, "must be 1 to 64 letters"),
        ({"owner": "a | b"}, "owner holds '|'"),
        ({"reason": "a\u202eb"}, "reason holds the character U+202E"),
        ({"ticket": "\x1b[2J"}, "ticket holds the character U+001B"),
        ({"expires": "soon"}, "expires 'soon' is not a date or time"),
        ({"expires": "2026-13-01"}, "expires '2026-13-01' is not a date or time"),
        ({"review": "x"}, "review 'x' is not a date or time"),
        ({"pattern": None}, "exactly one of: resource, pattern"),
        ({"resource": "0" * 64}, "exactly one of: resource, pattern"),
        ({"pattern": None, "resource": "lab-*"}, "For several resources write pattern: in place of resource:"),
        ({"pattern": None, "resource": "12ab"}, "deviceCertificateId '12ab' is not 64 hexadecimal characters"),
        ({"pattern": None, "resource": {"caCertificateId": "0" * 64}}, "takes deviceCertificateId and nothing else"),
        ({"pattern": None, "resource": {"deviceCertificatId": "0" * 64}}, "Did you mean 'deviceCertificateId'?"),
        ({"policy_version": "1"}, "policy_version belongs to a resource"),
        ({"over": "inventry"}, "Did you mean 'inventory'?"),
        ({"check": "CONFLICTING_CLIENT_IDS_CHECK", "over": "inventory"}, "an inventory does not list"),
        ({"check": "LOGGING_DISABLED_CHECK", "pattern": None, "thing_group": "g"}, "use resource or pattern"),
        ({"pattern": None, "thing_attribute": "site"}, "must hold names with values"),
        ({"tag": {"a": "b"}}, "Use thing_attribute, thing_group or thing_type"),
        ({"reason": "ü" * 300}, "make a description of 1,2"),
        ({"reason": "x" * 901}, "reason has 901 characters"),
        ({"pattern": ["a"]}, "pattern must be a text"),
        ({"owner": {"a": "b"}}, "owner must be a text"),
    ],
)
def test_a_faulty_rule_is_refused_in_plain_words(changes: dict[str, Any], said: str) -> None:
    assert said in problem(one(**changes))


def test_a_policy_wants_name_and_version_where_aws_members_are_given() -> None:
    check = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
    members = {"policyVersionIdentifier": {"policyName": "p"}}
    assert "lacks policyVersionId" in problem(one(check=check, pattern=None, resource=members))
    members = {"policyVersionIdentifier": {"policyName": "p", "policyVersion": "1"}}
    assert "Did you mean 'policyVersionId'?" in problem(one(check=check, pattern=None, resource=members))
    rule = read_rules(one(check=check, pattern=None, resource="p", policy_version="7"), source="f").rules[0]
    assert rule.selector.resource_identifier == ('{"policyVersionIdentifier":{"policyName":"p","policyVersionId":"7"}}')


def test_a_certificate_may_be_named_by_its_arn_and_in_upper_case() -> None:
    for resource in (f"arn:aws:iot:eu-west-1:111122223333:cert/{'AB' * 32}", "AB" * 32):
        rule = read_rules(one(pattern=None, resource=resource), source="f").rules[0]
        assert rule.selector.resource_identifier == json.dumps({"deviceCertificateId": "ab" * 32}).replace(" ", "")


def test_an_id_twice_and_rules_that_say_the_same_or_contradict_each_other_are_refused() -> None:
    rule = "- {id: %s, check: LOGGING_DISABLED_CHECK, pattern: '*', owner: o, reason: r, expires: %s%s}\n"
    text = "suppressions:\n" + rule % ("a", "never", "") + rule % ("a", "never", ", targets: x")
    assert problems(text) == (
        "line 3: id 'a' is taken by the rule in line 2.",
        "line 3: rule 'a' says the same as rule 'a' in line 2: the same check and resources.",
    )
    text = "suppressions:\n" + rule % ("a", "never", "") + rule % ("b", "2026-05-01", "")
    assert "rule 'b' contradicts rule 'a' in line 2: the same check and resources, another end." in problem(text)
    text = "suppressions:\n" + rule % ("a", "never", ", targets: x") + rule % ("b", "2026-05-01", ", targets: y")
    assert len(read_rules(text, source="f").rules) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the file is empty"),
        ("suppressions:\n", "must hold a list of rules, or [] for none"),
        ("name: x\n", "must hold a list of rules, or [] for none"),
        ("suppressions: {}\n", "must hold a list"),
        ("[]", "line 1: the file must be a mapping"),
        ("suppressions: []\nsuppressions: []\n", "line 2: key 'suppressions' is there twice"),
        ("suppressions: []\nversion: 2\n", "line 2: version is '2'; this ddreport reads version 1"),
        ("suppressions: []\naccounts: [12]\n", "line 2: accounts: '12' is not an account id of 12 digits"),
        ("suppressions: []\nname: a b\n", "line 2: name 'a b'"),
        ("suppressions: [}\n", "line 1: this is no YAML"),
        ("a: *b\n", "line 1: *b refers to nothing that stands before it"),
        ("suppressions: []\n---\nsuppressions: []\n", "line 2: only one document"),
        ("suppressions: \x00", "this is no YAML"),
        ("? [a]\n: b\n", "a key must be a word"),
        ("suppressions: " + "[" * 100_000, "more than 12 deep"),
        ("suppressions: " + "{a: " * 100_000, "more than 12 deep"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nsuppressions: *c\n", "unknown key 'a'"),
        ("x" * (MOST_BYTES + 1), "at most 8,000,000 are read"),
        ("suppressions: [!!python/object/apply:os.system [ls]]\n", "line 1: the rule must be a mapping"),
    ],
)
def test_a_text_that_is_no_file_of_suppressions_is_refused(text: str, said: str) -> None:
    assert said in problems(text)[0]


def test_an_empty_list_lifts_everything_on_purpose() -> None:
    assert read_rules("suppressions: []", source="f").rules == ()


def test_many_faults_are_counted_and_the_first_are_shown() -> None:
    text = "suppressions:\n" + "  - {}\n" * 30
    with pytest.raises(SuppressionFileError, match=r"has 150 faults(?s:.*)and 140 more\."):
        read_rules(text, source="f")
