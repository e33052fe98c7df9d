"""The life of the problems of some targets: what `ddreport problems`, `compare` and `trend` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ddreport.catalogue import normalise_check_name
from ddreport.errors import InputError, NoDataError, did_you_mean
from ddreport.window import parse_end
from ddreport.workflows.engine import DEFAULT_ENGINE
from ddreport.workflows.history import History, follow
from ddreport.workflows.load import open_archive, sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from ddreport.archive import Archive
    from ddreport.progress import Progress


@dataclass(frozen=True)
class Lives:
    """The history of some targets, and the moment up to which anything is known of them.

    Attributes
    ----------
    archive
        Where it comes from.
    history
        Of the accounts, Regions and checks asked for.
    known_until
        The latest moment at which AWS was asked, or the newest audit began, whichever is later; UTC. Asked for a later
        moment, nobody could tell.
    emulated
        Whether the emulator answered, not AWS.
    notes
        What a reader must know about the data, in plain words.
    """

    archive: Archive
    history: History
    known_until: datetime
    emulated: bool
    notes: tuple[str, ...]

    def moment(self, text: str | None) -> datetime:
        """Return the moment that `text` names; without any, `known_until`.

        `text` is a date (until its end, but not beyond what is known), a time, or the id of an audit, which stands for
        the moment it began.

        Raises
        ------
        InputError, WindowError
            It names nothing of these, or a moment after `known_until`.
        """
        if not text:
            return self.known_until
        runs = self.history.runs
        named = runs.loc[runs["audit_task_id"] == text, "task_start_time"]
        if not named.empty:
            began: datetime = named.iloc[0].to_pydatetime()
            return began
        try:
            end = parse_end(text)
        except InputError as exc:
            near = did_you_mean(text, runs["audit_task_id"].unique())
            raise InputError(
                f"{text!r} is neither a date or time nor the id of an audit in the archive.{near}",
                hint="such as 2026-03-02, 2026-03-02T09:15Z, or an id that `ddreport trend` shows.",
            ) from exc
        if end > self.known_until:
            begun = end.date() > self.known_until.date() and "T" not in text
            if begun and (end - self.known_until).days < 1:
                return self.known_until
            raise InputError(
                f"nothing is known of {text}: AWS was last asked at {self.known_until:%Y-%m-%d %H:%M} UTC.",
                hint="`ddreport pull` brings what is newer.",
            )
        return end


def load_lives(
    *,
    target: Sequence[str],
    archive: str | Path = "",
    checks: Sequence[str] = (),
    engine: str = DEFAULT_ENGINE,
    progress: Progress | None = None,
) -> Lives:
    """Follow the problems of some targets over everything that the archive has of them. AWS is not called.

    Raises
    ------
    InputError, TargetError, NoDataError, ArchiveError, EngineError, MissingExtraError
        The target, a check or the engine is unknown; the archive has nothing of it or cannot be read.
    """
    opened = open_archive(target, archive)
    found = sources(opened, target)
    places = {(s.account, s.region) for s in found}
    names = {normalise_check_name(c) for c in checks} or None
    history = follow(opened, engine=engine, progress=progress).only(places=places, check_names=names)
    if history.runs.empty:
        raise _nothing(opened, target, checks)
    pulled = [
        datetime.fromisoformat(p["time"])
        for p in opened.pulls()
        if p.get("time") and (p.get("account"), p.get("region")) in places
    ]
    newest: pd.Timestamp = history.runs["task_start_time"].max()
    return Lives(
        opened,
        history,
        max([newest.to_pydatetime(), *pulled]),
        any(s.emulated for s in found),
        tuple(note for s in found for note in s.notes),
    )


def _nothing(archive: Archive, target: Sequence[str], checks: Sequence[str]) -> NoDataError | InputError:
    known = set(archive.load("checks")["check_name"])
    for name in checks:
        if normalise_check_name(name) not in known:
            return InputError(f"the archive has no check {name!r}.{did_you_mean(name, known)}")
    return NoDataError(
        f"the archive has no audit of {', '.join(target)} yet.",
        hint="once an audit has run, bring it in with `ddreport pull`.",
    )
