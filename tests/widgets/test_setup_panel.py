"""The set-up notebook: a report that only reads, and a panel that changes an account only after its id was typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

import ddreport as dd
from ddreport.errors import SettingsError
from ddreport.presentation.blocks import Section
from ddreport.rendering import notebook_parameters
from ddreport.setup.desired import Desired, WantedSchedule
from ddreport.widgets import SetupPanel, setup_panel
from ddreport.widgets.setup_state import NO_LOGGING, Choices, why_not

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_setup.ipynb"
LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
SECONDS = 60.0


@pytest.fixture
def plant(iot_emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty account as target `plant`."""
    for name, value in iot_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DDREPORT_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ddreport.toml").write_text(
        f'[targets.plant]\nregion = "{iot_emulator.region}"\nendpoint_url = "{iot_emulator.endpoint}"\n'
        f'[setup]\nchecks = ["{LOGGING}", "{EXPIRING}"]\nmitigation_actions = "none"\nalarms = "none"\n',
        encoding="utf-8",
    )
    return iot_emulator


def is_untouched(plant: Any) -> bool:
    configuration = plant.client("iot").describe_account_audit_configuration()
    return "roleArn" not in configuration and not plant.client("iam").list_roles()["Roles"]


def shown(blocks: Any) -> str:
    return str(blocks.blocks)


def test_the_choices_mean_what_was_wanted_and_come_back_from_toml():
    for wanted in (
        Desired(),
        Desired(schedules=None, alarms=None),
        Desired(schedules=(WantedSchedule("W", "WEEKLY", "MON"),), topic=None, alarms=None, log_level=None),
        Desired(schedules=(WantedSchedule("A"), WantedSchedule("B", "MONTHLY", day_of_month="LAST"))),
        Desired(checks=(LOGGING,), thresholds={}, schedules=(WantedSchedule("A", checks=(LOGGING,)),)),
    ):
        assert replace(Choices.of(wanted).desired(), source=wanted.source) == wanted


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"frequency": "WEEKLY", "day": ""}, "allowed"),
        ({"frequency": "MONTHLY", "day": "32"}, "allowed: 1 to 31, or LAST"),
        ({"subscribers": "nobody"}, "an e-mail address"),
        ({"thresholds": {EXPIRING: 5}}, EXPIRING),
        ({"schedule": 'a" b'}, "the name is"),
        ({"topic": "no topic"}, "allowed"),
    ],
)
def test_wrong_choices_are_told_by_the_rules_of_setup(changes, told):
    with pytest.raises(SettingsError, match=told):
        replace(Choices.of(Desired()), **changes).desired()


def test_without_a_plan_or_when_read_only_nothing_can_be_applied():
    assert "Make the plan first" in why_not(None, "1", read_only=False, is_stale=False)
    assert "read-only" in why_not(None, "1", read_only=True, is_stale=False)
    assert Choices.of(Desired(log_level=None)).log_level == NO_LOGGING


def test_from_an_empty_account_to_its_first_results_by_clicking(plant):
    panel = SetupPanel(dd.load_preflight(target="plant"))
    assert panel.apply_button.disabled
    panel.boxes[EXPIRING].value = False
    panel.plan_button.click()
    panel.wait(SECONDS)
    assert "to create" in shown(panel.plan_part)
    assert f'checks = ["{LOGGING}"]' in shown(panel.plan_part)
    assert panel.apply_button.disabled
    panel.confirm.value = "999988887777"
    assert panel.apply_button.disabled
    panel.confirm.value = plant.account
    panel.boxes[EXPIRING].value = True
    assert panel.apply_button.disabled, "another choice than the one that was planned"
    panel.apply_button.click()
    assert is_untouched(plant)
    panel.boxes[EXPIRING].value = False
    assert not panel.apply_button.disabled
    panel.apply_button.click()
    panel.wait(SECONDS)
    assert panel.trouble.blocks == []
    assert "changes were made" in shown(panel.outcome)
    checks = plant.client("iot").describe_account_audit_configuration()["auditCheckConfigurations"]
    assert [name for name, check in checks.items() if check["enabled"]] == [LOGGING]
    panel.audit_button.click()
    panel.wait(SECONDS)
    assert "COMPLETED" in shown(panel.results)
    assert "COMPLETED_COMPLIANT" in shown(panel.results)
    panel.plan_button.click()
    panel.wait(SECONDS)
    assert panel.why_not.startswith("Everything is as it is wanted")


def test_a_read_only_panel_plans_and_does_nothing_else(plant):
    panel = SetupPanel(dd.load_preflight(target="plant"), read_only=True)
    panel.plan_button.click()
    panel.wait(SECONDS)
    panel.confirm.value = plant.account
    assert panel.apply_button.disabled
    assert panel.audit_button.disabled
    panel.apply_button.click()
    panel.audit_button.click()
    panel.wait(SECONDS)
    assert is_untouched(plant)


def test_what_aws_refuses_is_shown_with_its_hint(plant):
    panel = SetupPanel(dd.load_preflight(target="plant"))
    panel.audit_button.click()
    panel.wait(SECONDS)
    assert "was never set up" in shown(panel.trouble)
    assert not panel.audit_button.disabled


def test_where_nobody_can_click_the_notebook_reports_and_changes_nothing(plant):
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    sections = []
    for cell in cells:
        source = cell.source
        if "parameters" in cell.metadata.get("tags", []):
            exec(source, names)
            names |= {"target": "plant", "interactive": False}
        elif source.startswith(("import", "preflight =")):
            exec(source, names)
        else:
            sections.append(eval(source, names))
    assert all(isinstance(found, Section) for found in sections)
    page = "".join(found.html for found in sections)
    assert "Audit was never set up here" in page
    assert "to create" in page
    assert "changes nothing" in page
    assert is_untouched(plant)
    assert isinstance(setup_panel(names["preflight"], interactive=True), SetupPanel)


def test_its_parameters_are_annotated_and_explained():
    declared = notebook_parameters(NOTEBOOK)
    assert {name: p.annotation for name, p in declared.items()} == {
        "target": "str",
        "archive": "str",
        "read_only": "bool",
        "interactive": "bool | None",
    }
    assert all(p.help for p in declared.values())
