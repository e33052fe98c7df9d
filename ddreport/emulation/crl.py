"""X.509 revocation lists: read, verified, and asked about certificates (RFC 5280, chapter 5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from ddreport.emulation.x509 import old_certificates_allowed
from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ddreport.emulation.x509 import CertificateFacts

_PEM_BEGIN = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One complete revocation list of one issuer; times are aware, UTC.

    Attributes
    ----------
    issuer
        Distinguished name as RFC 4514 text.
    authority_key_id
        Identifier of the key that signed it, where the list carries one.
    scope
        DER bytes of its IssuingDistributionPoint, empty for a list of everything: an issuer may publish several.
    revoked
        Serial number to the time of revocation.
    der
        The list itself.
    """

    issuer: str
    authority_key_id: bytes | None
    scope: bytes
    this_update: datetime
    next_update: datetime | None
    revoked: Mapping[int, datetime]
    der: bytes

    @property
    def place(self) -> tuple[str, bytes | None, bytes]:
        """What tells this list from the issuer's others; a newer list takes the place of an older one."""
        return self.issuer, self.authority_key_id, self.scope

    def may_speak_of(self, certificate: CertificateFacts) -> bool:
        """Whether names and key identifiers say that the list's issuer made the certificate."""
        ours, theirs = self.authority_key_id, certificate.authority_key_id
        return self.issuer == certificate.issuer and (ours is None or theirs is None or ours == theirs)

    def may_come_from(self, authority: CertificateFacts) -> bool:
        """Whether names and key identifiers say that this authority made the list."""
        ours, theirs = self.authority_key_id, authority.subject_key_id
        return self.issuer == authority.subject and (ours is None or theirs is None or ours == theirs)

    def is_signed_by(self, authority_pem: str) -> bool:
        """Whether the signature is that of the certificate's key."""
        return _verify(self.der, authority_pem)


def parse_crl(data: str | bytes) -> RevocationList:
    """Read a revocation list, PEM or DER.

    Raises
    ------
    InputError
        It is none, or one that lists changes only (delta) or certificates of other issuers (indirect): those cannot be
        judged by themselves.
    """
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    try:
        crl = x509.load_pem_x509_crl(raw) if _PEM_BEGIN in raw else x509.load_der_x509_crl(raw)
        extensions = {extension.oid: extension.value for extension in crl.extensions}
        revoked = {entry.serial_number: entry.revocation_date_utc for entry in crl}
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
        issuer = crl.issuer.rfc4514_string()
    except (ValueError, x509.DuplicateExtension, UnsupportedAlgorithm) as exc:
        raise InputError(
            "this is not an X.509 revocation list in PEM or DER.", hint="openssl crl -text -in FILE shows what it is."
        ) from exc
    if ExtensionOID.DELTA_CRL_INDICATOR in extensions:
        raise InputError("this revocation list holds changes only (delta CRL); the emulator takes complete ones.")
    scope = extensions.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    if isinstance(scope, x509.IssuingDistributionPoint) and scope.indirect_crl:
        raise InputError(
            "this revocation list speaks for other issuers (indirect CRL); the emulator takes direct ones."
        )
    key = extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    return RevocationList(
        issuer=issuer,
        authority_key_id=key.key_identifier if isinstance(key, x509.AuthorityKeyIdentifier) else None,
        scope=scope.public_bytes() if scope is not None else b"",
        this_update=this_update,
        next_update=next_update,
        revoked=revoked,
        der=crl.public_bytes(Encoding.DER),
    )


@lru_cache(maxsize=4096)
def _verify(der: bytes, authority_pem: str) -> bool:
    crl = x509.load_der_x509_crl(der)
    try:
        with old_certificates_allowed():
            key = x509.load_pem_x509_certificate(authority_pem.encode("utf-8")).public_key()
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # keys that sign nothing raise TypeError
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False


@lru_cache(maxsize=262_144)
def is_issued_by(pem: str, authority_pem: str) -> bool:
    """Whether the key of one certificate signed another."""
    with old_certificates_allowed():
        certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
        authority = x509.load_pem_x509_certificate(authority_pem.encode("utf-8"))
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
