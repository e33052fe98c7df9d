"""Facts into rows, rows into words: what an action would hit, and what is not known is never made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport.mitigation.blast_radius import ago, blast_radius
from ddreport.mitigation.defaults import default_action
from ddreport.mitigation.impact import IMPACTS, impacts_table
from ddreport.mitigation.impact_facts import (
    MOST_BEHIND,
    Answer,
    Answers,
    CaState,
    Connection,
    Fact,
    Question,
    first_questions,
    next_questions,
)
from ddreport.mitigation.impact_inventory import InventoryAnswers, answers_offline
from ddreport.mitigation.roles import Place
from ddreport.terms import MitigationActionType as Type

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE = Place("123456789012", "eu-west-1")


def finding(kind: str, name: str, finding_id: str = "f1") -> dict[str, str]:
    return {"finding_id": finding_id, "check_name": "SOME_CHECK", "resource_type": kind, "resource_id": name}


def row_of(kind: str, name: str, answers: dict[tuple[Fact, str], Any]) -> pd.Series[Any]:
    """Return the row of one finding; an answer that is a text of two or more words is a refusal."""
    given: Answers = {
        Question(*question): value if isinstance(value, Answer) else Answer(value, time=NOW)
        for question, value in answers.items()
    }
    table = impacts_table(pd.DataFrame([finding(kind, name)]), given, account=HERE.account, region=HERE.region)
    return IMPACTS.conform(table).iloc[0]


def certificate_row(**more: Any) -> pd.Series[Any]:
    """Return the row of a certificate with things a, b, c, unless told otherwise."""
    things = more.get("things", ("a", "b", "c"))
    connections = more.get("connections", {})
    answers: dict[tuple[Fact, str], Any] = {
        (Fact.CERTIFICATE, "c1"): more.get("status", "ACTIVE"),
        (Fact.THINGS_OF_CERTIFICATE, "c1"): things,
        (Fact.POLICIES_OF_CERTIFICATE, "c1"): more.get("policies", ()),
    }
    for thing in things if isinstance(things, tuple) else ():
        answers[Fact.GROUPS_OF_THING, thing] = ()
        answers[Fact.CONNECTION, thing] = connections.get(thing, Connection(False, None))
    return row_of("DEVICE_CERTIFICATE", "c1", answers)


def said(kind: Type, row: pd.Series[Any]) -> str:
    return blast_radius(default_action(kind, HERE), row, NOW)


def refused(operation: str) -> Answer:
    return Answer(None, problem=f"iot:{operation}: AccessDeniedException")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "deactivates the certificate of 3 things, none ever seen connected"),
        ({"things": ("a",)}, "deactivates the certificate of 1 thing, never seen connected"),
        ({"things": ()}, "deactivates a certificate that no thing is attached to"),
        (
            {"connections": {"b": Connection(False, NOW - timedelta(minutes=4, seconds=30))}},
            "deactivates the certificate of 3 things, one of them last connected 4 minutes ago",
        ),
        (
            {"connections": {"b": Connection(True, NOW - timedelta(days=4))}},
            "deactivates the certificate of 3 things, 1 of them connected now",
        ),
        (
            {"things": ("b",), "connections": {"b": Connection(True, NOW)}},
            "deactivates the certificate of 1 thing, connected now",
        ),
        ({"status": "INACTIVE"}, "changes nothing: the certificate is INACTIVE already"),
        ({"status": "REVOKED"}, "will fail: the certificate is REVOKED, which AWS does not change"),
        ({"status": Answer(None)}, "can do nothing: the certificate does not exist any more"),
        (
            {"things": refused("ListPrincipalThings")},
            (
                "deactivates the certificate of things whose number is not known (iot:ListPrincipalThings: "
                "AccessDeniedException)"
            ),
        ),
        (
            {"connections": dict.fromkeys("abc", refused("SearchIndex"))},
            (
                "deactivates the certificate of 3 things, last connection not known (iot:SearchIndex: "
                "AccessDeniedException)"
            ),
        ),
        (
            {"connections": {"a": Connection(None, None), "b": Connection(False, NOW - timedelta(hours=5))}},
            (
                "deactivates the certificate of 3 things, one of them last connected 5 hours ago (the fleet index does "
                "not tell of 1 of 3 things)"
            ),
        ),
        (
            {"connections": {"a": Connection(None, None), "b": Connection(True, NOW)}},
            (
                "deactivates the certificate of 3 things, at least one connected now (the fleet index does not tell of "
                "1 of 3 things)"
            ),
        ),
    ],
)
def test_what_deactivating_a_certificate_hits(more: dict[str, Any], words: str) -> None:
    assert said(Type.UPDATE_DEVICE_CERTIFICATE, certificate_row(**more)) == words


def test_a_quarantine_without_things_does_nothing() -> None:
    assert said(Type.ADD_THINGS_TO_THING_GROUP, certificate_row(things=())).startswith("does nothing: no thing")
    assert said(Type.ADD_THINGS_TO_THING_GROUP, certificate_row()) == (
        "puts 3 things, none ever seen connected into the thing group Quarantine"
    )


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            {(Fact.CA_CERTIFICATE, "ca"): CaState("ACTIVE", False), (Fact.CERTIFICATES_OF_CA, "ca"): 1200},
            (
                "deactivates the CA certificate that 1,200 device certificates name; those stay active, and no new "
                "ones can be registered with it"
            ),
        ),
        (
            {
                (Fact.CA_CERTIFICATE, "ca"): CaState("ACTIVE", None),
                (Fact.CERTIFICATES_OF_CA, "ca"): refused("ListCertificatesByCA"),
            },
            (
                "deactivates the CA certificate (how many certificates name it is not known: iot:ListCertificatesByCA: "
                "AccessDeniedException); those stay active, and no new ones can be registered with it"
            ),
        ),
        (
            {(Fact.CA_CERTIFICATE, "ca"): CaState("INACTIVE", False), (Fact.CERTIFICATES_OF_CA, "ca"): 0},
            "changes nothing: the CA certificate is INACTIVE already",
        ),
    ],
)
def test_what_deactivating_a_ca_hits(answers: dict[tuple[Fact, str], Any], words: str) -> None:
    assert said(Type.UPDATE_CA_CERTIFICATE, row_of("CA_CERTIFICATE", "ca", answers)) == words


def test_a_policy_with_more_certificates_than_are_asked_about_says_so() -> None:
    targets = tuple(("certificate", f"{n:064x}") for n in range(MOST_BEHIND + 1))
    row = row_of("IOT_POLICY", "device", {(Fact.TARGETS_OF_POLICY, "device"): targets})
    assert row["certificates_count"] == MOST_BEHIND + 1
    assert pd.isna(row["things_count"])
    assert said(Type.REPLACE_DEFAULT_POLICY_VERSION, row) == (
        "takes every permission of the policy from 1,001 certificates with things whose number is not known (1,001 "
        "certificates are behind it; more than 1,000 are not asked one by one)"
    )


def test_a_part_of_the_things_never_passes_for_the_whole() -> None:
    answers = {
        (Fact.TARGETS_OF_POLICY, "device"): (("certificate", "c1"), ("certificate", "c2")),
        (Fact.THINGS_OF_CERTIFICATE, "c1"): ("a",),
        (Fact.THINGS_OF_CERTIFICATE, "c2"): refused("ListPrincipalThings"),
        (Fact.CONNECTION, "a"): Connection(True, NOW),
    }
    row = row_of("IOT_POLICY", "device", answers)
    assert pd.isna(row["things_count"])
    assert "things" in json.loads(row["unknown"])


def test_a_policy_that_nobody_has_or_nobody_may_ask_about() -> None:
    nobody = row_of("IOT_POLICY", "device", {(Fact.TARGETS_OF_POLICY, "device"): ()})
    assert said(Type.REPLACE_DEFAULT_POLICY_VERSION, nobody) == "blanks a policy that nobody has"
    secret = row_of("IOT_POLICY", "device", {(Fact.TARGETS_OF_POLICY, "device"): refused("ListTargetsForPolicy")})
    assert said(Type.REPLACE_DEFAULT_POLICY_VERSION, secret).endswith(
        "who has it is not known: iot:ListTargetsForPolicy: AccessDeniedException"
    )


def test_an_issuer_stands_for_all_of_its_certificates() -> None:
    answers = {
        (Fact.CERTIFICATES_OF_ISSUER, "f1"): ("c1", "c2"),
        (Fact.CERTIFICATE, "c1"): "ACTIVE",
        (Fact.CERTIFICATE, "c2"): "INACTIVE",
        (Fact.THINGS_OF_CERTIFICATE, "c1"): ("a",),
        (Fact.THINGS_OF_CERTIFICATE, "c2"): ("a", "b"),
        (Fact.CONNECTION, "a"): Connection(False, NOW - timedelta(days=2)),
        (Fact.CONNECTION, "b"): Connection(False, None),
    }
    row = row_of("ISSUER_CERTIFICATE", "issuer/1/CN=x", answers)
    assert said(Type.UPDATE_DEVICE_CERTIFICATE, row) == (
        "deactivates 2 certificates (1 of them ACTIVE) of 2 things, one of them last connected 2 days ago"
    )


def test_names_are_ten_at_most_those_connected_first() -> None:
    things = tuple(f"t{n:02}" for n in range(30))
    row = certificate_row(things=things, connections={"t29": Connection(True, NOW)})
    shown = json.loads(row["things"])
    assert (len(shown), shown[0], row["things_count"]) == (10, "t29", 30)


def test_nothing_is_asked_about_what_no_action_changes() -> None:
    for kind in ("ACCOUNT_SETTINGS", "ROLE_ALIAS", "COGNITO_IDENTITY_POOL", "CLIENT_ID", "SOMETHING_NEW"):
        assert first_questions(finding(kind, "x")) == ()
        row = row_of(kind, "x", {})
        assert row["unknown"] == "{}"
        assert pd.isna(row["source"])


def test_groups_are_asked_for_only_of_things_whose_certificate_has_a_finding() -> None:
    question = Question(Fact.THINGS_OF_CERTIFICATE, "c1")
    own = next_questions(question, Answer(("a",)), {"c1"})
    assert own == (Question(Fact.GROUPS_OF_THING, "a"), Question(Fact.CONNECTION, "a"))
    assert next_questions(question, Answer(("a",)), set()) == (Question(Fact.CONNECTION, "a"),)
    assert next_questions(question, refused("ListPrincipalThings"), {"c1"}) == ()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute ago"),
        (59, "less than a minute ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (86_400 * 1_500, "1,500 days ago"),
    ],
)
def test_ago(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_names_from_aws_that_are_hostile_stay_data() -> None:
    row = certificate_row(things=('"],["', "\x1b[2J"))
    assert json.loads(row["things"]) == ["\x1b[2J", '"],["']


def test_ten_thousand_findings_are_answered_from_an_inventory_without_asking_anything_twice() -> None:
    number = 10_000
    names = [f"{n:064x}" for n in range(number)]
    place = {"account": HERE.account, "region": HERE.region, "observed_time": pd.Timestamp(NOW)}
    inventory = InventoryAnswers(
        {
            "certificates": pd.DataFrame(
                {**place, "certificate_id": names, "status": "ACTIVE", "ca_certificate_id": None}
            ),
            "thing_principals": pd.DataFrame(
                {**place, "thing_name": names, "principal_type": "certificate", "principal_id": names}
            ),
            "policy_targets": pd.DataFrame(
                {**place, "policy_name": "p", "target_type": "certificate", "target_id": names}
            ),
            "thing_group_members": pd.DataFrame({**place, "thing_group_name": "g", "thing_name": names}),
        }
    )
    findings = pd.DataFrame([finding("DEVICE_CERTIFICATE", name, f"f{n}") for n, name in enumerate(names)])
    answers = answers_offline(findings, inventory)
    table = impacts_table(findings, answers, account=HERE.account, region=HERE.region)
    assert table["things_count"].sum() == number
    assert (table["thing_groups"] == '["g"]').all()
    assert (table["source"] == "inventory").all()
    assert {tuple(json.loads(text)) for text in table["unknown"]} == {("connection",)}
