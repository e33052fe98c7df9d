"""A small loopback HTTP server that speaks the audit read calls of AWS IoT, and STS, from canned data.

It is no emulator: it evaluates nothing and changes nothing. It answers what a test put into `CannedAccount`, by pages,
in the wire format of the service, and goes wrong on request (`CannedServer.fail`, `drop`, `answer`, `delay`). It can
take its time and hold its callers to a rate, too (`CannedServer.hold_to`).

As a script it serves one audit with many findings and prints where, for the benchmark:

    python tests/support_canned_server.py --findings 20000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import sys
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
TASK_START = 1772442000.123  # 2026-03-02T09:00:00.123Z

_ROUTES = (
    ("GET", r"/audit/configuration", "DescribeAccountAuditConfiguration"),
    ("GET", r"/audit/tasks", "ListAuditTasks"),
    ("GET", r"/audit/tasks/(?P<taskId>[^/]+)", "DescribeAuditTask"),
    ("POST", r"/audit/findings", "ListAuditFindings"),
    ("GET", r"/audit/relatedResources", "ListRelatedResourcesForAuditFinding"),
    ("GET", r"/audit/scheduledaudits", "ListScheduledAudits"),
    ("GET", r"/audit/scheduledaudits/(?P<scheduledAuditName>[^/]+)", "DescribeScheduledAudit"),
    ("POST", r"/audit/suppressions/list", "ListAuditSuppressions"),
    ("GET", r"/mitigationactions/actions", "ListMitigationActions"),
    ("GET", r"/mitigationactions/actions/(?P<actionName>[^/]+)", "DescribeMitigationAction"),
    ("GET", r"/audit/mitigationactions/tasks", "ListAuditMitigationActionsTasks"),
    ("GET", r"/audit/mitigationactions/tasks/(?P<taskId>[^/]+)", "DescribeAuditMitigationActionsTask"),
    ("GET", r"/audit/mitigationactions/executions", "ListAuditMitigationActionsExecutions"),
)
_COMPILED = tuple((method, re.compile(path), operation) for method, path, operation in _ROUTES)


@dataclass
class CannedAccount:
    """What the server answers from; every record is JSON as AWS would send it (times in epoch seconds)."""

    account: str = ACCOUNT
    now: datetime = NOW
    emulator: bool = False
    role_expiry: str = "2999-01-01T00:00:00Z"
    configuration: dict[str, Any] = field(default_factory=lambda: {"auditCheckConfigurations": {}})
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    related: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    suppressions: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    mitigation_tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def add_audit(self, task_id: str, findings: list[dict[str, Any]] | None = None, **members: Any) -> None:
        """Add an audit task with its findings; `members` replace what DescribeAuditTask would say."""
        found = findings or []
        self.findings[task_id] = found
        per_check: dict[str, int] = {}
        for finding in found:
            name = finding.get("checkName", "LOGGING_DISABLED_CHECK")
            per_check[name] = per_check.get(name, 0) + 1
        details = {
            name: {
                "checkRunStatus": "COMPLETED_NON_COMPLIANT",
                "checkCompliant": False,
                "totalResourcesCount": count,
                "nonCompliantResourcesCount": count,
                "suppressedNonCompliantResourcesCount": 0,
            }
            for name, count in per_check.items()
        }
        self.tasks[task_id] = {
            "taskStatus": "COMPLETED",
            "taskType": "ON_DEMAND_AUDIT_TASK",
            "taskStartTime": TASK_START,
            "taskStatistics": {
                "totalChecks": len(details),
                "inProgressChecks": 0,
                "waitingForDataCollectionChecks": 0,
                "compliantChecks": 0,
                "nonCompliantChecks": len(details),
                "failedChecks": 0,
                "canceledChecks": 0,
            },
            "auditDetails": details,
            **members,
        }


def certificate_finding(number: int, task_id: str, **members: Any) -> dict[str, Any]:
    """Make a finding of an expiring device certificate, the most common kind; the same number gives the same one."""
    return {
        "findingId": uuid.UUID(int=number + 2**100).hex,
        "taskId": task_id,
        "checkName": "DEVICE_CERTIFICATE_EXPIRING_CHECK",
        "taskStartTime": TASK_START,
        "findingTime": round(TASK_START + 1 + number / 1000, 3),
        "severity": "MEDIUM",
        "nonCompliantResource": {
            "resourceType": "DEVICE_CERTIFICATE",
            "resourceIdentifier": {"deviceCertificateId": hashlib.sha256(str(number).encode()).hexdigest()},
            "additionalInfo": {"EXPIRATION_TIME": str(1772442000000 + number * 60000)},
        },
        "relatedResources": [],
        "reasonForNonCompliance": "Certificate is past its expiration.",
        "reasonForNonComplianceCode": "CERTIFICATE_PAST_EXPIRATION",
        "isSuppressed": number % 10 == 0,
        **members,
    }


def client_connection(client_id: str, connected: int, disconnected: int | None = None) -> dict[str, Any]:
    """Make a related resource: one connection with a shared certificate, times in epoch milliseconds."""
    info = {"CONNECTION_TIME": str(connected)}
    if disconnected is not None:
        info["DISCONNECTION_TIME"] = str(disconnected)
    return {
        "resourceType": "CLIENT_ID",
        "resourceIdentifier": {"clientId": client_id},
        "additionalInfo": info,
    }


@dataclass
class _Fault:
    kind: str
    times: int | None
    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


_TOO_FAST = _Fault(
    "answer",
    None,
    status=400,
    body=b'{"message": "Rate exceeded"}',
    headers={"x-amzn-ErrorType": "ThrottlingException"},
)


class CannedServer:
    """The server; a context manager. `endpoint` is its address, `calls` what was asked, in order."""

    def __init__(self, account: CannedAccount | None = None, *, port: int = 0) -> None:
        self.data = account or CannedAccount()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.user_agents: set[str] = set()
        self._faults: dict[str, list[_Fault]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._pages: dict[tuple[str, int, int], bytes] = {}
        self._latency = 0.0
        self._rate: int | None = None
        self._accepted: dict[str, deque[float]] = {}
        self.log: list[tuple[float, str, dict[str, Any], bool]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def endpoint(self) -> str:
        """Return the address for `endpoint_url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def operations(self) -> list[str]:
        """Return the names of the operations asked, in order."""
        return [operation for operation, _ in self.calls]

    def __enter__(self) -> CannedServer:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        with self._lock:
            still_open = list(self._connections)
        for connection in still_open:
            # Keep-alive connections would otherwise hold their threads for ever.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._http.server_close()
        self._thread.join()

    def fail(
        self, operation: str, code: str, *, status: int = 400, times: int | None = None, message: str = ""
    ) -> None:
        """Answer `operation` with an error of AWS, the next `times` times (None: always)."""
        self._add(operation, _Fault("answer", times, status, _error_body(operation, code, message), _error_head(code)))

    def answer(self, operation: str, body: bytes, *, status: int = 200, times: int | None = None) -> None:
        """Answer `operation` with exactly these bytes."""
        self._add(operation, _Fault("answer", times, status, body))

    def drop(self, operation: str, *, times: int | None = None) -> None:
        """Close the connection instead of answering."""
        self._add(operation, _Fault("drop", times))

    def delay(self, operation: str, seconds: float, *, times: int | None = None) -> None:
        """Answer late (or at once when the server is being stopped)."""
        self._add(operation, _Fault("delay", times, seconds=seconds))

    def hold_to(self, per_second: int | None = None, *, latency: float = 0.0) -> None:
        """Answer after `latency` seconds, and refuse what is above a rate, for each operation of AWS IoT.

        A call is refused when the second before it holds `per_second` calls that were not. From here on `log` tells
        time, operation, members and whether it was accepted, for each call.
        """
        with self._lock:
            self._rate, self._latency = per_second, latency
            self._accepted.clear()
            self.log.clear()

    def _admit(self, operation: str, asked: dict[str, Any]) -> bool:
        now = time.monotonic()
        with self._lock:
            accepted = self._accepted.setdefault(operation, deque())
            while accepted and now - accepted[0] >= 1.0:
                accepted.popleft()
            is_limited = self._rate is not None and operation not in ("GetCallerIdentity", "AssumeRole")
            good = not is_limited or len(accepted) < (self._rate or 0)
            if good:
                accepted.append(now)
            self.log.append((now, operation, asked, good))
        return good

    def _add(self, operation: str, fault: _Fault) -> None:
        with self._lock:
            self._faults.setdefault(operation, []).append(fault)

    def _fault_of(self, operation: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults.get(operation, []):
                if fault.times is None:
                    return fault
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def respond(self, operation: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        """Return status and body of an operation that nothing makes fail."""
        data = self.data
        size = int(asked.get("maxResults", 25))
        if not 1 <= size <= 250:
            return 400, _error_body(operation, "InvalidRequestException", "maxResults must be 1 to 250")
        match operation:
            case "GetCallerIdentity" | "AssumeRole":
                return 200, _sts_body(operation, data, asked)
            case "DescribeAccountAuditConfiguration":
                return 200, _dump(data.configuration)
            case "ListAuditTasks":
                wanted = asked.get("taskType"), asked.get("taskStatus")
                tasks = [
                    {"taskId": name, "taskStatus": task["taskStatus"], "taskType": task["taskType"]}
                    for name, task in data.tasks.items()
                    if wanted[0] in (None, task["taskType"]) and wanted[1] in (None, task["taskStatus"])
                ]
                return self._page("tasks", tasks, asked, size)
            case "DescribeAuditTask":
                return _one(data.tasks.get(asked["taskId"]), operation)
            case "ListAuditFindings":
                return self._findings(asked, size)
            case "ListRelatedResourcesForAuditFinding":
                return self._page("relatedResources", data.related.get(asked["findingId"], []), asked, size)
            case "ListScheduledAudits":
                hidden = {"targetCheckNames"}
                short = [{k: v for k, v in s.items() if k not in hidden} for s in data.schedules]
                return self._page("scheduledAudits", short, asked, size)
            case "DescribeScheduledAudit":
                name = asked["scheduledAuditName"]
                return _one(next((s for s in data.schedules if s["scheduledAuditName"] == name), None), operation)
            case "ListAuditSuppressions":
                return self._page("suppressions", data.suppressions, asked, size)
            case "ListMitigationActions":
                shown = ("actionName", "actionArn", "creationDate")
                short = [{k: a[k] for k in shown} for a in data.actions]
                return self._page("actionIdentifiers", short, asked, size)
            case "DescribeMitigationAction":
                name = asked["actionName"]
                return _one(next((a for a in data.actions if a["actionName"] == name), None), operation)
            case "ListAuditMitigationActionsTasks":
                tasks = [
                    {"taskId": name, "taskStatus": task["taskStatus"], "startTime": task["startTime"]}
                    for name, task in data.mitigation_tasks.items()
                ]
                return self._page("tasks", tasks, asked, size)
            case "DescribeAuditMitigationActionsTask":
                return _one(data.mitigation_tasks.get(asked["taskId"]), operation)
            case "ListAuditMitigationActionsExecutions":
                done = data.executions.get((asked["taskId"], asked["findingId"]), [])
                return self._page("actionsExecutions", done, asked, size)
        raise AssertionError(operation)

    def _findings(self, asked: dict[str, Any], size: int) -> tuple[int, bytes]:
        task_id = asked["taskId"]
        start = _offset(asked)
        if "checkName" in asked or "listSuppressedFindings" in asked:
            found = [
                f
                for f in self.data.findings.get(task_id, [])
                if asked.get("checkName") in (None, f.get("checkName"))
                and asked.get("listSuppressedFindings") in (None, f.get("isSuppressed"))
            ]
            return self._page("findings", found, asked, size)
        place = (task_id, start, size)
        if place not in self._pages:  # rendered once: a benchmark measures its reader, not this server
            self._pages[place] = self._page("findings", self.data.findings.get(task_id, []), asked, size)[1]
        return 200, self._pages[place]

    def _page(self, key: str, items: list[dict[str, Any]], asked: dict[str, Any], size: int) -> tuple[int, bytes]:
        start = _offset(asked)
        page: dict[str, Any] = {key: items[start : start + size]}
        if start + size < len(items):
            page["nextToken"] = f"after-{start + size}"
        return 200, _dump(page)


def _handler_of(server: CannedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with server._lock:
                server._connections.add(self.connection)

        def finish(self) -> None:
            with server._lock:
                server._connections.discard(self.connection)
            super().finish()

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # a client killed while it was asking; half a question has no answer
                self.close_connection = True
                return
            operation, asked = _parse(self.command, self.path, body)
            with server._lock:
                server.calls.append((operation, asked))
                server.user_agents.add(self.headers.get("user-agent", ""))
            admitted = server._admit(operation, asked)
            if server._latency:
                server._stopping.wait(server._latency)
            fault = server._fault_of(operation) if admitted else _TOO_FAST
            if fault and fault.kind == "drop":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if fault and fault.kind == "delay":
                server._stopping.wait(fault.seconds)
            headers: dict[str, str] = {}
            if fault and fault.kind == "answer":
                status, answer, headers = fault.status, fault.body, fault.headers
            else:
                status, answer = server.respond(operation, asked)
            self._send(status, answer, headers, operation)

        def _send(self, status: int, body: bytes, headers: dict[str, str], operation: str) -> None:
            sts = operation in ("GetCallerIdentity", "AssumeRole")
            head = {
                "Content-Type": "text/xml" if sts else "application/json",
                "Content-Length": str(len(body)),
                "Date": format_datetime(server.data.now, usegmt=True),
                "x-amzn-RequestId": "00000000-0000-4000-8000-000000000000",
                **({"x-ddreport-emulator": "canned"} if server.data.emulator else {}),
                **headers,
            }
            lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in head.items()), "", ""]
            try:
                self.wfile.write("\r\n".join(lines).encode() + body)
            except OSError:  # the client went away, which is its right
                self.close_connection = True

    return Handler


def _parse(method: str, target: str, body: bytes) -> tuple[str, dict[str, Any]]:
    url = urlsplit(target)
    if method == "POST" and url.path == "/":
        form = dict(parse_qsl(body.decode()))
        return form.pop("Action"), form
    for known, pattern, operation in _COMPILED:
        found = pattern.fullmatch(url.path)
        if known == method and found:
            asked: dict[str, Any] = {k: unquote(v) for k, v in found.groupdict().items()}
            asked.update(parse_qsl(url.query))
            asked.update(json.loads(body) if body else {})
            return operation, asked
    raise AssertionError(f"the canned server does not know {method} {target}")


def _offset(asked: dict[str, Any]) -> int:
    return int(str(asked.get("nextToken", "after-0")).removeprefix("after-"))


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def _one(record: dict[str, Any] | None, operation: str) -> tuple[int, bytes]:
    if record is None:
        return 404, _error_body(operation, "ResourceNotFoundException", "not found")
    return 200, _dump(record)


def _error_head(code: str) -> dict[str, str]:
    return {"x-amzn-ErrorType": code}


def _error_body(operation: str, code: str, message: str) -> bytes:
    if operation in ("GetCallerIdentity", "AssumeRole"):
        text = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<ErrorResponse>{text}<RequestId>0</RequestId></ErrorResponse>".encode()
    return _dump({"message": message, "code": code})


def _sts_body(operation: str, data: CannedAccount, asked: dict[str, Any]) -> bytes:
    if operation == "GetCallerIdentity":
        inner = (
            f"<Arn>arn:aws:iam::{data.account}:user/reader</Arn><UserId>AIDA</UserId><Account>{data.account}</Account>"
        )
    else:
        role = asked["RoleArn"].rsplit("/", 1)[1]
        inner = (
            "<Credentials><AccessKeyId>ASIACANNED</AccessKeyId><SecretAccessKey>canned-secret</SecretAccessKey>"
            f"<SessionToken>canned-token</SessionToken><Expiration>{data.role_expiry}</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>"
            f"<Arn>arn:aws:sts::{data.account}:assumed-role/{role}/x</Arn></AssumedRoleUser>"
        )
    return f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>".encode()


def _main() -> None:
    parser = argparse.ArgumentParser(description="Serve one audit with many findings until standard input ends.")
    parser.add_argument("--findings", type=int, default=20_000)
    parser.add_argument("--emulator", action="store_true", help="say so in every answer, so that no rate applies")
    options = parser.parse_args()
    task_id = "a" * 32
    account = CannedAccount(emulator=options.emulator)
    account.add_audit(task_id, [certificate_finding(n, task_id) for n in range(options.findings)])
    with CannedServer(account) as server:
        print(json.dumps({"endpoint": server.endpoint, "audit_task_id": task_id}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main()
