"""Literal tables of `ddreport.metrics`, made-up audits of 90 days, and a reader of HTML."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from ddreport.metrics.results import COMPLIANCE, COMPLIANCE_BY_CHECK, NON_COMPLIANT_BY_SEVERITY, TOP_RESOURCES

START = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)
PLACE = {"account": "111122223333", "region": "eu-west-1"}
TableMaker = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def story() -> ModuleType:
    """The module that makes up audits of 90 days: `story.report_data()`, `story.HOSTILE`."""
    path = Path(__file__).parents[1] / "support_report_data.py"
    spec = importlib.util.spec_from_file_location("support_report_data_presentation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def data(story: ModuleType) -> Any:
    """Ninety days of audits with hostile names."""
    return story.report_data()


@pytest.fixture
def compliance_table() -> TableMaker:
    """Table `metrics.compliance` from rows of (day, compliant, finished, checks) and keywords for all rows."""

    def make(*rows: tuple[float, int, int, int], **more: Any) -> pd.DataFrame:
        records = [
            PLACE
            | {
                "audit_task_id": f"{more.get('account', '')}a{i}",
                "task_start_time": START + timedelta(days=day),
                "task_type": "SCHEDULED_AUDIT_TASK",
                "task_status": "COMPLETED",
                "total_checks_count": checks,
                "finished_checks_count": finished,
                "compliant_checks_count": compliant,
                "unfinished_checks_count": checks - finished,
                "compliance_rate": compliant / finished if finished else None,
                "coverage": finished / checks if checks else None,
                "total_resources_count": 10,
                "non_compliant_resources_count": 1,
                "suppressed_non_compliant_resources_count": 0,
                "resource_compliance_rate": 0.9,
                "strict_resource_compliance_rate": 0.9,
            }
            | more
            for i, (day, compliant, finished, checks) in enumerate(rows)
        ]
        return COMPLIANCE.conform(pd.DataFrame(records, columns=COMPLIANCE.column_names))

    return make


@pytest.fixture
def by_check_table() -> TableMaker:
    """Table `metrics.compliance_by_check` from `check_name="states, one letter per day"` (C N F X W . for not run)."""
    letters = {"C": "COMPLIANT", "N": "NON_COMPLIANT", "F": "FAILED", "X": "CANCELED", "W": "WAITING", ".": "NOT_RUN"}

    def make(checks: dict[str, str], days: list[float] | None = None, **more: Any) -> pd.DataFrame:
        records = [
            PLACE
            | {
                "audit_task_id": f"a{i}",
                "task_start_time": START + timedelta(days=days[i] if days else i),
                "task_type": "SCHEDULED_AUDIT_TASK",
                "check_name": name,
                "state": letters.get(letter, letter),
                "total_resources_count": 20,
                "non_compliant_resources_count": 3 if letter == "N" else 0,
                "suppressed_non_compliant_resources_count": 0,
                "error_code": "INSUFFICIENT_PERMISSIONS" if letter == "F" else None,
            }
            | more
            for name, states in checks.items()
            for i, letter in enumerate(states)
            if letter != " "
        ]
        frame = pd.DataFrame(records, columns=COMPLIANCE_BY_CHECK.column_names)
        return COMPLIANCE_BY_CHECK.conform(frame)

    return make


@pytest.fixture
def by_severity_table() -> TableMaker:
    """Table `metrics.non_compliant_by_severity` from rows of (day, critical, high, medium, low)."""

    def make(*rows: tuple[float, int, int, int, int], incomplete: tuple[float, ...] = (), **more: Any) -> pd.DataFrame:
        records = [
            PLACE
            | {
                "audit_task_id": f"a{day}",
                "task_start_time": START + timedelta(days=day),
                "task_type": "SCHEDULED_AUDIT_TASK",
                "severity": severity,
                "non_compliant_count": count,
                "suppressed_count": 0,
                "unfinished_checks_count": int(day in incomplete),
                "incomplete": day in incomplete,
            }
            | more
            for day, *counts in rows
            for severity, count in zip(("CRITICAL", "HIGH", "MEDIUM", "LOW"), counts, strict=True)
        ]
        frame = pd.DataFrame(records, columns=NON_COMPLIANT_BY_SEVERITY.column_names)
        return NON_COMPLIANT_BY_SEVERITY.conform(frame)

    return make


@pytest.fixture
def resources_table() -> TableMaker:
    """Table `metrics.top_resources` from rows of (resource id, critical, high, medium, low)."""

    def make(*rows: tuple[str, int, int, int, int], **more: Any) -> pd.DataFrame:
        records = []
        for name, *counts in rows:
            worst = next(s for s, c in zip(("CRITICAL", "HIGH", "MEDIUM", "LOW"), counts, strict=True) if c)
            records.append(
                PLACE
                | {
                    "resource_type": "DEVICE_CERTIFICATE",
                    "resource_id": name,
                    "worst_severity": worst,
                    "problems_count": sum(counts),
                    "critical_count": counts[0],
                    "high_count": counts[1],
                    "medium_count": counts[2],
                    "low_count": counts[3],
                    "checks_count": sum(counts),
                    "reasons_count": sum(counts),
                    "check_names": "DEVICE_CERTIFICATE_AGE_CHECK, DEVICE_CERTIFICATE_EXPIRING_CHECK",
                    "first_finding_time": START,
                }
                | more
            )
        return TOP_RESOURCES.conform(pd.DataFrame(records, columns=TOP_RESOURCES.column_names))

    return make


class Html(HTMLParser):
    """Reads a piece of HTML into tags, texts by tag, and the text as a whole."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in ("wbr", "br", "img", "meta", "link", "path"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def names(self) -> set[str]:
        """Names of all tags."""
        return {tag for tag, _ in self.tags}


@pytest.fixture
def read_html() -> Callable[[str], Html]:
    """Read HTML for assertions."""
    return Html
