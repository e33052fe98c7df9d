"""The posture score: its formula by hand, its bounds, and that every point has its check."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

from ddreport import history
from ddreport.errors import ParameterError
from ddreport.metrics import posture_contributions, posture_score
from ddreport.metrics.results_controls import POSTURE_CONTRIBUTIONS, POSTURE_SCORE
from ddreport.schemas import CHECK_CONFIGURATIONS

CONFLICTING = "CONFLICTING_CLIENT_IDS_CHECK"  # HIGH


def runs_of(*checks: dict[str, Any]) -> pd.DataFrame:
    """Rows of `check_runs` as they would come from these checks, all findings archived."""
    rows = [
        {name: check.get(name) for name in history.CHECK_RUNS.column_names}
        | {"proof": "FULL", "findings_count": 0, "slot": place, "error_code": None, "scheduled_audit_name": "daily"}
        for place, check in enumerate(checks)
    ]
    table = pd.DataFrame(rows)
    unfinished = ~table["check_run_status"].str.startswith("COMPLETED_")
    table["proof"] = table["proof"].mask(unfinished, "PRESENCE")
    table["proof_note"] = table["proof_note"].mask(unfinished, "the check failed")
    return history.CHECK_RUNS.conform(table)


def counts(total: int | None, bad: int | None, suppressed: int | None = 0) -> dict[str, Any]:
    return {
        "total_resources_count": total,
        "non_compliant_resources_count": bad,
        "suppressed_non_compliant_resources_count": suppressed,
    }


def off(make: Any, day: float, *names: str) -> pd.DataFrame:
    row = {"account": "012345678901", "region": "eu-west-1", "observed_time": make.day(day), "enabled": False}
    rows = [{**row, "check_name": name, "threshold_days": None, "configuration": None} for name in names]
    return CHECK_CONFIGURATIONS.conform(pd.DataFrame(rows))


def test_the_score_is_the_published_formula(make: Any) -> None:
    runs = runs_of(
        make.a_check(0, make.shared, "ok", **counts(40, 0, 10)),  # CRITICAL, 10
        make.a_check(0, CONFLICTING, "failed"),  # HIGH, 5
        make.a_check(0, make.expiring, "bad", **counts(100, 20, 20)),  # MEDIUM, 3
        make.a_check(0, make.logging, "ok", **counts(1, 0)),  # LOW, 1
        make.a_check(0, "DEVICE_CERTIFICATE_AGE_CHECK", "ok", **counts(100, 0)),  # LOW, 1, then switched off
    )
    seen = off(make, 0.5, "DEVICE_CERTIFICATE_AGE_CHECK")
    row = posture_score(runs, [make.day(1)], check_configurations=seen).iloc[0]
    assert row["total_weight"] == 20
    assert row["posture_score"] == pytest.approx(100 * (10 * 1 + 0 + 3 * 0.5 * 0.8 + 1 + 0) / 20)
    assert row["score_if_unknown_compliant"] == pytest.approx(100 * (10 + 5 + 3 * 0.4 + 1) / 20)
    assert row["strict_posture_score"] == pytest.approx(100 * (10 * 0.5 * 0.75 + 3 * 0.5 * 0.6 + 1) / 20)
    assert row[["known_checks_count", "unknown_checks_count", "off_checks_count"]].tolist() == [5, 1, 1]


def test_every_point_has_its_check_and_its_reason(make: Any) -> None:
    runs = runs_of(
        make.a_check(0, make.shared, "ok", **counts(40, 0, 10)),
        make.a_check(0, CONFLICTING, "failed"),
        make.a_check(0, make.expiring, "bad", **counts(100, 20, 5)),
        make.a_check(0, make.logging, "bad", **counts(None, None, None)),
    )
    parts = posture_contributions(runs, [make.day(0)]).set_index("check_name")
    assert parts["reason"].to_dict() == {
        make.shared: "complies, with 10 suppressed",
        CONFLICTING: "the check failed in the audit of 2026-03-02 09:15 UTC",
        make.expiring: "20 of 100 resources do not comply, 5 suppressed",
        make.logging: "does not comply; AWS gave no counts",
    }
    assert parts.loc[make.logging, ["credit", "strict_credit"]].tolist() == [0, 0]
    score = posture_score(runs, [make.day(0)]).iloc[0]
    assert parts["points"].sum() == pytest.approx(score["posture_score"])
    assert parts["strict_points"].sum() == pytest.approx(score["strict_posture_score"])
    assert parts["points_if_compliant"].sum() == pytest.approx(score["score_if_unknown_compliant"])
    assert parts["lost_points"].sum() == pytest.approx(100 - score["posture_score"])
    assert parts["possible_points"].sum() == pytest.approx(100)


@pytest.mark.parametrize("status", ["ok", "bad", "failed"])
def test_switching_a_check_off_never_raises_the_score(make: Any, status: str) -> None:
    runs = runs_of(make.a_check(0, make.shared, status, **counts(9, 3)), make.a_check(0, make.logging, "ok"))
    before = posture_score(runs, [make.day(1)]).iloc[0]
    after = posture_score(runs, [make.day(1)], check_configurations=off(make, 0.5, make.shared)).iloc[0]
    for name in ("posture_score", "strict_posture_score", "score_if_unknown_compliant"):
        assert after[name] <= before[name]


def test_scores_stay_in_order_and_within_bounds_whatever_the_counts(make: Any) -> None:
    chance = random.Random(7)
    checks = []
    for account in range(40):
        for name in (make.shared, CONFLICTING, make.expiring, make.logging, make.new):
            total = chance.choice([None, 0, 1, 50])
            numbers = counts(total, chance.choice([None, 0, 1, 60]), chance.choice([None, 0, 2, 70]))
            place = {"account": str(account), "audit_task_id": f"a{account}"}
            checks.append(make.a_check(0, name, chance.choice(["ok", "bad", "failed"]), **numbers, **place))
    table = posture_score(runs_of(*checks), [make.day(0)])
    assert len(table) == 40
    low, score, high = (table[n] for n in ("strict_posture_score", "posture_score", "score_if_unknown_compliant"))
    assert (low >= 0).all()
    assert (low <= score).all()
    assert (score <= high).all()
    assert (high <= 100).all()


def test_a_check_that_nobody_graded_weighs_most_and_is_counted(make: Any) -> None:
    runs = runs_of(make.a_check(0, make.new, "failed"), make.a_check(0, make.logging, "ok"))
    row = posture_score(runs, [make.day(0)]).iloc[0]
    assert row["ungraded_checks_count"] == 1
    assert row["posture_score"] == pytest.approx(100 / 11)
    told = posture_score(runs, [make.day(0)], severities={make.new: "MEDIUM"}).iloc[0]
    assert told["ungraded_checks_count"] == 0
    assert told["posture_score"] == pytest.approx(25)


def test_all_accounts_together_weigh_every_check_of_every_account(make: Any) -> None:
    runs = runs_of(
        make.a_check(0, make.shared, "ok", account="1"),
        make.a_check(0, make.shared, "failed", account="2", audit_task_id="b"),
        make.a_check(0, make.logging, "ok", account="2", audit_task_id="b"),
    )
    total = posture_score(runs, [make.day(0)], by=()).iloc[0]
    assert total["posture_score"] == pytest.approx(100 * 11 / 21)
    assert posture_score(runs, [make.day(0)])["posture_score"].tolist() == pytest.approx([100, 100 / 11])


def test_weights_can_be_chosen_and_wrong_ones_are_refused(make: Any) -> None:
    runs = runs_of(make.a_check(0, make.shared, "ok"), make.a_check(0, make.logging, "failed"))
    row = posture_score(runs, [make.day(0)], weights={"LOW": 30}).iloc[0]
    assert row["posture_score"] == pytest.approx(25)
    wrong: list[dict[str, float]] = [{"HIGHEST": 1}, {"LOW": -1}, {"LOW": float("nan")}]
    wrong += [dict.fromkeys(("CRITICAL", "HIGH", "MEDIUM", "LOW"), 0)]
    for weights in wrong:
        with pytest.raises(ParameterError, match="weight"):
            posture_score(runs, [make.day(0)], weights=weights)
    with pytest.raises(ParameterError, match="'AWFUL'"):
        posture_score(runs_of(make.a_check(0, make.new)), [make.day(0)], severities={make.new: "AWFUL"})


def test_nothing_gives_the_empty_tables(make: Any) -> None:
    empty = history.CHECK_RUNS.empty()
    assert list(posture_score(empty, [make.day(0)]).columns) == POSTURE_SCORE.column_names
    assert list(posture_contributions(empty, [make.day(0)]).columns) == POSTURE_CONTRIBUTIONS.column_names
