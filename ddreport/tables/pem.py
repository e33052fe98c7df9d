"""What a certificate's PEM says beyond AWS's own words: names, serial number, kind and size of its key.

Reading it needs the package cryptography (extra `inventory`). Without it these facts are missing; dates do not depend
on it, because AWS tells them itself.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509

UNREADABLE = "(unreadable)"
"""Stands for the kind of a key when the PEM is there, but is none that cryptography can read."""


class PemFacts(NamedTuple):
    """Facts of one certificate; all None when they cannot be known here."""

    subject: str | None = None
    issuer: str | None = None
    serial_number: str | None = None
    key_algorithm: str | None = None
    key_bits: int | None = None


@cache
def can_read_pem() -> bool:
    """Return whether the package cryptography is installed."""
    return find_spec("cryptography") is not None


def read_pem(pem: str | None) -> PemFacts:
    """Return the facts of a certificate in PEM form.

    Names are distinguished names by RFC 4514 (`CN=device-1,O=Example`), the serial number is hex in lower case without
    leading zeros, the kind of a key is `RSA`, `EC`, `Ed25519`, `Ed448` or `DSA`. A PEM that is missing or cannot be
    read gives `UNREADABLE` as the kind of key and nothing else: devices may carry anything, so that is no error.
    """
    if not can_read_pem():
        return PemFacts()
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    with warnings.catch_warnings():
        # Old devices have serial numbers and encodings that newer rules forbid; cryptography reads and warns.
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_pem_x509_certificate((pem or "").encode())
            serial = certificate.serial_number
            subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        except (ValueError, UnsupportedAlgorithm):
            return PemFacts(key_algorithm=UNREADABLE)
        algorithm, bits = _key(certificate)
    return PemFacts(subject, issuer, f"{serial:x}", algorithm, bits)


def _key(certificate: x509.Certificate) -> tuple[str, int | None]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return UNREADABLE, None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.curve.key_size
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        return ("RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA"), key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256
    return ("Ed448", 456) if isinstance(key, ed448.Ed448PublicKey) else (UNREADABLE, None)
