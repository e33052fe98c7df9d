"""The emulator's pages: every operation and check has a row, and the examples do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from ddreport.catalogue import checks as catalogue
from ddreport.cli.app import app
from ddreport.emulation import Emulator, control
from ddreport.emulation.observations import Observations

DOCS = Path(__file__).parents[2] / "docs"
EMULATOR = (DOCS / "emulator.md").read_text(encoding="utf-8")
TESTING = (DOCS / "testing-with-the-emulator.md").read_text(encoding="utf-8")

GRADES = {"documented", "inferred", "simplified"}


def section(title, level="##"):
    """Return the text under a heading, up to the next one of its level or above."""
    after = EMULATOR.split(f"\n{level} {title}\n")[1]
    return re.split(rf"\n#{{2,{len(level)}}} ", after)[0]


def rows(title, level="###"):
    """Return the rows of a section's table: what stands in backquotes first, the grade, the notes."""
    return re.findall(r"^\| `(\w+)` \| ([^|]*) \|(.*)\|$", section(title, level), flags=re.MULTILINE)


def test_every_implemented_operation_has_a_row(account):
    names = [name for name, _, _ in rows("Operations")]
    assert sorted(names) == sorted(account.emulator.audit().operations)


def test_every_check_has_a_row():
    names = [name for name, _, _ in rows("Checks")]
    assert names == sorted(catalogue())


@pytest.mark.parametrize("title", ["Operations", "Checks"])
def test_every_row_has_a_known_grade(title):
    for name, grade, _ in rows(title):
        assert set(grade.split(", ")) <= GRADES, name


@pytest.mark.parametrize("title", ["Operations", "Checks", "Around the audit"])
def test_what_is_inferred_or_simplified_says_how(title):
    table = re.findall(r"^\| (.+?) \| ([^|]*) \|(.*)\|$", section(title, "###"), flags=re.MULTILINE)
    for name, grade, notes in table:
        if "inferred" in grade or "simplified" in grade:
            assert notes.strip(), name


def test_there_are_fifty_readings_in_order():
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", EMULATOR.split('id="readings"')[1], flags=re.MULTILINE)]
    assert numbers == list(range(1, 51))


def test_every_option_of_the_command_is_explained():
    command = next(c for c in app.registered_commands if c.callback.__name__ == "emulator")
    hints = get_type_hints(command.callback, include_extras=True).values()
    # typer keeps an option's first name as its default here.
    options = {meta.default for hint in hints for meta in getattr(hint, "__metadata__", ())}
    assert options
    table = "\n".join(line for line in EMULATOR.splitlines() if line.startswith("| `--"))
    assert {option for option in options if f"`{option}" not in table} == set()


def test_every_control_call_is_explained():
    calls = set(re.findall(r"^\| `(GET|POST) ([\w/-]+)` \|", EMULATOR, flags=re.MULTILINE))
    assert calls == set(control._ROUTES)


def test_every_observation_of_the_python_interface_is_named():
    text = section("Telling it what AWS observes")
    own = {name for name in vars(Observations) if not name.startswith("_")} - {"audit", "now", "lock", "account"}
    public = own | {"connect_device", "fail_check", "restore_check", "cancel_audit", "faults", "advance", "reset"}
    assert {name for name in public if f"`{name}`" not in text} == set()
    assert all(hasattr(Emulator, name) for name in public - {"faults"})


def test_the_python_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(from datetime.*?)```", EMULATOR, flags=re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.startswith("http://127.0.0.1:")
    assert "2026-05-31 00:00:00+00:00" in ran.stdout


@pytest.mark.slow
def test_the_examples_for_pytest_pass(tmp_path):
    examples = re.findall(r"<!-- example: (\S+), run by a test -->\n```python\n(.*?)```", TESTING, flags=re.DOTALL)
    assert [name for name, _ in examples] == ["test_report.py", "handler.py", "test_handler.py"]
    for name, text in examples:
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "6 passed" in ran.stdout


def test_the_fixtures_named_exist():
    from ddreport.emulation import pytest_plugin

    for name in re.findall(r"^\| `(iot_emulator\w*)` \|", TESTING, flags=re.MULTILINE):
        assert hasattr(pytest_plugin, name)
    handle = set(re.findall(r"`(\w+)(?:\([^)]*\))?`", TESTING.split("The handle has")[1].split("The marker")[0]))
    public = {name for name in dir(pytest_plugin.IotEmulator) if not name.startswith("_")}
    assert public | {"endpoint", "account", "region", "emulator"} <= handle
    marker = TESTING.split("The marker `iot_emulator` takes")[1].split(".")[0]
    assert set(re.findall(r"`(\w+)`", marker)) == set(pytest_plugin._OPTIONS)
