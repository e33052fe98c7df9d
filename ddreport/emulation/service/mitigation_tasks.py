"""Audit mitigation tasks: defined actions applied to findings, one execution after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.clock import utc
from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.executors import ExecutionError, execute
from ddreport.emulation.service.retention import RETENTION, requested_span
from ddreport.emulation.service_errors import (
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    TaskAlreadyExistsError,
)
from ddreport.emulation.service_model import epoch
from ddreport.terms import ExecutionStatus, TaskStatus

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.service.findings import Finding
    from ddreport.emulation.service.mitigation_actions import MitigationAction

MOST_RUNNING = 10

_OPEN = (ExecutionStatus.PENDING, ExecutionStatus.IN_PROGRESS)


@dataclass(slots=True)
class Execution:
    """One action on one finding."""

    finding: Finding
    definition: Reply
    action_type: str
    status: ExecutionStatus = ExecutionStatus.PENDING
    start: datetime | None = None
    end: datetime | None = None
    error_code: str | None = None
    message: str | None = None


@dataclass(slots=True)
class MitigationTask:
    """One launch; `skipped` counts, per check, the findings that the filter or a suppression left out."""

    task_id: str
    token: str
    request: Reply
    start: datetime
    order: int
    definitions: list[Reply]
    executions: list[Execution]
    totals: Counter[str]
    skipped: Counter[str]
    status: TaskStatus = TaskStatus.IN_PROGRESS
    end: datetime | None = None
    position: int = 0
    by_finding: dict[str, list[Execution]] = field(default_factory=dict)

    def statistics(self) -> dict[str, Reply]:
        """Return `taskStatistics`: findings per check by how they ended."""
        counts = {
            check: {
                "totalFindingsCount": total,
                "failedFindingsCount": 0,
                "succeededFindingsCount": 0,
                "skippedFindingsCount": self.skipped[check],
                "canceledFindingsCount": 0,
            }
            for check, total in self.totals.items()
        }
        for executions in self.by_finding.values():
            member = _outcome({e.status for e in executions})
            if member:
                counts[executions[0].finding.check_name][member] += 1
        return counts


def _outcome(statuses: set[ExecutionStatus]) -> str | None:
    if ExecutionStatus.FAILED in statuses:
        return "failedFindingsCount"
    if ExecutionStatus.CANCELED in statuses:
        return "canceledFindingsCount"
    return "succeededFindingsCount" if statuses == {ExecutionStatus.COMPLETED} else None


class MitigationTasks(Component):
    """The mitigation tasks of one account and Region."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._tasks: dict[str, MitigationTask] = {}
        self._running: list[MitigationTask] = []
        self._made = 0

    # Life of a task

    def next_due(self) -> datetime | None:
        """Return when the next execution ends."""
        return min((self._due(task) for task in self._running), default=None)

    def run_due(self, now: datetime) -> None:
        """End the executions that are due at `now` and begin those that follow them."""
        for task in list(self._running):
            while task.status == TaskStatus.IN_PROGRESS and self._due(task) <= now:
                self._step(task)

    def _due(self, task: MitigationTask) -> datetime:
        if task.position >= len(task.executions):
            return task.start
        started = task.executions[task.position].start or task.start
        return utc(started + self.world.execution_duration)

    def _step(self, task: MitigationTask) -> None:
        """End the execution at hand and begin the next one, or end the task."""
        if task.position < len(task.executions):
            execution = task.executions[task.position]
            try:
                execute(self.backend, execution.finding, execution.definition, execution.action_type)
                execution.status = ExecutionStatus.COMPLETED
            except ExecutionError as error:
                execution.status = ExecutionStatus.FAILED
                execution.error_code, execution.message = error.code, str(error)
                self._skip_rest(task, execution)
            execution.end = self.now()
            task.position += 1
        while task.position < len(task.executions):
            following = task.executions[task.position]
            if following.status == ExecutionStatus.PENDING:
                following.status, following.start = ExecutionStatus.IN_PROGRESS, self.now()
                return
            task.position += 1
        failed = any(e.status == ExecutionStatus.FAILED for e in task.executions)
        self._end(task, TaskStatus.FAILED if failed else TaskStatus.COMPLETED)

    def _skip_rest(self, task: MitigationTask, failed: Execution) -> None:
        for other in task.by_finding[failed.finding.finding_id]:
            if other.status == ExecutionStatus.PENDING:
                other.status = ExecutionStatus.SKIPPED

    def _end(self, task: MitigationTask, status: TaskStatus) -> None:
        task.status, task.end = status, self.now()
        self._running.remove(task)

    def forget_old(self, now: datetime) -> None:
        """Drop the tasks that AWS would not keep any longer."""
        for task in list(self._tasks.values()):
            if task.start < now - RETENTION and task.status != TaskStatus.IN_PROGRESS:
                del self._tasks[task.task_id]

    # Operations

    @operation("StartAuditMitigationActionsTask")
    def start(self, params: Params) -> Reply:
        """Start a task under the caller's id; the same id and token again is the same task."""
        task_id, token = params["taskId"], params["clientRequestToken"]
        existing = self._tasks.get(task_id)
        if existing is not None:
            if existing.token == token:
                return {"taskId": task_id}
            raise TaskAlreadyExistsError(f"Mitigation task {task_id} already exists.")
        if any(task.token == token for task in self._tasks.values()):
            raise InvalidRequestError("The clientRequestToken was used for another task.")
        if len(self._running) >= MOST_RUNNING:
            raise LimitExceededError(f"{MOST_RUNNING} mitigation tasks are running, which is the limit.")
        actions = self._actions(params["auditCheckToActionsMapping"])
        findings, filters = self._targets(params["target"])
        task = self._make(params, actions, findings, filters)
        self._tasks[task_id] = task
        self._running.append(task)
        if task.executions:
            task.executions[0].status, task.executions[0].start = ExecutionStatus.IN_PROGRESS, task.start
        else:
            self._end(task, TaskStatus.COMPLETED)
        return {"taskId": task_id}

    def _actions(self, mapping: dict[str, list[str]]) -> dict[str, list[MitigationAction]]:
        if not mapping:
            raise InvalidRequestError("auditCheckToActionsMapping requires at least one check.")
        self.backend.configuration.require_known(mapping)
        actions: dict[str, list[MitigationAction]] = {}
        for check_name, names in mapping.items():
            fitting = catalogue()[check_name].mitigation_action_types
            for name in names:
                action = self.backend.mitigation_actions.get(name)
                if action is None:
                    raise InvalidRequestError(f"Mitigation action {name} does not exist.")
                if action.action_type not in fitting:
                    raise InvalidRequestError(f"{action.action_type} of action {name} does not fit {check_name}.")
                actions.setdefault(check_name, []).append(action)
        return actions

    def _targets(self, target: Params) -> tuple[list[Finding], dict[str, list[str]]]:
        """Return the findings of a target and the reason codes that it narrows them to."""
        if set(target) == {"findingIds"}:
            findings = [self.backend.findings.get(finding_id) for finding_id in dict.fromkeys(target["findingIds"])]
            known = [finding for finding in findings if finding is not None]
            if len(known) != len(findings):
                raise InvalidRequestError("A finding of the target does not exist.")
            return known, {}
        if set(target) not in ({"auditTaskId"}, {"auditTaskId", "auditCheckToReasonCodeFilter"}):
            raise InvalidRequestError("target requires findingIds alone, or auditTaskId with or without a filter.")
        audit = self.backend.audit_tasks.get(target["auditTaskId"])
        if audit is None:
            raise InvalidRequestError("The audit task of the target does not exist.")
        if audit.status == TaskStatus.IN_PROGRESS:
            raise InvalidRequestError("The audit task of the target is still running.")
        filters = target.get("auditCheckToReasonCodeFilter", {})
        self.backend.configuration.require_known(filters)
        return audit.findings, filters

    def _make(
        self,
        params: Params,
        actions: dict[str, list[MitigationAction]],
        findings: list[Finding],
        filters: dict[str, list[str]],
    ) -> MitigationTask:
        self._made += 1
        task = MitigationTask(
            task_id=params["taskId"],
            token=params["clientRequestToken"],
            request={name: params[name] for name in ("target", "auditCheckToActionsMapping")},
            start=self.now(),
            order=self._made,
            definitions=[a.snapshot() for a in {a.name: a for mapped in actions.values() for a in mapped}.values()],
            executions=[],
            totals=Counter(dict.fromkeys(actions, 0)),
            skipped=Counter(),
        )
        for finding in findings:
            check_name = finding.check_name
            if check_name not in actions:
                continue
            task.totals[check_name] += 1
            wanted = filters.get(check_name)
            if finding.is_suppressed or (wanted is not None and finding.candidate.reason_code not in wanted):
                task.skipped[check_name] += 1
                continue
            executions = [Execution(finding, a.snapshot(), a.action_type.value) for a in actions[check_name]]
            task.by_finding[finding.finding_id] = executions
            task.executions += executions
        return task

    @operation("DescribeAuditMitigationActionsTask")
    def describe(self, params: Params) -> Reply:
        """Describe a task."""
        task = self._find(params)
        return present(
            taskStatus=task.status.value,
            startTime=epoch(task.start),
            endTime=epoch(task.end) if task.end else None,
            taskStatistics=task.statistics(),
            target=task.request["target"],
            auditCheckToActionsMapping=task.request["auditCheckToActionsMapping"],
            actionsDefinition=task.definitions,
        )

    @operation("CancelAuditMitigationActionsTask")
    def cancel(self, params: Params) -> Reply:
        """Cancel a running task; what was applied stays."""
        task = self._find(params)
        if task.status != TaskStatus.IN_PROGRESS:
            raise InvalidRequestError(f"The task is {task.status} and cannot be cancelled.")
        for execution in task.executions:
            if execution.status in _OPEN:
                if execution.status == ExecutionStatus.IN_PROGRESS:
                    execution.end = self.now()
                execution.status = ExecutionStatus.CANCELED
        self._end(task, TaskStatus.CANCELED)
        return {}

    @operation("ListAuditMitigationActionsTasks")
    def list_tasks(self, params: Params) -> Reply:
        """List the tasks that began and ended in a span of time, newest first; running ones count as not too late."""
        start, end = requested_span(params, self.now())
        found = [
            task
            for task in reversed(self._tasks.values())
            if start <= task.start <= end and (task.end is None or task.end <= end) and self._fits(task, params)
        ]
        page, token = page_of(found, params, scope="ListAuditMitigationActionsTasks", key=lambda t: (-t.order,))
        tasks: list[dict[str, Any]] = [
            {"taskId": t.task_id, "startTime": epoch(t.start), "taskStatus": t.status.value} for t in page
        ]
        return present(tasks=tasks, nextToken=token)

    @staticmethod
    def _fits(task: MitigationTask, params: Params) -> bool:
        audit_task_id, finding_id = params.get("auditTaskId"), params.get("findingId")
        audits = {task.request["target"].get("auditTaskId")} | {e.finding.task.task_id for e in task.executions}
        return (
            params.get("taskStatus") in (None, task.status)
            and (audit_task_id is None or audit_task_id in audits)
            and (finding_id is None or finding_id in task.by_finding)
        )

    @operation("ListAuditMitigationActionsExecutions")
    def list_executions(self, params: Params) -> Reply:
        """List the executions of one task on one finding, in the order of the actions."""
        task = self._tasks.get(params["taskId"])
        executions = task.by_finding.get(params["findingId"], []) if task else []
        found = [e for e in enumerate(executions) if params.get("actionStatus") in (None, e[1].status)]
        page, token = page_of(found, params, scope="ListAuditMitigationActionsExecutions", key=lambda item: (item[0],))
        rows = [
            present(
                taskId=params["taskId"],
                findingId=params["findingId"],
                actionName=e.definition["name"],
                actionId=e.definition["id"],
                status=e.status.value,
                startTime=epoch(e.start) if e.start else None,
                endTime=epoch(e.end) if e.end else None,
                errorCode=e.error_code,
                message=e.message,
            )
            for _, e in page
        ]
        return present(actionsExecutions=rows, nextToken=token)

    def _find(self, params: Params) -> MitigationTask:
        task = self._tasks.get(params["taskId"])
        if task is None:
            raise NotFoundError("The mitigation task does not exist.")
        return task
