"""The tables of the measures of controls: verdicts, trend, posture, weakened controls, differences, roll-ups."""

from __future__ import annotations

from enum import StrEnum

from ddreport.history.results import CHECK_RUNS, PROBLEMS
from ddreport.schemas import COUNT, FLAG, SEVERITY, TEXT, TIME, Column, Schema
from ddreport.terms import Severity


class Verdict(StrEnum):
    """What a check says at a moment."""

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    UNKNOWN = "UNKNOWN"
    """Switched on, but nobody knows now: never compliant."""
    OFF = "OFF"
    """Switched off: neither compliant nor not."""


class Direction(StrEnum):
    """Whether a change of a control made it weaker."""

    WEAKENED = "WEAKENED"
    CHANGED = "CHANGED"
    """Neither clearly weaker nor clearly stronger: somebody should look."""
    STRENGTHENED = "STRENGTHENED"


class ControlChange(StrEnum):
    """What was changed about the controls of an account and Region; the opposite stands beside each."""

    AUDIT_SWITCHED_OFF = "AUDIT_SWITCHED_OFF"
    AUDIT_SWITCHED_ON = "AUDIT_SWITCHED_ON"
    AUDIT_ROLE_CHANGED = "AUDIT_ROLE_CHANGED"
    NOTIFICATION_OFF = "NOTIFICATION_OFF"
    NOTIFICATION_ON = "NOTIFICATION_ON"
    NOTIFICATION_REDIRECTED = "NOTIFICATION_REDIRECTED"
    CHECK_DISABLED = "CHECK_DISABLED"
    CHECK_ENABLED = "CHECK_ENABLED"
    THRESHOLD_LAXER = "THRESHOLD_LAXER"
    THRESHOLD_STRICTER = "THRESHOLD_STRICTER"
    THRESHOLD_CHANGED = "THRESHOLD_CHANGED"
    """Of a check that the catalogue does not have: nobody knows which way is laxer."""
    SCHEDULE_DELETED = "SCHEDULE_DELETED"
    SCHEDULE_CREATED = "SCHEDULE_CREATED"
    SCHEDULE_NARROWED = "SCHEDULE_NARROWED"
    SCHEDULE_WIDENED = "SCHEDULE_WIDENED"
    SCHEDULE_RARER = "SCHEDULE_RARER"
    SCHEDULE_MORE_OFTEN = "SCHEDULE_MORE_OFTEN"
    SCHEDULE_FREQUENCY_CHANGED = "SCHEDULE_FREQUENCY_CHANGED"
    """To or from a frequency that this version does not know."""
    MASS_SUPPRESSION = "MASS_SUPPRESSION"
    INDEFINITE_SUPPRESSION = "INDEFINITE_SUPPRESSION"
    SUPPRESSIONS_LIFTED = "SUPPRESSIONS_LIFTED"

    @property
    def direction(self) -> Direction:
        """Whether it makes the controls weaker."""
        if self in _STRONGER:
            return Direction.STRENGTHENED
        return Direction.CHANGED if self in _OTHER else Direction.WEAKENED


_STRONGER = frozenset(
    {
        ControlChange.AUDIT_SWITCHED_ON,
        ControlChange.NOTIFICATION_ON,
        ControlChange.CHECK_ENABLED,
        ControlChange.THRESHOLD_STRICTER,
        ControlChange.SCHEDULE_CREATED,
        ControlChange.SCHEDULE_WIDENED,
        ControlChange.SCHEDULE_MORE_OFTEN,
        ControlChange.SUPPRESSIONS_LIFTED,
    }
)
_OTHER = frozenset(
    {
        ControlChange.AUDIT_ROLE_CHANGED,
        ControlChange.NOTIFICATION_REDIRECTED,
        ControlChange.THRESHOLD_CHANGED,
        ControlChange.SCHEDULE_FREQUENCY_CHANGED,
    }
)


class Change(StrEnum):
    """What became of a problem between two moments, or between two audits."""

    APPEARED = "APPEARED"
    REOPENED = "REOPENED"
    """It had been proven gone and came back, perhaps both in between."""
    UNSUPPRESSED = "UNSUPPRESSED"
    KNOWN_AGAIN = "KNOWN_AGAIN"
    """It was unknown, and the check that looks again finds it."""
    BACK_IN_SCOPE = "BACK_IN_SCOPE"
    STILL_OPEN = "STILL_OPEN"
    SUPPRESSED = "SUPPRESSED"
    STILL_SUPPRESSED = "STILL_SUPPRESSED"
    BECAME_UNKNOWN = "BECAME_UNKNOWN"
    STILL_UNKNOWN = "STILL_UNKNOWN"
    WENT_OUT_OF_SCOPE = "WENT_OUT_OF_SCOPE"
    STILL_OUT_OF_SCOPE = "STILL_OUT_OF_SCOPE"
    RESOLVED = "RESOLVED"
    CAME_AND_WENT = "CAME_AND_WENT"
    """It appeared, or came back, and was proven gone, all in between."""
    STILL_RESOLVED = "STILL_RESOLVED"
    NOT_IN_SECOND = "NOT_IN_SECOND"
    """Only the first table has it: the second one is of earlier or of other audits. Nothing was resolved."""
    NOT_COMPARABLE = "NOT_COMPARABLE"
    """Of two audits: one of the two cannot say whether it was there."""


_KNOWN = {c.name: c for c in CHECK_RUNS.columns}


def _column(name: str, meaning: str | None = None, *, nullable: bool | None = None) -> Column:
    known = _KNOWN[name]
    return Column(name, known.dtype, meaning or known.meaning, known.nullable if nullable is None else nullable)


_ACCOUNT, _REGION, _CHECK = (_column(n) for n in ("account", "region", "check_name"))
_ANY_ACCOUNT = Column("account", TEXT, "12-digit AWS account id; missing for all accounts together", nullable=True)
_ANY_REGION = Column("region", TEXT, "AWS Region; missing for all Regions together", nullable=True)
_AS_OF = Column("as_of_time", TIME, "the moment")
_VERDICT = Column("verdict", TEXT, "a `Verdict`")


def _rate(name: str, meaning: str) -> Column:
    return Column(name, "float64", f"{meaning}, 0..1", nullable=True)


CHECK_VERDICTS = Schema(
    "check_verdicts",
    "One row per check and moment at which it was known: its latest verdict, as far as that still counts.",
    ("account", "region", "check_name", "as_of_time"),
    (
        _ACCOUNT,
        _REGION,
        _CHECK,
        _AS_OF,
        _VERDICT,
        Column("verdict_note", TEXT, "why it is UNKNOWN or OFF", nullable=True),
        Column("has_run", FLAG, "true when it is on and its latest run of any kind is not overdue"),
        Column("audit_task_id", TEXT, "audit of the verdict; missing for UNKNOWN and OFF", nullable=True),
        Column("task_start_time", TIME, "when that audit began", nullable=True),
        _column("total_resources_count", "resources that the verdict rests on", nullable=True),
        _column("non_compliant_resources_count", "of these non-compliant and not suppressed", nullable=True),
        _column("suppressed_non_compliant_resources_count", "of these non-compliant, but suppressed", nullable=True),
    ),
)

COMPLIANCE_TREND = Schema(
    "compliance_trend",
    "One row per account and Region (or all together) and moment: the checks by what is known of them.",
    ("account", "region", "as_of_time"),
    (
        _ANY_ACCOUNT,
        _ANY_REGION,
        _AS_OF,
        Column("places_count", COUNT, "pairs of account and Region of which a check was known"),
        Column("known_checks_count", COUNT, "checks known by then, once per account and Region: on + off"),
        Column("on_checks_count", COUNT, "switched on: compliant + non-compliant + unknown"),
        Column("off_checks_count", COUNT, "switched off"),
        Column("run_checks_count", COUNT, "on, and the latest run of any kind not overdue"),
        Column("finished_checks_count", COUNT, "on, with a verdict that counts: compliant + non-compliant"),
        Column("compliant_checks_count", COUNT, "with the verdict compliant"),
        Column("non_compliant_checks_count", COUNT, "with the verdict non-compliant"),
        Column("unknown_checks_count", COUNT, "on, but without a verdict that counts"),
        Column("compliant_only_by_suppression_count", COUNT, "compliant only since resources are suppressed"),
        _rate("compliance_rate", "compliant / finished checks"),
        _rate("strict_compliance_rate", "the same as if nothing were suppressed"),
        _rate("least_compliance_rate", "compliant / on: unknown ones taken for non-compliant"),
        _rate("unknown_rate", "unknown / on"),
        _rate("coverage_on", "on / known"),
        _rate("coverage_run", "run / known"),
        _rate("coverage_finished", "finished / known"),
        Column("counted_checks_count", COUNT, "finished checks whose resource counts AWS gave"),
        Column("total_resources_count", COUNT, "resources that these evaluated, once per check"),
        Column("non_compliant_resources_count", COUNT, "of these non-compliant and not suppressed"),
        Column("suppressed_non_compliant_resources_count", COUNT, "of these non-compliant, but suppressed"),
        _rate("resource_compliance_rate", "1 - non-compliant / evaluated resources"),
        _rate("strict_resource_compliance_rate", "the same as if nothing were suppressed"),
    ),
)

_SCORE = "100 x sum(weight x credit) / sum(weight) over all known checks"

POSTURE_SCORE = Schema(
    "posture_score",
    "One row per account and Region (or all together) and moment: the posture in one number, 0..100.",
    ("account", "region", "as_of_time"),
    (
        _ANY_ACCOUNT,
        _ANY_REGION,
        _AS_OF,
        Column("posture_score", "float64", f"{_SCORE}; unknown checks have no credit", nullable=True),
        Column("strict_posture_score", "float64", "the same as if nothing were suppressed", nullable=True),
        Column("score_if_unknown_compliant", "float64", "the same if all unknown checks complied", nullable=True),
        Column("known_checks_count", COUNT, "checks that the score rests on"),
        Column("unknown_checks_count", COUNT, "of these unknown: between the score and its upper bound"),
        Column("off_checks_count", COUNT, "of these switched off: their weight is lost"),
        Column("ungraded_checks_count", COUNT, "of these with a severity that nobody knows; they weigh most"),
        Column("total_weight", "float64", "sum of the weights"),
    ),
)

POSTURE_CONTRIBUTIONS = Schema(
    "posture_contributions",
    "One row per check and moment: what it adds to the posture score, and what it could add.",
    ("account", "region", "check_name", "as_of_time"),
    (
        _ACCOUNT,
        _REGION,
        _CHECK,
        _AS_OF,
        Column("severity", SEVERITY, "severity of the check; missing where nobody knows it", nullable=True),
        Column("weight", "float64", "weight of the check"),
        _VERDICT,
        Column("credit", "float64", "share of its weight that counts, 0..1"),
        Column("strict_credit", "float64", "the same as if nothing were suppressed"),
        Column("credit_if_compliant", "float64", "the same if an unknown check complied"),
        Column("points", "float64", "part of the score: 100 x weight x credit / sum of weights"),
        Column("strict_points", "float64", "part of the strict score"),
        Column("points_if_compliant", "float64", "part of the score if all unknown checks complied"),
        Column("possible_points", "float64", "part of the score when it complies"),
        Column("lost_points", "float64", "possible_points - points"),
        Column("reason", TEXT, "why it has that credit, in plain words"),
    ),
)

WEAKENED_CONTROLS = Schema(
    "weakened_controls",
    "One row per change of a control between two successive looks at an account and Region.",
    ("account", "region", "observed_time", "kind", "check_name", "scheduled_audit_name"),
    (
        _ACCOUNT,
        _REGION,
        Column("not_before_time", TIME, "look before, at which it was not so yet: the change came after it"),
        Column("observed_time", TIME, "first look that found the change: it came until then"),
        Column("kind", TEXT, "a `ControlChange`"),
        Column("direction", TEXT, "a `Direction`: WEAKENED, CHANGED or STRENGTHENED"),
        Column("check_name", TEXT, "the check, where one alone is concerned", nullable=True),
        Column("scheduled_audit_name", TEXT, "the schedule concerned", nullable=True),
        Column("before", TEXT, "how it was", nullable=True),
        Column("after", TEXT, "how it is", nullable=True),
        Column("changed_count", COUNT, "checks or suppressions that were changed", nullable=True),
        Column("open_resources_count", COUNT, "resources the check found last, suppressed or not", nullable=True),
        Column("before_audit", FLAG, "whether an audit began after the change may have come, and within 24 h of it"),
        Column("audit_task_id", TEXT, "first such audit", nullable=True),
        Column("audit_start_time", TIME, "when that began", nullable=True),
        Column("message", TEXT, "what happened, in plain words; holds texts from AWS"),
    ),
)

_PROBLEM = tuple(PROBLEMS.columns[: PROBLEMS.column_names.index("severity") + 1])
_CHANGE = Column("change", TEXT, "a `Change`")

DIFFERENCE = Schema(
    "difference",
    "One row per problem that either of two moments knows: what became of it.",
    ("problem_id",),
    (
        *_PROBLEM,
        _CHANGE,
        Column("before_state", TEXT, "its `ProblemState` at the first moment; missing: not known yet", nullable=True),
        Column("after_state", TEXT, "the same at the second moment", nullable=True),
        Column("state_note", TEXT, "why it is UNKNOWN or OUT_OF_SCOPE at the second", nullable=True),
        Column("first_seen_time", TIME, "start of the audit that reported it first ever"),
        Column("opened_time", TIME, "start of the audit that began the last episode"),
        Column("last_seen_time", TIME, "start of the audit that reported it last"),
        Column("last_seen_audit_task_id", TEXT, "that audit"),
        Column("resolved_time", TIME, "start of the audit that proved it gone", nullable=True),
        Column("resolved_audit_task_id", TEXT, "that audit", nullable=True),
    ),
)

DIFFERENCE_SUMMARY = Schema(
    "difference_summary",
    "Four rows, one per severity: problems by what became of them.",
    ("severity",),
    (
        Column("severity", SEVERITY, "severity, most severe first"),
        *(Column(f"{c.value.lower()}_count", COUNT, f"problems with the change {c.value}") for c in Change),
        Column("total_count", COUNT, "all of them"),
    ),
)

COMPARED_CHECKS = Schema(
    "compared_checks",
    "One row per check of two audits: whether the two can be compared.",
    ("account", "region", "check_name"),
    (
        _ACCOUNT,
        _REGION,
        _CHECK,
        Column("is_comparable", FLAG, "whether what one audit does not report can be told from what it did not see"),
        Column("note", TEXT, "why not, or what is left out", nullable=True),
        Column("first_check_run_status", TEXT, "how it ended in the first audit", nullable=True),
        Column("second_check_run_status", TEXT, "how it ended in the second audit", nullable=True),
        Column("same_thresholds", FLAG, "false when reasons that depend on a threshold cannot be compared"),
    ),
)

AUDIT_DIFFERENCE = Schema(
    "audit_difference",
    "One row per problem that either of two audits reported.",
    ("problem_id",),
    (
        *_PROBLEM,
        _CHANGE,
        Column("first_is_suppressed", FLAG, "in the first audit; missing: not reported", nullable=True),
        Column("second_is_suppressed", FLAG, "in the second audit; missing: not reported", nullable=True),
        Column("note", TEXT, "why it is NOT_COMPARABLE", nullable=True),
    ),
)

_ROLLED = (("open", "NEW, OPEN or REOPENED"), ("suppressed", "SUPPRESSED"), ("unknown", "UNKNOWN"))

ROLL_UP = Schema(
    "roll_up",
    "One row per group with its problems, and one for all together, in which each problem counts once.",
    ("by", "account", "region", "group_name"),
    (
        Column("by", TEXT, "what the groups are, such as `account` or `thing_group`"),
        Column("account", TEXT, "account of the group; missing where groups span accounts", nullable=True),
        Column("region", TEXT, "Region of the group; missing where groups span Regions", nullable=True),
        Column(
            "group_name",
            TEXT,
            "the group; `(none)`: belongs to none; `(not mapped)`: nobody knows; missing: all together",
            nullable=True,
        ),
        Column("problems_count", COUNT, "problems in any state: mapped + unmapped"),
        Column("mapped_count", COUNT, "of these with known groups, `(none)` included"),
        Column("unmapped_count", COUNT, "of these without: no inventory tells"),
        *(Column(f"{name}_count", COUNT, f"problems that are {states}") for name, states in _ROLLED),
        Column("out_of_scope_count", COUNT, "problems that nobody looks for now"),
        Column("resolved_count", COUNT, "problems proven gone"),
        *(
            Column(f"{severity.lower()}_{name}_count", COUNT, f"{severity} problems that are {states}")
            for name, states in _ROLLED
            for severity in Severity
        ),
        Column("worst_severity", SEVERITY, "highest severity among its open problems", nullable=True),
        Column("oldest_open_time", TIME, "since when its oldest open problem is open", nullable=True),
        Column("oldest_open_age_days", "float64", "age of that problem, in days", nullable=True),
    ),
)
