"""`ddreport problems` and `ddreport problem`: every problem with its state at any moment, and the life of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import (
    SHOWN,
    ArchiveDir,
    AsOf,
    CheckNames,
    Engine,
    Limit,
    Profile,
    Region,
    TargetNames,
    ad_hoc_name,
)
from ddreport.cli.output import Output
from ddreport.errors import InputError, did_you_mean
from ddreport.terms import ProblemState, Severity

if TYPE_CHECKING:
    import pandas as pd

    from ddreport.workflows.lives import Lives

COLUMNS = {
    "problem_id": "Problem",
    "severity": "Severity",
    "state": "State",
    "check": "Check",
    "resource_id": "Resource",
    "reason_code": "Reason",
    "age_days": "Days",
    "due": "Due",
    "first_seen": "First seen",
    "last_seen": "Last seen",
    "reopened_count": "Reopened",
    "note": "Note",
}
EPISODES = {
    "episode": "Episode",
    "absent": "Still absent",
    "first_seen": "First seen",
    "first_seen_audit_task_id": "in audit",
    "last_seen": "Last seen",
    "last_seen_audit_task_id": "in audit",
    "resolved": "Resolved by",
    "resolved_audit_task_id": "audit",
    "resolution": "How",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""

    @app.command()
    def problems(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        as_of: AsOf = None,
        state: Annotated[
            list[ProblemState] | None,
            typer.Option("--state", case_sensitive=False, help="Only these; repeatable (default: all but RESOLVED)."),
        ] = None,
        every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
        check: CheckNames = None,
        severity: Annotated[
            list[Severity] | None, typer.Option("--severity", case_sensitive=False, help="Only these; repeatable.")
        ] = None,
        overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose due time is past.")] = False,
        sla: Annotated[
            str,
            typer.Option(
                "--sla",
                metavar="DAYS",
                help="Days to resolve by severity (default: critical=7,high=30,medium=90,low=180).",
            ),
        ] = "",
        engine: Engine = "duckdb",
        limit: Limit = None,
    ) -> None:
        """List problems, followed over all audits in the archive, with their state now or at any earlier moment.

        A problem is one fault of one resource. AWS gives it a new finding in every audit; here it keeps one identity:
        NEW, OPEN, REOPENED, SUPPRESSED, RESOLVED, or UNKNOWN and OUT_OF_SCOPE where nobody can or will look, with the
        reason. docs/lifecycle.md has the rules. AWS is not called.

        Examples: ddreport problems --severity critical · ddreport problems --as-of 2026-03-02 --state open ·
        ddreport problems --overdue --sla critical=3,high=14 · ddreport problems --all --json
        """
        from ddreport.metrics import SlaPolicy, SlaStatus
        from ddreport.metrics import sla as due_times

        out: Output = ctx.obj
        if every and state:
            raise InputError("--all and --state exclude each other.")
        policy = SlaPolicy.parse(sla) if sla else SlaPolicy()
        lives = open_lives(out, target, profile, region, archive, check, engine)
        moment = lives.moment(as_of)
        table = lives.history.problems(moment)
        due = due_times(table, as_of=moment, policy=policy)[["problem_id", "due_time", "days_left", "status"]]
        table = table.merge(due.rename(columns={"status": "due_status"}), on="problem_id", how="left")
        if overdue:
            table = table[table["due_status"] == SlaStatus.BREACHED.value]
        wanted = state or [s for s in ProblemState if every or s is not ProblemState.RESOLVED]
        table = table[table["state"].isin([s.value for s in wanted])]
        if severity:
            table = table[table["severity"].isin([s.value for s in severity])]
        most = limit if limit is not None else (0 if out.json else SHOWN)
        shown = table.iloc[:most] if most else table
        title = f"As of {moment:%Y-%m-%d %H:%M} UTC" + (", emulated account, not AWS" if lives.emulated else "")
        rows = for_programs(shown, emulated=lives.emulated) if out.json else _for_people(shown)
        out.table(rows, COLUMNS, empty=f"No such problems as of {moment:%Y-%m-%d %H:%M} UTC.", title=title)
        say_notes(out, lives)
        if len(shown) < len(table):
            out.warn(f"{len(table) - len(shown)} more problems are not shown; --limit 0 shows all {len(table)}.")

    @app.command()
    def problem(
        ctx: typer.Context,
        problem_id: Annotated[str, typer.Argument(metavar="ID", help="The problem's id, or its first characters.")],
        *,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        as_of: AsOf = None,
        engine: Engine = "duckdb",
    ) -> None:
        """Tell the life of one problem: when it came, between which two audits it went, and whether it came back.

        The audits named are the evidence: `ddreport findings --audit ID` shows what each reported.
        """
        from ddreport.catalogue import describe_check

        out: Output = ctx.obj
        lives = open_lives(out, target, profile, region, archive, None, engine)
        moment = lives.moment(as_of)
        table = lives.history.problems(moment)
        found = _one(table, problem_id)
        episodes = lives.history.episodes(moment)
        own = episodes[episodes["problem_id"] == found["problem_id"]]
        if out.json:
            (facts,) = for_programs(table[table["problem_id"] == found["problem_id"]], emulated=lives.emulated)
            out.result({**facts, "episodes": for_programs(own, emulated=lives.emulated)})
        else:
            check = describe_check(found["check_name"])
            lines = {
                "Problem": found["problem_id"],
                "Check": f"{check.title} ({found['severity']})",
                "Resource": f"{found['resource_type']} {found['resource_id']}",
                "Reason": check.explain(found["reason_code"]),
                "Account": f"{found['account']} {found['region']}" + (", emulated" if lives.emulated else ""),
                "State": f"{found['state']} as of {moment:%Y-%m-%d %H:%M} UTC" + _because(found),
            }
            for name, text in lines.items():
                out.line(f"{name:<9} {text}")
            out.table([_episode(e) for e in own.to_dict("records")], EPISODES, empty="No episodes.")
        say_notes(out, lives)


def open_lives(
    out: Output,
    target: list[str] | None,
    profile: str | None,
    region: str | None,
    archive: Any,
    check: list[str] | None,
    engine: str,
) -> Lives:
    """Follow the problems of the targets that the options name, with progress on stderr."""
    from ddreport.workflows.lives import load_lives

    names = target or [ad_hoc_name(profile, region)]
    with out.progress() as progress:
        return load_lives(target=names, archive=archive or "", checks=check or (), engine=engine, progress=progress)


def say_notes(out: Output, lives: Lives) -> None:
    """Say on stderr what a reader must know about the data."""
    for note in lives.notes:
        out.warn(note)


def for_programs(table: pd.DataFrame, *, emulated: bool) -> list[dict[str, Any]]:
    """Return rows for JSON: times in ISO 8601, missing values null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", date_format="iso", date_unit="us"))
    return [{**row, "emulated": emulated} for row in rows]


def when(value: Any) -> str:
    """Return a time for people, to the minute in UTC; nothing for a missing one."""
    return "" if value is None or value != value else f"{value:%Y-%m-%d %H:%M}"  # noqa: PLR0124 - NaT


def _for_people(table: pd.DataFrame) -> list[dict[str, Any]]:
    from ddreport.catalogue import describe_check

    return [
        {
            "problem_id": row["problem_id"][:12],
            "severity": row["severity"],
            "state": row["state"],
            "check": describe_check(row["check_name"]).title,
            "resource_id": row["resource_id"],
            "reason_code": row["reason_code"],
            "age_days": f"{row['age_days']:.1f}",
            "due": _due(row["due_time"], row["due_status"]),
            "first_seen": when(row["first_seen_time"]),
            "last_seen": when(row["last_seen_time"]),
            "reopened_count": row["reopened_count"] or "",
            "note": row["state_note"] if isinstance(row["state_note"], str) else "",
        }
        for row in table.to_dict("records")
    ]


def _due(time: Any, status: Any) -> str:
    """Say when a problem is due; nothing for one that is resolved."""
    words = {"BREACHED": "overdue", "DUE_SOON": "soon", "ACCEPTED": "accepted"}
    if not isinstance(status, str):
        return ""
    return f"{time:%Y-%m-%d} {words.get(status, '')}".rstrip()


def _one(table: pd.DataFrame, problem_id: str) -> dict[str, Any]:
    found = table[table["problem_id"].str.startswith(problem_id.lower())] if problem_id else table.iloc[:0]
    if len(found) == 1:
        return {str(name): value for name, value in found.iloc[0].items()}
    if len(found) > 1:
        raise InputError(
            f"{len(found)} problems have an id that begins with {problem_id!r}.", hint="give more of its characters."
        )
    near = did_you_mean(problem_id, table["problem_id"])
    raise InputError(
        f"no problem known at that moment has the id {problem_id!r}.{near}",
        hint="`ddreport problems --all` lists them.",
    )


def _because(found: dict[str, Any]) -> str:
    if not isinstance(found["state_note"], str):
        return ""
    return f": {found['state_note']} ({found['known_state']} when last looked at)"


def _episode(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] if isinstance(row[name], str) else "" for name in EPISODES if name.endswith("_id")},
        "episode": row["episode"],
        "absent": when(row["absent_time"]),
        "first_seen": when(row["first_seen_time"]),
        "last_seen": when(row["last_seen_time"]),
        "resolved": when(row["resolved_time"]),
        "resolution": row["resolution"] if isinstance(row["resolution"], str) else "",
    }
