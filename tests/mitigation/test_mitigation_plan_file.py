"""Plan files and approvals: what was reviewed is what is done, and a changed byte is seen."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.errors import PlanError
from ddreport.mitigation.approval import approval_text, approve, check_approval, parse_approval
from ddreport.mitigation.plan import ApprovalRule, Cost, Expected, LeftAlone, Plan, Posture, Rollout, WhyNot, digest_of
from ddreport.mitigation.plan_file import parse_plan, plan_text, read_plan, write_plan

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "a: b # c",
    "x\u202egnp.exe",
    "null",
    "- y",
    "\u2028next",
    "\x1b[31m",
    "<b>",
    "'\"\\",
    "🔥\u200b",
]
BOB = "arn:aws:iam::111122223333:user/bob"


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_plan_comes_back_as_it_was_with_hostile_names_in_it(make: Any, form: str) -> None:
    planned = [make.planned(n, "Deactivate", resource_id=text) for n, text in enumerate(HOSTILE)]
    left = LeftAlone("p", make.expiring, "DEVICE_CERTIFICATE", HOSTILE[2], "REASON", WhyNot.SUPPRESSED)
    plan = make.plan(*planned, left_alone=(left,))
    text = plan_text(plan, form=form)
    assert parse_plan(text, source="plan") == plan
    assert not any(hidden in text for hidden in "\u202e\u2028\x1b\u200b")  # a reviewer sees all that is there


@given(st.text(max_size=30), st.floats(0.01, 1))
@settings(max_examples=80, deadline=None)
def test_any_text_survives_yaml(make: Any, text: str, share: float) -> None:
    text = text.encode("utf-8", "replace").decode()
    plan = make.plan(make.planned(1, "Deactivate", resource_id=text))
    assert parse_plan(plan_text(plan), source="plan").findings[0].resource_id == text


def test_the_file_is_yaml_with_a_line_for_each_finding(make: Any) -> None:
    plan = make.plan(*(make.planned(n, "Deactivate") for n in range(3)))
    lines = plan_text(plan).splitlines()
    assert sum(line.startswith('- {"problem_id"') for line in lines) == 3
    assert len(yaml.safe_load(plan_text(plan))["findings"]) == 3
    fewer = make.plan(*(make.planned(n, "Deactivate") for n in range(2)))
    changed = set(plan_text(fewer).splitlines()) - set(lines)
    assert all(line.startswith(("#", "digest")) for line in changed)


def test_a_plan_changed_by_hand_is_refused(make: Any) -> None:
    text = plan_text(make.plan(make.planned(1, "Deactivate"), make.planned(2, "Deactivate")))
    with pytest.raises(PlanError, match="changed after it was made"):
        parse_plan(text.replace("resource-0002", "resource-0003"), source="plan.yaml")
    without = "\n".join(line for line in text.splitlines() if "resource-0002" not in line)
    with pytest.raises(PlanError, match="changed after it was made"):
        parse_plan(without, source="plan.yaml")
    with pytest.raises(PlanError, match="changed after it was made"):
        parse_plan(text.replace("wait_seconds: 0", "wait_second: 0"), source="plan.yaml")
    # Comments and the order of lines have no part in what is done.
    assert parse_plan("# reviewed\n" + text, source="plan.yaml")


@pytest.mark.parametrize("text", ["", "{", "- a\n- b", "a: [", "hello", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_plan_is_refused_in_words(text: str) -> None:
    with pytest.raises(PlanError, match=r"notes\.txt"):
        parse_plan(text, source="notes.txt")


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 100_000, "- " * 100_000, "? " * 100_000, "a:\n- " + "[ " * 9999])
def test_a_text_nested_without_end_is_refused_and_the_process_lives(text: str) -> None:
    with pytest.raises(PlanError, match="nested too deeply"):
        parse_plan(text, source="plan")


def test_a_sealed_plan_that_contradicts_itself_is_refused(make: Any) -> None:
    twice = make.plan(make.planned(1, "Deactivate"), make.planned(1, "Deactivate"))
    with pytest.raises(PlanError, match="is there twice"):
        parse_plan(plan_text(twice), source="plan")
    unknown = make.plan(make.planned(1, "Deactivate"), actions=())
    with pytest.raises(PlanError, match="names the actions"):
        parse_plan(plan_text(unknown), source="plan")
    six = make.plan(make.planned(1, *["Deactivate"] * 6))
    with pytest.raises(PlanError, match="AWS allows 5"):
        parse_plan(plan_text(six), source="plan")
    newer = make.plan(make.planned(1, "Deactivate"), format=2)
    with pytest.raises(PlanError, match="form 2"):
        parse_plan(plan_text(newer), source="plan")


def test_the_digest_covers_everything_but_itself(make: Any) -> None:
    plan = make.plan(make.planned(1, "Deactivate"))
    assert digest_of(plan) == plan.digest == digest_of(msgspec.structs.replace(plan, digest="other"))
    own = msgspec.to_builtins(plan)
    assert digest_of(msgspec.convert(own, Plan)) == plan.digest
    left = LeftAlone("p", make.expiring, "DEVICE_CERTIFICATE", "r", "REASON", WhyNot.SUPPRESSED)
    posture = Posture({}, 0, 0, None)
    others: dict[str, Any] = {
        "format": 2,
        "emulated": False,
        "made_time": make.day0 + timedelta(seconds=1),
        "as_of": make.day0 + timedelta(seconds=1),
        "selection": {},
        "actions": (),
        "rollout": Rollout(("2",)),
        "approval": ApprovalRule(required=True),
        "findings": (),
        "left_alone": (left,),
        "cost": Cost(0, 0, 0.0),
        "expected": Expected(posture, posture),
    }
    for field in msgspec.structs.fields(plan):
        if field.name != "digest":
            changed = msgspec.structs.replace(plan, **{field.name: others.get(field.name, "other")})
            assert digest_of(changed) != plan.digest, field.name


def test_a_plan_is_never_overwritten(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "plan.yaml"
    plan = make.plan(make.planned(1, "Deactivate"))
    write_plan(plan, path)
    write_plan(plan, path)  # the same again is no change
    with pytest.raises(PlanError, match="never overwritten"):
        write_plan(make.plan(make.planned(2, "Deactivate")), path)
    assert read_plan(path) == plan
    assert [p.name for p in path.parent.iterdir()] == ["plan.yaml"]
    write_plan(plan, path.with_suffix(".json"))
    assert json.loads(path.with_suffix(".json").read_text())["digest"] == plan.digest
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path / "none.yaml")


def test_an_approval_belongs_to_one_plan_and_expires(make: Any) -> None:
    plan = make.plan(make.planned(1, "Deactivate"), approval=ApprovalRule(required=True, valid_hours=2))
    given_ = approve(plan, by=BOB, time=make.day0, note="seen")
    again = parse_approval(approval_text(given_), source="approval")
    assert check_approval(plan, again, time=make.day0 + timedelta(hours=1)) == given_
    with pytest.raises(PlanError, match="expired"):
        check_approval(plan, again, time=make.day0 + timedelta(hours=2))
    with pytest.raises(PlanError, match="yet to come"):
        check_approval(plan, again, time=make.day0 - timedelta(hours=1))
    other = make.plan(make.planned(2, "Deactivate"), approval=ApprovalRule(required=True))
    with pytest.raises(PlanError, match="a changed plan needs a new approval"):
        check_approval(other, again, time=make.day0)
    forged = msgspec.structs.replace(again, approved_by="arn:aws:iam::111122223333:user/eve")
    with pytest.raises(PlanError, match="changed after it was given"):
        check_approval(plan, forged, time=make.day0)
    with pytest.raises(PlanError, match="needs the approval"):
        check_approval(plan, None, time=make.day0)
    with pytest.raises(PlanError, match="is no approval"):
        parse_approval("plan: 1\n", source="approval")


def test_where_no_approval_is_needed_none_is_asked_for_but_a_wrong_one_is_refused(make: Any) -> None:
    plan = make.plan(make.planned(1, "Deactivate"))
    assert check_approval(plan, None, time=make.day0) is None
    other = approve(make.plan(make.planned(2, "Deactivate")), by=BOB, time=make.day0)
    with pytest.raises(PlanError, match="a changed plan"):
        check_approval(plan, other, time=make.day0)


def test_a_second_person_is_another_identity_than_the_planners(make: Any) -> None:
    rule = ApprovalRule(required=True, second_person=True)
    user = "arn:aws:iam::111122223333:user/ann"
    plan = make.plan(make.planned(1, "Deactivate"), approval=rule, made_by=user)
    for same in (user, user.upper()):
        with pytest.raises(PlanError, match="somebody else must approve"):
            approve(plan, by=same, time=make.day0)
    assert approve(plan, by=BOB, time=make.day0).plan == plan.digest
    nobody = make.plan(make.planned(1, "Deactivate"), approval=rule, made_by=None)
    with pytest.raises(PlanError, match="without asking AWS"):
        approve(nobody, by=BOB, time=make.day0)


@pytest.mark.parametrize(
    ("maker", "approver", "is_same"),
    [
        ("assumed-role/Ops/botocore-session-1", "assumed-role/Ops/botocore-session-2", True),
        ("assumed-role/Ops/ann", "assumed-role/ops/BOB", True),
        ("assumed-role/Ops/ann", "assumed-role/Audit/ann", False),
        ("federated-user/ann", "federated-user/bob", True),
        ("assumed-role/AWSReservedSSO_Admin_0a/ann@x.org", "assumed-role/AWSReservedSSO_Admin_0a/bob@x.org", False),
        ("assumed-role/AWSReservedSSO_Admin_0a/ann@x.org", "assumed-role/AWSReservedSSO_Read_0b/Ann@x.org", True),
    ],
)
def test_a_session_name_that_anybody_can_choose_makes_nobody_a_second_person(
    make: Any, maker: str, approver: str, is_same: bool
) -> None:
    rule = ApprovalRule(required=True, second_person=True)
    sts = "arn:aws:sts::111122223333:"
    plan = make.plan(make.planned(1, "Deactivate"), approval=rule, made_by=sts + maker)
    if is_same:
        with pytest.raises(PlanError, match="somebody else must approve"):
            approve(plan, by=sts + approver, time=make.day0)
    else:
        assert approve(plan, by=sts + approver, time=make.day0).approved_by == sts + approver


def test_a_target_that_is_stricter_than_the_plan_has_its_way(make: Any) -> None:
    ann = "arn:aws:iam::111122223333:user/ann"
    plan = make.plan(make.planned(1, "Deactivate"), made_by=ann)
    strict = ApprovalRule(required=True, second_person=True, valid_hours=1)
    with pytest.raises(PlanError, match="needs the approval of a second person"):
        check_approval(plan, None, time=make.day0, target_rule=strict)
    with pytest.raises(PlanError, match="somebody else must approve"):
        check_approval(plan, approve(plan, by=ann, time=make.day0), time=make.day0, target_rule=strict)
    given = approve(plan, by=BOB, time=make.day0)
    assert check_approval(plan, given, time=make.day0, target_rule=strict) == given
    with pytest.raises(PlanError, match="expired"):
        check_approval(plan, given, time=make.day0 + timedelta(hours=2), target_rule=strict)


def test_an_approval_without_time_zones_is_refused(make: Any) -> None:
    given = approve(make.plan(make.planned(1, "Deactivate")), by=BOB, time=make.day0)
    with pytest.raises(PlanError, match="no time zone"):
        parse_approval(approval_text(given).replace('Z"', '"').replace('+00:00"', '"'), source="approval")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_is_there_twice_is_refused_since_a_reader_may_see_the_other_one(make: Any, form: str) -> None:
    text = plan_text(make.plan(make.planned(1, "Deactivate")), form=form)
    hidden = '{"findings": [],' + text[1:] if form == "json" else f"findings: []\n{text}"
    with pytest.raises(PlanError, match="'findings' is there twice"):
        parse_plan(hidden, source="plan")
    inner = text.replace('"wave": 1', '"wave": 9, "wave": 1')
    assert inner != text
    with pytest.raises(PlanError, match="'wave' is there twice"):
        parse_plan(inner, source="plan")


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, "{" * 3, "? [a]\n: 1\n", '{"digest": 1, "findings": NaN}', "a: &a [*a]"]
)
def test_what_is_no_document_of_texts_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        parse_plan(text, source="plan")


def test_a_note_cannot_steer_how_an_approval_reads(make: Any) -> None:
    given = approve(make.plan(make.planned(1, "Deactivate")), by=BOB, time=make.day0, note='a\u202eb\x1b[31m\n"')
    text = approval_text(given)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert parse_approval(text, source="approval") == given
