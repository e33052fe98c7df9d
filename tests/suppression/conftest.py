"""Builders for the pure core of suppressions: a file from text, what is known, what an account has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddreport.catalogue import describe_check
from ddreport.schemas import FINDINGS, SCHEMAS
from ddreport.suppression import Inventory, Known, Place, RuleFile, read_rules
from ddreport.suppression.tables import table_of
from ddreport.tables.suppressions import suppressions_table

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
CLIENTS = "CONFLICTING_CLIENT_IDS_CHECK"
PLACE = Place("111122223333", "eu-west-1", "prod")


def certificate(n: int) -> str:
    return f"{n:064x}"


def a_rule(**changes: Any) -> dict[str, Any]:
    """Make a rule; a key that is None is left out."""
    rule = {
        "id": "r1",
        "check": SHARED,
        "pattern": "*",
        "owner": "fleet-team",
        "reason": "accepted",
        "expires": "2026-09-30",
        **changes,
    }
    return {k: v for k, v in rule.items() if v is not None}


def a_file(*rules: dict[str, Any], **top: Any) -> RuleFile:
    """Read a file of these rules: JSON is YAML."""
    return read_rules(json.dumps({"suppressions": list(rules), **top}), source="suppressions.yaml")


def a_finding(check_name: str = SHARED, resource: str = certificate(1), **changes: Any) -> dict[str, Any]:
    check = describe_check(check_name)
    version = changes.get("policy_version_id")
    key = check.identifier_key
    identifier: Any = {key: resource}
    if key == "policyVersionIdentifier":
        identifier = {key: {"policyName": resource, "policyVersionId": version}}
    return {
        "account": PLACE.account,
        "region": PLACE.region,
        "audit_task_id": "a1",
        "finding_id": f"{check_name}-{resource}-{changes.get('reason_code', 'R')}",
        "check_name": check_name,
        "task_start_time": NOW,
        "finding_time": NOW,
        "severity": check.severity.value if check.severity else "LOW",
        "resource_type": check.resource_type.value if check.resource_type else "X",
        "resource_id": resource,
        "reason_code": "R",
        "is_suppressed": False,
        "related_resources_count": 0,
        "resource_identifier": json.dumps(identifier, separators=(",", ":"), sort_keys=True),
        **changes,
    }


def known(*findings: dict[str, Any], checked: Iterable[str] = (), inventory: Inventory | None = None) -> Known:
    """Make what is known; checks with findings have a verdict, `checked` names further ones."""
    table = table_of(FINDINGS, findings)
    names = {f["check_name"] for f in findings} | set(checked)
    return Known(table, frozenset(names), inventory or Inventory())


def present(*records: dict[str, Any]) -> pd.DataFrame:
    """Make the table of an account's suppressions of AWS's records."""
    return suppressions_table(records, account=PLACE.account, region=PLACE.region, observed_time=NOW)


def a_suppression(check_name: str = SHARED, identifier: Any = None, **changes: Any) -> dict[str, Any]:
    record = {
        "checkName": check_name,
        "resourceIdentifier": identifier or {"deviceCertificateId": certificate(1)},
        "description": "somebody clicked",
        "suppressIndefinitely": True,
        **changes,
    }
    if "expirationDate" in changes:
        record["suppressIndefinitely"] = False
    return record


def inventory_table(name: str, *rows: dict[str, Any]) -> pd.DataFrame:
    base = {"account": PLACE.account, "region": PLACE.region, "observed_time": NOW - timedelta(hours=1)}
    return table_of(SCHEMAS[name], [{**base, **row} for row in rows])


@pytest.fixture
def make() -> SimpleNamespace:
    """All builders."""
    return SimpleNamespace(
        rule=a_rule,
        file=a_file,
        finding=a_finding,
        known=known,
        present=present,
        suppression=a_suppression,
        inventory=inventory_table,
        certificate=certificate,
        now=NOW,
        place=PLACE,
    )
