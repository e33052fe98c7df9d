"""IAM roles for mitigation actions: read with all of their policies, and made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ddreport.aws.calls import fetch_items, fetch_one
from ddreport.aws.errors import DENIED_CODES, aws_errors
from ddreport.errors import AwsCallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

POLICY_NAME = "ddreport-mitigation"
"""Name of the inline policy of a role that is made here."""

MADE_BY = {"Key": "made-by", "Value": "ddreport"}
"""Tag of a role that is made here: such a role may be completed here, others are left alone."""


@dataclass(frozen=True)
class RoleFacts:
    """A role as IAM has it.

    Attributes
    ----------
    trust
        Its trust policy.
    policies
        Its permission policies that could be read, inline and managed.
    unread
        Why policies could not be read; empty when all were.
    made_here
        Whether it carries the tag `MADE_BY`.
    inline
        Its inline policies by name.
    attached
        ARNs of its managed policies.
    tags
        Its tags.
    """

    name: str
    arn: str
    trust: dict[str, Any]
    policies: tuple[dict[str, Any], ...] = ()
    unread: tuple[str, ...] = ()
    made_here: bool = False
    inline: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    attached: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Policies:
    documents: list[dict[str, Any]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    inline: dict[str, dict[str, Any]] = field(default_factory=dict)
    attached: list[str] = field(default_factory=list)


def fetch_role(iam: BaseClient, name: str) -> RoleFacts | None:
    """Fetch a role with its policies; None when there is none of that name.

    Source and permissions: `iam:GetRole`, and `iam:ListRolePolicies`, `iam:GetRolePolicy`,
    `iam:ListAttachedRolePolicies`, `iam:GetPolicy`, `iam:GetPolicyVersion`; without these others the role is read all
    the same, and `unread` says what was refused.

    Raises
    ------
    AwsCallError
        AWS refused or failed the role itself.
    """
    try:
        role = fetch_one(iam, "get_role", RoleName=name)["Role"]
    except AwsCallError as exc:
        if exc.code not in _NOT_THERE:
            raise
        return None
    found = _Policies()
    _read_inline(iam, name, found)
    _read_attached(iam, name, found)
    return RoleFacts(
        name=name,
        arn=role["Arn"],
        trust=_document(role.get("AssumeRolePolicyDocument")),
        policies=tuple(found.documents),
        unread=tuple(found.unread),
        made_here=MADE_BY in (role.get("Tags") or []),
        inline=found.inline,
        attached=tuple(found.attached),
        tags={tag["Key"]: tag["Value"] for tag in role.get("Tags") or []},
    )


_NOT_THERE = frozenset({"NoSuchEntity", "NoSuchEntityException"})


def _read_inline(iam: BaseClient, name: str, found: _Policies) -> None:
    try:
        for policy in fetch_items(iam, "list_role_policies", "PolicyNames", RoleName=name):
            answer = fetch_one(iam, "get_role_policy", RoleName=name, PolicyName=policy)
            document = _document(answer.get("PolicyDocument"))
            found.inline[str(policy)] = document
            found.documents.append(document)
    except AwsCallError as exc:
        _note_refusal(exc, found)


def _read_attached(iam: BaseClient, name: str, found: _Policies) -> None:
    try:
        listed = fetch_items(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        found.attached = [policy["PolicyArn"] for policy in listed]
        for policy in listed:
            about = fetch_one(iam, "get_policy", PolicyArn=policy["PolicyArn"])["Policy"]
            version = about["DefaultVersionId"]
            answer = fetch_one(iam, "get_policy_version", PolicyArn=policy["PolicyArn"], VersionId=version)
            found.documents.append(_document(answer["PolicyVersion"].get("Document")))
    except AwsCallError as exc:
        _note_refusal(exc, found)


def _note_refusal(exc: AwsCallError, found: _Policies) -> None:
    if exc.code not in DENIED_CODES:
        raise exc
    found.unread.append(f"{exc.operation}: {exc.code}")


def _document(value: object) -> dict[str, Any]:
    # botocore decodes policies of IAM; what it cannot decode stays text.
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def create_role(
    iam: BaseClient, name: str, *, trust: Mapping[str, Any], permissions: Mapping[str, Any], description: str
) -> RoleFacts:
    """Make a role, or complete one that was begun here.

    Changes the account. Idempotent by name: a role of that name that carries the tag `MADE_BY` gets the inline policy
    again; its trust policy is left as it is. Permissions: `iam:CreateRole`, `iam:TagRole`, `iam:PutRolePolicy`,
    `iam:GetRole` and those of `fetch_role`.

    Parameters
    ----------
    trust, permissions
        Policy documents.

    Raises
    ------
    AwsCallError
        AWS refused or failed; `EntityAlreadyExists` for a role of that name that was not made here.
    """
    try:
        made = fetch_one(
            iam,
            "create_role",
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(trust),
            Description=description,
            Tags=[MADE_BY],
        )
        facts = RoleFacts(name, made["Role"]["Arn"], dict(trust), made_here=True)
        # The role must be seen before it gets its policy: IAM takes a moment until all of it knows.
        with aws_errors(iam):
            iam.get_waiter("role_exists").wait(RoleName=name)
    except AwsCallError as exc:
        if not exc.code.startswith("EntityAlreadyExists"):
            raise
        existing = fetch_role(iam, name)
        if existing is None or not existing.made_here:
            raise
        facts = existing
    fetch_one(iam, "put_role_policy", RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(permissions))
    # Not read again: for some seconds IAM may still answer without what was just written.
    return replace(facts, policies=(dict(permissions),))
