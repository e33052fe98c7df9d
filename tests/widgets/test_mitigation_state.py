"""The mitigation panel's state without widgets: what was chosen, what may be done next, which command does the same."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport.errors import InputError, MitigationError
from ddreport.mitigation.approval import approve
from ddreport.mitigation.events import Begun, Finished, Stopped, StopReason
from ddreport.mitigation.journal import fold
from ddreport.mitigation.plan import FORMAT, ApprovalRule, Cost, Plan, PlannedAction, PlannedFinding, Rollout, seal
from ddreport.targets import MitigationMode
from ddreport.widgets import mitigation_guards as guards
from ddreport.widgets.mitigation_commands import commands, define_command, plan_command, quote
from ddreport.widgets.mitigation_state import (
    Failure,
    Known,
    Options,
    PanelState,
    Work,
    check_choices,
    choice_label,
)

DAY = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
ROLE = "arn:aws:iam::111122223333:role/Mitigation"
ANN, BOB = "arn:aws:iam::111122223333:user/ann", "arn:aws:iam::111122223333:user/bob"
DEACTIVATE = PlannedAction("Deactivate", "UPDATE_DEVICE_CERTIFICATE", ROLE, {"updateDeviceCertificateParams": {}})
QUARANTINE = PlannedAction("Quarantine", "ADD_THINGS_TO_THING_GROUP", ROLE, {"addThingsToThingGroupParams": {}})
TELL = PlannedAction("Tell", "PUBLISH_FINDING_TO_SNS", ROLE, {"publishFindingToSnsParams": {}})
LOG = PlannedAction("Log", "ENABLE_IOT_LOGGING", ROLE, {"enableIoTLoggingParams": {}})


def some_findings(*rows: tuple[str, str, str, bool]) -> pd.DataFrame:
    """Make rows of problem id, check, severity, suppressed."""
    table = pd.DataFrame(rows, columns=["problem_id", "check_name", "severity", "is_suppressed"])
    return table.assign(is_suppressed=table["is_suppressed"].astype("boolean"), resource_type="DEVICE_CERTIFICATE")


def some_known(**changes: Any) -> Known:
    table = some_findings(*((f"e{i}", EXPIRING, "MEDIUM", i == 4) for i in range(5)), ("l0", LOGGING, "LOW", False))
    content = {
        "account": "111122223333",
        "region": "eu-west-1",
        "emulated": True,
        "as_of": DAY,
        "findings": table,
        "checks": check_choices(table),
        "actions": (TELL, QUARANTINE, DEACTIVATE, LOG),
    }
    return Known(**(content | changes))


def a_plan(**changes: Any) -> Plan:
    finding = PlannedFinding(
        "e0", "f0", "a1", EXPIRING, "MEDIUM", "DEVICE_CERTIFICATE", "cert", "{}", "REASON", 1, ("Deactivate",)
    )
    content: dict[str, Any] = {
        "format": FORMAT,
        "digest": "",
        "target": "plant",
        "account": "111122223333",
        "region": "eu-west-1",
        "emulated": True,
        "made_time": DAY,
        "made_with": "ddreport 0",
        "made_by": ANN,
        "as_of": DAY,
        "selection": {},
        "actions": (DEACTIVATE,),
        "rollout": Rollout(),
        "approval": ApprovalRule(),
        "findings": (finding,),
        "left_alone": (),
        "cost": Cost(1, 3, 0.1),
    }
    return seal(Plan(**(content | changes)))


@pytest.fixture
def fresh() -> PanelState:
    return PanelState("plant").loaded(some_known(), mode=MitigationMode.ALLOWED)


@pytest.fixture
def chosen(fresh: PanelState) -> PanelState:
    return fresh.choose_check(EXPIRING).pick(["e0", "e1"]).choose_action("Deactivate", on=True)


@pytest.fixture
def planned(chosen: PanelState) -> PanelState:
    return chosen.planned(a_plan())


def begun(state: PanelState, *events: Any) -> PanelState:
    assert state.plan is not None
    first = Begun(time=DAY, by=ANN, version="0")
    return replace(state, campaign=fold(state.plan, [first, *events]))


def test_checks_come_most_severe_first_then_by_number() -> None:
    table = some_findings(
        ("a", "LOW_ONE", "LOW", False), ("b", EXPIRING, "MEDIUM", True), ("c", EXPIRING, "MEDIUM", False)
    )
    found = check_choices(table)
    assert [(c.name, c.problem_count, c.suppressed_count) for c in found] == [(EXPIRING, 2, 1), ("LOW_ONE", 1, 0)]
    assert choice_label(found[0]) == "● Medium · Device certificate expiring · 2 findings, 1 suppressed"


def test_only_fitting_actions_are_offered_the_message_last(fresh: PanelState) -> None:
    assert [a.name for a in fresh.choose_check(EXPIRING).fitting] == ["Deactivate", "Quarantine", "Tell"]
    assert [a.name for a in fresh.choose_check(LOGGING).fitting] == ["Log", "Tell"]


def test_the_only_action_that_repairs_is_chosen_already(fresh: PanelState) -> None:
    assert fresh.choose_check(LOGGING).actions == ("Log",)
    assert fresh.choose_check(EXPIRING).actions == ()


def test_the_only_check_is_chosen_already() -> None:
    table = some_findings(("l0", LOGGING, "LOW", False))
    known = some_known(findings=table, checks=check_choices(table))
    assert PanelState("plant").loaded(known, mode=MitigationMode.ALLOWED).check == LOGGING


def test_actions_are_applied_in_the_order_in_which_they_were_ticked(fresh: PanelState) -> None:
    state = fresh.choose_check(EXPIRING)
    state = state.choose_action("Tell", on=True).choose_action("Deactivate", on=True)
    assert state.actions == ("Tell", "Deactivate")
    assert state.choose_action("Tell", on=False).choose_action("Tell", on=True).actions == ("Deactivate", "Tell")


def test_what_is_not_there_cannot_be_chosen(fresh: PanelState) -> None:
    with pytest.raises(InputError, match="has no open findings"):
        fresh.choose_check("NONSENSE_CHECK")
    with pytest.raises(InputError, match="does not fit"):
        fresh.choose_check(LOGGING).choose_action("Deactivate", on=True)
    assert fresh.choose_check(LOGGING).pick(["e0", "l0", "gone"]).picked == ("l0",)


def test_a_plan_is_about_what_was_picked_in_the_fewest_words(chosen: PanelState) -> None:
    assert chosen.selection.facts() == {"checks": [EXPIRING], "problems": ["e0", "e1"]}
    assert chosen.pick(["e3", "e0", "e1", "e2"]).selection.facts() == {"checks": [EXPIRING], "excluded": ["e4"]}
    assert chosen.pick([f"e{i}" for i in range(5)]).selection.facts() == {"checks": [EXPIRING]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.choose_check(None), "choose a check"),
        (lambda s: s.pick([]), "pick at least one finding"),
        (lambda s: s.choose_action("Deactivate", on=False), "choose at least one action"),
        (lambda s: s.set_options(Options(waves="none")), "'none' is no size"),
        (lambda s: s.set_options(Options(stop_at="200%")), "'200%' is no share"),
        (lambda s: s.set_options(Options(wait_seconds=-1)), "the rest between waves is -1 s"),
        (lambda s: s.began(Work.LOAD), "something is under way"),
        (lambda s: begun(s.planned(a_plan())), "this plan is being carried out"),
    ],
)
def test_why_no_plan_can_be_made(chosen: PanelState, change: Any, reason: str) -> None:
    assert guards.why_not_plan(chosen) is None
    assert reason in str(guards.why_not_plan(change(chosen)))


def test_another_choice_gives_the_plan_up_with_all_that_belongs_to_it(planned: PanelState) -> None:
    typed = replace(planned, typed=planned.confirmation, plan_path="plan.yaml")
    for other in (typed.pick(["e2"]), typed.choose_check(LOGGING), typed.set_options(Options(waves="all"))):
        assert (other.plan, other.plan_path, other.typed) == (None, None, "")
    assert typed.pick(["e1", "e0"]).plan is typed.plan


def test_a_plan_is_applied_once_its_first_characters_are_typed(planned: PanelState) -> None:
    assert guards.why_not_apply(planned, DAY) == f"type {planned.confirmation} to confirm"
    assert planned.confirmation == planned.plan.digest[:6]
    assert guards.why_not_apply(replace(planned, typed=f" {planned.confirmation.upper()} "), DAY) is None
    assert guards.why_not_apply(replace(planned, typed="1"), DAY) is not None


def test_nothing_is_applied_for_looking_only(planned: PanelState) -> None:
    typed = replace(planned, typed=planned.confirmation)
    for state in (replace(typed, mode=MitigationMode.READ_ONLY), replace(typed, read_only=True)):
        assert "for looking only" in str(guards.why_not_apply(state, DAY))
        with pytest.raises(MitigationError, match="for looking only"):
            state.began(Work.APPLY)
        with pytest.raises(MitigationError, match="for looking only"):
            state.began(Work.DEFINE)
        assert state.began(Work.PLAN).busy is not None


def test_an_approval_must_be_of_the_plan_in_time_and_by_the_right_person(chosen: PanelState) -> None:
    plan = a_plan(approval=ApprovalRule(required=True, second_person=True))
    state = chosen.planned(plan)
    state = replace(state, typed=state.confirmation)
    assert "needs the approval of a second person" in str(guards.why_not_apply(state, DAY))
    given = approve(plan, by=BOB, time=DAY)
    assert guards.why_not_apply(replace(state, approval=given), DAY) is None
    assert "expired" in str(guards.why_not_apply(replace(state, approval=given), DAY + timedelta(days=30)))
    other = approve(a_plan(made_with="another"), by=BOB, time=DAY)
    assert "a changed plan needs a new approval" in str(guards.why_not_apply(replace(state, approval=other), DAY))


def test_a_target_that_became_stricter_counts_for_plans_of_before(planned: PanelState) -> None:
    rule = ApprovalRule(required=True)
    state = replace(planned, typed=planned.confirmation).loaded(planned.known, mode=MitigationMode.APPROVAL, rule=rule)
    assert state.needs_approval
    assert "needs the approval of somebody" in str(guards.why_not_apply(state, DAY))
    given = approve(state.plan, by=ANN, time=DAY, target_rule=rule)
    assert guards.why_not_apply(replace(state, approval=given), DAY) is None
    assert "Approve it" in dict(commands(state))


def test_a_plan_that_would_do_nothing_is_not_applied(chosen: PanelState) -> None:
    state = chosen.planned(a_plan(findings=()))
    assert guards.why_not_apply(replace(state, typed=state.confirmation), DAY) == "the plan would do nothing"


def test_what_was_chosen_stands_while_the_plan_is_carried_out(planned: PanelState) -> None:
    state = begun(planned)
    with pytest.raises(MitigationError, match="stands"):
        state.pick(["e2"])
    later = state.loaded(some_known(findings=some_findings()), mode=MitigationMode.ALLOWED)
    assert (later.picked, later.plan) == (state.picked, state.plan)


def test_what_follows_depends_on_how_the_campaign_stands(planned: PanelState) -> None:
    stopped = begun(planned, Stopped(time=DAY, why=StopReason.INTERRUPTED, note="told to stop"))
    assert guards.why_not_cancel(stopped) is None
    assert guards.why_not_verify(stopped) is None
    assert "not over" in str(guards.why_not_plan_rollback(stopped))
    over = begun(planned, Finished(time=DAY))
    assert guards.why_not_cancel(over) == "nothing is left to cancel"
    assert guards.why_not_plan_rollback(over) is None
    assert guards.why_not_apply(replace(over, typed=over.confirmation), DAY) == "all of it is done"
    assert guards.why_not_verify(planned) == "nothing was carried out yet"


def test_only_one_thing_at_a_time_is_done(chosen: PanelState) -> None:
    busy = chosen.began(Work.PLAN)
    with pytest.raises(MitigationError, match="something is under way"):
        busy.began(Work.LOAD)
    moved = busy.progressed(stage="Reading", done=3, total=9)
    assert (moved.busy.stage, moved.busy.done, moved.busy.total) == ("Reading", 3, 9)
    ended = moved.ended(Failure(Work.PLAN, "AWS refused"))
    assert (ended.busy, ended.failure.message) == (None, "AWS refused")
    assert ended.began(Work.PLAN).failure is None
    assert ended.progressed(done=4) is ended


def test_choices_outlive_new_findings_as_far_as_they_are_there(chosen: PanelState) -> None:
    table = some_findings(("e1", EXPIRING, "MEDIUM", False), ("e9", EXPIRING, "MEDIUM", False))
    later = chosen.loaded(some_known(findings=table, checks=check_choices(table)), mode=MitigationMode.ALLOWED)
    assert (later.check, later.picked, later.actions) == (EXPIRING, ("e1",), ("Deactivate",))
    gone = chosen.loaded(some_known(findings=some_findings(), checks=()), mode=MitigationMode.ALLOWED)
    assert (gone.check, gone.picked, gone.actions) == (None, (), ())


def test_the_command_of_a_choice_names_what_differs_from_the_defaults(chosen: PanelState) -> None:
    usual = "ddreport mitigate plan --target plant --check DEVICE_CERTIFICATE_EXPIRING_CHECK --problem e0 --problem e1"
    assert plan_command(chosen) == f"{usual} --action Deactivate --out plan.yaml"
    options = Options("2,rest", "50%", "one, two words", 60, require_approval=True, with_impact=False)
    state = replace(chosen.set_options(options), archive="/data/my archive")
    assert str(plan_command(state)).removeprefix(usual) == (
        " --action Deactivate --waves 2,rest --stop-at 50% --alarm one --alarm 'two words' --wait 60 "
        "--require-approval --no-impact --archive '/data/my archive' --out plan.yaml"
    )
    assert plan_command(chosen.pick([])) is None


def test_the_command_that_defines_an_action_goes_to_the_same_account(fresh: PanelState) -> None:
    assert define_command(replace(fresh, archive="kept"), "ENABLE_IOT_LOGGING") == (
        "ddreport actions defaults --type enable_iot_logging --create-role --target plant --archive kept"
    )


def test_the_commands_follow_the_plan(planned: PanelState) -> None:
    name = f"mitigation-{planned.plan.short}.yaml"
    assert dict(commands(planned))["Apply it"] == f"ddreport mitigate apply {name}"
    stopped = begun(planned, Stopped(time=DAY, why=StopReason.FAILED_SHARE, note="3 of 4"))
    assert dict(commands(stopped))["Go on with it"] == f"ddreport mitigate apply {name} --go-on"
    assert "Verify it" not in dict(commands(stopped))
    over = dict(commands(begun(planned, Finished(time=DAY))))
    assert over["Verify it"] == f"ddreport mitigate verify {name}"
    assert over["Plan the roll-back"] == f"ddreport mitigate rollback plan {name} --out rollback.yaml"


@pytest.mark.parametrize(
    "word", ["plain", "two words", "it's", 'a"b', "$(rm -rf ~)", "`x`", "a\\b", "", "*?", "-x;y&z"]
)
def test_a_word_reaches_the_command_as_it_is(word: str) -> None:
    assert shlex.split(quote(word)) == [word]


@pytest.mark.parametrize("word", ["pump\u202e01", "a\x1b[2J", "line\nbreak", "it's\u200b\\x41", "\U000e0041tag"])
def test_what_hides_in_a_word_is_seen_in_the_command_and_reaches_it_all_the_same(word: str) -> None:
    quoted = quote(word)
    assert quoted.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode() == word
