"""One emulated account behind HTTP per module, emptied for each test, with a real boto3 client on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.emulation import Emulator, EmulatorServer, ManualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class World:
    """The emulated account of one test, at START."""

    emulator: Emulator
    endpoint: str
    iot: Any
    key: ec.EllipticCurvePrivateKey
    _serial: int = field(default=0)

    def certificate(self, *things: str, days: float = 400, status: str = "ACTIVE") -> tuple[str, str]:
        """Register a certificate that expires in so many days, attached to new things; return its id and ARN."""
        self._serial += 1
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(self._serial)
            .not_valid_before(START - timedelta(days=2000))
            .not_valid_after(self.emulator.now() + timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        pem = built.public_bytes(serialization.Encoding.PEM).decode()
        made = self.emulator.iot().register_certificate_without_ca(pem, status)
        for thing in things:
            self.iot.create_thing(thingName=thing)
            self.iot.attach_thing_principal(thingName=thing, principal=made.arn)
        return made.certificate_id, made.arn

    def policy(self, name: str, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.iot.create_policy(policyName=name, policyDocument=json.dumps(document))

    def enable(self, *checks: str) -> None:
        """Configure the audit with these checks and a role that may do everything."""
        role = self.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        self.iot.update_account_audit_configuration(
            roleArn=role, auditCheckConfigurations={name: {"enabled": True} for name in checks}
        )

    def audit(self, *checks: str) -> str:
        """Run an on-demand audit to its end and return its id."""
        task_id: str = self.iot.start_on_demand_audit_task(targetCheckNames=list(checks))["taskId"]
        self.emulator.advance(self.emulator.audit_duration)
        return task_id


@pytest.fixture(scope="session")
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def _served():
    with Emulator(ManualClock(START), seed=1) as emulator, EmulatorServer(emulator) as server:
        client = boto3.client(
            "iot",
            endpoint_url=server.endpoint,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="thing",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        yield emulator, server, client
        client.close()


@pytest.fixture
def world(_served, _key) -> World:
    emulator, server, client = _served
    emulator.faults.clear()
    emulator.reset(ManualClock(START))
    emulator.audit_duration = timedelta(seconds=1)
    emulator.execution_duration = timedelta(milliseconds=100)
    return World(emulator, server.endpoint, client, _key)
