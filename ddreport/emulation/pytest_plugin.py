"""A pytest plugin: `iot_emulator` gives a test an AWS IoT account of its own, with Device Defender Audit, on loopback.

    def test_my_function_reports_expired_certificates(iot_emulator):
        iot = iot_emulator.client("iot")
        ...
        task_id = iot_emulator.audit("DEVICE_CERTIFICATE_EXPIRING_CHECK")
        assert my_function(iot, task_id) == ...

pytest finds the plugin by itself where `ddreport[emulator]` is installed. Loading it costs next to nothing: moto and
the rest come in when the first test asks for a fixture. `docs/testing-with-the-emulator.md` shows more.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.server import EmulatorServer

MARKER = "iot_emulator"
_ENVIRONMENT = "iot_emulator_env"
_OPTIONS = ("start", "manual", "speed", "account", "region", "seed", "throttle")
_AUDIT_ROLE = "AWSIoTDeviceDefenderAudit"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that lead SDKs to the emulator by environment variables."""
    text = "let the iot_emulator fixtures set AWS_ENDPOINT_URL, keys and Region in the environment of each test"
    parser.getgroup("ddreport").addoption("--iot-emulator-env", action="store_true", help=text)
    parser.addini(_ENVIRONMENT, text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}({', '.join(f'{name}=' for name in _OPTIONS)}): how the emulator of this test is made",
    )


class IotEmulator:
    """A running emulator, as a test holds it.

    Attributes
    ----------
    endpoint
        Its address, the `endpoint_url` of any AWS SDK.
    account, region
        Where any credentials lead.
    emulator
        The emulator itself (`ddreport.emulation.Emulator`), to tell it what AWS observes: connections, revocation
        lists, faults.
    """

    def __init__(self, emulator: Emulator, server: EmulatorServer) -> None:
        self.emulator = emulator
        self.endpoint = server.endpoint
        self.account = emulator.account
        self.region = emulator.region
        self._clients: list[Any] = []

    @property
    def now(self) -> datetime:
        """The emulated time, aware, UTC."""
        return self.emulator.now()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead every AWS SDK and the AWS CLI here, for subprocesses and containers."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # A developer's own profile must not lead elsewhere.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str = "iot", **options: Any) -> Any:
        """Return a boto3 client; `options` go to boto3 and beat what is set here. It is closed after the test."""
        import boto3

        settings = {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
        }
        client = boto3.client(service, **settings | options)  # type: ignore[call-overload]  # any service by its name
        self._clients.append(client)
        return client

    def advance(self, by: timedelta | None = None, **span: float) -> None:
        """Move the emulated time forward, through every audit due on the way.

        Parameters
        ----------
        by
            How far; None means `timedelta(**span)`.
        span
            Such as `days=1, hours=2`.
        """
        self.emulator.advance(timedelta(**span) if by is None else by)

    def enable(self, *checks: str) -> None:
        """Configure the audit with a role that may do everything, and enable checks (none named: all)."""
        from ddreport.catalogue import checks as catalogue

        known = self.emulator.call("DescribeAccountAuditConfiguration").get("roleArn")
        role = known or self.emulator.create_service_role(_AUDIT_ROLE, _AUDIT_ROLE)
        self.emulator.call(
            "UpdateAccountAuditConfiguration",
            roleArn=role,
            auditCheckConfigurations={name: {"enabled": True} for name in checks or catalogue()},
        )

    def audit(self, *checks: str) -> str:
        """Enable checks, audit them on demand to the end, and return the id of the audit task."""
        from ddreport.catalogue import checks as catalogue

        self.enable(*checks)
        started = self.emulator.call("StartOnDemandAuditTask", targetCheckNames=list(checks or catalogue()))
        self.advance(self.emulator.audit_duration)
        task_id: str = started["taskId"]
        return task_id

    def findings(self, task_id: str) -> list[dict[str, Any]]:
        """Return all findings of an audit task as boto3 gives them, the suppressed ones included."""
        pages = self.client("iot").get_paginator("list_audit_findings").paginate(taskId=task_id)
        return [finding for page in pages for finding in page["findings"]]

    def _close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def iot_emulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[IotEmulator]:
    """Give an empty account in which nothing was ever configured, of this test alone.

    Its clock begins at the real time and runs on; the marker `iot_emulator` may choose otherwise:

    - `start`: ISO 8601 text or aware datetime at which the clock begins
    - `manual`: True for a clock that stands still until `advance`
    - `speed`: emulated seconds per real second
    - `account`, `region`, `seed`, `throttle`: as for `ddreport.emulation.Emulator`
    """
    from ddreport.emulation import Emulator, EmulatorServer, ManualClock, RunningClock

    set_environment = _prepare(request, monkeypatch)
    options = _options(request)
    start = _start(options)
    manual, speed = bool(options.pop("manual", False)), float(options.pop("speed", 1.0))
    clock = ManualClock(start) if manual else RunningClock(start, speed)
    with Emulator(clock, **options) as emulator, EmulatorServer(emulator) as server:
        yield from _handed_out(IotEmulator(emulator, server), monkeypatch, set_environment=set_environment)


@pytest.fixture
def iot_emulator_demo(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _iot_emulator_demo_states: Callable[..., Path]
) -> Iterator[IotEmulator]:
    """Give the demo account, one of this test alone: some 1,400 devices and 90 days of audits.

    It is built once per session and set of options, which takes some seconds, and restored for each test. The marker
    is that of `iot_emulator`; `start` is where the 90 days end (default: the real time when the session first needs
    it).
    """
    from ddreport.emulation import EmulatorServer
    from ddreport.emulation.state import StateFile

    set_environment = _prepare(request, monkeypatch)
    options = _options(request)
    manual, speed = bool(options.pop("manual", False)), float(options.pop("speed", 1.0))
    start = _start(options) if "start" in options else None
    with StateFile(_iot_emulator_demo_states(start, options)) as file:
        # The clock was saved standing still.
        emulator = file.load(speed=None if manual else speed)
    with emulator, EmulatorServer(emulator) as server:
        yield from _handed_out(IotEmulator(emulator, server), monkeypatch, set_environment=set_environment)


@pytest.fixture(scope="session")
def _iot_emulator_demo_states(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    from ddreport.emulation import Emulator, ManualClock
    from ddreport.emulation.fleet import build_demo_fleet, history_start
    from ddreport.emulation.state import StateFile

    folder = tmp_path_factory.mktemp("iot-emulator-demo")
    built: dict[str, Path] = {}

    def state(start: datetime | None, options: dict[str, Any]) -> Path:
        key = repr((start, sorted(options.items())))
        if key not in built:
            path = folder / f"{len(built)}.state"
            settings, as_of = {"seed": 7} | options, start or _real_now()
            with Emulator(ManualClock(history_start(as_of)), **settings) as emulator, StateFile(path) as file:
                build_demo_fleet(emulator, as_of=as_of, seed=settings["seed"])
                file.save(emulator)
            built[key] = path
        return built[key]

    return state


@pytest.fixture
def iot_emulator_env(iot_emulator: IotEmulator) -> IotEmulator:
    """Give `iot_emulator`, with the environment of this test set so that every SDK leads to it."""
    return iot_emulator


def _prepare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether this test wants its environment set; if so, take out what would lead elsewhere."""
    wanted = bool(
        request.config.getoption("--iot-emulator-env")
        or request.config.getini(_ENVIRONMENT)
        or "iot_emulator_env" in request.fixturenames
    )
    if wanted:
        for name in list(os.environ):
            # An address for one service beats the one for all; a profile or a token would bring keys of its own.
            if name.startswith("AWS_ENDPOINT_URL") or name in _LEADING_ELSEWHERE:
                monkeypatch.delenv(name)
    return wanted


def _handed_out(
    handle: IotEmulator, monkeypatch: pytest.MonkeyPatch, *, set_environment: bool
) -> Iterator[IotEmulator]:
    if set_environment:
        for name, value in handle.environment.items():
            monkeypatch.setenv(name, value)
        if "boto3" in sys.modules:
            # The session that `boto3.client` shares remembers keys of an earlier environment.
            monkeypatch.setattr(sys.modules["boto3"], "DEFAULT_SESSION", None)
    yield handle
    handle._close()


_LEADING_ELSEWHERE = frozenset(
    {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ROLE_ARN"}
)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what the markers of a test ask for; the nearest one counts, name by name."""
    options: dict[str, Any] = {}
    for marker in request.node.iter_markers(MARKER):
        unknown = sorted(set(marker.kwargs) - set(_OPTIONS))
        if marker.args or unknown:
            raise pytest.UsageError(
                f"the marker {MARKER} takes {', '.join(_OPTIONS)} by name; given: {marker.args or unknown}."
            )
        options = marker.kwargs | options
    return options


def _start(options: dict[str, Any]) -> datetime:
    start = options.pop("start", None)
    if start is None:
        return _real_now()
    moment = datetime.fromisoformat(start) if isinstance(start, str) else start
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _real_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
