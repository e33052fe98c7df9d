"""The RSA keys of Debian's broken OpenSSL (CVE-2008-0166), made again: same process id, same key.

From September 2006 to May 2008 Debian's OpenSSL mixed nothing into its random numbers but the process id, so a tool
made one of 32,767 keys per key size and kind of machine. Here is that generator as it was: the pool of OpenSSL 0.9.8
without the two lines that Debian had removed, and OpenSSL's search for primes on top of it.

Covered: RSA keys of `openssl genrsa` and `openssl req` (0.9.8f and later, without a file `.rnd`) and of `ssh-keygen`,
on little-endian machines of 64 and 32 bits and on big-endian ones of 32 bits. Not covered: keys made where a `.rnd`
existed, of earlier OpenSSL versions, on MIPS, and DSA or elliptic-curve keys. The results were compared with published
keys of that time (2048 bits, process 1: OpenSSL on a 32-bit big-endian machine, ssh-keygen on a 64-bit one).
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_POOL = 1023
_SPARE = 20
_DIGEST = 20
_HALF = _DIGEST // 2
_ENOUGH = 32.0
_POLL = 32
_LAST_PRIME = 17_863
_MOST_PROCESSES = 32_767


@dataclass(frozen=True)
class Machine:
    """What of a machine reaches the keys: the order of bytes and the size of a C `long`."""

    order: str
    long_size: int


MACHINES = {"amd64": Machine("<", 8), "i386": Machine("<", 4), "powerpc": Machine(">", 4)}

TOOLS = {"openssl": (0, 65_537), "ssh-keygen": (20, 35)}
"""Per tool: bytes that it draws before the key, and its public exponent."""


def debian_weak_modulus(
    process_id: int, *, bits: int = 2048, machine: str = "amd64", tool: str = "openssl"
) -> tuple[int, int]:
    """Return modulus and public exponent of the RSA key that a tool made as a given process; takes about 0.3 s.

    Parameters
    ----------
    process_id
        1 to 32767.
    bits
        Size of the modulus, 1024 to 4096.
    machine
        `amd64`, `i386` or `powerpc`.
    tool
        `openssl` or `ssh-keygen`.

    Raises
    ------
    InputError
        One of them is out of range.
    """
    if not 1 <= process_id <= _MOST_PROCESSES:
        raise InputError(f"the process id is {process_id}; allowed: 1 to {_MOST_PROCESSES}.")
    if not (1024 <= bits <= 4096 and bits % 16 == 0):
        raise InputError(f"the key size is {bits}; allowed: 1024 to 4096 in steps of 16.")
    for value, allowed, what in ((machine, MACHINES, "machine"), (tool, TOOLS, "tool")):
        if value not in allowed:
            raise InputError(f"the {what} is {value!r}; allowed: {', '.join(allowed)}.")
    drawn_before, exponent = TOOLS[tool]
    pool = _Pool(process_id, MACHINES[machine])
    pool.poll()
    if drawn_before:
        pool.draw(drawn_before)
    first = _prime_for(pool, bits // 2, lambda p: math.gcd(p - 1, exponent) == 1)
    second = _prime_for(pool, bits // 2, lambda q: q != first and math.gcd(q - 1, exponent) == 1)
    return first * second, exponent


class _Pool:
    """The random numbers of OpenSSL 0.9.8 with Debian's patch: of what is added only the length has an effect."""

    def __init__(self, process_id: int, machine: Machine) -> None:
        self._process_id = struct.pack(f"{machine.order}i", process_id)
        self._long_size = machine.long_size
        self._counters = struct.Struct(machine.order + ("qq" if machine.long_size == 8 else "ii"))
        # An index may stand one behind the end, as it may in the original, whose array is longer than its pool.
        self._state = bytearray(_POOL + _SPARE)
        self._size = self._index = 0
        self._digest = bytes(_DIGEST)
        self._drawn = self._added = 0
        self._entropy = 0.0
        self._stirred = False

    def poll(self) -> None:
        """Add what the operating system gives: 32 bytes of it, process, user and time."""
        self.add(_POLL, _ENOUGH)
        for _ in range(3):
            self.add(self._long_size)

    def add_time(self) -> None:
        """Add the time, as OpenSSL does before it draws a big number."""
        self.add(self._long_size)

    def add(self, count: int, entropy: float = 0.0) -> None:
        start, added, digest = self._index, self._added, self._digest
        self._index += count
        if self._index >= _POOL:
            self._index %= _POOL
            self._size = _POOL
        else:
            self._size = max(self._size, self._index)
        self._added += -(-count // _DIGEST)
        for done in range(0, count, _DIGEST):
            length = min(count - done, _DIGEST)
            counters = self._counters.pack(self._drawn, added)
            digest = hashlib.sha1(digest + self._read(start, length, _POOL) + counters).digest()  # noqa: S324 (history)
            added += 1
            start = self._mix(start, digest[:length], _POOL)
        self._digest = bytes(a ^ b for a, b in zip(self._digest, digest, strict=True))
        if self._entropy < _ENOUGH:
            self._entropy += entropy

    def draw(self, count: int) -> bytes:
        """Return so many bytes."""
        if not self._stirred:
            for _ in range(0, _POOL, _DIGEST):
                self.add(_DIGEST)
            self._stirred = self._entropy >= _ENOUGH
        start, size, digest = self._index, self._size, self._digest
        counters = self._counters.pack(self._drawn, self._added)
        self._index += -(-count // _HALF) * _HALF
        if self._index > size:
            self._index %= size
        self._drawn += 1
        drawn = bytearray()
        process_id = self._process_id
        while len(drawn) < count:
            digest = hashlib.sha1(  # noqa: S324 (history)
                process_id + digest + counters + self._read(start, _HALF, size)
            ).digest()
            process_id = b""
            start = self._mix(start, digest[:_HALF], size)
            drawn += digest[_HALF:]
        self._digest = hashlib.sha1(counters + digest + self._digest).digest()  # noqa: S324 (history)
        return bytes(drawn[:count])

    def _read(self, start: int, length: int, size: int) -> bytes:
        return bytes(self._state[(start + i) % size] for i in range(length))

    def _mix(self, start: int, data: bytes, size: int) -> int:
        for byte in data:
            self._state[start] ^= byte
            start += 1
            if start >= size:
                start = 0
        return start


@cache
def _small_primes() -> tuple[int, ...]:
    sieve = bytearray([1]) * (_LAST_PRIME + 1)
    for number in range(2, math.isqrt(_LAST_PRIME) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, _LAST_PRIME + 1, number)))
    return tuple(number for number in range(3, _LAST_PRIME + 1) if sieve[number])


def _prime_for(pool: _Pool, bits: int, fits: Callable[[int], bool]) -> int:
    while True:
        number = _candidate(pool, bits)
        if all(_is_probably_prime(pool, number) for _ in range(_rounds(bits))) and fits(number):
            return number


def _candidate(pool: _Pool, bits: int) -> int:
    """Return a number that no small prime divides, and that is not one above a multiple of one either."""
    while True:
        number = _big_number(pool, bits, 0b11, odd=True)
        rests = [(number % prime, prime) for prime in _small_primes()]
        step = 0
        while any((rest + step) % prime <= 1 for rest, prime in rests):
            step += 2
        if (number + step).bit_length() == bits:
            return number + step


def _rounds(bits: int) -> int:
    return next(rounds for least, rounds in ((1300, 2), (850, 3), (650, 4), (550, 5), (0, 6)) if bits >= least)


def _is_probably_prime(pool: _Pool, number: int) -> bool:
    """Carry out one round of Miller and Rabin; its witness is drawn too, and so decides what comes after."""
    one_less = number - 1
    twos = (one_less & -one_less).bit_length() - 1
    power = pow(_below(pool, one_less) + 1, one_less >> twos, number)
    if power in (1, one_less):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == one_less:
            return True
    return False


def _below(pool: _Pool, limit: int) -> int:
    bits = limit.bit_length()
    # A limit that begins 100 in binary would refuse nearly half of the numbers: one bit more, and take it away again.
    if (limit >> (bits - 3)) == 0b100:
        while True:
            number = _big_number(pool, bits + 1)
            for _ in range(2):
                if number >= limit:
                    number -= limit
            if number < limit:
                return number
    while True:
        number = _big_number(pool, bits)
        if number < limit:
            return number


def _big_number(pool: _Pool, bits: int, top: int = 0, *, odd: bool = False) -> int:
    """Draw a number of so many bits; `top` is set in its two highest ones."""
    pool.add_time()
    drawn = int.from_bytes(pool.draw((bits + 7) // 8)) & ((1 << bits) - 1)
    return drawn | (top << (bits - 2)) | odd
