"""Scheduled audits: at most five, each with a frequency and its checks; the service chooses the hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.emulation.paging import page_of
from ddreport.emulation.schedules import Recurrence
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.tags import with_tags
from ddreport.emulation.service_errors import (
    AlreadyExistsError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend

MOST_SCHEDULES = 5

_DAY_MEMBER = {"DAILY": None, "WEEKLY": "dayOfWeek", "BIWEEKLY": "dayOfWeek", "MONTHLY": "dayOfMonth"}


@dataclass(slots=True)
class ScheduledAudit:
    """One schedule; `last_run` is the start of its newest audit."""

    name: str
    arn: str
    recurrence: Recurrence
    check_names: tuple[str, ...]
    created: datetime
    order: int
    next_run: datetime
    last_run: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def metadata(self) -> Reply:
        """Return the item of the list: no check names."""
        return present(
            scheduledAuditName=self.name,
            scheduledAuditArn=self.arn,
            frequency=self.recurrence.frequency,
            dayOfWeek=self.recurrence.day_of_week,
            dayOfMonth=self.recurrence.day_of_month,
        )


class ScheduledAudits(Component):
    """The schedules of one account and Region."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._schedules: dict[str, ScheduledAudit] = {}
        self._made = 0

    def names(self) -> list[str]:
        """Return the names of all schedules."""
        return list(self._schedules)

    def using(self, check_name: str) -> list[str]:
        """Return the names of the schedules with a check."""
        return [s.name for s in self._schedules.values() if check_name in s.check_names]

    def delete_all(self) -> None:
        """Delete all schedules."""
        self._schedules.clear()

    def by_arn(self, arn: str) -> ScheduledAudit | None:
        """Return the schedule with an ARN."""
        return next((s for s in self._schedules.values() if s.arn == arn), None)

    def next_due(self) -> datetime | None:
        """Return when the next audit is to start."""
        return min((s.next_run for s in self._schedules.values()), default=None)

    def run_due(self, now: datetime) -> None:
        """Start the audits that are due at `now`."""
        for schedule in list(self._schedules.values()):
            if schedule.next_run <= now:
                previous, schedule.last_run = schedule.last_run, now
                schedule.next_run = schedule.recurrence.next_after(now)
                self.backend.audit_tasks.start(schedule.check_names, schedule_name=schedule.name, previous=previous)

    @operation("CreateScheduledAudit")
    def create(self, params: Params) -> Reply:
        """Create a schedule; its checks must be enabled."""
        name = params["scheduledAuditName"]
        recurrence = self._recurrence(name, params["frequency"], params.get("dayOfWeek"), params.get("dayOfMonth"))
        check_names = self.backend.configuration.targets_of(params["targetCheckNames"])
        arn = self.backend.arn_of("scheduledaudit", name)
        if name in self._schedules:
            raise AlreadyExistsError(f"Scheduled audit {name} already exists.", resourceId=name, resourceArn=arn)
        if len(self._schedules) >= MOST_SCHEDULES:
            raise LimitExceededError(f"The account has {MOST_SCHEDULES} scheduled audits, which is the limit.")
        tags = with_tags(params)
        self._made += 1
        self._schedules[name] = ScheduledAudit(
            name=name,
            arn=arn,
            recurrence=recurrence,
            check_names=check_names,
            created=self.now(),
            order=self._made,
            next_run=recurrence.next_after(self.now()),
            tags=tags,
        )
        return {"scheduledAuditArn": arn}

    @operation("DescribeScheduledAudit")
    def describe(self, params: Params) -> Reply:
        """Describe a schedule with its checks."""
        schedule = self._find(params)
        return schedule.metadata() | {"targetCheckNames": list(schedule.check_names)}

    @operation("UpdateScheduledAudit")
    def update(self, params: Params) -> Reply:
        """Change what is named; a new frequency needs its day, and the day of the old one goes."""
        schedule = self._find(params)
        timing: dict[str, Any] = {k: params[k] for k in ("frequency", "dayOfWeek", "dayOfMonth") if k in params}
        recurrence = schedule.recurrence
        if timing:
            old = schedule.recurrence
            frequency = timing.get("frequency", old.frequency)
            if "frequency" not in timing or _DAY_MEMBER[frequency] == _DAY_MEMBER[old.frequency]:
                kept = {"dayOfWeek": old.day_of_week, "dayOfMonth": old.day_of_month}
                timing = {k: v for k, v in kept.items() if v is not None} | timing
            recurrence = self._recurrence(schedule.name, frequency, timing.get("dayOfWeek"), timing.get("dayOfMonth"))
        if "targetCheckNames" in params:
            schedule.check_names = self.backend.configuration.targets_of(params["targetCheckNames"])
        if timing:
            schedule.recurrence = recurrence
            schedule.next_run = recurrence.next_after(self.now())
        return {"scheduledAuditArn": schedule.arn}

    @operation("DeleteScheduledAudit")
    def delete(self, params: Params) -> Reply:
        """Delete a schedule; its past audits stay."""
        del self._schedules[self._find(params).name]
        return {}

    @operation("ListScheduledAudits")
    def list_schedules(self, params: Params) -> Reply:
        """List the schedules, newest first."""
        newest_first = sorted(self._schedules.values(), key=lambda s: -s.order)
        page, token = page_of(newest_first, params, scope="ListScheduledAudits", key=lambda s: (-s.order,))
        return present(scheduledAudits=[s.metadata() for s in page], nextToken=token)

    def _find(self, params: Params) -> ScheduledAudit:
        schedule = self._schedules.get(params["scheduledAuditName"])
        if schedule is None:
            raise NotFoundError("The scheduled audit does not exist.")
        return schedule

    def _recurrence(self, name: str, frequency: str, day_of_week: str | None, day_of_month: str | None) -> Recurrence:
        needed = _DAY_MEMBER[frequency]
        for member, value in (("dayOfWeek", day_of_week), ("dayOfMonth", day_of_month)):
            if member == needed and value is None:
                raise InvalidRequestError(f"{member} is required for frequency {frequency}.")
            if member != needed and value is not None:
                raise InvalidRequestError(f"{member} does not fit frequency {frequency}.")
        return Recurrence(frequency, day_of_week, day_of_month, self.world.schedule_time(name), self.now())
