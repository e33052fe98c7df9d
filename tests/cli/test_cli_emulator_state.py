"""`ddreport emulator` with a state file, a fleet file, another account and another speed, as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Ran

    Run = Callable[..., Ran]

FLEET = """
days = 2
[company]
organization = "Example Works"
country = "AT"
[[regions]]
name = "alps"
sites = ["graz"]
[[authorities]]
name = "Example CA"
valid_days = [-400, 400]
[[lines]]
key = "pump"
product = "Pump"
prefix = "GP"
thing_types = ["Pump-1"]
sites = ["graz"]
authority = "Example CA"
[[lines.batches]]
devices = 7
age_days = [1, 30]
validity_days = 365
"""


class Running:
    """One `ddreport emulator` that is ready."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.iot = self.client("iot")

    def client(self, service: str) -> Any:
        options = {"region_name": self.ready["region"], "endpoint_url": self.ready["endpoint"]}
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        return boto3.client(service, **options, **keys)  # type: ignore[call-overload]

    @property
    def things(self) -> list[str]:
        return [thing["thingName"] for thing in self.iot.list_things()["things"]]

    def post(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.ready['endpoint']}/_ddreport/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def now(self) -> str:
        with urllib.request.urlopen(self.ready["endpoint"] + "/_ddreport/health") as answer:
            return str(json.load(answer)["now"])

    def end(self, number: signal.Signals) -> str:
        """End it with a signal and return what it said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        assert "Traceback" not in said
        return said


@contextmanager
def running(*arguments: object, **environment: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "ddreport", "emulator", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield Running(process, json.loads(line))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "emulator.state"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_there_at_the_end_is_there_again(state: Path, number: signal.Signals) -> None:
    with running("--fleet", "none", "--state", state, "--as-of", "2026-03-02T09:00Z") as first:
        assert first.ready["state"] == str(state)
        first.iot.create_thing(thingName="pump")
        first.post("advance", seconds=3600)
        said = first.end(number)
        assert first.process.returncode == 0
        assert f"everything is in {state}" in said
    with running("--state", state) as second:
        assert second.ready["fleet"] == "none"
        assert second.things == ["pump"]
        assert second.now().startswith("2026-03-02T10:0")
        assert "Going on from" in second.end(signal.SIGTERM)


@pytest.mark.slow
def test_a_kill_loses_only_what_came_after_the_last_save(state: Path) -> None:
    with running("--fleet", "none", "--state", state, "--save-every", "3600") as first:
        first.iot.create_thing(thingName="saved")
        assert first.post("save")["file"] == str(state)
        first.iot.create_thing(thingName="lost")
        first.process.kill()
        first.process.communicate()
    with running("--state", state) as second:
        assert second.things == ["saved"]


@pytest.mark.slow
def test_a_second_emulator_on_the_same_state_is_refused(state: Path, run: Run) -> None:
    with running("--fleet", "none", "--state", state):
        ran = run("emulator", "--port", "0", "--state", state)
        assert ran.code == 1
        assert "another emulator is running" in ran.err


@pytest.mark.slow
def test_a_fleet_file_another_account_region_and_speed(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(FLEET, encoding="utf-8")
    options = ["--fleet", fleet, "--account", "111122223333", "--region", "us-west-2", "--speed", "86400"]
    with running(*options, "--as-of", "2026-03-02T00:00Z") as emulator:
        assert emulator.ready["account"] == "111122223333"
        assert emulator.ready["region"] == "us-west-2"
        assert emulator.ready["fleet"] == str(fleet)
        assert len(emulator.things) == 7
        assert ":us-west-2:111122223333:" in emulator.iot.list_things()["things"][0]["thingArn"]
        assert not emulator.now().startswith("2026-03-02T00:00:0")


@pytest.mark.slow
def test_listening_beyond_this_machine_is_said_on_stderr() -> None:
    with running("--fleet", "none", "--host", "0.0.0.0", "--quiet") as emulator:
        said = emulator.end(signal.SIGTERM)
    assert re.search("listens on 0.0.0.0, which other machines may reach", said)


@pytest.mark.slow
def test_loopback_is_not_worth_a_warning() -> None:
    with running("--fleet", "none", "--quiet") as emulator:
        assert emulator.end(signal.SIGTERM) == ""


@pytest.mark.slow
def test_the_users_own_aws_configuration_does_not_matter(tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.write_text("[profile", encoding="utf-8")
    with running("--fleet", "none", AWS_PROFILE="nobody", AWS_CONFIG_FILE=str(broken)) as emulator:
        for service, call in (("iam", "list_roles"), ("sns", "list_topics"), ("sqs", "list_queues")):
            answer = getattr(emulator.client(service), call)()
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert emulator.things == []
        assert emulator.client("s3").list_buckets()["Buckets"] == []


# Refused before anything is served


def test_a_foreign_file_is_told_and_left_alone(state: Path, run: Run) -> None:
    state.write_text("my notes", encoding="utf-8")
    ran = run("emulator", "--fleet", "none", "--state", state)
    assert ran.code == 1
    assert "not a saved state" in ran.err
    assert "Hint" in ran.err
    assert state.read_text(encoding="utf-8") == "my notes"
    assert list(state.parent.iterdir()) == [state]


def saved(state: Path) -> None:
    from datetime import UTC, datetime

    from ddreport.emulation import Emulator, ManualClock
    from ddreport.emulation.state import StateFile

    with Emulator(ManualClock(datetime(2026, 3, 2, tzinfo=UTC)), seed=7) as emulator, StateFile(state) as file:
        file.save(emulator)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--seed", "8", "--seed is 8, but the state in"),
        ("--account", "111122223333", "has 123456789012"),
        ("--region", "us-west-2", "has eu-west-1"),
        ("--as-of", "2026-03-01", "it is 2026-03-02T00:00:00+00:00 already"),
    ],
)
def test_what_does_not_fit_the_state_is_told(state: Path, run: Run, option: str, value: str, message: str) -> None:
    saved(state)
    before = state.read_bytes()
    ran = run("emulator", "--state", state, option, value)
    assert ran.code == 2
    assert message in ran.err
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fleet", "nothing.toml"], "nothing.toml cannot be read"),
        (["--fleet", "none", "--account", "12"], "allowed: 12 digits"),
        (["--fleet", "none", "--region", "moon-1"], "no AWS IoT in the Region 'moon-1'"),
        (["--fleet", "none", "--speed", "0"], "--speed"),
        (["--fleet", "none", "--state", "/nowhere/at/all"], "No such file or directory"),
    ],
)
def test_a_wrong_option_is_told(run: Run, options: list[str], message: str) -> None:
    ran = run("emulator", *options)
    assert ran.code in (1, 2)
    assert message in ran.err


def test_a_wrong_fleet_file_is_told_with_its_place(tmp_path: Path, run: Run) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(FLEET.replace("devices = 7", 'devices = "seven"'), encoding="utf-8")
    ran = run("emulator", "--fleet", fleet)
    assert ran.code == 1
    assert str(fleet) in ran.err
    assert "lines[0].batches[0].devices" in ran.err
