"""One Spark session for all tests: a master and two workers, each a process of its own, on this machine.

Without Java or pyspark these tests are skipped, unless `DDREPORT_REQUIRE_SPARK=1` says that both must be there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]

WORKERS = "local-cluster[2,1,1024]"
"""Two workers with one core and 1,024 MiB each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.spark)
            item.add_marker(pytest.mark.timeout(900))  # jobs of Spark stretch when the machine has other work too


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give the session. Its zone is not UTC: results must not follow it."""
    absent = [] if shutil.which("java") or os.environ.get("JAVA_HOME") else ["Java"]
    absent += [] if importlib.util.find_spec("pyspark") else ["pyspark"]
    if absent:
        if os.environ.get("DDREPORT_REQUIRE_SPARK") == "1":
            pytest.fail(f"DDREPORT_REQUIRE_SPARK=1, but there is no {' and no '.join(absent)}")
        pytest.skip(f"there is no {' and no '.join(absent)}")
    home = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_HOME", str(_home_of_links(home / "home")))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        options = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.sql.session.timeZone": "America/New_York",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(home / "warehouse"),
            "spark.local.dir": str(home / "local"),
            # Small tables, few times: what a compiler would win is less than what it costs.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }
        session = SparkSession.builder.master(WORKERS).appName("ddreport tests").config(map=options).getOrCreate()
        yield session
        session.stop()


def _home_of_links(home: Path) -> Path:
    """Make a home for Spark that links to its package: workers log into their home, and the package stays clean."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    home.mkdir()
    for name in ("bin", "jars", "sbin"):
        (home / name).symlink_to(Path(spec.origin).parent / name)
    return home


def _module(path: Path) -> ModuleType:
    name = f"{path.stem}_for_spark"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def engines() -> ModuleType:
    """Give the module of measures and histories that the engines are compared with."""
    return _module(TESTS / "support_engines.py")


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """Give the generator of archives."""
    return _module(TESTS / "benchmarks" / "synthetic.py")


@pytest.fixture(scope="session")
def make() -> Any:
    """Give the builders of literal tables."""
    return _module(TESTS / "metrics" / "conftest.py").BUILDERS
