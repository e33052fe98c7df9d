"""What the engines are compared with: every measure as a call on a dict of tables, and made-up histories.

`tests/metrics` compares pandas and DuckDB over many small histories, `tests/spark` all three engines over one archive
that holds many of them side by side. A measure that is missing here fails `tests/metrics`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from ddreport import history, metrics
from ddreport.metrics.membership import GROUPINGS
from ddreport.metrics.results_controls import AUDIT_DIFFERENCE
from ddreport.schemas import COUNT, FLAG, PULLS, SCHEMAS, TEXT, TIME, Schema, pandas_dtype

Tables = dict[str, Any]

CHECKS = ("expiring", "logging", "shared", "new")
STATUSES = ("ok", "bad", "bad", "failed", "canceled", "waiting", "STRANGE")

INVENTORY = ("certificates", "thing_principals", "things", "thing_group_members", "policy_targets")

MEASURES: dict[str, Callable[[Tables, datetime], pd.DataFrame]] = {
    "compliance": lambda t, _: metrics.compliance(t["audit_tasks"], t["checks"]),
    "compliance_by_check": lambda t, _: metrics.compliance_by_check(t["checks"], audit_tasks=t["audit_tasks"]),
    "compliance_by_check without audits": lambda t, _: metrics.compliance_by_check(t["checks"]),
    "current_checks": lambda t, at: metrics.current_checks(t["checks"], as_of=at, audit_tasks=t["audit_tasks"]),
    "current_findings": lambda t, at: metrics.current_findings(t["findings"], t["checks"], as_of=at),
    "non_compliant_by_severity": lambda t, _: metrics.non_compliant_by_severity(
        t["findings"], t["checks"], audit_tasks=t["audit_tasks"]
    ),
    "non_compliant_by_severity of reports": lambda t, _: metrics.non_compliant_by_severity(
        _reports(t), t["checks"], audit_tasks=t["audit_tasks"]
    ),
    "top_resources": lambda t, _: metrics.top_resources(t["findings"], limit=5),
    "data_gaps": lambda t, at: metrics.data_gaps(
        t["audit_tasks"], t["checks"], start=at - timedelta(days=9), end=at + timedelta(days=9)
    ),
    "certificate_expiry": lambda t, at: metrics.certificate_expiry(t["certificates"], as_of=at, months=3),
    "certificate_expiry by authority": lambda t, at: metrics.certificate_expiry(
        t["certificates"], as_of=at, months=2, by="ca_certificate_id"
    ),
    **{
        f"memberships by {by}": lambda t, _, by=by: metrics.memberships(  # type: ignore[misc]
            t["findings"], **{name: t[name] for name in INVENTORY}, by=by
        )
        for by in GROUPINGS
    },
    "audit_difference": lambda t, _: _difference(t),
    "target_coverage": lambda t, at: metrics.target_coverage(t["pulls"], as_of=at),
    "target_gaps": lambda t, at: metrics.target_gaps(t["pulls"], as_of=at),
}


def _reports(tables: Tables) -> history.Reports:
    return history.reports(tables["findings"], tables["checks"], tables["audit_tasks"])


def _runs(tables: Tables) -> pd.DataFrame:
    return history.check_runs(tables["audit_tasks"], tables["checks"], tables["findings"])


def _difference(tables: Tables) -> pd.DataFrame:
    """Compare the two audits of one account that have the most checks; audits share their ids over accounts."""
    runs = _runs(tables)
    if runs.empty:
        return AUDIT_DIFFERENCE.empty()
    account = runs["account"].value_counts(sort=True).index[0]
    runs = runs[runs["account"] == account]
    fullest = sorted(runs["audit_task_id"].value_counts(sort=True).index[:2])  # one digit each: the order of time
    return metrics.audit_difference(tables["findings"], runs, fullest[0], fullest[-1])


HISTORY: dict[str, Callable[[Tables], pd.DataFrame]] = {
    "list_runs": lambda t: history.list_runs(t["audit_tasks"], t["checks"], t["findings"]),
    "check_runs": _runs,
    "reports": lambda t: history.spans(_reports(t), _runs(t)),
    "spans": lambda t: history.spans(t["findings"], _runs(t)),
    "extend_spans": lambda t: history.extend_spans(history.SPANS.empty(), t["findings"], _runs(t)),
}
"""What the life of problems asks of the findings; all else of `history` works on the small tables made here."""


def figures(tables: Tables, as_of: datetime) -> metrics.KeyFigures:
    """Return the one measure that is no table."""
    return metrics.key_figures(tables["audit_tasks"], tables["checks"], tables["findings"], as_of=as_of)


def some_histories(number: int, *, seed: int) -> list[dict[str, Any]]:
    """Return the audits of `number` accounts with a history each, the same for the same seed."""
    draw = random.Random(seed)
    audits = []
    for account in range(number):
        for day in draw.sample(range(10), draw.randint(0, 7)):
            checks = {}
            for check in draw.sample(CHECKS, draw.randint(0, len(CHECKS))):
                found = [
                    (draw.choice("abc"), draw.choice("xy"), draw.random() < 0.5) for _ in range(draw.randint(0, 4))
                ]
                checks[check] = (draw.choice(STATUSES), found, draw.choice([None, 4, 9]))
            audit = {"day": day, "account": f"{account:012d}", "on_demand": draw.random() < 0.5, "checks": checks}
            audit["twice"] = draw.random() < 0.2
            audits.append(audit | {"status": draw.choice(["COMPLETED", "FAILED", "CANCELED"])})
    return audits


def tables_of(make: Any, history: list[dict[str, Any]]) -> Tables:
    """Return the tables of a history: audits as dicts of day, account, type, status, and per check what it found.

    With `twice`, AWS tells every finding of the audit a second time under another id.
    """
    audits, checks, findings = [], [], []
    for audit in history:
        place = {"account": audit["account"]}
        kind = {"task_type": "ON_DEMAND_AUDIT_TASK", "scheduled_audit_name": None} if audit["on_demand"] else {}
        audits.append(make.an_audit(audit["day"], **place, **kind, task_status=audit["status"]))
        for short, (status, found, total) in audit["checks"].items():
            name = getattr(make, short)
            bad = len({r for r, _, suppressed in found if not suppressed})
            counts = {} if total is None else {"total_resources_count": total, "non_compliant_resources_count": bad}
            checks.append(make.a_check(audit["day"], name, status, **place, **counts))
            if status == "bad":
                rows = {(r, reason): suppressed for r, reason, suppressed in found}
                findings += [
                    make.a_finding(audit["day"], name, r, reason_code=reason, is_suppressed=suppressed, **place)
                    for (r, reason), suppressed in rows.items()
                ]
                if audit.get("twice"):
                    findings += [f | {"finding_id": f"{f['finding_id']}-again"} for f in findings[-len(rows) :] if rows]
    accounts = sorted({audit["account"] for audit in history})
    return {
        "audit_tasks": make.audits(*audits),
        "checks": make.checks(*checks),
        "findings": make.findings(*findings),
        **_inventory(accounts, make.day(0)),
    }


def _inventory(accounts: list[str], at: datetime) -> Tables:
    """Return an inventory of the resources that findings of these accounts name, some known and some not."""
    draw = random.Random(len(accounts))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in INVENTORY}
    for account in accounts:
        place = {"account": account, "region": "eu-west-1"}
        for certificate in draw.sample("abcd", 3):
            end = draw.choice([None, *(at + timedelta(days=n) for n in (-9, 3, 6, 30, 60))])
            status = draw.choice(["ACTIVE", "ACTIVE", "REVOKED"])
            own = {"certificate_id": certificate, "status": status, "not_after_time": end}
            rows["certificates"].append(place | own | {"ca_certificate_id": draw.choice([None, "ca1", "ca2"])})
            thing = f"thing{draw.randint(0, 2)}"
            rows["thing_principals"].append(
                place | {"thing_name": thing, "principal_type": "certificate", "principal_id": certificate}
            )
        for n in range(2):
            thing, group = f"thing{n}", draw.choice(["north", "south"])
            rows["things"].append(place | {"thing_name": thing, "thing_type_name": draw.choice([None, "Pump"])})
            rows["thing_group_members"].append(place | {"thing_name": thing, "thing_group_name": group})
        rows["policy_targets"].append(place | {"policy_name": "p", "target_type": "thing_group", "target_id": "north"})
    tables = {name: _filled(SCHEMAS[name], listed, at) for name, listed in rows.items()}
    return tables | {"pulls": _filled(PULLS, _pulls(accounts, at), at)}


def _pulls(accounts: list[str], at: datetime) -> list[dict[str, Any]]:
    """Return the diary of a few pulls, each account a target; some failed, and some days nobody asked about."""
    draw = random.Random(len(accounts))
    rows = []
    for account in accounts:
        for day in sorted(draw.sample(range(10), 4)):
            then = at + timedelta(days=day)
            ok = draw.random() < 0.7
            row = {"target": f"fleet {account}", "account": account, "region": "eu-west-1", "pulled_time": then}
            row |= {"status": "ok" if ok else "throttled", "problems": "[]", "pull_id": f"{account}-{day}"}
            row |= {"window_start_time": then - timedelta(days=1)}
            rows.append(row | {"window_end_time": then, "audits_listed": ok, "missing_audits_count": 0})
    return rows


def _filled(schema: Schema, rows: list[dict[str, Any]], at: datetime) -> pd.DataFrame:
    """Return a table; what the rows do not give and must be there is `at`, a number or a text that tells nothing."""
    defaults = {TEXT: "-", COUNT: 1, FLAG: True, TIME: at}
    missing = {c.name: None if c.nullable else defaults[c.dtype] for c in schema.columns}
    data = {name: [(missing | row)[name] for row in rows] for name in missing}
    types = {c.name: pandas_dtype(c.dtype) for c in schema.columns}
    return schema.conform(pd.DataFrame({name: pd.Series(values, dtype=types[name]) for name, values in data.items()}))


def as_arrow(name: str, frame: pd.DataFrame) -> pa.Table:
    """Return a table as Arrow, as the archive's files hold it: severities are text."""
    columns = frame.assign(severity=frame["severity"].astype("str")) if "severity" in frame else frame
    return pa.Table.from_pandas(columns, schema=(SCHEMAS | {PULLS.name: PULLS})[name].arrow(), preserve_index=False)


def relations(connection: duckdb.DuckDBPyConnection, tables: Tables) -> Tables:
    """Return the tables as DuckDB relations."""
    made = {}
    for name, frame in tables.items():
        connection.register("given", as_arrow(name, frame))
        connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM given")
        made[name] = connection.table(name)
    return made
