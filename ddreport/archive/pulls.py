"""The archive's diary: one small JSON file per target and pull, in `pulls/`, named by time and content.

It keeps what the sets cannot: that somebody asked and was refused, and which account a target's name stands for.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ddreport.archive.staging import publish_file, staging_folder, told_as_write_error, write_file
from ddreport.errors import ArchiveCorruptError, ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

PULLS = "pulls"


def write_pull(root: Path, time: datetime, facts: Mapping[str, Any]) -> None:
    """Add one record to the diary, durably and whole or not at all (`ArchiveWriteError`)."""
    content = json.dumps({"pulled_time": time.astimezone(UTC).isoformat(), **facts}, indent=2, sort_keys=True)
    data = content.encode() + b"\n"
    name = f"{time.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{hashlib.sha256(data).hexdigest()[:8]}.json"
    with told_as_write_error(root, "the record of this pull"):
        (root / PULLS).mkdir(exist_ok=True)
        with staging_folder(root) as folder:
            write_file(folder / name, data)
            publish_file(folder / name, root / PULLS / name)


def read_pulls(root: Path) -> list[dict[str, Any]]:
    """Return all records, oldest first.

    Raises
    ------
    ArchiveCorruptError
        A record is damaged.
    ArchiveError
        The diary or a record of it cannot be read.
    """
    records = []
    for path in _record_files(root / PULLS):
        try:
            record = json.loads(path.read_bytes())
            if not isinstance(record, dict):
                raise TypeError(type(record).__name__)  # noqa: TRY301 - one way out for all that does not fit
        except (ValueError, TypeError) as exc:
            raise ArchiveCorruptError(
                f"{path} is damaged ({type(exc).__name__}); audits and findings are not touched by that.",
                path=str(path),
                hint="restore it from a backup, or move it away: the next pull writes a new one.",
            ) from exc
        except OSError as exc:
            raise ArchiveError(
                f"{path} cannot be read: {exc.strerror or exc}; audits and findings are not touched by that.",
                hint="check its permissions, or move it away if it is no file of ddreport.",
            ) from exc
        records.append(record)
    return records


def _record_files(folder: Path) -> list[Path]:
    """List the records; an archive that no pull was recorded in has no such folder."""
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith(".json"))
    except FileNotFoundError:
        return []
    except OSError as exc:
        # Path.glob would take a folder that may not be listed for an empty one.
        raise ArchiveError(
            f"{folder} cannot be listed: {exc.strerror or exc}.", hint="check the permissions of the archive's folder."
        ) from exc
    return [folder / n for n in names]
