"""How the emulator bears a large account: audits, pages of findings, and the time until it is ready.

- An audit of 100,000 certificates and 10,000 policies by all checks, against one of a tenth of that: seconds, peak
  memory of the process, and how far from proportional the larger one is (1.0 is linear).
- A page of 250 findings of an audit with 100,000, the first against the last: milliseconds of the server.
- `ddreport emulator` with the demo fleet, from its start to its ready line, against `--fleet none`.

Each account lives in a process of its own, so that one's memory does not count for the other.
"""

from __future__ import annotations

import base64
import http.client
import json
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.emulation import Emulator, EmulatorServer

LARGE, SMALL = 100_000, 10_000
CERTIFICATES_PER_POLICY = 10
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"

AIMS = {"audit_seconds": 20, "audit_mib": 1024, "linearity": 1.3, "page_ms": 10, "page_ratio": 1.5, "ready_seconds": 3}
PAGE, TURNS, STARTS = 250, 15, 5


def certificates(count: int, *, days: int) -> Iterator[str]:
    """Yield so many PEMs that differ in serial number and RSA modulus; nobody verifies their signatures."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    marker = 0x1122334455667788
    template = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(marker)
        .not_valid_before(START - timedelta(days=100))
        .not_valid_after(START + timedelta(days=days))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    chance = Random(days)
    for number in range(count):
        serial = (0x1000000000000000 + number).to_bytes(8, "big")
        other = (chance.getrandbits(2048) | 1 | 1 << 2047).to_bytes(256, "big")
        der = template.replace(marker.to_bytes(8, "big"), serial).replace(modulus, other)
        yield f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def fill(emulator: Emulator, count: int, *, expiring: float) -> None:
    """Make an account with `count` certificates, a share of them about to expire, and a tenth as many policies."""
    from ddreport.catalogue import checks

    iot = emulator.iot()
    soon = int(count * expiring)
    for days, number in ((3, soon), (400, count - soon)):
        for pem in certificates(number, days=days):
            iot.register_certificate_without_ca(pem, "ACTIVE")
    connect = "arn:aws:iot:eu-west-1:123456789012:client/"
    for number in range(count // CERTIFICATES_PER_POLICY):
        resource_arn = connect + ("*" if number % 20 == 0 else "${iot:Connection.Thing.ThingName}")
        statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": resource_arn}
        iot.create_policy(f"policy-{number}", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    enabled = {name: {"enabled": True} for name in checks()}
    emulator.call("UpdateAccountAuditConfiguration", roleArn=role, auditCheckConfigurations=enabled)


def audit(emulator: Emulator, *check_names: str) -> tuple[str, float]:
    """Run an audit and return its id and how long it took, in real seconds."""
    task_id: str = emulator.call("StartOnDemandAuditTask", targetCheckNames=list(check_names))["taskId"]
    began = time.perf_counter()
    emulator.advance(timedelta(minutes=1))
    return task_id, time.perf_counter() - began


def measure_audit(count: int) -> dict[str, Any]:
    """Audit an account of `count` certificates with all checks: for the first time, and again (best of three)."""
    from ddreport.catalogue import checks
    from ddreport.emulation import Emulator, ManualClock

    with Emulator(ManualClock(START), seed=1) as emulator:
        fill(emulator, count, expiring=0.1)
        taken = []
        for _ in range(4):
            task_id, seconds = audit(emulator, *checks())
            taken.append(seconds)
        task = emulator.call("DescribeAuditTask", taskId=task_id)
        details = task["auditDetails"].values()
        return {
            "seconds": taken[0],
            "again": min(taken[1:]),
            "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "checks": sum(d["checkRunStatus"].startswith("COMPLETED") for d in details),
            "findings": sum(d.get("nonCompliantResourcesCount", 0) for d in details),
        }


def ask(server: EmulatorServer, members: dict[str, Any]) -> tuple[float, bytes]:
    """Ask for a page over HTTP; return seconds and body, which is not looked at while the clock runs."""
    body = json.dumps(members).encode()
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260302/eu-west-1/iot/aws4_request, Signature=0"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = time.perf_counter()
    connection.request("POST", "/audit/findings", body=body, headers=headers)
    content = connection.getresponse().read()
    seconds = time.perf_counter() - began
    connection.close()
    return seconds, content


def measure_pages(count: int) -> dict[str, Any]:
    """Take turns between the first and the last page of one audit's findings; the medians count."""
    from ddreport.emulation import Emulator, EmulatorServer, ManualClock

    with Emulator(ManualClock(START), seed=1) as emulator, EmulatorServer(emulator) as server:
        fill(emulator, count, expiring=1.0)
        task_id, _ = audit(emulator, EXPIRING)
        first: dict[str, Any] = {"taskId": task_id, "maxResults": PAGE}
        last = dict(first)
        for _ in range(count // PAGE - 1):
            last["nextToken"] = emulator.call("ListAuditFindings", **last)["nextToken"]
        taken: dict[str, list[float]] = {"first": [], "last": []}
        for turn in range(TURNS + 1):
            for name, members in (("first", first), ("last", last)):
                seconds, content = ask(server, members)
                if turn:  # the first turn only warms up
                    taken[name].append(seconds)
                elif len(json.loads(content)["findings"]) != PAGE or (name == "last") == (b"nextToken" in content):
                    raise SystemExit(f"the {name} page is not what it should be")
        return {name: statistics.median(times) * 1000 for name, times in taken.items()}


def measure_ready(fleet: str) -> float:
    """Return how long `ddreport emulator` takes to its ready line; the median of some starts."""
    command = [sys.executable, "-m", "ddreport", "--quiet", "emulator", "--port", "0", "--fleet", fleet]
    taken = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            line = process.stdout.readline() if process.stdout else b""
            taken.append(time.perf_counter() - began)
            process.kill()
        if b"endpoint" not in line:
            raise SystemExit(f"the emulator did not start with --fleet {fleet}")
    return statistics.median(taken)


def alone(what: str, count: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    done = subprocess.run([sys.executable, __file__, what, str(count)], check=True, stdout=subprocess.PIPE)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def tell(**members: Any) -> None:
    sys.stdout.write(json.dumps({"benchmark": "emulator"} | members) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure everything, and print a line as soon as it is known."""
    small, large = alone("audit", SMALL), alone("audit", LARGE)
    tell(
        what=f"audit of {LARGE} certificates and {LARGE // CERTIFICATES_PER_POLICY} policies",
        checks=large["checks"],
        findings=large["findings"],
        seconds=round(large["seconds"], 2),
        seconds_again=round(large["again"], 2),
        aim_seconds=AIMS["audit_seconds"],
        peak_mib=round(large["mib"]),
        aim_mib=AIMS["audit_mib"],
        baseline=f"audit of {SMALL} certificates and {SMALL // CERTIFICATES_PER_POLICY} policies",
        baseline_seconds=round(small["seconds"], 2),
        baseline_seconds_again=round(small["again"], 2),
        baseline_mib=round(small["mib"]),
        ratio=round(large["seconds"] / small["seconds"] / (LARGE / SMALL), 2),
        ratio_again=round(large["again"] / small["again"] / (LARGE / SMALL), 2),
        aim_ratio=AIMS["linearity"],
    )
    pages = alone("pages", LARGE)
    tell(
        what=f"ListAuditFindings, page of {PAGE} at offset {LARGE - PAGE}",
        milliseconds=round(pages["last"], 1),
        aim_milliseconds=AIMS["page_ms"],
        baseline="the same at offset 0",
        baseline_milliseconds=round(pages["first"], 1),
        ratio=round(pages["last"] / pages["first"], 2),
        aim_ratio=AIMS["page_ratio"],
    )
    demo, empty = measure_ready("demo"), measure_ready("none")
    tell(
        what="ddreport emulator to its ready line, demo fleet",
        seconds=round(demo, 2),
        aim_seconds=AIMS["ready_seconds"],
        baseline="the same with --fleet none",
        baseline_seconds=round(empty, 2),
        ratio=round(demo / empty, 1),
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure = {"audit": measure_audit, "pages": measure_pages}[sys.argv[1]]
        sys.stdout.write(json.dumps(measure(int(sys.argv[2]))))
    else:
        main()
