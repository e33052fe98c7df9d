"""Selecting findings and deciding what is done to each, in which wave, and what is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.errors import InputError
from ddreport.history.identity import problem_ids
from ddreport.mitigation.plan import MOST_FINDINGS, Rollout, WhyNot
from ddreport.mitigation.planning import Impact, choose_actions, cost, treatment
from ddreport.mitigation.selection import Selected, Selection, select
from ddreport.mitigation.waves import batches, client_token, parse_share, parse_waves, task_id, wave_numbers


def treat(make: Any, rows: list[dict[str, Any]], *actions: Any, **more: Any) -> Any:
    selected = select(make.findings(*rows), Selection())
    chosen = choose_actions(selected.chosen["check_name"], actions, everywhere=[a.name for a in actions])
    more = {"rollout": Rollout(), "now": make.day0 + timedelta(hours=1)} | more
    return treatment(selected, chosen, **more)


def test_fields_narrow_each_other_and_values_of_one_are_alternatives(make: Any) -> None:
    table = make.findings(
        make.finding(1), make.finding(2), make.finding(3, make.policy), make.finding(4, reason_code="OTHER")
    )
    picked = select(table, Selection(checks=(make.expiring, make.policy), reason_codes=("REASON",)))
    assert picked.chosen["resource_id"].tolist() == ["resource-0001", "resource-0002", "resource-0003"]
    picked = select(table, Selection(severities=("MEDIUM",), resources=("*-000[12]",)))
    assert picked.chosen["resource_id"].tolist() == ["resource-0001", "resource-0002"]


def test_a_problem_is_named_by_its_first_characters_and_a_finding_by_its_own(make: Any) -> None:
    table = make.findings(make.finding(1), make.finding(2))
    problem = problem_ids(table)[0]
    assert select(table, Selection(problems=(problem[:8],))).chosen["resource_id"].tolist() == ["resource-0001"]
    assert select(table, Selection(findings=("00000002",))).chosen["resource_id"].tolist() == ["resource-0002"]
    with pytest.raises(InputError, match="problem id"):
        select(table, Selection(problems=(problem[:3],)))  # too short to name one for sure


@pytest.mark.parametrize(
    "wrong",
    [
        Selection(checks=("DEVICE_CERTIFICATE_EXPIRING_CHEK",)),
        Selection(severities=("HIGH",)),
        Selection(resources=("nothing-*",)),
        Selection(findings=("99999999",)),
        Selection(excluded=("nothing",)),
    ],
)
def test_a_value_that_names_nothing_is_refused_not_ignored(make: Any, wrong: Selection) -> None:
    with pytest.raises(InputError):
        select(make.findings(make.finding(1)), wrong)


def test_what_is_excluded_is_told(make: Any) -> None:
    table = make.findings(make.finding(1), make.finding(2))
    picked = select(table, Selection(checks=(make.expiring,), excluded=("*-0002",)))
    assert picked.excluded["resource_id"].tolist() == ["resource-0002"]
    chosen = choose_actions([make.expiring], [make.deactivate], everywhere=["Deactivate"])
    found = treatment(picked, chosen, rollout=Rollout(), now=make.day0)
    assert [(left.resource_id, left.why) for left in found.left_alone] == [("resource-0002", WhyNot.EXCLUDED)]


def test_suppressed_old_and_unfitting_findings_are_left_alone_with_the_reason(make: Any) -> None:
    found = treat(
        make,
        [
            make.finding(1),
            make.finding(2, is_suppressed=True),
            make.finding(3, make.logging),
            make.finding(4, task_start_time=make.day0 - timedelta(days=91)),
        ],
        make.deactivate,
    )
    assert [f.resource_id for f in found.findings] == ["resource-0001"]
    assert {left.resource_id: left.why for left in found.left_alone} == {
        "resource-0002": WhyNot.SUPPRESSED,
        "resource-0003": WhyNot.NO_FITTING_ACTION,
        "resource-0004": WhyNot.TOO_OLD,
    }
    assert all(left.note for left in found.left_alone)


def test_a_resource_is_treated_once_and_still_told_of_for_each_finding(make: Any) -> None:
    rows = [
        make.finding(1, make.policy),
        make.finding(2, make.policy, resource_id="resource-0001", reason_code="SECOND"),
    ]
    found = treat(make, rows, make.blank, make.tell)
    assert [f.actions for f in found.findings] == [("Blank", "Tell"), ("Tell",)]
    alone = treat(make, rows, make.blank)
    assert [f.actions for f in alone.findings] == [("Blank",)]
    assert [left.why for left in alone.left_alone] == [WhyNot.COVERED]
    assert alone.findings[0].finding_id in alone.left_alone[0].note


def test_the_first_wave_is_what_the_least_depends_on(make: Any) -> None:
    impacts = {
        make.finding(1)["finding_id"]: Impact(("stops 40 things",), 40, make.day0),
        make.finding(2)["finding_id"]: Impact(("stops 1 thing",), 1, make.day0),
        make.finding(3)["finding_id"]: Impact(("stops 1 thing",), 1, make.day0 - timedelta(days=9)),
    }
    found = treat(
        make, [make.finding(n) for n in (1, 2, 3, 4)], make.deactivate, impacts=impacts, rollout=Rollout(("1", "2"))
    )
    assert [(f.resource_id[-1], f.wave) for f in found.findings] == [("3", 1), ("2", 2), ("1", 2), ("4", 3)]
    assert found.findings[0].impact == ("stops 1 thing",)


def test_actions_of_one_check_can_be_named_apart(make: Any) -> None:
    defined = [make.deactivate, make.quarantine, make.blank, make.tell]
    chosen = choose_actions(
        [make.expiring, make.policy],
        defined,
        everywhere=["Tell"],
        by_check={make.expiring: ["Quarantine", "Deactivate"]},
    )
    assert [a.name for a in chosen[make.expiring]] == ["Quarantine", "Deactivate"]
    assert [a.name for a in chosen[make.policy]] == ["Tell"]
    with pytest.raises(InputError, match="does not allow"):
        choose_actions([make.expiring], defined, everywhere=[], by_check={make.expiring: ["Blank"]})
    with pytest.raises(InputError, match="Did you mean 'Quarantine'"):
        choose_actions([make.expiring], defined, everywhere=["Quarantin"])


def test_six_actions_for_a_check_are_refused(make: Any) -> None:
    import msgspec

    six = [msgspec.structs.replace(make.tell, name=f"Tell{n}") for n in range(6)]
    with pytest.raises(InputError, match="AWS takes 5"):
        choose_actions([make.expiring], six, everywhere=[a.name for a in six])


def test_waves_share_out_in_order_and_the_last_takes_the_rest() -> None:
    assert wave_numbers(100, parse_waves("1,5%,rest")) == [1] + [2] * 5 + [3] * 94
    assert wave_numbers(3, parse_waves("1,5%,rest")) == [1, 2, 3]
    assert wave_numbers(1, parse_waves("1,5%,rest")) == [1]
    assert wave_numbers(4, parse_waves("2")) == [1, 1, 2, 2]
    assert wave_numbers(3, parse_waves("all")) == [1, 1, 1]
    assert wave_numbers(0, parse_waves("all")) == []
    for wrong in ("", "0", "0%", "101%", "ten", "1;2", "-1"):
        with pytest.raises(InputError):
            parse_waves(wrong)
    assert (parse_share("20%"), parse_share("0.5"), parse_share("1")) == (0.2, 0.5, 1.0)
    for wrong in ("0", "120%", "half", "nan"):
        with pytest.raises(InputError):
            parse_share(wrong)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 30), st.sampled_from(["ab", "a", "b"]), st.booleans()), max_size=120
    )
)
@settings(max_examples=60, deadline=None)
def test_batches_hold_every_finding_once_within_what_aws_takes(make: Any, drawn: list[Any]) -> None:
    planned = [
        make.planned(
            n,
            *(["Quarantine", "Deactivate"] if names == "ab" else ["Quarantine"] if names == "a" else ["Deactivate"]),
            wave=wave,
            resource_id=f"r{resource}",
            check_name=make.expiring if first else "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK",
        )
        for n, (wave, resource, names, first) in enumerate(drawn)
    ]
    plan = make.plan(*planned)
    found = list(batches(plan))
    assert sorted(f.finding_id for b in found for f in b.findings) == sorted(f.finding_id for f in planned)
    assert [b.wave for b in found] == sorted(b.wave for b in found)
    for batch in found:
        assert 1 <= len(batch.findings) <= MOST_FINDINGS
        assert all(batch.actions[f.check_name] == list(f.actions) for f in batch.findings)
        assert all(f.wave == batch.wave for f in batch.findings)
        resources = [f.resource_id for f in batch.findings]
        assert len(resources) == len(set(resources))
    assert len({task_id(plan, b) for b in found}) == len({client_token(plan, b) for b in found}) == len(found)
    assert all(len(client_token(plan, b)) <= 64 for b in found)


def test_many_findings_fill_tasks_of_25(make: Any) -> None:
    plan = make.plan(*(make.planned(n, "Deactivate") for n in range(101)))
    assert [len(b.findings) for b in batches(plan)] == [25, 25, 25, 25, 1]


def test_the_slowest_operation_decides_the_least_time(make: Any) -> None:
    planned = [make.planned(n, "Deactivate") for n in range(100)]
    found = cost(planned, [make.deactivate], tasks=4, rates={"DescribeAuditMitigationActionsTask": 25}, other=10)
    # 100 executions to read, 100 certificates to look at before, 4 tasks to start and to ask for.
    assert (found.aws_tasks, found.calls, found.least_seconds) == (4, 208, 10.0)


def test_nothing_selected_is_nothing_planned(make: Any) -> None:
    empty = make.findings().assign(problem_id=[])
    found = treatment(Selected(empty, empty), {}, rollout=Rollout(), now=make.day0)
    assert (found.findings, found.left_alone, found.actions) == ((), (), ())
