"""The two tests of RSA moduli, on real ones."""

from __future__ import annotations

import hashlib
from math import gcd, prod

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.emulation.debian_keys import debian_weak_modulus
from ddreport.emulation.key_quality import (
    DEBIAN,
    ROCA,
    SMALL_PRIMES,
    WeakKeys,
    has_roca_fingerprint,
    modulus_fingerprint,
    shipped_fingerprints,
    vulnerabilities,
)
from ddreport.errors import InputError


def primes_up_to(limit):
    return [n for n in range(2, limit + 1) if all(n % d for d in range(2, int(n**0.5) + 1))]


PRIMORIAL = prod(primes_up_to(701))  # of keys with 2048 bits in the flawed library


def roca_factor(exponent, multiple):
    return multiple * PRIMORIAL + pow(65_537, exponent, PRIMORIAL)


def is_probably_prime(number):
    return all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7))


def roca_prime(exponent):
    """Return a prime as the flawed library makes it: some multiple of the primorial and a power of 65537."""
    residue, multiple = pow(65_537, exponent, PRIMORIAL), (1 << 1023) // PRIMORIAL + 1
    return next(n for n in range(multiple * PRIMORIAL + residue, 1 << 1024, PRIMORIAL) if is_probably_prime(n))


@pytest.fixture(scope="module")
def roca_modulus():
    modulus = roca_prime(123_456_789) * roca_prime(987_654_321)
    assert modulus.bit_length() in (2047, 2048)
    return modulus


def test_a_key_with_the_flawed_librarys_primes_is_found(roca_modulus):
    assert has_roca_fingerprint(roca_modulus)
    assert vulnerabilities(roca_modulus, WeakKeys()) == (ROCA,)


def test_a_key_of_a_sound_generator_passes():
    modulus = rsa.generate_private_key(65_537, 2048).public_key().public_numbers().n
    assert not has_roca_fingerprint(modulus)
    assert vulnerabilities(modulus, WeakKeys()) == ()


@given(st.integers(0, 1 << 300), st.integers(0, 1 << 300), st.integers(1, 1 << 60), st.integers(1, 1 << 60))
@settings(max_examples=60, deadline=None)
def test_every_product_of_two_such_factors_is_found(first, second, one, two):
    assert has_roca_fingerprint(roca_factor(first, one) * roca_factor(second, two))


@given(st.integers(1 << 2047, (1 << 2048) - 1))
@settings(max_examples=200, deadline=None)
def test_random_numbers_are_not_found(number):
    # The chance that one has the fingerprint is far below that of a fault of the machine.
    assert not has_roca_fingerprint(number | 1)


def test_a_power_for_each_prime_but_none_for_all_is_not_found():
    # Exponent 0 for all primes but one of even order, where it is 1: no exponent is even and odd.
    def order(prime):
        return next(k for k in range(1, prime) if pow(65_537, k, prime) == 1)

    odd_one = next(p for p in SMALL_PRIMES if order(p) % 2 == 0)
    others = prod(p for p in SMALL_PRIMES if p != odd_one)
    step = next(n for n in range(1, odd_one * 2) if (1 + n * others) % odd_one == 65_537 % odd_one)
    number = 1 + step * others
    assert gcd(number, prod(SMALL_PRIMES)) == 1
    assert all(any(number % p == pow(65_537, k, p) for k in range(order(p))) for p in SMALL_PRIMES)
    assert not has_roca_fingerprint(number)


def test_a_key_that_is_not_rsa_passes():
    assert vulnerabilities(None, WeakKeys()) == ()


# Debian's generator: the moduli were compared with the keys that were published when the flaw became known.


@pytest.mark.parametrize(
    ("machine", "tool", "expected"),
    [("amd64", "ssh-keygen", "8c90b374f0dda597e783"), ("powerpc", "openssl", "64e291180b3b1c5c9e43")],
)
def test_the_key_of_process_1_is_the_published_one(machine, tool, expected):
    modulus, _ = debian_weak_modulus(1, machine=machine, tool=tool)
    assert modulus.bit_length() == 2048
    assert modulus_fingerprint(modulus) == expected


def test_a_key_of_the_shipped_list_can_be_made_again():
    modulus, exponent = debian_weak_modulus(77)
    assert exponent == 65_537
    assert modulus_fingerprint(modulus) in shipped_fingerprints()
    assert vulnerabilities(modulus, WeakKeys()) == (DEBIAN,)


def test_a_smaller_key_is_of_the_size_asked_for():
    assert debian_weak_modulus(5, bits=1024, machine="i386")[0].bit_length() == 1024


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"process_id": 0}, "allowed: 1 to 32767"),
        ({"process_id": 32_768}, "allowed: 1 to 32767"),
        ({"process_id": 1, "bits": 512}, "allowed: 1024 to 4096"),
        ({"process_id": 1, "machine": "mips"}, "allowed: amd64, i386, powerpc"),
        ({"process_id": 1, "tool": "gpg"}, "allowed: openssl, ssh-keygen"),
    ],
)
def test_what_the_generator_does_not_know_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        debian_weak_modulus(**arguments)


def test_the_shipped_list_has_512_keys():
    assert len(shipped_fingerprints()) == 512


def test_the_fingerprint_is_that_of_openssl_blacklist():
    text = b"Modulus=C0FFEE\n"
    assert modulus_fingerprint(0xC0FFEE) == hashlib.sha1(text).hexdigest()[20:]


def test_added_moduli_and_lines_of_a_list_are_known():
    keys = WeakKeys()
    line = modulus_fingerprint(15)
    assert keys.add(moduli=[21], fingerprints=["# comment", "", f" {line}\n"]) == 2
    assert 21 in keys
    assert 15 in keys
    assert 35 not in keys
    assert keys.add(moduli=[21]) == 0


@pytest.mark.parametrize("wrong", [{"fingerprints": ["c0ffee"]}, {"fingerprints": ["Z" * 20]}, {"moduli": [0]}])
def test_what_is_no_key_is_refused_and_nothing_added(wrong):
    keys = WeakKeys()
    with pytest.raises(InputError):
        keys.add(**({"moduli": [33]} | wrong) if "moduli" not in wrong else wrong)
    assert 33 not in keys


def test_a_key_with_both_flaws_has_two_findings(roca_modulus):
    keys = WeakKeys()
    keys.add(moduli=[roca_modulus])
    assert vulnerabilities(roca_modulus, keys) == (ROCA, DEBIAN)
