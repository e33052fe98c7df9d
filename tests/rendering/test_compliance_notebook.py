"""The shipped notebook: thin, typed parameters with help, fixed ids, nothing left of a run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ddreport.rendering import notebook_parameters

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "compliance_report.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    """Return its cells."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    return list(notebook.cells)


def test_its_parameters_are_annotated_and_explained() -> None:
    declared = notebook_parameters(NOTEBOOK)
    assert {name: (p.annotation, p.default) for name, p in declared.items()} == {
        "target": ("str", "demo"),
        "archive": ("str", ""),
        "start": ("str", ""),
        "end": ("str", ""),
        "checks": ("list[str]", []),
        "title": ("str", ""),
    }
    assert all(p.help for p in declared.values())


def test_papermill_reads_the_same_parameters() -> None:
    from papermill import inspect_notebook

    found = inspect_notebook(NOTEBOOK)
    assert {name: p["inferred_type_name"] for name, p in found.items()} == {
        name: p.annotation for name, p in notebook_parameters(NOTEBOOK).items()
    }


def test_it_is_thin(cells: list[Any]) -> None:
    for cell in cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 10
            assert not [
                n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.FunctionDef | ast.For | ast.While)
            ]


def test_its_cells_have_names_for_ids(cells: list[Any]) -> None:
    ids = [cell.id for cell in cells]
    assert ids[:4] == ["title", "parameters", "guard", "load"]
    assert len(set(ids)) == len(ids)


def test_it_begins_with_question_input_and_output(cells: list[Any]) -> None:
    for word in ("**Question.**", "**Input.**", "**Output.**"):
        assert word in cells[0].source


def test_every_section_it_calls_exists(cells: list[Any]) -> None:
    from ddreport.presentation import report

    called = {
        node.func.attr
        for cell in cells
        if cell.cell_type == "code"
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "dd.report"
    }
    assert len(called) == 11
    assert all(callable(getattr(report, name)) for name in called)
