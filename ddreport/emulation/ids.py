"""Identifiers made from what they identify: the same seed and the same story give the same ids, run after run."""

from __future__ import annotations

import hashlib
from typing import Protocol


class IdSource(Protocol):
    """Makes identifiers; the same arguments always give the same one."""

    def hex32(self, kind: str, *about: str) -> str:
        """Return 32 lower-case hex characters, the form of audit task and finding ids."""
        ...

    def uuid(self, kind: str, *about: str) -> str:
        """Return a hyphenated UUID, the form of mitigation action ids."""
        ...


class HashIds:
    """Identifiers as SHA-256 of a seed, a kind and what the thing is about."""

    def __init__(self, seed: int) -> None:
        self._start = hashlib.sha256(f"ddreport\x1f{seed}".encode())

    def hex32(self, kind: str, *about: str) -> str:
        """Return 32 lower-case hex characters."""
        # A copy of a started hash costs half of a new one, and a finding id is made for every row of every audit.
        digest = self._start.copy()
        digest.update("\x1f".join((kind, *about)).encode())
        return digest.hexdigest()[:32]

    def uuid(self, kind: str, *about: str) -> str:
        """Return a UUID of version 8 (custom content), hyphenated."""
        raw = self.hex32(kind, *about)
        return f"{raw[:8]}-{raw[8:12]}-8{raw[13:16]}-{'89ab'[int(raw[16], 16) % 4]}{raw[17:20]}-{raw[20:]}"
