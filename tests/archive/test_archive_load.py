"""Loading: typed, filtered, in order; through pandas and through SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.archive import Archive
from ddreport.errors import InputError, WindowError
from ddreport.schemas import SCHEMAS

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("table", SCHEMAS)
def test_an_empty_archive_gives_every_table_with_its_columns(archive: Archive, table: str) -> None:
    assert_frame_equal(archive.load(table), SCHEMAS[table].empty())


@pytest.mark.parametrize("table", ["audit_tasks", "checks", "findings", "related_resources"])
def test_what_is_loaded_fits_its_schema(filled: Archive, table: str) -> None:
    loaded = filled.load(table)
    assert len(loaded) > 0
    assert_frame_equal(loaded, SCHEMAS[table].conform(loaded))


def test_rows_come_by_time_and_then_by_key_however_they_were_appended(archive: Archive, audit_set: Any) -> None:
    for number, account in ((2, "1"), (0, "2"), (1, "1"), (0, "1")):
        archive.append(audit_set(number, account=account, identity=f"{account}-{number}"))
    findings = archive.load("findings")
    key = ["task_start_time", *SCHEMAS["findings"].key]
    assert_frame_equal(findings, findings.sort_values(key, ignore_index=True))
    assert findings["audit_task_id"].unique().tolist() == ["1-0", "2-0", "1-1", "1-2"]
    assert archive.load("related_resources")["finding_id"].tolist() == findings["finding_id"].tolist()


def test_start_is_included_and_end_is_not(filled: Archive) -> None:
    loaded = filled.load("audit_tasks", start=START, end=START + DAY)
    assert loaded["audit_task_id"].tolist() == ["audit0000"]


def test_the_window_may_cross_months(archive: Archive, audit_set: Any) -> None:
    for number in (0, 29, 30, 61):
        archive.append(audit_set(number))
    loaded = archive.load("audit_tasks", start=START + DAY, end=START + 61 * DAY)
    assert loaded["audit_task_id"].tolist() == ["audit0029", "audit0030"]


def test_a_reversed_window_is_refused(filled: Archive) -> None:
    with pytest.raises(WindowError, match="reversed"):
        filled.load("findings", start=START + DAY, end=START)


def test_a_window_without_time_zone_is_refused(filled: Archive) -> None:
    with pytest.raises(WindowError, match="no time zone"):
        filled.load("findings", start=datetime(2026, 3, 2))


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"accounts": ["012345678901"]}, 9),
        ({"accounts": "12345678901"}, 0),
        ({"regions": ["eu-west-1", "us-east-1"]}, 9),
        ({"regions": []}, 0),
        ({"check_names": ["DEVICE_CERTIFICATE_EXPIRING_CHECK"]}, 9),
        ({"check_names": "LOGGING_DISABLED_CHECK"}, 0),
        ({"audit_task_ids": ["audit0001", "nope"]}, 3),
    ],
)
def test_findings_can_be_filtered(filled: Archive, filters: dict[str, Any], rows: int) -> None:
    assert len(filled.load("findings", **filters)) == rows


def test_related_resources_are_filtered_by_the_check_of_their_finding(filled: Archive) -> None:
    assert_frame_equal(
        filled.load("related_resources", check_names="DEVICE_CERTIFICATE_EXPIRING_CHECK"),
        filled.load("related_resources"),
    )
    assert filled.load("related_resources", check_names="LOGGING_DISABLED_CHECK").empty


def test_a_filter_without_its_column_is_refused(filled: Archive) -> None:
    with pytest.raises(InputError, match="audit_tasks has no column check_name"):
        filled.load("audit_tasks", check_names=["LOGGING_DISABLED_CHECK"])


def test_an_unknown_table_is_refused_with_the_nearest(filled: Archive) -> None:
    with pytest.raises(InputError, match="Did you mean 'findings'"):
        filled.load("finding")


def test_identities_are_those_of_account_and_region(filled: Archive) -> None:
    assert filled.identities("audit", "012345678901", "eu-west-1") == {"audit0000", "audit0001", "audit0002"}
    assert filled.identities("audit", "012345678901", "us-east-1") == set()
    assert filled.identities("mitigation", "012345678901", "eu-west-1") == set()


def test_identities_are_found_without_opening_a_file(filled: Archive) -> None:
    for path in filled.path.rglob("set.json"):
        path.unlink()
    assert len(Archive(filled.path).identities("audit", "012345678901", "eu-west-1")) == 3


def test_sets_outside_of_the_windows_months_are_not_opened(archive: Archive, audit_set: Any) -> None:
    for number in (0, 60):
        archive.append(audit_set(number))
    next(archive.path.rglob("month=2026-03/*/set.json")).unlink()
    assert len(Archive(archive.path).load("audit_tasks", start=START + 31 * DAY)) == 1


def test_two_empty_results_can_be_merged(archive: Archive) -> None:
    left, right = archive.query("FROM checks"), archive.query("FROM findings")
    key = ["account", "region", "audit_task_id", "check_name"]
    assert left.merge(right, on=key).empty


def test_files_that_somebody_left_between_the_sets_are_ignored(filled: Archive) -> None:
    for folder in ("", "audits", "audits/account=012345678901", "audits/account=012345678901/region=eu-west-1"):
        (filled.path / folder / ".DS_Store").write_text("x")
        (filled.path / folder / "notes").mkdir()
    (filled.path / "audits/account=file").write_text("x")
    assert len(filled.load("audit_tasks")) == 3


def test_leftovers_of_killed_writers_are_ignored(filled: Archive) -> None:
    (filled.path / ".tmp-elsewhere-1-abc").mkdir()
    (filled.path / ".tmp-elsewhere-1-abc" / "findings.parquet").write_bytes(b"half")
    assert len(filled.load("findings")) == 9
    assert len(filled.query("FROM findings")) == 9


def test_latest_state_is_the_newest_until_as_of(archive: Archive, state_set: Any) -> None:
    archive.append_state(state_set(0))
    archive.append_state(state_set(2, enabled=False))
    archive.append_state(state_set(1, region="us-east-1", enabled=False))
    newest = archive.latest_state("check_configurations")
    assert dict(zip(newest["region"], newest["enabled"], strict=True)) == {"us-east-1": False, "eu-west-1": False}
    before = archive.latest_state("check_configurations", as_of=START + timedelta(hours=1), regions="eu-west-1")
    assert before["enabled"].tolist() == [True]
    assert archive.latest_state("check_configurations", as_of=START - DAY).empty


def test_latest_state_gives_tables_of_inventories_too(archive: Archive, inventory_set: Any) -> None:
    archive.append_state(inventory_set(0))
    archive.append_state(inventory_set(2, status="REVOKED"))
    assert archive.latest_state("certificates")["status"].tolist() == ["REVOKED"]
    assert archive.latest_state("certificates", as_of=START + timedelta(hours=1))["status"].tolist() == ["ACTIVE"]
    assert archive.latest_state("inventory_status")["pulled"].tolist() == [True]
    assert archive.query("SELECT count(*) AS n FROM certificates")["n"].item() == 2


def test_the_newest_state_counts_also_when_a_table_of_it_is_empty(archive: Archive, state_set: Any) -> None:
    archive.append_state(state_set(0))
    gone = state_set(1)
    tables = {n: t.slice(0, 0) for n, t in gone.tables.items()}
    archive.append_state(state_set(1, tables=tables))
    assert archive.latest_state("check_configurations").empty


def test_latest_state_takes_state_tables_only(filled: Archive) -> None:
    with pytest.raises(InputError, match="no state"):
        filled.latest_state("findings")


def test_the_fingerprint_follows_the_sets_of_the_window(filled: Archive, audit_set: Any) -> None:
    whole, first = filled.fingerprint(), filled.fingerprint(end=START + DAY)
    assert whole != first
    filled.append(audit_set(3))
    assert filled.fingerprint() != whole
    assert filled.fingerprint(end=START + DAY) == first
    assert filled.fingerprint(end=START + 3 * DAY) == whole
    assert filled.fingerprint(kinds=["state"]) != whole


def test_audits_of_any_age_are_found_by_their_id_without_a_window(archive: Archive, audit_set: Any) -> None:
    for number in (-4000, -100, 0):
        archive.append(audit_set(number, identity=f"day{number}"))
    loaded = archive.load("audit_tasks", audit_task_ids=["day-4000", "day0"])
    assert loaded["audit_task_id"].tolist() == ["day-4000", "day0"]
    assert loaded["task_start_time"].tolist() == [pd.Timestamp(START - 4000 * DAY), pd.Timestamp(START)]


@pytest.fixture
def crossed(archive: Archive, audit_set: Any, state_set: Any) -> Archive:
    """Make an archive with two accounts in two Regions each: 1 and 2, `eu-west-1` and `us-east-1`."""
    for account in ("1", "2"):
        for region in ("eu-west-1", "us-east-1"):
            archive.append(audit_set(account=account, region=region, identity=f"{account}-{region}"))
            archive.append_state(state_set(account=account, region=region))
    return archive


PLACES = [("1", "eu-west-1"), ("2", "us-east-1")]


def _places(table: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(zip(table["account"], table["region"], strict=True))


def test_places_are_exactly_these_pairs(crossed: Archive) -> None:
    assert [(s.account, s.region) for s in crossed.sets("audit", places=PLACES)] == PLACES
    assert _places(crossed.load("audit_tasks", places=PLACES)) == PLACES
    assert _places(crossed.latest_state("check_configurations", places=PLACES)) == PLACES


def test_places_and_other_filters_must_all_fit(crossed: Archive) -> None:
    assert _places(crossed.load("audit_tasks", places=PLACES, accounts="1")) == [("1", "eu-west-1")]
    assert _places(crossed.load("audit_tasks", places=PLACES, regions=["us-east-1"])) == [("2", "us-east-1")]
    assert crossed.load("audit_tasks", places=PLACES, end=START).empty


def test_no_places_are_no_sets(crossed: Archive) -> None:
    assert crossed.sets("audit", places=[]) == []


def test_the_fingerprint_of_places_is_not_changed_by_other_accounts(crossed: Archive, audit_set: Any) -> None:
    before, crosswise = crossed.fingerprint(places=PLACES), {"accounts": ["1", "2"], "regions": ["eu-west-1"]}
    by_names = crossed.fingerprint(**crosswise)
    crossed.append(audit_set(1, account="3", region="eu-west-1", identity="third"))
    crossed.append(audit_set(1, account="2", region="eu-west-1", identity="crosswise"))
    assert crossed.fingerprint(places=PLACES) == before
    assert crossed.fingerprint(**crosswise) != by_names
    crossed.append(audit_set(1, account="1", region="eu-west-1", identity="own"))
    assert crossed.fingerprint(places=PLACES) != before


def test_an_open_archive_sees_what_another_writer_adds(filled: Archive, audit_set: Any) -> None:
    filled.query("FROM findings")
    Archive(filled.path).append(audit_set(3))
    assert len(filled.load("audit_tasks")) == 4
    assert filled.query("SELECT count(*) AS n FROM audit_tasks")["n"].tolist() == [4]


# SQL


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_table_is_a_view_also_in_an_empty_archive(archive: Archive, table: str) -> None:
    result = archive.query(f"FROM {table}")
    assert result.empty
    assert result.columns.tolist() == SCHEMAS[table].column_names


@pytest.mark.parametrize("table", ["audit_tasks", "checks", "findings", "related_resources"])
def test_a_view_has_the_rows_that_load_gives(filled: Archive, table: str) -> None:
    schema = SCHEMAS[table]
    key = list(schema.key)
    expected = filled.load(table).sort_values(key, ignore_index=True)
    found = schema.conform(filled.query(f"SELECT * FROM {table} ORDER BY {', '.join(key)}"))
    assert_frame_equal(found, expected)


def test_account_is_text_and_comes_once(filled: Archive) -> None:
    result = filled.query("SELECT * FROM findings LIMIT 1")
    assert result["account"].tolist() == ["012345678901"]
    assert result.columns.is_unique


def test_sql_takes_parameters(filled: Archive) -> None:
    result = filled.query("SELECT count(*) AS n FROM findings WHERE audit_task_id = $id", {"id": "audit0001"})
    assert result["n"].tolist() == [3]


def test_severities_sort_by_severity_in_sql(archive: Archive) -> None:
    result = archive.query("SELECT unnest(['LOW', 'HIGH', 'CRITICAL', 'MEDIUM'])::severity AS s ORDER BY s")
    assert result["s"].astype("str").tolist() == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]


def test_times_of_sql_are_utc(filled: Archive) -> None:
    result = filled.query("SELECT min(task_start_time) AS t, min(task_start_time)::VARCHAR AS text FROM audit_tasks")
    assert result["t"].tolist() == [pd.Timestamp(START)]
    assert str(result["t"].dtype) == "datetime64[us, UTC]"
    assert result["text"].tolist() == ["2026-03-02 09:15:00+00"]


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nope", "SELECT nope FROM findings", "SELECT 'a'::INT"])
def test_wrong_sql_is_explained(filled: Archive, sql: str) -> None:
    with pytest.raises(InputError, match="cannot be run") as caught:
        filled.query(sql)
    assert "audit_tasks" in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "FROM '/etc/passwd.csv'",
        "FROM read_text('/etc/passwd')",
        "FROM glob('/etc/*')",
        "FROM read_csv('/etc/passwd')",
        "FROM findings JOIN 'https://example.com/x.parquet' USING (account)",
    ],
)
def test_sql_reads_no_other_files(filled: Archive, sql: str) -> None:
    with pytest.raises(InputError, match=r"may not do|does not exist"):
        filled.query(sql)


def _writing(archive: Archive) -> list[str]:
    own, other = archive.sets("audit")[0].folder / "findings.parquet", archive.path / "new.parquet"
    return [
        f"COPY (SELECT 1) TO '{other}'",
        f"COPY (SELECT 1 AS a) TO '{own}' (FORMAT parquet)",
        f"EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{own}' (FORMAT parquet)",
        f"EXPLAIN /* x */ ANALYZE COPY (SELECT 1 AS a) TO '{own}'",
        f"EXPLAIN (ANALYZE) COPY (SELECT 1 AS a) TO '{own}'",
        f"SELECT 1; COPY (SELECT 1) TO '{own}'",
        f"EXPORT DATABASE '{archive.path}/x'",
        f"ATTACH '{other}'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "PRAGMA memory_limit = '1GB'",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW findings",
        "DELETE FROM findings",
        f"PREPARE p AS COPY (SELECT 1) TO '{own}'",
        "BEGIN",
    ]


@pytest.mark.parametrize("number", range(16))
def test_sql_writes_and_sets_nothing(filled: Archive, number: int) -> None:
    before = {p: p.stat().st_mtime_ns for p in filled.path.rglob("*")}
    with pytest.raises(InputError, match=r"more than read|cannot be run"):
        filled.query(_writing(filled)[number])
    assert {p: p.stat().st_mtime_ns for p in filled.path.rglob("*")} == before
    assert len(filled.query("FROM findings")) == 9


@pytest.mark.parametrize(
    "sql", ["DESCRIBE findings", "SUMMARIZE checks", "EXPLAIN FROM findings", "EXPLAIN ANALYZE SELECT 1", "SHOW TABLES"]
)
def test_sql_may_look_around(filled: Archive, sql: str) -> None:
    assert len(filled.query(sql)) > 0


def test_variables_of_the_caller_are_no_tables(filled: Archive) -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(InputError, match="cannot be run"):
        filled.query("SELECT * FROM frame")
    assert len(frame) == 1


@pytest.mark.parametrize(("limit", "rows"), [(0, 0), (1, 1), (5, 5), (9, 9), (10, 9), (None, 9)])
def test_a_limit_cuts_the_rows(filled: Archive, limit: int | None, rows: int) -> None:
    found = filled.query("SELECT * FROM findings ORDER BY finding_id", limit=limit)
    assert found["finding_id"].tolist() == sorted(filled.load("findings")["finding_id"])[:rows]


def test_a_relation_can_be_combined_with_the_callers_own(filled: Archive) -> None:
    names = filled.relation("findings").project("check_name").distinct()
    assert names.fetchall() == [("DEVICE_CERTIFICATE_EXPIRING_CHECK",)]


def test_a_relation_reads_what_the_view_has(filled: Archive) -> None:
    relation = filled.relation("findings")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    with filled.own_errors():
        assert relation.aggregate("count(*)").fetchall() == [(9,)]


def test_a_relation_outlives_its_archive(filled: Archive) -> None:
    relation = Archive(filled.path).relation("checks")
    assert relation.to_arrow_table().num_rows == 6


def test_an_archive_in_a_folder_with_pattern_characters_works(tmp_path: Path, audit_set: Any) -> None:
    archive = Archive.open(tmp_path / "a[1]*?{x} 'ü'", create=True)
    archive.append(audit_set())
    assert len(archive.load("findings")) == 3
    assert len(archive.query("FROM findings")) == 3


def test_other_tools_read_the_files_as_the_documentation_says(filled: Archive) -> None:
    pattern = f"{filled.path}/audits/*/*/*/*/findings.parquet"
    plain = duckdb.sql(f"SELECT DISTINCT account FROM read_parquet('{pattern}', hive_partitioning = false)")
    hive = duckdb.sql(
        f"SELECT DISTINCT account FROM read_parquet('{pattern}', hive_partitioning = true, hive_types_autocast = false)"
    )
    assert plain.fetchall() == hive.fetchall() == [("012345678901",)]
