"""The made-up archives are the same each time, and such that AWS could have answered them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from ddreport.archive import Archive
from ddreport.catalogue import checks
from ddreport.schemas import SCHEMAS
from ddreport.tables.identity import identify

SMALL: dict[str, Any] = {"audits": 8, "findings": 200, "accounts": 2, "regions": 2, "on_demand_days": 5, "failed": 0.05}


@pytest.fixture(scope="module")
def archive(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    out = tmp_path_factory.mktemp("synthetic") / "archive"
    synthetic.write_archive(out, synthetic.Plan(**SMALL))
    return Archive.open(out)


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_arguments_give_the_same_bytes(synthetic: ModuleType, archive: Archive, tmp_path: Path) -> None:
    synthetic.write_archive(tmp_path / "again", synthetic.Plan(**SMALL))
    assert _bytes_of(tmp_path / "again") == _bytes_of(archive.path)


def test_another_seed_gives_another_archive(synthetic: ModuleType, archive: Archive, tmp_path: Path) -> None:
    synthetic.write_archive(tmp_path / "other", synthetic.Plan(**SMALL, seed=2))
    assert Archive.open(tmp_path / "other").fingerprint() != archive.fingerprint()


def test_audits_can_be_added_later(synthetic: ModuleType, archive: Archive, tmp_path: Path) -> None:
    whole = synthetic.Plan(**SMALL)
    later = synthetic.write_archive(tmp_path / "later", whole, first=6)
    added = Archive.open(tmp_path / "later").load("findings")
    assert len(added) == later > 0
    known = archive.load("findings", start=added["task_start_time"].min().to_pydatetime())
    pd.testing.assert_frame_equal(added, known)


def test_tables_conform_to_their_schemas(archive: Archive) -> None:
    for name, schema in SCHEMAS.items():
        table = archive.load(name)
        pd.testing.assert_frame_equal(schema.conform(table), table)


def test_every_check_has_findings_as_the_catalogue_describes_them(archive: Archive) -> None:
    findings = archive.load("findings")
    kinds = findings[["check_name", "severity", "resource_type", "reason_code"]].drop_duplicates()
    assert set(kinds["check_name"]) == set(checks())
    for check_name, severity, resource_type, reason_code in kinds.itertuples(index=False):
        check = checks()[check_name]
        assert (severity, resource_type) == (check.severity, check.resource_type)
        assert reason_code in dict(check.reason_codes)
    for row in findings.drop_duplicates("resource_identifier").itertuples():
        who = identify(json.loads(row.resource_identifier))
        version = None if pd.isna(row.policy_version_id) else row.policy_version_id
        assert who == (row.resource_id, version, row.resource_identifier, row.resource_type)


def test_counts_of_checks_are_those_of_their_findings(archive: Archive) -> None:
    findings, runs = archive.load("findings"), archive.load("checks")
    found = findings.groupby(["audit_task_id", "check_name"])["is_suppressed"].agg(["size", "sum"])
    for run in runs.itertuples():
        if run.check_run_status == "FAILED":
            assert (run.audit_task_id, run.check_name) not in found.index
            continue
        size, silenced = found["size"].get((run.audit_task_id, run.check_name), 0), 0
        if size:
            silenced = found.loc[(run.audit_task_id, run.check_name), "sum"]
        assert run.non_compliant_resources_count == size - silenced
        assert run.suppressed_non_compliant_resources_count == silenced
        assert run.total_resources_count >= size
    assert {"FAILED", "COMPLETED_NON_COMPLIANT"} <= set(runs["check_run_status"])
    assert set(archive.load("audit_tasks")["task_type"]) == {"SCHEDULED_AUDIT_TASK", "ON_DEMAND_AUDIT_TASK"}


def test_problems_come_go_and_come_back(synthetic: ModuleType) -> None:
    plan = synthetic.Plan(audits=10, findings=300, churn=0.1, failed=0, on_demand_days=0)
    audits = [s.tables["findings"].to_pandas() for s in synthetic.record_sets(plan) if s.kind == "audit"]
    key = ["check_name", "resource_id", "reason_code"]
    seen = [set(f[key].itertuples(index=False, name=None)) for f in audits]
    assert [len(s) for s in seen] == [len(f) for f in audits] == [plan.findings] * plan.audits
    for yesterday, today in pairwise(seen):
        assert len(yesterday - today) == len(today - yesterday) == 30
    came_back = [
        (today - yesterday) & set().union(*seen[:day]) for day, (yesterday, today) in enumerate(pairwise(seen))
    ]
    assert [len(s) for s in came_back] == [0] + [round(30 * plan.reopened)] * 8
    ids = pd.concat(audits)["finding_id"]
    assert ids.is_unique
    assert ids.str.fullmatch("[0-9a-f]{32}").all()
    after = pd.concat(audits).eval("finding_time - task_start_time")
    assert after.between(timedelta(seconds=4), timedelta(minutes=3)).all()


def test_the_command_writes_what_the_function_writes(archive: Archive, tmp_path: Path) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    script = str(Path(__file__).with_name("synthetic.py"))
    command = [sys.executable, script, str(tmp_path / "made"), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["findings"] == len(archive.load("findings"))
    assert _bytes_of(tmp_path / "made") == _bytes_of(archive.path)
