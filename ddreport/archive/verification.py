"""Proof, without AWS, that an archive is what its manifests say; every problem with the file that it is in."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.archive.campaigns import (
    CANCEL_FILE,
    JOURNAL_FILE,
    PLAN_FILE,
    campaign_digests,
    campaign_folder,
    check_campaign,
)
from ddreport.archive.chain import MANIFESTS, Listing, manifest_numbers, manifest_path, read_manifest
from ddreport.archive.finding import Finder
from ddreport.archive.layout import (
    DERIVED,
    KINDS,
    LOCK_FILE,
    MARKER,
    PACK_FILE,
    PACK_KEY,
    RAW_FILE,
    SET_FILE,
    TEMPORARY,
    Filter,
    SetPlace,
    list_names,
    month_folders,
    parts,
)
from ddreport.archive.marker import FORMAT_VERSION, encode_marker, read_marker
from ddreport.archive.pulls import PULLS, read_diary
from ddreport.archive.reading import FileCheck
from ddreport.archive.remote import is_remote, mirror_of
from ddreport.errors import ArchiveCorruptError, ArchiveError, NoDataError
from ddreport.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddreport.archive.chain import Key, Manifest, PackEntry, SetEntry
    from ddreport.archive.packs import Pack
    from ddreport.archive.sets import StoredFile, StoredSet
    from ddreport.progress import Progress
    from ddreport.records import RecordKind


@dataclass(frozen=True)
class Finding:
    """One thing that verification found: the file or folder, relative to the archive, and what is the matter."""

    path: str
    message: str


@dataclass
class Verification:
    """What verification found.

    Attributes
    ----------
    problems
        The archive is not what was written: a file changed or vanished, the chain is broken, a set was exchanged.
    warnings
        Files that are none of the archive's; nothing reads them.
    notes
        What is as it may be, such as sets of a pull that was killed, which no manifest lists yet.
    manifests_count, sets_count, files_count, bytes_count
        What was looked at.
    head
        Sha256 of the newest manifest; None when there is none.
    """

    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    manifests_count: int = 0
    sets_count: int = 0
    files_count: int = 0
    bytes_count: int = 0
    head: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        lists = {name: [vars(f) for f in getattr(self, name)] for name in ("problems", "warnings", "notes")}
        counts = ("manifests_count", "sets_count", "files_count", "bytes_count", "head")
        return {"ok": self.ok, **{name: getattr(self, name) for name in counts}, **lists}


def verify(path: Path | str, *, expect_head: str | None = None, progress: Progress | None = None) -> Verification:
    """Compare the archive in `path` with its manifests: every file is read once; nothing is written, AWS is not asked.

    Parameters
    ----------
    path
        Folder of the archive, or `s3://bucket/prefix`: then every object is brought first, unless the same is here.
    expect_head
        The head (sha256 of the then newest manifest) that was noted elsewhere, such as in a report: it must be in the
        chain. Only that shows manifests cut off at the end.
    progress
        Where progress is told.

    Returns
    -------
    Verification
        All problems, not only the first.

    Raises
    ------
    NoDataError, ArchiveError
        There is no archive in `path`.
    """
    root = Path(path).expanduser()
    if is_remote(path):
        mirror = mirror_of(path)
        mirror.refresh(raw=True)
        root = mirror.root
    return _Verifier(root, progress or NoProgress()).run(expect_head)


class _Verifier:
    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress
        self._check = FileCheck()
        self._finder = Finder(root)
        self._seen: set[str] = {MARKER, LOCK_FILE}
        self._listing = Listing()
        self._emulated: bool | None = None
        self.result = Verification()

    def run(self, expect_head: str | None) -> Verification:
        manifests = self._chain()
        self._marker(manifests)
        self._expected_head(expect_head, manifests)
        packs = self._packs()
        self._listed(packs)
        self._campaigns(manifests)
        self._others()
        return self.result

    # The chain and the marker

    def _chain(self) -> list[Manifest]:
        """Read the manifests and compare each with the next one's `previous_sha256`."""
        numbers = manifest_numbers(self._root)
        self._progress.stage("manifests", len(numbers))
        good: list[Manifest] = []
        for number in range(1, max(numbers, default=0) + 1):
            path = manifest_path(self._root, number)
            self._seen.add(self._name(path))
            if number not in numbers:
                self._problem(path, "is missing: the chain of manifests is broken here")
                continue
            self._progress.advance()
            self.result.manifests_count += 1
            try:
                manifest = read_manifest(path)
            except ArchiveError as exc:
                self._problem(path, _what(exc, path))
                continue
            before = good[-1] if good and good[-1].number == number - 1 else None
            if before is not None and manifest.previous_sha256 != before.sha256:
                self._problem(
                    manifest_path(self._root, before.number),
                    f"is not the manifest that {path.name} follows: its sha256 is {before.sha256}, there it was "
                    f"{manifest.previous_sha256}",
                )
            elif number == 1 and manifest.previous_sha256 is not None:
                self._problem(path, "follows another manifest, but has number 1")
            good.append(manifest)
            self._listing.follow(manifest)
        if good and good[-1].number == max(numbers):
            self.result.head = good[-1].sha256
        elif numbers:
            self.result.head = hashlib.sha256(manifest_path(self._root, max(numbers)).read_bytes()).hexdigest()
        return good

    def _marker(self, manifests: list[Manifest]) -> None:
        path = self._root / MARKER
        try:
            marker = read_marker(self._root)
            data = path.read_bytes()
        except (NoDataError, ArchiveError) as exc:
            if not manifests and not isinstance(exc, ArchiveCorruptError):
                raise
            self._problem(path, _what(exc, path))
            return
        self._emulated = marker.emulated
        told = dict(manifests[-1].marker) if manifests else marker.as_dict()
        if marker.format_version < told["format_version"]:
            self._note(path, "the step to the next format was stopped half-way; the next writing goes on with it")
            told |= {"format_version": marker.format_version, "ddreport_version": marker.ddreport_version}
        if told["emulated"] is None:  # the first set decides, and comes before its manifest
            told["emulated"] = marker.emulated
        if data != encode_marker(marker) or marker.as_dict() != told:
            self._problem(path, "is not what was written: the newest manifest tells otherwise")
        if marker.format_version < FORMAT_VERSION and not manifests:
            self._note(
                path,
                f"format {marker.format_version} had no manifests: that each set is whole can be proven, not that none "
                "is missing",
            )

    def _expected_head(self, expected: str | None, manifests: list[Manifest]) -> None:
        if expected is None:
            return
        if expected.lower() not in {m.sha256 for m in manifests}:
            self._problem(
                self._root / MANIFESTS,
                f"no manifest has the sha256 {expected.lower()}: manifests were cut off or written anew since it was "
                "noted, or it is another archive's",
            )

    # Sets and packs

    def _packs(self) -> dict[Key, tuple[Pack, StoredSet]]:
        """Check every pack that is there, and that those in the manifests are; return the sets in them."""
        found: dict[str, Pack] = {}
        for kind in KINDS:
            for folder in self._pack_folders(kind):
                self._seen.add(self._name(folder / PACK_FILE))
                try:
                    found[self._name(folder)] = self._finder.pack(folder)
                except ArchiveError as exc:
                    self._problem(folder / PACK_FILE, _what(exc, folder / PACK_FILE))
                    self._seen |= {self._name(path) for path in folder.rglob("*")}
        inside: dict[Key, tuple[Pack, StoredSet]] = {}
        self._progress.stage("packs", len(found))
        for name, pack in found.items():
            self._progress.advance()
            entry = self._listing.packs.get(name)
            if entry is not None and entry.pack_sha256 != pack.sha256:
                self._problem(pack.folder / PACK_FILE, "is not what was written: the manifest tells another sha256")
            self._pack_files(pack)
            if entry is None:
                self._unlisted_pack(name, pack)
            for identity, stored in pack.sets.items():
                inside[pack.kind, pack.account, pack.region, identity] = (pack, stored)
        for name in self._listing.packs:
            if name not in found and not (self._root / name / PACK_FILE).exists():
                self._problem(self._root / name / PACK_FILE, "is missing, with the pack that it describes")
        return inside

    def _pack_folders(self, kind: RecordKind) -> Iterator[Path]:
        for _, _, _, month in month_folders(self._root, kind, Filter()):
            yield from (folder for _, folder in parts(month, PACK_KEY))

    def _pack_files(self, pack: Pack) -> None:
        for name, described in pack.files.items():
            self._file(pack.folder / name, described)
        for stored in pack.sets.values():
            self.result.sets_count += 1
            self._file(stored.raw_path, stored.files[RAW_FILE])

    def _unlisted_pack(self, name: str, pack: Pack) -> None:
        """Compare the pack that a stopped compaction left without a manifest with the sets that it is to replace."""
        if name in self._listing.unpacked:
            self._note(pack.folder, "was removed by a retention that was stopped half-way; run it again")
            return
        from ddreport.archive.content import proves_itself

        try:
            if proves_itself(pack, self._listing, self._check):
                what = "stands in no manifest yet: a compaction or merge was stopped half-way; run it again"
                self._note(pack.folder, what)
                return
        except ArchiveError as exc:
            self._problem(pack.folder, f"stands in no manifest, and what it should hold cannot be read ({exc.message})")
            return
        self._problem(pack.folder, "stands in no manifest, and does not hold what the sets that it replaces hold")

    def _listed(self, inside: dict[Key, tuple[Pack, StoredSet]]) -> None:
        """Check every set in a folder of its own, and that each set of the manifests is somewhere."""
        places = [place for kind in KINDS for place in self._loose(kind)]
        self._progress.stage("sets", len(places))
        for place in places:
            self._progress.advance()
            self._loose_set(_key(place), place, inside)
        loose = {_key(place) for place in places}
        for key, entry in self._listing.sets.items():
            if key in loose:
                continue
            if key not in inside:
                if not any(entry.identity in p.identities for p in self._packs_of(entry)):
                    self._problem(
                        self._root / entry.folder / SET_FILE,
                        "is missing, with the set that it describes: a manifest lists it",
                    )
                continue
            pack, stored = inside[key]
            if stored.sha256 != entry.set_sha256:
                self._problem(
                    pack.folder / PACK_FILE, f"has another set.json of {entry.identity} than the manifest tells"
                )

    def _packs_of(self, entry: SetEntry) -> list[PackEntry]:
        """Packs in the manifests beside the set's own folder; what is wrong with them was told already."""
        month = entry.folder.rpartition("/")[0]
        return [p for name, p in self._listing.packs.items() if name.rpartition("/")[0] == month]

    def _loose(self, kind: RecordKind) -> Iterator[SetPlace]:
        for account, region, month, folder in month_folders(self._root, kind, Filter()):
            for identity, place in parts(folder, KINDS[kind].identity_key):
                yield SetPlace(kind, account, region, month, identity, place)

    def _loose_set(self, key: Key, place: SetPlace, inside: dict[Key, tuple[Pack, StoredSet]]) -> None:
        path = place.folder / SET_FILE
        self._seen.add(self._name(path))
        self.result.sets_count += key not in inside
        entry = self._listing.sets.get(key)
        try:
            stored = self._finder.read(place)
        except ArchiveError as exc:
            self._problem(path, _what(exc, path))
            self._seen |= {self._name(place.folder / n) for n in list_names(place.folder)}
            return
        self.result.files_count += 1
        if entry is not None and stored.sha256 != entry.set_sha256:
            self._problem(path, "is not what was written: the manifest tells another sha256")
        for name, described in stored.files.items():
            self._file(place.folder / name, described)
        if self._emulated is not None and stored.emulated != self._emulated:
            self._problem(path, "is of the other kind of account, emulated or real, than the archive")
        if entry is None:
            self._unlisted(stored)
        elif key in inside:
            self._note(place.folder, "is also in a pack: a compaction was stopped half-way; run it again")
        elif entry.folder != self._name(place.folder):
            self._problem(place.folder, f"is in another place than the manifest tells: {entry.folder}")

    def _unlisted(self, stored: StoredSet) -> None:
        if self._listing.removes(stored):
            self._note(stored.folder, "was removed by a retention that was stopped half-way; run it again")
        elif self.result.manifests_count:
            self._note(stored.folder, "stands in no manifest yet; the next pull of its account and Region lists it")

    # Mitigations

    def _campaigns(self, manifests: list[Manifest]) -> None:
        """Check the journal of each mitigation, and that it still holds what the manifests tell of it."""
        told: dict[str, list[str]] = {}
        for manifest in manifests:
            if manifest.kind == "campaign":
                told.setdefault(str(manifest.facts.get("plan")), []).append(str(manifest.facts.get("journal_sha256")))
        there = campaign_digests(self._root)
        for digest in dict.fromkeys([*there, *told]):
            folder = campaign_folder(self._root, digest)
            self._seen |= {self._name(folder / name) for name in (PLAN_FILE, JOURNAL_FILE, CANCEL_FILE)}
            self.result.files_count += 2 * (digest in there)
            problems, notes, heads = check_campaign(self._root, digest)
            for name, message in problems:
                self._problem(folder / name, message.removeprefix(f"{folder / name} ").rstrip("."))
            for name, message in notes:
                self._note(folder / name, message)
            missing = [head for head in told.get(digest, ()) if head not in heads]
            if missing and not any(name == JOURNAL_FILE for name, _ in problems):
                self._problem(folder / JOURNAL_FILE, "was cut off: a manifest tells of a line that is not in it")

    # Files

    def _file(self, path: Path, described: StoredFile) -> None:
        self._seen.add(self._name(path))
        self.result.files_count += 1
        try:
            self._check(path, described)
            self.result.bytes_count += described.size
        except ArchiveError as exc:
            self._problem(path, _what(exc, path))

    def _others(self) -> None:
        """Name every file that nothing above has looked at."""
        diary: Iterable[str] = ()
        if (self._root / PULLS).exists():
            try:
                diary = read_diary(self._root)
            except ArchiveError as exc:
                self._problem(self._root / PULLS, exc.message)
        self._seen |= {f"{PULLS}/{name}" for name in diary}
        for folder, folders, files in os.walk(self._root):
            if Path(folder) == self._root:
                for name in sorted(n for n in folders if n.startswith(TEMPORARY)):
                    self._note(
                        self._root / name, "was left by a writer that works or was killed; the next one removes it"
                    )
                folders[:] = [n for n in folders if n != DERIVED and not n.startswith(TEMPORARY)]
            links = [n for n in folders if (Path(folder) / n).is_symlink()]
            for name in sorted([*files, *links]):
                path = Path(folder) / name
                if self._name(path) not in self._seen:
                    self.result.warnings.append(Finding(self._name(path), "is no file of the archive"))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _problem(self, path: Path, message: str) -> None:
        self.result.problems.append(Finding(self._name(path), message))

    def _note(self, path: Path, message: str) -> None:
        self.result.notes.append(Finding(self._name(path), message))


def _key(place: SetPlace) -> Key:
    return place.kind, place.account, place.region, place.identity


def _what(exc: ArchiveError | NoDataError, path: Path) -> str:
    """Return the message without the path that it begins with."""
    return exc.message.removeprefix(f"{path} ").rstrip(".")
