"""Holes in the data: what an honest report must say it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.engines import AUDIT, Table, check_as_of, collect, scan
from ddreport.metrics.audits import known_audits
from ddreport.metrics.compliance import FINISHED
from ddreport.metrics.results import DATA_GAPS, GapKind
from ddreport.schemas import CHECKS
from ddreport.terms import CheckErrorCode, CheckRunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    import narwhals as nw

_DAY = timedelta(days=1)
_USUAL_RUNS = 7  # audits of a schedule that are looked back at for its usual checks
_REASONS = {
    CheckErrorCode.INSUFFICIENT_PERMISSIONS.value: "the audit role lacks a permission",
    CheckErrorCode.AUDIT_CHECK_DISABLED.value: "the check was disabled while the audit ran",
}
_ENDS = {
    CheckRunStatus.CANCELED.value: "was cancelled",
    CheckRunStatus.WAITING_FOR_DATA_COLLECTION.value: "was still waiting for its data",
    CheckRunStatus.IN_PROGRESS.value: "was still running",
}

_UNSUCCESSFUL = {
    TaskStatus.FAILED.value: (GapKind.FAILED_AUDIT, "failed"),
    TaskStatus.CANCELED.value: (GapKind.CANCELED_AUDIT, "was cancelled"),
}


@dataclass(frozen=True)
class _Run:
    """One check in one audit."""

    check_name: str
    status: str
    error_code: str | None
    message: str | None


@dataclass(frozen=True)
class _Audit:
    """One audit with its checks."""

    account: str
    region: str
    audit_task_id: str
    start: datetime
    task_type: str | None
    status: str | None
    schedule: str | None
    runs: tuple[_Run, ...]


def data_gaps(audit_tasks: Table, checks: Table, *, start: datetime, end: datetime) -> pd.DataFrame:
    """List what is missing from `start` until before `end`, in plain words.

    - FAILED_AUDIT, CANCELED_AUDIT: the audit's own status.
    - FAILED_CHECK: a check that could not be evaluated, with AWS's reason.
    - UNFINISHED_CHECK: a check without a verdict in an audit that was neither failed nor cancelled itself.
    - DAY_WITHOUT_AUDIT: two successive audits of one schedule lie about two days apart; or n days apart, and a pair
      of its audits right before or after lies one day apart. Only then a daily rhythm is evident. Days on which any
      other audit of the account and Region ran are not listed.
    - PARTIAL_AUDIT: a scheduled audit lacks a check that at least half of the up to 7 audits before it on the same
      schedule had; an on-demand audit lacks one that the last audit of some schedule before it had.

    Give a few audits before `start` too, if there are any: they tell what is usual.

    Parameters
    ----------
    audit_tasks, checks
        Tables `schemas.AUDIT_TASKS` and `schemas.CHECKS`.
    start, end
        The span reported on; with time zones.

    Returns
    -------
    DataFrame
        `results.DATA_GAPS`, sorted by account, region, time, kind and check_name.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; a bound has no time zone.
    """
    check_as_of(start, name="start")
    check_as_of(end, name="end")
    rows = scan(checks, CHECKS, [*AUDIT, "task_start_time", "check_name", "check_run_status", "error_code", "message"])
    audits = _audits(audit_tasks, rows)
    gaps = [*_unsuccessful(audits), *_unfinished_checks(audits)]
    for own in _by_place(audits):
        gaps += _days_without_audit(own)
        gaps += _partial_audits(own)
    table = pd.DataFrame(gaps, columns=DATA_GAPS.column_names)
    table["time"] = pd.to_datetime(table["time"], utc=True)
    table = table[(table["time"] >= pd.Timestamp(start)) & (table["time"] < pd.Timestamp(end))]
    return DATA_GAPS.conform(table.sort_values(["account", "region", "time", "kind", "audit_task_id", "check_name"]))


def _audits(audit_tasks: Table, rows: nw.LazyFrame[Any]) -> list[_Audit]:
    """Return the audits by account, Region and time, each with its checks."""
    runs: dict[tuple[str, ...], list[_Run]] = {}
    for row in collect(rows.drop("task_start_time")).itertuples(index=False, name=None):
        *audit, name, status, code, message = row
        run = _Run(str(name), str(status), _text(code), _text(message))
        runs.setdefault(tuple(audit), []).append(run)
    found = []
    for row in known_audits(audit_tasks, rows).itertuples(index=False, name=None):
        account, region, audit_task_id, start, task_type, status, schedule = row
        own = tuple(sorted(runs.get((account, region, audit_task_id), []), key=lambda r: r.check_name))
        texts = (_text(task_type), _text(status), _text(schedule))
        found.append(_Audit(account, region, audit_task_id, start.to_pydatetime(), *texts, own))
    return found


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _by_place(audits: list[_Audit]) -> list[list[_Audit]]:
    places: dict[tuple[str, str], list[_Audit]] = {}
    for audit in audits:
        places.setdefault((audit.account, audit.region), []).append(audit)
    return list(places.values())


def _row(audit: _Audit, kind: GapKind, message: str, **changes: Any) -> dict[str, Any]:
    return {
        "account": audit.account,
        "region": audit.region,
        "time": audit.start,
        "kind": kind.value,
        "audit_task_id": audit.audit_task_id,
        "task_type": audit.task_type,
        "check_name": None,
        "message": message,
        **changes,
    }


def _unsuccessful(audits: list[_Audit]) -> Iterator[dict[str, Any]]:
    for audit in audits:
        if audit.status not in _UNSUCCESSFUL:
            continue
        kind, word = _UNSUCCESSFUL[audit.status]
        missing = sum(run.status not in FINISHED for run in audit.runs)
        rest = f": {missing} of its {len(audit.runs)} checks have no result" if audit.runs else ""
        yield _row(audit, kind, f"The audit {word}{rest}.")


def _unfinished_checks(audits: list[_Audit]) -> Iterator[dict[str, Any]]:
    for audit in audits:
        for run in audit.runs:
            title = describe_check(run.check_name).title
            if run.status == CheckRunStatus.FAILED:
                reason = _REASONS.get(run.error_code or "", run.error_code or "AWS gave no reason")
                said = f" AWS says: {run.message}" if run.message else ""
                message = f"{title}: could not be evaluated, because {reason}.{said}"
                yield _row(audit, GapKind.FAILED_CHECK, message, check_name=run.check_name)
            elif run.status not in FINISHED and audit.status not in _UNSUCCESSFUL:
                end = _ENDS.get(run.status, f"ended with the unknown status {run.status}")
                yield _row(audit, GapKind.UNFINISHED_CHECK, f"{title}: {end}.", check_name=run.check_name)


def _days_without_audit(audits: list[_Audit]) -> Iterator[dict[str, Any]]:
    """Find the days that daily schedules of one account and Region missed.

    Steps between audits are counted in rounded days and not by calendar: the service picks the hour, and one that
    wanders over midnight misses nothing.
    """
    schedules: dict[str, list[_Audit]] = {}
    for audit in audits:
        if audit.schedule is not None:
            schedules.setdefault(audit.schedule, []).append(audit)
    told: list[datetime] = []
    for name, runs in schedules.items():
        steps = [(after.start - before.start) / _DAY for before, after in pairwise(runs)]
        days = [round(step) for step in steps]
        for i, count in enumerate(days):
            neighbours = days[max(i - 1, 0) : i] + days[i + 1 : i + 2]
            if count < 2 or (count > 2 and 1 not in neighbours):
                continue
            for day in range(1, count):
                expected = runs[i].start + day * (steps[i] / count) * _DAY
                if any(abs(other - expected) < _DAY / 2 for other in [*(a.start for a in audits), *told]):
                    continue
                told.append(expected)
                message = f"No audit on {expected:%Y-%m-%d} (UTC), though {name!r} usually runs every day."
                yield _row(
                    runs[i],
                    GapKind.DAY_WITHOUT_AUDIT,
                    message,
                    time=expected,
                    audit_task_id=None,
                )


def _partial_audits(audits: list[_Audit]) -> Iterator[dict[str, Any]]:
    earlier: dict[str, list[frozenset[str]]] = {}
    for audit in audits:
        if audit.status in _UNSUCCESSFUL:
            continue  # told already, and no measure of what is usual
        ran = frozenset(run.check_name for run in audit.runs)
        if audit.schedule is None:
            kind = "on-demand"
            usual = frozenset[str]().union(*(runs[-1] for runs in earlier.values()))
        else:
            kind = "scheduled"
            before = earlier.setdefault(audit.schedule, [])
            recent = before[-_USUAL_RUNS:]
            seen = frozenset[str]().union(*recent)
            usual = frozenset(c for c in seen if 2 * sum(c in run for run in recent) >= len(recent))
            before.append(ran)
        missing = sorted(usual - ran)
        if missing:
            message = (
                f"This {kind} audit ran {len(usual) - len(missing)} of the {len(usual)} usual checks; "
                f"without {', '.join(missing)}."
            )
            yield _row(audit, GapKind.PARTIAL_AUDIT, message)
