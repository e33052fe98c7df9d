"""`open_tables`: which engine gets the archive's tables, and what is said when it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ddreport import history, metrics
from ddreport.archive import Archive
from ddreport.errors import ArchiveCorruptError, EngineError, InputError, MissingExtraError
from ddreport.workflows.engine import open_tables


@pytest.fixture(scope="module")
def archive(synthetic: Any, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Give two accounts for ten days, in a folder whose name is a pattern to Spark."""
    out = tmp_path_factory.mktemp("engine") / "year [1-2] {a}"
    synthetic.write_archive(out, synthetic.Plan(audits=5, findings=60, accounts=2, on_demand_days=4, failed=0.05))
    return Archive.open(out)


def _measured(archive: Archive, engine: str) -> pd.DataFrame:
    with open_tables(archive, engine) as tables:
        return metrics.compliance(tables.audit_tasks, tables.checks)


def test_all_engines_read_the_same_archive(spark: Any, archive: Archive) -> None:
    expected = _measured(archive, "pandas")
    assert expected["account"].unique().tolist() == ["012345678901", "012345678902"]
    assert_frame_equal(_measured(archive, "duckdb"), expected)
    assert_frame_equal(_measured(archive, "spark"), expected)
    with open_tables(archive, spark.conf.get("spark.master")) as tables:
        assert tables.findings.count() == len(archive.load("findings"))  # type: ignore[union-attr,call-arg]
    assert spark.range(3).count() == 3  # the session was there before, and goes on


def test_spark_reads_packed_months_and_loose_audits_alike(spark: Any, synthetic: Any, tmp_path: Path) -> None:
    plan = synthetic.Plan(audits=4, findings=40, start=datetime(2025, 1, 30, 3, tzinfo=UTC), on_demand_days=0)
    synthetic.write_archive(tmp_path / "a", plan)
    archive = Archive.open(tmp_path / "a")
    expected = _measured(archive, "pandas")
    archive.compact(before="2025-02", time=datetime(2025, 3, 1, tzinfo=UTC))
    assert len(list((tmp_path / "a").rglob("findings.parquet"))) == 3  # one of January, two of February
    assert_frame_equal(_measured(Archive.open(tmp_path / "a"), "spark"), expected)


def test_an_empty_archive_has_tables_without_rows(spark: Any, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "empty", create=True)
    for engine in ("pandas", "duckdb", "spark"):
        assert _measured(archive, engine).empty


def test_a_session_with_another_master_is_not_taken_for_the_one_asked_for(spark: Any, archive: Archive) -> None:
    with (
        pytest.raises(InputError, match=r"master local-cluster\[2,1,1024\] already; asked for: local\[7\]"),
        open_tables(archive, "local[7]"),
    ):
        pass


def test_a_damaged_file_is_named_before_spark_reads_it(spark: Any, synthetic: Any, tmp_path: Path) -> None:
    synthetic.write_archive(tmp_path / "a", synthetic.Plan(audits=2, findings=30))
    damaged = sorted((tmp_path / "a").rglob("findings.parquet"))[1]
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(ArchiveCorruptError, match=r"findings\.parquet") as caught:
        _measured(Archive.open(tmp_path / "a"), "spark")
    assert caught.value.path == str(damaged)


def test_a_file_that_vanishes_while_spark_works_is_named(spark: Any, synthetic: Any, tmp_path: Path) -> None:
    synthetic.write_archive(tmp_path / "a", synthetic.Plan(audits=2, findings=30))
    with (  # noqa: PT012 - the file goes in between
        pytest.raises(ArchiveCorruptError, match=r"checks\.parquet is missing"),
        open_tables(Archive.open(tmp_path / "a"), "spark") as tables,
    ):
        next((tmp_path / "a").rglob("checks.parquet")).unlink()
        metrics.compliance(tables.audit_tasks, tables.checks)


def test_trouble_of_spark_itself_is_told_in_one_line(spark: Any, archive: Archive) -> None:
    with (
        pytest.raises(EngineError, match=r"Spark could not do the work: .*no_such_column") as caught,
        open_tables(archive, "spark") as tables,
    ):
        tables.checks.select("no_such_column")  # type: ignore[union-attr]
    assert "\n" not in str(caught.value)


def test_the_life_of_problems_is_the_same_over_the_archive_in_duckdb(archive: Archive) -> None:
    lives = []
    for engine in ("pandas", "duckdb"):
        with open_tables(archive, engine) as tables:
            runs = history.check_runs(tables.audit_tasks, tables.checks, tables.findings)
            lives.append(history.episodes(history.spans(tables.findings, runs), runs))
    assert len(lives[0])
    assert_frame_equal(*lives)


# What follows needs no Spark session: it is refused before.


@pytest.mark.parametrize("engine", ["duckbd", "polars", "", "local[x]", "spark://host", "spark:", "Pandas"])
def test_an_unknown_engine_is_refused_with_those_allowed(archive: Archive, engine: str) -> None:
    with pytest.raises(InputError, match="allowed: pandas, duckdb, or a Spark master"), open_tables(archive, engine):
        pass


def test_a_misspelt_engine_is_recognised(archive: Archive) -> None:
    with pytest.raises(InputError, match="Did you mean 'duckdb'"), open_tables(archive, "duckbd"):
        pass


def test_without_pyspark_the_extra_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ddreport\[spark\]'"), open_tables(archive, "local[2]"):
        pass


def _error_of_a_fresh_process(archive: Archive, engine: str, **environment: str) -> str:
    """Run in a process without a session, and return its last line on stderr."""
    script = (
        "import sys\nfrom ddreport.archive import Archive\nfrom ddreport.errors import DDReportError\n"
        "from ddreport.workflows.engine import open_tables\n"
        "try:\n    with open_tables(Archive.open(sys.argv[1]), sys.argv[2]): pass\n"
        "except DDReportError as exc: sys.exit(f'{type(exc).__name__}: {exc}')\n"
    )
    command = [sys.executable, "-c", script, str(archive.path), engine]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


def test_without_java_it_is_said_what_to_install(archive: Archive, tmp_path: Path) -> None:
    told = _error_of_a_fresh_process(archive, "local[2]", PATH=str(tmp_path), JAVA_HOME="")
    assert told.startswith("EngineError: Spark needs Java 17 or newer: there is no java on the PATH.")
    told = _error_of_a_fresh_process(archive, "local[2]", JAVA_HOME=str(tmp_path))
    assert f"JAVA_HOME is {tmp_path}, and has no bin/java" in told


def test_a_master_that_does_not_answer_is_named_at_once(archive: Archive, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        java = tmp_path / "java" / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.touch(mode=0o755)
        told = _error_of_a_fresh_process(archive, f"spark://{place}", JAVA_HOME=str(tmp_path / "java"))
    assert told.startswith(f"EngineError: no Spark master answers at {place} (")


def test_a_java_that_cannot_start_spark_is_an_error_of_one_line(archive: Archive, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    told = _error_of_a_fresh_process(archive, "local[2]", JAVA_HOME=str(tmp_path))
    assert told.startswith("EngineError: Spark could not start with the master local[2]: ")
