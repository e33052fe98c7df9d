"""`ddreport targets`: what ddreport.toml names."""

from __future__ import annotations

from dataclasses import fields

import typer

from ddreport.cli.output import Output


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def targets(ctx: typer.Context) -> None:
        """List the targets: accounts and Regions by name. `demo` is built in and needs no account.

        Nothing is called; an external id is shown only as “set”.
        """
        from ddreport.connect import configuration_name, read_targets

        out: Output = ctx.obj
        rows = []
        for target in read_targets().values():
            row = {f.name: getattr(target, f.name) for f in fields(target)}
            row["external_id"] = "set" if target.external_id else None
            row["kind"] = "emulated" if target.is_demo else "AWS"
            rows.append(row)
        columns = {
            "name": "Target",
            "kind": "Kind",
            "profile": "Profile",
            "region": "Region",
            "role_arn": "Role",
            "endpoint_url": "Endpoint",
        }
        out.table(rows, columns, empty="No targets.")
        out.note(f"Read from {configuration_name()}.")
