"""What a run of a campaign asks of the account; each method is one piece of work for a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.aws.mitigation_run import (
    INVALID,
    Answered,
    alarm_states,
    cancel_mitigation_task,
    missing_findings,
    read_executions,
    read_task,
    start_mitigation_task,
)
from ddreport.aws.mitigations import mitigation_records
from ddreport.aws.prestate import capture_state
from ddreport.mitigation.events import Execution
from ddreport.mitigation.prestate import Captured, Verdict
from ddreport.tables.values import from_microseconds, to_microseconds
from ddreport.terms import ExecutionStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.errors import AwsCallError
    from ddreport.mitigation.events import TaskAsked
    from ddreport.mitigation.journal import Part
    from ddreport.mitigation.plan import Plan, PlannedFinding
    from ddreport.workflows.pulling.threads import Stop

_OPEN = {ExecutionStatus.PENDING.value, ExecutionStatus.IN_PROGRESS.value}
_LOOKS = 3  # at executions that do not show or have not ended, although their task has


@dataclass(frozen=True)
class Pace:
    """How long to wait for what, in seconds of this machine's clock.

    Attributes
    ----------
    poll
        Between two looks at a running task; the first comes after a quarter of it.
    appear
        After which a started task that AWS does not show is taken for forgotten.
    limit
        Before asking again while other tasks of the account fill AWS's limit.
    patience
        How long to wait for others before giving up.
    alarms
        Between two looks at the alarms during a wave.
    grace
        For calls under way when all is to stop.
    """

    poll: float = 2.0
    appear: float = 60.0
    limit: float = 5.0
    patience: float = 3600.0
    alarms: float = 60.0
    grace: float = 20.0


@dataclass(frozen=True)
class Diagnosis:
    """What a refusal to start a task means: whether it is there all the same, and which findings AWS does not know."""

    error: AwsCallError
    exists: bool
    missing: tuple[str, ...]


class Account:
    """The account of a plan, as a run of it asks; errors are those of `aws.mitigation_run`."""

    def __init__(self, session: AwsSession, archive: Archive, plan: Plan, *, pace: Pace, stop: Stop) -> None:
        self._session, self._archive, self._plan, self._pace, self._stop = session, archive, plan, pace, stop
        self._checks = {f.finding_id: f.check_name for f in plan.findings}

    def capture(self, finding: PlannedFinding) -> list[Captured]:
        """Read the state before each action of a finding; after one that must not be sent the rest does not matter."""
        found: list[Captured] = []
        for name in finding.actions:
            captured = capture_state(self._session.iot, finding, self._plan.action(name))
            found.append(captured)
            if captured.verdict not in (None, Verdict.ALREADY_DONE):
                break
        return found

    def start(self, asked: TaskAsked) -> None:
        """Start a task; this changes the account."""
        start_mitigation_task(
            self._session.iot,
            mitigation_task_id=asked.task_id,
            token=asked.token,
            finding_ids=asked.finding_ids,
            actions=asked.actions,
        )

    def cancel(self, task_id: str) -> bool:
        """Cancel a task; this changes the account."""
        return cancel_mitigation_task(self._session.iot, task_id)

    def look(self, task_id: str) -> Answered:
        """Read a task; no record where AWS does not know it."""
        return read_task(self._session.iot, task_id)

    def diagnose(self, asked: TaskAsked, error: AwsCallError) -> Diagnosis:
        """Find out what a refusal means. A first try may have been taken, and only its answer have been lost."""
        exists = bool(self.look(asked.task_id).records)
        ask = not exists and error.code == INVALID
        return Diagnosis(error, exists, tuple(missing_findings(self._session.iot, asked.finding_ids)) if ask else ())

    def executions(self, part: Part, finding_id: str) -> tuple[str, Answered]:
        """Read what a task did to a finding; what has not ended or does not show yet is looked at again."""
        wanted = len(part.asked.actions.get(self._checks[finding_id], ()))
        is_canceled = part.ended is not None and part.ended.status == TaskStatus.CANCELED
        for look in range(_LOOKS):
            if look:
                self._stop.sleep(self._pace.poll / 2)
            found = read_executions(self._session.iot, part.asked.task_id, finding_id)
            is_open = any(record.get("status") in _OPEN for record in found.records)
            if is_canceled or (len(found.records) >= wanted and not is_open):
                break
        return finding_id, found

    def alarms(self) -> dict[str, str]:
        """Return the states of the plan's alarms."""
        names = self._plan.rollout.alarms
        return alarm_states(self._session.cloudwatch, names) if names else {}

    def keep(self, task: Answered, reads: Sequence[Answered], *, time: datetime) -> list[Execution]:
        """Put what a task did into the archive, unless it is there already, and return it for the journal."""
        records = [record for read in reads for record in read.records]
        if task.records:
            made = mitigation_records(
                task.records[0],
                records,
                [*task.raw, *(answer for read in reads for answer in read.raw)],
                account=self._plan.account,
                region=self._plan.region,
                emulated=self._plan.emulated,
            )
            self._archive.append(made, pulled_time=time)
        return [_execution(record) for record in records]


def _execution(record: dict[str, Any]) -> Execution:
    def moment(name: str) -> datetime | None:
        found = to_microseconds(record.get(name))
        return None if found is None else from_microseconds(found)

    def text(name: str) -> str | None:
        return None if record.get(name) is None else str(record[name])

    return Execution(
        finding_id=str(record["findingId"]),
        action_name=str(record.get("actionName")),
        status=str(record.get("status")),
        error_code=text("errorCode"),
        message=text("message"),
        start_time=moment("startTime"),
        end_time=moment("endTime"),
    )
