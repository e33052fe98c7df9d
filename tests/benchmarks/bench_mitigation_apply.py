"""Applying a plan of 10,000 findings in waves, against a server that answers at AWS's published rates.

The clock is scaled: the server's rates and times, the client's limiter and the pace at which it looks at running tasks
all run `--scale` times faster than AWS. Everything else is real: boto3 over HTTP, threads, the journal and the archive
on disk with every fsync. What the processor and the disk need is not scaled, so it counts `--scale` times over against
us, and so does every thread that wakes up late: on a busy machine a smaller scale is the fairer one.

Each finding is a device certificate that is deactivated. A task of AWS takes half a second for each finding, ten run at
once, and an eleventh is refused. The floor is what the rates impose on the calls that must be made: of all operations
the one with the most calls for its rate, which is `ListAuditMitigationActionsExecutions`, once per finding, at ten a
second. Waves begin one after the other and a task takes its time, so some 35 s come on top, however many findings there
are. Each finding must be treated exactly once, in the waves of the plan: 1, 5 %, the rest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from bench_mitigation_impact import ACCOUNT, ANSWER_SECONDS, REGION, Rates, Server, certificate

from ddreport.aws.rates import OTHER_RATE, PUBLISHED_RATES

AIM = 1.1
EXECUTION_SECONDS = 0.5  # of AWS, for each finding of a task
MOST_TASKS = 10
CHECK = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Mitigation"
PARAMETERS = {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
BEGUN = datetime(2026, 3, 2, 9, 15, tzinfo=UTC).timestamp()
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult>"
    f"<Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn><UserId>x</UserId><Account>{ACCOUNT}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


class Tasks:
    """The mitigation tasks of the account."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.treated: Counter[str] = Counter()
        self._tasks: dict[str, tuple[float, list[str]]] = {}
        self._lock = threading.Lock()

    def start(self, task_id: str, findings: list[str]) -> bool:
        """Start a task, unless it is there; False when ten are running."""
        with self._lock:
            if task_id not in self._tasks:
                if sum(self._is_running(known) for known in self._tasks) >= MOST_TASKS:
                    return False
                self._tasks[task_id] = (time.monotonic(), findings)
                self.treated.update(findings)
            return True

    def _is_running(self, task_id: str) -> bool:
        began, findings = self._tasks[task_id]
        return (time.monotonic() - began) * self.scale < EXECUTION_SECONDS * len(findings)

    def describe(self, task_id: str) -> dict[str, Any]:
        """Return a task as DescribeAuditMitigationActionsTask does."""
        findings = self._tasks[task_id][1]
        is_running = self._is_running(task_id)
        count = len(findings)
        return {
            "taskStatus": "IN_PROGRESS" if is_running else "COMPLETED",
            "startTime": BEGUN,
            **({} if is_running else {"endTime": BEGUN + EXECUTION_SECONDS * count}),
            "taskStatistics": {CHECK: {"totalFindingsCount": count, "succeededFindingsCount": count}},
            "target": {"findingIds": findings},
            "auditCheckToActionsMapping": {CHECK: ["Deactivate"]},
            "actionsDefinition": [],
        }


class Handler(BaseHTTPRequestHandler):
    """Answers as AWS IoT would."""

    protocol_version = "HTTP/1.1"
    rates: Rates
    tasks: Tasks

    def do_GET(self) -> None:
        """Answer a request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        path, asked = split.path.strip("/").split("/"), {k: v[0] for k, v in parse_qs(split.query).items()}
        if path == ["statistics"]:
            facts = {"calls": self.rates.calls, "refused": self.rates.refused, "treated": self.tasks.treated}
            self._send(200, json.dumps(facts).encode())
            return
        if path == [""]:
            self._send(200, IDENTITY.encode(), {"Content-Type": "text/xml"})
            return
        operation = self._operation(path)
        if not self.rates.admit(operation):
            self._refuse("ThrottlingException", 400)
            return
        time.sleep(ANSWER_SECONDS / self.rates.scale)
        if operation == "StartAuditMitigationActionsTask":
            if not self.tasks.start(path[-1], json.loads(body)["target"]["findingIds"]):
                self._refuse("LimitExceededException", 410)
                return
            answer: dict[str, Any] = {"taskId": path[-1]}
        else:
            answer = self._answer(operation, path[-1], asked)
        self._send(200, json.dumps(answer).encode())

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def _operation(self, path: list[str]) -> str:
        if path[0] == "certificates":
            return "DescribeCertificate"
        if path[0] == "mitigationactions":
            return "DescribeMitigationAction"
        if path[:2] == ["audit", "tasks"]:
            return "DescribeAuditTask"
        if path[-1] == "executions":
            return "ListAuditMitigationActionsExecutions"
        starts = self.command == "POST"
        return "StartAuditMitigationActionsTask" if starts else "DescribeAuditMitigationActionsTask"

    def _answer(self, operation: str, name: str, asked: dict[str, str]) -> dict[str, Any]:
        match operation:
            case "DescribeCertificate":
                return {"certificateDescription": {"certificateId": name, "status": "ACTIVE"}}
            case "DescribeMitigationAction":
                kind = "UPDATE_DEVICE_CERTIFICATE"
                return {"actionName": name, "actionType": kind, "roleArn": ROLE, "actionParams": PARAMETERS}
            case "DescribeAuditTask":
                return {"taskStatus": "COMPLETED", "taskStartTime": BEGUN}
            case "DescribeAuditMitigationActionsTask":
                return self.tasks.describe(name)
        done = {"actionName": "Deactivate", "actionId": "a", "status": "COMPLETED", "startTime": BEGUN}
        return {"actionsExecutions": [{"taskId": asked["taskId"], "findingId": asked["findingId"], **done}]}

    def _refuse(self, code: str, status: int) -> None:
        self._send(status, b'{"message": "refused"}', {"x-amzn-ErrorType": code})

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(scale: float) -> None:
    """Serve until the standard input ends; the first line of output is the port."""
    Handler.rates, Handler.tasks = Rates(scale), Tasks(scale)
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def make_plan(findings: int) -> Any:
    """Return a plan of so many certificates, in the usual waves."""
    from ddreport.mitigation.plan import (
        FORMAT,
        ApprovalRule,
        Cost,
        Plan,
        PlannedAction,
        PlannedFinding,
        Rollout,
        seal,
    )
    from ddreport.mitigation.waves import wave_numbers

    rollout = Rollout()
    made = datetime.now(UTC)
    return seal(
        Plan(
            format=FORMAT,
            digest="",
            target="scaled",
            account=ACCOUNT,
            region=REGION,
            emulated=False,
            made_time=made,
            made_with="benchmark",
            as_of=made,
            selection={"checks": [CHECK]},
            actions=(PlannedAction("Deactivate", "UPDATE_DEVICE_CERTIFICATE", ROLE, PARAMETERS),),
            rollout=rollout,
            approval=ApprovalRule(),
            findings=tuple(
                PlannedFinding(
                    problem_id=f"{number:032x}",
                    finding_id=f"{number:032x}",
                    audit_task_id="audit",
                    check_name=CHECK,
                    severity="MEDIUM",
                    resource_type="DEVICE_CERTIFICATE",
                    resource_id=certificate(number),
                    resource_identifier="{}",
                    reason_code="CERTIFICATE_PAST_EXPIRATION",
                    wave=wave,
                    actions=("Deactivate",),
                )
                for number, wave in enumerate(wave_numbers(findings, rollout.waves))
            ),
            left_alone=(),
            cost=Cost(0, 0, 0.0),
        )
    )


def statistics(port: int) -> dict[str, dict[str, int]]:
    """Return the server's counts."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/statistics")
    found: dict[str, dict[str, int]] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def measure(findings: int, scale: float) -> dict[str, Any]:
    """Apply the plan once, and return what that took."""
    from ddreport.archive import Archive, verify
    from ddreport.aws.rates import RateLimiter
    from ddreport.aws.session import connect_session
    from ddreport.progress import NoProgress
    from ddreport.targets import Target
    from ddreport.workflows.mitigating.account import Pace
    from ddreport.workflows.mitigating.apply import apply_plan

    plan, usual = make_plan(findings), Pace()
    pace = Pace(poll=usual.poll / scale, limit=usual.limit / scale)
    command = [sys.executable, __file__, "--serve", "--scale", str(scale)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        target = Target("scaled", region=REGION, endpoint_url=f"http://127.0.0.1:{port}")
        with tempfile.TemporaryDirectory() as folder, connect_session(target) as session:
            archive = Archive.open(Path(folder) / "archive", create=True)
            session.limiter = RateLimiter(
                clock=lambda: time.monotonic() * scale, sleep=lambda seconds: time.sleep(seconds / scale)
            )
            started, used = time.monotonic(), time.process_time()
            done = apply_plan(session, archive, plan, confirmed=True, progress=NoProgress(), pace=pace)
            taken, used = (time.monotonic() - started) * scale, time.process_time() - used
            problems = verify(archive.path).problems
            kept = len(archive.load("mitigation_executions"))
        counted = statistics(port)
        process.stdin.close()
    if done.exit_code or problems or kept != findings or set(counted["treated"].values()) != {1}:
        sys.exit(f"not everything once: {done.counts}, {kept} kept, {problems}")
    return {"seconds": taken, "calls": counted["calls"], "refused": counted["refused"], "processor": used}


def main() -> int:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--scale", type=float, default=5.0, help="how many times faster than AWS the clock runs")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.scale)
        return 0
    found = measure(options.findings, options.scale)
    least = {"DescribeCertificate": options.findings, "ListAuditMitigationActionsExecutions": options.findings}
    floor = max(n / PUBLISHED_RATES.get(name, OTHER_RATE) for name, n in least.items())
    line = {
        "benchmark": "mitigation_apply",
        "what": f"applying a plan of {options.findings} findings in waves at AWS's rates",
        "unit": "s (AWS's)",
        "seconds": round(found["seconds"], 1),
        "floor": round(floor, 1),
        "ratio": round(found["seconds"] / floor, 3),
        "aim": AIM,
        "calls": sum(found["calls"].values()),
        "calls_by_operation": found["calls"],
        "refused": sum(found["refused"].values()),
        "processor_seconds": round(found["processor"], 1),
        "scale": options.scale,
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
