"""AWS's rules for the parts of a mitigation action: its name, its roles and the parameters of each type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError, did_you_mean
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Type = MitigationActionType

MEMBERS: Mapping[MitigationActionType, str] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: "updateDeviceCertificateParams",
    _Type.UPDATE_CA_CERTIFICATE: "updateCACertificateParams",
    _Type.ADD_THINGS_TO_THING_GROUP: "addThingsToThingGroupParams",
    _Type.REPLACE_DEFAULT_POLICY_VERSION: "replaceDefaultPolicyVersionParams",
    _Type.ENABLE_IOT_LOGGING: "enableIoTLoggingParams",
    _Type.PUBLISH_FINDING_TO_SNS: "publishFindingToSnsParams",
}
"""Member of AWS's `actionParams` that each type has."""

LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
"""Levels that logging can be enabled at; AWS's `DISABLED` is refused in a definition."""

MOST_GROUPS = 10
"""Thing groups in one ADD_THINGS_TO_THING_GROUP definition."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/[\w+=,.@/-]+")
_TOPIC = re.compile(r"arn:(aws[a-z-]*):sns:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_-]{1,256}(?:\.fifo)?)")
_GROUP = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_LONGEST_SHOWN = 120


PARAMETERS: Mapping[MitigationActionType, tuple[tuple[str, ...], tuple[str, ...]]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: (("action",), ("action",)),
    _Type.UPDATE_CA_CERTIFICATE: (("action",), ("action",)),
    _Type.ADD_THINGS_TO_THING_GROUP: (("thingGroupNames", "overrideDynamicGroups"), ("thingGroupNames",)),
    _Type.REPLACE_DEFAULT_POLICY_VERSION: (("templateName",), ("templateName",)),
    _Type.ENABLE_IOT_LOGGING: (("roleArnForLogging", "logLevel"), ("roleArnForLogging", "logLevel")),
    _Type.PUBLISH_FINDING_TO_SNS: (("topicArn",), ("topicArn",)),
}
"""Parameters of each type: those allowed, and of these those that must be there."""


def check_action_name(name: object) -> str:
    """Return the name of an action if it is one (`InputError`)."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"the name of a mitigation action is {shown(name)}; allowed: 1 to 128 letters, digits, _ and -."
        )
    return name


def parse_action_type(word: str) -> MitigationActionType:
    """Return the type that `word` names, whatever its case (`InputError`)."""
    try:
        return MitigationActionType(word.upper().replace("-", "_"))
    except ValueError:
        raise InputError(
            f"the type of a mitigation action is {shown(word)}; allowed: {', '.join(MEMBERS)}."
            f"{did_you_mean(word.upper(), [kind.value for kind in MEMBERS])}"
        ) from None


def _one_value(member: str, value: str) -> Callable[[Mapping[str, Any], str | None, str | None], None]:
    def check(parameters: Mapping[str, Any], account: str | None, region: str | None) -> None:
        del account, region
        if parameters[member] != value:
            raise InputError(f"{member} is {shown(parameters[member])}; AWS knows only {value}.")

    return check


def _check_groups(parameters: Mapping[str, Any], account: str | None, region: str | None) -> None:
    del account, region
    names = parameters["thingGroupNames"]
    override = parameters.get("overrideDynamicGroups")
    if isinstance(names, str) or not all(isinstance(n, str) and _GROUP.fullmatch(n) for n in names):
        wrong = names if isinstance(names, str) else next(n for n in names if not _GROUP.fullmatch(str(n)))
        raise InputError(f"the name of a thing group is {shown(wrong)}; allowed: 1 to 128 letters, digits, :, _ and -.")
    if len(names) > MOST_GROUPS or len(set(names)) != len(names):
        what = f"{len(names)} thing groups" if len(set(names)) == len(names) else "a thing group twice"
        raise InputError(f"the action has {what}; allowed: 1 to {MOST_GROUPS}, each once.")
    if override is not None and not isinstance(override, bool):
        raise InputError(f"overrideDynamicGroups is {shown(override)}; allowed: true or false.")


def _check_logging(parameters: Mapping[str, Any], account: str | None, region: str | None) -> None:
    del region
    check_role(parameters["roleArnForLogging"], "the role for logging", account)
    if parameters["logLevel"] not in LOG_LEVELS:
        raise InputError(f"the log level is {shown(parameters['logLevel'])}; allowed: {', '.join(LOG_LEVELS)}.")


def _check_topic(parameters: Mapping[str, Any], account: str | None, region: str | None) -> None:
    del account  # a topic of another account may allow it
    topic = parameters["topicArn"]
    found = _TOPIC.fullmatch(topic) if isinstance(topic, str) and len(topic) <= 350 else None
    if found is None:
        raise InputError(
            f"the SNS topic is {shown(topic)}; allowed: an ARN arn:PARTITION:sns:REGION:ACCOUNT:NAME of at most 350 "
            "characters."
        )
    if region is not None and found[2] != region:
        raise InputError(
            f"the SNS topic {shown(topic)} is in {found[2]}; AWS IoT in {region} publishes to topics of its own "
            "Region.",
            hint=f"name a topic in {region}.",
        )


def check_role(role_arn: object, what: str, account: str | None) -> None:
    """Refuse what is not the ARN of a role of `account` (`InputError`); `what` names it in the message."""
    found = _ROLE.fullmatch(role_arn) if isinstance(role_arn, str) and 20 <= len(role_arn) <= 2048 else None
    if found is None:
        raise InputError(
            f"{what} is {shown(role_arn)}; allowed: the ARN of an IAM role, arn:PARTITION:iam::ACCOUNT:role/NAME, 20 "
            "to 2048 characters."
        )
    if account is not None and found[2] != account:
        raise InputError(
            f"{what} is of account {found[2]}; AWS IoT assumes only roles of its own account, {account}.",
            hint="name a role of that account, or let one be made.",
        )


CHECKS: Mapping[MitigationActionType, Callable[[Mapping[str, Any], str | None, str | None], None]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: _one_value("action", "DEACTIVATE"),
    _Type.UPDATE_CA_CERTIFICATE: _one_value("action", "DEACTIVATE"),
    _Type.ADD_THINGS_TO_THING_GROUP: _check_groups,
    _Type.REPLACE_DEFAULT_POLICY_VERSION: _one_value("templateName", "BLANK_POLICY"),
    _Type.ENABLE_IOT_LOGGING: _check_logging,
    _Type.PUBLISH_FINDING_TO_SNS: _check_topic,
}
"""What checks the parameters of each type, given account and Region (None: not known)."""


def shown(value: object) -> str:
    """Return a value as messages quote it: on one line, and not too long."""
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
