"""Run every benchmark in this folder and print their JSON lines: `make bench`, or `run.py NAME …` for some of them.

Each line has `benchmark`, what was measured with its unit, the baseline of the same run, the `ratio` between the two,
and the `aim` that the ratio is held against. Nothing fails here: machines differ, ratios say more than seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the benchmarks called NAME (all without a name), one process after the other."""
    known = {p.stem.removeprefix("bench_"): p for p in sorted(HERE.glob("bench_*.py"))}
    unknown = [n for n in names if n not in known]
    if unknown:
        sys.stderr.write(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}\n")
        return 2
    worst = 0
    for name, path in known.items():
        if not names or name in names:
            sys.stderr.write(f"{name} …\n")
            worst = max(worst, subprocess.run([sys.executable, str(path)], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
