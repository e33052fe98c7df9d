"""What a certificate says of itself, read once per PEM."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import PublicKeyAlgorithmOID

from ddreport.emulation.service_errors import CertificateValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_RSA = frozenset({PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.RSASSA_PSS})

_filters = threading.RLock()
"""Held while filters of warnings are changed, which belong to the whole process."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Facts of one X.509 certificate; times are aware, UTC.

    Attributes
    ----------
    certificate_id
        SHA-256 of the DER bytes, 64 lower-case hex characters: the id that AWS IoT gives it.
    issuer, subject
        Distinguished names as RFC 4514 text.
    authority_key_id, subject_key_id
        Identifiers of the issuer's key and of its own, where the certificate carries them.
    rsa_modulus
        Modulus of its public key, None for keys of other kinds.
    """

    certificate_id: str
    not_before: datetime
    not_after: datetime
    serial_number: int
    issuer: str
    subject: str
    authority_key_id: bytes | None = None
    subject_key_id: bytes | None = None
    rsa_modulus: int | None = None

    @property
    def is_self_issued(self) -> bool:
        """Whether nobody stands above it."""
        return self.issuer == self.subject


@contextmanager
def old_certificates_allowed() -> Iterator[None]:
    """Take what AWS IoT takes and today's rules forbid, for as long as the library only warns of it.

    Roots that browsers still trust have serial number 0 (RFC 5280 asks for a positive one).
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


@lru_cache(maxsize=262_144)
def parse_certificate(pem: str) -> CertificateFacts:
    """Read the first certificate of `pem`.

    Raises
    ------
    CertificateValidationError
        `pem` is not a certificate in PEM form.
    """
    try:
        with old_certificates_allowed():
            certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
            serial_number = certificate.serial_number
    except ValueError as exc:
        raise CertificateValidationError("The certificate is not a valid X.509 certificate in PEM format.") from exc
    authority_key_id, subject_key_id = _key_ids(certificate)
    return CertificateFacts(
        certificate_id=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        serial_number=serial_number,
        issuer=certificate.issuer.rfc4514_string(),
        subject=certificate.subject.rfc4514_string(),
        authority_key_id=authority_key_id,
        subject_key_id=subject_key_id,
        rsa_modulus=_rsa_modulus(certificate),
    )


def _key_ids(certificate: x509.Certificate) -> tuple[bytes | None, bytes | None]:
    authority = subject = None
    try:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.AuthorityKeyIdentifier):
                authority = extension.value.key_identifier
            elif isinstance(extension.value, x509.SubjectKeyIdentifier):
                subject = extension.value.digest
    except (ValueError, x509.DuplicateExtension):
        # AWS IoT registers certificates whatever their extensions say.
        return None, None
    return authority, subject


def _rsa_modulus(certificate: x509.Certificate) -> int | None:
    # Told by the algorithm first: reading an elliptic curve's point costs more than all the rest.
    if certificate.public_key_algorithm_oid not in _RSA:
        return None
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_numbers().n if isinstance(key, rsa.RSAPublicKey) else None
