"""What a certificate says of itself, read once per PEM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ddreport.emulation.service_errors import CertificateValidationError

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Facts of one X.509 certificate; times are aware, UTC.

    Attributes
    ----------
    certificate_id
        SHA-256 of the DER bytes, 64 lower-case hex characters: the id that AWS IoT gives it.
    issuer, subject
        Distinguished names as RFC 4514 text.
    """

    certificate_id: str
    not_before: datetime
    not_after: datetime
    serial_number: int
    issuer: str
    subject: str


@lru_cache(maxsize=262_144)
def parse_certificate(pem: str) -> CertificateFacts:
    """Read the first certificate of `pem`.

    Raises
    ------
    CertificateValidationError
        `pem` is not a certificate in PEM form.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
    except ValueError as exc:
        raise CertificateValidationError("The certificate is not a valid X.509 certificate in PEM format.") from exc
    return CertificateFacts(
        certificate_id=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial_number=certificate.serial_number,
        issuer=certificate.issuer.rfc4514_string(),
        subject=certificate.subject.rfc4514_string(),
    )
