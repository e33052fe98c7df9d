"""Targets and how they stand: what `ddreport.toml` names, and what the archive knows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.connect import read_targets
from ddreport.errors import NoDataError
from ddreport.metrics.coverage_of_targets import target_coverage
from ddreport.tables.pulls import pulls_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from ddreport.settings import Settings

NEVER_PULLED = "never pulled"


def target_statuses(settings: Settings, *, as_of: datetime) -> list[dict[str, Any]]:
    """Return for each target of `ddreport.toml`, and each other one in the archive, how its pulls went.

    Returns
    -------
    list of dict
        The columns of `metrics.coverage_of_targets.TARGET_COVERAGE` as JSON takes them, with:

        - `configured` (bool): `ddreport.toml` names it
        - `status`: also `never pulled`
        - `problems` (list of str): what went wrong at the newest pull

    Raises
    ------
    ArchiveError
        The archive cannot be read; one that does not exist yet has pulled nothing.
    """
    from ddreport.archive import Archive

    try:
        records: Sequence[dict[str, Any]] = Archive.open(settings.archive_dir).pulls()
    except NoDataError:
        records = []
    pulls = pulls_table(records)
    if not pulls.empty:
        # Pulls go by AWS's clock; this machine's may be behind.
        as_of = max(as_of, pulls["pulled_time"].max().to_pydatetime())
    known = {row["target"]: row for row in plain_rows(target_coverage(pulls, as_of=as_of))}
    problems = {record["target"]: list(record.get("problems") or []) for record in records}
    configured = {name: target for name, target in read_targets(settings).items() if not target.is_demo}
    rows = []
    for name in dict.fromkeys([*configured, *known]):
        row = known.get(name) or {"target": name, "account": None, "status": NEVER_PULLED, "pulls_count": 0}
        if row.get("region") is None and name in configured:
            row["region"] = configured[name].region
        rows.append(row | {"configured": name in configured, "problems": problems.get(name, [])})
    return rows


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows with None for what is missing and ISO texts for times."""
    import pandas as pd

    def plain(value: Any) -> Any:
        if pd.isna(value):
            return None
        return value.isoformat() if isinstance(value, pd.Timestamp) else value

    return [{str(k): plain(v) for k, v in row.items()} for row in table.astype(object).to_dict("records")]
