"""The built wheel works in an environment of its own, outside of the checkout, and carries the notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a new environment with the wheel; libraries come from this one, ddreport does not.

    A path file makes the libraries importable without running this environment's own path files, which is where the
    editable checkout hangs.
    """
    home = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, capture_output=True, check=True)
    site = next((home / "lib").glob("python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin"


def call(installed: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [installed / "ddreport", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_carries_notebooks_catalogue_templates_and_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "ddreport/notebooks/compliance_report.ipynb" in names
    assert {f"ddreport/widgets/static/{name}" for name in ("table.js", "table.css", "blocks.js", "base.css")} <= set(
        names
    )
    assert {"ddreport/py.typed", "ddreport/catalogue/checks.json", "ddreport/catalogue/controls.json"} <= set(names)
    assert any(name.startswith("ddreport/rendering/templates/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "notebooks/"))]


@pytest.mark.slow
def test_the_installed_package_is_the_wheel_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import ddreport; print(ddreport.__file__)"
    where = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert where.startswith(str(installed.parent))


@pytest.mark.slow
def test_the_installed_package_copies_its_notebooks(installed: Path, tmp_path: Path) -> None:
    call(installed, tmp_path, "notebooks", "copy", "mine")
    assert json.loads((tmp_path / "mine" / "compliance_report.ipynb").read_text(encoding="utf-8"))["cells"]


@pytest.mark.slow
def test_the_installed_package_makes_the_demo_report(installed: Path, tmp_path: Path) -> None:
    made = json.loads(call(installed, tmp_path, "demo", "--json", "--archive", "archive", "--out", "out"))
    html = (tmp_path / made["html"]).read_text(encoding="utf-8")
    assert "Emulated account" in html
