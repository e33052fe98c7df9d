"""Made-up audits of 90 days that look like a company's, as the tables of `ddreport.schemas`, without any emulator.

What happens: certificates slip towards their expiry and some are renewed; two policies grant everything until day 55
and one comes back; a certificate is shared for three weeks; logging is switched off twice; one audit fails half-way,
one day has none, two on-demand audits run two checks each. Many names are hostile.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from ddreport import history
from ddreport.catalogue import describe_check
from ddreport.schemas import AUDIT_TASKS, CHECKS, FINDINGS, MITIGATION_EXECUTIONS, MITIGATION_TASKS

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"

HOSTILE = (
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    '"><svg onload=window.owned=1>',
    "'-window.owned=1-'",
    "javascript:window.owned=1//",
    "{{constructor.constructor('window.owned=1')()}}",
    "</script><script>window.owned=1</script>",
    "</style><style>body{display:none}</style>",
    "<!--<script>",
    "]]><!DOCTYPE x>",
    "invoice\u202egpj.exe",
    "pump\u200b\u200d01",
    "\x1b[2J\x1b]0;owned\x07",
    "=HYPERLINK(1,2)",
    "%{customdata}<b>bold</b><a href='javascript:window.owned=1'>x</a>",
    "\u0645\u0636\u062e\u0629-17",
    "a" + "\u0301" * 40,
    "x" * 300,
    "url(javascript:window.owned=1)",
    "&lt;script&gt;window.owned=1&lt;/script&gt;",
)

LOGGING, EXPIRING, CA, AGE, POLICY, SHARED, CLIENTS, FUTURE = (
    "LOGGING_DISABLED_CHECK",
    "DEVICE_CERTIFICATE_EXPIRING_CHECK",
    "CA_CERTIFICATE_EXPIRING_CHECK",
    "DEVICE_CERTIFICATE_AGE_CHECK",
    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK",
    "DEVICE_CERTIFICATE_SHARED_CHECK",
    "CONFLICTING_CLIENT_IDS_CHECK",
    "FUTURE_<b>QUANTUM</b>_CHECK",
)
CHECK_NAMES = (LOGGING, EXPIRING, CA, AGE, POLICY, SHARED, CLIENTS, FUTURE)
RESOURCES = {LOGGING: 1, EXPIRING: 1504, CA: 6, AGE: 1504, POLICY: 38, SHARED: 1504, CLIENTS: 1480, FUTURE: 12}
KINDS = {
    LOGGING: "ACCOUNT_SETTINGS",
    EXPIRING: "DEVICE_CERTIFICATE",
    CA: "CA_CERTIFICATE",
    AGE: "DEVICE_CERTIFICATE",
    POLICY: "IOT_POLICY",
    SHARED: "DEVICE_CERTIFICATE",
    CLIENTS: "CLIENT_ID",
    FUTURE: "QUANTUM_LINK",
}


@dataclass
class FakeData:
    """What `ddreport.load` returns, as far as a report asks for it."""

    audit_tasks: pd.DataFrame
    checks: pd.DataFrame
    findings: pd.DataFrame
    as_of: datetime = AS_OF
    start: datetime = AS_OF - timedelta(days=90)
    end: datetime = AS_OF + timedelta(seconds=1)
    targets: list[str] = field(default_factory=lambda: ["demo"])
    accounts: list[str] = field(default_factory=lambda: [ACCOUNT])
    regions: list[str] = field(default_factory=lambda: [REGION])
    emulated: bool = True
    fingerprint: str = "9f2c" * 16
    notes: list[str] = field(default_factory=list)
    mitigation_tasks: pd.DataFrame = field(default_factory=MITIGATION_TASKS.empty)
    mitigation_executions: pd.DataFrame = field(default_factory=MITIGATION_EXECUTIONS.empty)

    @property
    def problems(self) -> pd.DataFrame:
        """Every problem as of `as_of`."""
        runs = history.check_runs(self.audit_tasks, self.checks, self.findings)
        return history.problems(history.spans(self.findings, runs), runs, as_of=self.as_of)


def _bad_resources(day: int, rng: random.Random, certificates: list[str]) -> dict[str, list[str]]:
    """Return who fails which check on a day of the story."""
    renewed = 60 if day > 62 else 0
    expiring = certificates[renewed : renewed + 18 + day]
    policies = ["fleet-default", HOSTILE[0], HOSTILE[14]][: 3 if day < 55 else (1 if day > 71 else 0)]
    return {
        LOGGING: [ACCOUNT] if 12 <= day < 15 or 47 <= day < 49 else [],
        EXPIRING: [*HOSTILE[1:3], *expiring],
        CA: ["ca-" + "7" * 60] if day > 20 else [],
        AGE: [HOSTILE[1], *certificates[66:70], *certificates[600 : 686 + day // 2]],
        POLICY: policies,
        SHARED: [certificates[3], HOSTILE[6]]
        if 30 <= day < 51
        else ([HOSTILE[6], certificates[66]] if day > 84 else []),
        CLIENTS: [*HOSTILE[10:18], "press-07"][: max(0, 9 - day // 12)],
        FUTURE: [HOSTILE[3]] if rng.random() < 0.15 or day > 87 else [],
    }


def report_data(
    *, days: int = 90, account: str = ACCOUNT, region: str = REGION, seed: int = 3, **more: Any
) -> FakeData:
    """Make the story of the module's first lines; `more` replaces fields of `FakeData`."""
    rng = random.Random(seed)
    certificates = ["".join(rng.choice("0123456789abcdef") for _ in range(64)) for _ in range(1500)]
    tasks: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for day in range(days + 1):
        start = AS_OF - timedelta(days=days - day) - timedelta(seconds=rng.randrange(240) if day < days else 0)
        bad = _bad_resources(day, rng, certificates)
        if day != 61:
            _audit(
                start, f"{seed}{day:031d}", bad, CHECK_NAMES, (account, region), tasks, runs, found, failed=day == 40
            )
        if day in (33, 70):
            later = start + timedelta(hours=5)
            _audit(
                later, f"{seed}{day:030d}d", bad, (SHARED, POLICY), (account, region), tasks, runs, found, demand=True
            )
    findings = FINDINGS.conform(pd.DataFrame(found, columns=FINDINGS.column_names))
    launches, executions = _mitigations(findings, f"{seed}{54:031d}", (account, region))
    fields: dict[str, Any] = {
        "start": AS_OF - timedelta(days=days),
        "accounts": [account],
        "regions": [region],
        "mitigation_tasks": launches,
        "mitigation_executions": executions,
    }
    return FakeData(
        AUDIT_TASKS.conform(pd.DataFrame(tasks)),
        CHECKS.conform(pd.DataFrame(runs)),
        findings,
        **(fields | more),
    )


def _mitigations(
    findings: pd.DataFrame, audit_task_id: str, place: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make one plan of two AWS tasks: the policies of an audit are blanked, certificates deactivated, one not."""
    own = findings[findings["audit_task_id"] == audit_task_id]
    keys = {"account": place[0], "region": place[1]}
    launches: list[dict[str, Any]] = []
    executions: list[dict[str, Any]] = []
    for number, (check, action) in enumerate({POLICY: "Blank <b>policy</b>", EXPIRING: "Deactivate"}.items(), start=1):
        treated = own[own["check_name"] == check].head(20)
        if treated.empty:
            continue
        start = treated["task_start_time"].iloc[0] + timedelta(hours=3, minutes=number)
        task = f"ddreport-0123456789abcdef-{number:04d}"
        counts = {n: 0 for n in MITIGATION_TASKS.column_names if n.endswith("_count")}
        launches.append(
            {
                **keys,
                **counts,
                "mitigation_task_id": task,
                "task_status": "COMPLETED",
                "start_time": start,
                "end_time": start + timedelta(minutes=1),
                "total_findings_count": len(treated),
                "target": "{}",
                "check_to_actions": "{}",
                "emulated": True,
            }
        )
        executions += [
            {
                **keys,
                "mitigation_task_id": task,
                "finding_id": finding,
                "action_name": action,
                "status": "FAILED" if place_of == 3 else "COMPLETED",
            }
            for place_of, finding in enumerate(treated["finding_id"])
        ]
    return (
        MITIGATION_TASKS.conform(pd.DataFrame(launches, columns=MITIGATION_TASKS.column_names)),
        MITIGATION_EXECUTIONS.conform(pd.DataFrame(executions, columns=MITIGATION_EXECUTIONS.column_names)),
    )


def _audit(
    start: datetime,
    task: str,
    bad: dict[str, list[str]],
    names: tuple[str, ...],
    place: tuple[str, str],
    tasks: list[dict[str, Any]],
    runs: list[dict[str, Any]],
    found: list[dict[str, Any]],
    *,
    failed: bool = False,
    demand: bool = False,
) -> None:
    keys = {"account": place[0], "region": place[1], "audit_task_id": task, "task_start_time": start}
    counts = {"compliant": 0, "non_compliant": 0, "failed": 0}
    for name in names:
        broken = failed and name in (EXPIRING, AGE, SHARED)
        resources = [] if broken else bad[name]
        outcome = "failed" if broken else "non_compliant" if resources else "compliant"
        counts[outcome] += 1
        runs.append(
            keys
            | {
                "check_name": name,
                "check_run_status": "FAILED" if broken else f"COMPLETED_{outcome.upper()}",
                "check_compliant": None if broken else not resources,
                "total_resources_count": None if broken else RESOURCES[name],
                "non_compliant_resources_count": None if broken else len(resources),
                "suppressed_non_compliant_resources_count": None if broken else (2 if name == AGE else 0),
                "error_code": "INSUFFICIENT_PERMISSIONS" if broken else None,
                "message": "The role <b>DDRole</b> lacks iot:GetPolicy." if broken else None,
            }
        )
        found += [_finding(keys, name, resource, i, start) for i, resource in enumerate(resources)]
        if name == AGE and not broken:
            found += [_finding(keys, name, f"old-{i}", 9000 + i, start, suppressed=True) for i in range(2)]
    tasks.append(
        keys
        | {
            "task_status": "FAILED" if failed else "COMPLETED",
            "task_type": "ON_DEMAND_AUDIT_TASK" if demand else "SCHEDULED_AUDIT_TASK",
            "scheduled_audit_name": None if demand else "AWSIoTDeviceDefenderDailyAudit",
            "total_checks_count": len(names),
            "compliant_checks_count": counts["compliant"],
            "non_compliant_checks_count": counts["non_compliant"],
            "failed_checks_count": counts["failed"],
            "canceled_checks_count": 0,
            "in_progress_checks_count": 0,
            "waiting_for_data_collection_checks_count": 0,
            "emulated": True,
        }
    )


def _finding(
    keys: dict[str, Any], name: str, resource: str, number: int, start: datetime, *, suppressed: bool = False
) -> dict[str, Any]:
    check = describe_check(name)
    reasons = [code for code, _ in check.reason_codes] or ["QUANTUM_<i>DECAY</i>"]
    expires = start + timedelta(days=5 + number % 25) if "EXPIRING" in name else None
    return keys | {
        "finding_id": f"{keys['audit_task_id'][:20]}{CHECK_NAMES.index(name)}{number:05d}",
        "check_name": name,
        "finding_time": start + timedelta(seconds=40),
        "severity": str(check.severity or "HIGH"),
        "resource_type": KINDS[name],
        "resource_id": resource,
        "policy_version_id": "1" if name == POLICY else None,
        "reason_code": reasons[number % len(reasons)],
        "reason": "Because <script>window.owned=1</script>",
        "is_suppressed": suppressed,
        "expiration_time": expires,
        "related_resources_count": 0,
        "resource_identifier": json.dumps({"id": resource}),
        "additional_info": None,
    }
