"""Problems as findings of AWS Security Hub (AWS Security Finding Format), ready for `BatchImportFindings`.

One finding per problem with an `Id` that lasts, under the account's default product, beside (not instead of) what
Device Defender sends to Security Hub itself. A problem is archived only when it is proven gone: not when an audit left
its check out, failed or did not run, and not when a fully clean audit reports nothing at all for a Region, since every
problem is exported whatever its state. One that nobody can look at stays active with the status WARNING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import controls, describe_check
from ddreport.exporting.plain import iso
from ddreport.presentation.text import shorten, visible
from ddreport.terms import ProblemState, partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pandas as pd

SCHEMA_VERSION = "2018-10-08"
MOST_FINDINGS = 100
"""Findings that one `BatchImportFindings` takes."""

_REQUIREMENTS = 32
_COMPLIANCE = {
    ProblemState.RESOLVED: "PASSED",
    ProblemState.UNKNOWN: "WARNING",
    ProblemState.OUT_OF_SCOPE: "NOT_AVAILABLE",
}
_WORKFLOW = {ProblemState.SUPPRESSED: "SUPPRESSED", ProblemState.RESOLVED: "RESOLVED"}
_TYPES = {
    "DEVICE_CERTIFICATE_SHARED_CHECK": "Unusual Behaviors/Device",
    "CONFLICTING_CLIENT_IDS_CHECK": "Unusual Behaviors/Device",
}


def asff_findings(problems: pd.DataFrame, *, as_of: datetime, emulated: bool) -> Iterator[dict[str, Any]]:
    """Yield one finding per problem, as `BatchImportFindings` takes it.

    `UpdatedAt` is `as_of`: Security Hub keeps the newer of two imports. Texts are cut to Security Hub's limits, with
    hidden characters shown as escapes.

    Parameters
    ----------
    problems
        `history.PROBLEMS`.
    as_of
        The moment that the states are of, aware UTC.
    emulated
        Whether the accounts are the emulator's; said in the title and in `ProductFields`.
    """
    requirements: dict[str, list[str]] = {}
    for control in controls():
        if control.confidence == "sure":
            name = f"{control.framework} {control.framework_version} {control.control_id}"
            requirements.setdefault(control.check_name, []).append(" ".join(name.split()))
    for row in problems.to_dict("records"):
        facts = {str(k): v for k, v in row.items()}
        yield _finding(facts, as_of, requirements.get(facts["check_name"], []), emulated=emulated)


def batches(findings: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield lists of findings that one call takes; each is of one account and Region."""
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        places.setdefault((finding["AwsAccountId"], finding["Region"]), []).append(finding)
    for own in places.values():
        for begin in range(0, len(own), MOST_FINDINGS):
            yield own[begin : begin + MOST_FINDINGS]


def _finding(row: dict[str, Any], as_of: datetime, requirements: Sequence[str], *, emulated: bool) -> dict[str, Any]:
    state = ProblemState(row["state"])
    check = describe_check(row["check_name"])
    account, region = row["account"], row["region"]
    part = partition_of(region)
    note = row["state_note"] if isinstance(row["state_note"], str) else ""
    said = f"{check.explain(row['reason_code'])} Resource: {row['resource_type']} {shorten(row['resource_id'], 200)}."
    return {
        "SchemaVersion": SCHEMA_VERSION,
        "Id": f"ddreport/{region}/{account}/{row['problem_id']}",
        "ProductArn": f"arn:{part}:securityhub:{region}:{account}:product/{account}/default",
        "GeneratorId": f"ddreport/{row['check_name']}",
        "AwsAccountId": account,
        "Region": region,
        "Types": [_TYPES.get(row["check_name"], "Software and Configuration Checks/AWS Security Best Practices")],
        "FirstObservedAt": iso(row["first_seen_time"]),
        "LastObservedAt": iso(row["last_seen_time"]),
        "CreatedAt": iso(row["first_seen_time"]),
        "UpdatedAt": iso(as_of),
        "Severity": {"Label": str(row["severity"]), "Original": str(row["severity"])},
        "Title": visible(f"{'[emulated] ' if emulated else ''}{check.title}: {row['reason_code']}")[:256],
        "Description": visible(f"{said} {note}".strip())[:1024],
        "Remediation": {
            "Recommendation": {
                "Text": (check.fix or "See the documentation of the check.")[:512],
                **({"Url": check.doc_url} if check.doc_url else {}),
            }
        },
        "ProductFields": {
            "ddreport/ProblemId": row["problem_id"],
            "ddreport/CheckName": row["check_name"],
            "ddreport/ReasonCode": visible(row["reason_code"])[:2048],
            "ddreport/State": state.value,
            "ddreport/ReopenedCount": str(int(row["reopened_count"])),
            "ddreport/LastSeenAuditTaskId": row["last_seen_audit_task_id"],
            "ddreport/Emulated": str(emulated).lower(),
        },
        "Resources": [
            {
                "Type": "Other",
                "Id": visible(row["resource_id"])[:512],
                "Partition": part,
                "Region": region,
                "Details": {"Other": {"ResourceType": row["resource_type"]}},
            }
        ],
        "Compliance": {
            "Status": _COMPLIANCE.get(state, "FAILED"),
            **({"RelatedRequirements": list(requirements)[:_REQUIREMENTS]} if requirements else {}),
        },
        "Workflow": {"Status": _WORKFLOW.get(state, "NEW")},
        "RecordState": "ARCHIVED" if state is ProblemState.RESOLVED else "ACTIVE",
    }
