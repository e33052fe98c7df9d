"""`ddreport impact`, and what a plan says of the impact, on an emulated account over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.mitigation.plan_file import read_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHECK = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
ACTION = "DeactivateDeviceCertificateAction"


def a_pem(until: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(until - timedelta(days=900))
        .not_valid_after(until)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def account(iot_emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]) -> Any:
    """An account with an expiring certificate of two things and without logging, audited and pulled; target `prod`."""
    for name, value in iot_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDREPORT_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "ddreport.toml").write_text(
        f'[targets.prod]\nregion = "{iot_emulator.region}"\nendpoint_url = "{iot_emulator.endpoint}"\n'
    )
    iot = iot_emulator.client("iot")
    now = iot_emulator.emulator.now().astimezone(UTC)
    made = iot.register_certificate_without_ca(certificatePem=a_pem(now + timedelta(days=9)), status="ACTIVE")
    for thing in ("pump1", "pump2"):
        iot.create_thing(thingName=thing)
        iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
    iot.update_indexing_configuration(
        thingIndexingConfiguration={"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
    )
    begin, end = now - timedelta(hours=1), now - timedelta(minutes=30)
    iot_emulator.emulator.connect_device(made["certificateId"], "pump2", begin, end)
    iot_emulator.enable(CHECK, LOGGING)
    iot_emulator.audit(CHECK, LOGGING)
    assert run("pull", "--target", "prod").code == 0
    return iot_emulator


def test_the_impact_of_a_finding_is_told_with_its_source(account: Any, run: Callable[..., Any]) -> None:
    ran = run("impact", "-t", "prod", "--check", CHECK)
    assert ran.code == 0, ran.err
    assert "deactivates the certificate of 2 things, one of them last connected" in " ".join(ran.out.split())
    assert "Read from AWS" in ran.err
    (row,) = run("impact", "-t", "prod", "--check", CHECK, "--json").json
    assert row["things"] == ["pump1", "pump2"]
    assert row["things_count"] == 2
    assert row["connected"] is False
    assert set(row["would"]) == {"UPDATE_DEVICE_CERTIFICATE", "ADD_THINGS_TO_THING_GROUP", "PUBLISH_FINDING_TO_SNS"}
    assert row["emulated"] is True


def test_an_inventory_is_used_when_it_is_young_and_alone_when_offline(account: Any, run: Callable[..., Any]) -> None:
    offline = run("impact", "-t", "prod", "--check", CHECK, "--offline", "--json").json
    assert offline[0]["things_count"] is None
    assert "AWS was not asked" in offline[0]["unknown"]["things"]
    assert run("pull", "--target", "prod", "--inventory").code == 0
    offline = run("impact", "-t", "prod", "--check", CHECK, "--offline", "--json").json
    assert (offline[0]["things_count"], offline[0]["source"]) == (2, "inventory")
    assert run("impact", "-t", "prod", "--check", CHECK, "--json").json[0]["source"] == "AWS, inventory"
    account.advance(minutes=10)
    asked = run("impact", "-t", "prod", "--check", CHECK, "--inventory-max-age", "0.1", "--json").json
    assert asked[0]["source"] == "AWS"


def test_a_refusal_is_a_warning_and_the_rest_is_told(account: Any, run: Callable[..., Any]) -> None:
    account.emulator.faults.refuse("SearchIndex", code="AccessDeniedException")
    ran = run("impact", "-t", "prod", "--check", CHECK)
    assert ran.code == 0
    assert "not known for 1 of 1 findings: connection: iot:SearchIndex: AccessDeniedException" in ran.err
    assert "2 things" in " ".join(ran.out.split())


def test_wrong_use_is_told(account: Any, run: Callable[..., Any]) -> None:
    nothing = run("impact", "-t", "prod")
    assert (nothing.code, "nothing says which findings" in nothing.err) == (2, True)
    unknown = run("impact", "-t", "prod", "--check", "NO_SUCH_CHECK")
    assert (unknown.code, "NO_SUCH_CHECK" in unknown.err) == (2, True)


def test_a_plan_says_what_each_action_hits_and_puts_small_things_first(
    account: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    assert run("actions", "defaults", "-t", "prod", "--create-role").code == 0
    asked = ["mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION, "--out"]
    made = run(*asked, "plan.yaml")
    assert made.code == 0, made.err
    (finding,) = read_plan(tmp_path / "plan.yaml").findings
    assert finding.things_count == 2
    assert finding.last_connection_time
    assert finding.impact == ("deactivates the certificate of 2 things, one of them last connected 30 minutes ago",)
    assert run(*asked, "without.yaml", "--no-impact").code == 0
    assert read_plan(tmp_path / "without.yaml").findings[0].impact == ()
