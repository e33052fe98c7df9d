"""`ddreport findings`: findings of one audit, from the archive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import (
    SHOWN,
    ArchiveDir,
    CheckNames,
    End,
    Limit,
    Profile,
    Region,
    Start,
    TargetNames,
    ad_hoc_name,
)
from ddreport.cli.output import Output
from ddreport.errors import InputError, did_you_mean
from ddreport.terms import Severity

if TYPE_CHECKING:
    import pandas as pd

    from ddreport.workflows.load import AuditData

COLUMNS = {
    "severity": "Severity",
    "check": "Check",
    "resource_type": "Kind",
    "resource_id": "Resource",
    "reason": "Reason",
    "suppressed": "Suppressed",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def findings(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        audit: Annotated[
            str | None,
            typer.Option("--audit", metavar="ID", help="Findings of this audit task (default: of what is open now)."),
        ] = None,
        check: CheckNames = None,
        severity: Annotated[
            list[Severity] | None, typer.Option("--severity", case_sensitive=False, help="Only these; repeatable.")
        ] = None,
        suppressed: Annotated[
            bool | None, typer.Option("--suppressed/--no-suppressed", help="Only suppressed, or only others.")
        ] = None,
        start: Start = None,
        end: End = None,
        limit: Limit = None,
    ) -> None:
        """List findings from the archive, most severe first; AWS is not called.

        Without --audit these are the open ones: for each check those of its latest finished run, so that an audit of
        a few checks does not hide the rest. A cut list says how many rows it leaves out.
        """
        from ddreport.workflows.load import load

        out: Output = ctx.obj
        names = target or [ad_hoc_name(profile, region)]
        data = load(target=names, archive=archive or "", start=start or "", end=end or "", checks=check or ())
        chosen = _of_audit(data, audit) if audit else _open_now(data)
        if severity:
            chosen = chosen[chosen["severity"].isin([s.value for s in severity])]
        if suppressed is not None:
            chosen = chosen[chosen["is_suppressed"] == suppressed]
        chosen = chosen.sort_values(["severity", "check_name", "resource_id"], kind="stable")
        rows = _rows(chosen, for_programs=out.json, emulated=data.emulated)
        most = limit if limit is not None else (0 if out.json else SHOWN)
        shown = rows[:most] if most else rows
        out.table(shown, COLUMNS, empty="No findings.", title="Emulated account, not AWS" if data.emulated else None)
        for note in data.notes:
            out.warn(note)
        if len(shown) < len(rows):
            out.warn(f"{len(rows) - len(shown)} more findings are not shown; --limit 0 shows all {len(rows)}.")


def _open_now(data: AuditData) -> pd.DataFrame:
    from ddreport.metrics import current_findings

    return current_findings(data.findings, data.checks, as_of=data.as_of)


def _of_audit(data: AuditData, audit: str) -> pd.DataFrame:
    found = data.findings_of(audit)
    if found is None:
        known = list(data.audit_tasks["audit_task_id"])
        raise InputError(
            f"the archive has no audit {audit!r} of {', '.join(data.targets)}.{did_you_mean(audit, known)}",
            hint=f"the newest is {known[-1]}.",
        )
    return found


def _rows(findings: pd.DataFrame, *, for_programs: bool, emulated: bool) -> list[dict[str, Any]]:
    if for_programs:
        rows: list[dict[str, Any]] = json.loads(findings.to_json(orient="records", date_format="iso"))
        return [{**row, "emulated": emulated} for row in rows]
    from ddreport.catalogue import describe_check

    return [
        {
            "severity": f["severity"],
            "check": describe_check(f["check_name"]).title,
            "resource_type": f["resource_type"],
            "resource_id": f["resource_id"],
            "reason": describe_check(f["check_name"]).explain(f["reason_code"]),
            "suppressed": "yes" if f["is_suppressed"] else "",
        }
        for f in findings.to_dict("records")
    ]
