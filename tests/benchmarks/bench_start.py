"""How long `import ddreport` and `ddreport --help` take, against a bare `python -c pass` in the same run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

RUNS = 11
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import ddreport": ["-c", "import ddreport"],
    "ddreport --help": ["-m", "ddreport", "--help"],
}
AIMS = {"import ddreport": 0.15, "ddreport --help": 0.4}


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Take turns, so that a slow moment of the machine hits all alike; the median counts."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(RUNS + 1):
        for name, arguments in COMMANDS.items():
            spent = seconds(arguments)
            if turn:  # the first turn only warms the file cache
                taken[name].append(spent)
    baseline = statistics.median(taken["python -c pass"])
    for name, aim in AIMS.items():
        median = statistics.median(taken[name])
        line = {
            "benchmark": "start",
            "what": name,
            "seconds": round(median, 3),
            "baseline_seconds": round(baseline, 3),
            "ratio": round(median / baseline, 1),
            "aim_seconds": aim,
        }
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
