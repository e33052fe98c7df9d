"""Builders of AWS's records; a keyword replaces a member, `...` takes it out."""

from __future__ import annotations

import pytest

ACCOUNT, REGION = "111122223333", "eu-west-1"


def _made(record, members):
    return {name: value for name, value in {**record, **members}.items() if value is not ...}


@pytest.fixture
def place():
    return {"account": ACCOUNT, "region": REGION}


@pytest.fixture
def a_finding():
    def make(**members):
        record = {
            "findingId": "f1",
            "taskId": "a1",
            "checkName": "DEVICE_CERTIFICATE_EXPIRING_CHECK",
            "taskStartTime": 1772442000.123,
            "findingTime": 1772442001.5,
            "severity": "MEDIUM",
            "nonCompliantResource": {
                "resourceType": "DEVICE_CERTIFICATE",
                "resourceIdentifier": {"deviceCertificateId": "AB" * 32},
                "additionalInfo": {"EXPIRATION_TIME": "1772500000000"},
            },
            "relatedResources": [],
            "reasonForNonCompliance": "Certificate is past its expiration.",
            "reasonForNonComplianceCode": "CERTIFICATE_PAST_EXPIRATION",
            "isSuppressed": False,
        }
        return _made(record, members)

    return make


@pytest.fixture
def a_task():
    def make(**members):
        record = {
            "taskId": "a1",
            "taskStatus": "COMPLETED",
            "taskType": "SCHEDULED_AUDIT_TASK",
            "taskStartTime": 1772442000.123,
            "scheduledAuditName": "nightly",
            "taskStatistics": {
                "totalChecks": 2,
                "inProgressChecks": 0,
                "waitingForDataCollectionChecks": 0,
                "compliantChecks": 1,
                "nonCompliantChecks": 0,
                "failedChecks": 1,
                "canceledChecks": 0,
            },
            "auditDetails": {
                "LOGGING_DISABLED_CHECK": {
                    "checkRunStatus": "COMPLETED_COMPLIANT",
                    "checkCompliant": True,
                    "totalResourcesCount": 1,
                    "nonCompliantResourcesCount": 0,
                    "suppressedNonCompliantResourcesCount": 0,
                },
                "DEVICE_CERTIFICATE_AGE_CHECK": {
                    "checkRunStatus": "FAILED",
                    "checkCompliant": False,
                    "errorCode": "INSUFFICIENT_PERMISSIONS",
                    "message": "not allowed",
                },
            },
        }
        return _made(record, members)

    return make
