"""Load: the tables of one or several targets from the archive, as an analyst, a notebook or a report wants them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.catalogue import checks as catalogue_checks
from ddreport.catalogue import normalise_check_name
from ddreport.connect import configuration_name, read_targets
from ddreport.errors import InputError, NoDataError, ParameterError, TargetError, did_you_mean
from ddreport.metrics.coverage_of_targets import target_coverage, target_gaps
from ddreport.progress import notebook_progress
from ddreport.settings import RETENTION_DAYS, Settings
from ddreport.tables.pulls import pulls_table
from ddreport.targets import DEMO
from ddreport.window import Window, parse_end, parse_start
from ddreport.workflows.inventory_tables import InventoryTables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddreport.archive import Archive
    from ddreport.workflows.history import History


@dataclass(frozen=True)
class Source:
    """What the archive knows of a target: its account and Region, and how its newest pull went."""

    target: str
    account: str
    region: str
    emulated: bool
    notes: tuple[str, ...]


class AuditData(InventoryTables):
    """Audits and findings of one or several targets in a window, read from the archive when asked for.

    Attributes
    ----------
    start, end
        The window, aware UTC; audits that started from `start` (included) to `end` (excluded).
    as_of
        The moment that "now" means in every table: the start of the newest audit in the window.
    targets, accounts, regions
        Names, in the order given.
    emulated
        True when the emulator answered, not AWS.
    fingerprint
        SHA-256 over the evidence that the tables come from.
    notes
        What a reader must know about the data, in plain words; such as a pull that had only part of it.
    """

    def __init__(
        self, archive: Archive, sources: Sequence[Source], *, start: str, end: str, check_names: Sequence[str]
    ) -> None:
        self._archive = archive
        self._sources = tuple(sources)
        self.check_names = tuple(check_names)
        self.targets = [s.target for s in sources]
        self._places = [(s.account, s.region) for s in sources]
        self.accounts = list(dict.fromkeys(s.account for s in sources))
        self.regions = list(dict.fromkeys(s.region for s in sources))
        self.emulated = any(s.emulated for s in sources)
        self.start, self.end = self._window(start, end)
        places = [(s.target, s.account, s.region) for s in sources]
        # Without an end the window ends with the newest audit, and an inventory may well be younger than that.
        self._set_inventory(archive, places, as_of=self.end if end else None)
        newest = self.audit_tasks["task_start_time"].max()
        if self.audit_tasks.empty:
            raise NoDataError(
                f"the archive has no audit of {', '.join(self.targets)} from {self.start:%Y-%m-%d %H:%M} to "
                f"{self.end:%Y-%m-%d %H:%M} UTC.",
                hint="choose another window, or bring in newer audits with `ddreport pull`.",
            )
        self.as_of: datetime = newest.to_pydatetime()
        # The states are not in it: they are read as of the window's end and may have been seen before its start.
        self.fingerprint: str = archive.fingerprint(
            kinds=("audit", "mitigation"), places=self._places, start=self.start, end=self.end
        )
        self.notes = self._notes()
        self._refuse_unknown_checks()

    def _window(self, start: str, end: str) -> tuple[datetime, datetime]:
        if end:
            last = parse_end(end)
        else:
            tasks = self._archive.load("audit_tasks", places=self._places)
            if tasks.empty:
                raise NoDataError(
                    f"the archive has no audit of {', '.join(self.targets)} yet.",
                    hint="once an audit has run, bring it in with `ddreport pull`.",
                )
            last = tasks["task_start_time"].max().to_pydatetime() + timedelta(seconds=1)
        first = parse_start(start) if start else last - timedelta(days=RETENTION_DAYS)
        window = Window(first, last)
        return window.start, window.end

    def _load(self, table: str, **more: Any) -> pd.DataFrame:
        return self._archive.load(table, places=self._places, start=self.start, end=self.end, **more)

    @cached_property
    def audit_tasks(self) -> pd.DataFrame:
        """Audits of the window: table `schemas.AUDIT_TASKS`."""
        return self._load("audit_tasks")

    @cached_property
    def checks(self) -> pd.DataFrame:
        """Checks of these audits: table `schemas.CHECKS`."""
        return self._load("checks", check_names=self.check_names or None)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Findings of these audits, suppressed ones included: table `schemas.FINDINGS`."""
        return self._load("findings", check_names=self.check_names or None)

    @cached_property
    def related_resources(self) -> pd.DataFrame:
        """Further facts of these findings: table `schemas.RELATED_RESOURCES`."""
        related = self._load("related_resources")
        return related[related["finding_id"].isin(self.findings["finding_id"])].reset_index(drop=True)

    @cached_property
    def mitigation_tasks(self) -> pd.DataFrame:
        """Mitigation tasks that began in the window: table `schemas.MITIGATION_TASKS`."""
        return self._load("mitigation_tasks")

    @cached_property
    def mitigation_executions(self) -> pd.DataFrame:
        """What these tasks did to each finding: table `schemas.MITIGATION_EXECUTIONS`."""
        return self._load("mitigation_executions")

    @cached_property
    def pulls(self) -> pd.DataFrame:
        """Every pull of these targets, whatever the window: table `schemas.PULLS`."""
        table = pulls_table(self._archive.pulls())
        return table[table["target"].isin(self.targets)].reset_index(drop=True)

    @cached_property
    def history(self) -> History:
        """The life of the problems of these targets and checks, over all that the archive has, not the window alone."""
        from ddreport.workflows.history import follow

        with notebook_progress() as progress:
            found = follow(self._archive, progress=progress)
        return found.only(places=set(self._places), check_names=self.check_names or None)

    @cached_property
    def problems(self) -> pd.DataFrame:
        """Every problem with its state at the window's end, or at `known_until` if earlier: `history.PROBLEMS`."""
        return self.history.problems(self._last_moment)

    @cached_property
    def episodes(self) -> pd.DataFrame:
        """Every episode of every problem, as known at the same moment: `history.EPISODES`."""
        return self.history.episodes(self._last_moment)

    @cached_property
    def known_until(self) -> datetime:
        """When AWS was last asked, or the newest audit of the window began, whichever is later."""
        asked = self.pulls.loc[self.pulls["account"].notna(), "pulled_time"]
        times: list[datetime] = [t.to_pydatetime() for t in asked]
        return max([self.as_of, *times])

    @property
    def _last_moment(self) -> datetime:
        # The end is not in the window: an audit that begins then belongs to what follows.
        return min(self.end - timedelta(microseconds=1), self.known_until)

    def sql(self, query: str) -> pd.DataFrame:
        """Ask the whole archive in DuckDB SQL, whatever target and window: see `Archive.query`."""
        return self._archive.query(query)

    def _state(self, table: str) -> pd.DataFrame:
        return self._archive.latest_state(table, places=self._places, as_of=self.end)

    @cached_property
    def check_configurations(self) -> pd.DataFrame:
        """Which checks are on, as last seen: table `schemas.CHECK_CONFIGURATIONS`."""
        return self._state("check_configurations")

    @cached_property
    def account_configurations(self) -> pd.DataFrame:
        """Audit role and notifications, as last seen: table `schemas.ACCOUNT_CONFIGURATIONS`."""
        return self._state("account_configurations")

    @cached_property
    def scheduled_audits(self) -> pd.DataFrame:
        """Scheduled audits, as last seen: table `schemas.SCHEDULED_AUDITS`."""
        return self._state("scheduled_audits")

    @cached_property
    def suppressions(self) -> pd.DataFrame:
        """Active suppressions, as last seen: table `schemas.SUPPRESSIONS`."""
        return self._state("suppressions")

    @cached_property
    def mitigation_actions(self) -> pd.DataFrame:
        """Defined mitigation actions, as last seen: table `schemas.MITIGATION_ACTIONS`."""
        return self._state("mitigation_actions")

    def _notes(self) -> list[str]:
        notes = []
        for source in self._sources:
            tasks = self.audit_tasks
            mine = tasks[(tasks["account"] == source.account) & (tasks["region"] == source.region)]
            if mine.empty:
                notes.append(f"The archive has no audit of {source.target} in this window.")
            notes += self._time_not_asked_for(source.target)
            notes += source.notes
        return notes

    def _time_not_asked_for(self, target: str) -> Iterator[str]:
        """Tell what of the window AWS was not asked for, as far as the newest pull can know."""
        pulls = self.pulls[self.pulls["target"] == target]
        newest = pulls["pulled_time"].max().to_pydatetime()
        first = target_coverage(pulls, as_of=newest)["first_asked_time"].iloc[0]
        if pd.isna(first):
            yield f"AWS never gave all audits of {target} that it was asked for; some are missing here."
        elif first - self.start > timedelta(days=1):
            yield (
                f"AWS was never asked for audits of {target} before {first:%Y-%m-%d %H:%M} UTC; earlier ones are "
                "missing here."
            )
        gaps = target_gaps(pulls, as_of=newest)
        # What the newest pulls did not reach concerns every reader, whatever window the audits themselves are of.
        within = (gaps["end_time"] > self.start) & ((gaps["start_time"] < self.end) | (gaps["end_time"] == newest))
        yield from gaps.loc[within, "message"]

    def findings_of(self, audit_task_id: str) -> pd.DataFrame | None:
        """Return findings of one audit of any age (`schemas.FINDINGS`); None when the archive does not have it."""
        load = partial(self._archive.load, places=self._places, audit_task_ids=[audit_task_id])
        if load("audit_tasks").empty:
            return None
        return load("findings", check_names=self.check_names or None)

    def _refuse_unknown_checks(self) -> None:
        if not self.check_names:
            return
        tasks = self._load("checks")
        known = set(catalogue_checks()) | set(tasks["check_name"])
        for name in self.check_names:
            if name not in known:
                raise ParameterError(
                    f"checks: {name!r} is neither in the catalogue nor in the archive.{did_you_mean(name, known)}",
                    hint=f"known: {', '.join(sorted(known))}.",
                )


def load(
    *,
    target: str | Sequence[str] = DEMO,
    archive: str | Path = "",
    start: str = "",
    end: str = "",
    checks: str | Sequence[str] = (),
) -> AuditData:
    """Load audits and findings from the archive. AWS is not called.

    For the target `demo` with no archive given, the emulated demo account is built, audited and archived first, in the
    user's cache folder.

    Parameters
    ----------
    target
        A target's name, several separated by commas, or a list of names.
    archive
        The archive's folder; empty means `DDREPORT_ARCHIVE` or the user's data folder.
    start, end
        The window in UTC, such as `2026-03-02` or `2026-03-02T09:15Z`; an end that is a date means until its end.
        Empty: up to the newest audit, from 90 days before.
    checks
        API names of the checks to look at; empty means all.

    Raises
    ------
    ParameterError, WindowError, TargetError
        A value cannot be used; the message lists what can.
    NoDataError
        The archive has nothing of the target, or nothing in the window.
    ArchiveError
        The archive cannot be read.
    """
    names = _names("target", target)
    wanted = [normalise_check_name(name) for name in _names("checks", checks)]
    for name, value in {"start": start, "end": end}.items():
        if not isinstance(value, str):
            raise ParameterError(f"{name} is {value!r}; allowed: a text such as '2026-03-02'.")
    if not isinstance(archive, str | Path):
        raise ParameterError(f"archive is {archive!r}; allowed: the path of a folder as text.")
    if not names:
        raise ParameterError("target is empty.", hint="'demo' needs no account; others are named in ddreport.toml.")
    opened = open_archive(names, archive)
    return AuditData(opened, sources(opened, names), start=start, end=end, check_names=wanted)


def _names(parameter: str, value: object) -> list[str]:
    """Read a parameter that is a text with commas or a list of texts."""
    if isinstance(value, str):
        return list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return list(dict.fromkeys(value))
    raise ParameterError(f"{parameter} is {value!r}; allowed: a text, several with commas, or a list of texts.")


def open_archive(names: Sequence[str], archive: str | Path) -> Archive:
    """Open the archive of these targets; the demo has one of its own (`InputError`, `ArchiveError`)."""
    from ddreport.archive import Archive
    from ddreport.workflows.demo import demo_archive

    settings = Settings.from_env(archive=Path(archive) if archive else None)
    if DEMO in names and not archive:
        # Not DDREPORT_ARCHIVE: that is where somebody keeps the audits of real accounts.
        if len(names) > 1:
            raise InputError("demo is emulated and cannot be reported together with real accounts.")
        with notebook_progress() as progress:
            return demo_archive(settings=settings, progress=progress)
    return Archive.open(settings.archive_dir)


def sources(archive: Archive, names: Sequence[str]) -> list[Source]:
    """Return what the archive's diary knows of the targets (`NoDataError`, `TargetError`)."""
    diary: dict[str, list[dict[str, Any]]] = {}
    for record in archive.pulls():
        diary.setdefault(record["target"], []).append(record)
    reached = {name: records for name, records in diary.items() if any(r.get("account") for r in records)}
    for name in names:
        if name not in reached:
            _refuse_never_pulled(archive, name, sorted(reached))
    return [_source(name, reached[name]) for name in names]


def _source(name: str, records: Sequence[dict[str, Any]]) -> Source:
    """Read one target's pages of the diary, oldest first."""
    place = [r for r in records if r.get("account")][-1]
    newest = records[-1]
    when = f"{datetime.fromisoformat(newest['pulled_time']):%Y-%m-%d %H:%M} UTC"
    notes = [f"The newest pull of {name}, {when}, lacks something: {p}" for p in newest.get("problems") or []]
    if newest.get("running_audits_count"):
        notes.append(
            f"{newest['running_audits_count']} audit(s) of {name} were still running at the newest pull, {when}."
        )
    here = [r for r in records if (r.get("account"), r.get("region")) == (place["account"], place["region"])]
    others = sorted({f"{r['account']} {r['region']}" for r in records if r.get("account") and r not in here})
    if others:
        notes.append(
            f"The name {name} stood for other accounts before ({', '.join(others)}); shown is {place['account']} "
            f"{place['region']}, the newest."
        )
    return Source(name, place["account"], place["region"], bool(place["emulated"]), tuple(notes))


def _refuse_never_pulled(archive: Archive, name: str, pulled: Sequence[str]) -> None:
    known = read_targets()
    if name not in known and not pulled:
        raise TargetError.unknown(name, known, where=configuration_name())
    has = f"it has: {', '.join(pulled)}" if pulled else "it is empty"
    raise NoDataError(
        f"the archive {archive.path} has nothing of target {name!r}; {has}.{did_you_mean(name, pulled)}",
        hint=f"bring it in with `ddreport pull --target {name}`." if name in known else "name one of these.",
    )
