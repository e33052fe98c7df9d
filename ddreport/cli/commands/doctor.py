"""`ddreport doctor`: is an account fit to be audited, and may we look? And the policies that allow it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddreport.cli.options import (
    AllTargets,
    ArchiveDir,
    EndpointUrl,
    Profile,
    Region,
    TargetNames,
    chosen_targets,
)
from ddreport.cli.output import Output
from ddreport.errors import InputError, did_you_mean
from ddreport.settings import PARALLEL_TARGETS

if TYPE_CHECKING:
    from ddreport.doctor.permissions import Way
    from ddreport.workflows.doctor import Examined

PrintPolicy = Annotated[
    str | None,
    typer.Option(
        "--print-policy",
        metavar="USE",
        help="Print the least IAM policy for a use and end: reader, auditor, operator or setup. Nothing is asked.",
    ),
]
For = Annotated[
    str,
    typer.Option(
        "--for", metavar="USE", help="Whose permissions to look for: reader, auditor (default), operator or setup."
    ),
]
Account = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="With --print-policy: only for this account.")
]
Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=1, max=64, help="How many targets are asked at once.")
]

COLUMNS = {
    "target": "Target",
    "area": "Area",
    "name": "What",
    "status": "Status",
    "found": "Found",
    "advice": "Advice",
}
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def doctor(
        ctx: typer.Context,
        *,
        target: TargetNames = None,
        all_targets: AllTargets = False,
        use: For = "auditor",
        print_policy: PrintPolicy = None,
        account: Account = None,
        profile: Profile = None,
        region: Region = None,
        endpoint_url: EndpointUrl = None,
        archive: ArchiveDir = None,
        parallel: Parallel = PARALLEL_TARGETS,
    ) -> None:
        """Look whether accounts are fit to be audited, and whether we may look: ok, warn, fail or unknown, with advice.

        Who asks and where · each permission that the use needs · audit, checks and schedules · roles with trust and
        policies · SNS topic and subscribers · V2 logging · alarms · age of the archive · quotas. Nothing is changed:
        permissions are found out by calls that read, and by iam:SimulatePrincipalPolicy where that is allowed; what
        nobody could find out is unknown, never ok.

        Exit codes: 0 ok or warnings · 1 something fails · 4 a target could not be looked at.

        Examples: ddreport doctor -t demo · ddreport doctor --all-targets --json · ddreport doctor --print-policy reader
        """
        from ddreport.doctor.verdicts import exit_code
        from ddreport.settings import Settings
        from ddreport.workflows.doctor import examine_all

        out: Output = ctx.obj
        if print_policy is not None:
            _print_policy(out, _way(print_policy, "--print-policy"), account, region)
            return
        if account is not None:
            raise InputError("--account belongs to --print-policy.", hint="a target says which account is looked at.")
        way = _way(use, "--for")
        targets = chosen_targets(
            target, all_targets=all_targets, profile=profile, region=region, endpoint_url=endpoint_url
        )
        with out.progress() as progress:
            found = examine_all(
                targets,
                way=way,
                settings=Settings.from_env(),
                archive=archive or "",
                parallel=parallel,
                progress=progress,
            )
        _show(out, found)
        out.exit_code = exit_code(
            [verdict for one in found for verdict in one.verdicts], reached_all=all(one.reached for one in found)
        )


def _way(word: str, option: str) -> Way:
    from ddreport.doctor.permissions import Way

    if word not in list(Way):
        raise InputError(f"{option} is {word!r}; allowed: {', '.join(Way)}.{did_you_mean(word, list(Way))}")
    return Way(word)


def _print_policy(out: Output, way: Way, account: str | None, region: str | None) -> None:
    from ddreport.doctor.permissions import policy
    from ddreport.mitigation.roles import Place
    from ddreport.terms import partition_of

    if account is not None and not (len(account) == 12 and account.isdecimal()):
        raise InputError(f"--account is {account!r}; allowed: 12 digits.")
    if region is not None and not _REGION.fullmatch(region):
        raise InputError(f"--region is {region!r}; allowed: a Region such as eu-west-1.")
    document = policy(way, Place(account or "*", region or "*", partition_of(region or "")))
    out.result(document, text=json.dumps(document, indent=2))


def _show(out: Output, found: list[Examined]) -> None:
    from ddreport.workflows.doctor import worst

    rows = [_row(one, verdict) for one in found for verdict in one.verdicts]
    if out.json:
        out.result(
            [
                {
                    "target": one.target.name,
                    "account": one.facts.place.account if one.facts else None,
                    "region": one.facts.place.region if one.facts else one.target.region,
                    "emulated": one.facts.emulated if one.facts else None,
                    "status": worst(one.verdicts).value,
                    "verdicts": [_row(one, verdict) for verdict in one.verdicts],
                }
                for one in found
            ]
        )
        return
    shown = COLUMNS if len(found) > 1 else {k: v for k, v in COLUMNS.items() if k != "target"}
    out.table(rows, shown, empty="No targets.")
    for one in found:
        counts = {status: sum(v.status == status for v in one.verdicts) for status in ("fail", "warn", "unknown", "ok")}
        out.note(f"{one.target.name}: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n))
        if one.facts is not None and one.facts.emulated:
            out.note(f"{one.target.name} is emulated: no real account is looked at.")


def _row(one: Examined, verdict: Any) -> dict[str, Any]:
    return {
        "target": one.target.name,
        "area": verdict.area,
        "name": verdict.name,
        "status": verdict.status.value,
        "found": verdict.found,
        "advice": verdict.advice,
    }
