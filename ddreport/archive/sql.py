"""The archive's tables as DuckDB views, and DuckDB's errors in our own words."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import KIND_OF_TABLE, KINDS
from ddreport.archive.reading import arrow_to_pandas, find_damage, table_files
from ddreport.errors import ArchiveCorruptError, ArchiveError, InputError
from ddreport.schemas import COUNT, FLAG, SCHEMAS, SEVERITY, TEXT, TIME
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import pandas as pd

    from ddreport.archive.reading import FileCheck, TableFile
    from ddreport.archive.sets import StoredSet
    from ddreport.records import RecordKind
    from ddreport.schemas import Schema

_SQL_TYPES = {
    TEXT: "VARCHAR",
    COUNT: "BIGINT",
    "float64": "DOUBLE",
    FLAG: "BOOLEAN",
    TIME: "TIMESTAMP WITH TIME ZONE",
    SEVERITY: "severity",
}


class Views:
    """One in-memory DuckDB with a view per table over a fixed list of files: a picture that does not change.

    With `locked`, for SQL that somebody wrote: it can read these files and nothing else, and write nowhere. Else the
    files of a table are compared with their hashes when the table is first asked for.
    """

    def __init__(
        self, sets: Mapping[RecordKind, Sequence[StoredSet]], check: FileCheck, *, locked: bool = False
    ) -> None:
        import duckdb

        self._sets, self._check = sets, check
        self._files: dict[str, list[TableFile]] = {}
        self._made: set[str] = set()
        # Nothing is fetched from the internet behind the user's back, and times are shown in UTC.
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                # In SQL that somebody wrote, no Python variable is a table; `engines.upload` joins with one.
                "python_enable_replacements": "false" if locked else "true",
            },
        )
        with self.own_errors():
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
            # An enum sorts in the order of its members: most severe first, also in SQL.
            members = ", ".join(f"'{s.value}'" for s in Severity)
            self._connection.execute(f"CREATE TYPE severity AS ENUM ({members})")
            if locked:
                for table in KIND_OF_TABLE:
                    self._need(table)
                paths = ", ".join(_literal(str(f.path)) for files in self._files.values() for f in files)
                self._connection.execute(f"SET GLOBAL allowed_paths = [{paths}]")
                self._connection.execute("SET GLOBAL enable_external_access = false")
                self._connection.execute("SET GLOBAL lock_configuration = true")

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None, *, limit: int | None = None
    ) -> pd.DataFrame:
        """Run statements that only read and return the rows of the last one, at most `limit`."""
        import pyarrow as pa

        with self.own_errors():
            _check_reads_only(sql)
            cursor = self._connection.cursor()
            cursor.execute(sql, parameters)
            if limit is None:
                return arrow_to_pandas(cursor.to_arrow_table())
            reader = cursor.to_arrow_reader(max(limit, 1))
            batches, rows = [], 0
            while rows < limit and (batch := next(reader, None)) is not None:
                batches.append(batch)
                rows += batch.num_rows
            return arrow_to_pandas(pa.Table.from_batches(batches, reader.schema).slice(0, limit))

    def relation(self, table: str) -> duckdb.DuckDBPyRelation:
        """Return the view as a relation that is evaluated when its rows are asked for."""
        with self.own_errors():
            self._need(table)
            return self._connection.view(table)

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Turn DuckDB's errors into ours: a damaged file, a wrong query, or trouble of the machine."""
        import duckdb

        try:
            yield
        except duckdb.Error as exc:
            wrong_query = isinstance(exc, duckdb.ProgrammingError | duckdb.DataError | duckdb.NotSupportedError)
            # A damaged file is reported as IO or as InvalidInput, depending on where the damage is.
            if not wrong_query or isinstance(exc, duckdb.InvalidInputException):
                for table, files in self._files.items():
                    self._name_damage([f.path for f in files], SCHEMAS[table])
            if isinstance(exc, duckdb.PermissionException):
                raise InputError(
                    f"the query wants what SQL over the archive may not do: {_words(exc)}",
                    hint=f"it can read the tables {', '.join(KIND_OF_TABLE)}; no other files.",
                ) from exc
            if wrong_query:
                raise InputError(
                    f"the query cannot be run: {_words(exc)}",
                    hint=f"the tables are {', '.join(KIND_OF_TABLE)}; `DESCRIBE findings` shows the columns of one.",
                ) from exc
            raise ArchiveError(f"DuckDB could not run the query: {_words(exc)}") from exc

    def _name_damage(self, files: Sequence[Path], schema: Schema) -> None:
        try:
            find_damage(files, schema)
        except ArchiveCorruptError as exc:
            if Path(exc.path).parent.exists():
                raise
            raise ArchiveError(
                f"{Path(exc.path).parent} is gone: sets were packed or removed while they were read.",
                hint="run the same again.",
            ) from exc

    def _need(self, table: str) -> None:
        """Check the files of a table and make its view, once."""
        if table not in self._made:
            # Known before the view is made: what goes wrong with one of them is told by its name.
            self._files[table] = table_files(table, self._sets[KIND_OF_TABLE[table]], self._check)
            self._make_view(table, self._files[table])
            self._made.add(table)

    def _make_view(self, table: str, files: Sequence[TableFile]) -> None:
        schema = SCHEMAS[table]
        columns = ", ".join(
            f"CAST({'NULL' if not files else _quoted(c.name)} AS {_SQL_TYPES[c.dtype]}) AS {_quoted(c.name)}"
            for c in schema.columns
        )
        if not files:
            self._connection.execute(f"CREATE VIEW {_quoted(table)} AS SELECT {columns} WHERE false")
            return
        # The folder names repeat account and region, which the files hold as text: taken from there alone.
        whole = [str(f.path) for f in files if f.identities is None]
        found = [self._connection.read_parquet(whole, hive_partitioning=False)] if whole else []
        key = KINDS[KIND_OF_TABLE[table]].identity_key
        for file in files:
            if file.identities is not None:
                names = ", ".join(_literal(i) for i in sorted(file.identities))
                part = self._connection.read_parquet(str(file.path), hive_partitioning=False)
                found.append(part.filter(f"{_quoted(key)} IN ({names})"))
        rows = found[0]
        for more in found[1:]:
            rows = rows.union(more)
        rows.project(columns).create_view(table, replace=True)


def _check_reads_only(sql: str) -> None:
    """Refuse whatever is no SELECT: DuckDB's own lock does not keep COPY from the files that it may read."""
    import duckdb

    statements = duckdb.extract_statements(sql)
    if not statements:
        raise InputError("the query is empty.", hint="such as SELECT count(*) FROM findings.")
    for statement in statements:
        kind = statement.type
        if kind == duckdb.StatementType.EXPLAIN:  # EXPLAIN ANALYZE runs what follows
            inner = duckdb.extract_statements(_EXPLAIN.sub("", statement.query, count=1))
            kind = inner[0].type if len(inner) == 1 else kind
        if kind != duckdb.StatementType.SELECT:
            raise InputError(
                f"the query cannot be run: it holds a statement that does more than read ({kind.name}).",
                hint="allowed are SELECT, FROM, WITH, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN; PIVOT needs its values "
                "named: PIVOT … ON column IN (…).",
            )


_EXPLAIN = re.compile(r"^\s*EXPLAIN(\s+ANALYZE)?(\s*\([^)]*\))?\s", re.IGNORECASE)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _words(exc: Exception) -> str:
    """Return DuckDB's message on one line, without its drawing of where in the query the error is."""
    return " ".join(str(exc).split("\n\nLINE ")[0].split())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
