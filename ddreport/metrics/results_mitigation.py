"""The table of what mitigations did."""

from __future__ import annotations

from ddreport.schemas import COUNT, TEXT, TIME, Column, Schema

MITIGATION_EFFECT = Schema(
    "mitigation_effect",
    "One row per launch of mitigation actions, with what became of the problems it treated.",
    ("account", "region", "launch"),
    (
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("launch", TEXT, "`ddreport-` and the begin of a plan's digest, else the id of AWS's task"),
        Column("start_time", TIME, "when its first AWS task began"),
        Column("end_time", TIME, "when its last one ended", nullable=True),
        Column("mitigation_tasks_count", COUNT, "AWS tasks"),
        Column("action_names", TEXT, "actions that were executed, with commas"),
        Column("check_names", TEXT, "checks of the findings it treated, as far as known, with commas"),
        Column("findings_count", COUNT, "findings it treated"),
        Column("completed_count", COUNT, "executions that completed"),
        Column("failed_count", COUNT, "executions that failed"),
        Column("not_applied_count", COUNT, "executions skipped, cancelled or never begun"),
        Column("problems_count", COUNT, "problems behind the findings"),
        Column("resolved_count", COUNT, "of these RESOLVED now"),
        Column("open_count", COUNT, "of these NEW, OPEN, REOPENED or SUPPRESSED now"),
        Column("unknown_count", COUNT, "of these UNKNOWN or OUT_OF_SCOPE now, or not in the archive"),
    ),
)
