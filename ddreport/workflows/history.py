"""From the archive to the life of problems: worked out once, then extended by each new audit at that audit's cost."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport import history
from ddreport.archive.derived import Derived, read_derived, write_derived
from ddreport.history.identity import LINE
from ddreport.history.runs import OWN_COLUMNS
from ddreport.schema_types import Schema
from ddreport.workflows.engine import DEFAULT_ENGINE, AuditTables, check_engine, open_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ddreport.archive import Archive
    from ddreport.progress import Progress

log = logging.getLogger(__name__)

RULES = 1
"""Version of the rules in docs/lifecycle.md: with another one, what was kept is worked out anew."""

NAME = "history"
_LISTED = Schema(
    "listed_runs",
    "Runs as far as they do not depend on one another.",
    history.CHECK_RUNS.key,
    tuple(c for c in history.CHECK_RUNS.columns if c.name in OWN_COLUMNS),
)
_KEPT = {"listed_runs": _LISTED, "spans": history.SPANS}
_AUDIT = ["account", "region", "audit_task_id"]
_FEW = 10
"""So many new audits are always added to what is known instead of working out everything anew."""


@dataclass(frozen=True)
class History:
    """The life of all problems of an archive, or of some places and checks of it.

    Attributes
    ----------
    runs
        `history.CHECK_RUNS`: every run of every check, with what it proves.
    spans
        `history.SPANS`: in which runs each problem was reported.
    check_configurations
        Every stored state of `schemas.CHECK_CONFIGURATIONS`.
    added_audits_count
        Audits that were read for this; the rest was known from before.
    """

    runs: pd.DataFrame
    spans: pd.DataFrame
    check_configurations: pd.DataFrame
    added_audits_count: int

    @cached_property
    def chains(self) -> history.Chains:
        """The spans on their lines: the ground of all answers, laid once."""
        return history.chain(self.spans, self.runs)

    def only(
        self, *, places: Collection[tuple[str, str]] | None = None, check_names: Collection[str] | None = None
    ) -> History:
        """Return the same for some places (pairs of account and Region) and checks; None means all."""
        return History(
            _only(self.runs, places, check_names),
            _only(self.spans, places, check_names),
            _only(self.check_configurations, places, check_names),
            self.added_audits_count,
        )

    def problems(self, as_of: datetime) -> pd.DataFrame:
        """Return every problem with its state at `as_of` (aware): `history.PROBLEMS`."""
        return history.problems_of(self.chains, as_of=as_of, check_configurations=self.check_configurations)

    def episodes(self, as_of: datetime | None = None) -> pd.DataFrame:
        """Return every episode of every problem as known at `as_of` (None: now): `history.EPISODES`."""
        return history.episodes_of(self.chains, as_of=as_of)

    def state_counts(self, moments: Sequence[datetime]) -> pd.DataFrame:
        """Count problems by state at each moment (aware): `history.STATE_COUNTS`."""
        return history.state_counts_of(self.chains, moments, check_configurations=self.check_configurations)

    def line_states(self, moments: Sequence[datetime]) -> pd.DataFrame:
        """Tell how each check stands at each moment (aware): see `history.line_states`."""
        return history.line_states(self.runs, moments, check_configurations=self.check_configurations)


def follow(
    archive: Archive,
    *,
    engine: str = DEFAULT_ENGINE,
    keep: bool = True,
    tables: AuditTables | None = None,
    progress: Progress | None = None,
) -> History:
    """Follow every problem over all audits of the archive.

    What was worked out is kept in the archive's folder `derived/`, which may be deleted at any time. The next call
    reads only the audits that have come since; an audit that came late (older than one known of the same check, account
    and Region) makes it work out everything anew. Either way the result is the same.

    Parameters
    ----------
    engine
        Where the findings are reduced when everything is worked out: `duckdb`, `pandas` or a Spark master (see
        `workflows.engine.open_tables`).
    keep
        Whether to use and to keep what was worked out; False reads and writes nothing of it.
    tables
        The tables of this archive where they are open already (`open_tables`), so that what follows can share their
        `reports`; `engine` does not count then.

    Raises
    ------
    NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError
        As `Archive.load`.
    InputError, MissingExtraError, EngineError
        The engine cannot be used.
    """
    check_engine(engine)
    # With the hash of each set: what is kept was worked out from these very bytes.
    audits = sorted((s.account, s.region, s.identity, s.sha256) for s in archive.sets("audit"))
    known = read_derived(archive.path, NAME, _KEPT) if keep else None
    found = _extended(archive, known, audits, progress) if known is not None else None
    if found is None:
        if progress is not None:
            progress.stage(f"Following problems over {len(audits):,} audits")
        with open_tables(archive, engine) if tables is None else nullcontext(tables) as opened:
            listed = history.list_runs(opened.audit_tasks, opened.checks, opened.reports)
            runs = _placed(archive, listed)
            found = _Found(listed, runs, history.spans(opened.reports, runs), len(audits))
    if keep and found.added_audits_count:
        derived = Derived({"listed_runs": found.listed, "spans": found.spans}, {"rules": RULES, "audits": audits})
        write_derived(archive.path, NAME, derived, _KEPT)
    return History(found.runs, found.spans, archive.load("check_configurations"), found.added_audits_count)


@dataclass(frozen=True)
class _Found:
    """What was worked out, and from how many audits that were not known before."""

    listed: pd.DataFrame
    runs: pd.DataFrame
    spans: pd.DataFrame
    added_audits_count: int


def observations(pulls: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return every look at the configuration that the records of pulls tell of: account, region, observed_time."""
    seen = [p for p in pulls if p.get("state_seen") and p.get("time") and p.get("account") and p.get("region")]
    return pd.DataFrame(
        {
            "account": pd.Series([p["account"] for p in seen], dtype="str"),
            "region": pd.Series([p["region"] for p in seen], dtype="str"),
            "observed_time": pd.Series([datetime.fromisoformat(p["time"]) for p in seen], dtype="datetime64[us, UTC]"),
        }
    )


def _placed(archive: Archive, listed: pd.DataFrame) -> pd.DataFrame:
    return history.place_runs(
        listed,
        check_configurations=archive.load("check_configurations"),
        observations=observations(archive.pulls()),
    )


def _extended(
    archive: Archive, known: Derived, audits: Sequence[tuple[str, str, str, str]], progress: Progress | None
) -> _Found | None:
    """Add the new audits to what is known; None where everything must be worked out anew."""
    if known.origin.get("rules") != RULES:
        return None
    before = {tuple(audit) for audit in known.origin["audits"]}
    new = [audit for audit in audits if audit not in before]
    listed, spans = known.tables["listed_runs"], known.tables["spans"]
    if not new:
        # A set that vanished (retention, or somebody's hand) takes its share of the past with it.
        return _Found(listed, _placed(archive, listed), spans, 0) if len(before) == len(audits) else None
    if len(before) + len(new) != len(audits) or len(new) > max(_FEW, len(before) // 10):
        return None
    if progress is not None:
        progress.stage(f"Following problems over {len(new):,} new audits")
    tables = [_of_audits(archive, name, new) for name in ("audit_tasks", "checks", "findings")]
    more = history.list_runs(*tables)
    if not _all_later(more, listed):
        log.info("an audit came late: the history is worked out anew")
        return None
    together = _LISTED.conform(pd.concat([listed, more], ignore_index=True))
    runs = _placed(archive, together)
    return _Found(together, runs, history.extend_spans(spans, tables[2], runs), len(new))


def _of_audits(archive: Archive, table: str, audits: Sequence[tuple[str, str, str, str]]) -> pd.DataFrame:
    """Load a table's rows of these audits; an audit id alone might be another account's too."""
    frame = archive.load(
        table,
        audit_task_ids=[identity for _, _, identity, _ in audits],
        places={(account, region) for account, region, *_ in audits},
    )
    present = frame[_AUDIT].drop_duplicates()
    if len(present) <= len(audits):
        return frame
    return frame.merge(pd.DataFrame([a[:3] for a in audits], columns=_AUDIT), on=_AUDIT, how="inner")


def _all_later(new: pd.DataFrame, known: pd.DataFrame) -> bool:
    """Tell whether every new run comes after all known ones of its line, in the order of runs."""
    moment = ["task_start_time", "audit_task_id"]
    latest = known.sort_values(moment).drop_duplicates(LINE, keep="last")[[*LINE, *moment]]
    pairs = new[[*LINE, *moment]].merge(latest, on=LINE, suffixes=("", "_known"))
    same = pairs[moment[0]] == pairs[f"{moment[0]}_known"]
    later = pairs[moment[0]] > pairs[f"{moment[0]}_known"]
    return bool((later | (same & (pairs[moment[1]] > pairs[f"{moment[1]}_known"]))).all())


def _only(
    table: pd.DataFrame, places: Collection[tuple[str, str]] | None, check_names: Collection[str] | None
) -> pd.DataFrame:
    if places is not None:
        own = pd.MultiIndex.from_frame(table[["account", "region"]]).isin(list(places))
        table = table[own]
    if check_names is not None:
        table = table[table["check_name"].isin(check_names)]
    return table.reset_index(drop=True)
