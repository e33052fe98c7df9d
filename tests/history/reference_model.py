"""The rules of docs/lifecycle.md once more, slow and obvious: one loop over the runs of each check, no cleverness.

Nothing here comes from `ddreport.history`, so that an error there cannot hide in here.
"""

from __future__ import annotations

import hashlib
import itertools
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = timedelta(days=1)
LOOKS_BACK = ("DEVICE_CERTIFICATE_SHARED_CHECK", "CONFLICTING_CLIENT_IDS_CHECK")
COGNITO = (
    "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
    "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK",
)
EXPIRING, AGE = "DEVICE_CERTIFICATE_EXPIRING_CHECK", "DEVICE_CERTIFICATE_AGE_CHECK"
DEFAULT_DAYS = {EXPIRING: 30, AGE: 365}
HIDDEN_BY_A_LAXER_THRESHOLD = ("CERTIFICATE_APPROACHING_EXPIRATION", "CERTIFICATE_PAST_AGE_THRESHOLD")


@dataclass
class Run:
    audit: str
    start: datetime
    schedule: str | None
    full: bool
    disabled: bool
    strict_days: int
    lax_days: int
    reports: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)


@dataclass
class Episode:
    absent: datetime | None
    first: Run
    last: Run
    attributes: dict[str, Any]
    resolved_by: Run | None = None
    resolution: str | None = None
    passed_over: bool = False


def problem_id(*parts: str) -> str:
    text = b"".join(str(len(p.encode())).encode() + b":" + p.encode() for p in parts)
    return hashlib.sha256(text).hexdigest()[:32]


def lives(history: dict[str, Any], *, as_of: datetime | None = None) -> dict[tuple[str, ...], list[Episode]]:
    """Return the episodes of every problem by its six texts. A history is made by `tests/history/histories.py`."""
    found: dict[tuple[str, ...], list[Episode]] = {}
    for line, runs in lines(history, as_of).items():
        previous_full: Run | None = None
        for run in runs:
            for fault, report in run.reports.items():
                own = found.setdefault((*line, *fault), [])
                if own and own[-1].resolved_by is None:
                    own[-1].last, own[-1].attributes, own[-1].passed_over = run, report, False
                else:
                    own.append(Episode(previous_full.start if previous_full else None, run, run, report))
            if not run.full:
                continue
            for problem, own in found.items():
                episode = own[-1]
                fault = problem[3:]
                if problem[:3] != line or fault in run.reports or episode.resolved_by is not None:
                    continue
                if comparable(line[2], problem[5], episode.last, run):
                    episode.resolved_by = run
                    other = any(f[:2] == fault[:2] and f not in episode.last.reports for f in run.reports)
                    episode.resolution = "REASON_CHANGED" if other else "NOT_REPORTED"
                else:
                    episode.passed_over = True
            previous_full = run
    return found


def comparable(check: str, reason: str, reporting: Run, silent: Run) -> bool:
    if check in LOOKS_BACK:
        return silent.schedule is None or silent.schedule == reporting.schedule
    if reason in HIDDEN_BY_A_LAXER_THRESHOLD:
        if check == AGE:
            return silent.lax_days <= reporting.strict_days
        if check == EXPIRING:
            return silent.lax_days >= reporting.strict_days
    return True


def lines(history: dict[str, Any], as_of: datetime | None) -> dict[tuple[str, ...], list[Run]]:
    found: dict[tuple[str, ...], list[Run]] = {}
    for audit in sorted(history["audits"], key=lambda a: (a["start"], a["id"])):
        if as_of is not None and audit["start"] > as_of:
            continue
        for check, facts in audit["checks"].items():
            line = (audit["account"], "eu-west-1", check)
            days = thresholds(history, line, audit["start"])
            run = Run(audit["id"], audit["start"], audit["schedule"], False, False, *days)
            reports = list(facts["findings"])
            for finding in reports:
                fault = (finding["resource_type"], finding["resource_id"], finding["reason_code"])
                before = run.reports.get(fault)
                # Of several findings of one problem one that is not suppressed counts, then the greater version.
                if before is None or rank(finding) < rank(before):
                    run.reports[fault] = finding
            status = facts["status"]
            run.full = status in ("COMPLETED_COMPLIANT", "COMPLETED_NON_COMPLIANT")
            if facts["counted"] is not None and len(reports) < facts["counted"]:
                run.full = False
            if check in COGNITO and facts["total"] == 0:
                run.full = False
            run.disabled = facts["error_code"] == "AUDIT_CHECK_DISABLED"
            found.setdefault(line, []).append(run)
    return found


def rank(finding: dict[str, Any]) -> tuple[bool, int]:
    version = finding["policy_version_id"]
    return finding["is_suppressed"], -ord(version) if version else 0


def thresholds(history: dict[str, Any], line: tuple[str, ...], start: datetime) -> tuple[int, int]:
    """Return the days when the run reports (the stricter) and when it is silent (the laxer)."""
    default = DEFAULT_DAYS.get(line[2], 0)
    states = [s for s in history["states"] if s["account"] == line[0] and line[2] in s["checks"]]
    if not states or not default:
        return default, default

    def seen(at: datetime) -> int:
        until = [s for s in states if s["time"] <= at] or states[:1]
        return until[-1]["checks"][line[2]]["days"] or default

    before = seen(start)
    looks = sorted({s["time"] for s in states} | {t for a, t in history["looks"] if a == line[0]})
    later = [t for t in looks if t >= start]
    after = seen(later[0]) if later else before
    low, high = min(before, after), max(before, after)
    return (low, high) if line[2] == AGE else (high, low)


def state(history: dict[str, Any], problem: tuple[str, ...], own: list[Episode], as_of: datetime) -> str:
    """Return the state of a problem whose episodes until `as_of` are given."""
    episode = own[-1]
    if episode.resolved_by is not None:
        return "RESOLVED"
    runs = lines(history, as_of)[problem[:3]]
    latest = runs[-1]
    if switched_off(history, problem[:3], latest, as_of):
        return "OUT_OF_SCOPE"
    if episode.passed_over:
        return "UNKNOWN" if problem[2] in LOOKS_BACK else "OUT_OF_SCOPE"
    full = [r for r in runs if r.full]
    if latest.audit != episode.last.audit and not latest.full:
        return "UNKNOWN"
    if as_of - latest.start > 2 * usual_step(full):
        return "UNKNOWN"
    return known_state(own)


def known_state(own: list[Episode]) -> str:
    episode = own[-1]
    if episode.resolved_by is not None:
        return "RESOLVED"
    if episode.attributes["is_suppressed"]:
        return "SUPPRESSED"
    if episode.last is own[0].first:
        return "NEW"
    return "REOPENED" if episode.last is episode.first else "OPEN"


def switched_off(history: dict[str, Any], line: tuple[str, ...], latest: Run, as_of: datetime) -> bool:
    states = [s for s in history["states"] if s["account"] == line[0] and line[2] in s["checks"] and s["time"] <= as_of]
    if states and not states[-1]["checks"][line[2]]["enabled"] and latest.start <= states[-1]["time"]:
        return True
    return latest.disabled and not latest.full


def usual_step(full: list[Run]) -> timedelta:
    firsts: list[datetime] = []
    for run in full:
        if not firsts or run.start.astimezone(UTC).date() != firsts[-1].astimezone(UTC).date():
            firsts.append(run.start)
    steps = [(b - a) / DAY for a, b in itertools.pairwise(firsts)][-8:]
    return timedelta(days=statistics.median(steps) if steps else 31)
