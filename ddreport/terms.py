"""AWS's words for states and kinds, as enums whose values are exactly what the API sends.

Source: botocore's service model `iot` 2015-05-28. Values that a newer service adds travel through the tables as text;
only `Severity` is closed, because an order needs to know all of its members. `PullStatus` is not AWS's but ours.
"""

from __future__ import annotations

from enum import StrEnum

EMULATOR_HEADER = "x-ddreport-emulator"
"""HTTP header of everything that the emulator answers, so that nobody takes it for AWS, whatever the endpoint."""


class Severity(StrEnum):
    """Severity of a check, most severe first. Fixed per check by AWS."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class TaskStatus(StrEnum):
    """`taskStatus` of an audit task or a mitigation task."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class TaskType(StrEnum):
    """`taskType` of an audit task."""

    ON_DEMAND = "ON_DEMAND_AUDIT_TASK"
    SCHEDULED = "SCHEDULED_AUDIT_TASK"


class CheckRunStatus(StrEnum):
    """`checkRunStatus` of one check in one audit task."""

    IN_PROGRESS = "IN_PROGRESS"
    WAITING_FOR_DATA_COLLECTION = "WAITING_FOR_DATA_COLLECTION"
    CANCELED = "CANCELED"
    COMPLETED_COMPLIANT = "COMPLETED_COMPLIANT"
    COMPLETED_NON_COMPLIANT = "COMPLETED_NON_COMPLIANT"
    FAILED = "FAILED"

    @property
    def finished(self) -> bool:
        """Whether AWS gave a verdict, compliant or not."""
        return self in (CheckRunStatus.COMPLETED_COMPLIANT, CheckRunStatus.COMPLETED_NON_COMPLIANT)


class CheckErrorCode(StrEnum):
    """`errorCode` of a check that FAILED."""

    INSUFFICIENT_PERMISSIONS = "INSUFFICIENT_PERMISSIONS"
    AUDIT_CHECK_DISABLED = "AUDIT_CHECK_DISABLED"


class ResourceType(StrEnum):
    """`resourceType` of a non-compliant or related resource."""

    DEVICE_CERTIFICATE = "DEVICE_CERTIFICATE"
    CA_CERTIFICATE = "CA_CERTIFICATE"
    IOT_POLICY = "IOT_POLICY"
    COGNITO_IDENTITY_POOL = "COGNITO_IDENTITY_POOL"
    CLIENT_ID = "CLIENT_ID"
    ACCOUNT_SETTINGS = "ACCOUNT_SETTINGS"
    ROLE_ALIAS = "ROLE_ALIAS"
    IAM_ROLE = "IAM_ROLE"
    ISSUER_CERTIFICATE = "ISSUER_CERTIFICATE"


class Frequency(StrEnum):
    """`frequency` of a scheduled audit."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    BIWEEKLY = "BIWEEKLY"
    MONTHLY = "MONTHLY"


class MitigationActionType(StrEnum):
    """The six kinds of mitigation action."""

    UPDATE_DEVICE_CERTIFICATE = "UPDATE_DEVICE_CERTIFICATE"
    UPDATE_CA_CERTIFICATE = "UPDATE_CA_CERTIFICATE"
    ADD_THINGS_TO_THING_GROUP = "ADD_THINGS_TO_THING_GROUP"
    REPLACE_DEFAULT_POLICY_VERSION = "REPLACE_DEFAULT_POLICY_VERSION"
    ENABLE_IOT_LOGGING = "ENABLE_IOT_LOGGING"
    PUBLISH_FINDING_TO_SNS = "PUBLISH_FINDING_TO_SNS"


class ExecutionStatus(StrEnum):
    """`status` of one mitigation action on one finding."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    SKIPPED = "SKIPPED"
    PENDING = "PENDING"


class PullStatus(StrEnum):
    """How the pull of one target ended."""

    OK = "ok"
    """Everything asked for was had."""
    PARTIAL = "partial"
    """Some calls were refused or failed; the rest is archived."""
    NOT_ENABLED = "not enabled"
    """Device Defender Audit was never enabled in this account and Region."""
    NO_PERMISSION = "no permission"
    THROTTLED = "throttled"
    """AWS's request rate was used up, longer than it made sense to try again."""
    UNREACHABLE = "unreachable"
    NO_CREDENTIALS = "no credentials"
    FAILED = "failed"
    """Anything else; the problems say what."""


class ProblemState(StrEnum):
    """What is known of a problem at a moment."""

    NEW = "NEW"
    OPEN = "OPEN"
    REOPENED = "REOPENED"
    SUPPRESSED = "SUPPRESSED"
    UNKNOWN = "UNKNOWN"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    RESOLVED = "RESOLVED"

    @property
    def is_open(self) -> bool:
        """Whether the latest look found it, suppressed or not."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({ProblemState.NEW, ProblemState.OPEN, ProblemState.REOPENED, ProblemState.SUPPRESSED})


def partition_of(region: str) -> str:
    """Return the AWS partition of a Region: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
