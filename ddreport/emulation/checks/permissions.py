"""On which resource the audit role must be allowed to do what a check needs."""

from __future__ import annotations

_IOT = {
    "iot:DescribeCertificate": "cert/*",
    "iot:DescribeCACertificate": "cacert/*",
    "iot:GetPolicy": "policy/*",
    "iot:DescribeRoleAlias": "rolealias/*",
}
_IAM = {
    "iam:GetRole": "role/*",
    "iam:ListRolePolicies": "role/*",
    "iam:GetRolePolicy": "role/*",
    "iam:ListAttachedRolePolicies": "role/*",
    "iam:GetPolicy": "policy/*",
    "iam:GetPolicyVersion": "policy/*",
    "iam:GenerateServiceLastAccessedDetails": "role/*",
}
_COGNITO = {"cognito-identity:GetIdentityPoolRoles": "identitypool/*"}


def resource_of(action: str, arn_start: str) -> str:
    """Return the resource to ask for: reads can be granted for single resources, lists only for all (`*`).

    Parameters
    ----------
    action
        Such as `iot:GetPolicy`.
    arn_start
        `arn:aws:iot:REGION:ACCOUNT:`.
    """
    if action in _IOT:
        return arn_start + _IOT[action]
    _, partition, _, region, account, _ = arn_start.split(":")
    if action in _IAM:
        return f"arn:{partition}:iam::{account}:{_IAM[action]}"
    if action in _COGNITO:
        return f"arn:{partition}:cognito-identity:{region}:{account}:{_COGNITO[action]}"
    return "*"
