"""An emulated AWS over HTTP that counts the calls that write, and refuses what it is told to."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from ddreport.aws.session import AwsSession, connect_session
from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.emulation.routing import find_operation
from ddreport.emulation.server import _Application
from ddreport.mitigation.roles import Place
from ddreport.setup.desired import Desired
from ddreport.targets import Target
from ddreport.workflows.setting_up.apply import Applied, carry_out, plan_setup, plan_teardown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ddreport.setup.changes import SetupPlan

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z0-9-]+)/")
_READS = ("Get", "List", "Describe", "AssumeRole")


@dataclass(frozen=True)
class Asked:
    """One request: `iot:CreateScheduledAudit` in a Region."""

    operation: str
    region: str

    @property
    def writes(self) -> bool:
        return not self.operation.partition(":")[2].startswith(_READS)


@dataclass
class Refusal:
    code: str
    message: str
    times: int


class Recorder(_Application):
    """The emulator's application, which remembers what it was asked, and refuses what it is told to."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self.asked: list[Asked] = []
        self.refusals: dict[tuple[str, str | None], Refusal] = {}
        self.before: Callable[[Asked], None] = lambda _: None
        self.after: Callable[[Asked], None] = lambda _: None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = self._what(environ)
        if asked is None:
            return super().__call__(environ, start_response)
        self.asked.append(asked)
        self.before(asked)
        for key in ((asked.operation, asked.region), (asked.operation, None)):
            refusal = self.refusals.get(key)
            if refusal is not None and refusal.times > 0:
                refusal.times -= 1
                return _refuse(refusal, asked, environ, start_response)
        answer = list(super().__call__(environ, start_response))
        self.after(asked)
        return answer

    def _what(self, environ: dict[str, Any]) -> Asked | None:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None:
            return None
        region, service = scope[1], {"monitoring": "cloudwatch"}.get(scope[2], scope[2])
        path = environ["PATH_INFO"]
        if service in ("iot", "execute-api"):
            found = find_operation(environ["REQUEST_METHOD"], path)
            return Asked(f"iot:{found[0] if found else path}", region)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        return Asked(f"{service}:{target or parse_qs(body.decode())['Action'][0]}", region)


def _refuse(
    refusal: Refusal, asked: Asked, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    headers = [("x-amzn-ErrorType", refusal.code), ("x-ddreport-emulator", "test")]
    if asked.operation.startswith("iot:") or "HTTP_X_AMZ_TARGET" in environ:
        start_response("403 Forbidden", [*headers, ("Content-Type", "application/json")])
        return [json.dumps({"__type": refusal.code, "message": refusal.message}).encode()]
    body = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
    start_response("403 Forbidden", [*headers, ("Content-Type", "text/xml")])
    return [f"<ErrorResponse>{body}<RequestId>1</RequestId></ErrorResponse>".encode()]


@dataclass
class World:
    """An emulated AWS of one test."""

    emulator: Emulator
    server: EmulatorServer
    recorder: Recorder
    waited: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    sessions: dict[tuple[str, str], AwsSession] = field(default_factory=dict)

    def session(self, region: str = REGION, account: str = ACCOUNT) -> AwsSession:
        if (region, account) not in self.sessions:
            role = None if account == ACCOUNT else f"arn:aws:iam::{account}:role/SetUp"
            target = Target("t", region=region, endpoint_url=self.server.endpoint, role_arn=role)
            self.sessions[region, account] = connect_session(target)
        return self.sessions[region, account]

    def client(self, service: str, region: str = REGION) -> Any:
        return getattr(self.session(region), service)

    def plan(self, desired: Desired | None = None, region: str = REGION) -> SetupPlan:
        return plan_setup(self.session(region), desired or Desired(), Place(ACCOUNT, region))

    def apply(self, desired: Desired | None = None, region: str = REGION) -> Applied:
        return self._do(lambda: self.plan(desired, region), region)

    def teardown(self, desired: Desired | None = None, region: str = REGION) -> SetupPlan:
        return plan_teardown(self.session(region), desired or Desired(), Place(ACCOUNT, region))

    def remove(self, desired: Desired | None = None, region: str = REGION) -> Applied:
        return self._do(lambda: self.teardown(desired, region), region)

    def _do(self, make: Callable[[], SetupPlan], region: str) -> Applied:
        clock = iter(range(100_000))
        return carry_out(
            self.session(region),
            make(),
            make,
            progress=_Said(self.said),
            sleep=self.waited.append,
            clock=lambda: float(next(clock)),
        )

    def refuse(
        self,
        operation: str,
        code: str = "AccessDeniedException",
        message: str = "no",
        *,
        times: int = 1_000,
        region: str | None = None,
    ) -> None:
        self.recorder.refusals[operation, region] = Refusal(code, message, times)

    def writes(self) -> list[str]:
        """Return the calls that wrote since the last question, in order."""
        found = [asked.operation for asked in self.recorder.asked if asked.writes]
        self.recorder.asked.clear()
        return found

    def advance(self, **span: float) -> None:
        self.emulator.advance(timedelta(**span))


@dataclass
class _Said:
    texts: list[str]

    def stage(self, text: str, total: int | None = None) -> None:
        del total
        self.texts.append(text)

    def advance(self, steps: int = 1) -> None:
        del steps


@pytest.fixture(scope="module")
def _recorded() -> Iterator[World]:
    """One emulator for a module, since boto3's clients take long to make; each test begins with nothing in it.

    Not for the session: a process has one emulator at a time, and the next module may make its own.
    """
    with Emulator(ManualClock(NOW), account=ACCOUNT, seed=3) as emulator:
        server = EmulatorServer(emulator)
        recorder = Recorder(emulator)
        server._application = recorder
        with server:
            world = World(emulator, server, recorder)
            yield world
            for session in world.sessions.values():
                session.close()


@pytest.fixture
def world(_recorded: World) -> World:
    _recorded.emulator.reset(ManualClock(NOW))
    _recorded.recorder.asked.clear()
    _recorded.recorder.refusals.clear()
    _recorded.recorder.before = _recorded.recorder.after = lambda _: None
    _recorded.waited.clear()
    _recorded.said.clear()
    return _recorded


@pytest.fixture
def changes() -> Callable[[SetupPlan], dict[str, int]]:
    """Count the changes of a plan, without those that leave things as they are."""

    def count(plan: SetupPlan) -> dict[str, int]:
        return dict(Counter(f"{c.kind} {c.part}" for c in plan.changes if c.kind != "leave"))

    return count
