"""The archive's diary of pulls as a table."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ddreport.schemas import COUNT, PULLS, TIME
from ddreport.tables.values import canonical_json, from_microseconds, to_microseconds
from ddreport.terms import PullStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import pandas as pd

_MEMBERS = {"window_start_time": "window_start", "window_end_time": "window_end"}


def pulls_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the records of pulls (`Archive.pulls`) as table `schemas.PULLS`, in order of time.

    A record that is there twice, as in an archive merged from two, counts once. Records of older versions do not say
    whether AWS listed the audits: it did where everything was had, or where any audit is known. Nor do they count the
    audits that were not had; a pull with problems that says nothing of them is taken to lack one.

    Returns
    -------
    DataFrame
        One row per target and pull; pulls of the same time stay in the order of the diary.

    Raises
    ------
    TableSchemaError
        A record lacks its time, target or status, holds a value of the wrong kind, or two different records claim to
        be the same target in the same pull.
    """
    import pandas as pd

    rows = list({repr(row): row for row in map(_row, records)}.values())
    frame = pd.DataFrame(rows, columns=PULLS.column_names)
    for column in PULLS.columns:
        if column.dtype == TIME:
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
    return PULLS.conform(frame.sort_values("pulled_time", kind="stable"))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: record.get(_MEMBERS.get(name, name)) for name in PULLS.column_names}
    for column in PULLS.columns:
        if column.dtype == COUNT and row[column.name] is None:
            row[column.name] = 0
        elif column.dtype == TIME:
            row[column.name] = _time(row[column.name])
    problems = list(record.get("problems") or [])
    row["problems"] = canonical_json(problems)
    if row["pull_id"] is None:
        row["pull_id"] = hashlib.sha256((canonical_json(dict(record)) or "").encode()).hexdigest()[:32]
    if row["audits_listed"] is None:
        had = row["new_audits_count"] + row["known_audits_count"] + row["running_audits_count"]
        row["audits_listed"] = record.get("status") == PullStatus.OK or had > 0
        row["missing_audits_count"] = int(had > 0 and bool(problems))
    return row


def _time(value: Any) -> datetime | None:
    microseconds = to_microseconds(value)
    return None if microseconds is None else from_microseconds(microseconds)
