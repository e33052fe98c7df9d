"""How near a pull of four targets at once comes to the rate that AWS allows, and what it loses or doubles.

Four canned accounts (`tests/support_canned_server.py`, no emulator) answer from a process of their own. Each answers
after 100 ms and refuses (`ThrottlingException`) every call when the second before it holds as many accepted ones of the
same operation as the limit allows. Two limits are tried: ten, which is what AWS publishes for `ListAuditFindings`, and
five, as if other programs of the account used the other half, which nobody tells us.

- `ours`: `workflows.pull.pull`, all targets at once.
- `adaptive`: the same, with boto3's adaptive retries in place of our limiter's answer to a refusal.
- `sequential`: one target after the other, one audit after the other, with adaptive retries; at the first limit only.

Each way runs in a process of its own, into an archive of its own. `rate` is that of the target that came off worst:
accepted calls of `ListAuditFindings`, divided by what the limit allows from the first of them to the last (limit x
(seconds + 1)). `ratio` is that to the allowed rate, 1 at best. `wall` is the time of the whole process for all targets.
A call is lost when a page of findings was never had, doubled when one was had twice; `audits_wrong` counts audits that
the archive lacks, or has with another number of findings.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parents[1] / "support_canned_server.py"
REGION = "eu-west-1"
LATENCY = 0.1
PAGE = 250
AIM = 0.9


# The pull, in a process of its own


def targets_at(endpoints: list[str]) -> list[Any]:
    """Return a target for each endpoint."""
    from ddreport.targets import Target

    return [Target(f"t{n}", region=REGION, endpoint_url=endpoint) for n, endpoint in enumerate(endpoints)]


def ours(endpoints: list[str], archive: Any) -> None:
    """Pull as `ddreport pull --all-targets` does."""
    from ddreport.progress import NoProgress
    from ddreport.workflows.pull import pull

    result = pull(targets_at(endpoints), archive, progress=NoProgress())
    assert result.exit_code == 0, [s.problems for s in result.statuses]


def adaptive(endpoints: list[str], archive: Any) -> None:
    """Pull like that, but leave the answer to refusals to boto3."""
    from botocore.config import Config

    from ddreport.aws import session
    from ddreport.aws.rates import RateLimiter

    usual = session._default_config
    session._default_config = lambda: usual().merge(Config(retries={"mode": "adaptive", "total_max_attempts": 8}))
    RateLimiter.refused = lambda self, operation: None  # type: ignore[method-assign]
    ours(endpoints, archive)


def sequential(endpoints: list[str], archive: Any) -> None:
    """Pull one thing after the other."""
    from datetime import timedelta

    from botocore.config import Config

    from ddreport.aws import connect_session
    from ddreport.aws.audits import fetch_audit, fetch_audit_tasks
    from ddreport.aws.rates import RateLimiter
    from ddreport.aws.windows import oldest_start

    RateLimiter.refused = lambda self, operation: None  # type: ignore[method-assign]
    config = Config(retries={"mode": "adaptive", "total_max_attempts": 8})
    for target in targets_at(endpoints):
        with connect_session(target, config=config) as session:
            who = session.identity()
            window = {"start": oldest_start(who.as_of), "end": who.as_of + timedelta(minutes=1), "as_of": who.as_of}
            for task in reversed(fetch_audit_tasks(session.iot, **window)):
                audit = fetch_audit(session.iot, task["taskId"], account=who.account, region=REGION, emulated=False)
                assert audit is not None
                archive.append(audit, pulled_time=who.as_of)


WAYS = {"ours": ours, "adaptive": adaptive, "sequential": sequential}


def pull_here(way: str, endpoints: list[str], folder: str) -> None:
    """Run one way in this process."""
    from ddreport.archive import Archive

    WAYS[way](endpoints, Archive.open(folder, create=True))


# The servers, in another


def serve(targets: int, audits: int, findings: int) -> None:
    """Serve the accounts; each line of standard input is a limit to start anew with, each answer what was seen."""
    spec = importlib.util.spec_from_file_location("support_canned_server", SERVER)
    assert spec
    assert spec.loader
    canned = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = canned
    spec.loader.exec_module(canned)
    with ExitStack() as stack:
        servers = []
        for n in range(targets):
            account = canned.CannedAccount(account=f"{n + 1:012d}")
            for number in range(audits):
                task = f"{n + 1:04x}{number:028x}"
                found = [canned.certificate_finding(number * findings + i, task) for i in range(findings)]
                account.add_audit(task, found, taskStartTime=canned.TASK_START - 3600 * number)
            servers.append(stack.enter_context(canned.CannedServer(account)))
        print(json.dumps([server.endpoint for server in servers]), flush=True)
        for line in sys.stdin:
            print(json.dumps([seen(server.log) for server in servers]), flush=True)
            for server in servers:
                server.hold_to(int(line), latency=LATENCY)


def seen(log: list[tuple[float, str, dict[str, Any], bool]]) -> dict[str, Any]:
    """Sum up the pages of findings that one server was asked for."""
    calls = [(at, asked, good) for at, operation, asked, good in log if operation == "ListAuditFindings"]
    times = [at for at, _, good in calls if good]
    pages = Counter((asked["taskId"], asked.get("nextToken", "")) for _, asked, good in calls if good)
    return {
        "accepted": len(times),
        "seconds": times[-1] - times[0] if times else 0.0,
        "refused": sum(not good for *_, good in calls),
        "pages": len(pages),
    }


class Servers:
    """The other process, as this one talks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.endpoints: list[str] = self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def restart(self, limit: int) -> list[dict[str, Any]]:
        """Return what was seen since the last time, and begin anew with this limit."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{limit}\n")
        self._process.stdin.flush()
        found: list[dict[str, Any]] = self._read()
        return found


@contextmanager
def servers(options: argparse.Namespace) -> Iterator[Servers]:
    """Start the servers."""
    sizes = [f"--{name}={getattr(options, name)}" for name in ("targets", "audits", "findings")]
    command = [sys.executable, __file__, "--serve", *sizes]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield Servers(process)
        finally:
            process.stdin.close()


# Both


def measure(way: str, limit: int, running: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """Run one way in a process of its own and compare what the servers saw and the archive holds."""
    from ddreport.archive import Archive

    running.restart(limit)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        command = [sys.executable, __file__, "--way", way, "--archive", folder, "--endpoints", *running.endpoints]
        subprocess.run(command, check=True)
        wall = time.monotonic() - began
        tasks = Archive.open(folder).load("audit_tasks")
        counts = Archive.open(folder).load("findings").groupby(["account", "audit_task_id"]).size()
    found = running.restart(limit)
    pages = options.audits * -(-options.findings // PAGE)
    right = int((counts == options.findings).sum())
    return {
        "wall": round(wall, 2),
        "rate": min(round(t["accepted"] / (t["seconds"] + 1), 2) for t in found),
        "ratios": [round(t["accepted"] / (limit * (t["seconds"] + 1)), 3) for t in found],
        "refused": sum(t["refused"] for t in found),
        "lost": sum(pages - t["pages"] for t in found),
        "doubled": sum(t["accepted"] - t["pages"] for t in found) + int(tasks.duplicated().sum()),
        "audits_wrong": options.targets * options.audits - right,
    }


def main() -> int:
    """Measure all ways at both limits and print one JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--audits", type=int, default=80, help="audits of each target")
    parser.add_argument("--findings", type=int, default=251, help="findings of each audit; a page has 250")
    parser.add_argument("--limits", type=int, nargs="+", default=[10, 5], help="accepted calls a second")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--archive", help=argparse.SUPPRESS)
    parser.add_argument("--endpoints", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.targets, options.audits, options.findings)
        return 0
    if options.way:
        pull_here(options.way, options.endpoints, options.archive)
        return 0
    worst = 0
    with servers(options) as running:
        for limit in options.limits:
            ways = [w for w in reversed(options.ways) if w != "sequential" or limit == options.limits[0]]
            results = {way: measure(way, limit, running, options) for way in ways}
            baseline = results.get("sequential", {})
            for way, result in results.items():
                line = {
                    "benchmark": "pull_targets",
                    "what": f"{way}: {options.targets} targets, each {options.audits} audits of {options.findings} "
                    f"findings, {LATENCY * 1000:.0f} ms a call, {limit} calls/s allowed",
                    "unit": "calls/s of the slowest target",
                    "rate": result.pop("rate"),
                    "ratio": min(result["ratios"]),
                    "aim": AIM if way == "ours" else None,
                    **result,
                    "baseline_ratio": min(baseline["ratios"]) if baseline else None,
                    "baseline_wall": baseline.get("wall"),
                }
                print(json.dumps(line), flush=True)
                worst = max(worst, int(bool(result["lost"] or result["doubled"] or result["audits_wrong"])))
    return worst


if __name__ == "__main__":
    sys.exit(main())
