"""Suppressions at AWS: created, changed, lifted. Each hides or shows the findings of one resource under one check."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ddreport.aws.calls import fetch_one
from ddreport.errors import AwsCallError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_iot import IoTClient

_HINTS = {
    "LimitExceededException": "AWS publishes no number of suppressions that an account may have; lift some that hide "
    "nothing any more (`ddreport suppress list`), or mend what they hide, then apply again.",
    "ResourceAlreadyExistsException": "somebody made one for this check and resource meanwhile; `ddreport suppress "
    "plan` shows it.",
    "ResourceNotFoundException": "somebody lifted it meanwhile; apply again, and it is made anew.",
    "InvalidRequestException": "the check must be known to AWS here, the end must lie ahead, and the resource must be "
    "named by the member that the check wants (docs/checks.md).",
}


def create_suppression(
    client: IoTClient,
    check_name: str,
    resource_identifier: Mapping[str, Any],
    *,
    ends: datetime | None,
    description: str,
    token: str,
) -> None:
    """Suppress the findings of one check for one resource.

    Changes the account. Idempotent by its client request token: the same request again with the same token changes
    nothing, also after an answer that was lost. Permission: `iot:CreateAuditSuppression`.

    Parameters
    ----------
    resource_identifier
        AWS's members; of a policy its name and version.
    ends
        Aware, in whole seconds; None means never.
    description
        Up to 1,000 printable ASCII characters.
    token
        See `suppression_token`.

    Raises
    ------
    AwsCallError
        AWS refused or failed: `ResourceAlreadyExistsException`, `LimitExceededException`, `ThrottlingException`, …
    """
    _ask(
        client,
        "create_audit_suppression",
        checkName=check_name,
        resourceIdentifier=dict(resource_identifier),
        description=description,
        clientRequestToken=token,
        **_end(ends),
    )


def update_suppression(
    client: IoTClient,
    check_name: str,
    resource_identifier: Mapping[str, Any],
    *,
    ends: datetime | None,
    description: str,
) -> None:
    """Give a suppression that exists another end and description.

    Changes the account. Idempotent: it sets both, whatever they were. Permission: `iot:UpdateAuditSuppression`.

    Raises
    ------
    AwsCallError
        AWS refused or failed; `ResourceNotFoundException`: there is none.
    """
    _ask(
        client,
        "update_audit_suppression",
        checkName=check_name,
        resourceIdentifier=dict(resource_identifier),
        description=description,
        **_end(ends),
    )


def delete_suppression(client: IoTClient, check_name: str, resource_identifier: Mapping[str, Any]) -> None:
    """Lift a suppression: the next audit counts the resource again.

    Changes the account. Idempotent: one that is not there is fine, too. Permission: `iot:DeleteAuditSuppression`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    _ask(client, "delete_audit_suppression", checkName=check_name, resourceIdentifier=dict(resource_identifier))


def suppression_token(*parts: object, as_of: datetime) -> str:
    """Return the client request token of what is asked for: the same all day, for exactly the same request.

    The day is in it so that one that was lifted can be made again another day, however long AWS remembers tokens.
    """
    told = json.dumps([*map(str, parts), f"{as_of:%Y-%m-%d}"])
    return hashlib.sha256(told.encode()).hexdigest()


def _end(ends: datetime | None) -> dict[str, Any]:
    if ends is None:
        return {"suppressIndefinitely": True}
    return {"expirationDate": ends, "suppressIndefinitely": False}


def _ask(client: IoTClient, operation: str, **asked: Any) -> None:
    try:
        fetch_one(client, operation, **asked)
    except AwsCallError as exc:
        hint = _HINTS.get(exc.code, exc.hint)
        raise AwsCallError(exc.message, operation=exc.operation, region=exc.region, code=exc.code, hint=hint) from exc
