"""Suppressions as code: a reviewed file says which findings are accepted, by whom, why and until when.

    file = read_rules(text, source="suppressions.yaml")             # every fault with its line
    expansion = expand(file, known, place=place, as_of=now)         # one check and one resource each
    plan = plan_changes(file, expansion, present, known)            # create, change, delete, leave, foreign
    effect = effect_table(plan, checks, findings, place=place, as_of=now)

Nothing here reads a file or calls AWS; `workflows.suppressing` does.
"""

from ddreport.suppression.effect import effect_table
from ddreport.suppression.expansion import Expansion, Known, expand
from ddreport.suppression.inventory import Inventory
from ddreport.suppression.listing import SOON_DAYS, listed_table
from ddreport.suppression.marker import Marker, read_marker
from ddreport.suppression.planning import check_account, drift_table, plan_changes, plan_digest, writing
from ddreport.suppression.reading import read_rules
from ddreport.suppression.results import (
    RESULT_SCHEMAS,
    Action,
    DriftKind,
    Moment,
    Outcome,
    RuleState,
    SuppressionState,
)
from ddreport.suppression.rules import Over, Place, Rule, RuleFile, Selector, SelectorKind

__all__ = [
    "RESULT_SCHEMAS",
    "SOON_DAYS",
    "Action",
    "DriftKind",
    "Expansion",
    "Inventory",
    "Known",
    "Marker",
    "Moment",
    "Outcome",
    "Over",
    "Place",
    "Rule",
    "RuleFile",
    "RuleState",
    "Selector",
    "SelectorKind",
    "SuppressionState",
    "check_account",
    "drift_table",
    "effect_table",
    "expand",
    "listed_table",
    "plan_changes",
    "plan_digest",
    "read_marker",
    "read_rules",
    "writing",
]
