"""How long a report takes against an empty papermill notebook in the same run, both as processes from start to exit.

The archive of the demo (90 audits) is made before the clock starts. The baseline is what anyone runs:
`papermill empty.ipynb out.ipynb`, with no cell in the notebook. A second baseline uses the faster engine that this
package brings, so that the share of the engine can be told from the share of the report.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

RUNS = 5
AIM = 3.0


def wall(command: list[str]) -> tuple[float, float]:
    """Seconds of wall time and of CPU (children included) of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    spent = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure report and baselines in turns; medians count."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        empty = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        nbformat.write(empty, home / "empty.ipynb")
        archive = ["--archive", str(home / "archive")]
        ddreport = [sys.executable, "-m", "ddreport", "--quiet"]
        subprocess.run([*ddreport, "pull", "--target", "demo", *archive], check=True, stdout=subprocess.DEVNULL)
        papermill = [sys.executable, "-m", "papermill", "--no-progress-bar", str(home / "empty.ipynb")]
        commands = {
            "empty papermill notebook": [*papermill, str(home / "out.ipynb")],
            "empty notebook, engine ddreport": [*papermill, str(home / "out.ipynb"), "--engine", "ddreport"],
            "report of 90 audits": [*ddreport, "report", "--target", "demo", *archive, "--out", str(home / "reports")],
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(RUNS + 1):
            for name, command in commands.items():
                spent = wall(command)
                if turn:
                    taken[name].append(spent)
        seconds = {name: statistics.median(w for w, _ in runs) for name, runs in taken.items()}
        cpu = {name: statistics.median(c for _, c in runs) for name, runs in taken.items()}
        baseline = seconds["empty papermill notebook"]
        for name, median in seconds.items():
            line = {
                "benchmark": "report",
                "what": name,
                "seconds": round(median, 2),
                "cpu_seconds": round(cpu[name], 2),
                "baseline_seconds": round(baseline, 2),
                "ratio": round(median / baseline, 2),
            }
            if name.startswith("report"):
                line["aim_ratio"] = AIM
                line["html_bytes"] = max(p.stat().st_size for p in (home / "reports").glob("*.html"))
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
