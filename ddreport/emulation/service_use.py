"""IAM's "service last accessed" data: which services a role was used for, and when; the emulator is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import InvalidInput, NotFoundException
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from ddreport.emulation import roles
from ddreport.emulation import world as worlds
from ddreport.emulation.iam_analysis import granted_services
from ddreport.emulation.iam_backend import EmulatedIAMBackend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ddreport.emulation.policy import Policy

_PAGE = 100


def record_use(account: str, role_arn: str, service: str, when: datetime) -> None:
    """Record that a role was used for a service; of several times the last one counts."""
    used = _iam(account, role_arn).service_use.setdefault(role_arn, {})
    used[service] = max(when, used.get(service, when))


def last_used(account: str, role_arn: str) -> Mapping[str, datetime]:
    """Return the services that a role was used for, with the last time of each."""
    return _iam(account, role_arn).service_use.get(role_arn, {})


class AccountRoles:
    """The roles of one account as the checks see them."""

    def __init__(self, account: str) -> None:
        self._account = account

    def policies_of(self, role_arn: str) -> tuple[Policy, ...] | None:
        """Return the policies of a role, None when there is no such role."""
        return roles.policies_of(role_arn, self._account)

    def last_used(self, role_arn: str) -> Mapping[str, datetime]:
        """Return the services that a role was used for, with the last time of each."""
        return last_used(self._account, role_arn)


class EmulatedIamResponse(IamResponse):
    """Answers the two operations of last-accessed data; the others are moto's.

    A report is ready at once, knows services but no single actions, and calls a service by its namespace.
    """

    def generate_service_last_accessed_details(self) -> ActionResult:
        """Answer GenerateServiceLastAccessedDetails for roles."""
        arn = str(self._get_param("Arn") or "")
        if ":role/" not in arn:
            raise InvalidInput("The emulator has last-accessed data of roles only.")
        policies = roles.policies_of(arn, self.current_account)
        if policies is None:
            raise NotFoundException(f"ARN {arn} does not exist.")
        world, iam = worlds.current(), _iam(self.current_account, arn)
        now = world.now()
        job_id = world.ids.uuid("access report", arn, now.isoformat(), str(len(iam.access_reports)))
        used = last_used(self.current_account, arn)
        iam.access_reports[job_id] = (now, [_row(name, used, arn, self.region) for name in granted_services(policies)])
        return ActionResult({"JobId": job_id})

    def get_service_last_accessed_details(self) -> ActionResult:
        """Answer GetServiceLastAccessedDetails, by pages."""
        iam = _iam(self.current_account, "")
        job_id, marker = str(self._get_param("JobId") or ""), str(self._get_param("Marker") or "0")
        if job_id not in iam.access_reports:
            raise NotFoundException(f"JobId {job_id} does not exist.")
        made, rows = iam.access_reports[job_id]
        if not marker.isdecimal() or len(marker) > 9:
            raise InvalidInput("The Marker is malformed.")
        begin, size = int(marker), self._get_int_param("MaxItems") or _PAGE
        answer: dict[str, Any] = {
            "JobStatus": "COMPLETED",
            "JobType": "SERVICE_LEVEL",
            "JobCreationDate": made,
            "JobCompletionDate": made,
            "ServicesLastAccessed": rows[begin : begin + size],
            "IsTruncated": begin + size < len(rows),
        }
        if answer["IsTruncated"]:
            answer["Marker"] = str(begin + size)
        return ActionResult(answer)


def _row(service: str, used: Mapping[str, datetime], arn: str, region: str) -> dict[str, Any]:
    row: dict[str, Any] = {"ServiceName": service, "ServiceNamespace": service, "TotalAuthenticatedEntities": 0}
    if service in used:
        row |= {
            "LastAuthenticated": used[service],
            "LastAuthenticatedEntity": arn,
            "LastAuthenticatedRegion": region,
            "TotalAuthenticatedEntities": 1,
        }
    return row


def _iam(account: str, role_arn: str) -> EmulatedIAMBackend:
    partition = role_arn.split(":")[1] if role_arn.count(":") >= 5 else "aws"
    backend = iam_backends[account][partition]
    assert isinstance(backend, EmulatedIAMBackend)  # noqa: S101 (installed by us; tells mypy so)
    return backend
