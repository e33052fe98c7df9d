"""The mitigation notebook where nobody can click: it shows plan, outcomes and effect, and changes nothing."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nbformat
import pytest

import ddreport as dd
from ddreport.errors import ParameterError, PlanError
from ddreport.rendering import notebook_parameters
from ddreport.widgets import MitigationPanel, is_interactive, mitigation_panel
from ddreport.widgets.mitigation import forget_panels

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "mitigation.ipynb"
SECONDS = 90.0


@pytest.fixture(scope="module")
def shared() -> ModuleType:
    """The module that furnishes the account."""
    path = Path(__file__).parents[1] / "support_mitigation_account.py"
    spec = importlib.util.spec_from_file_location("support_mitigation_account_notebook", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def account(iot_emulator: Any, shared: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in iot_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    iot_emulator.ids = shared.furnish(iot_emulator)
    shared.configure(iot_emulator, tmp_path)
    forget_panels()
    yield iot_emulator
    forget_panels()


def repaired(shared: ModuleType, *, verify: bool = False) -> MitigationPanel:
    """Repair two certificates by clicking."""
    panel = MitigationPanel(target="plant", archive="archive")
    panel.wait(SECONDS)
    panel.check_choice.value = shared.EXPIRING
    panel.findings.select(panel.findings.rows.keys[:2])
    for name in ("plan_button", "apply_button", *(["verify_button"] if verify else [])):
        panel.confirm.value = panel.state.confirmation
        getattr(panel, name).click()
        panel.wait(SECONDS)
    assert panel.state.failure is None
    return panel


def test_its_parameters_are_annotated_and_explained() -> None:
    declared = notebook_parameters(NOTEBOOK)
    assert {name: (p.annotation, p.default) for name, p in declared.items()} == {
        "target": ("str", "demo"),
        "archive": ("str", ""),
        "checks": ("list[str]", []),
        "plan": ("str", ""),
        "plans": ("str", "."),
        "read_only": ("bool", False),
        "interactive": ("bool | None", None),
    }
    assert all(p.help for p in declared.values())


def test_it_is_thin() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 10
            assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.FunctionDef | ast.For)]


@pytest.mark.kernel
@pytest.mark.slow
def test_papermill_renders_plan_outcomes_and_effect_and_changes_nothing(
    account: Any, shared: ModuleType, tmp_path: Path
) -> None:
    import papermill

    panel = repaired(shared, verify=True)
    before = account.emulator.call("ListMitigationActions")
    done = papermill.execute_notebook(
        NOTEBOOK,
        tmp_path / "done.ipynb",
        {"target": "plant", "archive": str(tmp_path / "archive"), "plan": str(tmp_path / panel.state.plan_path)},
        cwd=str(tmp_path),
        progress_bar=False,
    )
    html = {
        cell.id: "".join(o["data"].get("text/html", "") for o in cell.outputs)
        for cell in done.cells
        if cell.get("outputs")
    }
    assert "This run is not interactive" in html["panel"]
    assert panel.state.plan.short in html["plan"]
    assert "1 plan applied from this archive" in html["campaigns"]
    assert "2 of 2 actions completed" in html["outcomes"]
    assert "2 of 2 problems fixed at the latest look" in html["effects"]
    assert not any("widget-view" in str(cell.get("outputs")) for cell in done.cells)
    assert account.emulator.call("ListMitigationActions") == before
    assert sorted(shared.statuses(account, account.ids)) == ["ACTIVE", "ACTIVE", "INACTIVE", "INACTIVE"]


@pytest.mark.slow
def test_the_tables_are_those_of_the_archive(account: Any, shared: ModuleType) -> None:
    empty = dd.load_mitigations(target="plant", archive="archive")
    assert (empty.plan, len(empty.campaigns), len(empty.outcomes), len(empty.effects)) == (None, 0, 0, 0)
    assert "No plan was ever applied" in dd.report.mitigation_campaigns(empty).html
    assert "Nothing was carried out" in dd.report.mitigation_outcomes(empty).html
    assert "No campaign was verified yet" in dd.report.mitigation_effects(empty).html
    assert "Emulated account" in dd.report.mitigation_header(empty).html

    panel = repaired(shared)
    found = dd.load_mitigations(target="plant", archive="archive", plan=panel.state.plan.short)
    assert found.plan == panel.state.plan
    assert found.campaigns["completed_count"].tolist() == [2]
    assert set(found.outcomes["resource_id"]) == {f.resource_id for f in panel.state.plan.findings}
    assert shared.DEACTIVATE in dd.report.mitigation_plan(found).html


@pytest.mark.slow
def test_what_cannot_be_loaded_is_said(account: Any, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="plan is 7"):
        dd.load_mitigations(target="plant", archive="archive", plan=7)  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="cannot be read"):
        dd.load_mitigations(target="plant", archive="archive", plan="no.yaml")
    with pytest.raises(dd.DDReportError, match="no plan 'abcdef123' was ever applied"):
        dd.load_mitigations(target="plant", archive="archive", plan="abcdef123")


@pytest.mark.parametrize(
    ("allowed", "voila", "answer"), [(True, None, True), (False, None, False), (False, "http://127.0.0.1/", True)]
)
def test_who_can_click_is_told_by_the_kernel_or_by_voila(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, voila: str | None, answer: bool
) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=allowed))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    if voila:
        monkeypatch.setenv("VOILA_REQUEST_URL", voila)
    assert is_interactive() is answer


def test_outside_of_a_notebook_nobody_can_click() -> None:
    assert is_interactive() is False
    assert "not interactive" in mitigation_panel(target="demo").html
