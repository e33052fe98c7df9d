"""Default definitions of the six types of mitigation action, as AWS's tutorial makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError
from ddreport.mitigation.action_rules import MEMBERS
from ddreport.mitigation.actions import MitigationAction, parse_action
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ddreport.mitigation.roles import Place

_Type = MitigationActionType

LOGGING_ROLE = "AWSIoTLoggingRole"
"""Role that AWS IoT writes its logs as, in AWS's tutorial."""

QUARANTINE_GROUP = "Quarantine"
"""Thing group that the default definition puts things into; it must exist when the action is applied."""

TOPIC = "IoTDDNotifications"
"""SNS topic for findings, in AWS's tutorial."""


@dataclass(frozen=True)
class DefaultAction:
    """Names of a default definition: its own, and its role's."""

    name: str
    role_name: str


DEFAULT_ACTIONS: Mapping[MitigationActionType, DefaultAction] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: DefaultAction(
        "DeactivateDeviceCertificateAction", "IoTMitigationActionUpdateDeviceCertificateRole"
    ),
    _Type.UPDATE_CA_CERTIFICATE: DefaultAction(
        "DeactivateCACertificateAction", "IoTMitigationActionUpdateCACertificateRole"
    ),
    _Type.ADD_THINGS_TO_THING_GROUP: DefaultAction(
        "QuarantineThingsAction", "IoTMitigationActionAddThingsToThingGroupRole"
    ),
    _Type.REPLACE_DEFAULT_POLICY_VERSION: DefaultAction(
        "BlankPolicyAction", "IoTMitigationActionReplaceDefaultPolicyRole"
    ),
    _Type.ENABLE_IOT_LOGGING: DefaultAction("EnableErrorLoggingAction", "IoTMitigationActionErrorLoggingRole"),
    _Type.PUBLISH_FINDING_TO_SNS: DefaultAction("PublishFindingAction", "IoTMitigationActionPublishFindingRole"),
}
"""Default definitions by type. That for logging, with both of its roles, has the names of AWS's tutorial."""


def make_parameters(
    action_type: MitigationActionType,
    *,
    log_level: str | None = None,
    logging_role_arn: str | None = None,
    thing_group_names: Sequence[str] | None = None,
    override_dynamic_groups: bool | None = None,
    topic_arn: str | None = None,
) -> dict[str, Any]:
    """Return AWS's `actionParams` of a type from options; what has only one value needs no option.

    Raises
    ------
    InputError
        An option does not belong to the type.
    """
    options = {
        "logLevel": log_level,
        "roleArnForLogging": logging_role_arn,
        "thingGroupNames": list(thing_group_names) if thing_group_names else None,
        "overrideDynamicGroups": override_dynamic_groups,
        "topicArn": topic_arn,
    }
    given = {name: value for name, value in options.items() if value is not None}
    own = _OPTIONS[action_type]
    wrong = [name for name in given if name not in own]
    if wrong:
        takes = f"it takes {', '.join(own)}" if own else "it takes none"
        raise InputError(f"an action of type {action_type} has no parameter {wrong[0]}; {takes}.")
    return {MEMBERS[action_type]: _FIXED.get(action_type, {}) | given}


_OPTIONS: Mapping[MitigationActionType, tuple[str, ...]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: (),
    _Type.UPDATE_CA_CERTIFICATE: (),
    _Type.ADD_THINGS_TO_THING_GROUP: ("thingGroupNames", "overrideDynamicGroups"),
    _Type.REPLACE_DEFAULT_POLICY_VERSION: (),
    _Type.ENABLE_IOT_LOGGING: ("logLevel", "roleArnForLogging"),
    _Type.PUBLISH_FINDING_TO_SNS: ("topicArn",),
}

_FIXED: Mapping[MitigationActionType, dict[str, Any]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: {"action": "DEACTIVATE"},
    _Type.UPDATE_CA_CERTIFICATE: {"action": "DEACTIVATE"},
    _Type.REPLACE_DEFAULT_POLICY_VERSION: {"templateName": "BLANK_POLICY"},
}


def default_action(
    action_type: MitigationActionType,
    place: Place,
    *,
    role_arn: str | None = None,
    log_level: str = "ERROR",
    logging_role_arn: str | None = None,
    thing_group_names: Sequence[str] = (QUARANTINE_GROUP,),
    topic_arn: str | None = None,
) -> MitigationAction:
    """Return the default definition of a type.

    Parameters
    ----------
    place
        Where it is to be defined.
    role_arn
        Role that it runs as; None means the account's role of the default name.
    log_level, logging_role_arn, thing_group_names, topic_arn
        Parameters of the types that have any; None means the account's role or topic of the default name.

    Raises
    ------
    InputError
        A parameter breaks one of AWS's rules (`parse_action`).
    """
    names = DEFAULT_ACTIONS[action_type]
    options: dict[str, Any] = {
        "log_level": log_level,
        "logging_role_arn": logging_role_arn or place.role_arn(LOGGING_ROLE),
        "thing_group_names": thing_group_names,
        "topic_arn": topic_arn or place.arn("sns", TOPIC),
    }
    own = _OPTIONS[action_type]
    members = {
        "log_level": "logLevel",
        "logging_role_arn": "roleArnForLogging",
        "thing_group_names": "thingGroupNames",
        "topic_arn": "topicArn",
    }
    params = make_parameters(action_type, **{name: options[name] for name, m in members.items() if m in own})
    role = role_arn or place.role_arn(names.role_name)
    return parse_action(names.name, params, role_arn=role, account=place.account, region=place.region)
