"""The expiry cliff: how many certificates end their validity in each of the coming months."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import narwhals as nw
import pandas as pd

from ddreport.engines import Table, check_as_of, collect, scan
from ddreport.errors import ParameterError
from ddreport.schemas import COUNT, TEXT, TIME, Column, Schema
from ddreport.schemas_inventory import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

IN_USE = ("ACTIVE", "PENDING_TRANSFER")
"""Statuses of certificates that devices may connect with, or will again when a transfer ends."""

NO_GROUP = "(none)"
"""Stands for the group of what belongs to none."""

_MOST_MONTHS = 600

CERTIFICATE_EXPIRY = Schema(
    "certificate_expiry",
    "One row per account, Region, group and month: certificates that expire in it.",
    ("account", "region", "group_name", "month_start_time"),
    (
        Column("account", TEXT, "12-digit AWS account id"),
        Column("region", TEXT, "AWS Region"),
        Column("group_name", TEXT, "value of the column grouped by; `(all)` without one, `(none)` where it is missing"),
        Column("month_start_time", TIME, "first moment of the month, UTC; the first month is that of `as_of`"),
        Column("certificates_count", COUNT, "all certificates counted: those in use, whenever they expire"),
        Column("expiring_count", COUNT, "of these expiring in this month; in the first month from `as_of` on"),
        Column("expired_by_end_count", COUNT, "of these expired at the end of this month"),
        Column("expired_by_end_share", "float64", "expired at its end / all counted, 0..1"),
        Column("already_expired_count", COUNT, "of these expired before `as_of`, and still in use"),
        Column("unknown_count", COUNT, "of these without a known end of validity; in no month"),
    ),
)


def certificate_expiry(
    certificates: Table,
    *,
    as_of: datetime,
    months: int = 24,
    by: str | None = None,
    statuses: Collection[str] = IN_USE,
) -> pd.DataFrame:
    """Count the certificates that expire in each of the coming months, by their real validity.

    Per account, Region and group, over the certificates whose status is one of `statuses`:

    - expiring in a month = those with `not_after_time` from its start (in the first month from `as_of`) and before
      the start of the next one, UTC
    - already expired = those with `not_after_time` < `as_of`
    - expired by the end of a month = already expired + expiring in all months up to this one
    - share = expired by its end / all counted, those of unknown validity included

    Nothing is taken to be renewed: this is what happens if nobody does anything.

    Parameters
    ----------
    certificates
        Table `schemas.CERTIFICATES`; reads `account`, `region`, `status`, `not_after_time` and `by`. A table of CA
        certificates will do as well.
    as_of
        The moment that "now" means, aware.
    months
        Months to show, that of `as_of` included; 1 to 600.
    by
        A column of text to group by, such as `ca_certificate_id`, `issuer`, `key_algorithm`, or `group_name` of
        `memberships` joined to the table; a certificate in two groups counts in both. None for no groups.
    statuses
        Statuses that count.

    Returns
    -------
    DataFrame
        `CERTIFICATE_EXPIRY`, by account, region, group_name and month_start_time; every group has all months. No rows
        for no certificates in use.

    Raises
    ------
    TableSchemaError
        A column is missing.
    ParameterError
        `months` is out of bounds, or `statuses` is empty.
    WindowError
        `as_of` has no time zone.
    """
    if not 1 <= months <= _MOST_MONTHS:
        raise ParameterError(f"months is {months}; allowed: 1 to {_MOST_MONTHS}.")
    if not statuses:
        raise ParameterError(f"statuses is empty; usual: {', '.join(IN_USE)}.")
    now = check_as_of(as_of).astimezone(UTC)
    starts = _month_starts(now, months + 1)
    place = ["account", "region"]
    rows = scan(certificates, CERTIFICATES, [*place, "status", "not_after_time", *([by] if by else [])])
    rows = rows.filter(nw.col("status").is_in(list(statuses)))
    group = nw.col(by).cast(nw.String()).fill_null(NO_GROUP) if by else nw.lit("(all)")
    rows = rows.with_columns(group_name=group)
    # Counted by comparing with every boundary, not by cutting times to months: that would follow the engine's own zone.
    bounds = {"already_expired_count": now, **{f"before_{n}": start for n, start in enumerate(starts[1:])}}
    end = nw.col("not_after_time")
    marks = {name: (end < nw.lit(bound)).fill_null(value=False) for name, bound in bounds.items()}
    marks["unknown_count"] = end.is_null()
    # A column of ones and zeros each, and then sums: pandas sums fast, and computes inside of a group slowly.
    rows = rows.with_columns(**{name: mark.cast(nw.Int64()) for name, mark in marks.items()})
    sums = [nw.col(name).sum() for name in marks]
    counted = collect(rows.group_by(*place, "group_name").agg(nw.len().alias("certificates_count"), *sums))
    return _unfolded(counted, starts[:-1])


def _unfolded(counted: pd.DataFrame, starts: Sequence[datetime]) -> pd.DataFrame:
    """Make a row per month of the columns with the counts before each boundary."""
    if counted.empty:
        return CERTIFICATE_EXPIRY.empty()
    parts = []
    before = counted["already_expired_count"]
    for n, start in enumerate(starts):
        part = counted[["account", "region", "group_name", "certificates_count"]].copy()
        part["month_start_time"] = pd.Timestamp(start)
        part["expired_by_end_count"] = counted[f"before_{n}"]
        part["expiring_count"] = counted[f"before_{n}"] - before
        part["already_expired_count"] = counted["already_expired_count"]
        part["unknown_count"] = counted["unknown_count"]
        before = counted[f"before_{n}"]
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["expired_by_end_share"] = table["expired_by_end_count"].astype("float64") / table[
        "certificates_count"
    ].astype("float64")
    return CERTIFICATE_EXPIRY.conform(table.sort_values(list(CERTIFICATE_EXPIRY.key)))


def _month_starts(now: datetime, number: int) -> list[datetime]:
    first = now.year * 12 + now.month - 1
    return [datetime((first + n) // 12, (first + n) % 12 + 1, 1, tzinfo=UTC) for n in range(number)]
