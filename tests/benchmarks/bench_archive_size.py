"""Bytes of the typed tables per finding, of a synthetic archive as it is pulled and after its months were packed.

16 of the bytes are the finding's random id. AWS's own answers are evidence and counted apart; the synthetic archive has
only the first ones of each audit, so their size says nothing and is not shown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import Plan, write_archive

from ddreport.archive import Archive

AIM_PACKED = 30.0


def table_bytes(folder: Path) -> int:
    """Sum the sizes of all Parquet files."""
    return sum(p.stat().st_size for p in folder.rglob("*.parquet"))


def main() -> None:
    """Make an archive, weigh it, pack it, weigh it again."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--audits", type=int, default=365)
    made.add_argument("--findings", type=int, default=10_000)
    options = made.parse_args()
    plan = Plan(audits=options.audits, findings=options.findings)
    with tempfile.TemporaryDirectory() as folder:
        rows = write_archive(Path(folder) / "archive", plan, progress=sys.stderr.isatty())
        archive = Archive.open(Path(folder) / "archive")
        pulled = table_bytes(archive.path) / rows
        # A month after the last audit, so that every month is over.
        now = plan.start + timedelta(days=plan.audits + 31)
        began = time.perf_counter()
        archive.compact(before=f"{now:%Y-%m}", time=now)
        seconds = time.perf_counter() - began
        packed = table_bytes(archive.path) / rows
    facts = {"benchmark": "archive_size", "rows": rows}
    for what, size, more in (
        ("as pulled", pulled, {}),
        ("packed", packed, {"baseline_bytes_per_finding": round(pulled, 1), "ratio": round(packed / pulled, 2),
                            "seconds": round(seconds, 1), "aim_bytes_per_finding": AIM_PACKED}),
    ):  # fmt: skip
        sys.stdout.write(json.dumps({**facts, "what": what, "bytes_per_finding": round(size, 1), **more}) + "\n")


if __name__ == "__main__":
    main()
