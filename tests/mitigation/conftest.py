"""Builders for mitigation (rows of findings, defined actions, small sealed plans); an emulated account over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pandas as pd
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.mitigation.plan import FORMAT, ApprovalRule, Cost, Plan, PlannedAction, PlannedFinding, Rollout, seal
from ddreport.schemas import FINDINGS

DAY0 = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
ROLE = "arn:aws:iam::111122223333:role/Mitigation"

DEACTIVATE = PlannedAction(
    "Deactivate", "UPDATE_DEVICE_CERTIFICATE", ROLE, {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
)
QUARANTINE = PlannedAction(
    "Quarantine",
    "ADD_THINGS_TO_THING_GROUP",
    ROLE,
    {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine"]}},
)
BLANK = PlannedAction(
    "Blank",
    "REPLACE_DEFAULT_POLICY_VERSION",
    ROLE,
    {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}},
)
TELL = PlannedAction(
    "Tell",
    "PUBLISH_FINDING_TO_SNS",
    ROLE,
    {"publishFindingToSnsParams": {"topicArn": "arn:aws:sns:eu-west-1:111122223333:topic"}},
)


def a_finding(number: int, check_name: str = EXPIRING, **changes: Any) -> dict[str, Any]:
    """Make a row of findings; `number` names the resource and the finding."""
    kind = {POLICY: "IOT_POLICY", LOGGING: "ACCOUNT_SETTINGS"}.get(check_name, "DEVICE_CERTIFICATE")
    return {
        "account": "111122223333",
        "region": "eu-west-1",
        "audit_task_id": "audit-1",
        "finding_id": f"{number:08d}-{check_name.lower()[:8]}",
        "check_name": check_name,
        "task_start_time": DAY0,
        "finding_time": DAY0,
        "severity": {POLICY: "CRITICAL", LOGGING: "LOW"}.get(check_name, "MEDIUM"),
        "resource_type": kind,
        "resource_id": f"resource-{number:04d}",
        "policy_version_id": "1" if kind == "IOT_POLICY" else None,
        "reason_code": "REASON",
        "reason": "because",
        "is_suppressed": False,
        "expiration_time": None,
        "related_resources_count": 0,
        "resource_identifier": "{}",
        "additional_info": None,
        **changes,
    }


def findings(*rows: dict[str, Any]) -> pd.DataFrame:
    """Make a table of findings."""
    if not rows:
        return FINDINGS.empty()
    return FINDINGS.conform(pd.DataFrame(list(rows), columns=FINDINGS.column_names))


def a_planned(number: int, *actions: str, wave: int = 1, check_name: str = EXPIRING, **changes: Any) -> PlannedFinding:
    """Make one planned finding."""
    row = a_finding(number, check_name)
    kept = {
        name: row[name]
        for name in (
            "finding_id",
            "audit_task_id",
            "check_name",
            "severity",
            "resource_type",
            "resource_id",
            "resource_identifier",
            "reason_code",
        )
    }
    return PlannedFinding(**{**kept, "problem_id": f"{number:032x}", "wave": wave, "actions": actions, **changes})


def a_plan(*planned: PlannedFinding, **changes: Any) -> Plan:
    """Make a sealed plan of these findings."""
    known = {a.name: a for a in (DEACTIVATE, QUARANTINE, BLANK, TELL)}
    used = dict.fromkeys(name for finding in planned for name in finding.actions)
    content: dict[str, Any] = {
        "format": FORMAT,
        "digest": "",
        "target": "prod",
        "account": "111122223333",
        "region": "eu-west-1",
        "emulated": True,
        "made_time": DAY0,
        "made_with": "ddreport 0",
        "made_by": "arn:aws:iam::111122223333:user/ann",
        "as_of": DAY0,
        "selection": {"checks": [EXPIRING]},
        "actions": tuple(known[name] for name in used if name in known),
        "rollout": Rollout(),
        "approval": ApprovalRule(),
        "findings": planned,
        "left_alone": (),
        "cost": Cost(1, 3, 0.1),
    }
    return seal(Plan(**(content | changes)))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Give the builders and the names that the tests use."""
    return SimpleNamespace(
        finding=a_finding,
        findings=findings,
        planned=a_planned,
        plan=a_plan,
        day0=DAY0,
        expiring=EXPIRING,
        policy=POLICY,
        logging=LOGGING,
        deactivate=DEACTIVATE,
        quarantine=QUARANTINE,
        blank=BLANK,
        tell=TELL,
    )


START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class World:
    """The emulated account of one test, at START."""

    emulator: Emulator
    endpoint: str
    iot: Any
    key: ec.EllipticCurvePrivateKey
    _serial: int = field(default=0)

    def restart(self) -> None:
        """Empty the account and go back to START."""
        self.emulator.faults.clear()
        self.emulator.reset(ManualClock(START))
        self.emulator.audit_duration = timedelta(seconds=1)
        self.emulator.execution_duration = timedelta(milliseconds=100)

    def pem(self, days: float) -> str:
        """Make a certificate that expires in so many days."""
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
        return built.public_bytes(serialization.Encoding.PEM).decode()

    def certificate(self, *things: str, days: float = 400, status: str = "ACTIVE") -> tuple[str, str]:
        """Register a device certificate that expires in so many days, attached to new things; return its id and ARN."""
        made = self.emulator.iot().register_certificate_without_ca(self.pem(days), status)
        for thing in things:
            self.iot.create_thing(thingName=thing)
            self.iot.attach_thing_principal(thingName=thing, principal=made.arn)
        return made.certificate_id, made.arn

    def ca_certificate(self, *, days: float) -> str:
        """Register an active CA certificate that expires in so many days; return its id."""
        made = self.emulator.call("RegisterCACertificate", caCertificate=self.pem(days), setAsActive=True)
        return str(made["certificateId"])

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
    found = World(emulator, server.endpoint, client, _key)
    found.restart()
    return found
