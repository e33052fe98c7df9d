"""One question about what depends on a resource, as a call of AWS IoT; what AWS refuses is an answer, too.

Rates: `aws.rates`. Whether a thing is connected is known to fleet indexing alone, which an account pays for and has to
turn on; it goes by a client id that is the thing's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from ddreport.aws.errors import DENIED_CODES
from ddreport.aws.inventory.questions import Questions, passes_by
from ddreport.errors import AwsCallError, InputError
from ddreport.mitigation.impact_facts import Answer, Answers, CaState, Connection, Fact, Question
from ddreport.tables.identity import identify
from ddreport.tables.inventory import principal_of
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_iot import IoTClient

    from ddreport.aws.inventory.journal import Journal

MOST_TERMS = 12
"""Terms in one query of the fleet index ("Query syntax" of the developer guide)."""

MOST_DENIED = 3
"""Refusals for want of permission after which an operation that was never allowed is not asked any more."""

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_INDEX_OFF = "fleet indexing does not keep connections (thingConnectivityIndexingMode is not STATUS)"

BATCHES: dict[str, int] = {"SearchIndex": MOST_TERMS}
"""Operations that answer several questions in one call, and how many."""


def _status(record: dict[str, Any]) -> str:
    return str((record.get("certificateDescription") or {}).get("status"))


def _texts(items: Sequence[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item) for item in items))


def _policies(items: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item.get("policyName")) for item in items))


def _groups(items: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item.get("groupName")) for item in items))


def _targets(items: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(principal_of(str(item)) for item in items))


def _ca(record: dict[str, Any]) -> CaState:
    about = record.get("certificateDescription") or {}
    auto = {"ENABLE": True, "DISABLE": False}.get(str(about.get("autoRegistrationStatus")))
    return CaState(str(about.get("status")), auto)


def _certificates(items: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the device certificates among related resources, by whichever key AWS names them."""
    found = (identify(item.get("resourceIdentifier")) for item in items)
    return tuple(dict.fromkeys(i.resource_id for i in found if i.resource_type == ResourceType.DEVICE_CERTIFICATE))


def _indexing_mode(record: dict[str, Any]) -> str:
    about = record.get("thingIndexingConfiguration") or {}
    if about.get("thingIndexingMode") in (None, "OFF"):
        return "OFF"
    return str(about.get("thingConnectivityIndexingMode"))


def _connections(record: dict[str, Any]) -> dict[str, Connection]:
    return {str(thing.get("thingName")): _connection(thing) for thing in record.get("things") or []}


def _connection(thing: dict[str, Any]) -> Connection:
    about = thing.get("connectivity") or {}
    connected, moment = about.get("connected"), about.get("timestamp")
    # Milliseconds; 0 or nothing for a device that was never seen.
    time = datetime.fromtimestamp(moment / 1000, UTC) if isinstance(moment, int | float) and moment > 0 else None
    return Connection(connected if isinstance(connected, bool) else None, time)


@dataclass(frozen=True)
class Call:
    """How a kind of question is put.

    Attributes
    ----------
    operation, method
        AWS's name, which is also that of the permission, and boto3's.
    argument
        What names the resource; with `by_arn` as the ARN of a certificate.
    member
        Where the items of a list are; None for a single record.
    read
        Makes the answer's value of the record, or of the items.
    """

    operation: str
    method: str
    argument: str
    member: str | None
    read: Callable[[Any], Any]
    by_arn: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)


CALLS: dict[Fact, Call] = {
    Fact.CERTIFICATE: Call("DescribeCertificate", "describe_certificate", "certificateId", None, _status),
    Fact.THINGS_OF_CERTIFICATE: Call(
        "ListPrincipalThings", "list_principal_things", "principal", "things", _texts, by_arn=True
    ),
    Fact.POLICIES_OF_CERTIFICATE: Call(
        "ListAttachedPolicies", "list_attached_policies", "target", "policies", _policies, by_arn=True
    ),
    Fact.GROUPS_OF_THING: Call(
        "ListThingGroupsForThing", "list_thing_groups_for_thing", "thingName", "thingGroups", _groups
    ),
    Fact.CONNECTION: Call("SearchIndex", "search_index", "queryString", None, _connections),
    Fact.CA_CERTIFICATE: Call("DescribeCACertificate", "describe_ca_certificate", "certificateId", None, _ca),
    Fact.CERTIFICATES_OF_CA: Call(
        "ListCertificatesByCA", "list_certificates_by_ca", "caCertificateId", "certificates", len
    ),
    Fact.TARGETS_OF_POLICY: Call("ListTargetsForPolicy", "list_targets_for_policy", "policyName", "targets", _targets),
    Fact.MEMBERS_OF_GROUP: Call(
        "ListThingsInThingGroup",
        "list_things_in_thing_group",
        "thingGroupName",
        "things",
        _texts,
        asked={"recursive": True},
    ),
    Fact.CERTIFICATES_OF_ISSUER: Call(
        "ListRelatedResourcesForAuditFinding",
        "list_related_resources_for_audit_finding",
        "findingId",
        "relatedResources",
        _certificates,
    ),
}
"""Each kind of question, with the operation that answers it."""


class Asker:
    """Asks AWS about the resources of one account and Region; may be used by several threads.

    Source and permissions: `iot:` and the operation of each of `CALLS`, and `iot:GetIndexingConfiguration`. A refusal
    makes the facts unknown that it is about, with the reason; the rest is asked all the same.

    Parameters
    ----------
    account, region
        Whose resources.
    journal
        Keeps the answers, so that nothing is asked twice.

    Attributes
    ----------
    calls
        Questions put to AWS by operation, those that the journal answered left out.
    passed_by
        Whether something was refused for the moment only (the rate, a fault of AWS): asking again may help.
    """

    def __init__(self, client: IoTClient, *, account: str, region: str, journal: Journal) -> None:
        self._questions = Questions(client, journal)
        self._arn = f"arn:{client.meta.partition}:iot:{region}:{account}:cert/"
        self._lock = Lock()
        self._indexing_lock = Lock()
        self._indexing: str | None = None
        self._indexing_asked = False
        self._denied: dict[str, int] = {}
        self._allowed: set[str] = set()
        self._denial: dict[str, str] = {}
        self.calls: dict[str, int] = {}
        self.passed_by = False

    def ask(self, questions: Sequence[Question]) -> Answers:
        """Return the answers to questions of one kind: one, or a batch of those in `BATCHES`.

        Raises
        ------
        CredentialsError, EndpointError, ArchiveWriteError
            Nothing more can be asked, or written down.
        """
        if questions[0].fact == Fact.CONNECTION:
            return self._connections([question.name for question in questions])
        return {question: self._one(question) for question in questions}

    def _one(self, question: Question) -> Answer:
        call = CALLS[question.fact]
        name = self._arn + question.name if call.by_arn else question.name
        return self._call(call.method, call.member, call.read, **{call.argument: name}, **call.asked)

    def _connections(self, names: Sequence[str]) -> Answers:
        problem = self._indexing_problem()
        if problem is not None:
            answer = Answer(None, problem=problem)
            return {Question(Fact.CONNECTION, name): answer for name in names}
        # Names that AWS would not take for those of things could change the query.
        quoted = " OR ".join(f'"{name}"' for name in sorted(names) if _THING_NAME.fullmatch(name))
        if not quoted:
            return {Question(Fact.CONNECTION, name): Answer(Connection(None, None)) for name in names}
        found = self._call(
            "search_index",
            None,
            _connections,
            queryString=f"thingName:({quoted})",
            maxResults=100,
        )
        if found.problem is not None or found.value is None:
            answer = Answer(None, problem=found.problem or "the fleet index is not there")
            return {Question(Fact.CONNECTION, name): answer for name in names}
        return {
            Question(Fact.CONNECTION, name): Answer(found.value.get(name, Connection(None, None)), time=found.time)
            for name in names
        }

    def _indexing_problem(self) -> str | None:
        """Return why connections are not known; asks AWS once."""
        with self._indexing_lock:
            if not self._indexing_asked:
                found = self._call("get_indexing_configuration", None, _indexing_mode)
                self._indexing = found.problem or (None if found.value == "STATUS" else _INDEX_OFF)
                self._indexing_asked = True
            return self._indexing

    def _call(self, operation: str, member: str | None, read: Callable[[Any], Any], **asked: Any) -> Answer:
        if operation in self._denial:
            return Answer(None, problem=self._denial[operation])
        known = self._questions.is_answered(operation, **asked)
        try:
            if member is None:
                found: Any = self._questions.one(operation, **asked)
            else:
                found = self._questions.items(operation, member, **asked)
        except AwsCallError as exc:
            return self._refused(operation, exc)
        except InputError as exc:
            return Answer(None, problem=exc.message)  # an identity that cannot be AWS's
        with self._lock:
            self._allowed.add(operation)
            self.calls[operation] = self.calls.get(operation, 0) + (not known)
        if found is None:
            return Answer(None)
        return Answer(read(found), time=self._questions.time(operation, **asked))

    def _refused(self, operation: str, exc: AwsCallError) -> Answer:
        problem = f"{exc.operation}: {exc.code}"
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            if passes_by(exc):
                self.passed_by = True
            elif exc.code in DENIED_CODES:
                self._denied[operation] = self._denied.get(operation, 0) + 1
                if self._denied[operation] >= MOST_DENIED and operation not in self._allowed:
                    self._denial[operation] = problem
        return Answer(None, problem=problem)
