"""What an action would hit, in one sentence for a person who is about to decide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.mitigation.impact_facts import GONE
from ddreport.terms import MitigationActionType, ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ddreport.mitigation.actions import MitigationAction

_Type = MitigationActionType


def blast_radius(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    """Return what an action does to a finding's resource and to what depends on it, in words.

    Parameters
    ----------
    row
        Row of `impact.IMPACTS` of the finding.
    as_of
        The moment that "ago" counts from, aware.
    """
    return _SENTENCES[action.action_type](action, row, as_of)


def _deactivate(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    del action
    said = _state("certificate", row)
    if said is not None:
        return said
    if row["resource_type"] == ResourceType.ISSUER_CERTIFICATE:
        certificates = _count(row["certificates_count"], "certificate")
        active = _number(row["active_certificates_count"])
        what = f"deactivates {certificates or 'every related certificate'}"
        what += f" ({active:,} of them ACTIVE)" if active is not None and certificates else ""
        return f"{what} of {_things(row, as_of)}"
    if _number(row["things_count"]) == 0:
        return f"deactivates a certificate that no thing is attached to{_not_known(row, 'status')}"
    return f"deactivates the certificate of {_things(row, as_of)}"


def _deactivate_ca(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    del action, as_of
    said = _state("CA certificate", row)
    if said is not None:
        return said
    signed = _count(row["certificates_count"], "device certificate")
    behind = (
        f"that {signed} name" if signed and not signed.startswith("1 ") else f"that {signed} names" if signed else ""
    )
    unknown = "" if signed else f" (how many certificates name it is not known: {_reason(row, 'certificates')})"
    sentence = f"deactivates the CA certificate {behind}".rstrip() + unknown
    sentence += "; those stay active, and no new ones can be registered with it"
    if _flag(row["auto_registration"]):
        sentence += ", also not by devices that connect for the first time"
    return sentence


def _quarantine(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    names = list(action.parameters.get("thingGroupNames") or ())
    groups = f"the thing group{'s' if len(names) > 1 else ''} {', '.join(names)}"
    if row["resource_status"] == GONE:
        return "can do nothing: the certificate does not exist any more"
    if _number(row["things_count"]) == 0:
        return "does nothing: no thing is attached to the certificate"
    return f"puts {_things(row, as_of)} into {groups}"


def _blank_policy(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    del action
    if row["resource_status"] == GONE:
        return "can do nothing: the policy does not exist any more"
    certificates = _count(row["certificates_count"], "certificate")
    if certificates is None:
        reason = _reason(row, "targets")
        return f"takes every permission of the policy from all who have it; who has it is not known: {reason}"
    groups = json.loads(row["thing_groups"])
    whom = [certificates] if _number(row["certificates_count"]) else []
    if groups:
        shown = ", ".join(groups[:_GROUPS_SHOWN]) + (" and others" if len(groups) > _GROUPS_SHOWN else "")
        whom.append(f"the thing group{'s' if len(groups) > 1 else ''} {shown}")
    if not whom:
        return "blanks a policy that nobody has"
    return f"takes every permission of the policy from {' and '.join(whom)} with {_things(row, as_of)}"


def _log(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    del row, as_of
    level = action.parameters.get("logLevel")
    return f"turns on logging at level {level} for the whole account and Region; no device notices"


def _publish(action: MitigationAction, row: Mapping[Any, Any], as_of: datetime) -> str:
    del row, as_of
    return f"sends one message to {action.parameters.get('topicArn')}; changes nothing, and cannot be taken back"


_SENTENCES: Mapping[MitigationActionType, Callable[[MitigationAction, Mapping[Any, Any], datetime], str]] = {
    _Type.UPDATE_DEVICE_CERTIFICATE: _deactivate,
    _Type.UPDATE_CA_CERTIFICATE: _deactivate_ca,
    _Type.ADD_THINGS_TO_THING_GROUP: _quarantine,
    _Type.REPLACE_DEFAULT_POLICY_VERSION: _blank_policy,
    _Type.ENABLE_IOT_LOGGING: _log,
    _Type.PUBLISH_FINDING_TO_SNS: _publish,
}

_GROUPS_SHOWN = 3


def _state(what: str, row: Mapping[Any, Any]) -> str | None:
    """Return what there is to say of a certificate that cannot be deactivated."""
    status = row["resource_status"]
    if status == GONE:
        return f"can do nothing: the {what} does not exist any more"
    if status == "INACTIVE":
        return f"changes nothing: the {what} is INACTIVE already"
    if status == "REVOKED":
        return f"will fail: the {what} is REVOKED, which AWS does not change"
    return None


def _things(row: Mapping[Any, Any], as_of: datetime) -> str:
    """Return how many things there are and how one of them was last connected."""
    count = _number(row["things_count"])
    if count is None:
        return f"things whose number is not known ({_reason(row, 'things')})"
    things = f"{count:,} thing{'s' if count != 1 else ''}"
    return f"{things}{_connected(row, count, as_of)}" if count else things


def _connected(row: Mapping[Any, Any], count: int, as_of: datetime) -> str:
    connected = _number(row["connected_count"])
    last = row["last_connection_time"]
    if connected:
        return ", connected now" if connected == count else f", {connected:,} of them connected now"
    if _flag(row["connected"]):
        return f", at least one connected now{_not_known(row, 'connection')}"
    if not pd.isna(last):
        whom = "last connected" if count == 1 else "one of them last connected"
        return f", {whom} {ago(last, as_of)}{_not_known(row, 'connection')}"
    if connected == 0:
        return ", never seen connected" if count == 1 else ", none ever seen connected"
    return f", last connection not known ({_reason(row, 'connection')})"


def ago(moment: datetime, as_of: datetime) -> str:
    """Return how long ago a moment was, in its greatest whole unit, such as `4 minutes ago`."""
    seconds = max(0.0, (as_of - moment).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = int(seconds // length)
        if number:
            return f"{number:,} {unit}{'s' if number > 1 else ''} ago"
    return "less than a minute ago"


def _not_known(row: Mapping[Any, Any], fact: str) -> str:
    unknown = json.loads(row["unknown"])
    return f" ({unknown[fact]})" if fact in unknown else ""


def _reason(row: Mapping[Any, Any], fact: str) -> str:
    return str(json.loads(row["unknown"]).get(fact, "it was not asked"))


def _number(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _flag(value: Any) -> bool:
    return not pd.isna(value) and bool(value)


def _count(value: Any, what: str) -> str | None:
    number = _number(value)
    return None if number is None else f"{number:,} {what}{'s' if number != 1 else ''}"
