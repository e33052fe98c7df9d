"""Checks of certificates that their issuers have revoked while AWS IoT still takes them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.x509 import parse_certificate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddreport.emulation.checks.view import CertificateState, StateView
    from ddreport.emulation.x509 import CertificateFacts

_DEVICE_READS = ("iot:ListCertificates", "iot:DescribeCertificate")
_CA_READS = ("iot:ListCACertificates", "iot:DescribeCACertificate")

_MOST_SUBJECT = 1000
_MOST_SERIAL = 20


@evaluator("REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK", needs=_DEVICE_READS)
def revoked_device_certificate_still_active(view: StateView) -> Evaluation:
    """Find device certificates in use that their CA's revocation list names."""
    in_use = [c for c in view.certificates if c.status in ("ACTIVE", "PENDING_TRANSFER")]
    return _revoked(view, in_use, resource_type="DEVICE_CERTIFICATE", key="deviceCertificateId")


@evaluator("REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK", needs=_CA_READS)
def revoked_ca_certificate_still_active(view: StateView) -> Evaluation:
    """Find active CA certificates that the list of the authority above them names."""
    in_use = [c for c in view.ca_certificates if c.status == "ACTIVE"]
    return _revoked(view, in_use, resource_type="CA_CERTIFICATE", key="caCertificateId")


def _revoked(view: StateView, in_use: Iterable[CertificateState], *, resource_type: str, key: str) -> Evaluation:
    findings = []
    total = 0
    revocations = view.revocations
    for certificate in in_use:
        total += 1
        pem = certificate.certificate_pem
        if revocations is not None and revocations.is_revoked(parse_certificate(pem), pem):
            findings.append(
                Candidate(
                    resource_type=resource_type,
                    identifier={key: certificate.certificate_id},
                    reason_code="CERTIFICATE_REVOKED_BY_ISSUER",
                    reason="Certificate was revoked by its issuer and is still active.",
                )
            )
    if revocations is not None:
        revocations.close()
    return Evaluation(total, findings)


@evaluator("INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK", needs=_DEVICE_READS)
def intermediate_ca_revoked(view: StateView) -> Evaluation:
    """Find revoked intermediate CAs above active device certificates, which are the related resources.

    The resources that count are the known intermediates above active certificates, registered in AWS IoT or only
    published to the emulator. An intermediate has an authority above it; a self-signed CA is none.
    """
    revocations = view.revocations
    if revocations is None:
        return Evaluation(0, [])
    seen: set[str] = set()
    devices: dict[str, list[dict[str, Any]]] = {}
    for certificate in view.certificates:
        if certificate.status == "ACTIVE":
            pem = certificate.certificate_pem
            above, revoked = revocations.intermediates_above(parse_certificate(pem), pem)
            if above:
                seen.update(above)
            for issuer in revoked:
                devices.setdefault(issuer, []).append(_related(certificate.certificate_id))
    findings = [
        Candidate(
            resource_type="ISSUER_CERTIFICATE",
            identifier={"issuerCertificateIdentifier": _issuer(parse_certificate(revocations.pems[issuer]))},
            reason_code="INTERMEDIATE_CA_REVOKED_BY_ISSUER",
            reason="Intermediate CA was revoked by its issuer while device certificates below it are active.",
            related=tuple(related),
        )
        for issuer, related in devices.items()
    ]
    revocations.close()
    return Evaluation(len(seen), findings)


@lru_cache(maxsize=262_144)
def _related(certificate_id: str) -> dict[str, Any]:
    # The same in every audit of ninety days, so kept once; nobody writes to it.
    return {"resourceType": "DEVICE_CERTIFICATE", "resourceIdentifier": {"deviceCertificateId": certificate_id}}


def _issuer(facts: CertificateFacts) -> dict[str, str]:
    """Return the identifier; a serial number that the API's 20 characters cannot hold is left out, not cut."""
    identifier = {
        "issuerCertificateSubject": _printable(facts.subject)[:_MOST_SUBJECT],
        "issuerId": facts.certificate_id,
    }
    serial = f"{facts.serial_number:02x}"
    if len(serial) <= _MOST_SERIAL:
        identifier["issuerCertificateSerialNumber"] = serial
    return identifier


def _printable(text: str) -> str:
    """Escape what is not printable ASCII as RFC 4514 does: the API takes nothing else in a subject."""
    return "".join(c if " " <= c <= "~" else "".join(f"\\{byte:02X}" for byte in c.encode("utf-8")) for c in text)
