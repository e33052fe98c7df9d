"""What is asked to learn what depends on a finding's resource: questions, their answers, and what each answer leads to.

Pure: who answers (AWS, or the archive's inventory) is not known here. So both are asked the same, and a fact that is
known already is not asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

MOST_BEHIND = 1_000
"""Certificates or things behind one resource that are asked about one by one: at AWS's rate 1,000 take 100 seconds."""

GONE = "GONE"
"""Status of a resource that does not exist any more."""


class Fact(StrEnum):
    """Kinds of facts; `Question.name` is what each is about."""

    CERTIFICATE = "certificate"
    """Of a certificate: its status."""
    THINGS_OF_CERTIFICATE = "things of a certificate"
    """Names, as a tuple."""
    POLICIES_OF_CERTIFICATE = "policies of a certificate"
    """Names, as a tuple."""
    GROUPS_OF_THING = "groups of a thing"
    """Names, as a tuple."""
    CONNECTION = "connection of a thing"
    """A `Connection`."""
    CA_CERTIFICATE = "CA certificate"
    """A `CaState`."""
    CERTIFICATES_OF_CA = "certificates of a CA"
    """Their number."""
    TARGETS_OF_POLICY = "targets of a policy"
    """Pairs of type (`certificate`, `thing_group`, `cognito_identity`, `other`) and id."""
    MEMBERS_OF_GROUP = "members of a group"
    """Names of things, also of those in groups below, as a tuple."""
    CERTIFICATES_OF_ISSUER = "certificates of an issuer"
    """Of a finding: ids of the device certificates related to it, as a tuple."""


class Question(NamedTuple):
    """A fact asked for, and about what: an id or a name."""

    fact: Fact
    name: str


class Connection(NamedTuple):
    """Whether a thing is connected, and since when it is or is not; None for what the fleet index does not say."""

    connected: bool | None
    time: datetime | None


class CaState(NamedTuple):
    """Status of a CA certificate, and whether devices are registered by connecting with it; None where not known."""

    status: str
    auto_registration: bool | None


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes
    ----------
    value
        As `Fact` says; None when what was asked about is gone, or when it could not be read.
    problem
        Why it could not be read.
    source
        `AWS` or `inventory`.
    time
        Of when it is.
    """

    value: Any
    problem: str | None = None
    source: str = "AWS"
    time: datetime | None = None

    @property
    def is_gone(self) -> bool:
        """Whether what was asked about does not exist any more."""
        return self.value is None and self.problem is None


Answers = dict[Question, Answer]


def first_questions(finding: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return what is asked first about a finding (a row of `schemas.FINDINGS`).

    Nothing for kinds of resources that AWS's actions leave as they are, and for the account as a whole.
    """
    name = str(finding["resource_id"])
    match finding["resource_type"]:
        case ResourceType.DEVICE_CERTIFICATE:
            return (
                Question(Fact.THINGS_OF_CERTIFICATE, name),
                Question(Fact.CERTIFICATE, name),
                Question(Fact.POLICIES_OF_CERTIFICATE, name),
            )
        case ResourceType.CA_CERTIFICATE:
            return Question(Fact.CA_CERTIFICATE, name), Question(Fact.CERTIFICATES_OF_CA, name)
        case ResourceType.IOT_POLICY:
            return (Question(Fact.TARGETS_OF_POLICY, name),)
        case ResourceType.ISSUER_CERTIFICATE:
            return (Question(Fact.CERTIFICATES_OF_ISSUER, str(finding["finding_id"])),)
    return ()


def next_questions(question: Question, answer: Answer, own: Collection[str]) -> tuple[Question, ...]:
    """Return what an answer leads to.

    Parameters
    ----------
    own
        Certificates that have findings of their own: only of their things the groups are asked for.
    """
    if answer.value is None:
        return ()
    match question.fact:
        case Fact.THINGS_OF_CERTIFICATE:
            things = behind(answer.value)
            groups = things if question.name in own else ()
            return (
                *(Question(Fact.GROUPS_OF_THING, thing) for thing in groups),
                *(Question(Fact.CONNECTION, thing) for thing in things),
            )
        case Fact.TARGETS_OF_POLICY:
            certificates = behind([name for kind, name in answer.value if kind == "certificate"])
            return (
                *(Question(Fact.THINGS_OF_CERTIFICATE, name) for name in certificates),
                *(Question(Fact.MEMBERS_OF_GROUP, name) for kind, name in answer.value if kind == "thing_group"),
            )
        case Fact.MEMBERS_OF_GROUP:
            return tuple(Question(Fact.CONNECTION, thing) for thing in behind(answer.value))
        case Fact.CERTIFICATES_OF_ISSUER:
            certificates = behind(answer.value)
            return (
                *(Question(Fact.CERTIFICATE, name) for name in certificates),
                *(Question(Fact.THINGS_OF_CERTIFICATE, name) for name in certificates),
            )
    return ()


def behind(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names if they are few enough to be asked about one by one, else none of them."""
    found = tuple(names)
    return found if len(found) <= MOST_BEHIND else ()


def own_certificates(findings: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the certificates that have findings of their own."""
    return frozenset(
        str(row["resource_id"]) for row in findings if row["resource_type"] == ResourceType.DEVICE_CERTIFICATE
    )
