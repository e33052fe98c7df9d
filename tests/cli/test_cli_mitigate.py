"""`ddreport mitigate plan|show|approve` on an emulated account over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ddreport.mitigation.plan_file import read_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACTION = "EnableErrorLoggingAction"
CHECK = "LOGGING_DISABLED_CHECK"


@pytest.fixture
def account(iot_emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]) -> Any:
    """An account without logging, audited and pulled, with the tutorial's action defined; target `prod`."""
    for name, value in iot_emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDREPORT_ARCHIVE", str(tmp_path / "archive"))
    (tmp_path / "ddreport.toml").write_text(
        f'[targets.prod]\nregion = "{iot_emulator.region}"\nendpoint_url = "{iot_emulator.endpoint}"\n'
    )
    iot_emulator.enable(CHECK)
    role = f"arn:aws:iam::{iot_emulator.account}:role/Mitigation"
    logging = {"roleArnForLogging": f"arn:aws:iam::{iot_emulator.account}:role/Logging", "logLevel": "ERROR"}
    iot_emulator.client("iot").create_mitigation_action(
        actionName=ACTION, roleArn=role, actionParams={"enableIoTLoggingParams": logging}
    )
    iot_emulator.audit(CHECK)
    assert run("pull", "--target", "prod").code == 0
    return iot_emulator


def test_from_a_finding_to_an_approved_plan(account: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    made = run("mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION, "--out", "plan.yaml")
    assert made.code == 0, made.err
    assert "switches AWS IoT logging on" in made.out or "logging" in made.out.lower()
    plan = read_plan(tmp_path / "plan.yaml")
    assert (plan.account, plan.region, plan.emulated) == (account.account, account.region, True)
    assert plan.made_by
    assert [(f.check_name, f.actions, f.wave) for f in plan.findings] == [(CHECK, (ACTION,), 1)]
    assert plan.expected
    assert (plan.expected.before.non_compliant_checks, plan.expected.after.non_compliant_checks) == (1, 0)
    assert f"{plan.short}" in made.out
    shown = run("mitigate", "show", "plan.yaml", "--json").json
    assert shown["digest"] == plan.digest
    approved = run("mitigate", "approve", "plan.yaml", "--note", "looked at it", "--json")
    assert approved.json["plan"] == plan.digest
    assert (tmp_path / "plan.approval.yaml").exists()
    again = run("mitigate", "approve", "plan.yaml")
    assert (again.code, "never overwritten" in again.err) == (2, True)


def test_planning_changes_nothing_in_the_account(account: Any, run: Callable[..., Any]) -> None:
    before = account.client("iot").get_v2_logging_options
    with pytest.raises(Exception, match="NotConfigured"):
        before()
    assert run("mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION).code == 0
    with pytest.raises(Exception, match="NotConfigured"):
        before()


def test_the_same_archive_gives_the_same_offline_plan(account: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    asked = ["mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION, "--offline", "--out"]
    assert run(*asked, "one.yaml").code == run(*asked, "two.yaml").code == 0
    assert (tmp_path / "one.yaml").read_bytes() == (tmp_path / "two.yaml").read_bytes()
    plan = read_plan(tmp_path / "one.yaml")
    assert (plan.made_by, plan.archive_head is None) == (None, False)


def test_a_second_person_must_be_another_one(account: Any, run: Callable[..., Any]) -> None:
    asked = ["mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION, "--require-approval"]
    assert run(*asked, "--out", "plan.yaml").code == 0
    refused = run("mitigate", "approve", "plan.yaml")
    assert (refused.code, "somebody else must approve" in refused.err) == (2, True)


def test_the_target_says_what_a_plan_needs(account: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    toml = tmp_path / "ddreport.toml"
    toml.write_text(toml.read_text() + 'mitigation = "second-person"\n')
    assert run("mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION, "--out", "p.yaml").code == 0
    assert read_plan(tmp_path / "p.yaml").approval.second_person
    toml.write_text(toml.read_text().replace("second-person", "secondperson"))
    wrong = run("mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION)
    assert (wrong.code, "Did you mean 'second-person'" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "nothing says which findings"),
        (["--check", CHECK], f"no action is named. Fitting: {CHECK}: {ACTION}"),
        (["--check", CHECK, "--action", "EnableLogging"], "no mitigation action 'EnableLogging' is defined"),
        (["--check", "LOGGING_CHECK", "--action", ACTION], "no open finding has the check 'LOGGING_CHECK'"),
        (["--check", CHECK, "--action", f"DEVICE_CERTIFICATE_AGE_CHECK={ACTION}"], "no selected finding is of this"),
        (["--check", CHECK, "--severity", "low", "--exclude", "*", "--action", ACTION], "would do nothing"),
        (["--check", CHECK, "--action", ACTION, "--waves", "0"], "is no size"),
        (["--check", CHECK, "--action", ACTION, "--stop-at", "200%"], "is no share"),
    ],
)
def test_what_cannot_be_planned_is_said_and_nothing_is_written(
    account: Any, run: Callable[..., Any], tmp_path: Path, options: list[str], told: str
) -> None:
    done = run("mitigate", "plan", "-t", "prod", *options)
    assert (done.code, told in done.err) == (2, True), done.err
    assert not list(tmp_path.glob("mitigation-*"))


def test_a_plan_of_another_account_cannot_be_made(
    account: Any, run: Callable[..., Any], tmp_path: Path, canned: Any
) -> None:
    with canned.CannedServer(canned.CannedAccount(account="999999999999")) as other:
        toml = tmp_path / "ddreport.toml"
        toml.write_text(toml.read_text().replace(account.endpoint, other.endpoint))
        done = run("mitigate", "plan", "-t", "prod", "--check", CHECK, "--action", ACTION)
    assert done.code == 2
    assert "999999999999" in done.err


def test_a_plan_made_without_a_named_target_is_enough_to_find_its_account_again(
    account: Any, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.endpoint)
    (tmp_path / "ddreport.toml").unlink()
    region = ("--region", account.region)
    assert run("pull", *region).code == 0
    made = run("mitigate", "plan", *region, "--check", CHECK, "--action", ACTION, "--out", "plan.yaml")
    assert made.code == 0, made.err
    assert read_plan(tmp_path / "plan.yaml").target == f"region:{account.region}"
    assert run("mitigate", "approve", "plan.yaml").code == 0
    assert run("mitigate", "apply", "plan.yaml", "--dry-run").code == 0
    for command in (("verify", "plan.yaml"), ("rollback", "plan", "plan.yaml")):
        done = run("mitigate", *command)
        assert (done.code, "was ever applied from this archive" in done.err) == (1, True), done.err
