"""`ddreport actions` as a user sees it, on an emulated account over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.emulation import Emulator, EmulatorServer, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Emulator, str]]:
    with Emulator(ManualClock(NOW), seed=1) as emulator, EmulatorServer(emulator) as server:
        yield emulator, server.endpoint


@pytest.fixture
def actions(served: tuple[Emulator, str], run: Callable[..., Any]) -> Callable[..., Any]:
    emulator, endpoint = served
    emulator.reset(ManualClock(NOW))

    def call(command: str, *arguments: str) -> Any:
        return run("actions", command, *arguments, "--endpoint-url", endpoint, "--region", "eu-west-1")

    return call


def test_defaults_are_created_listed_shown_and_deleted(actions: Callable[..., Any]) -> None:
    made = actions("defaults", "--create-role", "--json")
    assert made.code == 0
    assert {row["status"] for row in made.json} == {"created"}
    assert {row["status"] for row in actions("defaults", "--create-role", "--json").json} == {"unchanged"}
    listed = actions("list", "--json").json
    assert len(listed) == 6
    assert [row["name"] for row in listed if not row["is_reversible"]] == ["PublishFindingAction"]
    shown = actions("show", "DeactivateDeviceCertificateAction")
    assert "drops those connected within minutes" in shown.out
    assert "set the certificate ACTIVE again" in shown.out
    assert "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK" in shown.out
    assert (
        actions("delete", "BlankPolicyAction", "--yes").out == "The mitigation action BlankPolicyAction is deleted.\n"
    )
    assert actions("delete", "BlankPolicyAction", "--yes", "--json").json["status"] == "absent"
    assert len(actions("list", "--json").json) == 5


def test_an_action_is_created_with_its_parameters_and_changed(actions: Callable[..., Any]) -> None:
    made = actions(
        "create",
        "EnableErrorLoggingAction",
        "--type",
        "enable-iot-logging",
        "--logging-level",
        "error",
        "--logging-role",
        "AWSIoTLoggingRole",
        "--create-role",
    )
    assert made.code == 0
    assert "EnableErrorLoggingAction (ENABLE_IOT_LOGGING): created" in made.out
    assert "(made now)" in made.out
    changed = actions("update", "EnableErrorLoggingAction", "--logging-level", "INFO", "--json").json
    assert changed["status"] == "updated"
    assert changed["parameters"]["enableIoTLoggingParams"]["logLevel"] == "INFO"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "Act", "--type", "REBOOT", "--create-role"], "'REBOOT'; allowed: UPDATE_DEVICE_CERTIFICATE"),
        (["create", "Act", "--type", "PUBLISH_FINDING_TO_SNS", "--create-role"], "needs topicArn"),
        (["create", "Act", "--type", "UPDATE_CA_CERTIFICATE"], "needs a role to run as"),
        (["create", "A b", "--type", "UPDATE_CA_CERTIFICATE", "--create-role"], "allowed: 1 to 128 letters"),
        (
            ["create", "Act", "--type", "UPDATE_CA_CERTIFICATE", "--group", "g", "--create-role"],
            "has no parameter thingGroupNames",
        ),
        (["show", "Nothing"], "there is no mitigation action 'Nothing'; there is none at all"),
        (["delete", "Act"], "nobody is there to give it"),
        (["update", "Act"], "nothing to change is given"),
    ],
)
def test_wrong_use_ends_with_2_and_the_next_step(actions: Callable[..., Any], arguments: list[str], said: str) -> None:
    ran = actions(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


def test_a_list_for_a_check_names_the_types_that_fit(actions: Callable[..., Any]) -> None:
    actions("defaults", "--create-role", "--type", "enable_iot_logging", "--type", "UPDATE_CA_CERTIFICATE")
    ran = actions("list", "--check", "LOGGING_DISABLED_CHECK")
    assert "EnableErrorLoggingAction" in ran.out
    assert "DeactivateCACertificateAction" not in ran.out
    assert "takes ENABLE_IOT_LOGGING, PUBLISH_FINDING_TO_SNS" in ran.err


def test_a_note_about_a_role_is_a_warning(actions: Callable[..., Any], served: tuple[Emulator, str]) -> None:
    served[0].create_service_role("Weak")
    ran = actions("create", "Act", "--type", "UPDATE_DEVICE_CERTIFICATE", "--role", "Weak")
    assert ran.code == 0
    assert re.search(r"warning: Weak: its policies do not allow iot:UpdateCertificate", ran.err)
    unchecked = actions("create", "Act", "--type", "UPDATE_DEVICE_CERTIFICATE", "--role", "Weak", "--no-check-role")
    assert "warning" not in unchecked.err
    assert "unchanged" in unchecked.out


def test_a_target_that_is_for_looking_only_gets_no_definition(
    served: tuple[Emulator, str], run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, endpoint = served
    emulator.reset(ManualClock(NOW))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ddreport.toml").write_text(
        f'[targets.p]\nregion = "eu-west-1"\nendpoint_url = "{endpoint}"\nmitigation = "read-only"\n'
    )
    changing = (
        ("defaults", "--create-role"),
        ("create", "A", "--type", "update-device-certificate", "--role", "R"),
        ("update", "A", "--role", "R"),
        ("delete", "A", "--yes"),
    )
    for command in changing:
        done = run("actions", *command, "-t", "p")
        assert (done.code, "for looking only" in done.err) == (1, True), done.err
    assert run("actions", "list", "-t", "p", "--json").json == []
