"""Waves and batches: which findings go first, and which go into one AWS task."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.errors import InputError
from ddreport.mitigation.plan import MOST_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddreport.mitigation.plan import Plan, PlannedFinding

_SIZE = re.compile(r"(\d+)|(\d+(?:\.\d+)?)\s*%|rest|all")


def parse_waves(text: str) -> tuple[str, ...]:
    """Read sizes of waves such as `1,5%,rest`.

    The last one takes whatever is left, so `rest` may be left out.

    Raises
    ------
    InputError
        A part is no number, share or `rest`; or a size is 0.
    """
    parts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for part in parts:
        found = _SIZE.fullmatch(part)
        zero = found and (found[1] or found[2]) and float(found[1] or found[2]) == 0
        if not found or zero or (found[2] and float(found[2]) > 100):
            raise InputError(
                f"waves: {part!r} is no size; allowed: a number, a share such as 5%, or rest, with commas between.",
                hint="such as --waves 1,5%,rest",
            )
    if not parts:
        raise InputError("waves is empty.", hint="such as --waves 1,5%,rest, or --waves all for a single wave.")
    return tuple("rest" if part == "all" else part for part in parts)


def parse_share(text: str) -> float:
    """Read a share such as `20%` or `0.2`, above 0 and at most 1 (`InputError`)."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise InputError(f"{text!r} is no share; allowed: above 0% and up to 100%, such as 20%.")
    return share


def wave_numbers(count: int, waves: Sequence[str]) -> list[int]:
    """Return the number of the wave, from 1, of each of `count` groups that stand in order.

    A share is of the whole, rounded up; a wave that finds nothing left is left out.
    """
    numbers: list[int] = []
    for number, size in enumerate((*waves, "rest"), start=1):
        left = count - len(numbers)
        if not left:
            break
        if size == "rest":
            take = left
        elif size.endswith("%"):
            take = min(left, math.ceil(count * float(size.rstrip("% ")) / 100))
        else:
            take = min(left, int(size))
        numbers += [number] * take
    return numbers


@dataclass(frozen=True)
class Batch:
    """Findings that go into one AWS mitigation task.

    Attributes
    ----------
    number
        From 1, over the whole plan: part of the id of the task.
    actions
        AWS's `auditCheckToActionsMapping`.
    """

    number: int
    wave: int
    findings: tuple[PlannedFinding, ...]
    actions: dict[str, list[str]]


def batches(plan: Plan) -> Iterator[Batch]:
    """Yield the batches of a plan, wave by wave.

    AWS maps a check to actions for a whole task. So findings of one check with other actions, as those have whose
    resource is covered by another finding, go into another task; and so do two findings of one resource, which could
    otherwise be treated in any order.
    """
    number = 0
    waves = sorted({f.wave for f in plan.findings})
    by_wave = {w: [f for f in plan.findings if f.wave == w] for w in waves}
    for wave, own in by_wave.items():
        waiting = own
        while waiting:
            taken: list[PlannedFinding] = []
            left: list[PlannedFinding] = []
            mapping: dict[str, list[str]] = {}
            resources: set[tuple[str, str]] = set()
            for place, finding in enumerate(waiting):
                if len(taken) == MOST_FINDINGS:
                    left += waiting[place:]
                    break
                actions = list(finding.actions)
                resource = (finding.resource_type, finding.resource_id)
                if mapping.get(finding.check_name, actions) == actions and resource not in resources:
                    mapping[finding.check_name] = actions
                    resources.add(resource)
                    taken.append(finding)
                else:
                    left.append(finding)
            number += 1
            yield Batch(number, wave, tuple(taken), mapping)
            waiting = left


def task_id(plan: Plan, batch: Batch) -> str:
    """Return the id of the AWS task of a batch: the same plan always asks for the same task, so none runs twice."""
    return f"ddreport-{plan.short}-{batch.number:04d}"


def client_token(plan: Plan, batch: Batch) -> str:
    """Return the token with which AWS tells a repeated request from a new one (at most 64 characters)."""
    return f"{plan.digest[:52]}-{batch.number:04d}"
