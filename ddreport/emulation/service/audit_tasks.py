"""Audit tasks: started on demand or by a schedule, check after check, until done or cancelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
from ddreport.emulation import roles
from ddreport.emulation.checks import (
    StateView,
    Window,
    evaluate,
    required_permissions,
    resource_of,
)
from ddreport.emulation.clock import utc
from ddreport.emulation.paging import page_of
from ddreport.emulation.revocations import Revocations
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.retention import RETENTION, requested_span
from ddreport.emulation.service.suppressions import identifier_key
from ddreport.emulation.service_errors import InvalidRequestError, LimitExceededError, NotFoundError
from ddreport.emulation.service_model import epoch
from ddreport.emulation.service_use import AccountRoles
from ddreport.terms import CheckErrorCode, CheckRunStatus, TaskStatus, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend
    from ddreport.emulation.service.findings import Finding

MOST_RUNNING = 10
LOOK_BACK = timedelta(days=31)

_UNFINISHED = (CheckRunStatus.IN_PROGRESS, CheckRunStatus.WAITING_FOR_DATA_COLLECTION)

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
    collected: datetime | None = None
    """When the data that the check waits for will be there; None when nothing is missing."""

    @property
    def next_step(self) -> datetime:
        """When it goes from waiting to being evaluated, or ends."""
        return self.collected if self.is_waiting and self.collected else self.due

    @property
    def is_waiting(self) -> bool:
        """Whether its data is not there yet."""
        return self.status == CheckRunStatus.WAITING_FOR_DATA_COLLECTION

    def fail(self, error_code: str, message: str) -> None:
        """End it as FAILED."""
        self.status = CheckRunStatus.FAILED
        self.error_code, self.message = error_code, message

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

    def broken_checks(self) -> dict[str, tuple[str, str]]:
        """Return error code and message of the checks that were told to fail."""
        return dict(self._broken)

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
        task = AuditTask(
            task_id=self.world.ids.hex32("audit task", *about),
            task_type=TaskType.SCHEDULED if schedule_name else TaskType.ON_DEMAND,
            start=now,
            started=epoch(now),
            order=self._made,
            window=Window(previous or now - LOOK_BACK, now),
            runs={run.check_name: run for run in self._make_runs(check_names, now)},
            schedule_name=schedule_name,
        )
        self._tasks[task.task_id] = task
        self._running.append(task)
        return task

    def _make_runs(self, check_names: tuple[str, ...], now: datetime) -> list[CheckRun]:
        share = self.world.audit_duration / len(check_names)
        runs = []
        for number, check_name in enumerate(check_names, start=1):
            run = CheckRun(check_name, utc(now + share * number))
            collected = self.backend.configuration.collected(check_name)
            if collected is not None and collected > now:
                run.status, run.collected = CheckRunStatus.WAITING_FOR_DATA_COLLECTION, collected
                run.due = max(run.due, utc(collected + share))
            runs.append(run)
        return runs

    def check_disabled(self, check_names: Iterable[str]) -> None:
        """Let checks that are not enabled any longer fail in the audits that are running."""
        gone = set(check_names)
        for task in list(self._running):
            for run in _unfinished(task):
                if run.check_name in gone:
                    run.fail(CheckErrorCode.AUDIT_CHECK_DISABLED, "The check was disabled while the audit ran.")
            self._end_if_done(task)

    def next_due(self) -> datetime | None:
        """Return when the next check of a running task begins or ends."""
        return min((run.next_step for task in self._running for run in _unfinished(task)), default=None)

    def run_due(self, now: datetime) -> None:
        """Begin and end the checks that are due at `now`, and end the tasks with them."""
        for task in list(self._running):
            for run in _unfinished(task):
                if run.is_waiting and run.next_step <= now:
                    run.status = CheckRunStatus.IN_PROGRESS
                if not run.is_waiting and run.due <= now:
                    self._end_check(task, run)
            self._end_if_done(task)

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

    def _end_if_done(self, task: AuditTask) -> None:
        if not _unfinished(task):
            failed = all(run.status == CheckRunStatus.FAILED for run in task.runs.values())
            self._end_task(task, TaskStatus.FAILED if failed else TaskStatus.COMPLETED)

    def _end_task(self, task: AuditTask, status: TaskStatus) -> None:
        task.status = status
        self._running.remove(task)
        self.backend.audit_ended(task)

    def _end_check(self, task: AuditTask, run: CheckRun) -> None:
        problem = self._reason_to_fail(run.check_name)
        if problem is None:
            self._evaluate(task, run)
        else:
            run.fail(*problem)

    def _reason_to_fail(self, check_name: str) -> tuple[str, str] | None:
        configuration = self.backend.configuration
        if check_name in self._broken:
            return self._broken[check_name]
        role = roles.assume(configuration.role_arn, self.backend.account_id, source_arn=self.backend.arn_start)
        if role is None:
            return CheckErrorCode.INSUFFICIENT_PERMISSIONS, "The audit role does not exist or cannot be assumed."
        for action in required_permissions(check_name):
            if not role.allows(action, resource_of(action, self.backend.arn_start)):
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
        erased = backend.configuration.erased(check_name)
        return StateView(
            as_of=now,
            account=backend.account_id,
            region=backend.region_name,
            arn_start=backend.arn_start,
            window=task.window,
            certificates=iot.certificates.values(),
            ca_certificates=iot.ca_certificates.values(),
            policies=iot.policies.values(),
            role_aliases=iot.role_aliases.values(),
            identity_pools=backend.connected_pools(max(now - LOOK_BACK, erased or now - LOOK_BACK), now),
            iam=AccountRoles(backend.account_id),
            weak_keys=backend.weak_keys,
            revocations=Revocations(backend.revocations, iot.ca_certificates.values(), now),
            connections=backend.connections.since(erased),
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
    return [run for run in task.runs.values() if run.status in _UNFINISHED]
