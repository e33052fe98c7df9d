"""Did it help? What became of every planned problem, which new ones came, and whether each resource shows the action.

Two witnesses, kept apart: the next audit says whether the problem is still found (by the rules of docs/lifecycle.md:
only a run that proves it may call it gone), and the resource itself, read back, says whether it is as the action
should have left it. A problem can be still there although the action worked, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from ddreport.history import LINE, Proof
from ddreport.history.comparable import LOOKS_BACK
from ddreport.mitigation.effects import Effect, ProblemEffect, ReadBack, ResourceReadBack
from ddreport.mitigation.prestate import ResourceState, shows, state_after
from ddreport.mitigation.reversal import touched
from ddreport.schemas import SEVERITY, TEXT, TIME, Column, Schema
from ddreport.terms import OPEN_STATES, ProblemState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ddreport.mitigation.plan import Plan, PlannedFinding
    from ddreport.mitigation.prestate import Captured
    from ddreport.mitigation.reverse_calls import Key

LOOK_BACK = timedelta(days=31)
"""How far an on-demand run of a check in `LOOKS_BACK` sees."""

VERIFICATIONS = Schema(
    "verifications",
    "One row per problem and look at a campaign: planned problems with what became of them, and new ones of the same "
    "checks.",
    ("plan", "verified_time", "problem_id"),
    (
        Column("plan", TEXT, "digest of the plan"),
        Column("verified_time", TIME, "when it was looked at, by AWS's clock"),
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("problem_id", TEXT, "lasting identity of the problem, 32 hex digits"),
        Column("check_name", TEXT, "API name of the check"),
        Column("resource_type", TEXT, "kind of resource"),
        Column("resource_id", TEXT, "lasting identity of the resource"),
        Column("reason_code", TEXT, "AWS's reason code"),
        Column("severity", SEVERITY, "severity, most severe first"),
        Column("effect", TEXT, "`FIXED`, `STILL_THERE`, `NEW` or `UNKNOWN`"),
        Column("why", TEXT, "why it is unknown, or what else must be known", nullable=True),
        Column("state", TEXT, "its `ProblemState` at that time; missing where no audit tells of it", nullable=True),
        Column("audit_task_id", TEXT, "the audit that shows it; missing where none does", nullable=True),
        Column("finding_id", TEXT, "the finding that was treated; missing for new ones", nullable=True),
        Column("actions", TEXT, "names of the planned actions, in order, with commas", nullable=True),
        Column(
            "treatment",
            TEXT,
            "`COMPLETED` where every action was carried out, else how the first other one ended",
            nullable=True,
        ),
        Column(
            "read_back",
            TEXT,
            "`AS_EXPECTED`, `OTHERWISE`, `GONE`, `NOT_READ` or `NOTHING_TO_READ`; missing for new ones",
            nullable=True,
        ),
        Column("read_back_note", TEXT, "what is otherwise", nullable=True),
    ),
)

READ_BACKS = Schema(
    "read_backs",
    "One row per action and resource it should have changed, as read back when a campaign was looked at.",
    ("plan", "verified_time", "finding_id", "action_name", "kind", "resource_id"),
    (
        Column("plan", TEXT, "digest of the plan"),
        Column("verified_time", TIME, "when it was read, by AWS's clock"),
        Column("finding_id", TEXT, "the finding that was treated"),
        Column("action_name", TEXT, "the action that was carried out"),
        Column("kind", TEXT, "`DEVICE_CERTIFICATE`, `CA_CERTIFICATE`, `POLICY`, `THING_GROUPS` or `LOGGING`"),
        Column("resource_id", TEXT, "id of the certificate, name of the policy or thing, `account` for logging"),
        Column("before", TEXT, "what it was before, as JSON"),
        Column("expected", TEXT, "what the action should have made of it, as JSON"),
        Column("now", TEXT, "what it is, as JSON; missing where AWS did not tell", nullable=True),
        Column("read_back", TEXT, "`AS_EXPECTED`, `OTHERWISE`, `GONE` or `NOT_READ`"),
        Column("note", TEXT, "why it was not read, or what is otherwise", nullable=True),
    ),
)


@dataclass(frozen=True)
class Treated:
    """How the planned findings were treated.

    Attributes
    ----------
    outcomes
        Status of each execution, by ids of finding and action.
    times
        When the treatment of a finding ended, by its id; one that was not treated is not there.
    began
        When the campaign began.
    undone
        When a roll-back last gave back what a finding's resource had, by the finding's id.
    """

    outcomes: Mapping[Key, str]
    times: Mapping[str, datetime]
    began: datetime
    undone: Mapping[str, datetime] = field(default_factory=dict)


def read_backs(
    plan: Plan,
    captured: Mapping[Key, Captured],
    outcomes: Mapping[Key, str],
    now: Mapping[Key, ResourceState | str],
) -> list[ResourceReadBack]:
    """Compare every resource that an action was to change with what it should be.

    Parameters
    ----------
    now
        The present state by kind and id, or why AWS did not tell it.
    """
    found = []
    for one in touched(plan, captured, outcomes):
        after = state_after(one.action, one.before) or {}
        here = now[one.before.key]
        told: dict[str, Any] | None = None
        if isinstance(here, str):
            result, note = ReadBack.NOT_READ, here
        elif here.is_gone:
            result, note = ReadBack.GONE, "it does not exist any more"
        else:
            told = here.value
            result = ReadBack.AS_EXPECTED if shows(after, here) else ReadBack.OTHERWISE
            note = "" if result is ReadBack.AS_EXPECTED else _otherwise(one.before.resource_id, after, told)
        found.append(
            ResourceReadBack(
                finding_id=one.finding.finding_id,
                action_name=one.action.name,
                kind=str(one.before.kind),
                resource_id=one.before.resource_id,
                before=one.before.value,
                expected=after,
                now=told,
                read_back=result,
                note=note or None,
            )
        )
    return found


def _otherwise(resource_id: str, after: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    other = [name for name, value in after.items() if now.get(name) != value]
    is_now = ", ".join(f"{name} is {now.get(name)!r} instead of {after[name]!r}" for name in other)
    return f"{resource_id}: {is_now}"


def problem_effects(
    plan: Plan,
    treated: Treated,
    read: Iterable[ResourceReadBack],
    problems: pd.DataFrame,
    runs: pd.DataFrame,
) -> list[ProblemEffect]:
    """Tell what became of every planned problem, and which new ones the same checks report.

    Parameters
    ----------
    problems, runs
        `history.PROBLEMS` and `history.CHECK_RUNS` of the account and Region, as known now.
    """
    known = {row["problem_id"]: row for row in problems.to_dict("records")}
    here = runs[(runs["account"] == plan.account) & (runs["region"] == plan.region)]
    of_check = {name: own for name, own in here.groupby("check_name", sort=False)}  # noqa: C416 - a group-by is no mapping
    back: dict[str, list[ResourceReadBack]] = {}
    for one in read:
        back.setdefault(one.finding_id, []).append(one)
    planned: dict[str, ProblemEffect] = {}
    for finding in plan.findings:
        time = treated.times.get(finding.finding_id)
        own_runs = of_check.get(finding.check_name, here.head(0))
        undone = treated.undone.get(finding.finding_id)
        verdict = _effect(finding, known.get(finding.problem_id), time, own_runs, plan.as_of, undone)
        result, note = _summary(back.get(finding.finding_id, []))
        planned.setdefault(
            finding.problem_id,
            ProblemEffect(
                problem_id=finding.problem_id,
                check_name=finding.check_name,
                resource_type=finding.resource_type,
                resource_id=finding.resource_id,
                reason_code=finding.reason_code,
                severity=finding.severity,
                effect=verdict.effect,
                why=verdict.why,
                state=verdict.state,
                audit_task_id=verdict.audit_task_id,
                finding_id=finding.finding_id,
                actions=",".join(finding.actions),
                treatment=_treatment(finding, treated.outcomes),
                read_back=result,
                read_back_note=note,
            ),
        )
    return [*planned.values(), *_new(plan, treated, problems, planned)]


@dataclass(frozen=True)
class _Verdict:
    effect: Effect
    why: str | None = None
    state: str | None = None
    audit_task_id: str | None = None


def _effect(
    finding: PlannedFinding,
    problem: dict[Any, Any] | None,
    treated: datetime | None,
    runs: pd.DataFrame,
    planned: datetime,
    undone: datetime | None,
) -> _Verdict:
    """Decide what became of one planned problem.

    `planned` is the moment that the plan treats, `undone` when it was rolled back: audits before that tell of what is
    no more.
    """
    if problem is None:
        return _Verdict(Effect.UNKNOWN, "the archive knows no such problem; it may be of another archive")
    state = str(problem["state"])
    since = undone or treated or planned
    if state == ProblemState.RESOLVED:
        return _gone(problem, treated, runs, undone)
    after = runs[runs["task_start_time"] > since]
    if state in OPEN_STATES and problem["last_seen_time"] > since:
        audit = problem["last_seen_audit_task_id"]
        if (why := _reaches_back(finding.check_name, audit, runs, since)) is not None:
            return _Verdict(Effect.UNKNOWN, why, state, audit)
        return _Verdict(Effect.STILL_THERE, _STILL.get(state), state, audit)
    if after.empty:
        what = "it was treated" if treated is not None else "the plan was made, and it was not treated"
        what = what if undone is None else "it was rolled back"
        return _Verdict(Effect.UNKNOWN, f"no audit of its check has begun since {what}", state)
    latest = after.iloc[-1]
    note = latest["proof_note"] if latest["proof"] != Proof.FULL else problem["state_note"]
    why = note if isinstance(note, str) else "the audits since prove neither that it is there nor that it is gone"
    return _Verdict(Effect.UNKNOWN, why, state, latest["audit_task_id"])


def _gone(problem: dict[Any, Any], treated: datetime | None, runs: pd.DataFrame, undone: datetime | None) -> _Verdict:
    """Decide what became of a problem that the newest audits do not find any more."""
    state, audit = str(problem["state"]), problem["resolved_audit_task_id"]
    if undone is not None:
        later = runs[(runs["task_start_time"] > undone) & (runs["proof"] == Proof.FULL)]
        if problem["resolved_time"] <= undone and later.empty:
            return _Verdict(Effect.UNKNOWN, "it was rolled back, and no audit since proves anything", state)
        audit = audit if later.empty else later.iloc[-1]["audit_task_id"]
        return _Verdict(Effect.FIXED, "it is gone, although it was rolled back", state, audit)
    untreated = treated is None or problem["resolved_time"] <= treated
    return _Verdict(Effect.FIXED, "it was gone without the plan's doing" if untreated else None, state, audit)


_STILL = {
    ProblemState.SUPPRESSED.value: "a suppression covers it",
    ProblemState.REOPENED.value: "it came back after it was gone",
}


def _reaches_back(check_name: str, audit_task_id: str, runs: pd.DataFrame, since: datetime) -> str | None:
    """Say why a report of a check that looks back may be about what was before the treatment; None where it cannot."""
    if check_name not in LOOKS_BACK:
        return None
    run = runs[runs["audit_task_id"] == audit_task_id].iloc[0]
    schedule = run["scheduled_audit_name"]
    if not isinstance(schedule, str):
        begin = run["task_start_time"] - LOOK_BACK
        if begin > since:
            return None
        return f"the audit looks back {LOOK_BACK.days} days, to before the treatment; ask again after that time"
    earlier = runs[(runs["scheduled_audit_name"] == schedule) & (runs["task_start_time"] < run["task_start_time"])]
    if not earlier.empty and earlier["task_start_time"].max() > since:
        return None
    return f"the audit of {schedule} looks back to its previous one, before the treatment; the next one tells"


def _treatment(finding: PlannedFinding, outcomes: Mapping[Key, str]) -> str:
    statuses = [str(outcomes.get((finding.finding_id, name), "PENDING")) for name in finding.actions]
    return next((s for s in statuses if s != "COMPLETED"), "COMPLETED")


_WORST = (ReadBack.OTHERWISE, ReadBack.NOT_READ, ReadBack.GONE, ReadBack.AS_EXPECTED)


def _summary(found: Sequence[ResourceReadBack]) -> tuple[ReadBack, str | None]:
    for result in _WORST:
        own = [one for one in found if one.read_back is result]
        if own:
            more = f" (and {len(own) - 1} more)" if len(own) > 1 else ""
            return result, f"{own[0].note}{more}" if own[0].note else None
    return ReadBack.NOTHING_TO_READ, None


def _new(
    plan: Plan, treated: Treated, problems: pd.DataFrame, planned: Mapping[str, ProblemEffect]
) -> Iterator[ProblemEffect]:
    """Yield the open problems of the plan's checks that came up (again) since the campaign began."""
    checks = {f.check_name for f in plan.findings}
    resources = {(f.check_name, f.resource_type, f.resource_id) for f in plan.findings}
    left = {one.problem_id for one in plan.left_alone}
    fresh = problems[
        (problems["account"] == plan.account)
        & (problems["region"] == plan.region)
        & problems["check_name"].isin(checks)
        & problems["state"].isin(OPEN_STATES)
        & (problems["opened_time"] > treated.began)
        & ~problems["problem_id"].isin([*planned, *left])
    ]
    for row in fresh.sort_values(["severity", *LINE, "resource_id", "reason_code"]).to_dict("records"):
        same = (row["check_name"], row["resource_type"], row["resource_id"]) in resources
        yield ProblemEffect(
            problem_id=row["problem_id"],
            check_name=row["check_name"],
            resource_type=row["resource_type"],
            resource_id=row["resource_id"],
            reason_code=row["reason_code"],
            severity=str(row["severity"]),
            effect=Effect.NEW,
            why="the treated resource is reported for another reason" if same else None,
            state=str(row["state"]),
            audit_task_id=row["last_seen_audit_task_id"],
        )


def verifications_table(plan: Plan, effects: Iterable[ProblemEffect], *, time: datetime) -> pd.DataFrame:
    """Return `VERIFICATIONS` of one look at a campaign."""
    same = {"plan": plan.digest, "verified_time": time, "account": plan.account, "region": plan.region}
    return _table(VERIFICATIONS, [same | msgspec.structs.asdict(one) for one in effects])


def read_backs_table(plan: Plan, read: Iterable[ResourceReadBack], *, time: datetime) -> pd.DataFrame:
    """Return `READ_BACKS` of one look at a campaign."""
    rows = []
    for one in read:
        row = {"plan": plan.digest, "verified_time": time} | msgspec.structs.asdict(one)
        for name in ("before", "expected", "now"):
            value = row[name]
            row[name] = None if value is None else msgspec.json.encode(value, order="deterministic").decode()
        rows.append(row)
    return _table(READ_BACKS, rows)


def _table(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    if not rows:
        return schema.empty()
    plain = [{k: v.value if isinstance(v, StrEnum) else v for k, v in row.items()} for row in rows]
    return schema.conform(pd.DataFrame(plain, columns=schema.column_names))
