"""Random histories of audits, and the tables that AWS would have given of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from ddreport.schemas import AUDIT_TASKS, CHECK_CONFIGURATIONS, CHECKS, FINDINGS

START = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)

CHECK_NAMES = [
    "LOGGING_DISABLED_CHECK",
    "DEVICE_CERTIFICATE_SHARED_CHECK",
    "DEVICE_CERTIFICATE_EXPIRING_CHECK",
    "DEVICE_CERTIFICATE_AGE_CHECK",
    "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
    "BRAND_NEW_CHECK",
]
REASONS = {
    "DEVICE_CERTIFICATE_EXPIRING_CHECK": ["CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_EXPIRATION"],
    "DEVICE_CERTIFICATE_AGE_CHECK": ["CERTIFICATE_PAST_AGE_THRESHOLD"],
}
STATUSES = ["COMPLETED_NON_COMPLIANT"] * 5 + ["COMPLETED_COMPLIANT"] * 3
STATUSES += ["FAILED", "CANCELED", "WAITING_FOR_DATA_COLLECTION", "STRANGE"]


@st.composite
def histories(draw: st.DrawFn, *, audits: int = 20) -> dict[str, Any]:
    """Draw audits, observed configurations and looks at them (a look that finds nothing new stores no state)."""
    accounts = draw(st.sampled_from([["1"], ["1", "2", "3"]]))
    names = draw(st.lists(st.sampled_from(CHECK_NAMES), min_size=1, max_size=6, unique=True))
    hours = st.integers(0, 24 * 14)
    made = []
    for number in range(draw(st.integers(0, audits))):
        checks = {}
        for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=6, unique=True)):
            status = draw(st.sampled_from(STATUSES))
            findings = draw(st.lists(_findings(name), max_size=4)) if status != "COMPLETED_COMPLIANT" else []
            unsuppressed = sum(not f["is_suppressed"] for f in findings)
            checks[name] = {
                "status": status,
                "findings": findings,
                "counted": draw(st.sampled_from([None, unsuppressed, unsuppressed, unsuppressed + 5])),
                "total": draw(st.sampled_from([None, 9, 9, 0])),
                "error_code": draw(st.sampled_from([None, "AUDIT_CHECK_DISABLED"])) if status == "FAILED" else None,
            }
        made.append(
            {
                "id": f"a{number:02}",
                "account": draw(st.sampled_from(accounts)),
                # Coarse, so that audits begin at the same moment now and then.
                "start": START + timedelta(hours=draw(st.integers(0, 28)) * 12),
                "schedule": draw(st.sampled_from([None, "daily", "daily", "weekly"])),
                "checks": checks,
            }
        )
    states = []
    for time in sorted(draw(st.lists(hours, max_size=4, unique=True))):
        checks = {
            name: {"enabled": draw(st.booleans()) or draw(st.booleans()), "days": draw(st.sampled_from([None, 60, 90]))}
            for name in names
        }
        states.append(
            {"account": draw(st.sampled_from(accounts)), "time": START + timedelta(hours=time), "checks": checks}
        )
    looks = [(draw(st.sampled_from(accounts)), START + timedelta(hours=h)) for h in draw(st.lists(hours, max_size=4))]
    return {"audits": made, "states": states, "looks": looks}


@st.composite
def _findings(draw: st.DrawFn, check_name: str) -> dict[str, Any]:
    return {
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": draw(st.sampled_from("pqr")),
        "reason_code": draw(st.sampled_from(REASONS.get(check_name, ["X", "Y"]))),
        "is_suppressed": draw(st.sampled_from([False, False, True])),
        "policy_version_id": draw(st.sampled_from([None, None, "1", "2"])),
    }


def tables(history: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the typed tables of a history: audit_tasks, checks, findings, check_configurations, observations."""
    audits, checks, findings = [], [], []
    for audit in history["audits"]:
        place = {
            "account": audit["account"],
            "region": "eu-west-1",
            "audit_task_id": audit["id"],
            "task_start_time": audit["start"],
        }
        kind = "SCHEDULED_AUDIT_TASK" if audit["schedule"] else "ON_DEMAND_AUDIT_TASK"
        counts = {n: 0 for n in AUDIT_TASKS.column_names if n.endswith("_count")}
        audits.append(
            {**place, "task_status": "COMPLETED", "task_type": kind, "emulated": True, **counts}
            | {"scheduled_audit_name": audit["schedule"]}
        )
        for name, facts in audit["checks"].items():
            checks.append(
                {**place, "check_name": name, "check_run_status": facts["status"], "error_code": facts["error_code"]}
                | {"non_compliant_resources_count": facts["counted"], "total_resources_count": facts["total"]}
            )
            findings += [
                {
                    **place,
                    "finding_id": f"{audit['id']}-{name}-{number}",
                    "check_name": name,
                    "finding_time": audit["start"],
                    "severity": "HIGH",
                    "related_resources_count": 0,
                    "resource_identifier": "{}",
                    **finding,
                }
                for number, finding in enumerate(facts["findings"])
            ]
    states = [
        {
            "account": s["account"],
            "region": "eu-west-1",
            "observed_time": s["time"],
            "check_name": name,
            "enabled": facts["enabled"],
            "threshold_days": facts["days"],
        }
        for s in history["states"]
        for name, facts in s["checks"].items()
    ]
    looks = pd.DataFrame(
        {
            "account": pd.Series([a for a, _ in history["looks"]], dtype="str"),
            "region": pd.Series(["eu-west-1" for _ in history["looks"]], dtype="str"),
            "observed_time": pd.Series([t for _, t in history["looks"]], dtype="datetime64[us, UTC]"),
        }
    )
    return {
        "audit_tasks": frame(AUDIT_TASKS, audits),
        "checks": frame(CHECKS, checks),
        "findings": frame(FINDINGS, findings),
        "check_configurations": frame(CHECK_CONFIGURATIONS, states),
        "observations": looks,
    }


def frame(schema: Any, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table of the schema; what is not given is missing."""
    if not rows:
        return schema.empty()
    return schema.conform(pd.DataFrame([{n: row.get(n) for n in schema.column_names} for row in rows]))
