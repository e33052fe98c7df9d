"""The ways from resources to groups, types and authorities, on a small fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError
from ddreport.metrics import memberships
from ddreport.metrics.membership import GROUPINGS, MEMBERSHIPS
from ddreport.schemas import SCHEMAS
from ddreport.tables import frame_to_arrow, inventory_table

PLACE: dict[str, Any] = {
    "account": "111122223333",
    "region": "eu-west-1",
    "observed_time": datetime(2026, 3, 2, tzinfo=UTC),
}
ARN = "arn:aws:iot:eu-west-1:111122223333"
TABLES = ("certificates", "thing_principals", "things", "thing_group_members", "policy_targets")


def _certificate(certificate_id: str, ca: str | None) -> dict[str, Any]:
    described = {"certificateId": certificate_id, "certificateArn": f"{ARN}:cert/{certificate_id}", "status": "ACTIVE"}
    return {"certificateDescription": described | {"caCertificateId": ca}, "describedTime": 1772000000}


RECORDS: dict[str, list[dict[str, Any]]] = {
    # aa is on pump1 and pump2, bb on pump2, cc on nothing; dd was signed by no registered CA and is on meter1.
    "certificates": [_certificate(*pair) for pair in (("aa", "ca1"), ("bb", "ca2"), ("cc", "ca1"), ("dd", None))],
    "thing_principals": [
        {"thingName": "pump1", "principals": [f"{ARN}:cert/aa"]},
        {"thingName": "pump2", "principals": [f"{ARN}:cert/aa", f"{ARN}:cert/bb", "eu-west-1:0b1c"]},
        {"thingName": "meter1", "principals": [f"{ARN}:cert/dd"]},
    ],
    "things": [
        {"thingName": "pump1", "thingTypeName": "Pump"},
        {"thingName": "pump2", "thingTypeName": "Pump"},
        {"thingName": "meter1"},
    ],
    "thing_group_members": [
        {"thingGroupName": "north", "things": ["pump1", "pump2"]},
        {"thingGroupName": "beta", "things": ["pump2"]},
        {"thingGroupName": "empty", "things": []},
    ],
    "policy_targets": [
        {"policyName": "by-certificate", "targets": [f"{ARN}:cert/bb"]},
        {"policyName": "by-group", "targets": [f"{ARN}:thinggroup/beta"]},
        {"policyName": "by-empty-group", "targets": [f"{ARN}:thinggroup/empty"]},
    ],
}


@pytest.fixture(scope="module")
def inventory() -> dict[str, pd.DataFrame]:
    return {name: inventory_table(name, RECORDS[name], **PLACE) for name in TABLES}


def resources(*pairs: tuple[str, str], **changes: Any) -> pd.DataFrame:
    rows = [{"account": PLACE["account"], "region": PLACE["region"], "resource_type": t, "resource_id": i} | changes
            for t, i in pairs]  # fmt: skip
    return pd.DataFrame(rows, columns=["account", "region", "resource_type", "resource_id"], dtype="str")


WAYS = [
    ("DEVICE_CERTIFICATE", "aa", {"beta", "north"}, {"Pump"}, {"ca1"}),
    ("DEVICE_CERTIFICATE", "cc", {"(none)"}, {"(none)"}, {"ca1"}),
    ("DEVICE_CERTIFICATE", "dd", {"(none)"}, {"(none)"}, {"(none)"}),
    ("DEVICE_CERTIFICATE", "unheard-of", {"(none)"}, {"(none)"}, {"(none)"}),
    ("CA_CERTIFICATE", "ca1", {"beta", "north"}, {"Pump"}, {"ca1"}),
    ("CA_CERTIFICATE", "ca9", {"(none)"}, {"(none)"}, {"ca9"}),
    ("IOT_POLICY", "by-certificate", {"beta", "north"}, {"Pump"}, {"ca2"}),
    ("IOT_POLICY", "by-group", {"beta", "north"}, {"Pump"}, {"ca1", "ca2"}),
    ("IOT_POLICY", "by-empty-group", {"empty"}, {"(none)"}, {"(none)"}),
    ("IOT_POLICY", "unattached", {"(none)"}, {"(none)"}, {"(none)"}),
    ("CLIENT_ID", "pump1", {"north"}, {"Pump"}, {"ca1"}),
    ("CLIENT_ID", "no-thing", {"(none)"}, {"(none)"}, {"(none)"}),
    ("ACCOUNT_SETTINGS", "111122223333", {"(none)"}, {"(none)"}, {"(none)"}),
    ("ROLE_ALIAS", "aa", {"(none)"}, {"(none)"}, {"(none)"}),
]


@pytest.mark.parametrize(("kind", "name", "groups", "types", "authorities"), WAYS, ids=[f"{w[0]} {w[1]}" for w in WAYS])
def test_each_kind_of_resource_finds_its_groups(
    inventory: dict[str, pd.DataFrame], kind: str, name: str, groups: set[str], types: set[str], authorities: set[str]
) -> None:
    for by, expected in zip(GROUPINGS, (groups, types, authorities), strict=True):
        found = memberships(resources((kind, name)), **inventory, by=by)
        assert sorted(found["group_name"]) == sorted(expected), by


def test_many_resources_at_once_are_one_row_each_and_group(inventory: dict[str, pd.DataFrame]) -> None:
    asked = resources(*((w[0], w[1]) for w in WAYS))
    twice = pd.concat([asked, asked])
    for number, by in enumerate(GROUPINGS):
        found = memberships(twice, **inventory, by=by)
        expected = {(w[0], w[1], group) for w in WAYS for group in w[2 + number]}
        rows = list(zip(found["resource_type"], found["resource_id"], found["group_name"], strict=True))
        assert set(rows) == expected
        assert len(rows) == len(expected)


def test_another_account_with_the_same_names_finds_nothing_here(inventory: dict[str, pd.DataFrame]) -> None:
    found = memberships(resources(("CLIENT_ID", "pump1"), account="999999999999"), **inventory)
    assert found["group_name"].tolist() == ["(none)"]


def test_no_resources_give_a_typed_empty_table(inventory: dict[str, pd.DataFrame]) -> None:
    assert_frame_equal(memberships(resources(), **inventory), MEMBERSHIPS.empty())


def test_empty_inventory_tables_lead_to_none(inventory: dict[str, pd.DataFrame]) -> None:
    nothing = {name: SCHEMAS[name].empty() for name in inventory}
    for by in GROUPINGS:
        found = memberships(resources(("DEVICE_CERTIFICATE", "aa")), **nothing, by=by)
        assert found["group_name"].tolist() == ["(none)"]


def test_duckdb_gives_the_same(inventory: dict[str, pd.DataFrame]) -> None:
    asked = resources(*((w[0], w[1]) for w in WAYS))
    with duckdb.connect() as connection:
        for name, frame in inventory.items():
            connection.register(f"given_{name}", frame_to_arrow(SCHEMAS[name], frame))
            connection.execute(f"CREATE TABLE {name} AS FROM given_{name}")
        connection.register("given", pa.Table.from_pandas(asked, preserve_index=False))
        there = {name: connection.table(name) for name in inventory}
        for by in GROUPINGS:
            found = memberships(connection.table("given"), **there, by=by)
            assert_frame_equal(found, memberships(asked, **inventory, by=by))


def test_wrong_input_is_refused(inventory: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(ParameterError, match=r"allowed: thing_group, thing_type, ca_certificate.* mean 'thing_group'"):
        memberships(resources(), **inventory, by="thing_groups")
    with pytest.raises(TableSchemaError, match="missing columns: resource_id"):
        memberships(resources().drop(columns="resource_id"), **inventory)
