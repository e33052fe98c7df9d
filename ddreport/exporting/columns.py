"""The columns of exported tables: those of archive and history, with what a reader outside needs beside them."""

from __future__ import annotations

from ddreport.history import EPISODES, PROBLEMS
from ddreport.metrics.results import COMPLIANCE_BY_CHECK
from ddreport.schemas import COUNT, FINDINGS, FLAG, TEXT, TIME, Column, Schema
from ddreport.terms import Severity

_TITLE = Column("check_title", TEXT, "the check's name for people")
_EXPLAINED = Column("reason_explained", TEXT, "the reason code in plain words")
_EMULATED = Column("emulated", FLAG, "true when the emulator answered, not AWS")

FINDINGS_EXPORT = Schema(
    "findings",
    "One row per finding, with the lasting id of its problem.",
    FINDINGS.key,
    (
        Column("problem_id", TEXT, "lasting identity of the problem, 32 hex digits"),
        *FINDINGS.columns,
        _TITLE,
        _EXPLAINED,
        _EMULATED,
    ),
)
PROBLEMS_EXPORT = Schema(
    "problems",
    "One row per problem with its state at a moment and when it is due.",
    PROBLEMS.key,
    (
        *PROBLEMS.columns,
        Column("due_time", TIME, "when it should be resolved by the policy", nullable=True),
        Column("due_status", TEXT, "how it stands against that time", nullable=True),
        _TITLE,
        _EXPLAINED,
        _EMULATED,
    ),
)
EPISODES_EXPORT = Schema("episodes", EPISODES.meaning, EPISODES.key, (*EPISODES.columns, _TITLE, _EMULATED))
CHECKS_EXPORT = Schema(
    "checks", COMPLIANCE_BY_CHECK.meaning, COMPLIANCE_BY_CHECK.key, (*COMPLIANCE_BY_CHECK.columns, _TITLE, _EMULATED)
)


def _count(name: str, meaning: str) -> Column:
    return Column(name, COUNT, meaning, nullable=True)


def _share(name: str, meaning: str) -> Column:
    return Column(name, "float64", meaning, nullable=True)


MEASURES_EXPORT = Schema(
    "measures",
    "One row per period: compliance, coverage, posture and problems at its end, and what came and went in it.",
    ("as_of_time",),
    (
        Column("period_start_time", TIME, "begin of the period"),
        Column("as_of_time", TIME, "its end, or that of the window"),
        _count("known_checks_count", "checks known"),
        _count("on_checks_count", "of these switched on"),
        _count("finished_checks_count", "of these with a verdict that counts"),
        _count("compliant_checks_count", "of these compliant"),
        _count("compliant_only_by_suppression_count", "of these only thanks to suppressions"),
        _count("unknown_checks_count", "on, without a verdict that counts"),
        _count("off_checks_count", "switched off"),
        _share("compliance_rate", "compliant / finished"),
        _share("strict_compliance_rate", "the same, suppressed resources taken for non-compliant"),
        _share("least_compliance_rate", "compliant / on: unknown ones taken for non-compliant"),
        _share("coverage_finished", "finished / known"),
        _share("posture_score", "0..100, see docs/measures.md"),
        _count("open_count", "problems NEW, OPEN or REOPENED"),
        *(_count(f"{s.value.lower()}_open_count", f"of these {s.value}") for s in Severity),
        _count("suppressed_count", "problems SUPPRESSED"),
        _count("unknown_count", "problems UNKNOWN"),
        _count("out_of_scope_count", "problems OUT_OF_SCOPE"),
        _count("new_count", "problems that came in the period"),
        _count("reopened_count", "problems that came back"),
        _count("resolved_count", "problems that were resolved"),
        _count("reason_changed_count", "of these with another reason from then on"),
        _count("full_runs_count", "runs of checks in the period that prove all"),
        _EMULATED,
    ),
)

EXPORTS = (FINDINGS_EXPORT, PROBLEMS_EXPORT, EPISODES_EXPORT, CHECKS_EXPORT, MEASURES_EXPORT)
"""Every table that can be exported."""
