"""What a plan is expected to change: which actions mend what, and the posture that would follow."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ddreport.catalogue import checks as catalogue
from ddreport.mitigation.expected import expected, mends
from ddreport.schemas import AUDIT_TASKS, CHECKS


def tables(make: Any, *rows: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    found = make.findings(*rows)
    place = {"account": "111122223333", "region": "eu-west-1", "audit_task_id": "audit-1", "task_start_time": make.day0}
    counts = {name: 0 for name in AUDIT_TASKS.column_names if name.endswith("_count")}
    task = {**place, **counts, "task_status": "COMPLETED", "task_type": "ON_DEMAND_AUDIT_TASK", "emulated": True}
    audit_tasks = AUDIT_TASKS.conform(pd.DataFrame([task], columns=AUDIT_TASKS.column_names))
    checks = []
    for name in (make.expiring, make.policy, make.logging):
        own = found[found["check_name"] == name]
        bad = own[~own["is_suppressed"].astype(bool)]["resource_id"].nunique()
        checks.append(
            {
                **place,
                "check_name": name,
                "check_run_status": "COMPLETED_NON_COMPLIANT" if bad else "COMPLETED_COMPLIANT",
                "check_compliant": not bad,
                "total_resources_count": 10,
                "non_compliant_resources_count": bad,
                "suppressed_non_compliant_resources_count": int(own["is_suppressed"].sum()),
            }
        )
    return audit_tasks, CHECKS.conform(pd.DataFrame(checks, columns=CHECKS.column_names)), found


def test_treating_all_of_a_check_makes_it_comply_and_raises_the_score(make: Any) -> None:
    rows = [make.finding(1), make.finding(2), make.finding(3, is_suppressed=True), make.finding(4, make.policy)]
    audit_tasks, checks, found = tables(make, *rows)
    treated = {rows[n]["finding_id"]: ["UPDATE_DEVICE_CERTIFICATE"] for n in (0, 1)}
    told = expected(audit_tasks, checks, found, treated, as_of=make.day0)
    assert told.before.open_problems == {"CRITICAL": 1, "HIGH": 0, "MEDIUM": 2, "LOW": 0}
    assert told.after.open_problems == {"CRITICAL": 1, "HIGH": 0, "MEDIUM": 0, "LOW": 0}
    assert (told.before.non_compliant_checks, told.after.non_compliant_checks) == (2, 1)
    assert (told.before.finished_checks, told.after.finished_checks) == (3, 3)
    # Weights 3 (medium), 10 (critical) and 1 (low); a failing check has half of what its sound resources are worth.
    assert told.before.posture_score == round(100 * (3 * 0.5 * 0.8 + 10 * 0.5 * 0.9 + 1) / 14, 1)
    assert told.after.posture_score == round(100 * (3 + 10 * 0.5 * 0.9 + 1) / 14, 1)


def test_treating_some_lowers_the_count_and_a_resource_with_two_reasons_counts_until_both_are_gone(make: Any) -> None:
    rows = [make.finding(1), make.finding(1, reason_code="SECOND", finding_id="second"), make.finding(2)]
    audit_tasks, checks, found = tables(make, *rows)
    kind = ["UPDATE_DEVICE_CERTIFICATE"]
    one = expected(audit_tasks, checks, found, {rows[0]["finding_id"]: kind}, as_of=make.day0)
    assert one.after.non_compliant_checks == one.before.non_compliant_checks == 1
    assert one.after.posture_score == one.before.posture_score
    both = expected(audit_tasks, checks, found, {rows[n]["finding_id"]: kind for n in (0, 1)}, as_of=make.day0)
    assert both.after.posture_score > both.before.posture_score


def test_a_message_and_a_quarantine_mend_nothing_and_say_so(make: Any) -> None:
    rows = [make.finding(1)]
    audit_tasks, checks, found = tables(make, *rows)
    kinds = ["PUBLISH_FINDING_TO_SNS", "ADD_THINGS_TO_THING_GROUP"]
    told = expected(audit_tasks, checks, found, {rows[0]["finding_id"]: kinds}, as_of=make.day0)
    assert told.after == told.before
    assert len(told.notes) == 2


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_type_that_a_check_takes_is_judged(name: str) -> None:
    for kind in catalogue()[name].mitigation_action_types:
        works, why = mends(name, kind)
        assert works is (not why)
    looks_back = name == "DEVICE_CERTIFICATE_SHARED_CHECK"
    if "UPDATE_DEVICE_CERTIFICATE" in catalogue()[name].mitigation_action_types:
        assert mends(name, "UPDATE_DEVICE_CERTIFICATE")[0] is not looks_back
