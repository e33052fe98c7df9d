"""`ddreport notebooks`: the notebooks that come with the package, and a copy of them to work on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ddreport.cli.output import Output


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(no_args_is_help=True, help="List the notebooks of the package, or copy them to a folder.")
    app.add_typer(group, name="notebooks")

    @group.command("list")
    def list_notebooks(ctx: typer.Context) -> None:
        """List the notebooks with the question that each answers."""
        from ddreport.workflows.notebooks import shipped_notebooks

        out: Output = ctx.obj
        rows = [{"notebook": n.name, "title": n.title} for n in shipped_notebooks()]
        out.table(rows, {"notebook": "Notebook", "title": "Title"}, empty="No notebooks.")

    @group.command("copy")
    def copy_notebooks(
        ctx: typer.Context,
        directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is missing.")],
        *,
        force: Annotated[bool, typer.Option("--force", help="Overwrite notebooks that are there already.")] = False,
    ) -> None:
        """Copy the notebooks to DIR, to open in JupyterLab or to change.

        A notebook that is there already is left alone, unless --force is given.
        """
        from ddreport.workflows.notebooks import copy_shipped_notebooks

        out: Output = ctx.obj
        copied = copy_shipped_notebooks(directory, force=force)
        out.result([str(p) for p in copied], text="\n".join(str(p) for p in copied))
