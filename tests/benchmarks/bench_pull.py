"""What a pull of 20,000 findings costs, against boto3's paginator with `pandas.json_normalize`.

A canned server (`tests/support_canned_server.py`, no emulator) answers from a process of its own. Each way runs in its
own process and asks the operating system afterwards: processor time (user and system) and greatest memory.

- `straightforward`: all pages by the paginator, one list of dicts, `pandas.json_normalize`.
- `ours`: `fetch_audit`, that is the same pages, the Arrow tables of the audit, its checks, findings and related
  resources with typed columns and identities, and every answer of AWS as raw bytes in memory.

Neither compresses or writes anything. Gross figures (`ratio`) are of the whole process, interpreter, imports and client
included. Net figures (`net_ratio`) are less those of a process that imports the same, makes the same client and fetches
nothing: the pull itself. The aim for processor time is held against the net, since starting Python, boto3 and Arrow
costs the same for one finding as for a million; the aim for memory is held against the gross.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parents[1] / "support_canned_server.py"
REGION, ACCOUNT = "eu-west-1", "111122223333"
CPU_AIM, MEMORY_AIM = 0.25, 0.5


def straightforward(endpoint: str, audit_task_id: str, *, pull: bool) -> int:
    """Fetch as most scripts do; returns the number of findings."""
    import boto3
    import pandas as pd

    client = boto3.client(
        "iot",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    if not pull:
        return 0
    findings = []
    pages = client.get_paginator("list_audit_findings").paginate(
        taskId=audit_task_id, PaginationConfig={"PageSize": 250}
    )
    for page in pages:
        findings.extend(page["findings"])
    return len(pd.json_normalize(findings))


def ours(endpoint: str, audit_task_id: str, *, pull: bool) -> int:
    """Fetch as `ddreport pull` does; returns the number of findings."""
    import pyarrow as pa

    from ddreport.aws import connect_session, fetch_audit
    from ddreport.targets import Target

    with connect_session(Target("canned", region=REGION, endpoint_url=endpoint)) as session:
        client = session.iot
        if not pull:
            return len(pa.schema([]))
        audit = fetch_audit(client, audit_task_id, account=ACCOUNT, region=REGION, emulated=False)
    assert audit is not None
    assert all(answer.body for answer in audit.raw)
    return audit.tables["findings"].num_rows


WAYS = {"straightforward": straightforward, "ours": ours}


def measure_here(way: str, endpoint: str, audit_task_id: str, *, pull: bool) -> None:
    """Run one way in this process and print what it cost."""
    findings = WAYS[way](endpoint, audit_task_id, pull=pull)
    used = resource.getrusage(resource.RUSAGE_SELF)
    per_mb = 1024**2 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    print(
        json.dumps(
            {
                "cpu": used.ru_utime + used.ru_stime,
                "memory": used.ru_maxrss / per_mb,
                "findings": findings,
                "modules": sorted({"boto3", "pandas", "pyarrow", "botocore"} & set(sys.modules)),
            }
        )
    )


def measure(way: str, served: dict[str, str], *, pull: bool) -> dict[str, float]:
    """Run one way in a process of its own."""
    arguments = ["--way", way, "--endpoint", served["endpoint"], "--task", served["audit_task_id"]]
    done = subprocess.run(
        [sys.executable, __file__, *arguments, *([] if pull else ["--nothing"])],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


@contextmanager
def canned_server(findings: int) -> Iterator[dict[str, str]]:
    """Serve one audit from another process; it answers like the emulator, so that no request rate is waited for."""
    command = [sys.executable, str(SERVER), "--findings", str(findings), "--emulator"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


def main() -> int:
    """Measure both ways in turns and print one JSON line for processor time and one for memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5, help="how often each way runs; the median counts")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--nothing", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure_here(options.way, options.endpoint, options.task, pull=not options.nothing)
        return 0

    runs: dict[tuple[str, bool], list[dict[str, float]]] = {(way, pull): [] for way in WAYS for pull in (True, False)}
    with canned_server(options.findings) as served:
        for turn in range(options.runs + 1):
            for (way, pull), found in runs.items():
                result = measure(way, served, pull=pull)
                if pull and result["findings"] != options.findings:
                    sys.exit(f"{way} gave {result['findings']} of {options.findings} findings")
                if turn:  # the first turn warms the file cache and the server's pages
                    found.append(result)

    for what, unit, aim in (("cpu", "s", CPU_AIM), ("memory", "MB", MEMORY_AIM)):
        gross = {way: statistics.median(run[what] for run in runs[way, True]) for way in WAYS}
        net = {way: gross[way] - statistics.median(run[what] for run in runs[way, False]) for way in WAYS}
        line = {
            "benchmark": "pull",
            "what": f"{what} of {options.findings} findings",
            "unit": unit,
            "gross": round(gross["ours"], 3),
            "baseline_gross": round(gross["straightforward"], 3),
            "ratio": round(gross["ours"] / gross["straightforward"], 3),
            "net": round(net["ours"], 3),
            "baseline_net": round(net["straightforward"], 3),
            "net_ratio": round(net["ours"] / net["straightforward"], 3),
            "aim": aim,
            "runs": options.runs,
        }
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
