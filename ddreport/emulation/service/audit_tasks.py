"""Audit tasks: started on demand or by a schedule, check after check, until done or cancelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
from ddreport.emulation import roles
from ddreport.emulation.checks import NotEvaluatedError, StateView, Window, evaluate, required_permissions
from ddreport.emulation.clock import utc
from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.retention import RETENTION, requested_span
from ddreport.emulation.service.suppressions import identifier_key
from ddreport.emulation.service_errors import InvalidRequestError, LimitExceededError, NotFoundError
from ddreport.emulation.service_model import epoch
from ddreport.terms import CheckErrorCode, CheckRunStatus, TaskStatus, TaskType

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.service.findings import Finding

MOST_RUNNING = 10
LOOK_BACK = timedelta(days=31)

# Reads that can be granted for single resources; the lists only for all.
_RESOURCE_KINDS = {
    "iot:DescribeCertificate": "cert",
    "iot:DescribeCACertificate": "cacert",
    "iot:GetPolicy": "policy",
}

_COUNTERS = {
    CheckRunStatus.IN_PROGRESS: "inProgressChecks",
    CheckRunStatus.WAITING_FOR_DATA_COLLECTION: "waitingForDataCollectionChecks",
    CheckRunStatus.COMPLETED_COMPLIANT: "compliantChecks",
    CheckRunStatus.COMPLETED_NON_COMPLIANT: "nonCompliantChecks",
    CheckRunStatus.FAILED: "failedChecks",
    CheckRunStatus.CANCELED: "canceledChecks",
}


@dataclass(slots=True)
class CheckRun:
    """One check in one task; the counts are None until it completed."""

    check_name: str
    due: datetime
    status: CheckRunStatus = CheckRunStatus.IN_PROGRESS
    total: int | None = None
    non_compliant: int | None = None
    suppressed: int | None = None
    error_code: str | None = None
    message: str | None = None

    def members(self) -> Reply:
        """Return the entry of `auditDetails`."""
        return present(
            checkRunStatus=self.status.value,
            checkCompliant=self.status == CheckRunStatus.COMPLETED_COMPLIANT,
            totalResourcesCount=self.total,
            nonCompliantResourcesCount=self.non_compliant,
            suppressedNonCompliantResourcesCount=self.suppressed,
            errorCode=self.error_code,
            message=self.message,
        )


@dataclass(slots=True)
class AuditTask:
    """One run of an audit; `started` is epoch seconds, `findings` in the order in which they were found."""

    task_id: str
    task_type: TaskType
    start: datetime
    started: float
    order: int
    window: Window
    runs: dict[str, CheckRun]
    schedule_name: str | None = None
    status: TaskStatus = TaskStatus.IN_PROGRESS
    findings: list[Finding] = field(default_factory=list)

    def members(self) -> Reply:
        """Return what DescribeAuditTask answers."""
        statistics = dict.fromkeys(_COUNTERS.values(), 0)
        for run in self.runs.values():
            statistics[_COUNTERS[run.status]] += 1
        return present(
            taskStatus=self.status.value,
            taskType=self.task_type.value,
            taskStartTime=self.started,
            taskStatistics={"totalChecks": len(self.runs)} | statistics,
            scheduledAuditName=self.schedule_name,
            auditDetails={name: run.members() for name, run in self.runs.items()},
        )


class AuditTasks(Component):
    """The audit tasks of one account and Region, oldest first."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._tasks: dict[str, AuditTask] = {}
        self._running: list[AuditTask] = []
        self._made = 0
        self._broken: dict[str, tuple[str, str]] = {}

    def break_check(self, check_name: str, error_code: str, message: str) -> None:
        """Let a check fail in every audit from now on."""
        self._broken[check_name] = (error_code, message)

    def repair_check(self, check_name: str) -> None:
        """Undo `break_check`."""
        self._broken.pop(check_name, None)

    def get(self, task_id: str) -> AuditTask | None:
        """Return a task that is still kept."""
        return self._tasks.get(task_id)

    # Life of a task

    def start(
        self, check_names: tuple[str, ...], *, schedule_name: str | None = None, previous: datetime | None = None
    ) -> AuditTask:
        """Start a task; `previous` is the start of the schedule's audit before this one."""
        now = self.now()
        self._made += 1
        name = schedule_name or "on demand"
        about = (self.backend.account_id, self.backend.region_name, name, now.isoformat(), str(self._made))
        share = self.world.audit_duration / len(check_names)
        task = AuditTask(
            task_id=self.world.ids.hex32("audit task", *about),
            task_type=TaskType.SCHEDULED if schedule_name else TaskType.ON_DEMAND,
            start=now,
            started=epoch(now),
            order=self._made,
            window=Window(previous or now - LOOK_BACK, now),
            runs={n: CheckRun(n, utc(now + share * i)) for i, n in enumerate(check_names, start=1)},
            schedule_name=schedule_name,
        )
        self._tasks[task.task_id] = task
        self._running.append(task)
        return task

    def next_due(self) -> datetime | None:
        """Return when the next check of a running task ends."""
        return min((run.due for task in self._running for run in _unfinished(task)), default=None)

    def run_due(self, now: datetime) -> None:
        """End the checks that are due at `now`, and the tasks with them."""
        for task in list(self._running):
            for run in _unfinished(task):
                if run.due <= now:
                    self._end_check(task, run)
            if not _unfinished(task):
                failed = all(run.status == CheckRunStatus.FAILED for run in task.runs.values())
                self._end_task(task, TaskStatus.FAILED if failed else TaskStatus.COMPLETED)

    def forget_old(self, now: datetime) -> None:
        """Drop the tasks and findings that AWS would not keep any longer."""
        old = []
        for task in self._tasks.values():
            if task.start >= now - RETENTION:
                break
            if task.status != TaskStatus.IN_PROGRESS:
                old.append(task)
        if old:
            for task in old:
                del self._tasks[task.task_id]
            self.backend.findings.forget(old)

    def _end_task(self, task: AuditTask, status: TaskStatus) -> None:
        task.status = status
        self._running.remove(task)
        self.backend.audit_ended(task)

    def _end_check(self, task: AuditTask, run: CheckRun) -> None:
        problem = self._reason_to_fail(run.check_name)
        if problem is None:
            try:
                self._evaluate(task, run)
            except NotEvaluatedError:
                problem = ("NOT_EMULATED", f"The emulator does not evaluate {run.check_name} yet.")
        if problem is not None:
            run.status = CheckRunStatus.FAILED
            run.error_code, run.message = problem

    def _reason_to_fail(self, check_name: str) -> tuple[str, str] | None:
        configuration = self.backend.configuration
        if check_name in self._broken:
            return self._broken[check_name]
        if not configuration.is_enabled(check_name):
            return CheckErrorCode.AUDIT_CHECK_DISABLED, "The check was disabled while the audit ran."
        role = roles.assume(configuration.role_arn, self.backend.account_id, source_arn=self.backend.arn_start)
        if role is None:
            return CheckErrorCode.INSUFFICIENT_PERMISSIONS, "The audit role does not exist or cannot be assumed."
        for action in required_permissions(check_name):
            kind = _RESOURCE_KINDS.get(action)
            if not role.allows(action, self.backend.arn_of(kind, "*") if kind else "*"):
                return CheckErrorCode.INSUFFICIENT_PERMISSIONS, f"The audit role is not allowed to perform {action}."
        return None

    def _evaluate(self, task: AuditTask, run: CheckRun) -> None:
        backend, now = self.backend, self.now()
        evaluation = evaluate(run.check_name, self._view(task, run.check_name, now))
        silenced = backend.suppressions.active_keys(run.check_name, now)
        severity = (catalogue()[run.check_name].severity or "LOW").upper()
        faulty: set[str] = set()
        for candidate in evaluation.candidates:
            key = identifier_key(candidate.identifier)
            faulty.add(key)
            backend.findings.add(task, run.check_name, severity, candidate, suppressed=key in silenced, key=key)
        # Suppressed resources are a group of their own: neither compliant nor non-compliant.
        run.total = evaluation.total
        run.suppressed = len(faulty & silenced)
        run.non_compliant = len(faulty) - run.suppressed
        run.status = CheckRunStatus.COMPLETED_NON_COMPLIANT if run.non_compliant else CheckRunStatus.COMPLETED_COMPLIANT

    def _view(self, task: AuditTask, check_name: str, now: datetime) -> StateView:
        backend = self.backend
        iot = backend.iot
        return StateView(
            as_of=now,
            account=backend.account_id,
            region=backend.region_name,
            arn_start=backend.arn_start,
            window=task.window,
            certificates=iot.certificates.values(),
            ca_certificates=iot.ca_certificates.values(),
            policies=iot.policies.values(),
            connections=backend.connections,
            v1_logging=backend.logging.v1,
            v2_logging=backend.logging.v2,
            thresholds=backend.configuration.thresholds(check_name),
        )

    # Operations

    @operation("StartOnDemandAuditTask")
    def start_on_demand(self, params: Params) -> Reply:
        """Start an audit at once; every call starts another one."""
        check_names = self.backend.configuration.targets_of(params["targetCheckNames"])
        if sum(task.task_type == TaskType.ON_DEMAND for task in self._running) >= MOST_RUNNING:
            raise LimitExceededError(f"{MOST_RUNNING} on-demand audits are in progress, which is the limit.")
        return {"taskId": self.start(check_names).task_id}

    @operation("CancelAuditTask")
    def cancel(self, params: Params) -> Reply:
        """Cancel a running task; checks that have ended stay as they are."""
        task = self._find(params)
        if task.status != TaskStatus.IN_PROGRESS:
            raise InvalidRequestError(f"The task is {task.status} and cannot be cancelled.")
        for run in _unfinished(task):
            run.status = CheckRunStatus.CANCELED
        self._end_task(task, TaskStatus.CANCELED)
        return {}

    @operation("DescribeAuditTask")
    def describe(self, params: Params) -> Reply:
        """Describe a task with its checks."""
        return self._find(params).members()

    @operation("ListAuditTasks")
    def list_tasks(self, params: Params) -> Reply:
        """List the tasks that started in a span of time, newest first."""
        start, end = requested_span(params, self.now())
        found = [
            task
            for task in reversed(self._tasks.values())
            if start <= task.start <= end
            and params.get("taskType") in (None, task.task_type)
            and params.get("taskStatus") in (None, task.status)
        ]
        page, token = page_of(found, params, scope="ListAuditTasks", key=lambda task: (-task.order,))
        tasks = [{"taskId": t.task_id, "taskStatus": t.status.value, "taskType": t.task_type.value} for t in page]
        return present(tasks=tasks, nextToken=token)

    def _find(self, params: Params) -> AuditTask:
        task = self._tasks.get(params["taskId"])
        if task is None:
            raise NotFoundError("The audit task does not exist.")
        return task


def _unfinished(task: AuditTask) -> list[CheckRun]:
    return [run for run in task.runs.values() if run.status == CheckRunStatus.IN_PROGRESS]
