"""Mitigation actions: AWS's stored definitions of what may be done about a finding; defining one changes nothing.

A definition is one of six types with its parameters and the role that it runs as. Source: the service model `iot`
2015-05-28 and the developer guide of AWS IoT Device Defender ("Mitigation actions").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import InputError
from ddreport.mitigation.action_rules import CHECKS, MEMBERS, PARAMETERS, check_action_name, check_role, shown
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Type = MitigationActionType


@dataclass(frozen=True)
class MitigationAction:
    """One definition as AWS keeps it.

    Attributes
    ----------
    name
        AWS's `actionName`.
    action_type
        Which of the six types; it follows from the parameters.
    role_arn
        Role that it runs as.
    parameters
        Content of the one member of AWS's `actionParams`; see `MEMBERS`.
    """

    name: str
    action_type: MitigationActionType
    role_arn: str
    parameters: Mapping[str, Any]

    def api_params(self) -> dict[str, Any]:
        """Return AWS's `actionParams`."""
        return {MEMBERS[self.action_type]: dict(self.parameters)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> MitigationAction:
        """Read a definition that AWS keeps.

        Parameters
        ----------
        record
            An answer of `DescribeMitigationAction`, an item of a mitigation task's `actionsDefinition`, or a row of
            the table `schemas.MITIGATION_ACTIONS`.

        Raises
        ------
        InputError
            Its parameters are of none of the six types.
        """
        params = record.get("actionParams", record.get("action_params"))
        name = _first(record, "actionName", "action_name", "name")
        if isinstance(params, str):
            params = json.loads(params)
        known = {member: kind for kind, member in MEMBERS.items()}
        if not isinstance(params, dict) or len(params) != 1 or not params.keys() <= known.keys():
            found = ", ".join(params) if isinstance(params, dict) and params else "nothing"
            raise InputError(
                f"the mitigation action {shown(name)} has the parameters {shown(found)}; "
                f"known: one of {', '.join(known)}.",
                hint="a newer version of ddreport may know this type.",
            )
        ((member, parameters),) = params.items()
        return cls(str(name), known[member], str(_first(record, "roleArn", "role_arn") or ""), dict(parameters))

    def in_words(self) -> str:
        """Return what it does to a finding's resource, as a clause without a subject."""
        return _WORDS[self.action_type](self.parameters)

    @property
    def is_reversible(self) -> bool:
        """Whether what it does can be undone."""
        return self.action_type in _UNDO

    def undo_in_words(self) -> str:
        """Return how it is undone, or why it cannot be; AWS itself undoes nothing."""
        return _UNDO.get(self.action_type, "cannot be taken back: a message that was sent is sent")

    def differences(self, other: MitigationAction) -> list[str]:
        """Return in words what `other` defines differently; an option left out is the same as its default."""
        own, others = _facts(self), _facts(other)
        return [
            f"{name} is {own.get(name, 'not set')}, asked for: {others.get(name, 'not set')}"
            for name in {**own, **others}
            if own.get(name) != others.get(name)
        ]

    def is_like(self, other: MitigationAction) -> bool:
        """Return whether both define the same, whatever their names."""
        return not self.differences(other)


def _first(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _facts(action: MitigationAction) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": action.action_type.value, "role": action.role_arn}
    facts |= {name: value for name, value in action.parameters.items() if value is not None}
    if not facts.get("overrideDynamicGroups"):
        facts.pop("overrideDynamicGroups", None)
    if "thingGroupNames" in facts:
        facts["thingGroupNames"] = ", ".join(sorted(facts["thingGroupNames"]))
    return facts


_WORDS: Mapping[MitigationActionType, Callable[[Mapping[str, Any]], str]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: lambda _: (
        "sets the device certificate INACTIVE: devices cannot connect with it any more, and AWS IoT drops those "
        "connected within minutes"
    ),
    _Type.UPDATE_CA_CERTIFICATE: lambda _: (
        "sets the CA certificate INACTIVE: no new device certificate can be registered with it; those already "
        "registered stay active"
    ),
    _Type.ADD_THINGS_TO_THING_GROUP: lambda p: (
        f"adds the things of the certificate to {_groups(p)}, whose policies and jobs then count for them"
        + (
            "; a thing in as many groups as AWS allows leaves dynamic groups to make room"
            if p.get("overrideDynamicGroups")
            else ""
        )
    ),
    _Type.REPLACE_DEFAULT_POLICY_VERSION: lambda _: (
        "makes a new, blank version the policy's default: everybody who has the policy loses all of its permissions at "
        "once"
    ),
    _Type.ENABLE_IOT_LOGGING: lambda p: (
        f"turns on logging of AWS IoT for the whole account and Region at level {p.get('logLevel')}, written as "
        f"{p.get('roleArnForLogging')}"
    ),
    _Type.PUBLISH_FINDING_TO_SNS: lambda p: (
        f"publishes each finding as a message to {p.get('topicArn')}; changes no resource"
    ),
}

_UNDO: Mapping[MitigationActionType, str] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: "can be undone: set the certificate ACTIVE again; devices can connect again then",
    _Type.UPDATE_CA_CERTIFICATE: "can be undone: set the CA certificate ACTIVE again",
    _Type.ADD_THINGS_TO_THING_GROUP: "can be undone: take the things out of the groups again",
    _Type.REPLACE_DEFAULT_POLICY_VERSION: "can be undone: make the earlier version of the policy the default again",
    _Type.ENABLE_IOT_LOGGING: "can be undone: set the earlier logging options again",
}


def _groups(parameters: Mapping[str, Any]) -> str:
    names = parameters.get("thingGroupNames") or []
    return f"the thing group{'s' if len(names) != 1 else ''} {', '.join(names)}"


def parse_action(
    name: str,
    action_params: Mapping[str, Any],
    *,
    role_arn: str,
    account: str | None = None,
    region: str | None = None,
) -> MitigationAction:
    """Make a definition of what a user gave, checked by every rule of AWS that can be checked here.

    Parameters
    ----------
    name
        1 to 128 letters, digits, `_` and `-`.
    action_params
        AWS's `actionParams`: exactly one member of `MEMBERS` with its content.
    role_arn
        Role that it runs as; `account`'s own.
    account, region
        Where it is to be defined; None leaves out what depends on them.

    Raises
    ------
    InputError
        Something breaks a rule; the message has the value and what is allowed.
    """
    check_action_name(name)
    check_role(role_arn, "the role of a mitigation action", account)
    known = {member: kind for kind, member in MEMBERS.items()}
    if not isinstance(action_params, dict) or len(action_params) != 1 or not action_params.keys() <= known.keys():
        given = ", ".join(action_params) if action_params else "nothing"
        raise InputError(
            f"a mitigation action has exactly one set of parameters, here {shown(given)}; allowed: one of "
            f"{', '.join(known)}."
        )
    ((member, given_parameters),) = action_params.items()
    parameters = dict(given_parameters) if isinstance(given_parameters, dict) else {}
    kind = known[member]
    allowed, required = PARAMETERS[kind]
    unknown = sorted(parameters.keys() - set(allowed))
    missing = [p for p in required if parameters.get(p) in (None, "", [])]
    if unknown or missing:
        said = f"does not take {shown(unknown[0])}" if unknown else f"needs {missing[0]}"
        raise InputError(f"{member} {said}; allowed: {', '.join(allowed)}, of which must be: {', '.join(required)}.")
    CHECKS[kind](parameters, account, region)
    return MitigationAction(name, kind, role_arn, parameters)


def fitting_types(check_name: str) -> tuple[MitigationActionType, ...]:
    """Return the types that can treat findings of a check, the ones that repair before the message.

    For a check that the catalogue does not know it is the message alone, which AWS takes for every check.
    """
    known = describe_check(check_name).mitigation_action_types or (_Type.PUBLISH_FINDING_TO_SNS,)
    return tuple(kind for kind in MEMBERS if kind in known)


def fitting_actions(check_name: str, actions: Iterable[MitigationAction]) -> list[MitigationAction]:
    """Return those of `actions` that can treat findings of a check, in the order of `fitting_types`, then by name."""
    order = {kind: place for place, kind in enumerate(fitting_types(check_name))}
    found = [action for action in actions if action.action_type in order]
    return sorted(found, key=lambda action: (order[action.action_type], action.name))
