"""Plan, drift, effect and list: what is done, what differs, what it does to the figures, how each stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ddreport.errors import InputError
from ddreport.metrics import current_checks
from ddreport.schemas import CHECKS
from ddreport.suppression import (
    check_account,
    drift_table,
    effect_table,
    expand,
    listed_table,
    plan_changes,
    plan_digest,
    writing,
)
from ddreport.suppression.tables import table_of

CLIENTS = "CONFLICTING_CLIENT_IDS_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
OURS = "accepted | owner: fleet-team | ddreport: suppressions/r1"
END = datetime(2026, 9, 30, tzinfo=UTC)


def client(make: SimpleNamespace, name: str, **changes: Any) -> dict[str, Any]:
    return make.suppression(CLIENTS, {"clientId": name}, **changes)


def planned(
    make: SimpleNamespace, rules: list[dict[str, Any]], there: list[dict[str, Any]], found: list[str], **options: Any
) -> tuple[pd.DataFrame, Any, Any, Any]:
    file = make.file(*rules)
    known = make.known(*(make.finding(CLIENTS, name) for name in found), checked=[CLIENTS])
    expansion = expand(file, known, place=make.place, as_of=make.now)
    return plan_changes(file, expansion, make.present(*there), known, **options), expansion, file, known


def actions(plan: pd.DataFrame) -> dict[str, str]:
    return dict(zip(plan["resource_id"], plan["action"], strict=True))


def test_what_is_missing_is_created_what_differs_changed_what_is_over_deleted(make: SimpleNamespace) -> None:
    there = [
        client(make, "same", description=OURS, expirationDate=END + timedelta(milliseconds=400)),
        client(make, "end", description=OURS, expirationDate=END + timedelta(days=1)),
        client(make, "endless", description=OURS),
        client(make, "words", description=f"x{OURS}", expirationDate=END),
        client(make, "gone", description=OURS, expirationDate=END),
        client(make, "old-rule", description=OURS.replace("/r1", "/r0"), expirationDate=END),
        client(make, "console"),
        client(make, "bare", description=None),
        client(make, "team-b", description="x | owner: y | ddreport: team-b/r1"),
    ]
    plan, *_ = planned(
        make, [make.rule(check=CLIENTS)], there, ["same", "end", "endless", "words", "new"]
    )  # fmt: skip
    assert actions(plan) == {
        "gone": "DELETE",
        "old-rule": "DELETE",
        "end": "CHANGE",
        "endless": "CHANGE",
        "words": "CHANGE",
        "new": "CREATE",
        "same": "LEAVE",
        "bare": "FOREIGN",
        "console": "FOREIGN",
        "team-b": "FOREIGN",
    }
    # In this order: stopped in the middle, findings are rather shown than hidden.
    assert plan["action"].tolist()[:6] == ["DELETE"] * 2 + ["CHANGE"] * 3 + ["CREATE"]
    notes = dict(zip(plan["resource_id"], plan["note"], strict=True))
    assert notes["end"] == "its end: 2026-10-01 00:00 UTC, to be 2026-09-30 00:00 UTC"
    assert notes["endless"] == "its end: never, to be 2026-09-30 00:00 UTC"
    assert notes["words"] == "its description"
    assert notes["gone"] == "rule r1 does not fit it any more"
    assert notes["old-rule"] == "its rule r0 is not in the file any more"
    assert notes["team-b"] == "the file team-b manages it"


def test_a_rule_that_cannot_be_expanded_lifts_nothing(make: SimpleNamespace) -> None:
    file = make.file(make.rule(pattern=None, thing_group="lab"))
    known = make.known(make.finding())
    expansion = expand(file, known, place=make.place, as_of=make.now)
    plan = plan_changes(file, expansion, make.present(make.suppression(description=OURS)), known)
    assert plan["action"].tolist() == ["LEAVE"]
    assert "kept, since rule r1 cannot be expanded: the inventory's table things" in plan["note"].item()
    assert drift_table(plan, expansion, file).empty


def test_an_expired_rule_lifts_what_is_left_of_it(make: SimpleNamespace) -> None:
    there = [client(make, "a", description=OURS)]
    plan, expansion, file, _ = planned(make, [make.rule(check=CLIENTS, expires="2026-03-01")], there, ["a"])
    assert plan["note"].tolist() == ["rule r1: it ended on 2026-03-01 00:00 UTC"]
    drift = drift_table(plan, expansion, file)
    assert drift["kind"].tolist() == ["SURPLUS", "EXPIRED_RULE"]
    assert drift["message"].iloc[1] == (
        "line 1: it ended on 2026-03-01 00:00 UTC; take the rule out or give it a new end"
    )


def test_a_foreign_one_is_taken_over_or_deleted_only_when_asked(make: SimpleNamespace) -> None:
    there = [
        client(make, "wanted"),
        client(make, "other"),
        client(make, "b", description="x | owner: y | ddreport: b/r"),
    ]
    rules = [make.rule(check=CLIENTS, pattern="wanted")]
    plan, expansion, file, _ = planned(make, rules, there, ["wanted"])
    assert set(plan["action"]) == {"FOREIGN"}
    assert writing(plan).empty
    drift = drift_table(plan, expansion, file)
    assert drift["resource_id"].tolist() == ["other", "wanted"]  # the other file's are its own business
    plan, *_ = planned(make, rules, there, ["wanted"], adopt=True)
    assert actions(plan) == {"wanted": "CHANGE", "other": "FOREIGN", "b": "FOREIGN"}
    plan, *_ = planned(make, rules, there, ["wanted"], prune_foreign=True)
    assert actions(plan) == {"other": "DELETE", "wanted": "FOREIGN", "b": "FOREIGN"}


def test_what_another_file_manages_and_this_one_wants_is_a_difference(make: SimpleNamespace) -> None:
    there = [client(make, "a", description="x | owner: y | ddreport: b/r", expirationDate=END)]
    plan, expansion, file, _ = planned(make, [make.rule(check=CLIENTS)], there, ["a"], adopt=True, prune_foreign=True)
    assert writing(plan).empty
    assert drift_table(plan, expansion, file)["message"].tolist() == ["the file b manages it; rule r1 wants it too"]


def test_the_drift_of_an_account_that_is_as_the_file_says_is_empty(make: SimpleNamespace) -> None:
    there = [client(make, "a", description=OURS, expirationDate=END)]
    plan, expansion, file, _ = planned(make, [make.rule(check=CLIENTS)], there, ["a"])
    assert plan["action"].tolist() == ["LEAVE"]
    assert drift_table(plan, expansion, file).empty
    there[0]["description"] = "changed by hand | owner: fleet-team | ddreport: suppressions/r1"
    plan, expansion, file, _ = planned(make, [make.rule(check=CLIENTS)], there, ["a", "b"])
    drift = drift_table(plan, expansion, file)
    assert drift["kind"].tolist() == ["MISSING", "CHANGED"]
    assert drift["message"].tolist() == [
        "rule r1 wants it, and the account has it not",
        "differs from rule r1: its description",
    ]


def test_the_digest_goes_by_what_is_changed(make: SimpleNamespace) -> None:
    rules = [make.rule(check=CLIENTS)]
    plan, *_ = planned(make, rules, [], ["a"])
    with_console, *_ = planned(make, rules, [client(make, "console")], ["a"])
    longer, *_ = planned(make, [make.rule(check=CLIENTS, expires="never")], [], ["a"])
    assert plan_digest(plan) == plan_digest(with_console)
    assert plan_digest(plan) != plan_digest(longer)


def test_a_file_for_other_accounts_is_refused(make: SimpleNamespace) -> None:
    check_account(make.file(accounts=["111122223333"]), make.place)
    check_account(make.file(), make.place)
    with pytest.raises(InputError, match=r"is for account 444455556666, and this is account 111122223333"):
        check_account(make.file(accounts=["444455556666"]), make.place)


# The effect on the figures


def a_check(
    make: SimpleNamespace, name: str, total: int, bad: int, suppressed: int = 0, **changes: Any
) -> dict[str, Any]:
    return {
        "account": make.place.account,
        "region": make.place.region,
        "audit_task_id": "a1",
        "task_start_time": make.now - timedelta(hours=1),
        "check_name": name,
        "check_run_status": "COMPLETED_NON_COMPLIANT" if bad else "COMPLETED_COMPLIANT",
        "check_compliant": not bad,
        "total_resources_count": total,
        "non_compliant_resources_count": bad,
        "suppressed_non_compliant_resources_count": suppressed,
        **changes,
    }


def test_the_rates_with_the_present_the_planned_and_no_suppressions(make: SimpleNamespace) -> None:
    checks = table_of(
        CHECKS,
        [a_check(make, CLIENTS, 10, 1, 1), a_check(make, POLICY, 5, 0), a_check(make, "LOGGING_DISABLED_CHECK", 1, 1)],
    )
    there = [client(make, "a", description=OURS, expirationDate=END)]
    plan, _, _, known = planned(make, [make.rule(check=CLIENTS)], there, ["a", "b"])
    now = current_checks(checks, as_of=make.now)
    effect = effect_table(plan, now, known.findings, place=make.place, as_of=make.now).set_index("moment")
    assert effect["compliant_checks_count"].to_dict() == {"BEFORE": 1, "AFTER": 2, "WITHOUT": 1}
    assert effect["resource_compliance_rate"].round(4).to_dict() == {
        "BEFORE": round(14 / 16, 4), "AFTER": round(15 / 16, 4), "WITHOUT": round(13 / 16, 4)
    }  # fmt: skip
    assert effect["hidden_findings_count"].to_dict() == {"BEFORE": 1, "AFTER": 2, "WITHOUT": 0}
    assert effect["open_findings_count"].to_dict() == {"BEFORE": 1, "AFTER": 0, "WITHOUT": 2}
    assert effect["finished_checks_count"].tolist() == [3, 3, 3]


def test_there_is_no_effect_to_tell_of_without_a_verdict(make: SimpleNamespace) -> None:
    plan, _, _, known = planned(make, [make.rule(check=CLIENTS)], [], [])
    failed = table_of(CHECKS, [a_check(make, CLIENTS, 1, 1, check_run_status="FAILED")])
    now = current_checks(failed, as_of=make.now)
    assert effect_table(plan, now, known.findings, place=make.place, as_of=make.now).empty


# The list


def test_each_suppression_is_listed_with_its_state(make: SimpleNamespace) -> None:
    def ours(name: str, review: str = "", **changes: Any) -> dict[str, Any]:
        parts = f"accepted | owner: fleet-team{review} | ddreport: suppressions/r1"
        return client(make, name, description=parts, **changes)

    there = [
        ours("fine", expirationDate=END),
        ours("endless"),
        ours("soon", expirationDate=make.now + timedelta(days=3, hours=1)),
        ours("review", " | review: 2026-03-02", expirationDate=END),
        ours("both", " | review: 2026-03-01", expirationDate=make.now + timedelta(hours=5)),
        ours("hides-nothing", expirationDate=END),
        client(make, "console", description="<b>x</b>"),
        make.suppression(
            POLICY, {"policyVersionIdentifier": {"policyName": "p", "policyVersionId": "1"}}, description=OURS
        ),
    ]
    found = ["fine", "endless", "soon", "review", "both", "console"]
    rules = [make.rule(check=CLIENTS), make.rule(id="old", check=CLIENTS, pattern="x", expires="2026-01-01")]
    _, expansion, file, known = planned(make, rules, [], found)
    table = listed_table(make.present(*there), known, as_of=make.now, file=file, expansion=expansion)
    states = dict(zip(table["resource_id"], table["state"], strict=True))
    assert states == {
        "pattern x": "EXPIRED",
        "console": "FOREIGN",
        "hides-nothing": "HIDES_NOTHING",
        "both": "EXPIRES_SOON",
        "soon": "EXPIRES_SOON",
        "review": "REVIEW_DUE",
        "fine": "OK",
        "endless": "OK",
        "p": "OK",
    }
    notes = dict(zip(table["resource_id"], table["note"], strict=True))
    assert notes["both"] == "it ends within a day; review was due on 2026-03-01"
    assert notes["soon"] == "it ends in 3 days"
    assert notes["endless"] == "it never ends, and no day of review is set"
    assert "no finished audit in the archive tells what it hides" in notes["p"]
    assert table.set_index("resource_id")["findings_count"].isna()["p"]
    assert table.set_index("resource_id")["reason"]["console"] == "<b>x</b>"


def test_a_suppression_of_an_older_policy_version_hides_nothing_any_more(make: SimpleNamespace) -> None:
    identifier = {"policyVersionIdentifier": {"policyName": "p", "policyVersionId": "1"}}
    known = make.known(make.finding(POLICY, "p", policy_version_id="2"))
    table = listed_table(make.present(make.suppression(POLICY, identifier, description=OURS)), known, as_of=make.now)
    assert table["state"].tolist() == ["HIDES_NOTHING"]
    assert (
        table["note"].item().startswith("no open finding of version 1: the policy was mended, or has a newer version")
    )


def test_days_until_the_end_count_as_soon_as_asked(make: SimpleNamespace) -> None:
    known = make.known(make.finding(CLIENTS, "a"))
    there = make.present(client(make, "a", description=OURS, expirationDate=make.now + timedelta(days=20)))
    assert listed_table(there, known, as_of=make.now)["state"].tolist() == ["OK"]
    assert listed_table(there, known, as_of=make.now, soon_days=20)["state"].tolist() == ["EXPIRES_SOON"]


def test_an_impossible_day_of_review_that_somebody_wrote_is_no_day(make: SimpleNamespace) -> None:
    known = make.known(make.finding(CLIENTS, "a"))
    description = "x | owner: y | review: 2026-02-31 | ddreport: suppressions/r1"
    table = listed_table(make.present(client(make, "a", description=description)), known, as_of=make.now)
    assert table["review_time"].isna().all()
