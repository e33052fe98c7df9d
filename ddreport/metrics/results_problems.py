"""The tables that the measures over episodes and problems return: columns, dtypes and keys."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ddreport.history.results import EPISODES, PROBLEMS
from ddreport.schemas import COUNT, FLAG, SEVERITY, TEXT, TIME, Column, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT, _REGION = (next(c for c in EPISODES.columns if c.name == n) for n in ("account", "region"))
_SEVERITY = Column("severity", SEVERITY, "severity as reported last, most severe first")


def grouped(schema: Schema, by: Sequence[str]) -> Schema:
    """Return `schema` with the columns `by` of `EPISODES` in front, which then are part of its key."""
    columns = {c.name: c for c in EPISODES.columns}
    return replace(schema, key=(*by, *schema.key), columns=(*(columns[n] for n in by), *schema.columns))


PROBLEM_FLOW = Schema(
    "problem_flow",
    "One row per account, Region, period and severity: what came, what went, what is left.",
    ("account", "region", "period_start_time", "severity"),
    (
        _ACCOUNT,
        _REGION,
        Column("period_start_time", TIME, "first moment of the period, UTC"),
        Column("period_end_time", TIME, "first moment of the next period"),
        Column("counted_until_time", TIME, "the same, or the end of the window if that is earlier"),
        Column("is_complete", FLAG, "whether the whole period lies in the window"),
        _SEVERITY,
        Column("new_count", COUNT, "problems reported for the first time ever"),
        Column("found_at_first_look_count", COUNT, "of these reported before any full run without them: may be older"),
        Column("reopened_count", COUNT, "problems reported again after they had been resolved"),
        Column("resolved_count", COUNT, "problems proven gone: resolution NOT_REPORTED"),
        Column("reason_changed_count", COUNT, "problems left for another reason, not repaired"),
        Column("net_count", COUNT, "new + reopened - resolved - reason changed"),
        Column("open_count", COUNT, "problems not proven gone when the period ended, whatever their state"),
        Column("suppressed_new_count", COUNT, "of the new ones: suppressed when reported last"),
        Column("suppressed_reopened_count", COUNT, "of the reopened ones: suppressed when reported last"),
        Column("suppressed_resolved_count", COUNT, "of the resolved ones: suppressed when reported last"),
        Column("suppressed_reason_changed_count", COUNT, "of those with another reason: suppressed when reported last"),
        Column("suppressed_net_count", COUNT, "net of the suppressed ones"),
        Column("suppressed_open_count", COUNT, "of the open ones: suppressed when reported last"),
        Column("full_runs_count", COUNT, "full runs in the period, all severities; 0: nobody looked", nullable=True),
    ),
)

OPEN_BY_AGE = Schema(
    "open_by_age",
    "One row per severity and range of ages: problems not proven gone, by what is known of them.",
    ("severity", "age_from_days"),
    (
        _SEVERITY,
        Column("age_range", TEXT, "the range in words"),
        Column("age_from_days", "float64", "least age, included, in days"),
        Column("age_to_days", "float64", "end of the range, not included; missing for the last", nullable=True),
        Column("open_count", COUNT, "state NEW, OPEN or REOPENED"),
        Column("suppressed_count", COUNT, "state SUPPRESSED"),
        Column("unknown_count", COUNT, "state UNKNOWN"),
        Column("out_of_scope_count", COUNT, "state OUT_OF_SCOPE"),
        Column("unresolved_count", COUNT, "the four together"),
    ),
)

TIME_TO_RESOLVE = Schema(
    "time_to_resolve",
    "One row per group of episodes: how long it took until they were proven gone. Grouped by what was asked for.",
    (),
    (
        Column("episodes_count", COUNT, "episodes that had begun"),
        Column("resolved_count", COUNT, "of these proven gone: resolution NOT_REPORTED"),
        Column("reason_changed_count", COUNT, "of these left for another reason; followed until then"),
        Column("still_open_count", COUNT, "of these not ended"),
        Column("unwatched_count", COUNT, "of the open ones: nobody looks any more; followed until they were last seen"),
        Column("median_days", "float64", "half are resolved by then; missing if the curve ends before", nullable=True),
        Column("p90_days", "float64", "nine of ten are resolved by then; missing likewise", nullable=True),
        Column("naive_median_days", "float64", "median of the resolved ones alone: too short", nullable=True),
        Column("followed_days", "float64", "longest time that any of them was followed", nullable=True),
    ),
)

RESOLUTION_CURVE = Schema(
    "resolution_curve",
    "One row per group and number of days at which an episode ended or was lost from sight.",
    ("days",),
    (
        Column("days", "float64", "days since the first report"),
        Column("at_risk_count", COUNT, "episodes followed this long and not resolved before"),
        Column("resolved_count", COUNT, "of these resolved at this time"),
        Column("unresolved_share", "float64", "estimated share not resolved after this time, 0..1"),
    ),
)


class SlaStatus(StrEnum):
    """How an unresolved problem stands to its due time."""

    BREACHED = "BREACHED"
    DUE_SOON = "DUE_SOON"
    WITHIN = "WITHIN"
    ACCEPTED = "ACCEPTED"
    """Suppressed: somebody decided to live with it."""


class Certainty(StrEnum):
    """Whether the latest look found the problem."""

    KNOWN = "KNOWN"
    UNKNOWN = "UNKNOWN"
    """Nobody has looked since, or nobody does any more; it counts as long as it is not proven gone."""


SLA = Schema(
    "sla",
    "One row per problem that is not resolved: when it is due.",
    ("problem_id",),
    (
        *(c for c in PROBLEMS.columns if c.name in PROBLEMS.column_names[:8]),
        Column("state", TEXT, "a `ProblemState`"),
        Column("opened_time", TIME, "when the present episode began: the clock starts here"),
        Column("last_seen_time", TIME, "start of the audit that reported it last"),
        Column("due_time", TIME, "`opened_time` + the days of its severity"),
        Column("days_left", "float64", "from the moment asked about to `due_time`; negative when overdue"),
        Column("status", TEXT, "an `SlaStatus`"),
        Column("certainty", TEXT, "a `Certainty`"),
    ),
)

SLA_SUMMARY = Schema(
    "sla_summary",
    "One row per severity: what fell due in a window and whether it was resolved by then, and what is overdue.",
    ("severity",),
    (
        _SEVERITY,
        Column("allowed_days", "float64", "days from first report to due time"),
        Column("due_count", COUNT, "decided episodes that fell due in the window: met + breached"),
        Column("met_count", COUNT, "of these proven gone at or before their due time"),
        Column("breached_count", COUNT, "of these not"),
        Column("breached_unknown_count", COUNT, "of the breached: still open, but nobody has looked since or does"),
        Column("met_rate", "float64", "met / due, 0..1; missing if nothing was due", nullable=True),
        Column("accepted_count", COUNT, "decided episodes that fell due suppressed; not in `due_count`"),
        Column("accepted_met_count", COUNT, "of these proven gone at or before their due time"),
        Column("strict_met_rate", "float64", "the rate as if nothing were suppressed, 0..1", nullable=True),
        Column("reason_changed_count", COUNT, "left for another reason by their due time: neither met nor breached"),
        Column("pending_count", COUNT, "fall due in the window, but had not at `as_of`, and are not resolved"),
        Column(
            "open_breached_count", COUNT, "problems overdue at `as_of`, whenever they fell due; not suppressed ones"
        ),
        Column("open_breached_unknown_count", COUNT, "of these UNKNOWN or OUT_OF_SCOPE"),
        Column("oldest_breach_time", TIME, "earliest due time among them", nullable=True),
        Column("oldest_breach_days", "float64", "days from then to `as_of`", nullable=True),
    ),
)

BACKLOG_FORECAST = Schema(
    "backlog_forecast",
    "One row per coming period: how many problems will be open if all goes on as before.",
    ("periods_ahead",),
    (
        Column("periods_ahead", COUNT, "1 for the next period"),
        Column("forecast_time", TIME, "so many periods after the last moment counted"),
        Column("expected_open", "float64", "expected number of open problems; never below 0", nullable=True),
        Column("low_open", "float64", "lower end of the 80 % interval; never below 0", nullable=True),
        Column("high_open", "float64", "upper end of the 80 % interval", nullable=True),
        Column("open_now_count", COUNT, "open problems that it begins with"),
        Column("entered_mean", "float64", "new + reopened per past period, without first looks", nullable=True),
        Column("entered_sd", "float64", "their standard deviation from period to period", nullable=True),
        Column("left_mean", "float64", "resolved + reason changed per past period", nullable=True),
        Column("left_sd", "float64", "their standard deviation from period to period", nullable=True),
        Column("past_periods_count", COUNT, "complete past periods that this rests on"),
        Column("periods_until_empty", COUNT, "periods until none is expected; missing if not shrinking", nullable=True),
        Column("note", TEXT, "why there is no forecast, or no end in sight", nullable=True),
    ),
)
