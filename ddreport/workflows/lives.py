"""The life of the problems of some targets: what `ddreport problems`, `compare` and `trend` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
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

        `text` is a date (its last moment, but not beyond what is known), a time, or the id of an audit: the moment it
        began.

        Raises
        ------
        InputError, WindowError
            It names nothing of these, or a moment before the first audit or after `known_until`.
        """
        if not text:
            return self.known_until
        runs = self.history.runs
        named = runs.loc[runs["audit_task_id"] == text, "task_start_time"]
        if not named.empty:
            began: datetime = named.iloc[0].to_pydatetime()
            return began
        is_date = "T" not in text and " " not in text
        try:
            # Audits that begin at the first moment of the next day are not of this one.
            moment = parse_end(text) - timedelta(microseconds=is_date)
        except InputError as exc:
            near = did_you_mean(text, runs["audit_task_id"].unique())
            raise InputError(
                f"{text!r} is neither a date or time nor the id of an audit in the archive.{near}",
                hint="such as 2026-03-02, 2026-03-02T09:15Z, or an id from `ddreport sql 'FROM audit_tasks'`.",
            ) from exc
        if is_date and moment.date() == self.known_until.date():
            moment = min(moment, self.known_until)
        first = runs["task_start_time"].min().to_pydatetime()
        if not first <= moment <= self.known_until:
            raise InputError(
                f"nothing is known of {text}: the archive begins with the audit of {first:%Y-%m-%d %H:%M} UTC, and AWS "
                f"was last asked at {self.known_until:%Y-%m-%d %H:%M} UTC.",
                hint="name a moment in between; `ddreport pull` brings what is newer.",
            )
        return moment


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
    whole = follow(opened, engine=engine, progress=progress)
    _refuse_unknown_checks(checks, {*catalogue(), *whole.runs["check_name"]})
    history = whole.only(places=places, check_names=names)
    if history.runs.empty:
        of = f" with {', '.join(checks)}" if checks else ""
        raise NoDataError(
            f"the archive has no audit of {', '.join(target)}{of} yet.",
            hint="once an audit has run, bring it in with `ddreport pull`.",
        )
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


def _refuse_unknown_checks(checks: Sequence[str], known: set[str]) -> None:
    for name in checks:
        if normalise_check_name(name) not in known:
            raise InputError(
                f"check {name!r} is neither in the catalogue nor in the archive.{did_you_mean(name, known)}",
                hint=f"known: {', '.join(sorted(known))}.",
            )
