"""`ddreport verify`: prove that the archive is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.cli.options import ArchiveDir
from ddreport.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.archive import Verification

SHOWN = 20
"""Notes and warnings that people are shown; problems are always shown all."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def verify(
        ctx: typer.Context,
        *,
        archive: ArchiveDir = None,
        expect_head: Annotated[
            str | None,
            typer.Option(
                "--expect-head", metavar="SHA256", help="A head noted earlier, as in a report: must be in the chain."
            ),
        ] = None,
    ) -> None:
        """Prove offline that the archive is what was written: every manifest, set and file against its hash.

        Names each file that changed or vanished, each manifest that was edited or removed, each set that was
        exchanged. Exit code 0 when nothing is wrong, 1 otherwise. The printed head stands for the whole archive: note
        it elsewhere, and --expect-head later shows also whether manifests were cut off at the end.
        """
        from ddreport.archive import verify as run
        from ddreport.settings import Settings

        out: Output = ctx.obj
        settings = Settings.from_env(archive=archive)
        with out.progress() as progress:
            found = run(settings.archive_dir, expect_head=expect_head, progress=progress)
        for problem in found.problems:
            out.warn(f"{problem.path}: {problem.message}")
        if not out.json:
            _tell(out, "not of the archive", [f.path for f in found.warnings])
            _tell(out, "note", [f"{f.path} {f.message}" for f in found.notes])
        out.result(found.as_dict(), text=_summary(found))
        out.exit_code = 0 if found.ok else 1


def _tell(out: Output, what: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        out.note(f"{what}: {line}")
    if len(lines) > SHOWN:
        out.note(f"{what}: {len(lines) - SHOWN} more; --json lists all.")


def _summary(found: Verification) -> str:
    looked_at = (
        f"{found.manifests_count:,} manifests, {found.sets_count:,} sets, {found.files_count:,} files "
        f"({found.bytes_count:,} bytes)"
    )
    verdict = "nothing is wrong" if found.ok else f"{len(found.problems):,} problems"
    return f"{verdict}: {looked_at}\nhead: {found.head or 'none yet'}"
