"""What the targets of `ddreport.toml` allow: mitigation at all, and whose approval it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.errors import MitigationError
from ddreport.mitigation.plan import ApprovalRule
from ddreport.targets import MitigationMode

if TYPE_CHECKING:
    from ddreport.targets import Target


def approval_rule(target: Target, *, second_person: bool = False) -> ApprovalRule:
    """Return the rule of a target; `second_person` makes it as strict as it can be."""
    mode = target.mitigation_mode
    if second_person or mode is MitigationMode.SECOND_PERSON:
        return ApprovalRule(required=True, second_person=True)
    return ApprovalRule(required=mode is MitigationMode.APPROVAL)


def refuse_read_only(target: Target) -> None:
    """Refuse to change the account of a target that is for looking only (`MitigationError`)."""
    if target.mitigation_mode is MitigationMode.READ_ONLY:
        raise MitigationError(
            f'target {target.name} is for looking only: its table in ddreport.toml says mitigation = "read-only".',
            hint="plans of it can be made and shown; whoever owns the account can apply them with another target.",
        )
