"""The tables of problems and their lives: columns, dtypes and keys. Their rules stand in docs/lifecycle.md."""

from __future__ import annotations

from enum import StrEnum

from ddreport.schemas import CHECKS, COUNT, FINDINGS, FLAG, SEVERITY, TEXT, TIME, Column, Schema


class Proof(StrEnum):
    """What one run of a check proves."""

    FULL = "FULL"
    """What it reports is there, and what it does not report is not there."""
    PRESENCE = "PRESENCE"
    """What it reports is there; its silence proves nothing."""


class Resolution(StrEnum):
    """How an episode ended."""

    NOT_REPORTED = "NOT_REPORTED"
    """The resource passes the check, or does not exist any more."""
    REASON_CHANGED = "REASON_CHANGED"
    """The resource fails the same check for a reason that is new to it: another problem."""


class LineState(StrEnum):
    """What is known of one check in one account and Region at a moment."""

    CURRENT = "CURRENT"
    """Its latest run is a full one and not overdue."""
    NO_VERDICT = "NO_VERDICT"
    """A later run than the latest full one gave no verdict."""
    OVERDUE = "OVERDUE"
    """The next run should have come by now."""
    NEVER = "NEVER"
    """No full run yet."""
    OFF = "OFF"
    """The check is switched off."""


_KNOWN = {c.name: c for schema in (FINDINGS, CHECKS) for c in schema.columns}


def _column(name: str, *, nullable: bool | None = None) -> Column:
    known = _KNOWN[name]
    return Column(known.name, known.dtype, known.meaning, known.nullable if nullable is None else nullable)


_ACCOUNT, _REGION, _CHECK, _TASK, _START, _TYPE, _RESOURCE, _REASON, _VERSION, _EXPIRES = (
    _column(n)
    for n in (
        "account",
        "region",
        "check_name",
        "audit_task_id",
        "task_start_time",
        "resource_type",
        "resource_id",
        "reason_code",
        "policy_version_id",
        "expiration_time",
    )
)
_PROBLEM = Column("problem_id", TEXT, "lasting identity of the problem, 32 hex digits")
_SEVERITY = Column("severity", SEVERITY, "severity as reported last, most severe first")
_SUPPRESSED = Column("is_suppressed", FLAG, "whether a suppression covered it when it was reported last")
_IDENTITY = (_PROBLEM, _ACCOUNT, _REGION, _CHECK, _TYPE, _RESOURCE, _REASON)

CHECK_RUNS = Schema(
    "check_runs",
    "One row per run: one check in one audit, with what it proves.",
    ("account", "region", "check_name", "audit_task_id"),
    (
        _ACCOUNT,
        _REGION,
        _CHECK,
        _TASK,
        _START,
        Column(
            "task_type", TEXT, "`ON_DEMAND_AUDIT_TASK` or `SCHEDULED_AUDIT_TASK`; missing if not known", nullable=True
        ),
        Column("scheduled_audit_name", TEXT, "name of the schedule; missing for on-demand audits", nullable=True),
        Column(
            "check_run_status", TEXT, "how the check ended; missing if only findings tell of the run", nullable=True
        ),
        _column("error_code"),
        Column("proof", TEXT, "a `Proof`: FULL or PRESENCE"),
        Column("proof_note", TEXT, "why it proves no more than presence", nullable=True),
        _column("total_resources_count"),
        _column("non_compliant_resources_count"),
        _column("suppressed_non_compliant_resources_count"),
        Column("findings_count", COUNT, "findings that the archive holds of it"),
        Column(
            "reported_threshold_days", COUNT, "threshold when it reports: the stricter where two fit", nullable=True
        ),
        Column(
            "resolving_threshold_days", COUNT, "threshold when it is silent: the laxer where two fit", nullable=True
        ),
        Column("slot", COUNT, "place in its line; full runs without another run between them have adjacent ones"),
        Column("resolver_slot", COUNT, "slot of the first later run that may resolve what it reports", nullable=True),
        Column(
            "threshold_resolver_slot",
            COUNT,
            "the same for reasons that depend on a threshold",
            nullable=True,
        ),
    ),
)

SPANS = Schema(
    "spans",
    "One row per stretch of full runs in a row that reported a problem alike (or per other run that reported it).",
    ("problem_id", "first_slot"),
    (
        *_IDENTITY,
        Column("severity", SEVERITY, "severity in this stretch"),
        Column("is_suppressed", FLAG, "whether a suppression covered it in this stretch"),
        _VERSION,
        _EXPIRES,
        Column("first_slot", COUNT, "slot of the first run that reported it"),
        Column("last_slot", COUNT, "slot of the last one"),
    ),
)

EPISODES = Schema(
    "episodes",
    "One row per episode: from the first report of a problem until it was proven gone.",
    ("problem_id", "episode"),
    (
        *_IDENTITY,
        Column("episode", COUNT, "1 for the first time; each reopening adds one"),
        _SEVERITY,
        _SUPPRESSED,
        _VERSION,
        _EXPIRES,
        Column("absent_time", TIME, "latest full run before that did not report it", nullable=True),
        Column("first_seen_time", TIME, "start of the audit that reported it first"),
        Column("first_seen_audit_task_id", TEXT, "that audit"),
        Column("last_seen_time", TIME, "start of the audit that reported it last"),
        Column("last_seen_audit_task_id", TEXT, "that audit: it was resolved after it"),
        Column("resolved_time", TIME, "start of the audit that proved it gone; missing while none did", nullable=True),
        Column("resolved_audit_task_id", TEXT, "that audit: it was resolved by it", nullable=True),
        Column("resolution", TEXT, "a `Resolution`", nullable=True),
    ),
)

PROBLEMS = Schema(
    "problems",
    "One row per problem with its state at a moment.",
    ("problem_id",),
    (
        *_IDENTITY,
        _SEVERITY,
        Column("state", TEXT, "a `ProblemState`: what is known at the moment"),
        Column("known_state", TEXT, "the state when somebody last looked"),
        Column("state_note", TEXT, "why the state is UNKNOWN or OUT_OF_SCOPE", nullable=True),
        _SUPPRESSED,
        _VERSION,
        _EXPIRES,
        Column("first_seen_time", TIME, "start of the audit that reported it first ever"),
        Column("first_seen_audit_task_id", TEXT, "that audit"),
        Column("opened_time", TIME, "start of the audit that began the present (or last) episode"),
        Column("last_seen_time", TIME, "start of the audit that reported it last"),
        Column("last_seen_audit_task_id", TEXT, "that audit"),
        Column("resolved_time", TIME, "start of the audit that proved it gone; missing unless RESOLVED", nullable=True),
        Column("resolved_audit_task_id", TEXT, "that audit", nullable=True),
        Column("resolution", TEXT, "a `Resolution`; missing unless RESOLVED", nullable=True),
        Column("reopened_count", COUNT, "how often it was reopened"),
        Column("age_days", "float64", "from `opened_time` to the moment, or to `resolved_time`, in days"),
    ),
)

STATE_COUNTS = Schema(
    "state_counts",
    "One row per moment, check, severity and state that occurs: how many problems were in that state.",
    ("as_of_time", "account", "region", "check_name", "severity", "state"),
    (
        Column("as_of_time", TIME, "the moment"),
        _ACCOUNT,
        _REGION,
        _CHECK,
        Column("severity", SEVERITY, "severity as reported last, most severe first"),
        Column("state", TEXT, "a `ProblemState`"),
        Column("problems_count", COUNT, "problems in that state"),
    ),
)
