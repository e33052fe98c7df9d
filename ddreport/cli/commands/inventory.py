"""`ddreport inventory`: what an inventory of so many certificates and things takes. Nothing is asked of AWS."""

from __future__ import annotations

from typing import Annotated

import typer

from ddreport.cli.output import Output

COLUMNS = {"operation": "Operation", "calls": "Calls", "rate_per_second": "Per second", "time": "Time"}


def _number(option: str, text: str) -> typer.models.OptionInfo:
    return typer.Option(option, metavar="N", min=0, help=text)  # type: ignore[no-any-return]  # typer says Any


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def inventory(
        ctx: typer.Context,
        *,
        certificates: Annotated[int, _number("--certificates", "Device certificates.")] = 0,
        new_certificates: Annotated[
            int | None, _number("--new-certificates", "Of these not in the archive yet; all of them unless said.")
        ] = None,
        things: Annotated[int, _number("--things", "Things.")] = 0,
        thing_groups: Annotated[int, _number("--thing-groups", "Thing groups.")] = 0,
        policies: Annotated[int, _number("--policies", "IoT policies.")] = 0,
    ) -> None:
        """Tell how many calls and how long `ddreport pull --inventory` takes for a fleet of this size.

        AWS IoT has no call that gives the validity of many certificates or the principals of many things: each takes a
        call of its own, at 10 a second. The lists come first, then the rest; operations are asked side by side, so
        the slowest of each counts. Certificates that an earlier inventory knows take no call. AWS is not asked.
        """
        from ddreport.aws.inventory import InventoryCounts, duration, plan_calls

        out: Output = ctx.obj
        counts = InventoryCounts(
            certificates=certificates,
            new_certificates=certificates if new_certificates is None else new_certificates,
            policies=policies,
            new_policy_versions=policies,
            things=things,
            thing_groups=thing_groups,
        )
        plan = plan_calls(counts)
        rows = [
            {
                "operation": c.operation,
                "calls": c.calls,
                "rate_per_second": c.rate,
                "seconds": c.seconds,
                "time": duration(c.seconds),
            }
            for c in plan.calls
        ]
        if out.json:
            out.result({"calls": plan.calls_count, "seconds": plan.seconds, "operations": rows})
            return
        out.table(rows, COLUMNS, empty="No calls.")
        out.result(None, text=str(plan))
