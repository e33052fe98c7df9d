"""Policy documents of the fleet: AWS IoT policies from the shapes in its file, IAM policies of its role aliases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION = "2012-10-17"

SHORT_ARN = "ARN:"
"""How a resource begins in a fleet's file; stands for the account's own `arn:aws:iot:REGION:ACCOUNT:`."""


def iot_document(statements: list[dict[str, Any]], *, region: str, account: str) -> str:
    """Return an AWS IoT policy document as JSON text, with the account's own ARNs filled in."""
    prefix = f"arn:aws:iot:{region}:{account}:"

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(item) for item in value]
        if isinstance(value, str) and value.startswith(SHORT_ARN):
            return prefix + value.removeprefix(SHORT_ARN)
        return value

    body = [{key: filled(value) if key == "Resource" else value for key, value in s.items()} for s in statements]
    return json.dumps({"Version": _VERSION, "Statement": body})


def iam_document(actions: Iterable[str], *, resource: str = "*") -> str:
    """Return an IAM policy document as JSON text that allows `actions`."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": _VERSION, "Statement": [statement]})


def identity_trust(pool_id: str, kind: str) -> str:
    """Return the trust policy of a role of a Cognito identity pool; `kind` is authenticated or unauthenticated."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"cognito-identity.amazonaws.com:aud": pool_id},
            "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": kind},
        },
    }
    return json.dumps({"Version": _VERSION, "Statement": [statement]})


def credentials_trust() -> str:
    """Return the trust policy of a role that devices reach through a role alias."""
    principal = {"Service": "credentials.iot.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": _VERSION, "Statement": [statement]})
