"""Small notebooks, written and run for the tests of rendering."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PARAMETERS = "rows: int = 5  # how many\nname: str = 'demo'  # of whom"

MakeNotebook = Callable[..., Path]


@pytest.fixture
def make_notebook(tmp_path: Path) -> MakeNotebook:
    """Write a notebook with a parameters cell and the given code cells; returns its path."""

    def make(*cells: str, parameters: str = PARAMETERS, kernel: str = "python3", file: str = "tiny.ipynb") -> Path:
        sources = [parameters, *cells]
        notebook = new_notebook(
            cells=[
                new_code_cell(s, id=f"cell-{i}", metadata={"tags": ["parameters"]} if i == 0 else {})
                for i, s in enumerate(sources)
            ],
            metadata={"kernelspec": {"name": kernel, "language": "python", "display_name": "Python 3"}},
        )
        path = tmp_path / file
        nbformat.write(notebook, path)
        return path

    return make


@pytest.fixture
def executed() -> Callable[..., Any]:
    """Make an executed notebook in memory: one code cell per list of outputs, Markdown cells from texts."""

    def make(*cells: Any, tags: list[list[str]] | None = None) -> Any:
        made = []
        for i, cell in enumerate(cells):
            metadata = {"tags": tags[i]} if tags and tags[i] else {}
            if isinstance(cell, str):
                made.append(new_markdown_cell(cell, id=f"m-{i}", metadata=metadata))
            else:
                made.append(new_code_cell("secret_code()", id=f"c-{i}", outputs=cell, metadata=metadata))
        return new_notebook(cells=made)

    return make


@pytest.fixture
def html_output() -> Callable[[str], Any]:
    """Make an output of HTML."""
    return lambda html: new_output("display_data", {"text/html": html, "text/plain": "x"})


@pytest.fixture
def figure_output() -> Callable[..., Any]:
    """Make an output of a plotly figure."""

    def make(
        layout: dict[str, Any] | None = None,
        data: list[dict[str, Any]] | None = None,
        html: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Any:
        figure = {"data": data or [{"type": "bar", "x": [1, 2], "y": [3, 4]}], "layout": layout or {}}
        bundle: dict[str, Any] = {"application/vnd.plotly.v1+json": figure, "text/plain": "Figure"}
        if html is not None:
            bundle["text/html"] = html
        return new_output("display_data", bundle, metadata={"ddreport": metadata} if metadata else {})

    return make


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty folder to be the current one."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Make an empty folder for temporary files, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="t"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def unwritable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Find a folder in which no file can be made, not even by root, whom rights do not stop."""
    folder = tmp_path_factory.mktemp("unwritable")
    folder.chmod(0o555)
    try:
        (folder / "probe").touch()
    except PermissionError:
        yield folder
    else:
        yield Path("/proc")
    folder.chmod(0o755)
