"""The AWS SDK for JavaScript v3 sees the same account as boto3: lists, descriptions, times, classes of errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddreport.emulation import Emulator, EmulatorServer

pytestmark = pytest.mark.slow

LOGGING, EXPIRING = "LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
SPAN = {"startTime": datetime(2026, 3, 1, tzinfo=UTC), "endTime": datetime(2026, 3, 20, tzinfo=UTC)}


@pytest.fixture(scope="module")
def furnished(emulated: tuple[Emulator, EmulatorServer], iot: Any, public_certificates: Any) -> None:
    """Some days in the life of an account: five audits, findings of three checks, two of them suppressed."""
    emulator, _ = emulated
    devices = [
        iot.register_certificate_without_ca(certificatePem=c.pem, status="ACTIVE") for c in public_certificates[:12]
    ]
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}'
    iot.create_policy(policyName="Wide", policyDocument=document)
    checks: dict[str, dict[str, Any]] = {name: {"enabled": True} for name in (LOGGING, EXPIRING, POLICY)}
    # Wide enough for some real certificates to be found.
    checks[EXPIRING]["configuration"] = {"CERT_EXPIRATION_THRESHOLD_IN_DAYS": "3652"}
    role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    iot.update_account_audit_configuration(roleArn=role, auditCheckConfigurations=checks)
    for name, when in (
        ("Daily", {"frequency": "DAILY"}),
        ("Weekly", {"frequency": "WEEKLY", "dayOfWeek": "TUE"}),
        ("Monthly", {"frequency": "MONTHLY", "dayOfMonth": "LAST"}),
    ):
        iot.create_scheduled_audit(scheduledAuditName=name, targetCheckNames=[LOGGING, POLICY], **when)
    iot.create_audit_suppression(
        checkName=LOGGING,
        resourceIdentifier={"account": emulator.account},
        suppressIndefinitely=True,
        description="known; see <ticket> &amp; 7",
    )
    iot.create_audit_suppression(
        checkName=EXPIRING,
        resourceIdentifier={"deviceCertificateId": devices[0]["certificateId"]},
        expirationDate=datetime(2026, 9, 1, tzinfo=UTC),
    )
    parameters = {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
    iot.create_mitigation_action(actionName="Deactivate", roleArn=role, actionParams=parameters)
    emulator.advance(timedelta(days=3, milliseconds=123))
    iot.start_on_demand_audit_task(targetCheckNames=[EXPIRING, LOGGING])
    emulator.advance(timedelta(minutes=1))
    cancelled = iot.start_on_demand_audit_task(targetCheckNames=[EXPIRING])["taskId"]
    iot.cancel_audit_task(taskId=cancelled)


@pytest.fixture(scope="module")
def seen(furnished: None, run_node: Callable[[str], Any]) -> Any:
    return run_node("read_account.cjs")


def with_dates(value: Any) -> Any:
    """Write an answer of boto3's in the form that the script prints."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        return {"Date": f"{text}Z"}
    if isinstance(value, dict):
        return {key: with_dates(item) for key, item in value.items() if key != "ResponseMetadata"}
    return [with_dates(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def listed(iot: Any) -> Callable[..., Any]:
    def items(operation: str, member: str, **parameters: Any) -> Any:
        pages = iot.get_paginator(operation).paginate(**parameters)
        return [with_dates(item) for page in pages for item in page[member]]

    return items


def test_it_lists_the_same_audits(seen: Any, listed: Callable[..., Any]) -> None:
    assert seen["tasks"] == listed("list_audit_tasks", "tasks", **SPAN)
    assert len(seen["tasks"]) > 4


def test_it_describes_the_same_audits(seen: Any, iot: Any) -> None:
    assert seen["audits"] == [with_dates(iot.describe_audit_task(taskId=task["taskId"])) for task in seen["tasks"]]
    assert {audit["taskStatus"] for audit in seen["audits"]} == {"COMPLETED", "CANCELED"}


def test_it_pages_through_the_same_findings(seen: Any, listed: Callable[..., Any]) -> None:
    assert seen["findings"] == listed("list_audit_findings", "findings", **SPAN)
    assert {finding["checkName"] for finding in seen["findings"]} == {LOGGING, EXPIRING, POLICY}
    assert {finding["isSuppressed"] for finding in seen["findings"]} == {True, False}


def test_it_describes_the_same_finding(seen: Any, iot: Any) -> None:
    finding_id = seen["findings"][0]["findingId"]
    assert seen["finding"] == with_dates(iot.describe_audit_finding(findingId=finding_id))


def test_times_are_dates_to_the_millisecond(seen: Any) -> None:
    by_type = {audit["taskType"]: audit["taskStartTime"] for audit in seen["audits"]}
    assert by_type["ON_DEMAND_AUDIT_TASK"] == {"Date": "2026-03-05T09:00:00.123Z"}


def test_it_sees_the_same_schedules(seen: Any, iot: Any, listed: Callable[..., Any]) -> None:
    assert seen["schedules"] == listed("list_scheduled_audits", "scheduledAudits")
    names = [schedule["scheduledAuditName"] for schedule in seen["schedules"]]
    assert sorted(names) == ["Daily", "Monthly", "Weekly"]
    assert seen["scheduled"] == [with_dates(iot.describe_scheduled_audit(scheduledAuditName=name)) for name in names]


def test_it_sees_the_same_suppressions(seen: Any, iot: Any, listed: Callable[..., Any]) -> None:
    assert seen["suppressions"] == listed("list_audit_suppressions", "suppressions")
    which = [{key: item[key] for key in ("checkName", "resourceIdentifier")} for item in seen["suppressions"]]
    assert seen["suppressed"] == [with_dates(iot.describe_audit_suppression(**one)) for one in which]
    assert [item.get("expirationDate") for item in seen["suppressions"]] == [{"Date": "2026-09-01T00:00:00.000Z"}, None]


def test_it_sees_the_same_configuration_and_action(seen: Any, iot: Any) -> None:
    assert seen["configuration"] == with_dates(iot.describe_account_audit_configuration())
    assert seen["action"] == with_dates(iot.describe_mitigation_action(actionName="Deactivate"))


@pytest.mark.parametrize(
    ("case", "name", "status"),
    [
        ("unknown", "ResourceNotFoundException", 404),
        ("neither", "InvalidRequestException", 400),
        ("tooMany", "InvalidRequestException", 400),
        ("again", "ResourceAlreadyExistsException", 409),
        ("notConfigured", "NotConfiguredException", 404),
    ],
)
def test_a_refusal_is_an_instance_of_its_class(seen: Any, case: str, name: str, status: int) -> None:
    refusal = seen["refusals"][case]
    assert (refusal["name"], refusal["status"], refusal["fault"]) == (name, status, "client")
    assert refusal["ofItsClass"]
    assert refusal["ofTheService"]
    assert refusal["withRequestId"]
    assert refusal["message"]


def test_a_conflict_names_the_resource_that_exists(seen: Any) -> None:
    assert seen["refusals"]["again"]["resourceArn"] == seen["schedules"][0]["scheduledAuditArn"]
