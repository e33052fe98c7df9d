"""Archives of any size, made up but in every column as AWS would have it; the same arguments give the same bytes.

Each account and Region (a place) has a fixed population of problems, of which about `findings` are open at a time. Each
day a share of them is fixed; as many come instead: new ones and old ones that come back. Every audit reports what is
open then, so a problem has a new finding id each day, as with AWS. Some problems are suppressed from some day on, a
check fails now and then, a partial on-demand audit comes in between, policies get new versions, and half-way the
threshold of the expiry check is raised. AWS's answers are there too, but only the first findings of each audit.

    python tests/benchmarks/synthetic.py OUT --audits 365 --findings 10000

One audit after the other is made and written: the memory needed does not grow with the number of audits.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ddreport.archive import Archive
from ddreport.archive.layout import KINDS
from ddreport.catalogue import checks as catalogue
from ddreport.records import RawResponse, RecordSet
from ddreport.schemas import SCHEMAS
from ddreport.workflows.pulling.status import TargetStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.catalogue import Check

REGIONS = ("eu-west-1", "us-east-1", "ap-southeast-2", "eu-central-1")
FIRST_ACCOUNT = 12_345_678_901  # with a 0 in front: account ids are text
SCHEDULE = "AWSIoTDeviceDefenderDailyAudit"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
THRESHOLD_KEY = "CERT_EXPIRATION_THRESHOLD_IN_DAYS"
RAW_FINDINGS = 10
POLICY_VERSION_DAYS = 120

# Shares of a fleet's problems by kind of resource: most are certificates; an account's settings are there only once.
WEIGHTS = {
    "DEVICE_CERTIFICATE": 15.0,
    "CLIENT_ID": 8.0,
    "IOT_POLICY": 6.0,
    "ROLE_ALIAS": 2.0,
    "COGNITO_IDENTITY_POOL": 1.0,
    "CA_CERTIFICATE": 1.0,
    "ISSUER_CERTIFICATE": 1.0,
    "ACCOUNT_SETTINGS": 0.0,
}

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@dataclass(frozen=True)
class Plan:
    """What to make.

    Attributes
    ----------
    audits
        Scheduled audits per place, one a day.
    findings
        Findings per scheduled audit and place, about.
    accounts, regions
        Number of places: each account in each Region.
    seed
        Another seed, another story.
    start
        Of the first audit.
    churn
        Share of the open problems that is fixed each day and replaced.
    reopened
        Share of the replacements that are fixed problems come back; the others are new.
    suppressed
        Share of problems that get suppressed at some time.
    failed
        Share of check runs that fail.
    on_demand_days
        A partial on-demand audit every so many days; 0 for none.
    """

    audits: int = 365
    findings: int = 10_000
    accounts: int = 1
    regions: int = 1
    seed: int = 1
    start: datetime = field(default=datetime(2025, 1, 1, 3, 17, 5, 123_000, tzinfo=UTC))
    churn: float = 0.02
    reopened: float = 0.25
    suppressed: float = 0.05
    failed: float = 0.004
    on_demand_days: int = 30

    @property
    def places(self) -> list[tuple[str, str]]:
        """Each account with each Region."""
        accounts = [f"{FIRST_ACCOUNT + i:012d}" for i in range(self.accounts)]
        return [(account, REGIONS[i % len(REGIONS)]) for account in accounts for i in range(self.regions)]


def write_archive(out: Path, plan: Plan, *, first: int = 0, progress: bool = False) -> int:
    """Write the archive that `plan` asks for, from audit number `first` on; return the number of finding rows."""
    archive = Archive.open(out, create=True)
    began, rows = time.perf_counter(), 0
    for number, records in enumerate(record_sets(plan, first=first), start=1):
        pulled_time = records.time + timedelta(minutes=10)
        append = archive.append_state if records.kind == "state" else archive.append
        append(records, pulled_time=pulled_time)
        if records.kind == "audit":
            rows += records.tables["findings"].num_rows
            archive.record_pull(pulled_time, _pull(records, pulled_time))
        if progress and number % 20 == 0:
            spent = time.perf_counter() - began
            sys.stderr.write(f"\r{records.time:%Y-%m-%d}  {rows:,} findings  {spent:.0f} s ")
            sys.stderr.flush()
    if progress:
        sys.stderr.write(f"\r{rows:,} findings in {time.perf_counter() - began:.1f} s          \n")
    return rows


def record_sets(plan: Plan, *, first: int = 0) -> Iterator[RecordSet]:
    """Yield the states and audits of all places, day by day; audit tables are Arrow tables with a schema's columns."""
    places = [_Place(plan, number, *place) for number, place in enumerate(plan.places)]
    for day in range(plan.audits):
        for place in places:
            place.live_a_day(day)
            if day < first:
                continue
            if day in (0, plan.audits // 2):
                yield place.state(day, threshold_days=30 if day == 0 else 60)
            yield place.audit(day)
            if plan.on_demand_days and day % plan.on_demand_days == plan.on_demand_days - 1:
                yield place.audit(day, on_demand=True)


def _pull(records: RecordSet, pulled_time: datetime) -> dict[str, Any]:
    """Return how the pull went that brought an audit; it looked at the configuration as well."""
    status = TargetStatus(
        target=f"{records.account}-{records.region}",
        pull_id=records.identity,
        time=pulled_time,
        account=records.account,
        region=records.region,
        emulated=True,
        audits_listed=True,
        new_audits_count=1,
        new_findings_count=records.tables["findings"].num_rows,
        state_seen=True,
        window_start=(records.time - timedelta(days=1)).isoformat(),
        window_end=pulled_time.isoformat(),
    )
    return status.as_dict()


class _Place:
    """One account in one Region: its population of problems, in columns, and which of them are open."""

    def __init__(self, plan: Plan, number: int, account: str, region: str) -> None:
        self.plan, self.number, self.account, self.region = plan, number, account, region
        self.checks = list(catalogue().values())
        fixed = round(plan.findings * plan.churn)
        self.fixed_daily = fixed
        self.reopened_daily = round(fixed * plan.reopened)
        # Nothing was fixed before the second day, so that nothing can come back on it: then all are new.
        size = plan.findings + max(0, plan.audits - 1) * (fixed - self.reopened_daily) + self.reopened_daily
        rng = self._random(0)
        weights = np.array([WEIGHTS[str(c.resource_type)] for c in self.checks])
        self.check = rng.choice(len(self.checks), size=size, p=weights / weights.sum()).astype(np.int16)
        alone = [i for i, c in enumerate(self.checks) if c.resource_type == "ACCOUNT_SETTINGS"]
        self.check[: len(alone)] = alone[:size]
        # The n-th problem of a check is about the n-th resource of its type, so that resources fail several checks.
        order = np.argsort(self.check, kind="stable")
        counts = np.bincount(self.check, minlength=len(self.checks))
        self.resource = np.empty(size, dtype=np.int64)
        self.resource[order] = np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts)
        self.resources_count = {
            i: int(counts[i] * 1.3) + 5 if c.resource_type != "ACCOUNT_SETTINGS" else 1
            for i, c in enumerate(self.checks)
        }
        silenced = rng.random(size) < plan.suppressed
        self.suppressed_from = np.where(silenced, rng.integers(0, max(1, plan.audits), size), np.iinfo(np.int64).max)
        self.open = np.zeros(size, dtype=bool)
        self.born = 0
        self._describe_problems(rng, size)

    def _random(self, day: int, *, on_demand: bool = False) -> np.random.Generator:
        return np.random.default_rng([self.plan.seed, self.number, day, int(on_demand)])

    def _describe_problems(self, rng: np.random.Generator, size: int) -> None:
        """Fill the columns of what does not change in a problem's life."""
        reasons = [dict(c.reason_codes) for c in self.checks]
        codes = sorted({code for r in reasons for code in r})
        texts = sorted({text for r in reasons for text in r.values()})
        code = np.zeros(size, dtype=np.int32)
        text = np.zeros(size, dtype=np.int32)
        self.resource_id = pa.nulls(size, pa.string())
        self.identifier_head, self.identifier_tail = self.resource_id, self.resource_id
        for i, check in enumerate(self.checks):
            mine = np.flatnonzero(self.check == i)
            for k, (reason_code, reason) in enumerate(reasons[i].items()):
                chosen = mine[self.resource[mine] % len(reasons[i]) == k]
                code[chosen], text[chosen] = codes.index(reason_code), texts.index(reason)
            mask = pa.array(self.check == i)
            ids, head, tail = self._names(check, self.resource[mine])
            self.resource_id = pc.replace_with_mask(self.resource_id, mask, ids)
            self.identifier_head = pc.replace_with_mask(self.identifier_head, mask, head)
            self.identifier_tail = pc.replace_with_mask(self.identifier_tail, mask, tail)
        self.reason_code = pa.DictionaryArray.from_arrays(pa.array(code), pa.array(codes))
        self.reason = pa.DictionaryArray.from_arrays(pa.array(text), pa.array(texts))
        names = np.array([c.name for c in self.checks])
        self.is_policy = np.isin(self.check, [i for i, c in enumerate(self.checks) if c.resource_type == "IOT_POLICY"])
        expiring = np.isin(self.check, np.flatnonzero(names == EXPIRING))
        # Expiry to the second, between a year before the first audit and a month after the last one.
        days = rng.integers(-365 * 86_400, (self.plan.audits + 30) * 86_400, size)
        seconds = int(self.plan.start.timestamp()) + days
        self.expiration_time = pa.array(seconds * 1_000_000, pa.timestamp("us", tz="UTC"), mask=~expiring)
        milliseconds = pc.cast(pa.array(seconds * 1000, mask=~expiring), pa.string())
        self.additional_info = pc.binary_join_element_wise('{"EXPIRATION_TIME":"', milliseconds, '"}', "")

    def _names(self, check: Check, numbers: np.ndarray) -> tuple[pa.Array, Any, Any]:
        """Return ids of resources and the JSON of their identifier: all of it, or for a policy up to the version."""
        kind, key = str(check.resource_type), check.identifier_key
        number = pc.cast(pa.array(numbers), pa.string())

        def named(before: str, after: str = "") -> pa.Array:
            return pc.binary_join_element_wise(before, number, after, "")

        def wrapped(before: str, ids: pa.Array, after: str) -> pa.Array:
            return pc.binary_join_element_wise(before, ids, after, "")

        empty = pa.array([""] * len(numbers), pa.string())
        account, region = self.account, self.region
        if kind == "IOT_POLICY":
            ids = named("fleet-policy-")
            return ids, wrapped('{"policyVersionIdentifier":{"policyName":"', ids, '","policyVersionId":"'), named("")
        if kind == "ISSUER_CERTIFICATE":
            issuer = _hashes(numbers, [self.plan.seed, self.number, 3], 20)
            subject = wrapped("CN=Issuer ", number, ",O=Example")
            ids = pc.binary_join_element_wise(issuer, number, subject, "/")
            head = pc.binary_join_element_wise(
                '{"issuerCertificateIdentifier":{"issuerCertificateSerialNumber":"', number,
                '","issuerCertificateSubject":"', subject, '","issuerId":"', issuer, '"}}', "",
            )  # fmt: skip
            return ids, head, empty
        ids = {
            "DEVICE_CERTIFICATE": lambda: _hashes(numbers, [self.plan.seed, self.number, 1], 32),
            "CA_CERTIFICATE": lambda: _hashes(numbers, [self.plan.seed, self.number, 2], 32),
            "CLIENT_ID": lambda: named("device-"),
            "ROLE_ALIAS": lambda: named(f"arn:aws:iot:{region}:{account}:rolealias/fleet-"),
            "COGNITO_IDENTITY_POOL": lambda: named(f"{region}:00000000-0000-4000-8000-"),
            "ACCOUNT_SETTINGS": lambda: pa.array([account] * len(numbers), pa.string()),
        }[kind]()
        return ids, wrapped(f'{{"{key}":"', ids, '"}'), empty

    def live_a_day(self, day: int) -> None:
        """Fix some problems and let others appear; day 0 opens the first ones."""
        if day == 0:
            self.born = self.plan.findings
            self.open[: self.born] = True
            return
        rng = self._random(day)
        closed = np.flatnonzero(~self.open[: self.born])
        gone = rng.choice(np.flatnonzero(self.open), self.fixed_daily, replace=False)
        back = rng.choice(closed, min(self.reopened_daily, len(closed)), replace=False)
        fresh = self.fixed_daily - len(back)
        self.open[gone] = False
        self.open[back] = True
        self.open[self.born : self.born + fresh] = True
        self.born += fresh

    def audit(self, day: int, *, on_demand: bool = False) -> RecordSet:
        """Make the audit of a day: all checks, or on demand five hours later every third one."""
        rng = self._random(1_000_000 + day, on_demand=on_demand)
        start = self.plan.start + timedelta(days=day, hours=5 * on_demand, milliseconds=int(rng.integers(0, 300_000)))
        task = rng.bytes(16).hex()
        ran = np.arange(len(self.checks))[:: 3 if on_demand else 1]
        failed = ran[rng.random(len(ran)) < self.plan.failed]
        rows = np.flatnonzero(self.open & np.isin(self.check, np.setdiff1d(ran, failed)))
        tables = {"findings": self._findings(rng, rows, day, task, start)}
        found = np.bincount(self.check[rows], minlength=len(self.checks))
        silenced = np.bincount(self.check[rows[self.suppressed_from[rows] <= day]], minlength=len(self.checks))
        details = {self.checks[i].name: self._outcome(i, i in failed, found[i], silenced[i]) for i in ran}
        base = {"account": self.account, "region": self.region, "audit_task_id": task, "task_start_time": start}
        statuses = [d["checkRunStatus"] for d in details.values()]
        audit = base | {
            "task_status": "COMPLETED",
            "task_type": "ON_DEMAND_AUDIT_TASK" if on_demand else "SCHEDULED_AUDIT_TASK",
            "scheduled_audit_name": None if on_demand else SCHEDULE,
            "total_checks_count": len(ran),
            "compliant_checks_count": statuses.count("COMPLETED_COMPLIANT"),
            "non_compliant_checks_count": statuses.count("COMPLETED_NON_COMPLIANT"),
            "failed_checks_count": statuses.count("FAILED"),
            "canceled_checks_count": 0,
            "in_progress_checks_count": 0,
            "waiting_for_data_collection_checks_count": 0,
            "emulated": True,
        }
        tables["audit_tasks"] = _table("audit_tasks", [audit])
        tables["checks"] = _table("checks", [base | _check_row(name, d) for name, d in details.items()])
        tables["related_resources"] = _table("related_resources", [])
        return RecordSet(
            kind="audit",
            account=self.account,
            region=self.region,
            identity=task,
            time=start,
            emulated=True,
            tables=tables,
            raw=_answers(audit, details, tables["findings"].slice(0, RAW_FINDINGS)),
        )

    def _outcome(self, check: int, failed: bool, found: int, silenced: int) -> dict[str, Any]:
        if failed:
            message = "The audit role may not read what the check needs."
            return {"checkRunStatus": "FAILED", "errorCode": "INSUFFICIENT_PERMISSIONS", "message": message}
        bad = int(found - silenced)
        return {
            "checkRunStatus": "COMPLETED_NON_COMPLIANT" if bad else "COMPLETED_COMPLIANT",
            "checkCompliant": not bad,
            "totalResourcesCount": max(self.resources_count[check], int(found)),
            "nonCompliantResourcesCount": bad,
            "suppressedNonCompliantResourcesCount": int(silenced),
        }

    def _findings(self, rng: np.random.Generator, rows: np.ndarray, day: int, task: str, start: datetime) -> pa.Table:
        number = len(rows)
        chosen = pa.array(rows)
        check = self.check[rows]
        by_check = pa.array(check.astype(np.int32))

        def per_check(values: list[str]) -> pa.Array:
            return pc.cast(pa.DictionaryArray.from_arrays(by_check, pa.array(values)), pa.string())

        # Checks run one after the other for a few minutes; within one, a few findings per millisecond.
        after = 4_000 + check.astype(np.int64) * 7_000 + rng.integers(0, 7_000, number)
        begun = int(start.timestamp() * 1000)
        version = 1 + (day + self.resource[rows] * 7) // POLICY_VERSION_DAYS
        policy = pa.array(self.is_policy[rows])
        version_text = pc.cast(pa.array(version), pa.string())
        columns = {
            "account": pa.repeat(pa.scalar(self.account, pa.string()), number),
            "region": pa.repeat(pa.scalar(self.region, pa.string()), number),
            "audit_task_id": pa.repeat(pa.scalar(task, pa.string()), number),
            "finding_id": _hex(np.frombuffer(rng.bytes(16 * number), dtype=np.uint8).reshape(number, 16)),
            "check_name": per_check([c.name for c in self.checks]),
            "task_start_time": pa.repeat(pa.scalar(start, pa.timestamp("us", tz="UTC")), number),
            "finding_time": pa.array((begun + after) * 1000, pa.timestamp("us", tz="UTC")),
            "severity": per_check([str(c.severity) for c in self.checks]),
            "resource_type": per_check([str(c.resource_type) for c in self.checks]),
            "resource_id": self.resource_id.take(chosen),
            "policy_version_id": pc.if_else(policy, version_text, pa.scalar(None, pa.string())),
            "reason_code": pc.cast(self.reason_code.take(chosen), pa.string()),
            "reason": pc.cast(self.reason.take(chosen), pa.string()),
            "is_suppressed": pa.array(self.suppressed_from[rows] <= day),
            "expiration_time": self.expiration_time.take(chosen),
            "related_resources_count": pa.repeat(pa.scalar(0, pa.int64()), number),
            "resource_identifier": pc.binary_join_element_wise(
                self.identifier_head.take(chosen),
                pc.if_else(policy, pc.binary_join_element_wise(version_text, '"}}', ""), ""),
                "",
            ),
            "additional_info": self.additional_info.take(chosen),
        }
        schema = SCHEMAS["findings"].arrow()
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def state(self, day: int, *, threshold_days: int) -> RecordSet:
        """Make the configuration as it was read an hour before the audit of a day: all checks on, one schedule."""
        observed = (self.plan.start + timedelta(days=day, hours=-1)).replace(microsecond=0)
        base = {"account": self.account, "region": self.region, "observed_time": observed}
        names = sorted(c.name for c in self.checks)
        limits = {EXPIRING: threshold_days}
        configurations = [
            base
            | {"check_name": name, "enabled": True, "threshold_days": limits.get(name)}
            | {"configuration": json.dumps({THRESHOLD_KEY: str(limits[name])}) if name in limits else None}
            for name in names
        ]
        role = f"arn:aws:iam::{self.account}:role/AuditRole"
        schedule = base | {
            "scheduled_audit_name": SCHEDULE,
            "scheduled_audit_arn": f"arn:aws:iot:{self.region}:{self.account}:scheduledaudit/{SCHEDULE}",
            "frequency": "DAILY",
            "target_check_names": json.dumps(names, separators=(",", ":")),
        }
        rows = {
            "check_configurations": configurations,
            "account_configurations": [base | {"configured": True, "role_arn": role, "sns_enabled": False}],
            "scheduled_audits": [schedule],
        }
        answer = {
            "roleArn": role,
            "auditCheckConfigurations": {
                c["check_name"]: {"enabled": True}
                | ({"configuration": json.loads(c["configuration"])} if c["configuration"] else {})
                for c in configurations
            },
        }
        tables = KINDS["state"].tables
        return RecordSet(
            kind="state",
            account=self.account,
            region=self.region,
            identity=f"{observed:%Y%m%dT%H%M%SZ}",
            time=observed,
            emulated=True,
            tables={name: _table(name, rows.get(name, [])) for name in tables},
            raw=[RawResponse("DescribeAccountAuditConfiguration", {}, _json(answer))],
        )


def _check_row(name: str, outcome: dict[str, Any]) -> dict[str, Any]:
    return {
        "check_name": name,
        "check_run_status": outcome["checkRunStatus"],
        "check_compliant": outcome.get("checkCompliant"),
        "total_resources_count": outcome.get("totalResourcesCount"),
        "non_compliant_resources_count": outcome.get("nonCompliantResourcesCount"),
        "suppressed_non_compliant_resources_count": outcome.get("suppressedNonCompliantResourcesCount"),
        "error_code": outcome.get("errorCode"),
        "message": outcome.get("message"),
    }


def _answers(audit: dict[str, Any], details: dict[str, Any], findings: pa.Table) -> list[RawResponse]:
    """Return what AWS would have answered, the list of findings cut after its first ones."""
    task = audit["audit_task_id"]
    counts = {
        "totalChecks": audit["total_checks_count"],
        "compliantChecks": audit["compliant_checks_count"],
        "nonCompliantChecks": audit["non_compliant_checks_count"],
        "failedChecks": audit["failed_checks_count"],
    }
    described = {
        "taskStatus": audit["task_status"],
        "taskType": audit["task_type"],
        "taskStartTime": audit["task_start_time"].timestamp(),
        "taskStatistics": counts,
        "auditDetails": details,
    } | ({"scheduledAuditName": SCHEDULE} if audit["scheduled_audit_name"] else {})
    listed = [
        {
            "findingId": f["finding_id"],
            "taskId": task,
            "checkName": f["check_name"],
            "taskStartTime": f["task_start_time"].timestamp(),
            "findingTime": f["finding_time"].timestamp(),
            "severity": f["severity"],
            "nonCompliantResource": {
                "resourceType": f["resource_type"],
                "resourceIdentifier": json.loads(f["resource_identifier"]),
            }
            | ({"additionalInfo": json.loads(f["additional_info"])} if f["additional_info"] else {}),
            "reasonForNonCompliance": f["reason"],
            "reasonForNonComplianceCode": f["reason_code"],
            "isSuppressed": f["is_suppressed"],
        }
        for f in findings.to_pylist()
    ]
    return [
        RawResponse("DescribeAuditTask", {"taskId": task}, _json(described)),
        RawResponse("ListAuditFindings", {"taskId": task, "maxResults": RAW_FINDINGS}, _json({"findings": listed})),
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = SCHEMAS[name].arrow()
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema=schema)


def _hashes(numbers: np.ndarray, key: list[int], width: int) -> pa.Array:
    """Return for each number a hex text of `width` bytes that looks random; equal numbers get equal texts."""
    size = int(numbers.max(initial=-1)) + 1
    whole = np.frombuffer(np.random.default_rng(key).bytes(size * width), dtype=np.uint8).reshape(size, width)
    return _hex(whole[numbers])


def _hex(data: np.ndarray) -> pa.Array:
    """Return rows of bytes as lower-case hex texts, without a Python object for any of them."""
    number, width = data.shape
    digits = np.empty((number, 2 * width), dtype=np.uint8)
    digits[:, 0::2] = _HEX[data >> 4]
    digits[:, 1::2] = _HEX[data & 15]
    offsets = np.arange(number + 1, dtype=np.int32) * (2 * width)
    return pa.StringArray.from_buffers(number, pa.py_buffer(offsets), pa.py_buffer(digits))


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    given = Plan()
    made = argparse.ArgumentParser(description="Write a made-up archive; the same arguments give the same bytes.")
    made.add_argument("out", type=Path, help="folder of the archive: missing or empty")
    made.add_argument("--audits", type=int, default=given.audits, help="daily audits per account and Region")
    made.add_argument("--findings", type=int, default=given.findings, help="findings per audit")
    made.add_argument("--accounts", type=int, default=given.accounts)
    made.add_argument("--regions", type=int, default=given.regions, help="Regions per account, up to 4")
    made.add_argument("--seed", type=int, default=given.seed)
    made.add_argument("--start", type=lambda s: datetime.fromisoformat(s).astimezone(UTC), default=given.start)
    made.add_argument("--churn", type=float, default=given.churn, help="share of problems fixed and replaced a day")
    made.add_argument(
        "--reopened", type=float, default=given.reopened, help="share of the replacing that was fixed before"
    )
    made.add_argument("--suppressed", type=float, default=given.suppressed, help="share of problems once suppressed")
    made.add_argument("--failed", type=float, default=given.failed, help="share of failed check runs")
    made.add_argument("--on-demand-days", type=int, default=given.on_demand_days, help="0 for no on-demand audits")
    return made


def main() -> None:
    """Write one archive and tell the number of its findings."""
    options = vars(parser().parse_args())
    out = options.pop("out")
    rows = write_archive(out, Plan(**options), progress=True)
    sys.stdout.write(json.dumps({"archive": str(out), "findings": rows}) + "\n")


if __name__ == "__main__":
    main()
