"""The archive's diary: how each pull of each target went, also when somebody asked and was refused.

It stands in the manifests. Format 1 had a folder `pulls/` for it, one JSON file per target and pull; where that is
still there (an archive that nobody has written to since), it is read too.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ddreport.errors import ArchiveCorruptError, ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ddreport.archive.chain import Manifest

PULLS = "pulls"


def pull_records(root: Path, manifests: Iterable[Manifest]) -> list[dict[str, Any]]:
    """Return all records, oldest first: `pulled_time` and the facts that the pull gave.

    Raises
    ------
    ArchiveCorruptError
        A record of format 1 is damaged.
    ArchiveError
        The diary of format 1 or a record of it cannot be read.
    """
    records = []
    taken_over: set[str] = set()
    for manifest in manifests:
        if manifest.kind == "pull":
            records.append({"pulled_time": manifest.time.astimezone(UTC).isoformat(), **manifest.facts})
        else:
            earlier: Mapping[str, dict[str, Any]] = manifest.facts.get("pulls", {})
            taken_over |= set(earlier)
            records += earlier.values()
    records += [record for name, record in read_diary(root).items() if name not in taken_over]
    return sorted(records, key=_time)


def read_diary(root: Path) -> dict[str, dict[str, Any]]:
    """Return the records of format 1 by the names of their files (errors as `pull_records`)."""
    records = {}
    for path in _record_files(root / PULLS):
        try:
            record = json.loads(path.read_bytes())
            if not isinstance(record, dict):
                raise TypeError(type(record).__name__)  # noqa: TRY301 - one way out for all that does not fit
            _time(record)
        except (ValueError, TypeError, KeyError) as exc:
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
        records[path.name] = record
    return records


def _time(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["pulled_time"])


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
