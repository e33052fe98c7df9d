"""Reading AWS: connections, and `fetch_*` functions that give records exactly as AWS sent them.

Nothing is asked on import, and none of the names below changes an account; what does (`aws.mitigation_actions`,
`aws.iam_roles`) says so first. Records go to `ddreport.tables`.
"""

from ddreport.aws.audits import (
    fetch_audit,
    fetch_audit_task,
    fetch_audit_tasks,
    fetch_findings,
    fetch_related_resources,
)
from ddreport.aws.configuration import fetch_configuration, fetch_scheduled_audits, fetch_state
from ddreport.aws.mitigations import (
    fetch_executions,
    fetch_mitigation,
    fetch_mitigation_actions,
    fetch_mitigation_task,
    fetch_mitigation_tasks,
    fetch_target_findings,
)
from ddreport.aws.session import AwsSession, Identity, connect_session
from ddreport.aws.suppressions import fetch_suppressions
from ddreport.aws.windows import oldest_start

__all__ = [
    "AwsSession",
    "Identity",
    "connect_session",
    "fetch_audit",
    "fetch_audit_task",
    "fetch_audit_tasks",
    "fetch_configuration",
    "fetch_executions",
    "fetch_findings",
    "fetch_mitigation",
    "fetch_mitigation_actions",
    "fetch_mitigation_task",
    "fetch_mitigation_tasks",
    "fetch_related_resources",
    "fetch_scheduled_audits",
    "fetch_state",
    "fetch_suppressions",
    "fetch_target_findings",
    "oldest_start",
]
