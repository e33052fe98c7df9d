"""What the parts of a plan share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddreport.setup.changes import Change, ChangeKind
from ddreport.setup.marks import CHANGED, KEY, MADE, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddreport.setup.changes import Part
    from ddreport.setup.definitions import Problem
    from ddreport.setup.present import Unknown


@dataclass
class Planned:
    """The plan of one part; `mark` is what is to be remembered where the part can carry no tags."""

    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    mark: Mark | None = None


def verdict(differences: Iterable[str], mark: Mark | None, digest: str) -> ChangeKind:
    """Return what is to happen to something that is there."""
    if not list(differences):
        return ChangeKind.LEAVE
    return ChangeKind.DRIFT if mark is not None and mark.digest == digest else ChangeKind.CHANGE


def new_mark(mark: Mark | None, digest: str) -> Mark:
    """Return the mark of something that is there and is about to be as it is wanted."""
    return Mark(mark.origin if mark else CHANGED, digest)


def made_tags(digest: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of something that is about to be made."""
    return {**tags, KEY: str(Mark(MADE, digest))}


def missing_tags(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are wanted and not there."""
    return {key: value for key, value in wanted.items() if found.get(key) != value}


def tag_differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return in words which tags are not as they are wanted."""
    return [
        f"tag {key} is {found.get(key, 'not set')}, wanted: {value}"
        for key, value in missing_tags(wanted, found).items()
    ]


def unknown(part: Part, name: str, state: Unknown) -> Change:
    """Return what is said about something that could not be read."""
    return Change(part, name, ChangeKind.UNKNOWN, (state.why,))


def list_difference(what: str, wanted: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return in words what a list lacks, and what it has too much."""
    want, have = list(wanted), list(found)
    lacking, extra = [w for w in want if w not in have], [h for h in have if h not in want]
    return [
        *([f"{what} lack {', '.join(lacking)}"] if lacking else []),
        *([f"{what} have {', '.join(extra)} too many"] if extra else []),
    ]
