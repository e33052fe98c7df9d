"""`ddreport export`: tables and finding formats for other programs."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ddreport.cli.commands.problems import open_lives
from ddreport.cli.options import (
    ArchiveDir,
    AsOf,
    CheckNames,
    End,
    Engine,
    Profile,
    Region,
    Start,
    TargetNames,
    ad_hoc_name,
)
from ddreport.cli.output import Output
from ddreport.errors import InputError


class What(StrEnum):
    """What can be exported."""

    FINDINGS = "findings"
    PROBLEMS = "problems"
    EPISODES = "episodes"
    CHECKS = "checks"
    MEASURES = "measures"


class Form(StrEnum):
    """Formats of files."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    PARQUET = "parquet"
    OCSF = "ocsf"
    ASFF = "asff"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def export(
        ctx: typer.Context,
        what: Annotated[What, typer.Argument(metavar="WHAT", help="findings, problems, episodes, checks or measures.")],
        *,
        form: Annotated[Form, typer.Option("--format", "-f", help="File format.")] = Form.CSV,
        out_file: Annotated[
            Path | None,
            typer.Option("--out", metavar="FILE", help="Where to; - is stdout (default: WHAT-TARGET.ENDING here)."),
        ] = None,
        target: TargetNames = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        as_of: AsOf = None,
        start: Start = None,
        end: End = None,
        check: CheckNames = None,
        every: Annotated[
            bool, typer.Option("--all", help="findings: all of the window's audits, not the open ones alone.")
        ] = False,
        by: Annotated[str, typer.Option("--by", metavar="PERIOD", help="measures: day, week or month.")] = "day",
        sla: Annotated[
            str, typer.Option("--sla", metavar="DAYS", help="problems: as `ddreport problems` has it.")
        ] = "",
        engine: Engine = "duckdb",
    ) -> None:
        """Write what the archive knows as CSV, XLSX, JSON or Parquet; problems also as OCSF or ASFF. AWS is not called.

        Columns stand in a fixed order (docs/exports.md), times are UTC, the same archive gives the same bytes. In CSV
        and XLSX a text that a spreadsheet could run as a formula is made harmless; JSON and Parquet keep it as it is.

        OCSF and ASFF have one finding per problem, with an id that stays the same from export to export; what is proven
        gone is closed, and nothing else is.

        Examples: ddreport export problems -f xlsx · ddreport export findings --all --start 2026-01-01 -f parquet ·
        ddreport export problems -f asff --out hub.json · ddreport export measures --by week --out -
        """
        from ddreport.exporting.columns import (
            CHECKS_EXPORT,
            EPISODES_EXPORT,
            FINDINGS_EXPORT,
            MEASURES_EXPORT,
            PROBLEMS_EXPORT,
        )
        from ddreport.metrics import SlaPolicy
        from ddreport.rendering.files import write_whole
        from ddreport.window import parse_start
        from ddreport.workflows.export import (
            ENDINGS,
            export_checks,
            export_episodes,
            export_findings,
            export_measures,
            export_problems,
            write_finding_format,
            write_table,
        )
        from ddreport.workflows.load import load

        out: Output = ctx.obj
        if form in {Form.OCSF, Form.ASFF} and what is not What.PROBLEMS:
            raise InputError(f"{form.value} holds problems.", hint=f"ddreport export problems --format {form.value}")
        names = target or [ad_hoc_name(profile, region)]
        if what in {What.FINDINGS, What.CHECKS}:
            data = load(target=names, archive=archive or "", start=start or "", end=end or "", checks=check or ())
            emulated, notes = data.emulated, data.notes
            findings = what is What.FINDINGS
            table = export_findings(data, every=every) if findings else export_checks(data)
            made = write_table(table, FINDINGS_EXPORT if findings else CHECKS_EXPORT, form.value)
        else:
            lives = open_lives(out, target, profile, region, archive, check, engine)
            emulated, notes = lives.emulated, list(lives.notes)
            moment = lives.moment(as_of or end)
            if form in {Form.OCSF, Form.ASFF}:
                made = write_finding_format(lives, moment, form.value)
            elif what is What.PROBLEMS:
                policy = SlaPolicy.parse(sla) if sla else SlaPolicy()
                made = write_table(export_problems(lives, moment, policy), PROBLEMS_EXPORT, form.value)
            elif what is What.EPISODES:
                made = write_table(export_episodes(lives, moment), EPISODES_EXPORT, form.value)
            else:
                first = lives.history.runs["task_start_time"].min().to_pydatetime()
                begin = parse_start(start) if start else first
                made = write_table(
                    export_measures(lives, start=begin, end=moment, period=by), MEASURES_EXPORT, form.value
                )
        for note in notes:
            out.warn(note)
        if str(out_file) == "-":
            sys.stdout.buffer.write(made.content)
            sys.stdout.flush()
            return
        ending = ENDINGS.get(form.value, form.value)
        path = out_file or Path(f"{what.value}-{_file_part(names)}.{ending}")
        write_whole(path, made.content)
        note = ", of an emulated account" if emulated else ""
        out.result(
            {"file": str(path), "rows_count": made.rows_count, "emulated": emulated},
            text=f"{made.rows_count:,} rows{note}: {path}",
        )


_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


def _file_part(names: list[str]) -> str:
    return _NOT_IN_A_NAME.sub("_", "+".join(names))[:80]
