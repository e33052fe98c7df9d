"""An emulator behind HTTP with a real boto3 client, whose every answer is held against the service model."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.emulation.validation import violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

ONLY_ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


def answer_problems(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """Yield what in a decoded JSON answer does not fit the shape of the model."""
    types = {"string": str, "boolean": bool, "structure": dict, "map": dict, "list": list, "timestamp": (int, float)}
    kind = types.get(shape.type_name, int)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        yield f"{where}: {value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        for name, item in value.items():
            if name not in shape.members:
                yield f"{where}.{name} is unknown"
            else:
                yield from answer_problems(shape.members[name], item, f"{where}.{name}")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from answer_problems(shape.value, item, f"{where}.{key}")
    elif shape.type_name == "list":
        for position, item in enumerate(value):
            yield from answer_problems(shape.member, item, f"{where}.{position}")
    if not where:
        yield from violations(shape, value)


def hold_against_model(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Fail on an answer that the service model does not describe (event `before-parse`)."""
    body = response_dict["body"]
    if response_dict["status_code"] >= 300:
        error = response_dict["headers"]["x-amzn-errortype"]
        names = {shape.name for shape in operation_model.service_model.error_shapes}
        assert error in names | {"SerializationException", "NotImplementedException"}
        return
    shape = operation_model.output_shape
    document = json.loads(body) if body else {}
    if shape is None:
        assert document == {}
    else:
        assert list(answer_problems(shape, document)) == []


@dataclass
class Account:
    """The emulated account of one test: empty, at START, with a boto3 client on it."""

    emulator: Emulator
    server: EmulatorServer
    iot: Any
    key: ec.EllipticCurvePrivateKey
    _serial: int = field(default=0)

    def now(self) -> datetime:
        return self.emulator.now()

    def advance(self, **span: float) -> None:
        self.emulator.advance(timedelta(**span))

    def client(self, service: str, **options: Any) -> Any:
        settings = {
            "endpoint_url": self.server.endpoint,
            "region_name": "eu-west-1",
            "aws_access_key_id": "any",
            "aws_secret_access_key": "thing",
            "config": ONLY_ONCE,
        }
        return boto3.client(service, **settings | options)

    def pem(self, days: float = 400, *, name: str = "device") -> str:
        """Return a new certificate that expires in so many days."""
        self._serial += 1
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(self._serial)
            .not_valid_before(START - timedelta(days=2000))
            .not_valid_after(self.now() + timedelta(days=days))
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def certificate(self, days: float = 400, status: str = "ACTIVE") -> str:
        """Register a device certificate and return its id."""
        return self.emulator.iot().register_certificate_without_ca(self.pem(days), status).certificate_id

    def policy(self, name: str, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.iot.create_policy(policyName=name, policyDocument=json.dumps(document))

    def enable(self, *checks: str, **configuration: dict[str, str]) -> str:
        """Configure the audit with these checks and a role that may do everything; return the role."""
        role = self.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        settings: dict[str, Any] = {name: {"enabled": True} for name in checks}
        for name, values in configuration.items():
            settings[name] = {"enabled": True, "configuration": values}
        self.iot.update_account_audit_configuration(roleArn=role, auditCheckConfigurations=settings)
        return role

    def start_audit(self, *checks: str) -> str:
        task_id: str = self.iot.start_on_demand_audit_task(targetCheckNames=list(checks))["taskId"]
        return task_id

    def audit(self, *checks: str) -> str:
        """Run an on-demand audit to its end and return its id."""
        task_id = self.start_audit(*checks)
        self.emulator.advance(self.emulator.audit_duration)
        return task_id

    def details(self, task_id: str) -> dict[str, Any]:
        details: dict[str, Any] = self.iot.describe_audit_task(taskId=task_id)["auditDetails"]
        return details

    def findings(self, task_id: str, **filters: Any) -> list[dict[str, Any]]:
        pages = self.iot.get_paginator("list_audit_findings").paginate(taskId=task_id, **filters)
        return [finding for page in pages for finding in page["findings"]]


@pytest.fixture(scope="session")
def certificate_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Emulator, EmulatorServer, Any]]:
    with Emulator(ManualClock(START), seed=1) as emulator, EmulatorServer(emulator) as server:
        client = boto3.client(
            "iot",
            endpoint_url=server.endpoint,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="thing",
            config=ONLY_ONCE,
        )
        client.meta.events.register("before-parse.iot", hold_against_model)
        yield emulator, server, client
        client.close()


@pytest.fixture
def account(served: tuple[Emulator, EmulatorServer, Any], certificate_key: ec.EllipticCurvePrivateKey) -> Account:
    emulator, server, client = served
    emulator.reset(ManualClock(START))
    emulator.audit_duration = timedelta(seconds=1)
    emulator.execution_duration = timedelta(milliseconds=100)
    return Account(emulator, server, client, certificate_key)


@pytest.fixture
def refused() -> Callable[[Callable[[], Any]], tuple[str, int, str]]:
    """Return the code, status and message with which a call is refused."""
    from botocore.exceptions import ClientError

    def call(action: Callable[[], Any]) -> tuple[str, int, str]:
        with pytest.raises(ClientError) as caught:
            action()
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]

    return call


@pytest.fixture
def wire(account: Account) -> Callable[..., tuple[int, Any, Any]]:
    """Return a function that sends a raw request and gives status, headers and body, decoded where it is JSON."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260302/eu-west-1/iot/aws4_request, Signature=0"}

    def send(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", account.server.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=signed | (headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, answer.headers, json.loads(content) if is_json else content

    return send


@pytest.fixture
def control(wire: Callable[..., tuple[int, Any, Any]]) -> Callable[..., tuple[int, Any]]:
    """Return a function that asks the control API and gives status and body."""

    def ask(path: str, members: Any = None) -> tuple[int, Any]:
        body = None if members is None else json.dumps(members).encode()
        method = "GET" if body is None else "POST"
        status, _, answer = wire(method, f"/_ddreport/{path}", body, {"Content-Type": "application/json"})
        return status, answer

    return ask


@pytest.fixture
def start() -> datetime:
    return START


@dataclass
class Authority:
    """A CA of a test: it issues certificates and revocation lists."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str, *, serial: int, key: Any = None, with_key_ids: bool = True, is_ca: bool = False) -> str:
        """Return a certificate; `key` is the public key, None takes the authority's own, which tests nothing."""
        return self._issue(name, key or self.key.public_key(), serial, with_key_ids, is_ca)

    def subordinate(self, name: str, *, serial: int, with_key_ids: bool = True) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._issue(name, key.public_key(), serial, with_key_ids, True)
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return Authority(certificate.subject, key, certificate)

    def _issue(self, name: str, key: Any, serial: int, with_key_ids: bool, is_ca: bool) -> str:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(START - timedelta(days=900))
            .not_valid_after(START + timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if with_key_ids:
            subject_key = x509.SubjectKeyIdentifier.from_public_key(key)
            issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(subject_key, critical=False).add_extension(issuer_key, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def crl(self, *serials: int, day: int = -1, revoked_on: int = -2, extensions: Any = (), key: Any = None) -> str:
        """Return a list made on a day after START; a negative one lies before it."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(START + timedelta(days=day))
            .next_update(START + timedelta(days=day + 30))
        )
        for serial in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(START + timedelta(days=revoked_on))
                .build()
            )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def authority() -> Callable[[str], Authority]:
    """Make a self-signed authority."""

    def made(name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = Authority(subject, key, None)  # type: ignore[arg-type]  # filled in below
        own.certificate = x509.load_pem_x509_certificate(own.issue(name, serial=1, is_ca=True).encode())
        return own

    return made
