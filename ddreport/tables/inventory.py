"""The tables of an inventory, from what AWS IoT lists and describes.

Each table is made of records of its own, with AWS's member names:

======================  ==============================================================================================
table                   one record
======================  ==============================================================================================
`certificates`          answer of `DescribeCertificate`, and `describedTime`: when it was given
`ca_certificates`       answer of `DescribeCACertificate`
`policies`              item of `ListPolicies`, and `policyVersions` of `ListPolicyVersions`
`policy_versions`       answer of `GetPolicyVersion`
`policy_targets`        `policyName`, and `targets` of `ListTargetsForPolicy`
`things`                item of `ListThings`
`thing_groups`          answer of `DescribeThingGroup`
`thing_group_members`   `thingGroupName`, and `things` of `ListThingsInThingGroup`
`thing_principals`      `thingName`, and `principals` of `ListThingPrincipals`
`role_aliases`          answer of `DescribeRoleAlias`
`inventory_status`      the columns of the table by name, place and time apart
======================  ==============================================================================================
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError
from ddreport.schemas import SCHEMAS
from ddreport.tables.building import Columns, build_frame, columns_of
from ddreport.tables.pem import read_pem
from ddreport.tables.values import canonical_json, text, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    import pandas as pd

Row = dict[str, Any]

_COGNITO_IDENTITY = re.compile(r"[a-z0-9-]+:[0-9a-fA-F-]{36}")


def inventory_table(
    table: str, records: Iterable[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make one table of an inventory of its records (see above).

    Raises
    ------
    InputError
        `table` is none of an inventory.
    TableSchemaError
        A record lacks what must be there, or two different ones are of the same thing.
    """
    columns = inventory_columns(table, records, account=account, region=region, observed_time=observed_time)
    return build_frame(SCHEMAS[table], columns)


def inventory_columns(
    table: str, records: Iterable[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `inventory_table`."""
    if table not in _ROWS:
        raise InputError(f"an inventory has no table {table!r}; it has: {', '.join(_ROWS)}.")
    place = {"account": account, "region": region, "observed_time": to_microseconds(observed_time)}
    make = _ROWS[table]
    return columns_of(SCHEMAS[table], [place | row for record in records for row in make(record)])


def certificate_id_of(arn: str | None) -> str | None:
    """Return the id in the ARN of a device certificate, in lower case; None for anything else."""
    before, found, certificate_id = (arn or "").rpartition(":cert/")
    return certificate_id.lower() if before and found and certificate_id else None


def principal_of(target: str) -> tuple[str, str]:
    """Return kind and id of what a policy or a thing can be attached to."""
    certificate = certificate_id_of(target)
    if certificate is not None:
        return "certificate", certificate
    before, found, group = target.partition(":thinggroup/")
    if before and found and group:
        return "thing_group", group
    if _COGNITO_IDENTITY.fullmatch(target):
        return "cognito_identity", target
    return "other", target


def _certificates(record: Mapping[str, Any]) -> Iterator[Row]:
    described = record.get("certificateDescription") or {}
    yield {
        "certificate_id": _hex(described.get("certificateId")),
        "status": text(described.get("status")),
        "ca_certificate_id": _hex(described.get("caCertificateId")),
        "previous_owned_by": text(described.get("previousOwnedBy")),
        "described_time": to_microseconds(record.get("describedTime")),
        **_certificate_facts(described),
    }


def _ca_certificates(record: Mapping[str, Any]) -> Iterator[Row]:
    described = record.get("certificateDescription") or {}
    registration = record.get("registrationConfig") or {}
    yield {
        "ca_certificate_id": _hex(described.get("certificateId")),
        "status": text(described.get("status")),
        "auto_registration_status": text(described.get("autoRegistrationStatus")),
        "registration_template_name": text(registration.get("templateName")),
        "registration_role_arn": text(registration.get("roleArn")),
        **_certificate_facts(described),
    }


def _certificate_facts(described: Mapping[str, Any]) -> Row:
    """Return the columns that device and CA certificates have in common."""
    validity = described.get("validity") or {}
    facts = read_pem(described.get("certificatePem"))
    return {
        "certificate_mode": text(described.get("certificateMode")),
        "creation_time": to_microseconds(described.get("creationDate")),
        "last_modified_time": to_microseconds(described.get("lastModifiedDate")),
        "not_before_time": to_microseconds(validity.get("notBefore")),
        "not_after_time": to_microseconds(validity.get("notAfter")),
        "owned_by": text(described.get("ownedBy")),
        "subject": text(facts.subject),
        "issuer": text(facts.issuer),
        "serial_number": facts.serial_number,
        "key_algorithm": facts.key_algorithm,
        "key_bits": facts.key_bits,
    }


def _policies(record: Mapping[str, Any]) -> Iterator[Row]:
    versions = record.get("policyVersions") or []
    default = next((v.get("versionId") for v in versions if v.get("isDefaultVersion")), None)
    yield {
        "policy_name": text(record.get("policyName")),
        "policy_arn": text(record.get("policyArn")),
        "default_version_id": text(default),
        "versions_count": len(versions),
    }


def _policy_versions(record: Mapping[str, Any]) -> Iterator[Row]:
    yield {
        "policy_name": text(record.get("policyName")),
        "policy_version_id": text(record.get("policyVersionId")),
        "is_default_version": bool(record.get("isDefaultVersion")),
        "creation_time": to_microseconds(record.get("creationDate")),
        "policy_document": _document(record.get("policyDocument")),
    }


def _document(document: Any) -> str:
    if isinstance(document, str):
        try:
            return canonical_json(json.loads(document))
        except (ValueError, RecursionError):
            return text(document) or ""
    return canonical_json(document or {})


def _policy_targets(record: Mapping[str, Any]) -> Iterator[Row]:
    for target in record.get("targets") or []:
        kind, target_id = principal_of(target)
        yield {
            "policy_name": text(record.get("policyName")),
            "target_type": kind,
            "target_id": text(target_id),
        }


def _things(record: Mapping[str, Any]) -> Iterator[Row]:
    yield {
        "thing_name": text(record.get("thingName")),
        "thing_arn": text(record.get("thingArn")),
        "thing_type_name": text(record.get("thingTypeName")),
        "attributes": canonical_json(record.get("attributes") or {}),
        "version": record.get("version"),
    }


def _thing_groups(record: Mapping[str, Any]) -> Iterator[Row]:
    properties = record.get("thingGroupProperties") or {}
    metadata = record.get("thingGroupMetadata") or {}
    query = record.get("queryString")
    yield {
        "thing_group_name": text(record.get("thingGroupName")),
        "thing_group_arn": text(record.get("thingGroupArn")),
        "parent_group_name": text(metadata.get("parentGroupName")),
        "is_dynamic": bool(query),
        "query_string": text(query or None),
        "description": text(properties.get("thingGroupDescription")),
        "attributes": canonical_json((properties.get("attributePayload") or {}).get("attributes") or {}),
        "creation_time": to_microseconds(metadata.get("creationDate")),
        "version": record.get("version"),
    }


def _thing_group_members(record: Mapping[str, Any]) -> Iterator[Row]:
    for thing in record.get("things") or []:
        yield {"thing_group_name": text(record.get("thingGroupName")), "thing_name": text(thing)}


def _thing_principals(record: Mapping[str, Any]) -> Iterator[Row]:
    for principal in record.get("principals") or []:
        kind, principal_id = principal_of(principal)
        yield {
            "thing_name": text(record.get("thingName")),
            "principal_type": kind,
            "principal_id": text(principal_id),
        }


def _role_aliases(record: Mapping[str, Any]) -> Iterator[Row]:
    described = record.get("roleAliasDescription") or {}
    yield {
        "role_alias": text(described.get("roleAlias")),
        "role_alias_arn": text(described.get("roleAliasArn")),
        "role_arn": text(described.get("roleArn")),
        "owner": text(described.get("owner")),
        "credential_duration_seconds": described.get("credentialDurationSeconds"),
        "creation_time": to_microseconds(described.get("creationDate")),
        "last_modified_time": to_microseconds(described.get("lastModifiedDate")),
    }


def _inventory_status(record: Mapping[str, Any]) -> Iterator[Row]:
    yield {"rows_count": None, "operation": None, "error_code": None, "message": None, **record}


def _hex(value: str | None) -> str | None:
    found = text(value)
    return None if found is None else found.lower()


_ROWS: dict[str, Callable[[Mapping[str, Any]], Iterator[Row]]] = {
    "certificates": _certificates,
    "ca_certificates": _ca_certificates,
    "policies": _policies,
    "policy_versions": _policy_versions,
    "policy_targets": _policy_targets,
    "things": _things,
    "thing_groups": _thing_groups,
    "thing_group_members": _thing_group_members,
    "thing_principals": _thing_principals,
    "role_aliases": _role_aliases,
    "inventory_status": _inventory_status,
}
