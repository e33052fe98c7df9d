"""The life of problems: one identity over all audits, and what is known of each at any moment.

The way of the data, by the rules of docs/lifecycle.md:

    audit_tasks, checks, findings ──check_runs──▶ runs: what each run of a check proves, and whom it may resolve
    findings, runs ──spans──▶ spans: the few stretches of time in which each problem was reported
    spans, runs ──episodes──▶ from first report to proven gone · ──problems──▶ each problem's state at a moment
                  · ──state_counts──▶ how many were in which state over time
    runs ──line_states──▶ how each check stands at given moments

Only `check_runs` and `spans` touch the findings: they take pandas, DuckDB or Spark and reduce them where they are, or
`reports` of them, reduced once for both. The rest is pandas on small tables. Who asks several questions of the same
spans puts them on their lines once (`chain`), and asks `problems_of`, `episodes_of` and `state_counts_of`.
`extend_spans` adds later audits at the cost of these alone.
"""

from ddreport.history.chains import Chains, chain
from ddreport.history.episodes import episodes, episodes_of
from ddreport.history.identity import LINE, PROBLEM, problem_id, problem_ids
from ddreport.history.lines import line_states
from ddreport.history.problems import problems, problems_of, state_counts, state_counts_of
from ddreport.history.reports import Reports, reports
from ddreport.history.results import (
    CHECK_RUNS,
    EPISODES,
    PROBLEMS,
    SPANS,
    STATE_COUNTS,
    LineState,
    Proof,
    Resolution,
)
from ddreport.history.runs import check_runs, list_runs, place_runs
from ddreport.history.spans import extend_spans, spans
from ddreport.terms import OPEN_STATES, ProblemState

__all__ = [
    "CHECK_RUNS",
    "EPISODES",
    "LINE",
    "OPEN_STATES",
    "PROBLEM",
    "PROBLEMS",
    "SPANS",
    "STATE_COUNTS",
    "Chains",
    "LineState",
    "ProblemState",
    "Proof",
    "Reports",
    "Resolution",
    "chain",
    "check_runs",
    "episodes",
    "episodes_of",
    "extend_spans",
    "line_states",
    "list_runs",
    "place_runs",
    "problem_id",
    "problem_ids",
    "problems",
    "problems_of",
    "reports",
    "spans",
    "state_counts",
    "state_counts_of",
]
