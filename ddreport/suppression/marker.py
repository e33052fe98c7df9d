r"""The description of a suppression: readable for people, and the sign by which a file knows its own again.

    Shared by design in the lab | owner: fleet-team | ticket: SEC-12 | review: 2026-06-01 | ddreport: suppressions/lab

The last part names the file (its `name`) and the rule. AWS takes up to 1,000 printable ASCII characters: any other
character is written as an escape such as `\u00fc`, and a backslash twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_CHARACTERS = 1000
"""Of a description; AWS refuses longer ones."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of files and ids of rules: they end up in descriptions, and must be found there again."""

_BETWEEN = " | "
_MARKED = re.compile(
    r"(?P<reason>.*?)"
    r" \| owner: (?P<owner>[^|]*)"
    r"(?: \| ticket: (?P<ticket>[^|]*))?"
    r"(?: \| review: (?P<review>\d{4}-\d{2}-\d{2}))?"
    rf" \| ddreport: (?P<file_name>{NAME.pattern})/(?P<rule_id>{NAME.pattern})",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


@dataclass(frozen=True)
class Marker:
    """What the description of a managed suppression says."""

    file_name: str
    rule_id: str
    owner: str
    reason: str
    ticket: str = ""
    review: str = ""

    def description(self) -> str:
        """Return the text that AWS keeps."""
        parts = [self.reason, f"owner: {self.owner}"]
        parts += [f"ticket: {self.ticket}"] if self.ticket else []
        parts += [f"review: {self.review}"] if self.review else []
        return _BETWEEN.join(_escaped(part) for part in [*parts, f"ddreport: {self.file_name}/{self.rule_id}"])


def read_marker(description: str | None) -> Marker | None:
    """Return what a description says, or None when no file of suppressions wrote it."""
    found = _MARKED.fullmatch(description or "")
    if found is None:
        return None
    return Marker(**{name: _plain(value or "") for name, value in found.groupdict().items()})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode("ascii")


def _plain(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    code = found[1]
    if code == "\\":
        return code
    number = int(code[1:], 16)
    # Somebody else may have written the text: no character is beyond Unicode, and none is half of one.
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]
