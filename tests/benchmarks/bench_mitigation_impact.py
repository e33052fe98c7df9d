"""The impact of 10,000 findings, against a server that answers at AWS's published rates and refuses what is faster.

The clock is scaled: the server's rates and answering times and the client's limiter all run `--scale` times faster than
AWS, so that a quarter of an hour takes a few minutes. Everything else is real: boto3 over HTTP, threads, the journal on
disk. What the processor needs for a call is not scaled, so it counts `--scale` times over against us; on a slow or
busy machine a smaller scale is the fairer one: two cores shared with five others gave a ratio of 1.11 at scale 2.5 and
1.05 at scale 1.25.

The fleet: nine of ten findings are of device certificates, each with one to three things in one group and one policy;
the rest are of policies attached to three of these certificates each, a few of CAs, and one of the account. Things are
in the fleet index. The floor is what the rates impose on the calls that were made: of all operations the one with the
most calls for its rate. `least_calls` is one call per resource and fact, and one per dozen things in the index.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ddreport.aws.rates import OTHER_RATE, PUBLISHED_RATES

ACCOUNT, REGION = "111122223333", "eu-west-1"
ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/"
ANSWER_SECONDS = 0.1  # of AWS, before it is scaled
AIM = 1.1
CERTIFICATES_A_POLICY = 3


def certificate(number: int) -> str:
    """Return the id of a certificate."""
    return f"{number:064x}"


def things_of(number: int) -> list[str]:
    """Return the things of a certificate: one to three."""
    return [f"thing-{number}-{n}" for n in range(1 + number % 3)]


def fleet(findings: int) -> list[tuple[str, str]]:
    """Return type and id of the resource of each finding."""
    policies = findings // 10
    cas = min(9, findings // 100)
    certificates = findings - policies - cas - 1
    return [
        *(("DEVICE_CERTIFICATE", certificate(n)) for n in range(certificates)),
        *(("IOT_POLICY", f"policy-{n}") for n in range(policies)),
        *(("CA_CERTIFICATE", certificate(n)) for n in range(10**6, 10**6 + cas)),
        ("ACCOUNT_SETTINGS", ACCOUNT),
    ]


class Rates:
    """Lets no second (of the scaled clock) hold more requests of an operation than its rate."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def admit(self, operation: str) -> bool:
        """Count one request; False when it comes too soon."""
        with self._lock:
            now = time.monotonic() * self.scale
            rate = PUBLISHED_RATES.get(operation, OTHER_RATE)
            times = self._times.setdefault(operation, deque(maxlen=rate))
            if len(times) == rate and now - times[0] < 1:
                self.refused[operation] += 1
                return False
            times.append(now)
            self.calls[operation] += 1
            return True


class Handler(BaseHTTPRequestHandler):
    """Answers as AWS IoT would about the fleet."""

    protocol_version = "HTTP/1.1"
    rates: Rates
    certificates: int

    def do_GET(self) -> None:
        """Answer a question."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path).strip("/")
        if path == "statistics":
            self._send(200, {"calls": self.rates.calls, "refused": self.rates.refused})
            return
        operation, answer = self._answer(path, body)
        if not self.rates.admit(operation):
            self._send(400, {"message": "Rate exceeded"}, {"x-amzn-ErrorType": "ThrottlingException"})
            return
        time.sleep(ANSWER_SECONDS / self.rates.scale)
        self._send(200, answer)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def _answer(self, path: str, body: bytes) -> tuple[str, dict[str, Any]]:
        kind, _, rest = path.partition("/")
        match kind:
            case "certificates":
                return "DescribeCertificate", {"certificateDescription": {"certificateId": rest, "status": "ACTIVE"}}
            case "principals":
                number = int(self.headers["x-amzn-principal"].rpartition("/")[2], 16)
                return "ListPrincipalThings", {"things": things_of(number)}
            case "attached-policies":
                return "ListAttachedPolicies", {"policies": [{"policyName": "device", "policyArn": "arn"}]}
            case "things":
                group = {"groupName": f"hall-{hash(rest) % 20}", "groupArn": "arn"}
                return "ListThingGroupsForThing", {"thingGroups": [group]}
            case "policy-targets":
                first = int(rest.rpartition("-")[2]) * CERTIFICATES_A_POLICY
                numbers = [(first + n) % self.certificates for n in range(CERTIFICATES_A_POLICY)]
                return "ListTargetsForPolicy", {"targets": [ARN + certificate(n) for n in numbers]}
            case "indexing":
                mode = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
                return "GetIndexingConfiguration", {"thingIndexingConfiguration": mode}
            case "indices":
                names = json.loads(body)["queryString"].removeprefix("thingName:(").removesuffix(")").split(" OR ")
                connectivity = {"connected": False, "timestamp": 1_772_000_000_000}
                things = [{"thingName": name.strip('"'), "connectivity": connectivity} for name in names]
                return "SearchIndex", {"things": things}
            case "cacertificate":
                return "DescribeCACertificate", {"certificateDescription": {"certificateId": rest, "status": "ACTIVE"}}
            case "certificates-by-ca":
                return "ListCertificatesByCA", {"certificates": [{"certificateId": certificate(n)} for n in range(100)]}
        raise ValueError(path)

    def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves many connections."""

    daemon_threads = True
    request_queue_size = 128


def serve(findings: int, scale: float) -> None:
    """Serve until the standard input ends; the first line of output is the port."""
    Handler.rates = Rates(scale)
    Handler.certificates = sum(kind == "DEVICE_CERTIFICATE" for kind, _ in fleet(findings))
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def statistics(port: int) -> dict[str, dict[str, int]]:
    """Return the server's counts."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/statistics")
    found: dict[str, dict[str, int]] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def least_calls(findings: int) -> int:
    """Return the calls that no way of asking can do without."""
    resources = fleet(findings)
    certificates = [int(name, 16) for kind, name in resources if kind == "DEVICE_CERTIFICATE"]
    things = sum(len(things_of(n)) for n in certificates)
    policies = sum(kind == "IOT_POLICY" for kind, _ in resources)
    cas = sum(kind == "CA_CERTIFICATE" for kind, _ in resources)
    return 3 * len(certificates) + things + policies + 2 * cas + 1 + -(-things // 12)


def measure(findings: int, scale: float) -> dict[str, Any]:
    """Read the impact once, and return what it took."""
    import pandas as pd

    from ddreport.aws import Identity, connect_session
    from ddreport.aws.rates import RateLimiter
    from ddreport.targets import Target
    from ddreport.workflows.impact import read_impact

    table = pd.DataFrame(
        [
            {
                "account": ACCOUNT,
                "region": REGION,
                "finding_id": f"finding-{n:06}",
                "check_name": "DEVICE_CERTIFICATE_AGE_CHECK",
                "resource_type": kind,
                "resource_id": name,
            }
            for n, (kind, name) in enumerate(fleet(findings))
        ]
    )
    command = [sys.executable, __file__, "--serve", "--findings", str(findings), "--scale", str(scale)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        target = Target("scaled", region=REGION, endpoint_url=f"http://127.0.0.1:{port}")
        identity = Identity(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:user/x", emulated=False, as_of=datetime.now(UTC))
        with tempfile.TemporaryDirectory() as folder, connect_session(target) as session:
            session.limiter = RateLimiter(
                clock=lambda: time.monotonic() * scale, sleep=lambda seconds: time.sleep(seconds / scale)
            )
            started = time.monotonic()
            impacts = read_impact(session, table, identity=identity, cache_dir=Path(folder))
            taken = (time.monotonic() - started) * scale
        counted = statistics(port)
        process.stdin.close()
    unread = impacts["unknown"] != "{}"
    if unread.any():
        sys.exit(f"{unread.sum()} of {len(impacts)} rows lack something: {impacts['unknown'][unread].iloc[0]}")
    calls = counted["calls"]
    floor = max(n / PUBLISHED_RATES.get(name, OTHER_RATE) for name, n in calls.items())
    return {"seconds": taken, "floor": floor, "calls": calls, "refused": counted["refused"]}


def main() -> int:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--scale", type=float, default=1.5, help="how many times faster than AWS the clock runs")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.findings, options.scale)
        return 0
    found = measure(options.findings, options.scale)
    total = sum(found["calls"].values())
    line = {
        "benchmark": "mitigation_impact",
        "what": f"reading the impact of {options.findings} findings at AWS's rates",
        "unit": "s (AWS's)",
        "seconds": round(found["seconds"], 1),
        "floor": round(found["floor"], 1),
        "ratio": round(found["seconds"] / found["floor"], 3),
        "aim": AIM,
        "calls": total,
        "least_calls": least_calls(options.findings),
        "calls_by_operation": found["calls"],
        "refused": sum(found["refused"].values()),
        "scale": options.scale,
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
