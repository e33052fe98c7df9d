"""Several accounts and Regions at once: emulated ones and canned ones, each behind HTTP."""

from __future__ import annotations

import importlib.util
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive
from ddreport.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

REGION = "eu-west-1"


@pytest.fixture(scope="session")
def canned() -> ModuleType:
    """The module of the canned AWS, with its builders of records."""
    path = Path(__file__).parents[1] / "support_canned_server.py"
    spec = importlib.util.spec_from_file_location("support_canned_server_workflows", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 try again at once."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def serve(canned: ModuleType, no_waiting: None) -> Iterator[Callable[..., Any]]:
    """Serve a canned account with some audits of one finding each; the number n of an account gives its id."""
    with ExitStack() as servers:

        def start(n: int, *, audits: int = 3, emulator: bool = False) -> Any:
            account = canned.CannedAccount(account=f"{n:012d}", emulator=emulator)
            account.configuration = {
                "roleArn": f"arn:aws:iam::{n:012d}:role/AWSIoTDeviceDefenderAudit",
                "auditCheckConfigurations": {"DEVICE_CERTIFICATE_EXPIRING_CHECK": {"enabled": True}},
            }
            for number in range(audits):  # AWS lists the newest first
                task = f"{n:04x}{number:028x}"
                finding = canned.certificate_finding(100 * n + number, task)
                account.add_audit(task, [finding], taskStartTime=canned.TASK_START - 3600 * number)
            return servers.enter_context(canned.CannedServer(account))

        yield start


@pytest.fixture
def target() -> Callable[..., Target]:
    return lambda name, server, region=REGION, **more: Target(
        name, region=region, endpoint_url=getattr(server, "endpoint", server), **more
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive", create=True)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that nobody answers at: the port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
