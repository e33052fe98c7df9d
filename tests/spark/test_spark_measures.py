"""Spark with two workers gives the tables that pandas and DuckDB give: the same values in the same dtypes."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

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
    assert engines.figures(frames, as_of) == engines.figures(tables, as_of)


def test_empty_tables_stay_empty_tables(spark: Any, make: Any, engines: Any) -> None:
    empty = engines.tables_of(make, [])
    frames = {n: spark.createDataFrame(engines.as_arrow(n, t)) for n, t in empty.items()}
    for name, measure in engines.MEASURES.items():
        assert_frame_equal(measure(frames, make.day(9)), measure(empty, make.day(9)), obj=name)
