"""The demo fleet as a client sees it, read once over HTTP by processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

AS_OF = "2026-03-02T09:15:00+00:00"
SAME_DAY = "2026-03-02T01:00:00+00:00"
DAY_ZERO = datetime(2025, 12, 2, tzinfo=UTC)
SCRIPT = Path(__file__).with_name("fleet_snapshot.py")


class Account:
    """An account as `fleet_snapshot.py` read it; days are numbered as in the fleet's file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.content = json.loads(text)
        self.tasks = self.content["tasks"]
        self.daily = {_day(task): task for task in self.tasks if task["taskType"] == "SCHEDULED_AUDIT_TASK"}
        self.on_demand = sorted(
            (task for task in self.tasks if task["taskType"] == "ON_DEMAND_AUDIT_TASK"),
            key=lambda task: task["taskStartTime"],
        )
        self._findings = {}
        for finding in self.content["findings"]:
            self._findings.setdefault(finding["taskId"], []).append(finding)

    def __getitem__(self, key):
        return self.content[key]

    def findings(self, day, check=None):
        """Return the findings of a day's daily audit."""
        found = self._findings.get(self.daily[day]["taskId"], [])
        return [f for f in found if check is None or f["checkName"] == check]

    def days_with(self, check, accept=lambda finding: True):
        """Return the days whose daily audit has a finding of `check` that is accepted."""
        return [day for day in sorted(self.daily) if any(accept(f) for f in self.findings(day, check))]

    def details(self, day, check):
        """Return what the daily audit says about a check."""
        return self.daily[day]["auditDetails"][check]


def _day(task):
    return (datetime.fromisoformat(task["taskStartTime"]) - DAY_ZERO) // timedelta(days=1)


def _start(out, as_of, *options, **environment):
    command = [sys.executable, str(SCRIPT), str(out), "--as-of", as_of, *options]
    return subprocess.Popen(command, env=os.environ | environment)


@pytest.fixture(scope="session")
def accounts(tmp_path_factory):
    """The account three times: as a rule, again in another zone with other hashes, and as of an earlier hour."""
    folder = tmp_path_factory.mktemp("fleet")
    runs = {
        "first": _start(folder / "first.json", AS_OF, TZ="UTC", PYTHONHASHSEED="1"),
        "again": _start(folder / "again.json", AS_OF, TZ="Asia/Kolkata", PYTHONHASHSEED="2"),
        "same-day": _start(folder / "same-day.json", SAME_DAY, "--audits-only"),
    }
    try:
        assert {name: run.wait(timeout=270) for name, run in runs.items()} == dict.fromkeys(runs, 0)
    finally:
        for run in runs.values():
            run.kill()  # does nothing to what has ended
            run.wait()
    return {name: Account((folder / f"{name}.json").read_text(encoding="utf-8")) for name in runs}


@pytest.fixture(scope="session")
def account(accounts):
    """The account of the demo fleet with seed 7, as of 2026-03-02T09:15:00Z."""
    return accounts["first"]
