"""`derived/`: tables worked out from an archive and kept beside it, to be thrown away at any time.

They are no evidence: no manifest lists them and `verify` leaves them alone. Each says what it was worked out from, and
is used only for exactly that; a damaged or half-written one counts as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.archive.layout import DERIVED
from ddreport.archive.reading import to_pandas
from ddreport.archive.staging import publish_file, staging_folder, write_file
from ddreport.schemas import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from ddreport.schemas import Schema

log = logging.getLogger(__name__)

_INDEX = "index.json"


@dataclass(frozen=True)
class Derived:
    """Tables by name, and what they were worked out from (any JSON)."""

    tables: Mapping[str, pd.DataFrame]
    origin: Any


def read_derived(root: Path, name: str, schemas: Mapping[str, Schema]) -> Derived | None:
    """Return the derived tables called `name` in the archive; None where there are none that can be trusted."""
    import pyarrow as pa
    from pyarrow import feather

    folder = root / DERIVED / name
    try:
        index = json.loads((folder / _INDEX).read_bytes())
        tables = {}
        for table, schema in schemas.items():
            file = index["files"][table]
            data = (folder / file["name"]).read_bytes()
            if hashlib.sha256(data).hexdigest() != file["sha256"]:
                log.info("%s of %s is damaged and is worked out anew", file["name"], folder)
                return None
            tables[table] = to_pandas(feather.read_table(pa.BufferReader(data)).cast(schema.arrow()), schema)
        return Derived(tables, index["origin"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as exc:
        log.debug("no derived tables %s in %s: %s", name, root, exc)
        return None


def write_derived(root: Path, name: str, derived: Derived, schemas: Mapping[str, Schema]) -> bool:
    """Keep derived tables for the next time; False where the archive's folder cannot be written (nothing is lost)."""
    folder = root / DERIVED / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        with staging_folder(root) as staging:
            for table, schema in schemas.items():
                data = _encode(derived.tables[table], schema)
                sha256 = hashlib.sha256(data).hexdigest()
                files[table] = {"name": f"{table}-{sha256[:16]}.arrow", "sha256": sha256}
                write_file(staging / files[table]["name"], data)
                publish_file(staging / files[table]["name"], folder / files[table]["name"])
            # The index comes last and all at once: until then the tables before are the ones that count.
            write_file(staging / _INDEX, json.dumps({"origin": derived.origin, "files": files}).encode())
            publish_file(staging / _INDEX, folder / _INDEX)
        _remove_others(folder, {_INDEX, *(f["name"] for f in files.values())})
    except OSError as exc:
        log.info("derived tables cannot be kept in %s: %s", folder, exc)
        return False
    return True


def _encode(frame: pd.DataFrame, schema: Schema) -> bytes:
    """Return a table as an Arrow file: larger than Parquet, but read and written in a fraction of the time."""
    import pyarrow as pa
    from pyarrow import feather

    text = {c.name: frame[c.name].astype("str") for c in schema.columns if c.dtype == SEVERITY}
    table = pa.Table.from_pandas(frame.assign(**text), schema=schema.arrow(), preserve_index=False)
    sink = pa.BufferOutputStream()
    feather.write_feather(table, sink, compression="lz4")
    return bytes(sink.getvalue())


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept:
            with suppress(OSError):  # somebody reads it just now (Windows), or was faster
                path.unlink()
