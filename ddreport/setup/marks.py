"""Marks: how set-up knows again what it made, also a year later and from another machine.

Everything that can carry tags gets the tag `ddreport:setup`. Its value says whether set-up made the thing or changed
what somebody else had made, and holds a digest of what was wanted then:

- wanted still the same, but the thing is not: it has drifted
- the digest is another one: what is wanted has changed

The audit configuration and the logging options can carry no tags. What set-up did to them in a Region stands in a tag
`ddreport:setup:REGION` of the audit role, or of the topic where the audit role is somebody else's. The same tag says
of every role in which Regions it is in use: IAM has one role for all of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "ddreport:setup"
"""Key of the tag."""

MADE = "made"
CHANGED = "changed"
IN_USE = "used"
_REGION_KEY = f"{KEY}:"
_DIGITS = 12


@dataclass(frozen=True)
class Mark:
    """What the tag says: `origin` is `made` or `changed`, `digest` is of what was wanted."""

    origin: str
    digest: str

    def __str__(self) -> str:
        return f"{self.origin}/{self.digest}"

    @property
    def made(self) -> bool:
        """Whether set-up made it."""
        return self.origin == MADE

    @classmethod
    def parse(cls, text: str | None) -> Mark | None:
        """Read a tag's value; None for none, and for one that is not of set-up's form."""
        origin, _, digest = (text or "").partition("/")
        return cls(origin, digest) if origin in (MADE, CHANGED) and digest else None

    @classmethod
    def of(cls, tags: Mapping[str, str] | None) -> Mark | None:
        """Return the mark among the tags of a thing."""
        return cls.parse((tags or {}).get(KEY))


def digest_of(definition: Any) -> str:
    """Return the digest of something that JSON can hold."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def region_key(region: str) -> str:
    """Return the key of the tag about one Region."""
    return f"{_REGION_KEY}{region}"


def other_regions(tags: Mapping[str, str], region: str) -> list[str]:
    """Return the other Regions in which set-up uses a role."""
    found = [key.removeprefix(_REGION_KEY) for key in tags if key.startswith(_REGION_KEY)]
    return sorted(name for name in found if name != region)


@dataclass(frozen=True)
class Memory:
    """What set-up did to what can carry no tags, in one Region; None: nothing."""

    audit: Mark | None = None
    logging: Mark | None = None

    def __str__(self) -> str:
        said = {"audit": self.audit, "logging": self.logging}
        return " ".join(f"{name}={mark}" for name, mark in said.items() if mark) or IN_USE

    @classmethod
    def parse(cls, text: str | None) -> Memory:
        """Read the value of the tag about one Region."""
        said = dict(word.partition("=")[::2] for word in (text or "").split())
        return cls(Mark.parse(said.get("audit")), Mark.parse(said.get("logging")))


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as AWS's services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
