"""The two key-quality checks on real certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import prod

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ddreport.emulation.checks import StateView, Window, evaluate
from ddreport.emulation.debian_keys import debian_weak_modulus
from ddreport.emulation.key_quality import GENERATOR, SMALL_PRIMES, WeakKeys

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEVICE, CA = "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK", "CA_CERTIFICATE_KEY_QUALITY_CHECK"
ROCA, DEBIAN = (f"CERTIFICATE_KEY_VULNERABILITY_CVE-{number}" for number in ("2017-15361", "2008-0166"))


@dataclass
class Registered:
    certificate_pem: str
    status: str = "ACTIVE"
    certificate_id: str = "c1"


def view(**state):
    return StateView(
        as_of=NOW,
        account="123456789012",
        region="eu-west-1",
        arn_start="arn:aws:iot:eu-west-1:123456789012:",
        window=Window(NOW - timedelta(days=31), NOW),
        **state,
    )


def public_key(modulus):
    return rsa.RSAPublicNumbers(65_537, modulus).public_key()


def with_roca_structure():
    """Return a modulus of 2048 bits that is a power of 65537 modulo every small prime; its factors are nobody's key."""
    product = prod(SMALL_PRIMES)
    start = (1 << 2047) + 12_345
    return next(
        n
        for n in range(start - start % product + pow(GENERATOR, 4_711, product) + product, 1 << 2048, product)
        if n % 2
    )


@pytest.fixture(scope="module")
def moduli():
    return {
        "sound": rsa.generate_private_key(65_537, 2048).public_key().public_numbers().n,
        "roca": with_roca_structure(),
        "debian": debian_weak_modulus(200, machine="i386")[0],
    }


@pytest.fixture
def weak(authority, moduli):
    """Make a registered certificate around a modulus, or with an elliptic-curve key."""
    issuer = authority("Root")

    def made(kind, **members):
        key = None if kind == "elliptic" else public_key(moduli[kind])
        return Registered(issuer.issue("d", serial=9, key=key), **members)

    return made


@pytest.mark.parametrize(("kind", "codes"), [("sound", []), ("elliptic", []), ("roca", [ROCA]), ("debian", [DEBIAN])])
@pytest.mark.parametrize(
    ("check", "member", "identifier"),
    [
        (DEVICE, "certificates", {"deviceCertificateId": "c1"}),
        (CA, "ca_certificates", {"caCertificateId": "c1"}),
    ],
)
def test_keys_are_judged_by_the_two_known_flaws(weak, check, member, identifier, kind, codes):
    evaluation = evaluate(check, view(**{member: [weak(kind)]}))
    assert evaluation.total == 1
    assert [c.reason_code for c in evaluation.candidates] == codes
    assert all(c.identifier == identifier for c in evaluation.candidates)


@pytest.mark.parametrize(
    ("check", "member", "status", "judged"),
    [
        (DEVICE, "certificates", "PENDING_TRANSFER", 1),
        (DEVICE, "certificates", "INACTIVE", 0),
        (DEVICE, "certificates", "REVOKED", 0),
        (CA, "ca_certificates", "INACTIVE", 0),
    ],
)
def test_only_certificates_in_use_are_judged(weak, check, member, status, judged):
    evaluation = evaluate(check, view(**{member: [weak("roca", status=status)]}))
    assert (evaluation.total, len(evaluation.candidates)) == (judged, judged)


def test_both_flaws_of_one_key_are_two_findings(weak, moduli):
    keys = WeakKeys()
    keys.add(moduli=[moduli["roca"]])
    evaluation = evaluate(DEVICE, view(certificates=[weak("roca")], weak_keys=keys))
    assert [c.reason_code for c in evaluation.candidates] == [ROCA, DEBIAN]


def test_an_audit_finds_a_weak_device_key_once_the_list_knows_it(account, authority, moduli):
    pem = authority("Root").issue("d", serial=5, key=public_key(moduli["sound"]))
    account.emulator.iot().register_certificate_without_ca(pem, "ACTIVE")
    account.enable(DEVICE)
    before = account.findings(account.audit(DEVICE))
    assert account.emulator.add_weak_keys(moduli=[moduli["sound"]]) == 1
    (finding,) = account.findings(account.audit(DEVICE))
    assert before == []
    assert finding["reasonForNonComplianceCode"] == DEBIAN
    assert finding["severity"] == "CRITICAL"
