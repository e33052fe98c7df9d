"""`ddreport setup …` as a user sees it: one target and several, refused, asked, checked every day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOGGING = "LOGGING_DISABLED_CHECK"
SETUP = """
[setup]
checks = ["LOGGING_DISABLED_CHECK", "DEVICE_CERTIFICATE_EXPIRING_CHECK"]
[setup.mitigation_actions.EnableErrorLoggingAction]
type = "ENABLE_IOT_LOGGING"
[setup.notifications]
subscribers = ["arn:aws:sqs:eu-west-1:111122223333:audits"]
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("DDREPORT_CONFIG", "-")
    monkeypatch.delenv("DDREPORT_CONFIG")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def config(world: Any, tmp_path: Path) -> Path:
    """Two accounts and two Regions: `here`, `there` (another account), `far` (another Region)."""
    endpoint = f'endpoint_url = "{world.server.endpoint}"\n'
    path = tmp_path / "ddreport.toml"
    path.write_text(
        f'[targets.here]\nregion = "eu-west-1"\n{endpoint}'
        f'[targets.there]\nregion = "eu-west-1"\nrole_arn = "arn:aws:iam::222233334444:role/SetUp"\n{endpoint}'
        f'[targets.far]\nregion = "us-east-1"\n{endpoint}' + SETUP,
        encoding="utf-8",
    )
    return path


def test_plan_apply_check_remove_of_one_target(run, config, world):
    planned = run("setup", "plan", "-t", "here", "--config", config)
    assert planned.code == 0
    assert "create" in planned.out
    assert "AWSIoTDeviceDefenderAudit" in planned.out
    assert "is emulated" in planned.err
    assert world.writes() == []
    assert run("setup", "plan", "-t", "here", "--config", config, "--check").code == 3

    applied = run("setup", "apply", "--yes", "-t", "here", "--config", config)
    assert applied.code == 0
    assert "applied" in applied.out
    assert "here: create role AWSIoTDeviceDefenderAudit" in applied.err
    world.writes()

    assert run("setup", "plan", "-t", "here", "--config", config, "--check").code == 0
    again = run("setup", "apply", "--yes", "-t", "here", "--config", config)
    assert (again.code, world.writes()) == (0, [])
    assert "as wanted" in again.out

    iot = world.client("iot")
    iot.delete_scheduled_audit(scheduledAuditName="AWSIoTDeviceDefenderDailyAudit")
    iot.set_v2_logging_options(disableAllLogs=True)
    checked = run("setup", "plan", "-t", "here", "--config", config, "--check")
    assert checked.code == 3
    assert "drift" in checked.out
    assert "all logs are disabled" in checked.out

    shown = run("setup", "show", "-t", "here", "--config", config)
    assert shown.code == 0
    assert "2 of 17 checks enabled" in shown.out
    assert "all logs are disabled" in shown.out

    removed = run("setup", "remove", "--yes", "-t", "here", "--config", config)
    assert removed.code == 0
    assert world.client("iam").list_roles()["Roles"] == []


def test_two_accounts_and_two_regions_in_one_run_and_one_that_refuses(run, config, world):
    world.refuse("iot:CreateScheduledAudit", region="us-east-1")
    ran = run("setup", "apply", "--yes", "--all-targets", "--config", config, "--json")
    assert ran.code == 4
    rows = {row["target"]: row for row in ran.json}
    assert {name: row["status"] for name, row in rows.items()} == {
        "here": "applied",
        "there": "applied",
        "far": "failed",
    }
    assert (rows["there"]["account"], rows["far"]["region"]) == ("222233334444", "us-east-1")
    assert "iot:CreateScheduledAudit" in rows["far"]["error"]
    assert "Done until then: " in rows["far"]["error"]

    planned = run("setup", "plan", "--all-targets", "--config", config)
    lines = [line.split() for line in planned.out.splitlines()]
    summary = {line[0]: " ".join(line[1:]) for line in lines if len(line) > 2 and line[1].isdigit()}
    assert summary["here"].startswith("111122223333 eu-west-1 as wanted")
    assert summary["there"].startswith("222233334444 eu-west-1 as wanted")
    assert summary["far"].startswith("111122223333 us-east-1 to be changed")

    world.recorder.refusals.clear()
    assert run("setup", "apply", "--yes", "--all-targets", "--config", config).code == 0
    assert run("setup", "plan", "--check", "--all-targets", "--config", config).code == 0
    session = world.session("eu-west-1", "222233334444")
    assert len(session.iot.list_scheduled_audits()["scheduledAudits"]) == 1


def test_a_target_that_cannot_be_asked_spoils_no_other(run, config, world):
    world.refuse("sts:AssumeRole", "AccessDenied")
    ran = run("setup", "plan", "-t", "here", "-t", "there", "--config", config, "--json")
    assert ran.code == 4
    rows = {row["target"]: row for row in ran.json}
    assert rows["here"]["status"] == "to be changed"
    assert rows["there"]["status"] == "failed"
    assert "sts:AssumeRole" in rows["there"]["error"]


def test_bad_input_of_one_target_is_found_before_any_is_written(run, config, world):
    text = config.read_text(encoding="utf-8") + '[setup.far]\nlogging = "LOUD"\n'
    config.write_text(text, encoding="utf-8")
    ran = run("setup", "apply", "--yes", "--all-targets", "--config", config)
    assert ran.code == 2
    assert "[setup.far]" in ran.err
    assert world.recorder.asked == []


def test_what_cannot_be_applied_here_ends_with_2_and_writes_nothing(run, config, world):
    text = config.read_text(encoding="utf-8") + '[setup.here.roles]\naudit = "arn:aws:iam::999988887777:role/A"\n'
    config.write_text(text, encoding="utf-8")
    planned = run("setup", "plan", "-t", "here", "--config", config)
    assert planned.code == 2
    assert "is of account 999988887777" in planned.err
    applied = run("setup", "apply", "--yes", "-t", "here", "--config", config)
    assert applied.code == 2
    assert "Nothing was changed." in applied.err
    assert world.writes() == []
    both = run("setup", "apply", "--yes", "-t", "here", "-t", "there", "--config", config)
    assert both.code == 4
    assert run("setup", "plan", "-t", "there", "--config", config, "--check").code == 0


def test_a_part_that_may_not_be_read_ends_with_4_and_is_named(run, config, world):
    world.refuse("cloudwatch:DescribeAlarms", "AccessDeniedException")
    planned = run("setup", "plan", "-t", "here", "--config", config)
    assert planned.code == 4
    assert "9 to create, 3 unknown" in planned.out
    shown = run("setup", "show", "-t", "here", "--config", config, "--json")
    assert shown.code == 4
    (alarms,) = [row for row in shown.json if row["part"] == "alarm"]
    assert alarms["state"] == "could not be read: cloudwatch:DescribeAlarms was refused: AccessDeniedException"


def test_without_anybody_to_ask_nothing_is_changed(run, config, world):
    for command in ("apply", "remove"):
        ran = run("setup", command, "-t", "here", "--config", config)
        assert ran.code == 2
        assert f"ddreport setup {command} --yes" in ran.err
    assert world.writes() == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_somebody_is_asked_and_obeyed(run, config, world, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return answer == "y"

    monkeypatch.setattr("typer.confirm", confirm)
    ran = run("setup", "apply", "-t", "here", "--config", config)
    assert ran.code == code
    assert asked == ["Apply: 12 changes. Go on?"]
    assert bool(world.writes()) == (answer == "y")


def test_a_target_that_is_read_only_is_planned_but_not_changed(run, config, world):
    text = config.read_text(encoding="utf-8").replace("[targets.here]\n", '[targets.here]\nmitigation = "read-only"\n')
    config.write_text(text, encoding="utf-8")
    assert run("setup", "plan", "-t", "here", "--config", config).code == 0
    ran = run("setup", "apply", "--yes", "-t", "here", "--config", config)
    assert ran.code == 2
    assert "read-only" in ran.err
    assert world.writes() == []


def test_the_json_of_a_plan_names_the_calls(run, config, world):
    (row,) = run("setup", "plan", "-t", "here", "--config", config, "--json").json
    schedule = next(change for change in row["changes"] if change["part"] == "schedule")
    assert schedule["change"] == "create"
    (call,) = schedule["calls"]
    assert call["operation"] == "iot:CreateScheduledAudit"
    assert call["arguments"]["frequency"] == "DAILY"
    assert row["emulated"] is True
    assert row["counts"] == {"create": 12}


def test_names_from_aws_cannot_reach_the_terminal(run, config, world):
    iam = world.client("iam")
    document = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    iam.create_role(
        RoleName="AWSIoTLoggingRole", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **document})
    )
    world.client("iot").set_v2_logging_options(
        roleArn="arn:aws:iam::111122223333:role/\x1b[31mred", defaultLogLevel="INFO"
    )
    ran = run("setup", "plan", "-t", "here", "--config", config)
    assert "red" in ran.out
    assert "\x1b[31m" not in ran.out + ran.err


@pytest.mark.parametrize("command", ["plan", "apply", "show", "remove"])
def test_the_help_says_what_is_changed_and_how_to_begin(run, command):
    whole = run("setup", "--help")
    assert "the table `setup` of ddreport.toml" in " ".join(whole.out.split())
    told = run("setup", command, "--help")
    assert told.code == 0
    assert f"ddreport setup {command} " in told.out
