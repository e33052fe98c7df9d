"""From rules to concrete suppressions: findings, patterns, things, inventories, and what cannot be told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ddreport.errors import SuppressionFileError
from ddreport.suppression import Expansion, Inventory, Known, Place, expand

SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
ALIAS = "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK"
ISSUER = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"
CLIENTS = "CONFLICTING_CLIENT_IDS_CHECK"


def expanded(make: SimpleNamespace, known: Known, *rules: dict[str, Any], place: Place | None = None) -> Expansion:
    return expand(make.file(*rules), known, place=place or make.place, as_of=make.now)


def states(found: Expansion) -> dict[str, str]:
    return dict(zip(found.rules["rule_id"], found.rules["state"], strict=True))


def notes(found: Expansion) -> list[Any]:
    return [None if note != note else note for note in found.rules["note"]]


def test_a_pattern_takes_the_resources_of_open_findings_suppressed_ones_too(make: SimpleNamespace) -> None:
    known = make.known(
        make.finding(CLIENTS, "lab-1"),
        make.finding(CLIENTS, "lab-2", is_suppressed=True),
        make.finding(CLIENTS, "LAB-3"),
        make.finding(CLIENTS, "field-1"),
        make.finding(CLIENTS, "lab-1", reason_code="ANOTHER"),
    )
    found = expanded(make, known, make.rule(check=CLIENTS, pattern="lab-*", ticket="T-1", review="2026-05-01"))
    assert found.desired["resource_id"].tolist() == ["lab-1", "lab-2"]
    assert found.desired["resource_identifier"].tolist() == ['{"clientId":"lab-1"}', '{"clientId":"lab-2"}']
    assert found.desired["findings_count"].tolist() == [2, 1]
    assert (
        found.desired["description"].tolist()
        == ["accepted | owner: fleet-team | ticket: T-1 | review: 2026-05-01 | ddreport: suppressions/r1"] * 2
    )
    (rule,) = found.rules.to_dict("records")
    assert (rule["state"], rule["suppressions_count"], rule["findings_count"]) == ("OK", 2, 3)


def test_hostile_ids_are_matched_as_they_are(make: SimpleNamespace) -> None:
    ids = ["a\nb", "[x]", "\u202e1", "a'b\"c\\", "x" * 500]
    known = make.known(*(make.finding(CLIENTS, i, resource_identifier=f"i{n}") for n, i in enumerate(ids)))
    assert len(expanded(make, known, make.rule(check=CLIENTS, pattern="*")).desired) == 5
    found = expanded(make, known, make.rule(check=CLIENTS, pattern="[[]x]"))
    assert found.desired["resource_id"].tolist() == ["[x]"]
    found = expanded(make, known, make.rule(check=CLIENTS, pattern=None, resource="a\nb"))
    assert found.desired["resource_identifier"].tolist() == ["i0"]


def test_a_pattern_without_a_finished_audit_cannot_be_told(make: SimpleNamespace) -> None:
    found = expanded(make, make.known(), make.rule(check=CLIENTS))
    assert states(found) == {"r1": "UNRESOLVED"}
    assert found.unresolved() == {"r1"}
    assert f"no finished audit of {CLIENTS}" in notes(found)[0]
    found = expanded(make, make.known(checked=[CLIENTS]), make.rule(check=CLIENTS))
    assert states(found) == {"r1": "MATCHES_NOTHING"}
    assert found.desired.empty


def test_a_resource_is_wanted_whether_or_not_an_audit_found_it(make: SimpleNamespace) -> None:
    rule = make.rule(pattern=None, resource=make.certificate(7).upper())
    found = expanded(make, make.known(), rule)
    assert found.desired["resource_identifier"].tolist() == [f'{{"deviceCertificateId":"{make.certificate(7)}"}}']
    assert found.desired["resource_type"].tolist() == ["DEVICE_CERTIFICATE"]
    assert found.desired["findings_count"].isna().all()
    found = expanded(make, make.known(checked=[SHARED]), rule)
    assert found.desired["findings_count"].tolist() == [0]


def test_the_identifier_of_a_finding_beats_one_that_we_would_write(make: SimpleNamespace) -> None:
    own = '{"deviceCertificateId":"' + "AB" * 32 + '"}'
    known = make.known(make.finding(SHARED, "ab" * 32, resource_identifier=own))
    found = expanded(make, known, make.rule(pattern=None, resource="ab" * 32))
    assert found.desired["resource_identifier"].tolist() == [own]


def test_a_policy_by_name_takes_the_version_that_was_found(make: SimpleNamespace) -> None:
    rule = make.rule(check=POLICY, pattern=None, resource="Bridge")
    known = make.known(make.finding(POLICY, "Bridge", policy_version_id="4"))
    found = expanded(make, known, rule)
    assert found.desired["policy_version_id"].tolist() == ["4"]
    # Without a finding there is nothing to hide; without an audit the inventory tells the version.
    assert states(expanded(make, make.known(checked=[POLICY]), rule)) == {"r1": "MATCHES_NOTHING"}
    assert states(expanded(make, make.known(), rule)) == {"r1": "UNRESOLVED"}
    policies = make.inventory(
        "policies", {"policy_name": "Bridge", "policy_arn": "a", "default_version_id": "6", "versions_count": 2}
    )
    found = expanded(make, make.known(inventory=Inventory(policies=policies)), rule)
    assert found.desired["policy_version_id"].tolist() == ["6"]


def test_a_policy_version_that_is_spelled_out_stays(make: SimpleNamespace) -> None:
    known = make.known(make.finding(POLICY, "Bridge", policy_version_id="4"))
    found = expanded(make, known, make.rule(check=POLICY, pattern=None, resource="Bridge", policy_version="3"))
    assert found.desired["policy_version_id"].tolist() == ["3"]
    assert found.desired["findings_count"].tolist() == [0]


def test_an_issuer_by_its_short_id_needs_a_finding(make: SimpleNamespace) -> None:
    rule = make.rule(check=ISSUER, pattern=None, resource="ab/01/CN=Sub/CA")
    assert states(expanded(make, make.known(), rule)) == {"r1": "UNRESOLVED"}
    members = {"issuerCertificateIdentifier": {"issuerId": "AB", "issuerCertificateSubject": "CN=Sub/CA"}}
    known = make.known(make.finding(ISSUER, "ab/01/CN=Sub/CA", resource_identifier='{"x":1}'))
    assert expanded(make, known, rule).desired["resource_identifier"].tolist() == ['{"x":1}']
    found = expanded(make, make.known(), make.rule(check=ISSUER, pattern=None, resource=members))
    assert found.desired["resource_id"].tolist() == ["ab//CN=Sub/CA"]


def test_expired_rules_and_those_of_other_places_want_nothing(make: SimpleNamespace) -> None:
    alias = "arn:aws:iot:eu-west-1:444455556666:rolealias/logs"
    found = expanded(
        make,
        make.known(make.finding(CLIENTS, "a")),
        make.rule(id="over", check=CLIENTS, pattern="a*", expires="2026-03-02"),
        make.rule(id="there", check=CLIENTS, targets=["staging", "444455556666"]),
        make.rule(id="alias", check=ALIAS, pattern=None, resource=alias),
        make.rule(id="account", check=LOGGING, pattern=None, resource="444455556666"),
    )
    assert found.desired.empty
    assert states(found) == {
        "over": "EXPIRED", "there": "OTHER_PLACE", "alias": "OTHER_PLACE", "account": "OTHER_PLACE"
    }  # fmt: skip
    assert notes(found) == [
        "it ended on 2026-03-02 00:00 UTC",
        "it is for staging, 444455556666",
        "it names a resource of account 444455556666",
        "it names a resource of account 444455556666",
    ]


@pytest.mark.parametrize("name", ["prod", "111122223333", "111122223333/eu-west-1"])
def test_targets_go_by_name_account_or_account_and_region(make: SimpleNamespace, name: str) -> None:
    known = make.known(make.finding(CLIENTS, "a"))
    assert states(expanded(make, known, make.rule(check=CLIENTS, targets=["x", name]))) == {"r1": "OK"}


def test_names_of_targets_mean_nothing_where_account_and_region_were_given(make: SimpleNamespace) -> None:
    place = Place(make.place.account, make.place.region)
    known = make.known(make.finding(CLIENTS, "a"))
    found = expanded(
        make,
        known,
        make.rule(id="named", check=CLIENTS, targets=["prod"]),
        make.rule(id="other", check=CLIENTS, targets=["444455556666"]),
        place=place,
    )
    assert states(found) == {"named": "UNRESOLVED", "other": "OTHER_PLACE"}


def test_a_rule_that_names_the_resource_beats_a_pattern(make: SimpleNamespace) -> None:
    known = make.known(make.finding(CLIENTS, "a"), make.finding(CLIENTS, "b"))
    found = expanded(
        make,
        known,
        make.rule(id="all", check=CLIENTS, expires="2026-04-01"),
        make.rule(id="a", check=CLIENTS, pattern=None, resource="a", expires="never"),
    )
    assert dict(zip(found.desired["resource_id"], found.desired["rule_id"], strict=True)) == {"a": "a", "b": "all"}
    assert found.desired["suppress_indefinitely"].tolist() == [True, False]


def test_patterns_that_overlap_must_agree_about_the_end(make: SimpleNamespace) -> None:
    known = make.known(make.finding(CLIENTS, "ab"))
    same = [make.rule(id=i, check=CLIENTS, pattern=p) for i, p in (("first", "a*"), ("second", "*b"))]
    found = expanded(make, known, *same)
    assert found.desired["rule_id"].tolist() == ["first"]
    assert notes(found)[1] == "1 of its suppressions another rule wants too"
    same[1]["expires"] = "never"
    with pytest.raises(SuppressionFileError, match=r"'second' \(for ever\) and rule 'first' in line 1 \(until 2026-"):
        expanded(make, known, *same)


def test_a_pattern_that_hides_everything_says_so(make: SimpleNamespace) -> None:
    found = expanded(make, make.known(make.finding(CLIENTS, "a")), make.rule(check=CLIENTS, pattern="*"))
    assert notes(found) == ["it hides every finding of the check, those of later audits too when it is applied again"]


# Over the inventory


def fleet(make: SimpleNamespace) -> Inventory:
    """Three pumps with a certificate each, one of them in the field, and one that lab and field share."""
    ids = [make.certificate(n) for n in range(1, 6)]
    owners = {"lab-1": [1, 4], "lab-2": [2], "field-1": [3, 4]}
    things = [
        {
            "thing_name": name,
            "thing_type_name": "Pump" if name != "lab-2" else None,
            "attributes": '{"site":"lab"}' if name.startswith("lab") else "{}",
        }
        for name in owners
    ]
    principals = [
        {"thing_name": name, "principal_type": "certificate", "principal_id": make.certificate(n)}
        for name, held in owners.items()
        for n in held
    ]
    groups = [
        {"thing_group_name": g, "thing_group_arn": g, "is_dynamic": False, "attributes": "{}"} for g in ("lab", "x")
    ]
    members = [{"thing_group_name": "lab", "thing_name": name} for name in ("lab-1", "lab-2")]
    certificates = [{"certificate_id": i, "status": "ACTIVE", "described_time": make.now} for i in ids]
    return Inventory(
        certificates=make.inventory("certificates", *certificates),
        things=make.inventory("things", *things),
        thing_principals=make.inventory("thing_principals", *principals),
        thing_groups=make.inventory("thing_groups", *groups),
        thing_group_members=make.inventory("thing_group_members", *members),
    )


@pytest.mark.parametrize(
    ("things", "expected"),
    [
        ({"thing_group": "lab"}, [1, 2]),
        ({"thing_group": "x"}, []),
        ({"thing_type": "Pump"}, [1, 3, 4]),
        ({"thing_attribute": {"site": "lab"}}, [1, 2]),
        ({"thing_attribute": {"site": "lab"}, "thing_type": "Pump"}, [1]),
        ({"thing_attribute": {"site": "field"}}, []),
    ],
)
def test_every_thing_behind_a_certificate_must_be_as_the_rule_says(
    make: SimpleNamespace, things: dict[str, Any], expected: list[int]
) -> None:
    findings = [make.finding(SHARED, make.certificate(n)) for n in range(1, 6)]
    known = make.known(*findings, inventory=fleet(make))
    found = expanded(make, known, make.rule(pattern=None, **things))
    assert found.desired["resource_id"].tolist() == [make.certificate(n) for n in expected]


def test_a_client_stands_for_the_thing_of_its_name(make: SimpleNamespace) -> None:
    known = make.known(make.finding(CLIENTS, "lab-1"), make.finding(CLIENTS, "field-1"), inventory=fleet(make))
    found = expanded(make, known, make.rule(check=CLIENTS, pattern=None, thing_group="lab"))
    assert found.desired["resource_id"].tolist() == ["lab-1"]


def test_over_the_inventory_a_rule_does_not_wait_for_findings(make: SimpleNamespace) -> None:
    rule = make.rule(pattern=None, thing_group="lab", over="inventory")
    found = expanded(make, make.known(inventory=fleet(make)), rule)
    assert found.desired["resource_id"].tolist() == [make.certificate(1), make.certificate(2)]
    rule = make.rule(pattern="*5", over="inventory")
    found = expanded(make, make.known(inventory=fleet(make)), rule)
    assert found.desired["resource_id"].tolist() == [make.certificate(5)]


@pytest.mark.parametrize("kind", ["policies", "role_aliases", "ca_certificates"])
def test_policies_role_aliases_and_cas_are_taken_from_the_inventory(make: SimpleNamespace, kind: str) -> None:
    arn = "arn:aws:iot:eu-west-1:111122223333:rolealias/logs"
    rows: dict[str, Any] = {
        "policies": {"policy_name": "p1", "policy_arn": "a", "default_version_id": "2", "versions_count": 2},
        "role_aliases": {"role_alias": "logs", "role_alias_arn": arn, "role_arn": "r"},
        "ca_certificates": {"ca_certificate_id": "ab", "status": "ACTIVE"},
    }
    check = {"policies": POLICY, "role_aliases": ALIAS, "ca_certificates": "CA_CERTIFICATE_EXPIRING_CHECK"}[kind]
    inventory = Inventory(**{kind: make.inventory(kind, rows[kind])})
    found = expanded(make, make.known(inventory=inventory), make.rule(check=check, over="inventory"))
    assert found.desired["resource_identifier"].tolist() == [
        {
            "policies": '{"policyVersionIdentifier":{"policyName":"p1","policyVersionId":"2"}}',
            "role_aliases": f'{{"roleAliasArn":"{arn}"}}',
            "ca_certificates": '{"caCertificateId":"ab"}',
        }[kind]
    ]


def test_an_inventory_that_was_never_pulled_is_said_clearly(make: SimpleNamespace) -> None:
    known = make.known(make.finding(SHARED, make.certificate(1)))
    found = expanded(make, known, make.rule(pattern=None, thing_group="lab"))
    assert states(found) == {"r1": "UNRESOLVED"}
    assert notes(found) == ["the inventory's table things was never read; run `ddreport pull --inventory`"]


def test_a_group_or_type_that_does_not_exist_is_told_with_what_was_meant(make: SimpleNamespace) -> None:
    known = make.known(make.finding(SHARED, make.certificate(1)), inventory=fleet(make))
    found = expanded(
        make,
        known,
        make.rule(id="g", pattern=None, thing_group="labs"),
        make.rule(id="t", pattern=None, thing_type="Pumps"),
    )
    assert notes(found) == [
        "the inventory has no thing group 'labs'. Did you mean 'lab'?",
        "the inventory has no thing type 'Pumps'. Did you mean 'Pump'?",
    ]


def test_a_check_that_is_newer_than_the_catalogue_goes_by_its_findings(make: SimpleNamespace) -> None:
    from ddreport.suppression import read_rules

    text = '{"suppressions": [{"id": "n", "check": "NEW_CHECK", "resource": "a", "owner": "o", "reason": "r", "expires": "never"}]}'  # noqa: E501 - a file of one line
    file = read_rules(text, source="f", further_checks=["NEW_CHECK"])
    known = make.known(make.finding("NEW_CHECK", "a", resource_identifier='{"newId":"a"}'))
    found = expand(file, known, place=make.place, as_of=make.now)
    assert found.desired["resource_identifier"].tolist() == ['{"newId":"a"}']
    assert states(expand(file, make.known(), place=make.place, as_of=make.now)) == {"n": "UNRESOLVED"}
