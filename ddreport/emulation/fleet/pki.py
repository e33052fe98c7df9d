"""Real X.509 certificates that come out the same, byte for byte, for the same seed and dates.

Keys are EC P-256 scalars taken from a hash of the seed and a label, signatures are deterministic ECDSA (RFC 6979) and
serial numbers are hashed too, so no random generator of the machine has a part in it. Such keys protect nothing: anyone
with the seed can compute them. They exist for emulated fleets only, and no private key is put into an account.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ddreport.emulation.key_quality import GENERATOR, SMALL_PRIMES
from ddreport.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the group of curve P-256 (SEC 2, 2.4.2); private keys lie from 1 to one below it."""

KeyKind: TypeAlias = Literal["elliptic", "roca"]

COMMON_NAME_MAX = 64
"""Upper bound of a common name in characters (RFC 5280, appendix A: ub-common-name)."""


@dataclass(frozen=True)
class Certificate:
    """One certificate as AWS IoT would hold it.

    Attributes
    ----------
    pem
        The certificate in PEM, with the final line break.
    certificate_id
        SHA-256 of the DER form in lower-case hex: what AWS IoT calls a certificate's id.
    not_before, not_after
        Validity, aware datetimes in UTC at whole seconds.
    """

    pem: str
    certificate_id: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Authority:
    """A certificate authority that `Pki.issue` signs with; `certificate` is its self-signed certificate."""

    name: str
    certificate: Certificate
    subject: x509.Name
    key: ec.EllipticCurvePrivateKey
    key_identifier: x509.AuthorityKeyIdentifier

    def __repr__(self) -> str:
        # The key stays out of logs and tracebacks, as one would want it for a real authority.
        return f"Authority({self.name!r}, {self.certificate.certificate_id[:12]})"


class Pki:
    """Makes authorities and device certificates from one seed.

    Parameters
    ----------
    seed
        Whole number; another seed gives other keys, serial numbers and signatures.
    organization, country
        Subject members that all certificates share (`O` and the two-letter `C`).
    """

    def __init__(self, seed: int, *, organization: str, country: str = "DE") -> None:
        self.seed = seed
        self._shared = (
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        )

    def authority(self, name: str, *, not_before: datetime, not_after: datetime) -> Authority:
        """Make a self-signed CA certificate for `name` (its common name, unique per seed) and keep its key."""
        key = self._key("ca", name)
        subject = self._subject(name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            _builder(subject, subject, self._serial("ca", name), not_before, not_after)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .add_extension(identifier, critical=False)
        )
        certificate = _sign(builder, key, not_before, not_after)
        authority_identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        return Authority(name, certificate, subject, key, authority_identifier)

    def issue(
        self,
        authority: Authority,
        label: str,
        *,
        common_name: str,
        not_before: datetime,
        not_after: datetime,
        unit: str | None = None,
        key: KeyKind = "elliptic",
    ) -> Certificate:
        """Issue a device certificate with a key of its own.

        Parameters
        ----------
        authority
            Signs it.
        label
            Names key and serial number; the same label gives the same key, so a renewal takes a new label.
        common_name, unit
            Subject members `CN` (1 to 64 characters, any of Unicode) and `OU`.
        not_before, not_after
            Validity, aware datetimes in UTC. It may outlast the authority's own, as it does in neglected fleets.
        key
            `roca` takes an RSA key of 2048 bits with the structure of the flawed Infineon library. Nobody has its
            private half: the factors have that structure too, but are not searched for primes.

        Raises
        ------
        EmulatorError
            The common name is too long or empty, or the validity is reversed.
        """
        public_key = self._roca_key(label) if key == "roca" else self._key("device", label).public_key()
        subject = self._subject(common_name, unit)
        builder = (
            _builder(subject, authority.subject, self._serial("device", label), not_before, not_after)
            .public_key(public_key)
            .add_extension(_END_ENTITY, critical=True)
            .add_extension(_DEVICE_USAGE, critical=True)
            .add_extension(authority.key_identifier, critical=False)
        )
        return _sign(builder, authority.key, not_before, not_after)

    def crl(self, authority: Authority, revoked: Mapping[int, datetime], *, made: datetime) -> str:
        """Return an authority's revocation list, PEM: serial numbers with their times, valid as long as its issuer."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(made)
            .next_update(max(authority.certificate.not_after, made + timedelta(days=7)))
            .add_extension(authority.key_identifier, critical=False)
        )
        for serial, since in revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
            builder = builder.add_revoked_certificate(entry)
        signed = builder.sign(authority.key, hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.PEM).decode("ascii")

    def _roca_key(self, label: str) -> rsa.RSAPublicKey:
        product = math.prod(SMALL_PRIMES)
        factors = []
        for half in "pq":
            number = int.from_bytes(hashlib.shake_256(self._text("roca", half, label)).digest(128))
            base = (number | (0b11 << 1022)) // product * product
            factor = base + pow(GENERATOR, number, product)
            factors.append(factor if factor % 2 else factor - product)
        return rsa.RSAPublicNumbers(65_537, math.prod(factors)).public_key()

    def _key(self, kind: str, label: str) -> ec.EllipticCurvePrivateKey:
        # 384 bits reduced modulo a 256-bit order: every key is possible and the bias is far below anything visible.
        number = int.from_bytes(hashlib.sha384(self._text("key", kind, label)).digest())
        return ec.derive_private_key(number % (P256_ORDER - 1) + 1, ec.SECP256R1())

    def _serial(self, kind: str, label: str) -> int:
        # 126 bits with the top one set: positive, and of equal length in all certificates (RFC 5280 allows 20 octets).
        number = int.from_bytes(hashlib.sha256(self._text("serial", kind, label)).digest()[:16])
        return (number >> 2) | (1 << 125)

    def _text(self, *parts: str) -> bytes:
        return "\x1f".join((str(self.seed), *parts)).encode()

    def _subject(self, common_name: str, unit: str | None = None) -> x509.Name:
        if not 1 <= len(common_name) <= COMMON_NAME_MAX:
            raise EmulatorError(
                f"the common name {common_name!r} has {len(common_name)} characters; allowed: 1 to {COMMON_NAME_MAX}."
            )
        own = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if unit is not None:
            own.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
        return x509.Name([*self._shared, *own])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


_CA_USAGE = _usage(signs_certificates=True)
_DEVICE_USAGE = _usage(signs_certificates=False)
_END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)


def _builder(
    subject: x509.Name, issuer: x509.Name, serial: int, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    if not_after <= not_before:
        raise EmulatorError(f"a certificate cannot be valid from {not_before} to {not_after}: the end must come later.")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, not_before: datetime, not_after: datetime
) -> Certificate:
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return Certificate(
        pem=signed.public_bytes(Encoding.PEM).decode("ascii"),
        certificate_id=hashlib.sha256(signed.public_bytes(Encoding.DER)).hexdigest(),
        # X.509 knows no fractions of a second; the object must not claim more than the certificate says.
        not_before=not_before.replace(microsecond=0),
        not_after=not_after.replace(microsecond=0),
    )
