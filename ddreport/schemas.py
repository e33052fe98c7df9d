"""The tables of `ddreport`: every column with its type, unit and one line of meaning, and each table's key.

Conventions: columns are snake_case of AWS's member names; times end in `_time` and are `datetime64[us, UTC]`; counts
end in `_count` and are `Int64`; flags are `boolean`; text is pandas' own `str` (missing is NaN); severities are an
ordered category, most severe first. Structures that AWS leaves open (`additionalInfo`, action parameters) are kept as
canonical JSON text (sorted keys, no spaces), so that nothing is lost and equal things are equal.

Exceptions to AWS's words: `audit_task_id` and `mitigation_task_id` (AWS calls both `taskId`), `reason_code` and
`reason` (`reasonForNonComplianceCode`, `reasonForNonCompliance`), and the counters of `taskStatistics`, which get
`_count`.
"""

from __future__ import annotations

from ddreport.schema_types import COUNT, FLAG, SEVERITY, TEXT, TIME, Column, Dtype, Schema, pandas_dtype
from ddreport.schemas_inventory import INVENTORY_SCHEMAS

_ACCOUNT = Column("account", TEXT, "12-digit AWS account id (text: it may begin with 0)")
_REGION = Column("region", TEXT, "AWS Region of the audit")
_TASK = Column("audit_task_id", TEXT, "id of the audit task; AWS's `taskId`")
_TASK_START = Column("task_start_time", TIME, "when the audit started; AWS tells no end")
_CHECK = Column("check_name", TEXT, "API name of the check; outdated names are shown by their present name")
_OBSERVED = Column("observed_time", TIME, "when this state was read from AWS, by AWS's clock")
_RESOURCE_TYPE = Column("resource_type", TEXT, "kind of resource, such as `DEVICE_CERTIFICATE`")
_RESOURCE_ID = Column("resource_id", TEXT, "lasting identity of the resource; a policy without its version")
_IDENTIFIER = Column("resource_identifier", TEXT, "AWS's `resourceIdentifier` as canonical JSON")
_INFO = Column("additional_info", TEXT, "AWS's `additionalInfo` as canonical JSON", nullable=True)
_MITIGATION_TASK = Column("mitigation_task_id", TEXT, "id of the mitigation task; AWS's `taskId`")

AUDIT_TASKS = Schema(
    "audit_tasks",
    "One row per audit: an on-demand or scheduled run of a set of checks.",
    ("account", "region", "audit_task_id"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        _TASK_START,
        Column("task_status", TEXT, "`COMPLETED`, `FAILED`, `CANCELED` (or `IN_PROGRESS`, never archived)"),
        Column("task_type", TEXT, "`ON_DEMAND_AUDIT_TASK` or `SCHEDULED_AUDIT_TASK`"),
        Column("scheduled_audit_name", TEXT, "name of the schedule; missing for on-demand audits", nullable=True),
        Column("total_checks_count", COUNT, "checks in this audit"),
        Column("compliant_checks_count", COUNT, "checks finished with every unsuppressed resource compliant"),
        Column("non_compliant_checks_count", COUNT, "checks finished with a non-compliant resource"),
        Column("failed_checks_count", COUNT, "checks that could not be evaluated"),
        Column("canceled_checks_count", COUNT, "checks cancelled before they ended"),
        Column("in_progress_checks_count", COUNT, "checks still running when read"),
        Column("waiting_for_data_collection_checks_count", COUNT, "checks still waiting for their data when read"),
        Column("emulated", FLAG, "true when the emulator answered, not AWS"),
    ),
)

CHECKS = Schema(
    "checks",
    "One row per check in each audit.",
    ("account", "region", "audit_task_id", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        _TASK_START,
        _CHECK,
        Column("check_run_status", TEXT, "how the check ended, such as `COMPLETED_COMPLIANT` or `FAILED`"),
        Column("check_compliant", FLAG, "AWS's verdict; true only when complete and compliant", nullable=True),
        Column("total_resources_count", COUNT, "resources evaluated", nullable=True),
        Column("non_compliant_resources_count", COUNT, "non-compliant resources, suppressed ones apart", nullable=True),
        Column("suppressed_non_compliant_resources_count", COUNT, "non-compliant, but suppressed", nullable=True),
        Column("error_code", TEXT, "why it failed, such as `INSUFFICIENT_PERMISSIONS`", nullable=True),
        Column("message", TEXT, "AWS's text to the error", nullable=True),
    ),
)

FINDINGS = Schema(
    "findings",
    "One row per finding: one non-compliant resource under one check with one reason, in one audit.",
    ("account", "region", "audit_task_id", "finding_id"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        Column("finding_id", TEXT, "AWS's id; the next audit gives the same problem another one"),
        _CHECK,
        _TASK_START,
        Column("finding_time", TIME, "when the finding was found"),
        Column("severity", SEVERITY, "severity of the check, most severe first"),
        _RESOURCE_TYPE,
        _RESOURCE_ID,
        Column("policy_version_id", TEXT, "version of the IoT policy; missing for other resources", nullable=True),
        Column("reason_code", TEXT, "why the resource does not comply"),
        Column("reason", TEXT, "AWS's text to the reason", nullable=True),
        Column("is_suppressed", FLAG, "true when a suppression covered it when the audit ran"),
        Column("expiration_time", TIME, "when the certificate expires, where AWS says so", nullable=True),
        Column("related_resources_count", COUNT, "rows of `related_resources` for this finding"),
        _IDENTIFIER,
        _INFO,
    ),
)

RELATED_RESOURCES = Schema(
    "related_resources",
    "One row per further fact of a finding, such as a client id that used a shared certificate.",
    ("account", "region", "audit_task_id", "finding_id", "position"),
    (
        _ACCOUNT,
        _REGION,
        _TASK,
        Column("finding_id", TEXT, "the finding it belongs to"),
        Column("position", COUNT, "place in AWS's order, from 0"),
        _RESOURCE_TYPE,
        _RESOURCE_ID,
        Column("connection_time", TIME, "when the client connected, where AWS says so", nullable=True),
        Column("disconnection_time", TIME, "when it disconnected; missing while connected", nullable=True),
        _IDENTIFIER,
        _INFO,
    ),
)

CHECK_CONFIGURATIONS = Schema(
    "check_configurations",
    "One row per check that the service knows: enabled or not, with its threshold.",
    ("account", "region", "observed_time", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _CHECK,
        Column("enabled", FLAG, "whether audits can run the check"),
        Column("threshold_days", COUNT, "configured threshold in days; missing for AWS's default", nullable=True),
        Column("configuration", TEXT, "AWS's `configuration` map as canonical JSON", nullable=True),
    ),
)

ACCOUNT_CONFIGURATIONS = Schema(
    "account_configurations",
    "One row per account and Region: audit role and notification target.",
    ("account", "region", "observed_time"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("configured", FLAG, "false when Audit was never enabled here"),
        Column("role_arn", TEXT, "role that audits run under", nullable=True),
        Column("sns_enabled", FLAG, "whether the end of an audit is published", nullable=True),
        Column("sns_target_arn", TEXT, "topic it is published to", nullable=True),
        Column("sns_role_arn", TEXT, "role used for publishing", nullable=True),
    ),
)

SCHEDULED_AUDITS = Schema(
    "scheduled_audits",
    "One row per scheduled audit.",
    ("account", "region", "observed_time", "scheduled_audit_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("scheduled_audit_name", TEXT, "name of the schedule"),
        Column("scheduled_audit_arn", TEXT, "its ARN"),
        Column("frequency", TEXT, "`DAILY`, `WEEKLY`, `BIWEEKLY` or `MONTHLY`"),
        Column("day_of_week", TEXT, "`SUN` to `SAT`, for weekly ones", nullable=True),
        Column("day_of_month", TEXT, "`1` to `31` or `LAST`, for monthly ones", nullable=True),
        Column("target_check_names", TEXT, "checks it runs, as a JSON list in alphabetic order"),
    ),
)

SUPPRESSIONS = Schema(
    "suppressions",
    "One row per active suppression: one check silenced for one resource.",
    ("account", "region", "observed_time", "check_name", "resource_identifier"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        _CHECK,
        _RESOURCE_TYPE,
        _RESOURCE_ID,
        Column("policy_version_id", TEXT, "version of the IoT policy it is bound to", nullable=True),
        Column("suppress_indefinitely", FLAG, "true when it never ends"),
        Column("expiration_time", TIME, "when it ends; missing when it never does", nullable=True),
        Column("description", TEXT, "the reason somebody wrote down", nullable=True),
        _IDENTIFIER,
    ),
)

MITIGATION_ACTIONS = Schema(
    "mitigation_actions",
    "One row per defined mitigation action.",
    ("account", "region", "observed_time", "action_name"),
    (
        _ACCOUNT,
        _REGION,
        _OBSERVED,
        Column("action_name", TEXT, "name of the action"),
        Column("action_id", TEXT, "AWS's id of the action"),
        Column("action_arn", TEXT, "its ARN"),
        Column("action_type", TEXT, "one of the six kinds, such as `UPDATE_DEVICE_CERTIFICATE`"),
        Column("role_arn", TEXT, "role it runs under"),
        Column("creation_time", TIME, "AWS's `creationDate`"),
        Column("last_modified_time", TIME, "AWS's `lastModifiedDate`"),
        Column("action_params", TEXT, "AWS's `actionParams` as canonical JSON"),
    ),
)

MITIGATION_TASKS = Schema(
    "mitigation_tasks",
    "One row per launch of mitigation actions.",
    ("account", "region", "mitigation_task_id"),
    (
        _ACCOUNT,
        _REGION,
        _MITIGATION_TASK,
        Column("task_status", TEXT, "`COMPLETED`, `FAILED` or `CANCELED` (or `IN_PROGRESS`, never archived)"),
        Column("start_time", TIME, "when it began"),
        Column("end_time", TIME, "when it ended", nullable=True),
        Column("audit_task_id", TEXT, "audit whose findings it treats, if it names one", nullable=True),
        Column("total_findings_count", COUNT, "findings in its target, all checks"),
        Column("succeeded_findings_count", COUNT, "findings on which every action succeeded"),
        Column("failed_findings_count", COUNT, "findings on which an action failed"),
        Column("skipped_findings_count", COUNT, "findings left out by the filter"),
        Column("canceled_findings_count", COUNT, "findings not treated because it was cancelled"),
        Column("target", TEXT, "AWS's `target` as canonical JSON"),
        Column("check_to_actions", TEXT, "AWS's `auditCheckToActionsMapping` as canonical JSON"),
        Column("emulated", FLAG, "true when the emulator answered, not AWS"),
    ),
)

MITIGATION_EXECUTIONS = Schema(
    "mitigation_executions",
    "One row per mitigation action applied to one finding.",
    ("account", "region", "mitigation_task_id", "finding_id", "action_name"),
    (
        _ACCOUNT,
        _REGION,
        _MITIGATION_TASK,
        Column("finding_id", TEXT, "the finding treated"),
        Column("action_name", TEXT, "the action applied"),
        Column("action_id", TEXT, "AWS's id of the action", nullable=True),
        Column("status", TEXT, "`COMPLETED`, `FAILED`, `SKIPPED`, `CANCELED`, `PENDING` or `IN_PROGRESS`"),
        Column("start_time", TIME, "when it began", nullable=True),
        Column("end_time", TIME, "when it ended", nullable=True),
        Column("error_code", TEXT, "why it failed, such as `INVALID_STATE_OF_RESOURCE`", nullable=True),
        Column("message", TEXT, "AWS's text to the error", nullable=True),
    ),
)

PULLS = Schema(
    "pulls",
    "One row per target and pull: what was asked, and how that ended. Made from the archive's diary, also for targets "
    "that were not reached.",
    ("pull_id", "target"),
    (
        Column("pulled_time", TIME, "when AWS was asked, by its clock; by this machine's where it never answered"),
        Column("pull_id", TEXT, "the same for all targets of one pull"),
        Column("target", TEXT, "name of the target"),
        Column("account", TEXT, "12-digit AWS account id; missing when nobody answered", nullable=True),
        Column("region", TEXT, "AWS Region; missing when nobody answered and the target names none", nullable=True),
        Column(
            "status",
            TEXT,
            "`ok`, `partial`, `not enabled`, `no permission`, `throttled`, `unreachable`, `no credentials` or `failed`",
        ),
        Column("window_start_time", TIME, "audits that began from here on were wanted", nullable=True),
        Column("window_end_time", TIME, "audits that began before were wanted", nullable=True),
        Column("audits_listed", FLAG, "whether AWS told which audits there are in the window"),
        Column("new_audits_count", COUNT, "audits archived by this pull"),
        Column("known_audits_count", COUNT, "audits that were archived before"),
        Column("running_audits_count", COUNT, "audits that had not ended"),
        Column("missing_audits_count", COUNT, "audits that AWS listed and that could not be had"),
        Column("new_findings_count", COUNT, "findings of the new audits"),
        Column("new_mitigation_tasks_count", COUNT, "mitigation tasks archived by this pull"),
        Column("problems", TEXT, "what went wrong, in plain words, as a JSON list"),
        Column("emulated", FLAG, "true when the emulator answered, not AWS; missing when nobody did", nullable=True),
    ),
)

SCHEMAS: dict[str, Schema] = {
    s.name: s
    for s in (
        AUDIT_TASKS,
        CHECKS,
        FINDINGS,
        RELATED_RESOURCES,
        CHECK_CONFIGURATIONS,
        ACCOUNT_CONFIGURATIONS,
        SCHEDULED_AUDITS,
        SUPPRESSIONS,
        MITIGATION_ACTIONS,
        MITIGATION_TASKS,
        MITIGATION_EXECUTIONS,
        *INVENTORY_SCHEMAS,
    )
}
"""Every archived table by its name."""

__all__ = [
    "ACCOUNT_CONFIGURATIONS",
    "AUDIT_TASKS",
    "CHECKS",
    "CHECK_CONFIGURATIONS",
    "COUNT",
    "FINDINGS",
    "FLAG",
    "INVENTORY_SCHEMAS",
    "MITIGATION_ACTIONS",
    "MITIGATION_EXECUTIONS",
    "MITIGATION_TASKS",
    "PULLS",
    "RELATED_RESOURCES",
    "SCHEDULED_AUDITS",
    "SCHEMAS",
    "SEVERITY",
    "SUPPRESSIONS",
    "TEXT",
    "TIME",
    "Column",
    "Dtype",
    "Schema",
    "pandas_dtype",
]
