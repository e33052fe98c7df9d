"""Reading what an action is about to change, just before it is sent, and the same again afterwards.

Nothing here changes an account. What AWS refuses to tell raises: an unknown state is never taken for one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ddreport.aws.audits import fetch_related_resources
from ddreport.aws.calls import Record, fetch_items, fetch_one
from ddreport.errors import AwsCallError
from ddreport.mitigation.prestate import (
    GONE,
    LOGGING_ID,
    Captured,
    ResourceState,
    StateKind,
    document_hash,
    is_blank,
    judge,
)
from ddreport.terms import MitigationActionType, ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_iot import IoTClient

    from ddreport.mitigation.plan import PlannedAction, PlannedFinding

_LOGGING_MEMBERS = ("roleArn", "defaultLogLevel", "disableAllLogs")


def capture_state(client: IoTClient, finding: PlannedFinding, action: PlannedAction) -> Captured:
    """Read every resource that an action would change for a finding, and judge whether it can be sent.

    Source and permissions, by type of action: `iot:DescribeCertificate`; `iot:DescribeCACertificate`;
    `iot:GetPolicy`, `iot:ListPolicyVersions`; `iot:ListPrincipalThings`, `iot:ListThingGroupsForThing` (and
    `iot:DescribeCertificate` for a certificate without things); `iot:GetV2LoggingOptions`. Findings of an issuer's
    certificate stand for all related certificates: `iot:ListRelatedResourcesForAuditFinding`. A message to a topic
    needs nothing.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed to tell.
    """
    states = tuple(_states(client, finding, action))
    verdict, note = judge(action, states, policy_version_id=finding.policy_version_id)
    return Captured(finding.finding_id, action.name, states, verdict, note)


def read_states(client: IoTClient, keys: Iterable[tuple[str, str]]) -> list[ResourceState]:
    """Read resources again by kind and id (`ResourceState.key`), each once; one that does not exist is `GONE`.

    Source, permissions and errors: see `capture_state`.
    """
    return [_read(client, kind, resource_id) for kind, resource_id in dict.fromkeys(keys)]


def _states(client: IoTClient, finding: PlannedFinding, action: PlannedAction) -> Iterator[ResourceState]:
    match action.action_type:
        case MitigationActionType.UPDATE_DEVICE_CERTIFICATE:
            for certificate_id in _certificates(client, finding):
                yield _read(client, StateKind.DEVICE_CERTIFICATE, certificate_id)
        case MitigationActionType.UPDATE_CA_CERTIFICATE:
            yield _read(client, StateKind.CA_CERTIFICATE, finding.resource_id)
        case MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION:
            yield _read(client, StateKind.POLICY, finding.resource_id)
        case MitigationActionType.ADD_THINGS_TO_THING_GROUP:
            yield from _things(client, finding)
        case MitigationActionType.ENABLE_IOT_LOGGING:
            yield _read(client, StateKind.LOGGING, LOGGING_ID)


def _certificates(client: IoTClient, finding: PlannedFinding) -> list[str]:
    """Return the finding's certificate; of an issuer's finding those that AWS relates to it."""
    if finding.resource_type != ResourceType.ISSUER_CERTIFICATE:
        return [finding.resource_id]
    related = fetch_related_resources(client, finding.finding_id)
    found = ((r.get("resourceIdentifier") or {}).get("deviceCertificateId") for r in related)
    return list(dict.fromkeys(certificate_id.lower() for certificate_id in found if certificate_id))


def _things(client: IoTClient, finding: PlannedFinding) -> Iterator[ResourceState]:
    """Yield the groups of each thing, and a certificate's status where it has no thing."""
    told = json.loads(finding.resource_identifier).get("deviceCertificateArn")
    seen: set[str] = set()
    for certificate_id in _certificates(client, finding):
        arn = told
        if arn is None:
            described = _certificate(client, certificate_id)
            if described is None:
                yield ResourceState(StateKind.DEVICE_CERTIFICATE, certificate_id, GONE)
                continue
            arn = described["certificateArn"]
        names = _things_of(client, arn)
        if not names and arn is told:
            yield _read(client, StateKind.DEVICE_CERTIFICATE, certificate_id)
        for name in names:
            if name not in seen:
                seen.add(name)
                yield _read(client, StateKind.THING_GROUPS, name)


def _things_of(client: IoTClient, principal: str) -> list[str]:
    try:
        names: list[Any] = fetch_items(client, "list_principal_things", "things", principal=principal)
    except AwsCallError as exc:
        if exc.code != _NOT_FOUND:
            raise
        return []
    return sorted(names)


def _read(client: IoTClient, kind: str, resource_id: str) -> ResourceState:
    try:
        value = _READERS[kind](client, resource_id)
    except AwsCallError as exc:
        if exc.code != _NOT_FOUND:
            raise
        value = GONE
    return ResourceState(str(kind), resource_id, value)


_NOT_FOUND = "ResourceNotFoundException"


def _certificate(client: IoTClient, certificate_id: str) -> Record | None:
    try:
        answer = fetch_one(client, "describe_certificate", certificateId=certificate_id)
    except AwsCallError as exc:
        if exc.code != _NOT_FOUND:
            raise
        return None
    described: Record = answer["certificateDescription"]
    return described


def _read_certificate(client: IoTClient, certificate_id: str) -> dict[str, Any]:
    answer = fetch_one(client, "describe_certificate", certificateId=certificate_id)
    return {"status": answer["certificateDescription"]["status"]}


def _read_ca_certificate(client: IoTClient, certificate_id: str) -> dict[str, Any]:
    answer = fetch_one(client, "describe_ca_certificate", certificateId=certificate_id)
    return {"status": answer["certificateDescription"]["status"]}


def _read_policy(client: IoTClient, name: str) -> dict[str, Any]:
    policy = fetch_one(client, "get_policy", policyName=name)
    versions = fetch_one(client, "list_policy_versions", policyName=name)["policyVersions"]
    return {
        "default_version_id": policy["defaultVersionId"],
        "version_ids": sorted((v["versionId"] for v in versions), key=lambda text: (len(text), text)),
        "is_blank": is_blank(policy["policyDocument"]),
        "document_sha256": document_hash(policy["policyDocument"]),
    }


def _read_groups(client: IoTClient, thing_name: str) -> dict[str, Any]:
    found = fetch_items(client, "list_thing_groups_for_thing", "thingGroups", thingName=thing_name)
    return {"groups": sorted(group["groupName"] for group in found)}


def _read_logging(client: IoTClient, _: str) -> dict[str, Any]:
    try:
        options = fetch_one(client, "get_v2_logging_options")
    except AwsCallError as exc:
        if exc.code != "NotConfiguredException":
            raise
        return {"configured": False}
    return {"configured": True, **{name: options[name] for name in _LOGGING_MEMBERS if name in options}}


_READERS: dict[str, Callable[[IoTClient, str], dict[str, Any]]] = {
    StateKind.DEVICE_CERTIFICATE: _read_certificate,
    StateKind.CA_CERTIFICATE: _read_ca_certificate,
    StateKind.POLICY: _read_policy,
    StateKind.THING_GROUPS: _read_groups,
    StateKind.LOGGING: _read_logging,
}
