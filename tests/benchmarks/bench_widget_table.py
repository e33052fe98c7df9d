"""The table widget with 100,000 findings in the kernel: first view, search, filter, order, selection, what is sent.

The baseline is what any table must do for a search: look into the ids with pandas, once, and count the severities.
Times are CPU seconds of this process, since a browser waits for the kernel and for nothing else here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ddreport.catalogue import checks
from ddreport.widgets import FindingsTable

AIM_FIRST_SECONDS = 2.0
AIM_ANSWER_SECONDS = 0.2


def findings(count: int) -> pd.DataFrame:
    """Make findings with ids as long as those of certificates."""
    random = np.random.default_rng(1)
    known = list(checks().values())
    chosen = random.integers(0, len(known), count)
    times = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 10**7, count), unit="s")
    return pd.DataFrame(
        {
            "problem_id": pd.Series([f"{i:032x}" for i in range(count)], dtype="str"),
            "severity": pd.Categorical(
                [known[i].severity for i in chosen], ["CRITICAL", "HIGH", "MEDIUM", "LOW"], ordered=True
            ),
            "check_name": pd.Series([known[i].name for i in chosen], dtype="str"),
            "resource_type": pd.Series([known[i].resource_type for i in chosen], dtype="str"),
            "resource_id": pd.Series(
                [bytes(row).hex() for row in random.integers(0, 256, (count, 32), dtype=np.uint8)], dtype="str"
            ),
            "reason_code": pd.Series([known[i].reason_codes[0][0] for i in chosen], dtype="str"),
            "finding_time": times,
            "is_suppressed": pd.Series(random.random(count) < 0.1, dtype="boolean"),
        }
    )


def seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of a piece of work."""
    began = time.process_time()
    work()
    return round(time.process_time() - began, 3)


def main() -> None:
    """Measure, print one JSON line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--findings", type=int, default=100_000)
    frame = findings(made.parse_args().findings)
    held: list[FindingsTable] = []
    first = seconds(lambda: held.append(FindingsTable(frame, key="problem_id")))
    (table,) = held
    answers = {
        "first_search": seconds(lambda: setattr(table, "search", "abc")),
        "search": seconds(lambda: setattr(table, "search", "abcd f0")),
        "filter": seconds(lambda: table.set_state({"search": "", "filters": {"severity": ["HIGH", "MEDIUM"]}})),
        "first_order_by_id": seconds(lambda: table.set_state({"filters": {}, "sort": ["resource_id", True]})),
        "order_by_time": seconds(lambda: setattr(table, "sort", ["finding_time", True])),
        "window": seconds(lambda: table.rows.window(50_000, 50_060)),
        "select_all": seconds(table.select_all),
    }
    whole = json.dumps({name: frame[name].astype(str).tolist() for name in frame}).encode()
    base = seconds(
        lambda: (frame["resource_id"].str.contains("abc", regex=False).sum(), frame["severity"].value_counts())
    )
    facts = {
        "benchmark": "widget_table",
        "what": f"table widget with {len(frame):,} findings, in the kernel",
        "first_view_seconds": first,
        "answers_seconds": answers,
        "baseline_seconds": base,
        "ratio": round(answers["search"] / max(base, 0.001), 1),
        "sent_bytes": len(json.dumps(table.rows.window(0, 60))),
        "all_columns_bytes": len(whole),
        "all_columns_compressed_bytes": len(zlib.compress(whole, 6)),
        "aim_first_view_seconds": AIM_FIRST_SECONDS,
        "aim_answer_seconds": AIM_ANSWER_SECONDS,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
