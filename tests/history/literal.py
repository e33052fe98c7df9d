"""Small literal histories: audits told line by line, as tables and as what the lifecycle makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport import history as hs
from ddreport.schemas import AUDIT_TASKS, CHECK_CONFIGURATIONS, CHECKS, FINDINGS
from ddreport.tables import findings_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DAY0 = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
ACCOUNT, REGION = "012345678901", "eu-west-1"

LOGGING = "LOGGING_DISABLED_CHECK"
SHARED = "DEVICE_CERTIFICATE_SHARED_CHECK"
CONFLICT = "CONFLICTING_CLIENT_IDS_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
AGE = "DEVICE_CERTIFICATE_AGE_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
GUESTS = "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
USERS = "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"

STATUS = {
    "failed": "FAILED",
    "canceled": "CANCELED",
    "waiting": "WAITING_FOR_DATA_COLLECTION",
    "running": "IN_PROGRESS",
}


def day(number: float) -> datetime:
    """Return the moment so many days after the first one, 2 March 2026 09:15 UTC."""
    return DAY0 + timedelta(days=number)


def report(resource_id: str = "r1", reason: str = "REASON", **changes: Any) -> dict[str, Any]:
    """Return what a check reports of one resource."""
    return {"resource_id": resource_id, "reason_code": reason, **changes}


@dataclass
class Told:
    """A history of audits in the making."""

    audits: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    records: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    _known: tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame] | None = None

    def audit(
        self,
        at: float,
        checks: Mapping[str, Any],
        *,
        schedule: str | None = "daily",
        account: str = ACCOUNT,
        region: str = REGION,
        audit_id: str | None = None,
        task_status: str = "COMPLETED",
    ) -> str:
        """Add an audit on a day.

        Each check maps to what it reports: a list of resource ids and of `report(...)`, which may be empty; or to a
        key of `STATUS`, or another status as text; or to a dict of columns with `reports` for the list.
        """
        assert self._known is None
        number = audit_id or f"a{at:g}"
        place = {"account": account, "region": region, "audit_task_id": number, "task_start_time": day(at)}
        counts = {name: 0 for name in AUDIT_TASKS.column_names if name.endswith("_count")}
        kind = "SCHEDULED_AUDIT_TASK" if schedule else "ON_DEMAND_AUDIT_TASK"
        self.audits.append(
            {**place, "task_status": task_status, "task_type": kind, "scheduled_audit_name": schedule, "emulated": True}
            | counts
        )
        for name, told in checks.items():
            self._check(place, name, told)
        return number

    def _check(self, place: dict[str, Any], name: str, told: Any) -> None:
        columns: dict[str, Any] = {"reports": told} if isinstance(told, list) else {}
        if isinstance(told, str):
            columns = {"reports": [], "check_run_status": STATUS.get(told, told)}
        elif not isinstance(told, list):
            columns = {"reports": [], **told}
        reports = [report(r) if isinstance(r, str) else r for r in columns.pop("reports")]
        verdict = "COMPLETED_NON_COMPLIANT" if reports else "COMPLETED_COMPLIANT"
        self.checks.append({**place, "check_name": name, "check_run_status": verdict, **columns})
        for number, told_of in enumerate(reports):
            if "nonCompliantResource" in told_of:
                self.records.append((place, {"checkName": name, "findingId": f"{name}-{number}", **told_of}))
                continue
            self.findings.append(
                {
                    **place,
                    "finding_id": f"{place['audit_task_id']}-{name}-{number}",
                    "check_name": name,
                    "finding_time": place["task_start_time"],
                    "severity": "HIGH",
                    "resource_type": "DEVICE_CERTIFICATE",
                    "is_suppressed": False,
                    "related_resources_count": 0,
                    "resource_identifier": "{}",
                    **told_of,
                }
            )

    def configuration(
        self, at: float, checks: Mapping[str, bool | int], *, account: str = ACCOUNT, region: str = REGION
    ) -> None:
        """Add a stored state: each check on or off, or on with so many days as its threshold."""
        for name, value in checks.items():
            self.states.append(
                {
                    "account": account,
                    "region": region,
                    "observed_time": day(at),
                    "check_name": name,
                    "enabled": bool(value),
                    "threshold_days": None if isinstance(value, bool) else value,
                }
            )

    def look(self, at: float, *, account: str = ACCOUNT, region: str = REGION) -> None:
        """Add a look at the configuration that found nothing new."""
        self.looks.append({"account": account, "region": region, "observed_time": day(at)})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return audit_tasks, checks, findings, check_configurations and observations."""
        made = [
            findings_table(
                [record | {"severity": "HIGH"}],
                account=place["account"],
                region=place["region"],
                audit_task_id=place["audit_task_id"],
                task_start_time=place["task_start_time"],
            )
            for place, record in self.records
        ]
        findings = table(FINDINGS, self.findings)
        columns = ["account", "region", "observed_time"]
        looks = pd.DataFrame(self.looks, columns=columns)
        return {
            "audit_tasks": table(AUDIT_TASKS, self.audits),
            "checks": table(CHECKS, self.checks),
            "findings": FINDINGS.conform(pd.concat([findings, *made])) if made else findings,
            "check_configurations": table(CHECK_CONFIGURATIONS, self.states),
            "observations": looks.astype({"observed_time": "datetime64[us, UTC]", "account": "str", "region": "str"}),
        }

    def runs(self) -> pd.DataFrame:
        """Return what each run proves."""
        return self._reduced()[1]

    def problems(self, at: float) -> pd.DataFrame:
        """Return every problem with its state on a day."""
        tables, runs, spans = self._reduced()
        return hs.problems(spans, runs, as_of=day(at), check_configurations=tables["check_configurations"])

    def episodes(self) -> pd.DataFrame:
        """Return every episode of every problem."""
        _, runs, spans = self._reduced()
        return hs.episodes(spans, runs)

    def _reduced(self) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
        """Return tables, runs and spans; nothing may be told after the first question."""
        if self._known is None:
            tables = self.tables()
            runs = runs_of(tables)
            self._known = (tables, runs, hs.spans(tables["findings"], runs))
        return self._known

    def problem(self, at: float, resource_id: str = "r1") -> Any:
        """Return the only problem of a resource on a day."""
        found = self.problems(at)
        rows = found[found["resource_id"] == resource_id]
        assert len(rows) == 1
        return rows.iloc[0]

    def states_of(self, days: Iterable[float], resource_id: str = "r1") -> list[str]:
        """Return the states of the only problem of a resource on several days."""
        return [str(self.problem(at, resource_id)["state"]) for at in days]


def runs_of(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what each run proves, from the five tables."""
    return hs.check_runs(
        tables["audit_tasks"],
        tables["checks"],
        tables["findings"],
        check_configurations=tables["check_configurations"],
        observations=tables["observations"],
    )


def problems_of(tables: Mapping[str, pd.DataFrame], at: float) -> pd.DataFrame:
    """Return every problem with its state on a day, from the five tables."""
    runs = runs_of(tables)
    states = tables["check_configurations"]
    return hs.problems(hs.spans(tables["findings"], runs), runs, as_of=day(at), check_configurations=states)


def table(schema: Any, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table of the schema; what is not given is missing."""
    if not rows:
        return schema.empty()
    return schema.conform(pd.DataFrame([{n: row.get(n) for n in schema.column_names} for row in rows]))
