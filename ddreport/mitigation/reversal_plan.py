"""The plan of a roll-back: as frozen, readable, reviewed and approved as the plan that it undoes."""

from __future__ import annotations

import hashlib
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations when it decodes
from typing import TYPE_CHECKING

import msgspec

from ddreport.errors import PlanError
from ddreport.mitigation.plan import SHORT, ApprovalRule
from ddreport.mitigation.plan_file import load_document, read_text, text_of, write_text
from ddreport.mitigation.reversal import LeftAsItIs  # noqa: TC001 - as above
from ddreport.mitigation.reverse_calls import ReverseOperation  # noqa: TC001 - as above

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Version of the form of roll-back plans."""

_LINES = ("operations", "left_as_it_is", "irreversible")


class RollbackPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one campaign is undone.

    Attributes
    ----------
    digest
        SHA-256 of everything else in it.
    rollback_of
        Digest of the plan whose campaign it undoes.
    made_time
        When it was made, UTC; what the resources were like then is what it rests on.
    made_by
        ARN of the AWS identity that made it.
    operations
        Calls, in order.
    left_as_it_is
        Resources that were treated and get nothing back, with why.
    irreversible
        What nothing takes back, in words.
    """

    format: int
    digest: str
    rollback_of: str
    target: str
    account: str
    region: str
    emulated: bool
    made_time: datetime
    made_by: str
    made_with: str
    approval: ApprovalRule
    operations: tuple[ReverseOperation, ...]
    left_as_it_is: tuple[LeftAsItIs, ...] = ()
    irreversible: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The digest's first characters, which name the plan."""
        return self.digest[:SHORT]


def rollback_digest(plan: RollbackPlan) -> str:
    """Return the SHA-256 of a plan's content but for the digest itself."""
    content = msgspec.to_builtins(plan)
    content.pop("digest", None)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def seal_rollback(plan: RollbackPlan) -> RollbackPlan:
    """Return the same plan under its right digest."""
    return msgspec.structs.replace(plan, digest=rollback_digest(plan))


def rollback_text(plan: RollbackPlan, *, form: str = "yaml") -> str:
    """Return a plan as text; `form` is `yaml` or `json`."""
    head = (
        f"Roll-back plan {plan.short} of plan {plan.rollback_of[:SHORT]}: {len(plan.operations)} calls",
        "Any change makes the digest wrong: make a new one instead.",
        "Apply it with: ddreport mitigate rollback apply FILE",
    )
    return text_of(msgspec.to_builtins(plan), head=head, lines=_LINES, form=form)


def parse_rollback(text: str, *, source: str) -> RollbackPlan:
    """Read and check a plan; `source` names the file in messages.

    Raises
    ------
    PlanError
        It is no roll-back plan, or it was changed after it was made.
    """
    content = load_document(text, source=source)
    if not isinstance(content, dict) or not {"digest", "operations", "rollback_of"} <= content.keys():
        raise PlanError(f"{source} is no roll-back plan.", hint="`ddreport mitigate rollback plan PLAN` makes one.")
    if content.get("format") != FORMAT:
        raise PlanError(
            f"{source} has the form {content.get('format')} of roll-back plans; this version of ddreport reads "
            f"{FORMAT}.",
            hint="make the plan anew, or use the version of ddreport that made it.",
        )
    try:
        plan = msgspec.convert(content, RollbackPlan)
    except msgspec.ValidationError as exc:
        raise PlanError(
            f"{source} was changed after it was made, or is the plan of another version: {exc}.",
            hint="make the plan anew with `ddreport mitigate rollback plan`.",
        ) from exc
    found = rollback_digest(plan)
    if plan.digest != found:
        raise PlanError(
            f"{source} was changed after it was made: its digest says {plan.short}, its content is {found[:SHORT]}. "
            "Nothing was done.",
            hint="make the plan anew with `ddreport mitigate rollback plan`.",
        )
    if [op.number for op in plan.operations] != list(range(1, len(plan.operations) + 1)):
        raise PlanError(f"{source}: its operations are not numbered from 1.")
    return plan


def read_rollback(path: Path) -> RollbackPlan:
    """Read and check the roll-back plan in a file (`PlanError`)."""
    return parse_rollback(read_text(path), source=str(path))


def write_rollback(plan: RollbackPlan, path: Path) -> None:
    """Write a plan to a new file, whole or not at all; `.json` gives JSON, everything else YAML (`PlanError`)."""
    write_text(rollback_text(plan, form="json" if path.suffix == ".json" else "yaml"), path)
