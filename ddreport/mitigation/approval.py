"""Approvals: who agreed to which plan, and for how long that counts.

An approval names the plan's digest, so it belongs to that plan and no other; one more finding is another digest. It
says which AWS identity gave it, as AWS itself told (`sts:GetCallerIdentity`). The file is no signature: whoever can
write it can write another name. Keep plans and approvals where changes are reviewed, such as a git repository with
protected branches.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from ddreport.errors import PlanError
from ddreport.mitigation.plan import ApprovalRule

if TYPE_CHECKING:
    from collections.abc import Sequence


class Approvable(Protocol):
    """What can be approved: a plan, or the plan of a roll-back."""

    @property
    def digest(self) -> str:
        """SHA-256 of its content."""

    @property
    def short(self) -> str:
        """The digest's first characters."""

    @property
    def made_by(self) -> str | None:
        """ARN of the AWS identity that made it."""

    @property
    def approval(self) -> ApprovalRule:
        """Who must have agreed."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One person's agreement.

    Attributes
    ----------
    plan
        Digest of the plan.
    approved_by
        ARN of the AWS identity.
    approved_time, expires_time
        By AWS's clock, UTC.
    digest
        SHA-256 of everything else in it.
    """

    plan: str
    approved_by: str
    approved_time: datetime
    expires_time: datetime
    note: str = ""
    digest: str = ""


def strictest(rules: Sequence[ApprovalRule]) -> ApprovalRule:
    """Return the rule that is as strict as the strictest of `rules` in everything."""
    return ApprovalRule(
        required=any(rule.required for rule in rules),
        second_person=any(rule.second_person for rule in rules),
        valid_hours=min(rule.valid_hours for rule in rules),
    )


def approve(
    plan: Approvable, *, by: str, time: datetime, note: str = "", target_rule: ApprovalRule | None = None
) -> Approval:
    """Return an approval of a plan.

    Parameters
    ----------
    target_rule
        What the target asks for now; it may have become stricter since the plan was made.

    Raises
    ------
    PlanError
        A second person is asked for, and this is the one who made the plan or nobody knows who did.
    """
    rule = strictest([plan.approval, target_rule or plan.approval])
    _check_person(plan, by, rule)
    given = Approval(
        plan=plan.digest,
        approved_by=by,
        approved_time=time,
        expires_time=time + timedelta(hours=rule.valid_hours),
        note=note,
    )
    return msgspec.structs.replace(given, digest=_digest(given))


def check_approval(
    plan: Approvable, approval: Approval | None, *, time: datetime, target_rule: ApprovalRule | None = None
) -> Approval | None:
    """Return the approval if it lets this plan be applied at `time`; None where none is needed or given.

    Parameters
    ----------
    target_rule
        What the target asks for now. The stricter of it and the plan's own counts: a plan that was made through a laxer
        target, or before the target became strict, gets no way around it.

    Raises
    ------
    PlanError
        It is missing, of another plan, expired, changed by hand, or given by the one who made the plan.
    """
    rule = strictest([plan.approval, target_rule or plan.approval])
    if approval is None:
        if not rule.required:
            return None
        who = "a second person" if rule.second_person else "somebody"
        raise PlanError(
            f"plan {plan.short} needs the approval of {who}.", hint="`ddreport mitigate approve PLAN` gives it."
        )
    if approval.digest != _digest(approval):
        raise PlanError("the approval was changed after it was given.", hint="have the plan approved again.")
    if approval.plan != plan.digest:
        raise PlanError(
            f"the approval is of plan {approval.plan[:16]}, this is {plan.short}: a changed plan needs a new approval."
        )
    if not approval.approved_time <= time + timedelta(minutes=5):
        raise PlanError(f"the approval is dated {approval.approved_time:%Y-%m-%d %H:%M} UTC, which is yet to come.")
    ends = min(approval.expires_time, approval.approved_time + timedelta(hours=rule.valid_hours))
    if time >= ends:
        raise PlanError(
            f"the approval of {approval.approved_time:%Y-%m-%d %H:%M} UTC expired at {ends:%Y-%m-%d %H:%M} UTC.",
            hint="look at the plan again and have it approved anew, or make a plan of today.",
        )
    _check_person(plan, approval.approved_by, rule)
    return approval


def _check_person(plan: Approvable, by: str, rule: ApprovalRule) -> None:
    if not rule.second_person:
        return
    if plan.made_by is None:
        raise PlanError(
            f"plan {plan.short} asks for a second person, but was made without asking AWS who made it.",
            hint="make it anew with a target that can be reached.",
        )
    if person(by) == person(plan.made_by):
        raise PlanError(
            f"plan {plan.short} was made by {plan.made_by}, so somebody else must approve it.",
            hint="sign in as another AWS identity, with --profile or another target.",
        )


_SESSION = re.compile(r"(arn:[^:]+:sts::(\d+)):(assumed-role/([^/]+)|federated-user)/(.+)", re.IGNORECASE)
_IDENTITY_CENTER = "awsreservedsso_"


def person(arn: str) -> str:
    """Return what stands for a person in an ARN.

    Of a role of IAM Identity Center that is the session, which Identity Center sets to the user's name, whatever the
    permission set. The session of any other role is whatever its caller says (the SDKs make up another one in every
    process), so there the role counts, and all who can take it on are one; so are federated users, whose names are
    given the same way. Of everything else it is the whole ARN.
    """
    told = arn.casefold()
    found = _SESSION.fullmatch(told)
    if found is None:
        return told
    place, account, kind, role, session = found.groups()
    if role is not None and role.startswith(_IDENTITY_CENTER):
        return f"identity center user {session} of {account}"
    return f"{place}:{kind}"


def approval_text(approval: Approval) -> str:
    """Return the approval as YAML (JSON values on lines of their own), what hides or steers as escapes."""
    from ddreport.mitigation.plan_file import text_of

    return text_of(msgspec.to_builtins(approval), head=(), lines=(), form="yaml")


def parse_approval(text: str, *, source: str) -> Approval:
    """Read an approval; `source` names the file in messages (`PlanError`)."""
    from ddreport.mitigation.plan_file import load_document

    content = load_document(text, source=source)
    try:
        found = msgspec.convert(content, Approval)
    except msgspec.ValidationError as exc:
        raise PlanError(
            f"{source} is no approval: {exc}.", hint="`ddreport mitigate approve PLAN` writes one."
        ) from exc
    if found.approved_time.tzinfo is None or found.expires_time.tzinfo is None:
        raise PlanError(f"{source} is no approval: its times have no time zone.")
    return found


def _digest(approval: Approval) -> str:
    content = msgspec.to_builtins(approval)
    content.pop("digest", None)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
