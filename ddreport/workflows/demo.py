"""The demo: the whole way from the AWS API to the archive on the built-in emulated account."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ddreport.errors import ArchiveWriteError
from ddreport.targets import DEMO, Target
from ddreport.version import __version__
from ddreport.workflows.pull import pull

if TYPE_CHECKING:
    from ddreport.archive import Archive
    from ddreport.progress import Progress
    from ddreport.settings import Settings

KEPT_DEMO_ARCHIVES = 3
"""The demo moves on every day, so its archive is made again; older ones are removed."""


def demo_archive(*, settings: Settings, progress: Progress, as_of: datetime | None = None) -> Archive:
    """Return the archive of the demo account, made on first use each day and kept in the user's cache folder.

    It is made in a folder beside its final place and moved there when it is whole, so that an interrupted run leaves
    nothing half-made and two runs at once do no harm.
    """
    from ddreport.archive import Archive

    moment = as_of or datetime.now(UTC)
    home = settings.cache_dir / "demo"
    stamp = f"{moment:%Y-%m-%d}" if as_of is None else f"{moment:%Y-%m-%dT%H%M%SZ}"
    place = home / f"{stamp}-seed-{settings.demo_seed}-{__version__}"
    if not place.is_dir():
        _make(place, moment, settings, progress)
        _remove_old(home, keep=place)
    return Archive.open(place)


def pull_demo(*, settings: Settings, progress: Progress, as_of: datetime | None = None) -> Archive:
    """Pull the demo account into the archive that the settings name, and return that archive."""
    from ddreport.archive import Archive

    archive = Archive.open(settings.archive_dir, create=True)
    _pull_into(archive, as_of, settings, progress)
    return archive


def _pull_into(archive: Archive, as_of: datetime | None, settings: Settings, progress: Progress) -> None:
    for status in pull([Target(DEMO)], archive, as_of=as_of, settings=settings, progress=progress).statuses:
        if status.error:
            raise status.error


def _make(place: Path, moment: datetime, settings: Settings, progress: Progress) -> None:
    from ddreport.archive import Archive

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".tmp-", dir=place.parent))
    except OSError as exc:
        raise ArchiveWriteError(
            f"the demo's archive cannot be made in {place.parent}: {exc.strerror}.",
            hint="name another folder with --archive or DDREPORT_CACHE.",
        ) from exc
    try:
        _pull_into(Archive.open(work, create=True), moment, settings, progress)
        try:
            os.replace(work, place)
        except OSError:
            if not place.is_dir():  # else another run was faster, and its archive is the same
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_old(home: Path, *, keep: Path) -> None:
    made = sorted((p for p in home.iterdir() if p.is_dir() and not p.name.startswith(".")), reverse=True)
    # A killed run leaves its work folder; one that is a day old is nobody's any more.
    dead = [
        p for p in home.glob(".tmp-*") if p.stat().st_mtime < keep.stat().st_mtime - timedelta(days=1).total_seconds()
    ]
    for old in [*made[KEPT_DEMO_ARCHIVES:], *dead]:
        if old != keep:
            shutil.rmtree(old, ignore_errors=True)
