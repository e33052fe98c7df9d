"""From what a person writes to AWS's `resourceIdentifier`: a short resource id, or AWS's own members.

The member that a check wants is in the catalogue (`identifier_key`). A short id is the `resource_id` of the tables;
an ARN of a certificate is as good as its id.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import InputError, did_you_mean
from ddreport.suppression.rules import Selector, SelectorKind
from ddreport.tables.identity import identify
from ddreport.tables.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_POLICY = "policyVersionIdentifier"
_ISSUER = "issuerCertificateIdentifier"
_ISSUER_MEMBERS = ("issuerId", "issuerCertificateSerialNumber", "issuerCertificateSubject")
_NESTED = {_POLICY: ("policyName", "policyVersionId"), _ISSUER: _ISSUER_MEMBERS}
_FORMS = {
    "deviceCertificateId": (re.compile(r"[0-9a-fA-F]{64}"), "64 hexadecimal characters"),
    "caCertificateId": (re.compile(r"[0-9a-fA-F]{64}"), "64 hexadecimal characters"),
    "account": (re.compile(r"\d{12}", re.ASCII), "12 digits"),
    "roleAliasArn": (re.compile(r"arn:aws[a-z-]*:iot:[a-z0-9-]+:\d{12}:rolealias/.+"), "the ARN of a role alias"),
    "policyName": (re.compile(r"[\w+=,.@-]{1,128}", re.ASCII), "the name of an AWS IoT policy"),
    "policyVersionId": (re.compile(r"\d{1,9}", re.ASCII), "the number of a version"),
    "issuerId": (re.compile(r"(0x)?[0-9a-fA-F]{1,64}"), "at most 64 hexadecimal characters"),
    "issuerCertificateSerialNumber": (re.compile(r"[0-9a-fA-F:]{1,20}"), "at most 20 hexadecimal characters"),
}
_LOWER = frozenset({"deviceCertificateId", "caCertificateId"})
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}):.+")
_CERTIFICATE_ARN = re.compile(r"arn:aws[a-z-]*:iot:[a-z0-9-]+:\d{12}:(cert|cacert)/([0-9a-fA-F]{64})")
MOST_CHARACTERS = 2048


def from_text(check_name: str, short: str, policy_version_id: str | None = None) -> Selector:
    """Read a short resource id (`InputError` when it cannot be one of this check).

    The version of a policy may be left out: then it is that of the finding, as found when the rule is expanded.
    """
    key = describe_check(check_name).identifier_key
    if policy_version_id is not None and key != _POLICY:
        raise InputError("only policies have a policy_version.")
    if key == _POLICY:
        _check("policyName", short)
        if policy_version_id is None:
            return Selector(SelectorKind.RESOURCE, short)
        return from_members(check_name, {_POLICY: {"policyName": short, "policyVersionId": policy_version_id}})
    if key == _ISSUER:
        parts = short.split("/", 2)
        if len(parts) != len(_ISSUER_MEMBERS):
            raise InputError(
                f"resource {_quoted(short)} is not ISSUER-ID/SERIAL-NUMBER/SUBJECT, as the tables have it."
            )
        # Cut from a text in which hex is in lower case: what AWS calls it, only a finding knows.
        return Selector(SelectorKind.RESOURCE, short)
    if key in _LOWER and (arn := _CERTIFICATE_ARN.fullmatch(short)):
        short = arn[2]
    if not key:
        return Selector(SelectorKind.RESOURCE, short)
    return from_members(check_name, {key: short})


def from_members(check_name: str, members: Mapping[str, Any]) -> Selector:
    """Read AWS's members of a `resourceIdentifier` (`InputError` when they do not fit the check)."""
    key = describe_check(check_name).identifier_key
    if len(members) != 1 or (key and key not in members):
        wanted = f"{key} and nothing else" if key else "exactly one member"
        near = did_you_mean(next(iter(members), ""), [key]) if key else ""
        raise InputError(
            f"the resource of {check_name} takes {wanted}; given: {', '.join(members) or 'nothing'}.{near}"
        )
    ((name, value),) = members.items()
    if name in _NESTED:
        value = _nested(name, value)
    elif not isinstance(value, str):
        raise InputError(f"{name} must be a text.")
    else:
        _check(name, value)
        value = value.lower() if name in _LOWER else value
    identity = identify({name: value})
    return Selector(
        SelectorKind.RESOURCE,
        identity.resource_id,
        policy_version_id=identity.policy_version_id,
        resource_identifier=identity.resource_identifier,
    )


def policy_identifier(policy_name: str, version_id: str) -> str:
    """Return the identifier of a policy's version as canonical JSON."""
    return canonical_json({_POLICY: {"policyName": policy_name, "policyVersionId": version_id}})


def identifier_of(resource_identifier: str) -> dict[str, Any]:
    """Return an identifier as AWS takes it from the text that the tables keep."""
    found: dict[str, Any] = json.loads(resource_identifier)
    return found


def account_in(resource_identifier: str | None) -> str | None:
    """Return the account that an identifier names, if it names one."""
    members = identifier_of(resource_identifier) if resource_identifier else {}
    for name, value in members.items():
        if name == "account":
            return str(value)
        if isinstance(value, str) and (arn := _ARN.fullmatch(value)):
            return arn[1]
    return None


def _nested(name: str, value: Any) -> dict[str, str]:
    allowed = _NESTED[name]
    if not isinstance(value, dict):
        raise InputError(f"{name} must hold {', '.join(allowed)}.")
    for key, text in value.items():
        if key not in allowed:
            raise InputError(
                f"unknown key {_quoted(key)} in {name}; allowed: {', '.join(allowed)}.{did_you_mean(key, allowed)}"
            )
        if not isinstance(text, str):
            raise InputError(f"{key} must be a text.")
        _check(key, text)
    missing = [key for key in allowed if key not in value] if name == _POLICY else []
    if missing or not value:
        raise InputError(f"{name} lacks {' and '.join(missing or allowed)}.")
    return dict(value)


def _check(name: str, value: str) -> None:
    pattern, form = _FORMS.get(name, (None, ""))
    if pattern is not None and not pattern.fullmatch(value):
        raise InputError(f"{name} {_quoted(value)} is not {form}.")
    if not value or len(value) > MOST_CHARACTERS:
        raise InputError(f"{name} has {len(value):,} characters; allowed: 1 to {MOST_CHARACTERS:,}.")


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 80 else f"{value[:80]}…")
