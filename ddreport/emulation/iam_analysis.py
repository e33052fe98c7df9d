"""How wide the IAM policies of a role reach: the rules behind the Cognito and role-alias checks, pure.

Three questions are answered: which AWS IoT actions are granted, by the classes that the documentation groups them into;
which services are reached at all; and over which services everything is granted. Where AWS is silent these readings are
chosen: a Deny without conditions takes away what it covers by action and resource; `NotAction` in an Allow grants all
other actions and `NotResource` counts as `*`; conditions of an Allow are ignored, as are permission boundaries; which
resources a grant names matters for AWS IoT only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from ddreport.emulation.globs import compile_glob, has_wildcard
from ddreport.emulation.policy import Policy
from ddreport.emulation.policy_breadth import DATA_PLANE_ACTIONS, broad_actions
from ddreport.emulation.service_model import service_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddreport.emulation.policy import Statement

THING_READS = frozenset(
    {"iot:DescribeThing", "iot:ListJobExecutionsForThing", "iot:ListThingGroupsForThing", "iot:ListThingPrincipals"}
)
THING_WRITES = frozenset(
    {
        "iot:AddThingToThingGroup",
        "iot:AttachThingPrincipal",
        "iot:CreateThing",
        "iot:DeleteThing",
        "iot:DetachThingPrincipal",
        "iot:ListThings",
        "iot:ListThingsInThingGroup",
        "iot:RegisterThing",
        "iot:RemoveThingFromThingGroup",
        "iot:UpdateThing",
        "iot:UpdateThingGroupsForThing",
    }
)
SECURITY_AUDITING_SERVICES = frozenset({"iam", "cloudtrail", "guardduty", "inspector", "inspector2", "trustedadvisor"})

# Data-plane actions that no page judges: neither broad nor administration.
_NOT_JUDGED = frozenset(
    f"iot:{name}"
    for name in (
        "Receive",
        "RetainPublish",
        "GetRetainedMessage",
        "ListRetainedMessages",
        "ListNamedShadowsForThing",
        "AssumeRoleWithCertificate",
        "GetConnection",
        "DeleteConnection",
        "ListSubscriptions",
        "SendDirectMessage",
    )
)
_IOT = "iot:"


@dataclass(frozen=True, slots=True)
class IoTGrants:
    """AWS IoT actions that policies grant, by class, each sorted.

    Attributes
    ----------
    thing_reads, thing_writes, other_administration
        Granted on any AWS IoT resource.
    broad_thing_reads, broad_data_plane
        Granted on things, topics or clients that are unrelated to the one that asks.
    """

    thing_reads: tuple[str, ...] = ()
    broad_thing_reads: tuple[str, ...] = ()
    thing_writes: tuple[str, ...] = ()
    other_administration: tuple[str, ...] = ()
    broad_data_plane: tuple[str, ...] = ()


@lru_cache(maxsize=16_384)
def iot_grants(policies: tuple[Policy, ...], arn_start: str) -> IoTGrants:
    """Return what policies of one role grant on AWS IoT; `arn_start` is `arn:aws:iot:REGION:ACCOUNT:`."""
    joined = Policy(tuple(statement for policy in policies for statement in policy.statements))
    granted = sorted(set(_granted_actions(joined, arn_start)))
    reads = tuple(action for action in granted if action in THING_READS)
    return IoTGrants(
        thing_reads=reads,
        broad_thing_reads=broad_actions(joined, reads, arn_start),
        thing_writes=tuple(action for action in granted if action in THING_WRITES),
        other_administration=tuple(
            action
            for action in granted
            if action not in THING_READS | THING_WRITES | _NOT_JUDGED and action not in DATA_PLANE_ACTIONS
        ),
        broad_data_plane=broad_actions(joined, DATA_PLANE_ACTIONS, arn_start),
    )


@cache
def _known_actions() -> dict[str, str]:
    """Return every action of AWS IoT in its proper spelling, by its lower-case name."""
    operations = (_IOT + name for name in service_model().operation_names)
    known = {*operations, *_NOT_JUDGED, *(action for action in DATA_PLANE_ACTIONS if action.startswith(_IOT))}
    return {action.lower(): action for action in known}


def _granted_actions(policy: Policy, arn_start: str) -> Iterator[str]:
    any_iot = ":".join(arn_start.split(":")[:3]) + ":"
    for statement in policy.allows:
        resources = statement.resources if not statement.not_resources else ("*",)
        reaching = [r for r in resources or ("*",) if compile_glob(r).matches_some_with_prefix(any_iot)]
        for action in _iot_actions(statement) if reaching else ():
            denies = [s for s in policy.denies if not s.conditions and s.covers_action(action)]
            if not all(any(_covers_resource(deny, resource) for deny in denies) for resource in reaching):
                yield action


def _iot_actions(statement: Statement) -> Iterator[str]:
    known = _known_actions()
    if statement.not_actions:
        yield from (action for action in known.values() if statement.covers_action(action))
    for pattern in statement.actions:
        lower = pattern.lower()
        if not has_wildcard(lower):
            if lower.startswith(_IOT):
                # An action that the service model does not know yet is administration like the rest.
                yield known.get(lower, pattern)
        elif compile_glob(lower).matches_some_with_prefix(_IOT):
            compiled = compile_glob(lower)
            yield from (action for name, action in known.items() if compiled.matches(name))


def _covers_resource(deny: Statement, resource: str) -> bool:
    """Whether a Deny speaks of everything that a resource pattern stands for."""
    if deny.not_resources:
        return all(_are_apart(kept, resource) for kept in deny.not_resources)
    return not deny.resources or any(compile_glob(denied).covers(compile_glob(resource)) for denied in deny.resources)


def _are_apart(one: str, other: str) -> bool:
    """Whether two patterns surely have nothing in common: their beginnings before any wildcard differ."""
    if not has_wildcard(other):
        return not compile_glob(one).matches(other)
    first, second = (_plain_beginning(text) for text in (one, other))
    return not first.startswith(second) and not second.startswith(first)


def _plain_beginning(pattern: str) -> str:
    ends = [position for position in map(pattern.find, ("*", "?", "${")) if position >= 0]
    return pattern[: min(ends)] if ends else pattern


@cache
def service_namespaces() -> tuple[str, ...]:
    """Return the known services; one that no managed policy of AWS names is known only where a policy names it."""
    text = resources.files(__package__).joinpath("iam_services.txt").read_text(encoding="ascii")
    return tuple(name for line in text.splitlines() if not line.startswith("#") for name in line.split())


@lru_cache(maxsize=16_384)
def granted_services(policies: tuple[Policy, ...]) -> tuple[str, ...]:
    """Return the namespaces of the services that policies of one role reach with some action, sorted."""
    denies = _unconditional_denies(policies)
    found = {
        namespace
        for statement in _allows(policies)
        for namespace, pattern in _reached(statement)
        if not _is_denied(pattern, statement, denies)
    }
    return tuple(sorted(found))


@lru_cache(maxsize=16_384)
def administered_services(policies: tuple[Policy, ...]) -> tuple[str, ...]:
    """Return the namespaces of the services over which policies of one role grant every action, sorted."""
    denies = _unconditional_denies(policies)
    found = {
        namespace
        for statement in _allows(policies)
        for namespace, pattern in _reached(statement)
        if compile_glob(pattern).covers(compile_glob(f"{namespace}:*")) and not _is_denied(pattern, statement, denies)
    }
    return tuple(sorted(found))


def _allows(policies: Iterable[Policy]) -> Iterator[Statement]:
    return (statement for policy in policies for statement in policy.allows)


def _unconditional_denies(policies: Iterable[Policy]) -> list[Statement]:
    return [statement for policy in policies for statement in policy.denies if not statement.conditions]


def _reached(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield per service what a statement grants of it: namespace and pattern, such as `s3` and `s3:put*`."""
    for namespace in service_namespaces() if statement.not_actions else ():
        excluded = [compile_glob(pattern.lower()) for pattern in statement.not_actions]
        whole = compile_glob(f"{namespace}:*")
        if not any(pattern.covers(whole) for pattern in excluded):
            untouched = not any(pattern.matches_some_with_prefix(f"{namespace}:") for pattern in excluded)
            # A part is enough to reach the service, but it is not everything.
            yield namespace, f"{namespace}:*" if untouched else f"{namespace}:?*"
    for pattern in statement.actions:
        lower = pattern.lower()
        namespace, colon, name = lower.partition(":")
        if colon and not has_wildcard(namespace):
            yield namespace, lower
        else:
            compiled = compile_glob(lower)
            yield from (
                (known, f"{known}:{name or '*'}")
                for known in service_namespaces()
                if compiled.matches_some_with_prefix(f"{known}:")
            )


def _is_denied(pattern: str, allow: Statement, denies: list[Statement]) -> bool:
    resources = ("*",) if allow.not_resources or not allow.resources else allow.resources
    closing = [deny for deny in denies if _covers_actions(deny, pattern)]
    return all(any(_covers_resource(deny, resource) for deny in closing) for resource in resources)


def _covers_actions(deny: Statement, pattern: str) -> bool:
    if deny.not_actions:
        return all(_are_apart(kept.lower(), pattern) for kept in deny.not_actions)
    return any(compile_glob(denied.lower()).covers(compile_glob(pattern)) for denied in deny.actions)
