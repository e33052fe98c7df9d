"""Export: what the archive knows, in the file formats of other programs. AWS is not called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.errors import InputError, did_you_mean
from ddreport.exporting.asff import asff_findings
from ddreport.exporting.columns import (
    CHECKS_EXPORT,
    EPISODES_EXPORT,
    FINDINGS_EXPORT,
    MEASURES_EXPORT,
    PROBLEMS_EXPORT,
)
from ddreport.exporting.ocsf import ocsf_findings
from ddreport.exporting.plain import WRITERS
from ddreport.history.identity import problem_ids
from ddreport.metrics import compliance_by_check, current_findings, sla
from ddreport.workflows.trend import trend

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pandas as pd

    from ddreport.metrics import SlaPolicy
    from ddreport.schema_types import Schema
    from ddreport.workflows.lives import Lives
    from ddreport.workflows.load import AuditData

FINDING_FORMATS = ("ocsf", "asff")
FORMATS = (*WRITERS, *FINDING_FORMATS)
ENDINGS = {"ocsf": "ocsf.json", "asff": "asff.json"}


@dataclass(frozen=True)
class Export:
    """A finished export.

    Attributes
    ----------
    content
        The file.
    rows_count
        Rows or findings in it.
    """

    content: bytes
    rows_count: int


def export_findings(data: AuditData, *, every: bool = False) -> pd.DataFrame:
    """Return the open findings, or all of the window's audits: `FINDINGS_EXPORT`, most severe first."""
    table = data.findings if every else current_findings(data.findings, data.checks, as_of=data.as_of)
    table = table.assign(problem_id=problem_ids(table), emulated=data.emulated)
    order = ["severity", "check_name", "account", "region", "resource_id", "reason_code", "finding_id"]
    return FINDINGS_EXPORT.conform(_explained(table).sort_values(order))


def export_problems(lives: Lives, moment: datetime, policy: SlaPolicy) -> pd.DataFrame:
    """Return all problems with their state at a moment: `PROBLEMS_EXPORT`, most severe first."""
    table = lives.history.problems(moment)
    due = sla(table, as_of=moment, policy=policy)[["problem_id", "due_time", "status"]]
    table = table.merge(due.rename(columns={"status": "due_status"}), on="problem_id", how="left")
    table = _explained(table.assign(emulated=lives.emulated))
    return PROBLEMS_EXPORT.conform(table.sort_values(["severity", "check_name", "problem_id"]))


def export_episodes(lives: Lives, moment: datetime) -> pd.DataFrame:
    """Return all episodes as known at a moment: `EPISODES_EXPORT`."""
    table = _titled(lives.history.episodes(moment).assign(emulated=lives.emulated))
    return EPISODES_EXPORT.conform(table.sort_values(["problem_id", "episode"]))


def export_checks(data: AuditData) -> pd.DataFrame:
    """Return every check of every audit of the window: `CHECKS_EXPORT`."""
    table = compliance_by_check(data.checks, audit_tasks=data.audit_tasks).assign(emulated=data.emulated)
    return CHECKS_EXPORT.conform(_titled(table))


def export_measures(lives: Lives, *, start: datetime, end: datetime, period: Any = "day") -> pd.DataFrame:
    """Return the measures period by period: `MEASURES_EXPORT`."""
    table = trend(lives.history, start=start, end=end + timedelta(microseconds=1), period=period)
    return MEASURES_EXPORT.conform(table.assign(emulated=lives.emulated))


def write_table(table: pd.DataFrame, schema: Schema, form: str) -> Export:
    """Return a table as a file; `form` is one of `exporting.plain.WRITERS`."""
    return Export(WRITERS[check_form(form)](table, schema), len(table))


def write_finding_format(lives: Lives, moment: datetime, form: str) -> Export:
    """Return all problems as OCSF (one JSON object a line) or ASFF (one JSON list)."""
    makers: dict[str, Callable[..., Any]] = {"ocsf": ocsf_findings, "asff": asff_findings}
    problems = lives.history.problems(moment).sort_values(["severity", "check_name", "problem_id"])
    found = list(makers[check_form(form)](problems, as_of=moment, emulated=lives.emulated))
    lines = [json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in found]
    text = "\n".join(lines) + "\n" if form == "ocsf" and lines else "[\n" + ",\n".join(lines) + "\n]\n"
    return Export(text.encode("utf-8", "backslashreplace"), len(found))


def check_form(form: str) -> str:
    """Return the name of a format if it is one (`InputError`)."""
    if form not in FORMATS:
        raise InputError(f"format {form!r} is unknown; allowed: {', '.join(FORMATS)}.{did_you_mean(form, FORMATS)}")
    return form


def _titled(table: pd.DataFrame) -> pd.DataFrame:
    titles = {name: describe_check(name).title for name in table["check_name"].unique()}
    return table.assign(check_title=table["check_name"].map(titles).astype("str"))


def _explained(table: pd.DataFrame) -> pd.DataFrame:
    pairs = table[["check_name", "reason_code"]].drop_duplicates()
    explained = pairs.assign(
        reason_explained=[
            describe_check(check).explain(reason)
            for check, reason in zip(pairs["check_name"], pairs["reason_code"], strict=True)
        ]
    )
    return _titled(table).merge(explained, on=["check_name", "reason_code"], how="left")
