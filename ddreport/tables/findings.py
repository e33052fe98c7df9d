"""Tables `findings` and `related_resources`, from AWS's finding records.

`findings_table` and `related_resources_table` take records as boto3 gives them. A pull of many findings takes the
shorter way in `ddreport.tables.pages`, from the bytes of a page to Arrow; both go through the columns made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ddreport.catalogue import describe_check, normalise_check_name
from ddreport.schemas import FINDINGS, RELATED_RESOURCES
from ddreport.tables.building import Columns, build_frame
from ddreport.tables.identity import NO_RESOURCE_TYPE, identify
from ddreport.tables.values import canonical_json, milliseconds_text, scrub, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

EMBEDDED_LIMIT = 10
"""Related resources that AWS puts into a finding at most; for more they must be listed."""

NEVER_EMBEDDED = frozenset({"INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"})
"""Checks whose related resources are only in the list of their own."""

NO_REASON_CODE = "(no reason code)"


class Resource(msgspec.Struct, rename="camel", gc=False):
    """A non-compliant or related resource as AWS sends it; what AWS adds later is left out."""

    resource_type: str | None = None
    resource_identifier: dict[str, Any] | None = None
    additional_info: dict[str, Any] | None = None


class Finding(msgspec.Struct, rename="camel", gc=False):
    """A finding as AWS sends it; every member may be missing, and what AWS adds later is left out."""

    finding_id: str | None = None
    task_id: str | None = None
    check_name: str | None = None
    task_start_time: Any = None
    finding_time: Any = None
    severity: str | None = None
    non_compliant_resource: Resource | None = None
    related_resources: list[Resource] | None = None
    reason_for_non_compliance: str | None = None
    reason_for_non_compliance_code: str | None = None
    is_suppressed: bool | None = None

    @property
    def must_be_listed(self) -> bool:
        """Whether the embedded related resources may be cut short, so that they must be listed."""
        return len(self.related_resources or ()) >= EMBEDDED_LIMIT or self.check_name in NEVER_EMBEDDED


class Place(msgspec.Struct, frozen=True):
    """Where findings belong: account, Region and, for findings that do not say it, audit task and its start."""

    account: str
    region: str
    audit_task_id: str | None = None
    task_start_time: Any = None


def findings_table(
    records: Sequence[Mapping[str, Any]],
    *,
    account: str,
    region: str,
    audit_task_id: str | None = None,
    task_start_time: datetime | float | None = None,
    related: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> pd.DataFrame:
    """Make the table `schemas.FINDINGS` of finding records (`ListAuditFindings`, `DescribeAuditFinding`).

    Members that AWS leaves out: `taskId` and `taskStartTime` are taken from the arguments, `findingTime` from the
    start of the task, `severity` and the resource type from the catalogue, `isSuppressed` is false (AWS sent none
    before suppressions existed), a missing reason code reads `(no reason code)`. Outdated check names are replaced.

    Parameters
    ----------
    records
        Findings with AWS's member names; times as boto3's datetimes or as epoch seconds.
    related
        All related resources of a finding by finding id, where AWS embeds only some; decides
        `related_resources_count`.

    Raises
    ------
    TableSchemaError
        A finding without id, an unknown severity, a value that is no time, two different findings with one id.
    """
    findings = [to_finding(record, related) for record in records]
    return build_frame(FINDINGS, finding_columns(findings, Place(account, region, audit_task_id, task_start_time)))


def related_resources_table(
    records: Sequence[Mapping[str, Any]],
    *,
    account: str,
    region: str,
    audit_task_id: str | None = None,
    related: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> pd.DataFrame:
    """Make the table `schemas.RELATED_RESOURCES` of the same records as `findings_table`, one row per resource.

    Raises
    ------
    TableSchemaError
        A finding without id has related resources, or two different findings have one id.
    """
    findings = [to_finding(record, related) for record in records]
    return build_frame(RELATED_RESOURCES, related_columns(findings, Place(account, region, audit_task_id)))


def to_finding(record: Mapping[str, Any], related: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> Finding:
    """Return a record as a `Finding`; `related` replaces the embedded related resources."""
    known = {name: record.get(camel) for name, camel in _FINDING_MEMBERS}
    listed = (related or {}).get(str(known["finding_id"]))
    embedded = known["related_resources"] if listed is None else listed
    known["related_resources"] = None if embedded is None else [to_resource(r) for r in embedded]
    resource = known["non_compliant_resource"]
    known["non_compliant_resource"] = None if resource is None else to_resource(resource)
    return Finding(**{name: scrub(value) for name, value in known.items()})


def to_resource(record: Mapping[str, Any]) -> Resource:
    """Return a record as a `Resource`."""
    return Resource(**{name: scrub(record.get(camel)) for name, camel in _RESOURCE_MEMBERS})


_FINDING_MEMBERS = tuple((f.name, f.encode_name) for f in msgspec.structs.fields(Finding))
_RESOURCE_MEMBERS = tuple((f.name, f.encode_name) for f in msgspec.structs.fields(Resource))
_NOTHING = Resource()


def finding_columns(findings: Sequence[Finding], place: Place) -> Columns:
    """Return the columns of `schemas.FINDINGS`, one value per finding."""
    number = len(findings)
    resources = [f.non_compliant_resource or _NOTHING for f in findings]
    identities = [identify(r.resource_identifier) for r in resources]
    # Few checks and one start per audit: each is worked out once, not once per finding.
    known = {name: normalise_check_name(name or "") for name in {f.check_name for f in findings}}
    names = [known[f.check_name] for f in findings]
    began = {time: to_microseconds(time) for time in {f.task_start_time for f in findings}}
    began[None] = to_microseconds(place.task_start_time)
    starts = [began[f.task_start_time] for f in findings]
    return {
        "account": [place.account] * number,
        "region": [place.region] * number,
        "audit_task_id": [f.task_id or place.audit_task_id for f in findings],
        "finding_id": [f.finding_id for f in findings],
        "check_name": [name or None for name in names],
        "task_start_time": starts,
        "finding_time": [
            start if f.finding_time is None else to_microseconds(f.finding_time)
            for f, start in zip(findings, starts, strict=True)
        ],
        "severity": [f.severity or _severity_of(name) for f, name in zip(findings, names, strict=True)],
        "resource_type": [
            r.resource_type or who.resource_type or _type_of(name)
            for r, who, name in zip(resources, identities, names, strict=True)
        ],
        "resource_id": [who.resource_id for who in identities],
        "policy_version_id": [who.policy_version_id for who in identities],
        "reason_code": [f.reason_for_non_compliance_code or NO_REASON_CODE for f in findings],
        "reason": [f.reason_for_non_compliance for f in findings],
        "is_suppressed": [bool(f.is_suppressed) for f in findings],
        "expiration_time": [
            milliseconds_text(r.additional_info.get("EXPIRATION_TIME")) if r.additional_info else None
            for r in resources
        ],
        "related_resources_count": [len(f.related_resources or ()) for f in findings],
        "resource_identifier": [who.resource_identifier for who in identities],
        "additional_info": [_info(r) for r in resources],
    }


def related_columns(findings: Sequence[Finding], place: Place) -> Columns:
    """Return the columns of `schemas.RELATED_RESOURCES`, one value per related resource of each finding."""
    columns: Columns = {name: [] for name in RELATED_RESOURCES.column_names}
    for finding in findings:
        for position, resource in enumerate(finding.related_resources or ()):
            who = identify(resource.resource_identifier)
            info = resource.additional_info or {}
            values = (
                place.account,
                place.region,
                finding.task_id or place.audit_task_id,
                finding.finding_id,
                position,
                resource.resource_type or who.resource_type or NO_RESOURCE_TYPE,
                who.resource_id,
                milliseconds_text(info.get("CONNECTION_TIME")),
                milliseconds_text(info.get("DISCONNECTION_TIME")),
                who.resource_identifier,
                _info(resource),
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    return columns


def _info(resource: Resource) -> str | None:
    return canonical_json(resource.additional_info) if resource.additional_info else None


def _severity_of(check_name: str) -> str | None:
    severity = describe_check(check_name).severity
    return severity.value if severity else None


def _type_of(check_name: str) -> str:
    resource_type = describe_check(check_name).resource_type
    return resource_type.value if resource_type else NO_RESOURCE_TYPE
