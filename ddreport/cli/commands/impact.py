"""`ddreport impact`: what depends on the resources of open findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import SHOWN, ArchiveDir, CheckNames, Limit, Profile, Region
from ddreport.cli.output import Output
from ddreport.errors import InputError
from ddreport.terms import Severity

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

COLUMNS = {
    "check": "Check",
    "resource_id": "Resource",
    "things": "Things",
    "certificates": "Certificates",
    "last_connection": "Last connection",
    "would": "What its action would do",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def impact(
        ctx: typer.Context,
        *,
        target: Annotated[
            str | None, typer.Option("--target", "-t", metavar="NAME", help="The target of ddreport.toml, or demo.")
        ] = None,
        profile: Profile = None,
        region: Region = None,
        archive: ArchiveDir = None,
        check: CheckNames = None,
        severity: Annotated[
            list[Severity] | None, typer.Option("--severity", case_sensitive=False, help="Only these; repeatable.")
        ] = None,
        resource: Annotated[
            list[str] | None, typer.Option("--resource", metavar="ID", help="Of this resource; * and ? allowed.")
        ] = None,
        problem: Annotated[
            list[str] | None,
            typer.Option("--problem", metavar="ID", help="This problem (`ddreport problems`); repeatable."),
        ] = None,
        finding: Annotated[
            list[str] | None,
            typer.Option("--finding", metavar="ID", help="This finding (`ddreport findings`); repeatable."),
        ] = None,
        offline: Annotated[
            bool, typer.Option("--offline", help="From the archive's inventory alone; AWS is not asked.")
        ] = False,
        inventory_max_age: Annotated[
            float,
            typer.Option(
                "--inventory-max-age",
                metavar="HOURS",
                min=0,
                help="An inventory in the archive up to this age is used instead of asking AWS.",
            ),
        ] = 24.0,
        limit: Limit = None,
    ) -> None:
        """Tell what depends on the resources of open findings, and what an action would do to it.

        For each certificate its things, their groups, its policies and when one was last connected; for a policy all
        that it is attached to; for a CA the certificates that name it. AWS is asked once about each resource, at its
        published rates (10,000 certificates take about 17 minutes); what it refuses is said to be unknown, and the rest
        is read. Interrupted, the same command goes on. Connections are known where fleet indexing keeps them. Nothing
        is changed.
        """
        from datetime import timedelta

        from ddreport.catalogue import normalise_check_name
        from ddreport.cli.options import chosen_targets
        from ddreport.mitigation.selection import Selection
        from ddreport.workflows.mitigating.impacts import impact_of_open

        out: Output = ctx.obj
        selection = Selection(
            checks=tuple(normalise_check_name(name) for name in check or ()),
            severities=tuple(s.value for s in severity or ()),
            resources=tuple(resource or ()),
            problems=tuple(problem or ()),
            findings=tuple(finding or ()),
        )
        if selection.is_empty:
            raise InputError(
                "nothing says which findings to look at.",
                hint="narrow them with --check, --severity, --resource, --problem or --finding.",
            )
        (chosen,) = chosen_targets([target] if target else None, profile=profile, region=region)
        with out.progress() as progress:
            found = impact_of_open(
                chosen,
                selection,
                archive=archive or "",
                offline=offline,
                max_age=timedelta(hours=inventory_max_age),
                progress=progress,
            )
        rows = _rows(found.impacts, found.as_of, for_programs=out.json, emulated=found.emulated)
        most = limit if limit is not None else (0 if out.json else SHOWN)
        shown = rows[:most] if most else rows
        out.table(shown, COLUMNS, empty="No findings.", title="Emulated account, not AWS" if found.emulated else None)
        _tell(out, found.impacts, found.as_of)
        if len(shown) < len(rows):
            out.warn(f"{len(rows) - len(shown)} more findings are not shown; --limit 0 shows all {len(rows)}.")


def _rows(impacts: pd.DataFrame, as_of: datetime, *, for_programs: bool, emulated: bool) -> list[dict[str, Any]]:
    import pandas as pd

    from ddreport.catalogue import describe_check
    from ddreport.mitigation.blast_radius import ago

    rows = impacts.to_dict("records")
    if for_programs:
        plain = json.loads(impacts.to_json(orient="records", date_format="iso"))
        lists = ("things", "thing_groups", "policies", "unknown")
        return [
            {
                **row,
                **{name: json.loads(row[name]) for name in lists},
                "would": _would(full, as_of),
                "emulated": emulated,
            }
            for row, full in zip(plain, rows, strict=True)
        ]

    def number(value: Any) -> str:
        return "?" if pd.isna(value) else f"{int(value):,}"

    def last(row: dict[Any, Any]) -> str:
        if not pd.isna(row["connected"]) and row["connected"]:
            return "connected now"
        return "" if pd.isna(row["last_connection_time"]) else ago(row["last_connection_time"], as_of)

    return [
        {
            "check": describe_check(row["check_name"]).title,
            "resource_id": row["resource_id"],
            "things": number(row["things_count"]),
            "certificates": number(row["certificates_count"]),
            "last_connection": last(row),
            "would": next(iter(_would(row, as_of).values())),
        }
        for row in rows
    ]


def _would(row: dict[Any, Any], as_of: datetime) -> dict[str, str]:
    """Return what each fitting type of action would do, the one that repairs first."""
    from ddreport.mitigation.actions import fitting_types
    from ddreport.mitigation.blast_radius import blast_radius
    from ddreport.mitigation.defaults import default_action
    from ddreport.mitigation.roles import Place

    place = Place(row["account"], row["region"])
    return {
        kind.value: blast_radius(default_action(kind, place), row, as_of) for kind in fitting_types(row["check_name"])
    }


def _tell(out: Output, impacts: pd.DataFrame, as_of: datetime) -> None:
    """Tell where the facts are from and how old they are, and what could not be read."""
    from collections import Counter

    from ddreport.mitigation.blast_radius import ago

    read = impacts[impacts["source"].notna()]
    if not read.empty:
        sources = sorted({source for text in read["source"] for source in text.split(", ")})
        oldest = read["read_time"].min()
        of = f"{oldest:%Y-%m-%d %H:%M} UTC, {ago(oldest, as_of)}"
        out.note(f"Read from {' and '.join(sources)}; the oldest fact is of {of}.")
    reasons = Counter(f"{fact}: {why}" for text in impacts["unknown"] for fact, why in json.loads(text).items())
    for reason, number in reasons.most_common(5):
        out.warn(f"not known for {number:,} of {len(impacts):,} findings: {reason}")
