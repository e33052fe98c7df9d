"""What a resource was like before an action: the facts that undoing, and reading back, compare with.

Each kind of state is a small dict of JSON values under a resource's id. `GONE` stands for a resource that does not
exist. Nothing here asks AWS; `ddreport.aws.prestate` does.

==================  ==========================  =====================================================================
kind                id                          value
==================  ==========================  =====================================================================
DEVICE_CERTIFICATE  id of the certificate       `status` (AWS's word)
CA_CERTIFICATE      id of the CA certificate    `status`
POLICY              name of the policy          `default_version_id`, `version_ids` (all, in order), `is_blank` (the
                                                default document permits nothing), `document_sha256` (of it, as
                                                canonical JSON)
THING_GROUPS        name of the thing           `groups` (names, in order)
LOGGING             `account`                   `configured`; if so `roleArn`, `defaultLogLevel`, `disableAllLogs` of
                                                the V2 logging options, as far as AWS tells them
==================  ==========================  =====================================================================
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddreport.mitigation.plan import PlannedAction

MOST_GROUPS = 10
"""Thing groups that a thing can be in (quota of AWS IoT)."""

MOST_VERSIONS = 5
"""Versions that a policy can have (quota of AWS IoT)."""

LOGGING_ID = "account"
"""Id of the logging options: an account and Region has one set of them."""


class StateKind(StrEnum):
    """What a `ResourceState` is about."""

    DEVICE_CERTIFICATE = "DEVICE_CERTIFICATE"
    CA_CERTIFICATE = "CA_CERTIFICATE"
    POLICY = "POLICY"
    THING_GROUPS = "THING_GROUPS"
    LOGGING = "LOGGING"


class Verdict(StrEnum):
    """Why an action must not be sent for a finding."""

    GONE = "GONE"
    """The resource does not exist any more."""

    ALREADY_DONE = "ALREADY_DONE"
    """There is nothing left to do."""

    CHANGED = "CHANGED"
    """The resource is not what the audit saw: doing it now would undo somebody's work."""

    BLOCKED = "BLOCKED"
    """AWS would refuse it, perhaps after doing a part."""


class ResourceState(msgspec.Struct, frozen=True):
    """One resource as it is at a moment; the kinds and their values stand at the top of this module."""

    kind: str
    resource_id: str
    value: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """Kind and id."""
        return self.kind, self.resource_id

    @property
    def is_gone(self) -> bool:
        """Whether the resource does not exist."""
        return bool(self.value.get("gone"))


class Captured(msgspec.Struct, frozen=True):
    """What one action would find for one finding, read just before it is sent.

    Attributes
    ----------
    states
        Every resource that the action would change; none for messages.
    verdict
        None: go on. Anything else: do not send it.
    note
        The verdict in words.
    """

    finding_id: str
    action_name: str
    states: tuple[ResourceState, ...] = ()
    verdict: Verdict | None = None
    note: str = ""


GONE: dict[str, Any] = {"gone": True}
"""Value of the state of a resource that does not exist."""


def document_hash(document: str) -> str:
    """Return the SHA-256 of a policy document, whatever its white space and order of keys."""
    try:
        text = json.dumps(json.loads(document), sort_keys=True, separators=(",", ":"))
    except ValueError:
        text = document
    return hashlib.sha256(text.encode()).hexdigest()


def is_blank(document: str) -> bool:
    """Tell whether a policy document permits nothing, since no statement of it allows anything.

    What AWS's template `BLANK_POLICY` holds is not documented; an empty list of statements is its natural form.
    """
    try:
        content = json.loads(document)
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    statements = content.get("Statement") or []
    found = [statements] if isinstance(statements, dict) else statements
    return isinstance(found, list) and all(isinstance(s, dict) and s.get("Effect") == "Deny" for s in found)


def state_after(action: PlannedAction, before: ResourceState) -> dict[str, Any] | None:
    """Return the values that a resource has once the action was applied to it, as far as they follow from before.

    `None` where the action has no part in this kind of resource. Of a policy only `is_blank` follows: which version id
    AWS gives next is AWS's affair. `shows` compares.
    """
    kind, parameters = action.action_type, _only(action.parameters)
    match before.kind, kind:
        case StateKind.DEVICE_CERTIFICATE, MitigationActionType.UPDATE_DEVICE_CERTIFICATE:
            return {"status": "INACTIVE"}
        case StateKind.CA_CERTIFICATE, MitigationActionType.UPDATE_CA_CERTIFICATE:
            return {"status": "INACTIVE"}
        case StateKind.POLICY, MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION:
            return {"is_blank": True}
        case StateKind.THING_GROUPS, MitigationActionType.ADD_THINGS_TO_THING_GROUP:
            return {"groups": sorted({*before.value.get("groups", ()), *group_names(action)})}
        case StateKind.LOGGING, MitigationActionType.ENABLE_IOT_LOGGING:
            return {
                "configured": True,
                "roleArn": parameters.get("roleArnForLogging"),
                "defaultLogLevel": parameters.get("logLevel"),
                "disableAllLogs": False,
            }
    return None


def shows(after: Mapping[str, Any], now: ResourceState) -> bool:
    """Tell whether a resource is as an action leaves it (`state_after`); further groups of a thing do not matter."""
    if now.is_gone:
        return False
    if now.kind == StateKind.THING_GROUPS:
        return set(after["groups"]) <= set(now.value.get("groups", ()))
    return all(now.value.get(name) == value for name, value in after.items())


def group_names(action: PlannedAction) -> list[str]:
    """Return the thing groups of an action that adds things to groups."""
    return [str(name) for name in _only(action.parameters).get("thingGroupNames") or ()]


def _only(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one member of AWS's `actionParams`."""
    found = next(iter(parameters.values()), None)
    return found if isinstance(found, dict) else {}


def judge(
    action: PlannedAction, states: Sequence[ResourceState], *, policy_version_id: str | None = None
) -> tuple[Verdict | None, str]:
    """Decide from what was read whether an action can be sent for a finding, and say why not.

    Parameters
    ----------
    states
        Of all resources that it would change.
    policy_version_id
        Default version of the policy when the audit looked; None where the finding does not say.
    """
    if action.action_type == MitigationActionType.PUBLISH_FINDING_TO_SNS:
        return None, ""
    match action.action_type:
        case MitigationActionType.UPDATE_DEVICE_CERTIFICATE | MitigationActionType.UPDATE_CA_CERTIFICATE:
            return _judge_certificates(states)
        case MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION:
            return _judge_policy(states, policy_version_id)
        case MitigationActionType.ADD_THINGS_TO_THING_GROUP:
            return _judge_things(action, states)
        case MitigationActionType.ENABLE_IOT_LOGGING:
            return _judge_logging(action, states)
    return None, ""


def _judge_certificates(states: Sequence[ResourceState]) -> tuple[Verdict | None, str]:
    gone = [s for s in states if s.is_gone]
    revoked = [s for s in states if s.value.get("status") == "REVOKED"]
    if not states:
        return Verdict.GONE, "AWS names no certificate behind the finding any more"
    if len(gone) == len(states):
        return Verdict.GONE, "the certificate does not exist any more" if len(gone) == 1 else (
            f"none of the {len(gone)} certificates exists any more"
        )
    if len(states) == len(revoked) == 1:
        return Verdict.BLOCKED, "the certificate is revoked, and AWS does not deactivate revoked ones"
    if gone or revoked:
        return Verdict.BLOCKED, (
            f"of its {len(states)} certificates {len(gone)} exist no more and {len(revoked)} are revoked, at which AWS "
            "would stop half-way; the next audit reports the others alone"
        )
    if all(s.value.get("status") == "INACTIVE" for s in states):
        return Verdict.ALREADY_DONE, "inactive already"
    return None, ""


def _judge_policy(states: Sequence[ResourceState], seen: str | None) -> tuple[Verdict | None, str]:
    (policy,) = states
    if policy.is_gone:
        return Verdict.GONE, "the policy does not exist any more"
    value = policy.value
    now = value["default_version_id"]
    if value["is_blank"]:
        return Verdict.ALREADY_DONE, f"the default version {now} permits nothing already"
    if seen is not None and seen != now:
        return Verdict.CHANGED, f"the audit saw version {seen}, and now version {now} is the default one"
    count = len(value["version_ids"])
    if count >= MOST_VERSIONS:
        return Verdict.BLOCKED, f"the policy has {count} versions, and AWS allows no more; delete an old one first"
    return None, ""


def _judge_things(action: PlannedAction, states: Sequence[ResourceState]) -> tuple[Verdict | None, str]:
    gone = [s for s in states if s.kind == StateKind.DEVICE_CERTIFICATE and s.is_gone]
    things = [s for s in states if s.kind == StateKind.THING_GROUPS and not s.is_gone]
    if gone and not things:
        return Verdict.GONE, "the certificate does not exist any more"
    if gone:
        return Verdict.BLOCKED, f"{len(gone)} of its certificates do not exist any more; the next audit leaves them out"
    if not things:
        return Verdict.ALREADY_DONE, "no thing is attached to the certificate, so there is none to put into a group"
    wanted = set(group_names(action))
    missing = {s.resource_id: wanted - set(s.value["groups"]) for s in things}
    if not any(missing.values()):
        return Verdict.ALREADY_DONE, "in the thing group already"
    full = [s.resource_id for s in things if len(s.value["groups"]) + len(missing[s.resource_id]) > MOST_GROUPS]
    if full and not _only(action.parameters).get("overrideDynamicGroups"):
        more = f" and {len(full) - 1} more" if len(full) > 1 else ""
        return Verdict.BLOCKED, f"thing {full[0]!r}{more} would be in more than {MOST_GROUPS} thing groups"
    return None, ""


def _judge_logging(action: PlannedAction, states: Sequence[ResourceState]) -> tuple[Verdict | None, str]:
    (options,) = states
    after = state_after(action, options)
    if after is not None and shows(after, options):
        return Verdict.ALREADY_DONE, "logging is on with these settings already"
    value = options.value
    if (
        value["configured"]
        and not value.get("disableAllLogs")
        and value.get("defaultLogLevel")
        not in {
            None,
            "DISABLED",
        }
    ):
        return Verdict.CHANGED, (
            f"logging was switched on since, at level {value['defaultLogLevel']} with the role {value.get('roleArn')}"
        )
    return None, ""
