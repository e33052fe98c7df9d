"""Real certificates: the roots that browsers trust, registered and audited, compared with what `cryptography` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from conftest import PublicCertificate

    from ddreport.emulation import Emulator, EmulatorServer

CA_EXPIRING, DEVICE_EXPIRING = "CA_CERTIFICATE_EXPIRING_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"
CA_KEYS, DEVICE_KEYS = "CA_CERTIFICATE_KEY_QUALITY_CHECK", "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK"
REVOKED = (
    "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK",
    "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK",
    "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK",
)
CHECKS = (CA_EXPIRING, DEVICE_EXPIRING, CA_KEYS, DEVICE_KEYS, *REVOKED)
MOMENTS = ("at once", "before the first ends", "between", "when all have ended")
DAYS = 30

# Primes modulo which the moduli of the weak keys of CVE-2017-15361 are all powers of 65537 (the first of those that
# the discoverers of the flaw published; a sound modulus passes them all once in some hundred million).
ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


@dataclass(frozen=True)
class Audited:
    """One audit of all of them: when it was, its checks, its findings."""

    at: datetime
    details: dict[str, Any]
    findings: list[dict[str, Any]]

    def verdicts(self, check: str, key: str) -> dict[str, tuple[str, str]]:
        """Return reason code and expiry (epoch milliseconds as text) by id of the certificate."""
        found = {}
        for finding in self.findings:
            if finding["checkName"] == check:
                resource = finding["nonCompliantResource"]
                expiry = resource.get("additionalInfo", {}).get("EXPIRATION_TIME", "")
                found[resource["resourceIdentifier"][key]] = finding["reasonForNonComplianceCode"], expiry
        return found


@pytest.fixture(scope="module")
def registered(iot: Any, public_certificates: list[PublicCertificate]) -> list[PublicCertificate]:
    """Register each as a CA certificate and as a device certificate without CA."""
    for certificate in public_certificates:
        for answer in (
            iot.register_ca_certificate(caCertificate=certificate.pem, setAsActive=True),
            iot.register_certificate_without_ca(certificatePem=certificate.pem, status="ACTIVE"),
        ):
            assert answer["certificateId"] == certificate.certificate_id
    return public_certificates


@pytest.fixture(scope="module")
def audits(
    emulated: tuple[Emulator, EmulatorServer], iot: Any, registered: list[PublicCertificate]
) -> dict[str, Audited]:
    """Audit at the emulated present and at moments that the certificates themselves give."""
    emulator, _ = emulated
    role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    iot.update_account_audit_configuration(
        roleArn=role, auditCheckConfigurations={name: {"enabled": True} for name in CHECKS}
    )
    ends = sorted(end for c in registered if (end := c.certificate.not_valid_after_utc) > emulator.now())
    half = timedelta(days=DAYS / 2)
    moments = (emulator.now(), ends[0] - half, ends[len(ends) // 2] - half, ends[-1] + half)
    return {name: audit(emulator, iot, at) for name, at in zip(MOMENTS, moments, strict=True)}


def audit(emulator: Emulator, iot: Any, at: datetime) -> Audited:
    emulator.advance_to(at)
    task_id = iot.start_on_demand_audit_task(targetCheckNames=list(CHECKS))["taskId"]
    emulator.advance(emulator.audit_duration)
    pages = iot.get_paginator("list_audit_findings").paginate(taskId=task_id, PaginationConfig={"PageSize": 250})
    findings = [finding for page in pages for finding in page["findings"]]
    return Audited(at, iot.describe_audit_task(taskId=task_id)["auditDetails"], findings)


def expected_expiry(certificates: list[PublicCertificate], at: datetime) -> dict[str, tuple[str, str]]:
    verdicts = {}
    for certificate in certificates:
        end = certificate.certificate.not_valid_after_utc
        milliseconds = str(int(end.timestamp()) * 1000)
        if end <= at:
            verdicts[certificate.certificate_id] = "CERTIFICATE_PAST_EXPIRATION", milliseconds
        elif end <= at + timedelta(days=DAYS):
            verdicts[certificate.certificate_id] = "CERTIFICATE_APPROACHING_EXPIRATION", milliseconds
    return verdicts


def test_each_tells_its_own_validity(iot: Any, registered: list[PublicCertificate]) -> None:
    for certificate in registered:
        own = certificate.certificate
        validity = {"notBefore": own.not_valid_before_utc, "notAfter": own.not_valid_after_utc}
        device = iot.describe_certificate(certificateId=certificate.certificate_id)["certificateDescription"]
        authority = iot.describe_ca_certificate(certificateId=certificate.certificate_id)["certificateDescription"]
        assert device["validity"] == authority["validity"] == validity
        assert device["certificatePem"] == authority["certificatePem"] == certificate.pem


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("check", "key"), [(CA_EXPIRING, "caCertificateId"), (DEVICE_EXPIRING, "deviceCertificateId")])
def test_expiry_is_what_the_certificates_say(
    audits: dict[str, Audited], registered: list[PublicCertificate], moment: str, check: str, key: str
) -> None:
    audited = audits[moment]
    expected = expected_expiry(registered, audited.at)
    assert audited.verdicts(check, key) == expected
    assert audited.details[check]["nonCompliantResourcesCount"] == len(expected)
    assert audited.details[check]["totalResourcesCount"] == len(registered)


def test_the_moments_show_every_verdict(audits: dict[str, Audited], registered: list[PublicCertificate]) -> None:
    found = {moment: audits[moment].verdicts(CA_EXPIRING, "caCertificateId") for moment in MOMENTS}
    codes = {moment: {code for code, _ in verdicts.values()} for moment, verdicts in found.items()}
    assert codes["before the first ends"] >= {"CERTIFICATE_APPROACHING_EXPIRATION"}
    assert codes["between"] == {"CERTIFICATE_PAST_EXPIRATION", "CERTIFICATE_APPROACHING_EXPIRATION"}
    assert len(found["between"]) < len(registered)
    assert codes["when all have ended"] == {"CERTIFICATE_PAST_EXPIRATION"}
    assert len(found["when all have ended"]) == len(registered)


def has_roca_fingerprint(modulus: int) -> bool:
    return all(modulus % prime in {pow(65537, n, prime) for n in range(prime)} for prime in ROCA_PRIMES)


@pytest.mark.parametrize(("check", "key"), [(CA_KEYS, "caCertificateId"), (DEVICE_KEYS, "deviceCertificateId")])
def test_key_quality_is_what_the_keys_say(
    audits: dict[str, Audited], registered: list[PublicCertificate], check: str, key: str
) -> None:
    keys = {c.certificate_id: c.certificate.public_key() for c in registered}
    kinds = {type(k).__name__ for k in keys.values()}
    assert len(kinds) > 1  # RSA and elliptic curves
    weak = {
        certificate_id
        for certificate_id, public in keys.items()
        if isinstance(public, rsa.RSAPublicKey) and has_roca_fingerprint(public.public_numbers().n)
    }
    for audited in audits.values():
        assert set(audited.verdicts(check, key)) == weak
        assert audited.details[check]["totalResourcesCount"] == len(registered)
        assert audited.details[check]["checkCompliant"] == (not weak)


@pytest.mark.parametrize("check", REVOKED)
def test_nothing_is_revoked_where_no_list_says_so(audits: dict[str, Audited], check: str) -> None:
    assert {audited.details[check]["checkRunStatus"] for audited in audits.values()} == {"COMPLETED_COMPLIANT"}


def test_the_whole_bundle_can_be_published_as_one_file_of_authorities(
    emulated: tuple[Emulator, EmulatorServer], public_certificates: list[PublicCertificate]
) -> None:
    bundle = "".join(certificate.pem for certificate in public_certificates)
    assert emulated[0].publish_certificate(bundle) == [c.certificate_id for c in public_certificates]
