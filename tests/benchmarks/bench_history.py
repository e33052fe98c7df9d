"""The life of every problem and all measures over a year of audits, against plain pandas over the same files.

The archive is synthetic (`synthetic.py`): 365 daily audits of 10,000 findings, or what `--audits` and `--findings` say;
`--large` takes 365 audits of 100,000 findings, without the baseline, which needs more memory than most machines have.
`--keep FOLDER` keeps the archives for the next time.

Each way runs in a process of its own, from opening the archive to the last table, and tells its wall time and its
highest memory (`ru_maxrss`). The ways:

- `pandas`: the baseline, what a competent analyst would write in an afternoon from docs/lifecycle.md: read all findings
  with `pd.read_parquet`, sort, compare each report of a problem with the one before; the measures over the same frames.
- `ddreport`: `workflows.history.follow`, `trend` and the measures over the archive in DuckDB, hashes checked, and
  nothing kept from before.
- `day more`: the 366th audit, added by `follow` to what it keeps of the 365 before, in a copy of the archive.

Both must give the same episodes, else the benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import Plan, write_archive

from ddreport import metrics
from ddreport.archive import Archive
from ddreport.workflows.engine import open_tables
from ddreport.workflows.history import follow
from ddreport.workflows.trend import trend

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = ["account", "region", "check_name", "resource_type", "resource_id", "reason_code"]
LINE = KEY[:3]
RUN = ["account", "region", "audit_task_id", "check_name"]
COMPARED = [*KEY, "episode", "is_suppressed", "first_seen_time", "last_seen_time", "resolved_time"]
LOOK_BACK = ["DEVICE_CERTIFICATE_SHARED_CHECK", "CONFLICTING_CLIENT_IDS_CHECK"]

AIM_SECONDS, AIM_GIB, AIM_FASTER, AIM_MEMORY_SHARE = 5.0, 1.0, 5.0, 1 / 5
LARGE_SECONDS, LARGE_GIB = 60.0, 4.0
AIM_DAY_SHARE = 1 / 20


def measures(
    audit_tasks: Any, checks: Any, findings: Any, *, as_of: datetime, reports: Any = None
) -> dict[str, pd.DataFrame]:
    """All measures that read findings or checks; the same functions for pandas and for DuckDB.

    Where the findings were reduced for the life of the problems already (`reports`), this is not done again.
    """
    reported = findings if reports is None else reports
    current = metrics.current_findings(findings, checks, as_of=as_of)
    return {
        "compliance": metrics.compliance(audit_tasks, checks),
        "compliance_by_check": metrics.compliance_by_check(checks, audit_tasks=audit_tasks),
        "current_checks": metrics.current_checks(checks, as_of=as_of, audit_tasks=audit_tasks),
        "current_findings": current,
        "non_compliant_by_severity": metrics.non_compliant_by_severity(reported, checks, audit_tasks=audit_tasks),
        "top_resources": metrics.top_resources(current),
        "data_gaps": metrics.data_gaps(audit_tasks, checks, start=as_of - timedelta(days=365), end=as_of),
    }


def pandas_episodes(audit_tasks: pd.DataFrame, checks: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Follow each problem from report to report, as one writes it down at first."""
    runs = checks.merge(audit_tasks[[*RUN[:3], "task_type"]], on=RUN[:3])
    runs = runs[runs["check_run_status"].str.startswith("COMPLETED")].sort_values([*LINE, "task_start_time"])
    runs["place"] = runs.groupby(LINE).cumcount()
    # Who may resolve what this run reports: the next one; for what an on-demand run of a check that looks back
    # reports, the next on-demand one.
    runs["resolver"] = runs.groupby(LINE)["place"].shift(-1)
    runs["resolved_time"] = runs.groupby(LINE)["task_start_time"].shift(-1)
    alone = runs["check_name"].isin(LOOK_BACK) & (runs["task_type"] == "ON_DEMAND_AUDIT_TASK")
    for column, source in (("resolver", "place"), ("resolved_time", "task_start_time")):
        runs.loc[alone, column] = runs[alone].groupby(LINE)[source].shift(-1)
    reports = findings[[*RUN, *KEY[3:], "is_suppressed"]].merge(
        runs[[*RUN, "task_start_time", "place", "resolver", "resolved_time"]], on=RUN
    )
    reports = reports.sort_values([*KEY, "place"])
    problems = reports.groupby(KEY, sort=False)
    following = problems["place"].shift(-1).fillna(np.inf)
    reports["ends"] = following > reports["resolver"].fillna(np.inf)
    reports["last"] = reports["ends"] | ~reports.duplicated(KEY, keep="last")
    reports["episode"] = 1 + problems["ends"].cumsum() - reports["ends"]
    reports["first_seen_time"] = reports.groupby([*KEY, "episode"], sort=False)["task_start_time"].transform("min")
    episodes = reports[reports["last"]].rename(columns={"task_start_time": "last_seen_time"})
    episodes["resolved_time"] = episodes["resolved_time"].where(episodes["ends"])
    return episodes[COMPARED]


def by_pandas(folder: Path, as_of: datetime) -> pd.DataFrame:
    """Do it the straightforward way; returns the episodes."""

    def read(table: str) -> pd.DataFrame:
        files = sorted((folder / "audits").rglob(f"{table}.parquet"))
        return pd.concat([pd.read_parquet(f, partitioning=None) for f in files], ignore_index=True)

    tables = {name: read(name) for name in ("audit_tasks", "checks", "findings")}
    episodes = pandas_episodes(**tables)
    measures(**tables, as_of=as_of)
    return episodes


def by_ddreport(folder: Path, as_of: datetime, engine: str = "duckdb") -> pd.DataFrame:
    """Do it with this package, keeping nothing; returns the episodes."""
    archive = Archive.open(folder)
    with open_tables(archive, engine) as tables:
        lives = follow(archive, keep=False, tables=tables)
        measures(tables.audit_tasks, tables.checks, tables.findings, as_of=as_of, reports=tables.reports)
    start, episodes, now = as_of - timedelta(days=365), lives.episodes(as_of), lives.problems(as_of)
    trend(lives, start=start, end=as_of)
    before = lives.problems(as_of - timedelta(days=30))
    metrics.difference_summary(metrics.difference(before, now))
    metrics.open_by_age(now)
    metrics.roll_up(now, by="check_name")
    metrics.time_to_resolve(episodes, as_of=as_of)
    metrics.sla(now, as_of=as_of)
    metrics.sla_summary(episodes, now, start=start, end=as_of)
    flow = metrics.problem_flow(episodes, start=start, end=as_of, runs=lives.runs)
    metrics.backlog_forecast(flow)
    return episodes


WAYS: dict[str, Callable[[Path, datetime], pd.DataFrame]] = {
    "pandas": by_pandas,
    "ddreport": by_ddreport,
    "spark": partial(by_ddreport, engine="local[2]"),
}


def run_way(way: str, folder: Path, as_of: datetime, out: Path) -> None:
    """Run one way in this process; write its episodes, print its figures."""
    began = time.perf_counter()
    episodes = WAYS[way](folder, as_of)
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF)
    cpu = memory.ru_utime + memory.ru_stime
    episodes[COMPARED].astype({"is_suppressed": "bool", "episode": "int64"}).to_parquet(out)
    figures = {"seconds": seconds, "cpu_seconds": cpu, "gib": memory.ru_maxrss / 2**20, "episodes": len(episodes)}
    sys.stdout.write(json.dumps(figures) + "\n")


def measured(way: str, folder: Path, as_of: datetime, out: Path) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--archive", str(folder), "--as-of", as_of.isoformat()]
    done = subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def check_equal(one: Path, other: Path) -> None:
    """Stop the benchmark when the two ways tell different lives."""
    frames = [pd.read_parquet(p).sort_values([*KEY, "episode"], ignore_index=True) for p in (one, other)]
    pd.testing.assert_frame_equal(*(f.astype(dict.fromkeys(COMPARED[-3:], "datetime64[us, UTC]")) for f in frames))


def tell(what: str, **facts: Any) -> None:
    """Print one JSON line."""
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in facts.items()}
    sys.stdout.write(json.dumps({"benchmark": "history", "what": what, **rounded}) + "\n")
    sys.stdout.flush()


def a_day_more(folder: Path, plan: Plan) -> None:
    """Work everything out, add one audit to the archive, and follow that one alone."""
    archive = Archive.open(folder)
    began = time.perf_counter()
    follow(archive)
    full_seconds = time.perf_counter() - began
    write_archive(folder, replace(plan, audits=plan.audits + 1), first=plan.audits)
    archive = Archive.open(folder)
    began = time.perf_counter()
    lives = follow(archive)
    day_seconds = time.perf_counter() - began
    if not 0 < lives.added_audits_count < 5:
        raise SystemExit(f"{lives.added_audits_count} audits were read for one more day")
    share = day_seconds / full_seconds
    times = {"seconds": day_seconds, "baseline_seconds": full_seconds, "ratio": share, "aim_ratio": AIM_DAY_SHARE}
    tell("day more", rows=plan.audits * plan.findings, **times)


def main() -> None:
    """Make the archive, run all ways on it, print one line each."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--audits", type=int, default=365)
    made.add_argument("--findings", type=int, default=10_000)
    made.add_argument("--large", action="store_true", help="365 audits of 100,000 findings, without the baseline")
    made.add_argument("--spark", action="store_true", help="also with Spark on this machine (engine local[2])")
    made.add_argument("--packed", action="store_true", help="after `archive compact` of every month that is over")
    made.add_argument("--keep", type=Path, help="folder for the archives; made when missing, used again when there")
    made.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    made.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    made.add_argument("--as-of", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    made.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.way:
        run_way(options.way, options.archive, options.as_of, options.out)
        return
    plan = Plan(audits=options.audits, findings=100_000 if options.large else options.findings)
    with tempfile.TemporaryDirectory() as temporary:
        name = f"{plan.audits}x{plan.findings}{'-packed' if options.packed else ''}"
        folder = (options.keep or Path(temporary)) / name
        if not folder.exists():
            sys.stderr.write(f"making {plan.audits} audits of {plan.findings} findings …\n")
            write_archive(folder, plan, progress=sys.stderr.isatty())
            if options.packed:
                end = plan.start + timedelta(days=plan.audits)
                Archive.open(folder).compact(before=f"{end:%Y-%m}", time=end)
        as_of = (plan.start + timedelta(days=plan.audits - 1, hours=12)).astimezone(UTC)
        rows, outs = plan.audits * plan.findings, {way: Path(temporary) / f"{way}.parquet" for way in WAYS}
        ours = measured("ddreport", folder, as_of, outs["ddreport"])
        if options.large:
            tell("ddreport", rows=rows, **ours, aim_seconds=LARGE_SECONDS, aim_gib=LARGE_GIB)
        else:
            base = measured("pandas", folder, as_of, outs["pandas"])
            check_equal(outs["pandas"], outs["ddreport"])
            tell("pandas", rows=rows, **base)
            tell(
                "ddreport",
                rows=rows,
                **ours,
                baseline_seconds=base["seconds"],
                baseline_gib=base["gib"],
                times_faster=base["seconds"] / ours["seconds"],
                memory_ratio=ours["gib"] / base["gib"],
                aim_seconds=AIM_SECONDS,
                aim_gib=AIM_GIB,
                aim_times_faster=AIM_FASTER,
                aim_memory_ratio=AIM_MEMORY_SHARE,
            )
        copy = Path(temporary) / "day-more"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("derived"))
        a_day_more(copy, plan)
        if options.spark:
            found = measured("spark", folder, as_of, outs["spark"])
            check_equal(outs["ddreport"], outs["spark"])
            del found["gib"]  # of Python alone: Spark's memory is that of its Java process
            tell("spark local[2]", rows=rows, **found, baseline_seconds=ours["seconds"])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
