"""The mitigation panel in the kernel, clicked without a browser, on an emulated account over HTTP."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ddreport.cli import main
from ddreport.mitigation.plan_file import read_plan
from ddreport.widgets import MitigationPanel
from ddreport.widgets.mitigation import forget_panels

pytestmark = pytest.mark.slow

SECONDS = 60.0


@pytest.fixture(scope="module")
def shared() -> ModuleType:
    """The module that furnishes the account."""
    path = Path(__file__).parents[1] / "support_mitigation_account.py"
    spec = importlib.util.spec_from_file_location("support_mitigation_account_widgets", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def account(iot_emulator: Any, shared: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The account, its archive in the present folder, its certificates in `ids`."""
    for name, value in iot_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    iot_emulator.ids = shared.furnish(iot_emulator)
    shared.configure(iot_emulator, tmp_path)
    return iot_emulator


@pytest.fixture
def open_panel(account: Any) -> Iterator[Callable[..., MitigationPanel]]:
    """Open a panel of the account and wait until it is loaded."""

    def opened(**options: Any) -> MitigationPanel:
        panel = MitigationPanel(**{"target": "plant", "archive": "archive", **options})
        panel.wait(SECONDS)
        return panel

    forget_panels()
    yield opened
    forget_panels()


def text_of(*blocks: Any) -> str:
    """Return all texts of blocks."""
    return str([block for part in blocks for block in part.blocks])


def shown(widget: Any) -> bool:
    return widget.layout.display != "none"


def choose(panel: MitigationPanel, check: str, *places: int, action: str | None = None) -> None:
    """Choose a check, rows of its table, and an action."""
    panel.check_choice.value = check
    keys = panel.findings.rows.keys
    panel.findings.select([keys[i] for i in places])
    if action is not None:
        panel.action_boxes[action].value = True


def click(panel: MitigationPanel, name: str) -> None:
    """Click a button and wait until the work is done."""
    button = getattr(panel, name)
    assert not button.disabled, name
    button.click()
    panel.wait(SECONDS)


def test_a_panel_offers_checks_with_open_findings_most_severe_first(open_panel: Any, shared: ModuleType) -> None:
    panel = open_panel()
    labels = [label for label, _ in panel.check_choice.options]
    assert labels == [
        "Choose a check",
        "◆ Critical · AWS IoT policies overly permissive · 1 finding",
        "● Medium · Device certificate expiring · 4 findings",
        "○ Low · Logging disabled · 1 finding",
    ]
    assert "Emulated account" in text_of(panel.head)
    assert panel.plan_button.disabled


def test_only_actions_that_fit_are_offered_with_what_they_do_and_how_they_are_undone(
    open_panel: Any, shared: ModuleType
) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0)
    assert list(panel.action_boxes) == [shared.DEACTIVATE]
    help_text = text_of(panel.actions.children[0].children[1])
    assert "Sets the device certificate INACTIVE" in help_text
    assert "Undo: can be undone: set the certificate ACTIVE again" in help_text
    assert [b.description for b in panel.define_buttons.children] == [
        "Define QuarantineThingsAction",
        "Define PublishFindingAction",
    ]


def test_from_a_click_to_a_changed_account_to_a_proof_and_back(
    open_panel: Any, account: Any, shared: ModuleType, tmp_path: Path
) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0, 2)
    assert panel.state.actions == (shared.DEACTIVATE,)
    panel.waves.value = "1,rest"
    click(panel, "plan_button")
    assert "What is done" in text_of(panel.plan_part)
    assert shared.statuses(account, account.ids) == ["ACTIVE"] * 4

    assert panel.apply_button.disabled
    panel.confirm.value = "nonsense"
    assert panel.apply_button.disabled
    panel.confirm.value = panel.state.confirmation
    click(panel, "apply_button")
    assert panel.state.failure is None
    treated = {f.resource_id for f in panel.state.plan.findings}
    assert len(treated) == 2
    found = dict(zip(account.ids, shared.statuses(account, account.ids), strict=True))
    assert found == {i: "INACTIVE" if i in treated else "ACTIVE" for i in account.ids}
    assert panel.outcomes.row_count == 2
    assert {row[2] for row in panel.outcomes.first_rows} == {"COMPLETED"}
    assert not shown(panel._launching)

    click(panel, "verify_button")
    assert panel.state.verified is not None
    assert panel.state.verified.counts["FIXED"] == 2
    assert "All problems are fixed" in text_of(panel.verified)
    assert [c.problem_count for c in panel.state.known.checks if c.name == shared.EXPIRING] == [2]

    click(panel, "rollback_button")
    assert "What is given back" in text_of(panel.rollback)
    assert panel.apply_rollback_button.disabled
    panel.confirm_rollback.value = panel.state.rollback_confirmation
    click(panel, "apply_rollback_button")
    assert panel.state.failure is None
    assert shared.statuses(account, account.ids) == ["ACTIVE"] * 4
    assert "Rolled back" in text_of(panel.rollback)
    kept = sorted(p.name.partition("-")[0] for p in tmp_path.glob("*.yaml"))
    assert kept == ["mitigation", "rollback"]


def test_the_command_that_is_shown_makes_the_same_plan(
    open_panel: Any, shared: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 1, 3)
    panel.stop_at.value = "50%"
    panel.with_impact.value = False
    (behind,) = panel.commands.blocks
    block = next(b for b in behind["blocks"] if b.get("title") == "Make the plan")
    words = shlex.split(block["text"])
    assert words[:4] == ["ddreport", "mitigate", "plan", "--target"]
    assert main(words[1:]) == 0
    capsys.readouterr()
    typed = read_plan(tmp_path / "plan.yaml")
    click(panel, "plan_button")
    clicked = panel.state.plan
    assert [f.problem_id for f in clicked.findings] == [f.problem_id for f in typed.findings]
    assert (clicked.actions, clicked.rollout, clicked.selection) == (typed.actions, typed.rollout, typed.selection)


def test_running_the_cell_again_shows_the_same_state(open_panel: Any, shared: ModuleType) -> None:
    first = open_panel()
    choose(first, shared.EXPIRING, 0, 1)
    click(first, "plan_button")
    again = open_panel()
    assert again is not first
    assert again.state is first.state
    assert again.check_choice.value == shared.EXPIRING
    assert again.findings.selected_keys == first.findings.selected_keys
    assert again.plan_part.blocks == first.plan_part.blocks
    again.findings.clear_selection()
    assert first.state.picked == ()
    assert first.findings.selected_keys == []


def test_another_choice_gives_the_plan_up(open_panel: Any, shared: ModuleType) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0)
    click(panel, "plan_button")
    panel.confirm.value = panel.state.confirmation
    panel.findings.select([panel.findings.rows.keys[1]])
    assert (panel.state.plan, panel.state.typed) == (None, "")
    assert not shown(panel._launching)


def test_a_campaign_that_stopped_half_way_is_found_again_after_a_restart(
    open_panel: Any, account: Any, shared: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0, 1, 2)
    panel.waves.value = "1,rest"
    panel.rest.value = 3600
    click(panel, "plan_button")
    panel.confirm.value = panel.state.confirmation
    panel.apply_button.click()
    for _ in range(int(SECONDS / 0.05)):
        if shared.statuses(account, account.ids).count("INACTIVE") == 1:
            break
        panel.wait(0.05)
    assert shown(panel.stop_button)
    panel.stop_button.click()
    panel.wait(SECONDS)
    digest = panel.state.plan.digest
    assert panel.state.campaign.stopped is not None
    assert shared.statuses(account, account.ids).count("INACTIVE") == 1

    forget_panels()  # as a restart of the kernel does
    later = open_panel(read_only=False)
    assert "1 campaign of this account is not over" in text_of(later.unfinished)
    assert later.open_choice.options[0] == (f"Not over: plan {digest[:16]}", digest)
    click(later, "open_button")
    assert later.state.failure is None
    assert later.state.plan.digest == digest
    assert later.apply_button.description == "Go on"
    click(later, "cancel_button")
    assert later.state.campaign.canceled is not None
    assert shared.statuses(account, account.ids).count("INACTIVE") == 1
    assert {row[2] for row in later.outcomes.first_rows} == {"COMPLETED", "NOT_SENT"}


def test_a_read_only_target_shows_everything_and_applies_nothing(
    open_panel: Any, account: Any, shared: ModuleType, tmp_path: Path
) -> None:
    toml = tmp_path / "ddreport.toml"
    toml.write_text(toml.read_text() + 'mitigation = "read-only"\n')
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0)
    click(panel, "plan_button")
    assert panel.state.plan is not None
    assert (panel.confirm.disabled, panel.apply_button.disabled) == (True, True)
    assert "Applying is switched off" in text_of(panel.launch)
    assert 'mitigation = "read-only"' in text_of(panel.launch).replace('\\"', '"')
    panel.apply_button.click()  # a page that is out of date could still send this
    panel.wait(SECONDS)
    assert shared.statuses(account, account.ids) == ["ACTIVE"] * 4
    assert not shown(panel.define_buttons)


def test_a_page_for_looking_only_writes_no_file_but_hands_out_the_plan(
    open_panel: Any, shared: ModuleType, tmp_path: Path
) -> None:
    panel = open_panel(read_only=True)
    choose(panel, shared.LOGGING, 0)
    click(panel, "plan_button")
    (save,) = [b for b in panel.plan_part.blocks if b["kind"] == "download"]
    copy = tmp_path / "elsewhere" / save["name"]
    copy.parent.mkdir()
    copy.write_text(save["content"], encoding="utf-8")
    assert read_plan(copy).digest == panel.state.plan.digest
    assert not shown(panel.save_button)
    assert list(tmp_path.glob("*.yaml")) == []


def test_a_plan_that_needs_another_person_waits_for_the_approvals_file(
    open_panel: Any, account: Any, shared: ModuleType, tmp_path: Path
) -> None:
    panel = open_panel()
    choose(panel, shared.LOGGING, 0)
    panel.second_person.value = True
    click(panel, "plan_button")
    panel.confirm.value = panel.state.confirmation
    assert panel.apply_button.disabled
    assert "needs the approval of a second person" in text_of(panel.approval)
    click(panel, "save_button")
    click(panel, "approve_button")
    assert "somebody else must approve it" in text_of(panel.trouble)
    click(panel, "approval_button")
    assert "there is no approval" in text_of(panel.trouble)
    assert panel.apply_button.disabled


def test_ones_own_approval_does_where_the_target_asks_for_any(
    open_panel: Any, account: Any, shared: ModuleType, tmp_path: Path
) -> None:
    toml = tmp_path / "ddreport.toml"
    toml.write_text(toml.read_text() + 'mitigation = "approval"\n')
    panel = open_panel()
    choose(panel, shared.LOGGING, 0)
    click(panel, "plan_button")
    assert "Not approved yet" in text_of(panel.approval)
    click(panel, "approve_button")
    assert "Approved" in text_of(panel.approval)
    panel.confirm.value = panel.state.confirmation
    click(panel, "apply_button")
    assert account.client("iot").get_v2_logging_options()["defaultLogLevel"] == "ERROR"


def test_what_aws_refuses_is_said_in_the_panel(open_panel: Any, account: Any, shared: ModuleType) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0)
    account.emulator.faults.refuse("ListMitigationActions", code="AccessDeniedException")
    click(panel, "plan_button")
    assert panel.state.failure is not None
    assert "AccessDenied" in text_of(panel.trouble)
    assert panel.trouble.blocks[0]["tone"] == "bad"
    account.emulator.faults.clear()
    click(panel, "plan_button")
    assert (panel.state.failure, panel.trouble.blocks) == (None, [])


def test_a_fault_of_the_program_is_said_too(
    open_panel: Any, shared: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = open_panel()
    choose(panel, shared.EXPIRING, 0)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("ddreport.widgets.mitigation_work.make_plan", broken)
    click(panel, "plan_button")
    assert "ZeroDivisionError: a fault" in text_of(panel.trouble)
    assert panel.state.busy is None


def test_an_action_is_defined_where_none_fits(open_panel: Any, account: Any, shared: ModuleType) -> None:
    panel = open_panel()
    panel.check_choice.value = shared.POLICY
    assert "No defined action fits this check" in text_of(panel.actions_note)
    assert "ddreport actions defaults --type replace_default_policy_version" in text_of(panel.actions_note)
    next(b for b in panel.define_buttons.children if "BlankPolicyAction" in b.description).click()
    panel.wait(SECONDS)
    assert panel.state.failure is None
    assert list(panel.action_boxes) == ["BlankPolicyAction"]
    names = [a["actionName"] for a in account.client("iot").list_mitigation_actions()["actionIdentifiers"]]
    assert "BlankPolicyAction" in names


def test_an_unknown_target_is_said_in_the_panel(account: Any) -> None:
    forget_panels()
    panel = MitigationPanel(target="plnt")
    panel.wait(SECONDS)
    assert "Did you mean 'plant'" in text_of(panel.trouble)
    assert not panel.reload_button.disabled


def test_a_plan_given_as_parameter_is_opened(open_panel: Any, shared: ModuleType, tmp_path: Path) -> None:
    panel = open_panel()
    choose(panel, shared.LOGGING, 0)
    click(panel, "plan_button")
    click(panel, "save_button")
    path = panel.state.plan_path
    forget_panels()
    later = open_panel(plan=path)
    assert later.state.plan.digest == panel.state.plan.digest
    changed = Path(path).read_text().replace("ERROR", "DEBUG", 1)
    Path(path).write_text(changed)
    forget_panels()
    refused = open_panel(plan=path)
    assert "was changed after it was made" in text_of(refused.trouble)
    assert refused.state.plan is None


def test_parameters_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="checks is 'LOGGING_DISABLED_CHECK'; allowed: a list"):
        MitigationPanel(checks="LOGGING_DISABLED_CHECK")
    with pytest.raises(ValueError, match="target is 7"):
        MitigationPanel(target=7)  # type: ignore[arg-type]
