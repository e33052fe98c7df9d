"""Inventories on the command line: the estimate, and `pull --inventory`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive
from ddreport.emulation import Emulator, EmulatorServer, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Ran

    Run = Callable[..., Ran]


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Emulator, str]]:
    """An emulated account where Audit is set up, and its endpoint."""
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
    clock = ManualClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    with Emulator(clock, seed=1) as emulator, EmulatorServer(emulator) as server:
        role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        emulator.call(
            "UpdateAccountAuditConfiguration",
            roleArn=role,
            auditCheckConfigurations={"LOGGING_DISABLED_CHECK": {"enabled": True}},
        )
        yield emulator, server.endpoint


def pull(run: Run, endpoint: str, archive: Path, *more: str) -> Ran:
    return run("pull", "--region", "eu-west-1", "--endpoint-url", endpoint, "--archive", archive, *more)


def test_the_estimate_tells_calls_and_time_by_operation(run: Run) -> None:
    ran = run("inventory", "--certificates", 100_000, "--things", 100_000, "--thing-groups", 500, "--policies", 40)
    assert ran.code == 0
    assert "DescribeCertificate" in ran.out
    assert "about 2 h 48 min at AWS's rates" in ran.out
    asked = ("inventory", "--certificates", 100_000, "--new-certificates", 310, "--json")
    data = run(*asked).json
    assert data["operations"][0] == {
        "operation": "ListCertificates", "calls": 400, "rate_per_second": 10, "seconds": 40.0, "time": "40 s"
    }  # fmt: skip
    assert {o["operation"]: o["calls"] for o in data["operations"]}["DescribeCertificate"] == 310


def test_an_impossible_estimate_is_refused(run: Run) -> None:
    ran = run("inventory", "--certificates", 1, "--new-certificates", 2)
    assert ran.code == 2
    assert "2 of 1 certificates cannot be new" in ran.err


def test_pull_reads_the_inventory_only_when_asked(run: Run, emulated: Any, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert pull(run, emulated[1], archive).code == 0
    assert Archive.open(archive).sets("inventory") == []
    ran = pull(run, emulated[1], archive, "--inventory", "--json")
    assert ran.code == 0
    assert ran.json[0]["inventory_seen"] is True
    assert len(Archive.open(archive).sets("inventory")) == 1


def test_a_refused_table_is_named_and_the_exit_code_is_4(run: Run, emulated: Any, tmp_path: Path) -> None:
    emulated[0].faults.refuse("ListThings", code="AccessDeniedException")
    ran = pull(run, emulated[1], tmp_path / "archive", "--inventory")
    assert ran.code == 4
    assert "the inventory lacks things, thing_principals (iot:ListThings: AccessDeniedException)" in ran.err
    assert "docs/inventory.md" in ran.err


def test_single_tables_can_be_named_and_misspelt(run: Run, emulated: Any, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert pull(run, emulated[1], archive, "--inventory-tables", "certificates, ca_certificates").code == 0
    known = Archive.open(archive).latest_state("inventory_status")
    assert sorted(known.loc[known["pulled"], "table_name"]) == ["ca_certificates", "certificates"]
    ran = pull(run, emulated[1], archive, "--inventory-tables", "certificate")
    assert ran.code == 2
    assert "Did you mean 'certificates'" in ran.err
