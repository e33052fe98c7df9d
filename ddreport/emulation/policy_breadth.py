"""How wide AWS IoT policies reach: the rules behind the two policy checks, pure.

A grant of a data-plane action is broad when it lets a device act as, or on, devices other than itself. The working
test: policy variables get the values of a known thing, and then the resource must not match the same resource of a
thing that is unrelated to it. AWS documents examples, not the test; the readings chosen where it is silent are named
in the comments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddreport.emulation.conditions import as_texts
from ddreport.emulation.globs import Glob, Value, compile_glob, compile_with_variables
from ddreport.emulation.policy import parse_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddreport.emulation.policy import Policy, Statement

_KNOWN = "known-thing-4711"
# No reasonable prefix of a product line's names begins like this one.
_UNRELATED = "~zq9:unrelated_thing~"

_JOBS = ("DescribeJobExecution", "GetPendingJobExecutions", "StartNextPendingJobExecution", "UpdateJobExecution")


@dataclass(frozen=True)
class _Probe:
    """Resources of the unrelated thing: some that begin with `beginnings`, or exactly one of `exactly`."""

    exactly: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    mqtt_wildcards: bool = False


_TOPICS = f"$aws/things/{_UNRELATED}/"
_THING = _Probe(exactly=(f"thing/{_UNRELATED}",), beginnings=(f"thing/{_UNRELATED}/",))

# Receive is missing on purpose: messages come only after an allowed Subscribe. Actions that the documentation does not
# name (RetainPublish, GetRetainedMessage, ListNamedShadowsForThing) are not judged. The order is that of AWS's own
# published findings; the job actions exist under two prefixes.
_DATA_PLANE: dict[str, _Probe] = {
    "iot:Subscribe": _Probe(beginnings=(f"topicfilter/{_TOPICS}",), mqtt_wildcards=True),
    "iot:Connect": _Probe(exactly=(f"client/{_UNRELATED}",)),
    "iot:GetThingShadow": _THING,
    "iot:DeleteThingShadow": _THING,
    "iot:UpdateThingShadow": _THING,
    "iot:Publish": _Probe(beginnings=(f"topic/{_TOPICS}",)),
    **{f"{prefix}:{job}": _THING for prefix in ("iot", "iotjobsdata") for job in _JOBS},
}

DATA_PLANE_ACTIONS = tuple(_DATA_PLANE)
"""The data-plane actions that are judged."""

_MQTT_ACTIONS = ("iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive")

MQTT_WILDCARDS_IN_DENY = "POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT"
DENIED_FILTERS_REACHABLE = "TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS"


@lru_cache(maxsize=65_536)
def broad_data_plane_actions(document: str, arn_start: str) -> tuple[str, ...]:
    """Return the data-plane actions that an AWS IoT policy grants broadly, empty for a compliant policy.

    Parameters
    ----------
    document
        The policy document as JSON text.
    arn_start
        Beginning of the account's resources, `arn:aws:iot:eu-west-1:123456789012:`.

    Raises
    ------
    PolicyError
        `document` is not a policy.
    """
    return broad_actions(parse_policy(document), DATA_PLANE_ACTIONS, arn_start)


def broad_actions(policy: Policy, actions: Iterable[str], arn_start: str) -> tuple[str, ...]:
    """Return those of `actions` that a policy, of AWS IoT or of IAM, grants on things unrelated to the asking one.

    An action that is none of the data plane is asked for on things.
    """
    broad = [a for a in actions if _is_broad(policy, a, _DATA_PLANE.get(a, _THING), arn_start)]
    # `iot:*` and `*` name the job actions under both prefixes: say it once.
    return tuple(a for a in broad if not (a.startswith("iotjobsdata:") and "iot:" + a.split(":")[1] in broad))


def _is_broad(policy: Policy, action: str, probe: _Probe, arn_start: str) -> bool:
    denies = [s for s in policy.denies if not s.conditions and s.covers_action(action)]
    for statement in policy.allows:
        if not statement.covers_action(action):
            continue
        # NotResource in an Allow is read as `*`.
        for resource in statement.resources if not statement.not_resources else ("*",):
            client_is_free = action == "iot:Connect" and not _requires_attached_thing(statement)
            if _reaches_unrelated(resource, probe, arn_start, client_is_free=client_is_free) and not any(
                _takes_away(deny, resource, probe, arn_start) for deny in denies
            ):
                return True
    return False


def _reaches_unrelated(resource: str, probe: _Probe, arn_start: str, *, client_is_free: bool = False) -> bool:
    pattern = _compiled(resource, client_is_free=client_is_free, mqtt=probe.mqtt_wildcards)
    return any(pattern.matches(arn_start + text) for text in probe.exactly) or any(
        pattern.matches_some_with_prefix(arn_start + text) for text in probe.beginnings
    )


def _takes_away(deny: Statement, resource: str, probe: _Probe, arn_start: str) -> bool:
    """Whether an unconditional Deny removes the grant: it covers the resource, or leaves only narrow ones."""
    if deny.not_resources:
        # Everything but these is denied, so what remains of the grant is within them.
        return not any(_reaches_unrelated(kept, probe, arn_start) for kept in deny.not_resources)
    granted = _compiled(resource)
    return not deny.resources or any(_compiled(denied).covers(granted) for denied in deny.resources)


@lru_cache(maxsize=65_536)
def _compiled(resource: str, *, client_is_free: bool = False, mqtt: bool = False) -> Glob:
    def value_of(name: str) -> str | Value:
        # A client chooses its own id, so without the demand for an attached thing that id is no limit to Connect.
        if client_is_free and name.lower() == "iot:clientid":
            return Value.ANY
        return _KNOWN

    # In a topic filter `+` and `#` are plain characters to the policy, but reach many topics of the broker.
    compiled = compile_with_variables(resource, value_of, wildcards="+#" if mqtt else "")
    return compiled if compiled is not None else compile_glob("")


def _requires_attached_thing(statement: Statement) -> bool:
    for operator, keys in statement.conditions.items():
        for key, value in keys.items():
            if operator == "Bool" and key.lower() == "iot:connection.thing.isattached" and as_texts(value) == ("true",):
                return True
    return False


@lru_cache(maxsize=65_536)
def misconfigurations(document: str) -> tuple[str, ...]:
    """Return the reason codes of a policy that looks stricter than it is, empty for a sound one.

    Raises
    ------
    PolicyError
        `document` is not a policy.
    """
    policy = parse_policy(document)
    found = []
    if any(_denies_with_mqtt_wildcards(statement) for statement in policy.denies):
        found.append(MQTT_WILDCARDS_IN_DENY)
    if any(_denied_filter_is_reachable(policy, statement) for statement in policy.denies):
        found.append(DENIED_FILTERS_REACHABLE)
    return tuple(found)


def _denies_with_mqtt_wildcards(statement: Statement) -> bool:
    if not any(statement.covers_action(action) for action in _MQTT_ACTIONS):
        return False
    resources = (_after_arn(r) for r in (*statement.resources, *statement.not_resources))
    return any(r.startswith(("topic/", "topicfilter/")) and ("+" in r or "#" in r) for r in resources)


def _denied_filter_is_reachable(policy: Policy, deny: Statement) -> bool:
    """Whether a wider allowed filter brings what `deny` wanted to close, as nothing denies receiving it."""
    if not deny.covers_action("iot:Subscribe"):
        return False
    allowed_filters = _topics(policy.allows, "iot:Subscribe", "topicfilter/")
    allowed_topics = _topics(policy.allows, "iot:Receive", "topic/")
    # A Deny for Receive under the same conditions closes the same gap.
    closing = [s for s in policy.denies if s.conditions in ({}, deny.conditions)]
    closed_topics = _topics(closing, "iot:Receive", "topic/")
    for denied in _topics([deny], "iot:Subscribe", "topicfilter/"):
        if "+" in denied or "#" in denied:
            continue  # that it denies less than it seems to has a reason code of its own
        wider = any(_covers(allowed, denied) and not _covers(denied, allowed) for allowed in allowed_filters)
        received = any(_covers(topic, denied) for topic in allowed_topics)
        closed = any(_covers(topic, denied) for topic in closed_topics)
        if wider and received and not closed:
            return True
    return False


def _topics(statements: Any, action: str, kind: str) -> list[str]:
    """Return the topic patterns that statements name for an action; `*` alone stands for all topics."""
    patterns = [
        _after_arn(resource) for s in statements if s.covers_action(action) for resource in s.resources or ("*",)
    ]
    return ["*" if p == "*" else p.removeprefix(kind) for p in patterns if p == "*" or p.startswith(kind)]


def _covers(wider: str, narrower: str) -> bool:
    return _compiled(wider).covers(_compiled(narrower))


def _after_arn(resource: str) -> str:
    return resource.split(":", 5)[5] if resource.count(":") >= 5 else resource
