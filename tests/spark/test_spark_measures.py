"""Spark with two workers gives the tables that pandas and DuckDB give: the same values in the same dtypes."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport.engines import collect, scan, upload
from ddreport.schemas import SCHEMAS

HISTORIES = 60
DAY = 6  # with audits before and after it


@pytest.fixture(scope="module")
def tables(make: Any, engines: Any) -> dict[str, pd.DataFrame]:
    """Give many random histories as one archive, each in an account of its own: one job of Spark meets them all."""
    found: dict[str, pd.DataFrame] = engines.tables_of(make, engines.some_histories(HISTORIES, seed=7))
    return found


@pytest.fixture(scope="module")
def frames(spark: Any, engines: Any, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Give them as Spark frames, in several parts."""
    return {n: spark.createDataFrame(engines.as_arrow(n, t)).repartition(3).cache() for n, t in tables.items()}


@pytest.fixture(scope="module")
def relations(engines: Any, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Give them in a DuckDB whose zone is not UTC either."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Kolkata'")
    found: dict[str, Any] = engines.relations(connection, tables)
    return found


def test_every_measure_is_the_same(make: Any, engines: Any, tables: Any, relations: Any, frames: Any) -> None:
    as_of = make.day(DAY)
    for name, measure in engines.MEASURES.items():
        expected = measure(tables, as_of)
        assert len(expected), name
        assert_frame_equal(measure(frames, as_of), expected, obj=f"{name} on Spark")
        assert_frame_equal(measure(relations, as_of), expected, obj=f"{name} on DuckDB")
    for name, function in engines.HISTORY.items():
        expected = function(tables)
        assert len(expected), name
        assert_frame_equal(function(frames), expected, obj=f"{name} on Spark")
        assert_frame_equal(function(relations), expected, obj=f"{name} on DuckDB")
    assert engines.figures(frames, as_of) == engines.figures(tables, as_of)


def test_empty_tables_stay_empty_tables(spark: Any, make: Any, engines: Any) -> None:
    empty = engines.tables_of(make, [])
    frames = {n: spark.createDataFrame(engines.as_arrow(n, t)) for n, t in empty.items()}
    for name, measure in engines.MEASURES.items():
        assert_frame_equal(measure(frames, make.day(9)), measure(empty, make.day(9)), obj=name)
    for name, function in engines.HISTORY.items():
        assert_frame_equal(function(frames), function(empty), obj=name)


def test_uploaded_rows_come_back_as_they_went(spark: Any, engines: Any, make: Any) -> None:
    rows = pd.DataFrame(
        {
            "account": pd.Series(["012345678901", "000000000002", None], dtype="str"),
            "number": pd.Series([1, None, 2**62], dtype="Int64"),
            "plain": pd.Series([1, 2, 2**62], dtype="int64"),
            "flag": pd.Series([True, None, False], dtype="boolean"),
            "share": [0.1, 0.2, 1e-300],
            "seen_time": pd.Series([make.day(0), pd.NaT, make.day(300)], dtype="datetime64[us, UTC]"),
        }
    )
    like = spark.createDataFrame(engines.as_arrow("checks", SCHEMAS["checks"].empty()))
    like = scan(like, SCHEMAS["checks"], ["account"])
    for given in (rows, rows[:0]):
        back = collect(upload(given, like=like)).sort_values("plain", ignore_index=True)
        assert_frame_equal(back, given.astype({"plain": "Int64"}))
