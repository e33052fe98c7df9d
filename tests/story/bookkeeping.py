"""What must come of the script: what each audit reports, and what an auditor says of each problem. No `ddreport` here.

The rules are those of docs/lifecycle.md, worked out on the script itself, one problem and one run after the other.
"""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

SOON, PAST = "CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_EXPIRATION"
REASONS = {
    "LOGGING_DISABLED_CHECK": "LOGGING_DISABLED",
    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK": "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS",
    "DEVICE_CERTIFICATE_SHARED_CHECK": "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES",
}
SEVERITIES = {
    "LOGGING_DISABLED_CHECK": "LOW",
    "DEVICE_CERTIFICATE_EXPIRING_CHECK": "MEDIUM",
    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK": "CRITICAL",
    "DEVICE_CERTIFICATE_SHARED_CHECK": "CRITICAL",
}
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LAG = 2 / 24
RUN_AT = 6 / 24

Problem = tuple[str, str, str, str]  # place, check, resource, reason


@dataclass
class Run:
    """One check in one audit: `reports` maps (resource, reason) to (suppressed, version); None: no verdict."""

    day: float
    series: str | None
    reports: dict[tuple[str, str], tuple[bool, str | None]] | None
    strict: int = 0
    lax: int = 0


@dataclass
class Episode:
    """From the first report until it was proven gone."""

    first: Run
    last: Run
    resolved_by: Run | None = None
    passed_over: bool = False


@dataclass
class Books:
    """Everything that follows from the script."""

    script: ModuleType
    audits: list[tuple[Any, float, str | None, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    lines: dict[tuple[str, str], list[Run]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.story = self.script.STORY
        self._find_audits()
        for place, day, series, checks, completed in self.audits:
            for check in checks:
                run = Run(day, series, self._reports(place, check, day, series) if check in completed else None)
                run.strict, run.lax = self._threshold_as_pulled(place, day)
                self.lines.setdefault((place.name, check), []).append(run)

    # What happened

    def _find_audits(self) -> None:
        for schedule in self.story.schedules:
            for whole in range(int(self.script.LAST_DAY) + 1):
                day = whole + RUN_AT
                due = not schedule.weekday or WEEKDAYS[whole % 7] == schedule.weekday
                known = day <= min(schedule.place.until, self.story.pulls[-1])
                if due and known and schedule.begins < day < schedule.ends:
                    self.audits.append((schedule.place, day, schedule.name, schedule.checks, schedule.checks))
        for audit in self.story.on_demand:
            done = audit.checks if audit.completed is None else audit.completed
            self.audits.append((audit.place, audit.day, None, audit.checks, done))
        self.audits.sort(key=lambda audit: audit[1])

    def _reports(self, place: Any, check: str, day: float, series: str | None) -> Any:
        if any(s.place == place and s.check == check and s.begins <= day < s.ends for s in self.story.failing):
            return None
        s = self.script
        found: dict[tuple[str, str], tuple[bool, str | None]] = {}
        if check == s.LOGGING:
            off = any(o.place == place and o.begins <= day < o.ends for o in self.story.logging_off)
            found = {(place.account, REASONS[check]): (False, None)} if off else {}
        elif check == s.EXPIRING:
            for c in self.story.certificates:
                if c.place == place and day < c.gone and c.expires <= day + self._threshold(place, day):
                    found[c.name, PAST if c.expires <= day else SOON] = (False, None)
        elif check == s.POLICY:
            for policy in self.story.policies:
                version, document = self._policy(policy, day)
                if policy.place == place and document == s.OPEN and day < policy.deleted:
                    found[policy.name, REASONS[check]] = (self._accepted(policy, version, day), version)
        elif check == s.SHARED:
            before = [d for p, d, name, _, _ in self.audits if p == place and name == series and d < day]
            again = [x.begins for x in self.story.schedules if x.place == place and x.name == series and x.begins < day]
            # A schedule made again does not know the audits of the one before it, unless it was only changed.
            made = max((b for b in again if not any(x.ends == b for x in self.story.schedules)), default=0)
            before = [d for d in before if d > made]
            since = day - 31 if series is None or not before else before[-1]
            for x in self.story.sharing:
                if x.place == place and x.begins <= day - LAG and x.ends > since - LAG:
                    found[x.certificate, REASONS[check]] = (False, None)
        return found

    def _threshold(self, place: Any, day: float) -> int:
        return ([30] + [days for since, p, days in self.story.thresholds if p == place and since <= day])[-1]

    def _threshold_as_pulled(self, place: Any, day: float) -> tuple[int, int]:
        """Return the stricter and the laxer of the thresholds that the pulls around a run saw."""
        pulls = [p for p in self.story.pulls if p <= place.until]
        seen = [self._threshold(place, max(p for p in pulls if p <= day))]
        seen += [self._threshold(place, p) for p in pulls if p >= day][:1]
        return max(seen), min(seen)

    def _policy(self, policy: Any, day: float) -> tuple[str | None, str | None]:
        """Return version and document of a policy on a day."""
        documents: list[str] = []
        version = None
        for since, change in policy.changes:
            if isinstance(change, str):
                documents.append(change)
            if since <= day:
                version = change if isinstance(change, int) else len(documents)
        return (str(version), documents[version - 1]) if version else (None, None)

    def _accepted(self, policy: Any, version: str | None, day: float) -> bool:
        return any(
            s.place == policy.place and s.policy == policy.name and s.version == version and s.begins <= day < s.ends
            for s in self.story.suppressions
        )

    # What an auditor says

    def lives(self, until: float = 1e9) -> dict[Problem, list[Episode]]:
        """Return the episodes of every problem, as of a day."""
        lives: dict[Problem, list[Episode]] = {}
        for (place, check), runs in self.lines.items():
            for run in runs:
                if run.day > until or run.reports is None:
                    continue
                for what in run.reports:
                    own = lives.setdefault((place, check, *what), [])
                    if own and own[-1].resolved_by is None:
                        own[-1].last, own[-1].passed_over = run, False
                    else:
                        own.append(Episode(run, run))
                for problem, own in lives.items():
                    if problem[:2] != (place, check) or problem[2:] in run.reports or own[-1].resolved_by:
                        continue
                    if self._comparable(check, problem[3], own[-1].last, run):
                        own[-1].resolved_by = run
                    else:
                        own[-1].passed_over = True
        return lives

    def _comparable(self, check: str, reason: str, reported: Run, silent: Run) -> bool:
        if check == self.script.SHARED:
            return silent.series in (None, reported.series)
        return reason != SOON or silent.lax >= reported.strict

    def states(self, day: float) -> dict[Problem, str]:
        """Return the state of every problem on a day."""
        return {problem: self._state(problem, own, day) for problem, own in self.lives(day).items()}

    def _state(self, problem: Problem, own: list[Episode], day: float) -> str:
        episode = own[-1]
        if episode.resolved_by:
            return "RESOLVED"
        runs = [run for run in self.lines[problem[:2]] if run.day <= day]
        if self.is_off(problem[0], problem[1], day):
            return "OUT_OF_SCOPE"
        if episode.passed_over:
            return "UNKNOWN" if problem[1] == self.script.SHARED else "OUT_OF_SCOPE"
        if (runs[-1].reports is None and runs[-1] is not episode.last) or self.is_overdue(*problem[:2], day):
            return "UNKNOWN"
        if episode.last.reports and episode.last.reports[problem[2:]][0]:
            return "SUPPRESSED"
        if episode.last is own[0].first:
            return "NEW"
        return "REOPENED" if episode.last is episode.first else "OPEN"

    def is_off(self, place: str, check: str, day: float) -> bool:
        """Tell whether the newest pull saw the check switched off and no later run shows otherwise."""
        pulls = [p for p in self.story.pulls if p <= day and p <= self.place(place).until]
        latest = max(run.day for run in self.lines[place, check] if run.day <= day)
        if not pulls or latest > pulls[-1]:
            return False
        return any(
            s.place.name == place and s.check == check and s.begins <= pulls[-1] < s.ends
            for s in self.story.switched_off
        )

    def is_overdue(self, place: str, check: str, day: float) -> bool:
        """Tell whether more than twice the usual step has passed since the latest run."""
        runs = [run for run in self.lines[place, check] if run.day <= day]
        firsts: dict[int, float] = {}
        for run in runs:
            if run.reports is not None:
                firsts.setdefault(int(run.day), run.day)
        days = list(firsts.values())
        steps = [b - a for a, b in itertools.pairwise(days)][-8:]
        return day - runs[-1].day > 2 * (statistics.median(steps) if steps else 31)

    def changed_reason(self, problem: Problem, episode: Episode) -> bool:
        """Tell whether the run that proved it gone reported the resource for a reason that was not there before."""
        reports = episode.resolved_by.reports if episode.resolved_by else None
        before = episode.last.reports or {}
        return any(what[0] == problem[2] and what not in before for what in reports or {})

    def verdicts(self, day: float) -> dict[tuple[str, str], tuple[str, Run | None]]:
        """Return what each check that ever ran says on a day, and the run that this rests on."""
        unsure = {p[:2] for p, state in self.states(day).items() if state == "UNKNOWN" and p[1] == self.script.SHARED}
        found: dict[tuple[str, str], tuple[str, Run | None]] = {}
        for line, own in self.lines.items():
            runs = [run for run in own if run.day <= day]
            if not runs:
                continue
            reports = runs[-1].reports
            if self.is_off(*line, day):
                found[line] = ("OFF", None)
            elif reports is None or self.is_overdue(*line, day) or (line in unsure and not reports):
                found[line] = ("UNKNOWN", None)
            else:
                bad = [what for what, (accepted, _) in reports.items() if not accepted]
                found[line] = ("NON_COMPLIANT" if bad else "COMPLIANT", runs[-1])
        return found

    def evaluated(self, place: str, check: str, day: float) -> int:
        """Return how many resources a check of a place looks at on a day."""
        if check == self.script.LOGGING:
            return 1
        if check == self.script.POLICY:
            return sum(p.place.name == place and p.changes[0][0] <= day < p.deleted for p in self.story.policies)
        own = [c for c in self.story.certificates if c.place.name == place]
        if check == self.script.EXPIRING:
            return sum(day < c.gone for c in own)
        return sum(not (c.deleted and day >= c.gone) for c in own)

    def place(self, name: str) -> Any:
        """Return a place by its name."""
        return next(p for p in self.story.places if p.name == name)
