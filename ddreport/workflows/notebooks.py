"""The notebooks that ship with the package."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ddreport.errors import InputError

_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class ShippedNotebook:
    """One notebook of the package: file name, first heading, and where it is."""

    name: str
    title: str
    path: Path


def notebooks_dir() -> Path:
    """Return the folder of the notebooks: inside the installed package, or at the top of a checkout."""
    inside = _PACKAGE / "notebooks"
    return inside if inside.is_dir() else _PACKAGE.parent / "notebooks"


def shipped_notebooks() -> list[ShippedNotebook]:
    """Return the notebooks in the order of their names."""
    return [ShippedNotebook(p.name, _title(p), p) for p in sorted(notebooks_dir().glob("*.ipynb"))]


def shipped_notebook(name: str) -> Path:
    """Return the path of a shipped notebook by its name, with or without `.ipynb` (else `InputError`)."""
    from ddreport.errors import did_you_mean

    stem = name.removesuffix(".ipynb")
    known = {n.path.stem: n.path for n in shipped_notebooks()}
    if stem not in known:
        raise InputError(f"there is no notebook {name!r}; there are: {', '.join(known)}.{did_you_mean(stem, known)}")
    return known[stem]


def copy_shipped_notebooks(directory: Path, *, force: bool = False) -> list[Path]:
    """Copy all notebooks to `directory` and return their new paths; nothing is copied unless all can be.

    Raises
    ------
    InputError
        The folder cannot be written, or a notebook is there already and `force` is not set.
    """
    shipped = shipped_notebooks()
    copies = []
    try:
        there = [n.name for n in shipped if (directory / n.name).exists()]
        if there and not force:
            raise InputError(
                f"{directory} has {', '.join(there)} already, perhaps with your changes.",
                hint="choose another folder, or overwrite with --force.",
            )
        directory.mkdir(parents=True, exist_ok=True)
        for notebook in shipped:
            part = directory / f".{notebook.name}.part"
            part.write_bytes(notebook.path.read_bytes())
            os.replace(part, directory / notebook.name)
            copies.append(directory / notebook.name)
    except OSError as exc:
        raise InputError(f"{directory} cannot be written: {exc.strerror}.", hint="choose another folder.") from exc
    return copies


def _title(path: Path) -> str:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            first: str = "".join(cell["source"]).strip().splitlines()[0]
            return first.lstrip("# ")
    return path.stem
