"""Where the rows are reduced: the archive's audit tables as pandas frames, DuckDB relations or Spark frames."""

from __future__ import annotations

import os
import re
import shutil
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ddreport.archive.reading import find_damage
from ddreport.errors import EngineError, InputError, MissingExtraError, did_you_mean
from ddreport.history import Reports, reports
from ddreport.schemas import COUNT, FLAG, SCHEMAS, SEVERITY, TEXT, TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ddreport.archive import Archive
    from ddreport.engines import Table

DEFAULT_ENGINE = "duckdb"
ALLOWED = "pandas, duckdb, or a Spark master such as local[2], spark://HOST:PORT, yarn or k8s://HOST:PORT"
AUDIT_TABLES = ("audit_tasks", "checks", "findings")

_PREFIX = "spark:"
_MASTER = re.compile(
    r"local(\[(\d+|\*)(,\d+)?\])?|local-cluster\[\d+,\d+,\d+\]|spark://[^/\s]+:\d+(,[^/\s]+:\d+)*|yarn|k8s://\S+"
)
_ANSWER_SECONDS = 5.0
_SPARK_TYPES = {
    TEXT: "string",
    COUNT: "bigint",
    "float64": "double",
    FLAG: "boolean",
    TIME: "timestamp",
    SEVERITY: "string",
}
_SPARK_OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
}


@dataclass(frozen=True)
class AuditTables:
    """The tables of audits, all of one engine, to be given to the functions of `metrics` and `history`."""

    audit_tasks: Table
    checks: Table
    findings: Table

    @cached_property
    def reports(self) -> Reports:
        """The findings reduced once, for all functions that take `history.Reports`."""
        return reports(self.findings, self.checks, self.audit_tasks)


@contextmanager
def open_tables(archive: Archive, engine: str = DEFAULT_ENGINE) -> Iterator[AuditTables]:
    """Give the archive's audit tables to an engine for as long as the context lasts.

    Every file is compared with its sha256 first, as everywhere else. What runs inside of the context has its engine's
    errors told in plain words.

    Parameters
    ----------
    archive
        The archive. For Spark on other machines its folder must be there under the same path (a shared disk).
    engine
        `pandas`, `duckdb`, `spark` or a Spark master: `local`, `local[2]`, `local-cluster[2,1,1024]`,
        `spark://HOST:PORT`, `yarn`, `k8s://HOST:PORT`; with `spark:` in front anything that Spark takes as a master.
        `spark` alone is the session that this process has (as in a notebook of a cluster), or one with the master
        that Spark's own configuration names. A session that is made here ends with the context; one that was there
        before goes on. More settings come from `spark-defaults.conf` or `PYSPARK_SUBMIT_ARGS`, as with any program.

    Yields
    ------
    AuditTables
        One per table, with the columns of `schemas`.

    Raises
    ------
    InputError
        An unknown engine, or a master other than that of the session that is there.
    MissingExtraError
        Spark without the extra `spark`.
    EngineError
        No Java, no answer from the master, or Spark gave up.
    NoDataError, ArchiveError, ArchiveCorruptError, ArchiveVersionError
        As `Archive.load`.
    """
    if engine == "pandas":
        yield AuditTables(*(archive.load(name) for name in AUDIT_TABLES))
    elif engine == "duckdb":
        # Audits and checks are few, in as many files as the archive has audits: read once, not at every question.
        audit_tasks, checks = archive.load("audit_tasks"), archive.load("checks")
        with archive.own_errors():
            yield AuditTables(audit_tasks, checks, archive.relation("findings"))
    else:
        master = _master(engine)
        with ExitStack() as stack:
            files = {name: archive.table_files(name) for name in AUDIT_TABLES}
            session = stack.enter_context(_session(master))
            stack.enter_context(_own_errors(files))
            yield AuditTables(*(_frame(session, name, files[name]) for name in AUDIT_TABLES))


def check_engine(engine: str) -> None:
    """Refuse what names no engine (`InputError`); whether a Spark master answers is seen when it is used."""
    if engine not in ("pandas", "duckdb"):
        _master(engine)


def _master(engine: str) -> str | None:
    """Return the Spark master that `engine` names; None for that of the session or of Spark's configuration."""
    if engine == "spark":
        return None
    if engine.startswith(_PREFIX) and not engine.startswith("spark://") and engine != _PREFIX:
        return engine.removeprefix(_PREFIX)
    if _MASTER.fullmatch(engine):
        return engine
    near = did_you_mean(engine, ["pandas", "duckdb", "spark", "yarn", "local"])
    raise InputError(
        f"engine {engine!r} is unknown; allowed: {ALLOWED}.{near}",
        hint=f"write {_PREFIX}MASTER for a master of another form.",
    )


@contextmanager
def _session(master: str | None) -> Iterator[Any]:
    """Give the session that is there, or make one and end it."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as exc:
        raise MissingExtraError.for_extra("spark", what="Spark", missing=str(exc.name)) from exc
    present = SparkSession.getActiveSession()
    if present is not None:
        running = present.conf.get("spark.master", "")
        if master not in (None, running):
            raise InputError(
                f"this process has a Spark session with the master {running} already; asked for: {master}.",
                hint="give the engine `spark` for the session that is there, or stop that one first.",
            )
        yield present
        return
    _check_java()
    _check_answers(master)
    made = _make_session(SparkSession.builder.appName("ddreport"), master)
    try:
        yield made
    finally:
        made.stop()


def _make_session(builder: Any, master: str | None) -> Any:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    if master is not None:
        builder = builder.master(master)
    try:
        return builder.config(map=_SPARK_OPTIONS).getOrCreate()
    except (PySparkException, Py4JError) as exc:
        named = "the configured master" if master is None else f"the master {master}"
        raise EngineError(
            f"Spark could not start with {named}: {_reason(exc)}.",
            hint="Spark's own messages stand above; Spark 4 needs Java 17 or newer, a master must be one it knows.",
        ) from exc


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        where = f"JAVA_HOME is {home}, and has no bin/java" if home else "there is no java on the PATH"
        raise EngineError(
            f"Spark needs Java 17 or newer: {where}.",
            hint="install one, on Debian: apt-get install default-jre-headless. Or use the engine duckdb.",
        )


def _check_answers(master: str | None) -> None:
    """Refuse a standalone master that nobody answers for: Spark itself would try for a minute, then fail obscurely."""
    if master is None or not master.startswith("spark://"):
        return
    refused = []
    for place in master.removeprefix("spark://").split(","):
        address = urlsplit(f"//{place}")
        try:
            with socket.create_connection((address.hostname or "", address.port or 7077), timeout=_ANSWER_SECONDS):
                return
        except (OSError, ValueError) as exc:
            refused.append(f"{place} ({getattr(exc, 'strerror', None) or exc})")
    raise EngineError(
        f"no Spark master answers at {', '.join(refused)}.",
        hint="check host and port (the master's web page shows its spark:// address), or use the engine duckdb.",
    )


def _frame(session: Any, table: str, files: Sequence[Path]) -> Any:
    """Return one table as a Spark frame with the columns of its schema; the types are told, not guessed."""
    if not files:
        return session.createDataFrame(SCHEMAS[table].arrow().empty_table())
    columns = ", ".join(f"`{c.name}` {_SPARK_TYPES[c.dtype]}" for c in SCHEMAS[table].columns)
    return session.read.schema(columns).parquet(*(_address(f) for f in files))


def _address(file: Path) -> str:
    """Return a local file for Spark, which would look in the cluster's file system and takes `[1]` for a pattern."""
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(file.resolve()))


@contextmanager
def _own_errors(files: Mapping[str, Sequence[Path]]) -> Iterator[None]:
    """Turn Spark's errors inside of `with` into ours: a damaged file by its name, else what Spark says first."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as exc:
        for table, paths in files.items():
            find_damage(paths, SCHEMAS[table])
        raise EngineError(
            f"Spark could not do the work: {_reason(exc)}.",
            hint="workers on other machines must find the archive's folder under the same path.",
        ) from exc


def _reason(exc: BaseException) -> str:
    """Return the line of a Java or Spark error that says what happened."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip() and not line.strip().startswith("at ")]
    told = [line for line in lines if not line.startswith("An error occurred while calling")]
    return (told or lines or [type(exc).__name__])[0].removeprefix(": ").rstrip(".")[:300]
