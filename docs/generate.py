"""Write docs/tables.md, checks.md and exports.md from the package: `python docs/generate.py` (a test compares them)."""

from __future__ import annotations

from pathlib import Path

from ddreport import history
from ddreport.catalogue import checks, controls
from ddreport.exporting.columns import EXPORTS
from ddreport.mitigation.impact import IMPACTS
from ddreport.mitigation.results import CAMPAIGNS, OUTCOMES
from ddreport.mitigation.verification import READ_BACKS, VERIFICATIONS
from ddreport.schemas import PULLS, SCHEMAS, Schema
from ddreport.suppression import RESULT_SCHEMAS as SUPPRESSION_TABLES

PROBLEM_TABLES = (history.PROBLEMS, history.EPISODES, history.STATE_COUNTS, history.CHECK_RUNS, history.SPANS)
"""Worked out from the archive by the rules of lifecycle.md, and kept nowhere else."""

CAMPAIGN_TABLES = (CAMPAIGNS, OUTCOMES, VERIFICATIONS, READ_BACKS)
"""Worked out from the journals of mitigation campaigns."""

HERE = Path(__file__).parent
NOTE = "<!-- Written by `python docs/generate.py`; change the package, not this file. -->"


def tables() -> str:
    """Return docs/tables.md: every table with its columns."""
    lines = [
        "# Tables",
        "",
        NOTE,
        "",
        "Every table that `ddreport` archives and hands out: pandas dtypes, meaning, and the key that no two rows",
        "share. Times are UTC with microseconds. “may be missing” marks what can be NaN, NaT or NA.",
    ]
    for schema in (*SCHEMAS.values(), PULLS, *PROBLEM_TABLES, IMPACTS, *CAMPAIGN_TABLES, *SUPPRESSION_TABLES):
        lines += described(schema)
    return "\n".join(lines) + "\n"


def described(schema: Schema) -> list[str]:
    """Return the lines of one table."""
    key = ", ".join(f"`{k}`" for k in schema.key)
    lines = ["", f"## {schema.name}", "", schema.meaning, "", f"Key: {key}.", ""]
    lines += ["| column | dtype | meaning |", "|---|---|---|"]
    for column in schema.columns:
        missing = " (may be missing)" if column.nullable else ""
        lines.append(f"| `{column.name}` | `{column.dtype}` | {column.meaning}{missing} |")
    return lines


def exports() -> str:
    """Return docs/exports.md: the formats (parts/exports.md), and the columns of each exported table."""
    head = (HERE / "parts" / "exports.md").read_text(encoding="utf-8")
    lines = ["# Exports", "", NOTE, "", *head.splitlines()]
    for schema in EXPORTS:
        lines += described(schema)
    return "\n".join(lines) + "\n"


def catalogue() -> str:
    """Return docs/checks.md: every check with its meaning, reasons, remedy and suggested controls."""
    lines = [
        "# Checks",
        "",
        NOTE,
        "",
        "The 17 checks of AWS IoT Device Defender Audit. The links to control frameworks are a suggestion, published",
        "neither by AWS nor by a framework's owner; “?” marks a partial fit that an auditor must confirm.",
    ]
    for check in checks().values():
        threshold = check.threshold
        lines += [
            "",
            f"## {check.title}",
            "",
            f"`{check.name}` · {check.severity} · {check.resource_type}",
            "",
            check.rule,
            "",
            f"Looks back: {check.lookback}",
        ]
        if threshold:
            days = f"{threshold.min_days} to {threshold.max_days} days, {threshold.default_days} unless changed"
            lines += ["", f"Threshold: `{threshold.configuration_key}`, {days}."]
        lines += ["", f"**Why it matters.** {check.why}", "", f"**How to fix it.** {check.fix}", ""]
        lines += ["| reason code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in check.reason_codes]
        lines += ["", f"Mitigation actions: {', '.join(f'`{t}`' for t in check.mitigation_action_types)}.", ""]
        frameworks: dict[str, list[str]] = {}
        for control in controls():
            if control.check_name == check.name:
                mark = "?" if control.confidence == "unsure" else ""
                frameworks.setdefault(control.framework, []).append(control.control_id + mark)
        lines.append("Controls: " + "; ".join(f"{name}: {', '.join(ids)}" for name, ids in frameworks.items()) + ".")
        lines += ["", f"[AWS's page on this check]({check.doc_url})"]
    return "\n".join(lines) + "\n"


PAGES = {"tables.md": tables, "checks.md": catalogue, "exports.md": exports}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
