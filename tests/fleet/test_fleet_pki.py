"""Certificates from a seed: real X.509, and the same bytes each time."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ddreport.emulation.fleet.pki import Pki
from ddreport.errors import EmulatorError

BEGIN = datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC)
END = datetime(2026, 5, 1, 8, 30, 15, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m\u200b"


def a_pki(seed=7):
    return Pki(seed, organization="Example Works")


def an_authority(pki, name="Example CA G1"):
    return pki.authority(name, not_before=BEGIN, not_after=END)


def a_certificate(pki, label="device-1", **overrides):
    values = {"common_name": "device-1", "not_before": BEGIN, "not_after": END} | overrides
    return pki.issue(an_authority(pki), label, **values)


def parsed(certificate):
    return x509.load_pem_x509_certificate(certificate.pem.encode())


def test_same_seed_and_dates_give_the_same_bytes():
    assert a_certificate(a_pki()) == a_certificate(a_pki())


def test_another_seed_gives_another_key_serial_number_and_id():
    one, other = a_certificate(a_pki(7)), a_certificate(a_pki(8))
    assert one.certificate_id != other.certificate_id
    assert parsed(one).serial_number != parsed(other).serial_number
    assert parsed(one).public_key() != parsed(other).public_key()


def test_each_label_has_a_key_of_its_own():
    pki = a_pki()
    keys = {parsed(a_certificate(pki, f"device-{n}")).public_key().public_numbers() for n in range(50)}
    assert len(keys) == 50


def test_the_id_is_the_sha256_of_the_der_form():
    certificate = a_certificate(a_pki())
    digest = x509.load_pem_x509_certificate(certificate.pem.encode())
    import hashlib

    assert certificate.certificate_id == hashlib.sha256(digest.public_bytes(Encoding.DER)).hexdigest()


def test_the_authority_really_signed_it():
    pki = a_pki()
    authority = an_authority(pki)
    certificate = pki.issue(authority, "device-1", common_name="device-1", not_before=BEGIN, not_after=END)
    parsed(certificate).verify_directly_issued_by(parsed(authority.certificate))


def test_an_authority_is_self_signed_and_may_sign_others():
    certificate = parsed(an_authority(a_pki()).certificate)
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_device_certificate_is_p256_and_no_authority():
    certificate = parsed(a_certificate(a_pki()))
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_validity_is_what_was_asked_for():
    certificate = a_certificate(a_pki())
    assert parsed(certificate).not_valid_before_utc == certificate.not_before == BEGIN
    assert parsed(certificate).not_valid_after_utc == certificate.not_after == END


def test_validity_loses_fractions_of_a_second():
    certificate = a_certificate(a_pki(), not_after=END.replace(microsecond=999_999))
    assert certificate.not_after == END


def test_hostile_common_name_survives():
    subject = parsed(a_certificate(a_pki(), common_name=HOSTILE)).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == HOSTILE


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_common_name_of_a_wrong_length_is_refused(name):
    with pytest.raises(EmulatorError, match="allowed: 1 to 64"):
        a_certificate(a_pki(), common_name=name)


def test_reversed_validity_is_refused():
    with pytest.raises(EmulatorError, match="the end must come later"):
        a_certificate(a_pki(), not_before=END, not_after=BEGIN)


def test_an_authority_does_not_show_its_key():
    assert repr(an_authority(a_pki())).startswith("Authority('Example CA G1', ")
