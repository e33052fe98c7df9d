"""The house itself: what the project's own files promise to each other."""

from __future__ import annotations

import ast
import json
import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ddreport"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Layer of each first-level module or package; imports go from a higher number to a lower one, or stay at home.
LAYERS = {
    "version": 0,
    "errors": 0,
    "terms": 0,
    "schema_types": 0,
    "schemas": 0,
    "schemas_inventory": 0,
    "settings": 0,
    "targets": 0,
    "catalogue": 0,
    "records": 0,
    "progress": 0,
    "window": 0,
    "parameters": 0,
    "engines": 1,
    "tables": 1,
    "history": 2,
    "metrics": 3,
    "mitigation": 4,
    "suppression": 4,
    "setup": 5,
    "doctor": 6,
    "aws": 6,
    "archive": 6,
    "emulation": 6,
    "rendering": 6,
    "presentation": 6,
    "exporting": 7,
    "notification": 7,
    "connect": 7,
    "workflows": 8,
    "widgets": 9,
    "cli": 9,
    "__init__": 10,
    "__main__": 11,
}


def imports_of(path: Path) -> set[str]:
    """First-level names of `ddreport` that a module imports, wherever in the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "ddreport":
                found |= {f"ddreport.{a.name}" for a in node.names}
    return {name.split(".")[1] for name in found if name.startswith("ddreport.")}


def home_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_the_layers(path: Path) -> None:
    home = home_of(path)
    wrong = {
        other
        for other in imports_of(path)
        if other not in {home, "__version__"}
        and not (LAYERS[other] < LAYERS[home] or LAYERS[other] == LAYERS[home] == 0)
    }
    assert not wrong, f"{home} (layer {LAYERS[home]}) must not import {wrong}"


def requirement_strings(*extras: str) -> set[str]:
    project = PYPROJECT["project"]
    found = set(project["dependencies"])
    for extra in extras:
        found |= set(project["optional-dependencies"][extra])
    return found


def test_environment_yml_asks_for_the_same_as_pyproject() -> None:
    listed = re.findall(r"^ {6}- (\S+)$", (ROOT / "environment.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(listed) == requirement_strings("emulator", "report", "widgets", "lab")
    assert f"- python{PYPROJECT['project']['requires-python']}" in (ROOT / "environment.yml").read_text(
        encoding="utf-8"
    )


def test_constraints_pin_every_named_requirement_without_addresses() -> None:
    lines = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {re.sub(r"[._-]+", "-", line.split("==")[0]).lower() for line in lines}
    named = {
        re.sub(r"[._-]+", "-", re.split(r"[\[<>=!~ ]", requirement)[0]).lower()
        for requirement in requirement_strings(*PYPROJECT["project"]["optional-dependencies"])
    } - {"ddreport"}
    assert named <= pinned


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.name)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    assert code
    assert all(not c["outputs"] and c["execution_count"] is None for c in code)
    assert not any("injected-parameters" in c["metadata"].get("tags", []) for c in code)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT)) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert not silent


@pytest.mark.parametrize("page", ["tables.md", "checks.md", "exports.md"])
def test_the_generated_pages_say_what_the_package_says(page: str) -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == generate["PAGES"][page](), (
        "run python docs/generate.py"
    )


def test_every_public_name_can_be_had_and_is_described() -> None:
    import ddreport

    assert all(getattr(ddreport, name).__doc__ for name in ddreport.__all__ if name != "__version__")
    assert set(dir(ddreport)) == set(ddreport.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ddreport.nonsense
