"""Options that several commands share, and how they become targets, an archive and a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.errors import InputError

if TYPE_CHECKING:
    from ddreport.targets import Target

TargetNames = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", metavar="NAME", help="A target of ddreport.toml, or demo; may be repeated."),
]
AllTargets = Annotated[bool, typer.Option("--all-targets", help="Every target of ddreport.toml.")]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="A profile of your AWS configuration, without a target.")
]
Region = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="An AWS Region such as eu-west-1, without a target.")
]
EndpointUrl = Annotated[
    str | None, typer.Option("--endpoint-url", metavar="URL", help="Another endpoint, such as the emulator's.")
]
ArchiveDir = Annotated[
    Path | None,
    typer.Option(
        "--archive", metavar="DIR", help="Folder of the archive or s3://BUCKET/PREFIX (default: your user data folder)."
    ),
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="Begin of the window, UTC: 2026-03-02 or 2026-03-02T09:15Z."),
]
End = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="End of the window, UTC; a date means until its end.")
]
CheckNames = Annotated[
    list[str] | None, typer.Option("--check", metavar="CHECK", help="Only this check (its API name); may be repeated.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="WHEN",
        help="The moment asked about, UTC: a date (its end), a time or an audit's id (default: as late as is known).",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help="What reduces the findings: duckdb, pandas, or a Spark master such as local[2] or spark://HOST:PORT.",
    ),
]
SHOWN = 50
"""Rows that people are shown unless they ask for more."""

Limit = Annotated[
    int | None,
    typer.Option("--limit", min=0, help="At most so many rows; 0 means all (default: 50, with --json all)."),
]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the report and its executed notebook.")]


def chosen_targets(
    names: list[str] | None,
    *,
    all_targets: bool = False,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
) -> list[Target]:
    """Return the targets that the options name; without any, the AWS configuration's own account and Region.

    Raises
    ------
    InputError, TargetError, SettingsError
        Ways of naming targets are mixed, or a target is unknown or wrongly described.
    """
    from ddreport.connect import read_targets
    from ddreport.targets import make_target

    ad_hoc = {"profile": profile, "region": region, "endpoint_url": endpoint_url}
    given = {option for option, value in ad_hoc.items() if value}
    if given and (names or all_targets):
        options = ", ".join(f"--{g.replace('_', '-')}" for g in sorted(given))
        raise InputError(
            f"{options} cannot be combined with --target or --all-targets.",
            hint="put the value into the target's table in ddreport.toml.",
        )
    if names and all_targets:
        raise InputError("--target and --all-targets exclude each other.")
    if all_targets:
        targets = [t for t in read_targets().values() if not t.is_demo]
        if not targets:
            raise InputError(
                "--all-targets: ddreport.toml names no target.", hint="see the README, “Your own account”."
            )
        return targets
    if names:
        known = read_targets()
        return [known[name] for name in dict.fromkeys(_known(name, known) for name in names)]
    return [make_target(ad_hoc_name(profile, region), profile=profile, region=region, endpoint_url=endpoint_url)]


def planned_target(
    planned_for: str,
    planned_region: str,
    *,
    name: str | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None = None,
) -> Target:
    """Return the target that the options name, else the one that a plan was made for (errors as `chosen_targets`).

    Parameters
    ----------
    planned_for, planned_region
        As the plan says: a target of ddreport.toml, demo, or what `ad_hoc_name` made of the options of that time.
    """
    from ddreport.targets import make_target

    if name or profile or region or endpoint_url:
        names = [name] if name else None
        (chosen,) = chosen_targets(names, profile=profile, region=region, endpoint_url=endpoint_url)
        return chosen
    if ":" not in planned_for:
        (chosen,) = chosen_targets([planned_for])
        return chosen
    told = dict(part.partition(":")[::2] for part in planned_for.split("+"))
    return make_target(planned_for, profile=told.get("profile"), region=told.get("region") or planned_region)


def _known(name: str, known: dict[str, Target]) -> str:
    from ddreport.connect import configuration_name
    from ddreport.errors import TargetError

    if name not in known:
        raise TargetError.unknown(name, known, where=configuration_name())
    return name


def ad_hoc_name(profile: str | None, region: str | None) -> str:
    """Return the name under which a target given by --profile and --region is remembered in the archive.

    It holds a colon, which the names in ddreport.toml cannot: the two never stand for each other.
    """
    given = {"profile": profile, "region": region}
    return "+".join(f"{option}:{value}" for option, value in given.items() if value) or "aws:default"
