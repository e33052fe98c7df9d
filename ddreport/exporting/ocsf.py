"""Problems as OCSF Compliance Findings (class 2003 of the Open Cybersecurity Schema Framework).

One event per problem. `finding_info.uid` is the `problem_id`, so the next export updates the same finding instead of
adding one; `activity_id` says whether it was created, updated or closed. A problem that nobody can or will look at
stays open with the compliance status Warning, never closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import controls, describe_check
from ddreport.terms import ProblemState, partition_of
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pandas as pd

VERSION = "1.5.0"
"""Version of OCSF."""

_CLASS = 2003
_CATEGORY = 2
_SEVERITY = {"CRITICAL": (5, "Critical"), "HIGH": (4, "High"), "MEDIUM": (3, "Medium"), "LOW": (2, "Low")}
_CREATE, _UPDATE, _CLOSE = (1, "Create"), (2, "Update"), (3, "Close")
_ACTIVITY = {ProblemState.NEW: _CREATE, ProblemState.RESOLVED: _CLOSE}
_STATUS = {
    ProblemState.NEW: (1, "New"),
    ProblemState.OPEN: (2, "In Progress"),
    ProblemState.REOPENED: (1, "New"),
    ProblemState.SUPPRESSED: (3, "Suppressed"),
    ProblemState.RESOLVED: (4, "Resolved"),
    ProblemState.UNKNOWN: (0, "Unknown"),
    ProblemState.OUT_OF_SCOPE: (0, "Unknown"),
}
_COMPLIANCE = {
    ProblemState.RESOLVED: (1, "Pass"),
    ProblemState.UNKNOWN: (2, "Warning"),
    ProblemState.OUT_OF_SCOPE: (2, "Warning"),
}


def ocsf_findings(problems: pd.DataFrame, *, as_of: datetime, emulated: bool) -> Iterator[dict[str, Any]]:
    """Yield one Compliance Finding per problem, as JSON takes it.

    Parameters
    ----------
    problems
        `history.PROBLEMS`.
    as_of
        The moment that the states are of, aware.
    emulated
        Whether the accounts are the emulator's; said in `metadata.labels` and in `unmapped`.
    """
    standards = _controls()
    for row in problems.to_dict("records"):
        yield _finding({str(k): v for k, v in row.items()}, as_of, standards, emulated=emulated)


def _controls() -> dict[str, dict[str, list[str]]]:
    """Return, by check, the ids of controls by framework; only those that are sure."""
    found: dict[str, dict[str, list[str]]] = {}
    for control in controls():
        if control.confidence == "sure":
            framework = f"{control.framework} {control.framework_version}".strip()
            found.setdefault(control.check_name, {}).setdefault(framework, []).append(control.control_id)
    return found


def _finding(
    row: dict[str, Any], as_of: datetime, standards: dict[str, dict[str, list[str]]], *, emulated: bool
) -> dict[str, Any]:
    state = ProblemState(row["state"])
    check = describe_check(row["check_name"])
    severity_id, severity = _SEVERITY.get(str(row["severity"]), (0, "Unknown"))
    activity_id, activity = _ACTIVITY.get(state, _UPDATE)
    status_id, status = _STATUS[state]
    passed, verdict = _COMPLIANCE.get(state, (3, "Fail"))
    resolved = row["resolved_time"] if state is ProblemState.RESOLVED else None
    changed = milliseconds(resolved if resolved is not None else row["last_seen_time"])
    frameworks = standards.get(row["check_name"], {})
    note = row["state_note"] if isinstance(row["state_note"], str) else None
    return {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_name": "Findings",
        "category_uid": _CATEGORY,
        "class_name": "Compliance Finding",
        "class_uid": _CLASS,
        "type_uid": _CLASS * 100 + activity_id,
        "type_name": f"Compliance Finding: {activity}",
        "time": milliseconds(as_of),
        "timezone_offset": 0,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": state.value,
        **({"status_detail": note} if note else {}),
        "message": f"{check.title}: {check.explain(row['reason_code'])}",
        "metadata": {
            "version": VERSION,
            "uid": f"{row['problem_id']}-{milliseconds(as_of)}",
            "event_code": row["check_name"],
            "log_provider": "AWS IoT Device Defender Audit",
            "profiles": ["cloud"],
            "labels": [f"emulated:{str(emulated).lower()}"],
            "product": {
                "name": "ddreport",
                "vendor_name": "ddreport",
                "uid": "ddreport",
                "version": __version__,
                "feature": {"name": "AWS IoT Device Defender Audit"},
            },
        },
        "cloud": {
            "provider": "AWS",
            "region": row["region"],
            "account": {"name": row["account"], "uid": row["account"], "type": "AWS Account", "type_id": 10},
        },
        "finding_info": {
            "uid": row["problem_id"],
            "title": check.title,
            "desc": check.rule or check.title,
            "types": [row["reason_code"]],
            "data_sources": [row["last_seen_audit_task_id"]],
            "created_time": milliseconds(row["first_seen_time"]),
            "first_seen_time": milliseconds(row["first_seen_time"]),
            "last_seen_time": milliseconds(row["last_seen_time"]),
            "modified_time": changed,
        },
        "compliance": {
            "control": check.title,
            "standards": list(frameworks) or ["AWS IoT Device Defender Audit"],
            "requirements": [f"{name}: {control}" for name, ids in frameworks.items() for control in ids],
            "status_id": passed,
            "checks": [
                {
                    "uid": row["check_name"],
                    "name": check.title,
                    "severity_id": severity_id,
                    "status_id": passed,
                    "status": verdict,
                }
            ],
        },
        "remediation": {
            "desc": check.fix or "See the documentation of the check.",
            "references": [check.doc_url] if check.doc_url else [],
        },
        "resources": [
            {
                "uid": row["resource_id"],
                "name": row["resource_id"],
                "type": row["resource_type"],
                "region": row["region"],
                "cloud_partition": partition_of(row["region"]),
                "group": {"name": "iot"},
            }
        ],
        "unmapped": {
            "state": state.value,
            "reopened_count": int(row["reopened_count"]),
            "opened_time": milliseconds(row["opened_time"]),
            "is_suppressed": bool(row["is_suppressed"]),
            "emulated": emulated,
        },
    }


def milliseconds(value: Any) -> int:
    """Return an aware time as milliseconds since 1970, as OCSF counts."""
    return int(value.timestamp() * 1000)
