"""From each format of the archive to the next, one small function each.

They run when an older archive is opened for writing, under the writer lock. Each can be killed at any step: begun again
it goes on, and meanwhile the archive reads as before. The marker is written last, so it never says too much.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ddreport.archive.chain import Chain, unlisted
from ddreport.archive.finding import Finder
from ddreport.archive.marker import FORMAT_VERSION, Marker, read_marker, write_marker
from ddreport.archive.pulls import PULLS, read_diary
from ddreport.archive.staging import remove_folder, told_as_write_error, writer_lock
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)


def ensure_current(root: Path) -> Marker:
    """Bring the archive to the present format, where it has an older one; return its marker.

    Raises
    ------
    NoDataError, ArchiveError, ArchiveVersionError, ArchiveCorruptError
        As `marker.read_marker`; a record or set of the old format is damaged.
    ArchiveWriteError
        It cannot be written.
    """
    marker = read_marker(root)
    if marker.format_version == FORMAT_VERSION:
        return marker
    with told_as_write_error(root, "the archive in its new format"), writer_lock(root):
        marker = read_marker(root)
        for version in range(marker.format_version, FORMAT_VERSION):
            _log.info("bringing %s from format %d to %d", root, version, version + 1)
            MIGRATIONS[version](root)
    return read_marker(root)


def v1_to_v2(root: Path) -> None:
    """Begin the chain of manifests: the first one lists every set and takes over the diary of `pulls/`."""
    chain = Chain(root)
    marker = Marker(2, __version__, read_marker(root).emulated)
    known = {name for m in chain.manifests() for name in m.facts.get("pulls", ())}
    pulls = {name: record for name, record in read_diary(root).items() if name not in known}
    added = unlisted(root, chain.listing(), Finder(root))
    if added or pulls or not chain.manifests():
        facts = {"from_format": 1, "to_format": 2, "pulls": pulls}
        chain.append("migration", datetime.now(UTC), facts, marker=marker, added=added)
    remove_folder(root, root / PULLS)
    write_marker(root, marker)


MIGRATIONS: dict[int, Callable[[Path], None]] = {1: v1_to_v2}
"""By the format that each begins with."""
