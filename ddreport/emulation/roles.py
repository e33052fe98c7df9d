"""IAM roles as the service sees them: may it assume the role, and what may it then do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends

from ddreport.emulation.conditions import as_texts, holds, make_context
from ddreport.emulation.policy import Decision, Policy, PolicyError, decide, parse_policy

if TYPE_CHECKING:
    from moto.iam.models import ManagedPolicy

    from ddreport.emulation.conditions import Context

SERVICE = "iot.amazonaws.com"


def service_trust(account: str) -> str:
    """Return a trust policy for AWS IoT with the conditions against a confused deputy, for roles of `account`."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": SERVICE},
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "StringEquals": {"aws:SourceAccount": account},
                        "ArnLike": {"aws:SourceArn": f"arn:aws:iot:*:{account}:*"},
                    },
                }
            ],
        }
    )


@dataclass(frozen=True)
class AssumedRole:
    """A role that the service could assume, with its permission policies."""

    policies: tuple[Policy, ...]

    def allows(self, action: str, resource: str, **context: str) -> bool:
        """Whether the role may perform `action` on `resource`; `context` names condition keys with `__` for `:`."""
        keys = make_context({key.replace("__", ":"): value for key, value in context.items()})
        return decide(self.policies, action, resource, keys) is Decision.ALLOWED


def assume(role_arn: str | None, account: str, *, source_arn: str) -> AssumedRole | None:
    """Assume a role of `account` as AWS IoT does.

    Parameters
    ----------
    role_arn
        The role; None means none is configured.
    account
        Where the service works; a role of another account is not assumed.
    source_arn
        What it works for: `arn:aws:iot:REGION:ACCOUNT:` for audits, the ARN of a mitigation action for its tasks.

    Returns
    -------
    AssumedRole or None
        None when the role does not exist or does not trust AWS IoT for this account and source.
    """
    role = _find(role_arn, account)
    if role is None:
        return None
    context = make_context({"aws:SourceAccount": account, "aws:SourceArn": source_arn})
    if not _trusts_service(role.assume_role_policy_document, context):
        return None
    return AssumedRole(_policies(role))


def policies_of(role_arn: str, account: str) -> tuple[Policy, ...] | None:
    """Return the inline and attached policies of a role of `account`, None when there is no such role."""
    role = _find(role_arn, account)
    return None if role is None else _policies(role)


def _policies(role: Any) -> tuple[Policy, ...]:
    documents = [*role.policies.values(), *map(_default_document, role.managed_policies.values())]
    return tuple(policy for policy in map(_read, documents) if policy is not None)


def _find(role_arn: str | None, account: str) -> Any:
    parts = (role_arn or "").split(":")
    if len(parts) < 6 or parts[4] != account:
        return None
    roles = iam_backends[account][parts[1]].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def _default_document(managed: ManagedPolicy) -> str:
    current = (v.document for v in managed.versions if v.version_id == managed.default_version_id)
    return next(current, None) or "{}"


def _trusts_service(document: str | dict[str, Any], context: Context) -> bool:
    policy = _read(document)
    if policy is None:
        return False
    fitting = [
        s
        for s in policy.statements
        if s.covers_action("sts:AssumeRole") and _names_service(s.principal) and holds(s.conditions, context)
    ]
    return any(s.allow for s in fitting) and all(s.allow for s in fitting)


def _names_service(principal: Any) -> bool:
    if principal == "*":
        return True
    return isinstance(principal, dict) and SERVICE in as_texts(principal.get("Service", []))


def _read(document: str | dict[str, Any]) -> Policy | None:
    # A document that nobody can read grants nothing.
    try:
        return parse_policy(document)
    except PolicyError:
        return None
