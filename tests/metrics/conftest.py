"""Builders of literal tables: one row each with overrides, and whole tables from compact stories."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddreport.history import EPISODES, PROBLEMS
from ddreport.schemas import AUDIT_TASKS, CHECKS, FINDINGS, Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DAY0 = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"  # MEDIUM
LOGGING = "LOGGING_DISABLED_CHECK"  # LOW
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"  # CRITICAL
NEW = "BRAND_NEW_CHECK"  # not in the catalogue

STATUS = {
    "ok": "COMPLETED_COMPLIANT",
    "bad": "COMPLETED_NON_COMPLIANT",
    "failed": "FAILED",
    "canceled": "CANCELED",
    "waiting": "WAITING_FOR_DATA_COLLECTION",
    "running": "IN_PROGRESS",
}


def _frame(schema: Schema, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    listed = [{name: row.get(name) for name in schema.column_names} for row in rows]
    return schema.conform(pd.DataFrame(listed, columns=schema.column_names)) if listed else schema.empty()


def _place(day: float, **changes: Any) -> dict[str, Any]:
    base = {
        "account": "012345678901",
        "region": "eu-west-1",
        "audit_task_id": f"a{day:g}",
        "task_start_time": DAY0 + timedelta(days=day),
    }
    return base | {k: v for k, v in changes.items() if k in base}


def an_audit(day: float, **changes: Any) -> dict[str, Any]:
    """Make a row of audit_tasks: a completed scheduled audit, `day` days after 2 March 2026 09:15 UTC."""
    counts = {n: 0 for n in AUDIT_TASKS.column_names if n.endswith("_count")}
    return {
        **_place(day, **changes),
        "task_status": "COMPLETED",
        "task_type": "SCHEDULED_AUDIT_TASK",
        "scheduled_audit_name": "daily",
        "emulated": True,
        **counts,
        **changes,
    }


def a_check(day: float, check_name: str, status: str = "ok", **changes: Any) -> dict[str, Any]:
    """Make a row of checks; `status` is a key of STATUS, or one of AWS's own."""
    return {
        **_place(day, **changes),
        "check_name": check_name,
        "check_run_status": STATUS.get(status, status),
        **changes,
    }


def a_finding(day: float, check_name: str = EXPIRING, resource_id: str = "r1", **changes: Any) -> dict[str, Any]:
    """Make a row of findings; its id follows from audit, check, resource and reason."""
    place = _place(day, **changes)
    reason = changes.get("reason_code", "REASON")
    return {
        **place,
        "finding_id": f"{place['audit_task_id']}-{check_name}-{resource_id}-{reason}",
        "check_name": check_name,
        "finding_time": place["task_start_time"],
        "severity": {LOGGING: "LOW", SHARED: "CRITICAL"}.get(check_name, "MEDIUM"),
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": resource_id,
        "reason_code": reason,
        "is_suppressed": False,
        "related_resources_count": 0,
        "resource_identifier": "{}",
        **changes,
    }


def an_episode(
    problem: str,
    episode: int = 1,
    *,
    first: datetime = DAY0,
    resolved: datetime | None = None,
    last: datetime | None = None,
    absent: datetime | None = DAY0,
    **changes: Any,
) -> dict[str, Any]:
    """Make a row of episodes, HIGH and not suppressed; a resolved one was repaired unless `resolution` says else."""
    return {
        **_a_fault(problem),
        "episode": episode,
        "absent_time": absent,
        "first_seen_time": first,
        "first_seen_audit_task_id": "a",
        "last_seen_time": last or first,
        "last_seen_audit_task_id": "b",
        "resolved_time": resolved,
        "resolved_audit_task_id": "c" if resolved else None,
        "resolution": "NOT_REPORTED" if resolved else None,
        **changes,
    }


def a_problem(problem: str, state: str = "OPEN", *, opened: datetime = DAY0, **changes: Any) -> dict[str, Any]:
    """Make a row of problems, HIGH; it is known what `state` says, OPEN where that is nothing known."""
    return {
        **_a_fault(problem),
        "state": state,
        "known_state": "OPEN" if state in {"UNKNOWN", "OUT_OF_SCOPE"} else state,
        "is_suppressed": state == "SUPPRESSED",
        "first_seen_time": opened,
        "first_seen_audit_task_id": "a",
        "opened_time": opened,
        "last_seen_time": opened,
        "last_seen_audit_task_id": "b",
        "reopened_count": 0,
        "age_days": 0.0,
        **changes,
    }


def _a_fault(problem: str) -> dict[str, Any]:
    return {
        "problem_id": problem,
        "account": "012345678901",
        "region": "eu-west-1",
        "check_name": EXPIRING,
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": problem,
        "reason_code": "REASON",
        "severity": "HIGH",
        "is_suppressed": False,
    }


BUILDERS = SimpleNamespace(
    an_audit=an_audit,
    a_check=a_check,
    a_finding=a_finding,
    an_episode=an_episode,
    a_problem=a_problem,
    episodes=lambda *rows: _frame(EPISODES, rows),
    problems=lambda *rows: _frame(PROBLEMS, rows),
    audits=lambda *rows: _frame(AUDIT_TASKS, rows),
    checks=lambda *rows: _frame(CHECKS, rows),
    findings=lambda *rows: _frame(FINDINGS, rows),
    day=lambda n: DAY0 + timedelta(days=n),
    expiring=EXPIRING,
    logging=LOGGING,
    shared=SHARED,
    new=NEW,
)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Give the builders: rows, tables of rows, and the names that the tests use."""
    return BUILDERS


@pytest.fixture(scope="session")
def engines() -> ModuleType:
    """Give the module of measures and histories that the engines are compared with."""
    path = Path(__file__).parents[1] / "support_engines.py"
    spec = importlib.util.spec_from_file_location("support_engines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
