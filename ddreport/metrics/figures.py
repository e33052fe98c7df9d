"""The few numbers at the head of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from ddreport.engines import Table, check_as_of
from ddreport.metrics.audits import known_audits
from ddreport.metrics.compliance import FINISHED
from ddreport.metrics.current import CHECK, current_checks, current_findings
from ddreport.metrics.severity import PAIR
from ddreport.terms import CheckRunStatus, Severity, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class KeyFigures:
    """How things stand at `as_of`, and how they stood at `compared_with`.

    Attributes
    ----------
    as_of, compared_with
        The two moments, UTC.
    audits_count, completed_audits_count
        Audits given that began until `as_of`, and those of them that completed.
    latest_completed_audit_time
        Start of the latest completed one; None if there is none.
    known_checks_count
        Checks (per account and Region) that any audit until `as_of` had.
    finished_checks_count, compliant_checks_count
        Of these: with a verdict, however old; with the latest verdict compliant.
    stale_checks_count
        Of the known checks: those whose latest run gave no verdict.
    open_by_severity
        Pairs of check and resource that do not comply and are not suppressed, in each check's latest finished run.
    open_before_by_severity
        The same at `compared_with`; None if no check had finished until then.
    suppressed_count, suppressed_before_count
        Pairs of check and resource of which every finding is suppressed; before: None as above.
    """

    as_of: datetime
    compared_with: datetime
    audits_count: int
    completed_audits_count: int
    latest_completed_audit_time: datetime | None
    known_checks_count: int
    finished_checks_count: int
    compliant_checks_count: int
    stale_checks_count: int
    open_by_severity: Mapping[Severity, int]
    open_before_by_severity: Mapping[Severity, int] | None
    suppressed_count: int
    suppressed_before_count: int | None

    @property
    def compliance_rate(self) -> float | None:
        """Compliant / finished checks, 0..1; None where nothing finished."""
        return self.compliant_checks_count / self.finished_checks_count if self.finished_checks_count else None

    @property
    def coverage(self) -> float | None:
        """Share of the known checks whose latest run gave a verdict, 0..1; None where no check is known."""
        known = self.known_checks_count
        return (known - self.stale_checks_count) / known if known else None

    @property
    def open_count(self) -> int:
        """Sum of `open_by_severity`."""
        return sum(self.open_by_severity.values())

    @property
    def open_before_count(self) -> int | None:
        """Sum of `open_before_by_severity`; None if it is."""
        before = self.open_before_by_severity
        return None if before is None else sum(before.values())


def key_figures(
    audit_tasks: Table,
    checks: Table,
    findings: Table,
    *,
    as_of: datetime,
    compared_with: datetime | None = None,
) -> KeyFigures:
    """Return the numbers for a report's head, from each check's latest finished run.

    A last audit that was cancelled, failed or had few checks therefore changes only what it really looked at.

    Parameters
    ----------
    audit_tasks, checks, findings
        Tables of `schemas`; audits before `compared_with` are needed for a comparison.
    as_of
        "Now", with a time zone.
    compared_with
        The earlier moment, such as the start of a report's window; None means 7 days before `as_of`.

    Raises
    ------
    TableSchemaError, WindowError
        A column is missing; a moment has no time zone.
    """
    before = check_as_of(compared_with or as_of - timedelta(days=7), name="compared_with")
    audits = known_audits(audit_tasks)
    audits = audits[audits["task_start_time"] <= pd.Timestamp(check_as_of(as_of))]
    completed = audits.loc[audits["task_status"] == TaskStatus.COMPLETED, "task_start_time"]
    now = current_checks(checks, as_of=as_of)
    had_verdict = current_checks(checks, as_of=before)["check_run_status"].isin(FINISHED).any()
    open_now, suppressed_now = _open(current_findings(findings, checks, as_of=as_of))
    open_before, suppressed_before = _open(current_findings(findings, checks, as_of=before))
    return KeyFigures(
        as_of=as_of,
        compared_with=before,
        audits_count=len(audits),
        completed_audits_count=len(completed),
        latest_completed_audit_time=None if completed.empty else completed.max().to_pydatetime(),
        known_checks_count=len(now),
        finished_checks_count=int(now["check_run_status"].notna().sum()),
        compliant_checks_count=int((now["check_run_status"] == CheckRunStatus.COMPLETED_COMPLIANT).sum()),
        stale_checks_count=int(now["latest_differs"].sum()),
        open_by_severity=open_now,
        open_before_by_severity=open_before if had_verdict else None,
        suppressed_count=suppressed_now,
        suppressed_before_count=suppressed_before if had_verdict else None,
    )


def _open(findings: pd.DataFrame) -> tuple[dict[Severity, int], int]:
    """Count pairs of check and resource: open ones by severity, and those that are suppressed."""
    pair = [*CHECK[:2], *PAIR]
    findings = findings.sort_values("is_suppressed").drop_duplicates(pair)  # a finding not suppressed comes first
    suppressed = findings["is_suppressed"].astype("bool")
    counts = findings.loc[~suppressed, "severity"].value_counts()
    return {s: int(counts.get(s.value, 0)) for s in Severity}, int(suppressed.sum())
