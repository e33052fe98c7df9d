"""Checks of the quality of RSA keys: the two known flaws, not size or algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.key_quality import DEBIAN, ROCA, WeakKeys, vulnerabilities
from ddreport.emulation.x509 import parse_certificate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddreport.emulation.checks.view import CertificateState, StateView

_REASONS = {
    ROCA: f"Certificate's RSA key has the fingerprint of the flawed Infineon library ({ROCA}).",
    DEBIAN: f"Certificate's RSA key is one of Debian's predictable OpenSSL keys ({DEBIAN}).",
}


@evaluator("DEVICE_CERTIFICATE_KEY_QUALITY_CHECK", needs=("iot:ListCertificates", "iot:DescribeCertificate"))
def device_certificate_key_quality(view: StateView) -> Evaluation:
    """Find device certificates in use whose private key can be computed; a finding per flaw."""
    in_use = [c for c in view.certificates if c.status in ("ACTIVE", "PENDING_TRANSFER")]
    return _weak(view, in_use, resource_type="DEVICE_CERTIFICATE", key="deviceCertificateId")


@evaluator("CA_CERTIFICATE_KEY_QUALITY_CHECK", needs=("iot:ListCACertificates", "iot:DescribeCACertificate"))
def ca_certificate_key_quality(view: StateView) -> Evaluation:
    """Find active CA certificates whose private key can be computed; a finding per flaw."""
    in_use = [c for c in view.ca_certificates if c.status == "ACTIVE"]
    return _weak(view, in_use, resource_type="CA_CERTIFICATE", key="caCertificateId")


def _weak(view: StateView, in_use: Iterable[CertificateState], *, resource_type: str, key: str) -> Evaluation:
    known = view.weak_keys or WeakKeys()
    findings = []
    total = 0
    for certificate in in_use:
        total += 1
        modulus = parse_certificate(certificate.certificate_pem).rsa_modulus
        if modulus is not None:
            findings += [
                Candidate(
                    resource_type=resource_type,
                    identifier={key: certificate.certificate_id},
                    reason_code=f"CERTIFICATE_KEY_VULNERABILITY_{cve}",
                    reason=_REASONS[cve],
                )
                for cve in vulnerabilities(modulus, known)
            ]
    return Evaluation(total, findings)
