"""Receivers on this machine: a webhook, a mail server with STARTTLS; and an account whose audits come one by one."""

from __future__ import annotations

import importlib.util
import json
import socket
import socketserver
import ssl
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ddreport.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATH = Path(__file__).parents[1] / "support_canned_server.py"
_SPEC = importlib.util.spec_from_file_location("support_canned_server_notification", _PATH)
assert _SPEC
assert _SPEC.loader
canned = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = canned
_SPEC.loader.exec_module(canned)


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

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code, captured.out, captured.err)

    return call


@dataclass
class Fleet:
    """An account whose certificates expire, audited day by day, with its archive."""

    account: Any
    endpoint: str
    archive: Path
    run: Callable[..., Ran]
    day: int = 0

    def audit(self, *numbers: int) -> None:
        """Audit: these certificates fail; and pull."""
        task = f"{self.day:032x}"
        findings = [canned.certificate_finding(n, task) for n in numbers]
        began = canned.TASK_START + 86400 * (self.day - 5)
        self.account.add_audit(task, findings, taskStartTime=began)
        self.account.now = datetime.fromtimestamp(began, UTC) + timedelta(hours=1)
        self.day += 1
        options = ("--region", "eu-west-1", "--archive", self.archive)
        assert self.run("pull", "--endpoint-url", self.endpoint, *options).code == 0

    @property
    def options(self) -> tuple[object, ...]:
        return ("notify", "--on-worse", "--region", "eu-west-1", "--archive", self.archive)


@pytest.fixture
def fleet(run: Callable[..., Ran], tmp_path: Path) -> Iterator[Fleet]:
    account = canned.CannedAccount()
    account.configuration = {
        "roleArn": "arn:aws:iam::111122223333:role/AWSIoTDeviceDefenderAudit",
        "auditCheckConfigurations": {"DEVICE_CERTIFICATE_EXPIRING_CHECK": {"enabled": True}},
    }
    with canned.CannedServer(account) as server:
        yield Fleet(account, server.endpoint, tmp_path / "archive", run)


@dataclass
class Hook:
    """A webhook: what came, and what it answers."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    status: int = 200
    before_answer: Callable[[], None] = lambda: None


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            found.keys.append(self.headers["Idempotency-Key"])
            found.before_answer()
            try:
                self.send_response(found.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever asked was killed

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/services/SECRET"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class MailServer:
    """A mail server: what it was told in the clear, what encrypted, and the mails that came."""

    port: int = 0
    certificate: Path = Path()
    clear: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    mails: list[Any] = field(default_factory=list)
    offers_starttls: bool = True


@pytest.fixture
def mail_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    found = MailServer(certificate=_certificate(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(found.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(found.certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # whoever does not trust the certificate breaks off
                _serve(self.request, found, context)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def _serve(connection: socket.socket, found: MailServer, context: ssl.SSLContext) -> None:
    stream, said = connection.makefile("rwb"), found.clear

    def answer(text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    answer("220 here")
    while line := stream.readline():
        word = line.decode().strip()
        said.append(word)
        verb = word.split(" ")[0].upper()
        if verb == "EHLO":
            encrypted = said is found.commands
            extra = "AUTH PLAIN" if encrypted else "STARTTLS" if found.offers_starttls else "8BITMIME"
            answer(f"250-here\r\n250 {extra}")
        elif verb == "STARTTLS":
            answer("220 go on")
            connection = context.wrap_socket(connection, server_side=True)
            stream, said = connection.makefile("rwb"), found.commands
        elif verb == "AUTH":
            answer("235 welcome")
        elif verb == "DATA":
            answer("354 go on")
            lines = []
            while (text := stream.readline()) not in (b".\r\n", b""):
                lines.append(text)
            found.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
            answer("250 taken")
        elif verb == "QUIT":
            answer("221 bye")
            break
        else:
            answer("250 fine")
    stream.close()
    connection.close()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
