"""A mitigation plan of 10,000 findings from the archive alone: whole process, from opening the archive to the file.

The archive is synthetic (`synthetic.py`): a few daily audits, two mitigation actions defined. The baseline is the least
that any tool has to do: read the newest audit's findings with pandas and write the same number of lines as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import Plan, record_sets

from ddreport.archive import Archive
from ddreport.schemas import MITIGATION_ACTIONS
from ddreport.workflows.pulling.status import TargetStatus

AIM_SECONDS = 2.0
ACTIONS = {
    "Deactivate": ("UPDATE_DEVICE_CERTIFICATE", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}),
    "Blank": (
        "REPLACE_DEFAULT_POLICY_VERSION",
        {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}},
    ),
    "Tell": (
        "PUBLISH_FINDING_TO_SNS",
        {"publishFindingToSnsParams": {"topicArn": "arn:aws:sns:eu-west-1:012345678901:Findings"}},
    ),
}

BASELINE = """
import glob, json, sys
import pandas as pd
newest = sorted(glob.glob(sys.argv[1] + "/audits/*/*/*/*/findings.parquet"))[-1]
frames = [pd.read_parquet(f, partitioning=None) for f in glob.glob(sys.argv[1] + "/audits/*/*/*/*/findings.parquet")]
found = max(frames, key=lambda f: f["task_start_time"].max())
with open(sys.argv[2], "w") as out:
    for row in found.astype(str).to_dict("records"):
        out.write(json.dumps(row) + "\\n")
"""


def write(out: Path, plan: Plan) -> None:
    """Write the archive, with the actions in every state, and the record of a pull."""
    archive = Archive.open(out, create=True)
    for records in record_sets(plan):
        if records.kind == "state":
            common = {"account": records.account, "region": records.region, "observed_time": records.time}
            rows = [
                common
                | {
                    "action_name": name,
                    "action_id": name.lower(),
                    "action_arn": f"arn:aws:iot:{records.region}:{records.account}:mitigationaction/{name}",
                    "action_type": kind,
                    "role_arn": f"arn:aws:iam::{records.account}:role/Mitigation",
                    "creation_time": records.time,
                    "last_modified_time": records.time,
                    "action_params": json.dumps(parameters),
                }
                for name, (kind, parameters) in ACTIONS.items()
            ]
            table = pa.Table.from_pylist(rows, schema=MITIGATION_ACTIONS.arrow())
            archive.append_state(replace(records, tables={**records.tables, "mitigation_actions": table}))
        else:
            archive.append(records)
            status = TargetStatus(
                "demo", pull_id=records.identity, time=records.time, account=records.account, region=records.region
            )
            status.emulated, status.audits_listed, status.state_seen = True, True, True
            archive.record_pull(records.time, status.as_dict())


def timed(command: list[str], **more: Any) -> float:
    """Return the wall time of a process; it must succeed."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    return time.perf_counter() - began


def main() -> None:
    """Make the archive, time both ways three times, print the fastest of each."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--findings", type=int, default=10_000)
    options = made.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "archive"
        write(folder, Plan(audits=5, findings=options.findings))
        ours, base = [], []
        command = [sys.executable, "-m", "ddreport", "mitigate", "plan", "--target", "demo", "--offline"]
        command += ["--archive", str(folder), "--resource", "*"]
        command += [part for name in ACTIONS for part in ("--action", name)]
        for number in range(3):
            out = Path(temporary) / f"plan-{number}.yaml"
            ours.append(timed([*command, "--out", str(out)]))
            base.append(timed([sys.executable, "-c", BASELINE, str(folder), str(Path(temporary) / f"base-{number}")]))
        planned = sum(line.startswith("- {") for line in out.read_text().splitlines())
        facts = {
            "benchmark": "mitigation_plan",
            "what": "plan of one audit from the archive alone, whole process",
            "lines": planned,
            "seconds": round(min(ours), 2),
            "baseline_seconds": round(min(base), 2),
            "ratio": round(min(ours) / min(base), 2),
            "aim_seconds": AIM_SECONDS,
        }
        sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    os.environ.pop("DDREPORT_CONFIG", None)
    main()
