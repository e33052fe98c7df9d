"""Findings: written once when a check ends, never changed, forgotten after 90 days."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.emulation.clock import utc
from ddreport.emulation.paging import DEFAULT_PAGE, decode_token, encode_token, page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.suppressions import is_within
from ddreport.emulation.service_errors import InvalidRequestError, NotFoundError
from ddreport.emulation.service_model import epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.checks import Candidate
    from ddreport.emulation.service.audit_tasks import AuditTask

MOST_RELATED_IN_A_FINDING = 10
_WITHOUT_RELATED = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"


@dataclass(slots=True)
class Finding:
    """One finding; `number` rises with time, `found` is epoch seconds."""

    number: int
    finding_id: str
    task: AuditTask
    check_name: str
    found: float
    severity: str
    is_suppressed: bool
    candidate: Candidate

    def members(self) -> Reply:
        """Return the finding as answers carry it, with at most ten related resources."""
        candidate = self.candidate
        resource: dict[str, Any] = {
            "resourceType": candidate.resource_type,
            "resourceIdentifier": candidate.identifier,
        }
        if candidate.additional_info:
            resource["additionalInfo"] = candidate.additional_info
        members: Reply = {
            "findingId": self.finding_id,
            "taskId": self.task.task_id,
            "checkName": self.check_name,
            "taskStartTime": self.task.started,
            "findingTime": self.found,
            "severity": self.severity,
            "nonCompliantResource": resource,
            "reasonForNonCompliance": candidate.reason,
            "reasonForNonComplianceCode": candidate.reason_code,
            "isSuppressed": self.is_suppressed,
        }
        if candidate.related and self.check_name != _WITHOUT_RELATED:
            members["relatedResources"] = list(candidate.related[:MOST_RELATED_IN_A_FINDING])
        return members


class Findings(Component):
    """All findings of one account and Region, in the order in which they were found."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._all: list[Finding] = []
        self._by_id: dict[str, Finding] = {}
        self._made = 0

    def add(
        self, task: AuditTask, check_name: str, severity: str, candidate: Candidate, *, suppressed: bool, key: str
    ) -> Finding:
        """Write a finding of a check of a running task; `key` is the resource's `identifier_key`."""
        ids = self.world.ids
        self._made += 1
        finding = Finding(
            number=self._made,
            finding_id=ids.hex32("finding", task.task_id, check_name, key, candidate.reason_code),
            task=task,
            check_name=check_name,
            found=epoch(self.now()),
            severity=severity,
            is_suppressed=suppressed,
            candidate=candidate,
        )
        self._all.append(finding)
        self._by_id[finding.finding_id] = finding
        task.findings.append(finding)
        return finding

    def get(self, finding_id: str) -> Finding | None:
        """Return a finding that is still kept."""
        return self._by_id.get(finding_id)

    def forget(self, tasks: list[AuditTask]) -> None:
        """Drop the findings of tasks beyond retention."""
        gone = {task.task_id for task in tasks}
        for task in tasks:
            for finding in task.findings:
                self._by_id.pop(finding.finding_id, None)
        self._all = [f for f in self._all if f.task.task_id not in gone]

    @operation("ListAuditFindings")
    def list_findings(self, params: Params) -> Reply:
        """List the findings of one task, or of a span of time, newest first."""
        has_times = "startTime" in params or "endTime" in params
        if has_times == ("taskId" in params) or (has_times and not {"startTime", "endTime"} <= params.keys()):
            raise InvalidRequestError("Either taskId, or both startTime and endTime, are required.")
        if "checkName" in params:
            self.backend.configuration.require_known([params["checkName"]])
        if has_times:
            start, end = epoch(utc(params["startTime"])), epoch(utc(params["endTime"]))
            if start > end:
                raise InvalidRequestError("startTime is after endTime.")
            first = bisect_left(self._all, start, key=_found)
            rows: Sequence[Finding] = self._all
            stop = bisect_right(self._all, end, key=_found)
        else:
            task = self.backend.audit_tasks.get(params["taskId"])
            rows = task.findings if task is not None else ()
            first, stop = 0, len(rows)
        page, token = self._newest_first(rows, first, stop, params)
        return present(findings=[finding.members() for finding in page], nextToken=token)

    def _newest_first(
        self, rows: Sequence[Finding], first: int, stop: int, params: Params
    ) -> tuple[list[Finding], str | None]:
        last = decode_token("ListAuditFindings", params)
        if last is not None:
            if not (len(last) == 1 and isinstance(last[0], int)):
                raise InvalidRequestError("The nextToken is malformed.")
            stop = min(stop, bisect_left(rows, last[0], key=_number))
        size = params.get("maxResults", DEFAULT_PAGE)
        check_name, wanted = params.get("checkName"), params.get("resourceIdentifier")
        suppressed = params.get("listSuppressedFindings")
        page: list[Finding] = []
        for position in range(stop - 1, first - 1, -1):
            finding = rows[position]
            if (
                (check_name is None or finding.check_name == check_name)
                and (suppressed is None or finding.is_suppressed == suppressed)
                and (wanted is None or is_within(wanted, finding.candidate.identifier))
            ):
                if len(page) == size:
                    return page, encode_token("ListAuditFindings", params, [page[-1].number])
                page.append(finding)
        return page, None

    @operation("DescribeAuditFinding")
    def describe(self, params: Params) -> Reply:
        """Describe a finding."""
        return {"finding": self._find(params).members()}

    @operation("ListRelatedResourcesForAuditFinding")
    def list_related(self, params: Params) -> Reply:
        """List all related resources of a finding."""
        related = list(enumerate(self._find(params).candidate.related))
        page, token = page_of(related, params, scope="ListRelatedResourcesForAuditFinding", key=lambda item: (item[0],))
        return present(relatedResources=[resource for _, resource in page], nextToken=token)

    def _find(self, params: Params) -> Finding:
        finding = self._by_id.get(params["findingId"])
        if finding is None:
            raise NotFoundError("The finding does not exist.")
        return finding


def _found(finding: Finding) -> float:
    return finding.found


def _number(finding: Finding) -> int:
    return finding.number
