"""Inventory tables from literal records, hostile ones included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from pandas.testing import assert_frame_equal

from ddreport.errors import InputError, TableSchemaError
from ddreport.schemas import INVENTORY_SCHEMAS
from ddreport.tables import inventory_table
from ddreport.tables import pem as pem_module
from ddreport.tables.pem import UNREADABLE, PemFacts, read_pem

OBSERVED = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
PLACE: dict[str, Any] = {"account": "111122223333", "region": "eu-west-1", "observed_time": OBSERVED}
ARN = "arn:aws:iot:eu-west-1:111122223333"
KEYS = {
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EC": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def a_pem(kind: str = "EC") -> str:
    key = KEYS[kind]()
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "pump,1"), x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), 0x0ABC, OBSERVED, OBSERVED + timedelta(days=9))
    signed = builder.sign(key, None if kind == "Ed25519" else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def a_certificate(**changes: Any) -> dict[str, Any]:
    described = {
        "certificateId": "AB12",
        "certificateArn": f"{ARN}:cert/ab12",
        "status": "ACTIVE",
        "certificateMode": "DEFAULT",
        "creationDate": 1772000000.5,
        "lastModifiedDate": 1772000001,
        "validity": {"notBefore": 1771000000, "notAfter": 253402300799},
        "caCertificateId": "CD34",
        "ownedBy": "111122223333",
        "certificatePem": a_pem(),
    }
    return {"certificateDescription": described | changes, "describedTime": datetime(2026, 3, 2, 9, 16, tzinfo=UTC)}


@pytest.mark.parametrize("schema", INVENTORY_SCHEMAS, ids=lambda s: s.name)
def test_no_records_give_the_whole_typed_table(schema: Any) -> None:
    assert_frame_equal(inventory_table(schema.name, [], **PLACE), schema.empty())


def test_a_certificate_has_its_real_validity_and_what_its_pem_says() -> None:
    row = inventory_table("certificates", [a_certificate()], **PLACE).iloc[0]
    assert (row["certificate_id"], row["ca_certificate_id"]) == ("ab12", "cd34")
    assert row["not_after_time"] == pd.Timestamp("9999-12-31T23:59:59Z")  # RFC 5280's "never"
    assert row["not_before_time"] == pd.Timestamp(1771000000, unit="s", tz="UTC")
    assert row["creation_time"] == pd.Timestamp(1772000000500, unit="ms", tz="UTC")
    assert (row["key_algorithm"], row["key_bits"], row["serial_number"]) == ("EC", 384, "abc")
    assert row["subject"] == r"C=DE,CN=pump\,1"
    assert row["issuer"] == "CN=CA"
    assert row["described_time"] == pd.Timestamp("2026-03-02T09:16:00Z")
    assert row["observed_time"] == pd.Timestamp(OBSERVED)


def test_a_certificate_without_optional_members_keeps_its_row() -> None:
    bare = {"certificateId": "ab", "certificateArn": "arn", "status": "PENDING_ACTIVATION"}
    table = inventory_table("certificates", [{"certificateDescription": bare, "describedTime": 1772000000}], **PLACE)
    assert table["not_after_time"].isna().item()
    assert table["ca_certificate_id"].isna().item()
    assert table["key_algorithm"].item() == UNREADABLE


@pytest.mark.parametrize(("kind", "bits"), [("RSA", 2048), ("EC", 384), ("Ed25519", 256)])
def test_kinds_of_keys(kind: str, bits: int) -> None:
    facts = read_pem(a_pem(kind))
    assert (facts.key_algorithm, facts.key_bits) == (kind, bits)


@pytest.mark.parametrize("pem", ["", None, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é\x00"])
def test_a_pem_that_cannot_be_read_is_said_to_be_so(pem: str | None) -> None:
    assert read_pem(pem) == PemFacts(key_algorithm=UNREADABLE)


def test_without_cryptography_dates_are_there_and_keys_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pem_module, "can_read_pem", lambda: False)
    row = inventory_table("certificates", [a_certificate()], **PLACE).iloc[0]
    assert row["not_before_time"] == pd.Timestamp(1771000000, unit="s", tz="UTC")
    assert row[["key_algorithm", "key_bits", "subject", "issuer", "serial_number"]].isna().all()


def test_policy_targets_are_told_apart() -> None:
    identity = "eu-west-1:0b1c2d3e-0000-4000-8000-000000000001"
    targets = [f"{ARN}:cert/AB", f"{ARN}:thinggroup/a/b", identity, "arn:aws:iam::1:user/x", f"{ARN}:cert/"]
    table = inventory_table("policy_targets", [{"policyName": "p", "targets": targets}], **PLACE)
    assert list(zip(table["target_type"], table["target_id"], strict=True)) == [
        ("certificate", "ab"),
        ("thing_group", "a/b"),
        ("cognito_identity", identity),
        ("other", "arn:aws:iam::1:user/x"),
        ("other", f"{ARN}:cert/"),
    ]


def test_a_policy_names_its_default_version_and_documents_are_canonical() -> None:
    versions = [{"versionId": "2", "isDefaultVersion": False}, {"versionId": "3", "isDefaultVersion": True}]
    policies = inventory_table("policies", [{"policyName": "p", "policyArn": "a", "policyVersions": versions}], **PLACE)
    assert (policies["default_version_id"].item(), policies["versions_count"].item()) == ("3", 2)
    records = [
        {"policyName": "p", "policyVersionId": str(n), "isDefaultVersion": n == 3, "policyDocument": document}
        for n, document in enumerate(['{ "b": 1, "a": "\\ud800" }', "{not json", None, {"a": 1}])
    ]
    table = inventory_table("policy_versions", records, **PLACE)
    assert table["policy_document"].tolist() == ['{"a":"\ufffd","b":1}', "{not json", "{}", '{"a":1}']
    assert table["is_default_version"].tolist() == [False, False, False, True]


def test_things_keep_attributes_as_canonical_json() -> None:
    things = [{"thingName": "t", "attributes": {"b": "<x>", "a": "1"}, "version": 3, "thingTypeName": "T"}]
    row = inventory_table("things", [*things, {"thingName": "bare"}], **PLACE)
    assert row["attributes"].tolist() == ['{"a":"1","b":"<x>"}', "{}"]
    assert row["thing_type_name"].isna().tolist() == [False, True]


def test_a_group_with_a_query_is_dynamic() -> None:
    static = {
        "thingGroupName": "s",
        "thingGroupArn": "arn",
        "thingGroupProperties": {"attributePayload": {"attributes": {"k": "v"}}, "thingGroupDescription": "d"},
        "thingGroupMetadata": {"parentGroupName": "top", "creationDate": 1772000000},
    }
    dynamic = {"thingGroupName": "d", "thingGroupArn": "arn", "queryString": "attributes.a:1"}
    table = inventory_table("thing_groups", [static, dynamic], **PLACE)
    assert table["is_dynamic"].tolist() == [False, True]
    assert table["parent_group_name"].iloc[0] == "top"
    assert table["attributes"].tolist() == ['{"k":"v"}', "{}"]


def test_principals_that_are_no_certificates_keep_their_name() -> None:
    record = {"thingName": "t", "principals": [f"{ARN}:cert/ab", "eu-west-1:id"]}
    table = inventory_table("thing_principals", [record], **PLACE)
    assert table["principal_type"].tolist() == ["certificate", "other"]
    assert table["principal_id"].tolist() == ["ab", "eu-west-1:id"]


def test_two_different_records_of_one_thing_are_refused_and_equal_ones_are_one() -> None:
    once = inventory_table("certificates", [a := a_certificate(), a], **PLACE)
    assert len(once) == 1
    with pytest.raises(TableSchemaError, match="share a key"):
        inventory_table("certificates", [a, a_certificate(status="REVOKED")], **PLACE)


def test_a_table_that_no_inventory_has_is_refused() -> None:
    with pytest.raises(InputError, match="no table 'nonsense'"):
        inventory_table("nonsense", [], **PLACE)
