"""The expiry cliff, by hand-counted certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.errors import ParameterError, TableSchemaError, WindowError
from ddreport.metrics import certificate_expiry
from ddreport.metrics.expiry import CERTIFICATE_EXPIRY
from ddreport.schemas_inventory import CERTIFICATES
from ddreport.tables import frame_to_arrow

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def certificates(*rows: tuple[str, datetime | None, dict[str, Any]]) -> pd.DataFrame:
    """Make certificates of status and end of validity; further columns as a dict."""
    listed = [
        dict.fromkeys(CERTIFICATES.column_names)
        | {"account": "012345678901", "region": "eu-west-1", "observed_time": NOW, "described_time": NOW}
        | {"certificate_id": f"{n:064x}", "status": status, "not_after_time": end}
        | more
        for n, (status, end, more) in enumerate(rows)
    ]
    if not listed:
        return CERTIFICATES.empty()
    frame = pd.DataFrame(listed)
    for column in CERTIFICATES.columns:
        if column.dtype == "datetime64[us, UTC]":
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
    return CERTIFICATES.conform(frame)


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_months_hold_what_expires_from_their_start_until_before_the_next() -> None:
    table = certificate_expiry(
        certificates(
            ("ACTIVE", at(2026, 3, 10, 11), {}),  # an hour ago
            ("ACTIVE", NOW, {}),  # in this very moment
            ("ACTIVE", at(2026, 4, 1) - timedelta(microseconds=1), {}),
            ("ACTIVE", at(2026, 4, 1), {}),
            ("PENDING_TRANSFER", at(2026, 4, 30), {}),
            ("ACTIVE", at(2026, 6, 1), {}),  # after the last month
            ("ACTIVE", None, {}),
            ("ACTIVE", at(2031, 1, 1), {}),
        ),
        as_of=NOW,
        months=3,
    )
    assert table["month_start_time"].tolist() == [pd.Timestamp(at(2026, m, 1)) for m in (3, 4, 5)]
    assert table["expiring_count"].tolist() == [2, 2, 0]
    assert table["expired_by_end_count"].tolist() == [3, 5, 5]
    assert table["expired_by_end_share"].tolist() == [3 / 8, 5 / 8, 5 / 8]
    assert set(table["already_expired_count"]) == {1}
    assert set(table["unknown_count"]) == {1}
    assert set(table["certificates_count"]) == {8}
    assert set(table["group_name"]) == {"(all)"}


def test_certificates_out_of_use_do_not_count_unless_asked_for() -> None:
    made = certificates(("INACTIVE", at(2026, 3, 20), {}), ("REVOKED", at(2026, 3, 20), {}), ("ACTIVE", NOW, {}))
    assert certificate_expiry(made, as_of=NOW, months=1)["expiring_count"].tolist() == [1]
    every = certificate_expiry(made, as_of=NOW, months=1, statuses=["ACTIVE", "INACTIVE", "REVOKED"])
    assert every["expiring_count"].tolist() == [3]


def test_by_a_column_every_group_has_every_month_and_the_missing_value_is_a_group() -> None:
    table = certificate_expiry(
        certificates(
            ("ACTIVE", at(2026, 3, 20), {"ca_certificate_id": "ca1"}),
            ("ACTIVE", at(2027, 2, 20), {"ca_certificate_id": "ca1"}),
            ("ACTIVE", at(2026, 12, 20), {"ca_certificate_id": None}),
        ),
        as_of=NOW,
        months=12,
        by="ca_certificate_id",
    )
    assert table.groupby("group_name")["month_start_time"].count().to_dict() == {"(none)": 12, "ca1": 12}
    ca1 = table[table["group_name"] == "ca1"]
    assert ca1["expiring_count"].tolist() == [1, *[0] * 10, 1]
    assert table[table["group_name"] == "(none)"]["expired_by_end_share"].tolist() == [0.0] * 9 + [1.0] * 3


def test_accounts_and_regions_are_counted_apart() -> None:
    made = certificates(("ACTIVE", NOW, {}), ("ACTIVE", NOW, {"region": "us-east-1"}))
    table = certificate_expiry(made, as_of=NOW, months=1)
    assert list(zip(table["region"], table["expiring_count"], strict=True)) == [("eu-west-1", 1), ("us-east-1", 1)]


def test_the_default_is_24_months_over_the_turn_of_years() -> None:
    table = certificate_expiry(certificates(("ACTIVE", at(2028, 2, 29), {})), as_of=NOW)
    assert len(table) == 24
    assert table["month_start_time"].iloc[-1] == pd.Timestamp(at(2028, 2, 1))
    assert table["expiring_count"].tolist() == [0] * 23 + [1]


def test_no_certificates_give_a_typed_empty_table() -> None:
    for made in (certificates(), certificates(("REVOKED", NOW, {}))):
        assert_frame_equal(certificate_expiry(made, as_of=NOW), CERTIFICATE_EXPIRY.empty())


def test_duckdb_in_another_zone_gives_the_same() -> None:
    made = certificates(
        ("ACTIVE", at(2026, 4, 1), {"issuer": "CN=a"}),
        ("ACTIVE", at(2026, 3, 31, 23), {"issuer": None}),
        ("ACTIVE", None, {"issuer": "CN=a"}),
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.register("certificates", frame_to_arrow(CERTIFICATES, made))
        there = certificate_expiry(connection.table("certificates"), as_of=NOW, months=2, by="issuer")
    assert_frame_equal(there, certificate_expiry(made, as_of=NOW, months=2, by="issuer"))


def test_the_share_follows_from_the_counts_for_a_thousand_certificates() -> None:
    ends = [NOW + timedelta(days=n % 800 - 100) for n in range(1000)]
    table = certificate_expiry(certificates(*(("ACTIVE", end, {}) for end in ends)), as_of=NOW)
    for row in table.itertuples():
        following = (row.month_start_time + pd.offsets.MonthBegin(1)).to_pydatetime()
        assert row.expired_by_end_count == sum(end < following for end in ends)
        assert row.expiring_count == sum(max(NOW, row.month_start_time) <= end < following for end in ends)
    assert table["already_expired_count"].iloc[0] == sum(end < NOW for end in ends)


@pytest.mark.parametrize("months", [0, -1, 601])
def test_months_out_of_bounds_are_refused(months: int) -> None:
    with pytest.raises(ParameterError, match="allowed: 1 to 600"):
        certificate_expiry(certificates(), as_of=NOW, months=months)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(WindowError, match="time zone"):
        certificate_expiry(certificates(), as_of=datetime(2026, 3, 10))
    with pytest.raises(TableSchemaError, match="missing columns: nonsense"):
        certificate_expiry(certificates(), as_of=NOW, by="nonsense")
    with pytest.raises(ParameterError, match="statuses is empty"):
        certificate_expiry(certificates(), as_of=NOW, statuses=[])
