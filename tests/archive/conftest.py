"""Builders of small sets, as factories in fixtures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pytest

from ddreport.archive import Archive
from ddreport.archive.layout import KINDS
from ddreport.records import RawResponse, RecordSet
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "012345678901"
REGION = "eu-west-1"
START = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
CHECKS = ("DEVICE_CERTIFICATE_EXPIRING_CHECK", "LOGGING_DISABLED_CHECK")


class AuditSet(Protocol):
    def __call__(self, number: int = 0, *, findings: int = 3, **changes: Any) -> RecordSet: ...


class InventorySet(Protocol):
    def __call__(self, number: int = 0, *, status: str = "ACTIVE") -> RecordSet: ...


class StateSet(Protocol):
    def __call__(self, number: int = 0, *, enabled: bool = True, **changes: Any) -> RecordSet: ...


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = SCHEMAS[name].arrow()
    return pa.Table.from_pylist([{f.name: row.get(f.name) for f in schema} for row in rows], schema=schema)


def _audit_set(number: int = 0, *, findings: int = 3, **changes: Any) -> RecordSet:
    account, region = changes.get("account", ACCOUNT), changes.get("region", REGION)
    identity = changes.get("identity", f"audit{number:04d}")
    time = changes.get("time", START + timedelta(days=number))
    emulated = changes.get("emulated", True)
    base = {"account": account, "region": region, "audit_task_id": identity, "task_start_time": time}
    task = base | {
        "task_status": "COMPLETED",
        "task_type": "SCHEDULED_AUDIT_TASK",
        "scheduled_audit_name": "daily",
        "total_checks_count": 2,
        "compliant_checks_count": 1,
        "non_compliant_checks_count": 1,
        "failed_checks_count": 0,
        "canceled_checks_count": 0,
        "in_progress_checks_count": 0,
        "waiting_for_data_collection_checks_count": 0,
        "emulated": emulated,
    }
    checks = [
        base
        | {"check_name": name, "check_run_status": status, "check_compliant": status.endswith("D_COMPLIANT")}
        | {"total_resources_count": 10, "non_compliant_resources_count": bad}
        for name, status, bad in zip(
            CHECKS, ("COMPLETED_NON_COMPLIANT", "COMPLETED_COMPLIANT"), (findings, 0), strict=True
        )
    ]
    found = [
        base
        | {"finding_id": f"{identity}-{i:05d}", "check_name": CHECKS[0], "finding_time": time, "severity": "MEDIUM"}
        | {"resource_type": "DEVICE_CERTIFICATE", "resource_id": f"certificate{i:05d}"}
        | {"reason_code": "CERTIFICATE_APPROACHING_EXPIRATION", "is_suppressed": i % 2 == 1}
        | {"related_resources_count": 1, "resource_identifier": json.dumps({"deviceCertificateId": f"{i:05d}"})}
        for i in range(findings)
    ]
    related = [
        base
        | {"finding_id": f["finding_id"], "position": 0, "resource_type": "CLIENT_ID", "resource_id": "client"}
        | {"resource_identifier": '{"clientId":"client"}'}
        for f in found
    ]
    records = RecordSet(
        kind="audit",
        account=account,
        region=region,
        identity=identity,
        time=time,
        emulated=emulated,
        tables={
            "audit_tasks": _table("audit_tasks", [task]),
            "checks": _table("checks", checks),
            "findings": _table("findings", found[::-1]),
            "related_resources": _table("related_resources", related[::-1]),
        },
        raw=[RawResponse("DescribeAuditTask", {"taskId": identity}, b'{"taskStatus": "COMPLETED"}')],
    )
    return replace(records, **changes)


def _state_set(number: int = 0, *, enabled: bool = True, **changes: Any) -> RecordSet:
    account, region = changes.get("account", ACCOUNT), changes.get("region", REGION)
    time = changes.get("time", START + timedelta(hours=number))
    row = {"account": account, "region": region, "observed_time": time, "check_name": CHECKS[0], "enabled": enabled}
    tables = {name: _table(name, [row] if name == "check_configurations" else []) for name in KINDS["state"].tables}
    records = RecordSet(
        kind="state",
        account=account,
        region=region,
        identity=f"{time:%Y%m%dT%H%M%SZ}",
        time=time,
        emulated=True,
        tables=tables,
        raw=[],
    )
    return replace(records, **changes)


def _inventory_set(number: int = 0, *, status: str = "ACTIVE") -> RecordSet:
    time = START + timedelta(hours=number)
    place = {"account": ACCOUNT, "region": REGION, "observed_time": time}
    certificate = place | {"certificate_id": "aa", "status": status}
    known = place | {"table_name": "certificates", "pulled": True, "rows_count": 1}
    rows = {"certificates": [certificate | {"described_time": START}], "inventory_status": [known]}
    return RecordSet(
        kind="inventory",
        account=ACCOUNT,
        region=REGION,
        identity=f"{time:%Y%m%dT%H%M%SZ}",
        time=time,
        emulated=True,
        tables={name: _table(name, rows.get(name, [])) for name in KINDS["inventory"].tables},
        raw=[],
    )


@pytest.fixture(name="audit_set")
def audit_set_fixture() -> AuditSet:
    """Make the set of audit number n, one a day from 2 March 2026; every second finding is suppressed."""
    return _audit_set


@pytest.fixture(name="state_set")
def state_set_fixture() -> StateSet:
    """Make the state observed n hours after 2 March 2026 09:15 UTC."""
    return _state_set


@pytest.fixture(name="inventory_set")
def inventory_set_fixture() -> InventorySet:
    """Make the inventory of n hours after 2 March 2026 09:15 UTC, with one certificate."""
    return _inventory_set


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Make an empty archive."""
    return Archive.open(tmp_path / "archive", create=True)


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Make an archive with three audits of one account."""
    for number in range(3):
        archive.append(_audit_set(number))
    return archive


@pytest.fixture(scope="session")
def make_audit() -> AuditSet:
    """As `audit_set`, for fixtures that outlive one test."""
    return _audit_set


@pytest.fixture(scope="session")
def make_state() -> StateSet:
    """As `state_set`, for fixtures that outlive one test."""
    return _state_set


def _visible(archive: Path) -> tuple[Any, ...]:
    """Return what a reader of the archive can see, and whether a dead writer left something behind."""
    seen, left = [], False
    for path in sorted(archive.rglob("*")):
        name = path.relative_to(archive)
        if name.parts[0].startswith(".tmp-"):
            left = True
        else:
            seen.append((str(name), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""))
    return (*seen, left)


@pytest.fixture(scope="session")
def visible_state() -> Callable[[Path], tuple[Any, ...]]:
    """Tell two archives apart that a reader can tell apart: names and bytes of all that is not an unfinished write."""
    return _visible


@pytest.fixture(scope="session")
def different_states() -> Callable[[Path], Iterator[int]]:
    """Give the steps at which a killed writer left an archive in a state that no step before had left."""

    def steps_of(places: Path) -> Iterator[int]:
        states = set()
        for place in sorted(places.iterdir()):
            state = _visible(place)
            if state not in states:
                states.add(state)
                yield int(place.name)

    return steps_of
