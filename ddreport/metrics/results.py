"""The tables that the metrics return: columns, dtypes and keys, as `schemas` has them for what AWS sends."""

from __future__ import annotations

from enum import StrEnum

from ddreport.schemas import AUDIT_TASKS, CHECKS, COUNT, FINDINGS, FLAG, SEVERITY, TEXT, TIME, Column, Schema


class CheckState(StrEnum):
    """How one check stands in one audit, in few words."""

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    NOT_RUN = "NOT_RUN"
    UNKNOWN = "UNKNOWN"
    """A status that a newer service has added; neither finished nor compliant for us."""


class GapKind(StrEnum):
    """Why the data has a hole."""

    FAILED_AUDIT = "FAILED_AUDIT"
    CANCELED_AUDIT = "CANCELED_AUDIT"
    DAY_WITHOUT_AUDIT = "DAY_WITHOUT_AUDIT"
    PARTIAL_AUDIT = "PARTIAL_AUDIT"
    FAILED_CHECK = "FAILED_CHECK"
    UNFINISHED_CHECK = "UNFINISHED_CHECK"


_KNOWN = {c.name: c for schema in (AUDIT_TASKS, CHECKS, FINDINGS) for c in schema.columns}


def _column(name: str, *, nullable: bool | None = None) -> Column:
    """Take over a column of AWS's tables."""
    known = _KNOWN[name]
    return Column(known.name, known.dtype, known.meaning, known.nullable if nullable is None else nullable)


_ACCOUNT, _REGION, _TASK, _START, _CHECK = (
    _column(n) for n in ("account", "region", "audit_task_id", "task_start_time", "check_name")
)
_TYPE = _column("task_type", nullable=True)
_TOTAL_RESOURCES = _column("total_resources_count")
_BAD_RESOURCES = _column("non_compliant_resources_count")
_SUPPRESSED_RESOURCES = _column("suppressed_non_compliant_resources_count")

COMPLIANCE = Schema(
    "compliance",
    "One row per audit: how many checks finished, how many of them found everything compliant.",
    ("account", "region", "audit_task_id"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        _START,
        _TYPE,
        _column("task_status", nullable=True),
        Column("total_checks_count", COUNT, "checks in the audit"),
        Column("finished_checks_count", COUNT, "checks with a verdict"),
        Column("compliant_checks_count", COUNT, "checks with the verdict compliant"),
        Column("unfinished_checks_count", COUNT, "checks failed, cancelled, waiting or running"),
        Column("compliance_rate", "float64", "compliant / finished checks, 0..1", nullable=True),
        Column("coverage", "float64", "finished / all checks, 0..1", nullable=True),
        Column("total_resources_count", COUNT, "resources evaluated by finished checks, once per check"),
        Column("non_compliant_resources_count", COUNT, "of these non-compliant and not suppressed"),
        Column("suppressed_non_compliant_resources_count", COUNT, "of these non-compliant, but suppressed"),
        Column("resource_compliance_rate", "float64", "1 - non-compliant / evaluated, 0..1", nullable=True),
        Column("strict_resource_compliance_rate", "float64", "the same as if nothing were suppressed", nullable=True),
    ),
)

COMPLIANCE_BY_CHECK = Schema(
    "compliance_by_check",
    "One row per audit and check that any audit of the same account and Region had.",
    ("account", "region", "audit_task_id", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        _START,
        _TYPE,
        _CHECK,
        Column("state", TEXT, "a `CheckState`; NOT_RUN where this audit did not have the check"),
        _column("check_run_status", nullable=True),
        _TOTAL_RESOURCES,
        _BAD_RESOURCES,
        _SUPPRESSED_RESOURCES,
        _column("error_code"),
        _column("message"),
    ),
)

CURRENT_CHECKS = Schema(
    "current_checks",
    "One row per check: its latest verdict, and how its latest run of any kind ended.",
    ("account", "region", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        _CHECK,
        Column("audit_task_id", TEXT, "audit of the latest finished run; missing where none finished", nullable=True),
        Column("task_start_time", TIME, "when that audit began", nullable=True),
        _TYPE,
        Column("check_run_status", TEXT, "the verdict of that run", nullable=True),
        _TOTAL_RESOURCES,
        _BAD_RESOURCES,
        _SUPPRESSED_RESOURCES,
        Column("age_days", "float64", "from that audit's start to `as_of`, in days", nullable=True),
        Column("latest_audit_task_id", TEXT, "audit of the latest run of any kind"),
        Column("latest_task_start_time", TIME, "when that audit began"),
        Column("latest_task_type", TEXT, "its type", nullable=True),
        Column("latest_check_run_status", TEXT, "how the check ended there"),
        Column("latest_error_code", TEXT, "why it failed there", nullable=True),
        Column("latest_message", TEXT, "AWS's text to the error", nullable=True),
        Column("latest_differs", FLAG, "true when the latest run gave no verdict, so the one shown is older"),
    ),
)

NON_COMPLIANT_BY_SEVERITY = Schema(
    "non_compliant_by_severity",
    "One row per audit and severity, also where nothing was found.",
    ("account", "region", "audit_task_id", "severity"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        _START,
        _TYPE,
        Column("severity", SEVERITY, "severity of the checks counted, most severe first"),
        Column("non_compliant_count", COUNT, "pairs of check and resource that do not comply and are not suppressed"),
        Column("suppressed_count", COUNT, "pairs of check and resource that are suppressed"),
        Column("unfinished_checks_count", COUNT, "checks of this severity that gave no verdict though expected"),
        Column("incomplete", FLAG, "true when there are such checks: a lower count is a gap then, not a success"),
    ),
)

TOP_RESOURCES = Schema(
    "top_resources",
    "One row per resource, most problems first.",
    ("account", "region", "resource_type", "resource_id"),
    (
        _ACCOUNT,
        _REGION,
        _column("resource_type"),
        _column("resource_id"),
        Column("worst_severity", SEVERITY, "highest severity among its problems"),
        Column("problems_count", COUNT, "pairs of check and reason"),
        Column("critical_count", COUNT, "of these CRITICAL"),
        Column("high_count", COUNT, "of these HIGH"),
        Column("medium_count", COUNT, "of these MEDIUM"),
        Column("low_count", COUNT, "of these LOW"),
        Column("checks_count", COUNT, "different checks"),
        Column("reasons_count", COUNT, "different reason codes"),
        Column("check_names", TEXT, "the checks in alphabetic order, separated by a comma and a blank"),
        Column("first_finding_time", TIME, "time of the earliest finding given"),
    ),
)

DATA_GAPS = Schema(
    "data_gaps",
    "One row per hole in the data.",
    ("account", "region", "kind", "time", "audit_task_id", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        Column("time", TIME, "start of the audit, or when one was to be expected"),
        Column("kind", TEXT, "a `GapKind`"),
        Column("audit_task_id", TEXT, "the audit; missing for a day without one", nullable=True),
        _TYPE,
        Column("check_name", TEXT, "the check; missing for whole audits", nullable=True),
        Column("message", TEXT, "what is missing, in plain words; holds texts from AWS"),
    ),
)
