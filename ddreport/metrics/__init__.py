"""Measures: tables in, tables out, each with its formula; no clock, no file, no network.

What reads rows of the archive takes pandas frames, DuckDB relations (`Archive.relation`) or Spark frames, and reduces
them where they are; what reads runs, episodes or problems takes the small pandas tables of `ddreport.history`. All
return small pandas tables, whose columns stand in `ddreport.metrics.results` and the `results_…` beside it.
"""

from ddreport.metrics.ages import open_by_age
from ddreport.metrics.audit_difference import audit_difference, compared_checks
from ddreport.metrics.compliance import compliance, compliance_by_check
from ddreport.metrics.controls import weakened_controls
from ddreport.metrics.coverage_of_targets import target_coverage, target_gaps
from ddreport.metrics.current import current_checks, current_findings
from ddreport.metrics.differences import difference, difference_summary, moments_of_audits
from ddreport.metrics.expiry import certificate_expiry
from ddreport.metrics.figures import KeyFigures, key_figures
from ddreport.metrics.flow import problem_flow
from ddreport.metrics.forecast import backlog_forecast
from ddreport.metrics.gaps import data_gaps
from ddreport.metrics.membership import memberships
from ddreport.metrics.mitigation_effect import mitigation_effect
from ddreport.metrics.posture import posture_contributions, posture_score
from ddreport.metrics.resolution import resolution_curve, time_to_resolve
from ddreport.metrics.resources import top_resources
from ddreport.metrics.results import CheckState, GapKind
from ddreport.metrics.results_controls import Change, ControlChange, Direction, Verdict
from ddreport.metrics.results_problems import Certainty, SlaStatus
from ddreport.metrics.rollup import roll_up
from ddreport.metrics.severity import non_compliant_by_severity
from ddreport.metrics.sla import SlaPolicy, sla, sla_summary
from ddreport.metrics.trend import compliance_trend
from ddreport.metrics.verdicts import check_verdicts

__all__ = [
    "Certainty",
    "Change",
    "CheckState",
    "ControlChange",
    "Direction",
    "GapKind",
    "KeyFigures",
    "SlaPolicy",
    "SlaStatus",
    "Verdict",
    "audit_difference",
    "backlog_forecast",
    "certificate_expiry",
    "check_verdicts",
    "compared_checks",
    "compliance",
    "compliance_by_check",
    "compliance_trend",
    "current_checks",
    "current_findings",
    "data_gaps",
    "difference",
    "difference_summary",
    "key_figures",
    "memberships",
    "mitigation_effect",
    "moments_of_audits",
    "non_compliant_by_severity",
    "open_by_age",
    "posture_contributions",
    "posture_score",
    "problem_flow",
    "resolution_curve",
    "roll_up",
    "sla",
    "sla_summary",
    "target_coverage",
    "target_gaps",
    "time_to_resolve",
    "top_resources",
    "weakened_controls",
]
