"""AWS's records as typed tables: `*_table(records)` gives a DataFrame that fits its schema in `ddreport.schemas`.

Records are dicts with AWS's own member names, as boto3 or the JSON of an answer give them. Members that a newer
service adds do not disturb. Pure functions: no clock, no file, no network.
"""

from ddreport.tables.audits import audit_tasks_table, checks_table
from ddreport.tables.building import frame_to_arrow
from ddreport.tables.configuration import (
    account_configurations_table,
    check_configurations_table,
    scheduled_audits_table,
)
from ddreport.tables.findings import findings_table, related_resources_table
from ddreport.tables.identity import ResourceIdentity, identify
from ddreport.tables.inventory import inventory_table
from ddreport.tables.mitigations import mitigation_actions_table, mitigation_executions_table, mitigation_tasks_table
from ddreport.tables.pages import FindingTables, decode_findings_page, decode_resources_page
from ddreport.tables.pulls import pulls_table
from ddreport.tables.suppressions import suppressions_table
from ddreport.tables.values import canonical_json

__all__ = [
    "FindingTables",
    "ResourceIdentity",
    "account_configurations_table",
    "audit_tasks_table",
    "canonical_json",
    "check_configurations_table",
    "checks_table",
    "decode_findings_page",
    "decode_resources_page",
    "findings_table",
    "frame_to_arrow",
    "identify",
    "inventory_table",
    "mitigation_actions_table",
    "mitigation_executions_table",
    "mitigation_tasks_table",
    "pulls_table",
    "related_resources_table",
    "scheduled_audits_table",
    "suppressions_table",
]
