"""What the set-up panel knows, without any widget: choices, the plan made of them, and whether it may be applied."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ddreport.setup.reading import parse_setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddreport.setup.changes import SetupPlan
    from ddreport.setup.desired import Desired

FREQUENCIES = ("DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
NO_LOGGING = "leave as it is"


@dataclass(frozen=True)
class Choices:
    """What somebody chose; what the panel does not ask for stays as `base` has it.

    Attributes
    ----------
    schedule
        Name of the schedule; empty means none, or that the several of `base` stay.
    day
        Day of the week or of the month, as the frequency needs it.
    topic
        Name or ARN; empty means that nobody is told.
    subscribers
        Addresses, with commas between.
    log_level
        Level of V2 logging, or `NO_LOGGING`.
    """

    base: Desired
    checks: tuple[str, ...]
    thresholds: Mapping[str, int]
    schedule: str
    frequency: str
    day: str
    topic: str
    subscribers: str
    log_level: str

    @classmethod
    def of(cls, desired: Desired) -> Choices:
        """Return the choices that mean what is wanted already."""
        first = desired.schedules[0] if desired.schedules else None
        return cls(
            base=desired,
            checks=desired.checks,
            thresholds=dict(desired.thresholds),
            schedule=first.name if first and not _several(desired) else "",
            frequency=first.frequency if first else "DAILY",
            day=(first.day_of_week or first.day_of_month or "") if first else "",
            topic=desired.topic or "",
            subscribers=", ".join(s.endpoint for s in desired.subscribers),
            log_level=desired.log_level or NO_LOGGING,
        )

    @property
    def has_several_schedules(self) -> bool:
        """Whether the schedules stand in `ddreport.toml` and are not chosen here."""
        return _several(self.base)

    def toml(self) -> str:
        """Return the choices as `[setup]` of a ddreport.toml, to be kept."""
        lines = ["[setup]", f"checks = {_toml(list(self.checks))}"]
        lines.append(f'logging = "{"none" if self.log_level == NO_LOGGING else self.log_level}"')
        wanted = {name: days for name, days in self.thresholds.items() if name in self.checks}
        if not self.topic:
            lines.append('notifications = "none"')
        if not self.schedule and not self.has_several_schedules:
            lines.append('schedules = "none"')
        if wanted:
            lines += ["[setup.thresholds]", *(f"{name} = {days}" for name, days in wanted.items())]
        if self.topic:
            addresses = [part.strip() for part in self.subscribers.split(",") if part.strip()]
            lines += ["[setup.notifications]", f"topic = {_toml(self.topic)}"]
            lines.append(f"subscribers = {_toml(addresses)}")
        if self.schedule and not self.has_several_schedules:
            lines += [f"[setup.schedules.{_toml(self.schedule)}]", f'frequency = "{self.frequency}"']
            member = {"WEEKLY": "day_of_week", "BIWEEKLY": "day_of_week", "MONTHLY": "day_of_month"}
            if self.frequency in member:
                lines.append(f"{member[self.frequency]} = {_toml(self.day)}")
        return "\n".join(lines) + "\n"

    def desired(self) -> Desired:
        """Return what is wanted, by the rules of `[setup]`.

        Raises
        ------
        SettingsError
            A choice is wrong: a threshold out of range, an address, a day that is missing.
        """
        chosen = parse_setup(self.toml(), source="the panel", target="panel")
        schedules = self.base.schedules if self.has_several_schedules else chosen.schedules
        if schedules and self.base.schedules and not self.has_several_schedules:
            # Which of the checks it runs is not asked for here.
            own = self.base.schedules[0].checks
            kept = None if own is None else tuple(name for name in own if name in chosen.checks)
            schedules = (replace(schedules[0], checks=kept or None),)
        return replace(
            self.base,
            checks=chosen.checks,
            thresholds=chosen.thresholds,
            schedules=schedules,
            topic=chosen.topic,
            subscribers=chosen.subscribers,
            log_level=chosen.log_level,
            alarms=self.base.alarms if chosen.topic is not None and schedules else None,
            source="the panel",
        )


def _toml(value: str | list[str]) -> str:
    # A text of JSON is one of TOML, except that TOML knows no halves of characters.
    return json.dumps(value, ensure_ascii=False)


def _several(desired: Desired) -> bool:
    return len(desired.schedules or ()) > 1


def why_not(plan: SetupPlan | None, typed: str, *, read_only: bool, is_stale: bool) -> str:
    """Return why a plan cannot be applied now, in words; empty when it can."""
    if read_only:
        return "This target is read-only, or the page is for looking only."
    if plan is None or is_stale:
        return "Make the plan first, and look at it."
    if plan.problems:
        return "The plan cannot be applied; correct what it names."
    if not plan.pending:
        return "Everything is as it is wanted: there is nothing to apply."
    if typed.strip() != plan.place.account:
        return f"Type the account's id, {plan.place.account}, to apply {len(plan.pending)} changes."
    return ""
