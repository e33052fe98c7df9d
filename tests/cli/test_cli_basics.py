"""The command line as such: help, global options, errors, targets, notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ddreport.cli import global_options_first
from ddreport.cli.output import Output
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

COMMANDS = ["demo", "emulator", "targets", "pull", "inventory", "findings", "report", "notebooks", "version"]


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert all(f" {command} " in ran.out for command in COMMANDS)
    assert "Exit codes" in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert f"ddreport {command}" in ran.out


@pytest.mark.parametrize("place", [["--json", "version"], ["version", "--json"]])
def test_global_options_may_stand_anywhere(run: Run, place: list[str]) -> None:
    assert run(*place).json["ddreport"] == __version__


def test_global_options_after_a_double_dash_stay_where_they_are() -> None:
    assert global_options_first(["a", "--quiet", "--", "--json"]) == ["--quiet", "a", "--", "--json"]
    assert global_options_first(["a", "--log-level", "info", "b"]) == ["--log-level", "info", "a", "b"]
    assert global_options_first(["a", "--log-level=info"]) == ["--log-level=info", "a"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["pul"], "No such command 'pul'"),
        (["pull", "--nonsense"], "No such option: --nonsense"),
        (["emulator", "--port", "70000"], "less than or equal to 65535"),
        (["version", "--log-level", "loud"], "allowed: debug, info, warning, error"),
        (["pull", "--target", "prod", "--region", "eu-west-1"], "--region cannot be combined"),
        (["pull", "--target", "prod", "--all-targets"], "exclude each other"),
        (["pull", "--target", "prod"], "'prod' is not defined"),
        (["pull", "--all-targets"], "names no target"),
        (["pull", "--region", "Ireland"], "not a Region"),
        (["pull", "--start", "soon"], "allowed: 2026-03-02"),
        (["report", "-p", "title"], "allowed: NAME=VALUE"),
    ],
)
def test_wrong_use_ends_with_code_2_and_says_what_is_wrong(run: Run, arguments: list[str], text: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert text in ran.err
    assert not ran.out


def test_an_error_is_json_for_programs(run: Run) -> None:
    ran = run("pull", "--target", "prod", "--json")
    error = json.loads(ran.err)
    assert (error["error"], error["exit_code"]) == ("TargetError", 2)
    assert error["hint"]


def test_targets_are_listed_without_the_external_id(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "ddreport.toml"
    config.write_text(
        '[targets.prod]\nregion = "eu-west-1"\nrole_arn = "arn:aws:iam::111122223333:role/R"\nexternal_id = "hush"\n',
        encoding="utf-8",
    )
    ran = run("targets", "--config", config, "--json")
    assert [row["name"] for row in ran.json] == ["demo", "prod"]
    assert ran.json[1]["external_id"] == "set"
    assert "hush" not in ran.out + ran.err


def test_a_named_configuration_that_is_missing_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("targets", "--config", tmp_path / "no.toml")
    assert ran.code == 2
    assert "does not exist" in ran.err


def test_notebooks_are_copied_once_and_then_left_alone(run: Run, tmp_path: Path) -> None:
    listed = run("notebooks", "list", "--json").json
    assert "compliance_report.ipynb" in [n["notebook"] for n in listed]
    assert run("notebooks", "copy", tmp_path / "mine").code == 0
    mine = tmp_path / "mine" / "compliance_report.ipynb"
    mine.write_text("changed", encoding="utf-8")
    again = run("notebooks", "copy", tmp_path / "mine")
    assert again.code == 2
    assert mine.read_text(encoding="utf-8") == "changed"
    assert run("notebooks", "copy", tmp_path / "mine", "--force").code == 0
    assert mine.read_text(encoding="utf-8") != "changed"


def test_text_from_aws_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.warn("a\x1b[2Jb\u202ec\u200bd")
    out.table([{"name": "a\x1b[2Jb", "none": None}], {"name": "Name", "none": "None"}, empty="nothing")
    said = capsys.readouterr()
    assert said.err == "warning: a\\x1b[2Jb\\u202ec\\u200bd\n"
    assert "a\\x1b[2Jb" in said.out
    assert "–" in said.out
    assert "\x1b" not in said.out


def test_a_full_output_is_told_without_a_traceback() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ddreport", "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m ddreport version --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


def test_a_configuration_that_is_a_folder_is_told(run: Run, tmp_path: Path) -> None:
    ran = run("targets", "--config", tmp_path)
    assert ran.code == 2
    assert "is a folder" in ran.err


def test_the_command_line_starts_without_the_heavy_libraries():
    script = "import sys, ddreport.cli.app; print(sorted({'pandas', 'pyarrow', 'duckdb', 'boto3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
