"""`ddreport version`: which versions are at work, for bug reports and evidence."""

from __future__ import annotations

import platform
from importlib import metadata

import typer

from ddreport.cli.output import Output
from ddreport.version import __version__

LIBRARIES = ("boto3", "botocore", "pandas", "pyarrow", "duckdb", "plotly", "papermill", "nbconvert", "moto")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def version(ctx: typer.Context) -> None:
        """Print the version of ddreport, of Python and of the libraries that matter."""
        out: Output = ctx.obj
        versions = {"ddreport": __version__, "python": platform.python_version()}
        versions |= {name: _version(name) for name in LIBRARIES}
        out.result(versions, text="\n".join(f"{name} {number}" for name, number in versions.items()))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
