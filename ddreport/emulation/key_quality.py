"""Two tests for RSA keys whose private half can be found: ROCA (CVE-2017-15361) and Debian's OpenSSL (CVE-2008-0166).

Both look at the modulus alone. Key size, algorithm and signature are not judged here, as the audit checks do not judge
them either; a key that is not RSA passes.

ROCA is decided for any modulus. Primes of the flawed library are powers of 65537 modulo the product of the first
primes, so their product is one too. That is asked in the two steps of the published fingerprint: is the modulus such a
power modulo each small prime by itself, and is there one exponent that suits all of them. All key sizes of the library
share the primes up to 167, which are used here; a random modulus passes by chance about once in 10^8 in the first step
and practically never in the second.

Debian's keys are decided by a list, which is all that can be done. What ships is a sample: RSA keys of 2048 bits that
`openssl` made as processes 1 to 256 on amd64 and i386, without a file `.rnd`; made again with `debian_keys`. There were
32,767 per tool, size and kind of machine. `WeakKeys.add` takes more: moduli, or lines of Debian's package
`openssl-blacklist`, whose form is used here.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, lru_cache
from importlib import resources
from math import gcd, prod
from typing import TYPE_CHECKING

from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROCA = "CVE-2017-15361"
DEBIAN = "CVE-2008-0166"

GENERATOR = 65_537
SMALL_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109),
    *(113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)
_PRODUCT = prod(SMALL_PRIMES)

_FINGERPRINT = re.compile(r"[0-9a-f]{20}")
_SHIPPED = "debian_weak_keys.txt"


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether an RSA modulus has the structure of the flawed Infineon library's keys."""
    rest = modulus % _PRODUCT
    tables = _logarithms()
    if any(rest % prime not in powers for prime, powers in tables):
        return False
    return _have_common_exponent([(powers[rest % prime], len(powers)) for prime, powers in tables])


@cache
def _logarithms() -> tuple[tuple[int, dict[int, int]], ...]:
    """Return per prime the powers of the generator with their exponents, the most telling primes first."""
    tables = []
    for prime in SMALL_PRIMES:
        powers: dict[int, int] = {}
        power = 1
        while power not in powers:
            powers[power] = len(powers)
            power = power * GENERATOR % prime
        tables.append((prime, powers))
    return tuple(sorted(tables, key=lambda table: len(table[1]) / table[0]))


def _have_common_exponent(logarithms: list[tuple[int, int]]) -> bool:
    """Whether one number leaves each of these rests modulo its order (Chinese remainders, orders not coprime)."""
    number, modulus = 0, 1
    for rest, order in logarithms:
        common = gcd(modulus, order)
        if (rest - number) % common:
            return False
        step = (rest - number) // common * pow(modulus // common, -1, order // common) % (order // common)
        number += modulus * step
        modulus *= order // common
    return True


def modulus_fingerprint(modulus: int) -> str:
    """Return a modulus as `openssl-blacklist` lists it: the last 20 of the SHA-1's 40 hex characters."""
    text = f"Modulus={modulus:X}\n".encode("ascii")
    return hashlib.sha1(text).hexdigest()[20:]  # noqa: S324 (the list's form; nothing is protected by it)


@cache
def shipped_fingerprints() -> frozenset[str]:
    """Return the list that comes with the package; the module's documentation says what is in it."""
    text = resources.files(__package__).joinpath(_SHIPPED).read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


class WeakKeys:
    """The predictable keys that an account's audit knows: the shipped ones and those that were added."""

    def __init__(self) -> None:
        self._added: set[str] = set()

    def add(self, *, moduli: Iterable[int] = (), fingerprints: Iterable[str] = ()) -> int:
        """Add keys and return how many of them were new.

        Parameters
        ----------
        moduli
            RSA moduli.
        fingerprints
            Lines of an `openssl-blacklist` file: 20 lower-case hex characters each; comments (`#`) and empty lines
            are left out.

        Raises
        ------
        InputError
            A modulus is not positive or a line is none of a list; nothing is added then.
        """
        read = set()
        for modulus in moduli:
            if modulus <= 0:
                raise InputError(f"the modulus {modulus} is not positive.")
            read.add(modulus_fingerprint(modulus))
        for line in fingerprints:
            text = line.strip()
            if text and not text.startswith("#"):
                if not _FINGERPRINT.fullmatch(text):
                    raise InputError(f"{text[:60]!r} is no fingerprint; allowed: 20 lower-case hex characters.")
                read.add(text)
        new = read - self._added - shipped_fingerprints()
        self._added |= new
        return len(new)

    def __contains__(self, modulus: int) -> bool:
        fingerprint = modulus_fingerprint(modulus)
        return fingerprint in shipped_fingerprints() or fingerprint in self._added


def vulnerabilities(modulus: int | None, weak_keys: WeakKeys) -> tuple[str, ...]:
    """Return the CVEs that a key falls under; None stands for a key that is not RSA."""
    if modulus is None:
        return ()
    found = (ROCA,) if _is_roca(modulus) else ()
    return (*found, DEBIAN) if modulus in weak_keys else found


_is_roca = lru_cache(maxsize=262_144)(has_roca_fingerprint)
