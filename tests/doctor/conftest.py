"""An emulated AWS over HTTP that obeys a caller's IAM policy, and remembers what it was asked."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest

from ddreport.cli import main
from ddreport.emulation import Emulator, EmulatorServer, RunningClock
from ddreport.emulation.conditions import make_context
from ddreport.emulation.policy import Decision, Policy, decide, parse_policy
from ddreport.emulation.routing import find_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PATH = Path(__file__).parents[1] / "setup" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("recorder_of_setup", _PATH)
assert _SPEC
assert _SPEC.loader
recorder = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = recorder
_SPEC.loader.exec_module(recorder)

ACCOUNT, REGION, NOW = recorder.ACCOUNT, recorder.REGION, recorder.NOW
_IOT_TYPES = {
    "scheduledAuditName": "scheduledaudit",
    "actionName": "mitigationaction",
    "caCertificateId": "cacert",
    "policyName": "policy",
    "roleAlias": "rolealias",
    "thingName": "thing",
    "thingGroupName": "thinggroup",
}
_WITHOUT_RESOURCE = ("ListPrincipalThings", "ListCertificatesByCA")
_PASSING = ("UpdateAccountAuditConfiguration", "CreateMitigationAction", "SetV2LoggingOptions")


class Enforcing(recorder.Recorder):
    """Refuses what `policy` does not allow; with None all is allowed. IAM's simulation answers by it, too."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self.policy: Policy | None = None
        self.refused: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = self._what(environ)
        if asked is None or asked.operation.startswith("sts:") or self.policy is None:
            return super().__call__(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        parameters = _parameters(environ, body)
        allowed = self.allows(asked.operation, _resource(asked.operation, environ, parameters))
        role = parameters.get("roleArn")
        if allowed and role and asked.operation.removeprefix("iot:") in _PASSING:
            allowed = self.allows("iam:PassRole", role)
        if not allowed:
            self.refused.append(asked.operation)
            refusal = recorder.Refusal("AccessDeniedException", "not allowed", 1)
            return recorder._refuse(refusal, asked, environ, start_response)
        if asked.operation == "iam:SimulatePrincipalPolicy":
            self.asked.append(asked)
            return self._simulated(parameters, start_response)
        return super().__call__(environ, start_response)

    def allows(self, action: str, resource: str) -> bool:
        assert self.policy is not None
        context = make_context({"iam:PassedToService": "iot.amazonaws.com"})
        return decide([self.policy], action, resource, context) is Decision.ALLOWED

    def _simulated(self, parameters: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        actions = [v for k, v in parameters.items() if k.startswith("ActionNames.member.")]
        resources = [v for k, v in parameters.items() if k.startswith("ResourceArns.member.")]
        members = "".join(
            f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalDecision>"
            f"{'allowed' if self.allows(action, resource) else 'implicitDeny'}</EvalDecision></member>"
            for action in actions
            for resource in resources
        )
        start_response("200 OK", [("Content-Type", "text/xml")])
        result = f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
        return [
            f"<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{result}"
            "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>".encode()
        ]


def _parameters(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
    if body[:1] == b"{":
        return found | json.loads(body)
    return found | {k: v[0] for k, v in parse_qs(body.decode()).items()}


def _resource(operation: str, environ: dict[str, Any], parameters: dict[str, Any]) -> str:
    """Return the ARN that a request is about, `*` for one that knows no resources."""
    service, _, name = operation.partition(":")
    if service == "iam":
        role = f"arn:aws:iam::{ACCOUNT}:role/{parameters.get('RoleName', '')}"
        return (
            parameters.get("PolicySourceArn")
            or (parameters.get("PolicyArn") if "RoleName" not in parameters else role)
            or role
        )
    if service == "sns":
        topic = parameters.get("TopicArn") or parameters.get("ResourceArn") or parameters.get("Name")
        return topic if str(topic).startswith("arn:") else f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}"
    if service == "cloudwatch":
        if name == "DescribeAlarms":
            return "*"
        names = parameters.get("AlarmNames") or [parameters.get("AlarmName") or parameters.get("AlarmNames.member.1")]
        return parameters.get("ResourceARN") or f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{names[0]}"
    if name in _WITHOUT_RESOURCE:
        return "*"
    found = find_operation(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    labels = found[1] if found else {}
    given = parameters.get("resourceArn") or labels.get("resourceArn") or labels.get("target")
    if given:
        return str(given)
    if name == "SearchIndex":
        return f"arn:aws:iot:{REGION}:{ACCOUNT}:index/AWS_Things"
    for label, value in (labels | parameters).items():
        kind = _IOT_TYPES.get(label)
        if label == "certificateId":
            kind = "cacert" if "CACertificate" in name else "cert"
        if kind:
            return f"arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{value}"
    return "*"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Site:
    """An emulated account as target `here`, whose caller has the policy of a use."""

    emulator: Emulator
    app: Enforcing
    endpoint: str
    run: Callable[..., Ran]
    folder: Path

    def permit(self, policy: dict[str, Any] | None) -> None:
        """Give the caller a policy; None allows all. What was asked and refused before is forgotten."""
        self.app.policy = None if policy is None else parse_policy(policy)
        self.app.asked.clear()
        self.app.refused.clear()

    def client(self, service: str) -> Any:
        """Return a client that may do everything."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def called(self) -> set[str]:
        return {asked.operation for asked in self.app.asked if not asked.operation.startswith("sts:")}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def site(run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with Emulator(RunningClock(NOW), account=ACCOUNT, seed=3, audit_duration=timedelta(milliseconds=20)) as emulator:
        server = EmulatorServer(emulator)
        app = Enforcing(emulator)
        server._application = app
        with server:
            config = tmp_path / "ddreport.toml"
            config.write_text(
                f'[targets.here]\nregion = "{REGION}"\nendpoint_url = "{server.endpoint}"\n'
                f'[targets.gone]\nregion = "{REGION}"\nendpoint_url = "http://127.0.0.1:1"\n'
                "[setup.notifications]\n"
                f'subscribers = ["arn:aws:sqs:{REGION}:{ACCOUNT}:audits"]\n',
                encoding="utf-8",
            )
            monkeypatch.setenv("DDREPORT_CONFIG", str(config))
            monkeypatch.setenv("DDREPORT_ARCHIVE", str(tmp_path / "archive"))
            monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
            monkeypatch.chdir(tmp_path)
            yield Site(emulator, app, server.endpoint, run, tmp_path)
