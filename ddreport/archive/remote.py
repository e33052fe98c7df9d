"""Archives in S3: a mirror in the cache folder, on which everything else works as on any archive.

Reading: list the bucket, bring what is new or has another ETag, and go on locally, where each file is compared with
its hash as always. AWS's raw answers are brought only when they are asked for. Writing: one writer at a time holds the
object `.lock` (a conditional put; one that was left behind is taken over after `LEASE_SECONDS`), works on the mirror,
and uploads: files first, then `set.json` or `pack.json`, which make a set be there, then the manifest, whose number
only one writer can take. Removed sets lose their `set.json` first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ddreport.archive.campaigns import CAMPAIGNS, JOURNAL_FILE, is_longer, is_open_for_writing
from ddreport.archive.layout import DERIVED, LOCK_FILE, MARKER, PACK_FILE, RAW_FILE, RAW_FOLDER, SET_FILE, TEMPORARY
from ddreport.archive.staging import writer_lock
from ddreport.errors import ArchiveError, ArchiveWriteError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTENT = "content:"  # beside the ETag of a journal: the SHA-256 of what was last uploaded
LEASE_SECONDS = 120
_WAIT_SECONDS = 600
_ATTEMPTS = 5
_URL = re.compile(r"s3:/{1,2}(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")


def is_remote(path: Path | str) -> bool:
    """Whether `path` names an archive in S3; `pathlib` makes `s3:/bucket` of `s3://bucket`, which means the same."""
    return str(path).startswith("s3:/")


def mirror_of(path: Path | str, *, cache: Path | None = None) -> Mirror:
    """Return the mirror of the archive that an `s3://bucket/prefix` names (`InputError`)."""
    from ddreport.settings import Settings

    found = _URL.fullmatch(str(path).rstrip("/"))
    if found is None:
        raise InputError(f"{path} names no place in S3.", hint="write s3://BUCKET/PREFIX.")
    prefix = (found["prefix"] or "").strip("/")
    return Mirror(found["bucket"], f"{prefix}/" if prefix else "", cache or Settings.from_env().cache_dir)


class Mirror:
    """The local copy of one archive in S3, kept in the cache folder; it may be removed at any time."""

    def __init__(self, bucket: str, prefix: str, cache: Path) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, prefix
        # The same name at another endpoint is another archive.
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        name = hashlib.sha256(f"{endpoint}\n{self.url}".encode()).hexdigest()[:24]
        self._base = cache / "s3" / name
        self.root = self._base / "archive"
        self._held = threading.RLock()
        self._there: dict[str, str] = {}
        self._marker_before: bytes | None = None
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            # Lists and small files, many at a time in one thread: retries as AWS advises.
            self._made = boto3.client(
                "s3", config=Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
            )
        return self._made

    def refresh(self, *, raw: bool = False) -> None:
        """Bring what is new in the bucket, with `raw` also AWS's raw answers, and forget what is gone.

        Raises
        ------
        ArchiveError
            The bucket is not there, may not be read, or does not answer.
        """
        with self._held, self._own_errors("read"):
            self._base.mkdir(parents=True, exist_ok=True)
            with writer_lock(self._base):
                self._refresh(raw=raw)

    def _refresh(self, *, raw: bool) -> None:
        there = self._list()
        known = self._known()
        self._there = there
        whole = {str(PurePosixPath(k).parent) for k in there if PurePosixPath(k).name in (SET_FILE, PACK_FILE)}
        for key in sorted(there, key=lambda k: PurePosixPath(k).name in (SET_FILE, PACK_FILE)):
            path = self.root / key
            same = path.exists() and known.get(key) == there[key]
            if not same and path.exists() and _is_journal(key):
                self._bring_journal(key, known)
                continue
            if same or (_is_raw(key) and not raw and not path.exists()) or not _belongs(key, whole):
                continue
            self._bring(key)
            known[key] = there[key]
        if self.root.exists():
            for path in [p for p in self.root.rglob("*") if p.is_file()]:
                key = path.relative_to(self.root).as_posix()
                if _is_campaign(key):
                    continue  # it may have grown here since, or not have been uploaded yet
                if _is_kept(key) and (key not in there or not _belongs(key, whole)):
                    path.unlink()
                    known.pop(key, None)
            _remove_empty(self.root)
        self._remember(known)

    def bring(self, path: Path) -> None:
        """Bring one file that `refresh` left out (`ArchiveError`)."""
        if not path.exists():
            with self._held, self._own_errors("read"):
                self._bring(path.relative_to(self.root).as_posix())

    @contextmanager
    def writing(self, *, raw: bool = False) -> Iterator[None]:
        """Hold the archive for writing: bring what is new, let the caller change the mirror, upload what changed.

        Raises
        ------
        ArchiveWriteError
            Another writer did not let go, or what was changed could not be uploaded.
        """
        self._base.mkdir(parents=True, exist_ok=True)
        # The lock of the mirror too: another process on this machine must not take for gone what is not uploaded yet.
        with self._held, writer_lock(self._base), self._own_errors("written"), self._lease():
            self._refresh(raw=raw)
            self._marker_before = self._marker()
            try:
                yield
            finally:
                self._upload()

    def _upload(self) -> None:
        here = {p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file()}
        here = {k for k in here if _is_kept(k)}
        known = self._known()
        changed = here - self._there.keys()
        grown = {k: self._sha256(k) for k in here if _is_journal(k)}
        changed |= {k for k, sha256 in grown.items() if known.get(f"{_CONTENT}{k}") != sha256}
        if self._marker() != self._marker_before:
            changed |= {MARKER} & here
        for key in sorted(changed, key=_upload_order):
            known[key] = self._put(key)
            if key in grown:
                known[f"{_CONTENT}{key}"] = grown[key]
        folders = {str(PurePosixPath(k).parent) for k in here}
        gone = [k for k in self._there if not _is_raw(k) and k not in here]
        gone += [k for k in self._there if _is_raw(k) and k not in here and _set_of(k) not in folders]
        for key in sorted(gone, key=lambda k: PurePosixPath(k).name not in (SET_FILE, PACK_FILE)):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)
            known.pop(key, None)
        self._remember(known)
        self._there = {k: known.get(k, "") for k in (self._there.keys() | changed) - set(gone)}

    def _marker(self) -> bytes | None:
        path = self.root / MARKER
        return path.read_bytes() if path.exists() else None

    def _put(self, key: str) -> str:
        condition: dict[str, str] = {"IfNoneMatch": "*"} if key.startswith("manifests/") else {}
        body = (self.root / key).read_bytes()
        answer = self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **condition)
        return str(answer["ETag"])

    def _bring(self, key: str) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._base / f"new-{uuid.uuid4().hex}"
        body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
        with aside.open("wb") as file:
            shutil.copyfileobj(body, file)
        os.replace(aside, path)

    def _bring_journal(self, key: str, known: dict[str, str]) -> None:
        """Bring the journal of a mitigation that is here as well, if it goes on from the one here."""
        path = self.root / key
        own = path.read_bytes()
        there: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
        # Never replaced while a run has it open: its next line would be written to a file without a name.
        if not is_longer(own, there):
            if is_open_for_writing(path) or not is_longer(there, own):
                raise ArchiveError(
                    f"{self.url}/{key} and {path} tell different stories of one mitigation plan.",
                    hint="it was carried out from two machines at once; nothing was done twice at AWS. Keep the file "
                    "that is here, move it away, and run the same again.",
                )
            self._bring(key)
        known[key] = self._there[key]
        known[f"{_CONTENT}{key}"] = hashlib.sha256(there).hexdigest()

    def _sha256(self, key: str) -> str:
        return hashlib.sha256((self.root / key).read_bytes()).hexdigest()

    def _list(self) -> dict[str, str]:
        found = {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                if _is_kept(key) and _is_safe(key):
                    found[key] = entry["ETag"]
        return found

    @contextmanager
    def _lease(self) -> Iterator[None]:
        """Hold the lock object, which a writer that died leaves behind until its time is over."""
        key, own = self._prefix + LOCK_FILE, uuid.uuid4().hex.encode()
        patience = time.monotonic() + _WAIT_SECONDS
        condition = {"IfNoneMatch": "*"}
        while not self._try_put(key, own, condition):
            condition = {"IfNoneMatch": "*"}
            found = self._try_head(key)
            # Both times are S3's own, so a clock that is wrong here does not matter.
            if found and (_answer_time(found) - found["LastModified"]).total_seconds() > LEASE_SECONDS:
                condition = {"IfMatch": found["ETag"]}
                continue
            if time.monotonic() > patience:
                raise ArchiveWriteError(
                    f"another writer has held {self.url} for {_WAIT_SECONDS} seconds.",
                    hint="wait until it has ended, and run the same again.",
                )
            time.sleep(0.2)
        try:
            yield
        finally:
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _try_put(self, key: str, body: bytes, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                return False
            raise
        return True

    def _try_head(self, key: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise

    def _known(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads((self._base / "etags.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return known

    def _remember(self, known: dict[str, str]) -> None:
        aside = self._base / f"new-{uuid.uuid4().hex}"
        aside.write_text(json.dumps(known))
        os.replace(aside, self._base / "etags.json")

    @contextmanager
    def _own_errors(self, what: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        kind = ArchiveWriteError if what == "written" else ArchiveError
        try:
            yield
        except ClientError as exc:
            error = exc.response["Error"]
            raise kind(
                f"{self.url} cannot be {what}: {exc.operation_name}: {error['Code']}: {error.get('Message', '')}",
                hint="check the bucket's name, its Region and your permissions (s3:ListBucket, GetObject, PutObject, "
                "DeleteObject).",
            ) from exc
        except BotoCoreError as exc:
            raise kind(
                f"{self.url} cannot be {what}: {exc}", hint="check your AWS configuration and the network."
            ) from exc


def _answer_time(answer: Any) -> Any:
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def _is_safe(key: str) -> bool:
    """Whether the key can be a file below the mirror: no way out of it."""
    return bool(key) and "\\" not in key and not any(part in ("", ".", "..") for part in key.split("/"))


def _is_kept(key: str) -> bool:
    return key != LOCK_FILE and not key.startswith((f"{DERIVED}/", TEMPORARY))


def _is_campaign(key: str) -> bool:
    return key.startswith(f"{CAMPAIGNS}/")


def _is_journal(key: str) -> bool:
    """Whether it is the one kind of file that grows."""
    return _is_campaign(key) and PurePosixPath(key).name == JOURNAL_FILE


def _is_raw(key: str) -> bool:
    path = PurePosixPath(key)
    return path.name == RAW_FILE or path.parent.name == RAW_FOLDER


def _set_of(key: str) -> str:
    folder = PurePosixPath(key).parent
    return str(folder.parent if folder.name == RAW_FOLDER else folder)


def _belongs(key: str, whole: set[str]) -> bool:
    """Whether the object is of a set that is whole, or of none: without its `set.json` a set is not there yet."""
    return "=" not in key or _set_of(key) in whole


def _upload_order(key: str) -> tuple[int, str]:
    name = PurePosixPath(key).name
    if key.startswith("manifests/"):
        return 2, key
    return (1 if name in (SET_FILE, PACK_FILE) else 3 if key == MARKER else 0), key


def _remove_empty(root: Path) -> None:
    for folder in sorted((p for p in root.rglob("*") if p.is_dir()), key=lambda p: len(p.parts), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
