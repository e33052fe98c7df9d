"""The explorer of a report in headless Chromium: size of the page, time until it is ready, time of a search.

The page holds the explorer alone (the charts' library, the same in every report, is left out). Times are taken by the
page's own clock: from the start of loading until the rows are there, and from typing until the rows that match are
painted, less the pause that the page makes while somebody types. The baseline is the same page with 1,000 rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook, new_output

from ddreport.history import PROBLEMS
from ddreport.presentation.blocks import style
from ddreport.presentation.explorer import explorer_rows
from ddreport.presentation.sections import findings_section
from ddreport.rendering import notebook_html
from ddreport.schemas import FINDINGS

SIZES = (0, 1_000, 121_117)
AIM_MEGABYTES, AIM_READY_MS = 10.0, 2000
CHECKS = {
    "DEVICE_CERTIFICATE_EXPIRING_CHECK": ("MEDIUM", "CERTIFICATE_PAST_EXPIRATION"),
    "DEVICE_CERTIFICATE_SHARED_CHECK": ("CRITICAL", "CERTIFICATE_SHARED_BY_MULTIPLE_DEVICES"),
    "DEVICE_CERTIFICATE_AGE_CHECK": ("LOW", "CERTIFICATE_PAST_AGE_THRESHOLD"),
}
TYPE = """async () => {
  const input = document.querySelector('[name=q]'), count = document.querySelector('.dd-explorer-count');
  const before = count.textContent, begin = performance.now();
  input.value = 'ab12';
  input.dispatchEvent(new Event('input', {bubbles: true}));
  while (count.textContent === before) await new Promise(r => setTimeout(r, 4));
  await new Promise(r => requestAnimationFrame(r));
  return performance.now() - begin - 120;
}"""


def problems(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make so many open problems of certificates, and their findings."""
    rng = np.random.default_rng(7)
    names = rng.choice(list(CHECKS), count, p=[0.5, 0.1, 0.4])
    start = pd.Timestamp("2026-01-01T03:50", tz="UTC")
    opened = start + pd.to_timedelta(rng.integers(0, 80, count), unit="D")
    base: dict[str, Any] = {
        "account": rng.choice(["111122223333", "444455556666"], count),
        "region": rng.choice(["eu-west-1", "us-east-1"], count),
        "check_name": names,
        "resource_type": "DEVICE_CERTIFICATE",
        "resource_id": [rng.bytes(32).hex() for _ in range(count)],
        "reason_code": [CHECKS[n][1] for n in names],
        "severity": [CHECKS[n][0] for n in names],
    }
    known = base | {
        "problem_id": [rng.bytes(16).hex() for _ in range(count)],
        "state": "OPEN",
        "known_state": "OPEN",
        "is_suppressed": False,
        "first_seen_time": opened,
        "first_seen_audit_task_id": "a",
        "opened_time": opened,
        "last_seen_time": start + pd.Timedelta(days=89),
        "last_seen_audit_task_id": "b",
        "reopened_count": 0,
        "age_days": 1.0,
    }
    found = base | {
        "audit_task_id": "b",
        "finding_id": [rng.bytes(16).hex() for _ in range(count)],
        "task_start_time": start + pd.Timedelta(days=89),
        "finding_time": start + pd.Timedelta(days=89),
        "reason": "",
        "is_suppressed": False,
        "related_resources_count": 0,
        "resource_identifier": "{}",
    }
    tables = []
    for schema, columns in ((PROBLEMS, known), (FINDINGS, found)):
        index = range(count)
        tables.append(schema.conform(pd.DataFrame({n: columns.get(n) for n in schema.column_names}, index=index)))
    return tables[0], tables[1].assign(problem_id=tables[0]["problem_id"])


def page(count: int) -> str:
    """Return the page with so many rows."""
    table, findings = problems(count)
    rows = explorer_rows(table, findings)
    section = findings_section(findings, findings, explorer=rows)
    html = f"<style data-ddreport>{style()}</style>{section.html}"
    output = new_output("display_data", {"text/html": html})
    return notebook_html(new_notebook(cells=[new_code_cell("", outputs=[output])]))


def main() -> None:
    """Make a page of each size, open it three times, print the fastest."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    options = made.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("there is no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        for size in options.sizes:
            path = Path(temporary) / f"{size}.html"
            path.write_text(page(size), encoding="utf-8")
            facts: dict[str, Any] = {"benchmark": "explorer", "rows": size, "megabytes": path.stat().st_size / 1e6}
            ready, search = [], []
            for _ in range(3 if size else 0):
                opened = browser.new_page()
                opened.goto(path.as_uri())
                opened.wait_for_selector("[data-ready]", state="attached")
                ready.append(opened.evaluate("Number(document.querySelector('[data-ready]').dataset.readyMs)"))
                search.append(opened.evaluate(TYPE))
                opened.close()
            if ready:
                facts |= {"ready_ms": min(ready), "search_ms": min(search)}
            facts |= {"aim_megabytes": AIM_MEGABYTES, "aim_ready_ms": AIM_READY_MS}
            rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in facts.items()}
            sys.stdout.write(json.dumps(rounded) + "\n")
        browser.close()


if __name__ == "__main__":
    main()
