"""What travels between reading AWS and the archive: tables of one thing, with AWS's own answers as evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

RecordKind = Literal["audit", "mitigation", "state", "inventory"]


@dataclass(frozen=True)
class RawResponse:
    """One answer exactly as AWS sent it: the operation, what was asked (never credentials), the body's bytes."""

    operation: str
    request: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True)
class RecordSet:
    """Everything about one audit, one mitigation task, one observed state or one inventory of an account.

    Attributes
    ----------
    kind
        `audit` (tables audit_tasks, checks, findings, related_resources), `mitigation` (mitigation_tasks,
        mitigation_executions), `state` (the five tables of what is set up, with `observed_time`) or `inventory`
        (`schemas.INVENTORY_SCHEMAS`).
    identity
        `audit_task_id`, `mitigation_task_id`, or for a state or an inventory its observed time as
        `20260302T091500Z`.
    time
        Start of the task or time of the observation, UTC; decides the month in which it is filed.
    emulated
        True when the emulator answered.
    tables
        Arrow tables by name, each with the schema `schemas.SCHEMAS[name].arrow()`.
    raw
        AWS's answers in the order in which they came.
    """

    kind: RecordKind
    account: str
    region: str
    identity: str
    time: datetime
    emulated: bool
    tables: Mapping[str, pa.Table]
    raw: Sequence[RawResponse]
