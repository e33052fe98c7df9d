"""A pack: the audits of one account, Region and month in four Parquet files, made by `Archive.compact`.

…/month=2026-08/pack=<id>/
    pack.json                       each audit's own `set.json`, word for word; hashes of its rows and of the files
    audit_tasks.parquet checks.parquet findings.parquet related_resources.parquet
    raw/audit_task_id=<id>.jsonl.zst    AWS's answers to each audit, the file untouched
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import KINDS, PACK_FILE, PACK_KEY, RAW_FOLDER, encode
from ddreport.archive.sets import StoredFile, damaged, parse_set, unreadable
from ddreport.errors import ArchiveVersionError
from ddreport.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ddreport.archive.sets import StoredSet
    from ddreport.records import RecordKind

FORMAT = "ddreport-pack"
FORMAT_VERSION = 1
PACKED_KINDS: tuple[RecordKind, ...] = ("audit",)


@dataclass(frozen=True)
class Member:
    """One set in a pack: the text of its `set.json`, and per table a hash of its rows (`content.rows_sha256`)."""

    set_json: str
    rows_sha256: Mapping[str, str]


@dataclass(frozen=True)
class Pack:
    """One pack, as its `pack.json` tells.

    Attributes
    ----------
    folder, kind, account, region, month
        Where it is and what it holds.
    files
        Its Parquet files by name.
    members
        What is known of each set, by identity.
    sets
        The sets by identity, each with its own sha256 as before.
    sha256
        Over the bytes of `pack.json`, and through the hashes in it over the whole pack.
    """

    folder: Path
    kind: RecordKind
    account: str
    region: str
    month: str
    files: Mapping[str, StoredFile]
    members: Mapping[str, Member]
    sha256: str
    sets: dict[str, StoredSet] = field(default_factory=dict, repr=False, compare=False)

    def raw_path(self, identity: str) -> Path:
        """Return the file with AWS's answers to one audit."""
        return self.folder / RAW_FOLDER / f"{KINDS[self.kind].identity_key}={encode(identity)}.jsonl.zst"


def pack_name(set_hashes: Sequence[str]) -> str:
    """Return the folder's name: the same for the same sets, so that two compactions cannot make two packs of them."""
    digest = hashlib.sha256("".join(f"{h}\n" for h in sorted(set_hashes)).encode()).hexdigest()
    return f"{PACK_KEY}={digest[:16]}"


def describe_pack(
    *,
    kind: RecordKind,
    account: str,
    region: str,
    month: str,
    files: Mapping[str, StoredFile],
    members: Mapping[str, Member],
) -> bytes:
    """Return the content of `pack.json`."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ddreport_version": __version__,
        "kind": kind,
        "account": account,
        "region": region,
        "month": month,
        "files": {n: {"rows": f.rows, "size": f.size, "sha256": f.sha256} for n, f in sorted(files.items())},
        "sets": {
            identity: {"set_json": m.set_json, "rows_sha256": dict(sorted(m.rows_sha256.items()))}
            for identity, m in members.items()
        },
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def read_pack(folder: Path, *, placed: bool = True) -> Pack:
    """Read the `pack.json` of a folder; not `placed` for one that is not in its place yet.

    Raises
    ------
    ArchiveCorruptError
        It is missing or damaged, or a set in it belongs elsewhere.
    ArchiveVersionError, ArchiveError
        A newer `ddreport` wrote it; it cannot be read.
    """
    path = folder / PACK_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise damaged(path, "is missing") from None
    except OSError as exc:
        raise unreadable(path, exc) from exc
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301  # one way out for all that does not fit
        if int(content["format_version"]) > FORMAT_VERSION:
            raise ArchiveVersionError(
                f"{path} has format {content['format_version']}; this is ddreport {__version__}, which reads formats "
                f"up to {FORMAT_VERSION}.",
                hint="upgrade ddreport: pip install --upgrade ddreport.",
            )
        return _parse(content, path, hashlib.sha256(data).hexdigest(), placed=placed)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise damaged(path, f"is damaged ({type(exc).__name__}: {exc})") from exc


def _parse(content: Mapping[str, Any], path: Path, sha256: str, *, placed: bool) -> Pack:
    if content["kind"] not in PACKED_KINDS:
        raise ValueError(f"kind {content['kind']!r}")
    pack = Pack(
        folder=path.parent,
        kind=content["kind"],
        account=content["account"],
        region=content["region"],
        month=content["month"],
        files={n: StoredFile(int(f["rows"]), int(f["size"]), str(f["sha256"])) for n, f in content["files"].items()},
        members={i: Member(m["set_json"], m["rows_sha256"]) for i, m in content["sets"].items()},
        sha256=sha256,
    )
    for identity, member in pack.members.items():
        stored = parse_set(member.set_json.encode(), path, path.parent, placed=placed)
        if stored.identity != identity:
            raise ValueError(f"{identity!r} is {stored.identity!r}")
        pack.sets[identity] = replace(stored, pack=pack)
    return pack
