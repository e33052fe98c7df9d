"""Sections of a report as blocks of HTML: tables of `ddreport.metrics` in, objects that show themselves out."""

from ddreport.presentation.blocks import Section
from ddreport.presentation.sections.campaigns import (
    campaigns_section,
    effects_section,
    mitigation_header_section,
    outcomes_section,
    plan_section,
)
from ddreport.presentation.sections.checks import checks_section
from ddreport.presentation.sections.findings import findings_section
from ddreport.presentation.sections.gaps import gaps_section
from ddreport.presentation.sections.head import header_section, key_figures_section
from ddreport.presentation.sections.mitigations import mitigations_section
from ddreport.presentation.sections.preflight import (
    check_choice_section,
    schedule_section,
    setup_plan_section,
    verdicts_section,
)
from ddreport.presentation.sections.provenance import provenance_section

__all__ = [
    "Section",
    "campaigns_section",
    "check_choice_section",
    "checks_section",
    "effects_section",
    "findings_section",
    "gaps_section",
    "header_section",
    "key_figures_section",
    "mitigation_header_section",
    "mitigations_section",
    "outcomes_section",
    "plan_section",
    "provenance_section",
    "schedule_section",
    "setup_plan_section",
    "verdicts_section",
]
