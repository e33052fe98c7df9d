"""Run the command line in this process and see what a user would."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType


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
    # Set and taken away again, so that what --config sets during a test does not outlive it.
    monkeypatch.setenv("DDREPORT_CONFIG", "-")
    monkeypatch.delenv("DDREPORT_CONFIG")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def canned() -> ModuleType:
    """The module of the canned AWS, with its builders of records."""
    path = Path(__file__).parents[1] / "support_canned_server.py"
    spec = importlib.util.spec_from_file_location("support_canned_server_cli", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def aws(canned: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A canned AWS with two audits, a configuration, and no waiting between attempts."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    account = canned.CannedAccount()
    account.configuration = {
        "roleArn": "arn:aws:iam::111122223333:role/AWSIoTDeviceDefenderAudit",
        "auditCheckConfigurations": {"DEVICE_CERTIFICATE_EXPIRING_CHECK": {"enabled": True}},
    }
    for number, task in enumerate(("a" * 32, "b" * 32)):
        findings = [canned.certificate_finding(n + 100 * number, task) for n in range(3)]
        account.add_audit(task, findings, taskStartTime=canned.TASK_START - 86400 * (1 - number))
    with canned.CannedServer(account) as server:
        yield server


@pytest.fixture
def three_days(run: Callable[..., Ran], canned: Any, tmp_path: Path) -> Path:
    """An archive of three days: certificates 1 to 3 fail, then only 2 and 3 of them, then 2 again and 1 once more."""
    place = tmp_path / "archive"
    account = canned.CannedAccount()
    account.configuration = {
        "roleArn": "arn:aws:iam::111122223333:role/AWSIoTDeviceDefenderAudit",
        "auditCheckConfigurations": {"DEVICE_CERTIFICATE_EXPIRING_CHECK": {"enabled": True}},
    }
    for day, numbers in enumerate(([1, 2, 3], [2, 3], [1, 2])):
        task = f"{day}" * 32
        findings = [canned.certificate_finding(n, task) for n in numbers]
        account.add_audit(task, findings, taskStartTime=canned.TASK_START + 86400 * (day - 2))
    with canned.CannedServer(account) as server:
        options = ["--endpoint-url", server.endpoint, "--region", "eu-west-1", "--archive", place]
        assert run("pull", *options).code == 0
    return place
