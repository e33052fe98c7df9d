"""The lasting identity of a resource: what AWS's `resourceIdentifier` says, as one text that does not change.

A finding's `resourceIdentifier` carries one key, which depends on the check. The rules, by key:

======================================  =========================  ================================================
key                                     resource type              `resource_id`
======================================  =========================  ================================================
`deviceCertificateId`                   `DEVICE_CERTIFICATE`       the id in lower case (hex has no case of its own)
`deviceCertificateArn`                  `DEVICE_CERTIFICATE`       the id at its end, in lower case; else the ARN
`caCertificateId`                       `CA_CERTIFICATE`           the id in lower case
`policyVersionIdentifier`               `IOT_POLICY`               the policy's name; its version is kept apart
`issuerCertificateIdentifier`           `ISSUER_CERTIFICATE`       `issuerId/serial number/subject`, hex in lower
                                                                   case, a missing part empty
`account`                               `ACCOUNT_SETTINGS`         as it is
`clientId`                              `CLIENT_ID`                as it is
`cognitoIdentityPoolId`                 `COGNITO_IDENTITY_POOL`    as it is
`roleAliasArn`                          `ROLE_ALIAS`               as it is
`iamRoleArn`                            `IAM_ROLE`                 as it is
any other                               unknown                    the whole identifier as canonical JSON
none                                    unknown                    `(no identifier)`
======================================  =========================  ================================================

A policy goes by its name alone because a problem outlives the policy's versions, while a suppression is bound to one
version: that is why `policy_version_id` is a column of its own. With several known keys the first of the table counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ddreport.tables.values import canonical_json
from ddreport.terms import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_IDENTIFIER = "(no identifier)"
NO_RESOURCE_TYPE = "(no resource type)"


class ResourceIdentity(NamedTuple):
    """Who a resource is: lasting id, policy version (policies only), the identifier as canonical JSON, its type."""

    resource_id: str
    policy_version_id: str | None
    resource_identifier: str
    resource_type: str | None


def _lower(value: str) -> str:
    return value.lower()


def _as_it_is(value: str) -> str:
    return value


def _certificate_of(arn: str) -> str:
    # arn:aws:iot:REGION:ACCOUNT:cert/ID, so that both keys name a certificate alike.
    before, found, certificate_id = arn.rpartition(":cert/")
    return certificate_id.lower() if before and found and certificate_id else arn


_PLAIN_KEYS: dict[str, tuple[str, Callable[[str], str]]] = {
    "deviceCertificateId": (ResourceType.DEVICE_CERTIFICATE.value, _lower),
    "deviceCertificateArn": (ResourceType.DEVICE_CERTIFICATE.value, _certificate_of),
    "caCertificateId": (ResourceType.CA_CERTIFICATE.value, _lower),
    "account": (ResourceType.ACCOUNT_SETTINGS.value, _as_it_is),
    "clientId": (ResourceType.CLIENT_ID.value, _as_it_is),
    "cognitoIdentityPoolId": (ResourceType.COGNITO_IDENTITY_POOL.value, _as_it_is),
    "roleAliasArn": (ResourceType.ROLE_ALIAS.value, _as_it_is),
    "iamRoleArn": (ResourceType.IAM_ROLE.value, _as_it_is),
}
_POLICY = "policyVersionIdentifier"
_ISSUER = "issuerCertificateIdentifier"
_ORDER = (
    "deviceCertificateId",
    "deviceCertificateArn",
    "caCertificateId",
    _POLICY,
    _ISSUER,
    "account",
    "clientId",
    "cognitoIdentityPoolId",
    "roleAliasArn",
    "iamRoleArn",
)


def identify(identifier: Mapping[str, Any] | None) -> ResourceIdentity:
    """Return the identity that a `resourceIdentifier` names, by the rules at the top of this module."""
    if identifier and len(identifier) == 1:
        present = identifier
    else:
        # A member that is null says as much as one that is not there, and boto3 leaves it out.
        present = {key: value for key, value in (identifier or {}).items() if value is not None}
    for key in present if len(present) == 1 else _ORDER:
        value = present.get(key)
        plain = _PLAIN_KEYS.get(key)
        if plain is not None and isinstance(value, str):
            return ResourceIdentity(plain[1](value) or NO_IDENTIFIER, None, canonical_json(present), plain[0])
        if isinstance(value, dict) and (key == _POLICY and value.get("policyName")):
            version = value.get("policyVersionId")
            return ResourceIdentity(
                str(value["policyName"]),
                None if version is None else str(version),
                canonical_json(present),
                ResourceType.IOT_POLICY.value,
            )
        if isinstance(value, dict) and key == _ISSUER:
            return ResourceIdentity(
                _issuer(value), None, canonical_json(present), ResourceType.ISSUER_CERTIFICATE.value
            )
    return _unknown(present)


def _unknown(present: Mapping[str, Any]) -> ResourceIdentity:
    if all(value is None for value in present.values()):
        return ResourceIdentity(NO_IDENTIFIER, None, "{}", None)
    written = canonical_json(present)
    return ResourceIdentity(written, None, written, None)


def _issuer(value: dict[str, Any]) -> str:
    issuer_id = str(value.get("issuerId") or "").lower()
    serial = str(value.get("issuerCertificateSerialNumber") or "").lower()
    return f"{issuer_id}/{serial}/{value.get('issuerCertificateSubject') or ''}"
