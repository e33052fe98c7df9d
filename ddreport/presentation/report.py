"""The reports, section by section: what the cells of their notebooks call.

Each function takes the loaded data and returns a block that shows itself as the last line of a cell. The measures come
from `ddreport.metrics`, the looks from `charts` and `sections`; here they only meet.
"""

from __future__ import annotations

import platform
from datetime import timedelta
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from ddreport import metrics
from ddreport.history import PROBLEMS
from ddreport.history.identity import problem_ids
from ddreport.presentation import charts, sections
from ddreport.presentation.explorer import explorer_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.mitigation.plan import Plan
    from ddreport.presentation.blocks import Section
    from ddreport.presentation.charts import Chart

COMPARISON_DAYS = 7
"""Days that the key figures look back for their change."""


class ReportData(Protocol):
    """What a report is made from: tables of `schemas` for a window, and where they come from."""

    @property
    def audit_tasks(self) -> pd.DataFrame:
        """Audits of the window."""

    @property
    def checks(self) -> pd.DataFrame:
        """Checks of these audits."""

    @property
    def findings(self) -> pd.DataFrame:
        """Findings of these audits, suppressed ones included."""

    @property
    def mitigation_tasks(self) -> pd.DataFrame:
        """Mitigation tasks that began in the window."""

    @property
    def mitigation_executions(self) -> pd.DataFrame:
        """What these did to each finding."""

    @property
    def problems(self) -> pd.DataFrame:
        """Every problem with its state at the window's end."""

    @property
    def as_of(self) -> datetime:
        """Start of the newest audit: what "now" means."""

    @property
    def start(self) -> datetime:
        """Begin of the window, included."""

    @property
    def end(self) -> datetime:
        """End of the window, not included."""

    @property
    def targets(self) -> Sequence[str]:
        """Names of the targets."""

    @property
    def accounts(self) -> Sequence[str]:
        """Account ids."""

    @property
    def regions(self) -> Sequence[str]:
        """Regions."""

    @property
    def emulated(self) -> bool:
        """Whether the emulator answered, not AWS."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the evidence."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know about the data."""


class PreflightData(Protocol):
    """What the page before a set-up is made from."""

    @property
    def target(self) -> str:
        """Name of the target."""

    @property
    def account(self) -> str:
        """Account id."""

    @property
    def region(self) -> str:
        """Region."""

    @property
    def emulated(self) -> bool:
        """Whether the emulator answered, not AWS."""

    @property
    def verdicts(self) -> Sequence[Any]:
        """What the doctor says."""

    @property
    def checks(self) -> Sequence[Any]:
        """Each check as it is and as it is wanted."""

    @property
    def schedules(self) -> Sequence[Mapping[str, Any]] | None:
        """Scheduled audits; None where nobody may look."""

    @property
    def desired(self) -> Any:
        """What is wanted."""

    @property
    def plan(self) -> Any:
        """What a set-up would do."""


class MitigationData(Protocol):
    """What the page of mitigations is made from."""

    @property
    def target(self) -> str:
        """Name of the target."""

    @property
    def account(self) -> str:
        """Account id."""

    @property
    def region(self) -> str:
        """Region."""

    @property
    def emulated(self) -> bool:
        """Whether the emulator answered, not AWS."""

    @property
    def plan(self) -> Plan | None:
        """The plan that was named."""

    @property
    def campaigns(self) -> pd.DataFrame:
        """Table `mitigation.results.CAMPAIGNS`."""

    @property
    def outcomes(self) -> pd.DataFrame:
        """Table `mitigation.results.OUTCOMES`."""

    @property
    def effects(self) -> pd.DataFrame:
        """Table `mitigation.verification.VERIFICATIONS`."""


class _Measures:
    """The measures that several sections need, made once per data."""

    def __init__(self, data: ReportData) -> None:
        self.data = data

    @cached_property
    def by_check(self) -> pd.DataFrame:
        return metrics.compliance_by_check(self.data.checks, audit_tasks=self.data.audit_tasks)

    @cached_property
    def current_findings(self) -> pd.DataFrame:
        return metrics.current_findings(self.data.findings, self.data.checks, as_of=self.data.as_of)

    @cached_property
    def mitigation_effect(self) -> pd.DataFrame:
        tasks = self.data.mitigation_tasks
        # Following the problems takes time, which a report without mitigations need not spend.
        problems = PROBLEMS.empty() if tasks.empty else self.data.problems
        return metrics.mitigation_effect(tasks, self.data.mitigation_executions, self.data.findings, problems)


_latest: _Measures | None = None


def _measures(data: ReportData) -> _Measures:
    """Return the measures of `data`. Only the latest data is kept: a notebook has one."""
    global _latest  # noqa: PLW0603  # a cache of one, invisible from outside
    if _latest is None or _latest.data is not data:
        _latest = _Measures(data)
    return _latest


def header(data: ReportData, title: str = "") -> Section:
    """Show title, accounts, Regions and window, and in large letters when the account is emulated."""
    return sections.header_section(
        title=title,
        accounts=data.accounts,
        regions=data.regions,
        start=data.start,
        end=data.end,
        as_of=data.as_of,
        emulated=data.emulated,
    )


def key_figures(data: ReportData) -> Section:
    """Show the few numbers that matter most, with their change over the last week."""
    week_ago = data.as_of - timedelta(days=COMPARISON_DAYS)
    figures = metrics.key_figures(
        data.audit_tasks, data.checks, data.findings, as_of=data.as_of, compared_with=max(data.start, week_ago)
    )
    return sections.key_figures_section(figures)


def compliance(data: ReportData) -> Chart:
    """Chart the compliance rate over time with its coverage."""
    return charts.compliance_chart(metrics.compliance(data.audit_tasks, data.checks))


def check_matrix(data: ReportData) -> Chart:
    """Chart the checks against time."""
    return charts.check_matrix_chart(_measures(data).by_check)


def severity(data: ReportData) -> Chart:
    """Chart the non-compliant resources by severity over time, with the launches of mitigations."""
    table = metrics.non_compliant_by_severity(data.findings, data.checks, audit_tasks=data.audit_tasks)
    return charts.severity_chart(table, mitigations=_measures(data).mitigation_effect)


def checks(data: ReportData) -> Section:
    """Show every check by itself, with guidance."""
    return sections.checks_section(
        metrics.current_checks(data.checks, as_of=data.as_of, audit_tasks=data.audit_tasks),
        _measures(data).by_check,
        _measures(data).current_findings,
    )


def top_resources(data: ReportData, *, limit: int = 10) -> Chart:
    """Chart the resources with the most open problems."""
    return charts.top_resources_chart(metrics.top_resources(_measures(data).current_findings, limit=limit))


def findings(data: ReportData, *, limit: int = 30) -> Section:
    """List the open findings, the most severe first; all problems that are not resolved can be explored."""
    current = _measures(data).current_findings
    rows = explorer_rows(data.problems, current.assign(problem_id=problem_ids(current)))
    return sections.findings_section(current, data.findings, limit=limit, explorer=rows)


def mitigations(data: ReportData) -> Section:
    """List what was mitigated and what became of it."""
    return sections.mitigations_section(_measures(data).mitigation_effect)


def data_gaps(data: ReportData) -> Section:
    """List what the data does not show."""
    gaps = metrics.data_gaps(data.audit_tasks, data.checks, start=data.start, end=data.end)
    return sections.gaps_section(gaps, data.notes)


def provenance(data: ReportData, parameters: Mapping[str, Any]) -> Section:
    """Say where the numbers come from.

    Parameters
    ----------
    data
        The loaded data.
    parameters
        What the report was asked for, by name; without paths of this machine.
    """
    return sections.provenance_section(
        targets=data.targets,
        accounts=data.accounts,
        regions=data.regions,
        start=data.start,
        end=data.end,
        as_of=data.as_of,
        audits_count=len(data.audit_tasks),
        findings_count=len(data.findings),
        fingerprint=data.fingerprint,
        emulated=data.emulated,
        versions=versions(),
        parameters=parameters,
    )


def mitigation_header(data: MitigationData) -> Section:
    """Show which account the mitigations are of, and in large letters when it is emulated."""
    return sections.mitigation_header_section(
        target=data.target,
        account=data.account,
        region=data.region,
        emulated=data.emulated,
        campaigns=len(data.campaigns),
    )


def mitigation_plan(data: MitigationData) -> Section:
    """Show the plan that was named: what it does to whom, what it leaves alone, what it is expected to change."""
    return sections.plan_section(data.plan)


def mitigation_campaigns(data: MitigationData) -> Section:
    """List the plans that were applied, by whom and how they stand."""
    return sections.campaigns_section(data.campaigns)


def mitigation_outcomes(data: MitigationData) -> Section:
    """Say how the actions ended, and of those that did not complete, why and what to do."""
    return sections.outcomes_section(data.outcomes)


def mitigation_effects(data: MitigationData) -> Section:
    """Say what became of the problems, look by look."""
    return sections.effects_section(data.effects)


def preflight(data: PreflightData) -> Section:
    """Say how an account stands before it is set up, and whether we may look: what needs somebody first."""
    return sections.verdicts_section(
        data.verdicts, target=data.target, account=data.account, region=data.region, emulated=data.emulated
    )


def check_choice(data: PreflightData) -> Section:
    """List the checks with severity, why each matters, and whether it is on and wanted."""
    return sections.check_choice_section(data.checks)


def schedules(data: PreflightData) -> Section:
    """List the scheduled audits with the days of their next runs."""
    return sections.schedule_section(data.schedules)


def setup_plan(data: PreflightData) -> Section:
    """Say what a set-up would do."""
    return sections.setup_plan_section(data.plan, source=data.desired.source)


def versions() -> dict[str, str]:
    """Return the versions of what makes a report, by name."""
    packages = ("ddreport", "pandas", "plotly")
    return {name: metadata.version(name) for name in packages} | {"Python": platform.python_version()}
